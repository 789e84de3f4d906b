//! IPv6 extension headers: Hop-by-Hop Options everywhere, the whole chain in packets to the router.
//! Read first: RFC 8200 §4, RFC 4443 §3.4, RFC 5095 §3, RFC 7112 §5, RFC 8504 §5.3.

use super::icmpv6::is_discovery;
use super::ipv4::protocol;
use super::special::ICMPV6;
use super::{Anomaly, ethernet::word, tcp};
use crate::wire::{FragmentInfo, IPV6_HEADER};

/// Next Header values of the headers that the router follows.
pub(crate) mod next_header {
    pub(crate) const HOP_BY_HOP: u8 = 0;
    pub(crate) const ROUTING: u8 = 43;
    pub(crate) const FRAGMENT: u8 = 44;
    pub(crate) const AUTHENTICATION: u8 = 51;
    pub(crate) const NONE: u8 = 59;
    pub(crate) const DESTINATION_OPTIONS: u8 = 60;
}
use next_header::{DESTINATION_OPTIONS, FRAGMENT, HOP_BY_HOP, NONE, ROUTING};

/// The most extension headers of one packet that the router follows.
pub(super) const MAX_HEADERS: usize = 8;

const LIMIT: Fault = Fault::silent(Anomaly::Ipv6ExtensionLimit);

const PAD1: u8 = 0;
const PAD_N: u8 = 1;
const ROUTER_ALERT: u8 = 5;

/// A Parameter Problem (RFC 4443 §3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Its code, 0 to 3.
    pub code: u8,
    /// Offset in the packet of the octet that is wrong.
    pub pointer: u32,
    /// It may answer a packet to a group, too (RFC 4443 §2.4(e.3)).
    pub multicast_allowed: bool,
}

/// What is wrong with a chain of headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) anomaly: Anomaly,
    /// What to tell the source; `None`: nothing.
    pub(super) problem: Option<Problem>,
}

impl Fault {
    const fn silent(anomaly: Anomaly) -> Self {
        Self { anomaly, problem: None }
    }

    const fn told(anomaly: Anomaly, code: u8, pointer: usize) -> Self {
        let problem = Problem { code, pointer: pointer as u32, multicast_allowed: false };
        Self { anomaly, problem: Some(problem) }
    }
}

impl From<Fault> for Anomaly {
    fn from(fault: Fault) -> Self {
        fault.anomaly
    }
}

/// What the chain of a packet to the router leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chain {
    /// Upper-layer protocol; of a fragment, what follows the Fragment header.
    pub(super) upper: u8,
    /// Where that starts; not beyond the end of the packet.
    pub(super) upper_offset: u16,
    /// The Fragment header; of several, the last one.
    pub(super) fragment: Option<FragmentInfo>,
    /// There is a Router Alert option.
    pub(super) router_alert: bool,
    /// What is legal but of interest.
    pub(super) oddity: Option<Anomaly>,
}

/// Judges the Hop-by-Hop Options header that follows the fixed header. Is there a Router Alert among them?
pub(super) fn hop_by_hop(packet: &[u8]) -> Result<bool, Fault> {
    let malformed = Fault::silent(Anomaly::Ipv6HopByHopMalformed);
    let end = end_of(packet, IPV6_HEADER).ok_or(malformed)?;
    options(&packet[..end], IPV6_HEADER + 2, HOP_BY_HOP, malformed)
}

/// Where the extension header at `at` ends (RFC 8200 §4.2: in units of 8 bytes, less the first), if it does
/// so within `packet`.
pub(super) fn end_of(packet: &[u8], at: usize) -> Option<usize> {
    let units = usize::from(*packet.get(at + 1)?);
    Some(at + 8 + units * 8).filter(|&end| end <= packet.len())
}

