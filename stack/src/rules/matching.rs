//! What a rule matches: a class key and, within it, everything, one source or one flow. Read from the frame by the host.

use crate::answer::Scope;
use crate::classify::ipv4::protocol;
use crate::divert::{ClassKey, ClassWords, network, says_ipv6};
use crate::wire::{IPV6_HEADER, MIN_HEADER};
use core::hash::{BuildHasher as _, Hasher as _};
use foldhash::quality::FixedState;
use smoltcp::wire::{EthernetAddress, IpAddress, Ipv4Address, Ipv6Address};

/// L4 ports from here on are given to clients for one connection (RFC 6335 §6 begins at 49152, Linux at 32768): a rule that
/// named one would never match again.
const EPHEMERAL: u16 = 32_768;

/// Which frames a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Match {
    /// Every field that the decision consulted, with its value.
    pub class: ClassKey,
    /// Which frames of the class.
    pub subject: Subject,
}

/// Which frames of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// All.
    Class,
    /// Those of one source.
    Source(Station),
    /// Those of one flow.
    Flow(Flow),
}

/// Who sends or receives: the IP address, or where a frame has no IP packet the MAC address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Station {
    /// By IP address.
    Ip(IpAddress),
    /// By MAC address.
    Mac(EthernetAddress),
}

/// Two stations and what they talk. Exact values, 0 like any other: protocol 0 (IPv6's Hop-by-Hop Options) is no wildcard
/// (CVE-2023-1668).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Who sends.
    pub from: Station,
    /// To whom.
    pub to: Station,
    /// Protocol or next header of the IP header; 0 without an IP packet.
    pub protocol: u8,
    /// Source and destination port of TCP and UDP, else 0; ports from 32768 on count as 0.
    pub l4_ports: (u16, u16),
}

/// Words of the longest key.
const WORDS: usize = 7;

/// A match as words that are hashed and compared at once: equal for equal matches alone.
///
/// | words | hold |
/// |---|---|
/// | 0, 1 | the class; the scope, and what sort of stations follow |
/// | 2, 3 | the source |
/// | 4, 5, 6 | the destination, protocol and ports |
#[derive(Debug, Clone, Copy)]
pub(super) struct Key([u64; WORDS]);

impl PartialEq for Key {
    /// Without a call, which comparing so many bytes would be.
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).fold(0, |differ, (a, b)| differ | a ^ b) == 0
    }
}

impl Eq for Key {}

impl Key {
    /// An empty slot's.
    pub(super) const EMPTY: Self = Self([0; WORDS]);

    /// The key of a match.
    pub(super) fn of(class: ClassWords, subject: &Subject) -> Self {
        match subject {
            Subject::Class => Self::class(class),
            Subject::Source(station) => Self::class(class).source(station.words()),
            Subject::Flow(Flow { from, to, protocol, l4_ports }) => {
                let rest = FlowWords { to: to.words(), talk: talk(*protocol, *l4_ports) };
                Self::class(class).source(from.words()).flow(rest)
            }
        }
    }

    /// The key of what a rule of this scope about such a frame would match.
    #[inline]
    pub(super) fn of_frame(class: ClassWords, scope: Scope, frame: &[u8]) -> Self {
        let key = Self::class(class);
        match scope {
            // No rule has this scope.
            Scope::Frame | Scope::Class => key,
            Scope::Source => key.source(station(frame, &packet(frame), SOURCE)),
            Scope::Flow => {
                let packet = packet(frame);
                key.source(station(frame, &packet, SOURCE)).flow(FlowWords::read(frame, &packet))
            }
        }
    }

    #[inline]
    const fn class(ClassWords([head, fields]): ClassWords) -> Self {
        Self([head | (Scope::Class as u64) << 32, fields, 0, 0, 0, 0, 0])
    }

    #[inline]
    const fn source(self, StationWords { sort, words }: StationWords) -> Self {
        let Self([head, fields, ..]) = self;
        let head = head & !(0xff << 32) | (Scope::Source as u64) << 32 | sort << 40;
        Self([head, fields, words[0], words[1], 0, 0, 0])
    }

    #[inline]
    const fn flow(self, FlowWords { to: StationWords { sort, words }, talk }: FlowWords) -> Self {
        let Self([head, fields, high, low, ..]) = self;
        let head = head & !(0xff << 32) | (Scope::Flow as u64) << 32 | sort << 44;
        Self([head, fields, high, low, words[0], words[1], talk])
    }

    /// A hash of it that nobody without `secret` can foresee. It says where to look, and no more.
    #[inline]
    pub(super) fn hash(&self, secret: u64) -> u64 {
        let Self([head, fields, from @ .., talk]) = *self;
        let mut hash = FixedState::with_seed(secret).build_hasher();
        hash.write_u64(head);
        hash.write_u64(fields);
        // What a key of a narrower scope alone has.
        if head >> 32 & 3 != Scope::Class as u64 {
            hash.write_u64(from[0]);
            hash.write_u64(from[1]);
        }
        if head >> 32 & 3 == Scope::Flow as u64 {
            hash.write_u64(from[2]);
            hash.write_u64(from[3]);
            hash.write_u64(talk);
        }
        hash.finish()
    }
}

