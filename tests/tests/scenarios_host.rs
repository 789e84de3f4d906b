//! Scenarios: what is addressed to the router itself.
//!
//! Read first: RFC 1122 §3.2, RFC 792, RFC 862, RFC 791 §3.2, RFC 1812 §4.3.

use pktgen::build::{self, Ipv4, Tcp, adds_up, flags, protocol};
use pktgen::echo;
use stack::{Anomaly, DropReason, Mode, Verdict};
use tests::frames::{self, CLIENT, HOSTS, ROUTER, ROUTER_0, ROUTER_1, SERVER, comparable, from_client};
use tests::{Sent, Sim};

fn from(port: usize, packet: &[u8]) -> Vec<u8> {
    frames::link(HOSTS[port].mac, ROUTER[port].mac, packet)
}

fn header(port: usize, to: usize) -> Ipv4 {
    Ipv4::new(HOSTS[port].address, ROUTER[to].address)
}

#[test]
fn both_addresses_answer_echo_from_each_port_whatever_the_time_to_live() {
    let mut sim = Sim::lab();
    for (port, to) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        for ttl in [0, 1, 64] {
            for len in [0, 56, 1472] {
                let header = Ipv4 { ttl, ..header(port, to) };
                let message = build::icmp(8, 0, [1, 2, 3, 4], &build::pattern(len));
                let packet = Ipv4 { protocol: protocol::ICMP, ..header }.packet(&message);
                let frame = build::pad(from(port, &packet));
                assert_eq!(sim.send(port as u8, &frame), Verdict::Deliver);
                let sent = sim.transmitted();
                let right = echo::echo_reply(&frame).expect("a right request");
                assert_eq!(sent.len(), 1);
                assert_eq!(sent[0].port.index(), port);
                assert_eq!(comparable(&sent[0].bytes), comparable(&right));
                sim.expect(|d| {
                    d.delivers(frame.len()).originates(14 + packet.len());
                });
            }
        }
    }
}

#[test]
fn udp_echo_answers_on_port_7_but_never_another_echo_service() {
    let mut sim = Sim::lab();
    for (port, to) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let header = header(port, to);
        let frame = from(port, &frames::udp(&header, 7, b"return to sender"));
        assert_eq!(sim.send(port as u8, &frame), Verdict::Deliver);
        let sent = sim.transmitted().remove(0);
        let data = build::udp(header.destination, header.source, 7, 4000, b"return to sender");
        let right = Ipv4::new(header.destination, header.source).packet(&data);
        let right = frames::link(ROUTER[port].mac, HOSTS[port].mac, &right);
        assert_eq!(comparable(&sent.bytes), comparable(&right));
        sim.expect(|d| {
            d.delivers(frame.len()).originates(right.len());
        });
    }
    // Two echo services would keep a datagram alive for ever.
    let header = header(0, 0);
    let looping = header.packet(&build::udp(header.source, header.destination, 7, 7, b"again"));
    let frame = from_client(&looping);
    assert_eq!(sim.send(0, &frame), Verdict::Deliver);
    sim.expect(|d| {
        d.delivers(frame.len());
    });
    assert_eq!(sim.transmitted(), []);
}

/// The pieces of a datagram, cut at multiples of 8 bytes.
fn pieces(header: &Ipv4, payload: &[u8], at: usize) -> Vec<Vec<u8>> {
    let count = payload.len().div_ceil(at);
    (0..count)
        .map(|index| {
            let offset = (index * at / 8) as u16;
            let header = Ipv4 { more_fragments: index + 1 < count, offset, ..header.clone() };
            header.packet(&payload[index * at..payload.len().min((index + 1) * at)])
        })
        .collect()
}

