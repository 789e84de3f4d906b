//! Scenarios: an IPv6 packet in transit, and what its source is told, byte for byte and counter for counter.
//!
//! Read first: RFC 8200 §3, §5; RFC 4443 §2.2, §2.4, §3; RFC 4007 §9; RFC 4291 §2.5.6.

use pktgen::build::{Extension, Ipv6, Piece, multicast_mac, option, pad, protocol};
use pktgen::oracle;
use pktgen::world::link_local;
use smoltcp::time::Duration;
use smoltcp::wire::Ipv6Cidr;
use stack::stats::Path;
use stack::{Anomaly, DropReason, Origin, PortId, Rate, Target, Verdict};
use tests::frames::{self, CLIENT, ROUTER_0, ROUTER_1, SERVER};
use tests::frames_v6::{
    ALL_NODES, NOWHERE, error, error_to, forwarded, from_client, from_server, icmp, ip, link, to, transit,
    udp,
};
use tests::{Delta, Sent, Sim};

const TO_SERVER: Verdict = Verdict::Forward { port: PortId(1) };

fn on(port: u8, received_len: usize, bytes: Vec<u8>) -> Sent {
    Sent { port: PortId(port), origin: Origin::Forwarded { received_len, path: Path::Fast }, bytes }
}

fn originated(port: u8, bytes: Vec<u8>) -> Sent {
    Sent { port: PortId(port), origin: Origin::Originated, bytes }
}

/// The frame is dropped for this reason, and exactly this error leaves by port 0.
fn told(sim: &mut Sim, frame: &[u8], reason: DropReason, right: Vec<u8>) {
    assert_eq!(sim.send(0, frame), Verdict::Drop(reason), "{frame:02x?}");
    let sent = sim.transmitted();
    assert_eq!(sent, [originated(0, right.clone())]);
    sim.expect(|d| {
        d.drops(reason, frame.len()).reports(right.len());
    });
}

/// The frame is dropped for this reason, and an error about it is forbidden.
fn untold(sim: &mut Sim, frame: &[u8], reason: DropReason) {
    assert_eq!(sim.send(0, frame), Verdict::Drop(reason), "{frame:02x?}");
    assert_eq!(sim.transmitted(), []);
    sim.expect(|d| {
        d.drops(reason, frame.len()).icmp_errors_forbidden += 1;
    });
}

/// An anomaly that does not wait for the slow path: seen, sampled or not, and dropped.
fn seen(d: &mut Delta, anomaly: Anomaly, sampled: bool, len: usize) {
    d.drops(DropReason::Anomaly(anomaly), len);
    d.seen[anomaly as usize] += 1;
    d.diverts[anomaly as usize].observed += u64::from(sampled);
}

#[test]
fn a_packet_loses_one_hop_and_its_padding_and_nothing_else() {
    let mut sim = Sim::lab();
    let plain = Ipv6 { traffic_class: 0xb9, flow_label: 0xf_edcb, ..transit() };
    let fragment = Extension::Fragment(Piece { offset: 185, more_fragments: true, identification: 7 });
    // What binds the destination alone passes: an unknown option there, segments left, a header twice.
    let chains: [Vec<Extension>; 6] = [
        vec![],
        vec![Extension::HopByHop(option(5, &[0, 0]))],
        vec![fragment],
        vec![Extension::Destination(option(0xc9, &[1, 2]))],
        vec![Extension::Routing(0, 3, vec![0; 20])],
        vec![Extension::Destination(vec![]), Extension::Destination(vec![])],
    ];
    for hop_limit in [2, 3, 64, 255] {
        for extensions in &chains {
            for data in [0, 1, 18, 100, 1400] {
                let header = Ipv6 { hop_limit, extensions: extensions.clone(), ..plain.clone() };
                let frame = pad(from_client(&udp(&header, 9, &vec![hop_limit; data])));
                assert_eq!(sim.send(0, &frame), TO_SERVER);
                let right = forwarded(&frame, ROUTER_1.mac, SERVER.mac);
                assert_eq!(right[14..21], frame[14..21]);
                assert_eq!((right[21], &right[22..]), (hop_limit - 1, &frame[22..right.len()]));
                sim.expect(|d| {
                    d.forwards(frame.len(), right.len());
                });
                assert_eq!(sim.transmitted(), [on(1, frame.len(), right)]);
            }
        }
    }
}

