//! Scenarios: ports that are VLANs of another port's device.
//!
//! Read first: IEEE 802.1Q §6.8, §8.6.2, §9; RFC 1812 §5.3.4.

use pktgen::build::{self, Ipv4, Ipv6, adds_up, ethertype, tag};
use pktgen::world::{Host, Port};
use pktgen::{World, echo, oracle};
use smoltcp::time::Duration;
use stack::stats::{Disposition, Path};
use stack::{Action, ActionKind, Anomaly, Config, DropReason, Origin, PortId, Verdict, Vlan};
use std::net::Ipv4Addr;
use tests::storage::SIZES;
use tests::{Sent, Sim, frames, frames_v6};

/// Room before a frame that takes a tag.
const ROOM: usize = 4;
/// The VLAN ids of ports 2 and 3.
const IDS: [u16; 2] = [5, 4094];

/// The device of port 0 is a trunk: it carries port 0 untagged, and the VLANs of ports 2 and 3; port 1 is plain.
fn world() -> World {
    World::with_ports(4)
}

fn vlans(config: &mut Config) {
    for (port, id) in [2, 3].into_iter().zip(IDS) {
        config.ports[port].vlan = Some(Vlan { trunk: PortId(0), id });
        // The ports of one device have one MAC address.
        config.ports[port].mac = config.ports[0].mac;
    }
}

fn sim_with(change: impl FnOnce(&mut Config)) -> Sim {
    let mut sim = Sim::new(
        world(),
        |config| {
            vlans(config);
            change(config);
        },
        SIZES,
    );
    for port in 0..4 {
        for frame in greetings(port) {
            assert_eq!(sim.send(if port == 1 { 1 } else { 0 }, &frame), Verdict::Consume);
        }
    }
    sim.transmitted();
    sim.expect(|d| *d = already(&greetings_len()));
    sim
}

/// What greeting counted: every host asks by ARP and by Neighbour Discovery and is asked by the latter.
fn already((tagged, plain): &(usize, usize)) -> tests::Delta {
    let mut d = tests::Delta::default();
    for more in [*plain, *plain, *tagged, *tagged] {
        d.consumes(42 + more).consumes(86 + more).consumes(86 + more);
        d.originates(42 + more).originates(86 + more).originates(86 + more);
    }
    d
}

const fn greetings_len() -> (usize, usize) {
    (4, 0)
}

fn mac(port: usize) -> [u8; 6] {
    world().ports[if port == 1 { 1 } else { 0 }].mac
}

fn host(port: usize) -> Host {
    world().ports[port].hosts[0]
}

fn at(port: usize) -> Port {
    world().ports[port].clone()
}

/// The frame as it looks on the wire of its port: tagged with priority and drop eligibility if the port is a VLAN.
fn on_wire(port: usize, control: u16, frame: &[u8]) -> Vec<u8> {
    match port {
        0 | 1 => frame.to_vec(),
        _ => tag(frame, ethertype::VLAN, IDS[port - 2] | control),
    }
}

fn greetings(port: usize) -> Vec<Vec<u8>> {
    let (at, host) = (at(port), host(port));
    let ends = ((host.ipv6, host.mac), (at.ipv6, mac(port)));
    let flags = frames_v6::S | frames_v6::O;
    let frames = [
        frames::arp_request(&host, at.address),
        frames_v6::asks(ends.0, at.ipv6),
        frames_v6::advertisement(ends, flags, host.ipv6, Some(host.mac)),
    ];
    frames.map(|frame| on_wire(port, 0, &frame)).to_vec()
}

/// The device that carries a port.
const fn device(port: usize) -> PortId {
    PortId(if port == 1 { 1 } else { 0 })
}

fn datagram(from: usize, to: Ipv4Addr, data: usize) -> Vec<u8> {
    let packet = frames::udp(&Ipv4::new(host(from).address, to), 9, &vec![3; data]);
    frames::link(host(from).mac, mac(from), &packet)
}

fn datagram_v6(from: usize, to: usize, data: usize) -> Vec<u8> {
    let packet = frames_v6::udp(&Ipv6::new(host(from).ipv6, host(to).ipv6), 9, &vec![3; data]);
    frames_v6::link(host(from).mac, mac(from), &packet)
}

