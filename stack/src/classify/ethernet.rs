//! Layer 2: Ethernet II, 802.1Q tags, LLC/SNAP. Read first: IEEE 802.3 §3.2, RFC 1042.

use super::Anomaly;
use crate::frame::{ETHERNET_HEADER, TAG};
use smoltcp::wire::EthernetAddress;

/// Bytes of an LLC/SNAP header.
pub(crate) const SNAP: usize = 8;

const ARP: u16 = 0x0806;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
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
    /// IPv6 right after the Ethernet header.
    Ipv6,
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

/// A MAC address as a number, for one comparison.
#[inline]
fn mac_bits(frame: &[u8], at: usize) -> u64 {
    match frame.get(at..at + 6) {
        Some(&[a, b, c, d, e, f]) => u64::from_be_bytes([0, 0, a, b, c, d, e, f]),
        _ => 0,
    }
}

/// Where the frame's destination address points, seen from the port with address `ours`.
#[inline]
pub(crate) fn destination(frame: &[u8], ours: EthernetAddress) -> LinkDestination {
    let to = mac_bits(frame, 0);
    if to == mac_bits(&ours.0, 0) {
        LinkDestination::Us
    } else if to == 0xffff_ffff_ffff {
        LinkDestination::Broadcast
    } else if to >> 40 & 1 == 1 {
        LinkDestination::Multicast
    } else {
        LinkDestination::Other
    }
}

/// Classifies layer 2 of `frame`, received by the port with address `ours`, and says where it is addressed.
#[inline]
pub(crate) fn classify(frame: &[u8], ours: EthernetAddress) -> (Link, LinkDestination) {
    if frame.len() < ETHERNET_HEADER {
        return (Link::Anomaly(Anomaly::EthernetTruncated), LinkDestination::Other);
    }
    let to = destination(frame, ours);
    let link = if frame[6] & 1 == 1 {
        Link::Anomaly(Anomaly::EthernetSourceGroup)
    } else if to == LinkDestination::Other {
        Link::Foreign
    } else if mac_bits(frame, 6) == mac_bits(&ours.0, 0) {
        Link::Anomaly(Anomaly::EthernetSourceOwn)
    } else {
        match word(frame, 12) {
            IPV4 => Link::Ipv4,
            IPV6 => Link::Ipv6,
            ARP => Link::Arp,
            C_TAG | S_TAG => Link::Anomaly(tag(&frame[ETHERNET_HEADER..])),
            length @ 0..=1500 => Link::Anomaly(llc(&frame[ETHERNET_HEADER..], usize::from(length))),
            1501..=1535 => Link::Anomaly(Anomaly::EthertypeInvalid),
            _ => Link::Anomaly(Anomaly::EthertypeUnknown),
        }
    };
    (link, to)
}

/// The VLAN id of a frame with one whole customer tag that is not a priority tag.
#[inline]
pub(crate) fn vlan(frame: &[u8]) -> Option<u16> {
    let inner = word(frame, ETHERNET_HEADER + 2);
    let tagged = word(frame, 12) == C_TAG && frame.len() >= ETHERNET_HEADER + TAG;
    let id = word(frame, ETHERNET_HEADER) & 0x0fff;
    (tagged && id != 0 && inner != C_TAG && inner != S_TAG).then_some(id)
}

/// `rest` starts with the tag control information.
fn tag(rest: &[u8]) -> Anomaly {
    if rest.len() < TAG {
        return Anomaly::VlanTruncated;
    }
    match (word(rest, 0) & 0x0fff, word(rest, 2)) {
        (_, C_TAG | S_TAG) => Anomaly::VlanNested,
        (0, IPV4 | IPV6) => Anomaly::VlanPriorityTag,
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

    fn link(frame: &[u8], ours: EthernetAddress) -> Link {
        classify(frame, ours).0
    }

    #[test]
    fn table() {
        use Anomaly as A;
        let cases: &[(&[u8], Link)] = &[
            (&[0x08, 0x00], Link::Ipv4),
            (&[0x08, 0x06], Link::Arp),
            (&[0x86, 0xdd], Link::Ipv6),
            (&[0x88, 0xcc], Link::Anomaly(A::EthertypeUnknown)),
            (&[0x05, 0xdd], Link::Anomaly(A::EthertypeInvalid)),
            (&[0x81, 0x00, 0, 0, 8], Link::Anomaly(A::VlanTruncated)),
            (&[0x81, 0x00, 0xe0, 0, 8, 0], Link::Anomaly(A::VlanPriorityTag)),
            (&[0x81, 0x00, 0, 0, 0x86, 0xdd], Link::Anomaly(A::VlanPriorityTag)),
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
            assert_eq!(link(&frame(US.0, rest), US), *expected, "{rest:x?}");
        }
        assert_eq!(link(&frame([2, 0, 0, 0, 0, 7], &[8, 0]), US), Link::Foreign);
        assert_eq!(link(&frame([0xff; 6], &[8, 0]), US), Link::Ipv4);
        assert_eq!(link(&[0; 13], US), Link::Anomaly(A::EthernetTruncated));
        let mut group_source = frame(US.0, &[8, 0]);
        group_source[6] = 3;
        assert_eq!(link(&group_source, US), Link::Anomaly(A::EthernetSourceGroup));
        let mut own_source = frame(US.0, &[8, 0]);
        own_source[6..12].copy_from_slice(&US.0);
        assert_eq!(link(&own_source, US), Link::Anomaly(A::EthernetSourceOwn));
        let tagged = |id: u16, inner: u16| {
            let [a, b] = id.to_be_bytes();
            let [c, d] = inner.to_be_bytes();
            vlan(&frame(US.0, &[0x81, 0, a, b, c, d]))
        };
        assert_eq!((tagged(0xa005, 0x0800), tagged(0xe000, 0x0800)), (Some(5), None));
        assert_eq!((tagged(5, 0x8100), tagged(5, 0x88a8)), (None, None), "two tags are no VLAN port's");
        assert_eq!(vlan(&frame(US.0, &[0x81, 0, 0, 5, 8])), None);
    }
}
