//! A Linux host of the lab: a network namespace with one TAP. Read first: `netns.rs`.

use super::host::Family;
use super::netns::{Namespace, NamespaceError};
use crate::port::Netlink;
use crate::port::tap::{Tap, TapError, TapOptions};
use nix::unistd::getegid;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

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
    /// Leave segmentation and checksums to the far end of the cable, if the kernel can?
    pub offload: bool,
    /// `None`: its kernel does not speak IPv6 at all.
    pub ipv6: Option<Ipv6Plan>,
}

/// A host's IPv6 side; it has a link-local address, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv6Plan {
    /// Its global address.
    pub address: Ipv6Addr,
    /// Length of its network's prefix.
    pub prefix: u8,
    /// Where everything else goes, if anywhere.
    pub gateway: Option<Ipv6Addr>,
}

impl HostPlan {
    /// The lab's `client`: 10.0.1.2/24 behind 10.0.1.1, fd00:1::2/64 behind fd00:1::1.
    pub fn client() -> Self {
        Self::numbered("client", 1)
    }

    /// The lab's `server`: 10.0.2.2/24 behind 10.0.2.1, fd00:2::2/64 behind fd00:2::1.
    pub fn server() -> Self {
        Self::numbered("server", 2)
    }

    fn numbered(name: &str, network: u8) -> Self {
        let ipv6 = |host| Ipv6Addr::new(0xfd00, network.into(), 0, 0, 0, 0, 0, host);
        Self {
            name: name.to_owned(),
            interface: "lan0".to_owned(),
            mac: [0x02, 0, 0, 0, network, 2],
            address: Ipv4Addr::new(10, 0, network, 2),
            prefix: 24,
            gateway: Some(Ipv4Addr::new(10, 0, network, 1)),
            mtu: 1500,
            ipv6: Some(Ipv6Plan { address: ipv6(2), prefix: 64, gateway: Some(ipv6(1)) }),
            offload: false,
        }
    }
}

