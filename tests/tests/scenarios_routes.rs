//! Scenarios: routes that lead on, routes that discard, routes that come and go, and the check of the reverse path.
//!
//! Read first: RFC 1812 §5.2.4, §5.2.7.1; RFC 4443 §3.1; RFC 3704 §2.

use pktgen::build::Ipv6;
use pktgen::world::link_local;
use pktgen::{build::Ipv4, oracle};
use smoltcp::wire::{Ipv4Address, Ipv4Cidr, Ipv6Cidr};
use stack::stats::Path;
use stack::{Anomaly, DropReason, PortId, ReversePath, Route, Target, Verdict};
use tests::frames::{self, CLIENT, ROUTER_0, ROUTER_1, SERVER};
use tests::{Sim, frames_v6};

const TO_SERVER: Verdict = Verdict::Forward { port: PortId(1) };
const TO_CLIENT: Verdict = Verdict::Forward { port: PortId(0) };

fn v4(address: [u8; 4], prefix_len: u8) -> Ipv4Cidr {
    Ipv4Cidr::new(address.into(), prefix_len)
}

fn v6(address: &str, prefix_len: u8) -> Ipv6Cidr {
    Ipv6Cidr::new(frames_v6::ip(address), prefix_len)
}

fn add(sim: &mut Sim, prefix: Ipv4Cidr, target: Target<Ipv4Address>, port: u8) {
    sim.router.add_route(Route { prefix, target, port: PortId(port) }).expect("room for a route");
}

fn packet(to: [u8; 4]) -> Vec<u8> {
    frames::udp(&frames::to(to.into()), 9, b"data")
}

fn packet_v6(to: &str) -> Vec<u8> {
    frames_v6::udp(&frames_v6::to(frames_v6::ip(to)), 9, b"data")
}

/// Each target that discards: its own reason in the books, its own error or none.
#[test]
fn routes_that_discard_say_why() {
    let mut sim = Sim::lab();
    let rows = [
        (Target::Unreachable, Target::Unreachable, DropReason::RouteUnreachable, Some(((3, 1), (1, 6)))),
        (Target::Prohibited, Target::Prohibited, DropReason::RouteProhibited, Some(((3, 13), (1, 1)))),
        (Target::Blackhole, Target::Blackhole, DropReason::RouteBlackhole, None),
    ];
    for (target, target_v6, reason, error) in rows {
        add(&mut sim, v4([172, 16, 0, 0], 12), target, 0);
        sim.route_v6(v6("2001:db8:5::", 48), target_v6, 0);
        let (packet, packet_v6) = (packet([172, 16, 9, 9]), packet_v6("2001:db8:5::9"));
        let told = error.map(|(old, new)| {
            let old = frames::icmp_error(0, old.0, old.1, [0; 4], &packet);
            (old, frames_v6::error(0, new.0, new.1, 0, &packet_v6))
        });
        let (old, new) = told.unzip();
        let sides = [(frames::from_client(&packet), old), (frames_v6::from_client(&packet_v6), new)];
        for (frame, right) in sides {
            assert_eq!(sim.send(0, &frame), Verdict::Drop(reason));
            let sent: Vec<_> = sim.transmitted().into_iter().map(|sent| sent.bytes).collect();
            assert_eq!(sent, right.iter().cloned().collect::<Vec<_>>());
            sim.expect(|d| {
                d.drops(reason, frame.len());
                if let Some(right) = right {
                    d.reports(right.len());
                }
            });
        }
    }
}

/// The longest prefix decides, whatever its target; withdrawn, the next longest does.
#[test]
fn the_longest_prefix_wins_and_withdrawal_falls_back() {
    let mut sim = Sim::lab();
    sim.route_v6(v6("::", 0), Target::Via(CLIENT.ipv6), 0);
    sim.route_v6(v6("2001:db8::", 32), Target::Via(SERVER.ipv6), 1);
    sim.route_v6(v6("2001:db8:5::", 48), Target::Blackhole, 0);
    sim.route_v6(v6("2001:db8:5::9", 128), Target::Via(SERVER.ipv6), 1);
    add(&mut sim, v4([172, 16, 0, 0], 12), Target::Blackhole, 0);
    add(&mut sim, v4([172, 16, 5, 9], 32), Target::Via(SERVER.address), 1);
    let blackhole = Verdict::Drop(DropReason::RouteBlackhole);
    let send = |sim: &mut Sim, to: &str| sim.send(0, &frames_v6::from_client(&packet_v6(to)));
    for (to, verdict) in [
        ("2001:db8:5::9", TO_SERVER),
        ("2001:db8:5::8", blackhole),
        ("2001:db8:6::1", TO_SERVER),
        ("2001:db9::1", TO_CLIENT),
    ] {
        assert_eq!(send(&mut sim, to), verdict, "{to}");
    }
    for (prefix, verdict) in [
        (v6("2001:db8:5::9", 128), blackhole),
        (v6("2001:db8:5::", 48), TO_SERVER),
        (v6("2001:db8::", 32), TO_CLIENT),
    ] {
        assert!(sim.router.remove_route(prefix));
        assert_eq!(send(&mut sim, "2001:db8:5::9"), verdict);
    }
    assert!(!sim.router.remove_route(v6("2001:db8::", 32)), "it is gone");
    assert!(sim.router.remove_route(v6("::", 0)));
    assert_eq!(send(&mut sim, "2001:db8:5::9"), Verdict::Drop(DropReason::NoRoute));
    for (to, verdict) in [([172, 16, 5, 9], TO_SERVER), ([172, 16, 5, 8], blackhole)] {
        assert_eq!(sim.send(0, &frames::from_client(&packet(to))), verdict);
    }
}

