//! What an IPv6 packet to the router itself is: its chain of extension headers, fragments, and what they end in.
//!
//! Read first: RFC 8200 §4 (chain), §4.1 (order), §4.4 (routing header), §4.5 (fragments); RFC 7112; RFC 6946.

use super::judge::{Check, reject_if, word};
use super::judge_ipv6::{Packet, extension_len, options};
use super::{judge_icmpv6, judge_local};
use crate::build::protocol;
use crate::world::World;
use stack::Anomaly;

/// How many extension headers the router follows, the Hop-by-Hop Options header counted.
pub(super) const MAX_EXTENSIONS: usize = 8;

/// Judges a packet to the router, behind its Hop-by-Hop Options header.
pub(super) fn packet(world: &World, port: usize, packet: &Packet<'_>) -> Check<()> {
    // Numbers of the extension headers, in order.
    let mut numbers = if packet.hop_by_hop > 0 { vec![protocol::HOP_BY_HOP] } else { vec![] };
    let (mut next, mut rest) = (packet.next_header, packet.payload);
    while matches!(next, protocol::DESTINATION | protocol::ROUTING | protocol::FRAGMENT) {
        numbers.push(next);
        reject_if(numbers.len() > MAX_EXTENSIONS, Anomaly::Ipv6ExtensionLimit)?;
        let len = header_len(next, rest).ok_or(Anomaly::Ipv6ExtensionTruncated)?;
        let (header, behind) = rest.split_at(len);
        match next {
            protocol::DESTINATION => options(&header[2..], Anomaly::Ipv6ExtensionTruncated)?,
            // With segments left it has to be known.
            protocol::ROUTING => reject_if(header[3] != 0, Anomaly::Ipv6RoutingHeader)?,
            _ => {
                let field = word(header, 2);
                if field & 0xfff9 != 0 {
                    let before = packet.hop_by_hop + packet.payload.len() - rest.len();
                    piece(field, before, behind)?;
                    // What is cut off in pieces is looked into when it is whole again.
                    if field >> 3 == 0 {
                        first_piece(header[0], behind, numbers.len())?;
                    }
                    return order(&numbers);
                }
            }
        }
        (next, rest) = (header[0], behind);
    }
    let fragment_header = numbers.contains(&protocol::FRAGMENT);
    whole(world, port, packet, next, rest, fragment_header)?;
    order(&numbers)?;
    reject_if(fragment_header, Anomaly::Ipv6AtomicFragment)
}

/// Bytes of the extension header with this number that `bytes` start with, if they hold it.
fn header_len(number: u8, bytes: &[u8]) -> Option<usize> {
    if number == protocol::FRAGMENT { (bytes.len() >= 8).then_some(8) } else { extension_len(bytes) }
}

/// RFC 8200 §4.5, in its order: lengths in eights, then a sum that fits the payload length.
fn piece(field: u16, before: usize, data: &[u8]) -> Check<()> {
    let more_fragments = field & 1 == 1;
    reject_if(more_fragments && !data.len().is_multiple_of(8), Anomaly::Ipv6FragmentLength)?;
    let end = before + usize::from(field & 0xfff8) + data.len();
    reject_if(end > 65_535, Anomaly::Ipv6FragmentTooLarge)
}

/// RFC 8200 §4.5: the first piece holds all headers, through the upper-layer header. Only their lengths count here.
/// `seen`: extension headers so far.
fn first_piece(mut next: u8, mut rest: &[u8], mut seen: usize) -> Check<()> {
    use protocol::{DESTINATION, FRAGMENT, HOP_BY_HOP, ICMPV6, NO_NEXT, ROUTING, TCP, UDP};
    let short = Anomaly::Ipv6FirstFragmentShort;
    while matches!(next, HOP_BY_HOP | DESTINATION | ROUTING | FRAGMENT) {
        seen += 1;
        reject_if(seen > MAX_EXTENSIONS, Anomaly::Ipv6ExtensionLimit)?;
        let len = header_len(next, rest).ok_or(short)?;
        (next, rest) = (rest[0], &rest[len..]);
    }
    let wanted = match next {
        TCP => 20,
        UDP => 8,
        // RFC 7112 §2: type, code and checksum.
        ICMPV6 => 4,
        NO_NEXT => 0,
        _ => 1,
    };
    reject_if(rest.len() < wanted, short)?;
    // RFC 6980 §5: no Neighbour Discovery in pieces.
    reject_if(next == ICMPV6 && judge_icmpv6::is_nd(rest[0]), Anomaly::NdFragment)
}

