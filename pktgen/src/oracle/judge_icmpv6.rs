//! What an ICMPv6 message to the router is, Neighbour Discovery above all.
//!
//! Read first: RFC 4443 §2.1 to §2.4, §4; RFC 4861 §6.1, §7.1, §8.1; RFC 6980 §5; RFC 4862 §5.4.

use super::judge::{Check, reject_if};
use super::judge_ipv6::Packet;
use crate::build::{icmpv6_type as kind, nd_option_type, segment_checksum};
use crate::world::World;
use stack::Anomaly;
use std::net::Ipv6Addr;

/// Is it a Neighbour Discovery message (RFC 4861 §4)?
pub(super) const fn is_nd(message_type: u8) -> bool {
    matches!(message_type, kind::ROUTER_SOLICITATION..=kind::REDIRECT)
}

/// Judges a message; `fragment_header` if one came before it, even that of a whole packet.
pub(super) fn message(
    world: &World,
    port: usize,
    packet: &Packet<'_>,
    message: &[u8],
    fragment_header: bool,
) -> Check<()> {
    // Every message that is known has four bytes more than RFC 4443 §2.1 draws.
    reject_if(message.len() < 8, Anomaly::Icmpv6Truncated)?;
    // RFC 6980 §5: not to be processed, whatever is in it. Of a first piece the checksum could not even be tested.
    reject_if(fragment_header && is_nd(message[0]), Anomaly::NdFragment)?;
    let sum = segment_checksum(packet.source, packet.destination, 58, message);
    reject_if(sum != 0, Anomaly::Icmpv6Checksum)?;
    match message[0] {
        kind::UNREACHABLE..=kind::PARAMETER_PROBLEM => {
            let quote = &message[8..];
            reject_if(quote.len() < 40 || quote[0] >> 4 != 6, Anomaly::Icmpv6ErrorQuote)
        }
        kind::ECHO..=kind::LISTENER_DONE | kind::LISTENER_REPORT_2 => Ok(()),
        nd if is_nd(nd) => {
            // No router lets a packet pass with 255: it comes from this very link.
            reject_if(packet.hop_limit != 255, Anomaly::NdHopLimit)?;
            // RFC 4861 §8.2: whatever it says, a router does not follow a Redirect.
            reject_if(nd == kind::REDIRECT, Anomaly::Icmpv6Redirect)?;
            reject_if(!is_valid(packet, message).unwrap_or(false), Anomaly::NdMalformed)?;
            // RFC 4862 §5.4.4: somebody else advertises what is ours.
            let claims = nd == kind::NEIGHBOR_ADVERTISEMENT
                && target(message).is_some_and(|target| world.is_router_ipv6(port, target));
            reject_if(claims, Anomaly::NdClaimsOurAddress)
        }
        _ => Err(Anomaly::Icmpv6TypeUnknown),
    }
}

/// The target of a Neighbour Solicitation or Advertisement.
fn target(message: &[u8]) -> Option<Ipv6Addr> {
    let octets: [u8; 16] = message.get(8..24)?.try_into().ok()?;
    Some(Ipv6Addr::from(octets))
}

/// RFC 4861 §6.1.1, §6.1.2, §7.1.1 and §7.1.2, less hop limit and checksum. `None`: too short.
fn is_valid(packet: &Packet<'_>, message: &[u8]) -> Option<bool> {
    if message[1] != 0 {
        return Some(false);
    }
    let fixed = match message[0] {
        kind::ROUTER_SOLICITATION => 8,
        kind::ROUTER_ADVERTISEMENT => 16,
        _ => 24,
    };
    let read = match message[0] {
        kind::NEIGHBOR_ADVERTISEMENT => nd_option_type::TARGET_LINK,
        _ => nd_option_type::SOURCE_LINK,
    };
    let options = option_kinds(message.get(fixed..)?, read)?;
    let from_nobody = packet.source.is_unspecified();
    let names_source = options.contains(&nd_option_type::SOURCE_LINK);
    Some(match message[0] {
        kind::ROUTER_SOLICITATION => !(from_nobody && names_source),
        kind::ROUTER_ADVERTISEMENT => packet.source.is_unicast_link_local(),
        kind::NEIGHBOR_SOLICITATION => {
            // ff02::1:ff00:0/104
            let to_solicited_node =
                packet.destination.to_bits() >> 24 == 0x00ff_0200_0000_0000_0000_0000_01ff;
            !target(message)?.is_multicast() && (!from_nobody || (to_solicited_node && !names_source))
        }
        _ => {
            let solicited = message[4] & 0x40 != 0;
            !(target(message)?.is_multicast() || (solicited && packet.destination.is_multicast()))
        }
    })
}

