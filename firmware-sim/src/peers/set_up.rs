//! Two Linux hosts, and what joins them.
//!
//! Read first: `lab/netns.rs`. Hosts and fabric end with their value: namespaces, devices, threads, processes.

use super::Failure;
use super::bare;
use super::cpu::CpuClock;
use super::ovs::Ovs;
use super::router;
use super::tools::ip;
use crate::lab::namespace::{Host, HostPlan};
use crate::lab::netns::Namespace;
use crate::port::tap::Tap;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::{Pid, gettid};
use stack::Stats;
use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

/// The client's address, on `lan0`.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 2);
/// The router's address on the client's side.
pub const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);
/// The server's address, on `lan0`.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);

/// What joins the hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fabric {
    /// A third namespace whose kernel routes between two veth pairs.
    Kernel,
    /// Open vSwitch's userspace datapath between two TAPs, with `OpenFlow` rules that route.
    Ovs,
    /// A thread that reads from one TAP and writes to the other.
    Bare {
        /// With virtio-net headers, super-frames and unfinished checksums.
        offload: bool,
    },
    /// The router with its embedded model, on two TAPs.
    Softrouter {
        /// With virtio-net headers, super-frames and unfinished checksums.
        offload: bool,
    },
}

impl Fabric {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel, veth",
            Self::Ovs => "Open vSwitch, TAP",
            Self::Bare { offload: false } => "bare loop",
            Self::Bare { offload: true } => "bare loop, offload",
            Self::Softrouter { offload: false } => "softrouter",
            Self::Softrouter { offload: true } => "softrouter, offload",
        }
    }

    /// What it does with a frame.
    pub const fn does(self) -> &'static str {
        match self {
            Self::Kernel => {
                "all that Linux does with a packet in transit; no system calls and no copies between the hosts, and its time is \
                 spent on the hosts' core"
            }
            Self::Ovs => {
                "matches a flow, decrements the TTL, puts in MAC addresses; checks no checksum, looks up no route, sends no \
                 ARP and no ICMP error"
            }
            Self::Bare { .. } => "a read and a write",
            Self::Softrouter { .. } => {
                "classifies, checks, looks up route and neighbour, forwards; malformed frames have a reason"
            }
        }
    }
}

/// Where threads run: first the hosts and their loads, then the fabric's thread.
pub type Cpus = [usize; 2];

/// Keeps the calling thread, and what it starts from now on, on one core: where the scheduler puts them differs
/// from run to run, and makes more of a difference than anything that is measured.
///
/// # Errors
/// There is no such core.
pub fn pin(cpu: usize) -> Result<(), Failure> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set).map_err(|errno| format!("core {cpu}: {errno}"))?)
}

/// One host, with whatever keeps its cable plugged in.
#[derive(Debug)]
pub struct End(Inside);

#[derive(Debug)]
enum Inside {
    Tap(Host),
    Plain(Namespace),
}

impl End {
    /// The host's namespace.
    pub const fn namespace(&self) -> &Namespace {
        match &self.0 {
            Inside::Tap(host) => host.namespace(),
            Inside::Plain(namespace) => namespace,
        }
    }
}

/// A fabric's thread; the router's ends with its books.
type FabricThread = JoinHandle<Result<Option<Box<Stats>>, Failure>>;

/// What joins them, at work.
enum Joint {
    Kernel(#[expect(dead_code, reason = "kept, so that the namespace lives")] Namespace),
    Ovs(Ovs),
    Thread { stop: Arc<AtomicBool>, thread: Option<FabricThread>, id: Pid },
}

impl Drop for Joint {
    fn drop(&mut self) {
        if let Self::Thread { stop, thread, .. } = self {
            stop.store(true, Ordering::Relaxed);
            if let Some(thread) = thread.take() {
                // Whoever wants to know how it ended has asked `SetUp::finish`.
                let _ = thread.join();
            }
        }
    }
}

/// A joined pair of hosts, ready for a load.
pub struct SetUp {
    /// 10.0.1.2 on `lan0`.
    pub client: End,
    /// 10.0.2.2 on `lan0`.
    pub server: End,
    joint: Joint,
}

impl SetUp {
    /// Makes hosts and fabric. The router's slow path may run wherever the calling thread may, which is why that one is to be
    /// pinned later.
    ///
    /// # Errors
    /// The kernel or a tool refuses; the text says which.
    pub fn start(fabric: Fabric, cpus: Cpus) -> Result<Self, Failure> {
        let set_up = match fabric {
            Fabric::Kernel => kernel(),
            Fabric::Ovs => ovs(cpus),
            Fabric::Bare { offload } => taps(offload, "bare loop", |hosts, ports| {
                bare::introduce(hosts, &ports)?;
                Ok(move |stop: &AtomicBool| {
                    pin(cpus[1])?;
                    bare::run(&ports, stop).map(|()| None)
                })
            }),
            Fabric::Softrouter { offload } => taps(offload, "router", |_, ports| {
                Ok(move |stop: &AtomicBool| router::route(ports, stop, || pin(cpus[1])).map(Some))
            }),
        }?;
        for end in [&set_up.client, &set_up.server] {
            end.namespace().run(move || pin(cpus[0]))?;
        }
        Ok(set_up)
    }