/// From every port to every other one, both families: tags go in and out, with priority 0 on the way out.
#[test]
fn every_port_reaches_every_other() {
    let mut sim = sim_with(|_| ());
    for (from, to) in (0..4).flat_map(|from| (0..4).map(move |to| (from, to))).filter(|(a, b)| a != b) {
        for (control, data) in [(0, 100), (0xe000, 0), (0x1000, 1472)] {
            let plain = datagram(from, host(to).address, data);
            let plain_v6 = datagram_v6(from, to, data.min(1452));
            let rights = [
                oracle::forward(&plain, mac(to), host(to).mac).expect("time to live"),
                frames_v6::forwarded(&plain_v6, mac(to), host(to).mac),
            ];
            for (plain, right) in [plain, plain_v6].iter().zip(rights) {
                let frame = on_wire(from, control, plain);
                let right = on_wire(to, 0, &right);
                let verdict = sim.send_with_room(device(from).0, &frame, ROOM);
                assert_eq!(verdict, Verdict::Forward { port: device(to) }, "{from} to {to}");
                sim.expect(|d| {
                    d.forwards(frame.len(), right.len());
                });
                let origin = Origin::Forwarded { received_len: frame.len(), path: Path::Fast };
                assert_eq!(sim.transmitted(), [Sent { port: device(to), origin, bytes: right }]);
            }
        }
    }
}

/// A tag that is taken off leaves room for one that is put in, so only plain ports need room.
#[test]
fn without_room_for_the_tag_a_frame_is_dropped_by_name() {
    let mut sim = sim_with(|_| ());
    let frame = datagram(1, host(2).address, 100);
    for (room, verdict) in [
        (0, Verdict::Drop(DropReason::NoHeadroom)),
        (3, Verdict::Drop(DropReason::NoHeadroom)),
        (4, Verdict::Forward { port: PortId(0) }),
    ] {
        assert_eq!(sim.send_with_room(1, &frame, room), verdict, "{room}");
        sim.expect(|d| {
            match verdict {
                Verdict::Drop(reason) => d.drops(reason, frame.len()),
                _ => d.forwards(frame.len(), frame.len() + 4),
            };
        });
    }
    let frame = on_wire(2, 0, &datagram(2, host(3).address, 100));
    assert_eq!(sim.send_with_room(0, &frame, 0), Verdict::Forward { port: PortId(0) });
    sim.expect(|d| {
        d.forwards(frame.len(), frame.len());
    });
    // Padding that is trimmed makes room, too.
    let frame = build::pad(datagram(1, host(2).address, 0));
    assert_eq!(sim.send_with_room(1, &frame, 0), Verdict::Forward { port: PortId(0) });
    sim.expect(|d| {
        d.forwards(60, 14 + 28 + 4);
    });
}

#[test]
fn tags_that_are_no_ports_of_the_device_are_named() {
    let mut sim = sim_with(|_| ());
    let plain = datagram(2, host(1).address, 20);
    let twice = |outer, inner| tag(&tag(&plain, ethertype::VLAN, inner), outer, IDS[0]);
    let rows = [
        (0, tag(&plain, ethertype::VLAN, 6), Anomaly::VlanUnexpected),
        (0, tag(&plain, ethertype::VLAN, 4095), Anomaly::VlanUnexpected),
        (0, tag(&plain, ethertype::VLAN, 0), Anomaly::VlanPriorityTag),
        (0, tag(&plain, ethertype::VLAN, 0xe000), Anomaly::VlanPriorityTag),
        // A service tag is not a customer tag (IEEE 802.1Q §9.5), whatever its id.
        (0, tag(&plain, ethertype::SERVICE_VLAN, IDS[0]), Anomaly::VlanUnexpected),
        (0, twice(ethertype::VLAN, IDS[1]), Anomaly::VlanNested),
        (0, twice(ethertype::SERVICE_VLAN, IDS[1]), Anomaly::VlanNested),
        (0, tag(&tag(&plain, ethertype::SERVICE_VLAN, 7), ethertype::VLAN, IDS[0]), Anomaly::VlanNested),
        (0, tag(&plain, ethertype::VLAN, IDS[0])[..17].to_vec(), Anomaly::VlanTruncated),
        // The other device has no VLANs at all.
        (
            1,
            {
                let mut f = tag(&plain, ethertype::VLAN, IDS[0]);
                f[..6].copy_from_slice(&mac(1));
                f
            },
            Anomaly::VlanUnexpected,
        ),
    ];
    for (port, frame, anomaly) in rows {
        assert_eq!(sim.send_with_room(port, &frame, ROOM), Verdict::Divert(anomaly), "{frame:02x?}");
        sim.expect(|d| {
            d.diverts_one(anomaly, frame.len());
        });
        // The copy is the frame as received, tags and all.
        let divert = sim.diverts().remove(0);
        assert_eq!((divert.about.port(), &divert.bytes), (PortId(port), &frame));
        sim.abandon(&divert);
        sim.expect(|d| {
            d.discards(DropReason::Anomaly(anomaly), Path::SlowRefused, frame.len());
            d.diverts[anomaly as usize].unanswered += 1;
        });
    }
    assert_eq!(sim.transmitted(), []);
}

