//! Defects that were found once, each with what it was and how it was found. None may come back.

use pktgen::World;
use pktgen::build::{Ipv4, Ipv6, Tcp, adds_up, ethernet, flags, icmp, icmp_type, protocol};
use pktgen::oracle::Judgement;
use smoltcp::wire::Ipv6Cidr;
use stack::classify::Locals;
use stack::{Anomaly, DropReason, PortId, Target, Verdict};
use std::net::Ipv6Addr;
use tests::{Sent, Sim, frames_v6, opinion, sim};

/// An echo request of the client to the router in fragments of up to 1480 bytes of payload.
fn echo_in_fragments(ident: u16, payload: &[u8]) -> Vec<Vec<u8>> {
    let world = World::lab();
    let (port, client) = (&world.ports[0], world.ports[0].hosts[0]);
    let message = icmp(icmp_type::ECHO, 0, [0, 1, 0, 1], payload);
    let chunks: Vec<_> = message.chunks(1480).collect();
    let made = chunks.iter().enumerate().map(|(number, chunk)| {
        let header = Ipv4 {
            protocol: protocol::ICMP,
            identification: ident,
            offset: (number * 1480 / 8) as u16,
            more_fragments: number + 1 < chunks.len(),
            ..Ipv4::new(client.address, port.address)
        };
        ethernet(port.mac, client.mac, 0x0800, &header.packet(chunk))
    });
    made.collect()
}

/// The ICMP message in these fragments, if it is whole.
fn reassemble(sent: &[Sent]) -> Option<Vec<u8>> {
    let word = |bytes: &[u8], at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let mut parts: Vec<_> = sent
        .iter()
        .map(|sent| {
            let packet = &sent.bytes[14..];
            let flags = word(packet, 6);
            let end = usize::from(word(packet, 2));
            (usize::from(flags & 0x1fff) * 8, flags & 0x2000 != 0, packet[20..end].to_vec())
        })
        .collect();
    parts.sort();
    let mut message = Vec::new();
    let mut whole = false;
    for (offset, more, bytes) in parts {
        if offset != message.len() {
            return None;
        }
        message.extend(bytes);
        whole = !more;
    }
    whole.then_some(message)
}

/// smoltcp 0.14 computes the ICMP checksum of a reply that it fragments over its whole buffer, with what
/// an earlier, longer reply left there. Found by a review that pinged with 3,900 bytes, then with 2,000.
#[test]
fn a_long_echo_reply_after_a_longer_one_has_the_right_checksum() {
    let mut sim = Sim::lab();
    for (ident, len) in [3_900, 2_000, 1_601, 3_000, 1_473].into_iter().enumerate() {
        let payload: Vec<u8> = (0..len).map(|i: usize| (i * 7) as u8).collect();
        for fragment in echo_in_fragments(ident as u16, &payload) {
            let _ = sim.send(0, &fragment);
        }
        let reply = reassemble(&sim.transmitted()).unwrap_or_else(|| panic!("no whole reply to {len} bytes"));
        assert!(adds_up(&reply), "{len} bytes: wrong checksum");
        assert_eq!((reply[0], &reply[8..]), (0, &payload[..]), "{len} bytes");
    }
}

/// Later fragments of the host's own echo replies were read as if they began with an ICMP header: a payload
/// of threes was taken for a Destination Unreachable. Found by the same review.
#[test]
fn a_later_fragment_is_not_read_as_a_message() {
    let mut sim = Sim::lab();
    for fragment in echo_in_fragments(7, &[3; 3_000]).iter().rev() {
        let _ = sim.send(0, fragment);
    }
    let reply = reassemble(&sim.transmitted()).expect("a whole reply");
    assert!(adds_up(&reply) && reply[8..] == [3; 3_000]);
    assert_eq!(sim.router.stats().icmp_errors, 0);
}

/// smoltcp 0.14 takes every IPv6 packet for its own whose destination ends in the same 16 bits as one of its
/// addresses, and answers as that destination. Found in its sources (`has_solicited_node`): only exactly our own
/// addresses may reach it, and transit that ends like one of ours is transit.
#[test]
fn transit_to_an_address_that_ends_like_ours_is_forwarded_and_never_answered() {
    let world = World::lab();
    let (client, server) = (world.ports[0].hosts[0], world.ports[1].hosts[0]);
    for ours in [world.ports[0].ipv6, world.ports[1].ipv6, world.ports[0].link_local()] {
        let low = ours.to_bits() & 0xffff;
        for network in [0x2001_0db8_ffff_u128 << 80, 0xfd00_0003 << 96, 0xfd00_0002_0000_0001 << 64] {
            let mut sim = Sim::lab();
            let target = Target::Via(server.ipv6);
            sim.route_v6(Ipv6Cidr::new(Ipv6Addr::UNSPECIFIED, 0), target, 1);
            let header = Ipv6::new(client.ipv6, Ipv6Addr::from_bits(network | low));
            // An echo request, a UDP echo, a datagram to a closed port, a TCP SYN: whatever the host would answer.
            let syn = Tcp { flags: flags::SYN, ..Tcp::new(4000, 80) };
            let segment = syn.segment(header.source, header.destination, b"");
            let packets = [
                frames_v6::icmp(&header, 128, 0, [0; 4], b"ping"),
                frames_v6::udp(&header, 7, b"echo"),
                frames_v6::udp(&header, 9999, b"closed"),
                Ipv6 { protocol: protocol::TCP, ..header.clone() }.packet(&segment),
            ];
            for packet in packets {
                let frame = frames_v6::from_client(&packet);
                assert_eq!(sim.send(0, &frame), Verdict::Forward { port: PortId(1) });
                let right = frames_v6::forwarded(&frame, world.ports[1].mac, server.mac);
                let sent: Vec<_> = sim.transmitted().into_iter().map(|sent| sent.bytes).collect();
                assert_eq!(sent, [right]);
                sim.expect(|d| {
                    d.forwards(frame.len(), frame.len());
                });
            }
        }
    }
}