/// A route with the same prefix is replaced, one at a time or in bulk.
#[test]
fn a_route_is_replaced_and_many_are_added_at_once() {
    let mut sim = Sim::lab();
    let prefix = v4([172, 16, 0, 0], 12);
    let frame = frames::from_client(&packet([172, 16, 1, 1]));
    add(&mut sim, prefix, Target::Prohibited, 0);
    add(&mut sim, prefix, Target::Via(SERVER.address), 1);
    assert_eq!(sim.send(0, &frame), TO_SERVER);
    let host = |last| {
        let target = if last == 1 { Target::Blackhole } else { Target::Via(SERVER.address) };
        Route { prefix: v4([172, 16, 1, last], 32), target, port: PortId(1) }
    };
    sim.router.add_routes((0..20).map(host)).expect("room for twenty routes");
    assert_eq!(sim.send(0, &frame), Verdict::Drop(DropReason::RouteBlackhole));
    assert_eq!(sim.router.routes().len(), 2 + 1 + 20);
    // One that names a port which does not exist spoils the lot.
    let wrong = Route { prefix: v4([10, 9, 0, 0], 16), target: Target::Via(SERVER.address), port: PortId(2) };
    let wanted = [Route { prefix: v4([10, 8, 0, 0], 16), ..wrong }, wrong];
    let refused = sim.router.add_routes(wanted.into_iter());
    assert_eq!(refused, Err(stack::ConfigError::RoutePort(PortId(2))));
    assert_eq!(sim.router.routes().len(), 2 + 1 + 20);
}

/// A gateway may be known by its link-local address (RFC 4861 §8 wants routers to be), and a network be on the link.
#[test]
fn next_hops_may_be_link_local_and_networks_on_the_link() {
    let mut sim = Sim::lab();
    let gateway = SERVER.link_local();
    sim.route_v6(v6("2001:db8:5::", 48), Target::Via(gateway), 1);
    sim.route_v6(v6("2001:db8:6::", 64), Target::OnLink, 1);
    let us = (link_local(ROUTER_1.mac), ROUTER_1.mac);
    let frame = frames_v6::from_client(&packet_v6("2001:db8:5::9"));
    assert_eq!(sim.send(0, &frame), Verdict::Consume);
    assert_eq!(sim.transmitted().remove(0).bytes, frames_v6::asks(us, gateway));
    let ends = ((gateway, SERVER.mac), us);
    let flags = frames_v6::S | frames_v6::O;
    let told = frames_v6::advertisement(ends, flags, gateway, Some(SERVER.mac));
    assert_eq!(sim.send(1, &told), Verdict::Consume);
    let right = frames_v6::forwarded(&frame, ROUTER_1.mac, SERVER.mac);
    assert_eq!(sim.transmitted().remove(0).bytes, right);
    // On the link the destination itself is asked for, from the address that the port has.
    let frame = frames_v6::from_client(&packet_v6("2001:db8:6::9"));
    assert_eq!(sim.send(0, &frame), Verdict::Consume);
    let asked = frames_v6::asks((ROUTER_1.ipv6, ROUTER_1.mac), frames_v6::ip("2001:db8:6::9"));
    assert_eq!(sim.transmitted().remove(0).bytes, asked);
    add(&mut sim, v4([172, 16, 0, 0], 12), Target::OnLink, 1);
    assert_eq!(sim.send(0, &frames::from_client(&packet([172, 16, 0, 7]))), Verdict::Consume);
    let asked = frames::arp_request(&ROUTER_1, [172, 16, 0, 7].into());
    assert_eq!(sim.transmitted().remove(0).bytes, asked);
}

