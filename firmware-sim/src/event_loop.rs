//! The one owner of the router: reads ports, sends frames, feeds the slow path, applies its answers.
//!
//! Each turn drains every source within a budget, so that no port and no flood starves another.

mod latency;

pub use latency::Latencies;

use crate::clock::Clock;
use crate::decision_log::DecisionLog;
use crate::port::{Port, Sent};
use llm_slowpath::{Backend, Reply, Service, ServiceConfig, StartError};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;
use smoltcp::time::Instant;
use stack::frame::FRAME_MAX;
use stack::{FrameBuf, Origin, PortId, Router, Verdict};
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Frames taken from one port in one turn.
const PORT_BUDGET: usize = 64;
/// Longest frame that is read from a port: what a TAP with the largest MTU can hold.
const READ_MAX: usize = 65_536 + 18;

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
    /// The decision log cannot be written.
    #[error("decision log: {0}: is the disk full?")]
    Log(io::Error),
}

/// The router with its ports and its slow path.
pub struct EventLoop {
    router: Router<'static>,
    ports: Vec<Box<dyn Port>>,
    service: Service,
    wake: Arc<EventFd>,
    clock: Clock,
    latencies: Latencies,
    log: Option<DecisionLog>,
    buffer: Vec<u8>,
    out: Box<[u8; FRAME_MAX]>,
}

