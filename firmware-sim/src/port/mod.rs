//! Ports: where Ethernet frames enter and leave the router.
//!
//! Read first: `tap.rs` (a real interface), then `memory.rs` (the same without a kernel).

pub mod memory;
mod netlink;
mod sys;
pub mod tap;

pub(crate) use netlink::Netlink;

use std::io;
use std::os::fd::BorrowedFd;

/// What became of a frame given to [`Port::send`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a full port drops the frame: it must be counted"]
pub enum Sent {
    /// The port took the frame.
    Done,
    /// The port has no room now; the frame is not sent.
    Full,
}

/// An Ethernet port. Nothing in it ever blocks.
pub trait Port: Send {
    /// Takes the next received frame, without FCS; `None` when none waits.
    ///
    /// A frame longer than `buf` is cut short, so `buf` holds the MTU and two headers at least.
    ///
    /// # Errors
    /// The port is gone.
    fn receive(&mut self, buf: &mut [u8]) -> io::Result<Option<usize>>;

    /// Sends one frame, without FCS.
    ///
    /// # Errors
    /// The port is gone, or it refuses this frame. An interface that is down is [`Sent::Full`].
    fn send(&mut self, frame: &[u8]) -> io::Result<Sent>;

    /// The descriptor that polls readable while a frame waits, if the port has one.
    fn fd(&self) -> Option<BorrowedFd<'_>>;

    /// The port's name in logs and reports.
    fn name(&self) -> &str;
}
