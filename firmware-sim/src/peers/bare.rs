//! The least that can join two TAPs: a thread reads one and writes the other, and does nothing else.

use super::Failure;
use super::tools::ip;
use crate::lab::namespace::Host;
use crate::port::Port;
use crate::port::tap::Tap;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::unistd::{read, write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Frames taken from one TAP before the other has its turn: as many as the router takes.
const BUDGET: usize = 64;
/// Turns that use their budget up before it grows: as many as in the router.
const PATIENCE: usize = 8;

/// Each host takes the other's interface for its gateway, so that no byte has to be rewritten.
pub(super) fn introduce(hosts: [&Host; 2], ports: &[Tap; 2]) -> Result<(), Failure> {
    for (host, peer, network) in [(hosts[0], &ports[1], 1), (hosts[1], &ports[0], 2)] {
        let mac = peer.kernel_mac().map(|byte| format!("{byte:02x}")).join(":");
        ip(host.namespace(), &format!("neigh replace 10.0.{network}.1 lladdr {mac} dev lan0"))?;
    }
    Ok(())
}

/// One TAP's bursts. As in the router, a burst that is as short as the last one is not followed by a read in vain, which a
/// lone frame would pay for alone; and a longer one soon has its turn.
struct Bursts {
    budget: usize,
    used_up: usize,
}

/// Carries frames until `stop` is set. With offload the header is part of what it reads and writes.
pub(super) fn run(ports: &[Tap; 2], stop: &AtomicBool) -> Result<(), Failure> {
    let mut buffer = vec![0; 1 << 17];
    let mut bursts = [0; 2].map(|used_up| Bursts { budget: BUDGET, used_up });
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    for (index, port) in ports.iter().enumerate() {
        epoll.add(port.fd(), EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
    }
    let mut events = [EpollEvent::empty(); 2];
    while !stop.load(Ordering::Relaxed) {
        let ready = match epoll.wait(&mut events, EpollTimeout::from(100_u8)) {
            Err(Errno::EINTR) => 0,
            ready => ready?,
        };
        for event in &events[..ready] {
            let from = event.data() as usize;
            bursts[from].carry(&ports[from], &ports[1 - from], &mut buffer)?;
        }
    }
    Ok(())
}

impl Bursts {
    /// Carries what waits at `from`, within the budget.
    fn carry(&mut self, from: &Tap, to: &Tap, buffer: &mut [u8]) -> Result<(), Errno> {
        for carried in 0..self.budget {
            match read(from.fd(), buffer) {
                // A full port drops the frame, as the router's does.
                Ok(len) => match write(to.fd(), &buffer[..len]) {
                    Ok(_) | Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::EIO) => {}
                    Err(errno) => return Err(errno),
                },
                Err(Errno::EAGAIN | Errno::EIO) => {
                    *self = Self { budget: carried.max(1), used_up: 0 };
                    return Ok(());
                }
                Err(errno) => return Err(errno),
            }
        }
        self.used_up += 1;
        if self.used_up == PATIENCE {
            *self = Self { budget: (self.budget * 2).min(BUDGET), used_up: 0 };
        }
        Ok(())
    }
}
