//! What no rule does, whatever answers or operators say: block a gateway, the router itself, its neighbours or its status page.

use crate::matching::{CONTROL, reasons};
use pktgen::build::{Ipv4, Tcp, ethernet, ethertype, flags, protocol, tag};
use pktgen::{Generator, World, oracle};
use smoltcp::time::Duration;
use smoltcp::wire::{Ipv4Cidr, Ipv6Cidr};
use stack::answer::Scope;
use stack::rules::{RuleAction, RuleRefusal};
use stack::{Action, Anomaly, PortId, Target, Verdict};
use std::collections::BTreeSet;
use tests::frames::{self, CLIENT, ROUTER_0, SERVER, from_client};
use tests::rules::{Probe, SHADOW, advised, generous, holding, operators, tagged, tagged_from};
use tests::storage::{SIZES, Sizes};
use tests::{Sim, frames_v6};

const SEED: u64 = 6_004;
const TAG: Anomaly = Anomaly::VlanPriorityTag;
const FORWARDED: Verdict = Verdict::Forward { port: PortId(1) };
const SCOPES: [Scope; 3] = [Scope::Class, Scope::Source, Scope::Flow];

fn tagged_v6(host: u16) -> Vec<u8> {
    let source = std::net::Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, host);
    let header = pktgen::build::Ipv6 { source, ..frames_v6::transit() };
    tag(&frames_v6::from_client(&frames_v6::udp(&header, 9, b"data")), ethertype::VLAN, 0)
}

/// A router whose routes lead by the client: it is a gateway, by both families.
fn behind_the_client() -> Sim {
    let mut sim = Sim::lab_with(generous);
    sim.route(Ipv4Cidr::new([172, 16, 0, 0].into(), 12), Some(CLIENT.address.octets()), 0);
    sim.route_v6(Ipv6Cidr::new(frames_v6::ip("2600::"), 12), Target::Via(CLIENT.ipv6), 0);
    sim
}

fn abandon_all(sim: &mut Sim) {
    for divert in sim.diverts() {
        sim.abandon(&divert);
    }
}

