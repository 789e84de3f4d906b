//! TCP addressed to the router. Read first: RFC 9293 §3.1, §3.10.7.

use super::Anomaly;
use super::ethernet::word;
use super::udp::transport_checksum;
use crate::wire::Ipv4Info;
use smoltcp::wire::IpProtocol;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;
const URG: u8 = 0x20;

/// Judges a TCP segment.
pub(super) fn classify(segment: &[u8], info: &Ipv4Info) -> Result<(), Anomaly> {
    if segment.len() < 20 {
        return Err(Anomaly::TcpHeaderLength);
    }
    let offset = usize::from(segment[12] >> 4) * 4;
    if offset < 20 || offset > segment.len() {
        return Err(Anomaly::TcpHeaderLength);
    }
    if !transport_checksum(segment, info, IpProtocol::Tcp) {
        return Err(Anomaly::TcpChecksum);
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
