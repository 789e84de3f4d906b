//! Scenarios: IPv6 neighbours that ask, are asked, are silent, lie or move.
//!
//! Read first: RFC 4861 §7.1 to §7.3 and Appendix C; RFC 4862 §5.4; RFC 4443 §3.1; RFC 6980 §5.

use pktgen::build::{
    self, Extension, Ipv6, Mac, Piece, multicast_mac, nd_option, nd_option_type, protocol, seal_segment,
    solicited_node,
};
use pktgen::world::Host;
use smoltcp::time::Duration;
use smoltcp::wire::{EthernetAddress, Ipv6Address};
use stack::stats::{Disposition, Path};
use stack::{Anomaly, DropReason, Origin, PortId, Rate, Verdict};
use std::net::Ipv6Addr;
use tests::frames::{CLIENT, ROUTER_0, ROUTER_1, SERVER};
use tests::frames_v6::{
    ALL_NODES, Ends, O, R, S, advertisement, answers, asks, error, forwarded, from_client, icmp, ip, link,
    message, solicitation, to, transit, udp,
};
use tests::storage::{SIZES, Sizes};
use tests::{Sent, Sim};

/// A solicitation or advertisement with one option, and without.
const ND_LEN: usize = 14 + 40 + 24 + 8;
const BARE_LEN: usize = ND_LEN - 8;

const US: (Ipv6Addr, Mac) = (ROUTER_0.ipv6, ROUTER_0.mac);
const PEER: (Ipv6Addr, Mac) = (CLIENT.ipv6, CLIENT.mac);

fn originated(port: u8, bytes: Vec<u8>) -> Sent {
    Sent { port: PortId(port), origin: Origin::Originated, bytes }
}

/// Asks the server as the router does that does not know it.
fn asks_server() -> Sent {
    originated(1, asks((ROUTER_1.ipv6, ROUTER_1.mac), SERVER.ipv6))
}

/// Asks the server whether it still is where it was.
fn probes_server() -> Sent {
    let ends = ((ROUTER_1.ipv6, ROUTER_1.mac), (SERVER.ipv6, SERVER.mac));
    originated(1, solicitation(ends, SERVER.ipv6, true))
}

fn table(sim: &Sim) -> Vec<(PortId, Ipv6Address, EthernetAddress)> {
    let mut all: Vec<_> = sim.router.neighbors_v6().iter().collect();
    all.sort();
    all
}

/// A router that knows the client only, for certain.
fn without_server() -> Sim {
    let mut sim = Sim::cold(|_| (), SIZES);
    assert_eq!(sim.send(0, &asks(PEER, ROUTER_0.ipv6)), Verdict::Consume);
    assert_eq!(sim.send(0, &answers(0, &CLIENT)), Verdict::Consume);
    sim.transmitted();
    // The answer, and before it a question: an asker's word is not proof that it can be reached (§7.2.3).
    sim.expect(|d| {
        d.consumes(ND_LEN).consumes(ND_LEN).originates(ND_LEN).originates(ND_LEN);
    });
    sim
}

fn datagram(number: u32) -> Vec<u8> {
    from_client(&udp(&Ipv6 { flow_label: number, ..transit() }, 9, b"data"))
}

#[test]
fn a_solicitation_is_answered_with_router_solicited_and_override() {
    for (target, source) in [
        (ROUTER_0.ipv6, CLIENT.ipv6),
        (ROUTER_0.link_local(), CLIENT.ipv6),
        (ROUTER_0.ipv6, CLIENT.link_local()),
    ] {
        let group = solicited_node(target);
        for (to, mac) in [(group, multicast_mac(group)), (target, ROUTER_0.mac)] {
            let mut sim = Sim::cold(|_| (), SIZES);
            let ends = ((source, CLIENT.mac), (to, mac));
            assert_eq!(sim.send(0, &solicitation(ends, target, true)), Verdict::Consume);
            let back = ((target, ROUTER_0.mac), (source, CLIENT.mac));
            let right = advertisement(back, R | S | O, target, Some(ROUTER_0.mac));
            let near = if source == CLIENT.ipv6 { ROUTER_0.ipv6 } else { ROUTER_0.link_local() };
            let probe = solicitation(((near, ROUTER_0.mac), (source, CLIENT.mac)), source, true);
            assert_eq!(sim.transmitted(), [originated(0, probe), originated(0, right)]);
            assert_eq!(table(&sim), [(PortId(0), source, EthernetAddress(CLIENT.mac))]);
            sim.expect(|d| {
                d.consumes(ND_LEN).originates(ND_LEN).originates(ND_LEN);
            });
        }
    }
}

