//! An adversary in the place of the model proposes a million rules. What is healthy keeps its fate, byte for byte, as the
//! reference router says and as a twin without rules does; what rules send is right in the eyes of the checker.

use crate::trial::{Outcomes, Trial};
use pktgen::dice::{Draw, rng_for};
use pktgen::{Expected, Family, Generated, Generator, World};
use smoltcp::time::Duration;
use smoltcp::wire::Ipv4Cidr;
use stack::answer::{Advice, Lifetime, Scope};
use stack::rules::{Content, Flow, MAX_LIFETIME, Match, Subject};
use stack::{ActionKind, Anomaly, Answer, Posture, Rate, RuleSpec, Source, Witness};
use std::net::Ipv4Addr;
use tests::reference::{Onward, Reference, Way};
use tests::rules::{models, operators, subject};
use tests::{Divert, checker, forged};

/// Rules proposed under each posture, by answers and as a file would bring them.
const PROPOSALS: u64 = 1_000_000 / 3 + 1;
/// Proposals between two looks at the healthy mix.
const BATCH: u64 = 500;
/// Healthy frames at each look.
const MIX: u64 = 40;
/// Behind a gateway, or not: no frame of the adversary's goes there.
const FAR: [u8; 4] = [172, 16, 0, 0];
const SCOPES: [Scope; 3] = [Scope::Class, Scope::Source, Scope::Flow];

/// The reasons about which a rule may send something.
const TEMPTING: [Anomaly; 7] = [
    Anomaly::VlanPriorityTag,
    Anomaly::SnapIpv4,
    Anomaly::Ipv4OptionTransit,
    Anomaly::IcmpTimestampRequest,
    Anomaly::Ipv4OptionMalformed,
    Anomaly::Ipv4TotalLengthShort,
    Anomaly::Ipv4TotalLengthOverrun,
];

impl Trial {
    /// An answer that advises as widely as it can, mostly of what may be granted.
    fn answer(&mut self, divert: &Divert, rng: &mut impl Draw) {
        let permitted = checker::permitted(divert.about.reason(), self.posture);
        let kind = match rng.below(4) {
            0 | 1 if !permitted.is_empty() => *rng.pick(permitted),
            2 => *rng.pick(ActionKind::ALL),
            _ => ActionKind::Drop,
        };
        let Some(action) = kind.symbolic() else { return self.sim.abandon(divert) };
        let advice = Advice { scope: *rng.pick(Scope::ALL), lifetime: *rng.pick(Lifetime::ALL) };
        let answer = Answer {
            advice: Some(advice),
            source: *rng.pick(&[Source::Model, Source::Model, Source::Cache]),
            witness: Witness { backend: rng.word(), prompt: rng.next_u64() },
            ..divert.answer(action)
        };
        self.outcomes.proposals += 1;
        if self.sim.answer(&answer).is_err() {
            self.sim.abandon(divert);
        }
        self.sim.transmitted();
    }

    /// A rule as a damaged or forged file of rules would bring it.
    fn propose(&mut self, divert: &Divert, healthy: &[u8], rng: &mut impl Draw) {
        let frame = if rng.one_in(4) { healthy } else { &divert.bytes };
        let mut of = subject(*rng.pick(&SCOPES), frame);
        if rng.one_in(4) {
            let victim = *rng.pick(&self.victims);
            of = match of {
                Subject::Class | Subject::Source(_) => Subject::Source(victim),
                Subject::Flow(flow) => Subject::Flow(Flow { from: victim, protocol: rng.byte(), ..flow }),
            };
        }
        let mut class = divert.about.class.clone();
        if rng.one_in(2) {
            forged::invent(&mut class, rng);
        }
        let action = forged::action(class.direction, rng);
        let meter =
            rng.one_in(3).then(|| Rate { per_second: rng.below(3) as u32, burst: rng.below(40) as u32 });
        let long = [0, 1, 10_000_000, MAX_LIFETIME.total_micros(), u64::MAX, i64::MAX.unsigned_abs()];
        let base = models(operators(Match { class, subject: of }, action.clone()));
        let spec = RuleSpec {
            content: Content {
                priority: rng.byte(),
                action,
                meter,
                sample_one_in: *rng.pick(&[0, 0, 0, 1, 2, 50]),
            },
            idle: Duration::from_micros(*rng.pick(&long)),
            lifetime: Duration::from_micros(*rng.pick(&long)),
            pinned: rng.one_in(200),
            ..base
        };
        self.outcomes.proposals += 1;
        let _ = self.sim.router.install_rule(self.sim.now(), spec);
    }

