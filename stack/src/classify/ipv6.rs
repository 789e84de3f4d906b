//! IPv6: header validation, addresses, and whether a packet is for us.
//! Read first: RFC 8200 §3, §4; RFC 4291 §2.5, §2.7; RFC 4007 §9.

use super::extension::{self, next_header};
use super::ipv4::protocol;
use super::nd::NdInfo;
use super::{Anomaly, Locals, icmpv6, special, tcp, udp};
use crate::config::PortId;
use crate::wire::Ipv6Info;
use smoltcp::wire::Ipv6Address;

/// Where a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    /// Through the router.
    Transit,
    /// To the router, or to a group, whether the router listens to it or not.
    Local,
    /// A valid Neighbour Discovery message to the router.
    Neighbor(NdInfo),
}

/// A packet that passed: where it goes, and what is odd about it all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Passed {
    /// The headers' digest.
    pub info: Ipv6Info,
    /// Where it goes.
    pub path: Path,
    /// Legal, but of interest ([`super::Kind::Oddity`]).
    pub oddity: Option<Anomaly>,
}

/// Checks the fixed header as RFC 8200 §3 asks, and reads it.
pub(crate) fn header(packet: &[u8]) -> Result<Ipv6Info, Anomaly> {
    let Some(fixed) = packet.first_chunk() else { return Err(Anomaly::Ipv6Truncated) };
    if fixed[0] >> 4 != 6 {
        return Err(Anomaly::Ipv6Version);
    }
    let info = Ipv6Info::read(fixed);
    if info.total_len() > packet.len() {
        return Err(Anomaly::Ipv6PayloadLength);
    }
    Ok(info)
}

/// The address at this offset of an IPv6 header; `None`: the packet ends before.
pub(crate) fn address(packet: &[u8], at: usize) -> Option<Ipv6Address> {
    let octets: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
    Some(octets.into())
}

/// Classifies an IPv6 packet (what follows the link-layer header) received by `port`.
/// `link_group`: it came in a link-layer broadcast or multicast.
///
/// Of a packet in transit, and of one to a group that `port` does not listen to, only the fixed header and
/// the Hop-by-Hop Options are looked at (RFC 8200 §4).
///
/// # Errors
/// The anomaly.
pub(crate) fn classify(
    packet: &[u8],
    link_group: bool,
    port: PortId,
    locals: &Locals,
) -> Result<Passed, Anomaly> {
    let mut info = header(packet)?;
    addresses(&info, link_group, port, locals)?;
    let packet = &packet[..info.total_len()];
    let group = info.destination.is_multicast();
    let for_us = if group {
        locals.v6.is_group(info.destination, port)
    } else {
        locals.v6.is_for_us(info.destination, port)
    };
    if for_us {
        return to_us(packet, info, port, locals);
    }
    if info.next_header == next_header::HOP_BY_HOP {
        info.router_alert = extension::hop_by_hop(packet)?;
    }
    if group {
        return Ok(Passed { info, path: Path::Local, oddity: None });
    }
    if is_link_local(info.source) || is_link_local(info.destination) {
        return Err(Anomaly::Ipv6LinkLocal);
    }
    Ok(Passed { info, path: Path::Transit, oddity: special::ipv6_oddity(info.next_header) })
}

/// fe80::/10, by one comparison.
pub(super) const fn is_link_local(address: Ipv6Address) -> bool {
    address.to_bits() >> 118 == 0xfe80 >> 6
}

/// Checks of the addresses that bind in transit and to us.
fn addresses(info: &Ipv6Info, link_group: bool, port: PortId, locals: &Locals) -> Result<(), Anomaly> {
    let (source, destination) = (info.source.to_bits(), info.destination.to_bits());
    let group = info.destination.is_multicast();
    if link_group && !group {
        return Err(Anomaly::IpInLinkGroup);
    }
    if info.source.is_multicast() {
        return Err(Anomaly::Ipv6SourceMulticast);
    }
    // Every address that the next three checks are about starts with 80 zeroes.
    if source >> 48 == 0 || destination >> 48 == 0 {
        if destination == 0 || (source == 0 && !group) {
            return Err(Anomaly::Ipv6Unspecified);
        }
        if source == 1 || destination == 1 {
            return Err(Anomaly::Ipv6Loopback);
        }
        if source >> 32 == 0xffff || destination >> 32 == 0xffff {
            return Err(Anomaly::Ipv6V4Mapped);
        }
    }
    if locals.v6.is_us(info.source, port) {
        return Err(Anomaly::Ipv6SourceOwn);
    }
    if source == destination {
        return Err(Anomaly::Ipv6Land);
    }
    Ok(())
}