#[test]
fn fragments_in_any_order_are_reassembled_and_answered_once() {
    let orders: [&[usize]; 4] = [&[0, 1, 2], &[2, 1, 0], &[1, 0, 2], &[0, 0, 1, 1, 2]];
    for (identification, order) in orders.into_iter().enumerate() {
        let mut sim = Sim::lab();
        let header =
            Ipv4 { identification: 100 + identification as u16, protocol: protocol::ICMP, ..header(0, 1) };
        let message = build::icmp(8, 0, [0, 9, 0, 1], &build::pattern(1200));
        let parts = pieces(&header, &message, 512);
        assert_eq!(parts.len(), 3);
        let mut expected = tests::Delta::default();
        for &part in order {
            let frame = from_client(&parts[part]);
            assert_eq!(sim.send(0, &frame), Verdict::Deliver);
            expected.delivers(frame.len());
        }
        let sent = sim.transmitted();
        assert_eq!(sent.len(), 1, "{order:?}: one answer");
        let whole = from_client(&Ipv4 { protocol: protocol::ICMP, ..header }.packet(&message));
        let right = echo::echo_reply(&whole).expect("a right request");
        assert_eq!(comparable(&sent[0].bytes), comparable(&right), "{order:?}");
        expected.originates(right.len());
        sim.expect(|d| *d = expected);
    }
}

/// Large ones, then smaller ones, and data that looks like an ICMP header: neither may leave a trace in the next.
#[test]
fn a_reassembled_datagram_larger_than_the_mtu_is_answered_in_fragments() {
    let mut sim = Sim::lab();
    for (identification, (len, fill)) in
        [(3000, 0), (3900, 1), (2000, 2), (1600, 3), (3000, 3)].into_iter().enumerate()
    {
        let header = Ipv4 { identification: identification as u16, protocol: protocol::ICMP, ..header(0, 0) };
        let message = build::icmp(8, 0, [0, 9, 0, 1], &vec![fill; len]);
        for part in pieces(&header, &message, 1480) {
            assert_eq!(sim.send(0, &from_client(&part)), Verdict::Deliver);
        }
        let mut answer = vec![0; message.len()];
        let mut got = 0;
        for Sent { bytes, .. } in sim.transmitted() {
            assert!(bytes.len() <= 1514 && adds_up(&bytes[14..34]));
            let offset = usize::from(u16::from_be_bytes([bytes[20], bytes[21]]) & 0x1fff) * 8;
            answer[offset..offset + bytes.len() - 34].copy_from_slice(&bytes[34..]);
            got += bytes.len() - 34;
        }
        assert_eq!((got, answer[0], adds_up(&answer)), (message.len(), 0, true), "{len} bytes of {fill}");
        assert_eq!(answer[4..], message[4..], "{len} bytes of {fill}");
    }
}

#[test]
fn a_closed_udp_port_is_reported_with_the_original_bytes() {
    let mut sim = Sim::lab();
    for (options, data) in [(vec![], 4), (vec![148, 4, 0, 0], 100), (vec![], 1400)] {
        let packet = frames::udp(&Ipv4 { options, ..header(0, 0) }, 9999, &build::pattern(data));
        let frame = build::pad(from_client(&packet));
        assert_eq!(sim.send(0, &frame), Verdict::Drop(DropReason::PortUnreachable));
        let right = frames::icmp_error(0, 3, 3, [0; 4], &packet);
        sim.expect(|d| {
            d.drops(DropReason::PortUnreachable, frame.len()).reports(right.len());
        });
        assert_eq!(sim.transmitted().remove(0).bytes, right);
    }
}

#[test]
fn an_unknown_protocol_is_reported() {
    let mut sim = Sim::lab();
    for number in [2, 47, 99, 255] {
        let packet = Ipv4 { protocol: number, ..header(0, 0) }.packet(&[9; 40]);
        let frame = from_client(&packet);
        assert_eq!(sim.send(0, &frame), Verdict::Drop(DropReason::ProtocolUnreachable));
        let right = frames::icmp_error(0, 3, 2, [0; 4], &packet);
        sim.expect(|d| {
            d.drops(DropReason::ProtocolUnreachable, frame.len()).reports(right.len());
        });
        assert_eq!(sim.transmitted().remove(0).bytes, right);
    }
}

