//! A learnt rule's life: sampled, expired to the microsecond, pinned, put to the test when routes change.

use smoltcp::time::Duration;
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};
use stack::answer::Scope;
use stack::rules::{Content, Retirement, RuleAction, RuleRefusal};
use stack::stats::Path;
use stack::{Action, ActionKind, Anomaly, Config, DropReason, PortId, RuleId, RuleSpec, Verdict};
use tests::Sim;
use tests::rules::{Probe, SHADOW, advised, generous, models, operators, tagged};

const TAG: Anomaly = Anomaly::VlanPriorityTag;
const FORWARDED: Verdict = Verdict::Forward { port: PortId(1) };

/// An active rule that strips the tags of this class, learnt from the first three frames of host 2.
fn learnt(scope: Scope, change: impl FnOnce(&mut Config)) -> Sim {
    let mut sim = Sim::lab_with(|config| {
        generous(config);
        change(config);
    });
    for number in 0..3 {
        sim.ask(&tagged(2, number), Action::StripTag, scope).unwrap();
    }
    sim.advance(SHADOW);
    let _ = sim.send(0, &tagged(2, 3));
    assert_eq!(sim.rule_states(), (0, 1));
    sim.events();
    sim.transmitted();
    sim.look();
    sim
}

#[test]
fn one_in_n_is_asked_about_and_a_sample_that_contradicts_ends_the_rule() {
    let mut sim = learnt(Scope::Class, |config| config.rules.sample_one_in = 4);
    // One frame was taken already.
    let sampled: Vec<u8> =
        (1..40).filter(|&number| sim.send(0, &tagged(2, 100 + number)) == Verdict::Divert(TAG)).collect();
    assert_eq!(sampled, (1..40).filter(|number| (number + 1) % 4 == 0).collect::<Vec<u8>>());
    let diverts = sim.diverts();
    let len = tagged(2, 0).len();
    sim.expect(|d| {
        (0..29).for_each(|_| {
            d.forwards_by_rule(TAG, len, len - 4);
        });
        (0..10).for_each(|_| {
            d.diverts_one(TAG, len);
        });
        d.rules.sampled += 10;
    });
    for divert in &diverts[..9] {
        sim.answer(&advised(divert, Action::StripTag, Scope::Class)).unwrap();
    }
    assert_eq!(sim.router.rules().next().unwrap().tally.agreed, 9);
    sim.look();
    sim.answer(&advised(&diverts[9], Action::Drop, Scope::Class)).unwrap();
    sim.expect(|d| {
        d.applies(TAG, ActionKind::Drop).discards(DropReason::Anomaly(TAG), Path::SlowModel, len);
        d.rules.disagreed += 1;
        d.rules.retired[Retirement::Contradicted as usize] += 1;
    });
    assert_eq!(sim.send(0, &tagged(2, 0)), Verdict::Divert(TAG));
}

/// No lookup waits for the sweep that takes expired rules away.
#[test]
fn a_rule_ends_to_the_microsecond() {
    // Frames keep coming, so that only the lifetime of a minute ends the first one.
    let beats: [(Duration, usize); 2] = [(Duration::from_millis(1_001), 59), (Duration::ZERO, 0)];
    for (beat, count) in beats {
        let mut sim = learnt(Scope::Class, |_| ());
        let rule = sim.router.rules().next().unwrap().clone();
        assert_eq!(rule.expires_at, rule.installed_at + Duration::from_secs(60));
        for _ in 0..count {
            sim.advance(beat);
            assert_eq!(sim.send(0, &tagged(2, 0)), FORWARDED);
        }
        let end = if count > 0 { rule.expires_at } else { rule.last_hit + Duration::from_secs(10) };
        // The last one before the end must not prolong an idle time.
        let mut other = learnt(Scope::Class, |_| ());
        for _ in 0..count {
            other.advance(beat);
            let _ = other.send(0, &tagged(2, 0));
        }
        other.advance_to(end - Duration::from_micros(1));
        assert_eq!(other.send(0, &tagged(2, 0)), FORWARDED);
        sim.advance_to(end - Duration::from_micros(1));
        assert_eq!(sim.rule_states(), (0, 1));
        sim.pass(Duration::from_micros(1));
        assert_eq!(sim.send(0, &tagged(2, 0)), Verdict::Divert(TAG), "{count}");
        assert_eq!(sim.rule_states(), (0, 1), "it is gone before it is swept away");
        sim.advance(Duration::from_millis(500));
        assert_eq!(sim.rule_states(), (0, 0));
        let why = if count > 0 { Retirement::Expired } else { Retirement::Idle };
        assert_eq!(sim.router.stats().rules.retired[why as usize], 1);
    }
}

