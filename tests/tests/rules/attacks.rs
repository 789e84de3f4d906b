//! What an attack on the rules found, each as it was found.

use pktgen::build::{Ipv4, ethernet};
use pktgen::{Generator, World};
use smoltcp::wire::Ipv4Cidr;
use stack::answer::Scope;
use stack::rules::{Match, Reply, RuleAction, RuleRefusal, RuleSpec, Subject};
use stack::stats::Path;
use stack::{Action, Anomaly, Answer, Mode, Posture, Rate, Rejection, ReversePath, Source, Verdict};
use std::net::Ipv4Addr;
use tests::Sim;
use tests::frames::{self, ROUTER_0, SERVER, from_client};
use tests::rules::{Probe, SHADOW, advised, generous, models, operators, tagged, tagged_from};
use tests::storage::{SIZES, Sizes};

/// A source that is behind the other port.
const SPOOFED: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 77);

fn strict() -> Sim {
    Sim::lab_with(|config| {
        generous(config);
        config.posture = Posture::Open;
        config.ports[0].reverse_path = ReversePath::Strict;
    })
}

/// A datagram with a Record Route option.
fn record_route(source: Ipv4Addr, number: u8) -> Vec<u8> {
    let header = Ipv4 { options: vec![7, 7, 4, 0, 0, 0, 0, 0], ..Ipv4::new(source, SERVER.address) };
    from_client(&frames::udp(&header, 9, &[number; 8]))
}

#[test]
fn neither_an_answer_nor_a_rule_takes_a_packet_past_the_check_of_its_source() {
    for (action, of) in [
        (Action::StripTag, &tagged_from as &dyn Fn(Ipv4Addr, u8) -> Vec<u8>),
        (Action::Forward, &record_route),
        (Action::ClearOptions, &record_route),
    ] {
        let mut sim = strict();
        assert_eq!(sim.ask(&of(SPOOFED, 0), action, Scope::Class), Err(Rejection::NotHealthy));
        let honest = Ipv4Addr::new(10, 0, 1, 9);
        (1..4).for_each(|number| sim.ask(&of(honest, number), action, Scope::Class).unwrap());
        sim.advance(SHADOW);
        sim.transmitted();
        let forwarded = sim.send(0, &of(honest, 5));
        assert!(!matches!(forwarded, Verdict::Divert(_) | Verdict::Drop(_)), "{forwarded:?}");
        sim.transmitted();
        let _ = sim.send(0, &of(SPOOFED, 6));
        for divert in sim.diverts() {
            assert_eq!(sim.answer(&divert.answer(action)), Err(Rejection::NotHealthy));
        }
        assert!(sim.transmitted().is_empty(), "{:?}", action.kind());
    }
}

#[test]
fn a_revoked_rule_is_not_made_again_of_what_was_said_before() {
    let mut sim = Sim::lab_with(generous);
    (0..3).for_each(|number| sim.ask(&tagged(9, number), Action::StripTag, Scope::Class).unwrap());
    let id = sim.router.rules().next().unwrap().id;
    assert!(sim.router.revoke_rule(id));
    for number in 3..20 {
        let _ = sim.send(0, &tagged(9, number));
        let diverts = sim.diverts();
        let source = if number % 2 == 0 { Source::Cache } else { Source::Model };
        let answer = Answer { source, ..advised(&diverts[0], Action::StripTag, Scope::Class) };
        sim.answer(&answer).unwrap();
    }
    assert_eq!(sim.router.rule_occupancy().0, 0);
    // After a flush everything is learnt anew.
    sim.router.flush_rules();
    (20..23).for_each(|number| sim.ask(&tagged(9, number), Action::StripTag, Scope::Class).unwrap());
    assert_eq!(sim.router.rule_occupancy().0, 1);
}

#[test]
fn what_is_learnt_takes_no_place_of_what_the_operator_said() {
    let mut probe = Probe::new(|_| ());
    let mut sim = Sim::cold(generous, Sizes { rules: 8, ..SIZES });
    sim.prime();
    let about = |probe: &mut Probe, host| {
        operators(probe.matches(Scope::Source, 0, &tagged(host, 0)), RuleAction::Drop)
    };
    for host in 10..18 {
        sim.router.install_rule(sim.now(), about(&mut probe, host)).unwrap();
    }
    let learnt = models(RuleSpec { pinned: true, ..about(&mut probe, 30) });
    assert_eq!(sim.router.install_rule(sim.now(), learnt), Err(RuleRefusal::RulesFull));
    sim.router
        .install_rule(sim.now(), about(&mut probe, 31))
        .expect("the operator may replace a rule of their own");
}

