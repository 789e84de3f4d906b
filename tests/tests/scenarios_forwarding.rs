//! Scenarios: what happens to a packet in transit, byte for byte and counter for counter.
//!
//! Read first: RFC 1812 §5.2, §5.3.1; RFC 1624; RFC 1191.

use pktgen::build::{Ipv4, adds_up, pad, protocol};
use pktgen::oracle;
use smoltcp::wire::Ipv4Cidr;
use stack::stats::{Disposition, Path};
use stack::{Anomaly, DropReason, Origin, PortId, Verdict};
use tests::frames::{self, CLIENT, ROUTER_0, ROUTER_1, SERVER, from_client, transit};
use tests::{Sent, Sim};

const TO_SERVER: Verdict = Verdict::Forward { port: PortId(1) };

fn forwarded(port: u8, received_len: usize, bytes: Vec<u8>) -> Sent {
    Sent { port: PortId(port), origin: Origin::Forwarded { received_len, path: Path::Fast }, bytes }
}

fn originated(port: u8, bytes: Vec<u8>) -> Sent {
    Sent { port: PortId(port), origin: Origin::Originated, bytes }
}

#[test]
fn a_packet_loses_one_hop_and_its_padding_and_nothing_else() {
    let mut sim = Sim::lab();
    for ttl in [2, 3, 64, 128, 255] {
        for data in [0, 1, 18, 100, 1472] {
            let packet = frames::udp(&Ipv4 { ttl, service: 0xb9, ..transit() }, 9, &vec![ttl; data]);
            let frame = pad(from_client(&packet));
            assert_eq!(sim.send(0, &frame), TO_SERVER);
            let right = oracle::forward(&frame, ROUTER_1.mac, SERVER.mac).expect("time to live");
            assert_eq!(right.len(), 14 + packet.len());
            assert_eq!(right[22], ttl - 1);
            sim.expect(|d| {
                d.forwards(frame.len(), right.len());
            });
            assert_eq!(sim.transmitted(), [forwarded(1, frame.len(), right)]);
        }
    }
}

#[test]
fn options_that_are_not_ours_to_change_stay_as_they_are() {
    let mut sim = Sim::lab();
    // Router Alert (RFC 2113) and padding.
    let header = Ipv4 { options: vec![148, 4, 0, 0, 1, 1, 1, 0], ..transit() };
    let frame = from_client(&frames::udp(&header, 9, b"data"));
    assert_eq!(sim.send(0, &frame), TO_SERVER);
    let sent = sim.transmitted().remove(0).bytes;
    assert_eq!(sent[34..], frame[34..]);
    assert_eq!(Some(sent), oracle::forward(&frame, ROUTER_1.mac, SERVER.mac));
    sim.expect(|d| {
        d.forwards(frame.len(), frame.len());
    });
    // An option that nobody knows passes unchanged, and is noted (RFC 1812 §5.3.13.1).
    let header = Ipv4 { options: vec![222, 4, 7, 7], ..transit() };
    let frame = from_client(&frames::udp(&header, 9, b"data"));
    assert_eq!(sim.send(0, &frame), TO_SERVER);
    let sent = sim.transmitted().remove(0).bytes;
    assert_eq!(Some(sent), oracle::forward(&frame, ROUTER_1.mac, SERVER.mac));
    sim.expect(|d| {
        d.forwards(frame.len(), frame.len());
        d.seen[Anomaly::Ipv4OptionUnknown as usize] += 1;
        d.diverts[Anomaly::Ipv4OptionUnknown as usize].observed += 1;
    });
}

