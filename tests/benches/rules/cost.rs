//! Nanoseconds a frame under rules, beside what the same frames cost otherwise.

use firmware_sim::median::median;
use pktgen::build::{Ipv4, ethernet, tag};
use pktgen::dice::{Draw, rng_for};
use smoltcp::time::Duration;
use smoltcp::wire::EthernetAddress;
use stack::classify::Locals;
use stack::divert::Field;
use stack::rules::{Edit, Edits, Match, RuleAction, Station, Subject};
use stack::{Anomaly, Direction, Mode, PortId, RuleId};
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::Instant;
use tests::Sim;
use tests::bench::{Driver, FLOWS, Routine, generous};
use tests::frames::{self, CLIENT, ROUTER_0, SERVER};
use tests::rules::{class, operators};
use tests::storage::{SIZES, Sizes};

const ROUNDS: usize = 9;
const FRAMES: usize = 200_000;
/// Frames before each measurement, so that caches hold what a busy router's hold.
const WARM_UP: usize = 20_000;
/// Slots of the rule table, as `softrouter` has them.
const SLOTS: usize = 1 << 14;
const MANY: usize = 10_000;
/// An EtherType that the router does not serve: a local experiment's (IEEE 802).
const FOREIGN: u16 = 0x88b5;

pub(crate) fn rows(quick: bool) {
    let rounds = if quick { 1 } else { ROUNDS };
    let mut rows: Vec<(&str, Routine)> = vec![
        ("healthy: copied, forwarded", forward(false)),
        ("tagged: copied, classified", classified(Driver::new(tagged_frames()))),
        ("tagged: dropped by its rule", tagged_by_rule(RuleAction::Drop)),
        ("tagged: tag stripped and forwarded by its rule", forward(true)),
        ("foreign EtherType: copied, classified", classified(from_stations(0..10))),
        ("foreign EtherType: dropped by default", foreign(0, 10, false)),
        ("foreign EtherType: dropped by 1 of 10 rules", foreign(10, 10, false)),
        ("foreign EtherType: dropped by 1 of 10,000 rules", foreign(MANY, MANY, false)),
        ("the same 10,000 frames, dropped by default", foreign(0, MANY, false)),
        ("foreign EtherType: random senders, no rule fits", foreign(MANY, MANY, true)),
        ("the same random senders, no rules", foreign(0, MANY, true)),
    ];
    let mut times: Vec<Vec<f64>> = rows.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for ((_, one), times) in rows.iter_mut().zip(&mut times) {
            (0..WARM_UP).for_each(|_| one());
            let start = Instant::now();
            (0..FRAMES).for_each(|_| one());
            times.push(start.elapsed().as_nanos() as f64 / FRAMES as f64);
        }
    }
    println!("rules, 60-byte frames, one core; ns a frame, medians of {rounds} rounds of {FRAMES}");
    let found: Vec<f64> = times.into_iter().filter_map(median).collect();
    for ((name, _), ns) in rows.iter().zip(&found) {
        println!("  {name:<58}{ns:>8.1}");
    }
    let of = |name: &str| found[rows.iter().position(|(row, _)| *row == name).expect("a row")];
    let classified = of("foreign EtherType: copied, classified");
    let ten = of("foreign EtherType: dropped by 1 of 10 rules");
    println!(
        "a hit, beyond classification: {:.1} (foreign EtherType), {:.1} (tagged, its packet judged)",
        ten - classified,
        of("tagged: dropped by its rule") - of("tagged: copied, classified")
    );
    println!(
        "under an active forward rule / healthy: {:.2}",
        of("tagged: tag stripped and forwarded by its rule") / of("healthy: copied, forwarded")
    );
    let many = of("foreign EtherType: dropped by 1 of 10,000 rules");
    // The frames of 10,000 senders are memory of their own, with rules or without.
    let memory =
        of("the same 10,000 frames, dropped by default") - of("foreign EtherType: dropped by default");
    println!(
        "10,000 rules / 10: {:.2}, {:.2} without what 10,000 different frames cost anyway",
        many / ten,
        (many - memory) / ten
    );
    let attacked =
        of("foreign EtherType: random senders, no rule fits") - of("the same random senders, no rules");
    let calm = many - of("the same 10,000 frames, dropped by default");
    println!("a lookup beyond no lookup at all: {calm:.1} when a rule is found, {attacked:.1} under attack");
    comings_and_goings(quick);
}

