//! What the router is told at start: ports, modes, limits.

use crate::classify::{Anomaly, Mode};
use crate::rules::RuleLimits;
use heapless::Vec;
use smoltcp::time::Duration;
use smoltcp::wire::{EthernetAddress, Ipv4Cidr, Ipv6Address, Ipv6Cidr};

/// The most ports that one router has.
pub const MAX_PORTS: usize = 16;
/// The most addresses that one port has.
pub const MAX_PORT_ADDRESSES: usize = 4;

/// Where frames enter and leave: an index into the configured ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PortId(pub u8);

impl PortId {
    /// The index of the port in the configuration.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl core::fmt::Display for PortId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A port that is one VLAN of another port's device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Vlan {
    /// The port whose device carries the tagged frames.
    pub trunk: PortId,
    /// The VLAN id, 1 to 4094 (IEEE 802.1Q §9.6).
    pub id: u16,
}

/// How a port checks where its packets come from (RFC 3704 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ReversePath {
    /// Not at all.
    #[default]
    Off,
    /// The source must be routed by some other route than the default route.
    Loose,
    /// The source must be routed by this very port.
    Strict,
}

/// One Ethernet port, or one VLAN of such a port.
#[derive(Debug, Clone)]
pub struct PortConfig {
    /// The port's own MAC address.
    pub mac: EthernetAddress,
    /// Largest IP packet in bytes, without the Ethernet header.
    pub mtu: usize,
    /// The router's IPv4 addresses on this port, each with its connected network.
    pub addresses: Vec<Ipv4Cidr, MAX_PORT_ADDRESSES>,
    /// The router's IPv6 addresses on this port, each with its connected network. If there is none, the port
    /// has no IPv6; else it has a link-local address, too: the one named here, or one made from the MAC
    /// address (RFC 4291 App. A).
    pub ipv6: Vec<Ipv6Cidr, MAX_PORT_ADDRESSES>,
    /// `None`: the port has a device of its own.
    pub vlan: Option<Vlan>,
    /// Check of source addresses.
    pub reverse_path: ReversePath,
}

impl PortConfig {
    /// A port with a device of its own, without addresses.
    pub const fn new(mac: EthernetAddress, mtu: usize) -> Self {
        Self { mac, mtu, addresses: Vec::new(), ipv6: Vec::new(), vlan: None, reverse_path: ReversePath::Off }
    }

    /// The port whose device carries this port's frames, and the VLAN id that they are tagged with there.
    /// `this` is the port itself.
    #[inline]
    pub(crate) const fn device(&self, this: PortId) -> (PortId, Option<u16>) {
        match self.vlan {
            Some(vlan) => (vlan.trunk, Some(vlan.id)),
            None => (this, None),
        }
    }

    /// The port's link-local address, if it has IPv6 at all.
    pub fn link_local(&self) -> Option<Ipv6Address> {
        let named = self.ipv6.iter().map(Ipv6Cidr::address).find(Ipv6Address::is_unicast_link_local);
        let [a, b, c, d, e, f] = self.mac.0;
        let id = [a ^ 2, b, c, 0xff, 0xfe, d, e, f];
        let made = Ipv6Address::from_bits(0xfe80 << 112 | u128::from(u64::from_be_bytes(id)));
        (!self.ipv6.is_empty()).then_some(named.unwrap_or(made))
    }
}

/// The operator's stance where RFCs leave a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Posture {
    /// Discard whatever may be discarded; approval grants nothing else.
    Strict,
    /// Serve what is harmless once it is normalised.
    #[default]
    Balanced,
    /// Serve whatever the RFCs permit.
    Open,
}

impl Posture {
    /// Every posture.
    pub const ALL: [Self; 3] = [Self::Strict, Self::Balanced, Self::Open];

    /// The word used in configuration, prompts and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Balanced => "balanced",
            Self::Open => "open",
        }
    }

    /// The posture with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|posture| posture.name() == name)
    }
}

/// A token bucket's size: `rate` a second, `burst` at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Rate {
    /// Tokens a second.
    pub per_second: u32,
    /// Most tokens that can be saved up.
    pub burst: u32,
}

/// Every limit that is not the size of a table.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Diverts admitted for each reason; the ports share it evenly.
    pub divert_rate: Rate,
    /// Frames that may wait for `poll_divert`, over all ports.
    pub divert_queue: usize,
    /// Frames that the slow path may work on at once.
    pub divert_outstanding: usize,
    /// Held frames that one source may have at once.
    pub divert_per_source: usize,
    /// How long the slow path may take.
    pub divert_deadline: Duration,
    /// Of how many observed frames one copy goes to the slow path.
    pub observe_one_in: u32,
    /// Approved frames injected, over all ports.
    pub inject_rate: Rate,
    /// ICMP errors sent by each port (RFC 1812 §4.3.2.8).
    pub icmp_error_rate: Rate,
    /// Packets that may wait for one neighbour.
    pub waiting_per_neighbor: usize,
    /// How long a neighbour stays usable without being heard of again.
    pub neighbor_lifetime: Duration,
    /// Time between two ARP requests for one neighbour (RFC 1122 §2.3.2.1: at most one a second).
    pub arp_interval: Duration,
    /// ARP requests before a neighbour is called unreachable.
    pub arp_attempts: u8,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            divert_rate: Rate { per_second: 2_000, burst: 200 },
            divert_queue: 128,
            divert_outstanding: 128,
            divert_per_source: 64,
            divert_deadline: Duration::from_millis(50),
            observe_one_in: 8,
            inject_rate: Rate { per_second: 20_000, burst: 2_000 },
            icmp_error_rate: Rate { per_second: 1_000, burst: 100 },
            waiting_per_neighbor: 4,
            neighbor_lifetime: Duration::from_secs(60),
            arp_interval: Duration::from_secs(1),
            arp_attempts: 3,
        }
    }
}

