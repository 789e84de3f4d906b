//! What a rule matches: every field that the decision consulted, as the oracle reads it, and nothing else.

use pktgen::{Generator, World, oracle, world::Host};
use smoltcp::time::Duration;
use stack::answer::Scope;
use stack::classify::Kind;
use stack::divert::{Field, FieldValue};
use stack::rules::{Match, RuleAction};
use stack::{Action, Anomaly, ClassKey, Direction, DropReason, PortId, Verdict};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use tests::Sim;
use tests::frames::{self, ROUTER_0, from_client};
use tests::rules::{Probe, holding, operators, subject};

const SEED: u64 = 6_002;
/// Frames of each reason.
const FRAMES: usize = 40;
/// Of so many of them the rule is made.
const RULES: usize = 8;
const SCOPES: [Scope; 3] = [Scope::Class, Scope::Source, Scope::Flow];

/// What rules may not be about: how the router learns who its neighbours are.
pub(crate) const CONTROL: [Anomaly; 13] = [
    Anomaly::ArpTruncated,
    Anomaly::ArpHardwareType,
    Anomaly::ArpProtocolType,
    Anomaly::ArpAddressSize,
    Anomaly::ArpOperation,
    Anomaly::ArpSenderGroup,
    Anomaly::ArpClaimsOurAddress,
    Anomaly::NdHopLimit,
    Anomaly::NdMalformed,
    Anomaly::NdFragment,
    Anomaly::NdClaimsOurAddress,
    Anomaly::Icmpv6Redirect,
    Anomaly::IcmpRedirect,
];

/// What rules may be about.
pub(crate) fn reasons() -> impl Iterator<Item = Anomaly> {
    let is_neither = |reason: &Anomaly| !matches!(reason.row().kind, Kind::Oddity | Kind::Experiment);
    Anomaly::ALL.iter().copied().filter(is_neither).filter(|reason| !CONTROL.contains(reason))
}

/// A frame with those that must come before it, and its class by other code than the router's.
#[derive(Debug, Clone)]
struct Case {
    port: u8,
    before: Vec<Vec<u8>>,
    frame: Vec<u8>,
    key: (u8, bool, Vec<FieldValue>),
    class: ClassKey,
}

impl Case {
    fn new(probe: &mut Probe, world: &World, port: u8, mut frames: Vec<Vec<u8>>) -> Option<Self> {
        let frame = frames.pop()?;
        for earlier in &frames {
            assert_eq!(probe.class(port, earlier), None);
        }
        let class = probe.class(port, &frame)?;
        let fields = match oracle::fields(world, port, &frame) {
            Some((reason, fields)) if reason == class.reason => fields,
            // What no single frame shows consults no field of it.
            _ => Vec::new(),
        };
        let key = (port, class.direction == Direction::Transit, fields);
        Some(Self { port, before: frames, frame, key, class })
    }

    fn send(&self, sim: &mut Sim) -> Verdict {
        for earlier in &self.before {
            let _ = sim.send(self.port, earlier);
        }
        let verdict = sim.send(self.port, &self.frame);
        for divert in sim.diverts() {
            sim.abandon(&divert);
        }
        sim.transmitted();
        verdict
    }
}

/// Three hosts behind each port, so that there are sources to tell apart.
fn world() -> World {
    let mut world = World::lab();
    for (port, net) in world.ports.iter_mut().zip(1_u8..) {
        port.hosts.extend([3, 4].map(|id: u8| Host {
            mac: [2, 0, 0, 0, net, id],
            address: Ipv4Addr::new(10, 0, net, id),
            ipv6: Ipv6Addr::new(0xfd00, net.into(), 0, 0, 0, 0, 0, id.into()),
        }));
    }
    world
}

fn cases(generator: &Generator, probe: &mut Probe, reason: Anomaly) -> Vec<Case> {
    let world = generator.world();
    let mut cases = Vec::new();
    for index in 0..400 {
        if cases.len() >= FRAMES {
            break;
        }
        let (port, frames) = match reason {
            Anomaly::ReversePath => {
                // Healthy, but by the port that checks, where its source is not at home.
                let made = generator.healthy(index);
                (1, vec![[&world.ports[1].mac[..], &made.bytes[6..]].concat()])
            }
            _ => match (generator.sequence(reason, index), generator.of(reason, index)) {
                (Some(made), _) => (made[0].port, made.into_iter().map(|made| made.bytes).collect()),
                (None, Some(made)) => (made.port, vec![made.bytes]),
                (None, None) => continue,
            },
        };
        cases.extend(Case::new(probe, world, port, frames).filter(|case| case.class.reason == reason));
    }
    if reason == Anomaly::IcmpDeprecated {
        // An Information Request with either code: the generator knows but one.
        let ask = |code| from_client(&frames::icmp(&frames::to(ROUTER_0.address), 15, code, [0; 4], &[]));
        cases.extend([0, 1].map(|code| Case::new(probe, world, 0, vec![ask(code)]).expect("held")));
    }
    cases
}

