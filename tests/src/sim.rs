//! A router in virtual time: frames in, everything it sends, holds and counts out, the books checked at every step.

use crate::checker::Neighbor;
use crate::counters::{self, Delta};
use crate::storage::{SIZES, Sizes, storage};
use crate::{frames, frames_v6};
use pktgen::World;
use pktgen::world::IPV6_PREFIX;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv4Cidr, Ipv6Address, Ipv6Cidr};
use stack::frame::FRAME_MAX;
use stack::stats::Path;
use stack::{
    Action, Answer, Config, Diverted, Event, FrameBuf, Origin, PortConfig, PortId, Rejection, ReversePath,
    Route, Router, Source, Stats, Target, Verdict, Witness,
};

/// Bytes of a VLAN tag.
const TAG: usize = 4;

/// A frame that left the router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// By this port.
    pub port: PortId,
    /// Where it came from.
    pub origin: Origin,
    /// The frame, without FCS.
    pub bytes: Vec<u8>,
}

/// A frame that the slow path got a copy of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divert {
    /// What came with it.
    pub about: Diverted,
    /// The copy.
    pub bytes: Vec<u8>,
}

impl Divert {
    /// The answer to this frame that echoes everything rightly.
    pub const fn answer<'a>(&self, action: Action<'a>) -> Answer<'a> {
        Answer {
            id: self.about.id,
            nonce: self.about.nonce,
            reason: self.about.class.reason,
            action,
            source: Source::Model,
            advice: None,
            witness: Witness { backend: 0, prompt: 0 },
        }
    }
}

/// The router under test.
#[derive(Debug)]
pub struct Sim {
    /// The router itself, for what has no method here.
    pub router: Router<'static>,
    world: World,
    now: Instant,
    out: Vec<Sent>,
    seen: Stats,
    buffer: Box<[u8; FRAME_MAX]>,
}

/// The configuration of a router in this world; deadlines and limits are the defaults.
pub fn config(world: &World) -> Config {
    let mut config = Config::new(0x0053_494d);
    config.id = 7;
    config.midnight_offset_ms = Some(1_000);
    for port in &world.ports {
        let mac = EthernetAddress(port.mac);
        let mut made = PortConfig::new(mac, port.mtu);
        if port.reverse_path {
            made.reverse_path = ReversePath::Strict;
        }
        made.addresses.push(Ipv4Cidr::new(port.address, port.prefix)).expect("room for one address");
        made.ipv6.push(Ipv6Cidr::new(port.ipv6, IPV6_PREFIX)).expect("room for one address");
        config.ports.push(made).expect("the world has no more ports than a router may have");
    }
    config
}

impl Sim {
    /// The laboratory's router with its hosts' MAC addresses known.
    pub fn lab() -> Self {
        Self::lab_with(|_| ())
    }

    /// The same, configured otherwise.
    pub fn lab_with(change: impl FnOnce(&mut Config)) -> Self {
        let mut sim = Self::cold(change, SIZES);
        sim.prime();
        sim
    }

    /// The laboratory's router that knows no neighbour yet.
    pub fn cold(change: impl FnOnce(&mut Config), sizes: Sizes) -> Self {
        Self::new(World::lab(), change, sizes)
    }

    /// A router in any world.
    ///
    /// # Panics
    /// If the configuration is refused.
    pub fn new(world: World, change: impl FnOnce(&mut Config), sizes: Sizes) -> Self {
        let mut config = config(&world);
        change(&mut config);
        let router = Router::new(config, storage(sizes)).expect("a sound configuration");
        let seen = router.snapshot();
        let buffer = Box::new([0; FRAME_MAX]);
        Self { router, world, now: Instant::from_secs(1), out: Vec::new(), seen, buffer }
    }

    /// What is around the router.
    pub const fn world(&self) -> &World {
        &self.world
    }

    /// The virtual time.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Lets every host greet the router by ARP and Neighbour Discovery, and forgets what that sent and counted.
    ///
    /// # Panics
    /// If the router does not take a greeting.
    pub fn prime(&mut self) {
        for (port, at) in self.world.clone().ports.iter().enumerate() {
            for host in &at.hosts {
                let mut greetings = vec![frames::arp_request(host, at.address)];
                if !self.router.config().ports[port].ipv6.is_empty() {
                    let ends = ((host.ipv6, host.mac), (at.ipv6, at.mac));
                    greetings.push(frames_v6::asks(ends.0, at.ipv6));
                    let flags = frames_v6::S | frames_v6::O;
                    greetings.push(frames_v6::advertisement(ends, flags, host.ipv6, Some(host.mac)));
                }
                for greeting in greetings {
                    assert_eq!(self.send(port as u8, &greeting), Verdict::Consume);
                }
            }
        }
        self.out.clear();
        self.seen = self.router.snapshot();
    }

    /// Adds a route.
    ///
    /// # Panics
    /// If the router refuses it.
    pub fn route(&mut self, prefix: Ipv4Cidr, next_hop: Option<[u8; 4]>, port: u8) {
        let route = Route::<Ipv4Address> {
            prefix,
            target: next_hop.map_or(Target::OnLink, |hop| Target::Via(hop.into())),
            port: PortId(port),
        };
        self.router.add_route(route).expect("room for a route");
    }

