//! TCP addressed to the router, over IPv4 or IPv6. Read first: RFC 9293 §3.1, §3.2, §3.10.7.

use super::Anomaly;
use super::ethernet::word;
use super::ipv4::protocol;
use crate::wire::checksum::PseudoHeader;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;
const URG: u8 = 0x20;
/// Bytes of a TCP header without options.
pub(super) const HEADER: usize = 20;

/// Judges a TCP segment.
pub(super) fn classify(segment: &[u8], pseudo: impl Into<PseudoHeader>) -> Result<(), Anomaly> {
    if segment.len() < HEADER {
        return Err(Anomaly::TcpHeaderLength);
    }
    let offset = usize::from(segment[12] >> 4) * 4;
    if offset < HEADER || offset > segment.len() {
        return Err(Anomaly::TcpHeaderLength);
    }
    if !pseudo.into().verify(protocol::TCP, segment) {
        return Err(Anomaly::TcpChecksum);
    }
    if !options_fit(&segment[HEADER..offset]) {
        return Err(Anomaly::TcpOptionMalformed);
    }
    if word(segment, 2) == 0 {
        return Err(Anomaly::L4PortZero);
    }
    let flags = segment[13];
    let all = |mask: u8| flags & mask == mask;
    if flags & (FIN | SYN | RST | PSH | ACK | URG) == 0
        || all(SYN | FIN)
        || all(SYN | RST)
        || (all(FIN | PSH | URG) && flags & ACK == 0)
    {
        return Err(Anomaly::TcpFlags);
    }
    Ok(())
}

/// Has every option a length that keeps it within the header (RFC 9293 §3.2)?
fn options_fit(options: &[u8]) -> bool {
    let mut rest = options;
    while let Some((&kind, after_kind)) = rest.split_first() {
        let length = match kind {
            0 => return true,
            1 => 1,
            _ => after_kind.first().map_or(0, |&length| usize::from(length)),
        };
        if length == 0 || (kind != 1 && length < 2) || length > rest.len() {
            return false;
        }
        rest = &rest[length..];
    }
    true
}
