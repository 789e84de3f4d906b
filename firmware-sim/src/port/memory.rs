//! A pair of ports joined in memory, for tests and for the lab where TAPs are refused.

use super::{Port, Received, Sent};
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One direction: frames sent at one end wait here for the other.
#[derive(Debug)]
struct Wire {
    queue: Mutex<VecDeque<Vec<u8>>>,
    capacity: usize,
    /// Readable exactly while `queue` holds a frame; it is written and read under the queue's lock.
    waiting: EventFd,
}

impl Wire {
    fn new(capacity: usize) -> io::Result<Self> {
        let waiting = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Self { queue: Mutex::default(), capacity, waiting })
    }

    /// A thread that panicked has left whole frames only, so its queue is still good.
    fn queue(&self) -> MutexGuard<'_, VecDeque<Vec<u8>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One end of an Ethernet cable in memory.
#[derive(Debug)]
pub struct MemoryPort {
    name: String,
    incoming: Arc<Wire>,
    outgoing: Arc<Wire>,
}

/// Two joined ports; each direction holds `capacity` frames and is [`Sent::Full`] beyond.
///
/// # Errors
/// The kernel gives no event descriptor (too many open files).
pub fn pair(first: &str, second: &str, capacity: usize) -> io::Result<(MemoryPort, MemoryPort)> {
    let there = Arc::new(Wire::new(capacity)?);
    let back = Arc::new(Wire::new(capacity)?);
    Ok((
        MemoryPort { name: first.to_owned(), incoming: Arc::clone(&back), outgoing: Arc::clone(&there) },
        MemoryPort { name: second.to_owned(), incoming: there, outgoing: back },
    ))
}

impl Port for MemoryPort {
    fn receive(&mut self, buf: &mut [u8]) -> io::Result<Option<Received>> {
        let mut queue = self.incoming.queue();
        let Some(frame) = queue.pop_front() else { return Ok(None) };
        if queue.is_empty() {
            self.incoming.waiting.read()?;
        }
        let length = frame.len().min(buf.len());
        buf[..length].copy_from_slice(&frame[..length]);
        Ok(Some(length.into()))
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<Sent> {
        let mut queue = self.outgoing.queue();
        if queue.len() >= self.outgoing.capacity {
            return Ok(Sent::Full);
        }
        if queue.is_empty() {
            self.outgoing.waiting.write(1)?;
        }
        queue.push_back(frame.to_vec());
        Ok(Sent::Done)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.incoming.waiting.as_fd()
    }

    fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    fn readable(port: &MemoryPort) -> bool {
        let mut fds = [PollFd::new(port.fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).unwrap() == 1
    }

    #[test]
    fn frames_arrive_in_order_and_the_descriptor_tells() {
        let (mut a, mut b) = pair("a", "b", 8).unwrap();
        assert!(!readable(&b));
        for frame in [&[1_u8, 2, 3][..], &[4; 60]] {
            assert_eq!(a.send(frame).unwrap(), Sent::Done);
        }
        assert!(readable(&b) && !readable(&a));
        let mut buf = [0; 64];
        assert_eq!(b.receive(&mut buf).unwrap(), Some(3.into()));
        assert_eq!(buf[..3], [1, 2, 3]);
        assert!(readable(&b));
        assert_eq!(b.receive(&mut buf).unwrap(), Some(60.into()));
        assert!(!readable(&b));
        assert_eq!(b.receive(&mut buf).unwrap(), None);
    }

    #[test]
    fn a_full_wire_says_so_and_loses_only_that_frame() {
        let (mut a, mut b) = pair("a", "b", 2).unwrap();
        assert_eq!([1, 2, 3].map(|byte| a.send(&[byte]).unwrap()), [Sent::Done, Sent::Done, Sent::Full]);
        let mut buf = [0; 4];
        assert_eq!(b.receive(&mut buf).unwrap(), Some(1.into()));
        assert_eq!(a.send(&[4]).unwrap(), Sent::Done);
        assert_eq!(b.receive(&mut buf).unwrap().map(|_| buf[0]), Some(2));
        assert_eq!(b.receive(&mut buf).unwrap().map(|_| buf[0]), Some(4));
    }
}
