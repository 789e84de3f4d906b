//! The order law: of the rules that match a frame the same one acts, in whatever order they were made.

use pktgen::build::{Ipv4, ethernet, ethertype, snap, tag};
use pktgen::dice::{Draw, rng_for};
use stack::answer::{Scope, Template, TemplateByte};
use stack::rules::{Content, Edit, Edits, Match, Reply, RuleAction, RuleSpec, Tally};
use stack::{Anomaly, Rate};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use tests::frames::{self, ROUTER_0, SERVER};
use tests::rules::{Probe, generous, operators, subject};
use tests::{Sim, frames_v6};

const SEED: u64 = 6_001;
/// Sets of rules, and orders in which each is installed.
const SETS: u64 = 300;
const ORDERS: usize = 5;

/// Frames of a few classes, from several sources and of several flows.
fn pool() -> Vec<Vec<u8>> {
    let mut pool = Vec::new();
    for host in [2, 3] {
        let source = Ipv4Addr::new(10, 0, 1, host);
        let mac = [2, 0, 0, 0, 1, host];
        for to in [9, 10] {
            let plain =
                frames::link(mac, ROUTER_0.mac, &frames::udp(&Ipv4::new(source, SERVER.address), to, b"x"));
            pool.push(tag(&plain, ethertype::VLAN, 0));
            pool.push(tag(&plain, ethertype::VLAN, 5 << 13));
            pool.push(snap(ROUTER_0.mac, mac, ethertype::IPV4, &plain[14..]));
        }
        let to_us = Ipv4::new(source, ROUTER_0.address);
        pool.push(frames::link(mac, ROUTER_0.mac, &frames::icmp(&to_us, 200, 0, [0; 4], &[1; 16])));
        pool.push(frames::link(mac, ROUTER_0.mac, &frames::icmp(&to_us, 13, 0, [1, 2, 3, 4], &[0; 12])));
        pool.push(ethernet(ROUTER_0.mac, mac, 0x88b5, &[7; 46]));
        let mut wrong =
            frames::link(mac, ROUTER_0.mac, &frames::udp(&Ipv4::new(source, SERVER.address), 9, b"x"));
        wrong[24] ^= 1;
        pool.push(wrong);
    }
    let v6 = frames_v6::from_client(&frames_v6::udp(&frames_v6::transit(), 9, b"x"));
    pool.push(tag(&v6, ethertype::VLAN, 0));
    pool
}

/// Any action that this reason allows the operator.
fn action(reason: Anomaly, rng: &mut impl Draw) -> RuleAction {
    let dscp = *rng.pick(&[None, Some(0), Some(46)]);
    let with = |edit| RuleAction::Forward(Edits { edit, dscp });
    let bytes = [TemplateByte::Constant(rng.byte() & 1), TemplateByte::Rest(1)];
    let template = RuleAction::Reply(Reply::Template(Template(heapless::Vec::from_iter(bytes))));
    let other = match reason {
        Anomaly::VlanPriorityTag => with(Edit::StripTag),
        Anomaly::SnapIpv4 => with(Edit::Decapsulate),
        Anomaly::IcmpTimestampRequest => RuleAction::Reply(Reply::Timestamp),
        Anomaly::IcmpTypeUnknown | Anomaly::EthertypeUnknown => template,
        _ => RuleAction::Drop,
    };
    if rng.one_in(3) { RuleAction::Drop } else { other }
}

fn spec(probe: &mut Probe, frame: &[u8], rng: &mut impl Draw) -> RuleSpec {
    let scope = *rng.pick(&[Scope::Class, Scope::Source, Scope::Flow]);
    let matches = probe.matches(scope, 0, frame);
    let action = action(matches.class.reason, rng);
    let rates =
        [None, Some(Rate { per_second: 5, burst: 1_000 }), Some(Rate { per_second: 6, burst: 1_000 })];
    let meter = match action {
        // The operator has to give one.
        RuleAction::Reply(Reply::Template(_)) => rates[1 + rng.below(2)],
        _ => *rng.pick(&rates),
    };
    let priority = *rng.pick(&[10, 200, 200, 255]);
    let content =
        Content { priority, action: action.clone(), meter, sample_one_in: *rng.pick(&[0, 0, 1, 9]) };
    RuleSpec { content, ..operators(matches, action) }
}

