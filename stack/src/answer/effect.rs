//! What an approved answer does, and the frame that it makes, from the held frame's own bytes.

use super::{ActionKind, EchoDelta, Rejection, frame_check, instantiate};
use crate::Router;
use crate::classify::{Class, classify, ipv6};
use crate::config::PortId;
use crate::divert::Held;
use crate::forward::{IcmpError, icmp_error, icmpv4, rewrite};
use crate::frame::{ETHERNET_HEADER, FRAME_MAX};
use crate::wire::MIN_HEADER;
use smoltcp::time::Instant;
use smoltcp::wire::IpAddress;

/// What an approved answer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing: the frame was only observed.
    Record(ActionKind),
    /// Discards the frame.
    Drop,
    /// Sends the frame on, repaired in this way.
    Repair(ActionKind),
    /// Answers the frame.
    EchoReply(EchoDelta),
    /// Answers the frame.
    TimestampReply,
    /// Reports the frame to its source.
    ParameterProblem(u8),
}

impl Effect {
    pub(super) const fn kind(self) -> ActionKind {
        match self {
            Self::Record(kind) | Self::Repair(kind) => kind,
            Self::Drop => ActionKind::Drop,
            Self::EchoReply(_) => ActionKind::EchoReply,
            Self::TimestampReply => ActionKind::TimestampReply,
            Self::ParameterProblem(_) => ActionKind::ParameterProblem,
        }
    }
}

/// What an effect makes: a frame of this length, for the local host, to go on, or to go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Built {
    Local(usize),
    Transit(usize),
    Reply(usize),
}

/// What is to be sent, with its bytes.
pub(crate) type Made = (Built, [u8; FRAME_MAX]);

