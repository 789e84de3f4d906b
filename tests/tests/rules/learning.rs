//! How answers become rules: how many must agree, about what, whose count, and what a contradiction does.

use pktgen::build::{Ipv4, ethertype, tag};
use smoltcp::time::Duration;
use stack::answer::{Advice, Lifetime, Scope};
use stack::rules::{Retirement, RuleChange};
use stack::stats::{Disposition, Path};
use stack::{Action, ActionKind, Anomaly, Answer, DropReason, Event, PortId, Source, Verdict};
use std::collections::BTreeSet;
use tests::frames::{self, CLIENT, ROUTER_0, SERVER};
use tests::rules::{SHADOW, advised, generous, subject, tagged};
use tests::{Delta, Sim};

const TAG: Anomaly = Anomaly::VlanPriorityTag;
const FORWARDED: Verdict = Verdict::Forward { port: PortId(1) };

#[test]
fn three_answers_that_agree_become_a_rule_that_forwards_the_class() {
    let mut sim = Sim::lab();
    let (received, sent) = (tagged(2, 0).len(), tagged(2, 0).len() - 4);
    for number in 0..3 {
        sim.ask(&tagged(2, number), Action::StripTag, Scope::Class).unwrap();
        sim.expect(|d| {
            d.seen[TAG as usize] += 1;
            d.receives(received).diverts[TAG as usize].held += 1;
            d.applies(TAG, ActionKind::StripTag).injects(received, sent, Path::SlowModel);
            d.rules.proposed += u64::from(number == 0);
            if number == 2 {
                d.rules.concordant += 1;
                d.rules.installed += 1;
            }
        });
    }
    assert_eq!(sim.rule_states(), (1, 0));
    // In shadow it counts what it would do, and the slow path is asked.
    sim.ask(&tagged(3, 3), Action::StripTag, Scope::Class).unwrap();
    sim.expect(|d| {
        d.seen[TAG as usize] += 1;
        d.rules.shadowed += 1;
        d.receives(received).diverts[TAG as usize].held += 1;
        d.applies(TAG, ActionKind::StripTag).injects(received, sent, Path::SlowModel);
    });
    sim.advance(SHADOW);
    sim.transmitted();
    let injected = 4;
    for number in 4..200 {
        assert_eq!(sim.send(0, &tagged(number, number)), FORWARDED);
        sim.expect(|d| {
            d.seen[TAG as usize] += 1;
            d.sent.forwarded.frames += 1;
            d.sent.forwarded.bytes += sent as u64;
            d.receives(received).ends(Disposition::Forwarded, Path::Rule, received);
            d.rules.activated += u64::from(number == injected);
        });
    }
    let rule = sim.router.rules().next().unwrap();
    assert_eq!((rule.tally.hits, rule.tally.shadowed, rule.tally.agreed), (196, 1, 1));
    let changes: Vec<_> = sim
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Rule { change, .. } => Some(change),
            _ => None,
        })
        .collect();
    assert_eq!(changes, [RuleChange::Shadowed, RuleChange::Activated]);
    sim.advance(Duration::from_secs(61));
    assert_eq!(sim.rule_states(), (0, 0));
    sim.expect(|d| d.rules.retired[Retirement::Idle as usize] += 1);
}

/// What one answer to a tagged frame moves, beside what it says of rules.
fn stripped(d: &mut Delta, number: u8) -> &mut Delta {
    let len = tagged(2, number).len();
    d.asks(TAG, len, ActionKind::StripTag).injects(len, len - 4, Path::SlowModel)
}

#[test]
fn answers_to_one_frame_however_many_are_one_answer() {
    let mut sim = Sim::lab_with(generous);
    for _ in 0..50 {
        sim.ask(&tagged(2, 0), Action::StripTag, Scope::Class).unwrap();
    }
    sim.expect(|d| {
        (0..50).for_each(|_| {
            stripped(d, 0);
        });
        d.rules.proposed += 1;
    });
    assert_eq!(sim.rule_states(), (0, 0));
    for number in 1..3 {
        sim.ask(&tagged(2, number), Action::StripTag, Scope::Class).unwrap();
    }
    sim.expect(|d| {
        (1..3).for_each(|number| {
            stripped(d, number);
        });
        d.rules.concordant += 1;
        d.rules.installed += 1;
    });
    assert_eq!(sim.rule_states(), (1, 0));
}

