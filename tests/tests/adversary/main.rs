//! An adversary in the place of the model: whatever it answers, nothing but what is right may leave.
//!
//! Every frame that is injected is judged by [`tests::checker`], which knows nothing of approval, and so is what every
//! approved answer comes down to. Every answer that was not approved and applied must leave no trace but a counter.

mod random;
mod structured;

use pktgen::build::{Extension, Ipv6, ethertype, icmpv6, protocol, tag};
use pktgen::{World, echo};
use smoltcp::time::Duration;
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};
use stack::{Action, ActionKind, Anomaly, Answer, Mode, Origin, PortId, Posture, Rejection, Verdict};
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use tests::{Divert, Sim, checker, frames_v6};

pub(crate) fn sim(posture: Posture) -> Sim {
    Sim::lab_with(|config| {
        config.posture = posture;
        config.limits.observe_one_in = 3;
        config.set_mode(Anomaly::EchoRequest, Mode::Enforce).expect("an experiment may hold");
    })
}

/// How an answer is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// Approved and applied.
    Plainly,
    /// Once more before it is applied.
    Twice,
    /// The deadline passes before it is applied.
    LateApplied,
    /// The routes change before it is applied.
    AfterRouteChange,
    /// What one router has approved, another one is to apply.
    ToAnotherRouter,
}

impl How {
    pub(crate) const ALL: [Self; 5] =
        [Self::Plainly, Self::Twice, Self::LateApplied, Self::AfterRouteChange, Self::ToAnotherRouter];
}

/// What came of the answers.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    /// Answers given to a frame that waited for one.
    pub(crate) waited: u64,
    pub(crate) applied: BTreeMap<&'static str, u64>,
    pub(crate) rejected: BTreeMap<&'static str, u64>,
    /// Frames injected, each of them judged.
    pub(crate) injected: u64,
    pub(crate) injected_ipv6: u64,
}

impl Outcomes {
    pub(crate) fn given(&self) -> u64 {
        self.applied.values().chain(self.rejected.values()).sum()
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.waited += other.waited;
        self.injected += other.injected;
        self.injected_ipv6 += other.injected_ipv6;
        for (all, some) in [(&mut self.applied, &other.applied), (&mut self.rejected, &other.rejected)] {
            for (name, count) in some {
                *all.entry(name).or_insert(0) += count;
            }
        }
    }
}

/// Has an answer judged and applied in this manner, and judges what it did.
///
/// # Panics
/// If that was wrong.
pub(crate) fn give(
    sim: &mut Sim,
    posture: Posture,
    divert: &Divert,
    answer: &Answer<'_>,
    how: How,
    outcomes: &mut Outcomes,
) -> Result<(), Rejection> {
    let result = approve_and_apply(sim, posture, divert, answer, how, outcomes);
    sim.settle();
    let injected: Vec<_> =
        sim.transmitted().into_iter().filter(|sent| matches!(sent.origin, Origin::Injected(_))).collect();
    match result {
        Ok(()) => *outcomes.applied.entry(answer.action.kind().name()).or_insert(0) += 1,
        Err(rejection) => {
            *outcomes.rejected.entry(rejection.name()).or_insert(0) += 1;
            assert_eq!(injected, [], "{answer:02x?} {rejection}");
        }
    }
    // A whole frame is approved only if it is the very frame that leaves.
    if let (Ok(()), Action::Inject { port, frame }) = (result, answer.action) {
        let left: Vec<_> = injected.iter().map(|sent| (sent.port, &sent.bytes[..])).collect();
        assert_eq!(left, [(port, frame)], "{divert:02x?}");
    }
    for sent in injected {
        assert_eq!(sent.origin, Origin::Injected(divert.about.id));
        if let Err(fault) = checker::judge(sim.world(), &sim.neighbors(), posture, divert, &sent) {
            panic!("{fault}\n{answer:02x?}\n{divert:02x?}\n{sent:02x?}");
        }
        outcomes.injected += 1;
        outcomes.injected_ipv6 += u64::from(sent.bytes[12..14] == [0x86, 0xdd]);
    }
    result
}

