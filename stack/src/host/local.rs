//! Frames for the router itself: put together, handed to the local host, or answered as unreachable.
//! Read first: RFC 1812 §5.2.3, RFC 1122 §3.2; RFC 4443 §4.2; RFC 8200 §4.5.

use super::REASSEMBLED_MAX;
use super::reassembly::{Fragment, Outcome};
use crate::Router;
use crate::classify::{
    Anomaly, Class, Packet, classify, ethernet::word, icmpv6, ipv4, ipv4::protocol, ipv6, special,
};
use crate::config::PortId;
use crate::forward::{Cargo, IcmpError, rewrite};
use crate::frame::{ETHERNET_HEADER, FRAME_MAX, FrameBuf};
use crate::stats::{Disposition, Path};
use crate::verdict::{DropReason, Verdict};
use crate::wire::{IPV6_HEADER, Ipv6Info, checksum};
use smoltcp::time::Instant;
use smoltcp::wire::Ipv6Address;

/// A reassembled packet behind an Ethernet header.
const LARGE_FRAME: usize = ETHERNET_HEADER + REASSEMBLED_MAX;

impl Router<'_> {
    /// Hands a healthy frame to the local host, and queues what the host answers.
    pub(crate) fn deliver(
        &mut self,
        now: Instant,
        port: PortId,
        frame: &mut FrameBuf<'_>,
        packet: &Packet,
        received_len: usize,
        path: Path,
    ) -> Verdict {
        // Only exactly our own addresses: smoltcp is not to judge what is ours.
        let (ours, is_fragment) = match packet {
            Packet::V4(info) => (self.locals.is_own(info.destination()), info.is_fragment()),
            Packet::V6(info) => (self.hears(port, info), info.is_fragment()),
        };
        if !ours {
            return self.drop(DropReason::GroupNotJoined, path, received_len);
        }
        if !is_fragment {
            let dropped = self.deliver_whole(now, port, frame.bytes(), packet).err();
            return match dropped {
                Some(reason) => self.drop(reason, path, received_len),
                None => self.delivered(path, received_len),
            };
        }
        let mut whole = [0; LARGE_FRAME];
        let (header, room) = whole.split_at_mut(ETHERNET_HEADER);
        header.copy_from_slice(&frame.bytes()[..ETHERNET_HEADER]);
        let ip = &frame.bytes()[ETHERNET_HEADER..ETHERNET_HEADER + packet.total_len()];
        let Some(fragment) = fragment(port, ip, packet) else {
            return self.drop(DropReason::ReassemblyInconsistent, path, received_len);
        };
        match self.reassembly.insert(now, &fragment, room) {
            Outcome::Incomplete { evicted } => {
                self.stats.reassembly_failed += u64::from(evicted);
                self.delivered(path, received_len)
            }
            Outcome::Duplicate => self.delivered(path, received_len),
            Outcome::Complete(len) => {
                match self.deliver_reassembled(now, port, &whole[..ETHERNET_HEADER + len]) {
                    Ok(()) => self.delivered(path, received_len),
                    Err(reason) => self.drop(reason, path, received_len),
                }
            }
            Outcome::Overlap => {
                self.stats.reassembly_failed += 1;
                let anomaly = match packet {
                    Packet::V4(_) => Anomaly::Ipv4FragmentOverlap,
                    Packet::V6(_) => Anomaly::Ipv6FragmentOverlap,
                };
                match path {
                    Path::Fast => self.divert(now, port, frame, anomaly),
                    Path::Rule | Path::SlowCached | Path::SlowModel | Path::SlowRefused => {
                        self.drop(DropReason::Anomaly(anomaly), path, received_len)
                    }
                }
            }
            Outcome::TooLarge => {
                self.stats.reassembly_failed += 1;
                self.drop(DropReason::HostTooLarge, path, received_len)
            }
            Outcome::Inconsistent => {
                self.stats.reassembly_failed += 1;
                self.drop(DropReason::ReassemblyInconsistent, path, received_len)
            }
            Outcome::GivenUp | Outcome::Full => {
                self.drop(DropReason::ReassemblyInconsistent, path, received_len)
            }
        }
    }

    fn delivered(&mut self, path: Path, received_len: usize) -> Verdict {
        self.stats.end(Disposition::Delivered, path, received_len);
        Verdict::Deliver
    }

    /// Does the host hear a packet to this IPv6 destination? A group or an anycast address it hears only ICMPv6
    /// for: of what else it has, it can answer nothing from an address of its own.
    fn hears(&self, port: PortId, info: &Ipv6Info) -> bool {
        let shared = self.locals.v6.is_group(info.destination, port)
            || (self.locals.v6.is_for_us(info.destination, port)
                && !self.locals.v6.is_us(info.destination, port));
        if shared { info.upper == special::ICMPV6 } else { self.locals.v6.is_us(info.destination, port) }
    }

    /// What was a fragment has not been judged beyond its IP header: now it is.
    fn deliver_reassembled(&mut self, now: Instant, port: PortId, frame: &[u8]) -> Result<(), DropReason> {
        let ip = &frame[ETHERNET_HEADER..];
        let judged = if rewrite::is_ipv6(ip) {
            ipv6::classify(ip, false, port, &self.locals).map(|passed| Packet::V6(passed.info))
        } else {
            ipv4::classify(ip, false, port, &self.locals).map(|passed| Packet::V4(passed.info))
        };
        let packet = judged.map_err(|anomaly| {
            self.stats.seen[anomaly as usize] += 1;
            DropReason::Anomaly(anomaly)
        })?;
        self.deliver_whole(now, port, frame, &packet)
    }

    fn deliver_whole(
        &mut self,
        now: Instant,
        port: PortId,
        frame: &[u8],
        packet: &Packet,
    ) -> Result<(), DropReason> {
        let ip = &frame[ETHERNET_HEADER..ETHERNET_HEADER + packet.total_len()];
        if let Some((error, reason)) = self.unreachable(ip, packet) {
            if let Some(error) = error {
                self.report(now, port, frame, error);
            }
            return Err(reason);
        }
        let fits = match packet {
            Packet::V4(_) => self.host.deliver(now, |slot| copy(&[ip], slot)),
            Packet::V6(info) => {
                let own = if self.locals.v6.is_us(info.destination, port) {
                    Some(info.destination)
                } else {
                    self.locals.v6.source_for(port, info.source)
                };
                let Some(own) = own else { return Err(DropReason::GroupNotJoined) };
                self.host.deliver(now, |slot| plain_ipv6(ip, info, own, slot))
            }
        };
        if !fits {
            return Err(DropReason::HostTooLarge);
        }
        self.drain_host(now, Some(port));
        Ok(())
    }

    /// Hands a frame that the slow path repaired to the local host.
    pub(crate) fn deliver_repaired(
        &mut self,
        now: Instant,
        port: PortId,
        frame: &mut FrameBuf<'_>,
        received_len: usize,
        path: Path,
    ) -> Verdict {
        if self.outside_host.is_some() {
            return self.hand_over(port, frame.bytes(), received_len, path);
        }
        match classify(frame.bytes(), port, self.config.ports[port.index()].mac, &self.locals) {
            Class::Local(packet, _) => self.deliver(now, port, frame, &packet, received_len, path),
            // Approval has just found it local.
            Class::Transit(..) | Class::Arp(_) | Class::Nd(_) | Class::Foreign | Class::Anomaly(_) => {
                self.drop(DropReason::GroupNotJoined, path, received_len)
            }
        }
    }

    /// Does this whole packet call for an ICMP unreachable rather than for the host?
    fn unreachable(&self, ip: &[u8], packet: &Packet) -> Option<(Option<IcmpError>, DropReason)> {
        let (protocol, upper, is_icmp) = match packet {
            Packet::V4(info) => (info.protocol, info.header_len(), info.protocol == protocol::ICMP),
            Packet::V6(info) => (info.upper, usize::from(info.upper_offset), info.upper == special::ICMPV6),
        };
        match protocol {
            protocol::TCP => None,
            _ if is_icmp => None,
            protocol::UDP => {
                let to = word(ip, upper + 2);
                (!self.host.listens(to))
                    .then_some((Some(IcmpError::PortUnreachable), DropReason::PortUnreachable))
            }
            _ => {
                // In IPv6 only No Next Header comes here: any other that is not known is an anomaly.
                let error = matches!(packet, Packet::V4(_)).then_some(IcmpError::ProtocolUnreachable);
                Some((error, DropReason::ProtocolUnreachable))
            }
        }
    }

    /// Sends everything that the host has to send. `zone`: the port of whom it answers, if it answers anybody.
    pub(crate) fn drain_host(&mut self, now: Instant, zone: Option<PortId>) {
        let mut frame = [0; LARGE_FRAME];
        while let Some(packet) = self.host.poll(now, &self.stats) {
            let len = ETHERNET_HEADER + packet.len();
            frame[ETHERNET_HEADER..len].copy_from_slice(packet);
            let zone = zone.or_else(|| self.zone_of(&frame[ETHERNET_HEADER..len]));
            // What is lost has been counted.
            let _ = self.dispatch(now, zone.unwrap_or(PortId(0)), &mut frame[..len], Cargo::Originated);
        }
    }

    /// The port of a link-local destination, as far as the neighbour table knows it.
    fn zone_of(&self, packet: &[u8]) -> Option<PortId> {
        let destination = rewrite::is_ipv6(packet).then(|| ipv6::address(packet, 24)).flatten()?;
        destination.is_unicast_link_local().then(|| self.neighbors_v6.port_of(destination)).flatten()
    }

    /// Gives up datagrams whose fragments did not come in time, and tells their sources (RFC 792; RFC 4443 §3.3).
    pub(crate) fn handle_reassembly_timeout(&mut self, now: Instant) {
        let mut frame = [0; FRAME_MAX];
        while let Some(expired) = self.reassembly.expire(now, &mut frame[ETHERNET_HEADER..]) {
            self.stats.reassembly_failed += 1;
            let Some(len) = expired.quote_len else { continue };
            // It came in a frame to this very port, or it would have been dropped.
            let mac = self.config.ports[expired.port.index()].mac;
            rewrite::address(&mut frame, Default::default(), mac);
            let about = &frame[..ETHERNET_HEADER + len];
            self.report(now, expired.port, about, IcmpError::ReassemblyTimeExceeded);
        }
    }
}