/// Walks over the options in `packet[from..]` (RFC 8200 §4.2). Is there a Router Alert among them?
fn options(packet: &[u8], from: usize, header: u8, malformed: Fault) -> Result<bool, Fault> {
    let mut at = from;
    let mut alert = false;
    while let Some(&kind) = packet.get(at) {
        if kind == PAD1 {
            at += 1;
            continue;
        }
        let length = usize::from(*packet.get(at + 1).ok_or(malformed)?);
        let next = at + 2 + length;
        if next > packet.len() {
            return Err(malformed);
        }
        match kind {
            PAD_N => {}
            ROUTER_ALERT if header == HOP_BY_HOP => {
                if alert || length != 2 {
                    return Err(malformed);
                }
                alert = true;
            }
            0..0x40 => {}
            0x40..0x80 => return Err(Fault::silent(Anomaly::Ipv6OptionDiscard)),
            0x80.. => {
                let problem = Problem { code: 2, pointer: at as u32, multicast_allowed: kind < 0xc0 };
                return Err(Fault { anomaly: Anomaly::Ipv6OptionUnknown, problem: Some(problem) });
            }
        }
        at = next;
    }
    Ok(alert)
}

/// The places of the headers so far in the order that RFC 8200 §4.1 recommends, a bit each.
#[derive(Default)]
struct Order(u8);

impl Order {
    const ROUTING: u8 = 1 << 3;
    /// Destination Options have two places: before a Routing header, and before the upper layer.
    const EARLY: u8 = 1 << 2;
    const LATE: u8 = 1 << 5;

    /// Is the next header in order? Destination Options come twice only with a Routing header between them.
    const fn admits(&mut self, header: u8) -> bool {
        let place = match header {
            HOP_BY_HOP => 1 << 1,
            DESTINATION_OPTIONS if self.0 < Self::ROUTING => Self::EARLY,
            ROUTING => Self::ROUTING,
            FRAGMENT => 1 << 4,
            _ => Self::LATE,
        };
        let twice = place == Self::LATE && self.0 & (Self::EARLY | Self::ROUTING) == Self::EARLY;
        let in_order = self.0 < place && !twice;
        self.0 |= place;
        in_order
    }
}

/// Follows the extension headers of a packet to the router. `packet` ends where its payload does.
///
/// The walk ends at a Fragment header of a packet that is not whole; of a first fragment it is made sure that
/// the rest of the chain is there (RFC 7112 §5).
pub(super) fn walk(packet: &[u8]) -> Result<Chain, Fault> {
    let truncated = Fault::silent(Anomaly::Ipv6ExtensionTruncated);
    let mut chain = Chain { upper: 0, upper_offset: 0, fragment: None, router_alert: false, oddity: None };
    // Where the type of the header at `at` stands.
    let mut type_at = 6;
    let mut at = IPV6_HEADER;
    let mut order = Order::default();
    let mut headers = 0;
    loop {
        let header = *packet.get(type_at).ok_or(truncated)?;
        match header {
            HOP_BY_HOP if at != IPV6_HEADER => {
                return Err(Fault::told(Anomaly::Ipv6HopByHopMisplaced, 1, type_at));
            }
            HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION_OPTIONS if headers == MAX_HEADERS => {
                return Err(LIMIT);
            }
            HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION_OPTIONS => headers += 1,
            ICMPV6 | protocol::TCP | protocol::UDP | NONE => {
                (chain.upper, chain.upper_offset) = (header, at as u16);
                return Ok(chain);
            }
            _ => return Err(Fault::told(Anomaly::Ipv6NextHeaderUnknown, 1, type_at)),
        }
        if !order.admits(header) {
            chain.oddity = Some(Anomaly::Ipv6ExtensionOrder);
        }
        let end = match header {
            HOP_BY_HOP => {
                chain.router_alert = hop_by_hop(packet)?;
                end_of(packet, at)
            }
            FRAGMENT => Some(at + 8).filter(|&end| end <= packet.len()),
            _ => end_of(packet, at),
        };
        let end = end.ok_or(truncated)?;
        match header {
            DESTINATION_OPTIONS => {
                options(&packet[..end], at + 2, header, truncated)?;
            }
            // With no segments left it is ignored (RFC 8200 §4.4).
            ROUTING if packet[at + 3] != 0 => {
                return Err(Fault::told(Anomaly::Ipv6RoutingHeader, 0, at + 2));
            }
            FRAGMENT => {
                let info = read_fragment(packet, at)?;
                chain.fragment = Some(info);
                if !info.is_atomic() {
                    if info.offset == 0 {
                        first_fragment(packet, at, end, headers)?;
                    }
                    (chain.upper, chain.upper_offset) = (info.next_header, end as u16);
                    return Ok(chain);
                }
                chain.oddity = chain.oddity.or(Some(Anomaly::Ipv6AtomicFragment));
            }
            _ => {}
        }
        (type_at, at) = (at, end);
    }
}

