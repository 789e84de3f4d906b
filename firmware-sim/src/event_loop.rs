//! The one owner of the router: reads ports, sends frames, feeds the slow path, applies its answers.
//!
//! Each turn drains every source within a budget, so that no port and no flood starves another. A forwarded
//! frame costs two system calls, its read and its write; the clock and the sleep are the turn's.

mod budget;
mod latency;
mod readiness;
mod settling;

pub use latency::{Bucketed, Latencies};
pub use settling::Settling;

use crate::availability::{Availability, AvailabilityLine};
use crate::clock::Clock;
use crate::decision_log::DecisionLog;
use crate::metrics::Scrapes;
use crate::port::{Gso, Port, Sent};
use crate::recording::{RecordedRouter, Written};
use crate::rules::Desk;
use crate::watch::{Judged, Watch};
use budget::Budget;
use llm_slowpath::{Cascade, Refused, Reply, Service, ServiceConfig, StartError};
use nix::sys::eventfd::{EfdFlags, EventFd};
use readiness::Readiness;
use smoltcp::time::Instant;
use smoltcp::wire::{Ipv4Cidr, Ipv6Cidr};
use stack::frame::FRAME_MAX;
use stack::{DivertId, Event, FrameBuf, Origin, PortId, Rejection, Router, Verdict};
use std::io;
use std::mem::take;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Longest frame that is read from a port: what a TAP with the largest MTU can hold.
pub(crate) const READ_MAX: usize = 65_536 + 18;
/// Left free before each frame, for a VLAN tag.
const TAG_ROOM: usize = 4;

/// Why the loop ended early.
#[derive(Debug, thiserror::Error)]
pub enum LoopError {
    /// The slow path did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A port failed.
    #[error("port {port}: {source}: is its interface still there and up?")]
    Port {
        /// The port's name.
        port: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// Waiting failed.
    #[error("cannot wait for frames: {0}")]
    Wait(#[from] io::Error),
}

fn failed(port: &dyn Port, source: io::Error) -> LoopError {
    LoopError::Port { port: port.name().into(), source }
}

/// The smallest MTU, if every port takes super-frames. A recording has no room for how one is to be cut.
fn whole_up_to(router: &RecordedRouter, ports: &[Box<dyn Port>]) -> Option<usize> {
    let smallest = router.config().ports.iter().map(|port| port.mtu).min();
    smallest.filter(|_| !router.is_recorded() && ports.iter().all(|port| port.takes_super_frames()))
}

/// The router with its ports and its slow path.
pub struct EventLoop {
    router: RecordedRouter,
    ports: Vec<Box<dyn Port>>,
    budgets: Vec<Budget>,
    readiness: Readiness,
    service: Service,
    wake: Arc<EventFd>,
    clock: Clock,
    latencies: Latencies,
    availability: Availability,
    /// The frame that the slow path is just not to answer.
    spared: Option<DivertId>,
    log: Option<DecisionLog>,
    watches: Vec<Box<dyn Watch>>,
    /// Where operators' orders about rules are taken.
    desk: Option<Desk>,
    /// Who wants to know what is counted.
    scrapes: Option<Scrapes>,
    buffer: Vec<u8>,
    /// One frame cut from a super-frame.
    cut: Vec<u8>,
    out: Box<[u8; FRAME_MAX]>,
    /// Segments up to this IP packet length fit every port; `None`: some port takes no super-frame.
    whole_up_to: Option<usize>,
}

impl EventLoop {
    /// Joins the router to its ports (by `PortId`) and to a slow path that asks `backends`. Of `service`, queue, replies and
    /// waker follow from the router's limits and the loop.
    ///
    /// # Errors
    /// The slow path's thread or the wake-up descriptor cannot be had.
    pub fn new(
        router: impl Into<RecordedRouter>,
        ports: Vec<Box<dyn Port>>,
        backends: impl Into<Cascade>,
        service: ServiceConfig,
        clock: Clock,
        log: Option<DecisionLog>,
    ) -> Result<Self, LoopError> {
        let router = router.into();
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let wake = Arc::new(EventFd::from_flags(flags).map_err(io::Error::from)?);
        let waker = Arc::clone(&wake);
        let limits = &router.config().limits;
        let config = ServiceConfig {
            queue: limits.divert_outstanding,
            replies: limits.divert_outstanding * 2,
            waker: Some(Arc::new(move || {
                // A full counter means that the loop is about to wake anyway.
                let _ = waker.write(1);
            })),
            ..service
        };
        let service = Service::start(backends, config)?;
        Ok(Self {
            whole_up_to: whole_up_to(&router, &ports),
            budgets: vec![Budget::new(); ports.len()],
            readiness: Readiness::new(&ports, &wake)?,
            router,
            ports,
            service,
            wake,
            clock,
            latencies: Latencies::new(),
            availability: Availability::default(),
            spared: None,
            log,
            watches: Vec::new(),
            desk: None,
            scrapes: None,
            buffer: vec![0; TAG_ROOM + READ_MAX],
            cut: vec![0; TAG_ROOM + READ_MAX],
            out: Box::new([0; FRAME_MAX]),
        })
    }

    /// Tells this one, too, of everything from now on.
    pub fn watch(&mut self, watch: Box<dyn Watch>) {
        self.watches.push(watch);
    }

    /// Takes operators' orders about rules from now on.
    pub fn open_desk(&mut self, desk: Desk) {
        self.desk = Some(desk);
    }

    /// Has what is counted copied for whoever asks, from now on.
    pub fn serve_metrics(&mut self, scrapes: Scrapes) {
        self.scrapes = Some(scrapes);
    }

    /// Wakes the loop, so that it takes an order.
    pub fn waker(&self) -> impl Fn() + Send + Sync + 'static {
        let wake = Arc::clone(&self.wake);
        move || {
            // A full counter means that the loop is about to wake anyway.
            let _ = wake.write(1);
        }
    }

    /// Has the rules kept as they are at the end, if anybody keeps them.
    pub fn close_desk(&mut self) {
        if let Some(mut desk) = self.desk.take() {
            desk.finish(self.clock.now(), &self.router);
        }
    }

    /// The router, to be looked at.
    pub fn router(&self) -> &Router<'static> {
        &self.router
    }