#[test]
fn where_not_all_gateways_are_listed_no_rule_is_about_a_station() {
    let mut sim = Sim::lab_with(generous);
    for number in 0..33 {
        let prefix = Ipv4Cidr::new([172, 16, number, 0].into(), 24);
        sim.route(prefix, Some([10, 0, 1, 100 + number]), 0);
    }
    let foreign = |number: u8| ethernet(ROUTER_0.mac, [2, 0, 0, 0, 1, 200], 0x88b5, &[number; 46]);
    (0..6).for_each(|number| sim.ask(&foreign(number), Action::Drop, Scope::Source).unwrap());
    assert_eq!(sim.router.rule_occupancy().0, 0);
    assert!(sim.router.stats().rules.refused[RuleRefusal::ProtectedSource as usize] > 0);
}

#[test]
fn a_sender_of_many_classes_does_not_make_another_reason_forgotten() {
    let mut sim = Sim::lab_with(generous);
    for round in 0..3_u16 {
        sim.ask(&tagged(9, round as u8), Action::StripTag, Scope::Class).unwrap();
        for number in 0..100 {
            let ethertype = 0x9000 + round * 100 + number;
            let frame = ethernet(ROUTER_0.mac, [2, 0, 0, 0, 1, 200], ethertype, &[1; 46]);
            sim.ask(&frame, Action::Drop, Scope::Class).unwrap();
        }
    }
    assert_eq!(
        sim.router.rules().filter(|r| r.spec.matches.class.reason == Anomaly::VlanPriorityTag).count(),
        1
    );
}

#[test]
fn what_rules_send_takes_nothing_from_what_answers_send() {
    let mut sim = Sim::lab_with(|config| {
        generous(config);
        config.limits.inject_rate = Rate { per_second: 1, burst: 4 };
    });
    let timestamp = |number: u8| {
        from_client(&frames::icmp(&frames::to(ROUTER_0.address), 13, 0, [0, 0, 0, number], &[0; 12]))
    };
    let matches = Probe::new(|_| ()).matches(Scope::Class, 0, &timestamp(0));
    let reply = RuleAction::Reply(Reply::Timestamp);
    sim.router.install_rule(sim.now(), operators(matches, reply)).unwrap();
    let sent = (0..20).filter(|&number| sim.send(0, &timestamp(number)) == Verdict::Consume).count();
    assert_eq!(sent, 4);
    sim.ask(&tagged(9, 0), Action::StripTag, Scope::Flow).expect("the answers' tokens are all there");
}

#[test]
fn a_discard_that_is_to_be_reported_is_reported_by_a_rule_too() {
    let reason = Anomaly::Ipv6OptionUnknown;
    let enforced = || {
        Sim::lab_with(|config| {
            generous(config);
            config.set_mode(reason, Mode::Enforce).expect("it may be enforced");
        })
    };
    let (mut plain, mut ruled, seed) = (enforced(), enforced(), 6_100);
    println!("seed {seed}");
    let generator = Generator::new(World::lab(), seed);
    for index in 0..40 {
        let made = generator.of(reason, index).expect("there are such frames");
        let _ = plain.send(made.port, &made.bytes);
        let diverts = plain.diverts();
        plain.abandon(&diverts[0]);
        let _ = ruled.send(made.port, &made.bytes);
        // What no rule is about yet becomes one.
        for divert in ruled.diverts() {
            let matches = Match { class: divert.about.class.clone(), subject: Subject::Class };
            ruled.abandon(&divert);
            ruled.router.install_rule(ruled.now(), operators(matches, RuleAction::Drop)).unwrap();
        }
    }
    assert!(ruled.router.stats().by_path(Path::Rule).frames > 20);
    let [plain, ruled] = [plain, ruled].map(|sim| sim.router.stats().icmp_errors);
    assert!(plain > 10, "{plain}");
    assert_eq!(ruled, plain);
}