impl Match {
    /// The match of this scope for a frame of this class. `None`: [`Scope::Frame`] is no rule's.
    pub(crate) fn of(class: ClassKey, scope: Scope, frame: &[u8]) -> Option<Self> {
        Subject::of(scope, frame).map(|subject| Self { class, subject })
    }
}

impl Subject {
    /// The scope that it has.
    pub const fn scope(&self) -> Scope {
        match self {
            Self::Class => Scope::Class,
            Self::Source(_) => Scope::Source,
            Self::Flow(_) => Scope::Flow,
        }
    }

    /// The subject of this scope that `frame` belongs to.
    pub(crate) fn of(scope: Scope, frame: &[u8]) -> Option<Self> {
        match scope {
            Scope::Frame => None,
            Scope::Class => Some(Self::Class),
            Scope::Source => Some(Self::Source(Station::source(frame))),
            Scope::Flow => Some(Self::Flow(Flow::of(frame))),
        }
    }

    /// Could it be read from a frame? No frame has a flow with other ends or L4 ports, so a rule about it would never match.
    pub(super) const fn is_derived(&self) -> bool {
        let Self::Flow(Flow { from, to, protocol, l4_ports: (here, there) }) = *self else { return true };
        let has_ports = matches!(protocol, protocol::TCP | protocol::UDP);
        let ends = match (from, to) {
            (Station::Ip(IpAddress::Ipv4(_)), Station::Ip(IpAddress::Ipv4(_)))
            | (Station::Ip(IpAddress::Ipv6(_)), Station::Ip(IpAddress::Ipv6(_))) => true,
            (Station::Mac(_), Station::Mac(_)) => protocol == 0,
            (Station::Ip(_), _) | (Station::Mac(_), Station::Ip(_)) => false,
        };
        ends && here < EPHEMERAL && there < EPHEMERAL && (has_ports || here == 0 && there == 0)
    }
}

/// A station as words.
#[derive(Debug, Clone, Copy)]
struct StationWords {
    /// 1: IPv4, 2: IPv6, 3: MAC.
    sort: u64,
    words: [u64; 2],
}

/// Where an Ethernet, an IPv4 and an IPv6 header have an address.
type Offsets = [usize; 3];
const SOURCE: Offsets = [6, 12, 8];
const DESTINATION: Offsets = [0, 16, 24];

/// Reads a station from a frame.
#[inline]
fn station(frame: &[u8], packet: &Packet<'_>, [mac, v4, v6]: Offsets) -> StationWords {
    let eight = |bytes: &[u8], at: usize| {
        bytes.get(at..at + 8).and_then(<[u8]>::first_chunk).map_or(0, |&bytes| u64::from_be_bytes(bytes))
    };
    match *packet {
        Packet::V4(bytes) => {
            let address = bytes.get(v4..v4 + 4).and_then(<[u8]>::first_chunk);
            StationWords { sort: 1, words: [0, address.map_or(0, |&four| u32::from_be_bytes(four).into())] }
        }
        Packet::V6(bytes) => StationWords { sort: 2, words: [eight(bytes, v6), eight(bytes, v6 + 8)] },
        Packet::None => {
            let address = frame.get(mac..mac + 6).and_then(<[u8]>::first_chunk);
            let number = |&[a, b, c, d, e, f]: &[u8; 6]| u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
            StationWords { sort: 3, words: [0, address.map_or(0, number)] }
        }
    }
}

impl Station {
    /// Who sent this frame.
    #[inline]
    pub(crate) fn source(frame: &[u8]) -> Self {
        station(frame, &packet(frame), SOURCE).station()
    }

    fn words(&self) -> StationWords {
        let (sort, words) = match self {
            Self::Ip(IpAddress::Ipv4(address)) => (1, [0, u64::from(address.to_bits())]),
            Self::Ip(IpAddress::Ipv6(address)) => {
                let bits = address.to_bits();
                (2, [(bits >> 64) as u64, bits as u64])
            }
            Self::Mac(EthernetAddress([a, b, c, d, e, f])) => {
                (3, [0, u64::from_be_bytes([0, 0, *a, *b, *c, *d, *e, *f])])
            }
        };
        StationWords { sort, words }
    }
}

impl StationWords {
    fn station(self) -> Station {
        let Self { sort, words: [high, low] } = self;
        match sort {
            1 => Station::Ip(Ipv4Address::from_bits(low as u32).into()),
            2 => Station::Ip(Ipv6Address::from_bits(u128::from(high) << 64 | u128::from(low)).into()),
            _ => {
                let [_, _, a, b, c, d, e, f] = low.to_be_bytes();
                Station::Mac(EthernetAddress([a, b, c, d, e, f]))
            }
        }
    }
}