/// Why a host cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// No thread or no namespace.
    #[error("host {host}: {source}")]
    Namespace {
        /// The host's name.
        host: String,
        /// Why, and what to do.
        source: NamespaceError,
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

/// A running host. Dropping it ends its thread; its namespace ends with its last socket.
#[derive(Debug)]
pub struct Host {
    plan: HostPlan,
    index: u32,
    warnings: Vec<String>,
    namespace: Namespace,
}

impl Host {
    /// Makes the namespace and its TAP; the [`Tap`] is the far end of the host's cable, for the router to hold.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn start(plan: HostPlan) -> Result<(Self, Tap), HostError> {
        let namespace = Namespace::start(&format!("host {}", plan.name))
            .map_err(|source| HostError::Namespace { host: plan.name.clone(), source })?;
        let inner = plan.clone();
        let (tap, warnings) = namespace.run(move || set_up(&inner))?;
        let index = tap.index();
        Ok((Self { plan, index, warnings, namespace }, tap))
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

    /// The host's namespace.
    pub const fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Runs `job` in the host's namespace; see [`Namespace::run`].
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        self.namespace.run(job)
    }

    /// Starts a thread that stays in the host's namespace; see [`Namespace::spawn`].
    ///
    /// # Errors
    /// No thread can be started.
    pub fn spawn(&self, name: &'static str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.namespace.spawn(name, body)
    }

    /// The host's own address of this family.
    ///
    /// # Errors
    /// `Unsupported`: it has none.
    pub fn own(&self, family: Family) -> io::Result<IpAddr> {
        match (family, self.plan.ipv6) {
            (Family::V4, _) => Ok(self.plan.address.into()),
            (Family::V6, Some(ipv6)) => Ok(ipv6.address.into()),
            (Family::V6, None) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Makes the host forget a neighbour, so that its next packet there starts with ARP or Neighbour Discovery.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn forget_neighbor(&self, address: IpAddr) -> io::Result<()> {
        let index = self.index;
        self.run(move || Netlink::open()?.forget_neighbor(index, address))
    }

    /// Gives an address to an interface in the namespace, such as a TAP that a router there has made.
    ///
    /// # Errors
    /// There is no such interface yet, or the kernel refuses.
    pub fn add_address(&self, interface: &str, address: IpAddr, prefix: u8) -> io::Result<()> {
        let interface = interface.to_owned();
        self.run(move || {
            let netlink = Netlink::open()?;
            netlink.add_address(netlink.link(&interface)?.index, address, prefix)
        })
    }
}

/// Everything that must happen in the host's own thread: it alone is in the new namespace.
fn set_up(plan: &HostPlan) -> Result<(Tap, Vec<String>), HostError> {
    let host = || plan.name.clone();
    let failed = |what| move |source| HostError::Configure { host: host(), what, source };
    let mut warnings = Vec::new();
    if let Err(error) = set_up_ipv6(plan.ipv6.is_some()) {
        warnings.push(format!("host {}: IPv6 is as the kernel has it ({error})", plan.name));
    }
    // Lets the kernel's own ICMP sockets open, which check a reply before we see it.
    let group = getegid();
    if let Err(error) = fs::write("/proc/sys/net/ipv4/ping_group_range", format!("{group} {group}")) {
        warnings.push(format!("host {}: no ICMP datagram sockets ({error})", plan.name));
    }
    let netlink = Netlink::open().map_err(failed("anything: no netlink socket"))?;
    let options = TapOptions {
        mtu: Some(plan.mtu),
        kernel_mac: Some(plan.mac),
        kernel_addresses: vec![(plan.address, plan.prefix)],
        offload: plan.offload,
    };
    let tap =
        Tap::open(&plan.interface, &options).map_err(|source| HostError::Tap { host: host(), source })?;
    if let Some(gateway) = plan.gateway {
        netlink.add_default_route(tap.index(), gateway.into()).map_err(failed("the default route"))?;
    }
    if let Some(Ipv6Plan { address, prefix, gateway }) = plan.ipv6 {
        netlink.add_address(tap.index(), address.into(), prefix).map_err(failed("the IPv6 address"))?;
        if let Some(gateway) = gateway {
            netlink
                .add_default_route(tap.index(), gateway.into())
                .map_err(failed("the IPv6 default route"))?;
        }
        if !is_settled(&plan.interface) {
            warnings.push(format!("host {}: its link-local address is still tentative", plan.name));
        }
    }
    Ok((tap, warnings))
}

/// Waits for the kernel to make the link-local address, which it does a moment after the interface comes up.
fn is_settled(interface: &str) -> bool {
    const TENTATIVE: u8 = 0x40;
    let usable = |line: &str| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let [address, .., flags, name] = columns.as_slice() else { return false };
        let settled = u8::from_str_radix(flags, 16).is_ok_and(|flags| flags & TENTATIVE == 0);
        address.starts_with("fe80") && *name == interface && settled
    };
    (0..200).any(|_| {
        let addresses = fs::read_to_string("/proc/thread-self/net/if_inet6").unwrap_or_default();
        addresses.lines().any(usable) || {
            std::thread::sleep(Duration::from_millis(5));
            false
        }
    })
}

/// How interfaces made from now on speak IPv6: not at all, or at once and unasked.
fn set_up_ipv6(wanted: bool) -> io::Result<()> {
    // `/proc/sys/net` shows the namespace of the thread that looks. A kernel without IPv6 has none of it.
    let set = |name: &str, value: &str| match fs::write(format!("/proc/sys/net/ipv6/conf/{name}"), value) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !wanted => Ok(()),
        result => result,
    };
    if !wanted {
        return set("all/disable_ipv6", "1").and_then(|()| set("default/disable_ipv6", "1"));
    }
    set("all/disable_ipv6", "0")?;
    set("default/disable_ipv6", "0")?;
    // Addresses are of use at once: nobody else has them. And the gateway is known.
    set("default/accept_dad", "0")?;
    set("default/dad_transmits", "0")?;
    set("default/router_solicitations", "0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::privilege::{probe_tap, skip};
    use crate::port::Port;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn a_host_has_its_own_interfaces_and_no_ipv6() {
        if let Err(reason) = probe_tap() {
            return skip(&reason.to_string());
        }
        let (host, tap) = Host::start(HostPlan { ipv6: None, ..HostPlan::client() }).unwrap();
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
    fn a_host_has_ipv6_addresses_at_once_and_a_default_route() {
        if let Err(reason) = probe_tap() {
            return skip(&reason.to_string());
        }
        let (host, _tap) = Host::start(HostPlan::server()).unwrap();
        assert!(host.warnings().is_empty(), "{:?}", host.warnings());
        let read = |path: &'static str| host.run(move || fs::read_to_string(path).unwrap());
        let addresses = read("/proc/thread-self/net/if_inet6");
        for address in ["fd000002000000000000000000000002", "fe80000000000000000000fffe000202"] {
            // The last but one column has the flags: permanent (0x80), and not tentative (0x40).
            let line = addresses.lines().find(|line| line.starts_with(address));
            let flags = line.and_then(|line| line.split_whitespace().nth(4)).unwrap_or_default();
            assert_eq!(u8::from_str_radix(flags, 16).unwrap_or(0) & 0xc0, 0x80, "{address}: {addresses}");
        }
        let routes = read("/proc/thread-self/net/ipv6_route");
        let default = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fd0000020000";
        assert!(routes.lines().any(|line| line.starts_with(default) && line.contains("lan0")), "{routes}");
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
        assert!(host.forget_neighbor(Ipv4Addr::new(10, 0, 2, 1).into()).is_ok());
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
