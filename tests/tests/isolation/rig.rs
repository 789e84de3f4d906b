//! A router with a slow path that is well, down, hung, slow or lying, under a healthy load and a stream of anomalies, in
//! real time: ports in memory, model servers on loopback.

use firmware_sim::clock::Clock;
use firmware_sim::decision_log::DecisionLog;
use firmware_sim::event_loop::EventLoop;
use firmware_sim::port::memory::{MemoryPort, pair};
use firmware_sim::port::{Port, Sent};
use llm_slowpath::{BackendSpec, Cascade, ServiceConfig, Setup, Snapshot};
use pktgen::build::Ipv4;
use pktgen::{Generator, World};
use smoltcp::time::Duration as RouterDuration;
use stack::{Anomaly, Rate, Stats};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tests::Sim;
use tests::frames::{self, CLIENT, SERVER};

/// Frames that a cable holds in each direction.
const CABLE: usize = 4_096;
/// The hosts rest so long when there is nothing to do.
const REST: Duration = Duration::from_micros(30);
/// A slow server takes so long: nearly the whole deadline.
const SLOW: Duration = Duration::from_millis(1_500);
/// Where a healthy frame's payload begins: Ethernet, IPv4, UDP.
const PAYLOAD: usize = 14 + 20 + 8;
/// What marks a healthy frame.
const MARK: [u8; 8] = *b"healthy!";

/// The state of the slow path's backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    /// The embedded model.
    Embedded,
    /// A server that does not exist.
    Down,
    /// A server that takes requests and never answers.
    Hung,
    /// A server that answers rightly, in 1.5 s.
    Slow,
    /// A server that says at once that every frame is to be forwarded.
    Lying,
}

impl Backend {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [Self::Embedded, Self::Down, Self::Hung, Self::Slow, Self::Lying];
}

/// What to run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) backend: Backend,
    /// Healthy round trips offered a second; `None`: as many as go, 256 at a time.
    pub(crate) healthy: Option<u32>,
    /// Anomalies offered a second, of every reason that is held.
    pub(crate) anomalies: u32,
    pub(crate) time: Duration,
    /// Where the decision log goes, if there is to be one.
    pub(crate) log: Option<&'a Path>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) anomalies: u64,
    pub(crate) stats: Stats,
    pub(crate) service: Snapshot,
    pub(crate) deadline: Duration,
    /// Most memory that the process had, and what it had before, in KiB.
    pub(crate) peak_kib: [u64; 2],
}

/// Runs the plan.
pub(crate) fn run(plan: &Plan<'_>) -> Outcome {
    let server = Server::start(plan.backend);
    let spec: BackendSpec = match plan.backend {
        Backend::Embedded => "embedded".parse(),
        Backend::Down => "openai:http://127.0.0.1:1".parse(),
        Backend::Hung | Backend::Slow | Backend::Lying => format!("openai:http://{}", server.address).parse(),
    }
    .expect("a backend");
    let sim = Sim::lab_with(|config| {
        if plan.backend != Backend::Embedded {
            config.limits.divert_deadline = RouterDuration::from_secs(2);
            config.limits.divert_rate = Rate { per_second: 50, burst: 100 };
        }
    });
    let deadline = sim.router.config().limits.divert_deadline.into();
    let (near_client, client) = pair("client", "far", CABLE).expect("a cable");
    let (near_server, echo) = pair("server", "far", CABLE).expect("a cable");
    let log = plan.log.map(|path| DecisionLog::open(path, 0, &[spec.to_string()]).expect("a log"));
    let cascade: Cascade = spec.open(&Setup::default()).expect("the backend opens").into();
    let ports: Vec<Box<dyn Port>> = vec![Box::new(near_client), Box::new(near_server)];
    let mut owner = EventLoop::new(sim.router, ports, cascade, ServiceConfig::default(), Clock::start(), log)
        .expect("a loop");
    let before = memory();
    let stop = Arc::new(AtomicBool::new(false));
    let owner_stop = Arc::clone(&stop);
    let thread = std::thread::spawn(move || {
        owner.run(&owner_stop, Duration::from_millis(100), |_| ()).expect("the loop runs");
        owner
    });
    let mut driver = Driver::new(client, echo);
    driver.drive(plan);
    // What is under way comes to its end.
    let until = Instant::now() + Duration::from_millis(300);
    while Instant::now() < until {
        let _ = driver.receive();
    }
    // Whatever is held ends by its deadline.
    std::thread::sleep(deadline + Duration::from_millis(300));
    stop.store(true, Ordering::Relaxed);
    let owner = thread.join().expect("the loop ended well");
    driver.rtts.sort_unstable();
    let at = |quantile: f64| {
        let rank = (driver.rtts.len().saturating_sub(1) as f64 * quantile) as usize;
        driver.rtts.get(rank).copied().unwrap_or_default()
    };
    Outcome {
        sent: driver.sent,
        received: driver.rtts.len() as u64,
        p50: at(0.5),
        p99: at(0.99),
        anomalies: driver.anomalies,
        stats: owner.router().snapshot(),
        service: owner.service().metrics(),
        deadline,
        peak_kib: [memory(), before],
    }
}

