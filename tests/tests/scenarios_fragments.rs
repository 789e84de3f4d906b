//! Scenarios: packets that are cut, and fragments that are put together.
//!
//! Read first: RFC 791 §3.2; RFC 1812 §4.2.2.7, §5.2.6; RFC 1191 §4; RFC 8200 §4.5, §5; RFC 5722.

use pktgen::build::{self, Extension, Ipv4, Ipv6, Piece, adds_up, icmp_type, icmpv6_type, pad, protocol};
use smoltcp::time::Duration;
use stack::stats::{Disposition, Path};
use stack::{Anomaly, DropReason, Origin, PortId, Transmit, Verdict};
use std::net::{Ipv4Addr, Ipv6Addr};
use tests::fragmenter::{cut_ipv4, join_ipv4, join_ipv6};
use tests::frames::{self, CLIENT, ROUTER_0, ROUTER_1, SERVER};
use tests::storage::{SIZES, Sizes};
use tests::{Delta, Sent, Sim, frames_v6};

/// The laboratory with this MTU on the server's side; below 1280 that side has no IPv6 (RFC 8200 §5).
fn narrow(mtu: usize) -> Sim {
    narrow_with(mtu, SIZES, |_| ())
}

fn narrow_with(mtu: usize, sizes: Sizes, change: impl FnOnce(&mut stack::Config)) -> Sim {
    let mut sim = Sim::cold(
        |config| {
            config.ports[1].mtu = mtu;
            if mtu < 1280 {
                config.ports[1].ipv6.clear();
            }
            change(config);
        },
        sizes,
    );
    sim.prime();
    sim
}

/// The frames in which this packet must leave towards the server: one hop less, cut for the MTU.
fn pieces(packet: &[u8], mtu: usize) -> Vec<Vec<u8>> {
    let mut packet = packet.to_vec();
    packet[8] -= 1;
    build::seal_ipv4(&mut packet);
    cut_ipv4(&packet, mtu).iter().map(|cut| frames::link(ROUTER_1.mac, SERVER.mac, cut)).collect()
}

fn fragments(frames: &[Vec<u8>]) -> Vec<Sent> {
    let sent = |bytes: &Vec<u8>| Sent { port: PortId(1), origin: Origin::Fragment, bytes: bytes.clone() };
    frames.iter().map(sent).collect()
}

/// The counters of a frame that has left in these fragments.
fn cuts(d: &mut Delta, received: usize, pieces: &[Vec<u8>]) {
    d.ends(Disposition::Forwarded, Path::Fast, received).fragmented += 1;
    for piece in pieces {
        d.sent.fragments.frames += 1;
        d.sent.fragments.bytes += piece.len() as u64;
    }
}

#[test]
fn a_packet_that_is_too_large_is_cut_into_as_few_as_fit() {
    let options: [&[u8]; 5] = [
        &[],
        // Router Alert is copied; so is one that nobody knows, and one with the flag clear is not.
        &[148, 4, 0, 0],
        &[94, 4, 7, 7],
        &[94, 3, 9, 148, 4, 0, 0, 1, 222, 6, 1, 2, 3, 4, 94, 4, 5, 5, 1, 0],
        &[1, 1, 148, 4, 0, 0, 0, 0],
    ];
    for mtu in [576, 577, 583, 584, 1279, 1280, 1400] {
        let mut sim = narrow_with(mtu, SIZES, |config| config.limits.observe_one_in = 1);
        for options in options {
            for (len, service) in [(mtu - 27, 0), (1000, 0xb9), (1432, 2)] {
                let header =
                    Ipv4 { options: options.to_vec(), identification: 0xbeef, service, ..frames::transit() };
                let packet = frames::udp(&header, 9, &build::pattern(len));
                if packet.len() <= mtu {
                    continue;
                }
                let frame = pad(frames::from_client(&packet));
                assert_eq!(sim.send(0, &frame), Verdict::Consume);
                let right = pieces(&packet, mtu);
                assert!(right.len() > 1 && right.iter().all(|piece| piece.len() <= 14 + mtu));
                assert_eq!(sim.transmitted(), fragments(&right), "{mtu} {options:?} {len}");
                let joined = join_ipv4(right.iter().map(|piece| &piece[14..]));
                assert_eq!(joined.as_deref(), Ok(&packet[header.header_len()..]));
                let unknown = options.contains(&94);
                sim.expect(|d| {
                    cuts(d.receives(frame.len()), frame.len(), &right);
                    d.seen[Anomaly::Ipv4OptionUnknown as usize] += u64::from(unknown);
                    d.diverts[Anomaly::Ipv4OptionUnknown as usize].observed += u64::from(unknown);
                });
            }
        }
        // One byte less fits, and stays whole.
        let frame = frames::from_client(&frames::udp(&frames::transit(), 9, &build::pattern(mtu - 28)));
        assert_eq!(sim.send(0, &frame), Verdict::Forward { port: PortId(1) });
        sim.expect(|d| {
            d.forwards(frame.len(), frame.len());
        });
    }
}

