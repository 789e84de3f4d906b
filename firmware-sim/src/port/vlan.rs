//! The port of a VLAN: it has no device, for its frames come and go by its trunk's.
//!
//! The router is told of the trunk's port when a frame comes in, and names it when one goes out. This keeps the
//! place of the VLAN's own number.

use super::{Port, Received, Sent};
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// A port without a device.
#[derive(Debug)]
pub struct VlanPort {
    name: String,
    never_readable: EventFd,
}

impl VlanPort {
    /// A port called `name`.
    ///
    /// # Errors
    /// The kernel gives no event descriptor (too many open files).
    pub fn new(name: &str) -> io::Result<Self> {
        let never_readable = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Self { name: name.to_owned(), never_readable })
    }
}

impl Port for VlanPort {
    fn receive(&mut self, _: &mut [u8]) -> io::Result<Option<Received>> {
        Ok(None)
    }

    fn send(&mut self, _: &[u8]) -> io::Result<Sent> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "a VLAN sends by its trunk"))
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.never_readable.as_fd()
    }

    fn name(&self) -> &str {
        &self.name
    }
}
