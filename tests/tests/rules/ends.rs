//! How rules go, each way by its name, and what is full.

use smoltcp::time::Duration;
use smoltcp::wire::{IpAddress, Ipv4Address, Ipv4Cidr};
use stack::answer::Scope;
use stack::rules::{
    Content, Edit, Edits, Match, Retirement, RuleAction, RuleId, RuleRefusal, RuleSpec, Station, Subject,
};
use stack::{Action, Anomaly, ClassKey, Config, Verdict};
use tests::Sim;
use tests::rules::{Probe, SHADOW, generous, models, operators, tagged};
use tests::storage::{SIZES, Sizes};

pub(crate) const STRIP: Edits = Edits { edit: Edit::StripTag, dscp: None };

pub(crate) fn class() -> ClassKey {
    Probe::new(generous).class(0, &tagged(2, 0)).unwrap()
}

/// A rule about one source, told apart by its number.
pub(crate) fn about(class: &ClassKey, number: u8) -> RuleSpec {
    let source = IpAddress::Ipv4(Ipv4Address::new(10, 0, 1, number));
    let matches = Match { class: class.clone(), subject: Subject::Source(Station::Ip(source)) };
    operators(matches, RuleAction::Forward(STRIP))
}

/// With places for eight rules, which are all each other's neighbours.
pub(crate) fn small(change: impl FnOnce(&mut Config)) -> Sim {
    let change = |config: &mut Config| {
        generous(config);
        change(config);
    };
    let mut sim = Sim::cold(change, Sizes { rules: 8, ..SIZES });
    sim.prime();
    sim
}

/// Installs these, each a millisecond later than the one before.
fn install(sim: &mut Sim, specs: impl IntoIterator<Item = RuleSpec>) -> Vec<RuleId> {
    let one = |spec| {
        sim.pass(Duration::from_millis(1));
        sim.router.install_rule(sim.now(), spec).unwrap()
    };
    specs.into_iter().map(one).collect()
}

fn is_there(sim: &Sim, id: RuleId) -> bool {
    sim.router.rule(id).is_some()
}

#[test]
fn a_table_of_pinned_rules_is_full() {
    let (class, mut sim) = (class(), small(|_| ()));
    install(&mut sim, (10..18).map(|number| RuleSpec { pinned: true, ..about(&class, number) }));
    sim.look();
    assert_eq!(sim.router.install_rule(sim.now(), about(&class, 20)), Err(RuleRefusal::RulesFull));
    sim.expect(|d| d.rules.refused[RuleRefusal::RulesFull as usize] += 1);
    let mut none = Sim::cold(generous, Sizes { rules: 7, ..SIZES });
    assert_eq!(none.router.install_rule(none.now(), about(&class, 20)), Err(RuleRefusal::RulesFull));
    none.expect(|d| d.rules.refused[RuleRefusal::RulesFull as usize] += 1);
}

#[test]
fn pairs_of_reason_and_scope_are_counted() {
    let frame = tagged(2, 0);
    let mut probe = Probe::new(generous);
    let of =
        |scope, probe: &mut Probe| operators(probe.matches(scope, 0, &frame), RuleAction::Forward(STRIP));
    let mut sim = small(|config| config.rules.masks = 2);
    let first = sim.router.install_rule(sim.now(), of(Scope::Class, &mut probe)).unwrap();
    sim.router.install_rule(sim.now(), of(Scope::Source, &mut probe)).unwrap();
    let flow = of(Scope::Flow, &mut probe);
    sim.look();
    assert_eq!(sim.router.install_rule(sim.now(), flow.clone()), Err(RuleRefusal::MasksFull));
    sim.expect(|d| d.rules.refused[RuleRefusal::MasksFull as usize] += 1);
    // Another source is the same pair; a pair without rules is free again.
    sim.router.install_rule(sim.now(), about(&class(), 9)).unwrap();
    assert!(sim.router.revoke_rule(first) && !sim.router.revoke_rule(first));
    sim.router.install_rule(sim.now(), flow).unwrap();
}