/// RFC 791 §3.2: a fragment is cut further under its own ident, offset and More Fragments.
#[test]
fn a_fragment_is_cut_further() {
    let mut sim = narrow(576);
    for (offset, more_fragments) in [(0, true), (185, true), (185, false), (0x1f00, true)] {
        let header = Ipv4 { offset, more_fragments, identification: 77, ..frames::transit() };
        let packet = header.packet(&build::pattern(1480));
        let frame = frames::from_client(&packet);
        assert_eq!(sim.send(0, &frame), Verdict::Consume);
        let right = pieces(&packet, 576);
        assert_eq!(right.len(), 3);
        assert_eq!(sim.transmitted(), fragments(&right), "{offset} {more_fragments}");
        sim.expect(|d| cuts(d.receives(frame.len()), frame.len(), &right));
    }
    // Whole it passes, but a piece of it could not say where it begins.
    let header = Ipv4 { offset: 0x1fff, ..frames::transit() };
    let frame = frames::from_client(&header.packet(&[7; 1200]));
    assert_eq!(sim.send(0, &frame), Verdict::Drop(DropReason::FragmentationNeeded));
    assert_eq!(sim.transmitted(), []);
    sim.expect(|d| {
        // A later fragment is reported to nobody (RFC 1812 §4.3.2.7).
        d.drops(DropReason::FragmentationNeeded, frame.len()).icmp_errors_forbidden += 1;
    });
}

#[test]
fn dont_fragment_is_obeyed_and_the_next_hop_mtu_told() {
    for mtu in [576, 1280, 1499] {
        let mut sim = narrow(mtu);
        for (offset, more_fragments) in [(0, false), (0, true)] {
            let header = Ipv4 { dont_fragment: true, offset, more_fragments, ..frames::transit() };
            let packet = header.packet(&[1; 1480]);
            let frame = frames::from_client(&packet);
            assert_eq!(sim.send(0, &frame), Verdict::Drop(DropReason::FragmentationNeeded));
            let [high, low] = (mtu as u16).to_be_bytes();
            let right = frames::icmp_error(0, 3, 4, [0, 0, high, low], &packet);
            let origin = Origin::Originated;
            assert_eq!(sim.transmitted(), [Sent { port: PortId(0), origin, bytes: right.clone() }]);
            sim.expect(|d| {
                d.drops(DropReason::FragmentationNeeded, frame.len()).reports(right.len());
                // Don't Fragment on a fragment is odd, and legal.
                d.seen[Anomaly::Ipv4FragmentDf as usize] += u64::from(more_fragments);
                d.diverts[Anomaly::Ipv4FragmentDf as usize].observed += u64::from(more_fragments);
            });
        }
    }
}

#[test]
fn a_packet_that_waits_for_a_cold_neighbour_is_cut_when_it_leaves() {
    let mut sim = Sim::cold(
        |config| {
            config.ports[1].mtu = 576;
            config.ports[1].ipv6.clear();
        },
        SIZES,
    );
    let packet = frames::udp(&frames::transit(), 9, &build::pattern(1000));
    let frame = frames::from_client(&packet);
    assert_eq!(sim.send(0, &frame), Verdict::Consume);
    sim.transmitted();
    sim.expect(|d| {
        d.receives(frame.len()).holds(frame.len()).originates(42);
    });
    assert_eq!(sim.send(1, &frames::arp_reply(&SERVER, &ROUTER_1)), Verdict::Consume);
    let right = pieces(&packet, 576);
    assert_eq!(sim.transmitted(), fragments(&right));
    sim.expect(|d| cuts(d.consumes(42), frame.len(), &right));
}

