//! A Linux host of the lab: an anonymous network namespace with one TAP, held by a thread.
//!
//! Read first: `man 7 network_namespaces`. The namespace has no name and no process of its own: it ends
//! with the thread and the descriptors, so nothing is left behind, even by SIGKILL.

use crate::port::Netlink;
use crate::port::tap::{Tap, TapError, TapOptions};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::getegid;
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread::JoinHandle;

/// What a host is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPlan {
    /// The host's name in reports, and its thread's.
    pub name: String,
    /// Name of its TAP interface; no other namespace sees it.
    pub interface: String,
    /// Hardware address of the interface.
    pub mac: [u8; 6],
    /// Its address.
    pub address: Ipv4Addr,
    /// Length of its network's prefix.
    pub prefix: u8,
    /// Where everything else goes, if anywhere.
    pub gateway: Option<Ipv4Addr>,
    /// Largest IP packet.
    pub mtu: u32,
}

impl HostPlan {
    /// The lab's `client`: 10.0.1.2/24 behind 10.0.1.1.
    pub fn client() -> Self {
        Self::numbered("client", 1)
    }

    /// The lab's `server`: 10.0.2.2/24 behind 10.0.2.1.
    pub fn server() -> Self {
        Self::numbered("server", 2)
    }

    fn numbered(name: &str, network: u8) -> Self {
        Self {
            name: name.to_owned(),
            interface: "lan0".to_owned(),
            mac: [0x02, 0, 0, 0, network, 2],
            address: Ipv4Addr::new(10, 0, network, 2),
            prefix: 24,
            gateway: Some(Ipv4Addr::new(10, 0, network, 1)),
            mtu: 1500,
        }
    }
}

/// Why a host cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// No thread, or the thread went away.
    #[error("host {host}: no thread ({source}): raise the limit on processes (ulimit -u)")]
    Thread {
        /// The host's name.
        host: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// No network namespace.
    #[error(
        "host {host}: no network namespace ({source}): run as root, or allow unprivileged user namespaces"
    )]
    Namespace {
        /// The host's name.
        host: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// No TAP in it.
    #[error("host {host}: {source}")]
    Tap {
        /// The host's name.
        host: String,
        /// Why, and what to do.
        source: TapError,
    },
    /// The namespace refuses a setting.
    #[error("host {host}: cannot set {what} ({source}): run as root, outside of containers that forbid it")]
    Configure {
        /// The host's name.
        host: String,
        /// The setting.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

type Job = Box<dyn FnOnce() + Send>;

/// A running host. Dropping it ends its thread; its namespace ends with its last socket.
#[derive(Debug)]
pub struct Host {
    plan: HostPlan,
    index: u32,
    warnings: Vec<String>,
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Host {
    /// Makes the namespace and its TAP; the [`Tap`] is the far end of the host's cable, for the router to hold.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn start(plan: HostPlan) -> Result<(Self, Tap), HostError> {
        let (ready, made) = sync_channel(1);
        let (jobs, inbox) = channel::<Job>();
        let no_thread = |source| HostError::Thread { host: plan.name.clone(), source };
        let inner = plan.clone();
        let thread = std::thread::Builder::new()
            .name(format!("host {}", plan.name))
            .spawn(move || {
                let made = set_up(&inner);
                if ready.send(made).is_ok() {
                    serve(&inbox);
                }
            })
            .map_err(no_thread)?;
        let gone = |_| no_thread(io::Error::other("it ended while it started"));
        let (tap, warnings) = made.recv().map_err(gone)??;
        let index = tap.index();
        Ok((Self { plan, index, warnings, jobs: Some(jobs), thread: Some(thread) }, tap))
    }

    /// What the host was told to be.
    pub const fn plan(&self) -> &HostPlan {
        &self.plan
    }

    /// The index of its interface, in its namespace.
    pub const fn interface_index(&self) -> u32 {
        self.index
    }

    /// Settings that were refused, but that the lab can do without: to be printed once.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Runs `job` in the host's namespace and waits for it: a socket made in it belongs to the host for ever.
    ///
    /// One job at a time, so a job makes things and returns; loads run in threads of their own.
    ///
    /// # Panics
    /// With the job's own panic.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, result) = sync_channel(1);
        let jobs = self.jobs.as_ref().expect("the sender lives until the host is dropped");
        jobs.send(Box::new(move || {
            // The receiver waits below, and cannot be gone.
            let _ = answer.send(catch_unwind(AssertUnwindSafe(job)));
        }))
        .expect("the host's thread serves until the sender is dropped");
        match result.recv().expect("every job answers") {
            Ok(value) => value,
            Err(panic) => resume_unwind(panic),
        }
    }

    /// Starts a thread that stays in the host's namespace; it ends when `body` returns.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn spawn(&self, name: &'static str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        // A new thread is born into the namespace of the one that starts it.
        self.run(move || std::thread::Builder::new().name(name.to_owned()).spawn(body).map(drop))
    }

    /// Makes the host forget a neighbour, so that its next packet there starts with ARP.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn forget_neighbor(&self, address: Ipv4Addr) -> io::Result<()> {
        let index = self.index;
        self.run(move || Netlink::open()?.forget_neighbor(index, address))
    }

    /// Gives an address to an interface in the namespace, such as a TAP that a router there has made.
    ///
    /// # Errors
    /// There is no such interface yet, or the kernel refuses.
    pub fn add_address(&self, interface: &str, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
        let interface = interface.to_owned();
        self.run(move || {
            let netlink = Netlink::open()?;
            netlink.add_address(netlink.link(&interface)?.index, address, prefix)
        })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // Jobs catch their panics, so there is nothing to learn from it.
            let _ = thread.join();
        }
    }
}

