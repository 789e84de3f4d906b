//! Generated answers to diverted frames, right, wrong, hostile, late and again, and what the operator does meanwhile.

use super::act::How;
use super::bench::{Bench, Gone, Pending, REMEMBERED};
use super::invariant::{Invariant, Violation, require};
use crate::hex::hex;
use pktgen::dice::{Draw, rng_for};
use pktgen::echo::echo_reply;
use pktgen::oracle::{self, approvable};
use rand::Rng;
use smoltcp::time::Duration;
use smoltcp::wire::{Ipv4Address, Ipv4Cidr, Ipv6Address, Ipv6Cidr};
use stack::answer::{Advice, Lifetime, Scope};
use stack::rules::{Content, Match, OPERATOR_PRIORITY, RuleAction, RuleOrigin, Subject};
use stack::{
    Action, ActionKind, Anomaly, Answer, DivertId, EchoDelta, Mode, PortId, Rate, Route, RuleSpec, Source,
    Target, Witness,
};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Keeps the draws of answers apart from all others.
const STREAM: u64 = 0x6675_7a03;

/// An answer's action with the bytes that it may need.
struct Proposal {
    kind: ActionKind,
    delta: EchoDelta,
    port: PortId,
    frame: Vec<u8>,
}

impl Proposal {
    fn action(&self) -> Action<'_> {
        match self.kind {
            ActionKind::EchoReply => Action::EchoReply(self.delta),
            ActionKind::Inject => Action::Inject { port: self.port, frame: &self.frame },
            kind => kind.symbolic().unwrap_or(Action::Drop),
        }
    }
}

impl Bench {
    /// Answers a divert, and judges what the router makes of the answer.
    pub(super) fn answer(&mut self, how: How, pending: Pending, dice: u64) -> Result<(), Violation> {
        let rng = &mut rng_for(dice, STREAM, 0);
        let id = pending.about.id;
        match how {
            How::Never => return Ok(()),
            How::Abandoned => {
                self.router.abandon(self.now, id);
                return Ok(());
            }
            _ => {}
        }
        let proposal = self.propose(how, &pending, rng);
        let advice = match how {
            How::Right | How::Cached => {
                (!rng.one_in(4)).then(|| oracle::advice(&pending.about.class, proposal.kind))
            }
            _ => rng
                .one_in(2)
                .then(|| Advice { scope: *rng.pick(Scope::ALL), lifetime: *rng.pick(Lifetime::ALL) }),
        };
        let mut answer = Answer {
            id,
            nonce: pending.about.nonce,
            reason: pending.about.reason(),
            action: proposal.action(),
            source: if how == How::Cached { Source::Cache } else { Source::Model },
            advice,
            witness: Witness { backend: 0, prompt: dice },
        };
        if how == How::Forged {
            match rng.below(3) {
                0 => answer.nonce ^= 1 << rng.below(32),
                1 => answer.reason = other_reason(answer.reason, rng),
                _ => answer.id = DivertId { slot: id.slot, generation: id.generation.wrapping_add(1) },
            }
        }
        self.judge_answer(how, &pending, &answer, dice)
    }

    fn judge_answer(
        &mut self,
        how: How,
        pending: &Pending,
        answer: &Answer<'_>,
        dice: u64,
    ) -> Result<(), Violation> {
        let Pending { about, bytes } = pending;
        self.checked.note(Invariant::AnswersJudged);
        let result = self.router.approve(self.now, answer);
        let kind = answer.action.kind();
        let told = |what: &str| format!("{what}: {} {answer:02x?} to {}", how.name(), hex(bytes));
        let counts = &mut self.tally.answers[how as usize];
        let Ok(approved) = result else {
            counts.rejected += 1;
            return Ok(());
        };
        counts.approved += 1;
        let sound = !matches!(how, How::Forged | How::Late)
            && self.now <= about.deadline
            && approvable(about.reason(), self.posture, approved.action());
        require(sound, Invariant::AnswersJudged, || told("approved"))?;
        if how == How::Replayed {
            let again = self.router.approve(self.now, answer);
            require(again.is_err(), Invariant::AnswersJudged, || told("approved twice"))?;
        }
        if how == How::Stale {
            self.change_routes(dice | 1);
        }
        if about.mode == Mode::Enforce {
            let gone = Gone { port: about.port(), reason: Some(about.reason()), bytes: bytes.clone() };
            while self.applied.len() >= REMEMBERED {
                self.applied.pop_front();
            }
            self.applied.push_back((about.id, gone));
        }
        let applied = self.router.apply(self.now, approved);
        self.tally.answers[how as usize].applied += u64::from(applied.is_ok());
        let stale = how == How::Stale && applied.is_ok();
        require(!stale, Invariant::AnswersJudged, || told("applied though the routes have changed"))?;
        if applied.is_err() || kind == ActionKind::Drop {
            self.applied.retain(|(id, _)| *id != about.id);
        }
        if how == How::Replayed {
            self.drain(None)?;
            let again = self.router.approve(self.now, answer);
            require(again.is_err(), Invariant::AnswersJudged, || {
                told("approved again after it was applied")
            })?;
        }
        Ok(())
    }

