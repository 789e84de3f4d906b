//! A router of which every call that changes it is recorded, if so wished: none can be forgotten.

use super::header::fnv;
use super::step::{Call, Id, Said, installed, origin, outcome, rule_text};
use super::write::{Recorder, Written};
use smoltcp::time::Instant;
use stack::frame::FRAME_MAX;
use stack::rules::{RuleId, RuleRefusal};
use stack::{
    Answer, Approved, DivertId, Diverted, Event, FrameBuf, PortId, Rejection, Router, RuleSpec, Stats,
    Transmit, Verdict,
};
use std::ops::Deref;

/// The router, and its recording. To look at it, it is a [`Router`]; whatever changes that has to be called here.
#[derive(Debug)]
pub struct RecordedRouter {
    router: Router<'static>,
    recorder: Option<Recorder>,
    /// When it was called last: the time of what comes out of it.
    now: Instant,
}

impl From<Router<'static>> for RecordedRouter {
    /// Nothing is recorded.
    fn from(router: Router<'static>) -> Self {
        Self::new(router, None)
    }
}

impl Deref for RecordedRouter {
    type Target = Router<'static>;

    fn deref(&self) -> &Router<'static> {
        &self.router
    }
}

impl RecordedRouter {
    /// A router to which nothing has been done but what the recording's header says.
    pub fn new(router: Router<'static>, recorder: Option<Recorder>) -> Self {
        Self { router, recorder, now: Instant::ZERO }
    }

    /// Is everything recorded?
    pub const fn is_recorded(&self) -> bool {
        self.recorder.is_some()
    }

    /// Hands what waits to the file system.
    pub fn flush_recording(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder.flush();
        }
    }

    /// Ends the recording; what came of it. With an end that says so only if the run ended `well`.
    pub fn end_recording(&mut self, well: bool) -> Option<Written> {
        if well {
            let counters = counters_hash(self.router.stats());
            self.call(|| Call::End { counters });
        }
        let mut recorder = self.recorder.take()?;
        recorder.flush();
        Some(recorder.written().clone())
    }

    fn call(&mut self, call: impl FnOnce() -> Call) {
        if let Some(recorder) = &mut self.recorder {
            recorder.call(self.now, &call());
        }
    }

    /// [`Router::handle_frame`].
    #[inline]
    pub fn handle_frame(&mut self, now: Instant, port: PortId, frame: &mut FrameBuf<'_>) -> Verdict {
        self.now = now;
        if let Some(recorder) = &mut self.recorder {
            recorder.received(now, port, frame.bytes());
        }
        let verdict = self.router.handle_frame(now, port, frame);
        if let (Verdict::Forward { port }, Some(recorder)) = (verdict, &mut self.recorder) {
            recorder.sent(now, port, None, frame.bytes());
        }
        verdict
    }

    /// [`Router::poll_transmit`].
    #[must_use]
    #[inline]
    pub fn poll_transmit(&mut self, out: &mut [u8; FRAME_MAX]) -> Option<Transmit> {
        let transmit = self.router.poll_transmit(out)?;
        if let Some(recorder) = &mut self.recorder {
            recorder.sent(self.now, transmit.port, Some(origin(transmit.origin)), &out[..transmit.len]);
        }
        Some(transmit)
    }

    /// [`Router::unsent`], about the frame that [`Self::poll_transmit`] gave last.
    pub fn unsent(&mut self, transmit: &Transmit) {
        self.call(|| Call::Unsent);
        self.router.unsent(transmit);
    }

    /// [`Router::unforwarded`], about the frame that was forwarded last.
    pub fn unforwarded(&mut self, received_len: usize, sent_len: usize) {
        self.call(|| Call::Unforwarded { received_len, sent_len });
        self.router.unforwarded(received_len, sent_len);
    }

    /// [`Router::poll_divert`].
    #[must_use]
    pub fn poll_divert(&mut self, out: &mut [u8; FRAME_MAX]) -> Option<Diverted> {
        let diverted = self.router.poll_divert(out)?;
        self.call(|| Call::PollDivert {
            id: Id(diverted.id),
            nonce: diverted.nonce,
            reason: diverted.reason().name().into(),
            len: diverted.len,
        });
        Some(diverted)
    }

    /// [`Router::abandon`].
    pub fn abandon(&mut self, now: Instant, id: DivertId) {
        self.now = now;
        self.call(|| Call::Abandon { id: Id(id) });
        self.router.abandon(now, id);
    }

    /// [`Router::approve`].
    ///
    /// # Errors
    /// The router's.
    pub fn approve(&mut self, now: Instant, answer: &Answer<'_>) -> Result<Approved, Rejection> {
        self.now = now;
        let result = self.router.approve(now, answer);
        self.call(|| Call::Approve { answer: Box::new(Said::of(answer)), outcome: outcome(&result) });
        result
    }

    /// [`Router::apply`], of what [`Self::approve`] gave last.
    ///
    /// # Errors
    /// The router's.
    pub fn apply(&mut self, now: Instant, approved: Approved) -> Result<(), Rejection> {
        self.now = now;
        let result = self.router.apply(now, approved);
        self.call(|| Call::Apply { outcome: outcome(&result) });
        result
    }

    /// [`Router::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.call(|| Call::HandleTimeout);
        self.router.handle_timeout(now);
    }

    /// [`Router::install_rule`].
    ///
    /// # Errors
    /// The router's.
    pub fn install_rule(&mut self, now: Instant, spec: RuleSpec) -> Result<RuleId, RuleRefusal> {
        self.now = now;
        let rule = self.recorder.is_some().then(|| rule_text(&spec));
        let result = self.router.install_rule(now, spec);
        if let Some(rule) = rule {
            self.call(|| Call::InstallRule { rule, outcome: installed(&result) });
        }
        result
    }

    /// [`Router::pin_rule`].
    pub fn pin_rule(&mut self, id: RuleId, pinned: bool) -> bool {
        let found = self.router.pin_rule(id, pinned);
        self.call(|| Call::PinRule { rule: id.0, pinned, found });
        found
    }

    /// [`Router::revoke_rule`].
    pub fn revoke_rule(&mut self, id: RuleId) -> bool {
        let found = self.router.revoke_rule(id);
        self.call(|| Call::RevokeRule { rule: id.0, found });
        found
    }

    /// [`Router::flush_rules`].
    pub fn flush_rules(&mut self) -> usize {
        let flushed = self.router.flush_rules();
        self.call(|| Call::FlushRules { flushed });
        flushed
    }

    /// [`Router::poll_timeout`]. It changes nothing that a frame depends on, and is not recorded.
    #[must_use]
    pub fn poll_timeout(&mut self, now: Instant) -> Option<Instant> {
        self.router.poll_timeout(now)
    }

    /// [`Router::poll_event`]. It changes nothing that a frame depends on, and is not recorded.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.router.poll_event()
    }
}

/// Of all counters but the one that depends on when events are polled.
pub(super) fn counters_hash(stats: &Stats) -> String {
    let stats = Stats { events_lost: 0, ..stats.clone() };
    format!("{:016x}", fnv(&format!("{stats:?}")))
}