/// The types of all options; `None` where one has length 0 or does not fit (RFC 4861 §4.6). Of type `read` the first one
/// is read: its length is 1 (RFC 2464 §6), and no station has a group's MAC address or none (the rule of RFC 1812
/// §3.3.2 for ARP). What else a message may not have is ignored.
fn option_kinds(mut options: &[u8], read: u8) -> Option<Vec<u8>> {
    let mut kinds: Vec<u8> = Vec::new();
    while let Some(&kind) = options.first() {
        let len = usize::from(*options.get(1)?) * 8;
        if len == 0 {
            return None;
        }
        let (option, behind) = options.split_at_checked(len)?;
        let is_read = kind == read && !kinds.contains(&kind);
        if is_read && (len != 8 || option[2] & 1 == 1 || option[2..8] == [0; 6]) {
            return None;
        }
        options = behind;
        kinds.push(kind);
    }
    Some(kinds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{
        Extension, Ipv6, Piece, advertisement, icmpv6, nd_option, solicitation, solicited_node,
    };
    use crate::oracle::judge_ipv6;

    fn at(text: &str) -> Ipv6Addr {
        text.parse().expect("an address")
    }

    fn judged(source: Ipv6Addr, destination: Ipv6Addr, hop_limit: u8, message: &[u8]) -> Check<()> {
        let header = Ipv6 { protocol: 58, hop_limit, ..Ipv6::new(source, destination) };
        judge_ipv6::packet(&World::lab(), 0, false, &header.packet(message))
    }

    #[test]
    fn solicitations_by_the_rules_of_rfc_4861_section_7() {
        let (host, router, nobody) = (at("fd00:1::2"), at("fd00:1::1"), at("::"));
        let group = solicited_node(router);
        let link = nd_option(nd_option_type::SOURCE_LINK, &[2, 0, 0, 0, 1, 2]);
        let of = |source, destination, target, options: &[u8]| {
            judged(source, destination, 255, &solicitation(source, destination, target, options))
        };
        let malformed = Err(Anomaly::NdMalformed);
        assert_eq!(of(host, group, router, &link), Ok(()));
        assert_eq!(of(host, router, router, &[]), Ok(()));
        assert_eq!(of(nobody, group, router, &[]), Ok(()));
        assert_eq!(of(nobody, group, router, &link), malformed);
        assert_eq!(of(nobody, at("ff02::1"), router, &[]), malformed);
        assert_eq!(of(host, group, at("ff02::1"), &link), malformed);
        assert_eq!(of(host, group, router, &[1, 0, 0, 0, 0, 0, 0, 0]), malformed);
        assert_eq!(of(host, group, router, &link[..7]), malformed);
        // The first option of the type that a solicitation may have is read, and no other.
        let (long, all) =
            ([&[1, 2][..], &[2; 14]].concat(), nd_option(nd_option_type::SOURCE_LINK, &[0xff; 6]));
        assert_eq!(of(host, group, router, &long), malformed);
        assert_eq!(of(host, group, router, &all), malformed);
        assert_eq!(of(host, group, router, &[&link[..], &all, &long].concat()), Ok(()));
        let target = nd_option(nd_option_type::TARGET_LINK, &[0xff; 6]);
        assert_eq!(of(host, group, router, &target), Ok(()));
        let message = solicitation(host, group, router, &link);
        let atomic = Extension::Fragment(Piece { offset: 0, more_fragments: false, identification: 1 });
        let header =
            Ipv6 { protocol: 58, hop_limit: 255, extensions: vec![atomic], ..Ipv6::new(host, group) };
        let mut wrong = message.clone();
        wrong[2] ^= 1;
        for message in [&message, &wrong] {
            let judged = judge_ipv6::packet(&World::lab(), 0, false, &header.packet(message));
            assert_eq!(judged, Err(Anomaly::NdFragment));
        }
        assert_eq!(judged(host, group, 254, &message), Err(Anomaly::NdHopLimit));
    }

    #[test]
    fn advertisements_and_redirects() {
        let (host, router, all) = (at("fd00:1::2"), at("fd00:1::1"), at("ff02::1"));
        let of = |destination, flags, target| {
            judged(host, destination, 255, &advertisement(host, destination, flags, target, &[]))
        };
        assert_eq!(of(router, 0x60, host), Ok(()));
        assert_eq!(of(all, 0x20, host), Ok(()));
        assert_eq!(of(all, 0x60, host), Err(Anomaly::NdMalformed));
        assert_eq!(of(all, 0x20, router), Err(Anomaly::NdClaimsOurAddress));
        let redirect = icmpv6(host, router, kind::REDIRECT, 9, [0; 4], &[]);
        assert_eq!(judged(host, router, 255, &redirect), Err(Anomaly::Icmpv6Redirect));
        assert_eq!(judged(host, router, 64, &redirect), Err(Anomaly::NdHopLimit));
    }

    #[test]
    fn errors_quote_a_whole_header() {
        let (host, router) = (at("fd00:1::2"), at("fd00:1::1"));
        let of = |quote: &[u8]| judged(host, router, 64, &icmpv6(host, router, 1, 4, [0; 4], quote));
        let sent = Ipv6::new(router, host).packet(&[]);
        assert_eq!(of(&sent), Ok(()));
        assert_eq!(of(&sent[..39]), Err(Anomaly::Icmpv6ErrorQuote));
        assert_eq!(of(&[0x45; 60]), Err(Anomaly::Icmpv6ErrorQuote));
    }
}