    /// Time passes, routes change, the operator tidies up.
    fn befall(&mut self, rng: &mut impl Draw) {
        if rng.one_in(8) {
            self.sim.advance(Duration::from_micros(*rng.pick(&[100, 1_100, 30_000])));
            self.sim.transmitted();
        }
        if rng.one_in(500) {
            let ids: Vec<_> = self.sim.router.rules().map(|rule| (rule.id, rule.spec.pinned)).collect();
            for (id, pinned) in ids {
                if pinned && rng.one_in(2) {
                    self.sim.router.pin_rule(id, false);
                } else if rng.one_in(50) {
                    self.sim.router.revoke_rule(id);
                }
            }
        }
        if rng.one_in(5_000) {
            self.sim.router.flush_rules();
        }
        if rng.one_in(100) {
            let prefix = Ipv4Cidr::new(FAR.into(), 12);
            let mut beyond = Vec::new();
            let port = rng.below(3);
            for sim in [&mut self.sim, &mut self.twin] {
                sim.router.remove_route(prefix);
            }
            if let Some(via) = self.world.ports.get(port) {
                let host = via.hosts[0];
                for sim in [&mut self.sim, &mut self.twin] {
                    sim.route(prefix, Some(host.address.octets()), port as u8);
                }
                let onward = Onward::Via(port as u8, host.mac);
                beyond.push(Way { network: Ipv4Addr::from(FAR).into(), prefix: 12, onward });
            }
            self.reference = Reference::new(self.world.clone(), &beyond);
        }
    }
}

/// May it teach the router MAC addresses that the judges cannot know?
fn teaches(made: &Generated) -> bool {
    let unknown = made.expected == Expected::Unknown;
    unknown && (matches!(made.family, Family::Arp | Family::Nd) || made.bytes.get(12..14) == Some(&[8, 6]))
        || unknown && made.bytes.get(12..14) == Some(&[0x86, 0xdd]) && made.bytes.contains(&58)
}

fn torment(posture: Posture, seed: u64) {
    println!("seed {seed}");
    let mut trial = Trial::new(posture);
    let generator = Generator::new(World::lab(), seed);
    let pool: Vec<_> = (0..6)
        .flat_map(|index| Anomaly::ALL.iter().map(move |&reason| (reason, index)))
        .filter_map(|(reason, index)| generator.of(reason, index))
        .collect();
    let (mut index, mut looks) = (0, 0);
    while trial.outcomes.proposals < PROPOSALS {
        let mut rng = rng_for(seed, 7, index);
        index += 1;
        let made = match rng.below(6) {
            0 => generator.mutant(index),
            1 => generator.odd(index),
            2 => rng.pick(&pool).clone(),
            _ => generator
                .of(*rng.pick(&TEMPTING), rng.below(200) as u64)
                .expect("the laboratory has them all"),
        };
        if teaches(&made) {
            continue;
        }
        for divert in trial.throw(&made) {
            let healthy = generator.healthy(index);
            for _ in 0..6 {
                trial.propose(&divert, &healthy.bytes, &mut rng);
            }
            trial.answer(&divert, &mut rng);
        }
        trial.befall(&mut rng);
        if trial.outcomes.proposals >= looks * BATCH {
            let healthy = (0..MIX).map(|at| generator.healthy(1_000_000 + looks * MIX + at));
            let mut to_far = healthy.clone().next().expect("some");
            if to_far.bytes[12..14] == [8, 0] && to_far.bytes[14] == 0x45 {
                to_far.bytes[30..34].copy_from_slice(&[172, 16, 5, 9]);
                pktgen::build::seal_ipv4(&mut to_far.bytes[14..]);
            }
            trial.look(healthy.chain([to_far]));
            looks += 1;
        }
    }
    let rules = trial.sim.router.stats().rules;
    println!("{posture:?}: {:?}, {looks} looks, {rules:?}", trial.outcomes);
    let Outcomes { ruled, sent, delivered, healthy, .. } = trial.outcomes;
    assert!(healthy >= MIX * PROPOSALS / BATCH && ruled > 1_000 && rules.activated > 1_000);
    if posture != Posture::Strict {
        assert!(sent > 500 && delivered > 50);
    }
}

#[test]
fn a_million_proposals_change_no_healthy_frames_fate_under_a_strict_posture() {
    torment(Posture::Strict, 6_006);
}

#[test]
fn nor_under_a_balanced_one() {
    torment(Posture::Balanced, 6_007);
}

#[test]
fn nor_under_an_open_one() {
    torment(Posture::Open, 6_008);
}