/// RFC 4861 §7.2.4: whoever probes for duplicates has no address, so all nodes are told, without the solicited flag.
#[test]
fn a_probe_for_our_address_is_defended_and_teaches_nothing() {
    let mut sim = Sim::cold(|_| (), SIZES);
    for target in [ROUTER_0.ipv6, ROUTER_0.link_local()] {
        let group = solicited_node(target);
        let ends = ((Ipv6Addr::UNSPECIFIED, CLIENT.mac), (group, multicast_mac(group)));
        assert_eq!(sim.send(0, &solicitation(ends, target, false)), Verdict::Consume);
        let back = ((target, ROUTER_0.mac), (ALL_NODES, multicast_mac(ALL_NODES)));
        let right = advertisement(back, R | O, target, Some(ROUTER_0.mac));
        assert_eq!(sim.transmitted(), [originated(0, right)]);
        assert_eq!(table(&sim), []);
        sim.expect(|d| {
            d.consumes(BARE_LEN).originates(ND_LEN);
        });
    }
}

/// RFC 4861 §7.2.4: the option may be missing in a unicast solicitation; the asker must then be asked first.
#[test]
fn whoever_does_not_name_its_link_layer_address_is_asked_for_it() {
    let mut sim = Sim::cold(|_| (), SIZES);
    assert_eq!(sim.send(0, &solicitation((PEER, US), ROUTER_0.ipv6, false)), Verdict::Consume);
    assert_eq!(sim.transmitted(), [originated(0, asks(US, CLIENT.ipv6))]);
    assert_eq!(table(&sim), []);
    sim.expect(|d| {
        d.consumes(BARE_LEN).originates(ND_LEN);
    });
    assert_eq!(sim.send(0, &answers(0, &CLIENT)), Verdict::Consume);
    let right = advertisement((US, PEER), R | S | O, ROUTER_0.ipv6, Some(ROUTER_0.mac));
    assert_eq!(sim.transmitted(), [originated(0, right)]);
    sim.expect(|d| {
        d.consumes(ND_LEN).originates(ND_LEN);
    });
}

#[test]
fn a_cold_neighbour_is_asked_once_and_its_packets_follow_in_order() {
    let mut sim = without_server();
    let queued = [datagram(1), datagram(2), datagram(3)];
    let len = queued[0].len();
    for frame in &queued {
        assert_eq!(sim.send(0, frame), Verdict::Consume);
    }
    assert_eq!(sim.transmitted(), [asks_server()], "one request, whoever waits");
    sim.expect(|d| {
        for _ in 0..3 {
            d.receives(len).holds(len);
        }
        d.originates(ND_LEN);
    });
    assert_eq!(sim.send(1, &answers(1, &SERVER)), Verdict::Consume);
    let sent = sim.transmitted();
    assert_eq!(sent.len(), 3);
    for (sent, frame) in sent.iter().zip(&queued) {
        assert_eq!(sent.bytes, forwarded(frame, ROUTER_1.mac, SERVER.mac));
        assert_eq!(sent.origin, Origin::Forwarded { received_len: len, path: Path::Fast });
    }
    sim.expect(|d| {
        d.consumes(ND_LEN);
        d.sent.forwarded.frames += 3;
        d.sent.forwarded.bytes += 3 * len as u64;
        for _ in 0..3 {
            d.ends(Disposition::Forwarded, Path::Fast, len);
        }
    });
    assert_eq!(sim.send(0, &datagram(4)), Verdict::Forward { port: PortId(1) });
    sim.expect(|d| {
        d.forwards(len, len);
    });
}