/// Transport checksums are the ends' own, ICMPv6 errors and an unknown next header included; ICMP for IPv4 is
/// noted.
#[test]
fn whatever_a_packet_carries_passes() {
    let mut sim = Sim::lab();
    for number in 0..=255 {
        // Hop-by-Hop Options are read on the way.
        if number == protocol::HOP_BY_HOP {
            continue;
        }
        let frame = from_client(&Ipv6 { protocol: number, ..transit() }.packet(&[0xff; 16]));
        assert_eq!(sim.send(0, &frame), TO_SERVER, "{number}");
        let right = forwarded(&frame, ROUTER_1.mac, SERVER.mac);
        assert_eq!(sim.transmitted(), [on(1, frame.len(), right)]);
        sim.expect(|d| {
            d.forwards(frame.len(), frame.len());
            if number == protocol::ICMP {
                d.seen[Anomaly::IcmpWrongFamily as usize] += 1;
                d.diverts[Anomaly::IcmpWrongFamily as usize].observed += 1;
            }
        });
    }
    // No payload at all.
    let frame = from_client(&Ipv6 { protocol: protocol::NO_NEXT, ..transit() }.packet(&[]));
    assert_eq!(sim.send(0, &frame), TO_SERVER);
    sim.expect(|d| {
        d.forwards(54, 54);
    });
}

#[test]
fn hop_limits_0_and_1_are_reported_and_the_quote_is_what_was_received() {
    let mut sim = Sim::lab();
    for hop_limit in [0, 1] {
        for data in [0, 4, 1184, 1185, 1452] {
            let packet = udp(&Ipv6 { hop_limit, traffic_class: 0x13, ..transit() }, 9, &vec![7; data]);
            let right = error(0, 3, 0, 0, &packet);
            assert_eq!(right.len(), (14 + 48 + packet.len()).min(14 + 1280));
            told(&mut sim, &pad(from_client(&packet)), DropReason::TtlExpired, right);
        }
    }
    // The hop limit comes before the route: there is none, and still it is 3/0.
    let packet = udp(&Ipv6 { hop_limit: 1, ..to(NOWHERE) }, 9, b"x");
    told(&mut sim, &from_client(&packet), DropReason::TtlExpired, error(0, 3, 0, 0, &packet));
}

#[test]
fn no_route_is_reported() {
    let mut sim = Sim::lab();
    for data in [0, 9, 1400] {
        let packet = udp(&to(NOWHERE), 9, &vec![1; data]);
        told(&mut sim, &pad(from_client(&packet)), DropReason::NoRoute, error(0, 1, 0, 0, &packet));
    }
}

#[test]
fn too_large_is_reported_with_the_mtu_and_never_cut() {
    for mtu in [1280, 1400, 1499] {
        let mut sim = Sim::lab_with(|config| config.ports[1].mtu = mtu);
        let fits = from_client(&udp(&transit(), 9, &vec![5; mtu - 48]));
        assert_eq!(sim.send(0, &fits), TO_SERVER);
        sim.expect(|d| {
            d.forwards(fits.len(), fits.len());
        });
        sim.transmitted();
        let packet = udp(&transit(), 9, &vec![5; mtu - 47]);
        let right = error(0, 2, 0, mtu as u32, &packet);
        told(&mut sim, &from_client(&packet), DropReason::FragmentationNeeded, right);
        // A fragment is not cut further either (RFC 8200 §5).
        let piece = Piece { offset: 0, more_fragments: true, identification: 1 };
        let header = Ipv6 { extensions: vec![Extension::Fragment(piece)], ..transit() };
        let packet = udp(&header, 9, &vec![5; mtu - 47]);
        let right = error(0, 2, 0, mtu as u32, &packet);
        told(&mut sim, &from_client(&packet), DropReason::FragmentationNeeded, right);
    }
}