/// All of a packet's fragments leave, or none: a part of a datagram is of no use to anybody.
#[test]
fn without_room_for_all_fragments_none_leaves() {
    let packet = frames::udp(&frames::transit(), 9, &build::pattern(1400));
    let frame = frames::from_client(&packet);
    let right = pieces(&packet, 576);
    for transmit in [1, 2, 3] {
        let mut sim = narrow_with(576, Sizes { transmit, ..SIZES }, |_| ());
        if transmit < right.len() {
            assert_eq!(sim.send(0, &frame), Verdict::Drop(DropReason::EgressFull));
            assert_eq!(sim.transmitted(), []);
            sim.expect(|d| {
                d.drops(DropReason::EgressFull, frame.len());
            });
        } else {
            assert_eq!(sim.send(0, &frame), Verdict::Consume);
            assert_eq!(sim.transmitted(), fragments(&right));
            sim.expect(|d| cuts(d.receives(frame.len()), frame.len(), &right));
            // The device had no room for the last one.
            let origin = Origin::Fragment;
            sim.router.unsent(&Transmit { port: PortId(1), len: right[2].len(), origin });
            sim.settle();
            assert_eq!(sim.router.stats().sent.fragments.frames, 2);
            assert_eq!(sim.router.stats().fragments_lost, 1);
        }
    }
}

/// Any part of this IPv4 datagram, to the router.
fn part(header: &Ipv4, payload: &[u8], from: usize, to: usize) -> Vec<u8> {
    let header = Ipv4 { offset: (from / 8) as u16, more_fragments: to < payload.len(), ..header.clone() };
    frames::from_client(&header.packet(&payload[from..to]))
}

/// Any part of this IPv6 packet, to the router.
fn part_v6(header: &Ipv6, identification: u32, payload: &[u8], from: usize, to: usize) -> Vec<u8> {
    let more_fragments = to < payload.len();
    let piece = Piece { offset: (from / 8) as u16, more_fragments, identification };
    let header = Ipv6 { extensions: vec![Extension::Fragment(piece)], ..header.clone() };
    frames_v6::from_client(&header.packet(&payload[from..to]))
}

fn echo(to: Ipv4Addr, len: usize) -> (Ipv4, Vec<u8>) {
    let header = Ipv4 { protocol: protocol::ICMP, identification: 9, ..frames::to(to) };
    (header, build::icmp(icmp_type::ECHO, 0, [0, 1, 0, 2], &build::pattern(len)))
}

fn echo_v6(to: Ipv6Addr, len: usize) -> (Ipv6, Vec<u8>) {
    let header = Ipv6 { protocol: protocol::ICMPV6, ..frames_v6::to(to) };
    let rest = [0, 1, 0, 2];
    (header, build::icmpv6(CLIENT.ipv6, to, icmpv6_type::ECHO, 0, rest, &build::pattern(len)))
}

/// Bounds of the parts of a payload of 2008 bytes, in the order in which they come.
const ORDERS: [&[(usize, usize)]; 5] = [
    &[(0, 1000), (1000, 1400), (1400, 2008)],
    &[(1400, 2008), (1000, 1400), (0, 1000)],
    &[(1000, 1400), (1400, 2008), (0, 1000)],
    &[(0, 1000), (0, 1000), (1400, 2008), (1400, 2008), (1000, 1400)],
    &[(8, 1008), (1008, 2008), (0, 8)],
];

#[test]
fn an_echo_request_in_parts_is_answered_in_fragments_that_make_the_right_reply() {
    for order in ORDERS {
        for to in [ROUTER_0, ROUTER_1] {
            let mut sim = Sim::lab();
            let (header, message) = echo(to.address, 2000);
            let (header_v6, message_v6) = echo_v6(to.ipv6, 2000);
            let mut received = Delta::default();
            for &(from, end) in order {
                let frame = part(&header, &message, from, end);
                assert_eq!(sim.send(0, &frame), Verdict::Deliver);
                received.delivers(frame.len());
            }
            let sent = sim.transmitted();
            for sent in &sent {
                assert!(sent.bytes.len() <= 1514 && adds_up(&sent.bytes[14..34]));
                assert_eq!(
                    (&sent.bytes[..6], &sent.bytes[26..30]),
                    (&CLIENT.mac[..], &to.address.octets()[..])
                );
                received.originates(sent.bytes.len());
            }
            let reply = join_ipv4(sent.iter().map(|sent| &sent.bytes[14..]));
            assert_eq!(reply, Ok(build::icmp(0, 0, [0, 1, 0, 2], &build::pattern(2000))));
            for &(from, end) in order {
                let frame = part_v6(&header_v6, 5, &message_v6, from, end);
                assert_eq!(sim.send(0, &frame), Verdict::Deliver);
                received.delivers(frame.len());
            }
            let sent = sim.transmitted();
            for sent in &sent {
                assert!(sent.bytes.len() <= 1514);
                received.originates(sent.bytes.len());
            }
            let reply = join_ipv6(sent.iter().map(|sent| &sent.bytes[14..]));
            let right = build::icmpv6(to.ipv6, CLIENT.ipv6, 129, 0, [0, 1, 0, 2], &build::pattern(2000));
            assert_eq!(reply, Ok(right));
            sim.expect(|d| *d = received);
        }
    }
}

