//! What a model is shown of a frame: no address and no payload byte of any frame that the router diverts, whatever
//! carries it. The prompts are those that leave for a model server.
//!
//! Read first: RFC 826, RFC 791 §3.1, RFC 8200 §3, RFC 4861 §4 (where the addresses are).

use llm_slowpath::prompt::{Detail, PromptOptions, text, tokens_at_most};
use pktgen::{Generator, World};
use smoltcp::time::Duration;
use stack::{Anomaly, Mode};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use tests::Sim;

/// Some bytes in the ways in which one might write them: bare, in words, with colons, as numbers.
fn spelt(bytes: &[u8]) -> Vec<String> {
    let hex = |digits: &[u8]| digits.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let joined = |by: &str, len: usize| bytes.chunks(len).map(hex).collect::<Vec<_>>().join(by);
    let mut ways =
        vec![joined("", 1), joined(" ", 2), joined(" ", 1), joined(":", 1), joined("-", 1), joined(":", 2)];
    ways.push(bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(","));
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        ways.push(Ipv4Addr::from(octets).to_string());
    }
    if let Ok(octets) = <[u8; 16]>::try_from(bytes) {
        ways.push(Ipv6Addr::from(octets).to_string());
    }
    ways
}

/// Whatever in the frame tells who speaks to whom, or what they say: every MAC, IPv4 and IPv6 address, the target
/// of ARP and Neighbour Discovery, the end of the payload.
fn secrets(frame: &[u8]) -> Vec<Vec<u8>> {
    let mut places = vec![(0, 6), (6, 6)];
    let tag = if matches!(frame.get(12..14), Some([0x81, 0] | [0x88, 0xa8])) { 4 } else { 0 };
    match frame.get(12 + tag..14 + tag) {
        Some([0x08, 0x00]) => places.extend([(26 + tag, 4), (30 + tag, 4)]),
        Some([0x08, 0x06]) => places.extend([(22, 6), (28, 4), (32, 6), (38, 4)]),
        Some([0x86, 0xdd]) => places.extend([(22 + tag, 16), (38 + tag, 16), (62 + tag, 16), (80, 6)]),
        Some([0..=5, _]) => places.extend([(34, 4), (38, 4)]),
        _ => {}
    }
    if frame.len() >= 90 {
        places.push((frame.len() - 16, 16));
    }
    let read = places.into_iter().filter_map(|(at, len)| Some(frame.get(at..at + len)?.to_vec()));
    // Padding and addresses of zeros say nothing, and zeros are everywhere.
    read.filter(|bytes| bytes.iter().filter(|&&byte| byte != 0).count() > 1).collect()
}

/// An address that is the same in every network: the IPv4 broadcast, a group of every link.
fn is_known_to_all(address: &[u8]) -> bool {
    matches!(
        address,
        [255, 255, 255, 255] | [224, 0, 0, _] | [0xff, _, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, _]
    )
}

#[test]
fn no_address_and_no_payload_of_any_frame_reaches_a_model_server() {
    let seed = 90;
    println!("seed {seed}");
    let mut sim = Sim::lab_with(|config| {
        config.set_mode(Anomaly::EchoRequest, Mode::Enforce).expect("an experiment may hold");
        config.limits.observe_one_in = 1;
        config.limits.divert_rate = stack::Rate { per_second: 2_000, burst: 2_000 };
    });
    let generator = Generator::new(World::lab(), seed);
    let odd = Anomaly::ALL.iter().flat_map(|&anomaly| (0..60).map(move |index| (anomaly, index)));
    let odd = odd.filter_map(|(anomaly, index)| generator.of(anomaly, index));
    let mutants = (0..20_000).map(|index| generator.mutant(index));
    let mut shown: BTreeMap<Anomaly, u64> = BTreeMap::new();
    for made in odd.chain(mutants) {
        let _ = sim.send(made.port, &made.bytes);
        for divert in sim.diverts() {
            let reason = divert.about.reason();
            *shown.entry(reason).or_insert(0) += 1;
            for detail in [Detail::Class, Detail::Frame] {
                let options = PromptOptions { detail, ..PromptOptions::default() };
                let prompt =
                    text::frame_part(&divert.about, &divert.bytes, &options).expect("what its reason says");
                assert!(tokens_at_most(&prompt) <= text::MAX_TOKENS, "{prompt}");
                let hidden = secrets(&divert.bytes).into_iter();
                for secret in hidden.filter(|bytes| detail == Detail::Class || !is_known_to_all(bytes)) {
                    for way in spelt(&secret) {
                        assert!(
                            !prompt.contains(&way),
                            "{reason}: {way} is in\n{prompt}\n{:02x?}",
                            divert.bytes
                        );
                    }
                }
            }
            sim.abandon(&divert);
        }
        sim.transmitted();
        sim.advance(Duration::from_micros(600));
    }
    println!("{} prompts about {} reasons", shown.values().sum::<u64>(), shown.len());
    // All but the reverse path, which no port checks here, and the overlaps, which take two frames.
    assert!(shown.len() >= Anomaly::COUNT - 3 && shown[&Anomaly::EchoRequest] > 100);
}

/// The judge above sees an address in headers that are shown as they are, in any of the ways.
#[test]
fn an_address_that_is_shown_would_be_found() {
    let words =
        |bytes: &[u8]| bytes.chunks(2).map(|pair| format!("{:02x}{:02x}", pair[0], pair[1])).collect();
    let found = |frame: &[u8], text: &str| {
        secrets(frame).iter().filter(|secret| spelt(secret).iter().any(|way| text.contains(way))).count()
    };
    let generator = Generator::new(World::lab(), 91);
    let (mut ipv4, mut ipv6) = (0, 0);
    for made in (0..200).map(|index| generator.healthy(index)) {
        let (header, families) = match made.bytes[12..14] {
            [8, 0] => (14..34, &mut ipv4),
            [0x86, 0xdd] => (14..54, &mut ipv6),
            _ => continue,
        };
        let shown: Vec<String> = words(&made.bytes[header]);
        assert!(found(&made.bytes, &shown.join(" ")) >= 2, "{:02x?}", made.bytes);
        *families += 1;
    }
    assert!(ipv4 > 20 && ipv6 > 20);
    for (bytes, way) in [
        (&[10, 0, 1, 2][..], "10.0.1.2"),
        (&[0xfd, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2], "fd00:1::2"),
        (&[2, 0, 0, 0, 1, 2], "02:00:00:00:01:02"),
    ] {
        assert!(spelt(bytes).contains(&way.to_owned()), "{way}");
    }
}
