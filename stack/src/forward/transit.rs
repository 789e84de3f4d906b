//! Forwarding, ARP, and every way by which a frame gets a next hop.
//! Read first: RFC 1812 §5.2.1, §5.3.1; RFC 826; RFC 1122 §2.3.2.

use super::{Cargo, IcmpError, Lookup, Origin, icmp_error, neighbor::Due};
use crate::Router;
use crate::classify::{ArpInfo, ethernet::word};
use crate::config::PortId;
use crate::divert::{DivertId, Held};
use crate::frame::{ETHERNET_HEADER, FRAME_MAX, FrameBuf};
use crate::stats::{Disposition, Path};
use crate::verdict::{DropReason, Verdict};
use crate::wire::{Ipv4Info, checksum};
use smoltcp::time::Instant;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, Ipv4Address,
    Ipv4Packet,
};

/// Bytes of an ARP frame.
const ARP_FRAME: usize = ETHERNET_HEADER + 28;

/// Where a packet goes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hop {
    pub(crate) port: PortId,
    pub(crate) address: Ipv4Address,
}

impl Router<'_> {
    /// Forwards a healthy frame in place: TTL, checksum, MAC addresses, padding.
    pub(crate) fn forward(
        &mut self,
        now: Instant,
        ingress: PortId,
        frame: &mut FrameBuf<'_>,
        info: &Ipv4Info,
        received_len: usize,
        path: Path,
    ) -> Verdict {
        if info.ttl <= 1 {
            self.report(now, ingress, frame.bytes(), IcmpError::TimeExceeded);
            return self.drop(DropReason::TtlExpired, path, received_len);
        }
        let Some(hop) = self.hop_to(info.destination) else {
            self.report(now, ingress, frame.bytes(), IcmpError::NetUnreachable);
            return self.drop(DropReason::NoRoute, path, received_len);
        };
        let mtu = self.mtu(hop.port);
        if info.total_len > mtu {
            if info.dont_fragment {
                self.report(now, ingress, frame.bytes(), IcmpError::FragmentationNeeded(mtu as u16));
                return self.drop(DropReason::FragmentationNeeded, path, received_len);
            }
            return self.drop(DropReason::TooLarge, path, received_len);
        }
        frame.truncate(ETHERNET_HEADER + info.total_len);
        match self.neighbors.lookup(now, hop.port, hop.address, &self.config.limits) {
            Lookup::Use { mac, ask } => {
                if ask {
                    self.ask(hop);
                }
                Self::decrement_ttl(frame.bytes_mut());
                self.address(frame.bytes_mut(), hop.port, mac);
                self.stats.end(Disposition::Forwarded, path, received_len);
                self.stats.sent.forwarded.add(frame.len());
                Verdict::Forward { port: hop.port }
            }
            Lookup::Wait { ask } => {
                if ask {
                    self.ask(hop);
                }
                let cargo = Cargo::Forwarded { received_len, path, ingress };
                let per_neighbor = self.config.limits.waiting_per_neighbor;
                if self.waiting.push(hop.port, hop.address, cargo, frame.bytes(), per_neighbor) {
                    self.stats.held.add(received_len);
                    Verdict::Consume
                } else {
                    self.drop(DropReason::WaitingRoomFull, path, received_len)
                }
            }
            Lookup::Failed => {
                self.report(now, ingress, frame.bytes(), IcmpError::HostUnreachable);
                self.drop(DropReason::NeighborFailed, path, received_len)
            }
            Lookup::Full => self.drop(DropReason::NeighborTableFull, path, received_len),
        }
    }

    /// Sends on a frame that an approved answer repaired, as if it had come so: what forwarding refuses
    /// is reported about `original`, the frame as received, where that is plain IPv4.
    pub(crate) fn forward_repaired(
        &mut self,
        now: Instant,
        held: &Held,
        id: DivertId,
        original: &[u8],
        frame: &mut [u8],
        path: Path,
    ) {
        let about = if word(original, 12) == 0x0800 { original } else { &*frame };
        let packet = Ipv4Packet::new_unchecked(&frame[ETHERNET_HEADER..]);
        let hop = self.hop_to(packet.dst_addr());
        let mtu = hop.map_or(0, |hop| self.mtu(hop.port));
        let refused = match hop {
            _ if packet.hop_limit() <= 1 => Some((Some(IcmpError::TimeExceeded), DropReason::TtlExpired)),
            None => Some((Some(IcmpError::NetUnreachable), DropReason::NoRoute)),
            Some(_) if frame.len() - ETHERNET_HEADER <= mtu => None,
            Some(_) if packet.dont_frag() => {
                Some((Some(IcmpError::FragmentationNeeded(mtu as u16)), DropReason::FragmentationNeeded))
            }
            Some(_) => Some((None, DropReason::TooLarge)),
        };
        match refused {
            None => {
                let cargo = Cargo::Injected { id, received_len: held.len, path, transit: true };
                self.dispatch(now, frame, cargo);
            }
            Some((error, reason)) => {
                if let Some(error) = error {
                    self.report(now, held.port, about, error);
                }
                self.stats.held.sub(held.len);
                self.stats.drop(reason, path, held.len);
            }
        }
    }

    /// Queues a frame of the router's own making, or one made from an approved answer, towards the
    /// destination in its IPv4 header. A repaired frame's TTL is decremented on the way.
    pub(crate) fn dispatch(&mut self, now: Instant, frame: &mut [u8], cargo: Cargo) {
        let Some(hop) = self.next_hop(&frame[ETHERNET_HEADER..]) else {
            return self.lose(cargo, DropReason::NoRoute);
        };
        match self.neighbors.lookup(now, hop.port, hop.address, &self.config.limits) {
            Lookup::Use { mac, ask } => {
                if ask {
                    self.ask(hop);
                }
                self.send(hop.port, mac, frame, cargo);
            }
            Lookup::Wait { ask } => {
                if ask {
                    self.ask(hop);
                }
                let per_neighbor = self.config.limits.waiting_per_neighbor;
                if !self.waiting.push(hop.port, hop.address, cargo, frame, per_neighbor) {
                    self.lose(cargo, DropReason::WaitingRoomFull);
                }
            }
            Lookup::Failed => self.lose(cargo, DropReason::NeighborFailed),
            Lookup::Full => self.lose(cargo, DropReason::NeighborTableFull),
        }
    }

    /// Queues a frame whose next hop is known, and closes its books.
    fn send(&mut self, port: PortId, mac: EthernetAddress, frame: &mut [u8], cargo: Cargo) {
        if matches!(cargo, Cargo::Forwarded { .. } | Cargo::Injected { transit: true, .. }) {
            Self::decrement_ttl(frame);
        }
        self.address(frame, port, mac);
        let origin = match cargo {
            Cargo::Forwarded { received_len, path, .. } => Origin::Forwarded { received_len, path },
            Cargo::Originated => Origin::Originated,
            Cargo::Injected { id, .. } => Origin::Injected(id),
        };
        if !self.egress.push(port, origin, frame) {
            return self.lose(cargo, DropReason::EgressFull);
        }
        match cargo {
            Cargo::Originated => self.stats.sent.originated.add(frame.len()),
            Cargo::Forwarded { received_len, path, .. } => {
                self.stats.held.sub(received_len);
                self.stats.end(Disposition::Forwarded, path, received_len);
                self.stats.sent.forwarded.add(frame.len());
            }
            Cargo::Injected { received_len, path, .. } => {
                self.stats.held.sub(received_len);
                self.stats.end(Disposition::Consumed, path, received_len);
                self.stats.sent.injected.add(frame.len());
            }
        }
    }

    /// Queues a rewritten frame that `forward` has counted already.
    pub(crate) fn send_forwarded(&mut self, port: PortId, frame: &[u8], received_len: usize, path: Path) {
        if !self.egress.push(port, Origin::Forwarded { received_len, path }, frame) {
            self.unsend_forwarded(frame.len(), received_len, path);
        }
    }

    /// A frame counted as forwarded could not be sent after all: it is an egress drop.
    pub(crate) fn unsend_forwarded(&mut self, sent_len: usize, received_len: usize, path: Path) {
        self.stats.dispositions[Disposition::Forwarded as usize][path as usize].sub(received_len);
        self.stats.sent.forwarded.sub(sent_len);
        self.stats.drop(DropReason::EgressFull, path, received_len);
    }

    /// Closes the books of a frame that cannot be sent.
    fn lose(&mut self, cargo: Cargo, reason: DropReason) {
        match cargo {
            Cargo::Originated => self.stats.originated_lost += 1,
            Cargo::Forwarded { received_len, path, .. } | Cargo::Injected { received_len, path, .. } => {
                self.stats.held.sub(received_len);
                self.stats.drop(reason, path, received_len);
            }
        }
    }

    /// Takes an ARP packet that may be believed.
    pub(crate) fn handle_arp(&mut self, now: Instant, port: PortId, arp: &ArpInfo) {
        let for_us =
            self.config.ports[port.index()].addresses.iter().any(|cidr| cidr.address() == arp.target);
        // A probe (RFC 5227) has no sender address to learn; nor is a stranger's from another network.
        if self.locals.is_connected(arp.sender, port) {
            let limits = &self.config.limits;
            if self.neighbors.learn(now, port, arp.sender, arp.sender_mac, for_us, limits) {
                self.release(Hop { port, address: arp.sender }, arp.sender_mac);
            }
        }
        if arp.request && for_us {
            let reply = ArpRepr::EthernetIpv4 {
                operation: ArpOperation::Reply,
                source_hardware_addr: self.config.ports[port.index()].mac,
                source_protocol_addr: arp.target,
                target_hardware_addr: arp.sender_mac,
                target_protocol_addr: arp.sender,
            };
            self.send_arp(port, arp.sender_mac, &reply);
        }
    }

    /// Sends everything that waited for this neighbour.
    fn release(&mut self, hop: Hop, mac: EthernetAddress) {
        let mut frame = [0; FRAME_MAX];
        while let Some((cargo, len)) = self.waiting.take(hop.port, hop.address, &mut frame) {
            self.send(hop.port, mac, &mut frame[..len], cargo);
        }
    }

    /// Asks who has the next hop's address.
    fn ask(&mut self, hop: Hop) {
        let Some(source) = self.locals.source_for(hop.port, hop.address) else { return };
        let request = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr: self.config.ports[hop.port.index()].mac,
            source_protocol_addr: source,
            target_hardware_addr: EthernetAddress::default(),
            target_protocol_addr: hop.address,
        };
        self.send_arp(hop.port, EthernetAddress::BROADCAST, &request);
    }

    fn send_arp(&mut self, port: PortId, to: EthernetAddress, arp: &ArpRepr) {
        let mut frame = [0; ARP_FRAME];
        let mut ethernet = EthernetFrame::new_unchecked(&mut frame[..]);
        ethernet.set_dst_addr(to);
        ethernet.set_src_addr(self.config.ports[port.index()].mac);
        ethernet.set_ethertype(EthernetProtocol::Arp);
        arp.emit(&mut ArpPacket::new_unchecked(ethernet.payload_mut()));
        if self.egress.push(port, Origin::Originated, &frame) {
            self.stats.sent.originated.add(frame.len());
        } else {
            self.stats.originated_lost += 1;
        }
    }

    /// Asks again, or gives up, for every neighbour that is due.
    pub(crate) fn handle_neighbor_timeout(&mut self, now: Instant) {
        while let Some(due) = self.neighbors.handle_timeout(now, &self.config.limits) {
            match due {
                Due::Ask(port, address) => self.ask(Hop { port, address }),
                Due::Unreachable(port, address) => self.give_up(now, Hop { port, address }),
            }
        }
    }

    /// RFC 1812 §5.3.3 (and RFC 1122 §2.3.2.2): what waited is reported as host unreachable.
    fn give_up(&mut self, now: Instant, hop: Hop) {
        let mut frame = [0; FRAME_MAX];
        while let Some((cargo, len)) = self.waiting.take(hop.port, hop.address, &mut frame) {
            if let Cargo::Forwarded { ingress, .. } = cargo {
                self.report(now, ingress, &frame[..len], IcmpError::HostUnreachable);
            }
            self.lose(cargo, DropReason::NeighborFailed);
        }
    }

    /// The next hop of an IPv4 packet.
    pub(crate) fn next_hop(&self, packet: &[u8]) -> Option<Hop> {
        let destination = Ipv4Packet::new_checked(packet).ok()?.dst_addr();
        self.hop_to(destination)
    }

    fn hop_to(&self, destination: Ipv4Address) -> Option<Hop> {
        let route = self.routes.lookup(destination)?;
        // RFC 3927 §2.6.2: what is link-local never goes to a router.
        if destination.is_link_local() && !self.locals.is_connected(destination, route.port) {
            return None;
        }
        Some(Hop { port: route.port, address: route.next_hop.unwrap_or(destination) })
    }

    /// Largest IP packet that leaves by this port.
    pub(crate) fn mtu(&self, port: PortId) -> usize {
        self.config.ports[port.index()].mtu
    }

    /// One hop less; the checksum is updated, not recomputed (RFC 1624). The TTL must not be 0.
    pub(crate) fn decrement_ttl(frame: &mut [u8]) {
        let mut packet = Ipv4Packet::new_unchecked(&mut frame[ETHERNET_HEADER..]);
        let (ttl, protocol) = (packet.hop_limit(), u8::from(packet.next_header()));
        let word = |ttl| u16::from_be_bytes([ttl, protocol]);
        let checksum = checksum::update(packet.checksum(), word(ttl), word(ttl - 1));
        packet.set_hop_limit(ttl - 1);
        packet.set_checksum(checksum);
    }

    /// Writes the Ethernet header of an IPv4 frame that leaves by `port`.
    pub(crate) fn address(&self, frame: &mut [u8], port: PortId, to: EthernetAddress) {
        let mut ethernet = EthernetFrame::new_unchecked(frame);
        ethernet.set_dst_addr(to);
        ethernet.set_src_addr(self.config.ports[port.index()].mac);
        ethernet.set_ethertype(EthernetProtocol::Ipv4);
    }

    /// Writes an ICMP error about `original` (an IPv4 packet as received) into `out`, behind a blank
    /// Ethernet header; the frame's length. `None`: there is no way back, or no address to send it from.
    pub(crate) fn build_icmp_error(
        &self,
        error: IcmpError,
        original: &[u8],
        out: &mut [u8; FRAME_MAX],
    ) -> Option<usize> {
        let peer = Ipv4Address::new(original[12], original[13], original[14], original[15]);
        let hop = self.hop_to(peer)?;
        let from = self.locals.source_for(hop.port, peer)?;
        out[12..ETHERNET_HEADER].copy_from_slice(&[0x08, 0x00]);
        Some(ETHERNET_HEADER + icmp_error::build(error, original, from, &mut out[ETHERNET_HEADER..]))
    }
}
