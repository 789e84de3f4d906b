//! Scenarios: about what no ICMP error may be sent, and how many may.
//!
//! Read first: RFC 1812 §4.3.2.7, §4.3.2.8, §5.2.7.1; RFC 1122 §3.2.2.

use pktgen::build::{Ipv4, protocol};
use smoltcp::time::Duration;
use smoltcp::wire::Ipv4Cidr;
use stack::{Anomaly, ConfigError, DropReason, PortId, Rate, Route, Target, Verdict};
use std::net::Ipv4Addr;
use tests::Sim;
use tests::frames::{self, CLIENT, ROUTER_0, from_client, transit};

/// Nowhere: no route leads there, so every packet for it calls for 3/0.
const NOWHERE: Ipv4Addr = Ipv4Addr::new(192, 1, 2, 99);

fn silent(sim: &mut Sim, frame: &[u8], what: &str) {
    assert_eq!(sim.send(0, frame), Verdict::Drop(DropReason::NoRoute), "{what}");
    assert_eq!(sim.transmitted(), [], "{what}");
    sim.expect(|d| {
        d.drops(DropReason::NoRoute, frame.len()).icmp_errors_forbidden += 1;
    });
}

#[test]
fn no_error_about_an_icmp_error_or_a_message_that_may_be_one() {
    let mut sim = Sim::lab();
    let quote = frames::udp(&Ipv4::new(NOWHERE, CLIENT.address), 9, b"quoted");
    for kind in [3, 4, 5, 11, 12] {
        silent(&mut sim, &from_client(&frames::icmp(&frames::to(NOWHERE), kind, 0, [0; 4], &quote)), "error");
    }
    for kind in [1, 2, 6, 7, 19, 44, 255] {
        silent(&mut sim, &from_client(&frames::icmp(&frames::to(NOWHERE), kind, 0, [0; 4], &[])), "unknown");
    }
    let header = Ipv4 { protocol: protocol::ICMP, ..frames::to(NOWHERE) };
    silent(&mut sim, &from_client(&header.packet(&[])), "type cut off");
    // Queries and their replies may be reported.
    for kind in [0, 8, 9, 10, 13, 14, 15, 16, 17, 18] {
        let packet = frames::icmp(&frames::to(NOWHERE), kind, 0, [0; 4], &[0; 12]);
        assert_eq!(sim.send(0, &from_client(&packet)), Verdict::Drop(DropReason::NoRoute));
        let right = frames::icmp_error(0, 3, 0, [0; 4], &packet);
        assert_eq!(sim.transmitted().remove(0).bytes, right, "type {kind}");
    }
}

/// C26: unreachable, prohibited and blackhole routes; the port of such a route need not exist.
#[test]
fn a_route_may_lead_nowhere_and_say_so() {
    let mut sim = Sim::lab();
    let packet = frames::udp(&frames::to(NOWHERE), 9, b"x");
    let frame = from_client(&packet);
    let prefix = Ipv4Cidr::new(NOWHERE, 24);
    for (target, reason, code) in [
        (Target::<smoltcp::wire::Ipv4Address>::Unreachable, DropReason::RouteUnreachable, Some(1)),
        (Target::Prohibited, DropReason::RouteProhibited, Some(13)),
        (Target::Blackhole, DropReason::RouteBlackhole, None),
    ] {
        sim.router
            .add_routes([Route { prefix, target, port: PortId(99) }].into_iter())
            .expect("room for one");
        assert_eq!(sim.send(0, &frame), Verdict::Drop(reason));
        let right = code.map(|code| frames::icmp_error(0, 3, code, [0; 4], &packet));
        let sent: Vec<_> = sim.transmitted().into_iter().map(|sent| sent.bytes).collect();
        assert_eq!(sent, right.clone().into_iter().collect::<Vec<_>>(), "{reason}");
        sim.expect(|d| {
            d.drops(reason, frame.len());
            if let Some(right) = &right {
                d.reports(right.len());
            }
        });
    }
    assert!(sim.router.remove_route(prefix));
    assert_eq!(sim.send(0, &frame), Verdict::Drop(DropReason::NoRoute));
    let elsewhere = Route::<smoltcp::wire::Ipv4Address> { prefix, target: Target::OnLink, port: PortId(99) };
    let refused = sim.router.add_routes([elsewhere].into_iter());
    assert_eq!(refused, Err(ConfigError::RoutePort(PortId(99))));
}

#[test]
fn no_error_about_a_fragment_other_than_the_first() {
    let mut sim = Sim::lab();
    for offset in [1, 2, 185, 0x1fff] {
        for more_fragments in [false, true] {
            let header = Ipv4 { offset, more_fragments, ..frames::to(NOWHERE) };
            silent(&mut sim, &from_client(&header.packet(&[7; 64])), "fragment");
        }
    }
    let packet = Ipv4 { more_fragments: true, ..frames::to(NOWHERE) }.packet(&[7; 64]);
    assert_eq!(sim.send(0, &from_client(&packet)), Verdict::Drop(DropReason::NoRoute));
    assert_eq!(sim.transmitted().remove(0).bytes, frames::icmp_error(0, 3, 0, [0; 4], &packet));
}

