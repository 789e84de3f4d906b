//! Scenarios: redirects, where the operator wants them.
//!
//! Read first: RFC 1812 §4.3.3.2, §5.2.7.2; RFC 792; RFC 4861 §4.5, §4.6.3, §8.2.

use pktgen::World;
use pktgen::build::{self, Ipv4, Ipv6, nd_option, nd_option_type, protocol};
use pktgen::world::{Host, link_local};
use smoltcp::time::Duration;
use smoltcp::wire::{Ipv4Cidr, Ipv6Cidr};
use stack::{Origin, PortId, Rate, Target, Verdict};
use std::net::{Ipv4Addr, Ipv6Addr};
use tests::frames::{self, CLIENT, ROUTER_0, SERVER};
use tests::storage::SIZES;
use tests::{Sim, frames_v6};

const BACK: Verdict = Verdict::Forward { port: PortId(0) };
/// A second router on the client's link.
const GATEWAY: Host = Host {
    mac: [2, 0, 0, 0, 1, 9],
    address: Ipv4Addr::new(10, 0, 1, 9),
    ipv6: Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 9),
};
/// Behind it.
const FAR: Ipv4Addr = Ipv4Addr::new(172, 16, 5, 9);
const FAR_V6: Ipv6Addr = Ipv6Addr::new(0x2600, 1, 0, 0, 0, 0, 0, 9);

fn lab_with(change: impl FnOnce(&mut stack::Config)) -> Sim {
    let mut world = World::lab();
    world.ports[0].hosts.push(GATEWAY);
    let mut sim = Sim::new(world, change, SIZES);
    sim.route(Ipv4Cidr::new([172, 16, 0, 0].into(), 12), Some(GATEWAY.address.octets()), 0);
    sim.route_v6(Ipv6Cidr::new(frames_v6::ip("2600::"), 12), Target::Via(link_local(GATEWAY.mac)), 0);
    greet(&mut sim);
    sim
}

/// All hosts are heard of, and the gateway's link-local address, too.
fn greet(sim: &mut Sim) {
    let asks = frames_v6::asks((link_local(GATEWAY.mac), GATEWAY.mac), ROUTER_0.ipv6);
    assert_eq!(sim.send(0, &asks), Verdict::Consume);
    sim.prime();
}

fn lab() -> Sim {
    lab_with(|config| config.redirects = true)
}

/// The frame goes on to the gateway all the same; what else is sent.
fn besides(sim: &mut Sim, frame: &[u8], to: &Host) -> Vec<Vec<u8>> {
    assert_eq!(sim.send(0, frame), BACK);
    let mut sent = sim.transmitted();
    let on = sent.remove(0);
    let right = pktgen::oracle::forward(frame, ROUTER_0.mac, to.mac).expect("a healthy frame");
    assert_eq!((on.port, on.bytes), (PortId(0), right));
    assert!(sent.iter().all(|sent| (sent.port, sent.origin) == (PortId(0), Origin::Originated)));
    sent.into_iter().map(|sent| sent.bytes).collect()
}

fn packet(to: Ipv4Addr, data: usize) -> Vec<u8> {
    frames::udp(&Ipv4 { service: 0x28, ..frames::to(to) }, 9, &build::pattern(data))
}

fn packet_v6(to: Ipv6Addr, data: usize) -> Vec<u8> {
    frames_v6::udp(&frames_v6::to(to), 9, &build::pattern(data))
}