/// Of a flow, what is not its source.
#[derive(Debug, Clone, Copy)]
struct FlowWords {
    to: StationWords,
    /// See [`talk`].
    talk: u64,
}

const fn talk(protocol: u8, (from, to): (u16, u16)) -> u64 {
    (protocol as u64) << 32 | (from as u64) << 16 | to as u64
}

impl FlowWords {
    #[inline]
    fn read(frame: &[u8], packet: &Packet<'_>) -> Self {
        let (bytes, upper, at) = match *packet {
            Packet::V4(bytes) => {
                // Behind a later fragment's header there are no ports.
                let later = bytes.get(6..8).is_some_and(|word| word[0] & 0x1f != 0 || word[1] != 0);
                let header = usize::from(bytes[0] & 0x0f) * 4;
                (bytes, bytes[9], if later || header < MIN_HEADER { usize::MAX } else { header })
            }
            Packet::V6(bytes) => (bytes, bytes[6], IPV6_HEADER),
            Packet::None => (&[][..], 0, usize::MAX),
        };
        let has_ports = matches!(upper, protocol::TCP | protocol::UDP);
        let ports = at.checked_add(4).filter(|_| has_ports).and_then(|end| bytes.get(at..end));
        let port = |high: u8, low: u8| Some(u16::from_be_bytes([high, low])).filter(|&port| port < EPHEMERAL);
        let l4_ports = match ports {
            Some(&[a, b, c, d]) => (port(a, b).unwrap_or(0), port(c, d).unwrap_or(0)),
            _ => (0, 0),
        };
        Self { to: station(frame, packet, DESTINATION), talk: talk(upper, l4_ports) }
    }
}

impl Flow {
    /// The flow of a frame.
    pub(crate) fn of(frame: &[u8]) -> Self {
        let packet = packet(frame);
        let from = station(frame, &packet, SOURCE).station();
        let FlowWords { to, talk } = FlowWords::read(frame, &packet);
        let l4_ports = ((talk >> 16) as u16, talk as u16);
        Self { from, to: to.station(), protocol: (talk >> 32) as u8, l4_ports }
    }
}

/// The IP packet of a frame, without what lies behind the end that it states: padding is nobody's port (CVE-2020-35498).
enum Packet<'a> {
    /// At least the fixed header.
    V4(&'a [u8]),
    /// At least the fixed header.
    V6(&'a [u8]),
    None,
}

#[inline]
fn packet(frame: &[u8]) -> Packet<'_> {
    let Some(bytes) = network(frame) else { return Packet::None };
    let word = |at: usize| usize::from(bytes[at]) << 8 | usize::from(bytes[at + 1]);
    if says_ipv6(frame) {
        if bytes.len() < IPV6_HEADER {
            return Packet::None;
        }
        return Packet::V6(&bytes[..bytes.len().min(IPV6_HEADER + word(4))]);
    }
    if bytes.len() < MIN_HEADER {
        return Packet::None;
    }
    // A length that cannot be right is no end either.
    let end = if word(2) < MIN_HEADER { bytes.len() } else { word(2) };
    Packet::V4(&bytes[..bytes.len().min(end)])
}

#[cfg(feature = "defmt")]
impl defmt::Format for Subject {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{}", self.scope());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::draws;
    use crate::{Anomaly, Direction, PortId, Posture};
    use std::println;
    use std::vec::Vec;

    #[test]
    fn the_key_of_a_frame_is_that_of_the_match_it_would_have() {
        let seed = 11_u64;
        println!("seed {seed}");
        let mut draw = draws(seed);
        let fields = Default::default();
        let (port, direction, posture) = (PortId(1), Direction::Transit, Posture::Open);
        let class = ClassKey { reason: Anomaly::UdpLength, port, direction, posture, fields };
        let mut keys = Vec::new();
        for _ in 0..20_000 {
            let mut frame: Vec<u8> = (0..draw(80)).map(|_| draw(256) as u8).collect();
            if frame.len() > 40 {
                let ethertype = [[8, 0], [0x86, 0xdd], [0x81, 0], [0, 30], [0x88, 0xb5]][draw(5)];
                frame[12..14].copy_from_slice(&ethertype);
                frame[14] = [0x45, 0x60, 0x46, 0xaa][draw(4)];
                frame[23] = [6, 17, 0, 1][draw(4)];
            }
            for scope in [Scope::Class, Scope::Source, Scope::Flow] {
                let matches = Match::of(class.clone(), scope, &frame).unwrap();
                let key = Key::of_frame(class.words(), scope, &frame);
                assert_eq!(key, Key::of(class.words(), &matches.subject), "{scope} {frame:02x?}");
                keys.push((key, matches.subject));
            }
        }
        keys.sort_unstable_by_key(|(key, _)| key.0);
        for pair in keys.windows(2) {
            assert_eq!(pair[0].0 == pair[1].0, pair[0].1 == pair[1].1, "{pair:?}");
        }
    }
}
