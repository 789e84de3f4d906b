//! The router against the oracle: classes, class keys and injected bytes, on frames and mutants.
//!
//! `pktgen::oracle` was written from the RFCs by other hands and shares no code with the router, so each
//! disagreement is a bug in one of them, or is explained in [`tests::opinion`] with its reason.

use pktgen::oracle::{self, Judgement};
use pktgen::world::Port;
use pktgen::{Expected, Family, Generated, Generator, World};
use smoltcp::time::Duration;
use stack::classify::Locals;
use stack::divert::FieldValue;
use stack::{ActionKind, Anomaly, Mode, Rejection, ReversePath, Verdict};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use tests::differences::{Differences, frames};
use tests::opinion::{self, NOT_IN_ONE_FRAME, ends, explained, network};
use tests::{Sim, checker, sim};

/// Healthy frames of one port's hosts that come in by the next port, as if sent there.
fn astray(generator: &Generator, each: u64) -> impl Iterator<Item = Generated> {
    let ports = &generator.world().ports;
    (0..each / 50).map(|index| {
        let made = generator.healthy(index);
        let port = (usize::from(made.port) + 1) % ports.len();
        let bytes = [&ports[port].mac[..], &made.bytes[6..]].concat();
        Generated { bytes, port: port as u8, expected: Expected::Unknown, ..made }
    })
}

/// Does the packet in the frame come from elsewhere than the port's own network? Where the port checks reverse
/// paths strictly and no other network is known, that is all there is to it (RFC 3704 §2.2).
fn is_astray(port: &Port, frame: &[u8]) -> bool {
    match ends(frame) {
        Some((IpAddr::V4(source), _)) => !port.contains(source),
        Some((IpAddr::V6(source), _)) => {
            !port.contains_ipv6(source) && !source.is_unicast_link_local() && !source.is_unspecified()
        }
        None => false,
    }
}

#[test]
fn classes_are_the_oracles() {
    for (world, seed) in [(World::lab(), 42), (World::with_ports(5), 43)] {
        let ports = sim::config(&world).ports;
        let locals = Locals::new(&ports);
        let generator = Generator::new(world.clone(), seed);
        let mut differences = Differences::default();
        let (mut count, mut reached) = (0_u32, BTreeSet::new());
        for made in frames(&generator, 120_000) {
            count += 1;
            let ours = opinion::of_router(&world, &locals, made.port, &made.bytes);
            if let Judgement::Anomaly(anomaly) = ours {
                reached.insert(anomaly);
            }
            if let Some((theirs, ours)) = opinion::difference(&world, &locals, made.port, &made.bytes) {
                differences.note(format!("oracle {theirs:?}, router {ours:?}"), &made);
            }
        }
        println!("{count} frames, seed {seed}");
        assert!(count >= 300_000);
        differences.assert_none();
        let alone = |a: &Anomaly| *a != Anomaly::EchoRequest && !NOT_IN_ONE_FRAME.contains(a);
        let missed: Vec<_> = Anomaly::ALL.iter().filter(|&a| alone(a) && !reached.contains(a)).collect();
        assert!(missed.is_empty(), "never classified: {missed:?}");
    }
}

/// Everything is held, so that every reason comes out of `poll_divert` with its key. What no single frame shows is
/// known from the frames before it and from the port.
#[test]
fn class_keys_hold_the_fields_that_the_oracle_reads() {
    let seed = 44;
    let mut sim = Sim::lab_with(|config| {
        config.set_mode(Anomaly::EchoRequest, Mode::Enforce).expect("an experiment may hold");
        config.limits.observe_one_in = 1;
        config.limits.divert_rate = stack::Rate { per_second: 2_000, burst: 2_000 };
        config.ports[1].reverse_path = ReversePath::Strict;
    });
    let world = sim.world().clone();
    let generator = Generator::new(world.clone(), seed);
    let (mut differences, mut reached, mut count) = (Differences::default(), BTreeSet::new(), 0_u32);
    // Each overlap follows on what it overlaps.
    let mut latest = VecDeque::new();
    for made in frames(&generator, 30_000).chain(astray(&generator, 30_000)) {
        let verdict = sim.send(made.port, &made.bytes);
        for divert in sim.diverts() {
            count += 1;
            let reason = divert.about.reason();
            reached.insert(reason);
            assert_eq!((divert.about.port().0, &divert.bytes), (made.port, &made.bytes));
            let right = oracle::fields(&world, made.port, &made.bytes);
            let ours = (reason, divert.about.class.fields.to_vec());
            let alone = passes(right.as_ref()) && ours.1.is_empty();
            let agrees = match reason {
                Anomaly::Ipv4FragmentOverlap | Anomaly::Ipv6FragmentOverlap => {
                    alone && latest.iter().any(|earlier: &Vec<u8>| oracle::overlaps(earlier, &made.bytes))
                }
                Anomaly::ReversePath => alone && made.port == 1 && is_astray(&world.ports[1], &made.bytes),
                _ => right.as_ref() == Some(&ours),
            };
            if !agrees && !explained(&made.bytes) {
                differences.note(format!("{reason}: oracle {right:?}, router {ours:?}"), &made);
            }
            sim.abandon(&divert);
        }
        if verdict == Verdict::Deliver {
            latest.push_front(made.bytes);
            latest.truncate(1_000);
        }
        sim.transmitted();
        sim.advance(Duration::from_micros(600));
    }
    println!("{count} diverted frames, seed {seed}");
    differences.assert_none();
    let missed: Vec<_> = Anomaly::ALL.iter().filter(|anomaly| !reached.contains(anomaly)).collect();
    assert!(missed.is_empty(), "never diverted: {missed:?}");
}

