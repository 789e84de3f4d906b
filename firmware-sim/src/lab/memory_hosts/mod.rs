//! A host without a kernel: smoltcp over a port in memory, for the lab where TAPs are refused.
//!
//! Read first: `lab/host.rs`. A thread polls the interface; sockets share it under one lock. Whoever
//! reports a run over such hosts says that it was not a TAP run.

mod device;
mod sockets;

use super::host::{Connector, Datagrams, Family, LabHost, Listener};
use super::namespace::HostPlan;
use super::traffic::counters::KernelCounters;
use super::traffic::ping::{Judge, PingPlan, PingReport, spawn_on_socket};
use super::traffic::raw::RawSender;
use super::traffic::{Running, Stop};
use crate::port::Port;
use crate::port::memory::MemoryPort;
use device::Card;
use nix::poll::{PollFd, PollFlags, poll};
use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// The longest that the polling thread sleeps: smoltcp's timers are in milliseconds.
const TICK_MS: u16 = 2;

/// A host in memory. Dropping it ends its thread; sockets that outlive it hear nothing more.
#[derive(Debug)]
pub struct MemoryHost {
    plan: HostPlan,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the sockets and the polling thread share.
struct Shared {
    stack: Mutex<Stack>,
    /// Told after each poll that may have changed a socket.
    changed: Condvar,
    ended: AtomicBool,
}

struct Stack {
    interface: Interface,
    sockets: SocketSet<'static>,
    card: Card,
    /// TCP sockets that nobody holds any more, until they are closed at both ends.
    closing: Vec<SocketHandle>,
    next_l4_port: u16,
}

impl Stack {
    /// Moves everything that can move now.
    fn poll(&mut self) -> bool {
        let result = self.interface.poll(Instant::now(), &mut self.card, &mut self.sockets);
        let sockets = &mut self.sockets;
        self.closing.retain(|handle| {
            let state = sockets.get::<tcp::Socket<'_>>(*handle).state();
            let open = !matches!(state, tcp::State::Closed | tcp::State::TimeWait);
            if !open {
                sockets.remove(*handle);
            }
            open
        });
        result == PollResult::SocketStateChanged
    }

