//! Healthy traffic at a given rate, beside a flood of malformed frames at another.
//!
//! One thread in the client's namespace sends both, so that their ratio is exact; a socket of the server counts what
//! arrives, and echo requests beside it time the round trip.

use super::Failure;
use super::cpu::CpuClock;
use super::echo::{Echo, is_lost, micros};
use super::set_up::{CLIENT, ROUTER, SERVER, SetUp};
use super::tools::ip;
use crate::lab::traffic::counters::KernelCounters;
use crate::lab::traffic::raw::RawSender;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{setsockopt, sockopt::RcvBufForce};
use pktgen::build::{self, Ipv4, protocol};
use socket2::{Domain, Socket, Type};
use std::io;
use std::net::SocketAddrV4;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Where the server counts.
const L4_PORT: u16 = 9_000;
/// Bytes that may wait there.
const BUFFER: usize = 64 << 20;
/// How often the sender looks at the clock, and the others at what has come.
const TICK: Duration = Duration::from_millis(1);
/// How long what is under way may take, to be no loss.
const DRAIN: Duration = Duration::from_millis(100);
/// Round trips without which there is no 99th percentile, unless it is a lost one.
const ENOUGH: usize = 100;

/// What one load came to. Rates are a second.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// Healthy and malformed frames, as they were really sent.
    pub healthy: f64,
    /// See `healthy`.
    pub malformed: f64,
    /// Healthy frames that had arrived when the last was sent.
    pub goodput: f64,
    /// The share of the healthy frames that did not come out of the fabric: neither arrived, a little later, nor were dropped
    /// at the server's full socket.
    pub loss: f64,
    /// Malformed frames that the fabric passed on, by the count of the server's kernel.
    pub passed_on: f64,
    /// 99th percentile of the round trip, in microseconds, a lost one counted as long as was waited for it; `None`: too few.
    pub rtt_p99_us: Option<f64>,
    /// The fabric's time on its core for each frame that it was sent, in nanoseconds, where that can be told.
    pub cpu_ns: Option<f64>,
}

/// The two kinds of frames, and the sockets that they go through.
pub struct Flood<'a> {
    set_up: &'a SetUp,
    raw: RawSender,
    good: Vec<u8>,
    bad: Vec<u8>,
    counter: Socket,
}

/// What a sender has sent, and the time that took.
#[derive(Debug, Clone, Copy)]
struct Sent {
    good: u64,
    bad: u64,
    took: Duration,
}

impl<'a> Flood<'a> {
    /// For a pair of hosts that have exchanged something: the client's kernel must know its neighbour.
    ///
    /// # Errors
    /// It does not, or gives no sockets.
    pub fn new(set_up: &'a SetUp) -> Result<Self, Failure> {
        let namespace = set_up.client.namespace();
        let index = namespace.run(|| if_nametoindex("lan0"))?;
        let router = mac_in(&ip(namespace, &format!("neigh show {ROUTER} dev lan0"))?, "lladdr")?;
        let client = mac_in(&ip(namespace, "link show dev lan0")?, "link/ether")?;
        let header = Ipv4 { protocol: protocol::UDP, ..Ipv4::new(CLIENT, SERVER) };
        let udp = build::udp(CLIENT, SERVER, 9_001, L4_PORT, &[7; 18]);
        let good = build::ethernet(router, client, build::ethertype::IPV4, &header.packet(&udp));
        let mut bad = good.clone();
        // The header checksum's first byte.
        bad[24] ^= 0x55;
        let counter = set_up.server.namespace().run(|| {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
            // Without the privilege, what is allowed to all.
            setsockopt(&socket, RcvBufForce, &BUFFER).or_else(|_| socket.set_recv_buffer_size(BUFFER))?;
            socket.set_nonblocking(true)?;
            socket.bind(&SocketAddrV4::new(SERVER, L4_PORT).into())?;
            Ok::<_, io::Error>(socket)
        })?;
        Ok(Self { set_up, raw: RawSender::open(namespace, index)?, good, bad, counter })
    }

    /// The most healthy frames a second that arrive, however many are sent.
    ///
    /// # Errors
    /// A socket fails.
    pub fn capacity(&self, span: Duration, stop: &AtomicBool) -> Result<f64, Failure> {
        Ok(self.fire(f64::INFINITY, 0.0, span, stop)?.goodput)
    }