/// RFC 8200 §4.5: the ident of a reply must differ from that of any other sent recently.
#[test]
fn replies_in_fragments_have_idents_of_their_own() {
    let mut sim = Sim::lab();
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for ident in 0..50_u16 {
        let (header, message) = echo(ROUTER_0.address, 1600);
        let header = Ipv4 { identification: ident, ..header };
        let _ =
            (sim.send(0, &part(&header, &message, 0, 800)), sim.send(0, &part(&header, &message, 800, 1608)));
        v4.push(sim.transmitted()[0].bytes[18..20].to_vec());
        let (header, message) = echo_v6(ROUTER_0.ipv6, 1600);
        let id = ident.into();
        let _ = sim.send(0, &part_v6(&header, id, &message, 0, 800));
        let _ = sim.send(0, &part_v6(&header, id, &message, 800, 1608));
        v6.push(sim.transmitted()[0].bytes[58..62].to_vec());
    }
    for mut idents in [v4, v6] {
        idents.sort();
        idents.dedup();
        assert_eq!(idents.len(), 50);
    }
}

/// RFC 5722 §4, RFC 8200 §4.5: a datagram with an overlap is given up, with what still comes of it.
#[test]
fn an_overlap_gives_the_datagram_up() {
    let mut sim = Sim::lab();
    let (header, message) = echo(ROUTER_0.address, 1000);
    let (header_v6, message_v6) = echo_v6(ROUTER_0.ipv6, 1000);
    let v4 = |from, to| part(&header, &message, from, to);
    let v6 = |from, to| part_v6(&header_v6, 5, &message_v6, from, to);
    let rows = [
        (v4(0, 400), v4(392, 1008), v4(400, 1008), Anomaly::Ipv4FragmentOverlap),
        (v6(0, 400), v6(392, 1008), v6(400, 1008), Anomaly::Ipv6FragmentOverlap),
    ];
    for (first, overlapping, rest, anomaly) in rows {
        assert_eq!(sim.send(0, &first), Verdict::Deliver);
        assert_eq!(sim.send(0, &overlapping), Verdict::Divert(anomaly));
        sim.expect(|d| {
            d.delivers(first.len()).diverts_one(anomaly, overlapping.len()).reassembly_failed += 1;
        });
        let divert = sim.diverts().remove(0);
        assert_eq!(divert.bytes, overlapping);
        sim.abandon(&divert);
        sim.expect(|d| {
            d.discards(DropReason::Anomaly(anomaly), Path::SlowRefused, overlapping.len());
            d.diverts[anomaly as usize].unanswered += 1;
        });
        for late in [&rest, &first] {
            assert_eq!(sim.send(0, late), Verdict::Drop(DropReason::ReassemblyInconsistent));
            sim.expect(|d| {
                d.drops(DropReason::ReassemblyInconsistent, late.len());
            });
        }
        assert_eq!(sim.transmitted(), []);
    }
}

/// RFC 792, RFC 1122 §3.3.2, RFC 4443 §3.3: the source is told if the first fragment has come, else nobody.
#[test]
fn what_does_not_become_complete_in_time_is_reported_by_its_first_fragment() {
    let minute = Duration::from_secs(60);
    let mut sim = Sim::lab_with(|config| config.limits.neighbor_lifetime = Duration::from_secs(600));
    let (header, message) = echo(ROUTER_1.address, 1600);
    let (header_v6, message_v6) = echo_v6(ROUTER_1.ipv6, 1600);
    let first = part(&header, &message, 0, 800);
    let first_v6 = part_v6(&header_v6, 5, &message_v6, 0, 800);
    let right = frames::icmp_error(0, 11, 1, [0; 4], &first[14..]);
    let ends = (ROUTER_1.ipv6, CLIENT.ipv6, CLIENT.mac);
    let right_v6 = frames_v6::error_to(0, ends, (3, 1, 0), &first_v6[14..]);
    for (first, right) in [(first, right), (first_v6, right_v6)] {
        assert_eq!(sim.send(0, &first), Verdict::Deliver);
        sim.advance(minute - Duration::from_micros(1));
        sim.expect(|d| {
            d.delivers(first.len());
        });
        assert_eq!(sim.transmitted(), []);
        sim.advance(Duration::from_micros(1));
        let sent = sim.transmitted();
        assert_eq!(sent, [Sent { port: PortId(0), origin: Origin::Originated, bytes: right.clone() }]);
        sim.expect(|d| {
            d.reports(right.len()).reassembly_failed += 1;
        });
    }
    let later = part(&header, &message, 800, 1608);
    let later_v6 = part_v6(&header_v6, 5, &message_v6, 800, 1608);
    for frame in [later, later_v6] {
        assert_eq!(sim.send(0, &frame), Verdict::Deliver);
        sim.advance(minute);
        assert_eq!(sim.transmitted(), []);
        sim.expect(|d| {
            d.delivers(frame.len()).reassembly_failed += 1;
        });
    }
}

