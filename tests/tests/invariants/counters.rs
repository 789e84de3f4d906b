//! Invariant 1, on a million generated, mutated and random frames with every table small enough to be full.

use pktgen::build::{ethertype, tag};
use pktgen::dice::{Draw, rng_for};
use pktgen::world::Host;
use pktgen::{Generator, World};
use smoltcp::time::Duration;
use smoltcp::wire::Ipv4Cidr;
use stack::divert::Field;
use stack::rules::{Content, Edit, Edits, Match, RuleAction, RuleSpec, Subject};
use stack::stats::{Disposition, Path};
use stack::{Action, Anomaly, Config, Direction, DropReason, PortId, Rate, Route, Target, Verdict, Vlan};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use tests::Sim;
use tests::frames::{self, ROUTER_0, from_client};
use tests::rules::{class, operators};
use tests::storage::{SIZES, Sizes};

/// A healthy datagram to the router that is longer than its host can take.
fn jumbo() -> (u8, Vec<u8>) {
    (0, from_client(&frames::udp(&frames::to(ROUTER_0.address), 7, &[0; 1_600])))
}

/// Random bytes; half of them to the router's MAC address with the EtherType of IPv4 or IPv6, to get further.
fn random_frame(index: u64) -> (u8, Vec<u8>) {
    let mut rng = rng_for(81, 0, index);
    let len = *rng.pick(&[0, 1, 13, 14, 33, 34, 60, 90, 1514, 1537, 2_000]);
    let mut frame = rng.bytes(len);
    if let (true, Some(head)) = (rng.one_in(2), frame.get_mut(..14)) {
        head[..6].copy_from_slice(&ROUTER_0.mac);
        head[6] &= 0xfe;
        let ethertype: [u8; 2] = *rng.pick(&[[8, 0], [0x86, 0xdd]]);
        head[12..].copy_from_slice(&ethertype);
    }
    (0, frame)
}

/// The host of the VLAN port, which is in no [`World`].
fn vlan_host() -> Host {
    let mac = [2, 0, 0, 0, 9, 2];
    Host { mac, address: Ipv4Addr::new(10, 0, 9, 2), ipv6: Ipv6Addr::new(0xfd00, 9, 0, 0, 0, 0, 0, 2) }
}

/// A third port, a VLAN of the second one's device, and ways that lead nowhere.
fn vlan_port(config: &mut Config) {
    let mut port = config.ports[1].clone();
    port.vlan = Some(Vlan { trunk: PortId(1), id: 5 });
    port.addresses.clear();
    port.addresses.push(Ipv4Cidr::new(Ipv4Addr::new(10, 0, 9, 1), 24)).expect("room for one address");
    port.ipv6.clear();
    config.ports.push(port).expect("room for a third port");
}

fn nowhere(sim: &mut Sim) {
    for (top, target) in
        [(0, Target::<Ipv4Addr>::Unreachable), (64, Target::Prohibited), (128, Target::Blackhole)]
    {
        let prefix = Ipv4Cidr::new(Ipv4Addr::new(top, 0, 0, 0), 2);
        sim.router.add_route(Route { prefix, target, port: PortId(1) }).expect("room for a route");
    }
}

/// What the generator does not make: a datagram that the host cannot take; the VLAN's host greets; a datagram to
/// it.
fn extra(which: u64) -> Option<(u8, Vec<u8>)> {
    let host = vlan_host();
    match which {
        0 => Some(jumbo()),
        1 => {
            let greeting = frames::arp_request(&host, Ipv4Addr::new(10, 0, 9, 1));
            Some((1, tag(&greeting, ethertype::VLAN, 5)))
        }
        2 => Some((0, from_client(&frames::udp(&frames::to(host.address), 7, &[0; 20])))),
        _ => None,
    }
}

/// Priority-tagged packets in transit go on, a few a second.
fn rules(sim: &mut Sim) {
    for priority in 0..8 {
        let fields = [(Field::Priority, priority), (Field::Inner, 0)];
        let class = class(Anomaly::VlanPriorityTag, PortId(0), Direction::Transit, &fields);
        let edits = Edits { edit: Edit::StripTag, dscp: None };
        let spec = operators(Match { class, subject: Subject::Class }, RuleAction::Forward(edits));
        let content = Content { meter: Some(Rate { per_second: 1, burst: 1 }), ..spec.content };
        let spec = RuleSpec { content, pinned: true, ..spec };
        sim.router.install_rule(sim.now(), spec).expect("a sound rule");
    }
}

