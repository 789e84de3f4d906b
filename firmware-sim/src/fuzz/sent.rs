//! The laws of what the router sends beside frames forwarded in place: released, in fragments, its own, of answers, of rules.

use super::bench::{Bench, Gone};
use super::forwarded::{Around, Routes, is_piece, right};
use super::invariant::{Invariant, Violation};
use crate::hex::hex;
use pktgen::oracle::outgoing::{Ends, well_formed};
use pktgen::oracle::{Cause, Neighbor, judge_error, judge_injected};
use stack::{Anomaly, Origin, PortId, Transmit};
use std::net::IpAddr;

/// What is wrong with an error whose cause is not known.
const NO_FRAME: &str = "about no frame that came in";

/// What came in just now: port, bytes, reason.
pub(super) type InHand<'a> = (u8, &'a [u8], Option<Anomaly>);

impl Bench {
    /// Takes and judges everything that the router wants to send.
    ///
    /// # Errors
    /// The law that is broken.
    #[inline]
    pub(super) fn drain(&mut self, in_hand: Option<InHand<'_>>) -> Result<(), Violation> {
        while let Some(transmit) = self.router.poll_transmit(&mut self.out) {
            self.judge_sent(&transmit, in_hand)?;
        }
        Ok(())
    }

    fn judge_sent(&mut self, transmit: &Transmit, in_hand: Option<InHand<'_>>) -> Result<(), Violation> {
        self.neighbors_old = true;
        self.refresh_neighbors();
        let sent = &self.out[..transmit.len];
        let port = transmit.port;
        if let Some((_, received, _)) = in_hand
            && quotes(received, sent)
        {
            self.heard = true;
        }
        let (which, judged) = match transmit.origin {
            Origin::Forwarded { .. } => (Invariant::ReleasedRight, self.released(port, sent)),
            Origin::Fragment => (Invariant::FragmentsRight, self.fragment(port, sent, in_hand)),
            Origin::Originated if is_error(sent) => {
                (Invariant::ErrorsJustified, self.error(port, sent, in_hand))
            }
            Origin::Originated => (Invariant::OriginatedJustified, self.originated(port, sent)),
            Origin::Injected(id) => {
                let found = self.applied.iter().position(|(applied, _)| *applied == id);
                let cause = found.and_then(|at| self.applied.remove(at));
                let sent = &self.out[..transmit.len];
                let judged = match cause {
                    Some((_, gone)) => self.made(&gone, port, sent),
                    None => Err(format!("no answer to {id} has been applied that has not made its frame")),
                };
                (Invariant::InjectedJustified, judged)
            }
            Origin::Ruled(_) => (Invariant::RuledJustified, self.ruled(port, sent, in_hand)),
        };
        self.checked.note(which);
        let sent = &self.out[..transmit.len];
        let fault = |how: String| format!("{how}: by port {port}, {:?}: {}", transmit.origin, hex(sent));
        if let Err(how) = judged {
            return Err(Violation { invariant: which, how: fault(how) });
        }
        // What only passes through is its ends' business.
        if let Origin::Forwarded { .. } | Origin::Fragment = transmit.origin {
            return Ok(());
        }
        self.checked.note(Invariant::SentWellFormed);
        let mtu = self.world.ports[port.index()].mtu;
        let formed = match sent.get(12..14) {
            Some([8, 6]) if sent.len() == 42 => Ok(()),
            _ => well_formed(sent, mtu).map(|_| ()),
        };
        formed.map_err(|how| Violation { invariant: Invariant::SentWellFormed, how: fault(how) })
    }

