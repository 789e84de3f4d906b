//! Sleeps until a port has a frame or the slow path has an answer, and says which.
//!
//! Read first: `man 7 epoll`. The descriptors are registered once, so that a wake-up costs one system call
//! however many ports there are.

use crate::port::Port;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::EventFd;
use stack::config::MAX_PORTS;
use std::io;
use std::time::Duration;

/// The event of the slow path's descriptor; ports have their numbers.
const WAKE: u64 = u64::MAX;

/// All descriptors of the loop.
pub(super) struct Readiness {
    epoll: Epoll,
    events: [EpollEvent; MAX_PORTS + 1],
    ready: usize,
}

impl Readiness {
    /// # Errors
    /// The kernel gives no descriptor, or refuses one of these.
    pub(super) fn new(ports: &[Box<dyn Port>], wake: &EventFd) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        for (index, port) in ports.iter().enumerate() {
            epoll.add(port.fd(), EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
        }
        epoll.add(wake, EpollEvent::new(EpollFlags::EPOLLIN, WAKE))?;
        Ok(Self { epoll, events: [EpollEvent::empty(); MAX_PORTS + 1], ready: 0 })
    }

    /// Waits for a frame or an answer, but no longer than this, rounded up to milliseconds. A signal ends it, too.
    ///
    /// # Errors
    /// What `epoll_wait` says.
    pub(super) fn wait(&mut self, longest: Duration) -> io::Result<()> {
        let millis = longest.as_micros().div_ceil(1000).min(i32::MAX as u128) as i32;
        let timeout = EpollTimeout::try_from(millis).unwrap_or(EpollTimeout::ZERO);
        self.ready = match self.epoll.wait(&mut self.events, timeout) {
            Ok(ready) => ready,
            // The caller looks at its flag.
            Err(Errno::EINTR) => 0,
            Err(errno) => return Err(errno.into()),
        };
        Ok(())
    }

    /// How many descriptors are ready.
    pub(super) const fn len(&self) -> usize {
        self.ready
    }

    /// Which one: a port's number, or `None` for the slow path's descriptor. The kernel takes turns.
    pub(super) fn get(&self, index: usize) -> Option<usize> {
        let data = self.events[index].data();
        (data != WAKE).then_some(data as usize)
    }
}
