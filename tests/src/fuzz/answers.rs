//! Any answers to real diverts: nothing but what the checker finds right may leave, and an answer that was not
//! applied leaves no trace but a counter.

use super::{Input, SMALL};
use crate::{Divert, Sim, checker};
use pktgen::{World, echo, oracle};
use smoltcp::time::Duration;
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};
use stack::{
    Action, ActionKind, Anomaly, Answer, Config, DivertId, EchoDelta, Mode, Origin, PortId, Posture, Rate,
    Rejection,
};

/// Answers to one frame at most.
const ANSWERS: usize = 16;

/// Where no frame goes.
const FAR_AWAY: Ipv4Cidr = Ipv4Cidr::new(Ipv4Address::new(192, 88, 99, 0), 32);

/// What is wrong with an answer, or comes between its approval and its application; any other code is nothing.
pub(super) mod wrong {
    pub(in crate::fuzz) const NONCE: u8 = 1;
    pub(in crate::fuzz) const REASON: u8 = 2;
    pub(in crate::fuzz) const ID: u8 = 3;
    pub(in crate::fuzz) const LATE: u8 = 4;
    pub(in crate::fuzz) const GENERATION: u8 = 5;
    pub(in crate::fuzz) const TWICE: u8 = 6;
    pub(in crate::fuzz) const LATE_APPLIED: u8 = 7;
    pub(in crate::fuzz) const ROUTE_CHANGED: u8 = 8;
}

/// One byte each for posture and port, the frame behind its length, then answers.
pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let posture = input.pick(&Posture::ALL);
    let change = |config: &mut Config| {
        config.posture = posture;
        config.limits.observe_one_in = 1;
        config.limits.divert_rate = Rate { per_second: 100, burst: 100 };
        config.set_mode(Anomaly::EchoRequest, Mode::Enforce).expect("an experiment may hold");
    };
    let mut sim = Sim::cold(change, SMALL);
    sim.prime();
    let port = input.byte() & 1;
    let frame = input.counted();
    // What teaches the router MAC addresses would teach it some that the checker cannot know.
    if frame.get(12..14) == Some(&[8, 6]) {
        return;
    }
    let _ = sim.send(port, frame);
    let world = sim.world().clone();
    for divert in sim.diverts() {
        sim.transmitted();
        let mut acted = 0;
        for _ in 0..ANSWERS {
            if input.is_empty() {
                break;
            }
            acted += usize::from(answer(&mut sim, &world, posture, &divert, &mut input));
        }
        assert!(acted <= 1, "{acted} answers acted on one frame");
    }
    sim.advance(Duration::from_secs(60));
    assert!(sim.router.is_settled());
}

/// Gives one answer, and judges what it did; whether it acted.
fn answer(sim: &mut Sim, world: &World, posture: Posture, divert: &Divert, input: &mut Input<'_>) -> bool {
    let proposed;
    let action = match input.pick(ActionKind::ALL) {
        ActionKind::EchoReply => Action::EchoReply(delta(divert, input)),
        ActionKind::Inject => {
            let (port, bytes) = propose(world, divert, input);
            proposed = bytes;
            Action::Inject { port, frame: &proposed }
        }
        kind => kind.symbolic().unwrap_or(Action::Drop),
    };
    let mut answer = divert.answer(action);
    let wrong = input.byte();
    match wrong {
        wrong::NONCE => answer.nonce ^= u32::from(input.word()) << (input.byte() % 17),
        wrong::REASON => answer.reason = input.pick(Anomaly::ALL),
        wrong::ID => answer.id = DivertId { slot: input.word(), generation: u32::from(input.byte()) },
        wrong::LATE => sim.advance(Duration::from_millis(51)),
        wrong::GENERATION => {
            answer.id.generation = answer.id.generation.wrapping_add(u32::from(input.byte()));
        }
        _ => {}
    }
    sim.transmitted();
    let result = put(sim, posture, divert, &answer, wrong);
    sim.settle();
    let injected: Vec<_> =
        sim.transmitted().into_iter().filter(|sent| matches!(sent.origin, Origin::Injected(_))).collect();
    if result.is_err() {
        assert_eq!(injected, [], "{answer:02x?} was not applied: {result:?}");
        return false;
    }
    // A whole frame is approved only if it is the very frame that leaves.
    if let Action::Inject { port, frame } = action {
        let left: Vec<_> = injected.iter().map(|sent| (sent.port, &sent.bytes[..])).collect();
        assert_eq!(left, [(port, frame)]);
    }
    for sent in injected {
        assert_eq!(sent.origin, Origin::Injected(divert.about.id));
        if let Err(fault) = checker::judge(world, &sim.neighbors(), posture, divert, &sent) {
            panic!("{fault}\n{answer:02x?}\n{divert:02x?}\n{sent:02x?}");
        }
    }
    true
}