/// RFC 1812 §4.3.2.8 does not stop at reassembly: whoever sends fragments gets no more errors than others.
#[test]
fn errors_about_fragmented_datagrams_obey_the_same_limits() {
    let none = stack::Rate { per_second: 0, burst: 0 };
    let mut sim = Sim::lab_with(|config| config.limits.icmp_error_rate = none);
    let header = Ipv4 { identification: 5, ..header(0, 0) };
    let datagram = build::udp(header.source, header.destination, 4000, 9999, &[1; 40]);
    let parts = pieces(&header, &datagram, 24);
    let (last, first) = parts.split_last().unwrap();
    for part in first {
        assert_eq!(sim.send(0, &from_client(part)), Verdict::Deliver);
    }
    // Nobody knows before whom it is for.
    assert_eq!(sim.send(0, &from_client(last)), Verdict::Drop(DropReason::PortUnreachable));
    assert_eq!(sim.transmitted(), [], "the port's token bucket is empty");
}

#[test]
fn tcp_to_a_closed_port_is_reset() {
    let mut sim = Sim::lab();
    let header = Ipv4 { protocol: protocol::TCP, ..header(1, 0) };
    let syn = Tcp { flags: flags::SYN, sequence: 77, acknowledgment: 0, ..Tcp::new(4000, 22) };
    let segment = syn.segment(header.source, header.destination, b"");
    let frame = from(1, &header.packet(&segment));
    assert_eq!(sim.send(1, &frame), Verdict::Deliver);
    let sent = sim.transmitted().remove(0).bytes;
    assert_eq!((sent[14 + 9], sent[34 + 13] & flags::RST), (protocol::TCP, flags::RST));
    assert_eq!(sent[34 + 8..34 + 12], 78_u32.to_be_bytes());
    assert_eq!(sent[..6], SERVER.mac);
    sim.expect(|d| {
        d.delivers(frame.len()).originates(sent.len());
    });
}

#[test]
fn groups_that_nobody_here_joined_are_dropped_in_silence() {
    let mut sim = Sim::lab();
    let groups = [[224, 0, 0, 1], [239, 1, 2, 3], [255; 4], [10, 0, 1, 255]];
    for to in groups {
        let packet = frames::udp(&frames::to(to.into()), 9, b"anybody?");
        let frame = frames::link(CLIENT.mac, [0xff; 6], &packet);
        assert_eq!(sim.send(0, &frame), Verdict::Drop(DropReason::GroupNotJoined));
        sim.expect(|d| {
            d.drops(DropReason::GroupNotJoined, frame.len());
        });
    }
    assert_eq!(sim.transmitted(), []);
}

#[test]
fn the_ping_experiment_holds_echo_requests_and_falls_back_to_the_host() {
    let mut sim = Sim::lab_with(|config| {
        config.set_mode(Anomaly::EchoRequest, Mode::Enforce).expect("an experiment may hold");
    });
    let frame = from_client(&frames::echo_request(&Ipv4::new(CLIENT.address, ROUTER_1.address), 1));
    assert_eq!(sim.send(0, &frame), Verdict::Divert(Anomaly::EchoRequest));
    assert_eq!(sim.transmitted(), []);
    let divert = sim.diverts().remove(0);
    sim.expect(|d| {
        d.diverts_one(Anomaly::EchoRequest, frame.len());
    });
    sim.abandon(&divert);
    let right = echo::echo_reply(&frame).expect("a right request");
    assert_eq!(comparable(&sim.transmitted()[0].bytes), comparable(&right));
    sim.expect(|d| {
        d.ends(stack::stats::Disposition::Delivered, stack::stats::Path::SlowRefused, frame.len());
        d.originates(right.len());
        d.diverts[Anomaly::EchoRequest as usize].unanswered += 1;
    });
    assert_eq!(ROUTER_0.mac, frame[..6]);
}