    /// The slow path's service, to be looked at.
    pub const fn service(&self) -> &Service {
        &self.service
    }

    /// In how many seconds the slow path failed no frame.
    pub fn availability(&self) -> AvailabilityLine {
        self.availability.until(self.clock.now())
    }

    /// Ends the recording, if there is one; what came of it. After a failure it just stops: what was queued then was
    /// never sent.
    pub fn end_recording(&mut self, well: bool) -> Option<Written> {
        self.router.end_recording(well)
    }

    /// How long things took.
    pub const fn latencies(&self) -> &Latencies {
        &self.latencies
    }

    /// Runs until `stop` is set; calls `tick` about every `interval`.
    ///
    /// # Errors
    /// A port failed; the router's books are still good.
    pub fn run(
        &mut self,
        stop: &AtomicBool,
        interval: Duration,
        mut tick: impl FnMut(&Self),
    ) -> Result<(), LoopError> {
        let step = smoltcp::time::Duration::from_micros(interval.as_micros() as u64);
        let mut next_tick = self.clock.now();
        let mut sleep = Duration::ZERO;
        while !stop.load(Ordering::Relaxed) {
            self.readiness.wait(sleep)?;
            let now = self.clock.now();
            let due = self.turn(now)?;
            if now >= next_tick {
                next_tick = now + step;
                self.router.flush_recording();
                note(&mut self.log, DecisionLog::flush);
                self.watches.iter_mut().for_each(|watch| watch.flush());
                tick(self);
            }
            sleep = Clock::until(now, due.map_or(next_tick, |due| due.min(next_tick)));
        }
        note(&mut self.log, DecisionLog::flush);
        self.watches.iter_mut().for_each(|watch| watch.flush());
        Ok(())
    }

    /// Does what there is to do; says when the router must be called again, at the latest.
    fn turn(&mut self, now: Instant) -> Result<Option<Instant>, LoopError> {
        for index in 0..self.readiness.len() {
            match self.readiness.get(index) {
                Some(port) => self.read_port(now, port)?,
                // It is not blocking, and only this loop reads it.
                None => drop(self.wake.read()),
            }
        }
        self.take_answers()?;
        if let Some(desk) = &mut self.desk {
            desk.serve(now, &mut self.router);
        }
        let mut due = self.router.poll_timeout(now);
        if due.is_some_and(|due| due <= now) {
            self.router.handle_timeout(now);
            due = self.router.poll_timeout(now);
        }
        self.flush()?;
        // What was diverted is noted before what is asked about it.
        self.log_events();
        while self.feed_slow_path() {
            // What the service knows already, it has answered by now.
            self.take_answers()?;
        }
        self.flush()?;
        self.log_events();
        let counting = self.serve_scrape().then_some(Instant::ZERO);
        let save = self.desk.as_ref().and_then(Desk::due);
        Ok(due.into_iter().chain(save).chain(counting).min())
    }

