//! What comes out of the router: frames to send, frames for the slow path, events, the next timeout.

use crate::Router;
use crate::divert::{ClassKey, DivertId, Diverted, Outcome};
use crate::event::Event;
use crate::forward::{Origin, Transmit};
use crate::frame::FRAME_MAX;
use crate::stats::{Path, Stats};
use smoltcp::time::Instant;

impl Router<'_> {
    /// The next frame to send, written to `out`. Call until `None` after every other call.
    #[must_use]
    pub fn poll_transmit(&mut self, out: &mut [u8; FRAME_MAX]) -> Option<Transmit> {
        self.egress.pop(out)
    }

    /// The next frame for the slow path, copied to `out`. `None`: none is queued, or the slow path has
    /// as many as it may have. An id is answered with `approve`, or given up with [`Router::abandon`].
    #[must_use]
    pub fn poll_divert(&mut self, out: &mut [u8; FRAME_MAX]) -> Option<Diverted> {
        let id = self.diverts.next(&self.config.limits)?;
        let (_, held, frame) = self.diverts.get(id)?;
        out[..held.len].copy_from_slice(frame);
        let port = &self.config.ports[held.port.index()];
        let class = ClassKey::of(held.reason, held.port, frame, self.config.posture, port, &self.locals);
        Some(Diverted {
            id,
            nonce: self.nonce(id),
            boundary: self.boundary(id),
            class,
            mode: held.mode,
            received_at: held.received_at,
            deadline: held.deadline,
            len: held.len,
            flow: self.flows.summary(held.flow),
        })
    }

    /// The slow path gives this frame up (refusal, failure, no room): its default acts at once.
    pub fn abandon(&mut self, now: Instant, id: DivertId) {
        let Some((_, held, _)) = self.diverts.get(id) else { return };
        self.stats.diverts[held.reason as usize].unanswered += 1;
        self.flows.end(held.flow, Outcome::Unanswered);
        self.note(Event::Unanswered { id, reason: held.reason });
        self.settle_by_default(now, id);
    }

    /// The next event.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop()
    }

    /// When [`Router::handle_timeout`] must be called, at the latest.
    #[must_use]
    pub fn poll_timeout(&mut self, now: Instant) -> Option<Instant> {
        let diverts = self.diverts.oldest().map(|(_, deadline)| deadline);
        let neighbors = [self.neighbors.poll_timeout(), self.neighbors_v6.poll_timeout()];
        let host = [self.host.poll_at(now), self.reassembly.poll_timeout()];
        let rules = self.rules.poll_timeout();
        [diverts, rules].into_iter().chain(neighbors).chain(host).flatten().min()
    }

    /// Does what is due: defaults at deadlines, ARP retries, the host's own timers.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((id, deadline)) = self.diverts.oldest() {
            if deadline > now {
                break;
            }
            self.abandon(now, id);
        }
        self.handle_neighbor_timeout(now);
        self.handle_reassembly_timeout(now);
        self.handle_rules_timeout(now);
        self.drain_host(now, None);
    }

    /// The caller's device had no room for a frame from [`Router::poll_transmit`].
    pub fn unsent(&mut self, transmit: &Transmit) {
        match transmit.origin {
            Origin::Forwarded { received_len, path } => {
                self.unsend_forwarded(transmit.len, received_len, path);
            }
            Origin::Fragment => {
                self.stats.sent.fragments.sub(transmit.len);
                self.stats.fragments_lost += 1;
            }
            Origin::Originated => {
                self.stats.sent.originated.sub(transmit.len);
                self.stats.originated_lost += 1;
            }
            Origin::Injected(_) | Origin::Ruled(_) => {
                self.stats.sent.injected.sub(transmit.len);
                self.stats.injected_lost += 1;
            }
        }
    }

    /// The caller's device had no room for a frame that [`crate::Verdict::Forward`] told it to send;
    /// it was `received_len` bytes long before `handle_frame`, and `sent_len` after.
    pub fn unforwarded(&mut self, received_len: usize, sent_len: usize) {
        self.unsend_forwarded(sent_len, received_len, Path::Fast);
    }

    /// A copy of the books.
    #[must_use]
    pub fn snapshot(&self) -> Stats {
        self.stats.clone()
    }

    /// The books themselves.
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Frames in the divert arena: queued, outstanding.
    pub const fn divert_occupancy(&self) -> (usize, usize) {
        self.diverts.occupancy()
    }

    /// Flows of diverted frames that are remembered.
    pub const fn flows_remembered(&self) -> usize {
        self.flows.len()
    }

    /// Is nothing held? Then every received frame has ended.
    pub const fn is_settled(&self) -> bool {
        self.stats.held.frames == 0
    }
}