impl EventLoop {
    /// Joins the router to its ports (by `PortId`) and to a slow path that uses `backend`.
    ///
    /// # Errors
    /// The slow path's thread or the wake-up descriptor cannot be had.
    pub fn new(
        router: Router<'static>,
        ports: Vec<Box<dyn Port>>,
        backend: impl Into<Backend>,
        clock: Clock,
        log: Option<DecisionLog>,
    ) -> Result<Self, LoopError> {
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
            ..ServiceConfig::default()
        };
        let service = Service::start(backend, config)?;
        Ok(Self {
            router,
            ports,
            service,
            wake,
            clock,
            latencies: Latencies::new(),
            log,
            buffer: vec![0; READ_MAX],
            out: Box::new([0; FRAME_MAX]),
        })
    }

    /// The router, to be looked at.
    pub const fn router(&self) -> &Router<'static> {
        &self.router
    }

    /// How long things took.
    pub const fn latencies(&self) -> &Latencies {
        &self.latencies
    }

    /// Runs until `stop` is set; calls `tick` about every `interval`.
    ///
    /// # Errors
    /// A port or the log failed; the router's books are still good.
    pub fn run(
        &mut self,
        stop: &AtomicBool,
        interval: Duration,
        mut tick: impl FnMut(&Self),
    ) -> Result<(), LoopError> {
        let step = smoltcp::time::Duration::from_micros(interval.as_micros() as u64);
        let mut next_tick = self.clock.now();
        while !stop.load(Ordering::Relaxed) {
            self.turn(next_tick)?;
            let now = self.clock.now();
            if now >= next_tick {
                next_tick = now + step;
                tick(self);
            }
        }
        if let Some(log) = &mut self.log {
            log.flush().map_err(LoopError::Log)?;
        }
        Ok(())
    }

    /// Waits for something to do, no longer than until `until`, and does it.
    fn turn(&mut self, until: Instant) -> Result<(), LoopError> {
        let mut busy = false;
        for index in 0..self.ports.len() {
            busy |= self.read_port(index)?;
        }
        self.take_answers()?;
        let now = self.clock.now();
        if self.router.poll_timeout(now).is_some_and(|due| due <= now) {
            self.router.handle_timeout(now);
        }
        self.flush()?;
        self.feed_slow_path();
        self.flush()?;
        self.log_events()?;
        if busy { Ok(()) } else { self.wait(until) }
    }

    fn wait(&mut self, until: Instant) -> Result<(), LoopError> {
        let now = self.clock.now();
        let due = self.router.poll_timeout(now).map_or(until, |due| due.min(until));
        let timeout = TimeSpec::from_duration(Clock::until(now, due));
        let readable = PollFlags::POLLIN;
        let mut fds: Vec<_> =
            self.ports.iter().filter_map(|port| port.fd()).map(|fd| PollFd::new(fd, readable)).collect();
        fds.push(PollFd::new(self.wake.as_fd(), readable));
        match ppoll(&mut fds, Some(timeout), None) {
            // A signal: the caller looks at its flag.
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(io::Error::from(errno).into()),
        }
        // Empty unless it was the waker.
        let _ = self.wake.read();
        Ok(())
    }

    /// Handles the frames that wait at one port; says whether the budget was used up.
    fn read_port(&mut self, index: usize) -> Result<bool, LoopError> {
        for _ in 0..PORT_BUDGET {
            let port = &mut self.ports[index];
            let failed = |source, name: &str| LoopError::Port { port: name.into(), source };
            let Some(received_len) = port.receive(&mut self.buffer).map_err(|e| failed(e, port.name()))?
            else {
                return Ok(false);
            };
            let started = std::time::Instant::now();
            let mut frame = FrameBuf::new(&mut self.buffer[..received_len]);
            let verdict = self.router.handle_frame(self.clock.now(), PortId(index as u8), &mut frame);
            self.latencies.fast(started.elapsed());
            if let Verdict::Forward { port: egress } = verdict {
                let egress = &mut self.ports[egress.index()];
                match egress.send(frame.bytes()).map_err(|e| failed(e, egress.name()))? {
                    Sent::Done => {}
                    Sent::Full => self.router.unforwarded(received_len, frame.len()),
                }
            }
            self.flush()?;
        }
        Ok(true)
    }

    /// Sends everything that the router has to send.
    fn flush(&mut self) -> Result<(), LoopError> {
        while let Some(transmit) = self.router.poll_transmit(&mut self.out) {
            let frame = &self.out[..transmit.len];
            let port = &mut self.ports[transmit.port.index()];
            let sent =
                port.send(frame).map_err(|source| LoopError::Port { port: port.name().into(), source })?;
            match (sent, transmit.origin, &mut self.log) {
                (Sent::Full, _, _) => self.router.unsent(&transmit),
                (Sent::Done, Origin::Injected(id), Some(log)) => {
                    log.injected(self.clock.now(), id, transmit.port, frame).map_err(LoopError::Log)?;
                }
                (Sent::Done, _, _) => {}
            }
        }
        Ok(())
    }

    /// Hands diverted frames to the slow path. What it refuses ends by default at once.
    fn feed_slow_path(&mut self) {
        while let Some(diverted) = self.router.poll_divert(&mut self.out) {
            let now = self.clock.now();
            let budget = Clock::until(now, diverted.deadline);
            let id = diverted.id;
            self.latencies.diverted(&diverted);
            let frame = &self.out[..diverted.len];
            if self.service.submit(diverted, frame, budget).is_err() {
                self.router.abandon(now, id);
            }
        }
    }

    fn take_answers(&mut self) -> Result<(), LoopError> {
        while let Some(reply) = self.service.try_recv() {
            self.take_answer(&reply);
            self.flush()?;
            self.latencies.answered(reply.id, self.clock.now());
        }
        Ok(())
    }

    fn take_answer(&mut self, reply: &Reply) {
        let now = self.clock.now();
        match &reply.answer {
            Ok(answer) => {
                // The reasons of both rejections are counted, and in the events.
                if let Ok(approved) = self.router.approve(now, &answer.as_answer())
                    && self.router.apply(now, approved).is_ok()
                {
                    self.latencies.applied(reply.id);
                }
            }
            Err(_) => self.router.abandon(now, reply.id),
        }
    }

    fn log_events(&mut self) -> Result<(), LoopError> {
        while let Some(event) = self.router.poll_event() {
            if let Some(log) = &mut self.log {
                log.event(self.clock.now(), &event).map_err(LoopError::Log)?;
            }
        }
        Ok(())
    }
}
