//! The router: a frame and the time in, a verdict out. Read first: RFC 1812 §5.

use crate::classify::{Anomaly, Class, DefaultAction, Locals, Mode, classify, icmp, ipv4::protocol};
use crate::config::{Config, ConfigError, PortId};
use crate::divert::{DivertId, DivertSlot, Held, Queue, Refusal};
use crate::event::{Event, EventRing};
use crate::forward::{
    Egress, IcmpError, NeighborSlot, NeighborTable, Route, RouteTable, TxSlot, WaitRoom, WaitSlot,
};
use crate::frame::{ETHERNET_HEADER, FRAME_MAX, FrameBuf, MAX_MTU, MIN_MTU};
use crate::host::{Host, HostStorage};
use crate::stats::{Disposition, Path, Stats};
use crate::time::TokenBucket;
use crate::verdict::{DropReason, Verdict};
use crate::wire::{Ipv4Info, MIN_HEADER, options};
use core::hash::Hasher;
use managed::ManagedSlice;
use siphasher::sip::SipHasher24;
use smoltcp::time::Instant;
use smoltcp::wire::Ipv4Cidr;

/// Storage for every table of a router. Each length is that table's bound.
#[derive(Debug)]
pub struct Storage<'a> {
    /// Routes; the connected networks take one each.
    pub routes: ManagedSlice<'a, Option<Route>>,
    /// Neighbours, over all ports.
    pub neighbors: ManagedSlice<'a, NeighborSlot>,
    /// Packets that wait for a neighbour.
    pub waiting: ManagedSlice<'a, WaitSlot>,
    /// Diverted frames, queued and outstanding.
    pub diverts: ManagedSlice<'a, DivertSlot>,
    /// Frames to be transmitted.
    pub transmit: ManagedSlice<'a, TxSlot>,
    /// Events to be polled.
    pub events: ManagedSlice<'a, Option<Event>>,
    /// The local host.
    pub host: HostStorage<'a>,
}

/// The router.
///
/// After every call that takes `&mut self`, drain [`Router::poll_transmit`]; [`Router::poll_divert`]
/// and [`Router::poll_event`] may be drained whenever there is time.
#[derive(Debug)]
pub struct Router<'a> {
    pub(crate) config: Config,
    pub(crate) locals: Locals,
    pub(crate) routes: RouteTable<'a>,
    pub(crate) neighbors: NeighborTable<'a>,
    pub(crate) waiting: WaitRoom<'a>,
    pub(crate) egress: Egress<'a>,
    pub(crate) diverts: Queue<'a>,
    pub(crate) events: EventRing<'a>,
    pub(crate) host: Host<'a>,
    pub(crate) stats: Stats,
    pub(crate) icmp_buckets: [TokenBucket; crate::config::MAX_PORTS],
    pub(crate) inject_bucket: TokenBucket,
    /// Changes whenever addresses, routes or configuration do.
    pub(crate) epoch: u32,
}

impl<'a> Router<'a> {
    /// A router with the connected networks as its only routes.
    ///
    /// # Errors
    /// What is wrong with the configuration, or too small in the storage.
    pub fn new(config: Config, storage: Storage<'a>) -> Result<Self, ConfigError> {
        let locals = Locals::new(&config.ports);
        check(&config, &locals, storage.diverts.len())?;
        let mut routes = RouteTable::new(storage.routes);
        for (index, port) in config.ports.iter().enumerate() {
            for cidr in &port.addresses {
                routes.insert(Route { prefix: *cidr, next_hop: None, port: PortId(index as u8) })?;
            }
        }
        let limits = &config.limits;
        Ok(Self {
            locals,
            routes,
            neighbors: NeighborTable::new(storage.neighbors, config.ports.len(), config.secret),
            waiting: WaitRoom::new(storage.waiting),
            egress: Egress::new(storage.transmit),
            diverts: Queue::new(storage.diverts, limits, config.ports.len(), config.secret),
            events: EventRing::new(storage.events),
            host: Host::new(storage.host, &config.ports, config.secret)?,
            stats: Stats::default(),
            icmp_buckets: [TokenBucket::full(limits.icmp_error_rate, Instant::ZERO);
                crate::config::MAX_PORTS],
            inject_bucket: TokenBucket::full(limits.inject_rate, Instant::ZERO),
            epoch: 0,
            config,
        })
    }

    /// Adds a route, or replaces the one with the same prefix. Answers approved before are void.
    ///
    /// # Errors
    /// [`ConfigError::RoutePort`], [`ConfigError::RouteTableFull`].
    pub fn add_route(&mut self, route: Route) -> Result<(), ConfigError> {
        if route.port.index() >= self.config.ports.len() {
            return Err(ConfigError::RoutePort(route.port));
        }
        self.routes.insert(route)?;
        self.epoch = self.epoch.wrapping_add(1);
        Ok(())
    }