/// RFC 4007 §9 and RFC 4443 §3.1: a link-local source is told 1/2; whoever asks for a link-local destination from
/// elsewhere is told nothing, for the packet never was on the way out of its source's zone.
#[test]
fn link_local_addresses_do_not_pass_either_way() {
    let anomaly = Anomaly::Ipv6LinkLocal;
    let reason = DropReason::Anomaly(anomaly);
    let near = CLIENT.link_local();
    let far = SERVER.link_local();
    let mut sim = Sim::lab();
    // The client's link-local address is known from here on.
    let hello = tests::frames_v6::asks((near, CLIENT.mac), ROUTER_0.link_local());
    assert_eq!(sim.send(0, &hello), Verdict::Consume);
    sim.transmitted();
    sim.expect(|d| {
        d.consumes(hello.len()).originates(86);
        // The answer is the first use of an address that has not been confirmed.
        d.originates(86);
    });
    let packet = udp(&Ipv6 { source: near, ..transit() }, 9, b"out of its zone");
    let frame = from_client(&packet);
    let ends = (link_local(ROUTER_0.mac), near, CLIENT.mac);
    let right = error_to(0, ends, (1, 2, 0), &packet);
    assert_eq!(sim.send(0, &frame), Verdict::Drop(reason));
    assert_eq!(sim.transmitted(), [originated(0, right.clone())]);
    sim.expect(|d| {
        seen(d, anomaly, true, frame.len());
        d.reports(right.len());
    });
    for (source, destination) in [(CLIENT.ipv6, far), (near, far), (CLIENT.ipv6, ip("febf::1"))] {
        let frame = from_client(&udp(&Ipv6::new(source, destination), 9, b"into another zone"));
        assert_eq!(sim.send(0, &frame), Verdict::Drop(reason));
        assert_eq!(sim.transmitted(), []);
        sim.expect(|d| seen(d, anomaly, false, frame.len()));
    }
    // The neighbours of fe80::/10 are ordinary addresses, which the deprecated fec0::/10 became (RFC 3879 §4).
    sim.route_v6(Ipv6Cidr::new(ip("::"), 0), Target::Via(SERVER.ipv6), 1);
    for destination in ["fe7f::1", "fec0::1"] {
        let frame = from_client(&udp(&to(ip(destination)), 9, b"x"));
        assert_eq!(sim.send(0, &frame), TO_SERVER, "{destination}");
        sim.expect(|d| {
            d.forwards(frame.len(), frame.len());
        });
    }
}

#[test]
fn groups_are_not_routed_and_nobody_is_told() {
    let mut sim = Sim::lab();
    for group in ["ff02::1", "ff02::2", "ff05::2", "ff02::fb", "ff0e::1", "ff01::1", "ff1e::8000:1"] {
        let group = ip(group);
        for hop_limit in [0, 1, 64] {
            let packet = udp(&Ipv6 { hop_limit, ..to(group) }, 9, b"anybody?");
            let frame = link(CLIENT.mac, multicast_mac(group), &packet);
            assert_eq!(sim.send(0, &frame), Verdict::Drop(DropReason::GroupNotJoined), "{group}");
            assert_eq!(sim.transmitted(), []);
            sim.expect(|d| {
                d.drops(DropReason::GroupNotJoined, frame.len());
            });
        }
    }
}

#[test]
fn no_error_about_an_error_or_a_redirect_or_what_may_be_one() {
    let mut sim = Sim::lab();
    let quote = udp(&Ipv6::new(NOWHERE, CLIENT.ipv6), 9, b"quoted");
    // Errors of every type, known or not, and the redirect (RFC 4443 §2.4(e.1), (e.2)).
    for kind in [0, 1, 2, 3, 4, 5, 100, 127, 137] {
        let frame = from_client(&icmp(&to(NOWHERE), kind, 0, [0; 4], &quote));
        untold(&mut sim, &frame, DropReason::NoRoute);
    }
    // Also behind extension headers, and where the type is cut off.
    let extensions = vec![Extension::Destination(option(1, &[0; 6]))];
    let frame = from_client(&icmp(&Ipv6 { extensions, ..to(NOWHERE) }, 1, 0, [0; 4], &quote));
    untold(&mut sim, &frame, DropReason::NoRoute);
    let frame = from_client(&Ipv6 { protocol: protocol::ICMPV6, ..to(NOWHERE) }.packet(&[]));
    untold(&mut sim, &frame, DropReason::NoRoute);
    // A later fragment may be one of an error.
    let piece = Piece { offset: 9, more_fragments: false, identification: 3 };
    let extensions = vec![Extension::Fragment(piece)];
    let header = Ipv6 { protocol: protocol::ICMPV6, extensions, ..to(NOWHERE) };
    untold(&mut sim, &from_client(&header.packet(&[128; 16])), DropReason::NoRoute);
    // Informational messages may be reported, those of Neighbour Discovery and unknown ones included.
    for kind in [128, 129, 130, 133, 135, 136, 200, 255] {
        let packet = icmp(&to(NOWHERE), kind, 0, [0; 4], &[0; 24]);
        told(&mut sim, &from_client(&packet), DropReason::NoRoute, error(0, 1, 0, 0, &packet));
    }
}

