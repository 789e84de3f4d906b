//! The bench: a router in virtual time, without thread or device, and every law checked at every step.

use super::act::{Act, How};
use super::forwarded::Routes;
use super::heard::Heard;
use super::invariant::{Checked, Invariant, Violation, require};
use super::laws::may_be_fragment;
use super::setup::Setup;
use super::tally::Tally;
use pktgen::oracle::Neighbor;
use pktgen::{Expected, Generator, World};
use smoltcp::time::{Duration, Instant};
use stack::frame::FRAME_MAX;
use stack::stats::Path;
use stack::{Anomaly, DivertId, Diverted, FrameBuf, PortId, Posture, Router, Verdict};
use std::collections::VecDeque;

/// Frames that the bench remembers having gone in without an end: more than any router holds.
pub(super) const REMEMBERED: usize = 256;
/// As many as the router may hold.
const HELD: usize = 64;
/// Between two looks at the timeout, and at the tables.
const TIMEOUT_EVERY: u64 = 16;
const OCCUPANCY_EVERY: u64 = 256;

/// A frame, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Incoming<'a> {
    /// Since the beginning of the router's life, in microseconds.
    pub(super) at: u64,
    pub(super) port: u8,
    pub(super) bytes: &'a [u8],
    pub(super) expected: Expected,
}

/// A frame that went in, and may come out again.
#[derive(Debug, Clone)]
pub(super) struct Gone {
    pub(super) port: PortId,
    pub(super) reason: Option<Anomaly>,
    pub(super) bytes: Vec<u8>,
}

/// A frame that the slow path has.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) about: Diverted,
    pub(super) bytes: Vec<u8>,
}

impl Pending {
    fn gone(&self) -> Gone {
        Gone { port: self.about.port(), reason: Some(self.about.reason()), bytes: self.bytes.clone() }
    }
}

/// What a test does to a frame that was forwarded, so that a law is broken.
#[cfg(test)]
pub(super) type Meddle = fn(&mut [u8]);

/// A router and what is known of it.
pub(super) struct Bench {
    pub(super) setup: Setup,
    pub(super) router: Router<'static>,
    pub(super) world: World,
    /// The same without hosts: the router's table alone says who has which MAC address.
    pub(super) nobody: World,
    pub(super) posture: Posture,
    pub(super) routes: Routes,
    /// Those that there were before: a frame that waits keeps its next hop.
    pub(super) routes_before: VecDeque<Routes>,
    pub(super) checked: Checked,
    pub(super) tally: Tally,
    pub(super) now: Instant,
    /// By how much waiting has put the clock forward.
    ahead: Duration,
    frames: u64,
    pub(super) seen: [u64; Anomaly::COUNT],
    pub(super) neighbors: Vec<Neighbor>,
    pub(super) neighbors_old: bool,
    pub(super) pending: VecDeque<Pending>,
    /// Frames that wait for a neighbour, or of which a rule has made something that does.
    pub(super) waiting: VecDeque<Gone>,
    /// Has an error about the frame in hand been sent?
    pub(super) heard: bool,
    /// Frames that are never answered.
    pub(super) never: VecDeque<Gone>,
    /// Frames about which an error waits.
    pub(super) unheard: VecDeque<Gone>,
    /// Frames that were answered.
    pub(super) answered: VecDeque<Gone>,
    /// First fragments for the router itself: it may say later that it has given their datagrams up.
    pub(super) fragments: VecDeque<Gone>,
    /// Diverts whose answers were applied, and from which no frame has come yet.
    pub(super) applied: VecDeque<(DivertId, Gone)>,
    /// Every packet that came in.
    pub(super) packets: Heard,
    greetings: Vec<(u8, Vec<u8>)>,
    /// The frame before, if it was a fragment and no time has passed but the stream's.
    pub(super) fragment_before: Vec<u8>,
    buffer: Box<[u8; FRAME_MAX]>,
    pub(super) out: Box<[u8; FRAME_MAX]>,
    #[cfg(test)]
    pub(super) meddle: Option<Meddle>,
}

