//! The headers that mutants are changed in, and which of them a frame has.
//!
//! Read first: RFC 8200 §4.1 for where IPv6's last header is.

use super::fields::Layout;
use crate::build::protocol;

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

    /// The families of the headers that a frame has, as its own bytes say, and those of the envelopes that it could
    /// be put in. None if it is too short for an Ethernet header.
    pub fn of_frame(bytes: &[u8]) -> Vec<Self> {
        if bytes.len() < 14 {
            return Vec::new();
        }
        let mut families = vec![Self::Ethernet, Self::Vlan, Self::LlcSnap];
        let layout = Layout::of(bytes);
        let packet = bytes.get(layout.network..).unwrap_or_default();
        let kind = bytes.get(layout.network - 2..layout.network);
        let protocol = match kind {
            Some([8, 6]) => {
                families.push(Self::Arp);
                return families;
            }
            Some([8, 0]) if packet.len() >= 20 => {
                // Options there may be as soon as the header says to be longer, which is one of their fields.
                families.extend([Self::Ipv4Header, Self::Ipv4Options, Self::Ipv4Fragments]);
                // Nothing but the first piece has what the protocol says.
                if packet[6] & 0x1f == 0 && packet[7] == 0 { packet[9] } else { protocol::NO_NEXT }
            }
            Some([0x86, 0xdd]) if packet.len() >= 40 => {
                families.push(Self::Ipv6Header);
                if matches!(packet[6], protocol::HOP_BY_HOP | protocol::ROUTING | protocol::DESTINATION) {
                    families.push(Self::Ipv6Extension);
                }
                if layout.fragment_header().is_some() {
                    families.push(Self::Ipv6Fragments);
                }
                layout.protocol
            }
            _ => return families,
        };
        match protocol {
            protocol::ICMP => families.push(Self::Icmp),
            protocol::TCP => families.push(Self::Tcp),
            protocol::UDP => families.push(Self::Udp),
            protocol::ICMPV6 => {
                families.push(Self::Icmpv6);
                if matches!(bytes.get(layout.transport), Some(133..=137)) {
                    families.push(Self::Nd);
                }
            }
            _ => {}
        }
        families
    }

    /// The family with this printed name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|family| family.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Generator, World};

    #[test]
    fn names_round_trip() {
        for &family in Family::ALL {
            assert_eq!(Family::from_name(family.name()), Some(family));
        }
        assert_eq!(Family::from_name("token_ring"), None);
    }

    #[test]
    fn a_frame_has_the_headers_that_it_was_made_with() {
        let generator = Generator::new(World::lab(), 5);
        for &family in Family::ALL {
            for index in 0..50 {
                let made = generator.base_of(family, index);
                assert!(Family::of_frame(&made.bytes).contains(&family), "{family:?} {:02x?}", made.bytes);
            }
        }
        let cut = [&[0; 12][..], &[8, 0], &[0x45; 19]].concat();
        assert_eq!(Family::of_frame(&cut), [Family::Ethernet, Family::Vlan, Family::LlcSnap]);
        assert_eq!(Family::of_frame(&[0; 13]), []);
    }
}
