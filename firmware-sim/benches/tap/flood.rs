//! Healthy traffic under a flood of malformed frames: how much of the flood it stands, beside a Linux kernel that
//! forwards the same load in the same run.
//!
//! One thread in the client's namespace sends both, so that their ratio is exact; a socket of the server counts what
//! arrives, and echo requests beside it time the round trip.

use super::load::{self, SERVER};
use super::setups::{Failure, SetUp};
use firmware_sim::lab::traffic::raw::RawSender;
use nix::net::if_::if_nametoindex;
use pktgen::build::{self, Ipv4, protocol};
use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 2);
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);
/// Where the server counts.
const L4_PORT: u16 = 9_000;
/// How often the sender looks at the clock.
const TICK: Duration = Duration::from_millis(1);
/// How long what is under way may take.
const DRAIN: Duration = Duration::from_millis(200);
/// Malformed frames of 100.
const SHARES: [u32; 4] = [0, 50, 90, 99];
/// Loss of healthy frames that is too much.
const LIMIT: f64 = 0.01;

/// What one load came to.
#[derive(Debug, Clone, Copy)]
struct Outcome {
    /// Healthy and malformed frames a second, as they were really sent.
    healthy: f64,
    malformed: f64,
    /// Healthy frames a second that arrived, and the share that did not.
    goodput: f64,
    loss: f64,
    /// 99th percentile of the round trip, in microseconds; `None`: too few echo replies came.
    rtt_p99: Option<f64>,
}

/// The two kinds of frames, and the sockets that they go through.
struct Gun {
    raw: RawSender,
    good: Vec<u8>,
    bad: Vec<u8>,
    counter: Socket,
}