#[test]
fn a_rule_gives_way_to_one_that_outranks_it_and_to_no_other() {
    let (class, mut sim) = (class(), small(|_| ()));
    let low = sim.router.install_rule(sim.now(), about(&class, 9)).unwrap();
    let drop = operators(about(&class, 9).matches, RuleAction::Drop);
    sim.look();
    let high = sim.router.install_rule(sim.now(), drop).unwrap();
    sim.expect(|d| {
        d.rules.installed += 1;
        d.rules.activated += 1;
        d.rules.retired[Retirement::Outranked as usize] += 1;
    });
    assert!(!is_there(&sim, low) && is_there(&sim, high));
    assert_eq!(sim.router.install_rule(sim.now(), about(&class, 9)), Err(RuleRefusal::Outranked));
    let mut above = about(&class, 9);
    above.content = Content { priority: 201, ..above.content };
    sim.router.install_rule(sim.now(), above).unwrap();
    assert!(!is_there(&sim, high));
}

/// What is past its time, then what is in shadow, then what was used longest ago; never what is pinned.
#[test]
fn the_ladder_of_eviction() {
    let class = class();
    let mut sim = small(|config| config.rules.shadow = Duration::from_secs(60));
    let shadow = models(about(&class, 10));
    let short = RuleSpec { lifetime: Duration::from_millis(20), ..about(&class, 11) };
    let pinned = RuleSpec { pinned: true, ..about(&class, 12) };
    let rest = (13..17).map(|number| about(&class, number));
    // The one in shadow is the newest of all.
    let ids = install(&mut sim, [pinned, about(&class, 2), short].into_iter().chain(rest).chain([shadow]));
    let (pinned, warm, short, cold, shadow) = (ids[0], ids[1], ids[2], ids[3], ids[7]);
    sim.pass(Duration::from_millis(30));
    // Installed first of all that are not pinned, but used since.
    assert!(matches!(sim.send(0, &tagged(2, 0)), Verdict::Forward { .. }));
    sim.look();
    for (number, goes, why) in [
        (30, short, Retirement::Expired),
        (31, shadow, Retirement::Evicted),
        (32, cold, Retirement::Evicted),
        (33, ids[4], Retirement::Evicted),
    ] {
        assert!(is_there(&sim, goes));
        sim.pass(Duration::from_millis(1));
        sim.router.install_rule(sim.now(), about(&class, number)).unwrap();
        sim.expect(|d| {
            d.rules.installed += 1;
            d.rules.activated += 1;
            d.rules.retired[why as usize] += 1;
        });
        assert!(!is_there(&sim, goes) && is_there(&sim, warm) && is_there(&sim, pinned), "{number}");
    }
}

#[test]
fn a_crowded_table_lets_rules_idle_for_a_tenth_of_their_time() {
    let class = class();
    let idle = Duration::from_secs(10);
    for (rules, after, acts) in [
        (6, Duration::from_micros(9_999_999), true),
        (6, idle, false),
        (7, Duration::from_micros(999_999), true),
        (7, Duration::from_secs(1), false),
    ] {
        let mut sim = small(|_| ());
        let others = (10..9 + rules).map(|number| about(&class, number));
        install(&mut sim, others.chain([RuleSpec { idle, ..about(&class, 2) }]));
        sim.pass(after);
        let acted = matches!(sim.send(0, &tagged(2, 0)), Verdict::Forward { .. });
        assert_eq!(acted, acts, "{rules} rules, {after}");
    }
}