/// The chain of headers in a first fragment. A Fragment header in it was taken for the upper layer, so that a
/// fragment of a fragment passed without one; and its headers were counted otherwise than a whole packet's.
/// Found by the fuzz target `classify` beside the oracle, which had its own error in the count.
#[test]
fn the_headers_of_a_first_fragment_are_a_chain_like_any_other() {
    let world = World::lab();
    let locals = Locals::new(&sim::config(&world).ports);
    // To the router itself: in transit the chain is the destination's business.
    let (from, to) = (world.ports[0].hosts[0].ipv6, world.ports[0].ipv6);
    let (fragment, options, udp) = (44, 60, protocol::UDP);
    // Each header is 8 bytes, and the first fragment's own is the first.
    let judged = |kinds: &[u8], upper: usize, cut: usize| {
        let mut payload = Vec::new();
        for (index, &kind) in kinds.iter().enumerate() {
            let next = kinds.get(index + 1).copied().unwrap_or(udp);
            let rest = if kind == options { [0, 1, 4, 0, 0, 0, 0] } else { [0, 0, 1, 0, 0, 0, 9] };
            payload.push(next);
            payload.extend(rest);
        }
        payload.extend(vec![0; upper]);
        payload.truncate(payload.len() - cut);
        let header = Ipv6 { protocol: fragment, ..Ipv6::new(from, to) };
        let frame = frames_v6::from_client(&header.packet(&payload));
        assert_eq!(opinion::difference(&world, &locals, 0, &frame), None, "{frame:02x?}");
        opinion::of_router(&world, &locals, 0, &frame)
    };
    let (short, limit) = (Anomaly::Ipv6FirstFragmentShort, Anomaly::Ipv6ExtensionLimit);
    assert_eq!(judged(&[fragment], 8, 0), Judgement::Healthy);
    assert_eq!(judged(&[fragment, fragment], 8, 0), Judgement::Healthy);
    assert_eq!(judged(&[fragment, fragment], 0, 0), Judgement::Anomaly(short));
    let chain = [&[fragment][..], &[options; 8]].concat();
    assert_eq!(judged(&chain[..8], 8, 0), Judgement::Healthy);
    assert_eq!(judged(&chain[..8], 0, 0), Judgement::Anomaly(short));
    // One header too many, though it is not there at all.
    assert_eq!(judged(&chain, 8, 0), Judgement::Anomaly(limit));
    assert_eq!(judged(&chain, 0, 8), Judgement::Anomaly(limit));
}

/// An ICMPv6 error about a packet to a link-local address of the router, from a source that the routes lead to by another
/// port, left by that port with the first port's link-local address as its source (RFC 4007 §9). Found by `softrouter fuzz`.
#[test]
fn an_error_about_a_packet_to_a_link_local_address_carries_it_into_no_other_zone() {
    let mut sim = Sim::lab();
    let world = World::lab();
    let (near, far, server) = (&world.ports[0], &world.ports[1], world.ports[1].hosts[0]);
    let packet = frames_v6::udp(&Ipv6::new(server.ipv6, near.link_local()), 9999, b"nobody listens");
    let verdict = sim.send(0, &frames_v6::from_client(&packet));
    assert_eq!(verdict, Verdict::Drop(DropReason::PortUnreachable));
    let [error] = &sim.transmitted()[..] else { panic!("one error") };
    let right = frames_v6::error_to(1, (far.ipv6, server.ipv6, server.mac), (1, 4, 0), &packet);
    assert_eq!((error.port, &error.bytes), (PortId(1), &right));
    // The local host's reply has no other source, so it stays.
    let request = frames_v6::icmp(&Ipv6::new(server.ipv6, near.link_local()), 128, 0, [0, 1, 0, 1], b"echo");
    assert_eq!(sim.send(0, &frames_v6::from_client(&request)), Verdict::Deliver);
    assert_eq!((sim.transmitted(), sim.router.stats().originated_lost), (vec![], 1));
}
