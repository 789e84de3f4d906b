//! What happens to a frame that a rule matches. Whatever approval checks of an answer for one frame is checked here for each
//! frame: a rule saves the question, never the checks.

use super::hot::Step;
use super::table::{Found, Watch};
use super::{Edit, Edits, Reply, RuleAction, Station, edit, reply};
use crate::Router;
use crate::answer::{ActionKind, frame_check};
use crate::classify::{Anomaly, Class, Mode, Packet, classify};
use crate::config::PortId;
use crate::divert::ClassWords;
use crate::forward::{Cargo, Maker, Origin};
use crate::frame::{ETHERNET_HEADER, FRAME_MAX, FrameBuf};
use crate::stats::{Disposition, Path};
use crate::verdict::{DropReason, Verdict};
use crate::wire::Ipv4Info;
use smoltcp::time::Instant;
use smoltcp::wire::IpAddress;

impl Router<'_> {
    /// Does what a rule says about a frame that would be diverted for this reason. `None`: no rule acts.
    #[inline]
    pub(crate) fn follow_rule(
        &mut self,
        now: Instant,
        port: PortId,
        frame: &mut FrameBuf<'_>,
        reason: Anomaly,
    ) -> Option<Verdict> {
        if !self.rules.knows(reason) || self.config.mode(reason) != Mode::Enforce {
            return None;
        }
        let (index, plain) = self.matching_rule(now, port, frame.bytes(), reason)?;
        let hot = self.rules.hot_mut(index)?;
        hot.last_hit = now;
        let (step, watched) = (hot.step, hot.watched);
        if watched {
            match self.rules.watch(index, now) {
                Watch::Passes => {}
                Watch::Sample => {
                    self.stats.rules.sampled += 1;
                    return None;
                }
                Watch::OverMeter => {
                    self.count_hit(index, frame.received_len(), reason);
                    return Some(self.drop(DropReason::RuleMeter, Path::Rule, frame.received_len()));
                }
            }
        }
        let len = frame.received_len();
        let verdict = match step {
            // Where the default is to report, the source is told all the same.
            Step::Drop => Some(self.discard(now, port, frame.bytes(), len, reason, Path::Rule)),
            Step::GoOn { edits, transit } if edits.edit != Edit::None => {
                self.go_on(now, port, frame, edits, (transit, plain))
            }
            // What is not put right still shows its reason: only the way of approved answers takes it.
            Step::GoOn { edits, .. } => {
                self.answer_by_rule(now, port, frame, reason, (ActionKind::Forward, edits.dscp), index)
            }
            Step::Answer(kind) => self.answer_by_rule(now, port, frame, reason, (kind, None), index),
            Step::Template => self.answer_by_template(now, port, frame, reason, index),
        };
        if verdict.is_some() {
            self.count_hit(index, len, reason);
        } else {
            self.stats.rules.misfits += 1;
            self.rules.tally(index, |tally| tally.misfits += 1);
        }
        verdict
    }

    #[inline]
    fn count_hit(&mut self, index: usize, len: usize, reason: Anomaly) {
        self.stats.seen[reason as usize] += 1;
        if let Some(hot) = self.rules.hot_mut(index) {
            hot.hits += 1;
            hot.bytes += len as u64;
        }
    }

    /// The rule that acts on this frame; and the digest of the plain IPv4 packet within, where deriving the match found one.
    #[inline]
    fn matching_rule(
        &mut self,
        now: Instant,
        port: PortId,
        frame: &[u8],
        reason: Anomaly,
    ) -> Option<(usize, Option<Ipv4Info>)> {
        let (posture, config) = (self.config.posture, &self.config.ports[port.index()]);
        let (class, plain) = ClassWords::of(reason, port, frame, posture, config, &self.locals);
        let mut found = match self.rules.recall(now, reason, class) {
            Some(index) => Found { active: Some(index), shadow: None },
            None => self.rules.look_up(now, reason, class, frame),
        };
        if let Some(index) = found.shadow {
            if self.rules.shadow_end(index, self.config.rules.shadow).is_some_and(|end| end <= now) {
                self.activate(now, index);
                found = self.rules.look_up(now, reason, class, frame);
            } else {
                self.rules.hot_mut(index)?.last_hit = now;
                self.rules.tally(index, |tally| tally.shadowed += 1);
                self.stats.rules.shadowed += 1;
            }
        }
        let index = found.active?;
        if !self.revalidate(index) || self.is_from_gateway(port, frame) {
            return None;
        }
        self.rules.remember(reason, class, found);
        Some((index, plain))
    }

    /// Puts a frame right and treats it like a healthy one, if that is what it is then.
    fn go_on(
        &mut self,
        now: Instant,
        port: PortId,
        frame: &mut FrameBuf<'_>,
        Edits { edit, dscp }: Edits,
        (transit, plain): (bool, Option<Ipv4Info>),
    ) -> Option<Verdict> {
        let received_len = frame.received_len();
        // What was found plain where it lies is so when it is unwrapped.
        if transit
            && let Some(info) = plain
            && let Some((stripped, len)) = edit::wrapping(edit, frame.bytes())
            && self.passes_reverse_path(port, info.source().into())
        {
            frame.truncate(len);
            frame.strip(stripped);
            if let Some(dscp) = dscp {
                edit::set_dscp(frame.bytes_mut(), dscp);
            }
            return Some(self.forward(now, port, frame, &Packet::V4(info), received_len, Path::Rule));
        }
        // An error is about the packet as it came.
        if edit == Edit::ClearOptions
            && transit
            && let Some((error, why)) =
                frame.bytes().get(ETHERNET_HEADER..).and_then(|ip| self.refusal(port, ip))
        {
            if let Some(error) = error {
                self.report(now, port, frame.bytes(), error);
            }
            return Some(self.drop(why, Path::Rule, received_len));
        }
        let undo = edit::apply(edit, frame)?;
        let Some(packet) = self.healthy(port, frame.bytes(), transit) else {
            undo.undo(frame);
            return None;
        };
        if let Some(dscp) = dscp {
            edit::set_dscp(frame.bytes_mut(), dscp);
        }
        Some(if transit {
            self.forward(now, port, frame, &packet, received_len, Path::Rule)
        } else {
            self.deliver(now, port, frame, &packet, received_len, Path::Rule)
        })
    }

    /// The packet of a frame that is healthy now, and goes where the rule says.
    fn healthy(&self, port: PortId, frame: &[u8], transit: bool) -> Option<Packet> {
        let mac = self.config.ports[port.index()].mac;
        let packet = match classify(frame, port, mac, &self.locals) {
            Class::Transit(packet, _) if transit => packet,
            Class::Local(packet, _) if !transit => packet,
            Class::Transit(..)
            | Class::Local(..)
            | Class::Arp(_)
            | Class::Nd(_)
            | Class::Foreign
            | Class::Anomaly(_) => return None,
        };
        self.passes_reverse_path(port, packet.source()).then_some(packet)
    }

    /// What an approved answer of this kind would do, with the same checks.
    fn answer_by_rule(
        &mut self,
        now: Instant,
        port: PortId,
        frame: &FrameBuf<'_>,
        reason: Anomaly,
        (kind, dscp): (ActionKind, Option<u8>),
        index: usize,
    ) -> Option<Verdict> {
        let id = self.rules.id(index)?;
        if frame.len() > FRAME_MAX {
            return None;
        }
        let received_len = frame.received_len();
        let held = self.held(now, port, frame.len(), received_len, reason);
        let effect = self.effect(now, held, frame.bytes(), kind.symbolic()?).ok()?;
        match self.permit(now, held, frame.bytes(), effect, Maker::Rule(id)) {
            Ok(mut built) => {
                if let (Some((_, out)), Some(dscp)) = (&mut built, dscp) {
                    edit::set_dscp(out, dscp);
                }
                self.stats.held.add(received_len);
                Some(self.carry_out(now, Maker::Rule(id), held, frame.bytes(), built, Path::Rule))
            }
            Err(crate::Rejection::RateLimited) => {
                Some(self.drop(DropReason::RuleMeter, Path::Rule, received_len))
            }
            Err(_) => None,
        }
    }

    /// Sends the reply that the operator's template spells, back by the port that the frame came in by.
    fn answer_by_template(
        &mut self,
        now: Instant,
        port: PortId,
        frame: &FrameBuf<'_>,
        reason: Anomaly,
        index: usize,
    ) -> Option<Verdict> {
        let id = self.rules.id(index)?;
        let RuleAction::Reply(Reply::Template(template)) = &self.rules.spec(index)?.content.action else {
            return None;
        };
        let mut out = [0; FRAME_MAX];
        let mac = self.config.ports[port.index()].mac;
        let is_ip = reason == Anomaly::IcmpTypeUnknown;
        let len = if is_ip {
            reply::icmp(template, frame.bytes(), &mut out)?
        } else {
            reply::raw(template, frame.bytes(), mac, &mut out)?
        };
        if len > frame.len() {
            return None;
        }
        if is_ip {
            // Whoever claims an address behind another port gets no reply sent there.
            self.next_hop(&out[ETHERNET_HEADER..len], port).ok().filter(|hop| hop.port == port)?;
            frame_check::well_formed(&out[..len], self.mtu(port)).ok()?;
        }
        let received_len = frame.received_len();
        if !self.rule_bucket.take(self.config.limits.inject_rate, now) {
            return Some(self.drop(DropReason::RuleMeter, Path::Rule, received_len));
        }
        if is_ip {
            self.stats.held.add(received_len);
            let cargo =
                Cargo::Injected { by: Maker::Rule(id), received_len, path: Path::Rule, transit: false };
            let sent = self.dispatch(now, port, &mut out[..len], cargo);
            return Some(sent.map_or_else(Verdict::Drop, |()| Verdict::Consume));
        }
        let Some(sent) = self.queue(port, Origin::Ruled(id), &out[..len]) else {
            return Some(self.drop(DropReason::EgressFull, Path::Rule, received_len));
        };
        self.stats.end(Disposition::Consumed, Path::Rule, received_len);
        self.stats.sent.injected.add(sent);
        Some(Verdict::Consume)
    }

    /// Does a router that routes lead to say this of itself? What is said about a gateway is left to whoever looks at each frame.
    #[inline]
    fn is_from_gateway(&self, port: PortId, frame: &[u8]) -> bool {
        (self.routes.has_gateways() || self.routes_v6.has_gateways())
            && self.is_gateway(port, &Station::source(frame))
    }

    /// Do routes lead to this station, which is behind this port?
    pub(super) fn is_gateway(&self, port: PortId, station: &Station) -> bool {
        match *station {
            Station::Ip(IpAddress::Ipv4(address)) => self.routes.is_gateway(address),
            Station::Ip(IpAddress::Ipv6(address)) => self.routes_v6.is_gateway(address),
            Station::Mac(mac) => {
                // Where not all are listed, any station may be one.
                self.routes.has_unlisted_gateways()
                    || self.routes_v6.has_unlisted_gateways()
                    || self.routes.gateways().any(|g| self.neighbors.known(port, g) == Some(mac))
                    || self.routes_v6.gateways().any(|g| self.neighbors_v6.known(port, g) == Some(mac))
            }
        }
    }

    /// Is this one of the router's own addresses?
    pub(super) fn is_own(&self, station: &Station) -> bool {
        match *station {
            Station::Ip(IpAddress::Ipv4(address)) => self.locals.is_own(address),
            Station::Ip(IpAddress::Ipv6(address)) => self.locals.v6.is_own(address),
            Station::Mac(mac) => self.config.ports.iter().any(|port| port.mac == mac),
        }
    }
}
