//! Any operations on rules between any frames: the books balance, the masks stay within their cap, of the rules that match
//! the one acts that the order law names, nothing that must be discarded goes on, and healthy frames keep their fate.

use super::{Input, SMALL, seeds::Seed};
use crate::rules::{generous, models, operators, subject};
use crate::{Divert, Sim, checker, frames, frames_v6, outgoing};
use pktgen::{Generator, oracle};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, IpAddress, Ipv4Cidr};
use stack::answer::{Advice, Lifetime, Scope, Template, TemplateByte};
use stack::rules::{
    Content, Edit, Edits, Match, Reply, Rule, RuleAction, RuleState, Station, Subject, Tally,
};
use stack::stats::Path;
use stack::{
    ActionKind, Anomaly, Answer, ClassKey, Config, Direction, Origin, PortId, Posture, Rate, RuleId,
    RuleSpec, Sizes, Source, Verdict,
};
use std::collections::BTreeSet;

/// Steps of one run at most.
const STEPS: usize = 96;
/// Bytes of the configuration, before the steps.
const HEAD: usize = 6;
const SCOPES: [Scope; 3] = [Scope::Class, Scope::Source, Scope::Flow];

/// The codes of the steps.
mod step {
    pub(super) const FRAME: u8 = 0;
    pub(super) const AGAIN: u8 = 1;
    pub(super) const ANSWER: u8 = 2;
    pub(super) const INSTALL: u8 = 3;
    pub(super) const PIN: u8 = 4;
    pub(super) const REVOKE: u8 = 5;
    pub(super) const FLUSH: u8 = 6;
    pub(super) const WAIT: u8 = 7;
    pub(super) const ROUTE: u8 = 8;
    pub(super) const COUNT: u8 = 10;
}

/// [`HEAD`] bytes of configuration, then steps: a code, and what the step needs.
pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let mut head = Input(input.take(HEAD));
    let posture = head.pick(&Posture::ALL);
    let change = |config: &mut Config| {
        generous(config);
        config.posture = posture;
        config.rules.concordance = head.pick(&[1, 0, 2, 3]);
        config.rules.shadow = Duration::from_millis(head.pick(&[10, 0, 1_000]));
        config.rules.sample_one_in = head.pick(&[0, 1, 3]);
        config.rules.masks = head.pick(&[64, 0, 1, 2, 3]);
    };
    let mut sim = Sim::cold(change, Sizes { rules: 16, candidates: 2, diverts: 256, ..SMALL });
    sim.prime();
    let mut state = State { posture, last: (0, Vec::new()), diverts: Vec::new() };
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        state.step(&mut sim, &mut input);
        sim.settle();
        bounds(&sim);
    }
    healthy(&mut sim);
    sim.advance(Duration::from_secs(3_600));
    assert!(sim.router.is_settled(), "{:?} is held for ever", sim.router.stats().held);
}

struct State {
    posture: Posture,
    last: (u8, Vec<u8>),
    diverts: Vec<Divert>,
}

impl State {
    fn step(&mut self, sim: &mut Sim, input: &mut Input<'_>) {
        match input.byte() % step::COUNT {
            step::FRAME => {
                self.last = (input.byte() & 1, input.counted().to_vec());
                self.send(sim);
            }
            step::AGAIN => {
                for _ in 0..=input.below(8) {
                    // Another frame of, mostly, the same class.
                    if let Some(last) = self.last.1.last_mut() {
                        *last = last.wrapping_add(1);
                    }
                    self.send(sim);
                }
            }
            step::ANSWER => self.answer(sim, input),
            step::INSTALL => self.install(sim, input),
            step::PIN => {
                if let Some(id) = any_rule(sim, input) {
                    assert!(sim.router.pin_rule(id, input.byte() & 1 == 0));
                }
            }
            step::REVOKE => {
                if let Some(id) = any_rule(sim, input) {
                    assert!(sim.router.revoke_rule(id) && !sim.router.revoke_rule(id));
                }
            }
            step::FLUSH => {
                sim.router.flush_rules();
                assert!(sim.router.rules().all(|rule| rule.spec.pinned));
            }
            step::WAIT => sim.advance(Duration::from_millis(input.pick(&[0, 1, 10, 50, 1_000, 61_000]))),
            step::ROUTE => {
                let prefix = Ipv4Cidr::new([172, 16, 0, 0].into(), 12);
                match input.byte() % 4 {
                    0 => drop(sim.router.remove_route(prefix)),
                    host => sim.route(prefix, Some([10, 0, 1 + host % 2, 1 + host]), host % 2),
                }
            }
            _ => healthy(sim),
        }
    }

