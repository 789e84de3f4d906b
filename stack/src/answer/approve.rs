//! `Router::approve`: the only way from an answer to an [`Approved`].
//!
//! The diverted frame is looked up in the router's own arena; the answer can forge nothing that it is
//! judged against. What an approved action makes is built from that frame (`effect.rs`), judged by
//! [`super::frame_check`], and built again when it is applied (`apply.rs`).

use super::effect::{Effect, right_delta};
use super::{Action, ActionKind, Answer, Rejection, granted, instantiate};
use crate::Router;
use crate::classify::{Anomaly, Mode};
use crate::config::PortId;
use crate::divert::{DivertId, Held, Outcome, SlotState};
use crate::event::Event;
use crate::frame::FRAME_MAX;
use crate::rules::Testimony;
use smoltcp::time::Instant;

/// An answer that may be applied, once, by the router that approved it.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Approved {
    pub(super) router: u32,
    pub(super) epoch: u32,
    pub(super) nonce: u32,
    pub(super) id: DivertId,
    pub(super) testimony: Testimony,
    pub(super) effect: Effect,
}

impl Approved {
    /// The diverted frame that was answered.
    pub const fn id(&self) -> DivertId {
        self.id
    }

    /// What will be done.
    pub const fn action(&self) -> ActionKind {
        self.effect.kind()
    }
}