/// RFC 1624 §4: the corner where RFC 1141's arithmetic ends in 0xffff for 0x0000. Every checksum on both
/// sides of it is made by choosing the identification.
#[test]
fn incremental_checksums_are_right_in_every_corner() {
    let mut sim = Sim::lab();
    let mut corners = [0; 4];
    for ttl in [2, 64, 255] {
        for identification in 0..=u16::MAX {
            let header = Ipv4 { ttl, identification, protocol: protocol::TCP, ..transit() };
            let frame = from_client(&header.packet(&[0; 4]));
            let before = u16::from_be_bytes([frame[24], frame[25]]);
            // Far from the corners every 17th will do.
            if (0x0200..0xfd00).contains(&before) && !identification.is_multiple_of(17) {
                continue;
            }
            assert_eq!(sim.send(0, &frame), TO_SERVER);
            let sent = sim.transmitted().remove(0).bytes;
            let after = u16::from_be_bytes([sent[24], sent[25]]);
            assert!(adds_up(&sent[14..34]), "{before:04x} -> {after:04x}");
            assert_eq!(Some(sent), oracle::forward(&frame, ROUTER_1.mac, SERVER.mac));
            for (index, value) in [0x0000, 0xfeff].into_iter().enumerate() {
                corners[index] += u32::from(before == value);
                corners[2 + index] += u32::from(after == value);
            }
        }
    }
    assert!(corners.iter().all(|&reached| reached > 0), "corners reached: {corners:?}");
}

#[test]
fn time_to_live_0_and_1_are_reported_and_the_quote_is_what_was_received() {
    let mut sim = Sim::lab();
    for ttl in [0, 1] {
        let packet = frames::udp(&Ipv4 { ttl, service: 0x10, ..transit() }, 9, b"four");
        let frame = pad(from_client(&packet));
        assert_eq!(sim.send(0, &frame), Verdict::Drop(DropReason::TtlExpired));
        let right = frames::icmp_error(0, 11, 0, [0; 4], &packet);
        sim.expect(|d| {
            d.drops(DropReason::TtlExpired, frame.len()).reports(right.len());
        });
        assert_eq!(sim.transmitted(), [originated(0, right)]);
    }
}

#[test]
fn no_route_is_reported_to_the_source() {
    let mut sim = Sim::lab();
    let packet = frames::udp(&frames::to([192, 1, 2, 1].into()), 9, &[7; 600]);
    let frame = from_client(&packet);
    assert_eq!(sim.send(0, &frame), Verdict::Drop(DropReason::NoRoute));
    let right = frames::icmp_error(0, 3, 0, [0; 4], &packet);
    assert_eq!(right.len(), 14 + 576, "an error is at most 576 bytes long (RFC 1812 §4.3.2.3)");
    sim.expect(|d| {
        d.drops(DropReason::NoRoute, frame.len()).reports(right.len());
    });
    assert_eq!(sim.transmitted(), [originated(0, right)]);
}

#[test]
fn too_large_with_dont_fragment_is_reported_with_the_mtu() {
    let mut sim = Sim::lab_with(|config| config.ports[1].mtu = 1400);
    let large = Ipv4 { dont_fragment: true, ..transit() };
    let fits = from_client(&frames::udp(&large, 9, &[1; 1400 - 28]));
    assert_eq!(sim.send(0, &fits), TO_SERVER);
    sim.expect(|d| {
        d.forwards(1414, 1414);
    });
    sim.transmitted();
    let packet = frames::udp(&large, 9, &[1; 1400 - 27]);
    let frame = from_client(&packet);
    assert_eq!(sim.send(0, &frame), Verdict::Drop(DropReason::FragmentationNeeded));
    let right = frames::icmp_error(0, 3, 4, [0, 0, 0x05, 0x78], &packet);
    sim.expect(|d| {
        d.drops(DropReason::FragmentationNeeded, 1415).reports(right.len());
    });
    assert_eq!(sim.transmitted(), [originated(0, right)]);
}

