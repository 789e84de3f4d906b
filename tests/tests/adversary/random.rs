//! Random answers, mostly wrong, now and then right, to frames of every reason, half of them of the reasons about which
//! an answer may send something.

use crate::{How, Outcomes, give, reseal, right_frame, sim};
use pktgen::dice::{Draw, rng_for};
use pktgen::generate::Expected;
use pktgen::{Family, Generator, World, echo};
use smoltcp::time::Duration;
use stack::{Action, ActionKind, Anomaly, Answer, DivertId, EchoDelta, PortId, Posture, Rejection, Source};
use tests::{Divert, checker};

/// Answers to frames that wait for one; those to frames that have ended come on top.
const ANSWERS: u64 = 1_000_000;

/// The reasons about which an answer may send something.
const TEMPTING: [Anomaly; 10] = [
    Anomaly::VlanPriorityTag,
    // Twice, because half of them hold IPv6, about which nothing else is granted.
    Anomaly::VlanPriorityTag,
    Anomaly::SnapIpv4,
    Anomaly::Ipv4OptionTransit,
    Anomaly::IcmpTimestampRequest,
    Anomaly::Ipv4OptionMalformed,
    Anomaly::Ipv4TotalLengthShort,
    Anomaly::Ipv4TotalLengthOverrun,
    Anomaly::EchoRequest,
    Anomaly::EchoRequest,
];

/// A frame that somebody might want to see injected.
fn tempting_frame(rng: &mut impl Draw, divert: &Divert, world: &World) -> (PortId, Vec<u8>) {
    let (port, mut frame) =
        right_frame(divert, world).unwrap_or_else(|| (divert.about.port(), divert.bytes.clone()));
    match rng.below(8) {
        // Right but for one bit, somewhere.
        0 | 1 if !frame.is_empty() => {
            let at = rng.below(frame.len());
            frame[at] ^= 1 << rng.below(8);
        }
        // A spoofed source, a packet that has aged more or less than it should, or another payload, all under
        // right checksums.
        2 if frame.len() >= 54 => {
            let ipv6 = frame[12..14] == [0x86, 0xdd];
            match (rng.below(3), ipv6) {
                (0, false) => frame[26..30].copy_from_slice(&rng.bytes(4)),
                (0, true) => frame[22..38].copy_from_slice(&rng.bytes(16)),
                (1, _) => {
                    let at = if ipv6 { 21 } else { 22 };
                    frame[at] = frame[at].wrapping_add(*rng.pick(&[1, 255]));
                }
                _ => *frame.last_mut().expect("at least 54") ^= 1 << rng.below(8),
            }
            reseal(&mut frame);
        }
        // More than was asked for.
        3 => {
            let more = rng.between(1, 600);
            frame.extend(rng.bytes(more));
        }
        4 => frame.truncate(rng.below(frame.len() + 1)),
        5 => {
            let len = rng.below(2_000);
            frame = rng.bytes(len);
        }
        // The right bytes by the wrong port.
        6 => return (PortId(rng.byte()), frame),
        _ => {}
    }
    (port, frame)
}

/// What the adversary says about a frame; mostly wrong, now and then right.
fn answer<'a>(
    rng: &mut impl Draw,
    divert: &Divert,
    older: &[DivertId],
    world: &World,
    frame: &'a mut Vec<u8>,
) -> Answer<'a> {
    let wanted = checker::permitted(divert.about.reason(), divert.about.class.posture);
    let action = match rng.below(16) {
        // Now and then it asks for what might be granted: the nearer to right, the more dangerous.
        0..=3 if wanted.iter().any(|kind| kind.symbolic().is_some()) => {
            rng.pick(wanted).symbolic().unwrap_or(Action::Forward)
        }
        0..=8 => ActionKind::ALL[rng.below(7)].symbolic().expect("the first seven are symbolic"),
        9..=11 => {
            let mut delta =
                EchoDelta { ttl: 64, ip_checksum: rng.word(), icmp_type: 0, icmp_checksum: rng.word() };
            if let Some(right) = echo::echo_reply(&divert.bytes) {
                let word = |at: usize| u16::from_be_bytes([right[at], right[at + 1]]);
                delta.ip_checksum = word(24);
                delta.icmp_checksum = word(36);
                match rng.below(6) {
                    0 => delta.ttl = rng.byte(),
                    1 => delta.ip_checksum ^= 1 << rng.below(16),
                    2 => delta.icmp_type = rng.byte(),
                    3 => delta.icmp_checksum ^= 1 << rng.below(16),
                    // The other zero of one's complement must not pass for the first.
                    4 => delta.icmp_checksum = !delta.icmp_checksum,
                    _ => {}
                }
            }
            Action::EchoReply(delta)
        }
        _ => {
            let (port, bytes) = tempting_frame(rng, divert, world);
            *frame = bytes;
            Action::Inject { port, frame }
        }
    };
    let source = if rng.one_in(2) { Source::Model } else { Source::Cache };
    let mut answer = Answer { source, ..divert.answer(action) };
    match rng.below(16) {
        0 => answer.nonce = answer.nonce.wrapping_add(1 + u32::from(rng.word())),
        1 => answer.reason = *rng.pick(Anomaly::ALL),
        2 => answer.id.generation = answer.id.generation.wrapping_add(1 + rng.below(3) as u32),
        3 => answer.id = DivertId { slot: rng.word(), generation: rng.below(4) as u32 },
        4 if !older.is_empty() => answer.id = *rng.pick(older),
        _ => {}
    }
    answer
}

