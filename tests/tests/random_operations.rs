//! Random operations on random routers: whatever the owner, the network and the model do, in whatever order,
//! nothing panics, the books balance after every step, and what is injected is well-formed.
//!
//! `Sim` checks the books; `SOFTROUTER_ROUTERS=100000` runs longer, `SOFTROUTER_SEED` elsewhere.

use pktgen::dice::{Draw, rng_for};
use pktgen::echo::echo_reply;
use pktgen::{Family, Generated, Generator, Mix, World, oracle};
use smoltcp::time::Duration;
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};
use stack::answer::frame_check::well_formed;
use stack::{
    Action, ActionKind, Anomaly, Approved, Config, EchoDelta, Mode, Origin, PortId, Posture, Rate, Route,
    Target,
};
use tests::storage::Sizes;
use tests::{Divert, Sim};

/// Operations on each router.
const OPERATIONS: usize = 300;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[test]
fn nothing_panics_and_the_books_balance_whatever_happens() {
    let (seed, routers) = (setting("SOFTROUTER_SEED", 1), setting("SOFTROUTER_ROUTERS", 2_000));
    println!("seed {seed}, {routers} routers, {OPERATIONS} operations each");
    let mut injected = 0;
    for index in 0..routers {
        let mut rng = rng_for(seed, 0x6368_616f, index);
        // If it fails, this is how to see it again.
        println!("router {index}");
        injected += one_router(&mut rng, seed ^ index);
    }
    assert!(injected * 50 > routers, "{injected} frames injected by {routers} routers");
}

/// Lives through one router's random life; how many frames it injected.
fn one_router(rng: &mut impl Draw, seed: u64) -> u64 {
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
        match rng.below(16) {
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
            if let Origin::Injected(_) = sent.origin {
                let mtu = sim.router.config().ports[sent.port.index()].mtu;
                assert_eq!(well_formed(&sent.bytes, mtu), Ok(()), "{:02x?}", sent.bytes);
                injected += 1;
            }
        }
    }
    // In the end nothing is held: neither by the slow path nor by the waiting room.
    sim.advance(Duration::from_secs(3_600));
    assert!(sim.router.is_settled(), "{:?}", sim.router.stats().held);
    injected
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
        ActionKind::EchoReply => Action::EchoReply(right_delta(&divert.bytes).unwrap_or(delta)),
        ActionKind::Inject => Action::Inject { port: PortId(rng.below(4) as u8), frame: &proposed },
        kind => kind.symbolic().unwrap_or(Action::Drop),
    };
    let mut answer = divert.answer(action);
    match rng.below(12) {
        0 => answer.nonce ^= 1 << rng.below(32),
        1 => answer.reason = *rng.pick(Anomaly::ALL),
        2 => answer.id.generation = answer.id.generation.wrapping_add(rng.below(3) as u32),
        3 => answer.id.slot = rng.word(),
        _ => {}
    }
    approved.extend(sim.router.approve(sim.now(), &answer));
}

/// The header bytes of the right reply, from scratch.
fn right_delta(request: &[u8]) -> Option<EchoDelta> {
    let reply = echo_reply(request)?;
    let word = |at: usize| u16::from_be_bytes([reply[at], reply[at + 1]]);
    Some(EchoDelta { ttl: reply[22], ip_checksum: word(24), icmp_type: reply[34], icmp_checksum: word(36) })
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