    /// Copies what is counted if somebody asks; says whether there is more to do about that.
    fn serve_scrape(&mut self) -> bool {
        let Some(mut scrapes) = self.scrapes.take_if(|scrapes| scrapes.is_asked()) else { return false };
        let goes_on = scrapes.serve(self);
        self.scrapes = Some(scrapes);
        goes_on
    }

    /// Handles the frames that wait at one port, within its budget.
    fn read_port(&mut self, now: Instant, index: usize) -> Result<(), LoopError> {
        // Taken out, so that a frame in it may be lent to the router.
        let mut buffer = take(&mut self.buffer);
        let result = self.read_frames(now, index, &mut buffer);
        self.buffer = buffer;
        result
    }

    fn read_frames(&mut self, now: Instant, index: usize, buffer: &mut [u8]) -> Result<(), LoopError> {
        for taken in 0..self.budgets[index].frames() {
            let port = &mut self.ports[index];
            let received = port.receive(&mut buffer[TAG_ROOM..]).map_err(|source| failed(&**port, source))?;
            let Some(received) = received else {
                self.budgets[index].drained_after(taken);
                return Ok(());
            };
            match received.gso {
                None => {
                    let frame = FrameBuf::with_room(buffer, TAG_ROOM, received.len);
                    self.handle(now, index, frame, None)?;
                }
                Some(gso) => {
                    let frame = &mut buffer[TAG_ROOM..TAG_ROOM + received.len];
                    if self.passes_whole(frame, &gso) {
                        let frame = FrameBuf::with_segments(frame, gso.segment_len());
                        self.handle(now, index, frame, Some(&gso))?;
                    } else {
                        self.handle_cut(now, index, frame, &gso)?;
                    }
                }
            }
        }
        self.budgets[index].used_up();
        Ok(())
    }

    fn handle(
        &mut self,
        now: Instant,
        index: usize,
        mut frame: FrameBuf<'_>,
        gso: Option<&Gso>,
    ) -> Result<(), LoopError> {
        let received_len = frame.len();
        for watch in &mut self.watches {
            watch.received(PortId(index as u8), frame.bytes(), self.router.stats());
        }
        let timer = self.latencies.start();
        let verdict = self.router.handle_frame(now, PortId(index as u8), &mut frame);
        self.latencies.fast(timer);
        if !self.watches.is_empty() {
            self.tell_judged(now, PortId(index as u8), &frame, verdict);
        }
        if let Verdict::Forward { port: id } = verdict {
            let port = &mut self.ports[id.index()];
            let sent = match gso {
                None => port.send(frame.bytes()),
                Some(gso) => port.send_super_frame(frame.bytes(), gso),
            };
            match sent.map_err(|source| failed(&**port, source))? {
                Sent::Done => self.watches.iter_mut().for_each(|watch| watch.sent(id, None, frame.bytes())),
                Sent::Full => self.router.unforwarded(received_len, frame.len()),
            }
        }
        self.flush()
    }

    /// Tells those that look on of a frame and of its own events, before any other frame's.
    fn tell_judged(&mut self, now: Instant, port: PortId, frame: &FrameBuf<'_>, verdict: Verdict) {
        let judged = Judged { now, port, frame: frame.bytes(), verdict, stats: self.router.stats() };
        // The other way round than `received`, so that whoever measures time can stand closest to the router.
        self.watches.iter_mut().rev().for_each(|watch| watch.judged(&judged, &self.router));
        self.log_events();
    }

    /// May a super-frame be classified, rewritten and sent as one frame?
    fn passes_whole(&self, frame: &[u8], gso: &Gso) -> bool {
        let ports = &self.router.config().ports;
        let is_own = |to: IpAddr| match to {
            IpAddr::V4(to) => ports.iter().flat_map(|p| &p.addresses).map(Ipv4Cidr::address).any(|a| a == to),
            IpAddr::V6(to) => ports.iter().flat_map(|p| &p.ipv6).map(Ipv6Cidr::address).any(|a| a == to),
        };
        self.whole_up_to.is_some_and(|most| gso.segment_len() <= most) && gso.is_plain_transit(frame, is_own)
    }

    /// Handles a super-frame as the frames that it stands for.
    fn handle_cut(&mut self, now: Instant, index: usize, frame: &[u8], gso: &Gso) -> Result<(), LoopError> {
        let mut cut = take(&mut self.cut);
        let result = (0..gso.count(frame)).try_for_each(|number| {
            let len = gso.cut(frame, number, &mut cut[TAG_ROOM..]);
            self.handle(now, index, FrameBuf::with_room(&mut cut, TAG_ROOM, len), None)
        });
        self.cut = cut;
        result
    }

