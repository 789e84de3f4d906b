//! The router: a frame and the time in, a verdict out. Read first: RFC 1812 §5.

use crate::classify::{
    Anomaly, Class, DefaultAction, Locals, Mode, Packet, classify, ethernet, icmp, ipv4::protocol, quick,
    quick::Plain, report,
};
use crate::config::{Config, ConfigError, MAX_PORTS, PortId, ReversePath, Vlan};
use crate::config_check::check;
use crate::divert::{ClassKey, Direction, DivertId, Flows, Held, Queue, Refusal};
use crate::event::{Event, EventRing};
use crate::family::Family;
use crate::forward::{Egress, NeighborTable, Route, RouteTable, Target, WaitRoom};
use crate::frame::{ETHERNET_HEADER, FRAME_MAX, FrameBuf};
use crate::host::{Host, Reassembly};
use crate::rules::Rules;
use crate::stats::{Disposition, Path, Stats};
use crate::storage::Storage;
use crate::time::TokenBucket;
use crate::verdict::{DropReason, Verdict};
use crate::wire::{Address, MIN_HEADER, Prefix};
use core::hash::Hasher;
use siphasher::sip::SipHasher24;
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, Ipv4Address, Ipv6Address};

/// The router.
///
/// After every call that takes `&mut self`, drain [`Router::poll_transmit`]; [`Router::poll_divert`]
/// and [`Router::poll_event`] may be drained whenever there is time.
#[derive(Debug)]
pub struct Router<'a> {
    pub(crate) config: Config,
    pub(crate) locals: Locals,
    pub(crate) routes: RouteTable<'a, Ipv4Address>,
    pub(crate) routes_v6: RouteTable<'a, Ipv6Address>,
    pub(crate) neighbors: NeighborTable<'a, Ipv4Address>,
    pub(crate) neighbors_v6: NeighborTable<'a, Ipv6Address>,
    pub(crate) waiting: WaitRoom<'a>,
    pub(crate) egress: Egress<'a>,
    pub(crate) diverts: Queue<'a>,
    pub(crate) flows: Flows<'a>,
    pub(crate) rules: Rules<'a>,
    pub(crate) events: EventRing<'a>,
    pub(crate) reassembly: Reassembly<'a>,
    pub(crate) host: Host<'a>,
    pub(crate) stats: Stats,
    pub(crate) icmp_buckets: [TokenBucket; MAX_PORTS],
    pub(crate) inject_bucket: TokenBucket,
    /// The same rate, for what rules send: a class that a rule answers takes nothing from those that are asked about.
    pub(crate) rule_bucket: TokenBucket,
    /// Frames for a host that stands in place of the router's own: see [`crate::SoftDevice`].
    pub(crate) outside_host: Option<Egress<'a>>,
    /// Changes whenever addresses, routes or configuration do.
    pub(crate) epoch: u32,
    /// The last identification given to a packet that the router itself cut into fragments.
    pub(crate) next_ident: u32,
    /// Is any port a VLAN; does any port check the reverse path?
    has_vlans: bool,
    checks_reverse_path: bool,
}

