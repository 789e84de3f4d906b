//! Does the device still answer? Questions that any host answers, in between: ARP, Neighbour Discovery, echo requests.

use super::scene::Scene;
use pktgen::build::{self, Arp, Ipv4, Ipv6, ethernet, ethertype, icmp, icmpv6, nd_option_type, protocol};
use serde::Serialize;
use std::time::{Duration, Instant};

/// Echo requests of probes have this identifier.
const IDENTIFIER: [u8; 2] = *b"sr";
/// Time between two questions of one round.
const AGAIN: Duration = Duration::from_millis(200);
/// The device is silent if nothing is heard for so long.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// The questions.
pub(super) const KINDS: [&str; 4] = ["ARP", "echo (IPv4)", "Neighbour Discovery", "echo (IPv6)"];

/// What came of one kind of question.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// Rounds in which it was asked.
    pub rounds: u64,
    /// Rounds in which it was answered.
    pub answered: u64,
    /// The index of the last frame that had been sent when it was answered last.
    pub last_after: Option<u64>,
}

/// A round of questions that none of has been answered yet.
struct Round {
    began: Instant,
    asked: Instant,
}

/// The questions of a run.
pub(super) struct Prober {
    scene: Scene,
    next: u16,
    round: Option<Round>,
    /// The round whose answers still count: the first question's number, the frame before it, and which were answered.
    open: (u16, Option<u64>, [bool; KINDS.len()]),
    pub(super) kinds: [Asked; KINDS.len()],
}

impl Prober {
    pub(super) fn new(scene: Scene) -> Self {
        Self { scene, next: 0, round: None, open: (0, None, [false; 4]), kinds: Default::default() }
    }

    /// Is an answer waited for?
    pub(super) const fn is_waiting(&self) -> bool {
        self.round.is_some()
    }

    /// A new round, after frame `after`.
    pub(super) fn begin(&mut self, after: Option<u64>, now: Instant) -> [Vec<u8>; KINDS.len()] {
        self.round = Some(Round { began: now, asked: now });
        self.open = (self.next, after, [false; KINDS.len()]);
        self.kinds.iter_mut().for_each(|kind| kind.rounds += 1);
        self.questions()
    }

    /// The same questions once more, if it is time.
    pub(super) fn again(&mut self, now: Instant) -> Option<[Vec<u8>; KINDS.len()]> {
        let round = self.round.as_mut()?;
        if now.saturating_duration_since(round.asked) < AGAIN {
            return None;
        }
        round.asked = now;
        Some(self.questions())
    }

    /// Has the device been silent for too long?
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        self.round.as_ref().is_some_and(|round| now.saturating_duration_since(round.began) > PATIENCE)
    }

    /// The device's answer to a question, if this is one: the last frame that had been sent before the round.
    pub(super) fn heard(&mut self, frame: &[u8]) -> Option<Option<u64>> {
        let (kind, number) = self.question_of(frame)?;
        let (first, after, answered) = &mut self.open;
        // Neither ARP nor Neighbour Discovery has numbers: a round begins only when the one before it was answered.
        if number.is_some_and(|number| number.wrapping_sub(*first) >= self.next.wrapping_sub(*first)) {
            return Some(None);
        }
        if !std::mem::replace(&mut answered[kind], true) {
            self.kinds[kind].answered += 1;
            self.kinds[kind].last_after = *after;
        }
        self.round = None;
        Some(*after)
    }

    fn questions(&mut self) -> [Vec<u8>; KINDS.len()] {
        let Scene { peer, v4, v6, prober, .. } = &self.scene;
        let number = self.next.to_be_bytes();
        self.next = self.next.wrapping_add(1);
        let rest = [IDENTIFIER[0], IDENTIFIER[1], number[0], number[1]];
        let own = if v6.is_unicast_link_local() { prober.link_local() } else { prober.ipv6 };
        let arp = Arp::request(prober.mac, prober.address, *v4);
        let echo = Ipv4 { protocol: protocol::ICMP, ..Ipv4::new(prober.address, *v4) };
        let group = build::solicited_node(*v6);
        let source = build::nd_option(nd_option_type::SOURCE_LINK, &prober.mac);
        let solicitation = build::solicitation(own, group, *v6, &source);
        let nd = Ipv6 { protocol: protocol::ICMPV6, hop_limit: 255, ..Ipv6::new(own, group) };
        let echo_v6 = Ipv6 { protocol: protocol::ICMPV6, ..Ipv6::new(own, *v6) };
        let message = icmpv6(own, *v6, 128, 0, rest, b"softrouter");
        [
            ethernet(build::BROADCAST, prober.mac, ethertype::ARP, &arp.packet()),
            ethernet(*peer, prober.mac, ethertype::IPV4, &echo.packet(&icmp(8, 0, rest, b"softrouter"))),
            ethernet(build::multicast_mac(group), prober.mac, ethertype::IPV6, &nd.packet(&solicitation)),
            ethernet(*peer, prober.mac, ethertype::IPV6, &echo_v6.packet(&message)),
        ]
    }

    /// Which question this answers, by its place in [`KINDS`], and the question's number where it has one.
    fn question_of(&self, frame: &[u8]) -> Option<(usize, Option<u16>)> {
        let Scene { v4, v6, prober, .. } = &self.scene;
        let own = if v6.is_unicast_link_local() { prober.link_local() } else { prober.ipv6 };
        let number = |at: usize| {
            let rest = frame.get(at..at + 4).filter(|rest| rest[..2] == IDENTIFIER)?;
            Some(Some(u16::from_be_bytes([rest[2], rest[3]])))
        };
        match frame.get(12..14)? {
            [0x08, 0x06] => {
                let told = (frame.get(20..22)?, frame.get(28..32)?, frame.get(38..42)?);
                (told == (&[0, 2], &v4.octets(), &prober.address.octets())).then_some((0, None))
            }
            [0x08, 0x00] => {
                let ends = (frame.get(26..30)?, frame.get(30..34)?);
                let header = usize::from(frame[14] & 15) * 4;
                let is =
                    ends == (&v4.octets(), &prober.address.octets()) && *frame.get(23)? == protocol::ICMP;
                let message = 14 + header;
                if is && *frame.get(message)? == 0 { Some((1, number(message + 4)?)) } else { None }
            }
            [0x86, 0xdd] if *frame.get(20)? == protocol::ICMPV6 && *frame.get(38..54)? == own.octets() => {
                match *frame.get(54)? {
                    136 if *frame.get(62..78)? == v6.octets() => Some((2, None)),
                    129 => Some((3, number(58)?)),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}