/// Judges a packet to one of our addresses, or to a group that we listen to.
fn to_us(packet: &[u8], mut info: Ipv6Info, port: PortId, locals: &Locals) -> Result<Passed, Anomaly> {
    let chain = extension::walk(packet)?;
    info.upper = chain.upper;
    info.upper_offset = chain.upper_offset;
    info.fragment = chain.fragment;
    info.router_alert = chain.router_alert;
    let passed = |path| Ok(Passed { info, path, oddity: chain.oddity });
    if info.is_fragment() {
        // What it carries can only be judged after reassembly, which is the host's.
        return passed(Path::Local);
    }
    let payload = &packet[usize::from(info.upper_offset)..];
    match info.upper {
        special::ICMPV6 => {
            let message = icmpv6::classify(payload, &info, port, locals)?;
            passed(message.map_or(Path::Local, Path::Neighbor))
        }
        protocol::UDP => udp::classify(payload, &info).and_then(|()| passed(Path::Local)),
        protocol::TCP => tcp::classify(payload, &info).and_then(|()| passed(Path::Local)),
        _ => passed(Path::Local),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::draws::draws;
    use crate::wire::IPV6_HEADER;
    use std::vec;
    use std::vec::Vec;

    fn judge(packet: &[u8]) -> Result<(Path, Option<Anomaly>), Anomaly> {
        classify(packet, false, PORT, &locals()).map(|passed| (passed.path, passed.oddity))
    }

    /// `packet` with one byte changed.
    fn with(mut packet: Vec<u8>, at: usize, value: u8) -> Vec<u8> {
        packet[at] = value;
        packet
    }

    #[test]
    fn header_and_addresses() {
        use Anomaly as A;
        let (transit, local) = (Ok(Path::Transit), Ok(Path::Local));
        let go = |source, destination| packet(source, destination, 59, &[0; 8]);
        let cases = vec![
            (go(PEER, FAR), transit),
            (go(PEER, FAR)[..39].to_vec(), Err(A::Ipv6Truncated)),
            (go(PEER, FAR)[..47].to_vec(), Err(A::Ipv6PayloadLength)),
            ([go(PEER, FAR), vec![0; 9]].concat(), transit),
            (packet(PEER, FAR, 59, &[]), transit),
            (with(go(PEER, FAR), 0, 0x30), Err(A::Ipv6Version)),
            (with(go(PEER, FAR), 7, 0), transit),
            (go("ff02::5", FAR), Err(A::Ipv6SourceMulticast)),
            (go("feff::5", FAR), transit),
            (go("::", FAR), Err(A::Ipv6Unspecified)),
            (go("::", US), Err(A::Ipv6Unspecified)),
            (go("::", ALL_NODES), local),
            (go("::", STRANGERS), local),
            (go(PEER, "::"), Err(A::Ipv6Unspecified)),
            (go("::1", FAR), Err(A::Ipv6Loopback)),
            (go(PEER, "::1"), Err(A::Ipv6Loopback)),
            (go(PEER, "::2"), transit),
            (go("::ffff:192.0.2.1", FAR), Err(A::Ipv6V4Mapped)),
            (go(PEER, "::ffff:192.0.2.1"), Err(A::Ipv6V4Mapped)),
            (go("::fffe:c000:201", "64:ff9b::192.0.2.1"), transit),
            (go(PEER_LINK, FAR), Err(A::Ipv6LinkLocal)),
            (go(PEER, "fe80::200"), Err(A::Ipv6LinkLocal)),
            (go("fec0::1", "fd00::1"), transit),
            (go(PEER_LINK, US), local),
            (go(US, FAR), Err(A::Ipv6SourceOwn)),
            (go(US_OTHER, US), Err(A::Ipv6SourceOwn)),
            (go(US_LINK, US), Err(A::Ipv6SourceOwn)),
            (go(US_LINK_OTHER, US), local),
            (go(PEER, PEER), Err(A::Ipv6Land)),
            (go(PEER, US), local),
            (go(PEER, US_OTHER), local),
            (go(PEER_LINK, US_LINK), local),
            (go(PEER_LINK, US_LINK_OTHER), Err(A::Ipv6LinkLocal)),
            (go(PEER, "ff05::1:3"), local),
        ];
        for (packet, expected) in cases {
            assert_eq!(judge(&packet).map(|(path, _)| path), expected, "{packet:02x?}");
        }
        let unicast = go(PEER, FAR);
        assert_eq!(classify(&unicast, true, PORT, &locals()), Err(A::IpInLinkGroup));
        assert!(classify(&go(PEER, ALL_NODES), true, PORT, &locals()).is_ok());
    }

    #[test]
    fn in_transit_only_hop_by_hop_options_are_looked_at() {
        use Anomaly as A;
        let routing = extension(59, &[0, 9, 0, 0, 0, 0], &[]);
        for (next_header, payload) in [
            (43, routing.as_slice()),
            (60, &[59, 200]),
            (44, &[0]),
            (60, &[59, 0, 0xc1, 0, 0, 0, 0, 0]),
            (254, &[]),
            (58, &[1]),
        ] {
            assert_eq!(judge(&packet(PEER, FAR, next_header, payload)), Ok((Path::Transit, None)));
            assert_eq!(judge(&packet(PEER, STRANGERS, next_header, payload)), Ok((Path::Local, None)));
            assert!(judge(&packet(PEER, US, next_header, payload)).is_err(), "{next_header}");
        }
        let alert = packet(PEER, FAR, 0, &extension(43, &[5, 2, 0, 0], &routing));
        let passed = classify(&alert, false, PORT, &locals()).unwrap();
        assert_eq!((passed.path, passed.info.router_alert), (Path::Transit, true));
        assert_eq!((passed.info.upper, passed.info.upper_offset), (0, 40));
        for destination in [FAR, US, STRANGERS] {
            let discard = packet(PEER, destination, 0, &extension(59, &[0x41, 0], &[]));
            assert_eq!(judge(&discard), Err(A::Ipv6OptionDiscard));
        }
        assert_eq!(judge(&packet(PEER, FAR, 1, &[])), Ok((Path::Transit, Some(A::IcmpWrongFamily))));
        assert_eq!(judge(&packet(PEER, US, 1, &[])), Err(A::Ipv6NextHeaderUnknown));
    }

    #[test]
    fn reads_the_digest() {
        let chain = extension(44, &[5, 2, 0, 0], &fragment(58, 0, false, &echo()));
        let packet = with(packet(PEER, US, 0, &chain), 7, 3);
        let passed = classify(&packet, false, PORT, &locals()).unwrap();
        let info = passed.info;
        assert_eq!((info.source, info.destination, info.hop_limit), (ip(PEER), ip(US), 3));
        assert_eq!((info.total_len(), info.next_header), (packet.len(), 0));
        assert_eq!((info.upper, info.upper_offset, info.router_alert), (58, 56, true));
        let fragment = info.fragment.unwrap();
        assert_eq!((fragment.at, fragment.next_header, fragment.id), (48, 58, 0x0102_0304));
        assert!(!info.is_fragment());
        assert_eq!(passed.oddity, Some(Anomaly::Ipv6AtomicFragment));
    }

    #[test]
    fn a_fragment_is_left_to_reassembly() {
        let later = packet(PEER, US, 44, &fragment(58, 1480, false, &[1; 5]));
        let passed = classify(&later, false, PORT, &locals()).unwrap();
        assert!(passed.info.is_fragment());
        assert_eq!((passed.path, passed.info.upper, passed.info.upper_offset), (Path::Local, 58, 48));
        assert_eq!(passed.info.fragment.map(|fragment| fragment.offset), Some(1480));
    }

    #[test]
    fn udp_and_tcp_to_the_router() {
        use Anomaly as A;
        let good = Ok((Path::Local, None));
        let udp_of = |datagram: &[u8]| judge(&packet(PEER, US, 17, datagram));
        assert_eq!(udp_of(&udp()), good);
        assert_eq!(udp_of(&udp()[..7]), Err(A::UdpLength));
        assert_eq!(udp_of(&with(udp(), 11, 9)), Err(A::UdpChecksum));
        assert_eq!(udp_of(&with(with(udp(), 6, 0), 7, 0)), Err(A::Ipv6UdpChecksumZero));
        assert_eq!(udp_of(&summed(PEER, US, 17, 6, &with(udp(), 3, 0))), Err(A::L4PortZero));

        let tcp_of = |segment: &[u8]| judge(&packet(PEER, US, 6, segment));
        let tcp_with = |at, value| tcp_of(&summed(PEER, US, 6, 16, &with(tcp(), at, value)));
        assert_eq!(tcp_of(&tcp()), good);
        assert_eq!(tcp_of(&tcp()[..19]), Err(A::TcpHeaderLength));
        assert_eq!(tcp_of(&with(tcp(), 12, 0x70)), Err(A::TcpHeaderLength));
        assert_eq!(tcp_of(&with(tcp(), 12, 0x40)), Err(A::TcpHeaderLength));
        assert_eq!(tcp_of(&with(tcp(), 23, 1)), Err(A::TcpChecksum));
        assert_eq!(tcp_with(21, 5), Err(A::TcpOptionMalformed));
        assert_eq!(tcp_with(21, 1), Err(A::TcpOptionMalformed));
        assert_eq!(tcp_with(21, 0), Err(A::TcpOptionMalformed));
        assert_eq!(tcp_with(21, 3), Err(A::TcpOptionMalformed), "the option after it has no length");
        assert_eq!(tcp_with(21, 2), Err(A::TcpOptionMalformed), "the option after it is too long");
        assert_eq!(tcp_with(20, 0), good, "padding after the end of options");
        assert_eq!(tcp_with(13, 3), Err(A::TcpFlags));
    }

    /// Valid packets of every sort that the classifier follows.
    fn corpus() -> Vec<Vec<u8>> {
        let hop = |rest: &[u8], next| extension(next, &[1, 0, 5, 2, 0, 0], rest);
        let destination = |rest: &[u8], next| extension(next, &[4, 1, 9, 1, 1, 0], rest);
        let routing = |rest: &[u8], next| extension(next, &[0, 0, 0, 0, 0, 0], rest);
        let solicitation =
            [&[135, 0, 0, 0, 0, 0, 0, 0], ip(US).octets().as_slice(), &[1, 1, 2, 9, 9, 9, 9, 9]].concat();
        let advertisement =
            [&[136, 0, 0, 0, 0x20, 0, 0, 0], ip(PEER).octets().as_slice(), &[2, 1, 2, 9, 9, 9, 9, 9]]
                .concat();
        let quote = [&[3, 0, 0, 0, 0, 0, 0, 0], packet(US, PEER, 17, &udp()).as_slice()].concat();
        let chain =
            hop(&destination(&routing(&fragment(60, 0, false, &destination(&echo(), 58)), 44), 43), 60);
        vec![
            packet(PEER, FAR, 6, &tcp()),
            packet(PEER, FAR, 0, &hop(&udp(), 17)),
            packet(PEER, US, 0, &chain),
            packet(PEER, US, 17, &udp()),
            packet(PEER, US, 6, &tcp()),
            packet(PEER, US, 44, &fragment(6, 0, true, &tcp())),
            packet(PEER, US, 44, &fragment(60, 0, true, &destination(&udp(), 17)[..16])),
            icmp(PEER, SOLICITED, &solicitation),
            icmp(PEER, ALL_NODES, &advertisement),
            icmp(PEER, US, &quote),
        ]
    }

    /// Everything that takes bytes takes any bytes.
    fn survives(bytes: &[u8], locals: &Locals) {
        let result = classify(bytes, false, PORT, locals);
        if let Ok(Passed { info, .. }) = result {
            assert!(usize::from(info.upper_offset) <= info.total_len(), "{bytes:02x?}");
        }
        if let Some(upper) = super::super::upper::upper_layer(bytes) {
            assert!(upper.offset <= bytes.len());
        }
        for &anomaly in Anomaly::ALL {
            let report = super::super::report::problem(bytes, anomaly);
            if result == Err(anomaly) && anomaly.row().default != super::super::DefaultAction::Report {
                assert_eq!(report, None, "{anomaly}");
            }
        }
    }

    #[test]
    fn any_bytes_get_an_answer() {
        let locals = locals();
        let corpus = corpus();
        for packet in &corpus {
            assert!(classify(packet, false, PORT, &locals).is_ok(), "{packet:02x?}");
            for cut in 0..packet.len() {
                survives(&packet[..cut], &locals);
                let mut short = packet[..cut].to_vec();
                if cut >= IPV6_HEADER {
                    short[4..6].copy_from_slice(&((cut - IPV6_HEADER) as u16).to_be_bytes());
                }
                survives(&short, &locals);
            }
        }
        let mut roll = draws(7);
        let mut named = [false; Anomaly::COUNT];
        for _ in 0..300_000 {
            let mut packet = corpus[roll(corpus.len())].clone();
            for _ in 0..=roll(3) {
                let at = roll(packet.len());
                packet[at] = if roll(2) == 0 { roll(256) as u8 } else { packet[at] ^ 1 << roll(8) };
            }
            match classify(&packet, false, PORT, &locals) {
                Ok(_) => {}
                Err(anomaly) => named[anomaly.code() as usize] = true,
            }
            if roll(16) == 0 {
                survives(&packet, &locals);
            }
        }
        let count = named.iter().filter(|&&named| named).count();
        assert!(count > 25, "the mutations reach only {count} anomalies");
    }
}