    /// Withdraws the route with this prefix; says whether there was one. Answers approved before are void.
    pub fn remove_route(&mut self, prefix: Ipv4Cidr) -> bool {
        self.epoch = self.epoch.wrapping_add(1);
        self.routes.remove(prefix)
    }

    /// The configuration.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The routes.
    pub const fn routes(&self) -> &RouteTable<'a> {
        &self.routes
    }

    /// The neighbours.
    pub const fn neighbors(&self) -> &NeighborTable<'a> {
        &self.neighbors
    }

    /// Takes a received frame. After [`Verdict::Forward`] the caller sends the same buffer, rewritten
    /// and perhaps shortened; otherwise the buffer is the caller's again.
    ///
    /// # Panics
    /// If `port` was not configured.
    pub fn handle_frame(&mut self, now: Instant, port: PortId, frame: &mut FrameBuf<'_>) -> Verdict {
        let received_len = frame.len();
        self.stats.received.add(received_len);
        let class = classify(frame.bytes(), port, self.config.ports[port.index()].mac, &self.locals);
        match class {
            Class::Transit(info, oddity) => {
                if let Some(oddity) = oddity {
                    self.observe(now, port, frame.bytes(), oddity);
                }
                self.forward(now, port, frame, &info, received_len, Path::Fast)
            }
            Class::Local(info, oddity) => {
                if let Some(oddity) = oddity {
                    self.observe(now, port, frame.bytes(), oddity);
                }
                if is_plain_echo_request(frame.bytes(), &info)
                    && self.config.mode(Anomaly::EchoRequest) != Mode::Off
                {
                    return self.divert(now, port, frame, Anomaly::EchoRequest);
                }
                self.deliver(now, port, frame, &info, received_len, Path::Fast)
            }
            Class::Arp(info) => {
                self.handle_arp(now, port, &info);
                self.stats.end(Disposition::Consumed, Path::Fast, received_len);
                Verdict::Consume
            }
            Class::Foreign => self.drop(DropReason::Foreign, Path::Fast, received_len),
            Class::Anomaly(anomaly) => self.divert(now, port, frame, anomaly),
        }
    }

    /// Counts a drop.
    pub(crate) fn drop(&mut self, reason: DropReason, path: Path, len: usize) -> Verdict {
        self.stats.drop(reason, path, len);
        Verdict::Drop(reason)
    }

    /// Treats a frame of this reason as its mode says.
    fn divert(&mut self, now: Instant, port: PortId, frame: &mut FrameBuf<'_>, reason: Anomaly) -> Verdict {
        match self.config.mode(reason) {
            Mode::Off => {
                self.stats.seen[reason as usize] += 1;
                self.act_by_default(now, port, frame, reason, Path::Fast)
            }
            Mode::Observe => {
                self.observe(now, port, frame.bytes(), reason);
                self.act_by_default(now, port, frame, reason, Path::Fast)
            }
            Mode::Enforce => {
                self.stats.seen[reason as usize] += 1;
                match self.admit(now, port, frame.bytes(), reason, Mode::Enforce) {
                    Ok(()) => {
                        self.stats.diverts[reason as usize].held += 1;
                        self.stats.held.add(frame.len());
                        Verdict::Divert(reason)
                    }
                    Err(_) => self.act_by_default(now, port, frame, reason, Path::SlowRefused),
                }
            }
        }
    }

    /// Sends a copy of every n-th such frame to the slow path; the frame itself goes on.
    fn observe(&mut self, now: Instant, port: PortId, frame: &[u8], reason: Anomaly) {
        let seen = &mut self.stats.seen[reason as usize];
        *seen += 1;
        let sampled = (*seen - 1).is_multiple_of(u64::from(self.config.limits.observe_one_in.max(1)));
        if sampled
            && self.config.mode(reason) == Mode::Observe
            && self.admit(now, port, frame, reason, Mode::Observe).is_ok()
        {
            self.stats.diverts[reason as usize].observed += 1;
        }
    }

    fn admit(
        &mut self,
        now: Instant,
        port: PortId,
        frame: &[u8],
        reason: Anomaly,
        mode: Mode,
    ) -> Result<(), Refusal> {
        let limits = &self.config.limits;
        let held = Held {
            reason,
            port,
            mode,
            received_at: now,
            deadline: now + limits.divert_deadline,
            len: frame.len(),
        };
        match self.diverts.admit(held, frame, source(frame), limits) {
            Ok(id) => {
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
        let received_len = frame.len();
        match reason.row().default {
            DefaultAction::Drop => self.drop(DropReason::Anomaly(reason), path, received_len),
            DefaultAction::Pass => {
                let mac = self.config.ports[port.index()].mac;
                match classify(frame.bytes(), port, mac, &self.locals) {
                    Class::Transit(info, _) => self.forward(now, port, frame, &info, received_len, path),
                    Class::Local(info, _) => self.deliver(now, port, frame, &info, received_len, path),
                    // Only healthy frames have this default, and nothing has changed since.
                    Class::Arp(_) | Class::Foreign | Class::Anomaly(_) => {
                        self.drop(DropReason::Anomaly(reason), path, received_len)
                    }
                }
            }
        }
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
        self.stats.held.sub(held.len);
        let mut frame = FrameBuf::new(&mut copy[..held.len]);
        let verdict = self.act_by_default(now, held.port, &mut frame, held.reason, Path::SlowRefused);
        if let Verdict::Forward { port } = verdict {
            self.send_forwarded(port, frame.bytes(), held.len, Path::SlowRefused);
        }
    }

    /// A keyed PRF over (run secret, id), to be echoed by the answer.
    pub(crate) fn nonce(&self, id: DivertId) -> u32 {
        let mut prf = SipHasher24::new_with_keys(self.config.secret, u64::from(self.config.id));
        prf.write_u16(id.slot);
        prf.write_u32(id.generation);
        prf.finish() as u32
    }

    pub(crate) fn note(&mut self, event: Event) {
        self.stats.events_lost += u64::from(self.events.push(event));
    }

    /// Sends an ICMP error about `frame` (as received by `port`), unless that is forbidden or too much.
    pub(crate) fn report(&mut self, now: Instant, port: PortId, frame: &[u8], error: IcmpError) {
        if crate::forward::icmp_error::is_forbidden(frame, &self.config.ports[port.index()], &self.locals) {
            self.stats.icmp_errors_forbidden += 1;
            return;
        }
        if !self.icmp_buckets[port.index()].take(self.config.limits.icmp_error_rate, now) {
            self.stats.icmp_errors_limited += 1;
            return;
        }
        let mut out = [0; FRAME_MAX];
        match self.build_icmp_error(error, &frame[ETHERNET_HEADER..], &mut out) {
            Some(len) => {
                self.stats.icmp_errors += 1;
                self.dispatch(now, &mut out[..len], crate::forward::Cargo::Originated);
            }
            None => self.stats.originated_lost += 1,
        }
    }
}

/// Refuses a configuration that could not work.
fn check(config: &Config, locals: &Locals, divert_slots: usize) -> Result<(), ConfigError> {
    if config.ports.is_empty() {
        return Err(ConfigError::NoPorts);
    }
    for (index, port) in config.ports.iter().enumerate() {
        let id = PortId(index as u8);
        if !port.mac.is_unicast() || port.mac.0 == [0; 6] {
            return Err(ConfigError::PortMac(id));
        }
        if !(MIN_MTU..=MAX_MTU).contains(&port.mtu) {
            return Err(ConfigError::PortMtu(id));
        }
        for cidr in &port.addresses {
            let same =
                config.ports.iter().flat_map(|p| &p.addresses).filter(|c| c.address() == cidr.address());
            if !options::is_one_host(cidr.address())
                || same.count() != 1
                || locals.is_broadcast(cidr.address())
            {
                return Err(ConfigError::PortAddress(id));
            }
        }
    }
    for &reason in Anomaly::ALL {
        if reason.must_pass() && config.mode(reason) == Mode::Enforce {
            return Err(ConfigError::EnforceMustPass(reason));
        }
    }
    let limits = &config.limits;
    // Frames of one reason that can arrive within one deadline must all find a slot.
    let deadline_us = limits.divert_deadline.total_micros();
    let in_time = u64::from(limits.divert_rate.per_second).saturating_mul(deadline_us).div_ceil(1_000_000);
    let limit = limits.divert_queue.saturating_add(limits.divert_outstanding);
    let available = divert_slots.min(crate::divert::MAX_SLOTS).min(limit);
    if in_time > available as u64 {
        return Err(ConfigError::DivertCapacity { needed: in_time as usize, available });
    }
    Ok(())
}

/// Whom a frame comes from: the IPv4 source where there is one, else the source MAC address.
fn source(frame: &[u8]) -> u32 {
    let at = crate::divert::network_offset(frame).map_or(8, |at| at + 12);
    match frame.get(at..at + 4) {
        Some(&[a, b, c, d]) => u32::from_be_bytes([a, b, c, d]),
        _ => 0,
    }
}

/// Is this an echo request that a reply with swapped addresses answers? Options would have to be reversed
/// (RFC 1812 §4.3.3.6), and a reply carries neither the reserved flag nor an ECN mark of the request's.
fn is_plain_echo_request(frame: &[u8], info: &Ipv4Info) -> bool {
    info.protocol == protocol::ICMP
        && info.header_len == MIN_HEADER
        && !info.is_fragment()
        && !info.reserved_flag
        && frame.get(ETHERNET_HEADER + 1).is_some_and(|tos| tos & 0x03 == 0)
        && frame.get(ETHERNET_HEADER + MIN_HEADER) == Some(&icmp::kind::ECHO_REQUEST)
}