/// Whoever sends the first parts of many datagrams pushes out its own, and the whole stays bounded.
#[test]
fn slots_and_sizes_are_bounded() {
    let mut sim = Sim::cold(|_| (), Sizes { reassembly: 2, ..SIZES });
    sim.prime();
    let (header, message) = echo(ROUTER_0.address, 1600);
    let of = |identification, from, to| part(&Ipv4 { identification, ..header.clone() }, &message, from, to);
    for ident in 0..3 {
        let frame = of(ident, 0, 800);
        assert_eq!(sim.send(0, &frame), Verdict::Deliver);
        sim.expect(|d| {
            // The third takes over the slot of the first, which nobody is told.
            d.delivers(frame.len()).reassembly_failed += u64::from(ident == 2);
        });
    }
    assert_eq!(sim.send(0, &of(2, 800, 1608)), Verdict::Deliver);
    assert_eq!(sim.transmitted().len(), 2, "the newest is complete");
    // 4096 bytes are the most (EMTU_R).
    let (header, message) = echo(ROUTER_0.address, 4077);
    let last = part(&header, &message, 4080, 4085);
    assert_eq!(sim.send(0, &last), Verdict::Drop(DropReason::HostTooLarge));
    let (header_v6, message_v6) = echo_v6(ROUTER_0.ipv6, 4089);
    let last = part_v6(&header_v6, 1, &message_v6, 4088, 4097);
    assert_eq!(sim.send(0, &last), Verdict::Drop(DropReason::HostTooLarge));
    assert_eq!(sim.transmitted(), []);
}

/// What was in fragments is judged like what was whole, once it is whole: checksums, ports, protocols.
#[test]
fn a_reassembled_packet_is_judged_like_any_other() {
    let mut sim = Sim::lab();
    // A closed port is reported (RFC 4443 §3.1) from the address that was asked.
    let datagram = build::udp(CLIENT.ipv6, ROUTER_1.ipv6, 4000, 9999, &[1; 40]);
    let header = frames_v6::to(ROUTER_1.ipv6);
    assert_eq!(sim.send(0, &part_v6(&header, 1, &datagram, 0, 24)), Verdict::Deliver);
    let last = part_v6(&header, 1, &datagram, 24, 48);
    assert_eq!(sim.send(0, &last), Verdict::Drop(DropReason::PortUnreachable));
    let sent = sim.transmitted().remove(0).bytes;
    assert_eq!(frames_v6::message(&sent)[..2], [1, 4]);
    assert_eq!(sent[22..38], ROUTER_1.ipv6.octets());
    // A checksum that is wrong.
    let mut wrong = datagram;
    wrong[47] ^= 1;
    assert_eq!(sim.send(0, &part_v6(&header, 2, &wrong, 0, 24)), Verdict::Deliver);
    let last = part_v6(&header, 2, &wrong, 24, 48);
    assert_eq!(sim.send(0, &last), Verdict::Drop(DropReason::Anomaly(Anomaly::UdpChecksum)));
    assert_eq!(sim.transmitted(), []);
    // One that is whole in spite of its Fragment header is served at once, and noted (RFC 6946 §4).
    let (header, message) = echo_v6(ROUTER_0.ipv6, 56);
    let frame = part_v6(&header, 3, &message, 0, message.len());
    assert_eq!(sim.send(0, &frame), Verdict::Deliver);
    let reply = sim.transmitted().remove(0).bytes;
    assert_eq!(frames_v6::message(&reply)[..2], [129, 0]);
    assert_eq!(sim.router.stats().seen[Anomaly::Ipv6AtomicFragment as usize], 1);
}
