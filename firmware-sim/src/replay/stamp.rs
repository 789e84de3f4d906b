//! Which frame of the capture the router is given just now, and how many it has been given: written by the port, read by
//! logs and the progress line.

use super::tape::Meta;
use crate::cpu::Clocks;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Written by one thread, so that plain loads and stores do.
#[derive(Debug, Default)]
pub(crate) struct Stamp {
    /// Of the last frame of the capture, in nanoseconds since 1970.
    time: AtomicU64,
    file: AtomicU32,
    /// 0: none yet.
    number: AtomicU64,
    /// The frame is a made-up host's answer.
    made_up_now: AtomicBool,
    frames: AtomicU64,
    bytes: AtomicU64,
    made_up: AtomicU64,
    /// Answers of made-up hosts that wait at any port.
    answers: AtomicU64,
    started: OnceLock<Clocks>,
    ended: OnceLock<Clocks>,
    halted: AtomicBool,
    /// Frames for which the tape waits.
    held: AtomicU64,
    /// The tape waits until then, in nanoseconds from the start.
    not_before: AtomicU64,
}

/// The frame in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InHand {
    /// When it was captured; of an answer of a made-up host: when the last frame before it was.
    pub(crate) time: Duration,
    /// Its file, by place in the plan, and its number there; `None`: it is an answer of a made-up host.
    pub(crate) packet: Option<(u32, u64)>,
}

fn add(to: &AtomicU64, by: u64) {
    to.store(to.load(Ordering::Relaxed) + by, Ordering::Relaxed);
}

impl Stamp {
    /// The first frame is about to be received; when that is.
    pub(super) fn start(&self) -> Instant {
        self.started.get_or_init(Clocks::read).wall
    }

    /// The last frame has been handled.
    pub(super) fn end(&self) {
        let _ = self.ended.get_or_init(Clocks::read);
    }

    /// A frame of the capture is received.
    #[inline]
    pub(crate) fn played(&self, meta: &Meta, len: usize) {
        self.time.store(meta.time, Ordering::Relaxed);
        self.file.store(meta.file, Ordering::Relaxed);
        self.number.store(meta.number, Ordering::Relaxed);
        self.made_up_now.store(false, Ordering::Relaxed);
        add(&self.frames, 1);
        add(&self.bytes, len as u64);
    }

    /// A made-up host has sent an answer.
    pub(super) fn answered(&self) {
        add(&self.answers, 1);
    }

    /// Are there answers that have not been received?
    #[inline]
    pub(super) fn answers_wait(&self) -> bool {
        self.answers.load(Ordering::Relaxed) > 0
    }

    /// An answer of a made-up host is received.
    pub(crate) fn made_up(&self) {
        self.made_up_now.store(true, Ordering::Relaxed);
        self.answers.store(self.answers.load(Ordering::Relaxed).saturating_sub(1), Ordering::Relaxed);
        add(&self.made_up, 1);
    }

    /// The tape is to wait while so many frames are under way.
    pub(super) fn hold(&self, frames: usize) {
        self.held.store(frames as u64, Ordering::Relaxed);
    }

    /// The tape is to wait until this long after the start.
    pub(super) fn not_before(&self, elapsed: Duration) {
        self.not_before.store(elapsed.as_nanos() as u64, Ordering::Relaxed);
    }

    /// Is the tape to wait?
    #[inline]
    pub(super) fn is_held(&self) -> bool {
        let until = self.not_before.load(Ordering::Relaxed);
        // No clock is read where nobody waits.
        self.held.load(Ordering::Relaxed) > 0 || (until > 0 && self.elapsed() < Duration::from_nanos(until))
    }

    /// No more frames are to be played.
    pub(super) fn halt(&self) {
        self.halted.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_halted(&self) -> bool {
        self.halted.load(Ordering::Relaxed)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.get().is_some()
    }

    /// From the first frame's reception until the last one had been handled, or until now.
    pub(super) fn elapsed(&self) -> Duration {
        let Some(started) = self.started.get() else { return Duration::ZERO };
        self.ended.get().map_or_else(|| started.wall.elapsed(), |ended| ended.wall - started.wall)
    }

    /// What that took of the processor's time, in the owner loop's thread; nothing before the end.
    pub(super) fn cpu(&self) -> Duration {
        let spent = || self.ended.get()?.thread.checked_sub(self.started.get()?.thread);
        spent().unwrap_or_default()
    }

    /// Frames of the capture that were received, and their bytes.
    pub(super) fn count(&self) -> (u64, u64) {
        (self.frames.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    /// Answers of made-up hosts that were received.
    pub(super) fn made_up_count(&self) -> u64 {
        self.made_up.load(Ordering::Relaxed)
    }

    /// The file being played, by place in the plan.
    pub(super) fn file(&self) -> u32 {
        self.file.load(Ordering::Relaxed)
    }

    /// The frame that is being received.
    pub(crate) fn in_hand(&self) -> InHand {
        let packet = (self.file(), self.number.load(Ordering::Relaxed));
        InHand {
            time: Duration::from_nanos(self.time.load(Ordering::Relaxed)),
            packet: (!self.made_up_now.load(Ordering::Relaxed)).then_some(packet),
        }
    }
}