/// How the law ranks a rule, the greatest first to act: written from its words.
fn rank(spec: &RuleSpec) -> (u8, u8, u8, Content) {
    let specific = match spec.matches.subject.scope() {
        Scope::Frame => panic!("no rule is about one frame"),
        Scope::Class => 0,
        Scope::Source => 1,
        Scope::Flow => 2,
    };
    let caution = match spec.content.action {
        RuleAction::Reply(_) => 0,
        RuleAction::Forward(_) => 1,
        RuleAction::Deliver(_) => 2,
        RuleAction::Drop => 3,
    };
    (spec.content.priority, specific, caution, spec.content.clone())
}

fn is_about(spec: &RuleSpec, probe: &mut Probe, frame: &[u8]) -> bool {
    let Match { class, subject: of } = &spec.matches;
    probe.class(0, frame).as_ref() == Some(class) && subject(of.scope(), frame) == *of
}

/// What each rule did so far.
fn tallies(sim: &Sim) -> BTreeMap<u32, (Match, Content, Tally)> {
    let told = |rule: stack::rules::Rule| {
        (rule.id.0, (rule.spec.matches.clone(), rule.spec.content.clone(), rule.tally))
    };
    sim.router.rules().map(told).collect()
}

/// Which rule acts on each frame of the pool, if these are installed in this order.
fn acting(specs: &[RuleSpec], pool: &[Vec<u8>]) -> Vec<Option<(Match, Content)>> {
    let mut sim = Sim::lab_with(generous);
    for spec in specs {
        let _ = sim.router.install_rule(sim.now(), spec.clone());
    }
    let mut acted = Vec::new();
    for frame in pool {
        let before = tallies(&sim);
        let _ = sim.send(0, frame);
        let after = tallies(&sim);
        let mut moved =
            after.into_iter().filter(|(id, now)| before[id].2 != now.2).map(|(_, now)| (now.0, now.1));
        acted.push(moved.next());
        assert_eq!(moved.next(), None, "two rules acted on one frame");
        for divert in sim.diverts() {
            sim.abandon(&divert);
        }
        sim.transmitted();
    }
    acted
}

#[test]
fn the_rule_that_acts_does_not_depend_on_when_it_was_made() {
    let pool = pool();
    let mut probe = Probe::new(generous);
    let (mut acted, mut contested) = (0, 0);
    println!("seed {SEED}");
    for set in 0..SETS {
        let mut rng = rng_for(SEED, 1, set);
        // Few frames, so that many rules are about the same.
        let some: Vec<_> = (0..3).map(|_| rng.pick(&pool).clone()).collect();
        let count = rng.between(2, 14);
        let mut specs: Vec<_> = (0..count)
            .map(|_| {
                let frame: &Vec<u8> = rng.pick(&some);
                spec(&mut probe, frame, &mut rng)
            })
            .collect();
        let right: Vec<_> = pool
            .iter()
            .map(|frame| {
                let matching: Vec<_> =
                    specs.iter().filter(|spec| is_about(spec, &mut probe, frame)).collect();
                contested += usize::from(matching.len() > 1);
                let best = matching.into_iter().max_by_key(|spec| rank(spec));
                best.map(|spec| (spec.matches.clone(), spec.content.clone()))
            })
            .collect();
        for order in 0..ORDERS {
            assert_eq!(acting(&specs, &pool), right, "set {set}, order {order}: {specs:#?}");
            for at in (1..specs.len()).rev() {
                let other = rng.below(at + 1);
                specs.swap(at, other);
            }
        }
        acted += right.iter().flatten().count();
    }
    println!("{acted} frames acted on, {contested} by the best of several rules");
    assert!(acted > 1_000 && contested > 500);
}
