//! Forwarding: every check between a healthy packet and its next hop.
//! Read first: RFC 1812 §5.2.1, §5.3.1; RFC 8200 §3, §5.

use super::{Cargo, Fragments, IcmpError, Lookup, Maker, Target, rewrite};
use crate::classify::Packet;
use crate::classify::ethernet::word;
use crate::config::PortId;
use crate::divert::Held;
use crate::frame::{ETHERNET_HEADER, FrameBuf};
use crate::stats::{Disposition, Path};
use crate::verdict::{DropReason, Verdict};
use crate::wire::{Ipv4Info, Ipv6Info};
use crate::{Family, Router};
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, Ipv4Packet, Ipv6Packet};

/// Where a packet goes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hop<A = IpAddress> {
    pub(crate) port: PortId,
    pub(crate) address: A,
}

impl<A: Family> Hop<A> {
    /// The same, for tables that serve both families.
    pub(crate) fn any(self) -> Hop {
        Hop { port: self.port, address: self.address.into() }
    }
}

/// What forwarding has to know of a frame, whatever its family.
pub(super) struct Way {
    pub(super) now: Instant,
    pub(super) ingress: PortId,
    /// Time to live or hop limit, as received.
    hops: u8,
    /// Length of the IP packet.
    len: usize,
    /// It must not be cut into fragments.
    whole: bool,
    received_len: usize,
    path: Path,
}

impl Way {
    #[inline(always)]
    const fn v4(now: Instant, ingress: PortId, info: &Ipv4Info, received_len: usize, path: Path) -> Self {
        let (len, whole) = (info.total_len(), info.dont_fragment());
        Self { now, ingress, hops: info.ttl, len, whole, received_len, path }
    }

    #[inline(always)]
    const fn v6(now: Instant, ingress: PortId, info: &Ipv6Info, received_len: usize, path: Path) -> Self {
        // A router never fragments IPv6 (RFC 8200 §5).
        Self { now, ingress, hops: info.hop_limit, len: info.total_len(), whole: true, received_len, path }
    }

    const fn cargo(&self) -> Cargo {
        Cargo::Forwarded { received_len: self.received_len, path: self.path, ingress: self.ingress }
    }
}

/// Why a packet is not forwarded: the error for its source, if any, and the reason for the books.
pub(crate) type Refusal = (Option<IcmpError>, DropReason);

const NO_ROUTE: Refusal = (Some(IcmpError::NetUnreachable), DropReason::NoRoute);

