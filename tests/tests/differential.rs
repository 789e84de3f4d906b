//! The router against the oracle: classes, class keys, verdicts and forwarded bytes, on frames and mutants.
//!
//! `pktgen::oracle` was written from the RFCs by other hands and shares no code with the router, so each
//! disagreement is a bug in one of them, or is listed in [`EXPLAINED`] with its reason.

use pktgen::oracle::{self, Judgement};
use pktgen::{Family, Generated, Generator, World};
use smoltcp::time::Duration;
use smoltcp::wire::{EthernetAddress, Ipv4Cidr};
use stack::classify::{Class, Locals, classify};
use stack::{ActionKind, Anomaly, DropReason, Mode, PortId, Rejection, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use tests::reference::{Fate, Reference, Way};
use tests::storage::Sizes;
use tests::{Sim, checker, sim};

/// Where the two may differ: the destination is a multicast group other than all hosts.
///
/// The router routes no multicast and judges every group as one of its own; the oracle judges only 224.0.0.1
/// so, and lets the rest pass as transit. Either way such a frame ends here, without a sound.
fn explained(frame: &[u8]) -> bool {
    network_at(frame)
        .and_then(|at| frame.get(at + 16..at + 20))
        .is_some_and(|to| (224..240).contains(&to[0]) && to != [224, 0, 0, 1])
}

/// Where the IPv4 packet starts: plainly, in a tag, or in an envelope.
fn network_at(frame: &[u8]) -> Option<usize> {
    match frame.get(12..14)? {
        [0x81, 0x00] | [0x88, 0xa8] => Some(18),
        [8, 0] => Some(14),
        [0..=5, _] => Some(22),
        _ => None,
    }
}

/// Every frame of the test: the mix, mutants of every family, and each anomaly by itself.
fn frames(generator: &Generator, each: u64) -> impl Iterator<Item = Generated> {
    let mix = (0..each).map(|index| generator.frame(index));
    let mutants = (0..each).map(|index| generator.mutant(index));
    let odd = Anomaly::ALL
        .iter()
        .flat_map(move |&anomaly| (0..each / 100).filter_map(move |index| generator.of(anomaly, index)));
    mix.chain(mutants).chain(odd)
}

#[derive(Default)]
struct Differences(BTreeMap<String, (u64, String)>);

impl Differences {
    fn note(&mut self, what: String, made: &Generated) {
        let example = || format!("{} by port {}: {:02x?}", made.template, made.port, made.bytes);
        self.0.entry(what).or_insert_with(|| (0, example())).0 += 1;
    }

    fn assert_none(&self) {
        for (what, (count, example)) in &self.0 {
            println!("{count:6} {what}\n       first: {example}");
        }
        assert!(self.0.is_empty(), "{} kinds of difference", self.0.len());
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
            let judgement = oracle::judge(&world, made.port, &made.bytes);
            let mac = EthernetAddress(world.ports[usize::from(made.port)].mac);
            let class = classify(&made.bytes, PortId(made.port), mac, &locals);
            let ours = match class {
                Class::Foreign => Judgement::Foreign,
                Class::Anomaly(anomaly)
                | Class::Transit(_, Some(anomaly))
                | Class::Local(_, Some(anomaly)) => Judgement::Anomaly(anomaly),
                Class::Arp(_) | Class::Transit(_, None) | Class::Local(_, None) => Judgement::Healthy,
            };
            if let Judgement::Anomaly(anomaly) = ours {
                reached.insert(anomaly);
            }
            // The oracle names every echo request; to the router it is healthy unless an experiment holds it.
            let echo = judgement == Judgement::Anomaly(Anomaly::EchoRequest) && ours == Judgement::Healthy;
            if judgement != ours && !echo && !explained(&made.bytes) {
                differences.note(format!("oracle {judgement:?}, router {ours:?}"), &made);
            }
        }
        println!("{count} frames, seed {seed}");
        assert!(count >= 300_000);
        differences.assert_none();
        let missed: Vec<_> =
            Anomaly::ALL.iter().filter(|&&a| a != Anomaly::EchoRequest && !reached.contains(&a)).collect();
        assert!(missed.is_empty(), "never classified: {missed:?}");
    }
}

/// Everything is held, so that every reason comes out of `poll_divert` with its key.
#[test]
fn class_keys_hold_the_fields_that_the_oracle_reads() {
    let seed = 44;
    let mut sim = Sim::lab_with(|config| {
        config.set_mode(Anomaly::EchoRequest, Mode::Enforce).expect("an experiment may hold");
        config.limits.observe_one_in = 1;
        config.limits.divert_rate = stack::Rate { per_second: 2_000, burst: 2_000 };
    });
    let world = sim.world().clone();
    let generator = Generator::new(world.clone(), seed);
    let (mut differences, mut reached, mut count) = (Differences::default(), BTreeSet::new(), 0_u32);
    for made in frames(&generator, 30_000) {
        let _ = sim.send(made.port, &made.bytes);
        for divert in sim.diverts() {
            count += 1;
            let reason = divert.about.reason();
            reached.insert(reason);
            assert_eq!((divert.about.port().0, &divert.bytes), (made.port, &made.bytes));
            let right = oracle::fields(&world, made.port, &made.bytes);
            let ours = (reason, divert.about.class.fields.to_vec());
            if right.as_ref() != Some(&ours) && !explained(&made.bytes) {
                differences.note(format!("{reason}: oracle {right:?}, router {ours:?}"), &made);
            }
            sim.abandon(&divert);
        }
        sim.transmitted();
        sim.advance(Duration::from_micros(600));
    }
    println!("{count} diverted frames, seed {seed}");
    differences.assert_none();
    let missed: Vec<_> = Anomaly::ALL.iter().filter(|anomaly| !reached.contains(anomaly)).collect();
    assert!(missed.is_empty(), "never diverted: {missed:?}");
}