#[test]
fn half_of_all_rules_in_a_second_is_thrashing_and_nothing_is_learnt_for_ten() {
    let (class, mut sim) = (class(), small(|_| ()));
    let learnt = |number| models(about(&class, number));
    let pinned = install(&mut sim, [RuleSpec { pinned: true, ..about(&class, 9) }])[0];
    install(&mut sim, (10..17).map(learnt));
    // Four, and four more when the second is over.
    install(&mut sim, (20..24).map(learnt));
    sim.pass(Duration::from_secs(1));
    install(&mut sim, (24..28).map(learnt));
    assert_eq!(sim.router.rule_occupancy(), (8, 8));
    sim.look();
    sim.router.install_rule(sim.now(), learnt(28)).unwrap();
    sim.expect(|d| {
        d.rules.installed += 1;
        d.rules.retired[Retirement::Evicted as usize] += 1;
        d.rules.retired[Retirement::Flushed as usize] += 7;
    });
    assert!(is_there(&sim, pinned) && sim.router.rule_occupancy() == (1, 8));
    for number in 0..3 {
        sim.ask(&tagged(2, number), Action::StripTag, Scope::Class).unwrap();
    }
    assert_eq!(sim.router.stats().rules.refused[RuleRefusal::Thrashing as usize], 1);
    // The operator may.
    sim.router.install_rule(sim.now(), about(&class, 30)).unwrap();
    sim.pass(Duration::from_micros(9_999_999));
    sim.ask(&tagged(2, 3), Action::StripTag, Scope::Class).unwrap();
    assert_eq!(
        (sim.rule_states().0, sim.router.stats().rules.refused[RuleRefusal::Thrashing as usize]),
        (0, 2)
    );
    sim.pass(Duration::from_micros(1));
    sim.ask(&tagged(2, 4), Action::StripTag, Scope::Class).unwrap();
    assert_eq!(sim.rule_states().0, 1);
    sim.advance(SHADOW);
}

/// Each way to go, and nothing but that way.
#[test]
fn no_retirement_is_forgotten() {
    let class = class();
    for &why in Retirement::ALL {
        let mut sim = small(|_| ());
        let of = |idle| RuleSpec { idle, lifetime: Duration::from_secs(5), ..about(&class, 2) };
        let learnt = models(about(&class, 2));
        let first = match why {
            Retirement::Idle => of(Duration::from_secs(1)),
            Retirement::Contradicted => learnt,
            _ => of(Duration::ZERO),
        };
        let id = install(&mut sim, [first])[0];
        let via = Ipv4Cidr::new(Ipv4Address::new(172, 16, 0, 0), 12);
        match why {
            Retirement::Idle => sim.advance(Duration::from_secs(2)),
            Retirement::Expired => sim.advance(Duration::from_secs(6)),
            Retirement::Evicted => drop(install(&mut sim, (10..18).map(|number| about(&class, number)))),
            Retirement::Outranked => {
                install(&mut sim, [operators(about(&class, 2).matches, RuleAction::Drop)]);
            }
            Retirement::Contradicted => sim.ask(&tagged(2, 0), Action::Drop, Scope::Class).unwrap(),
            Retirement::Invalidated => {
                sim.route(via, Some([10, 0, 1, 2]), 0);
                assert_eq!(sim.send(0, &tagged(2, 0)), Verdict::Divert(Anomaly::VlanPriorityTag));
            }
            Retirement::Revoked => assert!(sim.router.revoke_rule(id)),
            Retirement::Flushed => assert_eq!(sim.router.flush_rules(), 1),
        }
        let retired = sim.router.stats().rules.retired;
        let right: Vec<_> = Retirement::ALL.iter().map(|other| u64::from(*other == why)).collect();
        assert_eq!((&retired[..], is_there(&sim, id)), (&right[..], false), "{why}");
    }
}

/// What is past its time makes room for the same match, however low, and goes by what ended it.
#[test]
fn a_rule_that_has_ended_outranks_nobody() {
    let class = class();
    let second = Duration::from_secs(1);
    for (why, idle, lifetime) in
        [(Retirement::Idle, second, second * 60), (Retirement::Expired, Duration::ZERO, second)]
    {
        let mut sim = small(|_| ());
        let high = RuleSpec { idle, lifetime, ..operators(about(&class, 9).matches, RuleAction::Drop) };
        install(&mut sim, [high]);
        sim.pass(second);
        sim.look();
        sim.router.install_rule(sim.now(), about(&class, 9)).unwrap();
        sim.expect(|d| {
            d.rules.installed += 1;
            d.rules.activated += 1;
            d.rules.retired[why as usize] += 1;
        });
    }
}
