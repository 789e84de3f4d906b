//! UDP addressed to the router, over IPv4 or IPv6. Read first: RFC 768, RFC 1122 §4.1.3, RFC 8200 §8.1.

use super::Anomaly;
use super::ethernet::word;
use super::ipv4::protocol;
use crate::wire::checksum::PseudoHeader;
use smoltcp::wire::UdpPacket;

/// Judges a UDP datagram.
pub(super) fn classify(datagram: &[u8], pseudo: impl Into<PseudoHeader>) -> Result<(), Anomaly> {
    let pseudo = pseudo.into();
    let length = usize::from(word(datagram, 4));
    if datagram.len() < 8 || length < 8 || length > datagram.len() {
        return Err(Anomaly::UdpLength);
    }
    let view = UdpPacket::new_unchecked(datagram);
    // Checksum 0: the sender computed none (RFC 768).
    if view.checksum() == 0 {
        if !pseudo.optional {
            return Err(Anomaly::Ipv6UdpChecksumZero);
        }
    } else if !pseudo.verify(protocol::UDP, &datagram[..length]) {
        return Err(Anomaly::UdpChecksum);
    }
    if view.dst_port() == 0 {
        return Err(Anomaly::L4PortZero);
    }
    Ok(())
}
