//! UDP addressed to the router. Read first: RFC 768, RFC 1122 §4.1.3.

use super::Anomaly;
use super::ethernet::word;
use crate::wire::Ipv4Info;
use smoltcp::wire::{IpProtocol, UdpPacket, checksum};

/// Judges a UDP datagram.
pub(super) fn classify(datagram: &[u8], info: &Ipv4Info) -> Result<(), Anomaly> {
    let length = usize::from(word(datagram, 4));
    if datagram.len() < 8 || length < 8 || length > datagram.len() {
        return Err(Anomaly::UdpLength);
    }
    let view = UdpPacket::new_unchecked(datagram);
    // Checksum 0: the sender computed none (RFC 768).
    if view.checksum() != 0 && !transport_checksum(&datagram[..length], info, IpProtocol::Udp) {
        return Err(Anomaly::UdpChecksum);
    }
    if view.dst_port() == 0 {
        return Err(Anomaly::L4PortZero);
    }
    Ok(())
}

/// Is the checksum over pseudo-header and `segment` right?
pub(super) fn transport_checksum(segment: &[u8], info: &Ipv4Info, protocol: IpProtocol) -> bool {
    checksum::combine(&[
        checksum::pseudo_header_v4(&info.source, &info.destination, protocol, segment.len() as u32),
        checksum::data(segment),
    ]) == 0xffff
}