/// How an answer is given.
fn manner(rng: &mut impl Draw) -> How {
    match rng.below(80) {
        0..=3 => How::Twice,
        4 => How::LateApplied,
        5 | 6 => How::AfterRouteChange,
        7 => How::ToAnotherRouter,
        _ => How::Plainly,
    }
}

/// Runs one posture until so many answers were given to frames that waited for one.
fn torment(posture: Posture, seed: u64, answers: u64) -> Outcomes {
    let mut sim = sim(posture);
    let world = sim.world().clone();
    let generator = Generator::new(world.clone(), seed);
    let (mut index, mut outcomes) = (0, Outcomes::default());
    let mut older: Vec<DivertId> = Vec::new();
    while outcomes.waited < answers {
        let mut rng = rng_for(seed, 99, index);
        let made = match index % 4 {
            0 => generator.mutant(index),
            1 => generator.odd(index),
            // Where an answer may lead to a frame, an adversary has most to gain.
            _ => generator.of(*rng.pick(&TEMPTING), index).expect("the laboratory has them all"),
        };
        index += 1;
        if index.is_multiple_of(500) {
            sim.prime();
        }
        // Mutated ARP and Neighbour Discovery would teach the router MAC addresses that the checker cannot know.
        let teaches = matches!(made.family, Family::Arp | Family::Nd) && made.expected == Expected::Unknown;
        if teaches {
            continue;
        }
        let _ = sim.send(made.port, &made.bytes);
        for divert in sim.diverts() {
            sim.transmitted();
            // Several answers to one frame: at most one may act.
            let (mut acted, mut waits) = (0, true);
            for _ in 0..rng.between(1, 6) {
                // One that has ended is answered now and then.
                if !waits && !rng.one_in(8) {
                    break;
                }
                let mut frame = Vec::new();
                let answer = answer(&mut rng, &divert, &older, &world, &mut frame);
                if rng.one_in(64) {
                    sim.advance(Duration::from_millis(if rng.one_in(2) { 49 } else { 51 }));
                    sim.transmitted();
                }
                outcomes.waited += u64::from(waits);
                let result = give(&mut sim, posture, &divert, &answer, manner(&mut rng), &mut outcomes);
                acted += u64::from(result.is_ok());
                let its_own = answer.id == divert.about.id;
                waits &= !its_own || result == Err(Rejection::WrongNonce);
            }
            assert!(acted <= 1, "seed {seed} frame {index}: {acted} answers acted on one frame");
            if older.len() == 64 {
                older.clear();
            }
            older.push(divert.about.id);
        }
        sim.advance(Duration::from_micros(500));
    }
    assert_eq!(sim.router.stats().sent.injected.frames, outcomes.injected, "every injected frame was judged");
    outcomes
}

#[test]
fn a_million_adversarial_answers_inject_nothing_but_what_is_right() {
    let mut all = Outcomes::default();
    for (posture, seed) in Posture::ALL.into_iter().zip(70..) {
        let outcomes = torment(posture, seed, ANSWERS / 3 + 1);
        println!("{posture:?}, seed {seed}: {outcomes:#?}");
        all.add(&outcomes);
    }
    println!("{all:#?}");
    assert!(all.waited >= ANSWERS && all.given() > all.waited);
    // An adversary that is never refused for some reason has not tried. What approval builds is sound, but for a
    // checksum of ICMP in transit; the buckets are full here.
    let elsewhere = [Rejection::Malformed, Rejection::RateLimited];
    for rejection in Rejection::ALL.iter().filter(|rejection| !elsewhere.contains(rejection)) {
        assert!(all.rejected.contains_key(rejection.name()), "never {rejection}");
    }
    assert!(all.injected > 10_000 && all.injected_ipv6 > 1_000);
}