impl Router<'_> {
    /// Judges an answer.
    ///
    /// An answer that names an outstanding frame with its right nonce uses that frame up: if it is
    /// rejected, the frame's default acts at once. Any other answer changes nothing but a counter.
    ///
    /// # Errors
    /// Why the answer may not be applied.
    pub fn approve(&mut self, now: Instant, answer: &Answer<'_>) -> Result<Approved, Rejection> {
        let judged = self.identify(now, answer).and_then(|(held, frame, len)| {
            self.judge(now, held, &frame[..len], answer).inspect_err(|_| {
                self.settle_by_default(now, answer.id);
                self.stats.diverts[held.reason as usize].rejected += 1;
                self.flows.end(held.flow, Outcome::Rejected);
            })
        });
        match judged {
            Ok(effect) => {
                self.diverts.mark_approved(answer.id);
                self.note(Event::Approved { id: answer.id, action: effect.kind() });
                Ok(Approved {
                    router: self.config.id,
                    epoch: self.epoch,
                    nonce: answer.nonce,
                    id: answer.id,
                    testimony: Testimony {
                        source: answer.source,
                        advice: answer.advice,
                        witness: answer.witness,
                    },
                    effect,
                })
            }
            Err(rejection) => {
                self.stats.rejections[rejection as usize] += 1;
                self.note(Event::Rejected { id: answer.id, rejection });
                Err(rejection)
            }
        }
    }

    /// The outstanding frame that the answer names, copied.
    fn identify(
        &self,
        now: Instant,
        answer: &Answer<'_>,
    ) -> Result<(Held, [u8; FRAME_MAX], usize), Rejection> {
        let Some((state, held, bytes)) = self.diverts.get(answer.id) else {
            return Err(if self.diverts.knew(answer.id) {
                Rejection::Late
            } else {
                Rejection::UnknownDivert
            });
        };
        match state {
            SlotState::Free | SlotState::Queued => return Err(Rejection::UnknownDivert),
            SlotState::Approved => return Err(Rejection::AlreadyAnswered),
            SlotState::Outstanding => {}
        }
        if answer.nonce != self.nonce(answer.id) {
            return Err(Rejection::WrongNonce);
        }
        if now >= held.deadline {
            return Err(Rejection::Late);
        }
        let mut frame = [0; FRAME_MAX];
        frame[..bytes.len()].copy_from_slice(bytes);
        Ok((held, frame, bytes.len()))
    }

    /// What the answer would do to this frame, if that may be done.
    fn judge(
        &self,
        now: Instant,
        held: Held,
        frame: &[u8],
        answer: &Answer<'_>,
    ) -> Result<Effect, Rejection> {
        if answer.reason != held.reason {
            return Err(Rejection::WrongReason);
        }
        if held.mode != Mode::Enforce {
            // Only recorded: the default has acted, so there is no frame left to judge.
            let kind = answer.action.kind();
            self.grant(held, kind)?;
            return Ok(Effect::Record(kind));
        }
        match answer.action {
            Action::Inject { port, frame: proposed } => self.recognise(now, held, frame, port, proposed),
            Action::Drop
            | Action::Forward
            | Action::StripTag
            | Action::Decapsulate
            | Action::ClearOptions
            | Action::TimestampReply
            | Action::ParameterProblem
            | Action::EchoReply(_) => self.effect(now, held, frame, answer.action),
        }
    }

    /// Do the reason and the posture grant this?
    pub(super) fn grant(&self, held: Held, kind: ActionKind) -> Result<(), Rejection> {
        if kind == ActionKind::Drop && held.reason.must_pass() {
            return Err(Rejection::MustPass);
        }
        if !granted(held.reason, self.config.posture).contains(&kind) {
            return Err(Rejection::NotGranted);
        }
        Ok(())
    }

    /// The effect of a symbolic action, if it is granted and what it makes is sound.
    pub(crate) fn effect(
        &self,
        now: Instant,
        held: Held,
        frame: &[u8],
        action: Action<'_>,
    ) -> Result<Effect, Rejection> {
        let effect = self.intended(held, frame, action)?;
        if effect != Effect::Drop {
            self.final_frame(now, held, frame, effect, &mut [0; FRAME_MAX])?;
        }
        Ok(effect)
    }

    /// The effect of a symbolic action, if it is granted; what it makes is still to be looked at.
    fn intended(&self, held: Held, frame: &[u8], action: Action<'_>) -> Result<Effect, Rejection> {
        let kind = action.kind();
        self.grant(held, kind)?;
        Ok(match action {
            Action::Drop => Effect::Drop,
            Action::Forward | Action::StripTag | Action::Decapsulate | Action::ClearOptions => {
                Effect::Repair(kind)
            }
            Action::EchoReply(delta) => Effect::EchoReply(delta),
            Action::TimestampReply => Effect::TimestampReply,
            Action::ParameterProblem => {
                let length_field = held.reason != Anomaly::Ipv4OptionMalformed;
                Effect::ParameterProblem(
                    instantiate::pointer(frame, length_field).ok_or(Rejection::DoesNotFit)?,
                )
            }
            Action::Inject { .. } => return Err(Rejection::NotGranted),
        })
    }

    /// Approves a whole frame only as the granted action that would have made the same bytes.
    fn recognise(
        &self,
        now: Instant,
        held: Held,
        frame: &[u8],
        port: PortId,
        proposed: &[u8],
    ) -> Result<Effect, Rejection> {
        let mut closest = Rejection::NotGranted;
        for kind in granted(held.reason, self.config.posture) {
            let action = match kind {
                ActionKind::EchoReply => match right_delta(frame) {
                    Some(delta) => Action::EchoReply(delta),
                    None => continue,
                },
                ActionKind::Drop | ActionKind::Inject => continue,
                ActionKind::Forward
                | ActionKind::StripTag
                | ActionKind::Decapsulate
                | ActionKind::ClearOptions
                | ActionKind::TimestampReply
                | ActionKind::ParameterProblem => match kind.symbolic() {
                    Some(action) => action,
                    None => continue,
                },
            };
            let Ok(effect) = self.intended(held, frame, action) else { continue };
            let mut out = [0; FRAME_MAX];
            // `None`: nothing would leave.
            let Ok(Some((egress, len))) = self.final_frame(now, held, frame, effect, &mut out) else {
                continue;
            };
            if egress != port {
                closest = Rejection::WrongPort;
            } else if proposed.len() > len {
                closest = Rejection::Amplification;
            } else if proposed != &out[..len] {
                closest = Rejection::NoProvenance;
            } else {
                return Ok(effect);
            }
        }
        Err(closest)
    }
}