    /// Adds an IPv6 route.
    ///
    /// # Panics
    /// If the router refuses it.
    pub fn route_v6(&mut self, prefix: Ipv6Cidr, target: Target<Ipv6Address>, port: u8) {
        self.router.add_route(Route { prefix, target, port: PortId(port) }).expect("room for a route");
    }

    /// Receives a frame.
    pub fn send(&mut self, port: u8, frame: &[u8]) -> Verdict {
        // With room for a VLAN tag, as every caller that has VLAN ports leaves.
        self.send_with_room(port, frame, TAG)
    }

    /// Receives a frame in a buffer with this much room before it.
    pub fn send_with_room(&mut self, port: u8, frame: &[u8], room: usize) -> Verdict {
        let mut buffer = [&vec![0xaa; room], frame].concat();
        let mut in_place = FrameBuf::with_room(&mut buffer, room, frame.len());
        let ruled = |router: &Router<'_>| router.stats().by_path(Path::Rule).frames;
        let before = ruled(&self.router);
        let verdict = self.router.handle_frame(self.now, PortId(port), &mut in_place);
        if let Verdict::Forward { port } = verdict {
            let path = if ruled(&self.router) > before { Path::Rule } else { Path::Fast };
            let origin = Origin::Forwarded { received_len: frame.len(), path };
            self.out.push(Sent { port, origin, bytes: in_place.bytes().to_vec() });
        }
        self.settle();
        verdict
    }

    /// Everything sent since the last call, in order.
    pub fn transmitted(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.out)
    }

    /// Every frame that the slow path gets now.
    pub fn diverts(&mut self) -> Vec<Divert> {
        let mut got = Vec::new();
        while let Some(about) = self.router.poll_divert(&mut self.buffer) {
            let bytes = self.buffer[..about.len].to_vec();
            got.push(Divert { about, bytes });
        }
        got
    }

    /// Has an answer judged and, if approved, applied at once.
    ///
    /// # Errors
    /// Why it is not applied.
    pub fn answer(&mut self, answer: &Answer<'_>) -> Result<(), Rejection> {
        let approved = self.router.approve(self.now, answer);
        let result = approved.and_then(|approved| self.router.apply(self.now, approved));
        self.settle();
        result
    }

    /// The slow path gives a frame up.
    pub fn abandon(&mut self, divert: &Divert) {
        self.router.abandon(self.now, divert.about.id);
        self.settle();
    }

    /// The hosts whose MAC addresses the router knows, by IPv4 and by IPv6 address.
    pub fn neighbors(&self) -> Vec<Neighbor> {
        let v4 = self.router.neighbors().iter().map(|(port, address, mac)| (port, address.into(), mac.0));
        let v6 = self.router.neighbors_v6().iter().map(|(port, address, mac)| (port, address.into(), mac.0));
        v4.chain(v6).collect()
    }

    /// Every event since the last call, in order.
    pub fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.router.poll_event()).collect()
    }

    /// Lets time pass, stopping wherever the router asked to be called.
    ///
    /// # Panics
    /// If the router, having been called, asks to be called at once again: its owner would spin.
    pub fn advance(&mut self, duration: Duration) {
        self.advance_to(self.now + duration);
    }

    /// Lets time pass until an instant.
    ///
    /// # Panics
    /// As [`Sim::advance`].
    pub fn advance_to(&mut self, end: Instant) {
        while let Some(due) = self.router.poll_timeout(self.now).filter(|&due| due <= end) {
            self.now = self.now.max(due);
            self.router.handle_timeout(self.now);
            self.settle();
            let again = self.router.poll_timeout(self.now);
            assert!(again.is_none_or(|again| again > self.now), "at {} called for {again:?}", self.now);
        }
        self.now = self.now.max(end);
    }

    /// Lets time pass without calling the router, however much it asks to be called: its owner is late.
    pub fn pass(&mut self, duration: Duration) {
        self.now += duration;
    }

    /// Counters are compared with what they are now.
    pub fn look(&mut self) {
        self.seen = self.router.snapshot();
    }

    /// Drains what the router wants to send, and checks its books.
    ///
    /// # Panics
    /// If the books do not balance.
    pub fn settle(&mut self) {
        while let Some(transmit) = self.router.poll_transmit(&mut self.buffer) {
            let bytes = self.buffer[..transmit.len].to_vec();
            self.out.push(Sent { port: transmit.port, origin: transmit.origin, bytes });
        }
        if let Err(imbalance) = self.router.stats().balance() {
            panic!("at {}: {imbalance:?}", self.now);
        }
    }

    /// Fails unless the counters moved by exactly this since the last call (or since the router was primed).
    ///
    /// # Panics
    /// If any counter moved otherwise.
    #[track_caller]
    pub fn expect(&mut self, describe: impl FnOnce(&mut Delta)) {
        let mut delta = Delta::default();
        describe(&mut delta);
        let now = self.router.snapshot();
        counters::compare(&self.seen, &now, &delta);
        self.seen = now;
    }
}