/// What came in a link-layer group, or is for several hosts, or is from none, never gets as far as an
/// error: it is an anomaly or a group's, and each of those ends in silence.
#[test]
fn no_error_about_groups_or_to_sources_that_are_not_one_host() {
    let mut sim = Sim::lab();
    let expired = |source: [u8; 4]| Ipv4 { ttl: 1, source: source.into(), ..transit() };
    let sources = [[0; 4], [0, 1, 2, 3], [127, 0, 0, 1], [224, 0, 0, 1], [240, 0, 0, 1], [255; 4]];
    let own = [[10, 0, 1, 1], [10, 0, 2, 1], [10, 0, 1, 255], [10, 0, 2, 255]];
    for source in sources.into_iter().chain(own) {
        let frame = from_client(&frames::udp(&expired(source), 9, b"x"));
        assert!(matches!(sim.send(0, &frame), Verdict::Divert(_)), "{source:?}");
    }
    for to in [[224, 0, 0, 9], [255; 4], [10, 0, 1, 255], [10, 0, 2, 255]] {
        for number in [protocol::UDP, 99] {
            let header = Ipv4 { ttl: 1, protocol: number, ..frames::to(to.into()) };
            let frame = frames::link(CLIENT.mac, [0xff; 6], &header.packet(&[0; 40]));
            let _ = sim.send(0, &frame);
        }
    }
    let group =
        frames::link(CLIENT.mac, [1, 0, 0x5e, 0, 0, 1], &frames::udp(&expired([10, 0, 1, 2]), 9, b""));
    assert_eq!(sim.send(0, &group), Verdict::Divert(Anomaly::IpInLinkGroup));
    sim.advance(Duration::from_secs(1));
    assert_eq!(sim.transmitted(), []);
    assert_eq!(sim.router.stats().icmp_errors, 0);
}

/// A model that asks for an error which RFC 1812 §4.3.2.7 forbids is refused.
#[test]
fn no_error_is_approved_where_it_is_forbidden() {
    let mut sim = Sim::lab();
    let bad_option = Ipv4 { options: vec![7, 99, 4, 0], ..transit() };
    let later = Ipv4 { offset: 8, ..bad_option.clone() };
    let error = Ipv4 { protocol: protocol::ICMP, ..bad_option.clone() };
    let foreign = Ipv4 { source: [224, 0, 0, 9].into(), ..bad_option.clone() };
    let to_group = Ipv4 { destination: [224, 0, 0, 9].into(), ..bad_option };
    for header in [later, error, foreign, to_group] {
        let frame = from_client(&header.packet(&[3, 0, 0, 0, 0, 0, 0, 0]));
        assert_eq!(sim.send(0, &frame), Verdict::Divert(Anomaly::Ipv4OptionMalformed));
        let divert = sim.diverts().remove(0);
        let answer = divert.answer(stack::Action::ParameterProblem);
        assert_eq!(sim.answer(&answer), Err(stack::Rejection::ErrorForbidden));
        assert_eq!(sim.transmitted(), []);
    }
}

#[test]
fn errors_are_limited_per_port_and_the_limit_refills() {
    let rate = Rate { per_second: 10, burst: 3 };
    let mut sim = Sim::lab_with(|config| config.limits.icmp_error_rate = rate);
    let packet = frames::udp(&frames::to(NOWHERE), 9, b"x");
    let frame = from_client(&packet);
    let right = frames::icmp_error(0, 3, 0, [0; 4], &packet);
    for _ in 0..8 {
        assert_eq!(sim.send(0, &frame), Verdict::Drop(DropReason::NoRoute));
    }
    sim.expect(|d| {
        for _ in 0..8 {
            d.drops(DropReason::NoRoute, frame.len());
        }
        for _ in 0..3 {
            d.reports(right.len());
        }
        d.icmp_errors_limited += 5;
    });
    // The other port has a bucket of its own.
    let other = frames::from_server(&frames::udp(&Ipv4::new([10, 0, 2, 2].into(), NOWHERE), 9, b"x"));
    assert_eq!(sim.send(1, &other), Verdict::Drop(DropReason::NoRoute));
    assert_eq!(sim.router.stats().icmp_errors, 4);
    sim.advance(Duration::from_millis(100));
    let _ = (sim.send(0, &frame), sim.send(0, &frame));
    assert_eq!((sim.router.stats().icmp_errors, sim.router.stats().icmp_errors_limited), (5, 6));
    // Healthy traffic is not limited by it.
    let healthy = from_client(&frames::udp(&transit(), 9, b"x"));
    assert!(matches!(sim.send(0, &healthy), Verdict::Forward { .. }));
}

#[test]
fn an_error_goes_back_by_the_route_to_the_source_from_an_address_there() {
    let mut sim = Sim::lab();
    // The source lives behind the server's side, but its packet came in by the client's port.
    sim.route(Ipv4Cidr::new([172, 16, 0, 0].into(), 12), Some([10, 0, 2, 2]), 1);
    let header = Ipv4 { ttl: 1, source: [172, 16, 0, 5].into(), ..transit() };
    let packet = frames::udp(&header, 9, b"x");
    assert_eq!(sim.send(0, &from_client(&packet)), Verdict::Drop(DropReason::TtlExpired));
    let sent = sim.transmitted().remove(0);
    assert_eq!(sent.port.0, 1);
    assert_eq!(sent.bytes[26..34], [10, 0, 2, 1, 172, 16, 0, 5]);
    assert_eq!(sent.bytes[..6], frames::SERVER.mac);
    // Without any way back there is nothing to send.
    let header = Ipv4 { ttl: 1, source: [198, 52, 100, 5].into(), ..transit() };
    let _ = sim.send(0, &from_client(&frames::udp(&header, 9, b"x")));
    assert_eq!(sim.transmitted(), []);
    assert_eq!(sim.router.stats().originated_lost, 1);
    assert_eq!(ROUTER_0.mac[5], 1);
}
