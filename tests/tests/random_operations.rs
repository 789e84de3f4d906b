//! Random operations on random routers: whatever the owner, the network and the model do, in whatever order,
//! nothing panics, the books balance after every step, and what is injected is well-formed.
//!
//! `Sim` checks the books; `SOFTROUTER_ROUTERS=100000` runs longer, `SOFTROUTER_SEED` elsewhere.

use pktgen::dice::{Draw, rng_for};
use pktgen::{Family, Generated, Generator, Mix, World, oracle};
use smoltcp::time::Duration;
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};
use stack::answer::frame_check::well_formed;
use stack::answer::{Advice, Lifetime, Scope};
use stack::rules::{Content, Match};
use stack::stats::Path;
use stack::{
    Action, ActionKind, Anomaly, Answer, Approved, Config, EchoDelta, Mode, Origin, PortId, Posture, Rate,
    Route, RuleSpec, Source, Target,
};
use tests::rules::{operators, subject};
use tests::storage::Sizes;
use tests::{Divert, Sim, forged};

/// Operations on each router.
const OPERATIONS: usize = 300;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[test]
fn nothing_panics_and_the_books_balance_whatever_happens() {
    let (seed, routers) = (setting("SOFTROUTER_SEED", 1), setting("SOFTROUTER_ROUTERS", 2_000));
    println!("seed {seed}, {routers} routers, {OPERATIONS} operations each");
    let (mut injected, mut ruled) = (0, 0);
    for index in 0..routers {
        let mut rng = rng_for(seed, 0x6368_616f, index);
        // If it fails, this is how to see it again.
        println!("router {index}");
        let counts = one_router(&mut rng, seed ^ index);
        injected += counts.0;
        ruled += counts.1;
    }
    println!("{injected} frames made by answers, {ruled} ended by rules");
    assert!(injected * 50 > routers, "{injected} frames injected by {routers} routers");
    assert!(ruled * 2 > routers, "{ruled} frames ended by the rules of {routers} routers");
}

/// Lives through one router's random life; how many frames answers made, and how many ended as rules said.
fn one_router(rng: &mut impl Draw, seed: u64) -> (u64, u64) {
    let mut world = World::with_ports(2 + rng.below(3) as u8);
    for port in &mut world.ports {
        port.mtu = *rng.pick(&[1280, 1281, 1400, 1500, 1514]);
    }
    let sizes = Sizes {
        routes: 8 + rng.below(8),
        neighbors: *rng.pick(&[1, 4, 16, 64]),
        waiting: *rng.pick(&[0, 1, 3, 16]),
        diverts: 64,
        flows: 64,
        rules: *rng.pick(&[0, 8, 64]),
        candidates: rng.below(5),
        transmit: *rng.pick(&[1, 2, 8, 64]),
        events: *rng.pick(&[0, 1, 64]),
        routes_index: [0, 17][rng.below(2)],
        echoes: 1 + rng.below(4),
        status: rng.below(3),
        reassembly: rng.below(4),
    };
    let generator = Generator::new(world.clone(), seed).with_mix(Mix { healthy: 1, odd: 2, mutant: 2 });
    let mut sim = Sim::new(world, |config| randomise(config, rng), sizes);
    if rng.one_in(2) {
        sim.prime();
    }
    let (mut diverts, mut approved, mut injected) = (Vec::<Divert>::new(), Vec::<Approved>::new(), 0);
    for _ in 0..OPERATIONS {
        match rng.below(18) {
            16 | 17 => change_rules(&mut sim, &diverts, rng),
            // Again what the slow path got: a rule may be about it.
            0 | 1 if !diverts.is_empty() => {
                let divert = rng.pick(&diverts[diverts.len().saturating_sub(8)..]);
                let _ = sim.send(divert.about.port().0, &divert.bytes);
            }
            0..=5 => {
                let made = frame(&generator, rng);
                let _ = sim.send(made.port, &made.bytes);
            }
            6 | 7 => diverts.extend(sim.diverts()),
            8..=11 => approve(&mut sim, &diverts, &mut approved, rng),
            12 | 13 => {
                if !approved.is_empty() {
                    let one = approved.swap_remove(rng.below(approved.len()));
                    let _ = sim.router.apply(sim.now(), one);
                }
            }
            14 if rng.one_in(2) => {
                if !diverts.is_empty() {
                    let one = diverts.swap_remove(rng.below(diverts.len()));
                    sim.abandon(&one);
                }
            }
            14 => sim.advance(Duration::from_millis(*rng.pick(&[0, 1, 20, 60, 1_000, 61_000]))),
            _ => change_routes(&mut sim, rng),
        }
        sim.settle();
        for sent in sim.transmitted() {
            let mtu = sim.router.config().ports[sent.port.index()].mtu;
            match sent.origin {
                Origin::Injected(_) => {
                    assert_eq!(well_formed(&sent.bytes, mtu), Ok(()), "{:02x?}", sent.bytes);
                    injected += 1;
                }
                // A template answers an unknown EtherType with the same one.
                Origin::Ruled(_) => {
                    let is_ip = matches!(sent.bytes[12..14], [8, 0] | [0x86, 0xdd]);
                    let right = well_formed(&sent.bytes, mtu).is_ok() == is_ip;
                    assert!(right && sent.bytes.len() <= 14 + mtu, "{:02x?}", sent.bytes);
                }
                Origin::Forwarded { .. } | Origin::Fragment | Origin::Originated => {}
            }
        }
    }
    // In the end nothing is held: neither by the slow path nor by the waiting room.
    sim.advance(Duration::from_secs(3_600));
    assert!(sim.router.is_settled(), "{:?}", sim.router.stats().held);
    (injected, sim.router.stats().by_path(Path::Rule).frames)
}

