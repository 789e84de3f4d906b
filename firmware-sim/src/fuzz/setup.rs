//! How the router of one life is told to be: all that differs from life to life, drawn by lot, and in files of cases.

use crate::storage::Heap;
use pktgen::World;
use pktgen::dice::{Draw, rng_for};
use pktgen::world::IPV6_PREFIX;
use serde::{Deserialize, Serialize};
use smoltcp::time::Duration;
use smoltcp::wire::{EthernetAddress, Ipv4Cidr, Ipv6Cidr};
use stack::{
    Anomaly, Config, ConfigError, Mode, PortConfig, Posture, Rate, ReversePath, Router, RuleLimits, Sizes,
    Storage,
};
use std::collections::BTreeMap;

/// Keeps the draws of setups apart from all others.
const STREAM: u64 = 0x6675_7a01;
/// The router's secret: nonces are the same whenever a case is run again.
const SECRET: u64 = 0x6675_7a7a;
/// Diverts that wait, and that the slow path works on, in a router with room.
const ROOM: usize = 32;

/// A router's settings. What is not here is as [`Config::new`] has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Setup {
    /// Ports with a host behind each; one more has none.
    pub(super) ports: u8,
    /// Does that last port check reverse paths?
    pub(super) reverse_path: bool,
    /// `strict`, `balanced` or `open`.
    pub(super) posture: String,
    /// Modes that are not the table's own, by reason.
    pub(super) modes: BTreeMap<String, String>,
    /// The largest IP packet of each port.
    pub(super) mtu: Vec<usize>,
    /// Have the hosts greeted the router before the first frame?
    pub(super) known: bool,
    /// Are hosts told of better ways?
    pub(super) redirects: bool,
    pub(super) neighbors: usize,
    pub(super) waiting: usize,
    pub(super) waiting_per_neighbor: usize,
    pub(super) neighbor_lifetime_ms: u64,
    pub(super) divert_queue: usize,
    pub(super) divert_outstanding: usize,
    pub(super) divert_per_source: usize,
    pub(super) divert_burst: u32,
    pub(super) divert_deadline_ms: u64,
    pub(super) observe_one_in: u32,
    pub(super) inject_burst: u32,
    pub(super) icmp_burst: u32,
    pub(super) rules: usize,
    pub(super) candidates: usize,
    pub(super) concordance: u8,
    pub(super) shadow_ms: u64,
    pub(super) rule_idle_ms: u64,
    pub(super) sample_one_in: u32,
    pub(super) transmit: usize,
    pub(super) events: usize,
    pub(super) reassembly: usize,
}

impl Setup {
    /// The setup of this life. Every fourth router has room for everything and the usual limits; the others are tight in
    /// some way or other.
    pub(super) fn draw(seed: u64, life: u64, ports: u8, posture: Option<Posture>) -> Self {
        let rng = &mut rng_for(seed, STREAM, life);
        let any = *rng.pick(&Posture::ALL);
        let usual = Self {
            ports,
            reverse_path: life % 2 == 1,
            posture: posture.unwrap_or(any).name().into(),
            modes: BTreeMap::new(),
            mtu: vec![1500; usize::from(ports) + 1],
            known: true,
            redirects: false,
            neighbors: 64,
            waiting: 16,
            waiting_per_neighbor: 4,
            neighbor_lifetime_ms: 60_000,
            divert_queue: ROOM,
            divert_outstanding: ROOM,
            divert_per_source: ROOM,
            divert_burst: 200,
            divert_deadline_ms: 50,
            observe_one_in: 8,
            inject_burst: 2_000,
            icmp_burst: 100,
            rules: 64,
            candidates: 16,
            concordance: 3,
            shadow_ms: 10,
            rule_idle_ms: 10_000,
            sample_one_in: 0,
            transmit: 64,
            events: 64,
            reassembly: 4,
        };
        let mut modes = BTreeMap::new();
        if rng.one_in(2) {
            modes.insert(Anomaly::EchoRequest.name().to_owned(), Mode::Enforce.name().to_owned());
        }
        if life.is_multiple_of(4) {
            return Self { modes, ..usual };
        }
        if rng.one_in(2) {
            for &anomaly in Anomaly::ALL {
                let mode = *rng.pick(&[Mode::Off, Mode::Observe, Mode::Enforce, Mode::Enforce]);
                if !(anomaly.must_pass() && mode == Mode::Enforce) {
                    modes.insert(anomaly.name().to_owned(), mode.name().to_owned());
                }
            }
        }
        Self {
            modes,
            mtu: (0..=ports).map(|_| *rng.pick(&[1500, 1500, 1280, 1400])).collect(),
            known: !rng.one_in(4),
            redirects: rng.one_in(4),
            neighbors: *rng.pick(&[64, 16, 4, 1]),
            waiting: *rng.pick(&[16, 3, 1, 0]),
            waiting_per_neighbor: rng.below(5),
            neighbor_lifetime_ms: *rng.pick(&[60_000, 1_000, 10, 1]),
            divert_queue: rng.between(8, ROOM),
            divert_outstanding: rng.between(4, ROOM),
            divert_per_source: rng.between(1, ROOM),
            divert_burst: *rng.pick(&[2_000, 200, 20, 2]),
            divert_deadline_ms: *rng.pick(&[0, 1, 50, 1_000]),
            observe_one_in: *rng.pick(&[1, 2, 8, 100]),
            inject_burst: *rng.pick(&[2_000, 50, 0]),
            icmp_burst: *rng.pick(&[1_000, 100, 5, 0]),
            rules: *rng.pick(&[64, 8, 0]),
            candidates: rng.below(5),
            concordance: *rng.pick(&[0, 1, 1, 3, 8]),
            shadow_ms: *rng.pick(&[0, 10, 5_000]),
            rule_idle_ms: *rng.pick(&[1, 100, 10_000]),
            sample_one_in: *rng.pick(&[0, 1, 3]),
            transmit: *rng.pick(&[64, 8, 2, 1]),
            events: *rng.pick(&[64, 1, 0]),
            ..usual
        }
    }