/// Does a frame go on that the oracle says this of?
fn passes(judged: Option<&(Anomaly, Vec<FieldValue>)>) -> bool {
    judged.is_none_or(|(anomaly, _)| anomaly.must_pass() || *anomaly == Anomaly::EchoRequest)
}

/// Repairs that the oracle calls right are approved, and what is injected is what the oracle makes.
#[test]
fn right_answers_are_approved_and_injected_byte_for_byte() {
    let seed = 46;
    for posture in stack::Posture::ALL {
        let mut sim = Sim::lab_with(|config| {
            config.posture = posture;
            config.limits.observe_one_in = 1;
        });
        let world = sim.world().clone();
        let generator = Generator::new(world.clone(), seed);
        let (mut differences, mut injected) = (Differences::default(), BTreeMap::new());
        let mut ipv6 = 0_u64;
        let odd = Anomaly::ALL.iter().flat_map(|&anomaly| (0..300).map(move |i| (anomaly, i)));
        let odd = odd.filter_map(|(anomaly, index)| generator.of(anomaly, index));
        // Mutated ARP and Neighbour Discovery would teach the router MAC addresses that the oracle cannot know.
        let teaches = |made: &Generated| matches!(made.family, Family::Arp | Family::Nd);
        let mutants = (0..20_000).map(|index| generator.mutant(index)).filter(|made| !teaches(made));
        for made in odd.chain(mutants) {
            sim.prime();
            let _ = sim.send(made.port, &made.bytes);
            sim.transmitted();
            for divert in sim.diverts() {
                let right = oracle::right_action(&world, made.port, posture, &made.bytes);
                let Some(action) = right.and_then(ActionKind::symbolic) else {
                    sim.abandon(&divert);
                    continue;
                };
                let kind = action.kind();
                if let Err(rejection) = sim.answer(&divert.answer(action)) {
                    // The oracle knows no routes, and says of a repair only what would leave.
                    let known = match rejection {
                        Rejection::DoesNotFit => ttl_ends(&made.bytes),
                        Rejection::Unroutable => !routable(&world, kind, &made.bytes),
                        _ => explained(&made.bytes),
                    };
                    if !known {
                        differences.note(format!("{}: {kind} {rejection}", divert.about.reason()), &made);
                    }
                    continue;
                }
                for sent in sim.transmitted() {
                    if !matches!(sent.origin, stack::Origin::Injected(_)) {
                        continue;
                    }
                    ipv6 += u64::from(sent.bytes[12..14] == [0x86, 0xdd]);
                    match checker::judge(&world, &sim.neighbors(), posture, &divert, &sent) {
                        Ok(found) if found == kind => *injected.entry(kind).or_insert(0) += 1,
                        other => differences.note(format!("{kind}: judged {other:?}"), &made),
                    }
                }
            }
            sim.advance(Duration::from_micros(600));
        }
        println!("{posture:?}, seed {seed}: {injected:?}, {ipv6} of them IPv6");
        differences.assert_none();
        assert_eq!(
            (injected.is_empty(), ipv6 < 50),
            (posture == stack::Posture::Strict, injected.is_empty())
        );
    }
}

/// Does the time to live, or the hop limit, of the packet in the frame end here?
fn ttl_ends(frame: &[u8]) -> bool {
    network(frame)
        .and_then(|(packet, ipv6)| packet.get(if ipv6 { 7 } else { 8 }))
        .is_some_and(|&ttl| ttl <= 1)
}

/// Is there a way to where the action would send a packet: an error back to the source, a repair on?
fn routable(world: &World, kind: ActionKind, frame: &[u8]) -> bool {
    let Some((source, destination)) = ends(frame) else { return false };
    let address = if kind == ActionKind::ParameterProblem { source } else { destination };
    world.ports.iter().any(|port| match address {
        IpAddr::V4(address) => port.contains(address),
        IpAddr::V6(address) => port.contains_ipv6(address),
    })
}