/// What a whole chain ends in.
fn whole(
    world: &World,
    port: usize,
    packet: &Packet<'_>,
    next: u8,
    rest: &[u8],
    fragment_header: bool,
) -> Check<()> {
    match next {
        protocol::HOP_BY_HOP => Err(Anomaly::Ipv6HopByHopMisplaced),
        protocol::ICMPV6 => judge_icmpv6::message(world, port, packet, rest, fragment_header),
        protocol::UDP => judge_local::udp(packet.source, packet.destination, rest),
        protocol::TCP => judge_local::tcp(packet.source, packet.destination, rest),
        protocol::NO_NEXT => Ok(()),
        _ => Err(Anomaly::Ipv6NextHeaderUnknown),
    }
}

/// RFC 8200 §4.1: each header once, in this order, but Destination Options twice where a Routing header is between.
fn order(numbers: &[u8]) -> Check<()> {
    use protocol::{DESTINATION, FRAGMENT, HOP_BY_HOP, ROUTING};
    let mut places = [HOP_BY_HOP, DESTINATION, ROUTING, FRAGMENT, DESTINATION].iter();
    let in_order = numbers.iter().all(|number| places.any(|place| place == number));
    let twice = numbers.iter().filter(|&&number| number == DESTINATION).count() > 1;
    reject_if(!in_order || (twice && !numbers.contains(&ROUTING)), Anomaly::Ipv6ExtensionOrder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{Extension, Ipv6, Piece};
    use crate::oracle::judge_ipv6;

    fn judged(protocol: u8, extensions: Vec<Extension>, payload: &[u8]) -> Check<()> {
        let (source, destination) = ("fd00:1::2".parse().unwrap(), "fd00:1::1".parse().unwrap());
        let header = Ipv6 { protocol, extensions, ..Ipv6::new(source, destination) };
        judge_ipv6::packet(&World::lab(), 0, false, &header.packet(payload))
    }

    fn fragment(offset: u16, more_fragments: bool) -> Extension {
        Extension::Fragment(Piece { offset, more_fragments, identification: 7 })
    }

    #[test]
    fn the_recommended_order_and_others() {
        use Extension::{Destination, HopByHop, Routing};
        let (d, h, r) = (Destination(vec![]), HopByHop(vec![]), Routing(0, 0, vec![]));
        let of = |chain: &[&Extension]| judged(59, chain.iter().map(|&e| e.clone()).collect(), &[]);
        assert_eq!(of(&[&h, &d, &r, &d]), Ok(()));
        assert_eq!(of(&[&h, &d, &r, &fragment(0, false), &d]), Err(Anomaly::Ipv6AtomicFragment));
        for chain in [
            &[&r, &r][..],
            &[&d, &d],
            &[&d, &d, &d],
            &[&fragment(0, false), &r],
            &[&r, &d, &r],
            &[&d, &fragment(0, false), &d],
        ] {
            assert_eq!(of(chain), Err(Anomaly::Ipv6ExtensionOrder));
        }
        assert_eq!(of(&[&d, &h]), Err(Anomaly::Ipv6HopByHopMisplaced));
        assert_eq!(of(&[&d; MAX_EXTENSIONS]), Err(Anomaly::Ipv6ExtensionOrder));
        assert_eq!(of(&[&d; MAX_EXTENSIONS + 1]), Err(Anomaly::Ipv6ExtensionLimit));
    }

    #[test]
    fn fragments_in_the_order_of_rfc_8200() {
        let of = |offset, more, len| judged(17, vec![fragment(offset, more)], &vec![3; len]);
        assert_eq!(of(5, true, 7), Err(Anomaly::Ipv6FragmentLength));
        assert_eq!(of(5, false, 7), Ok(()));
        assert_eq!(of(8191, false, 7), Ok(()));
        assert_eq!(of(8191, false, 8), Err(Anomaly::Ipv6FragmentTooLarge));
        assert_eq!(of(0, true, 0), Err(Anomaly::Ipv6FirstFragmentShort));
        assert_eq!(of(0, true, 8), Ok(()));
        assert_eq!(judged(6, vec![fragment(0, true)], &[2; 16]), Err(Anomaly::Ipv6FirstFragmentShort));
        assert_eq!(judged(6, vec![fragment(0, true)], &[2; 24]), Ok(()));
        assert_eq!(judged(58, vec![fragment(0, true)], &[135; 24]), Err(Anomaly::NdFragment));
        // Options before the fragment header are part of the whole.
        let chain = vec![Extension::Destination(vec![]), fragment(8191, false)];
        assert_eq!(judged(17, chain, &[3; 7]), Err(Anomaly::Ipv6FragmentTooLarge));
    }
}