/// RFC 4861 §7.2.2 and §10: three solicitations, a second apart, then 1/3 about everything that waited.
#[test]
fn a_neighbour_that_never_answers_is_reported_unreachable() {
    let mut sim = without_server();
    let packets = [udp(&transit(), 9, b"one"), udp(&Ipv6 { hop_limit: 2, ..transit() }, 9, b"two")];
    let frames = packets.each_ref().map(|packet| from_client(packet));
    for frame in &frames {
        assert_eq!(sim.send(0, frame), Verdict::Consume);
    }
    let len = frames[0].len();
    sim.expect(|d| {
        d.receives(len).holds(len).receives(len).holds(len).originates(ND_LEN);
    });
    sim.advance(Duration::from_millis(2_999));
    sim.expect(|d| {
        d.originates(ND_LEN).originates(ND_LEN).holds(len).holds(len);
    });
    assert_eq!(sim.transmitted(), [(); 3].map(|()| asks_server()));
    sim.advance(Duration::from_millis(1));
    let right = packets.each_ref().map(|packet| error(0, 1, 3, 0, packet));
    assert_eq!(sim.transmitted(), right.clone().map(|bytes| originated(0, bytes)));
    sim.expect(|d| {
        for bytes in &right {
            d.discards(DropReason::NeighborFailed, Path::Fast, len).reports(bytes.len());
        }
    });
    // While it is too early to ask again, the next packet is refused at once; then it starts anew.
    assert_eq!(sim.send(0, &frames[0]), Verdict::Drop(DropReason::NeighborFailed));
    assert_eq!(sim.transmitted(), [originated(0, right[0].clone())]);
    sim.expect(|d| {
        d.drops(DropReason::NeighborFailed, len).reports(right[0].len());
    });
    sim.advance(Duration::from_secs(1));
    assert_eq!(sim.send(0, &frames[0]), Verdict::Consume);
    assert_eq!(sim.transmitted(), [asks_server()]);
}

/// RFC 4861 §7.3.3: a neighbour that has not been heard of for long is used while it is asked by unicast.
#[test]
fn a_stale_neighbour_is_probed_by_unicast_while_it_is_used() {
    let mut sim = Sim::lab();
    let len = datagram(0).len();
    sim.advance(sim.router.config().limits.neighbor_lifetime);
    for number in 0..3 {
        assert_eq!(sim.send(0, &datagram(number)), Verdict::Forward { port: PortId(1) });
        sim.expect(|d| {
            d.forwards(len, len);
            if number == 0 {
                d.originates(ND_LEN);
            }
        });
    }
    let probes: Vec<_> = sim.transmitted().into_iter().filter(|s| s.origin == Origin::Originated).collect();
    assert_eq!(probes, [probes_server()]);
    // It answers: nobody is asked until it is stale again. The option may be missing in an answer to a probe.
    let ends = ((SERVER.ipv6, SERVER.mac), (ROUTER_1.ipv6, ROUTER_1.mac));
    assert_eq!(sim.send(1, &advertisement(ends, S, SERVER.ipv6, None)), Verdict::Consume);
    sim.advance(Duration::from_secs(59));
    assert_eq!(sim.send(0, &datagram(4)), Verdict::Forward { port: PortId(1) });
    sim.expect(|d| {
        d.consumes(BARE_LEN).forwards(len, len);
    });
    sim.transmitted();
    // It does not: after three probes it is no neighbour any more.
    sim.advance(Duration::from_secs(1));
    assert_eq!(sim.send(0, &datagram(5)), Verdict::Forward { port: PortId(1) });
    sim.advance(Duration::from_millis(2_999));
    let probes: Vec<_> = sim.transmitted().into_iter().filter(|s| s.origin == Origin::Originated).collect();
    assert_eq!(probes, [(); 3].map(|()| probes_server()));
    sim.expect(|d| {
        d.forwards(len, len).originates(ND_LEN).originates(ND_LEN).originates(ND_LEN);
    });
    sim.advance(Duration::from_millis(1));
    let packet = udp(&transit(), 9, b"data");
    assert_eq!(sim.send(0, &from_client(&packet)), Verdict::Drop(DropReason::NeighborFailed));
    let sent = sim.transmitted();
    assert_eq!(message(&sent.last().expect("an error").bytes)[..2], [1, 3]);
    assert!(table(&sim).iter().all(|&(port, ..)| port == PortId(0)));
}

