//! Two hosts on one cable, for tests: a thread carries frames from one TAP to the other.

use super::namespace::{Host, HostPlan, Ipv6Plan};
use super::privilege::{probe_tap, skip};
use super::traffic::Stop;
use crate::port::Port;
use crate::port::tap::Tap;
use nix::poll::{PollFd, PollFlags, poll};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

pub(crate) struct Cable {
    pub(crate) first: Host,
    pub(crate) second: Host,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Cable {
    pub(crate) const FIRST: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 2);
    pub(crate) const SECOND: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 3);
    pub(crate) const SECOND_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 3);
    /// Made from its MAC address (RFC 4291 App. A).
    pub(crate) const SECOND_LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 0x103);

    /// `None`, and a loud skip, where the kernel refuses TAPs.
    pub(crate) fn plug() -> Option<Self> {
        if let Err(reason) = probe_tap() {
            skip(&reason.to_string());
            return None;
        }
        let client = HostPlan::client();
        let ipv6 = client.ipv6.map(|plan| Ipv6Plan { gateway: None, ..plan });
        let first = HostPlan { gateway: None, ipv6, address: Self::FIRST, ..client };
        let second = HostPlan {
            address: Self::SECOND,
            mac: [2, 0, 0, 0, 1, 3],
            name: "server".into(),
            ipv6: first.ipv6.map(|plan| Ipv6Plan { address: Self::SECOND_V6, ..plan }),
            ..first.clone()
        };
        let (first, first_tap) = Host::start(first).unwrap();
        let (second, second_tap) = Host::start(second).unwrap();
        let stop = Stop::default();
        let inner = stop.clone();
        let thread = Some(std::thread::spawn(move || carry(first_tap, second_tap, &inner)));
        Some(Self { first, second, stop, thread })
    }
}

fn carry(mut first: Tap, mut second: Tap, stop: &Stop) {
    let mut buffer = [0; 2048];
    while !stop.load(Ordering::Relaxed) {
        let mut fds = [&first, &second].map(|tap| PollFd::new(tap.fd(), PollFlags::POLLIN));
        poll(&mut fds, 20_u16).unwrap();
        for (from, to) in [(&mut first, &mut second)] {
            while let Some(received) = from.receive(&mut buffer).unwrap() {
                let _ = to.send(&buffer[..received.len]).unwrap();
            }
            while let Some(received) = to.receive(&mut buffer).unwrap() {
                let _ = from.send(&buffer[..received.len]).unwrap();
            }
        }
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let carried = thread.join();
            assert!(carried.is_ok() || std::thread::panicking(), "the cable broke");
        }
    }
}