impl Bench {
    /// A fresh router.
    ///
    /// # Errors
    /// The setup is none.
    pub(super) fn new(setup: &Setup) -> Result<Self, String> {
        let world = setup.world();
        let router = setup.router(&world).map_err(|error| match error {
            Some(error) => error.to_string(),
            None => "a posture, mode or reason that there is not".to_owned(),
        })?;
        let mut nobody = world.clone();
        nobody.ports.iter_mut().for_each(|port| port.hosts.clear());
        let greetings = Generator::new(world.clone(), 0).greetings();
        Ok(Self {
            setup: setup.clone(),
            posture: router.config().posture,
            nobody,
            routes: Routes::default(),
            routes_before: VecDeque::new(),
            checked: Checked::default(),
            tally: Tally::default(),
            now: Instant::from_secs(1),
            ahead: Duration::ZERO,
            frames: 0,
            seen: [0; Anomaly::COUNT],
            neighbors: Vec::new(),
            neighbors_old: true,
            pending: VecDeque::new(),
            waiting: VecDeque::new(),
            heard: false,
            never: VecDeque::new(),
            unheard: VecDeque::new(),
            answered: VecDeque::new(),
            fragments: VecDeque::new(),
            applied: VecDeque::new(),
            greetings: greetings.into_iter().map(|made| (made.port, made.bytes)).collect(),
            packets: Heard::new(),
            fragment_before: Vec::new(),
            buffer: Box::new([0; FRAME_MAX]),
            out: Box::new([0; FRAME_MAX]),
            #[cfg(test)]
            meddle: None,
            router,
            world,
        })
    }

    /// Does what comes before the first frame.
    ///
    /// # Errors
    /// The law that is broken.
    pub(super) fn begin(&mut self) -> Result<(), Violation> {
        if self.setup.known { self.greet() } else { Ok(()) }
    }