/// RFC 4861 §7.2.5 and Appendix C, row by row.
#[test]
fn advertisements_move_a_neighbour_only_as_their_flags_say() {
    let other: Mac = [2, 0, 0, 0, 2, 99];
    let ends = ((SERVER.ipv6, SERVER.mac), (ROUTER_1.ipv6, ROUTER_1.mac));
    // flags, target link-layer address: the address used afterwards, and is it to be confirmed?
    let rows: [(u8, Option<Mac>, Mac, bool); 9] = [
        (0, None, SERVER.mac, false),
        (0, Some(SERVER.mac), SERVER.mac, false),
        (S, None, SERVER.mac, false),
        (O, Some(SERVER.mac), SERVER.mac, false),
        (0, Some(other), SERVER.mac, true),
        (S, Some(other), SERVER.mac, true),
        (O, Some(other), other, true),
        (S | O, Some(other), other, false),
        (R | S | O, Some(other), other, false),
    ];
    for (flags, lladdr, used, asked) in rows {
        let mut sim = Sim::lab();
        assert_eq!(sim.send(1, &advertisement(ends, flags, SERVER.ipv6, lladdr)), Verdict::Consume);
        assert_eq!(sim.send(0, &datagram(1)), Verdict::Forward { port: PortId(1) });
        let sent = sim.transmitted();
        let frame = sent.iter().find(|sent| sent.origin != Origin::Originated).expect("the datagram");
        assert_eq!(
            (frame.bytes[..6].to_vec(), sent.len() == 2),
            (used.to_vec(), asked),
            "{flags:x} {lladdr:x?}"
        );
    }
    // Nobody asked, and nobody is known: no entry is made. An answer without an address is of no use.
    let mut sim = without_server();
    let before = table(&sim);
    assert_eq!(sim.send(1, &answers(1, &SERVER)), Verdict::Consume);
    assert_eq!(table(&sim), before);
    assert_eq!(sim.send(0, &datagram(1)), Verdict::Consume);
    assert_eq!(sim.send(1, &advertisement(ends, S | O, SERVER.ipv6, None)), Verdict::Consume);
    assert_eq!(table(&sim), before);
    // Unsolicited, but with the address: what waits may go, and the address is to be confirmed (STALE).
    assert_eq!(sim.send(1, &advertisement(ends, 0, SERVER.ipv6, Some(SERVER.mac))), Verdict::Consume);
    sim.transmitted();
    assert_eq!(sim.send(0, &datagram(2)), Verdict::Forward { port: PortId(1) });
    assert!(sim.transmitted().contains(&probes_server()));
}

#[test]
fn solicitations_for_others_are_neither_answered_nor_remembered() {
    let mut sim = Sim::cold(|_| (), SIZES);
    // For another host of the same group, and for the router's addresses on another link.
    let twin = ip("fd00:1::aa00:1");
    for target in [twin, ROUTER_1.ipv6, ROUTER_1.link_local()] {
        let frame = solicitation((PEER, US), target, true);
        assert_eq!(sim.send(0, &frame), Verdict::Consume);
        sim.expect(|d| {
            d.consumes(ND_LEN);
        });
    }
    let group = solicited_node(ROUTER_0.ipv6);
    let frame = solicitation((PEER, (group, multicast_mac(group))), twin, true);
    assert_eq!(sim.send(0, &frame), Verdict::Consume);
    // A stranger from another network is not remembered.
    let stranger = (ip("2001:db8:7::7"), CLIENT.mac);
    assert_eq!(sim.send(0, &solicitation((stranger, US), ROUTER_0.ipv6, true)), Verdict::Consume);
    assert_eq!((table(&sim), sim.transmitted()), (vec![], vec![]));
    sim.expect(|d| {
        // There is no way back to the stranger.
        d.consumes(ND_LEN).consumes(ND_LEN).originated_lost += 1;
    });
}

/// Whoever asks is known afterwards, though not for certain: also a router or a host that asks for routers.
#[test]
fn router_messages_teach_their_senders_address() {
    let option = nd_option(nd_option_type::SOURCE_LINK, &CLIENT.mac);
    let source = CLIENT.link_local();
    let routers = ip("ff02::2");
    let nd = |destination: Ipv6Addr, kind, rest: &[u8]| {
        let header = Ipv6 { hop_limit: 255, protocol: protocol::ICMPV6, ..Ipv6::new(source, destination) };
        let body = [rest, &option].concat();
        let packet = header.packet(&build::icmpv6(source, destination, kind, 0, [0; 4], &body));
        link(CLIENT.mac, multicast_mac(destination), &packet)
    };
    for frame in [nd(routers, 133, &[]), nd(ALL_NODES, 134, &[0; 8])] {
        let mut sim = Sim::cold(|_| (), SIZES);
        assert_eq!(sim.send(0, &frame), Verdict::Consume);
        assert_eq!(table(&sim), [(PortId(0), source, EthernetAddress(CLIENT.mac))]);
        // No advertisement: this router advertises nothing by default (§6.2.1).
        assert_eq!(sim.transmitted(), []);
        sim.expect(|d| {
            d.consumes(frame.len());
        });
    }
}