    /// Sends everything that the router has to send.
    fn flush(&mut self) -> Result<(), LoopError> {
        while let Some(transmit) = self.router.poll_transmit(&mut self.out) {
            let frame = &self.out[..transmit.len];
            let port = &mut self.ports[transmit.port.index()];
            let sent = port.send(frame).map_err(|source| failed(&**port, source))?;
            if sent == Sent::Done {
                let watches = self.watches.iter_mut();
                watches.for_each(|watch| watch.sent(transmit.port, Some(transmit.origin), frame));
            }
            match (sent, transmit.origin) {
                (Sent::Full, _) => self.router.unsent(&transmit),
                (Sent::Done, Origin::Ruled(rule)) => {
                    let clock = self.clock;
                    note(&mut self.log, |log| log.ruled(clock.now(), rule, transmit.port, frame));
                }
                (Sent::Done, Origin::Injected(id)) => {
                    let clock = self.clock;
                    note(&mut self.log, |log| log.injected(clock.now(), id, transmit.port, frame));
                }
                (Sent::Done, _) => {}
            }
        }
        Ok(())
    }

    /// Hands diverted frames to the slow path; says whether there were any. What it refuses ends by default at once.
    fn feed_slow_path(&mut self) -> bool {
        let mut fed = false;
        while let Some(diverted) = self.router.poll_divert(&mut self.out) {
            fed = true;
            let now = self.clock.now();
            let budget = Clock::until(now, diverted.deadline);
            let id = diverted.id;
            self.latencies.diverted(&diverted);
            let by_class = self.service.asks_by_class(diverted.reason());
            let frame = &self.out[..diverted.len];
            match self.service.submit(diverted, frame, budget) {
                Ok(()) => note(&mut self.log, |log| log.asked(now, id, by_class)),
                Err(refused) => self.give_up(now, id, refused),
            }
        }
        fed
    }

    /// The slow path does not take the frame: its default acts.
    fn give_up(&mut self, now: Instant, id: DivertId, why: Refused) {
        self.router.abandon(now, id);
        note(&mut self.log, |log| log.abandoned(now, id, &why));
        // What the operator's budget refuses is no failure of the slow path. Its event is the last one.
        self.spared = why.is_policy().then_some(id);
        self.log_events();
        self.spared = None;
    }

    fn take_answers(&mut self) -> Result<(), LoopError> {
        while let Some(reply) = self.service.try_recv() {
            let clock = self.clock;
            note(&mut self.log, |log| log.reply(clock.now(), &reply));
            self.watches.iter_mut().for_each(|watch| watch.reply(&reply));
            self.take_answer(&reply);
            self.flush()?;
            self.log_events();
            self.latencies.answered(reply.id, self.clock.now());
        }
        Ok(())
    }

    fn take_answer(&mut self, reply: &Reply) {
        let now = self.clock.now();
        let Ok(answer) = &reply.answer else { return self.router.abandon(now, reply.id) };
        // The reasons of both rejections are counted, and in the events.
        let approved = self.router.approve(now, &answer.as_answer());
        let verdict = approved.and_then(|approved| self.router.apply(now, approved));
        if verdict.is_ok() {
            self.latencies.applied(reply.id, answer.source);
        }
        if verdict == Err(Rejection::WrongNonce) {
            // The id is the service's, not the model's: nobody else will answer this frame.
            self.router.abandon(now, reply.id);
        }
        self.service.judged(reply, verdict);
    }

    fn log_events(&mut self) {
        while let Some(event) = self.router.poll_event() {
            if let Event::Unanswered { id, .. } = event
                && self.spared != Some(id)
            {
                self.availability.failed(self.clock.now());
            }
            if let (Event::Rule { id, change }, Some(desk)) = (&event, &mut self.desk) {
                desk.rule_changed(*id, *change);
            }
            let clock = self.clock;
            note(&mut self.log, |log| log.event(clock.now(), &event));
            self.watches.iter_mut().for_each(|watch| watch.event(&event));
        }
    }
}

/// Writes to the decision log. A full disk ends the log, never the run.
fn note(log: &mut Option<DecisionLog>, write: impl FnOnce(&mut DecisionLog) -> io::Result<()>) {
    if let Some(open) = log
        && let Err(error) = write(open)
    {
        eprintln!("decision log: {error}: is the disk full? Nothing more is written to it");
        *log = None;
    }
}
