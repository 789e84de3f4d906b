//! Packets of other link layers, in an Ethernet frame to the router: raw IP, the BSD loopback's, Linux "cooked" captures.
//!
//! Read first: the LINKTYPE registry (draft-ietf-opsawg-pcaplinktype); RFC 894; RFC 1112 §6.4; RFC 2464 §7.

use pcap_file::DataLink;
use std::fmt;

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// The smallest EtherType; what is less is a length (IEEE 802.3 §3.2.6).
const FIRST_TYPE: u16 = 1536;

/// A link layer whose packets the router can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Ethernet,
    /// An IP packet of either version.
    Raw,
    Ipv4,
    Ipv6,
    /// Linux "cooked", versions 1 and 2.
    Sll,
    Sll2,
    /// An address family, in the byte order of whoever captured it.
    Null,
    /// An address family in network byte order.
    Loop,
}

/// Why a packet is not played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LeftOut {
    /// Its link layer is none of those.
    LinkType(u32),
    /// Shorter than its link layer's header.
    NoHeader,
    /// The link layer carried something else than a network layer's packet: CAN, netlink, an unknown address family.
    NoPacket,
    /// Longer than any frame that a port takes.
    TooLong,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LinkType(number) => write!(f, "link type {} is not supported", link_name(*number)),
            Self::NoHeader => f.write_str("shorter than its link-layer header"),
            Self::NoPacket => f.write_str("no packet of a network layer"),
            Self::TooLong => f.write_str("longer than any frame that a port takes"),
        }
    }
}

/// The registry's name of a link type, and its number.
pub(super) fn link_name(number: u32) -> String {
    match DataLink::from(number) {
        DataLink::Unknown(_) => number.to_string(),
        known => format!("{number} ({known:?})"),
    }
}

impl Link {
    /// The link layer with this number.
    pub(super) const fn of(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Null,
            1 => Self::Ethernet,
            12 | 14 | 101 => Self::Raw,
            108 => Self::Loop,
            113 => Self::Sll,
            228 => Self::Ipv4,
            229 => Self::Ipv6,
            276 => Self::Sll2,
            _ => return None,
        })
    }

    /// Writes the packet to `frame` as a frame for the router's port `router`, from the made-up station `host` where the link
    /// layer does not say who sent it.
    pub(super) fn to_ethernet(
        self,
        packet: &[u8],
        router: [u8; 6],
        host: [u8; 6],
        frame: &mut Vec<u8>,
    ) -> Result<(), LeftOut> {
        let mut write = |destination: [u8; 6], source: [u8; 6], kind: u16, payload: &[u8]| {
            frame.clear();
            frame.reserve(ETHERNET + payload.len());
            frame.extend_from_slice(&destination);
            frame.extend_from_slice(&source);
            frame.extend_from_slice(&kind.to_be_bytes());
            frame.extend_from_slice(payload);
        };
        let station = |payload: &[u8]| group(payload).unwrap_or(router);
        match self {
            Self::Ethernet => {
                frame.clear();
                frame.extend_from_slice(packet);
            }
            Self::Raw => {
                let kind = if packet.first().is_some_and(|byte| byte >> 4 == 6) { IPV6 } else { IPV4 };
                write(station(packet), host, kind, packet);
            }
            Self::Ipv4 => write(station(packet), host, IPV4, packet),
            Self::Ipv6 => write(station(packet), host, IPV6, packet),
            Self::Null | Self::Loop => {
                let (family, payload) = packet.split_first_chunk::<4>().ok_or(LeftOut::NoHeader)?;
                let kind = address_family(*family, self == Self::Loop).ok_or(LeftOut::NoPacket)?;
                write(station(payload), host, kind, payload);
            }
            Self::Sll => {
                let (header, payload) = packet.split_first_chunk::<16>().ok_or(LeftOut::NoHeader)?;
                let [_, kind, arphrd_high, arphrd, _, len, a, b, c, d, e, g, _, _, high, low] = *header;
                let cooked = Cooked {
                    kind,
                    arphrd: u16::from_be_bytes([arphrd_high, arphrd]),
                    source: (len == 6).then_some([a, b, c, d, e, g]),
                    protocol: u16::from_be_bytes([high, low]),
                };
                let (destination, source, kind) = cooked.ethernet(payload, router, host)?;
                write(destination, source, kind, payload);
            }
            Self::Sll2 => {
                let (header, payload) = packet.split_first_chunk::<20>().ok_or(LeftOut::NoHeader)?;
                let [high, low, _, _, _, _, _, _, arphrd_high, arphrd, kind, len, a, b, c, d, e, g, _, _] =
                    *header;
                let cooked = Cooked {
                    kind,
                    arphrd: u16::from_be_bytes([arphrd_high, arphrd]),
                    source: (len == 6).then_some([a, b, c, d, e, g]),
                    protocol: u16::from_be_bytes([high, low]),
                };
                let (destination, source, kind) = cooked.ethernet(payload, router, host)?;
                write(destination, source, kind, payload);
            }
        }
        Ok(())
    }
}