    /// Receives the last frame, and judges what was done with it.
    fn send(&mut self, sim: &mut Sim) {
        let (port, frame) = &self.last;
        // What hosts say of themselves would move them.
        if frame.get(12..14) == Some(&[8, 6]) {
            return;
        }
        sim.transmitted();
        let before: Vec<_> = sim.router.rules().map(|rule| (rule.id, rule.tally)).collect();
        let ruled = sim.router.stats().by_path(Path::Rule).frames;
        let verdict = sim.send(*port, frame);
        let sent = sim.transmitted();
        self.diverts.extend(sim.diverts());
        if self.diverts.len() > 32 {
            self.diverts.drain(..16);
        }
        let acted: Vec<_> = sim.router.rules().filter(|rule| did(rule, &before)).collect();
        assert!(acted.len() <= 1, "{acted:#?}");
        let ended = sim.router.stats().by_path(Path::Rule).frames > ruled;
        let Some(rule) = acted.first() else { return assert!(!ended, "by no rule: {frame:02x?}") };
        assert_eq!(subject(rule.spec.matches.subject.scope(), frame), rule.spec.matches.subject);
        let above = |other: &Rule| is_better(sim.now(), other, rule, frame);
        assert_eq!(sim.router.rules().find(above).map(|rule| rule.spec), None, "rather than {rule:#?}");
        let permitted = checker::permitted(rule.spec.matches.class.reason, self.posture);
        if ended && matches!(verdict, Verdict::Forward { .. } | Verdict::Deliver) {
            assert!(!permitted.is_empty(), "{rule:#?} {frame:02x?}");
        }
        for sent in sent {
            let is_ip = matches!(sent.bytes[12..14], [8, 0] | [0x86, 0xdd]);
            let mtu = sim.router.config().ports[sent.port.index()].mtu;
            let ours = matches!(sent.origin, Origin::Ruled(_))
                || ended && matches!(verdict, Verdict::Forward { .. });
            if ours
                && is_ip
                && let Err(fault) = outgoing::well_formed(&sent.bytes, mtu)
            {
                panic!("{fault}: {rule:#?} {sent:02x?}");
            }
        }
    }

    /// An answer to the latest divert that advises something.
    fn answer(&mut self, sim: &mut Sim, input: &mut Input<'_>) {
        let kind = input.pick(ActionKind::ALL);
        let advice = Advice { scope: input.pick(Scope::ALL), lifetime: input.pick(Lifetime::ALL) };
        let source = input.pick(&[Source::Model, Source::Cache]);
        let (Some(divert), Some(action)) = (self.diverts.pop(), kind.symbolic()) else { return };
        let _ = sim.answer(&Answer { advice: Some(advice), source, ..divert.answer(action) });
    }

    /// A rule about a divert's class, or one like it.
    fn install(&self, sim: &mut Sim, input: &mut Input<'_>) {
        let (scope, wrong) = (input.pick(&SCOPES), input.byte());
        let Some(divert) = self.diverts.last() else { return };
        let mut matches = Match { class: divert.about.class.clone(), subject: subject(scope, &divert.bytes) };
        match wrong % 16 {
            1 => matches.subject = Subject::Source(station(input)),
            2 => invent(&mut matches.class, input),
            _ => {}
        }
        let action = action(input, matches.class.direction);
        let rate = Rate { per_second: input.byte().into(), burst: input.byte().into() };
        let content = Content {
            priority: input.byte(),
            action: action.clone(),
            meter: (rate.burst > 0).then_some(rate),
            sample_one_in: input.pick(&[0, 0, 0, 1, 3]),
        };
        let micros = [10_000_000, 1, 0, 86_400_000_000, i64::MAX.unsigned_abs()];
        let spec = RuleSpec {
            content,
            idle: Duration::from_micros(input.pick(&[0, 1, 1_000_000, u64::MAX])),
            lifetime: Duration::from_micros(input.pick(&micros)),
            pinned: wrong & 32 != 0,
            ..operators(matches, action)
        };
        let spec = if wrong & 16 == 0 { spec } else { models(spec) };
        let refused = sim.router.stats().rules.refused;
        let result = sim.router.install_rule(sim.now(), spec);
        let now = sim.router.stats().rules.refused;
        let more: u64 = now.iter().sum::<u64>() - refused.iter().sum::<u64>();
        assert_eq!(more, u64::from(result.is_err()), "{result:?}");
    }
}

/// Did the rule do anything since then?
fn did(rule: &Rule, before: &[(RuleId, Tally)]) -> bool {
    let then = before.iter().find(|(id, _)| *id == rule.id).map_or(Tally::default(), |(_, tally)| *tally);
    Tally { shadowed: then.shadowed, agreed: then.agreed, ..rule.tally } != then
}

/// Should this one have acted on the frame that `acted` acted on? Of rules that may idle nothing is said.
fn is_better(now: Instant, other: &Rule, acted: &Rule, frame: &[u8]) -> bool {
    let rank =
        |rule: &Rule| (rule.spec.content.priority, std::cmp::Reverse(rule.spec.matches.subject.scope()));
    let lasts = other.spec.pinned || other.spec.idle == Duration::ZERO && now < other.expires_at;
    let of = &other.spec.matches;
    other.id != acted.id
        && other.state == RuleState::Active
        && lasts
        && of.class == acted.spec.matches.class
        && subject(of.subject.scope(), frame) == of.subject
        && rank(other) > rank(acted)
}