    /// Does the slow path have a frame?
    pub(super) fn is_asked(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The router receives a frame; all that comes of it is judged.
    ///
    /// # Errors
    /// The law that is broken.
    #[inline]
    pub(super) fn frame(&mut self, frame: &Incoming<'_>) -> Result<(), Violation> {
        self.now = self.now.max(Instant::from_micros(1_000_000 + frame.at as i64) + self.ahead);
        self.frames += 1;
        if self.frames.is_multiple_of(TIMEOUT_EVERY) {
            self.timeouts(self.now)?;
        }
        self.receive(frame)?;
        if self.frames.is_multiple_of(OCCUPANCY_EVERY) {
            self.occupancy()?;
        }
        Ok(())
    }

    fn receive(&mut self, frame: &Incoming<'_>) -> Result<(), Violation> {
        let received = frame.bytes;
        self.checked.note(Invariant::NoPanic);
        self.packets.note(received);
        self.refresh_neighbors();
        let before = Before::of(&self.router);
        let room = &mut self.buffer[..received.len()];
        room.copy_from_slice(received);
        let base = room.as_ptr();
        let mut in_place = FrameBuf::new(room);
        let verdict = self.router.handle_frame(self.now, PortId(frame.port), &mut in_place);
        // A rule may have taken it out of an envelope at its beginning.
        let (start, len) = (in_place.bytes().as_ptr().addr() - base.addr(), in_place.len());
        #[cfg(test)]
        if let (Some(meddle), Verdict::Forward { .. }) = (self.meddle, verdict) {
            meddle(&mut self.buffer[start..start + len]);
        }
        let reason = self.reason(frame)?;
        self.verdict(frame, verdict, reason, &before)?;
        self.tally.verdict(verdict, received.len());
        if let Verdict::Forward { port } = verdict {
            let path = self.router.stats().by_path(Path::Rule).frames - before.ruled;
            self.forwarded(frame, reason, port, (start, len), path > 0)?;
        } else if matches!(verdict, Verdict::Consume) {
            self.neighbors_old = true;
            let stats = self.router.stats();
            let plain = matches!(received.get(12..14), Some([8, 6])) || is_nd(received);
            if stats.held.frames > before.held || stats.fragmented > before.fragmented || !plain {
                let gone = Gone { port: PortId(frame.port), reason, bytes: received.to_vec() };
                remember(&mut self.waiting, gone);
            }
        }
        if matches!(verdict, Verdict::Deliver | Verdict::Drop(_)) && is_first_fragment(received) {
            let gone = Gone { port: PortId(frame.port), reason, bytes: received.to_vec() };
            remember(&mut self.fragments, gone);
        }
        self.fragment_before.clear();
        if may_be_fragment(received) {
            self.fragment_before.extend_from_slice(received);
        }
        self.heard = false;
        self.drain(Some((frame.port, received, reason)))?;
        if self.router.stats().icmp_errors > before.errors && !self.heard {
            // The error has to wait for its next hop.
            let gone = Gone { port: PortId(frame.port), reason, bytes: received.to_vec() };
            remember(&mut self.unheard, gone);
        }
        self.poll();
        if matches!(verdict, Verdict::Divert(_)) && self.router.divert_occupancy().0 > 0 {
            // It may never be the slow path's turn to get it.
            let gone = Gone { port: PortId(frame.port), reason, bytes: received.to_vec() };
            remember(&mut self.never, gone);
        }
        self.balance()
    }

    /// Hands every frame that the slow path may have to it.
    fn poll(&mut self) {
        while let Some(about) = self.router.poll_divert(&mut self.out) {
            if self.pending.len() >= REMEMBERED
                && let Some(old) = self.pending.pop_front()
            {
                remember(&mut self.never, old.gone());
            }
            let bytes = self.out[..about.len].to_vec();
            self.pending.push_back(Pending { about, bytes });
        }
        while self.router.poll_event().is_some() {}
    }

    pub(super) fn balance(&mut self) -> Result<(), Violation> {
        self.checked.note(Invariant::BooksBalance);
        match self.router.stats().balance() {
            Ok(()) => Ok(()),
            Err(imbalance) => {
                Err(Violation { invariant: Invariant::BooksBalance, how: format!("{imbalance:?}") })
            }
        }
    }

    /// Calls the router wherever it asks to be called until then.
    fn timeouts(&mut self, end: Instant) -> Result<(), Violation> {
        while let Some(due) = self.router.poll_timeout(self.now).filter(|&due| due <= end) {
            self.now = self.now.max(due);
            let (before, _) = self.errors();
            self.router.handle_timeout(self.now);
            self.neighbors_old = true;
            self.checked.note(Invariant::NoPanic);
            let again = self.router.poll_timeout(self.now);
            self.checked.note(Invariant::TimeMovesOn);
            require(again.is_none_or(|again| again > self.now), Invariant::TimeMovesOn, || {
                format!("at {} it is to be called again at {again:?}", self.now)
            })?;
            let (told, judged) = self.errors();
            self.drain(None)?;
            if told - before > self.errors().1 - judged {
                let late: Vec<_> = self.never.iter().rev().take(HELD).cloned().collect();
                late.into_iter().for_each(|gone| remember(&mut self.unheard, gone));
            }
            self.balance()?;
        }
        self.now = self.now.max(end);
        self.learn_seen();
        Ok(())
    }

    /// ICMP errors that the router counts, and those that were judged.
    const fn errors(&self) -> (u64, u64) {
        (self.router.stats().icmp_errors, self.checked.of(Invariant::ErrorsJustified))
    }

    fn wait(&mut self, time: Duration) -> Result<(), Violation> {
        self.ahead += time;
        self.fragment_before.clear();
        self.timeouts(self.now + time)
    }

    /// What was seen since is not the next frame's.
    fn learn_seen(&mut self) {
        self.seen = self.router.stats().seen;
    }

    fn greet(&mut self) -> Result<(), Violation> {
        let greetings = std::mem::take(&mut self.greetings);
        let at = (self.now - self.ahead).total_micros().saturating_sub(1_000_000) as u64;
        let greeted = greetings.iter().try_for_each(|(port, bytes)| {
            self.receive(&Incoming { at, port: *port, bytes, expected: Expected::Unknown })
        });
        self.greetings = greetings;
        greeted
    }

    /// Does something beside the frames.
    ///
    /// # Errors
    /// The law that is broken.
    pub(super) fn act(&mut self, act: Act) -> Result<(), Violation> {
        self.checked.note(Invariant::NoPanic);
        match act {
            Act::Answer { how, which, dice } => {
                let Some(at) = usize::from(which).checked_rem(self.pending.len()) else { return Ok(()) };
                let Some(pending) = self.pending.remove(at) else { return Ok(()) };
                self.tally.answers[how as usize].given += 1;
                let list = if how == How::Never { &mut self.never } else { &mut self.answered };
                remember(list, pending.gone());
                if how == How::Late {
                    let deadline = Duration::from_millis(self.setup.divert_deadline_ms + 1);
                    self.wait(deadline)?;
                }
                let gone = pending.gone();
                let (told, judged) = self.errors();
                self.answer(how, pending, dice)?;
                self.drain(None)?;
                if self.errors().0 - told > self.errors().1 - judged {
                    remember(&mut self.unheard, gone);
                }
            }
            Act::Wait { milliseconds } => self.wait(Duration::from_millis(milliseconds))?,
            Act::Greet => self.greet()?,
            Act::Route { dice } => self.change_routes(dice),
            Act::Rule { dice } => self.change_rules(dice),
        }
        self.neighbors_old = true;
        self.drain(None)?;
        self.poll();
        self.learn_seen();
        self.balance()
    }

    fn occupancy(&mut self) -> Result<(), Violation> {
        self.checked.note(Invariant::OccupancyBounded);
        let (queued, outstanding) = self.router.divert_occupancy();
        let held = self.router.stats().held.frames as usize;
        let (rules, active) = self.router.rule_occupancy();
        let neighbors = self.router.neighbors().iter().count().max(self.router.neighbors_v6().iter().count());
        let setup = &self.setup;
        let most = setup.divert_queue + setup.divert_outstanding + setup.waiting;
        let holds = queued <= setup.divert_queue
            && outstanding <= setup.divert_outstanding
            && held <= most
            && rules.max(active) <= setup.rules
            && self.router.flows_remembered() <= 64
            && neighbors <= setup.neighbors;
        require(holds, Invariant::OccupancyBounded, || {
            format!(
                "diverts {queued} queued, {outstanding} outstanding; {held} frames held; rules {rules}, {active}; \
                 neighbours {neighbors}"
            )
        })
    }

    /// Ends the router's life: an hour passes.
    ///
    /// # Errors
    /// The law that is broken.
    pub(super) fn end(&mut self) -> Result<(), Violation> {
        self.occupancy()?;
        self.wait(Duration::from_secs(3_600))?;
        self.checked.note(Invariant::AllSettles);
        let stats = self.router.stats();
        let ended: u64 = Path::ALL.into_iter().map(|path| stats.by_path(path).frames).sum();
        let received = stats.received.frames;
        require(self.router.is_settled() && ended == received, Invariant::AllSettles, || {
            format!("{received} frames received, {ended} ended, {:?} held", self.router.stats().held)
        })?;
        Ok(())
    }

    /// The neighbours that the router knows now.
    pub(super) fn refresh_neighbors(&mut self) {
        if std::mem::take(&mut self.neighbors_old) {
            self.neighbors.clear();
            let v4 = self.router.neighbors().iter();
            self.neighbors.extend(v4.map(|(port, address, mac)| (port, address.into(), mac.0)));
            let v6 = self.router.neighbors_v6().iter();
            self.neighbors.extend(v6.map(|(port, address, mac)| (port, address.into(), mac.0)));
        }
    }

    /// The buffer of the frame in hand.
    pub(super) fn in_hand(&self, (start, len): (usize, usize)) -> &[u8] {
        &self.buffer[start..start + len]
    }
}

/// A message of Neighbour Discovery, which waits for nothing?
fn is_nd(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[0x86, 0xdd])
        && frame.get(20) == Some(&58)
        && matches!(frame.get(54), Some(133..=137))
}