/// RFC 3704 §2.2 (strict) and §2.4 (loose), in transit and to the router, both families.
#[test]
fn sources_are_checked_as_the_port_says() {
    // Strict, loose: does a source pass that is connected here, routed elsewhere, only by the default route, or not
    // at all (there is no default route then)?
    let sources = [
        (CLIENT.address, CLIENT.ipv6, [true, true]),
        ([10, 0, 2, 77].into(), frames_v6::ip("fd00:2::77"), [false, true]),
        ([172, 16, 1, 1].into(), frames_v6::ip("2001:db8:5::1"), [false, true]),
        ([198, 52, 100, 1].into(), frames_v6::ip("2001:db9::1"), [false, false]),
    ];
    let off = (ReversePath::Off, None);
    let modes = [off, (ReversePath::Strict, Some(0)), (ReversePath::Loose, Some(1))];
    for (mode, column) in modes {
        for default in [false, true] {
            let mut sim = Sim::lab_with(|config| config.ports[0].reverse_path = mode);
            add(&mut sim, v4([172, 16, 0, 0], 12), Target::Via(SERVER.address), 1);
            sim.route_v6(v6("2001:db8:5::", 48), Target::Via(SERVER.ipv6), 1);
            if default {
                add(&mut sim, v4([0, 0, 0, 0], 0), Target::Via(SERVER.address), 1);
                sim.route_v6(v6("::", 0), Target::Via(SERVER.ipv6), 1);
            }
            for (source, source_v6, passes) in sources {
                let passes = column.is_none_or(|column: usize| passes[column]);
                let old = frames::udp(&Ipv4::new(source, SERVER.address), 9, b"x");
                let new = frames_v6::udp(&Ipv6::new(source_v6, SERVER.ipv6), 9, b"x");
                let frames = [frames::from_client(&old), frames_v6::from_client(&new)];
                for frame in frames {
                    let verdict = sim.send(0, &frame);
                    let what = format!("{mode:?} {default} {source} {source_v6}");
                    if passes {
                        assert_eq!(verdict, TO_SERVER, "{what}");
                        sim.expect(|d| {
                            d.forwards(frame.len(), frame.len());
                        });
                        continue;
                    }
                    assert_eq!(verdict, Verdict::Divert(Anomaly::ReversePath), "{what}");
                    let divert = sim.diverts().remove(0);
                    sim.abandon(&divert);
                    sim.expect(|d| {
                        d.diverts_one(Anomaly::ReversePath, frame.len());
                        d.held = stack::stats::Count::default();
                        let reason = DropReason::Anomaly(Anomaly::ReversePath);
                        d.discards(reason, Path::SlowRefused, frame.len());
                        d.diverts[Anomaly::ReversePath as usize].unanswered += 1;
                    });
                }
                sim.transmitted();
            }
        }
    }
}

/// What is not for the check: link-local and unspecified sources, and neighbours that speak ARP or ND. Packets to
/// the router itself are checked like those in transit, and the other port not at all.
#[test]
fn the_check_of_the_reverse_path_binds_its_port_and_routed_sources() {
    let mut sim = Sim::lab_with(|config| config.ports[0].reverse_path = ReversePath::Strict);
    sim.prime();
    let near = CLIENT.link_local();
    let echo = |source| frames_v6::icmp(&Ipv6::new(source, ROUTER_0.ipv6), 128, 0, [0; 4], b"x");
    let echo_near = frames_v6::icmp(&Ipv6::new(near, link_local(ROUTER_0.mac)), 128, 0, [0; 4], b"x");
    assert_eq!(sim.send(0, &frames_v6::from_client(&echo_near)), Verdict::Deliver);
    assert_eq!(sim.send(0, &frames_v6::from_client(&echo(CLIENT.ipv6))), Verdict::Deliver);
    let spoofed = Verdict::Divert(Anomaly::ReversePath);
    assert_eq!(sim.send(0, &frames_v6::from_client(&echo(SERVER.ipv6))), spoofed);
    let request = frames::echo_request(&Ipv4::new(SERVER.address, ROUTER_0.address), 1);
    assert_eq!(sim.send(0, &frames::from_client(&request)), spoofed);
    let packet = frames::udp(&Ipv4::new([198, 52, 100, 1].into(), CLIENT.address), 9, b"x");
    let frame = frames::from_server(&packet);
    assert_eq!(sim.send(1, &frame), TO_CLIENT);
    let right = oracle::forward(&frame, ROUTER_0.mac, CLIENT.mac);
    assert_eq!(
        sim.transmitted().into_iter().find(|sent| sent.bytes.len() == frame.len()).map(|sent| sent.bytes),
        right
    );
}
