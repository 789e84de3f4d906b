//! What the fuzzers start from: every anomaly and healthy frames, as each target reads them.

use super::answers::wrong;
use super::quote::{CAUSES, keep};
use super::sequence::{HEAD, step};
use pktgen::build::{Ipv4, protocol};
use pktgen::oracle::{self, Judgement};
use pktgen::{Expected, Family, Generated, Generator, World};
use stack::{ActionKind, Anomaly, Posture};
use std::collections::BTreeMap;

use crate::frames;

/// Longer frames teach a fuzzer no more.
const LONGEST: usize = 400;

/// One input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// The target's name.
    pub target: &'static str,
    /// What it holds: lower_snake, unique within its target.
    pub name: String,
    /// The input.
    pub bytes: Vec<u8>,
}

/// All of them, in a fixed order.
pub fn all() -> Vec<Seed> {
    let generator = Generator::new(World::lab(), 1812);
    let mut seeds = classify(&generator);
    seeds.extend(sequence(&generator));
    seeds.extend(answers(&generator));
    seeds.extend(quote());
    seeds.extend(prompt(&generator));
    seeds.extend(decode());
    seeds.extend(super::rules::seeds(&generator));
    seeds
}

/// A short frame of each anomaly and of each healthy template.
fn frames(generator: &Generator) -> Vec<(String, Generated)> {
    let short = |made: &Generated| made.bytes.len() <= LONGEST;
    let anomalies = Anomaly::ALL.iter().filter_map(|&anomaly| {
        let mut made = (0..200).filter_map(|index| generator.of(anomaly, index));
        made.find(short).map(|made| (anomaly.name().to_owned(), made))
    });
    let mut healthy = BTreeMap::new();
    for made in generator.greetings().into_iter().chain((0..400).map(|index| generator.healthy(index))) {
        if short(&made) {
            healthy.entry(made.template).or_insert(made);
        }
    }
    anomalies.chain(healthy.into_iter().map(|(name, made)| (format!("healthy_{name}"), made))).collect()
}

fn classify(generator: &Generator) -> Vec<Seed> {
    let seed = |(name, made): (String, Generated)| {
        let bytes = [&[made.port][..], &made.bytes].concat();
        Seed { target: "classify", name, bytes }
    };
    frames(generator).into_iter().map(seed).collect()
}

fn counted(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

fn received(made: &Generated) -> Vec<u8> {
    [&[step::FRAME, made.port][..], &counted(&made.bytes)].concat()
}

/// For each header family one life of a router: the hosts greet, frames come, some are answered, time passes.
fn sequence(generator: &Generator) -> Vec<Seed> {
    let mut families = BTreeMap::<Family, Vec<Generated>>::new();
    for (_, made) in frames(generator) {
        families.entry(made.family).or_default().push(made);
    }
    // What it takes two frames to show: the shorter of the first pairs.
    for &anomaly in Anomaly::ALL {
        let pairs = (0..50).filter_map(|index| generator.sequence(anomaly, index));
        let shortest = pairs.min_by_key(|pair| pair.iter().map(|made| made.bytes.len()).sum::<usize>());
        for made in shortest.into_iter().flatten() {
            families.entry(made.family).or_default().push(made);
        }
    }
    let life = |(index, (family, frames)): (usize, (Family, Vec<Generated>))| {
        let mut bytes = vec![0; HEAD];
        // Odd lives are lived by a router that holds or observes whatever it may, with small tables.
        bytes[7] = (index % 4) as u8;
        bytes[2..5].fill((index % 3) as u8);
        for made in generator.greetings() {
            bytes.extend(received(&made));
        }
        for made in frames {
            bytes.extend(received(&made));
            bytes.push(step::POLL);
            let right = match made.expected {
                Expected::Anomaly(_) => ActionKind::ALL[bytes.len() % 7],
                Expected::Healthy | Expected::Unknown => ActionKind::Drop,
            };
            bytes.extend([step::ANSWER, 0, right as u8, 0, step::APPLY, 0]);
        }
        bytes.extend([step::AGAIN, 7, step::WAIT, 3, step::ABANDON, 0, step::WAIT, 5]);
        Seed { target: "sequence", name: family.name().to_owned(), bytes }
    };
    families.into_iter().enumerate().map(life).collect()
}

/// For each reason about which something may be sent: the answer that sends it, and the frame that would.
fn answers(generator: &Generator) -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (posture, index) in Posture::ALL.into_iter().zip(0_u8..) {
        for &anomaly in Anomaly::ALL {
            let wanted = crate::checker::permitted(anomaly, posture);
            let mut made = (0..200).filter_map(|index| generator.of(anomaly, index));
            let Some(made) = made.find(|made| made.bytes.len() <= LONGEST) else { continue };
            for &kind in wanted {
                let mut bytes = [&[index, made.port][..], &counted(&made.bytes)].concat();
                bytes.extend([ActionKind::Inject as u8, proposal(kind), 0, 0, 0, 0, 0, 0, 0]);
                let fields = if kind == ActionKind::EchoReply { 6 } else { 0 };
                bytes.push(kind as u8);
                bytes.extend(vec![0; fields + 1]);
                seeds.push(Seed {
                    target: "answers",
                    name: format!("{}_{anomaly}_{kind}", posture.name()),
                    bytes,
                });
            }
        }
    }
    seeds.extend(wrong_answers(generator));
    seeds
}