    /// The clock of the time that the fabric takes; `None`: that is not told apart from the hosts' own.
    pub fn cpu_clock(&self) -> Option<CpuClock> {
        match &self.joint {
            Joint::Kernel(_) => None,
            Joint::Ovs(ovs) => Some(CpuClock::of_process(ovs.switch())),
            Joint::Thread { id, .. } => Some(CpuClock::of_thread(*id)),
        }
    }

    /// Takes the fabric down; the router's books, if it was ours.
    ///
    /// # Errors
    /// What went wrong in the fabric's thread.
    pub fn finish(mut self) -> Result<Option<Box<Stats>>, Failure> {
        let Joint::Thread { stop, thread, .. } = &mut self.joint else { return Ok(None) };
        stop.store(true, Ordering::Relaxed);
        match thread.take() {
            Some(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            None => Ok(None),
        }
    }
}

/// Gives host number `network` (1 or 2) its address on `lan0` and its gateway.
fn number(host: &Namespace, network: u8) -> Result<(), Failure> {
    ip(host, &format!("addr add 10.0.{network}.2/24 dev lan0"))?;
    ip(host, "link set lan0 up")?;
    ip(host, &format!("route add default via 10.0.{network}.1"))?;
    Ok(host.run(|| fs::write("/proc/sys/net/ipv4/ping_group_range", "0 0"))?)
}

fn kernel() -> Result<SetUp, Failure> {
    let [client, router, server] = ["client", "router", "server"].map(Namespace::start);
    let (client, router, server) = (client?, router?, server?);
    for (network, host) in [(1, &client), (2, &server)] {
        let holder = host.holder();
        ip(&router, &format!("link add r{network} type veth peer name lan0 netns {holder}"))?;
        ip(&router, &format!("addr add 10.0.{network}.1/24 dev r{network}"))?;
        ip(&router, &format!("link set r{network} up"))?;
        number(host, network)?;
    }
    router.run(|| fs::write("/proc/sys/net/ipv4/ip_forward", "1"))?;
    Ok(between(client, server, Joint::Kernel(router)))
}

fn ovs(cpus: Cpus) -> Result<SetUp, Failure> {
    let [client, server] = ["client", "server"].map(Namespace::start);
    let (client, server) = (client?, server?);
    let ovs = Ovs::start([&client, &server], cpus[1])?;
    for (network, host) in [(1, &client), (2, &server)] {
        number(host, network)?;
        ip(host, &format!("neigh replace 10.0.{network}.1 lladdr {} dev lan0", Ovs::router_mac(network)))?;
    }
    Ok(between(client, server, Joint::Ovs(ovs)))
}

fn between(client: Namespace, server: Namespace, joint: Joint) -> SetUp {
    SetUp { client: End(Inside::Plain(client)), server: End(Inside::Plain(server)), joint }
}

/// Two hosts with TAPs, and a thread called `name` that serves them until its flag is set.
fn taps<Body>(
    offload: bool,
    name: &str,
    join: impl FnOnce([&Host; 2], [Tap; 2]) -> Result<Body, Failure>,
) -> Result<SetUp, Failure>
where
    Body: FnOnce(&AtomicBool) -> Result<Option<Box<Stats>>, Failure> + Send + 'static,
{
    let plan = |plan| HostPlan { offload, ..plan };
    let (client, near) = Host::start(plan(HostPlan::client()))?;
    let (server, far) = Host::start(plan(HostPlan::server()))?;
    if offload && ![&near, &far].into_iter().all(crate::port::Port::takes_super_frames) {
        return Err("this kernel gives TAPs no offload".into());
    }
    let body = join([&client, &server], [near, far])?;
    let stop = Arc::new(AtomicBool::new(false));
    let (inner, (tell, told)) = (Arc::clone(&stop), sync_channel(1));
    let thread = std::thread::Builder::new().name(name.into()).spawn(move || {
        // The starter waits for it.
        let _ = tell.send(gettid());
        body(&inner)
    })?;
    let id = told.recv()?;
    let joint = Joint::Thread { stop, thread: Some(thread), id };
    Ok(SetUp { client: End(Inside::Tap(client)), server: End(Inside::Tap(server)), joint })
}