/// A router whose rule table is large.
fn router(rules: bool) -> Sim {
    let sizes = Sizes { rules: if rules { SLOTS } else { 0 }, ..SIZES };
    let mut sim = Sim::cold(
        |config| {
            generous(config);
            if !rules {
                // Without rules the default acts, and nobody is asked.
                config.set_mode(Anomaly::EthertypeUnknown, Mode::Off).expect("it may be off");
                config.set_mode(Anomaly::VlanPriorityTag, Mode::Off).expect("it may be off");
            }
        },
        sizes,
    );
    sim.prime();
    sim
}

fn transit_frames() -> Vec<Vec<u8>> {
    let one = |flow: u8| {
        let packet =
            frames::udp(&Ipv4::new(Ipv4Addr::new(10, 0, 1, 100 + flow), SERVER.address), 9, &[flow; 14]);
        frames::from_client(&packet)
    };
    (0..FLOWS as u8).map(one).collect()
}

fn tagged_frames() -> Vec<Vec<u8>> {
    transit_frames().iter().map(|frame| tag(frame, 0x8100, 0)).collect()
}

fn forward(by_rule: bool) -> Routine {
    if by_rule {
        return tagged_by_rule(RuleAction::Forward(Edits { edit: Edit::StripTag, dscp: None }));
    }
    handled(router(true), transit_frames(), |verdict| matches!(verdict, stack::Verdict::Forward { .. }))
}

fn handled(sim: Sim, frames: Vec<Vec<u8>>, is_right: fn(stack::Verdict) -> bool) -> Routine {
    driven(sim, Driver::new(frames), is_right)
}

fn driven(mut sim: Sim, mut driver: Driver, is_right: fn(stack::Verdict) -> bool) -> Routine {
    let now = sim.now();
    Box::new(move || {
        let verdict = black_box(sim.router.handle_frame(now, PortId(0), &mut driver.receive()));
        assert!(is_right(verdict), "{verdict:?}");
    })
}

fn tagged_by_rule(action: RuleAction) -> Routine {
    let mut sim = router(true);
    let is_drop = action == RuleAction::Drop;
    let class = class(
        Anomaly::VlanPriorityTag,
        PortId(0),
        Direction::Transit,
        &[(Field::Priority, 0), (Field::Inner, 0)],
    );
    sim.router
        .install_rule(sim.now(), operators(Match { class, subject: Subject::Class }, action))
        .expect("a sound rule");
    let is_right = if is_drop {
        |verdict| matches!(verdict, stack::Verdict::Drop(_))
    } else {
        |verdict| matches!(verdict, stack::Verdict::Forward { .. })
    };
    handled(sim, tagged_frames(), is_right)
}

fn classified(mut driver: Driver) -> Routine {
    let sim = router(false);
    let locals = Locals::new(&sim.router.config().ports);
    let mac = sim.router.config().ports[0].mac;
    Box::new(move || {
        black_box(stack::classify::classify(driver.receive().bytes(), PortId(0), mac, &locals));
    })
}

/// Frames of a foreign EtherType from these stations: one frame in memory, and each time another sender, so that what is
/// measured is the router's memory.
fn from_stations(stations: impl Iterator<Item = u32>) -> Driver {
    let frame = ethernet(ROUTER_0.mac, station(0), FOREIGN, &[7; 46]);
    let patches = stations.map(|number| {
        let mut patch = [7; 16];
        patch[..6].copy_from_slice(&station(number));
        patch[6..8].copy_from_slice(&FOREIGN.to_be_bytes());
        patch
    });
    Driver::patched(frame, 6, patches.collect())
}

