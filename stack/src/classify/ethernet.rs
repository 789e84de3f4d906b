//! Layer 2: Ethernet II, 802.1Q tags, LLC/SNAP. Read first: IEEE 802.3 §3.2, RFC 1042.

use super::Anomaly;
use crate::frame::ETHERNET_HEADER;
use smoltcp::wire::EthernetAddress;

/// Bytes of an 802.1Q tag (after its EtherType: tag control information and the inner EtherType).
pub(crate) const TAG: usize = 4;
/// Bytes of an LLC/SNAP header.
pub(crate) const SNAP: usize = 8;

const ARP: u16 = 0x0806;
const IPV4: u16 = 0x0800;
const C_TAG: u16 = 0x8100;
const S_TAG: u16 = 0x88a8;

/// Where the link-layer destination points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkDestination {
    /// To this port's own address.
    Us,
    /// To everybody.
    Broadcast,
    /// To a group.
    Multicast,
    /// To another station.
    Other,
}

/// What the link layer says about a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// IPv4 right after the Ethernet header.
    Ipv4,
    /// ARP right after the Ethernet header.
    Arp,
    /// For another station.
    Foreign,
    /// Something else.
    Anomaly(Anomaly),
}

/// Reads a big-endian word; 0 beyond the end.
pub(crate) fn word(bytes: &[u8], at: usize) -> u16 {
    match bytes.get(at..at + 2) {
        Some(&[high, low]) => u16::from_be_bytes([high, low]),
        _ => 0,
    }
}

/// Where the frame's destination address points, seen from the port with address `ours`.
pub(crate) fn destination(frame: &[u8], ours: EthernetAddress) -> LinkDestination {
    match frame.get(..6) {
        Some(mac) if mac == ours.as_bytes() => LinkDestination::Us,
        Some(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff]) => LinkDestination::Broadcast,
        Some(mac) if mac[0] & 1 == 1 => LinkDestination::Multicast,
        _ => LinkDestination::Other,
    }
}

/// Classifies layer 2 of `frame`, received by the port with address `ours`.
pub(crate) fn classify(frame: &[u8], ours: EthernetAddress) -> Link {
    if frame.len() < ETHERNET_HEADER {
        return Link::Anomaly(Anomaly::EthernetTruncated);
    }
    if frame[6] & 1 == 1 {
        return Link::Anomaly(Anomaly::EthernetSourceGroup);
    }
    if destination(frame, ours) == LinkDestination::Other {
        return Link::Foreign;
    }
    match word(frame, 12) {
        IPV4 => Link::Ipv4,
        ARP => Link::Arp,
        C_TAG | S_TAG => Link::Anomaly(tag(&frame[ETHERNET_HEADER..])),
        length @ 0..=1500 => Link::Anomaly(llc(&frame[ETHERNET_HEADER..], usize::from(length))),
        1501..=1535 => Link::Anomaly(Anomaly::EthertypeInvalid),
        _ => Link::Anomaly(Anomaly::EthertypeUnknown),
    }
}

/// `rest` starts with the tag control information.
fn tag(rest: &[u8]) -> Anomaly {
    if rest.len() < TAG {
        return Anomaly::VlanTruncated;
    }
    match (word(rest, 0) & 0x0fff, word(rest, 2)) {
        (_, C_TAG | S_TAG) => Anomaly::VlanNested,
        (0, IPV4) => Anomaly::VlanPriorityTag,
        (0, _) => Anomaly::EthertypeUnknown,
        _ => Anomaly::VlanUnexpected,
    }
}

/// `rest` starts with the LLC header; `length` is the 802.3 length field.
fn llc(rest: &[u8], length: usize) -> Anomaly {
    if length > rest.len() || length < 3 {
        return Anomaly::LlcTruncated;
    }
    let llc = &rest[..length];
    if !llc.starts_with(&[0xaa, 0xaa, 0x03]) {
        return Anomaly::LlcUnsupported;
    }
    if llc.len() < SNAP {
        return Anomaly::LlcTruncated;
    }
    if llc[3..6] == [0, 0, 0] && word(llc, 6) == IPV4 { Anomaly::SnapIpv4 } else { Anomaly::LlcUnsupported }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const US: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);

    fn frame(destination: [u8; 6], rest: &[u8]) -> Vec<u8> {
        let mut frame = Vec::from(destination);
        frame.extend_from_slice(&[2, 0, 0, 0, 0, 9]);
        frame.extend_from_slice(rest);
        frame
    }

    #[test]
    fn table() {
        use Anomaly as A;
        let cases: &[(&[u8], Link)] = &[
            (&[0x08, 0x00], Link::Ipv4),
            (&[0x08, 0x06], Link::Arp),
            (&[0x86, 0xdd], Link::Anomaly(A::EthertypeUnknown)),
            (&[0x05, 0xdd], Link::Anomaly(A::EthertypeInvalid)),
            (&[0x81, 0x00, 0, 0, 8], Link::Anomaly(A::VlanTruncated)),
            (&[0x81, 0x00, 0xe0, 0, 8, 0], Link::Anomaly(A::VlanPriorityTag)),
            (&[0x81, 0x00, 0, 0, 8, 6], Link::Anomaly(A::EthertypeUnknown)),
            (&[0x81, 0x00, 0, 5, 8, 0], Link::Anomaly(A::VlanUnexpected)),
            (&[0x88, 0xa8, 0, 5, 0x81, 0], Link::Anomaly(A::VlanNested)),
            (&[0, 2, 0xaa, 0xaa, 3], Link::Anomaly(A::LlcTruncated)),
            (&[0, 9, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0], Link::Anomaly(A::LlcTruncated)),
            (&[0, 8, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0], Link::Anomaly(A::SnapIpv4)),
            (&[0, 5, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0], Link::Anomaly(A::LlcTruncated)),
            (&[0, 8, 0xaa, 0xaa, 3, 0, 0, 0xf8, 8, 0], Link::Anomaly(A::LlcUnsupported)),
            (&[0, 3, 0x42, 0x42, 3], Link::Anomaly(A::LlcUnsupported)),
        ];
        for (rest, expected) in cases {
            assert_eq!(classify(&frame(US.0, rest), US), *expected, "{rest:x?}");
        }
        assert_eq!(classify(&frame([2, 0, 0, 0, 0, 7], &[8, 0]), US), Link::Foreign);
        assert_eq!(classify(&frame([0xff; 6], &[8, 0]), US), Link::Ipv4);
        assert_eq!(classify(&[0; 13], US), Link::Anomaly(A::EthernetTruncated));
        let mut group_source = frame(US.0, &[8, 0]);
        group_source[6] = 3;
        assert_eq!(classify(&group_source, US), Link::Anomaly(A::EthernetSourceGroup));
    }
}