impl Router<'_> {
    /// Forwards a healthy frame in place: hop count, checksum, MAC addresses, padding, VLAN tag.
    pub(crate) fn forward(
        &mut self,
        now: Instant,
        ingress: PortId,
        frame: &mut FrameBuf<'_>,
        packet: &Packet,
        received_len: usize,
        path: Path,
    ) -> Verdict {
        match packet {
            Packet::V4(info) => {
                self.forward_to(&Way::v4(now, ingress, info, received_len, path), frame, info.destination())
            }
            Packet::V6(info) => {
                self.forward_to(&Way::v6(now, ingress, info, received_len, path), frame, info.destination)
            }
        }
    }

    /// [`Self::forward`], for the most common of frames.
    #[inline(always)]
    pub(crate) fn forward_plain_v4(
        &mut self,
        now: Instant,
        ingress: PortId,
        frame: &mut FrameBuf<'_>,
        info: &Ipv4Info,
        received_len: usize,
    ) -> Verdict {
        self.forward_to(&Way::v4(now, ingress, info, received_len, Path::Fast), frame, info.destination())
    }

    /// [`Self::forward`], for the most common of frames.
    #[inline(always)]
    pub(crate) fn forward_plain_v6(
        &mut self,
        now: Instant,
        ingress: PortId,
        frame: &mut FrameBuf<'_>,
        info: &Ipv6Info,
        received_len: usize,
    ) -> Verdict {
        self.forward_to(&Way::v6(now, ingress, info, received_len, Path::Fast), frame, info.destination)
    }

    #[inline(always)]
    fn forward_to<A: Family>(&mut self, way: &Way, frame: &mut FrameBuf<'_>, destination: A) -> Verdict {
        if way.hops <= 1 {
            return self.refuse(way, frame.bytes(), TTL_EXPIRED);
        }
        let hop = match self.hop(destination, way.ingress) {
            Ok(hop) => hop,
            Err(refusal) => return self.refuse(way, frame.bytes(), refusal),
        };
        frame.truncate(ETHERNET_HEADER + way.len);
        let mtu = self.mtu(hop.port);
        // Of a super-frame that the egress device will cut, only the segments must fit.
        let fits = frame.longest_packet(way.len) <= mtu;
        if !fits && (way.whole || !can_be_cut(frame.bytes(), mtu)) {
            let refusal = (Some(IcmpError::TooBig(mtu as u16)), DropReason::FragmentationNeeded);
            return self.refuse(way, frame.bytes(), refusal);
        }
        let mac = match A::neighbors(self).known_good(way.now, hop.port, hop.address) {
            Some(mac) => mac,
            None => match self.resolve(way.now, hop) {
                Ok(mac) => mac,
                Err(found) => return self.unresolved(way, frame, hop.any(), found),
            },
        };
        if !fits {
            self.stats.held.add(way.received_len);
            return match self.send(hop.port, mac, frame.bytes_mut(), way.cargo()) {
                Ok(()) => Verdict::Consume,
                Err(reason) => Verdict::Drop(reason),
            };
        }
        if hop.port == way.ingress && self.config.redirects {
            self.redirect(way, frame.bytes(), hop.any(), mac);
        }
        let port = &self.config.ports[hop.port.index()];
        rewrite::forward::<A>(frame.bytes_mut(), port.mac, mac);
        let (device, tag) = port.device(hop.port);
        if let Some(id) = tag
            && !frame.insert_tag(id)
        {
            return self.drop(DropReason::NoHeadroom, way.path, way.received_len);
        }
        self.stats.end(Disposition::Forwarded, way.path, way.received_len);
        self.stats.sent.forwarded.add(frame.len());
        Verdict::Forward { port: device }
    }

    /// The next hop has no known MAC address yet.
    #[cold]
    fn unresolved(&mut self, way: &Way, frame: &FrameBuf<'_>, hop: Hop, found: Lookup) -> Verdict {
        match found {
            Lookup::Wait { .. } => {
                let per_neighbor = self.config.limits.waiting_per_neighbor;
                if self.waiting.push(hop.port, hop.address, way.cargo(), frame.bytes(), per_neighbor) {
                    self.stats.held.add(way.received_len);
                    Verdict::Consume
                } else {
                    self.drop(DropReason::WaitingRoomFull, way.path, way.received_len)
                }
            }
            Lookup::Failed => self.refuse(way, frame.bytes(), NEIGHBOR_FAILED),
            Lookup::Full | Lookup::Use { .. } => {
                self.drop(DropReason::NeighborTableFull, way.path, way.received_len)
            }
        }
    }

    /// Drops a frame, and tells its source.
    #[cold]
    fn refuse(&mut self, way: &Way, frame: &[u8], (error, reason): Refusal) -> Verdict {
        if let Some(error) = error {
            self.report(way.now, way.ingress, frame, error);
        }
        self.drop(reason, way.path, way.received_len)
    }

    /// Sends on a frame that an approved answer, or a rule, repaired, as if it had come so: what forwarding refuses
    /// is reported about `original`, the frame as received, where that is plain IP.
    pub(crate) fn forward_repaired(
        &mut self,
        now: Instant,
        held: &Held,
        by: Maker,
        original: &[u8],
        frame: &mut [u8],
        path: Path,
    ) -> Verdict {
        let plain = matches!(word(original, 12), 0x0800 | 0x86dd);
        let refusal = self.refusal(held.port, &frame[ETHERNET_HEADER..]);
        match refusal {
            None => {
                let cargo = Cargo::Injected { by, received_len: held.received_len, path, transit: true };
                self.dispatch(now, held.port, frame, cargo).map_or_else(Verdict::Drop, |()| Verdict::Consume)
            }
            Some((error, reason)) => {
                if let Some(error) = error {
                    self.report(now, held.port, if plain { original } else { frame }, error);
                }
                self.stats.held.sub(held.received_len);
                self.drop(reason, path, held.received_len)
            }
        }
    }

    /// Why forwarding would refuse this healthy packet, if it would.
    pub(crate) fn refusal(&self, ingress: PortId, packet: &[u8]) -> Option<Refusal> {
        let hops = if rewrite::is_ipv6(packet) { packet[7] } else { packet[8] };
        if hops <= 1 {
            return Some(TTL_EXPIRED);
        }
        let hop = match self.next_hop(packet, ingress) {
            Ok(hop) => hop,
            Err(refusal) => return Some(refusal),
        };
        let mtu = self.mtu(hop.port);
        let fits = packet.len() <= mtu || (!rewrite::is_ipv6(packet) && cut(packet, mtu).is_some());
        (!fits).then_some((Some(IcmpError::TooBig(mtu as u16)), DropReason::FragmentationNeeded))
    }

    /// The next hop of an IP packet. `ingress` is the zone of a link-local destination (RFC 4007 §6).
    pub(crate) fn next_hop(&self, packet: &[u8], ingress: PortId) -> Result<Hop, Refusal> {
        let destination = if rewrite::is_ipv6(packet) {
            Ipv6Packet::new_checked(packet).ok().map(|packet| IpAddress::Ipv6(packet.dst_addr()))
        } else {
            Ipv4Packet::new_checked(packet).ok().map(|packet| IpAddress::Ipv4(packet.dst_addr()))
        };
        self.hop_to(destination.ok_or(NO_ROUTE)?, ingress)
    }

    /// The next hop to `destination`, of either family.
    pub(crate) fn hop_to(&self, destination: IpAddress, ingress: PortId) -> Result<Hop, Refusal> {
        match destination {
            IpAddress::Ipv4(to) => self.hop(to, ingress).map(Hop::any),
            IpAddress::Ipv6(to) => self.hop(to, ingress).map(Hop::any),
        }
    }

    /// The next hop to `destination`.
    #[inline(always)]
    fn hop<A: Family>(&self, destination: A, ingress: PortId) -> Result<Hop<A>, Refusal> {
        if destination.is_of_the_link() {
            return Ok(Hop { port: ingress, address: destination });
        }
        match A::route(self, destination) {
            Some((port, Target::OnLink)) => Ok(Hop { port, address: destination }),
            Some((port, Target::Via(address))) => Ok(Hop { port, address }),
            Some((_, Target::Unreachable)) => Err(UNREACHABLE),
            Some((_, Target::Prohibited)) => Err(PROHIBITED),
            Some((_, Target::Blackhole)) => Err(BLACKHOLE),
            None => Err(NO_ROUTE),
        }
    }

    /// Largest IP packet that leaves by this port.
    pub(crate) fn mtu(&self, port: PortId) -> usize {
        self.config.ports[port.index()].mtu
    }
}

/// Can this frame's IPv4 packet be cut for the MTU? (Not if Don't Fragment is set, nor if a later piece could not say
/// where it begins.)
#[cold]
fn can_be_cut(frame: &[u8], mtu: usize) -> bool {
    cut(&frame[ETHERNET_HEADER..], mtu).is_some()
}

fn cut(packet: &[u8], mtu: usize) -> Option<Fragments> {
    Fragments::ipv4(packet, mtu, None)
}

pub(super) const TTL_EXPIRED: Refusal = (Some(IcmpError::TimeExceeded), DropReason::TtlExpired);
const NEIGHBOR_FAILED: Refusal = (Some(IcmpError::HostUnreachable), DropReason::NeighborFailed);
const UNREACHABLE: Refusal = (Some(IcmpError::RouteUnreachable), DropReason::RouteUnreachable);
const PROHIBITED: Refusal = (Some(IcmpError::Prohibited), DropReason::RouteProhibited);
const BLACKHOLE: Refusal = (None, DropReason::RouteBlackhole);
