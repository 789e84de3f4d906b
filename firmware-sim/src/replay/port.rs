//! The ports of a replay: the tape is received at one of them, and what the router sends is looked at and let go.

use super::hosts::Hosts;
use super::stamp::Stamp;
use super::tape::Tape;
use crate::port::{Port, Received, Sent};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a tape that is held waits until it looks again.
const HELD: Duration = Duration::from_micros(50);

/// A port that is connected to a tape, to made-up hosts, or both.
pub(super) struct ReplayPort {
    name: String,
    tape: Option<Tape>,
    started: Option<Instant>,
    hosts: Hosts,
    /// Readable while a frame may be received.
    timer: TimerFd,
    stamp: Arc<Stamp>,
}

impl ReplayPort {
    /// # Errors
    /// The kernel gives no timer (too many open files).
    pub(super) fn new(name: &str, tape: Option<Tape>, stamp: Arc<Stamp>) -> io::Result<Self> {
        let timer =
            TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        let port = Self { name: name.to_owned(), tape, started: None, hosts: Hosts::default(), timer, stamp };
        if port.tape.is_some() {
            port.wake_after(Duration::ZERO)?;
        }
        Ok(port)
    }

    fn wake_after(&self, pause: Duration) -> io::Result<()> {
        // A timer of 0 is none.
        let pause = TimeSpec::from_duration(pause.max(Duration::from_nanos(1)));
        Ok(self.timer.set(Expiration::OneShot(pause), TimerSetTimeFlags::empty())?)
    }

    /// Nothing is to be received before this much time has passed; `None`: before a host answers.
    fn rest(&self, pause: Option<Duration>) -> io::Result<Option<Received>> {
        match pause {
            Some(pause) => self.wake_after(pause)?,
            None => self.timer.unset()?,
        }
        Ok(None)
    }
}

impl Port for ReplayPort {
    fn receive(&mut self, buf: &mut [u8]) -> io::Result<Option<Received>> {
        if let Some(len) = self.hosts.next(buf) {
            self.stamp.made_up();
            return Ok(Some(len.into()));
        }
        let Some(tape) = &mut self.tape else { return self.rest(None) };
        let started = *self.started.get_or_insert_with(|| self.stamp.start());
        if self.stamp.is_halted() {
            self.stamp.end();
            return self.rest(None);
        }
        if self.stamp.answers_wait() {
            // At another port: on a wire they would have come before the next frame.
            return self.rest(Some(Duration::ZERO));
        }
        if self.stamp.is_held() {
            return self.rest(Some(HELD));
        }
        let Some((meta, due)) = tape.next() else {
            self.stamp.end();
            return self.rest(None);
        };
        if let Some(due) = due {
            let pause = due.saturating_sub(started.elapsed());
            if !pause.is_zero() {
                return self.rest(Some(pause));
            }
        }
        let len = tape.take(buf);
        self.stamp.played(&meta, len);
        Ok(Some(len.into()))
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<Sent> {
        if self.hosts.hear(frame) {
            self.stamp.answered();
            self.wake_after(Duration::ZERO)?;
        }
        Ok(Sent::Done)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }

    fn name(&self) -> &str {
        &self.name
    }
}