const fn station(number: u32) -> [u8; 6] {
    let [a, b, c, d] = number.to_be_bytes();
    [2, 9, a, b, c, d]
}

/// Rules about as many stations; a rule about the class on another port, and about flows, keep all masks in use. `random`: the
/// frames come from stations that no rule is about.
fn foreign(rules: usize, frames: usize, random: bool) -> Routine {
    let mut sim = router(rules > 0);
    let class = |port| {
        let fields = [(Field::EtherType, FOREIGN), (Field::LinkDestination, 0)];
        class(Anomaly::EthertypeUnknown, PortId(port), Direction::ToSelf, &fields)
    };
    for number in 0..rules {
        let subject = Subject::Source(Station::Mac(EthernetAddress(station(number as u32))));
        sim.router
            .install_rule(sim.now(), operators(Match { class: class(0), subject }, RuleAction::Drop))
            .expect("room");
    }
    if !random {
        return driven(sim, from_stations(0..frames as u32), |verdict| {
            matches!(verdict, stack::Verdict::Drop(_))
        });
    }
    if rules > 0 {
        // Whoever could make rules would make one of each scope.
        let from = Station::Mac(EthernetAddress(CLIENT.mac));
        let flow = stack::rules::Flow {
            from,
            to: Station::Mac(EthernetAddress(ROUTER_0.mac)),
            protocol: 0,
            l4_ports: (0, 0),
        };
        for (class, subject) in [(class(1), Subject::Class), (class(0), Subject::Flow(flow))] {
            sim.router
                .install_rule(sim.now(), operators(Match { class, subject }, RuleAction::Drop))
                .expect("room");
        }
    }
    // A full divert queue refuses what no rule takes: what is measured is the way there.
    let mut rng = rng_for(1, 0, 0);
    let driver = from_stations((0..frames).map(|_| rng.below(1 << 31) as u32 | 1 << 31));
    if rules == 0 {
        sim = queue_full(Sizes { rules: 0, ..SIZES });
    } else {
        fill(&mut sim);
    }
    driven(sim, driver, |verdict| matches!(verdict, stack::Verdict::Drop(_)))
}

/// A router without rules whose divert queue is full.
fn queue_full(sizes: Sizes) -> Sim {
    let mut sim = Sim::cold(generous, sizes);
    sim.prime();
    fill(&mut sim);
    sim
}

fn fill(sim: &mut Sim) {
    let mut sender = 0;
    while matches!(
        sim.send(0, &ethernet(ROUTER_0.mac, station(1 << 30 | sender), FOREIGN, &[7; 46])),
        stack::Verdict::Divert(_)
    ) {
        sender += 1;
    }
}

/// What it takes to install a rule and to revoke it, and to look through all of them.
fn comings_and_goings(quick: bool) {
    let rounds = if quick { 1 } else { 9 };
    let (mut install, mut expire) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let mut sim = router(true);
        let fields = [(Field::EtherType, FOREIGN), (Field::LinkDestination, 0)];
        let class = class(Anomaly::EthertypeUnknown, PortId(0), Direction::ToSelf, &fields);
        let specs: Vec<_> = (0..MANY)
            .map(|number| {
                let subject = Subject::Source(Station::Mac(EthernetAddress(station(number as u32))));
                operators(Match { class: class.clone(), subject }, RuleAction::Drop)
            })
            .collect();
        let start = Instant::now();
        for spec in specs {
            let _: RuleId = black_box(sim.router.install_rule(sim.now(), spec)).expect("room");
        }
        install.push(start.elapsed().as_nanos() as f64 / MANY as f64);
        let later = sim.now() + Duration::from_secs(601);
        let start = Instant::now();
        sim.router.handle_timeout(later);
        expire.push(start.elapsed().as_nanos() as f64 / MANY as f64);
        assert_eq!(sim.router.rule_occupancy().0, 0);
    }
    println!(
        "install {:.0} ns, expire {:.0} ns a rule ({MANY} rules)\n",
        median(install).unwrap_or(f64::NAN),
        median(expire).unwrap_or(f64::NAN)
    );
}