    /// Sends both kinds at these rates, a second; counts and times what comes of it.
    ///
    /// # Errors
    /// A socket fails.
    pub fn fire(
        &self,
        healthy: f64,
        malformed: f64,
        span: Duration,
        stop: &AtomicBool,
    ) -> Result<Outcome, Failure> {
        self.count(&AtomicU64::new(0))?;
        let mut echo = Echo::open(self.set_up)?;
        let server = self.set_up.server.namespace();
        let before = KernelCounters::read(server)?;
        let clock = self.set_up.cpu_clock();
        let cpu_before = clock.as_ref().and_then(CpuClock::now);
        let (sending, draining, arrived) = (AtomicBool::new(true), AtomicBool::new(true), AtomicU64::new(0));
        let (sent, in_time, mut times) = std::thread::scope(|scope| {
            let times = scope.spawn(|| {
                let mut times = Vec::new();
                while sending.load(Ordering::Relaxed) {
                    times.push(echo.round_trip());
                    std::thread::sleep(TICK);
                }
                times
            });
            let counter = scope.spawn(|| {
                while draining.load(Ordering::Relaxed) {
                    self.count(&arrived)?;
                    std::thread::sleep(TICK);
                }
                self.count(&arrived)
            });
            let sent = self.send(healthy, malformed, span, stop);
            sending.store(false, Ordering::Relaxed);
            let counted = self.count(&arrived);
            let in_time = arrived.load(Ordering::Relaxed);
            std::thread::sleep(DRAIN);
            draining.store(false, Ordering::Relaxed);
            let times = times.join().map_err(|_| "the echo thread panicked")?;
            counter.join().map_err(|_| "the counting thread panicked")?.and(counted)?;
            Ok::<_, Failure>((sent?, in_time, times))
        })?;
        let cpu = clock.and_then(|clock| clock.now()).zip(cpu_before).map(|(now, then)| now - then);
        let seen = KernelCounters::read(server)?.since(&before);
        let came_out = arrived.into_inner() + seen.udp_rcvbuf_errors;
        times.sort_unstable();
        let seconds = sent.took.as_secs_f64();
        // Each round trip is two frames.
        let frames = (sent.good + sent.bad) as f64 + 2.0 * times.len() as f64;
        Ok(Outcome {
            healthy: sent.good as f64 / seconds,
            malformed: sent.bad as f64 / seconds,
            goodput: in_time as f64 / seconds,
            loss: sent.good.saturating_sub(came_out) as f64 / sent.good.max(1) as f64,
            passed_on: seen.ip_in_hdr_errors as f64 / seconds,
            rtt_p99_us: p99_of(&times),
            cpu_ns: cpu.map(|cpu| cpu.as_secs_f64() * 1e9 / frames.max(1.0)),
        })
    }

    /// Sends malformed frames alone while `other` runs; what that gave, and malformed frames a second.
    ///
    /// # Errors
    /// A socket fails.
    pub fn beside<T>(
        &self,
        malformed: f64,
        stop: &AtomicBool,
        other: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<(T, f64), Failure> {
        let over = AtomicBool::new(malformed <= 0.0);
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| {
                let mut all = Sent { good: 0, bad: 0, took: Duration::ZERO };
                while !over.load(Ordering::Relaxed) && !stop.load(Ordering::Relaxed) {
                    let sent = self.send(0.0, malformed, 20 * TICK, stop)?;
                    (all.bad, all.took) = (all.bad + sent.bad, all.took + sent.took);
                }
                Ok::<_, Failure>(all)
            });
            let given = other();
            over.store(true, Ordering::Relaxed);
            let sent = sender.join().map_err(|_| "the sender panicked")??;
            Ok((given?, sent.bad as f64 / sent.took.as_secs_f64().max(1e-9)))
        })
    }

    fn send(&self, healthy: f64, malformed: f64, span: Duration, stop: &AtomicBool) -> Result<Sent, Failure> {
        let (start, mut good, mut bad) = (Instant::now(), 0, 0);
        loop {
            let elapsed = start.elapsed();
            if elapsed >= span || stop.load(Ordering::Relaxed) {
                return Ok(Sent { good, bad, took: elapsed.max(Duration::from_micros(1)) });
            }
            let due =
                |rate: f64| if rate.is_finite() { (elapsed.as_secs_f64() * rate) as u64 } else { u64::MAX };
            // As many of each as are due, interleaved; never more at once than a tick's worth, so that a sender that
            // is too slow does not pay debts in one burst.
            let (mut more_good, mut more_bad) =
                ((due(healthy) - good).min(500), (due(malformed) - bad).min(2_000));
            if more_good + more_bad == 0 {
                std::thread::sleep(TICK / 10);
            }
            let every = more_bad / more_good.max(1);
            while more_good + more_bad > 0 {
                if more_good > 0 {
                    // A full queue loses it, as it would anywhere on the way.
                    let _ = self.raw.send(&self.good)?;
                    (good, more_good) = (good + 1, more_good - 1);
                }
                for _ in 0..if more_good == 0 { more_bad } else { every.min(more_bad) } {
                    let _ = self.raw.send(&self.bad)?;
                    (bad, more_bad) = (bad + 1, more_bad - 1);
                }
            }
        }
    }

    /// Takes out the datagrams that wait at the server, and counts them.
    fn count(&self, arrived: &AtomicU64) -> io::Result<()> {
        let mut buffer = [std::mem::MaybeUninit::uninit(); 64];
        loop {
            match self.counter.recv(&mut buffer) {
                Ok(_) => arrived.fetch_add(1, Ordering::Relaxed),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
        }
    }
}

/// The 99th percentile of the sorted times, in microseconds, if they say so much.
fn p99_of(times: &[Duration]) -> Option<f64> {
    if times.len() >= ENOUGH {
        return Some(micros(times, 0.99));
    }
    // Of fewer, it is the longest, whose length says little unless it is a lost one.
    times.last().filter(|&&longest| is_lost(longest)).map(|_| micros(times, 1.0))
}

/// The MAC address that follows this word.
fn mac_in(text: &str, after: &str) -> Result<build::Mac, Failure> {
    let mut words = text.split_whitespace().skip_while(|word| *word != after).skip(1);
    let word = words.next().ok_or_else(|| format!("ip shows no {after}: {text}"))?;
    let octets: Result<Vec<u8>, _> = word.split(':').map(|octet| u8::from_str_radix(octet, 16)).collect();
    octets?.try_into().map_err(|_| format!("{word} is no MAC address").into())
}