    /// What is around this router: hosts behind all ports but the last.
    pub(super) fn world(&self) -> World {
        let mut world = world(self.ports);
        for (port, &mtu) in world.ports.iter_mut().zip(&self.mtu) {
            port.mtu = mtu;
            port.reverse_path &= self.reverse_path;
        }
        world
    }

    /// The posture, if it is one.
    pub(super) fn posture(&self) -> Option<Posture> {
        Posture::from_name(&self.posture)
    }

    fn config(&self, world: &World) -> Option<Config> {
        let mut config = Config::new(SECRET);
        config.id = 1;
        config.midnight_offset_ms = Some(1_000);
        config.posture = self.posture()?;
        config.redirects = self.redirects;
        for (reason, mode) in &self.modes {
            let mode = [Mode::Off, Mode::Observe, Mode::Enforce].into_iter().find(|m| m.name() == mode)?;
            config.set_mode(Anomaly::from_name(reason)?, mode).ok()?;
        }
        for port in &world.ports {
            let mut made = PortConfig::new(EthernetAddress(port.mac), port.mtu);
            made.reverse_path = if port.reverse_path { ReversePath::Strict } else { ReversePath::Off };
            made.addresses.push(Ipv4Cidr::new(port.address, port.prefix)).ok()?;
            made.ipv6.push(Ipv6Cidr::new(port.ipv6, IPV6_PREFIX)).ok()?;
            config.ports.push(made).ok()?;
        }
        let limits = &mut config.limits;
        limits.divert_queue = self.divert_queue;
        limits.divert_outstanding = self.divert_outstanding;
        limits.divert_per_source = self.divert_per_source;
        // What the deadline leaves room for: the router refuses more.
        let room = (self.divert_queue + self.divert_outstanding) as u64;
        let per_second = (room * 1_000).checked_div(self.divert_deadline_ms).unwrap_or(2_000).min(2_000);
        limits.divert_rate = Rate { per_second: per_second as u32, burst: self.divert_burst };
        limits.divert_deadline = Duration::from_millis(self.divert_deadline_ms);
        limits.observe_one_in = self.observe_one_in;
        limits.inject_rate = Rate { per_second: 20_000, burst: self.inject_burst };
        limits.icmp_error_rate = Rate { per_second: 1_000, burst: self.icmp_burst };
        limits.waiting_per_neighbor = self.waiting_per_neighbor;
        limits.neighbor_lifetime = Duration::from_millis(self.neighbor_lifetime_ms);
        config.rules = RuleLimits {
            concordance: self.concordance,
            shadow: Duration::from_millis(self.shadow_ms),
            idle: Duration::from_millis(self.rule_idle_ms),
            sample_one_in: self.sample_one_in,
            ..RuleLimits::default()
        };
        Some(config)
    }

    /// How long each table is.
    pub(super) const fn sizes(&self) -> Sizes {
        Sizes {
            // Networks of up to 16 ports, and what comes and goes beside: in a full table nothing would change.
            routes: 32,
            routes_index: 0,
            neighbors: self.neighbors,
            waiting: self.waiting,
            diverts: self.divert_queue + self.divert_outstanding,
            flows: 64,
            rules: self.rules,
            candidates: self.candidates,
            transmit: self.transmit,
            events: self.events,
            echoes: 2,
            status: 1,
            reassembly: self.reassembly,
        }
    }

    /// The router, fresh.
    ///
    /// # Errors
    /// The router refuses it; `None`: a name in it is none that there is.
    pub(super) fn router(&self, world: &World) -> Result<Router<'static>, Option<ConfigError>> {
        let config = self.config(world).ok_or(None)?;
        Router::new(config, Storage::allocate(&self.sizes(), &mut Heap)).map_err(Some)
    }
}

/// Hosts behind so many ports, and one port more where reverse paths are checked.
pub(super) fn world(ports: u8) -> World {
    World::with_ports(ports).with_reverse_path()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setup_makes_a_router_and_comes_back_from_its_file() {
        let mut postures = std::collections::BTreeSet::new();
        for life in 0..500 {
            let setup = Setup::draw(3, life, 2 + (life % 3) as u8, None);
            setup.router(&setup.world()).unwrap_or_else(|error| panic!("{setup:?}: {error:?}"));
            let text = serde_json::to_string(&setup).unwrap();
            assert_eq!(serde_json::from_str::<Setup>(&text).unwrap(), setup);
            postures.insert(setup.posture);
        }
        assert_eq!(postures.len(), 3);
        let setup = Setup::draw(3, 1, 2, Some(Posture::Open));
        assert_eq!(setup.posture(), Some(Posture::Open));
        assert!(Setup { posture: "shy".into(), ..setup.clone() }.router(&setup.world()).is_err());
    }
}
