//! Frames that become rules, and answers that make them: what the tests of rules have in common.

use crate::frames::{self, ROUTER_0, SERVER};
use crate::opinion;
use crate::sim::{Divert, Sim};
use pktgen::build::{Ipv4, protocol, tag};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, IpAddress};
use stack::answer::{Advice, Lifetime, Scope};
use stack::divert::{Field, FieldValue};
use stack::rules::{
    Content, Flow, Match, OPERATOR_PRIORITY, Provenance, RuleAction, RuleOrigin, RuleSpec, RuleState,
    Station, Subject,
};
use stack::{
    Action, Anomaly, Answer, ClassKey, Config, Direction, Mode, PortId, Posture, Rate, Rejection,
    ReversePath, Verdict, Witness,
};
use std::net::Ipv4Addr;

/// How long a learnt rule stays in shadow, and a little longer.
pub const SHADOW: Duration = Duration::from_millis(11);

/// A priority-tagged UDP datagram from this host behind port 0 to the server, as its sender's `number`-th.
pub fn tagged(host: u8, number: u8) -> Vec<u8> {
    tagged_from(Ipv4Addr::new(10, 0, 1, host), number)
}

/// The same from any source.
pub fn tagged_from(source: Ipv4Addr, number: u8) -> Vec<u8> {
    let packet = frames::udp(&Ipv4::new(source, SERVER.address), 9, &[number; 8]);
    tag(&frames::link([2, 0, 0, 0, 1, 2], ROUTER_0.mac, &packet), 0x8100, 0)
}

/// An answer to a divert that says how far it reaches.
pub const fn advised<'a>(divert: &Divert, action: Action<'a>, scope: Scope) -> Answer<'a> {
    Answer { advice: Some(Advice { scope, lifetime: Lifetime::Medium }), ..divert.answer(action) }
}

/// A class key of the laboratory's router under its default posture, with these fields.
///
/// # Panics
/// If there are more fields than a key holds.
pub fn class(reason: Anomaly, port: PortId, direction: Direction, fields: &[(Field, u16)]) -> ClassKey {
    let fields = fields.iter().map(|&(field, value)| FieldValue { field, value }).collect();
    ClassKey { reason, port, direction, posture: Posture::Balanced, fields }
}

impl Sim {
    /// Receives a frame that must be diverted, and has it answered.
    ///
    /// # Errors
    /// Why the answer was not applied.
    ///
    /// # Panics
    /// If the frame is not diverted.
    pub fn ask(&mut self, frame: &[u8], action: Action<'_>, scope: Scope) -> Result<(), Rejection> {
        let verdict = self.send(0, frame);
        assert!(matches!(verdict, Verdict::Divert(_)), "{verdict:?}: {frame:02x?}");
        let diverts = self.diverts();
        self.answer(&advised(&diverts[0], action, scope))
    }

    /// Rules by state: in shadow, active.
    pub fn rule_states(&self) -> (usize, usize) {
        let count = |state| self.router.rules().filter(|rule| rule.state == state).count();
        (count(RuleState::Shadow), count(RuleState::Active))
    }
}

/// What an unlimited slow path would let through, so that no bucket hides what a rule does.
pub const fn generous(config: &mut Config) {
    let limits = &mut config.limits;
    limits.divert_rate = Rate { per_second: 2_000, burst: u32::MAX };
    limits.inject_rate = Rate { per_second: 2_000, burst: u32::MAX };
    limits.icmp_error_rate = Rate { per_second: 2_000, burst: u32::MAX };
}

/// The same, with every reason held that may be, and with a port that checks reverse paths.
pub fn holding(config: &mut Config) {
    generous(config);
    for &reason in Anomaly::ALL {
        // Refused for what must pass, which keeps its mode.
        let _ = config.set_mode(reason, Mode::Enforce);
    }
    config.ports[1].reverse_path = ReversePath::Strict;
}

/// A router without rules that says what class a frame is of.
#[derive(Debug)]
pub struct Probe(Sim);

impl Probe {
    /// Configured as the router that the classes are for.
    pub fn new(change: impl FnOnce(&mut Config)) -> Self {
        Self(Sim::lab_with(|config| {
            change(config);
            config.rules.concordance = 0;
        }))
    }

    /// What the slow path would get of a frame, if it is held.
    pub fn divert(&mut self, port: u8, frame: &[u8]) -> Option<Divert> {
        let verdict = self.0.send(port, frame);
        let diverts = self.0.diverts();
        for divert in &diverts {
            self.0.abandon(divert);
        }
        self.0.transmitted();
        let held = matches!(verdict, Verdict::Divert(_));
        diverts.into_iter().next().filter(|_| held)
    }

