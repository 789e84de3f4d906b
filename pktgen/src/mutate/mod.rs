//! Field-aware mutation: families, each of which knows where its header's fields are.
//!
//! Read first: RFC 894, RFC 1042, RFC 826, RFC 791 §3.1, RFC 792, RFC 768, RFC 9293 §3.1; IEEE 802.1Q §9;
//! RFC 8200 §3 and §4, RFC 4443 §2.1, RFC 4861 §4.
//! A mutant's class is not known beforehand. Checksums above the changed field are usually put right again,
//! so that mutants get past the first check and into the code behind it.

mod fields;

use crate::build::{self, seal_icmp, seal_ipv4, seal_segment};
use crate::dice::Draw;
use fields::{Field, Layout};
use rand::Rng;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The header that a mutant is changed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Family {
    /// Ethernet II header.
    Ethernet,
    /// 802.1Q and 802.1ad tags.
    Vlan,
    /// 802.2 LLC and SNAP.
    LlcSnap,
    /// ARP.
    Arp,
    /// IPv4 header without its options and fragment fields.
    Ipv4Header,
    /// IPv4 options.
    Ipv4Options,
    /// IPv4 fragment fields.
    Ipv4Fragments,
    /// ICMP.
    Icmp,
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// IPv6 header.
    Ipv6Header,
    /// IPv6 extension headers but for fragments.
    Ipv6Extension,
    /// IPv6 Fragment header.
    Ipv6Fragments,
    /// ICMPv6.
    Icmpv6,
    /// Neighbour Discovery.
    Nd,
}

impl Family {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Ethernet,
        Self::Vlan,
        Self::LlcSnap,
        Self::Arp,
        Self::Ipv4Header,
        Self::Ipv4Options,
        Self::Ipv4Fragments,
        Self::Icmp,
        Self::Udp,
        Self::Tcp,
        Self::Ipv6Header,
        Self::Ipv6Extension,
        Self::Ipv6Fragments,
        Self::Icmpv6,
        Self::Nd,
    ];

    /// The stable printed name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ethernet => "ethernet",
            Self::Vlan => "vlan",
            Self::LlcSnap => "llc_snap",
            Self::Arp => "arp",
            Self::Ipv4Header => "ipv4_header",
            Self::Ipv4Options => "ipv4_options",
            Self::Ipv4Fragments => "ipv4_fragments",
            Self::Icmp => "icmp",
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Ipv6Header => "ipv6_header",
            Self::Ipv6Extension => "ipv6_extension",
            Self::Ipv6Fragments => "ipv6_fragments",
            Self::Icmpv6 => "icmpv6",
            Self::Nd => "nd",
        }
    }

    /// The family with this printed name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|family| family.name() == name)
    }
}

/// A copy of `frame` with one to three of the family's fields changed. Any bytes will do, even none: fields
/// that the frame is too short for are passed over.
pub fn mutate<R: Rng + ?Sized>(family: Family, frame: &[u8], rng: &mut R) -> Vec<u8> {
    let mut bytes = wrap(family, frame, rng);
    for _ in 0..rng.between(1, 3) {
        let layout = Layout::of(&bytes);
        match rng.below(8) {
            0 => {
                // Cut inside the family's own header, or a little behind it.
                let end = layout.start(family).saturating_add(rng.below(24));
                bytes.truncate(end);
                if rng.one_in(2) {
                    fit(&mut bytes, &layout);
                }
            }
            1 => {
                let more = rng.between(1, 48);
                bytes.extend(rng.bytes(more));
                if rng.one_in(2) {
                    fit(&mut bytes, &layout);
                }
            }
            _ => {
                let field = rng.pick(fields::of(family));
                change(&mut bytes, layout.start(family), field, rng);
                if !field.is_checksum && !rng.one_in(4) {
                    seal(&mut bytes, &layout);
                }
            }
        }
    }
    bytes
}

/// Puts the tag or the envelope around a frame that its family mutates.
fn wrap<R: Rng + ?Sized>(family: Family, frame: &[u8], rng: &mut R) -> Vec<u8> {
    match family {
        Family::Vlan => {
            let kind = *rng.pick(&[0x8100, 0x8100, 0x88a8]);
            build::tag(frame, kind, rng.word() & 0xf000)
        }
        Family::LlcSnap if frame.len() >= 14 => {
            let mut addresses = [[0; 6]; 2];
            addresses[0].copy_from_slice(&frame[..6]);
            addresses[1].copy_from_slice(&frame[6..12]);
            let kind = u16::from_be_bytes([frame[12], frame[13]]);
            build::snap(addresses[0], addresses[1], kind, &frame[14..])
        }
        _ => frame.to_vec(),
    }
}