#[test]
fn a_cached_answer_is_no_witness_but_makes_the_rules_of_an_agreed_class() {
    let mut sim = Sim::lab_with(generous);
    let cached = |sim: &mut Sim, host: u8, number: u8| {
        assert_eq!(sim.send(0, &tagged(host, number)), Verdict::Divert(TAG));
        let diverts = sim.diverts();
        let answer = advised(&diverts[0], Action::StripTag, Scope::Source);
        sim.answer(&Answer { source: Source::Cache, ..answer }).unwrap();
    };
    let moves = |d: &mut Delta, number: u8| {
        let len = tagged(2, number).len();
        d.asks(TAG, len, ActionKind::StripTag).injects(len, len - 4, Path::SlowCached);
    };
    for number in 0..20 {
        cached(&mut sim, 2, number);
    }
    // Not even proposed.
    sim.expect(|d| (0..20).for_each(|number| moves(d, number)));
    for number in 20..23 {
        sim.ask(&tagged(2, number), Action::StripTag, Scope::Source).unwrap();
    }
    sim.expect(|d| {
        (20..23).for_each(|number| {
            stripped(d, number);
        });
        d.rules.proposed += 1;
        d.rules.concordant += 1;
        d.rules.installed += 1;
    });
    // Another source of the same class: what was agreed on holds for it, too.
    sim.expect(|_| ());
    cached(&mut sim, 3, 0);
    sim.expect(|d| {
        moves(d, 0);
        d.rules.installed += 1;
    });
    let sources: BTreeSet<_> =
        sim.router.rules().map(|rule| format!("{:?}", rule.spec.matches.subject)).collect();
    assert_eq!(sources.len(), 2);
}

#[test]
fn what_is_said_of_one_frame_or_once_or_of_no_reach_makes_no_rule() {
    for advice in [
        None,
        Some(Advice { scope: Scope::Frame, lifetime: Lifetime::Long }),
        Some(Advice { scope: Scope::Class, lifetime: Lifetime::Once }),
    ] {
        let mut sim = Sim::lab_with(generous);
        for number in 0..20 {
            assert_eq!(sim.send(0, &tagged(2, number)), Verdict::Divert(TAG));
            let diverts = sim.diverts();
            sim.answer(&Answer { advice, ..diverts[0].answer(Action::StripTag) }).unwrap();
        }
        assert_eq!((sim.rule_states(), sim.router.stats().rules.installed), ((0, 0), 0), "{advice:?}");
    }
}

#[test]
fn with_a_concordance_of_none_nothing_is_ever_learnt() {
    let mut sim = Sim::lab_with(|config| {
        generous(config);
        config.rules.concordance = 0;
    });
    for number in 0..20 {
        sim.ask(&tagged(2, number), Action::StripTag, Scope::Class).unwrap();
    }
    sim.expect(|d| {
        (0..20).for_each(|number| {
            stripped(d, number);
        });
    });
}

#[test]
fn a_contradiction_in_shadow_retires_the_rule_and_twice_as_many_must_agree_then() {
    for source in [Source::Model, Source::Cache] {
        let mut sim = Sim::lab_with(generous);
        for number in 0..3 {
            sim.ask(&tagged(2, number), Action::StripTag, Scope::Class).unwrap();
        }
        assert_eq!(sim.rule_states(), (1, 0));
        sim.look();
        let len = tagged(2, 3).len();
        assert_eq!(sim.send(0, &tagged(2, 3)), Verdict::Divert(TAG));
        let diverts = sim.diverts();
        let answer = advised(&diverts[0], Action::Drop, Scope::Class);
        sim.answer(&Answer { source, ..answer }).unwrap();
        let path = if source == Source::Model { Path::SlowModel } else { Path::SlowCached };
        sim.expect(|d| {
            d.asks(TAG, len, ActionKind::Drop).discards(DropReason::Anomaly(TAG), path, len);
            d.rules.shadowed += 1;
            d.rules.disagreed += 1;
            d.rules.retired[Retirement::Contradicted as usize] += 1;
        });
        for number in 4..10 {
            assert_eq!(sim.rule_states(), (0, 0), "{source:?} {number}");
            sim.ask(&tagged(2, number), Action::StripTag, Scope::Class).unwrap();
        }
        sim.expect(|d| {
            (4..10).for_each(|number| {
                stripped(d, number);
            });
            d.rules.concordant += 1;
            d.rules.installed += 1;
        });
        assert_eq!(sim.rule_states(), (1, 0));
    }
}