/// The message in `frame`, changed, with a checksum that is right again.
fn changed(frame: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut packet = frame[14..].to_vec();
    let mut message = packet.split_off(40);
    change(&mut message);
    let address = |at: usize| Ipv6Addr::from(<[u8; 16]>::try_from(&packet[at..at + 16]).expect("16 bytes"));
    seal_segment(address(8), address(24), protocol::ICMPV6, &mut message);
    packet[4..6].copy_from_slice(&(message.len() as u16).to_be_bytes());
    [&frame[..14], &packet, &message].concat()
}

/// RFC 4861 §7.1, and what RFC 6980 and RFC 4862 add: such a message changes nothing, and nobody answers it.
#[test]
fn invalid_messages_leave_the_table_as_it_is() {
    let lie: Mac = [2, 9, 9, 9, 9, 9];
    let ask = solicitation(((CLIENT.ipv6, lie), US), ROUTER_0.ipv6, true);
    let tell = advertisement((PEER, US), S | O, CLIENT.ipv6, Some(lie));
    let all: Ends = (PEER, (ALL_NODES, multicast_mac(ALL_NODES)));
    let nobody = (Ipv6Addr::UNSPECIFIED, lie);
    let group = solicited_node(ROUTER_0.ipv6);
    let to_group = (group, multicast_mac(group));
    let set = |frame: &[u8], at: usize, value: u8| changed(frame, |message| message[at] = value);
    let hops = |frame: &[u8], hop_limit: u8| {
        let mut frame = frame.to_vec();
        frame[21] = hop_limit;
        frame
    };
    let mut checksum = ask.clone();
    checksum[56] ^= 1;
    let fragment = Extension::Fragment(Piece { offset: 0, more_fragments: false, identification: 1 });
    let fragmented = Ipv6 {
        hop_limit: 255,
        protocol: protocol::ICMPV6,
        extensions: vec![fragment],
        ..Ipv6::new(CLIENT.ipv6, ROUTER_0.ipv6)
    };
    let malformed = Anomaly::NdMalformed;
    let rows = [
        (hops(&ask, 254), Anomaly::NdHopLimit),
        (hops(&tell, 64), Anomaly::NdHopLimit),
        (checksum, Anomaly::Icmpv6Checksum),
        (set(&ask, 1, 1), malformed),
        (set(&tell, 1, 1), malformed),
        (changed(&ask, |message| message.truncate(20)), malformed),
        (changed(&tell, |message| message.truncate(23)), malformed),
        (set(&ask, 25, 0), malformed),
        (set(&tell, 25, 0), malformed),
        (set(&tell, 25, 2), malformed),
        (set(&ask, 8, 0xff), malformed),
        (set(&tell, 8, 0xff), malformed),
        (solicitation((nobody, to_group), ROUTER_0.ipv6, true), malformed),
        (solicitation((nobody, US), ROUTER_0.ipv6, false), Anomaly::Ipv6Unspecified),
        (advertisement(all, S | O, CLIENT.ipv6, Some(lie)), malformed),
        (advertisement((PEER, US), S | O, CLIENT.ipv6, Some([0xff; 6])), malformed),
        (advertisement((PEER, US), S | O, CLIENT.ipv6, Some([0; 6])), malformed),
        (advertisement(all, O, ROUTER_0.ipv6, Some(lie)), Anomaly::NdClaimsOurAddress),
        (advertisement(all, O, ROUTER_0.link_local(), Some(lie)), Anomaly::NdClaimsOurAddress),
        (from_client(&fragmented.packet(&ask[54..])), Anomaly::NdFragment),
    ];
    let mut sim = Sim::lab();
    let before = table(&sim);
    for (frame, anomaly) in rows {
        assert_eq!(sim.send(0, &frame), Verdict::Divert(anomaly), "{frame:02x?}");
        sim.expect(|d| {
            d.diverts_one(anomaly, frame.len());
        });
        sim.advance(Duration::from_millis(50));
        assert_eq!((table(&sim), sim.transmitted()), (before.clone(), vec![]), "{frame:02x?}");
        sim.expect(|d| {
            d.discards(DropReason::Anomaly(anomaly), Path::SlowRefused, frame.len());
            d.diverts[anomaly as usize].unanswered += 1;
        });
    }
    // What the rows are variations of is believed.
    assert_eq!(sim.send(0, &tell), Verdict::Consume);
    assert_ne!(table(&sim), before);
}