/// Reads the Fragment header at `at`, which is all there (RFC 8200 §4.5).
fn read_fragment(packet: &[u8], at: usize) -> Result<FragmentInfo, Fault> {
    let field = word(packet, at + 2);
    let id = u32::from(word(packet, at + 4)) << 16 | u32::from(word(packet, at + 6));
    let info =
        FragmentInfo { at: at as u16, next_header: packet[at], offset: field & !7, more: field & 1 != 0, id };
    let payload = packet.len() - at - 8;
    if info.more && !payload.is_multiple_of(8) {
        return Err(Fault::told(Anomaly::Ipv6FragmentLength, 0, 4));
    }
    if at - IPV6_HEADER + usize::from(info.offset) + payload > usize::from(u16::MAX) {
        return Err(Fault::told(Anomaly::Ipv6FragmentTooLarge, 0, at + 2));
    }
    Ok(info)
}

/// Makes sure that the first fragment, whose Fragment header is at `type_at` and ends at `at`, has the whole
/// chain of headers. They are judged after reassembly, but for Neighbour Discovery, which has none.
/// `headers` have been followed so far.
fn first_fragment(packet: &[u8], type_at: usize, at: usize, mut headers: usize) -> Result<(), Fault> {
    let short = Fault::told(Anomaly::Ipv6FirstFragmentShort, 3, 0);
    let (mut type_at, mut at) = (type_at, at);
    let needed = loop {
        let end = match packet[type_at] {
            HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION_OPTIONS if headers == MAX_HEADERS => {
                return Err(LIMIT);
            }
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS => end_of(packet, at),
            // A fragment of a fragment: what it carries is a header of the chain, too.
            FRAGMENT => Some(at + 8).filter(|&end| end <= packet.len()),
            protocol::UDP => break 8,
            protocol::TCP => break tcp::HEADER,
            // RFC 7112 §2: type, code and checksum.
            ICMPV6 => break 4,
            NONE => break 0,
            _ => break 1,
        };
        (type_at, at) = (at, end.ok_or(short)?);
        headers += 1;
    };
    if packet.len() - at < needed {
        return Err(short);
    }
    if packet[type_at] == ICMPV6 && is_discovery(packet[at]) {
        return Err(Fault::silent(Anomaly::NdFragment));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use std::vec::Vec;

    fn to_us(next_header: u8, payload: &[u8]) -> Vec<u8> {
        packet(PEER, US, next_header, payload)
    }

    fn fault(anomaly: Anomaly, code: u8, pointer: u32) -> Option<Fault> {
        Some(Fault::told(anomaly, code, pointer as usize))
    }

    #[test]
    fn hop_by_hop_options() {
        let malformed = Some(Fault::silent(Anomaly::Ipv6HopByHopMalformed));
        let unknown = |pointer, multicast_allowed| {
            let problem = Problem { code: 2, pointer, multicast_allowed };
            Some(Fault { anomaly: Anomaly::Ipv6OptionUnknown, problem: Some(problem) })
        };
        let discard = Some(Fault::silent(Anomaly::Ipv6OptionDiscard));
        let cases: [(&[u8], Option<Fault>); 17] = [
            (&[0, 0, 0, 0, 0, 0], None),
            (&[1, 4, 0, 0, 0, 0], None),
            (&[1, 4, 7, 7, 7, 7], None),
            (&[1, 5, 0, 0, 0, 0], malformed),
            (&[0, 0, 0, 0, 0, 1], malformed),
            (&[5, 2, 0, 0, 1, 0], None),
            (&[5, 1, 0, 1, 1, 0], malformed),
            (&[5, 4, 0, 0, 0, 0], malformed),
            (&[5, 2, 0, 0, 5, 2, 0, 0, 1, 4, 0, 0, 0, 0], malformed),
            (&[0x1e, 4, 0, 0, 0, 0], None),
            (&[0x3f, 5, 0, 0, 0, 0], malformed),
            (&[0x41, 4, 0, 0, 0, 0], discard),
            (&[0x7f, 5, 0, 0, 0, 0], malformed),
            (&[0x80, 4, 0, 0, 0, 0], unknown(42, true)),
            (&[1, 0, 0xbe, 2, 0, 0], unknown(44, true)),
            (&[0xc2, 4, 0, 1, 0, 0], unknown(42, false)),
            (&[0, 0, 0xff, 0, 0x41, 0], unknown(44, false)),
        ];
        for (body, expected) in cases {
            let packet = to_us(0, &extension(58, body, &echo()));
            assert_eq!(hop_by_hop(&packet).err(), expected, "{body:02x?}");
            assert_eq!(walk(&packet).err(), expected, "{body:02x?}");
        }
        for cut in 40..48 {
            let mut packet = to_us(0, &extension(58, &[5, 2, 0, 0, 1, 0], &[]));
            assert_eq!(hop_by_hop(&packet), Ok(true));
            packet.truncate(cut);
            assert_eq!(hop_by_hop(&packet).err(), malformed);
        }
    }

    #[test]
    fn destination_options() {
        let cases: [(&[u8], Option<Anomaly>); 5] = [
            (&[4, 1, 9, 1, 1, 0], None),
            (&[5, 1, 0, 5, 1, 0], None),
            (&[1, 5, 0, 0, 0, 0], Some(Anomaly::Ipv6ExtensionTruncated)),
            (&[0x41, 0, 0, 0, 0, 0], Some(Anomaly::Ipv6OptionDiscard)),
            (&[0xc9, 4, 0, 0, 0, 0], Some(Anomaly::Ipv6OptionUnknown)),
        ];
        for (body, expected) in cases {
            let judged = walk(&to_us(60, &extension(58, body, &echo())));
            assert_eq!(judged.err().map(Anomaly::from), expected, "{body:02x?}");
        }
    }

    #[test]
    fn chains() {
        use Anomaly as A;
        let hop = extension(58, &[], &echo());
        for (packet, expected) in [
            (to_us(60, &extension(0, &[], &hop)), fault(A::Ipv6HopByHopMisplaced, 1, 40)),
            (to_us(0, &extension(0, &[], &hop)), fault(A::Ipv6HopByHopMisplaced, 1, 40)),
            (to_us(254, &[1]), fault(A::Ipv6NextHeaderUnknown, 1, 6)),
            (to_us(60, &extension(50, &[], &[])), fault(A::Ipv6NextHeaderUnknown, 1, 40)),
            (to_us(51, &[0; 24]), fault(A::Ipv6NextHeaderUnknown, 1, 6)),
            (to_us(43, &extension(58, &[0, 1, 0, 0, 0, 0], &echo())), fault(A::Ipv6RoutingHeader, 0, 42)),
            (to_us(43, &extension(58, &[33, 9], &echo())), fault(A::Ipv6RoutingHeader, 0, 42)),
            (to_us(43, &extension(58, &[0, 0], &echo())), None),
            (to_us(59, &[1, 2, 3]), None),
            (to_us(60, &[58, 1, 1, 4, 0, 0, 0, 0]), Some(Fault::silent(A::Ipv6ExtensionTruncated))),
            (to_us(43, &[58]), Some(Fault::silent(A::Ipv6ExtensionTruncated))),
            (to_us(44, &[58; 7]), Some(Fault::silent(A::Ipv6ExtensionTruncated))),
            (to_us(60, &destinations(8)), None),
            (to_us(60, &destinations(9)), Some(Fault::silent(A::Ipv6ExtensionLimit))),
        ] {
            assert_eq!(walk(&packet).err(), expected, "{packet:02x?}");
        }
    }

    #[test]
    fn recommended_order() {
        let odd = |first, payload: &[u8]| walk(&to_us(first, payload)).unwrap().oddity;
        let routing = |next, rest: &[u8]| extension(next, &[], rest);
        let destination = routing;
        let atomic = |next, rest: &[u8]| fragment(next, 0, false, rest);
        let order = Some(Anomaly::Ipv6ExtensionOrder);
        let whole = Some(Anomaly::Ipv6AtomicFragment);
        assert_eq!(odd(60, &destination(43, &routing(60, &destination(58, &echo())))), None);
        assert_eq!(odd(43, &routing(60, &destination(58, &echo()))), None);
        assert_eq!(odd(60, &destination(44, &atomic(58, &echo()))), whole);
        assert_eq!(odd(44, &atomic(60, &destination(58, &echo()))), whole);
        // Without a Routing header the first Destination Options are before none.
        assert_eq!(odd(60, &destination(44, &atomic(60, &destination(58, &echo())))), order);
        assert_eq!(odd(44, &atomic(43, &routing(58, &echo()))), order);
        assert_eq!(odd(43, &routing(43, &routing(58, &echo()))), order);
        assert_eq!(odd(60, &destination(60, &destination(58, &echo()))), order);
        assert_eq!(odd(44, &atomic(44, &atomic(58, &echo()))), order);
    }

    #[test]
    fn fragments() {
        use Anomaly as A;
        let piece = |offset, more, rest: &[u8]| walk(&to_us(44, &fragment(17, offset, more, rest)));
        assert!(piece(0, true, &[0; 16]).is_ok());
        assert_eq!(piece(0, true, &[0; 17]).err(), fault(A::Ipv6FragmentLength, 0, 4));
        assert!(piece(8, false, &[0; 17]).is_ok());
        assert!(piece(65_528, false, &[0; 7]).is_ok());
        assert_eq!(piece(65_528, false, &[0; 8]).err(), fault(A::Ipv6FragmentTooLarge, 0, 42));
        let later = extension(44, &[], &fragment(17, 65_528, false, &[]));
        assert_eq!(walk(&to_us(60, &later)).err(), fault(A::Ipv6FragmentTooLarge, 0, 50));

        let first = |next, rest: &[u8]| walk(&to_us(44, &fragment(next, 0, true, rest))).err();
        let short = fault(A::Ipv6FirstFragmentShort, 3, 0);
        let tail = extension(6, &[], &[0; 16]);
        for (next, rest, expected) in [
            (17, &[0; 8][..], None),
            (17, &[], short),
            (6, &[0; 24], None),
            (6, &[0; 16], short),
            (58, &[128, 0, 0, 0, 0, 0, 0, 0], None),
            (58, &[136, 0, 0, 0, 0, 0, 0, 0], Some(Fault::silent(A::NdFragment))),
            (58, &[], short),
            (59, &[], None),
            (60, &tail, short),
            (60, &extension(6, &[], &[0; 24]), None),
            (60, &[6, 1, 0, 0, 0, 0, 0, 0], short),
            (60, &extension(58, &[], &[133, 0, 0, 0, 0, 0, 0, 0]), Some(Fault::silent(A::NdFragment))),
            (60, &destinations(7)[..64], None),
            (60, &destinations(9)[..80], Some(LIMIT)),
        ] {
            let rest = &rest[..rest.len() / 8 * 8];
            assert_eq!(first(next, rest), expected, "{next} {rest:02x?}");
        }
    }
}