fn randomise(config: &mut Config, rng: &mut impl Draw) {
    config.posture = *rng.pick(&Posture::ALL);
    for &anomaly in Anomaly::ALL {
        let mode = *rng.pick(&[Mode::Off, Mode::Observe, Mode::Enforce, Mode::Enforce]);
        // Refused for what must pass, which then keeps its default.
        let _ = config.set_mode(anomaly, mode);
    }
    let limits = &mut config.limits;
    limits.divert_queue = rng.between(8, 32);
    limits.divert_outstanding = rng.between(4, 32);
    limits.divert_per_source = rng.between(1, 64);
    limits.divert_rate = Rate { per_second: 1, burst: *rng.pick(&[2, 1_000]) };
    limits.divert_deadline = Duration::from_millis(*rng.pick(&[0, 50, 1_000, 10_000]));
    limits.observe_one_in = rng.below(4) as u32;
    limits.inject_rate = Rate { per_second: 1_000, burst: rng.below(50) as u32 };
    limits.icmp_error_rate = Rate { per_second: 1_000, burst: rng.below(50) as u32 };
    limits.waiting_per_neighbor = rng.below(5);
    limits.neighbor_lifetime = Duration::from_millis(*rng.pick(&[1, 10, 60_000]));
    limits.arp_interval = Duration::from_millis(*rng.pick(&[1, 10, 1_000]));
    limits.arp_attempts = *rng.pick(&[1, 3, 255]);
    let rules = &mut config.rules;
    rules.concordance = *rng.pick(&[0, 1, 1, 3, 255]);
    rules.shadow = Duration::from_millis(*rng.pick(&[0, 10, 5_000]));
    rules.idle = Duration::from_millis(*rng.pick(&[0, 1, 10_000]));
    rules.masks = *rng.pick(&[0, 1, 64]);
    rules.sample_one_in = *rng.pick(&[0, 0, 1, 3]);
}

/// A frame of any kind, perhaps with some more bytes turned over.
fn frame(generator: &Generator, rng: &mut impl Draw) -> Generated {
    let index = rng.next_u64();
    let mut made = match rng.below(8) {
        0 => generator.mutant_of(*rng.pick(Family::ALL), index),
        1 | 2 => generator.mutant(index),
        _ => generator.frame(index),
    };
    if rng.one_in(4) && !made.bytes.is_empty() {
        for _ in 0..rng.between(1, 4) {
            let at = rng.below(made.bytes.len().min(64));
            made.bytes[at] = rng.byte();
        }
    }
    made
}