#[test]
fn a_rule_matches_what_the_oracle_says_is_of_its_class_source_or_flow() {
    println!("seed {SEED}");
    let generator = Generator::new(world(), SEED);
    let mut probe = Probe::new(holding);
    let (mut hits, mut misses) = (0, 0);
    for reason in reasons() {
        let cases = cases(&generator, &mut probe, reason);
        assert!(cases.len() >= 10, "{reason}: {}", cases.len());
        let mut keys = BTreeSet::new();
        let fresh =
            |case: &&Case| keys.insert(format!("{:?} {:?}", case.key, subject(Scope::Flow, &case.frame)));
        let chosen: Vec<_> = cases.iter().filter(fresh).take(RULES).collect();
        for (of, scope) in chosen.iter().flat_map(|of| SCOPES.map(|scope| (of, scope))) {
            let fields = of.class.fields.to_vec();
            assert_eq!((of.class.port, &fields), (PortId(of.port), &of.key.2), "{of:02x?}");
            let right = Match { class: of.class.clone(), subject: subject(scope, &of.frame) };
            let mut sim = Sim::lab_with(holding);
            let installed = sim.router.install_rule(sim.now(), operators(right.clone(), RuleAction::Drop));
            if installed.is_err() {
                // From the router's own address.
                assert_ne!(scope, Scope::Class, "{installed:?} {of:02x?}");
                continue;
            }
            for case in &cases {
                let same = case.key == of.key && subject(scope, &case.frame) == right.subject;
                let verdict = case.send(&mut sim);
                let expected =
                    if same { Verdict::Drop(DropReason::Anomaly(reason)) } else { Verdict::Divert(reason) };
                assert_eq!(verdict, expected, "{right:?}\n{case:02x?}");
                *(if same { &mut hits } else { &mut misses }) += 1;
            }
        }
    }
    println!("{hits} frames matched, {misses} did not");
    assert!(hits > 5_000 && misses > 5_000);
}

/// For each field of each reason two frames whose keys differ in nothing else.
#[test]
fn each_consulted_field_tells_classes_apart() {
    let generator = Generator::new(world(), SEED);
    let mut probe = Probe::new(holding);
    let mut missing = Vec::new();
    for reason in reasons() {
        let cases = cases(&generator, &mut probe, reason);
        for &field in ClassKey::consulted(reason) {
            let differ = |a: &Case, b: &Case| {
                let mut unlike = a.key.2.iter().zip(&b.key.2).filter(|(a, b)| a != b);
                let one = unlike.next().is_some_and(|(a, _)| a.field == field);
                one && unlike.next().is_none() && (a.key.0, a.key.1) == (b.key.0, b.key.1)
            };
            let pair = cases.iter().find_map(|a| cases.iter().find(|b| differ(a, b)).map(|b| (a, b)));
            let Some((a, b)) = pair else {
                missing.push((reason, field));
                continue;
            };
            let mut sim = Sim::lab_with(holding);
            let matches = Match { class: a.class.clone(), subject: subject(Scope::Class, &a.frame) };
            sim.router.install_rule(sim.now(), operators(matches, RuleAction::Drop)).unwrap();
            assert_eq!(a.send(&mut sim), Verdict::Drop(DropReason::Anomaly(reason)));
            assert_eq!(b.send(&mut sim), Verdict::Divert(reason), "{field:?}: {a:02x?} {b:02x?}");
        }
    }
    let none: [(Anomaly, Field); 0] = [];
    assert_eq!(missing, none);
}

/// What answers make is what the operator would have written: the host's match for the frame that was answered last.
#[test]
fn the_match_of_a_learnt_rule_is_the_hosts() {
    let generator = Generator::new(world(), SEED);
    let mut probe = Probe::new(holding);
    let mut learnt = 0;
    for reason in reasons() {
        let cases = cases(&generator, &mut probe, reason);
        for scope in SCOPES {
            let same: Vec<_> = cases.iter().filter(|case| case.key == cases[0].key).take(3).collect();
            let [.., last] = same[..] else { continue };
            let mut sim = Sim::lab_with(holding);
            let different: BTreeSet<_> = same.iter().map(|case| &case.frame).collect();
            for case in &same {
                for earlier in &case.before {
                    let _ = sim.send(case.port, earlier);
                }
                assert_eq!(sim.send(case.port, &case.frame), Verdict::Divert(reason));
                let divert = sim.diverts().pop().expect("held");
                sim.answer(&tests::rules::advised(&divert, Action::Drop, scope)).unwrap();
            }
            let made: Vec<_> = sim.router.rules().map(|rule| rule.spec.matches.clone()).collect();
            let right = Match { class: last.class.clone(), subject: subject(scope, &last.frame) };
            let refused: u64 = sim.router.stats().rules.refused.iter().sum();
            if different.len() == 3 && refused == 0 {
                assert_eq!(made, [right], "{scope} {last:02x?}");
                learnt += 1;
            } else {
                assert_eq!(made, []);
            }
            sim.advance(Duration::from_millis(1));
        }
    }
    println!("{learnt} rules learnt");
    assert!(learnt > 150);
}