/// The fast path against a slow, obvious router: the same verdict and the same bytes for every frame.
#[test]
fn verdicts_and_bytes_are_the_reference_routers() {
    let seed = 45;
    let mut sim = Sim::new(World::lab(), |config| config.ports[1].mtu = 1200, Sizes::default());
    let mut world = World::lab();
    world.ports[1].mtu = 1200;
    let gateway = world.ports[1].hosts[0];
    let networks = [([0, 0, 0, 0], 1), ([96, 0, 0, 0], 3), ([172, 16, 0, 0], 12), ([10, 0, 0, 0], 9)];
    let mut beyond = Vec::new();
    for (network, prefix) in networks {
        sim.route(Ipv4Cidr::new(network.into(), prefix), Some(gateway.address.octets()), 1);
        beyond.push(Way { network: network.into(), prefix, port: 1, next_hop: Some(gateway.mac) });
    }
    let reference = Reference::new(world, &beyond);
    let generator = Generator::new(World::lab(), seed);
    let (mut differences, mut fates, mut count) = (Differences::default(), BTreeMap::new(), 0_u32);
    sim.prime();
    for made in frames(&generator, 120_000) {
        count += 1;
        // Neighbours are kept fresh; a mutant may have moved one.
        if made.bytes.get(12..14) == Some(&[8, 6]) || count.is_multiple_of(1_000) {
            sim.prime();
        }
        let fate = reference.fate(made.port, &made.bytes);
        let verdict = sim.send(made.port, &made.bytes);
        let sent = sim.transmitted();
        let bytes = sent.first().map_or(&[][..], |sent| &sent.bytes);
        *fates.entry(format!("{fate:?}").split(['(', '{']).next().unwrap_or("").to_owned()).or_insert(0) += 1;
        let agrees = match (&fate, verdict) {
            // Mutated ARP teaches the router hosts that are in no list.
            (Fate::Waits, Verdict::Forward { port }) => {
                let known = sim.router.neighbors().iter().find(|n| n.0 == port && n.2.0 == bytes[..6]);
                let source = sim.world().ports[port.index()].mac;
                known.is_some_and(|n| oracle::forward(&made.bytes, source, n.2.0).as_deref() == Some(bytes))
            }
            (Fate::Waits, Verdict::Drop(reason)) => matches!(
                reason,
                DropReason::NeighborFailed | DropReason::WaitingRoomFull | DropReason::NeighborTableFull
            ),
            _ => fate.agrees_with(verdict, bytes),
        };
        if !agrees && !explained(&made.bytes) {
            let fate = match fate {
                Fate::Forwarded(port, _) => format!("forwarded by {port}"),
                fate => format!("{fate:?}"),
            };
            differences.note(format!("reference {fate}, router {verdict:?}"), &made);
        }
        // ARP mutants teach the router other MAC addresses.
        if made.bytes.get(12..14) == Some(&[8, 6]) {
            sim.prime();
        }
        for divert in sim.diverts() {
            sim.abandon(&divert);
        }
        sim.advance(Duration::from_micros(600));
        sim.transmitted();
    }
    println!("{count} frames, seed {seed}: {fates:?}");
    assert!(count >= 290_000);
    for fate in ["Forwarded", "Delivered", "Consumed", "Dropped", "Odd"] {
        assert!(fates.get(fate).is_some_and(|&count| count > 500), "{fate}: {fates:?}");
    }
    differences.assert_none();
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
        let odd = Anomaly::ALL.iter().flat_map(|&anomaly| (0..300).map(move |i| (anomaly, i)));
        let odd = odd.filter_map(|(anomaly, index)| generator.of(anomaly, index));
        // Mutated ARP would teach the router MAC addresses that the oracle cannot know.
        let mutants = (0..20_000).map(|index| generator.mutant(index)).filter(|m| m.family != Family::Arp);
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
                    match checker::judge(&world, &sim.neighbors(), posture, &divert, &sent) {
                        Ok(found) if found == kind => *injected.entry(kind).or_insert(0) += 1,
                        other => differences.note(format!("{kind}: judged {other:?}"), &made),
                    }
                }
            }
            sim.advance(Duration::from_micros(600));
        }
        println!("{posture:?}, seed {seed}: {injected:?}");
        differences.assert_none();
        assert_eq!(injected.is_empty(), posture == stack::Posture::Strict);
    }
}

/// Does the time to live of the packet in the frame end here?
fn ttl_ends(frame: &[u8]) -> bool {
    network_at(frame).and_then(|at| frame.get(at + 8)).is_some_and(|&ttl| ttl <= 1)
}

/// Is there a way to where the action would send a packet: an error back to the source, a repair on?
fn routable(world: &World, kind: ActionKind, frame: &[u8]) -> bool {
    let address_at = if kind == ActionKind::ParameterProblem { 12 } else { 16 };
    let address = network_at(frame).and_then(|at| frame.get(at + address_at..at + address_at + 4));
    let Some(&[a, b, c, d]) = address else { return false };
    world.ports.iter().any(|port| port.contains(Ipv4Addr::new(a, b, c, d)))
}