/// An answer to one of the latest diverts: half of them right, the others anything.
fn approve(sim: &mut Sim, diverts: &[Divert], approved: &mut Vec<Approved>, rng: &mut impl Draw) {
    if diverts.is_empty() {
        return;
    }
    let divert = rng.pick(&diverts[diverts.len().saturating_sub(8)..]);
    let mut proposed = divert.bytes.clone();
    if rng.one_in(2) && !proposed.is_empty() {
        let at = rng.below(proposed.len());
        proposed[at] = rng.byte();
    }
    let delta = EchoDelta { ttl: 64, ip_checksum: rng.word(), icmp_type: 0, icmp_checksum: rng.word() };
    let kind = if rng.one_in(2) { oracle::triage(&divert.about.class) } else { *rng.pick(ActionKind::ALL) };
    let action = match kind {
        ActionKind::EchoReply => Action::EchoReply(oracle::echo_delta(&divert.bytes).unwrap_or(delta)),
        ActionKind::Inject => Action::Inject { port: PortId(rng.below(4) as u8), frame: &proposed },
        kind => kind.symbolic().unwrap_or(Action::Drop),
    };
    let advice = Advice { scope: *rng.pick(Scope::ALL), lifetime: *rng.pick(Lifetime::ALL) };
    let source = *rng.pick(&[Source::Model, Source::Model, Source::Cache]);
    let mut answer = Answer { advice: (!rng.one_in(4)).then_some(advice), source, ..divert.answer(action) };
    match rng.below(12) {
        0 => answer.nonce ^= 1 << rng.below(32),
        1 => answer.reason = *rng.pick(Anomaly::ALL),
        2 => answer.id.generation = answer.id.generation.wrapping_add(rng.below(3) as u32),
        3 => answer.id.slot = rng.word(),
        _ => {}
    }
    approved.extend(sim.router.approve(sim.now(), &answer));
}

/// What the operator does to rules: any rule about one of the latest diverts, or the end of one.
fn change_rules(sim: &mut Sim, diverts: &[Divert], rng: &mut impl Draw) {
    let ids: Vec<_> = sim.router.rules().map(|rule| rule.id).collect();
    match rng.below(12) {
        0 if !ids.is_empty() => drop(sim.router.pin_rule(*rng.pick(&ids), rng.one_in(2))),
        1 if !ids.is_empty() => assert!(sim.router.revoke_rule(*rng.pick(&ids))),
        2 if rng.one_in(4) => drop(sim.router.flush_rules()),
        _ if !diverts.is_empty() => {
            let divert = rng.pick(&diverts[diverts.len().saturating_sub(8)..]);
            let scope = *rng.pick(&[Scope::Class, Scope::Source, Scope::Flow]);
            let matches = Match { class: divert.about.class.clone(), subject: subject(scope, &divert.bytes) };
            let action = if rng.one_in(2) {
                forged::action(divert.about.class.direction, rng)
            } else {
                oracle::rule_action(&divert.about.class)
            };
            let per_second = rng.below(100) as u32;
            let spec = operators(matches, action.clone());
            let content = Content {
                priority: rng.byte(),
                action,
                meter: (!rng.one_in(3)).then(|| Rate { per_second, burst: rng.below(20) as u32 }),
                sample_one_in: *rng.pick(&[0, 0, 1, 3]),
            };
            let idle = Duration::from_millis(*rng.pick(&[0, 1, 1_000]));
            let lifetime = Duration::from_millis(*rng.pick(&[0, 1, 20_000, 86_400_000, u64::MAX / 1_000]));
            let spec = RuleSpec { content, idle, lifetime, pinned: rng.one_in(8), ..spec };
            // There may be no such rule.
            let _ = sim.router.install_rule(sim.now(), spec);
        }
        _ => {}
    }
}

fn change_routes(sim: &mut Sim, rng: &mut impl Draw) {
    if !rng.one_in(6) {
        return;
    }
    let prefix =
        Ipv4Cidr::new(Ipv4Address::new(10, 0, rng.below(6) as u8, 0), *rng.pick(&[0, 8, 16, 24, 32]));
    if rng.one_in(2) {
        sim.router.remove_route(prefix);
    } else {
        let via = Target::Via(Ipv4Address::new(10, 0, rng.below(4) as u8, 9));
        let target = *rng.pick(&[
            Target::OnLink,
            Target::OnLink,
            via,
            via,
            Target::Unreachable,
            Target::Prohibited,
            Target::Blackhole,
        ]);
        // The table may be full, and there may be no such port.
        let _ = sim.router.add_route(Route { prefix, target, port: PortId(rng.below(5) as u8) });
    }
}
