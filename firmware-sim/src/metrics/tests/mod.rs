//! What a scrape says beside what the router's own report says, and beside what the documents say.

mod books;
mod documents;
mod endpoint;

use super::listen::Endpoint;
use super::server::Server;
use crate::clock::Clock;
use crate::event_loop::EventLoop;
use crate::lab::run::router_config;
use crate::port::memory::{MemoryPort, pair};
use crate::port::{Port, Sent};
use crate::slow_path::SlowPathPlan;
use crate::storage::{Tables, storage};
use llm_slowpath::PingTask;
use smoltcp::time::Duration as RouterDuration;
use stack::{Config, Posture, Router};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Frames that a cable of these tests holds.
const CABLE: usize = 8192;
const TICK: Duration = Duration::from_millis(10);

/// The lab's router in its loop, with an endpoint on a free port.
struct Running {
    cables: Vec<MemoryPort>,
    address: SocketAddr,
    server: Server,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<EventLoop>,
}

impl Running {
    fn start(plan: &SlowPathPlan) -> Self {
        let mut config = router_config(Posture::Balanced, false, false, Config::new(7));
        // What is counted must not change between the last scrape and the end.
        config.rules.idle = RouterDuration::from_secs(3600);
        config.limits.neighbor_lifetime = RouterDuration::from_secs(3600);
        let router = Router::new(config.clone(), storage(&config.limits, Tables::default())).unwrap();
        let (near, far): (Vec<_>, Vec<_>) =
            ["client", "server"].into_iter().map(|name| pair(name, "lan0", CABLE).unwrap()).unzip();
        let near = near.into_iter().map(|port| Box::new(port) as Box<dyn Port>).collect();
        let backends = plan.open(PingTask::default()).unwrap();
        let mut owner = EventLoop::new(router, near, backends, plan.service(), Clock::start(), None).unwrap();
        let endpoint = Endpoint::bind("0".parse().unwrap()).unwrap();
        let address = endpoint.address().unwrap();
        let server = endpoint.serve(&mut owner, plan, Tables::default()).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let inner = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            owner.run(&inner, TICK, |_| {}).unwrap();
            owner
        });
        Self { cables: far, address, server, stop, thread }
    }

    fn send(&mut self, port: u8, frame: &[u8]) {
        assert_eq!(self.cables[usize::from(port)].send(frame).unwrap(), Sent::Done);
    }

    /// Whatever the router has sent, so that its cables never fill.
    fn drain(&mut self) {
        let mut buffer = [0; 2048];
        for cable in &mut self.cables {
            while cable.receive(&mut buffer).unwrap().is_some() {}
        }
    }

    fn scrape(&self) -> BTreeMap<String, f64> {
        samples(&get(self.address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"))
    }

    fn end(self) -> EventLoop {
        self.stop.store(true, Ordering::Relaxed);
        let owner = self.thread.join().unwrap();
        drop(self.server);
        owner
    }
}

/// Sends a request; all of the answer.
fn get(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Every sample of an answer, by its name with its labels.
fn samples(answer: &str) -> BTreeMap<String, f64> {
    let (head, page) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
    assert!(page.ends_with("\n# EOF\n"), "{page}");
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let mut samples = BTreeMap::new();
    for line in lines {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(samples.insert(name.to_owned(), value.parse().unwrap()).is_none(), "twice: {name}");
    }
    samples
}
