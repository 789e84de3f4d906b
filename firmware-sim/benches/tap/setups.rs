//! Two Linux hosts, and what joins them: a kernel that routes over veth, a bare loop between two TAPs that
//! reads and writes and does nothing else, or the router on the same two TAPs.

use firmware_sim::clock::Clock;
use firmware_sim::config;
use firmware_sim::event_loop::EventLoop;
use firmware_sim::lab::namespace::{Host, HostPlan};
use firmware_sim::lab::netns::Namespace;
use firmware_sim::port::Port;
use firmware_sim::port::tap::Tap;
use firmware_sim::storage;
use llm_slowpath::PingTask;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::{Pid, read, write};
use stack::{Router, Stats};
use std::error::Error;
use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Any failure, with a text that says what failed.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// Frames taken from one TAP before the other has its turn: as many as the router takes.
const BUDGET: usize = 64;

/// What joins the hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fabric {
    /// A third namespace whose kernel routes between two veth pairs.
    Kernel,
    /// A thread that reads from one TAP and writes to the other.
    Bare {
        /// With virtio-net headers, super-frames and unfinished checksums.
        offload: bool,
    },
    /// The router with its embedded model.
    Softrouter {
        /// With virtio-net headers, super-frames and unfinished checksums.
        offload: bool,
    },
}

/// Where threads run: first the hosts and their loads, then the fabric's thread.
pub(crate) type Cpus = [usize; 2];

/// Keeps the calling thread, and what it starts from now on, on one core: where the scheduler puts them differs
/// from run to run, and makes more of a difference than anything that is measured.
///
/// # Errors
/// There is no such core.
pub(crate) fn pin(cpu: usize) -> Result<(), Failure> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// One host, with whatever keeps its cable plugged in.
pub(crate) struct End {
    namespace: Namespaces,
}

enum Namespaces {
    Tap(Host),
    Veth(Namespace),
}

impl End {
    /// The host's namespace.
    pub(crate) const fn namespace(&self) -> &Namespace {
        match &self.namespace {
            Namespaces::Tap(host) => host.namespace(),
            Namespaces::Veth(namespace) => namespace,
        }
    }
}

/// The router's thread ends with its books.
type FabricThread = JoinHandle<Result<Option<Box<Stats>>, Failure>>;

/// A joined pair of hosts, ready for a load.
pub(crate) struct SetUp {
    /// 10.0.1.2 on `lan0`.
    pub(crate) client: End,
    /// 10.0.2.2 on `lan0`.
    pub(crate) server: End,
    stop: Arc<AtomicBool>,
    thread: Option<FabricThread>,
    _router: Option<Namespace>,
}

impl SetUp {
    /// Makes hosts and fabric.
    ///
    /// # Errors
    /// The kernel or a tool refuses; the text says which.
    pub(crate) fn start(fabric: Fabric, cpus: Cpus) -> Result<Self, Failure> {
        let set_up = match fabric {
            Fabric::Kernel => kernel(),
            Fabric::Bare { offload } => {
                taps(offload, |hosts, ports, stop| bare_between(hosts, ports, stop, cpus))
            }
            Fabric::Softrouter { offload } => taps(offload, |_, ports, stop| {
                let thread = std::thread::Builder::new().name("router".into());
                Ok(thread.spawn(move || softrouter(ports, &stop, cpus).map(Some))?)
            }),
        }?;
        for end in [&set_up.client, &set_up.server] {
            end.namespace().run(move || pin(cpus[0]))?;
        }
        Ok(set_up)
    }

    /// Takes the fabric down; the router's books, if it was ours.
    ///
    /// # Errors
    /// What went wrong in the fabric's thread.
    pub(crate) fn finish(mut self) -> Result<Option<Box<Stats>>, Failure> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.take() {
            Some(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            None => Ok(None),
        }
    }
}

/// Runs `ip` with these words in the namespace.
fn ip(namespace: &Namespace, words: &str) -> Result<(), Failure> {
    let mut command = Command::new("ip");
    command.args(words.split_whitespace());
    let status = namespace.start_process(command)?.wait()?;
    if status.success() { Ok(()) } else { Err(format!("ip {words}: {status}").into()) }
}

