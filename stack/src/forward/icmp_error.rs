//! Errors about packets, for both families: what they are, and who may be told.
//! Read first: RFC 1812 §4.3.2, §4.3.3; RFC 4443 §2.2, §2.4, §3.

use super::{icmpv4, icmpv6, rewrite};
use crate::Router;
use crate::classify::extension::Problem;
use crate::classify::report::Report;
use crate::classify::{Locals, ipv6};
use crate::config::{PortConfig, PortId};
use crate::frame::{ETHERNET_HEADER, FRAME_MAX};
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, Ipv4Address, Ipv6Address};

/// An ICMP or ICMPv6 error that the router sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum IcmpError {
    /// No route (3/0; ICMPv6 1/0).
    NetUnreachable,
    /// The next hop did not answer (3/1; ICMPv6 1/3).
    HostUnreachable,
    /// The route says that there is no way (3/1; ICMPv6 1/6).
    RouteUnreachable,
    /// The route says that it is forbidden (3/13; ICMPv6 1/1).
    Prohibited,
    /// It would leave the zone of its source address (ICMPv6 1/2).
    BeyondScope,
    /// No such protocol here (3/2; ICMPv6 has a Parameter Problem for that).
    ProtocolUnreachable,
    /// No such UDP port here (3/3; ICMPv6 1/4).
    PortUnreachable,
    /// Larger than this MTU, and not to be fragmented (3/4; ICMPv6 2/0).
    TooBig(u16),
    /// The hops ran out in transit (11/0; ICMPv6 3/0).
    TimeExceeded,
    /// The other fragments did not come in time (11/1; ICMPv6 3/1).
    ReassemblyTimeExceeded,
    /// There is a better way, by this neighbour (5/1; ICMPv6 has a Neighbour Discovery message for that).
    Redirect(Ipv4Address),
    /// This octet of the packet is wrong (12/0; ICMPv6 4 with this code).
    ParameterProblem {
        /// 0 in ICMP; RFC 4443 §3.4 in ICMPv6.
        code: u8,
        /// Offset of the octet in the packet.
        pointer: u16,
    },
}

impl From<Report> for IcmpError {
    fn from(report: Report) -> Self {
        match report {
            // Offsets within a packet fit.
            Report::ParameterProblem(Problem { code, pointer, .. }) => {
                Self::ParameterProblem { code, pointer: pointer as u16 }
            }
            Report::BeyondScope => Self::BeyondScope,
        }
    }
}

/// Do RFC 1812 §4.3.2.7 and RFC 4443 §2.4(e) forbid an ICMP error about this Ethernet frame? Its lengths and
/// checksums need not be right. `error` matters for IPv6 multicasts; `None`: any error but the two that may
/// answer one.
pub(crate) fn is_forbidden(
    frame: &[u8],
    port: &PortConfig,
    ingress: PortId,
    locals: &Locals,
    error: Option<IcmpError>,
) -> bool {
    match frame.get(ETHERNET_HEADER..) {
        Some(packet) if rewrite::is_ipv6(packet) => icmpv6::is_forbidden(frame, port, ingress, locals, error),
        _ => icmpv4::is_forbidden(frame, port, locals),
    }
}

impl Router<'_> {
    /// Sends an ICMP error about `frame` (as received by `port`), unless that is forbidden or too much.
    pub(crate) fn report(&mut self, now: Instant, port: PortId, frame: &[u8], error: IcmpError) {
        if is_forbidden(frame, &self.config.ports[port.index()], port, &self.locals, Some(error)) {
            self.stats.icmp_errors_forbidden += 1;
            return;
        }
        if !self.icmp_buckets[port.index()].take(self.config.limits.icmp_error_rate, now) {
            self.stats.icmp_errors_limited += 1;
            return;
        }
        let mut out = [0; FRAME_MAX];
        match self.build_icmp_error(error, port, &frame[ETHERNET_HEADER..], &mut out) {
            Some(len) => {
                self.stats.icmp_errors += 1;
                // What is lost has been counted.
                let _ = self.dispatch(now, port, &mut out[..len], super::Cargo::Originated);
            }
            None => self.stats.originated_lost += 1,
        }
    }

    /// Writes an ICMP error about `original` (an IP packet as received by `ingress`) into `out`, behind a blank
    /// Ethernet header; the frame's length. `None`: there is no way back, or no address to send it from.
    pub(crate) fn build_icmp_error(
        &self,
        error: IcmpError,
        ingress: PortId,
        original: &[u8],
        out: &mut [u8; FRAME_MAX],
    ) -> Option<usize> {
        let (_, packet) = out.split_at_mut(ETHERNET_HEADER);
        let len = if rewrite::is_ipv6(original) {
            let peer = ipv6::address(original, 8)?;
            let hop = self.hop_to(IpAddress::Ipv6(peer), ingress).ok()?;
            let destination = ipv6::address(original, 24)?;
            let from = self.error_source(destination, hop.port, ingress, peer)?;
            icmpv6::build(error, original, from, peer, packet)?
        } else {
            let &[a, b, c, d] = original.get(12..16)? else { return None };
            let peer = Ipv4Address::new(a, b, c, d);
            let hop = self.hop_to(IpAddress::Ipv4(peer), ingress).ok()?;
            // RFC 1812 §4.3.2.4: an address of the interface that the error leaves by.
            let from = self.locals.source_for(hop.port, peer)?;
            icmpv4::build(error, original, from, packet)?
        };
        rewrite::address(&mut out[..ETHERNET_HEADER + len], Default::default(), Default::default());
        Some(ETHERNET_HEADER + len)
    }

    /// RFC 4443 §2.2: what was sent to one of our addresses is answered from it, unless it would leave its zone (RFC 4007 §9).
    fn error_source(
        &self,
        destination: Ipv6Address,
        egress: PortId,
        ingress: PortId,
        peer: Ipv6Address,
    ) -> Option<Ipv6Address> {
        let in_its_zone = egress == ingress || !destination.is_unicast_link_local();
        if self.locals.v6.is_us(destination, ingress) && in_its_zone {
            return Some(destination);
        }
        self.locals.v6.source_for(egress, peer)
    }
}