fn approve_and_apply(
    sim: &mut Sim,
    posture: Posture,
    divert: &Divert,
    answer: &Answer<'_>,
    how: How,
    outcomes: &mut Outcomes,
) -> Result<(), Rejection> {
    let approved = sim.router.approve(sim.now(), answer)?;
    let about = &divert.about;
    let echoes = (answer.id, answer.nonce, answer.reason) == (about.id, about.nonce, about.reason());
    assert!(echoes, "approved though it does not echo: {answer:02x?}\n{divert:02x?}");
    let kind = approved.action();
    assert!(checker::approvable(about.reason(), posture, kind), "approved: {kind}\n{divert:02x?}");
    match how {
        How::Plainly => {}
        How::Twice => {
            let again = Rejection::AlreadyAnswered;
            assert_eq!(sim.router.approve(sim.now(), answer), Err(again));
            *outcomes.rejected.entry(again.name()).or_insert(0) += 1;
        }
        How::LateApplied => sim.advance(Duration::from_millis(50)),
        How::AfterRouteChange => {
            sim.route(FAR_AWAY, None, 1);
            assert!(sim.router.remove_route(FAR_AWAY));
        }
        How::ToAnotherRouter => {
            let mut other = Sim::cold(|config| config.id = 8, tests::storage::SIZES);
            let result = other.router.apply(sim.now(), approved);
            assert_eq!(result, Err(Rejection::ForeignRouter));
            // With the first router it waits for its deadline.
            sim.advance(Duration::from_millis(50));
            return result;
        }
    }
    let result = sim.router.apply(sim.now(), approved);
    match how {
        How::LateApplied => assert_eq!(result, Err(Rejection::Late)),
        How::AfterRouteChange => assert_eq!(result, Err(Rejection::StaleEpoch)),
        How::Plainly | How::Twice | How::ToAnotherRouter => {}
    }
    result
}

/// Where no frame of these tests goes.
const FAR_AWAY: Ipv4Cidr = Ipv4Cidr::new(Ipv4Address::new(192, 88, 99, 0), 32);

/// The frame that the right answer would inject, found by asking another router.
pub(crate) fn right_frame(divert: &Divert, world: &World) -> Option<(PortId, Vec<u8>)> {
    let port = divert.about.port();
    if let Some(reply) = echo::echo_reply(&divert.bytes) {
        return Some((port, reply));
    }
    let egress = &world.ports[1 - port.index()];
    let repairs =
        [ActionKind::Forward, ActionKind::StripTag, ActionKind::Decapsulate, ActionKind::ClearOptions];
    repairs.into_iter().find_map(|kind| {
        let frame = pktgen::oracle::repair(kind, &divert.bytes, egress.mac, egress.hosts[0].mac)?;
        Some((PortId(1 - port.0), frame))
    })
}

/// Puts the checksums of the packet and of what it carries right, as far as there are any.
pub(crate) fn reseal(frame: &mut [u8]) {
    let packet = &mut frame[14..];
    if packet[0] >> 4 == 4 {
        let header = usize::from(packet[0] & 15) * 4;
        if packet[9] == 1 {
            packet.get_mut(header..).into_iter().for_each(pktgen::build::seal_icmp);
        }
        return pktgen::build::seal_ipv4(packet);
    }
    let address = |at: usize| -> [u8; 16] { packet[at..at + 16].try_into().expect("16 bytes") };
    let (source, destination) = (Ipv6Addr::from(address(8)), Ipv6Addr::from(address(24)));
    let next_header = packet[6];
    pktgen::build::seal_segment(source, destination, next_header, &mut packet[40..]);
}

/// As far as the router looks into a packet, which in IPv6 is behind Hop-by-Hop Options, it answers for what it has
/// repaired (RFC 4443 §2.3; RFC 8200 §4).
#[test]
fn a_repaired_message_with_a_wrong_checksum_stays_here() {
    let (plain, behind) = (vec![], vec![Extension::HopByHop(vec![])]);
    let far = vec![Extension::Destination(vec![])];
    for (extensions, damage, right) in [
        (&plain, 0, Ok(())),
        (&plain, 1, Err(Rejection::Malformed)),
        (&behind, 0, Ok(())),
        (&behind, 1, Err(Rejection::Malformed)),
        (&far, 1, Ok(())),
    ] {
        let mut sim = sim(Posture::Balanced);
        let world = sim.world().clone();
        let extensions = extensions.clone();
        let header = Ipv6 { protocol: protocol::ICMPV6, extensions, ..frames_v6::transit() };
        let mut message = icmpv6(header.source, header.destination, 128, 0, [0, 1, 0, 2], &[7; 8]);
        *message.last_mut().expect("8 bytes of data") ^= damage;
        let frame = tag(&frames_v6::from_client(&header.packet(&message)), ethertype::VLAN, 0);
        assert_eq!(sim.send(0, &frame), Verdict::Divert(Anomaly::VlanPriorityTag));
        let divert = sim.diverts().remove(0);
        assert_eq!(sim.answer(&divert.answer(Action::StripTag)), right, "{header:?} {damage}");
        let sent = sim.transmitted();
        assert_eq!(sent.len(), usize::from(right.is_ok()));
        for sent in sent {
            let judged = checker::judge(&world, &sim.neighbors(), Posture::Balanced, &divert, &sent);
            assert_eq!(judged, Ok(ActionKind::StripTag));
        }
    }
}