/// RFC 4443 §2.4(e.3) to (e.6). Sources that are not one node never get as far as an error.
#[test]
fn no_error_about_link_layer_groups_or_to_what_is_not_one_node() {
    let mut sim = Sim::lab();
    for source in ["::", "::1", "ff02::9", "::ffff:10.0.1.2", "fd00:1::1", "fd00:2::1"] {
        let frame = from_client(&udp(&Ipv6 { hop_limit: 1, ..Ipv6::new(ip(source), SERVER.ipv6) }, 9, b"x"));
        assert!(matches!(sim.send(0, &frame), Verdict::Divert(_)), "{source}");
    }
    for mac in [multicast_mac(ALL_NODES), [0xff; 6]] {
        let packet = udp(&Ipv6 { hop_limit: 1, ..transit() }, 9, b"x");
        assert_eq!(sim.send(0, &link(CLIENT.mac, mac, &packet)), Verdict::Divert(Anomaly::IpInLinkGroup));
    }
    sim.advance(Duration::from_secs(1));
    assert_eq!(sim.transmitted(), []);
    assert_eq!(sim.router.stats().icmp_errors, 0);
}

/// RFC 8200 §4.2: of the two kinds of unknown options that ask for a Parameter Problem, one asks even if the
/// destination is a group (RFC 4443 §2.4(e.3), exception 2).
#[test]
fn an_unknown_option_is_reported_and_to_a_group_only_if_it_asks_for_it() {
    let anomaly = Anomaly::Ipv6OptionUnknown;
    let mut sim = Sim::lab_with(|config| config.limits.observe_one_in = 1);
    let with = |kind, destination| Ipv6 {
        extensions: vec![Extension::HopByHop(option(kind, &[1, 2]))],
        ..to(destination)
    };
    for (kind, destination, told) in [
        (0x80, SERVER.ipv6, true),
        (0xc0, SERVER.ipv6, true),
        (0x80, ip("ff02::1"), true),
        (0xc0, ip("ff02::1"), false),
        (0x80, ip("ff0e::5"), true),
        (0xc0, ip("ff0e::5"), false),
    ] {
        let packet = udp(&with(kind, destination), 9, b"x");
        let mac = if destination.is_multicast() { multicast_mac(destination) } else { ROUTER_0.mac };
        let frame = link(CLIENT.mac, mac, &packet);
        assert_eq!(sim.send(0, &frame), Verdict::Drop(DropReason::Anomaly(anomaly)));
        let right = error(0, 4, 2, 42, &packet);
        let sent = sim.transmitted();
        if told {
            assert_eq!(sent, [originated(0, right.clone())], "{kind} {destination}");
        } else {
            assert_eq!(sent, [], "{kind} {destination}");
        }
        sim.expect(|d| {
            seen(d, anomaly, true, frame.len());
            if told {
                d.reports(right.len());
            } else {
                d.icmp_errors_forbidden += 1;
            }
        });
    }
}

#[test]
fn errors_of_both_families_share_one_bucket_for_each_port() {
    let rate = Rate { per_second: 10, burst: 3 };
    let mut sim = Sim::lab_with(|config| config.limits.icmp_error_rate = rate);
    let packet = udp(&to(NOWHERE), 9, b"x");
    let (frame, right) = (from_client(&packet), error(0, 1, 0, 0, &packet));
    let old = frames::from_client(&frames::udp(&frames::to([192, 1, 2, 99].into()), 9, b"x"));
    let verdicts = [&frame, &old, &frame, &frame, &old].map(|frame| sim.send(0, frame));
    assert_eq!(verdicts, [Verdict::Drop(DropReason::NoRoute); 5]);
    sim.expect(|d| {
        for len in [&frame, &old, &frame, &frame, &old].map(Vec::len) {
            d.drops(DropReason::NoRoute, len);
        }
        d.reports(right.len()).reports(right.len()).reports(14 + 28 + old.len() - 14);
        d.icmp_errors_limited += 2;
    });
    assert_eq!(sim.transmitted().len(), 3);
    // The other port has its own; this one refills.
    let other = udp(&Ipv6::new(SERVER.ipv6, NOWHERE), 9, b"x");
    assert_eq!(sim.send(1, &from_server(&other)), Verdict::Drop(DropReason::NoRoute));
    assert_eq!(sim.transmitted(), [originated(1, error(1, 1, 0, 0, &other))]);
    sim.advance(Duration::from_millis(100));
    sim.expect(|d| {
        d.drops(DropReason::NoRoute, 14 + other.len()).reports(14 + 48 + other.len());
    });
    told(&mut sim, &frame, DropReason::NoRoute, right);
    assert_eq!(sim.send(0, &frame), Verdict::Drop(DropReason::NoRoute));
    assert_eq!(sim.transmitted(), []);
    sim.expect(|d| {
        d.drops(DropReason::NoRoute, frame.len()).icmp_errors_limited += 1;
    });
}