impl<'a> Router<'a> {
    /// A router with the connected networks as its only routes.
    ///
    /// # Errors
    /// What is wrong with the configuration, or too small in the storage.
    pub fn new(config: Config, storage: Storage<'a>) -> Result<Self, ConfigError> {
        let locals = Locals::new(&config.ports);
        check(&config, &locals, storage.diverts.len())?;
        let mut routes = RouteTable::new(storage.routes, storage.routes_index);
        let mut routes_v6 = RouteTable::new(storage.routes_v6, storage.routes_v6_index);
        for (index, port) in config.ports.iter().enumerate() {
            let port_id = PortId(index as u8);
            for &prefix in &port.addresses {
                routes.insert(Route { prefix, target: Target::OnLink, port: port_id })?;
            }
            for &prefix in port.ipv6.iter().filter(|cidr| !cidr.address().is_unicast_link_local()) {
                routes_v6.insert(Route { prefix, target: Target::OnLink, port: port_id })?;
            }
        }
        let limits = &config.limits;
        let (host, reassembly) = Host::new(storage.host, &config.ports, config.secret)?;
        Ok(Self {
            locals,
            routes,
            routes_v6,
            neighbors: NeighborTable::new(storage.neighbors, config.ports.len(), config.secret, limits),
            neighbors_v6: NeighborTable::new(storage.neighbors_v6, config.ports.len(), config.secret, limits),
            waiting: WaitRoom::new(storage.waiting),
            egress: Egress::new(storage.transmit),
            diverts: Queue::new(storage.diverts, limits, config.ports.len(), config.secret),
            flows: Flows::new(storage.flows, config.secret),
            rules: Rules::new(
                (storage.rule_tags, storage.rule_hot, storage.rules),
                storage.candidates,
                config.secret,
            ),
            events: EventRing::new(storage.events),
            reassembly,
            host,
            stats: Stats::default(),
            icmp_buckets: [TokenBucket::full(limits.icmp_error_rate, Instant::ZERO); MAX_PORTS],
            inject_bucket: TokenBucket::full(limits.inject_rate, Instant::ZERO),
            rule_bucket: TokenBucket::full(limits.inject_rate, Instant::ZERO),
            outside_host: None,
            epoch: 0,
            // Not to be guessed (RFC 7739 §5), so not to begin with 0.
            next_ident: (config.secret >> 17) as u32,
            has_vlans: config.ports.iter().any(|port| port.vlan.is_some()),
            checks_reverse_path: config.ports.iter().any(|port| port.reverse_path != ReversePath::Off),
            config,
        })
    }

    /// Adds a route, or replaces the one with the same prefix. Answers approved before are void.
    ///
    /// # Errors
    /// [`ConfigError::RoutePort`], [`ConfigError::RouteTableFull`].
    pub fn add_route<A: Family>(&mut self, route: Route<A>) -> Result<(), ConfigError> {
        let route = checked(route, self.config.ports.len())?;
        A::routes(self).insert(route)?;
        self.epoch = self.epoch.wrapping_add(1);
        Ok(())
    }

    /// Adds many routes in much less time than one by one; of those with the same prefix the last one stays.
    /// Until then each takes a slot, also where it replaces another. Answers approved before are void.
    ///
    /// # Errors
    /// [`ConfigError::RoutePort`], [`ConfigError::RouteTableFull`]; no route is then added.
    pub fn add_routes<A: Family>(
        &mut self,
        routes: impl Iterator<Item = Route<A>>,
    ) -> Result<(), ConfigError> {
        let ports = self.config.ports.len();
        A::routes(self).extend(routes.map(|route| checked(route, ports)))?;
        self.epoch = self.epoch.wrapping_add(1);
        Ok(())
    }

    /// Withdraws the route with this prefix; says whether there was one. Answers approved before are void.
    pub fn remove_route<P: Prefix<Address: Family>>(&mut self, prefix: P) -> bool {
        self.epoch = self.epoch.wrapping_add(1);
        P::Address::routes(self).remove(prefix)
    }