    fn around(&self) -> Around<'_> {
        Around { world: &self.world, routes: &self.routes, neighbors: &self.neighbors }
    }

    /// Sent on late: one of those that wait.
    fn released(&self, port: PortId, sent: &[u8]) -> Result<(), String> {
        let mut near = "no frame that waits has become this";
        for gone in &self.waiting {
            let then = |routes| right(&Around { routes, ..self.around() }, &gone.bytes, port, sent);
            match then(&self.routes) {
                Ok(()) => return Ok(()),
                Err(_) if self.routes_before.iter().any(|routes| then(routes).is_ok()) => return Ok(()),
                Err(what) if gone.bytes.get(26..34) == sent.get(26..34) => near = what,
                Err(_) => {}
            }
        }
        Err(near.to_owned())
    }

    fn fragment(&self, port: PortId, sent: &[u8], in_hand: Option<InHand<'_>>) -> Result<(), String> {
        let received = in_hand.iter().map(|(_, bytes, _)| *bytes);
        let repaired = self.applied.iter().map(|(_, gone)| &gone.bytes[..]);
        let candidates =
            received.chain(self.waiting.iter().chain(&self.answered).map(|gone| &gone.bytes[..]));
        if candidates.clone().any(|frame| is_piece(frame, sent)) {
            return Ok(());
        }
        let unwrapped = candidates.chain(repaired).filter_map(unwrapped);
        if unwrapped.into_iter().any(|frame| is_piece(&frame, sent)) {
            return Ok(());
        }
        self.originated(port, sent)
    }

    /// From the router's own addresses.
    fn originated(&self, port: PortId, sent: &[u8]) -> Result<(), String> {
        let here = self.world.ports.get(port.index()).ok_or("there is no such port")?;
        if sent.len() < 34 || sent[6..12] != here.mac {
            return Err("not from the port's MAC address".into());
        }
        if sent[12..14] == [8, 6] {
            let ours = sent.len() == 42
                && sent[14..20] == [0, 1, 8, 0, 6, 4]
                && matches!(sent[20..22], [0, 1 | 2])
                && sent[22..28] == here.mac
                && sent[28..32] == here.address.octets();
            return if ours { Ok(()) } else { Err("an ARP message that is not the port's".into()) };
        }
        let Ends { source, .. } = well_formed(sent, here.mtu)?;
        let ours = match source {
            IpAddr::V4(source) => self.world.is_router(source),
            IpAddr::V6(source) => {
                // A link-local address stays on its link (RFC 4007 §9).
                source == here.link_local() || self.world.ports.iter().any(|port| port.ipv6 == source)
            }
        };
        if ours { Ok(()) } else { Err("not from an address of the router's".into()) }
    }

    fn error(&self, port: PortId, sent: &[u8], in_hand: Option<InHand<'_>>) -> Result<(), String> {
        self.originated(port, sent)?;
        let received = in_hand.iter().map(|(_, bytes, _)| *bytes);
        let waiting = self
            .waiting
            .iter()
            .chain(&self.fragments)
            .chain(&self.answered)
            .chain(&self.unheard)
            .chain(&self.never)
            .map(|gone| &gone.bytes[..]);
        let pending = self.pending.iter().map(|pending| &pending.bytes[..]);
        let applied = self.applied.iter().map(|(_, gone)| &gone.bytes[..]);
        let mut last = NO_FRAME.to_owned();
        for frame in received.chain(waiting).chain(pending).chain(applied) {
            let inner = unwrapped(frame);
            for about in [Some(frame), inner.as_deref()].into_iter().flatten() {
                let long = about.len() >= if about.get(12) == Some(&0x86) { 54 } else { 34 };
                if !long {
                    continue;
                }
                match judge_error(&self.world, about, (port, sent)) {
                    Ok(()) => return Ok(()),
                    Err(how) if quotes(about, sent) => last = how,
                    Err(_) => {}
                }
            }
        }
        // About a datagram put together, or long ago: such a packet has come in, and no more can be said.
        let (quote, header) = if sent[12] == 0x86 { (62, 40) } else { (42, 20) };
        let quoted = sent.get(quote..).unwrap_or_default();
        let now = in_hand.and_then(|(_, bytes, _)| bytes.get(14..14 + header));
        let about_now = now.is_some() && now == quoted.get(..header);
        if !about_now && self.packets.knows(quoted) { Ok(()) } else { Err(last) }
    }

    fn made(&self, gone: &Gone, port: PortId, sent: &[u8]) -> Result<(), String> {
        let reason = gone.reason.ok_or("a frame without a reason")?;
        let cause = Cause { reason, port: gone.port, bytes: &gone.bytes };
        self.judge_made(cause, port, sent).map_err(|how| format!("{how}; of {}", gone.shown()))
    }

    /// Judges what an answer or a rule has made of a frame.
    pub(super) fn judge_made(&self, cause: Cause<'_>, port: PortId, sent: &[u8]) -> Result<(), String> {
        let to = well_formed(sent, usize::MAX)?.destination;
        let judge = |neighbors: &[Neighbor]| {
            judge_injected(&self.nobody, neighbors, self.posture, cause, (port, sent)).map(|_| ())
        };
        let then = |routes: &Routes| {
            let hop = routes.hop(&self.world, port, to).filter(|hop| *hop != to);
            let Some(hop) = hop else { return judge(&self.neighbors) };
            // By a gateway: to whoever reads no further, the destination has its MAC address.
            let mut neighbors = self.neighbors.clone();
            let gateway = neighbors.iter().find(|(at, address, _)| (*at, *address) == (port, hop)).copied();
            neighbors.extend(gateway.map(|(_, _, mac)| (port, to, mac)));
            judge(&neighbors)
        };
        // It may have waited for a neighbour while the routes changed.
        match then(&self.routes) {
            Err(_) if self.routes_before.iter().any(|routes| then(routes).is_ok()) => Ok(()),
            judged => judged,
        }
    }

    fn ruled(&self, port: PortId, sent: &[u8], in_hand: Option<InHand<'_>>) -> Result<(), String> {
        let now =
            in_hand.map(|(port, bytes, reason)| Gone { port: PortId(port), reason, bytes: bytes.to_vec() });
        let mut last = "made of no frame that came in".to_owned();
        for gone in now.iter().chain(self.waiting.iter().rev()).filter(|gone| gone.reason.is_some()) {
            match self.made(gone, port, sent) {
                Ok(()) => return Ok(()),
                Err(how) if last.starts_with("made of no") => last = how,
                Err(_) => {}
            }
        }
        Err(last)
    }
}

/// Does the error quote a packet with the addresses of this one?
fn quotes(frame: &[u8], sent: &[u8]) -> bool {
    let ends = match sent.get(12..14) {
        Some([8, 0]) => (frame.get(26..34), sent.get(54..62)),
        _ => (frame.get(22..54), sent.get(70..102)),
    };
    matches!(ends, (Some(frame), Some(quoted)) if frame == quoted)
}

/// An ICMP or ICMPv6 error?
fn is_error(sent: &[u8]) -> bool {
    match (sent.get(12..14), sent.get(14..)) {
        (Some([8, 0]), Some(packet)) => {
            packet.get(9) == Some(&1) && matches!(packet.get(20), Some(3 | 11 | 12)) && packet[0] == 0x45
        }
        (Some([0x86, 0xdd]), Some(packet)) => {
            packet.get(6) == Some(&58) && matches!(packet.get(40), Some(0..=127))
        }
        _ => false,
    }
}

/// The frame without its tag or its LLC/SNAP envelope, if it has one.
fn unwrapped(frame: &[u8]) -> Option<Vec<u8>> {
    let (kind, at) = match frame.get(12..14)? {
        [0x81, 0x00] | [0x88, 0xa8] => (frame.get(16..18)?, 18),
        [0..=5, _] => (frame.get(20..22)?, 22),
        _ => return None,
    };
    Some([&frame[..12], kind, frame.get(at..)?].concat())
}
