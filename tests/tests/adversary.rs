//! An adversary in the place of the model: whatever it answers, nothing but what is right may leave.
//!
//! Every frame that is injected is judged by [`tests::checker`], which knows nothing of approval. Every answer
//! that was not approved and applied must leave no trace but a counter.

use pktgen::build::{Extension, Ipv6, ethertype, icmpv6, protocol, tag};
use pktgen::dice::{Draw, rng_for};
use pktgen::generate::Expected;
use pktgen::{Family, Generator, World, echo};
use smoltcp::time::Duration;
use stack::{
    Action, ActionKind, Anomaly, Answer, DivertId, EchoDelta, Mode, Origin, PortId, Posture, Rejection,
    Source, Verdict,
};
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use tests::{Divert, Sim, checker, frames_v6};

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

fn sim(posture: Posture) -> Sim {
    Sim::lab_with(|config| {
        config.posture = posture;
        config.limits.observe_one_in = 3;
        config.set_mode(Anomaly::EchoRequest, Mode::Enforce).expect("an experiment may hold");
    })
}

/// The frame that the right answer would inject, found by asking another router.
fn right_frame(divert: &Divert, world: &World) -> Option<(PortId, Vec<u8>)> {
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

/// Puts the checksums of the packet and of what it carries right, as far as there are any.
fn reseal(frame: &mut [u8]) {
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

/// Has an answer judged and applied; now and then it is given twice before it can be applied.
fn put(sim: &mut Sim, answer: &Answer<'_>, twice: bool) -> Result<(), Rejection> {
    if !twice {
        return sim.answer(answer);
    }
    let approved = sim.router.approve(sim.now(), answer)?;
    assert_eq!(sim.answer(answer), Err(Rejection::AlreadyAnswered));
    let result = sim.router.apply(sim.now(), approved);
    sim.settle();
    result
}

/// Runs one posture; how often each outcome came about.
fn torment(posture: Posture, seed: u64, answers: u64) -> BTreeMap<String, u64> {
    let mut sim = sim(posture);
    let world = sim.world().clone();
    let generator = Generator::new(world.clone(), seed);
    let (mut given, mut index, mut outcomes) = (0, 0, BTreeMap::new());
    let mut older: Vec<DivertId> = Vec::new();
    while given < answers {
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
            let mut acted = 0;
            for _ in 0..rng.between(1, 3) {
                let mut frame = Vec::new();
                let answer = answer(&mut rng, &divert, &older, &world, &mut frame);
                if rng.one_in(64) {
                    // Too late, now or between approval and application.
                    sim.advance(Duration::from_millis(if rng.one_in(2) { 49 } else { 51 }));
                    sim.transmitted();
                }
                given += 1;
                let result = put(&mut sim, &answer, rng.one_in(20));
                let injected: Vec<_> = sim
                    .transmitted()
                    .into_iter()
                    .filter(|sent| matches!(sent.origin, Origin::Injected(_)))
                    .collect();
                match result {
                    Ok(()) => {
                        assert_eq!(answer.id, divert.about.id, "seed {seed} frame {index}");
                        acted += 1;
                        *outcomes.entry(format!("applied {}", answer.action.kind())).or_insert(0) += 1;
                    }
                    Err(rejection) => {
                        *outcomes.entry(format!("rejected {rejection}")).or_insert(0) += 1;
                        assert_eq!(injected, [], "seed {seed} frame {index}: {answer:?} {rejection}");
                    }
                }
                // A whole frame is approved only if it is the very frame that leaves.
                if let (Ok(()), Action::Inject { port, frame }) = (result, answer.action) {
                    let left: Vec<_> = injected.iter().map(|sent| (sent.port, &sent.bytes[..])).collect();
                    assert_eq!(left, [(port, frame)], "seed {seed} frame {index}");
                }
                for sent in injected {
                    assert_eq!(sent.origin, Origin::Injected(divert.about.id));
                    let judged = checker::judge(&world, &sim.neighbors(), posture, &divert, &sent);
                    if let Err(fault) = judged {
                        panic!(
                            "seed {seed} frame {index}: {fault}\n{answer:02x?}\n{divert:02x?}\n{sent:02x?}"
                        );
                    }
                    *outcomes.entry("injected".to_owned()).or_insert(0) += 1;
                    if sent.bytes[12..14] == [0x86, 0xdd] {
                        *outcomes.entry("injected IPv6".to_owned()).or_insert(0) += 1;
                    }
                }
            }
            assert!(acted <= 1, "seed {seed} frame {index}: {acted} answers acted on one frame");
            if older.len() == 64 {
                older.clear();
            }
            older.push(divert.about.id);
        }
        sim.advance(Duration::from_micros(500));
    }
    let injected = outcomes.get("injected").copied().unwrap_or(0);
    assert_eq!(sim.router.stats().sent.injected.frames, injected, "every injected frame was judged");
    outcomes
}

#[test]
fn a_million_adversarial_answers_inject_nothing_but_what_is_right() {
    let mut all = BTreeMap::new();
    for (posture, seed) in Posture::ALL.into_iter().zip(70..) {
        let outcomes = torment(posture, seed, ANSWERS / 3 + 1);
        println!("{posture:?}, seed {seed}: {outcomes:#?}");
        for (outcome, count) in outcomes {
            *all.entry(outcome).or_insert(0_u64) += count;
        }
    }
    let answers: u64 =
        all.iter().filter(|(name, _)| !name.starts_with("injected")).map(|(_, count)| count).sum();
    assert!(answers >= ANSWERS);
    // An adversary that is never refused for some reason has not tried.
    let at_apply = [Rejection::StaleEpoch, Rejection::ForeignRouter, Rejection::RateLimited];
    // What approval builds is sound, but for a checksum of ICMP in transit; and `put` looks for duplicates.
    let elsewhere = [Rejection::Malformed, Rejection::AlreadyAnswered];
    for &rejection in Rejection::ALL {
        if !at_apply.contains(&rejection) && !elsewhere.contains(&rejection) {
            assert!(all.contains_key(&format!("rejected {rejection}")), "never {rejection}: {all:#?}");
        }
    }
    assert!(all["injected"] > 10_000 && all["injected IPv6"] > 1_000, "{all:#?}");
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