/// RFC 4861 §4.5: to the packet's source, from our link-local address, with hop limit 255, the target's link-layer
/// address, and as much of the packet as fits 1280 bytes in words of 8.
fn redirect_v6(target: Ipv6Addr, to: Ipv6Addr, mac: build::Mac, packet: &[u8]) -> Vec<u8> {
    let source = link_local(ROUTER_0.mac);
    let quote = &packet[..packet.len().min(1280 - 40 - 40 - 8 - 8) / 8 * 8];
    let mut body = [target.octets(), to.octets()].concat();
    body.extend(nd_option(nd_option_type::TARGET_LINK, &mac));
    // RFC 4861 §4.6.3: type 4, length in words of 8, 6 reserved bytes.
    body.extend([4, (quote.len() / 8 + 1) as u8, 0, 0, 0, 0, 0, 0]);
    body.extend(quote);
    let message = build::icmpv6(source, CLIENT.ipv6, 137, 0, [0; 4], &body);
    let header = Ipv6 { hop_limit: 255, protocol: protocol::ICMPV6, ..Ipv6::new(source, CLIENT.ipv6) };
    frames_v6::link(ROUTER_0.mac, CLIENT.mac, &header.packet(&message))
}

#[test]
fn a_host_is_told_of_the_better_way() {
    let mut sim = lab();
    for data in [0, 1, 40, 600, 1400] {
        let packet = packet(FAR, data);
        let frame = build::pad(frames::from_client(&packet));
        // RFC 1812 §5.2.7.2: for the host, code 1, whatever the network.
        let right = frames::icmp_error(0, 5, 1, GATEWAY.address.octets(), &packet);
        assert_eq!(besides(&mut sim, &frame, &GATEWAY), std::slice::from_ref(&right));
        sim.expect(|d| {
            d.forwards(frame.len(), 14 + packet.len()).reports(right.len());
        });
        let packet = packet_v6(FAR_V6, data);
        let frame = build::pad(frames_v6::from_client(&packet));
        let right = redirect_v6(link_local(GATEWAY.mac), FAR_V6, GATEWAY.mac, &packet);
        assert!(right.len() <= 14 + 1280);
        assert_eq!(besides(&mut sim, &frame, &GATEWAY), std::slice::from_ref(&right));
        sim.expect(|d| {
            d.forwards(frame.len(), 14 + packet.len()).reports(right.len());
        });
    }
}

/// RFC 4861 §8.2: the target is then the destination itself; in IPv4 the gateway is.
#[test]
fn a_host_is_told_that_its_peer_is_on_the_link() {
    let mut sim = lab();
    let packet = packet(GATEWAY.address, 20);
    let told = besides(&mut sim, &frames::from_client(&packet), &GATEWAY);
    assert_eq!(told, [frames::icmp_error(0, 5, 1, GATEWAY.address.octets(), &packet)]);
    let packet = packet_v6(GATEWAY.ipv6, 20);
    let told = besides(&mut sim, &frames_v6::from_client(&packet), &GATEWAY);
    assert_eq!(told, [redirect_v6(GATEWAY.ipv6, GATEWAY.ipv6, GATEWAY.mac, &packet)]);
}

#[test]
fn nobody_is_told_unless_the_operator_says_so() {
    let mut sim = lab_with(|_| ());
    for frame in [frames::from_client(&packet(FAR, 9)), frames_v6::from_client(&packet_v6(FAR_V6, 9))] {
        assert_eq!(besides(&mut sim, &frame, &GATEWAY), Vec::<Vec<u8>>::new());
        sim.expect(|d| {
            d.forwards(frame.len(), frame.len());
        });
    }
}

/// Who is not on the link cannot send to the gateway: RFC 1812 §5.2.7.2, RFC 4861 §8.2 (a source that is a neighbor).
#[test]
fn a_source_beyond_the_link_is_not_told() {
    let mut sim = lab();
    let header = Ipv4::new(Ipv4Addr::new(10, 7, 0, 1), FAR);
    let header_v6 = Ipv6::new(frames_v6::ip("fd00:7::1"), FAR_V6);
    let packets = [
        frames::link(GATEWAY.mac, ROUTER_0.mac, &frames::udp(&header, 9, b"far")),
        frames_v6::link(GATEWAY.mac, ROUTER_0.mac, &frames_v6::udp(&header_v6, 9, b"far")),
    ];
    for frame in packets {
        assert_eq!(besides(&mut sim, &frame, &GATEWAY), Vec::<Vec<u8>>::new());
        sim.expect(|d| {
            d.forwards(frame.len(), frame.len());
        });
    }
    // Nor is anybody told whose packet leaves by another port.
    let frame = frames::from_client(&packet(SERVER.address, 9));
    assert_eq!(sim.send(0, &frame), Verdict::Forward { port: PortId(1) });
    sim.expect(|d| {
        d.forwards(frame.len(), frame.len());
    });
}