/// Everything the router is told at start.
#[derive(Debug, Clone)]
pub struct Config {
    /// The ports, by [`PortId`].
    pub ports: Vec<PortConfig, MAX_PORTS>,
    /// One mode for each anomaly, by code.
    pub modes: [Mode; Anomaly::COUNT],
    /// Stance on discretionary reasons.
    pub posture: Posture,
    /// Limits.
    pub limits: Limits,
    /// Tells the routers of one program apart: an answer approved by one is refused by another.
    pub id: u32,
    /// Tell hosts of a better way on their own link (RFC 1812 §5.2.7.2, RFC 4861 §8.2)? Off unless the operator says
    /// so: whoever believes redirects can be led astray.
    pub redirects: bool,
    /// How answers become rules.
    pub rules: RuleLimits,
    /// Keys the nonces. Random in a real run, fixed in a simulated one.
    pub secret: u64,
    /// Milliseconds since midnight UTC at `Instant::ZERO`, if the host knows (RFC 792 timestamps).
    pub midnight_offset_ms: Option<u32>,
}

impl Config {
    /// No ports, the table's default modes, default limits.
    pub fn new(secret: u64) -> Self {
        let mut modes = [Mode::Off; Anomaly::COUNT];
        for (mode, row) in modes.iter_mut().zip(&crate::classify::TABLE) {
            *mode = row.mode;
        }
        Self {
            ports: Vec::new(),
            modes,
            posture: Posture::default(),
            limits: Limits::default(),
            id: 0,
            redirects: false,
            rules: RuleLimits::default(),
            secret,
            midnight_offset_ms: None,
        }
    }

    /// The mode of one reason.
    pub const fn mode(&self, reason: Anomaly) -> Mode {
        self.modes[reason as usize]
    }

    /// Sets the mode of one reason.
    ///
    /// # Errors
    /// [`ConfigError::EnforceMustPass`]: legal traffic never waits for a model.
    pub fn set_mode(&mut self, reason: Anomaly, mode: Mode) -> Result<(), ConfigError> {
        if reason.must_pass() && mode == Mode::Enforce {
            return Err(ConfigError::EnforceMustPass(reason));
        }
        self.modes[reason as usize] = mode;
        Ok(())
    }
}

/// Why a configuration is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ConfigError {
    /// `enforce` on a reason that must pass.
    EnforceMustPass(Anomaly),
    /// No port at all.
    NoPorts,
    /// A port's MAC address is a group address or null.
    PortMac(PortId),
    /// A port's MTU is below 576 (RFC 791), below 1280 with IPv6 (RFC 8200 §5), or beyond what a frame slot holds.
    PortMtu(PortId),
    /// A port's VLAN id is not 1 to 4094, its trunk is not a port with a device of its own, or another port of
    /// that trunk has the same id.
    PortVlan(PortId),
    /// Two ports have the same address, or an address is not one host's.
    PortAddress(PortId),
    /// A route's port does not exist.
    RoutePort(PortId),
    /// The local host got too little storage for its sockets.
    HostStorage,
    /// The route table's storage is full.
    RouteTableFull,
    /// The divert arena holds fewer frames than rate × deadline asks for.
    DivertCapacity {
        /// Slots that rate × deadline asks for.
        needed: usize,
        /// `divert_queue + divert_outstanding`, as far as the storage holds them.
        available: usize,
    },
}

impl core::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::EnforceMustPass(a) => {
                write!(f, "{a} is legal traffic and must pass: use mode off or observe")
            }
            Self::NoPorts => f.write_str("a router needs at least one port"),
            Self::PortMac(p) => write!(f, "port {p}: the MAC address must be a unicast address"),
            Self::PortMtu(p) => {
                let (least, most) = (crate::frame::MIN_MTU, crate::frame::MAX_MTU);
                write!(f, "port {p}: the MTU must be {least} (with IPv6: 1280) to {most}")
            }
            Self::PortVlan(p) => write!(
                f,
                "port {p}: a VLAN needs an id of 1 to 4094 that no other port of its trunk has, and a trunk that is a port with a device of its own"
            ),
            Self::PortAddress(p) => {
                write!(f, "port {p}: each address must be one host's, and belong to one port only")
            }
            Self::RoutePort(p) => write!(f, "a route names port {p}, which does not exist"),
            Self::HostStorage => f.write_str(
                "the local host needs storage for one socket, and one for each connection to the status page",
            ),
            Self::RouteTableFull => f.write_str("the route table's storage is full"),
            Self::DivertCapacity { needed, available } => write!(
                f,
                "rate x deadline asks for {needed} divert slots, {available} are there: lower the rate or the deadline, or raise the queue"
            ),
        }
    }
}

impl core::error::Error for ConfigError {}