fn serve(inbox: &Receiver<Job>) {
    for job in inbox {
        job();
    }
}

/// Everything that must happen in the host's own thread: it alone is in the new namespace.
fn set_up(plan: &HostPlan) -> Result<(Tap, Vec<String>), HostError> {
    let host = || plan.name.clone();
    let failed = |what| move |source| HostError::Configure { host: host(), what, source };
    unshare(CloneFlags::CLONE_NEWNET)
        .map_err(|errno| HostError::Namespace { host: host(), source: errno.into() })?;
    let mut warnings = Vec::new();
    for scope in ["all", "default"] {
        // `/proc/sys/net` shows the namespace of the thread that looks.
        match fs::write(format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6"), "1") {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                warnings.push(format!("host {}: IPv6 stays on ({error})", plan.name));
            }
            _ => {}
        }
    }
    // Lets the kernel's own ICMP sockets open, which check a reply before we see it.
    let group = getegid();
    if let Err(error) = fs::write("/proc/sys/net/ipv4/ping_group_range", format!("{group} {group}")) {
        warnings.push(format!("host {}: no ICMP datagram sockets ({error})", plan.name));
    }
    let netlink = Netlink::open().map_err(failed("anything: no netlink socket"))?;
    let loopback = netlink.link("lo").map_err(failed("the loopback interface"))?;
    netlink.set_up(loopback.index).map_err(failed("the loopback interface up"))?;
    let options = TapOptions {
        mtu: Some(plan.mtu),
        kernel_mac: Some(plan.mac),
        kernel_addresses: vec![(plan.address, plan.prefix)],
    };
    let tap =
        Tap::open(&plan.interface, &options).map_err(|source| HostError::Tap { host: host(), source })?;
    if let Some(gateway) = plan.gateway {
        netlink.add_default_route(tap.index(), gateway).map_err(failed("the default route"))?;
    }
    Ok((tap, warnings))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::privilege::{probe_tap, skip};
    use crate::port::Port;

    #[test]
    fn a_host_has_its_own_interfaces_and_no_ipv6() {
        if let Err(reason) = probe_tap() {
            return skip(&reason.to_string());
        }
        let (host, tap) = Host::start(HostPlan::client()).unwrap();
        assert_eq!(tap.kernel_mac(), [2, 0, 0, 0, 1, 2]);
        assert_eq!(tap.name(), "lan0");
        assert!(host.warnings().is_empty(), "{:?}", host.warnings());
        let read = |path: &'static str| host.run(move || fs::read_to_string(path).unwrap());
        let devices = read("/proc/thread-self/net/dev");
        assert!(devices.contains("lan0:") && !devices.contains("eth0:"), "{devices}");
        assert_eq!(read("/proc/sys/net/ipv6/conf/lan0/disable_ipv6").trim(), "1");
        // Destination 0.0.0.0 through 10.0.1.1, in network byte order.
        assert!(read("/proc/thread-self/net/route").contains("lan0\t00000000\t0101000A"));
        assert!(!fs::read_to_string("/proc/thread-self/net/dev").unwrap().contains("lan0:"));
    }

    #[test]
    fn a_job_runs_inside_and_its_panic_comes_back() {
        if let Err(reason) = probe_tap() {
            return skip(&reason.to_string());
        }
        let (host, _tap) = Host::start(HostPlan::server()).unwrap();
        assert_eq!(host.run(|| 6 * 7), 42);
        let panic = catch_unwind(AssertUnwindSafe(|| host.run(|| panic!("inside")))).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"inside"));
        assert_eq!(host.run(|| 1), 1);
        assert!(host.forget_neighbor(Ipv4Addr::new(10, 0, 2, 1)).is_ok());
    }

    #[test]
    fn a_tap_has_one_holder_and_comes_up_configured() {
        if let Err(reason) = probe_tap() {
            return skip(&reason.to_string());
        }
        let (host, tap) = Host::start(HostPlan::client()).unwrap();
        let again = host.run(|| Tap::open("lan0", &TapOptions::default()).map(drop)).unwrap_err();
        assert!(matches!(again, TapError::Busy { .. }), "{again}");
        let loopback = host.run(|| Tap::open("lo", &TapOptions::default()).map(drop)).unwrap_err();
        assert!(matches!(loopback, TapError::Name { .. }), "{loopback}");
        let link = host.run(|| Netlink::open()?.link("lan0")).unwrap();
        assert_eq!((link.index, link.up, link.mtu, link.mac), (tap.index(), true, 1500, tap.kernel_mac()));
        drop(tap);
        // Not persistent: the interface goes with its descriptor.
        assert!(host.run(|| Netlink::open()?.link("lan0")).is_err());
    }
}