fn kernel() -> Result<SetUp, Failure> {
    let [client, router, server] = ["client", "router", "server"].map(Namespace::start);
    let (client, router, server) = (client?, router?, server?);
    for (network, host) in [(1, &client), (2, &server)] {
        let holder = host.holder();
        ip(&router, &format!("link add r{network} type veth peer name lan0 netns {holder}"))?;
        ip(&router, &format!("addr add 10.0.{network}.1/24 dev r{network}"))?;
        ip(&router, &format!("link set r{network} up"))?;
        ip(host, &format!("addr add 10.0.{network}.2/24 dev lan0"))?;
        ip(host, "link set lan0 up")?;
        ip(host, &format!("route add default via 10.0.{network}.1"))?;
        host.run(|| fs::write("/proc/sys/net/ipv4/ping_group_range", "0 0"))?;
    }
    router.run(|| fs::write("/proc/sys/net/ipv4/ip_forward", "1"))?;
    let end = |namespace| End { namespace: Namespaces::Veth(namespace) };
    Ok(SetUp {
        client: end(client),
        server: end(server),
        stop: Arc::default(),
        thread: None,
        _router: Some(router),
    })
}

fn taps(
    offload: bool,
    join: impl FnOnce([&Host; 2], [Tap; 2], Arc<AtomicBool>) -> Result<FabricThread, Failure>,
) -> Result<SetUp, Failure> {
    let plan = |plan| HostPlan { offload, ..plan };
    let (client, near) = Host::start(plan(HostPlan::client()))?;
    let (server, far) = Host::start(plan(HostPlan::server()))?;
    if offload && !(near.takes_super_frames() && far.takes_super_frames()) {
        return Err("this kernel gives TAPs no offload".into());
    }
    let stop = Arc::new(AtomicBool::new(false));
    let thread = join([&client, &server], [near, far], Arc::clone(&stop))?;
    let end = |host| End { namespace: Namespaces::Tap(host) };
    Ok(SetUp { client: end(client), server: end(server), stop, thread: Some(thread), _router: None })
}

/// Each host takes the other's interface for its gateway, so that no byte has to be rewritten.
fn bare_between(
    hosts: [&Host; 2],
    ports: [Tap; 2],
    stop: Arc<AtomicBool>,
    cpus: Cpus,
) -> Result<FabricThread, Failure> {
    for (host, peer, network) in [(hosts[0], &ports[1], 1), (hosts[1], &ports[0], 2)] {
        let mac = peer.kernel_mac().map(|byte| format!("{byte:02x}")).join(":");
        ip(host.namespace(), &format!("neigh replace 10.0.{network}.1 lladdr {mac} dev lan0"))?;
    }
    let thread = std::thread::Builder::new().name("bare loop".into());
    Ok(thread.spawn(move || {
        pin(cpus[1])?;
        bare(&ports, &stop).map(|()| None)
    })?)
}

/// The peer: reads a TAP, writes what it read to the other, and does nothing else. With offload the header is
/// part of what it reads and writes.
fn bare(ports: &[Tap; 2], stop: &AtomicBool) -> Result<(), Failure> {
    let mut buffer = vec![0; 1 << 17];
    while !stop.load(Ordering::Relaxed) {
        let mut fds = ports.each_ref().map(|port| PollFd::new(port.fd(), PollFlags::POLLIN));
        poll(&mut fds, PollTimeout::from(100_u8))?;
        for from in [0, 1] {
            if !fds[from].any().unwrap_or(true) {
                continue;
            }
            for _ in 0..BUDGET {
                match read(ports[from].fd(), &mut buffer) {
                    // A full port drops the frame, as the router's does.
                    Ok(len) => match write(ports[1 - from].fd(), &buffer[..len]) {
                        Ok(_) | Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::EIO) => {}
                        Err(errno) => return Err(errno.into()),
                    },
                    Err(Errno::EAGAIN | Errno::EIO) => break,
                    Err(errno) => return Err(errno.into()),
                }
            }
        }
    }
    Ok(())
}

const CONFIG: &str = r#"
[[port]]
name = "client"
mac = "02:00:00:00:01:01"
addresses = ["10.0.1.1/24"]
[[port]]
name = "server"
mac = "02:00:00:00:02:01"
addresses = ["10.0.2.1/24"]
"#;

fn softrouter(ports: [Tap; 2], stop: &AtomicBool, cpus: Cpus) -> Result<Box<Stats>, Failure> {
    let config = config::parse("bench", CONFIG, Clock::secret(), None)?;
    let router = Router::new(config.router.clone(), storage::storage(&config.router.limits, config.tables))?;
    let ports = ports.map(|tap| Box::new(tap) as Box<dyn Port>).into();
    let (backends, service) = (config.slow_path.open(PingTask::default())?, config.slow_path.service());
    let mut owner = EventLoop::new(router, ports, backends, service, Clock::start(), None)?;
    // The slow path has a thread of its own, which goes where it likes.
    pin(cpus[1])?;
    owner.run(stop, Duration::from_millis(100), |_| ())?;
    Ok(Box::new(owner.router().stats().clone()))
}