#[test]
fn a_pinned_rule_stays_until_it_is_unpinned() {
    let mut sim = learnt(Scope::Class, |_| ());
    let id = sim.router.rules().next().unwrap().id;
    assert!(sim.router.pin_rule(id, true) && !sim.router.pin_rule(RuleId(id.0 + 1), true));
    sim.advance(Duration::from_secs(172_800));
    sim.prime();
    assert_eq!(sim.send(0, &tagged(2, 0)), FORWARDED);
    // Nor does a model take it back.
    assert_eq!(sim.router.flush_rules(), 0);
    assert!(sim.router.pin_rule(id, false));
    assert_eq!(sim.send(0, &tagged(2, 0)), Verdict::Divert(TAG));
    sim.advance(Duration::from_secs(1));
    assert_eq!((sim.rule_states(), sim.router.rule(id).is_none()), ((0, 0), true));
}

#[test]
fn routes_that_change_put_rules_to_the_test() {
    let beyond = Ipv4Cidr::new(Ipv4Address::new(172, 16, 0, 0), 12);
    let mut sim = learnt(Scope::Source, |_| ());
    // One that does not concern it.
    sim.route(beyond, Some([10, 0, 1, 77]), 0);
    assert_eq!(sim.send(0, &tagged(2, 0)), FORWARDED);
    sim.look();
    // Now its source leads somewhere.
    sim.route(beyond, Some([10, 0, 1, 2]), 0);
    assert_eq!(sim.send(0, &tagged(2, 0)), Verdict::Divert(TAG));
    let len = tagged(2, 0).len();
    sim.expect(|d| {
        d.diverts_one(TAG, len);
        d.rules.retired[Retirement::Invalidated as usize] += 1;
    });
    let diverts = sim.diverts();
    sim.answer(&advised(&diverts[0], Action::StripTag, Scope::Source)).unwrap();
    sim.expect(|d| {
        d.applies(TAG, ActionKind::StripTag).injects(len, len - 4, Path::SlowModel);
        d.rules.refused[RuleRefusal::ProtectedSource as usize] += 1;
    });
    // When it leads nowhere any more, there is nothing left to act.
    assert!(sim.router.remove_route(beyond));
    assert_eq!((sim.send(0, &tagged(2, 0)), sim.rule_states()), (Verdict::Divert(TAG), (0, 0)));
}

/// Of a sample of what the operator's rule matches, or a pinned one, the slow path may say what it likes.
#[test]
fn no_answer_takes_back_what_the_operator_said() {
    let mut probe = Probe::new(generous);
    for pinned in [false, true] {
        let mut sim = Sim::lab_with(generous);
        let spec = operators(probe.matches(Scope::Class, 0, &tagged(2, 0)), RuleAction::Drop);
        let content = Content { sample_one_in: 1, ..spec.content.clone() };
        let spec = RuleSpec { content, pinned, ..spec };
        let spec = if pinned { models(spec) } else { spec };
        let id = sim.router.install_rule(sim.now(), spec).unwrap();
        sim.advance(SHADOW);
        let _ = sim.send(0, &tagged(2, 0));
        sim.diverts().iter().for_each(|divert| sim.abandon(divert));
        sim.look();
        let len = tagged(2, 0).len();
        for number in 0..20 {
            sim.ask(&tagged(2, number), Action::StripTag, Scope::Class).unwrap();
            sim.expect(|d| {
                d.asks(TAG, len, ActionKind::StripTag).injects(len, len - 4, Path::SlowModel);
                d.rules.sampled += 1;
            });
        }
        assert!(sim.router.rule(id).is_some(), "pinned: {pinned}");
    }
}