/// Measures these set-ups, and prints a table of each.
///
/// # Errors
/// A tool or the kernel refuses.
pub(crate) fn run(subjects: &[(&'static str, &SetUp)], seconds: u32) -> Result<(), Failure> {
    println!(
        "\nHealthy 64-byte UDP at half of the capacity without a flood, and malformed frames (bad header checksum)"
    );
    println!(
        "{:<22} {:>9} {:>9} {:>9} {:>9} {:>8} {:>10}",
        "", "share", "bad kpps", "good kpps", "goodput", "loss", "rtt p99"
    );
    for (name, set_up) in subjects {
        let gun = Gun::new(set_up)?;
        let span = Duration::from_secs(seconds.into());
        let half = capacity(&gun, set_up)? / 2.0;
        for share in SHARES {
            let flood = half * f64::from(share) / f64::from(100 - share);
            row(name, &format!("{share} %"), &gun.fire(set_up, half, flood, span)?);
        }
        let (stood, broke) = breaking_point(&gun, set_up, half, span)?;
        row(name, "stands", &stood);
        match broke {
            Some(broke) => row(name, "loses > 1 %", &broke),
            None => println!("{name:<22} loses no more at the most that the sender can send"),
        }
    }
    Ok(())
}

fn row(name: &str, what: &str, outcome: &Outcome) {
    let rtt = outcome.rtt_p99.map_or("-".into(), |micros| format!("{micros:.0} us"));
    println!(
        "{name:<22} {what:>9} {:>9.1} {:>9.1} {:>9.1} {:>7.2}% {rtt:>10}",
        outcome.malformed / 1e3,
        outcome.healthy / 1e3,
        outcome.goodput / 1e3,
        outcome.loss * 100.0
    );
}

/// The most healthy frames a second that arrive, however many are sent.
fn capacity(gun: &Gun, set_up: &SetUp) -> Result<f64, Failure> {
    Ok(gun.fire(set_up, f64::INFINITY, 0.0, Duration::from_secs(1))?.goodput)
}

/// The largest flood with a loss within the limit, and the smallest beyond it: doubled, then halved in between.
fn breaking_point(
    gun: &Gun,
    set_up: &SetUp,
    healthy: f64,
    span: Duration,
) -> Result<(Outcome, Option<Outcome>), Failure> {
    let (mut stood, mut broke): (Option<Outcome>, Option<Outcome>) = (None, None);
    let mut flood = healthy / 4.0;
    for _ in 0..9 {
        let outcome = gun.fire(set_up, healthy, flood, span)?;
        if outcome.loss > LIMIT {
            broke = Some(outcome);
        } else {
            // A sender that cannot keep up has shown the most that it can.
            let exhausted = outcome.malformed < flood * 0.9;
            stood = Some(outcome);
            if exhausted {
                break;
            }
        }
        flood = match (stood, broke) {
            (Some(stood), Some(broke)) => (stood.malformed + broke.malformed) / 2.0,
            (Some(_), None) => flood * 2.0,
            (None, _) => flood / 2.0,
        };
    }
    Ok((stood.ok_or("healthy traffic is lost without any flood")?, broke))
}

impl Gun {
    fn new(set_up: &SetUp) -> Result<Self, Failure> {
        let namespace = set_up.client.namespace();
        let index = namespace.run(|| if_nametoindex("lan0"))?;
        let (router, client) = (neighbor(set_up)?, own_mac(set_up)?);
        let header = Ipv4 { protocol: protocol::UDP, ..Ipv4::new(CLIENT, SERVER) };
        let udp = build::udp(CLIENT, SERVER, 9_001, L4_PORT, &[7; 18]);
        let good = build::ethernet(router, client, build::ethertype::IPV4, &header.packet(&udp));
        let mut bad = good.clone();
        bad[24] ^= 0x55;
        let counter = set_up.server.namespace().run(|| {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
            socket.set_recv_buffer_size(64 << 20)?;
            socket.set_nonblocking(true)?;
            socket.bind(&SocketAddrV4::new(SERVER, L4_PORT).into())?;
            Ok::<_, std::io::Error>(socket)
        })?;
        Ok(Self { raw: RawSender::open(namespace, index)?, good, bad, counter })
    }

    /// Sends both kinds at these rates, a second; counts and times what comes of it.
    fn fire(&self, set_up: &SetUp, healthy: f64, malformed: f64, span: Duration) -> Result<Outcome, Failure> {
        self.count()?;
        let echo = load::echo_socket(set_up)?;
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let times = scope.spawn(|| {
                let mut times = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    // A lost one is loss enough; the next one is timed by itself.
                    times.extend(load::round_trips(&echo, 1).unwrap_or_default());
                    std::thread::sleep(Duration::from_millis(2));
                }
                times
            });
            let counted = scope.spawn(|| {
                let mut counted = 0;
                while !over.load(Ordering::Relaxed) {
                    counted += self.count().unwrap_or_default();
                    std::thread::sleep(TICK);
                }
                counted
            });
            let sent = self.send(healthy, malformed, span);
            std::thread::sleep(DRAIN);
            over.store(true, Ordering::Relaxed);
            let mut times = times.join().map_err(|_| "the echo thread panicked")?;
            let arrived = counted.join().map_err(|_| "the counting thread panicked")? + self.count()?;
            let (good, bad, took) = sent?;
            times.sort_unstable();
            let rtt_p99 = (times.len() >= 100).then(|| times[times.len() * 99 / 100].as_secs_f64() * 1e6);
            let seconds = took.as_secs_f64();
            Ok(Outcome {
                healthy: good as f64 / seconds,
                malformed: bad as f64 / seconds,
                goodput: arrived as f64 / seconds,
                loss: 1.0 - arrived.min(good) as f64 / good as f64,
                rtt_p99,
            })
        })
    }

    /// Healthy and malformed frames sent, and the time that took.
    fn send(&self, healthy: f64, malformed: f64, span: Duration) -> Result<(u64, u64, Duration), Failure> {
        let (start, mut good, mut bad) = (Instant::now(), 0, 0);
        loop {
            let elapsed = start.elapsed();
            if elapsed >= span {
                return Ok((good, bad, elapsed));
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

    /// Datagrams that wait at the server, taken out.
    fn count(&self) -> Result<u64, Failure> {
        let mut buffer = [std::mem::MaybeUninit::uninit(); 64];
        for counted in 0.. {
            match self.counter.recv(&mut buffer) {
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(counted),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(0)
    }
}

/// The router's MAC address, as the client's kernel has learnt it.
fn neighbor(set_up: &SetUp) -> Result<build::Mac, Failure> {
    mac_in(&ip(set_up, &format!("neigh show {ROUTER} dev lan0"))?, "lladdr")
}

fn own_mac(set_up: &SetUp) -> Result<build::Mac, Failure> {
    mac_in(&ip(set_up, "link show dev lan0")?, "link/ether")
}

fn ip(set_up: &SetUp, words: &str) -> Result<String, Failure> {
    let mut command = Command::new("ip");
    command.args(words.split_whitespace()).stdout(Stdio::piped());
    let output = set_up.client.namespace().start_process(command)?.wait_with_output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The MAC address that follows this word.
fn mac_in(text: &str, after: &str) -> Result<build::Mac, Failure> {
    let mut words = text.split_whitespace().skip_while(|word| *word != after).skip(1);
    let word = words.next().ok_or_else(|| format!("ip shows no {after}: {text}"))?;
    let octets: Result<Vec<u8>, _> = word.split(':').map(|octet| u8::from_str_radix(octet, 16)).collect();
    octets?.try_into().map_err(|_| format!("{word} is no MAC address").into())
}