impl Router<'_> {
    /// Builds the frame that the effect would send, with its MAC addresses where they are known:
    /// egress port and length. `None`: nothing would be injected; the local host would get it, or forwarding
    /// would refuse it.
    pub(super) fn final_frame(
        &self,
        now: Instant,
        held: Held,
        frame: &[u8],
        effect: Effect,
        out: &mut [u8; FRAME_MAX],
    ) -> Result<Option<(PortId, usize)>, Rejection> {
        let (len, transit) = match self.build(now, held, frame, effect, out)? {
            Built::Local(_) => return Ok(None),
            Built::Transit(len) => (len, true),
            Built::Reply(len) => (len, false),
        };
        let packet = &out[ETHERNET_HEADER..len];
        if transit && self.refusal(held.port, packet).is_some() {
            // Forwarding itself will refuse and report it, as it does for healthy frames.
            return Ok(None);
        }
        let hop = self.next_hop(packet, held.port).map_err(|_| Rejection::Unroutable)?;
        if transit {
            if packet.len() > self.mtu(hop.port) {
                // It leaves in fragments, each with a header that is made when it is sent.
                return Ok(None);
            }
            rewrite::decrement_hops(&mut out[..len]);
        } else if hop.port != held.port {
            // Whoever claims an address behind another port gets no reply sent there.
            return Err(Rejection::WrongPort);
        }
        let mac = match hop.address {
            IpAddress::Ipv4(address) => self.neighbors.known(hop.port, address),
            IpAddress::Ipv6(address) => self.neighbors_v6.known(hop.port, address),
        };
        rewrite::address(&mut out[..len], self.config.ports[hop.port.index()].mac, mac.unwrap_or_default());
        // A Parameter Problem quotes the frame; anything else is no longer than what it answers.
        let quote = if matches!(effect, Effect::ParameterProblem(_)) { icmpv4::MAX_LEN } else { 0 };
        if len > frame.len().max(quote + ETHERNET_HEADER) {
            return Err(Rejection::Amplification);
        }
        frame_check::well_formed(&out[..len], self.mtu(hop.port)).map_err(|_| Rejection::Malformed)?;
        Ok(Some((hop.port, len)))
    }

    /// Builds the frame that the effect stands for, before forwarding touches it.
    pub(super) fn build(
        &self,
        now: Instant,
        held: Held,
        frame: &[u8],
        effect: Effect,
        out: &mut [u8; FRAME_MAX],
    ) -> Result<Built, Rejection> {
        match effect {
            Effect::Record(_) | Effect::Drop => Err(Rejection::DoesNotFit),
            Effect::Repair(kind) => {
                let len = match kind {
                    ActionKind::StripTag if instantiate::has_tag(frame) => instantiate::unwrap(frame, out)?,
                    ActionKind::Decapsulate if instantiate::has_envelope(frame) => {
                        instantiate::unwrap(frame, out)?
                    }
                    ActionKind::ClearOptions => instantiate::clear_options(frame, out)?,
                    ActionKind::Forward => instantiate::unwrap(frame, out)?,
                    ActionKind::StripTag
                    | ActionKind::Decapsulate
                    | ActionKind::Drop
                    | ActionKind::TimestampReply
                    | ActionKind::ParameterProblem
                    | ActionKind::EchoReply
                    | ActionKind::Inject => return Err(Rejection::DoesNotFit),
                };
                self.reclassify(held, &out[..len], kind == ActionKind::Forward)
            }
            Effect::EchoReply(delta) => instantiate::echo_reply(frame, delta, out).map(Built::Reply),
            Effect::TimestampReply => {
                instantiate::timestamp_reply(frame, self.timestamp(now), out).map(Built::Reply)
            }
            Effect::ParameterProblem(pointer) => {
                let port = &self.config.ports[held.port.index()];
                if icmp_error::is_forbidden(frame, port, held.port, &self.locals, None) {
                    return Err(Rejection::ErrorForbidden);
                }
                let error = IcmpError::ParameterProblem { code: 0, pointer: pointer.into() };
                let len = self
                    .build_icmp_error(error, held.port, &frame[ETHERNET_HEADER..], out)
                    .ok_or(Rejection::Unroutable)?;
                Ok(Built::Reply(len))
            }
        }
    }

    /// A repaired frame must be healthy. An unchanged one may still show the very reason for which
    /// it was diverted, since its passing was granted.
    fn reclassify(&self, held: Held, repaired: &[u8], unchanged: bool) -> Result<Built, Rejection> {
        let mac = self.config.ports[held.port.index()].mac;
        let len = repaired.len();
        // What the port's check of sources refuses of healthy packets, it refuses of repaired ones (RFC 3704 §2).
        let passes = |source| self.outside_host.is_some() || self.passes_reverse_path(held.port, source);
        let built = match classify(repaired, held.port, mac, &self.locals) {
            Class::Transit(packet, _) if passes(packet.source()) => Built::Transit(len),
            Class::Local(packet, _) if passes(packet.source()) => Built::Local(len),
            Class::Transit(..) | Class::Local(..) => return Err(Rejection::NotHealthy),
            Class::Anomaly(same)
                if unchanged && same == held.reason && ip_source(repaired).is_none_or(passes) =>
            {
                Built::Transit(len)
            }
            Class::Anomaly(_) | Class::Arp(_) | Class::Nd(_) | Class::Foreign => {
                return Err(Rejection::NotHealthy);
            }
        };
        // A host does not forward: what it makes of packets for others is its own business.
        Ok(if self.outside_host.is_some() { Built::Local(len) } else { built })
    }

    /// Milliseconds since midnight UTC, or with the high bit set since the start (RFC 792).
    fn timestamp(&self, now: Instant) -> u32 {
        let millis = now.total_millis().unsigned_abs();
        match self.config.midnight_offset_ms {
            Some(offset) => ((millis + u64::from(offset)) % 86_400_000) as u32,
            None => (millis as u32) | 0x8000_0000,
        }
    }
}

/// The source of the plain IP packet in a frame.
fn ip_source(frame: &[u8]) -> Option<IpAddress> {
    let packet = frame.get(ETHERNET_HEADER..)?;
    if rewrite::is_ipv6(packet) {
        return ipv6::address(packet, 8).map(IpAddress::Ipv6);
    }
    packet.get(12..16).and_then(<[u8]>::first_chunk).map(|&four| IpAddress::Ipv4(four.into()))
}

/// The header bytes of the right echo reply.
pub(super) fn right_delta(frame: &[u8]) -> Option<EchoDelta> {
    let mut out = [0; FRAME_MAX];
    instantiate::right_echo_reply(frame, &mut out).ok()?;
    let (ip, icmp) = (&out[ETHERNET_HEADER..], &out[ETHERNET_HEADER + MIN_HEADER..]);
    Some(EchoDelta {
        ttl: ip[8],
        ip_checksum: u16::from_be_bytes([ip[10], ip[11]]),
        icmp_type: icmp[0],
        icmp_checksum: u16::from_be_bytes([icmp[2], icmp[3]]),
    })
}