/// IEEE 802.1Q §6.8: what a priority tag wraps belongs to the untagged port; repaired, it may leave by a VLAN.
#[test]
fn a_priority_tag_on_a_trunk_is_repaired_into_a_vlan() {
    let mut sim = sim_with(|_| ());
    let plain = datagram(0, host(3).address, 64);
    let frame = tag(&plain, ethertype::VLAN, 0xa000);
    assert_eq!(sim.send(0, &frame), Verdict::Divert(Anomaly::VlanPriorityTag));
    let divert = sim.diverts().remove(0);
    assert_eq!(divert.about.port(), PortId(0));
    assert_eq!(sim.answer(&divert.answer(Action::StripTag)), Ok(()));
    let right = oracle::forward(&plain, mac(3), host(3).mac).expect("time to live");
    let right = on_wire(3, 0, &right);
    sim.expect(|d| {
        d.diverts_one(Anomaly::VlanPriorityTag, frame.len());
        d.held = stack::stats::Count::default();
        d.applies(Anomaly::VlanPriorityTag, ActionKind::StripTag);
        d.injects(frame.len(), right.len(), Path::SlowModel);
    });
    let origin = Origin::Injected(divert.about.id);
    assert_eq!(sim.transmitted(), [Sent { port: PortId(0), origin, bytes: right }]);
}

/// What is diverted on a VLAN port is shown without its tag, and its answer leaves with the egress port's tag.
#[test]
fn divert_and_injection_on_a_vlan_port() {
    for (from, to) in [(2, 3), (3, 1), (1, 2)] {
        let mut sim = sim_with(|_| ());
        let header =
            Ipv4 { options: vec![7, 7, 4, 0, 0, 0, 0], ..Ipv4::new(host(from).address, host(to).address) };
        let plain = frames::link(host(from).mac, mac(from), &frames::udp(&header, 9, b"record my route"));
        let frame = on_wire(from, 0, &plain);
        let anomaly = Anomaly::Ipv4OptionTransit;
        assert_eq!(sim.send_with_room(device(from).0, &frame, ROOM), Verdict::Divert(anomaly));
        let divert = sim.diverts().remove(0);
        assert_eq!((divert.about.port(), &divert.bytes), (PortId(from as u8), &plain));
        assert_eq!(sim.answer(&divert.answer(Action::ClearOptions)), Ok(()));
        let right = oracle::repair(ActionKind::ClearOptions, &plain, mac(to), host(to).mac);
        let right = on_wire(to, 0, &right.expect("a repair"));
        let origin = Origin::Injected(divert.about.id);
        assert_eq!(sim.transmitted(), [Sent { port: device(to), origin, bytes: right.clone() }]);
        // The books hold what was received, tag and all.
        sim.expect(|d| {
            d.diverts_one(anomaly, frame.len());
            d.held = stack::stats::Count::default();
            d.applies(anomaly, ActionKind::ClearOptions);
            d.injects(frame.len(), right.len(), Path::SlowModel);
        });
    }
}