/// RFC 1812 §5.2.7.2: the source and the next hop must be of the same network, not only on the same wire.
#[test]
fn a_source_on_another_network_of_the_same_wire_is_not_told() {
    let mut sim = lab_with(|config| {
        config.redirects = true;
        config.ports[0].addresses.push(Ipv4Cidr::new([10, 0, 9, 1].into(), 24)).expect("room for an address");
    });
    let stranger = Host { address: Ipv4Addr::new(10, 0, 9, 2), ..CLIENT };
    let frame = frames::from_client(&frames::udp(&Ipv4::new(stranger.address, FAR), 9, b"x"));
    assert_eq!(besides(&mut sim, &frame, &GATEWAY), Vec::<Vec<u8>>::new());
    sim.expect(|d| {
        d.forwards(frame.len(), frame.len());
    });
}

/// RFC 4861 §8.2: a better first-hop router is named by its link-local address, or not at all.
#[test]
fn a_router_known_by_its_global_address_is_not_named() {
    let mut sim = lab();
    sim.route_v6(Ipv6Cidr::new(frames_v6::ip("2600::"), 12), Target::Via(GATEWAY.ipv6), 0);
    let frame = frames_v6::from_client(&packet_v6(FAR_V6, 9));
    assert_eq!(besides(&mut sim, &frame, &GATEWAY), Vec::<Vec<u8>>::new());
    sim.expect(|d| {
        d.forwards(frame.len(), frame.len());
    });
}

/// RFC 1812 §4.3.2.7 and RFC 4443 §2.4(e) hold for redirects, too.
#[test]
fn errors_and_later_fragments_lead_to_none() {
    let mut sim = lab();
    let quoted = frames::udp(&Ipv4::new(FAR, CLIENT.address), 9, b"quoted");
    let error = frames::icmp(&frames::to(FAR), 3, 3, [0; 4], &quoted);
    let later = Ipv4 { offset: 10, protocol: protocol::UDP, ..frames::to(FAR) }.packet(&[7; 64]);
    let quoted = frames_v6::udp(&Ipv6::new(FAR_V6, CLIENT.ipv6), 9, b"quoted");
    let error_v6 = frames_v6::icmp(&frames_v6::to(FAR_V6), 1, 4, [0; 4], &quoted);
    let all = [frames::from_client(&error), frames::from_client(&later), frames_v6::from_client(&error_v6)];
    for frame in all {
        assert_eq!(besides(&mut sim, &frame, &GATEWAY), Vec::<Vec<u8>>::new());
        sim.expect(|d| {
            d.forwards(frame.len(), frame.len()).icmp_errors_forbidden += 1;
        });
    }
}

/// RFC 4861 §8.2: redirects are limited as errors are (RFC 1812 §4.3.2.8); packets are not.
#[test]
fn redirects_are_limited_and_packets_are_not() {
    let mut sim = lab_with(|config| {
        config.redirects = true;
        config.limits.icmp_error_rate = Rate { per_second: 2, burst: 3 };
    });
    let frames = [frames::from_client(&packet(FAR, 9)), frames_v6::from_client(&packet_v6(FAR_V6, 9))];
    for (seconds, granted) in [(0, 3), (1, 2), (60, 3)] {
        sim.advance(Duration::from_secs(seconds));
        greet(&mut sim);
        let before = sim.router.snapshot();
        let told: usize = (0..8).map(|n| besides(&mut sim, &frames[n % 2], &GATEWAY).len()).sum();
        assert_eq!(told, granted, "after {seconds} s");
        let limited = sim.router.stats().icmp_errors_limited - before.icmp_errors_limited;
        assert_eq!(limited as usize, 8 - granted);
    }
}