/// The most memory that this process had since the last question, in KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    // Resets the peak to what is used now.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Both hosts: a client that offers round trips and anomalies, and a server that returns the former.
struct Driver {
    client: MemoryPort,
    server: MemoryPort,
    there: Vec<u8>,
    back: Vec<u8>,
    start: Instant,
    sent: u64,
    anomalies: u64,
    rtts: Vec<Duration>,
    buffer: Vec<u8>,
    odd: Vec<Vec<u8>>,
}

impl Driver {
    fn new(client: MemoryPort, server: MemoryPort) -> Self {
        let data = [&[0; 8][..], &MARK].concat();
        let healthy = |from, to, wrap: fn(&[u8]) -> Vec<u8>| {
            let mut frame = wrap(&frames::udp(&Ipv4::new(from, to), 9, &data));
            // No checksum (RFC 768), since the data changes.
            frame[PAYLOAD - 2..PAYLOAD].fill(0);
            frame
        };
        let generator = &Generator::new(World::lab(), 5);
        let held = Anomaly::ALL.iter().filter(|a| !a.must_pass() && **a != Anomaly::EchoRequest);
        let made = held.flat_map(|&anomaly| (0..4).filter_map(move |n| generator.of(anomaly, n)));
        let odd = made.filter(|made| made.port == 0).map(|made| made.bytes).collect();
        Self {
            client,
            server,
            there: healthy(CLIENT.address, SERVER.address, frames::from_client),
            back: healthy(SERVER.address, CLIENT.address, frames::from_server),
            start: Instant::now(),
            sent: 0,
            anomalies: 0,
            rtts: Vec::new(),
            buffer: vec![0; 2048],
            odd,
        }
    }

    fn drive(&mut self, plan: &Plan<'_>) {
        self.start = Instant::now();
        let mut elapsed = Duration::ZERO;
        while elapsed < plan.time {
            let due = |rate: u32| (elapsed.as_secs_f64() * f64::from(rate)) as u64;
            let healthy = match plan.healthy {
                Some(rate) => due(rate),
                None => self.rtts.len() as u64 + 256,
            };
            if self.sent >= healthy && self.anomalies >= due(plan.anomalies) && !self.receive() {
                // The router's threads need the processors, too.
                std::thread::sleep(REST);
            }
            while self.sent < healthy {
                let now = self.start.elapsed().as_nanos() as u64;
                self.there[PAYLOAD..PAYLOAD + 8].copy_from_slice(&now.to_be_bytes());
                self.sent += 1;
                if self.client.send(&self.there).expect("the cable") == Sent::Full {
                    break;
                }
            }
            while self.anomalies < due(plan.anomalies) {
                let odd = &self.odd[self.anomalies as usize % self.odd.len()];
                let _ = self.client.send(odd).expect("the cable");
                self.anomalies += 1;
            }
            let _ = self.receive();
            elapsed = self.start.elapsed();
        }
    }

    /// Takes what has come: the server returns it, the client notes how long it took. True if there was anything.
    fn receive(&mut self) -> bool {
        let mut any = false;
        let stamp = PAYLOAD..PAYLOAD + 8;
        while let Some(received) = self.server.receive(&mut self.buffer).expect("the cable") {
            any = true;
            if is_healthy(&self.buffer[..received.len]) {
                self.back[stamp.clone()].copy_from_slice(&self.buffer[stamp.clone()]);
                let _ = self.server.send(&self.back).expect("the cable");
            }
        }
        while let Some(received) = self.client.receive(&mut self.buffer).expect("the cable") {
            any = true;
            if is_healthy(&self.buffer[..received.len]) {
                let sent = u64::from_be_bytes(self.buffer[stamp.clone()].try_into().expect("8 bytes"));
                self.rtts.push(self.start.elapsed() - Duration::from_nanos(sent));
            }
        }
        any
    }
}

fn is_healthy(frame: &[u8]) -> bool {
    frame.get(PAYLOAD + 8..PAYLOAD + 16) == Some(&MARK)
}

/// A model server that misbehaves.
struct Server {
    address: std::net::SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(how: Backend) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let address = listener.local_addr().expect("an address");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                std::thread::spawn(move || serve(how, stream));
            }
        });
        Self { address, stop, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Serves one connection; a client that goes away ends it.
fn serve(how: Backend, stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let (mut line, mut length) = (String::new(), 0);
        while line != "\r\n" {
            line.clear();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let body = String::from_utf8(body).ok()?;
        let action = match how {
            Backend::Hung => {
                let _ = reader.read(&mut [0]);
                return None;
            }
            Backend::Slow => {
                std::thread::sleep(SLOW);
                "drop"
            }
            Backend::Embedded | Backend::Down | Backend::Lying => "forward",
        };
        let quoted = |key: &str| {
            let (_, after) = body.split_once(&format!("\\\"{key}\\\":\\\""))?;
            Some(after.split_once('\\')?.0.to_owned())
        };
        let (nonce, reason) = (quoted("nonce")?, quoted("reason")?);
        let said = format!(r#"{{\"nonce\":\"{nonce}\",\"reason\":\"{reason}\",\"action\":\"{action}\"}}"#);
        let reply = format!(
            r#"{{"choices":[{{"index":0,"message":{{"role":"assistant","content":"{said}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":400,"completion_tokens":20,"total_tokens":420}}}}"#
        );
        write!(writer, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{reply}", reply.len()).ok()?;
    }
}
