//! Two hosts on one cable, for tests: a thread carries frames from one TAP to the other.

use super::namespace::{Host, HostPlan};
use super::privilege::{probe_tap, skip};
use super::traffic::Stop;
use crate::port::Port;
use crate::port::tap::Tap;
use nix::poll::{PollFd, PollFlags, poll};
use std::net::Ipv4Addr;
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

    /// `None`, and a loud skip, where the kernel refuses TAPs.
    pub(crate) fn plug() -> Option<Self> {
        if let Err(reason) = probe_tap() {
            skip(&reason.to_string());
            return None;
        }
        let first = HostPlan { gateway: None, address: Self::FIRST, ..HostPlan::client() };
        let second = HostPlan {
            address: Self::SECOND,
            mac: [2, 0, 0, 0, 1, 3],
            name: "server".into(),
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
        let mut fds =
            [&first, &second].map(|tap| PollFd::new(tap.fd().expect("a TAP has one"), PollFlags::POLLIN));
        poll(&mut fds, 20_u16).unwrap();
        for (from, to) in [(&mut first, &mut second)] {
            while let Some(length) = from.receive(&mut buffer).unwrap() {
                let _ = to.send(&buffer[..length]).unwrap();
            }
            while let Some(length) = to.receive(&mut buffer).unwrap() {
                let _ = from.send(&buffer[..length]).unwrap();
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