/// RFC 4443 §2.2: (a) what was sent to one of our addresses is answered from it, (b) anything else from an address
/// that suits the destination of the error.
#[test]
fn errors_come_from_the_address_that_the_rfc_names() {
    let mut sim = Sim::lab();
    for ours in [ROUTER_0.ipv6, ROUTER_1.ipv6] {
        let packet = udp(&to(ours), 9999, b"nobody listens");
        let right = error_to(0, (ours, CLIENT.ipv6, CLIENT.mac), (1, 4, 0), &packet);
        told(&mut sim, &from_client(&packet), DropReason::PortUnreachable, right);
    }
    // The source lives behind the server's side, but its packet came in by the client's port.
    sim.route_v6(Ipv6Cidr::new(ip("2001:db8:5::"), 48), Target::Via(SERVER.ipv6), 1);
    let beyond = ip("2001:db8:5::5");
    let packet = udp(&Ipv6 { hop_limit: 1, ..Ipv6::new(beyond, SERVER.ipv6) }, 9, b"x");
    let frame = from_client(&packet);
    assert_eq!(sim.send(0, &frame), Verdict::Drop(DropReason::TtlExpired));
    let right = error_to(1, (ROUTER_1.ipv6, beyond, SERVER.mac), (3, 0, 0), &packet);
    assert_eq!(sim.transmitted(), [originated(1, right.clone())]);
    sim.expect(|d| {
        d.drops(DropReason::TtlExpired, frame.len()).reports(right.len());
    });
    // Without a way back there is nothing to send.
    let packet = udp(&Ipv6 { hop_limit: 1, ..Ipv6::new(NOWHERE, SERVER.ipv6) }, 9, b"x");
    let frame = from_client(&packet);
    assert_eq!(sim.send(0, &frame), Verdict::Drop(DropReason::TtlExpired));
    assert_eq!(sim.transmitted(), []);
    sim.expect(|d| {
        d.drops(DropReason::TtlExpired, frame.len()).originated_lost += 1;
    });
}

/// A link-local address of another port is no address of this link (RFC 4007 §6): an error must not come from it.
#[test]
fn an_error_never_comes_from_another_links_address() {
    let mut sim = Sim::lab();
    let extensions = vec![Extension::HopByHop(option(0x80, &[]))];
    let packet = udp(&Ipv6 { extensions, ..to(ROUTER_1.link_local()) }, 9, b"x");
    let frame = from_client(&packet);
    let anomaly = Anomaly::Ipv6OptionUnknown;
    assert_eq!(sim.send(0, &frame), Verdict::Drop(DropReason::Anomaly(anomaly)));
    let right = error(0, 4, 2, 42, &packet);
    assert_eq!(sim.transmitted(), [originated(0, right.clone())]);
    sim.expect(|d| {
        seen(d, anomaly, true, frame.len());
        d.reports(right.len());
    });
}

/// A link-local address is unique on its link only (RFC 4007 §6): a host here may have the one that the router has
/// there, and is told like any other.
#[test]
fn a_host_with_a_link_local_address_that_the_router_has_elsewhere_is_told() {
    let mut sim = Sim::lab();
    let source = ROUTER_1.link_local();
    let packet = udp(&Ipv6::new(source, ROUTER_0.link_local()), 9999, b"nobody listens");
    let hello = tests::frames_v6::asks((source, CLIENT.mac), ROUTER_0.link_local());
    assert_eq!(sim.send(0, &hello), Verdict::Consume);
    sim.transmitted();
    assert_eq!(sim.send(0, &from_client(&packet)), Verdict::Drop(DropReason::PortUnreachable));
    let right = error_to(0, (ROUTER_0.link_local(), source, CLIENT.mac), (1, 4, 0), &packet);
    assert_eq!(sim.transmitted(), [originated(0, right)]);
}

/// RFC 8200 §4.7: nothing follows No Next Header, so nobody is told anything.
#[test]
fn a_packet_to_the_router_that_carries_nothing_ends_in_silence() {
    let mut sim = Sim::lab();
    for payload in [&[][..], &[1, 2, 3, 4]] {
        let frame = from_client(&Ipv6 { protocol: protocol::NO_NEXT, ..to(ROUTER_0.ipv6) }.packet(payload));
        let reason = DropReason::ProtocolUnreachable;
        assert_eq!(sim.send(0, &frame), Verdict::Drop(reason));
        assert_eq!(sim.transmitted(), []);
        sim.expect(|d| {
            d.drops(reason, frame.len());
        });
    }
}

/// The generator's oracle and these frames must mean the same: a frame that is forwarded is healthy there.
#[test]
fn the_oracle_calls_transit_healthy() {
    let frame = from_client(&udp(&transit(), 9, b"x"));
    assert_eq!(oracle::judge(&pktgen::World::lab(), 0, &frame), oracle::Judgement::Healthy);
}