/// Is it, or may it be, the first fragment of a datagram?
fn is_first_fragment(frame: &[u8]) -> bool {
    match frame.get(12..22) {
        Some([0x08, 0x00, _, _, _, _, _, _, flags, offset]) => flags & 0x3f == 0x20 && *offset == 0,
        // Hop-by-Hop Options, Routing, Fragment, Destination Options: RFC 8200 §4.1.
        Some([0x86, 0xdd, _, _, _, _, _, _, 0 | 43 | 44 | 60, _]) => true,
        _ => false,
    }
}

/// Keeps a frame, and forgets the oldest one where there are too many.
pub(super) fn remember(list: &mut VecDeque<Gone>, gone: Gone) {
    if list.len() >= REMEMBERED {
        list.pop_front();
    }
    list.push_back(gone);
}

/// The counters that a verdict moves, before the frame.
pub(super) struct Before {
    pub(super) received: stack::stats::Count,
    pub(super) disposed: [u64; 4],
    pub(super) held: u64,
    pub(super) ruled: u64,
    pub(super) fragmented: u64,
    pub(super) errors: u64,
}

impl Before {
    #[inline]
    fn of(router: &Router<'_>) -> Self {
        let stats = router.stats();
        Self {
            received: stats.received,
            disposed: stack::stats::Disposition::ALL.map(|which| stats.disposed(which).frames),
            held: stats.held.frames,
            ruled: stats.by_path(Path::Rule).frames,
            fragmented: stats.fragmented,
            errors: stats.icmp_errors,
        }
    }
}