/// Right answers to a frame in a priority tag, but for what is wrong with them or comes in between.
fn wrong_answers(generator: &Generator) -> Vec<Seed> {
    let mut made = (0..200).filter_map(|index| generator.of(Anomaly::VlanPriorityTag, index));
    let healthy = |made: &Generated| {
        let stripped = [&made.bytes[..12], &made.bytes[16..]].concat();
        oracle::judge(generator.world(), made.port, &stripped) == Judgement::Healthy
    };
    let made = made.find(|made| made.bytes.len() <= LONGEST && healthy(made)).expect("the laboratory has it");
    let strip = ActionKind::StripTag as u8;
    let lives: [(&str, &[&[u8]]); 4] = [
        (
            "wrong_identity_then_twice",
            &[
                &[strip, wrong::NONCE, 0, 1, 16],
                &[strip, wrong::ID, 0, 7, 0],
                &[strip, wrong::GENERATION, 1],
                &[strip, wrong::TWICE],
            ],
        ),
        ("wrong_reason", &[&[strip, wrong::REASON, 0]]),
        ("late_applied", &[&[strip, wrong::LATE_APPLIED], &[strip, wrong::LATE]]),
        ("route_changed", &[&[strip, wrong::ROUTE_CHANGED]]),
    ];
    let seed = |(name, answers): (&str, &[&[u8]])| {
        // Posture 1 is balanced.
        let bytes = [&[1, made.port][..], &counted(&made.bytes), &answers.concat()].concat();
        Seed { target: "answers", name: name.to_owned(), bytes }
    };
    lives.into_iter().map(seed).collect()
}

/// Which proposal of the target is the frame that this action makes.
const fn proposal(kind: ActionKind) -> u8 {
    match kind {
        ActionKind::EchoReply => 0,
        ActionKind::Forward => 1,
        ActionKind::StripTag => 2,
        ActionKind::Decapsulate => 3,
        ActionKind::ClearOptions => 4,
        ActionKind::Drop | ActionKind::TimestampReply | ActionKind::ParameterProblem | ActionKind::Inject => {
            5
        }
    }
}

/// A packet of each family for each cause of an ICMP error.
fn quote() -> Vec<Seed> {
    let ipv4 = |options: &[u8], len: usize| {
        let header = Ipv4 { options: options.to_vec(), protocol: protocol::UDP, ..frames::transit() };
        header.packet(&vec![7; len])
    };
    // A hop-by-hop header with an option of this type (RFC 8200 §4.2), or none; then UDP.
    let ipv6 = |option: Option<u8>, len: usize| {
        let head = [0x60, 0, 0, 0, 0, 0, if option.is_some() { 0 } else { protocol::UDP }, 64];
        let extension = option.map_or(vec![], |option| vec![protocol::UDP, 0, option, 4, 0, 0, 0, 0]);
        [&head[..], &[0; 32], &extension, &vec![7; len]].concat()
    };
    let mut seeds = Vec::new();
    for (cause, index) in CAUSES.into_iter().zip(0_u8..) {
        let name = format!("{cause:?}").to_lowercase();
        // An option that does not fit, and one that does: Router Alert.
        let packets = [
            ("plain", 0, ipv4(&[], 30)),
            ("alert", 0, ipv4(&[148, 4, 0, 0], 60)),
            ("odd", 0, ipv4(&[1, 1, 7, 99], 12)),
            ("kept", keep::TOTAL_LENGTH | keep::CHECKSUM, ipv4(&[], 30)),
            ("plain_v6", keep::IPV6, ipv6(None, 30)),
            ("alert_v6", keep::IPV6, ipv6(Some(5), 60)),
            ("odd_v6", keep::IPV6, ipv6(Some(0xbe), 12)),
            ("group_v6", keep::IPV6 | keep::GROUP, ipv6(Some(0x9e), 12)),
        ];
        for (what, keep, packet) in packets {
            let bytes = [&[index, keep][..], &packet].concat();
            seeds.push(Seed { target: "quote", name: format!("{name}_{what}"), bytes });
        }
    }
    seeds
}

/// Frame prompts about frames that take different ways through the reader.
fn prompt(generator: &Generator) -> Vec<Seed> {
    let reasons = [
        Anomaly::ArpOperation,
        Anomaly::VlanPriorityTag,
        Anomaly::Ipv4OptionTransit,
        Anomaly::TcpOptionMalformed,
        Anomaly::UdpLength,
        Anomaly::IcmpErrorQuote,
        Anomaly::Ipv6ExtensionOrder,
        Anomaly::EchoRequest,
    ];
    let made = reasons.into_iter().filter_map(|reason| Some((reason, generator.of(reason, 1)?)));
    made.map(|(reason, made)| Seed {
        target: "prompt",
        name: reason.name().into(),
        bytes: super::prompt::input(reason, 0b01, &made.bytes),
    })
    .collect()
}

/// A good answer of each kind that the slow path asks for, and a bad one.
fn decode() -> Vec<Seed> {
    let triage = r#"{"nonce":"0badcafe","reason":"snap_ipv4","action":"decapsulate"}"#;
    let ping = r#"{"nonce":"0badcafe","reason":"echo_request","action":"echo_reply","ttl":64,"ip_checksum":1,"icmp_type":0,"icmp_checksum":65535}"#;
    let advised = r#"{"nonce":"00000001","action":"drop","scope":"class","lifetime":"long"}"#;
    let texts =
        [("triage", triage), ("ping", ping), ("exam_triage", advised), ("fenced", "```json\n{}\n```")];
    texts.map(|(name, text)| Seed { target: "decode", name: name.into(), bytes: text.into() }).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::opinion::NOT_IN_ONE_FRAME;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_every_anomaly_is_there() {
        let seeds = all();
        let names: BTreeSet<_> = seeds.iter().map(|seed| (seed.target, &seed.name)).collect();
        assert_eq!(names.len(), seeds.len());
        for anomaly in Anomaly::ALL.iter().filter(|anomaly| !NOT_IN_ONE_FRAME.contains(anomaly)) {
            assert!(names.contains(&("classify", &anomaly.name().to_owned())), "{anomaly}");
        }
    }
}