    fn propose(&self, how: How, pending: &Pending, rng: &mut impl Rng) -> Proposal {
        let class = &pending.about.class;
        let frame = &pending.bytes;
        let mut proposal = Proposal {
            kind: oracle::triage(class),
            delta: oracle::echo_delta(frame).unwrap_or(EchoDelta {
                ttl: 64,
                ip_checksum: 0,
                icmp_type: 0,
                icmp_checksum: 0,
            }),
            port: class.port,
            frame: Vec::new(),
        };
        if how == How::Wrong {
            proposal.kind = *rng.pick(ActionKind::ALL);
            proposal.delta.ip_checksum ^= rng.word();
            proposal.delta.icmp_checksum ^= if rng.one_in(2) { 0 } else { rng.word() };
            proposal.frame.clone_from(frame);
        }
        if how == How::Hostile {
            proposal.kind = ActionKind::Inject;
            proposal.port = PortId(rng.below(self.world.ports.len() + 1) as u8);
            let ports = &self.world.ports;
            let egress = ports.get(proposal.port.index()).unwrap_or(&ports[0]);
            let to = egress.hosts.first().map_or(egress.mac, |host| host.mac);
            let repaired = match rng.below(3) {
                0 => echo_reply(frame),
                1 => oracle::repair(oracle::triage(class), frame, egress.mac, to),
                _ => None,
            };
            let mut bytes = repaired.unwrap_or_else(|| frame.clone());
            if rng.one_in(2) && !bytes.is_empty() {
                let at = rng.below(bytes.len());
                bytes[at] = rng.byte();
            }
            proposal.frame = bytes;
        }
        proposal
    }

    /// A default route comes or goes, or one that leads nowhere. Every change voids what was approved before.
    pub(super) fn change_routes(&mut self, dice: u64) {
        let rng = &mut rng_for(dice, STREAM, 1);
        let port = PortId(rng.below(self.world.ports.len() - 1) as u8);
        let Some(host) = self.world.ports[port.index()].hosts.first().copied() else { return };
        let len = *rng.pick(&[0, 1, 4]);
        let (v4, v6) =
            (Ipv4Cidr::new(Ipv4Address::UNSPECIFIED, len), Ipv6Cidr::new(Ipv6Address::UNSPECIFIED, len));
        if self.routes_before.len() >= 32 {
            self.routes_before.pop_front();
        }
        self.routes_before.push_back(self.routes.clone());
        self.routes.v4.retain(|(prefix, ..)| *prefix != v4);
        self.routes.v6.retain(|(prefix, ..)| *prefix != v6);
        if rng.one_in(3) {
            self.router.remove_route(v4);
            self.router.remove_route(v6);
            return;
        }
        let nowhere = *rng.pick(&[Target::Unreachable, Target::Prohibited, Target::Blackhole]);
        let via = !rng.one_in(4);
        let target = if via { Target::Via(host.address) } else { nowhere };
        if self.router.add_route(Route::<Ipv4Addr> { prefix: v4, target, port }).is_ok() {
            // One that leads nowhere is noted, too: by no port.
            self.routes.v4.push((v4, host.address, if via { port } else { PortId(u8::MAX) }));
        }
        let target = if via { Target::Via(host.ipv6) } else { Target::Blackhole };
        if self.router.add_route(Route::<Ipv6Addr> { prefix: v6, target, port }).is_ok() {
            self.routes.v6.push((v6, host.ipv6, if via { port } else { PortId(u8::MAX) }));
        }
    }

    /// The operator makes a rule about the class of a diverted frame, or ends one.
    pub(super) fn change_rules(&mut self, dice: u64) {
        let rng = &mut rng_for(dice, STREAM, 2);
        let ids: Vec<_> = self.router.rules().map(|rule| rule.id).collect();
        match rng.below(8) {
            0 if !ids.is_empty() => {
                self.router.pin_rule(*rng.pick(&ids), rng.one_in(2));
            }
            1 if !ids.is_empty() => {
                self.router.revoke_rule(*rng.pick(&ids));
            }
            2 => {
                self.router.flush_rules();
            }
            _ => {
                // One that does more than drop, if there is one.
                let acts = |pending: &&Pending| oracle::rule_action(&pending.about.class) != RuleAction::Drop;
                let acting = self.pending.iter().rev().find(acts);
                let Some(pending) = acting.or(self.pending.back()) else { return };
                let class = pending.about.class.clone();
                let action = oracle::rule_action(&class);
                let meter = rng.one_in(2).then(|| Rate { per_second: 100, burst: rng.below(20) as u32 });
                let spec = RuleSpec {
                    matches: Match { class, subject: Subject::Class },
                    content: Content {
                        priority: OPERATOR_PRIORITY,
                        action,
                        meter,
                        sample_one_in: *rng.pick(&[0, 3]),
                    },
                    idle: Duration::from_millis(*rng.pick(&[0, 1, 1_000])),
                    lifetime: Duration::from_millis(*rng.pick(&[1, 20_000, 86_400_000])),
                    pinned: rng.one_in(8),
                    origin: RuleOrigin::Operator,
                };
                // There may be no such rule.
                let _ = self.router.install_rule(self.now, spec);
            }
        }
    }
}

fn other_reason(than: Anomaly, rng: &mut impl Rng) -> Anomaly {
    let drawn = *rng.pick(Anomaly::ALL);
    if drawn == than { Anomaly::ALL[(than as usize + 1) % Anomaly::COUNT] } else { drawn }
}