/// Has the answer approved and applied, perhaps with something in between.
fn put(
    sim: &mut Sim,
    posture: Posture,
    divert: &Divert,
    answer: &Answer<'_>,
    wrong: u8,
) -> Result<(), Rejection> {
    let approved = sim.router.approve(sim.now(), answer)?;
    let about = &divert.about;
    assert_eq!((answer.id, answer.nonce, answer.reason), (about.id, about.nonce, about.reason()));
    let kind = approved.action();
    assert!(checker::approvable(about.reason(), posture, kind), "approved: {kind}\n{divert:02x?}");
    match wrong {
        wrong::TWICE => {
            assert_eq!(sim.router.approve(sim.now(), answer), Err(Rejection::AlreadyAnswered));
        }
        wrong::LATE_APPLIED => sim.advance(Duration::from_millis(51)),
        wrong::ROUTE_CHANGED => {
            sim.route(FAR_AWAY, None, 1);
            assert!(sim.router.remove_route(FAR_AWAY));
        }
        _ => {}
    }
    let result = sim.router.apply(sim.now(), approved);
    match wrong {
        wrong::LATE_APPLIED => assert_eq!(result, Err(Rejection::Late)),
        wrong::ROUTE_CHANGED => assert_eq!(result, Err(Rejection::StaleEpoch)),
        _ => {}
    }
    result
}

/// The right header bytes of an echo reply, each perhaps changed by a byte of the input.
fn delta(divert: &Divert, input: &mut Input<'_>) -> EchoDelta {
    let right = echo::echo_reply(&divert.bytes).unwrap_or_else(|| vec![0; 42]);
    let word = |at: usize| u16::from_be_bytes([right[at], right[at + 1]]);
    EchoDelta {
        ttl: right[22] ^ input.byte(),
        ip_checksum: word(24) ^ input.word(),
        icmp_type: right[34] ^ input.byte(),
        icmp_checksum: word(36) ^ input.word(),
    }
}

/// A frame to be injected: a right one, or the diverted one, with bytes changed, added or missing.
fn propose(world: &World, divert: &Divert, input: &mut Input<'_>) -> (PortId, Vec<u8>) {
    let here = divert.about.port();
    let there = PortId(1 - here.0);
    let egress = &world.ports[there.index()];
    let repair = |kind| oracle::repair(kind, &divert.bytes, egress.mac, egress.hosts[0].mac);
    let (port, right) = match input.below(6) {
        0 => (here, echo::echo_reply(&divert.bytes)),
        1 => (there, repair(ActionKind::Forward)),
        2 => (there, repair(ActionKind::StripTag)),
        3 => (there, repair(ActionKind::Decapsulate)),
        4 => (there, repair(ActionKind::ClearOptions)),
        _ => (here, None),
    };
    let mut frame = right.unwrap_or_else(|| divert.bytes.clone());
    let port = PortId(port.0 ^ input.byte());
    let at = usize::from(input.word());
    for (byte, change) in frame.iter_mut().skip(at).zip(input.counted()) {
        *byte ^= change;
    }
    match input.byte() {
        1 => frame.extend(input.counted()),
        2 => frame.truncate(usize::from(input.word())),
        _ => {}
    }
    (port, frame)
}