/// What the verdict of a frame promised about the counters, checked at once for each of a million frames.
#[test]
fn counters_balance_and_every_drop_has_a_reason() {
    const FRAMES: u64 = 1_000_000;
    let seed = 80;
    println!("seed {seed} (pktgen), 81 (random bytes)");
    // Small tables, so that each is full at times; a small MTU behind one port.
    let sizes = Sizes { waiting: 12, transmit: 4, diverts: 64, neighbors: 16, ..SIZES };
    let mut sim = Sim::cold(
        |config| {
            config.ports[1].mtu = 1300;
            config.limits.waiting_per_neighbor = 6;
            config.limits.divert_queue = 40;
            config.limits.divert_outstanding = 24;
            config.limits.divert_rate = Rate { per_second: 500, burst: 20 };
            config.limits.observe_one_in = 2;
            vlan_port(config);
        },
        sizes,
    );
    nowhere(&mut sim);
    rules(&mut sim);
    let generator = Generator::new(World::lab(), seed);
    let mut verdicts = BTreeMap::new();
    for index in 0..FRAMES {
        let (port, bytes) = if let Some(extra) = extra(index % 10_000) {
            extra
        } else if index.is_multiple_of(16) {
            random_frame(index)
        } else {
            let made = generator.frame(index);
            (made.port, made.bytes)
        };
        let before = sim.router.snapshot();
        // Now and then without room for the tag.
        let room = if index % 10_000 == 2 { 0 } else { 4 };
        let verdict = sim.send_with_room(port, &bytes, room);
        let now = sim.router.stats();
        assert_eq!(now.received.frames, before.received.frames + 1);
        assert_eq!(now.received.bytes, before.received.bytes + bytes.len() as u64);
        let ended = |disposition| now.disposed(disposition).frames - before.disposed(disposition).frames;
        match verdict {
            Verdict::Forward { .. } => assert_eq!(ended(Disposition::Forwarded), 1),
            Verdict::Deliver => assert_eq!(ended(Disposition::Delivered), 1),
            Verdict::Divert(reason) => {
                assert_eq!(now.held.frames, before.held.frames + 1);
                let at = reason as usize;
                assert_eq!(now.diverts[at].held, before.diverts[at].held + 1);
            }
            Verdict::Drop(reason) => assert_eq!(now.drops(reason), before.drops(reason) + 1),
            // Three ways, one of them: ARP or ND, which may release frames that waited; a frame that waits from
            // now on; a frame that is sent on in fragments.
            Verdict::Consume => {
                let consumed = ended(Disposition::Consumed);
                let waits = now.held.frames.saturating_sub(before.held.frames);
                let cut = if consumed == 0 { now.fragmented - before.fragmented } else { 0 };
                assert_eq!(consumed + waits + cut, 1);
                assert!(cut == 0 || ended(Disposition::Forwarded) == 1);
            }
        }
        let name = format!("{verdict:?}");
        *verdicts.entry(name.split(['(', ' ']).next().unwrap_or("").to_owned()).or_insert(0_u64) += 1;
        // The slow path is erratic: it takes some, answers some, gives some up.
        if index.is_multiple_of(7) {
            for divert in sim.diverts() {
                match index % 3 {
                    0 => drop(sim.answer(&divert.answer(Action::Drop))),
                    1 => sim.abandon(&divert),
                    _ => {}
                }
            }
        }
        sim.transmitted();
        sim.events();
        sim.advance(Duration::from_micros(97));
    }
    sim.advance(Duration::from_secs(10));
    assert!(sim.router.is_settled(), "every frame has ended: {:?}", sim.router.stats().held);
    let stats = sim.router.stats();
    let ends: u64 = Disposition::ALL.into_iter().map(|d| stats.disposed(d).frames).sum();
    assert_eq!((stats.received.frames, ends), (FRAMES, FRAMES));
    println!("{verdicts:?}");
    for verdict in ["Forward", "Deliver", "Consume", "Drop", "Divert"] {
        assert!(verdicts.get(verdict).is_some_and(|&count| count > 1_000), "{verdict}: {verdicts:?}");
    }
    for &reason in DropReason::OTHERS {
        assert!(stats.drops(reason) > 0, "never dropped for {reason}");
    }
    // A frame's path is counted once, too.
    assert_eq!(Path::ALL.into_iter().map(|path| stats.by_path(path).frames).sum::<u64>(), FRAMES);
}