#[test]
fn the_longest_prefix_wins_and_withdrawal_falls_back() {
    let mut sim = Sim::lab();
    let cidr = |a: [u8; 4], len| Ipv4Cidr::new(a.into(), len);
    sim.route(cidr([0, 0, 0, 0], 0), Some([10, 0, 1, 2]), 0);
    sim.route(cidr([172, 16, 0, 0], 12), Some([10, 0, 2, 2]), 1);
    sim.route(cidr([172, 16, 5, 0], 24), Some([10, 0, 1, 2]), 0);
    sim.route(cidr([172, 16, 5, 9], 32), Some([10, 0, 2, 2]), 1);
    let frame = |to: [u8; 4]| from_client(&frames::udp(&frames::to(to.into()), 9, b"x"));
    let egress = |sim: &mut Sim, to| match sim.send(0, &frame(to)) {
        Verdict::Forward { port } => port.0,
        other => panic!("{other:?}"),
    };
    let hosts = [[172, 16, 5, 9], [172, 16, 5, 8], [172, 16, 6, 1], [198, 52, 100, 1]];
    assert_eq!(hosts.map(|to| egress(&mut sim, to)), [1, 0, 1, 0]);
    for (prefix, expected) in
        [(cidr([172, 16, 5, 9], 32), 0), (cidr([172, 16, 5, 0], 24), 1), (cidr([172, 16, 0, 0], 12), 0)]
    {
        assert!(sim.router.remove_route(prefix));
        assert_eq!(egress(&mut sim, hosts[0]), expected);
    }
    // The last hop's MAC address is the gateway's, not the destination's.
    let sent = sim.transmitted().pop().expect("a frame");
    assert_eq!((sent.bytes[..6].to_vec(), sent.port), (CLIENT.mac.to_vec(), PortId(0)));
}

#[test]
fn what_is_not_for_the_routers_mac_address_is_not_routed() {
    let mut sim = Sim::lab();
    let packet = frames::udp(&transit(), 9, b"data");
    let foreign = frames::link(CLIENT.mac, [2, 0, 0, 0, 9, 9], &packet);
    assert_eq!(sim.send(0, &foreign), Verdict::Drop(DropReason::Foreign));
    sim.expect(|d| {
        d.drops(DropReason::Foreign, foreign.len());
    });
    for group in [[0xff; 6], [1, 0, 0x5e, 0, 0, 1]] {
        let frame = frames::link(CLIENT.mac, group, &packet);
        assert_eq!(sim.send(0, &frame), Verdict::Divert(Anomaly::IpInLinkGroup));
        sim.expect(|d| {
            d.diverts_one(Anomaly::IpInLinkGroup, frame.len());
        });
        // Held until the deadline, then its default: a drop, through the slow path's books.
        sim.advance(sim.router.config().limits.divert_deadline);
        sim.expect(|d| {
            d.discards(DropReason::Anomaly(Anomaly::IpInLinkGroup), Path::SlowRefused, frame.len());
            d.diverts[Anomaly::IpInLinkGroup as usize].unanswered += 1;
        });
    }
    assert_eq!(sim.transmitted(), []);
    assert_eq!(sim.router.stats().disposed(Disposition::Forwarded).frames, 0);
}

#[test]
fn a_repaired_packet_is_injected_and_replaces_what_was_held() {
    let mut sim = Sim::lab();
    let plain = from_client(&frames::udp(&transit(), 9, b"payload"));
    let tagged = pad(pktgen::build::tag(&plain, 0x8100, 3 << 13));
    assert_eq!(sim.send(0, &tagged), Verdict::Divert(Anomaly::VlanPriorityTag));
    let divert = sim.diverts().remove(0);
    assert_eq!(divert.bytes, tagged);
    assert_eq!(sim.answer(&divert.answer(stack::Action::StripTag)), Ok(()));
    let right = oracle::forward(&plain, ROUTER_1.mac, SERVER.mac).expect("time to live");
    sim.expect(|d| {
        d.seen[Anomaly::VlanPriorityTag as usize] += 1;
        d.diverts[Anomaly::VlanPriorityTag as usize].held += 1;
        d.receives(tagged.len());
        d.applies(Anomaly::VlanPriorityTag, stack::ActionKind::StripTag);
        d.injects(tagged.len(), right.len(), Path::SlowModel);
    });
    let origin = Origin::Injected(divert.about.id);
    assert_eq!(sim.transmitted(), [Sent { port: PortId(1), origin, bytes: right }]);
    assert_eq!(ROUTER_0.mac, tagged[..6]);
}
