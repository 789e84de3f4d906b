//! Three ways in which a switch that caches its slow path's decisions went wrong, and why none of them is open here.

use pktgen::build::{Ipv4, Ipv6, ethertype, pad, protocol, snap, tag};
use pktgen::dice::{Draw, rng_for};
use pktgen::{Generator, World};
use smoltcp::time::Duration;
use stack::answer::{Advice, Lifetime, Scope};
use stack::rules::RuleRefusal;
use stack::{Action, Anomaly, Answer, PortId, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use tests::frames::{self, CLIENT, ROUTER_0, from_client, transit};
use tests::rules::{SHADOW, generous, holding};
use tests::storage::{SIZES, Sizes};
use tests::{Sim, frames_v6};

const TAG: Anomaly = Anomaly::VlanPriorityTag;
const FORWARDED: Verdict = Verdict::Forward { port: PortId(1) };

/// A router with an active rule about this frame's flow.
fn with_flow_of(frame: &[u8], action: Action<'_>) -> Sim {
    let mut sim = Sim::lab_with(|config| {
        generous(config);
        config.rules.concordance = 1;
    });
    sim.ask(frame, action, Scope::Flow).unwrap();
    sim.advance(SHADOW);
    sim.transmitted();
    assert_eq!(sim.send(0, frame), FORWARDED);
    assert_eq!(sim.rule_states(), (0, 1));
    sim
}

/// A frame in a priority tag whose packet says this protocol, and carries zeroes: no L4 port tells it from another.
fn ipv4(protocol: u8) -> Vec<u8> {
    let packet = Ipv4 { protocol, ..transit() }.packet(&[0; 24]);
    tag(&from_client(&packet), ethertype::VLAN, 0)
}

/// Behind a next header of 0 there are Hop-by-Hop Options: padding.
fn ipv6(next_header: u8) -> Vec<u8> {
    let zeroes = if next_header == 0 { [59, 0, 1, 4, 0, 0, 0, 0] } else { [0; 8] };
    let packet = Ipv6 { protocol: next_header, ..frames_v6::transit() }.packet(&zeroes);
    tag(&frames_v6::from_client(&packet), ethertype::VLAN, 0)
}

/// CVE-2023-1668: for a packet of IP protocol 0 Open vSwitch installed a cached flow that had the protocol wildcarded, and
/// without the action that modifies the IP header; packets of any other protocol between the same ends then had that flow.
#[test]
fn protocol_0_is_a_value_and_no_wildcard() {
    type Of = fn(u8) -> Vec<u8>;
    for (of, some) in [(ipv4 as Of, protocol::UDP), (ipv6, protocol::UDP)] {
        for asked in [0, some] {
            let mut sim = with_flow_of(&of(asked), Action::StripTag);
            for other in (0..=255).filter(|&other| other != asked) {
                assert_eq!(sim.send(0, &of(other)), Verdict::Divert(TAG), "{asked} {other}");
                for divert in sim.diverts() {
                    sim.abandon(&divert);
                }
                assert_eq!(sim.send(0, &of(asked)), FORWARDED);
            }
        }
        // Nor is one family's 0 the other's.
        let mut sim = with_flow_of(&ipv4(0), Action::StripTag);
        assert_eq!(sim.send(0, &ipv6(0)), Verdict::Divert(TAG));
    }
}

/// CVE-2020-35498: to a packet with more padding than it thought possible Open vSwitch's parser gave no L3 and L4 fields, so
/// the cached flow matched none of them, and with them far more packets than the decision had been about.
#[test]
fn padding_makes_no_other_match_and_is_nobodys_port() {
    let udp = frames::udp(&transit(), 9, b"data");
    let v6 = frames_v6::udp(&frames_v6::transit(), 9, b"data");
    let plain =
        [tag(&from_client(&udp), ethertype::VLAN, 0), tag(&frames_v6::from_client(&v6), ethertype::VLAN, 0)];
    for frame in plain {
        let padded = |len: usize, byte: u8| [&frame[..], &vec![byte; len]].concat();
        let mut sim = with_flow_of(&frame, Action::StripTag);
        for len in [1, 4, 46, 255, 256, 300, 1_000] {
            for byte in [0, 0xff] {
                assert_eq!(sim.send(0, &padded(len, byte)), FORWARDED, "{len} bytes of padding");
                // And the other way round: the padded one is who was asked about.
                let mut other = with_flow_of(&padded(len, byte), Action::StripTag);
                assert_eq!(other.send(0, &frame), FORWARDED, "{len} bytes of padding");
            }
        }
        assert_eq!(sim.rule_states(), (0, 1));
    }
    // A datagram that ends before its ports, and padding that looks like some.
    type Packet = fn(&[u8]) -> Vec<u8>;
    let of_ipv4: Packet = |payload| from_client(&transit().packet(payload));
    let of_ipv6: Packet = |payload| frames_v6::from_client(&frames_v6::transit().packet(payload));
    for (packet, cut) in
        [of_ipv4, of_ipv6].into_iter().flat_map(|packet| (0..4).map(move |cut| (packet, cut)))
    {
        let ports = |to: u8| [15, 160, 0, to];
        let of = |to: u8| {
            let frame = [&packet(&ports(to)[..cut]), &ports(to)[cut..], &[0; 20]].concat();
            tag(&frame, ethertype::VLAN, 0)
        };
        // What of the ports lies within the packet is the same in both.
        let mut sim = with_flow_of(&of(9), Action::StripTag);
        assert_eq!(sim.send(0, &of(10)), FORWARDED, "{cut}");
        let whole = tag(&packet(&ports(9)), ethertype::VLAN, 0);
        assert_eq!(sim.send(0, &whole), Verdict::Divert(TAG), "{cut}");
    }
    // An envelope says where it ends, whatever the packet says of itself and whatever follows.
    let envelope = pad(snap(ROUTER_0.mac, CLIENT.mac, ethertype::IPV4, &udp));
    let mut sim = with_flow_of(&envelope, Action::Decapsulate);
    assert_eq!(sim.send(0, &[&envelope[..], &[9; 400]].concat()), FORWARDED);
}

/// CVE-2019-25076: by packets that differ in whatever may be matched, a sender made Open vSwitch cache flows under ever more
/// masks. A lookup tries one mask after the other, so all traffic became slow (tuple-space explosion).
#[test]
fn senders_make_no_more_masks_than_there_may_be() {
    const MASKS: usize = 6;
    let seed = 6_003;
    println!("seed {seed}");
    let change = |config: &mut stack::Config| {
        holding(config);
        config.rules.concordance = 1;
        config.rules.masks = MASKS;
        config.rules.shadow = Duration::from_secs(1);
    };
    let mut sim = Sim::cold(change, Sizes { rules: 64, ..SIZES });
    sim.prime();
    let generator = Generator::new(World::lab(), seed);
    let mut seen = BTreeSet::new();
    for index in 0..20_000 {
        let mut rng = rng_for(seed, 3, index);
        let made = generator.odd(index);
        let mut frame = made.bytes;
        // Another sender each time.
        if frame.len() >= 34 && frame[12..14] == [8, 0] && rng.one_in(2) {
            frame[29] = rng.byte();
            pktgen::build::seal_ipv4(&mut frame[14..]);
        } else if frame.len() >= 14 {
            frame[11] = rng.byte();
        }
        let _ = sim.send(made.port, &frame);
        for divert in sim.diverts() {
            let scope = *rng.pick(&[Scope::Class, Scope::Source, Scope::Flow]);
            let answer = Answer {
                advice: Some(Advice { scope, lifetime: Lifetime::Short }),
                ..divert.answer(Action::Drop)
            };
            let _ = sim.answer(&answer);
        }
        sim.transmitted();
        sim.advance(Duration::from_micros(500));
        if index.is_multiple_of(16) {
            let mut masks = BTreeMap::<Anomaly, BTreeSet<Scope>>::new();
            for rule in sim.router.rules() {
                let matches = &rule.spec.matches;
                masks.entry(matches.class.reason).or_default().insert(matches.subject.scope());
            }
            // A lookup is about one reason, and has one probe for each of its scopes.
            assert!(masks.values().map(BTreeSet::len).sum::<usize>() <= MASKS, "{masks:?}");
            assert!(sim.router.rule_occupancy().0 <= 64);
            seen.extend(masks.into_keys());
        }
    }
    let stats = &sim.router.stats().rules;
    let refused = stats.refused[RuleRefusal::MasksFull as usize];
    println!("{} reasons had rules, {} rules, {refused} without a mask", seen.len(), stats.installed);
    assert!(refused > 1_000 && stats.installed > 100 && seen.len() > 2);
    // None of it is about who sent what is healthy.
    let healthy = from_client(&frames::udp(&transit(), 9, b"data"));
    assert_eq!(sim.send(0, &healthy), FORWARDED);
}
