//! `Router::approve` and `Router::apply`: the only way from an answer to a frame on the wire.
//!
//! The diverted frame is looked up in the router's own arena; the answer can forge nothing that it is
//! judged against. What an approved action makes is built from that frame, judged by
//! [`super::frame_check`], and built again when it is applied.

use super::{Action, ActionKind, Answer, EchoDelta, Rejection, Source, frame_check, granted, instantiate};
use crate::Router;
use crate::classify::{Anomaly, Class, Mode, classify};
use crate::config::PortId;
use crate::divert::{DivertId, Held, SlotState};
use crate::event::Event;
use crate::forward::IcmpError;
use crate::forward::{Cargo, icmp_error};
use crate::frame::{ETHERNET_HEADER, FRAME_MAX, FrameBuf};
use crate::stats::Path;
use crate::wire::MIN_HEADER;
use smoltcp::time::Instant;

/// An answer that may be applied, once, by the router that approved it.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Approved {
    router: u32,
    epoch: u32,
    nonce: u32,
    id: DivertId,
    source: Source,
    effect: Effect,
}

/// What an approved answer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// Nothing: the frame was only observed.
    Record(ActionKind),
    /// Discards the frame.
    Drop,
    /// Sends the frame on, repaired in this way.
    Repair(ActionKind),
    /// Answers the frame.
    EchoReply(EchoDelta),
    /// Answers the frame.
    TimestampReply,
    /// Reports the frame to its source.
    ParameterProblem(u8),
}

impl Effect {
    const fn kind(self) -> ActionKind {
        match self {
            Self::Record(kind) | Self::Repair(kind) => kind,
            Self::Drop => ActionKind::Drop,
            Self::EchoReply(_) => ActionKind::EchoReply,
            Self::TimestampReply => ActionKind::TimestampReply,
            Self::ParameterProblem(_) => ActionKind::ParameterProblem,
        }
    }
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
                    source: answer.source,
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
    fn grant(&self, held: Held, kind: ActionKind) -> Result<(), Rejection> {
        if kind == ActionKind::Drop && held.reason.must_pass() {
            return Err(Rejection::MustPass);
        }
        if !granted(held.reason, self.config.posture).contains(&kind) {
            return Err(Rejection::NotGranted);
        }
        Ok(())
    }