/// Gives one field another value: a bit flipped, a value that code compares with, a neighbour, or any.
fn change<R: Rng + ?Sized>(bytes: &mut [u8], start: usize, field: &Field, rng: &mut R) {
    let Some(at) = bytes.get_mut(start + field.at..).and_then(|rest| rest.get_mut(..field.len)) else {
        return;
    };
    let old = at.iter().fold(0_u64, |value, &byte| (value << 8) | u64::from(byte));
    let shift = field.mask.trailing_zeros();
    let value = (old & field.mask) >> shift;
    let top = field.mask >> shift;
    let new = match rng.below(6) {
        0 => value ^ (1 << rng.below(top.count_ones() as usize)),
        1 | 2 if !field.values.is_empty() => *rng.pick(field.values),
        3 => value.wrapping_add(1),
        4 => value.wrapping_sub(1),
        _ => rng.next_u64(),
    };
    let merged = (old & !field.mask) | ((new << shift) & field.mask);
    at.copy_from_slice(&merged.to_be_bytes()[8 - field.len..]);
}

/// Makes the total or payload length agree with what a cut or an addition left, so that the change counts as
/// payload.
fn fit(bytes: &mut [u8], layout: &Layout) {
    let least = if layout.ipv6 { 40 } else { 20 };
    if let Some(packet) = bytes.get_mut(layout.network..).filter(|packet| packet.len() >= least) {
        let (at, len) = if layout.ipv6 { (4, packet.len() - 40) } else { (2, packet.len()) };
        packet[at..at + 2].copy_from_slice(&(len.min(0xffff) as u16).to_be_bytes());
        seal(bytes, layout);
    }
}

/// Computes the checksums anew that cover the frame's headers, as far as the frame holds them.
fn seal(bytes: &mut [u8], layout: &Layout) {
    if layout.ipv6 {
        return seal_ipv6(bytes, layout);
    }
    let Some(packet) = bytes.get_mut(layout.network..).filter(|packet| packet.len() >= 20) else {
        return;
    };
    seal_ipv4(packet);
    let header = (usize::from(packet[0] & 15) * 4).min(packet.len());
    let total = usize::from(u16::from_be_bytes([packet[2], packet[3]])).clamp(header, packet.len());
    let address = |at: usize| Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]);
    let (source, destination, protocol) = (address(12), address(16), packet[9]);
    let segment = &mut packet[header..total];
    if protocol == build::protocol::ICMP {
        seal_icmp(segment);
    } else {
        seal_segment(source, destination, protocol, segment);
    }
}

/// IPv6 has no checksum of its own, so only what lies behind the extension headers is put right.
fn seal_ipv6(bytes: &mut [u8], layout: &Layout) {
    let Some(packet) = bytes.get(layout.network..).filter(|packet| packet.len() >= 40) else { return };
    let address = |at: usize| {
        let mut octets = [0; 16];
        octets.copy_from_slice(&packet[at..at + 16]);
        Ipv6Addr::from(octets)
    };
    let (source, destination) = (address(8), address(24));
    let end = layout.network + 40 + usize::from(u16::from_be_bytes([packet[4], packet[5]]));
    let end = end.min(bytes.len());
    if let Some(segment) = bytes.get_mut(layout.transport..end) {
        seal_segment(source, destination, layout.protocol, segment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::rng_for;

    #[test]
    fn no_family_panics_on_any_bytes() {
        for &family in Family::ALL {
            for len in 0..120 {
                for round in 0..20 {
                    let mut rng = rng_for(len as u64, family as u64, round);
                    let frame = rng.bytes(len);
                    let _ = mutate(family, &frame, &mut rng);
                }
            }
        }
    }

    #[test]
    fn a_field_changes_under_its_mask_only() {
        let field = Field { at: 1, len: 2, mask: 0x1fff, values: &[0x1fff], is_checksum: false };
        for index in 0..200 {
            let mut bytes = vec![0xaa; 5];
            change(&mut bytes, 1, &field, &mut rng_for(0, 0, index));
            assert_eq!((bytes[0], bytes[1], bytes[2] & 0xe0, bytes[4]), (0xaa, 0xaa, 0xa0, 0xaa));
        }
        change(&mut [1, 2, 3], 2, &field, &mut rng_for(0, 0, 0));
    }

    #[test]
    fn names_round_trip() {
        for &family in Family::ALL {
            assert_eq!(Family::from_name(family.name()), Some(family));
        }
        assert_eq!(Family::from_name("token_ring"), None);
    }
}