    /// The configuration.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The IPv4 routes.
    pub const fn routes(&self) -> &RouteTable<'a, Ipv4Address> {
        &self.routes
    }

    /// The IPv6 routes.
    pub const fn routes_v6(&self) -> &RouteTable<'a, Ipv6Address> {
        &self.routes_v6
    }

    /// The IPv4 neighbours.
    pub const fn neighbors(&self) -> &NeighborTable<'a, Ipv4Address> {
        &self.neighbors
    }

    /// The IPv6 neighbours.
    pub const fn neighbors_v6(&self) -> &NeighborTable<'a, Ipv6Address> {
        &self.neighbors_v6
    }

    /// Takes a received frame. After [`Verdict::Forward`] the caller sends the same buffer, rewritten
    /// and perhaps shortened; otherwise the buffer is the caller's again.
    ///
    /// `port` is the one whose device received it; the tag of one of its VLANs is taken off.
    ///
    /// # Panics
    /// If `port` was not configured.
    pub fn handle_frame(&mut self, now: Instant, port: PortId, frame: &mut FrameBuf<'_>) -> Verdict {
        let received_len = frame.len();
        self.stats.received.add(received_len);
        let port = if self.has_vlans { self.untag(port, frame) } else { port };
        let mac = self.config.ports[port.index()].mac;
        if !self.checks_reverse_path {
            match quick::accept(frame.bytes(), mac, &self.locals) {
                Some(Plain::V4(info)) => return self.forward_plain_v4(now, port, frame, &info, received_len),
                Some(Plain::V6(info)) => return self.forward_plain_v6(now, port, frame, &info, received_len),
                None => {}
            }
        }
        match classify(frame.bytes(), port, mac, &self.locals) {
            Class::Transit(packet, oddity) => {
                if let Some(oddity) = oddity {
                    self.observe(now, port, frame.bytes(), oddity);
                }
                if !self.passes_reverse_path(port, packet.source()) {
                    return self.divert(now, port, frame, Anomaly::ReversePath);
                }
                self.forward(now, port, frame, &packet, received_len, Path::Fast)
            }
            Class::Local(packet, oddity) => {
                if let Some(oddity) = oddity {
                    self.observe(now, port, frame.bytes(), oddity);
                }
                if !self.passes_reverse_path(port, packet.source()) {
                    return self.divert(now, port, frame, Anomaly::ReversePath);
                }
                if is_plain_echo_request(frame.bytes(), &packet)
                    && self.config.mode(Anomaly::EchoRequest) != Mode::Off
                {
                    return self.divert(now, port, frame, Anomaly::EchoRequest);
                }
                self.deliver(now, port, frame, &packet, received_len, Path::Fast)
            }
            Class::Arp(info) => {
                self.handle_arp(now, port, &info);
                self.stats.end(Disposition::Consumed, Path::Fast, received_len);
                Verdict::Consume
            }
            Class::Nd(nd) => {
                self.handle_nd(now, port, &nd);
                self.stats.end(Disposition::Consumed, Path::Fast, received_len);
                Verdict::Consume
            }
            Class::Foreign => self.drop(DropReason::Foreign, Path::Fast, received_len),
            Class::Anomaly(anomaly) => self.divert(now, port, frame, anomaly),
        }
    }

    /// Takes the tag of one of this device's VLANs off; that VLAN's port. Anything else stays as it is.
    fn untag(&self, device: PortId, frame: &mut FrameBuf<'_>) -> PortId {
        let Some(id) = ethernet::vlan(frame.bytes()) else { return device };
        let of = |vlan: Option<Vlan>| vlan.is_some_and(|vlan| vlan.trunk == device && vlan.id == id);
        let Some(index) = self.config.ports.iter().position(|port| of(port.vlan)) else { return device };
        frame.strip_tag();
        PortId(index as u8)
    }

    /// Does this port not check sources, or would it pass this one?
    pub(crate) fn passes_reverse_path(&self, port: PortId, source: IpAddress) -> bool {
        !self.checks_reverse_path || self.is_on_reverse_path(port, source)
    }

    /// RFC 3704 §2: would a packet to this source leave by the port that it came in by?
    fn is_on_reverse_path(&self, port: PortId, source: IpAddress) -> bool {
        let check = self.config.ports[port.index()].reverse_path;
        let (found, prefix_len) = match source {
            IpAddress::Ipv4(source) => match self.routes.lookup(source) {
                Some(route) if route.target.is_forwarding() => (route.port, route.prefix.prefix_len()),
                // A source that is not to be sent to is not to be heard of either.
                Some(_) | None => return check == ReversePath::Off,
            },
            IpAddress::Ipv6(source) if source.is_unspecified() || source.is_unicast_link_local() => {
                return true;
            }
            IpAddress::Ipv6(source) => match self.routes_v6.lookup(source) {
                Some(route) if route.target.is_forwarding() => (route.port, route.prefix.prefix_len()),
                Some(_) | None => return check == ReversePath::Off,
            },
        };
        match check {
            ReversePath::Off => true,
            ReversePath::Loose => prefix_len > 0,
            ReversePath::Strict => found == port,
        }
    }

    /// Counts a drop.
    pub(crate) fn drop(&mut self, reason: DropReason, path: Path, len: usize) -> Verdict {
        self.stats.drop(reason, path, len);
        Verdict::Drop(reason)
    }

    /// Treats a frame of this reason as a rule says, or else as its mode says.
    pub(crate) fn divert(
        &mut self,
        now: Instant,
        port: PortId,
        frame: &mut FrameBuf<'_>,
        reason: Anomaly,
    ) -> Verdict {
        if let Some(verdict) = self.follow_rule(now, port, frame, reason) {
            return verdict;
        }
        match self.hold(now, port, frame.bytes(), frame.received_len(), reason) {
            Ok(()) => Verdict::Divert(reason),
            Err(path) => self.act_by_default(now, port, frame, reason, path),
        }
    }

    /// Holds a copy of the frame for the slow path, if the reason's mode says so.
    ///
    /// # Errors
    /// The path by which its default is to act at once.
    pub(crate) fn hold(
        &mut self,
        now: Instant,
        port: PortId,
        frame: &[u8],
        received_len: usize,
        reason: Anomaly,
    ) -> Result<(), Path> {
        match self.config.mode(reason) {
            Mode::Off => {
                self.stats.seen[reason as usize] += 1;
                Err(Path::Fast)
            }
            Mode::Observe => {
                self.observe(now, port, frame, reason);
                Err(Path::Fast)
            }
            Mode::Enforce => {
                self.stats.seen[reason as usize] += 1;
                let held = self.held(now, port, frame.len(), received_len, reason);
                self.admit(held, frame).map_err(|_| Path::SlowRefused)?;
                self.stats.diverts[reason as usize].held += 1;
                self.stats.held.add(received_len);
                Ok(())
            }
        }
    }

    /// Sends a copy of every n-th such frame to the slow path; the frame itself goes on.
    pub(crate) fn observe(&mut self, now: Instant, port: PortId, frame: &[u8], reason: Anomaly) {
        let seen = &mut self.stats.seen[reason as usize];
        *seen += 1;
        let sampled = (*seen - 1).is_multiple_of(u64::from(self.config.limits.observe_one_in.max(1)));
        if sampled && self.config.mode(reason) == Mode::Observe {
            // What it counts for is the frame itself, which is not held.
            let copy = self.held(now, port, frame.len(), frame.len(), reason);
            if self.admit(copy, frame).is_ok() {
                self.stats.diverts[reason as usize].observed += 1;
            }
        }
    }

    pub(crate) fn held(
        &self,
        now: Instant,
        port: PortId,
        len: usize,
        received_len: usize,
        reason: Anomaly,
    ) -> Held {
        let (mode, deadline) = (self.config.mode(reason), now + self.config.limits.divert_deadline);
        Held { reason, port, mode, received_at: now, deadline, len, received_len, flow: 0 }
    }

    fn admit(&mut self, mut held: Held, frame: &[u8]) -> Result<(), Refusal> {
        let Held { reason, port, mode, received_at, .. } = held;
        held.flow = self.flows.tag(frame);
        match self.diverts.admit(held, frame, source(frame), &self.config.limits) {
            Ok(id) => {
                self.stats.flows_forgotten += u64::from(self.flows.count(held.flow, received_at, reason));
                self.note(Event::Diverted { id, reason, port, mode });
                Ok(())
            }
            Err(refusal) => {
                self.stats.refusals[refusal as usize] += 1;
                self.stats.diverts[reason as usize].refused += 1;
                self.note(Event::Refused { reason, refusal });
                Err(refusal)
            }
        }
    }

    /// The deterministic default for a reason.
    pub(crate) fn act_by_default(
        &mut self,
        now: Instant,
        port: PortId,
        frame: &mut FrameBuf<'_>,
        reason: Anomaly,
        path: Path,
    ) -> Verdict {
        let received_len = frame.received_len();
        match reason.row().default {
            DefaultAction::Drop | DefaultAction::Report => {
                self.discard(now, port, frame.bytes(), received_len, reason, path)
            }
            DefaultAction::Pass if self.outside_host.is_some() => {
                self.hand_over(port, frame.bytes(), received_len, path)
            }
            DefaultAction::Pass => {
                let mac = self.config.ports[port.index()].mac;
                match classify(frame.bytes(), port, mac, &self.locals) {
                    Class::Transit(info, _) => self.forward(now, port, frame, &info, received_len, path),
                    Class::Local(info, _) => self.deliver(now, port, frame, &info, received_len, path),
                    // Only healthy frames have this default, and nothing has changed since.
                    Class::Arp(_) | Class::Nd(_) | Class::Foreign | Class::Anomaly(_) => {
                        self.drop(DropReason::Anomaly(reason), path, received_len)
                    }
                }
            }
        }
    }

    /// Discards a frame for this reason, and reports it to its source where that is the default.
    pub(crate) fn discard(
        &mut self,
        now: Instant,
        port: PortId,
        frame: &[u8],
        received_len: usize,
        reason: Anomaly,
        path: Path,
    ) -> Verdict {
        if reason.row().default == DefaultAction::Report && !self.is_for_others(port, frame, reason) {
            let problem = frame.get(ETHERNET_HEADER..).and_then(|ip| report::problem(ip, reason));
            if let Some(problem) = problem {
                self.report(now, port, frame, problem.into());
            }
        }
        self.drop(DropReason::Anomaly(reason), path, received_len)
    }

    /// Is this packet for another host than the one outside? RFC 1122 §3.2.1.3: about such a host says nothing.
    fn is_for_others(&self, port: PortId, frame: &[u8], reason: Anomaly) -> bool {
        let (config, posture) = (&self.config.ports[port.index()], self.config.posture);
        self.outside_host.is_some()
            && ClassKey::of(reason, port, frame, posture, config, &self.locals).direction
                == Direction::Transit
    }

    /// Ends a diverted frame for which no answer will act: its default does.
    pub(crate) fn settle_by_default(&mut self, now: Instant, id: DivertId) {
        let Some((_, held, bytes)) = self.diverts.get(id) else { return };
        let mut copy = [0; FRAME_MAX];
        copy[..bytes.len()].copy_from_slice(bytes);
        self.diverts.release(id);
        if held.mode != Mode::Enforce {
            return;
        }
        self.stats.held.sub(held.received_len);
        // Behind the copy there is room for the tag of a VLAN port.
        let mut frame = FrameBuf::with_room(&mut copy, 0, held.len).received_as(held.received_len);
        let verdict = self.act_by_default(now, held.port, &mut frame, held.reason, Path::SlowRefused);
        if let Verdict::Forward { port } = verdict {
            self.send_forwarded(port, frame.bytes(), held.received_len, Path::SlowRefused);
        }
    }

    /// A keyed PRF over (run secret, id): half of it is the nonce, which the answer must echo.
    pub(crate) fn nonce(&self, id: DivertId) -> u32 {
        self.prf(id) as u32
    }

    /// The other half of the PRF: what parts the prompt's data from its words.
    pub(crate) fn boundary(&self, id: DivertId) -> u32 {
        (self.prf(id) >> 32) as u32
    }

    fn prf(&self, id: DivertId) -> u64 {
        let mut prf = SipHasher24::new_with_keys(self.config.secret, u64::from(self.config.id));
        prf.write_u16(id.slot);
        prf.write_u32(id.generation);
        prf.finish()
    }

    pub(crate) fn note(&mut self, event: Event) {
        self.stats.events_lost += u64::from(self.events.push(event));
    }
}

