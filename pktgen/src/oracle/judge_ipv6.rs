//! What an IPv6 packet is: header, addresses, Hop-by-Hop Options, then what only binds transit or only the router.
//!
//! Read first: RFC 8200 §3, §4.2, §4.3; RFC 4291 §2.5 to §2.8; RFC 6890 §2.2.3; RFC 2711 §2.1. Of several oddities
//! the first of this order is named: extension order, atomic fragment, ICMP for IPv4 in IPv6 (in transit: to the
//! router itself it is an unknown next header like any other).

use super::judge::{Check, reject_if, word};
use super::judge_local_ipv6;
use crate::world::World;
use stack::Anomaly;
use std::net::Ipv6Addr;

/// A packet whose header has passed RFC 8200 §3 and whose Hop-by-Hop Options header has been taken off.
pub(super) struct Packet<'a> {
    pub(super) source: Ipv6Addr,
    pub(super) destination: Ipv6Addr,
    pub(super) hop_limit: u8,
    /// What `payload` starts with.
    pub(super) next_header: u8,
    /// Bytes of the Hop-by-Hop Options header that came before.
    pub(super) hop_by_hop: usize,
    /// Without padding.
    pub(super) payload: &'a [u8],
}

/// Judges what followed EtherType 0x86dd.
pub(super) fn packet(world: &World, port: usize, link_group: bool, bytes: &[u8]) -> Check<()> {
    let mut packet = header(bytes)?;
    let to = packet.destination;
    let ingress = &world.ports[port];
    let local = world.is_router_ipv6(port, to) || world.is_subnet_router(to) || ingress.is_joined(to);
    // Groups are not routed, so a packet to a group that is not the router's ends here without being its own.
    let transit = !local && !to.is_multicast();
    addresses(world, port, link_group, &packet)?;
    // RFC 8200 §4: on the way no extension header is looked into but Hop-by-Hop Options.
    let icmp = packet.next_header == 1;
    if packet.next_header == 0 {
        let (next_header, len) = hop_by_hop(packet.payload)?;
        packet = Packet { next_header, hop_by_hop: len, payload: &packet.payload[len..], ..packet };
    }
    if local {
        return judge_local_ipv6::packet(world, port, &packet);
    }
    let link_local = packet.source.is_unicast_link_local() || to.is_unicast_link_local();
    reject_if(transit && link_local, Anomaly::Ipv6LinkLocal)?;
    reject_if(transit && icmp, Anomaly::IcmpWrongFamily)
}

fn header(bytes: &[u8]) -> Check<Packet<'_>> {
    reject_if(bytes.len() < 40, Anomaly::Ipv6Truncated)?;
    reject_if(bytes[0] >> 4 != 6, Anomaly::Ipv6Version)?;
    let length = usize::from(word(bytes, 4));
    reject_if(length > bytes.len() - 40, Anomaly::Ipv6PayloadLength)?;
    let address = |at: usize| {
        let mut octets = [0; 16];
        octets.copy_from_slice(&bytes[at..at + 16]);
        Ipv6Addr::from(octets)
    };
    Ok(Packet {
        source: address(8),
        destination: address(24),
        hop_limit: bytes[7],
        next_header: bytes[6],
        hop_by_hop: 0,
        payload: &bytes[40..40 + length],
    })
}

/// Addresses that nobody may use on the wire, whoever is meant. Who has no address yet may speak to groups of its
/// link (RFC 4861 §4.1 and §4.3, RFC 3590), and to nobody else.
fn addresses(world: &World, port: usize, link_group: bool, packet: &Packet<'_>) -> Check<()> {
    let (source, destination) = (packet.source, packet.destination);
    let either = |is: fn(&Ipv6Addr) -> bool| is(&source) || is(&destination);
    reject_if(link_group && !destination.is_multicast(), Anomaly::IpInLinkGroup)?;
    reject_if(source.is_multicast(), Anomaly::Ipv6SourceMulticast)?;
    let unspecified =
        destination.is_unspecified() || (source.is_unspecified() && !destination.is_multicast());
    reject_if(unspecified, Anomaly::Ipv6Unspecified)?;
    reject_if(either(Ipv6Addr::is_loopback), Anomaly::Ipv6Loopback)?;
    reject_if(either(|address| address.to_bits() >> 32 == 0xffff), Anomaly::Ipv6V4Mapped)?;
    reject_if(world.is_router_ipv6(port, source), Anomaly::Ipv6SourceOwn)?;
    reject_if(source == destination, Anomaly::Ipv6Land)
}

/// RFC 8200 §4.3: the one extension header that every router looks at. Returns what follows, and its length.
fn hop_by_hop(payload: &[u8]) -> Check<(u8, usize)> {
    let len = extension_len(payload).ok_or(Anomaly::Ipv6HopByHopMalformed)?;
    options(&payload[2..len], Anomaly::Ipv6HopByHopMalformed)?;
    Ok((payload[0], len))
}

/// Bytes of the extension header that `bytes` start with, if they hold it: its second byte counts words of 8
/// bytes, less one.
pub(super) fn extension_len(bytes: &[u8]) -> Option<usize> {
    let len = (usize::from(*bytes.get(1)?) + 1) * 8;
    (len <= bytes.len()).then_some(len)
}