/// What a Linux "cooked" header says.
struct Cooked {
    /// 0 to us, 1 broadcast, 2 multicast, 3 to another station, 4 sent by us.
    kind: u8,
    /// The kind of device (`ARPHRD_`).
    arphrd: u16,
    /// The sender's MAC address, if it has one.
    source: Option<[u8; 6]>,
    /// An EtherType, with exceptions.
    protocol: u16,
}

impl Cooked {
    fn ethernet(
        &self,
        payload: &[u8],
        router: [u8; 6],
        host: [u8; 6],
    ) -> Result<([u8; 6], [u8; 6], u16), LeftOut> {
        const NETLINK: u16 = 824;
        /// 802.3 without LLC, and 802.2 LLC: in Ethernet both have a length there.
        const LENGTHS: [u16; 2] = [1, 4];
        let kind = match self.protocol {
            _ if self.arphrd == NETLINK => return Err(LeftOut::NoPacket),
            protocol if protocol >= FIRST_TYPE => protocol,
            protocol if LENGTHS.contains(&protocol) => {
                u16::try_from(payload.len()).ok().filter(|&len| len < FIRST_TYPE).ok_or(LeftOut::NoPacket)?
            }
            _ => return Err(LeftOut::NoPacket),
        };
        let destination = match self.kind {
            1 => [0xff; 6],
            _ => group(payload).unwrap_or(router),
        };
        // A packet that this very station sent, or whose link layer has no addresses, comes from the made-up host.
        let source = self.source.filter(|source| source[0] & 1 == 0 && *source != [0; 6]);
        Ok((destination, source.unwrap_or(host), kind))
    }
}

/// The EtherType of an address family, which each system numbers otherwise.
fn address_family(bytes: [u8; 4], network_order: bool) -> Option<u16> {
    let little = u32::from_le_bytes(bytes);
    // No family has a number that large: the bytes are the other way round.
    let family =
        if network_order || little > u32::from(u16::MAX) { u32::from_be_bytes(bytes) } else { little };
    match family {
        2 => Some(IPV4),
        10 | 24 | 28 | 30 => Some(IPV6),
        _ => None,
    }
}

/// The Ethernet group that an IP packet's destination maps to, if that is a group or the limited broadcast.
fn group(packet: &[u8]) -> Option<[u8; 6]> {
    match packet.first()? >> 4 {
        4 => match *packet.get(16..20)? {
            [255, 255, 255, 255] => Some([0xff; 6]),
            [224..=239, b, c, d] => Some([0x01, 0x00, 0x5e, b & 0x7f, c, d]),
            _ => None,
        },
        6 => match *packet.get(24..40)? {
            [0xff, .., a, b, c, d] => Some([0x33, 0x33, a, b, c, d]),
            _ => None,
        },
        _ => None,
    }
}

/// Addresses a captured frame to the router: it was for another one, and would be `foreign` here. Broadcast and multicast
/// frames are for everybody already.
pub fn readdress(frame: &mut [u8], router: [u8; 6]) {
    if let Some(destination) = frame.get_mut(..6).filter(|destination| destination[0] & 1 == 0) {
        destination.copy_from_slice(&router);
    }
}