    /// The class of a frame, if it is held.
    pub fn class(&mut self, port: u8, frame: &[u8]) -> Option<ClassKey> {
        self.divert(port, frame).map(|divert| divert.about.class)
    }

    /// The match that the host must derive from a frame for this scope.
    ///
    /// # Panics
    /// If the frame is not held, or the scope is no rule's.
    pub fn matches(&mut self, scope: Scope, port: u8, frame: &[u8]) -> Match {
        let class = self.class(port, frame).expect("the frame is held");
        Match { class, subject: subject(scope, frame) }
    }
}

/// A rule of the operator's that lasts ten minutes.
pub const fn operators(matches: Match, action: RuleAction) -> RuleSpec {
    RuleSpec {
        matches,
        content: Content { priority: OPERATOR_PRIORITY, action, meter: None, sample_one_in: 0 },
        idle: Duration::ZERO,
        lifetime: Duration::from_secs(600),
        pinned: false,
        origin: RuleOrigin::Operator,
    }
}

/// The same rule, as one that answers agreed on and a file brings back.
pub fn models(spec: RuleSpec) -> RuleSpec {
    let provenance = Provenance {
        witness: Witness::default(),
        frames: heapless::Vec::new(),
        first_seen: Instant::ZERO,
        concordant_at: Instant::ZERO,
    };
    RuleSpec { origin: RuleOrigin::Model(provenance), ..spec }
}

/// The subject of this scope that a frame belongs to, read by other code than the router's.
///
/// # Panics
/// If the scope is no rule's.
pub fn subject(scope: Scope, frame: &[u8]) -> Subject {
    let [from, to] = stations(frame);
    match scope {
        Scope::Frame => panic!("no rule is about one frame"),
        Scope::Class => Subject::Class,
        Scope::Source => Subject::Source(from),
        Scope::Flow => {
            let (protocol, l4_ports) = upper(frame).unwrap_or_default();
            Subject::Flow(Flow { from, to, protocol, l4_ports })
        }
    }
}

fn stations(frame: &[u8]) -> [Station; 2] {
    let mac = |at: usize| {
        let bytes = frame.get(at..at + 6).map_or([0; 6], |six| six.try_into().expect("six bytes"));
        Station::Mac(EthernetAddress(bytes))
    };
    match packet(frame).and_then(|_| opinion::ends(frame)) {
        Some((from, to)) => [from, to].map(|end| Station::Ip(IpAddress::from(end))),
        None => [mac(6), mac(0)],
    }
}

/// The IP packet without what lies behind its end, and whether it is IPv6.
fn packet(frame: &[u8]) -> Option<(&[u8], bool)> {
    let (bytes, ipv6) = opinion::network(frame)?;
    let word = |of: &[u8], at: usize| usize::from(u16::from_be_bytes([of[at], of[at + 1]]));
    let envelope = match word(frame, 12) {
        // Only IPv4 has an envelope (RFC 1042).
        0..=1500 if frame[14..17] != [0xaa, 0xaa, 3] || ipv6 => return None,
        length @ 0..=1500 => length.saturating_sub(8),
        // Neither a length nor an EtherType (IEEE 802.3 §3.2.6).
        1_501..=1_535 => return None,
        _ => usize::MAX,
    };
    let bytes = &bytes[..bytes.len().min(envelope)];
    let header = if ipv6 { 40 } else { 20 };
    if bytes.len() < header {
        return None;
    }
    let says = if ipv6 { 40 + word(bytes, 4) } else { word(bytes, 2) };
    let end = if says < header { bytes.len() } else { says };
    Some((&bytes[..bytes.len().min(end)], ipv6))
}

/// Protocol, and L4 ports as a flow has them.
fn upper(frame: &[u8]) -> Option<(u8, (u16, u16))> {
    let (packet, ipv6) = packet(frame)?;
    let (upper, header) = if ipv6 { (packet[6], 40) } else { (packet[9], usize::from(packet[0] & 15) * 4) };
    let later = !ipv6 && (packet[6] & 0x1f != 0 || packet[7] != 0);
    let speaks = matches!(upper, protocol::TCP | protocol::UDP) && !later && (ipv6 || header >= 20);
    let lasting = |high: u8, low: u8| match u16::from_be_bytes([high, low]) {
        // Given to a client for one connection.
        32_768.. => 0,
        port => port,
    };
    let ports = match packet.get(header..header + 4) {
        Some(&[a, b, c, d]) if speaks => (lasting(a, b), lasting(c, d)),
        _ => (0, 0),
    };
    Some((upper, ports))
}