    /// An unused number, from the dynamic range (RFC 6335 §6); as an ICMP identifier it serves as well.
    fn ephemeral(&mut self) -> u16 {
        self.next_l4_port = if self.next_l4_port == u16::MAX { 49_152 } else { self.next_l4_port + 1 };
        self.next_l4_port
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Stack> {
        self.stack.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tries `attempt` now and after each change; `TimedOut` when nothing has come of it in time.
    fn wait<T>(
        &self,
        within: Duration,
        mut attempt: impl FnMut(&mut Stack) -> Option<io::Result<T>>,
    ) -> io::Result<T> {
        let deadline = std::time::Instant::now() + within;
        let mut stack = self.lock();
        loop {
            if let Some(result) = attempt(&mut stack) {
                // What it put into a socket leaves at once, and what it took out makes room.
                self.advance(&mut stack);
                return result;
            }
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() || self.ended.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            stack = self.changed.wait_timeout(stack, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Polls, and tells whoever waits for what came of it.
    fn advance(&self, stack: &mut Stack) {
        if stack.poll() {
            self.changed.notify_all();
        }
    }

    fn remove(&self, handle: SocketHandle) {
        self.lock().sockets.remove(handle);
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

/// An interface that knows no neighbour and has asked for none.
fn interface(plan: &HostPlan, card: &mut Card) -> io::Result<Interface> {
    let mut config = Config::new(EthernetAddress(plan.mac).into());
    // Sequence numbers: two hosts differ, two runs do not.
    config.random_seed = u64::from(u32::from(plan.address));
    let mut interface = Interface::new(config, card, Instant::now());
    interface.update_ip_addrs(|addresses| {
        // The list holds two at least.
        let _ = addresses.push(IpCidr::new(IpAddress::Ipv4(plan.address), plan.prefix));
        if let Some(ipv6) = plan.ipv6 {
            let _ = addresses.push(IpCidr::new(IpAddress::Ipv6(ipv6.address), ipv6.prefix));
        }
    });
    if let Some(gateway) = plan.gateway {
        interface.routes_mut().add_default_ipv4_route(gateway).map_err(io::Error::other)?;
    }
    if let Some(gateway) = plan.ipv6.and_then(|ipv6| ipv6.gateway) {
        interface.routes_mut().add_default_ipv6_route(gateway).map_err(io::Error::other)?;
    }
    Ok(interface)
}

impl MemoryHost {
    /// Starts a host at one end of a cable in memory; the router holds the other end.
    ///
    /// # Errors
    /// No thread, or no descriptor.
    pub fn start(plan: HostPlan, port: MemoryPort) -> io::Result<Self> {
        let waiting: OwnedFd = port.fd().try_clone_to_owned()?;
        let mut card =
            Card { port, counters: KernelCounters::default(), address: plan.address, mtu: plan.mtu as usize };
        let interface = interface(&plan, &mut card)?;
        let stack = Stack {
            interface,
            sockets: SocketSet::new(Vec::new()),
            card,
            closing: Vec::new(),
            // smoltcp's ICMP sockets take requests that carry their identifier for replies, so no two hosts
            // draw from the same numbers.
            next_l4_port: 49_152 + u16::from(plan.address.octets()[2]) * 1_000,
        };
        let shared = Arc::new(Shared {
            stack: Mutex::new(stack),
            changed: Condvar::new(),
            ended: AtomicBool::new(false),
        });
        let inner = Arc::clone(&shared);
        let thread = Builder::new().name(format!("host {}", plan.name)).spawn(move || {
            while !inner.ended.load(Ordering::Relaxed) {
                inner.advance(&mut inner.lock());
                // An interrupted poll only comes back early.
                let _ = poll(&mut [PollFd::new(waiting.as_fd(), PollFlags::POLLIN)], TICK_MS);
            }
            inner.changed.notify_all();
        })?;
        Ok(Self { plan, shared, thread: Some(thread) })
    }
}

impl Drop for MemoryHost {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the polling thread has shown itself as silence already.
            let _ = thread.join();
        }
    }
}

impl LabHost for MemoryHost {
    fn plan(&self) -> &HostPlan {
        &self.plan
    }

    fn has_kernel(&self) -> bool {
        false
    }

    fn open_icmp(&self, _: IpAddr) -> io::Result<Box<dyn Datagrams>> {
        sockets::Icmp::open(&self.shared).map(|socket| Box::new(socket) as _)
    }

    // A socket of smoltcp's serves both families.
    fn open_udp(&self, _: Family, l4_port: u16, peer: Option<SocketAddr>) -> io::Result<Box<dyn Datagrams>> {
        sockets::Udp::open(&self.shared, l4_port, peer).map(|socket| Box::new(socket) as _)
    }

    fn listen(&self, _: Family, l4_port: u16) -> io::Result<Box<dyn Listener>> {
        sockets::TcpListener::open(&self.shared, l4_port).map(|listener| Box::new(listener) as _)
    }

    fn connector(&self) -> io::Result<Box<dyn Connector>> {
        Ok(Box::new(sockets::TcpConnector(Arc::clone(&self.shared))))
    }

    fn open_raw(&self) -> io::Result<RawSender> {
        let shared = Arc::clone(&self.shared);
        Ok(RawSender::new(move |frame| shared.lock().card.port.send(frame)))
    }

    fn spawn_ping(&self, plan: &PingPlan, stop: Stop) -> io::Result<Running<PingReport>> {
        spawn_on_socket(self, Judge::MemoryHost, plan, stop)
    }

    fn counters(&self) -> io::Result<KernelCounters> {
        Ok(self.shared.lock().card.counters)
    }

    fn forget_neighbor(&self, _: IpAddr) -> io::Result<()> {
        // All of them: flushed, smoltcp's table would go on keeping silent for a second after the last request.
        let mut stack = self.shared.lock();
        let Stack { interface: known, card, .. } = &mut *stack;
        *known = interface(&self.plan, card)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