fn any_rule(sim: &Sim, input: &mut Input<'_>) -> Option<RuleId> {
    let ids: Vec<_> = sim.router.rules().map(|rule| rule.id).collect();
    let at = input.below(ids.len().max(1));
    ids.get(at).copied()
}

fn station(input: &mut Input<'_>) -> Station {
    match input.byte() % 4 {
        0 => Station::Mac(EthernetAddress([2, 0, 0, 0, input.byte(), input.byte()])),
        net => Station::Ip(IpAddress::v4(10, 0, net, input.byte())),
    }
}

fn invent(class: &mut ClassKey, input: &mut Input<'_>) {
    match input.byte() % 5 {
        0 => class.reason = input.pick(Anomaly::ALL),
        1 => class.port = PortId(input.byte()),
        2 => class.posture = input.pick(&Posture::ALL),
        3 => class.direction = input.pick(&[Direction::ToSelf, Direction::Transit]),
        _ => {
            let value = input.word();
            class.fields.iter_mut().for_each(|field| field.value = value);
        }
    }
}

fn action(input: &mut Input<'_>, direction: Direction) -> RuleAction {
    let edit = input.pick(&[Edit::StripTag, Edit::Decapsulate, Edit::ClearOptions, Edit::None]);
    let dscp = input.byte();
    let edits = Edits { edit, dscp: (dscp > 0).then_some(dscp) };
    match (input.byte() % 6, direction) {
        (0, _) => RuleAction::Drop,
        (1, _) => RuleAction::Reply(Reply::Timestamp),
        (2, _) => RuleAction::Reply(Reply::ParameterProblem),
        (3, _) => {
            use TemplateByte::{Constant, Copy, Length, Next, Rest};
            let all = [Constant(input.byte()), Copy(input.byte()), Length, Next(2), Rest(input.byte())];
            let bytes = heapless::Vec::from_slice(&all[input.below(5)..]).expect("room for five");
            RuleAction::Reply(Reply::Template(Template(bytes)))
        }
        (_, Direction::Transit) => RuleAction::Forward(edits),
        (_, Direction::ToSelf) => RuleAction::Deliver(edits),
    }
}

fn bounds(sim: &Sim) {
    let scopes = |rule: Rule| (rule.spec.matches.class.reason, rule.spec.matches.subject.scope());
    let masks: BTreeSet<_> = sim.router.rules().map(scopes).collect();
    let (rules, most) = sim.router.rule_occupancy();
    assert!(masks.len() <= sim.router.config().rules.masks && rules <= most && most <= 16);
    assert_eq!(rules, sim.router.rules().count());
}

/// Healthy frames of both families go where they always go.
fn healthy(sim: &mut Sim) {
    sim.prime();
    let v4 = frames::from_client(&frames::udp(&frames::transit(), 9, b"data"));
    let v6 = frames_v6::from_client(&frames_v6::udp(&frames_v6::transit(), 9, b"data"));
    for frame in [v4, v6] {
        assert_eq!(sim.send(0, &frame), Verdict::Forward { port: PortId(1) });
        let right = oracle::forward(&frame, frames::ROUTER_1.mac, frames::SERVER.mac).expect("healthy");
        assert!(sim.transmitted().iter().any(|sent| sent.bytes == right), "{frame:02x?}");
    }
    let ping = frames::from_client(&frames::echo_request(&frames::to(frames::ROUTER_0.address), 1));
    assert_eq!(sim.send(0, &ping), Verdict::Deliver);
    sim.transmitted();
}

/// For each reason about which something may be sent a life of rules: learnt, followed, sampled, installed, revoked.
pub(super) fn seeds(generator: &Generator) -> Vec<Seed> {
    let mut seeds = Vec::new();
    for &reason in Anomaly::ALL {
        let Some(&kind) = checker::permitted(reason, Posture::Open).first() else { continue };
        let mut made = (0..200).filter_map(|index| generator.of(reason, index));
        let Some(made) = made.find(|made| made.bytes.len() <= 200) else { continue };
        let frame =
            [&[step::FRAME, made.port][..], &(made.bytes.len() as u16).to_be_bytes(), &made.bytes].concat();
        // Posture open; one answer makes a rule.
        let mut bytes = vec![2, 0, 0, 0, 0, 0];
        for scope in [3, 2, 1] {
            bytes.extend(&frame);
            bytes.extend([step::ANSWER, kind as u8, scope, 2, 0, step::WAIT, 2, step::AGAIN, 3]);
        }
        bytes.extend([step::INSTALL, 0, 0, 0, 9, 0, 9, 9, 250, 0, 0, 0, step::AGAIN, 1]);
        bytes.extend([step::PIN, 0, 0, step::ROUTE, 2, step::AGAIN, 1, step::REVOKE, 0, step::FLUSH, 9]);
        seeds.push(Seed { target: "rules", name: reason.name().to_owned(), bytes });
    }
    seeds
}
