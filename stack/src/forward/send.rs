//! Every way by which a frame that is not forwarded in place leaves: neighbours asked, fragments cut, books closed.
//! Read first: RFC 1122 §2.3.2.2; RFC 791 §3.2; RFC 8200 §4.5.

use super::{Cargo, Fragments, Hop, IcmpError, Lookup, Maker, Origin, rewrite};
use crate::classify::ipv6;
use crate::config::PortId;
use crate::frame::{ETHERNET_HEADER, FRAME_MAX};
use crate::stats::{Disposition, Path};
use crate::verdict::DropReason;
use crate::{Family, Router};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress};

impl Router<'_> {
    /// The MAC address of the next hop, which is asked for if need be; else what the table says.
    pub(super) fn resolve<A: Family>(
        &mut self,
        now: Instant,
        hop: Hop<A>,
    ) -> Result<EthernetAddress, Lookup> {
        match A::neighbors(self).lookup(now, hop.port, hop.address) {
            Lookup::Use { mac, ask: false } => Ok(mac),
            Lookup::Use { mac, ask: true } => {
                self.ask(hop.any(), Some(mac));
                Ok(mac)
            }
            found @ Lookup::Wait { ask } => {
                if ask {
                    self.ask(hop.any(), None);
                }
                Err(found)
            }
            found @ (Lookup::Failed | Lookup::Full) => Err(found),
        }
    }

    /// The same, for a next hop of either family.
    pub(super) fn resolve_any(&mut self, now: Instant, hop: Hop) -> Result<EthernetAddress, Lookup> {
        match hop.address {
            IpAddress::Ipv4(address) => self.resolve(now, Hop { port: hop.port, address }),
            IpAddress::Ipv6(address) => self.resolve(now, Hop { port: hop.port, address }),
        }
    }

    /// Queues a frame of the router's own making, or one made from an approved answer, towards the
    /// destination in its IP header. A repaired frame loses a hop on the way. `zone`: the port of a link-local
    /// destination.
    ///
    /// # Errors
    /// Why it was lost, which has been counted. Else it is sent, or waits.
    pub(crate) fn dispatch(
        &mut self,
        now: Instant,
        zone: PortId,
        frame: &mut [u8],
        cargo: Cargo,
    ) -> Result<(), DropReason> {
        let hop = match self.next_hop(&frame[ETHERNET_HEADER..], zone) {
            Ok(hop) => hop,
            Err((_, reason)) => return self.lose(cargo, reason),
        };
        if matches!(cargo, Cargo::Originated) && self.leaves_its_zone(&frame[ETHERNET_HEADER..], hop.port) {
            return self.lose(cargo, DropReason::NoRoute);
        }
        match self.resolve_any(now, hop) {
            Ok(mac) => self.send(hop.port, mac, frame, cargo),
            Err(Lookup::Wait { .. }) => self.wait(hop, frame, cargo),
            Err(Lookup::Failed) => self.lose(cargo, DropReason::NeighborFailed),
            Err(Lookup::Full | Lookup::Use { .. }) => self.lose(cargo, DropReason::NeighborTableFull),
        }
    }

    /// Is the packet's source a link-local address of another port (RFC 4007 §9)? The local host answers from the address
    /// that it was asked at, wherever the way back leads.
    fn leaves_its_zone(&self, packet: &[u8], port: PortId) -> bool {
        let source = rewrite::is_ipv6(packet).then(|| ipv6::address(packet, 8)).flatten();
        source.is_some_and(|from| from.is_unicast_link_local() && !self.locals.v6.is_us(from, port))
    }

    /// Keeps a frame until its next hop is known. What is too large for the waiting room waits in fragments.
    fn wait(&mut self, hop: Hop, frame: &[u8], cargo: Cargo) -> Result<(), DropReason> {
        let per_neighbor = self.config.limits.waiting_per_neighbor;
        if frame.len() <= FRAME_MAX {
            if !self.waiting.push(hop.port, hop.address, cargo, frame, per_neighbor) {
                return self.lose(cargo, DropReason::WaitingRoomFull);
            }
            return Ok(());
        }
        let packet = &frame[ETHERNET_HEADER..];
        let Some(mut fragments) = self.fragments(hop.port, packet, cargo) else {
            return self.lose(cargo, DropReason::FragmentationNeeded);
        };
        let mut out = [0; FRAME_MAX];
        while let Some(len) = fragments.next(packet, &mut out[ETHERNET_HEADER..]) {
            let fragment = &out[..ETHERNET_HEADER + len];
            if !self.waiting.push(hop.port, hop.address, cargo, fragment, per_neighbor) {
                let _ = self.lose(cargo, DropReason::WaitingRoomFull);
            }
        }
        Ok(())
    }

    /// The fragments of a packet for the MTU of a port. Only the router's own may have Don't Fragment set (by
    /// smoltcp) and be cut all the same.
    fn fragments(&mut self, port: PortId, packet: &[u8], cargo: Cargo) -> Option<Fragments> {
        let mtu = self.mtu(port);
        match cargo {
            Cargo::Forwarded { .. } | Cargo::Injected { .. } => {
                // A router never fragments IPv6 (RFC 8200 §5).
                if rewrite::is_ipv6(packet) { None } else { Fragments::ipv4(packet, mtu, None) }
            }
            Cargo::Originated => {
                self.next_ident = self.next_ident.wrapping_add(1);
                if rewrite::is_ipv6(packet) {
                    Fragments::ipv6(packet, mtu, self.next_ident)
                } else {
                    Fragments::ipv4(packet, mtu, Some(self.next_ident as u16))
                }
            }
        }
    }

    /// Queues a frame whose next hop is known, in fragments if it must be, and closes its books.
    ///
    /// # Errors
    /// Why it was dropped instead.
    pub(super) fn send(
        &mut self,
        port: PortId,
        mac: EthernetAddress,
        frame: &mut [u8],
        cargo: Cargo,
    ) -> Result<(), DropReason> {
        if matches!(cargo, Cargo::Forwarded { .. } | Cargo::Injected { transit: true, .. }) {
            rewrite::decrement_hops(frame);
        }
        rewrite::address(frame, self.config.ports[port.index()].mac, mac);
        if frame.len() - ETHERNET_HEADER > self.mtu(port) {
            return self.send_fragments(port, frame, cargo);
        }
        let origin = match cargo {
            Cargo::Forwarded { received_len, path, .. } => Origin::Forwarded { received_len, path },
            Cargo::Originated => Origin::Originated,
            Cargo::Injected { by: Maker::Answer(id), .. } => Origin::Injected(id),
            Cargo::Injected { by: Maker::Rule(id), .. } => Origin::Ruled(id),
        };
        let Some(len) = self.queue(port, origin, frame) else {
            return self.lose(cargo, DropReason::EgressFull);
        };
        match cargo {
            Cargo::Originated => self.stats.sent.originated.add(len),
            Cargo::Forwarded { received_len, path, .. } => {
                self.stats.held.sub(received_len);
                self.stats.end(Disposition::Forwarded, path, received_len);
                self.stats.sent.forwarded.add(len);
            }
            Cargo::Injected { received_len, path, .. } => {
                self.stats.held.sub(received_len);
                self.stats.end(Disposition::Consumed, path, received_len);
                self.stats.sent.injected.add(len);
            }
        }
        Ok(())
    }

    /// Cuts a frame that is larger than the MTU; all of its fragments are queued, or none.
    fn send_fragments(&mut self, port: PortId, frame: &[u8], cargo: Cargo) -> Result<(), DropReason> {
        let (header, packet) = frame.split_at(ETHERNET_HEADER);
        let own = matches!(cargo, Cargo::Originated);
        let Some(mut fragments) = self.fragments(port, packet, cargo) else {
            return self.lose(cargo, DropReason::FragmentationNeeded);
        };
        if fragments.count() > self.egress.room() {
            return self.lose(cargo, DropReason::EgressFull);
        }
        let mut out = [0; FRAME_MAX];
        out[..ETHERNET_HEADER].copy_from_slice(header);
        while let Some(len) = fragments.next(packet, &mut out[ETHERNET_HEADER..]) {
            let origin = match cargo {
                Cargo::Originated => Origin::Originated,
                Cargo::Forwarded { .. } | Cargo::Injected { .. } => Origin::Fragment,
            };
            let Some(len) = self.queue(port, origin, &out[..ETHERNET_HEADER + len]) else { continue };
            if own {
                self.stats.sent.originated.add(len);
            } else {
                self.stats.sent.fragments.add(len);
            }
        }
        match cargo {
            Cargo::Originated => {}
            Cargo::Forwarded { received_len, path, .. } => {
                self.stats.held.sub(received_len);
                self.stats.end(Disposition::Forwarded, path, received_len);
                self.stats.fragmented += 1;
            }
            Cargo::Injected { received_len, path, .. } => {
                self.stats.held.sub(received_len);
                self.stats.end(Disposition::Consumed, path, received_len);
                self.stats.injected_fragmented += 1;
            }
        }
        Ok(())
    }

    /// Queues a frame for a port's device, tagged if the port is a VLAN; its length there. `None`: no room.
    pub(crate) fn queue(&mut self, port: PortId, origin: Origin, frame: &[u8]) -> Option<usize> {
        let (device, tag) = self.config.ports[port.index()].device(port);
        self.egress.push(device, tag, origin, frame)
    }

    /// Queues a rewritten frame that `forward` has counted already; `port` is that of the device, and the frame
    /// has its tag.
    pub(crate) fn send_forwarded(&mut self, port: PortId, frame: &[u8], received_len: usize, path: Path) {
        if self.egress.push(port, None, Origin::Forwarded { received_len, path }, frame).is_none() {
            self.unsend_forwarded(frame.len(), received_len, path);
        }
    }

    /// A frame counted as forwarded could not be sent after all: it is an egress drop.
    pub(crate) fn unsend_forwarded(&mut self, sent_len: usize, received_len: usize, path: Path) {
        self.stats.dispositions[Disposition::Forwarded as usize][path as usize].sub(received_len);
        self.stats.sent.forwarded.sub(sent_len);
        self.stats.drop(DropReason::EgressFull, path, received_len);
    }

    /// Closes the books of a frame that cannot be sent, and says so.
    fn lose(&mut self, cargo: Cargo, reason: DropReason) -> Result<(), DropReason> {
        match cargo {
            Cargo::Originated => self.stats.originated_lost += 1,
            Cargo::Forwarded { received_len, path, .. } | Cargo::Injected { received_len, path, .. } => {
                self.stats.held.sub(received_len);
                self.stats.drop(reason, path, received_len);
            }
        }
        Err(reason)
    }

    /// Sends everything that waited for this neighbour.
    pub(super) fn release(&mut self, hop: Hop, mac: EthernetAddress) {
        let mut frame = [0; FRAME_MAX];
        while let Some((cargo, len)) = self.waiting.take(hop.port, hop.address, &mut frame) {
            let _ = self.send(hop.port, mac, &mut frame[..len], cargo);
        }
    }

    /// RFC 1812 §5.3.3, RFC 4861 §7.2.2: what waited is reported as address unreachable.
    pub(super) fn give_up(&mut self, now: Instant, hop: Hop) {
        let mut frame = [0; FRAME_MAX];
        while let Some((cargo, len)) = self.waiting.take(hop.port, hop.address, &mut frame) {
            if let Cargo::Forwarded { ingress, .. } = cargo {
                self.report(now, ingress, &frame[..len], IcmpError::HostUnreachable);
            }
            let _ = self.lose(cargo, DropReason::NeighborFailed);
        }
    }
}
