//! Ports: where Ethernet frames enter and leave the router.
//!
//! Read first: `tap.rs` (a real interface), then `memory.rs` (the same without a kernel), then `offload.rs`.

pub mod memory;
mod netlink;
pub mod offload;
pub mod packet;
mod sys;
pub mod tap;
pub mod vlan;

pub(crate) use netlink::Netlink;
pub use offload::Gso;
pub(crate) use sys::{filled, packet_address, was_sent_here};

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

/// A frame that [`Port::receive`] has put into the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Its length in bytes, without FCS.
    pub len: usize,
    /// It is a super-frame, and how it is to be cut. Only from a port that [takes them](Port::takes_super_frames).
    pub gso: Option<Gso>,
}

impl From<usize> for Received {
    /// A plain frame.
    fn from(len: usize) -> Self {
        Self { len, gso: None }
    }
}

/// An Ethernet port. Nothing in it ever blocks.
pub trait Port: Send {
    /// Takes the next received frame, without FCS; `None` when none waits.
    ///
    /// A frame longer than `buf` is cut short, so `buf` holds the MTU and two headers at least.
    ///
    /// # Errors
    /// The port is gone.
    fn receive(&mut self, buf: &mut [u8]) -> io::Result<Option<Received>>;

    /// Sends one frame, without FCS.
    ///
    /// # Errors
    /// The port is gone, or it refuses this frame. An interface that is down is [`Sent::Full`].
    fn send(&mut self, frame: &[u8]) -> io::Result<Sent>;

    /// Does the port send super-frames, and give them?
    fn takes_super_frames(&self) -> bool {
        false
    }

    /// Sends a super-frame whole.
    ///
    /// # Errors
    /// As [`Port::send`]; `Unsupported` from a port that takes none.
    fn send_super_frame(&mut self, _frame: &[u8], _gso: &Gso) -> io::Result<Sent> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The descriptor that polls readable while a frame waits.
    fn fd(&self) -> BorrowedFd<'_>;

    /// The port's name in logs and reports.
    fn name(&self) -> &str;
}