/// A link-local neighbour is one on its own link: the same address on another link is somebody else.
#[test]
fn link_local_neighbours_are_told_apart_by_their_link() {
    let mut sim = Sim::cold(|_| (), SIZES);
    let near = ip("fe80::5");
    let hosts = [(0, [2, 0, 0, 0, 1, 5], ROUTER_0), (1, [2, 0, 0, 0, 2, 5], ROUTER_1)];
    for (port, mac, router) in hosts {
        let request = icmp(&Ipv6::new(near, router.link_local()), 128, 0, [0, 1, 0, 2], b"ping");
        let frame = link(mac, router.mac, &request);
        // It is cold: it is asked from our link-local address, and then answered.
        assert_eq!(sim.send(port, &frame), Verdict::Deliver);
        let us = (router.link_local(), router.mac);
        assert_eq!(sim.transmitted(), [originated(port, asks(us, near))]);
        sim.expect(|d| {
            d.delivers(frame.len()).originates(ND_LEN);
        });
        let told = advertisement(((near, mac), us), S | O, near, Some(mac));
        assert_eq!(sim.send(port, &told), Verdict::Consume);
        let sent = sim.transmitted();
        let right = icmp(&Ipv6::new(router.link_local(), near), 129, 0, [0, 1, 0, 2], b"ping");
        assert_eq!(sent, [originated(port, link(router.mac, mac, &right))]);
        sim.expect(|d| {
            d.consumes(ND_LEN).originates(right.len() + 14);
        });
    }
    let known = hosts.map(|(port, mac, _)| (PortId(port), near, EthernetAddress(mac)));
    assert_eq!(table(&sim), known);
}

#[test]
fn the_tables_of_ports_and_the_waiting_room_are_bounded() {
    // Each of the two ports has half of the table, and half of that may be asked for.
    let sizes = Sizes { neighbors: 16, waiting: 6, ..SIZES };
    let none = Rate { per_second: 0, burst: 0 };
    let mut sim = Sim::cold(|config| config.limits.icmp_error_rate = none, sizes);
    let host = |last: u16| {
        let [a, b, c, d, e, f, g, _] = SERVER.ipv6.segments();
        from_client(&udp(&to(Ipv6Addr::new(a, b, c, d, e, f, g, last)), 9, b"data"))
    };
    let len = host(2).len();
    for last in 100..104 {
        assert_eq!(sim.send(0, &host(last)), Verdict::Consume);
    }
    assert_eq!(sim.send(0, &host(2)), Verdict::Drop(DropReason::NeighborTableFull));
    for _ in 0..2 {
        assert_eq!(sim.send(0, &host(100)), Verdict::Consume);
    }
    assert_eq!(sim.send(0, &host(101)), Verdict::Drop(DropReason::WaitingRoomFull));
    sim.expect(|d| {
        for _ in 0..6 {
            d.receives(len).holds(len);
        }
        for _ in 0..4 {
            d.originates(ND_LEN);
        }
        d.drops(DropReason::NeighborTableFull, len).drops(DropReason::WaitingRoomFull, len);
    });
    // When nobody has answered, there is room again.
    sim.advance(Duration::from_secs(10));
    sim.transmitted();
    assert_eq!(sim.send(0, &host(2)), Verdict::Consume);
    assert_eq!(sim.transmitted(), [asks_server()]);
    // A host that speaks up is not kept out by those who were asked for.
    let host = Host { ipv6: ip("fd00:2::77"), mac: [2, 0, 0, 0, 2, 77], ..SERVER };
    assert_eq!(sim.send(1, &asks((host.ipv6, host.mac), ROUTER_1.ipv6)), Verdict::Consume);
    assert_eq!(table(&sim), [(PortId(1), host.ipv6, EthernetAddress(host.mac))]);
}