fn checked<A: Address>(route: Route<A>, ports: usize) -> Result<Route<A>, ConfigError> {
    if route.target.is_forwarding() && route.port.index() >= ports {
        return Err(ConfigError::RoutePort(route.port));
    }
    Ok(route)
}

/// Whom a frame comes from: the IP source where there is one, else the source MAC address.
fn source(frame: &[u8]) -> u32 {
    let word = |at: usize| match frame.get(at..at + 4) {
        Some(&[a, b, c, d]) => u32::from_be_bytes([a, b, c, d]),
        _ => 0,
    };
    match crate::divert::network_offset(frame) {
        Some(at) if crate::divert::says_ipv6(frame) => {
            // A host has a network of 64 bits to choose from: the network is who it is.
            word(at + 8) ^ word(at + 12).rotate_left(16)
        }
        Some(at) => word(at + 12),
        None => word(8),
    }
}

/// Is this an echo request that a reply with swapped addresses answers? Options would have to be reversed
/// (RFC 1812 §4.3.3.6), and a reply carries neither the reserved flag nor an ECN mark of the request's.
pub(crate) fn is_plain_echo_request(frame: &[u8], packet: &Packet) -> bool {
    let Packet::V4(info) = packet else { return false };
    info.protocol == protocol::ICMP
        && info.header_len() == MIN_HEADER
        && !info.is_fragment()
        && !info.reserved_flag()
        && frame.get(ETHERNET_HEADER + 1).is_some_and(|tos| tos & 0x03 == 0)
        && frame.get(ETHERNET_HEADER + MIN_HEADER) == Some(&icmp::kind::ECHO_REQUEST)
}