    /// The effect of a symbolic action, if it is granted and what it makes is sound.
    fn effect(
        &self,
        now: Instant,
        held: Held,
        frame: &[u8],
        action: Action<'_>,
    ) -> Result<Effect, Rejection> {
        let kind = action.kind();
        self.grant(held, kind)?;
        let effect = match action {
            Action::Drop => return Ok(Effect::Drop),
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
        };
        let mut out = [0; FRAME_MAX];
        self.final_frame(now, held, frame, effect, &mut out)?;
        Ok(effect)
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
            let Ok(effect) = self.effect(now, held, frame, action) else { continue };
            let mut out = [0; FRAME_MAX];
            // `None`: it would be delivered here, so nothing may leave.
            let Some((egress, len)) = self.final_frame(now, held, frame, effect, &mut out)? else { continue };
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

    /// Builds the frame that the effect would send, with its MAC addresses where they are known:
    /// egress port and length. `None`: nothing would be injected; the local host would get it, or forwarding
    /// would refuse it.
    fn final_frame(
        &self,
        now: Instant,
        held: Held,
        frame: &[u8],
        effect: Effect,
        out: &mut [u8; FRAME_MAX],
    ) -> Result<Option<(PortId, usize)>, Rejection> {
        let (len, transit) = match self.build(now, held, frame, effect, out)? {
            Built::Local(_) => return Ok(None),
            Built::Transit(len) => (len, true),
            Built::Reply(len) => (len, false),
        };
        let Some(hop) = self.next_hop(&out[ETHERNET_HEADER..len]) else {
            return if transit { Ok(None) } else { Err(Rejection::Unroutable) };
        };
        if transit {
            // Forwarding itself will refuse and report it, as it does for healthy frames.
            if out[ETHERNET_HEADER + 8] <= 1 || len - ETHERNET_HEADER > self.mtu(hop.port) {
                return Ok(None);
            }
            Self::decrement_ttl(&mut out[..len]);
        } else if hop.port != held.port {
            // Whoever claims an address behind another port gets no reply sent there.
            return Err(Rejection::WrongPort);
        }
        let mac = self.neighbors.known(hop.port, hop.address).unwrap_or_default();
        self.address(&mut out[..len], hop.port, mac);
        // A Parameter Problem quotes the frame; anything else is no longer than what it answers.
        let quote = if matches!(effect, Effect::ParameterProblem(_)) { icmp_error::MAX_LEN } else { 0 };
        if len > frame.len().max(quote + ETHERNET_HEADER) {
            return Err(Rejection::Amplification);
        }
        frame_check::well_formed(&out[..len], self.mtu(hop.port)).map_err(|_| Rejection::Malformed)?;
        Ok(Some((hop.port, len)))
    }

    /// Builds the frame that the effect stands for, before forwarding touches it.
    fn build(
        &self,
        now: Instant,
        held: Held,
        frame: &[u8],
        effect: Effect,
        out: &mut [u8; FRAME_MAX],
    ) -> Result<Built, Rejection> {
        match effect {
            Effect::Record(_) | Effect::Drop => Err(Rejection::DoesNotFit),
            Effect::Repair(kind) => {
                let len = match kind {
                    ActionKind::StripTag if instantiate::has_tag(frame) => instantiate::unwrap(frame, out)?,
                    ActionKind::Decapsulate if instantiate::has_envelope(frame) => {
                        instantiate::unwrap(frame, out)?
                    }
                    ActionKind::ClearOptions => instantiate::clear_options(frame, out)?,
                    ActionKind::Forward => instantiate::unwrap(frame, out)?,
                    ActionKind::StripTag
                    | ActionKind::Decapsulate
                    | ActionKind::Drop
                    | ActionKind::TimestampReply
                    | ActionKind::ParameterProblem
                    | ActionKind::EchoReply
                    | ActionKind::Inject => return Err(Rejection::DoesNotFit),
                };
                self.reclassify(held, &out[..len], kind == ActionKind::Forward)
            }
            Effect::EchoReply(delta) => instantiate::echo_reply(frame, delta, out).map(Built::Reply),
            Effect::TimestampReply => {
                instantiate::timestamp_reply(frame, self.timestamp(now), out).map(Built::Reply)
            }
            Effect::ParameterProblem(pointer) => {
                let port = &self.config.ports[held.port.index()];
                if icmp_error::is_forbidden(frame, port, &self.locals) {
                    return Err(Rejection::ErrorForbidden);
                }
                let len = self
                    .build_icmp_error(IcmpError::ParameterProblem(pointer), &frame[ETHERNET_HEADER..], out)
                    .ok_or(Rejection::Unroutable)?;
                Ok(Built::Reply(len))
            }
        }
    }

    /// A repaired frame must be healthy. An unchanged one may still show the very reason for which
    /// it was diverted, since its passing was granted.
    fn reclassify(&self, held: Held, repaired: &[u8], unchanged: bool) -> Result<Built, Rejection> {
        let mac = self.config.ports[held.port.index()].mac;
        let len = repaired.len();
        match classify(repaired, held.port, mac, &self.locals) {
            Class::Transit(..) => Ok(Built::Transit(len)),
            Class::Local(..) => Ok(Built::Local(len)),
            Class::Anomaly(same) if unchanged && same == held.reason => Ok(Built::Transit(len)),
            Class::Anomaly(_) | Class::Arp(_) | Class::Foreign => Err(Rejection::NotHealthy),
        }
    }

    /// Milliseconds since midnight UTC, or with the high bit set since the start (RFC 792).
    fn timestamp(&self, now: Instant) -> u32 {
        let millis = now.total_millis().unsigned_abs();
        match self.config.midnight_offset_ms {
            Some(offset) => ((millis + u64::from(offset)) % 86_400_000) as u32,
            None => (millis as u32) | 0x8000_0000,
        }
    }

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
        let &Approved { router, epoch, nonce, id, source, effect } = approved;
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
            self.permit(now, held, frame, effect)
        };
        let built = match permitted {
            Ok(built) => built,
            Err(rejection) => {
                self.stats.diverts[reason].rejected += 1;
                self.settle_by_default(now, id);
                return Err(rejection);
            }
        };
        self.stats.diverts[reason].approved += 1;
        self.diverts.release(id);
        if held.mode != Mode::Enforce {
            return Ok(());
        }
        let path = match source {
            Source::Model => Path::SlowModel,
            Source::Cache => Path::SlowCached,
        };
        self.carry_out(now, id, held, frame, built, path);
        Ok(())
    }

    /// Checks the grant and the token buckets again, and that the frame can still be built.
    fn permit(
        &mut self,
        now: Instant,
        held: Held,
        frame: &[u8],
        effect: Effect,
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
                if !self.inject_bucket.take(self.config.limits.inject_rate, now) {
                    return Err(Rejection::RateLimited);
                }
                self.stats.icmp_errors += u64::from(is_error);
                Ok(Some((built, out)))
            }
        }
    }

    /// Ends the held frame, and sends what replaces it.
    fn carry_out(
        &mut self,
        now: Instant,
        id: DivertId,
        held: Held,
        frame: &[u8],
        built: Option<Made>,
        path: Path,
    ) {
        match built {
            None => {
                self.stats.held.sub(frame.len());
                self.stats.drop(crate::verdict::DropReason::Anomaly(held.reason), path, frame.len());
            }
            Some((Built::Local(len), mut out)) => {
                self.stats.held.sub(frame.len());
                let _ =
                    self.deliver_repaired(now, held.port, &FrameBuf::new(&mut out[..len]), held.len, path);
            }
            // A held frame stays held until what replaces it is sent or lost.
            Some((Built::Transit(len), mut out)) => {
                self.forward_repaired(now, &held, id, frame, &mut out[..len], path);
            }
            Some((Built::Reply(len), mut out)) => {
                let cargo = Cargo::Injected { id, received_len: held.len, path, transit: false };
                self.dispatch(now, &mut out[..len], cargo);
            }
        }
    }
}

/// What an effect makes: a frame of this length, for the local host, to go on, or to go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Built {
    Local(usize),
    Transit(usize),
    Reply(usize),
}

/// What is to be sent, with its bytes.
type Made = (Built, [u8; FRAME_MAX]);

/// The header bytes of the right echo reply.
fn right_delta(frame: &[u8]) -> Option<EchoDelta> {
    let mut out = [0; FRAME_MAX];
    instantiate::right_echo_reply(frame, &mut out).ok()?;
    let (ip, icmp) = (&out[ETHERNET_HEADER..], &out[ETHERNET_HEADER + MIN_HEADER..]);
    Some(EchoDelta {
        ttl: ip[8],
        ip_checksum: u16::from_be_bytes([ip[10], ip[11]]),
        icmp_type: icmp[0],
        icmp_checksum: u16::from_be_bytes([icmp[2], icmp[3]]),
    })
}