/// RFC 8200 §4.2: options are processed strictly in order, so the first one decides that is `malformed`, or unknown
/// and, by the two highest bits of its type, not to be skipped. Besides padding this router knows Router Alert, in
/// Hop-by-Hop Options only, where it has two bytes of data and comes once (RFC 2711 §2.1).
pub(super) fn options(mut options: &[u8], malformed: Anomaly) -> Check<()> {
    let hop_by_hop = malformed == Anomaly::Ipv6HopByHopMalformed;
    let mut alerted = false;
    while let Some(&kind) = options.first() {
        if kind == 0 {
            options = &options[1..];
            continue;
        }
        let data = usize::from(*options.get(1).ok_or(malformed)?);
        options = options.get(2 + data..).ok_or(malformed)?;
        match (kind, kind >> 6) {
            (5, _) if hop_by_hop => {
                reject_if(alerted || data != 2, malformed)?;
                alerted = true;
            }
            (_, 0) => {}
            (_, 1) => return Err(Anomaly::Ipv6OptionDiscard),
            _ => return Err(Anomaly::Ipv6OptionUnknown),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{Extension, Ipv6, option};

    fn judged(header: &Ipv6, payload: &[u8]) -> Check<()> {
        packet(&World::lab(), 0, false, &header.packet(payload))
    }

    fn from_to(source: &str, destination: &str) -> Ipv6 {
        Ipv6 { protocol: 59, ..Ipv6::new(source.parse().unwrap(), destination.parse().unwrap()) }
    }

    #[test]
    fn addresses_in_the_order_of_the_table() {
        let rows = [
            ("ff02::1", "::", Err(Anomaly::Ipv6SourceMulticast)),
            ("::", "::1", Err(Anomaly::Ipv6Unspecified)),
            ("::", "fd00:2::2", Err(Anomaly::Ipv6Unspecified)),
            ("::", "fd00:1::1", Err(Anomaly::Ipv6Unspecified)),
            ("::", "ff02::1", Ok(())),
            ("::", "ff02::16", Ok(())),
            ("::1", "::ffff:1.2.3.4", Err(Anomaly::Ipv6Loopback)),
            ("::ffff:1.2.3.4", "fd00:2::2", Err(Anomaly::Ipv6V4Mapped)),
            ("fd00:2::1", "fd00:2::1", Err(Anomaly::Ipv6SourceOwn)),
            ("fe80::ff:fe00:101", "ff02::1", Err(Anomaly::Ipv6SourceOwn)),
            ("fd00:2::2", "fd00:2::2", Err(Anomaly::Ipv6Land)),
            ("fe80::9", "fd00:2::2", Err(Anomaly::Ipv6LinkLocal)),
            ("fd00:1::2", "fe80::ff:fe00:201", Err(Anomaly::Ipv6LinkLocal)),
            ("fe80::9", "fe80::ff:fe00:101", Ok(())),
            ("fe80::9", "ff02::fb", Ok(())),
            ("fd00:1::2", "fd00:2::", Ok(())),
            ("fd00:1::2", "fd00:2::2", Ok(())),
        ];
        for (source, destination, right) in rows {
            assert_eq!(judged(&from_to(source, destination), &[]), right, "{source} {destination}");
        }
    }

    /// To the router it is an unknown next header, and to a group that nobody here has joined it is nothing.
    #[test]
    fn icmp_for_ipv4_is_odd_in_transit_only() {
        let of = |destination| judged(&Ipv6 { protocol: 1, ..from_to("fd00:1::2", destination) }, &[]);
        assert_eq!(of("fd00:2::2"), Err(Anomaly::IcmpWrongFamily));
        assert_eq!(of("fd00:2::1"), Err(Anomaly::Ipv6NextHeaderUnknown));
        assert_eq!(of("ff0e::1"), Ok(()));
    }

    #[test]
    fn the_first_option_that_is_wrong_decides() {
        let with = |options: &[Vec<u8>]| Ipv6 {
            extensions: vec![Extension::HopByHop(options.concat())],
            ..from_to("fd00:1::2", "fd00:2::2")
        };
        let (skip, discard, tell) = (option(0x1e, &[1]), option(0x5e, &[]), option(0xde, &[7; 3]));
        assert_eq!(judged(&with(std::slice::from_ref(&skip)), &[]), Ok(()));
        assert_eq!(
            judged(&with(&[skip.clone(), discard.clone(), tell.clone()]), &[]),
            Err(Anomaly::Ipv6OptionDiscard)
        );
        assert_eq!(judged(&with(&[skip, tell.clone(), discard]), &[]), Err(Anomaly::Ipv6OptionUnknown));
        let malformed = Err(Anomaly::Ipv6HopByHopMalformed);
        assert_eq!(judged(&with(&[vec![0, 0, 0x1e, 200], tell.clone()]), &[]), malformed);
        assert_eq!(judged(&with(&[tell, vec![0, 0, 0x1e, 200]]), &[]), Err(Anomaly::Ipv6OptionUnknown));
        let alert = option(5, &[0, 0]);
        assert_eq!(judged(&with(std::slice::from_ref(&alert)), &[]), Ok(()));
        assert_eq!(judged(&with(&[alert.clone(), alert]), &[]), malformed);
        assert_eq!(judged(&with(&[option(5, &[0])]), &[]), malformed);
        // The header's own length runs past the packet.
        let mut bytes = with(&[]).packet(&[]);
        bytes[41] = 1;
        assert_eq!(packet(&World::lab(), 0, false, &bytes), malformed);
    }
}