#[test]
fn an_answer_that_blocks_the_gateway_blocks_nobody() {
    let foreign = |host: u8| ethernet(ROUTER_0.mac, [2, 0, 0, 0, 1, host], 0x88b5, &[host; 46]);
    type Of<'a> = &'a dyn Fn(u8, u8) -> Vec<u8>;
    let frames: [(Of<'_>, Anomaly); 3] = [
        (&|host, number| tagged(host, number), TAG),
        (&|host, number| [tagged_v6(host.into()), vec![number]].concat(), TAG),
        (&|host, number| [foreign(host), vec![number]].concat(), Anomaly::EthertypeUnknown),
    ];
    for (of, reason) in frames {
        for scope in SCOPES {
            // The gateway is host 2; what is said is said of its own frames.
            let mut sim = behind_the_client();
            for number in 0..9 {
                sim.ask(&of(2, number), Action::Drop, scope).unwrap();
            }
            sim.advance(SHADOW);
            let expected = if scope == Scope::Class { 1 } else { 0 };
            assert_eq!(sim.router.rule_occupancy().0, expected, "{scope} {reason}");
            if expected == 0 {
                assert!(sim.router.stats().rules.refused[RuleRefusal::ProtectedSource as usize] > 0);
            }
            for number in 10..20 {
                assert_eq!(sim.send(0, &of(2, number)), Verdict::Divert(reason), "{scope}");
            }
            abandon_all(&mut sim);
            // Another host of the same class is not spared.
            let others = sim.send(0, &of(3, 0));
            let dropped = Verdict::Drop(stack::DropReason::Anomaly(reason));
            assert_eq!(others, if expected == 1 { dropped } else { Verdict::Divert(reason) });
        }
    }
}

/// Said of another host, it would be wide enough for the gateway: and still is not about it.
#[test]
fn the_operators_rule_about_a_class_is_not_about_its_gateway() {
    let mut probe = Probe::new(generous);
    let mut sim = behind_the_client();
    let rule = operators(probe.matches(Scope::Class, 0, &tagged(3, 0)), RuleAction::Drop);
    sim.router.install_rule(sim.now(), rule).unwrap();
    assert_eq!(sim.send(0, &tagged(2, 0)), Verdict::Divert(TAG));
    assert_eq!(sim.send(0, &tagged(3, 0)), Verdict::Drop(stack::DropReason::Anomaly(TAG)));
    // A host that is no gateway any more is like any other.
    assert!(sim.router.remove_route(Ipv4Cidr::new([172, 16, 0, 0].into(), 12)));
    assert_eq!(sim.send(0, &tagged(2, 1)), Verdict::Drop(stack::DropReason::Anomaly(TAG)));
}

#[test]
fn nothing_is_learnt_about_who_says_to_be_the_router() {
    let from_us = Ipv4::new(ROUTER_0.address, SERVER.address);
    for scope in [Scope::Source, Scope::Flow] {
        let mut sim = Sim::lab_with(generous);
        for number in 0..9 {
            sim.ask(&from_client(&frames::udp(&from_us, 9, &[number; 4])), Action::Drop, scope).unwrap();
            sim.ask(&tagged_from(ROUTER_0.address, number), Action::Drop, scope).unwrap();
        }
        let rules = &sim.router.stats().rules;
        assert_eq!((sim.rule_states(), rules.refused[RuleRefusal::ProtectedSource as usize]), ((0, 0), 14));
    }
}

/// However often and however widely a model would drop them, what hosts say of who they are is looked at by itself.
#[test]
fn no_rule_is_about_arp_neighbour_discovery_or_redirects() {
    let generator = Generator::new(World::lab(), SEED);
    for reason in CONTROL {
        let mut sim = Sim::lab_with(holding);
        let mut probe = Probe::new(holding);
        let mut asked = 0;
        for index in 0..60 {
            let made = generator.of(reason, index).unwrap();
            if sim.send(made.port, &made.bytes) != Verdict::Divert(reason) {
                continue;
            }
            let divert = sim.diverts().pop().unwrap();
            sim.answer(&advised(&divert, Action::Drop, SCOPES[index as usize % 3])).unwrap();
            asked += 1;
            for scope in SCOPES {
                let spec = operators(probe.matches(scope, made.port, &made.bytes), RuleAction::Drop);
                let refused = sim.router.install_rule(sim.now(), spec);
                assert_eq!(refused, Err(RuleRefusal::ReasonWithoutRules));
            }
            sim.advance(Duration::from_millis(1));
        }
        let rules = sim.router.stats().rules;
        assert!(asked > 10, "{reason}: {asked}");
        assert_eq!((rules.proposed, rules.installed, sim.router.rule_occupancy().0), (0, 0, 0), "{reason}");
    }
}

/// A router with a rule to drop each class, source and flow that a generator comes up with.
fn hostile() -> Sim {
    let mut sim = Sim::cold(
        |config| {
            holding(config);
            config.rules.masks = usize::MAX;
        },
        Sizes { rules: 4_096, ..SIZES },
    );
    sim.prime();
    let generator = Generator::new(World::lab(), SEED);
    let mut probe = Probe::new(holding);
    let mut installed = BTreeSet::new();
    for reason in reasons() {
        for made in (0..12).filter_map(|index| generator.of(reason, index)) {
            let Some(class) = probe.class(made.port, &made.bytes) else { continue };
            for scope in SCOPES {
                let matches = stack::rules::Match {
                    class: class.clone(),
                    subject: tests::rules::subject(scope, &made.bytes),
                };
                let rule = stack::RuleSpec { pinned: true, ..operators(matches, RuleAction::Drop) };
                if sim.router.install_rule(sim.now(), rule).is_ok() {
                    installed.insert(class.reason);
                }
            }
        }
    }
    println!("{:?} rules about {} reasons", sim.router.rule_occupancy(), installed.len());
    assert!(sim.router.rule_occupancy().0 > 400 && installed.len() > 60);
    sim
}

#[test]
fn whatever_rules_say_the_neighbours_are_heard_and_the_status_page_is_served() {
    let mut sim = hostile();
    // ARP and Neighbour Discovery: a new host greets, and is sent to.
    let guest = pktgen::world::Host {
        mac: [2, 0, 0, 0, 1, 77],
        address: [10, 0, 1, 77].into(),
        ipv6: frames_v6::ip("fd00:1::77"),
    };
    assert_eq!(sim.send(0, &frames::arp_request(&guest, ROUTER_0.address)), Verdict::Consume);
    assert_eq!(sim.send(0, &frames_v6::asks((guest.ipv6, guest.mac), ROUTER_0.ipv6)), Verdict::Consume);
    let sent = sim.transmitted();
    let is_answer = |sent: &&tests::Sent| {
        // ARP reply, Neighbour Advertisement.
        sent.bytes[..6] == guest.mac && (sent.bytes[21] == 2 || sent.bytes[54] == 136)
    };
    assert_eq!(sent.iter().filter(is_answer).count(), 2, "{sent:02x?}");
    let to_guest = frames::from_server(&frames::udp(&Ipv4::new(SERVER.address, guest.address), 9, b"data"));
    assert_eq!(sim.send(1, &to_guest), Verdict::Forward { port: PortId(0) });
    sim.transmitted();
    // A whole connection to the status page, from a port that is given to clients.
    let mut say = |sequence: u32, acknowledgment: u32, flags: u8, text: &[u8]| {
        let tcp = Tcp { sequence, acknowledgment, flags, ..Tcp::new(51_515, 80) };
        let header = Ipv4 { protocol: protocol::TCP, ..frames::to(ROUTER_0.address) };
        let packet = header.packet(&tcp.segment(CLIENT.address, ROUTER_0.address, text));
        assert_eq!(sim.send(0, &from_client(&packet)), Verdict::Deliver);
        sim.advance(Duration::from_millis(20));
        sim.transmitted()
    };
    let answer = say(1_000, 0, flags::SYN, b"");
    let number: [u8; 4] = answer[0].bytes[38..42].try_into().unwrap();
    assert_eq!(answer[0].bytes[47], flags::SYN | flags::ACK);
    let next = u32::from_be_bytes(number).wrapping_add(1);
    say(1_001, next, flags::ACK, b"");
    let page = say(1_001, next, flags::ACK, b"GET / HTTP/1.0\r\n\r\n");
    let text: Vec<u8> = page.iter().flat_map(|sent| sent.bytes[54..].to_vec()).collect();
    assert!(String::from_utf8_lossy(&text).starts_with("HTTP/1.0 200"), "{}", String::from_utf8_lossy(&text));
    // And healthy traffic passes as the oracle says.
    let healthy = from_client(&frames::udp(&frames::transit(), 9, b"data"));
    assert_eq!(sim.send(0, &healthy), FORWARDED);
    let right = oracle::forward(&healthy, frames::ROUTER_1.mac, SERVER.mac).unwrap();
    assert_eq!(sim.transmitted().pop().unwrap().bytes, right);
}

/// A client opens its next connection from another port: a rule about its flow is about that one, too, and about no other
/// service of the same host.
#[test]
fn a_rule_about_a_flow_outlives_the_clients_port() {
    let of = |from: u16, to: u16, kind: u8| {
        let transport = if kind == protocol::TCP {
            Tcp::new(from, to).segment(CLIENT.address, SERVER.address, b"data")
        } else {
            pktgen::build::udp(CLIENT.address, SERVER.address, from, to, b"data")
        };
        let packet = Ipv4 { protocol: kind, ..frames::transit() }.packet(&transport);
        tag(&from_client(&packet), ethertype::VLAN, 0)
    };
    for kind in [protocol::TCP, protocol::UDP] {
        let mut sim = Sim::lab_with(generous);
        for from in [50_000, 50_001, 50_002] {
            sim.ask(&of(from, 443, kind), Action::StripTag, Scope::Flow).unwrap();
        }
        sim.advance(SHADOW);
        for from in [50_003, 32_768, 65_535] {
            assert_eq!(sim.send(0, &of(from, 443, kind)), FORWARDED);
        }
        for (from, to) in [(50_000, 444), (32_767, 443), (443, 50_000), (1, 443)] {
            assert_eq!(sim.send(0, &of(from, to, kind)), Verdict::Divert(TAG), "{from} {to}");
        }
        assert_eq!(sim.rule_states(), (0, 1), "one rule for all of them");
        let other = if kind == protocol::TCP { protocol::UDP } else { protocol::TCP };
        assert_eq!(sim.send(0, &of(50_000, 443, other)), Verdict::Divert(TAG));
    }
}