#[test]
fn a_flush_takes_what_was_being_learnt_too() {
    let mut sim = Sim::lab_with(generous);
    for number in 0..2 {
        sim.ask(&tagged(2, number), Action::StripTag, Scope::Class).unwrap();
    }
    assert_eq!(sim.router.flush_rules(), 0);
    for number in 2..4 {
        sim.ask(&tagged(2, number), Action::StripTag, Scope::Class).unwrap();
        assert_eq!(sim.rule_states(), (0, 0));
    }
    sim.ask(&tagged(2, 4), Action::StripTag, Scope::Class).unwrap();
    assert_eq!(sim.rule_states(), (1, 0));
    assert_eq!((sim.router.flush_rules(), sim.rule_states()), (1, (0, 0)));
    assert_eq!(sim.router.stats().rules.retired[Retirement::Flushed as usize], 1);
}

/// A class is told from others by the port and by each field: what is said of one is not said of another.
#[test]
fn answers_about_other_classes_do_not_add_up() {
    let mut sim = Sim::lab_with(generous);
    let strip = |sim: &mut Sim, port: u8, frame: &[u8]| {
        assert_eq!(sim.send(port, frame), Verdict::Divert(TAG));
        let diverts = sim.diverts();
        sim.answer(&advised(&diverts[0], Action::StripTag, Scope::Class)).unwrap();
    };
    let by_the_other_port = |number: u8| {
        let header = Ipv4::new(SERVER.address, CLIENT.address);
        tag(&frames::from_server(&frames::udp(&header, 9, &[number; 8])), ethertype::VLAN, 0)
    };
    let of_another_priority = |number: u8| {
        let mut frame = tagged(2, number);
        frame[14] = 5 << 5;
        frame
    };
    for number in 0..2 {
        strip(&mut sim, 0, &tagged(2, number));
        strip(&mut sim, 1, &by_the_other_port(number));
        strip(&mut sim, 0, &of_another_priority(number));
        // To the router, not through it.
        let header = Ipv4::new(CLIENT.address, ROUTER_0.address);
        let packet = frames::udp(&header, 7, &[number; 8]);
        strip(&mut sim, 0, &tag(&frames::from_client(&packet), ethertype::VLAN, 0));
    }
    let rules = sim.router.stats().rules;
    assert_eq!((rules.proposed, rules.concordant, sim.rule_states()), (4, 0, (0, 0)));
    strip(&mut sim, 1, &by_the_other_port(2));
    let made: Vec<_> = sim.router.rules().map(|rule| rule.spec.matches.class.port).collect();
    assert_eq!(made, [PortId(1)]);
}

#[test]
fn the_narrowest_scope_and_the_shortest_lifetime_that_were_said_count() {
    let mut sim = Sim::lab_with(generous);
    for (number, scope, lifetime) in [
        (0, Scope::Class, Lifetime::Long),
        (1, Scope::Flow, Lifetime::Medium),
        (2, Scope::Source, Lifetime::Short),
        (3, Scope::Class, Lifetime::Long),
    ] {
        assert_eq!(sim.send(0, &tagged(2, number)), Verdict::Divert(TAG));
        let diverts = sim.diverts();
        let advice = Some(Advice { scope, lifetime });
        sim.answer(&Answer { advice, ..diverts[0].answer(Action::StripTag) }).unwrap();
    }
    let rule = sim.router.rules().next().unwrap();
    assert_eq!(rule.spec.matches.subject, subject(Scope::Flow, &tagged(2, 3)));
    assert_eq!(rule.spec.lifetime, Duration::from_secs(10));
}