#[test]
fn errors_answers_and_questions_leave_by_a_vlan_tagged() {
    let mut sim = sim_with(|_| ());
    for port in [2, 3] {
        let (host, own) = (host(port), at(port));
        // 11/0 about a packet that ends here.
        let header = Ipv4 { ttl: 1, ..Ipv4::new(host.address, world().ports[1].hosts[0].address) };
        let packet = frames::udp(&header, 9, b"last hop");
        let frame = on_wire(port, 0, &frames::link(host.mac, mac(port), &packet));
        assert_eq!(sim.send(0, &frame), Verdict::Drop(DropReason::TtlExpired));
        let back = Ipv4 { service: 0xc0, ..Ipv4::new(own.address, host.address) };
        let error = frames::icmp(&back, 11, 0, [0; 4], &packet);
        let right = on_wire(port, 0, &frames::link(mac(port), host.mac, &error));
        sim.expect(|d| {
            d.drops(DropReason::TtlExpired, frame.len()).reports(right.len());
        });
        let sent = sim.transmitted();
        assert_eq!(sent, [Sent { port: PortId(0), origin: Origin::Originated, bytes: right }]);
        // Echo, to any of the router's addresses.
        for to in [own.address, at(1).address] {
            let plain =
                frames::link(host.mac, mac(port), &frames::echo_request(&Ipv4::new(host.address, to), 1));
            let frame = on_wire(port, 0, &plain);
            assert_eq!(sim.send(0, &frame), Verdict::Deliver);
            let reply = echo::echo_reply(&plain).expect("a right request");
            let sent = sim.transmitted();
            assert_eq!((sent.len(), sent[0].port), (1, PortId(0)));
            let bytes = &sent[0].bytes;
            assert_eq!(bytes[..16], on_wire(port, 0, &reply)[..16]);
            let untagged = [&bytes[..12], &bytes[16..]].concat();
            assert_eq!(frames::comparable(&untagged), frames::comparable(&reply));
            assert!(adds_up(&untagged[34..]));
            sim.expect(|d| {
                d.delivers(frame.len()).originates(reply.len() + 4);
            });
        }
        // ARP for a neighbour that is not known yet.
        let [a, b, c, _] = host.address.octets();
        let cold = Ipv4Addr::new(a, b, c, 77);
        let frame = datagram(1, cold, 10);
        assert_eq!(sim.send(1, &frame), Verdict::Consume);
        let us = Host { mac: mac(port), address: own.address, ipv6: own.ipv6 };
        let right = on_wire(port, 0, &frames::arp_request(&us, cold));
        let sent = sim.transmitted();
        assert_eq!(sent, [Sent { port: PortId(0), origin: Origin::Originated, bytes: right }]);
        // The answer in another VLAN is not for this port.
        let stranger = Host { mac: [2, 0, 0, 0, 9, 77], address: cold, ..host };
        let reply = frames::arp_reply(&stranger, &us);
        assert_eq!(sim.send(0, &on_wire(5 - port, 0, &reply)), Verdict::Consume);
        assert_eq!(sim.transmitted(), []);
        assert_eq!(sim.send(0, &on_wire(port, 0, &reply)), Verdict::Consume);
        let right = oracle::forward(&frame, mac(port), stranger.mac).expect("time to live");
        let right = on_wire(port, 0, &right);
        let sent = sim.transmitted();
        assert_eq!((sent.len(), sent[0].port, &sent[0].bytes), (1, PortId(0), &right));
        sim.expect(|d| {
            d.receives(frame.len()).originates(46).consumes(46).consumes(46);
            d.ends(Disposition::Forwarded, Path::Fast, frame.len());
            d.sent.forwarded.frames += 1;
            d.sent.forwarded.bytes += right.len() as u64;
        });
    }
}

/// The default of a frame held on a VLAN port acts as if it had not been held: echo, in its VLAN.
#[test]
fn what_is_held_on_a_vlan_port_falls_back_in_its_vlan() {
    let mut sim = sim_with(|config| {
        config.set_mode(Anomaly::EchoRequest, stack::Mode::Enforce).expect("an experiment may hold");
    });
    let request = frames::echo_request(&Ipv4::new(host(3).address, at(3).address), 9);
    let frame = on_wire(3, 0, &frames::link(host(3).mac, mac(3), &request));
    assert_eq!(sim.send(0, &frame), Verdict::Divert(Anomaly::EchoRequest));
    sim.advance(Duration::from_millis(50));
    let sent = sim.transmitted();
    assert_eq!(
        (sent.len(), sent[0].port, &sent[0].bytes[12..16]),
        (1, PortId(0), &[0x81, 0, 0x0f, 0xfe][..])
    );
    assert_eq!(sim.router.stats().disposed(Disposition::Delivered).bytes, frame.len() as u64);
}
