//! `Router::apply`: does what was approved, after a last look at deadline, epoch, grant and tokens.

use super::effect::{Built, Effect, Made};
use super::{Approved, Rejection, Source};
use crate::Router;
use crate::classify::Mode;
use crate::divert::{Held, Outcome, SlotState};
use crate::event::Event;
use crate::forward::{Cargo, Maker};
use crate::frame::{FRAME_MAX, FrameBuf};
use crate::stats::Path;
use crate::verdict::Verdict;
use smoltcp::time::Instant;

impl Router<'_> {
    /// Does what was approved. What is to be sent appears in `poll_transmit`.
    ///
    /// # Errors
    /// Deadline, epoch and token bucket are checked again. On an error the frame's default acts, if it
    /// has not acted yet.
    pub fn apply(&mut self, now: Instant, approved: Approved) -> Result<(), Rejection> {
        let (id, effect) = (approved.id, approved.effect);
        let result = self.try_apply(now, &approved);
        match result {
            Ok(()) => {
                self.stats.applied[effect.kind() as usize] += 1;
                self.note(Event::Applied { id, action: effect.kind() });
            }
            Err(rejection) => {
                self.stats.rejections[rejection as usize] += 1;
                self.note(Event::Rejected { id, rejection });
            }
        }
        result
    }

    fn try_apply(&mut self, now: Instant, approved: &Approved) -> Result<(), Rejection> {
        let &Approved { router, epoch, nonce, id, testimony, effect } = approved;
        if router != self.config.id || nonce != self.nonce(id) {
            return Err(Rejection::ForeignRouter);
        }
        let Some((SlotState::Approved, held, bytes)) = self.diverts.get(id) else {
            return Err(Rejection::Late);
        };
        let mut frame = [0; FRAME_MAX];
        frame[..bytes.len()].copy_from_slice(bytes);
        let frame = &frame[..held.len];
        let reason = held.reason as usize;
        let permitted = if epoch != self.epoch {
            Err(Rejection::StaleEpoch)
        } else if now >= held.deadline {
            Err(Rejection::Late)
        } else {
            self.permit(now, held, frame, effect, Maker::Answer(id))
        };
        let built = match permitted {
            Ok(built) => built,
            Err(rejection) => {
                self.stats.diverts[reason].rejected += 1;
                self.flows.end(held.flow, Outcome::Rejected);
                self.settle_by_default(now, id);
                return Err(rejection);
            }
        };
        self.stats.diverts[reason].approved += 1;
        self.flows.end(held.flow, Outcome::Approved);
        self.diverts.release(id);
        if held.mode != Mode::Enforce {
            return Ok(());
        }
        self.learn(now, held, frame, effect.kind(), testimony);
        let path = match testimony.source {
            Source::Model => Path::SlowModel,
            Source::Cache => Path::SlowCached,
        };
        let _ = self.carry_out(now, Maker::Answer(id), held, frame, built, path);
        Ok(())
    }

    /// Checks the grant and the token buckets again, and that the frame can still be built.
    pub(crate) fn permit(
        &mut self,
        now: Instant,
        held: Held,
        frame: &[u8],
        effect: Effect,
        by: Maker,
    ) -> Result<Option<Made>, Rejection> {
        self.grant(held, effect.kind())?;
        match effect {
            Effect::Record(_) | Effect::Drop => Ok(None),
            Effect::Repair(_)
            | Effect::EchoReply(_)
            | Effect::TimestampReply
            | Effect::ParameterProblem(_) => {
                let mut out = [0; FRAME_MAX];
                let built = self.build(now, held, frame, effect, &mut out)?;
                let is_error = matches!(effect, Effect::ParameterProblem(_));
                if is_error
                    && !self.icmp_buckets[held.port.index()].take(self.config.limits.icmp_error_rate, now)
                {
                    self.stats.icmp_errors_limited += 1;
                    return Err(Rejection::RateLimited);
                }
                let bucket = match by {
                    Maker::Answer(_) => &mut self.inject_bucket,
                    Maker::Rule(_) => &mut self.rule_bucket,
                };
                if !bucket.take(self.config.limits.inject_rate, now) {
                    return Err(Rejection::RateLimited);
                }
                self.stats.icmp_errors += u64::from(is_error);
                Ok(Some((built, out)))
            }
        }
    }

    /// Ends the held frame, and sends what replaces it.
    pub(crate) fn carry_out(
        &mut self,
        now: Instant,
        by: Maker,
        held: Held,
        frame: &[u8],
        built: Option<Made>,
        path: Path,
    ) -> Verdict {
        match built {
            None => {
                self.stats.held.sub(held.received_len);
                self.discard(now, held.port, frame, held.received_len, held.reason, path)
            }
            Some((Built::Local(len), mut out)) => {
                self.stats.held.sub(held.received_len);
                let mut repaired = FrameBuf::new(&mut out[..len]).received_as(held.received_len);
                self.deliver_repaired(now, held.port, &mut repaired, held.received_len, path)
            }
            // A held frame stays held until what replaces it is sent or lost.
            Some((Built::Transit(len), mut out)) => {
                self.forward_repaired(now, &held, by, frame, &mut out[..len], path)
            }
            Some((Built::Reply(len), mut out)) => {
                let cargo = Cargo::Injected { by, received_len: held.received_len, path, transit: false };
                let sent = self.dispatch(now, held.port, &mut out[..len], cargo);
                sent.map_or_else(Verdict::Drop, |()| Verdict::Consume)
            }
        }
    }
}