/// The fragment that a packet is, for reassembly.
fn fragment<'a>(port: PortId, ip: &'a [u8], packet: &Packet) -> Option<Fragment<'a>> {
    let (source, destination) = (packet.source(), packet.destination());
    Some(match packet {
        Packet::V4(info) => {
            let (header, payload) = ip.split_at_checked(info.header_len())?;
            Fragment {
                source,
                destination,
                protocol: info.protocol,
                id: word(ip, 4).into(),
                port,
                offset: info.fragment_offset(),
                more: info.more_fragments(),
                header,
                payload,
            }
        }
        Packet::V6(info) => {
            let at = info.fragment?;
            let (header, payload) = ip.split_at_checked(usize::from(at.at) + 8)?;
            let (protocol, offset, more) = (at.next_header, usize::from(at.offset), at.more);
            Fragment { source, destination, protocol, id: at.id, port, offset, more, header, payload }
        }
    })
}

fn copy(parts: &[&[u8]], slot: &mut [u8; REASSEMBLED_MAX]) -> Option<usize> {
    let mut at = 0;
    for part in parts {
        slot.get_mut(at..at + part.len())?.copy_from_slice(part);
        at += part.len();
    }
    Some(at)
}

/// The packet as smoltcp takes it: without extension headers, which have been judged, and to one of our own
/// addresses, from which an echo request to a group or an anycast address is answered (RFC 4443 §4.2).
fn plain_ipv6(
    ip: &[u8],
    info: &Ipv6Info,
    own: Ipv6Address,
    slot: &mut [u8; REASSEMBLED_MAX],
) -> Option<usize> {
    let upper = ip.get(usize::from(info.upper_offset)..)?;
    let len = copy(&[&ip[..IPV6_HEADER], upper], slot)?;
    slot[4..6].copy_from_slice(&(upper.len() as u16).to_be_bytes());
    slot[6] = info.upper;
    slot[24..40].copy_from_slice(&own.octets());
    if own != info.destination && upper.len() >= icmpv6::HEADER {
        let mut sum = word(upper, 2);
        for (old, new) in info.destination.segments().into_iter().zip(own.segments()) {
            sum = checksum::update(sum, old, new);
        }
        slot[IPV6_HEADER + 2..IPV6_HEADER + 4].copy_from_slice(&sum.to_be_bytes());
    }
    Some(len)
}
