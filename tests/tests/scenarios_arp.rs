//! Scenarios: neighbours that are cold, silent, lying or too many.
//!
//! Read first: RFC 826, RFC 1122 §2.3.2, RFC 5227 §2.1.1, RFC 1812 §3.3.2.

use pktgen::build::{self, Arp, BROADCAST, Ipv4, ethernet, ethertype};
use pktgen::oracle;
use pktgen::world::Host;
use smoltcp::time::Duration;
use stack::stats::{Disposition, Path};
use stack::{Anomaly, DropReason, Origin, PortId, Rate, Verdict};
use std::net::Ipv4Addr;
use tests::frames::{self, CLIENT, ROUTER_0, ROUTER_1, SERVER, from_client, from_server, transit};
use tests::storage::{SIZES, Sizes};
use tests::{Sent, Sim};

const ARP_LEN: usize = 42;

fn originated(port: u8, bytes: Vec<u8>) -> Sent {
    Sent { port: PortId(port), origin: Origin::Originated, bytes }
}

fn asks_for(port: usize, target: Ipv4Addr) -> Sent {
    originated(port as u8, frames::arp_request(&frames::ROUTER[port], target))
}

/// A router that knows the client only.
fn without_server() -> Sim {
    let mut sim = Sim::cold(|_| (), SIZES);
    assert_eq!(sim.send(0, &frames::arp_request(&CLIENT, ROUTER_0.address)), Verdict::Consume);
    let reply = frames::arp_reply(&ROUTER_0, &CLIENT);
    assert_eq!(sim.transmitted(), [originated(0, reply)]);
    sim.expect(|d| {
        d.consumes(ARP_LEN).originates(ARP_LEN);
    });
    sim
}

fn datagram(identification: u16) -> Vec<u8> {
    from_client(&frames::udp(&Ipv4 { identification, ..transit() }, 9, b"data"))
}

#[test]
fn a_cold_neighbour_is_asked_once_and_its_packets_follow_in_order() {
    let mut sim = without_server();
    let queued = [datagram(1), datagram(2), datagram(3)];
    let len = queued[0].len();
    for frame in &queued {
        assert_eq!(sim.send(0, frame), Verdict::Consume);
    }
    assert_eq!(sim.transmitted(), [asks_for(1, SERVER.address)], "one request, whoever waits");
    sim.expect(|d| {
        for _ in 0..3 {
            d.receives(len).holds(len);
        }
        d.originates(ARP_LEN);
    });
    assert_eq!(sim.send(1, &frames::arp_reply(&SERVER, &ROUTER_1)), Verdict::Consume);
    let sent = sim.transmitted();
    for (sent, frame) in sent.iter().zip(&queued) {
        assert_eq!(Some(&sent.bytes), oracle::forward(frame, ROUTER_1.mac, SERVER.mac).as_ref());
        assert_eq!(sent.origin, Origin::Forwarded { received_len: len, path: Path::Fast });
    }
    assert_eq!(sent.len(), 3);
    sim.expect(|d| {
        d.consumes(ARP_LEN);
        d.sent.forwarded.bytes += 3 * len as u64;
        d.sent.forwarded.frames += 3;
        for _ in 0..3 {
            d.ends(Disposition::Forwarded, Path::Fast, len);
        }
    });
    // From now on nothing waits and nobody is asked.
    assert_eq!(sim.send(0, &datagram(4)), Verdict::Forward { port: PortId(1) });
    sim.expect(|d| {
        d.forwards(len, len);
    });
}

#[test]
fn a_neighbour_that_never_answers_is_reported_unreachable() {
    let mut sim = without_server();
    let packet = frames::udp(&transit(), 9, b"data");
    let frame = from_client(&packet);
    assert_eq!(sim.send(0, &frame), Verdict::Consume);
    sim.expect(|d| {
        d.receives(frame.len()).holds(frame.len()).originates(ARP_LEN);
    });
    // At most one request a second (RFC 1122 §2.3.2.1), three in all.
    sim.advance(Duration::from_millis(2_999));
    sim.expect(|d| {
        d.originates(ARP_LEN).originates(ARP_LEN).holds(frame.len());
    });
    assert_eq!(sim.transmitted(), [(); 3].map(|()| asks_for(1, SERVER.address)));
    sim.advance(Duration::from_millis(1));
    let right = frames::icmp_error(0, 3, 1, [0; 4], &packet);
    sim.expect(|d| {
        d.discards(DropReason::NeighborFailed, Path::Fast, frame.len()).reports(right.len());
    });
    assert_eq!(sim.transmitted(), [originated(0, right.clone())]);
    // While it is too early to ask again, the next packet is refused at once; then it starts anew.
    assert_eq!(sim.send(0, &frame), Verdict::Drop(DropReason::NeighborFailed));
    sim.expect(|d| {
        d.drops(DropReason::NeighborFailed, frame.len()).reports(right.len());
    });
    assert_eq!(sim.transmitted(), [originated(0, right)]);
    sim.advance(Duration::from_secs(1));
    assert_eq!(sim.send(0, &frame), Verdict::Consume);
    assert_eq!(sim.transmitted(), [asks_for(1, SERVER.address)]);
}

#[test]
fn the_waiting_room_is_bounded_for_each_neighbour_and_in_all() {
    let sizes = Sizes { waiting: 6, ..SIZES };
    let mut sim = Sim::cold(|config| config.limits.waiting_per_neighbor = 4, sizes);
    let to = |last: u8| from_client(&frames::udp(&frames::to(Ipv4Addr::new(10, 0, 2, last)), 9, b"data"));
    let len = to(2).len();
    let verdicts = [2, 2, 2, 2, 2, 3, 3, 3].map(|last| sim.send(0, &to(last)));
    let full = Verdict::Drop(DropReason::WaitingRoomFull);
    let waits = Verdict::Consume;
    assert_eq!(verdicts, [waits, waits, waits, waits, full, waits, waits, full]);
    sim.expect(|d| {
        for _ in 0..6 {
            d.receives(len).holds(len);
        }
        for _ in 0..2 {
            d.drops(DropReason::WaitingRoomFull, len);
        }
        for _ in 0..2 {
            d.originates(ARP_LEN);
        }
    });
}

#[test]
fn a_probe_for_our_address_is_defended_and_teaches_nothing() {
    let mut sim = Sim::cold(|_| (), SIZES);
    let prober = Host { address: Ipv4Addr::UNSPECIFIED, ..CLIENT };
    assert_eq!(sim.send(0, &frames::arp_request(&prober, ROUTER_0.address)), Verdict::Consume);
    assert_eq!(sim.transmitted(), [originated(0, frames::arp_reply(&ROUTER_0, &prober))]);
    assert_eq!(sim.router.neighbors().iter().count(), 0);
    sim.expect(|d| {
        d.consumes(ARP_LEN).originates(ARP_LEN);
    });
}

#[test]
fn requests_for_others_are_neither_answered_nor_remembered() {
    let mut sim = Sim::cold(|_| (), SIZES);
    // For another host, and for the router's address on another network (which is not to be found here).
    for target in [Ipv4Addr::new(10, 0, 1, 77), ROUTER_1.address] {
        assert_eq!(sim.send(0, &frames::arp_request(&CLIENT, target)), Verdict::Consume);
        sim.expect(|d| {
            d.consumes(ARP_LEN);
        });
    }
    // A stranger from another network is answered, but not remembered.
    let stranger = Host { address: Ipv4Addr::new(192, 0, 2, 7), ..CLIENT };
    assert_eq!(sim.send(0, &frames::arp_request(&stranger, ROUTER_0.address)), Verdict::Consume);
    assert_eq!(sim.router.neighbors().iter().count(), 0);
    assert_eq!(sim.transmitted(), [originated(0, frames::arp_reply(&ROUTER_0, &stranger))]);
}

#[test]
fn a_group_hardware_address_and_our_own_address_are_never_learned() {
    let mut sim = Sim::lab();
    let lies = [
        (Arp::request(BROADCAST, CLIENT.address, ROUTER_0.address), Anomaly::ArpSenderGroup),
        (Arp::request([1, 0, 0x5e, 0, 0, 9], CLIENT.address, ROUTER_0.address), Anomaly::ArpSenderGroup),
        (Arp::request([0; 6], CLIENT.address, ROUTER_0.address), Anomaly::ArpSenderGroup),
        (Arp::request(CLIENT.mac, ROUTER_0.address, ROUTER_0.address), Anomaly::ArpClaimsOurAddress),
        (Arp::request(CLIENT.mac, ROUTER_1.address, CLIENT.address), Anomaly::ArpClaimsOurAddress),
    ];
    let before: Vec<_> = sim.router.neighbors().iter().collect();
    for (lie, anomaly) in lies {
        for operation in [1, 2] {
            let packet = Arp { operation, ..lie }.packet();
            let frame = ethernet(BROADCAST, CLIENT.mac, ethertype::ARP, &packet);
            assert_eq!(sim.send(0, &frame), Verdict::Divert(anomaly));
            sim.expect(|d| {
                d.diverts_one(anomaly, ARP_LEN);
            });
            sim.advance(Duration::from_millis(50));
            sim.expect(|d| {
                d.discards(DropReason::Anomaly(anomaly), Path::SlowRefused, ARP_LEN);
                d.diverts[anomaly as usize].unanswered += 1;
            });
        }
    }
    assert_eq!(sim.router.neighbors().iter().collect::<Vec<_>>(), before);
    assert_eq!(sim.transmitted(), [], "no reply to any of them");
}

#[test]
fn a_neighbour_that_moves_is_followed_and_a_stale_one_confirmed() {
    let mut sim = Sim::lab();
    let moved = Host { mac: [2, 0, 0, 0, 2, 99], ..SERVER };
    assert_eq!(sim.send(1, &frames::arp_request(&moved, ROUTER_1.address)), Verdict::Consume);
    assert_eq!(sim.send(0, &datagram(1)), Verdict::Forward { port: PortId(1) });
    assert_eq!(sim.transmitted().pop().expect("a frame").bytes[..6], moved.mac);
    // Used while it is being confirmed, one request a second, and given up after three.
    sim.advance(sim.router.config().limits.neighbor_lifetime);
    assert_eq!(sim.send(0, &datagram(2)), Verdict::Forward { port: PortId(1) });
    assert_eq!(sim.send(0, &datagram(3)), Verdict::Forward { port: PortId(1) });
    let requests = sim.transmitted().into_iter().filter(|sent| *sent == asks_for(1, SERVER.address));
    assert_eq!(requests.count(), 1);
    sim.advance(Duration::from_secs(3));
    assert_eq!(sim.send(0, &datagram(4)), Verdict::Drop(DropReason::NeighborFailed));
}

#[test]
fn a_full_table_is_named_and_frees_itself_of_the_silent() {
    // Each of the two ports has half of the table, and half of that may be asked for.
    let sizes = Sizes { neighbors: 16, waiting: 64, ..SIZES };
    let mut sim = Sim::cold(|config| config.limits.icmp_error_rate = Rate { per_second: 0, burst: 0 }, sizes);
    let to = |last: u8| from_client(&frames::udp(&frames::to(Ipv4Addr::new(10, 0, 2, last)), 9, b"data"));
    // Someone scans the network: nobody is there.
    for last in 100..104 {
        assert_eq!(sim.send(0, &to(last)), Verdict::Consume);
    }
    assert_eq!(sim.send(0, &to(2)), Verdict::Drop(DropReason::NeighborTableFull));
    // When the requests have failed, there must be room again for one who does answer.
    sim.advance(Duration::from_secs(10));
    sim.transmitted();
    assert_eq!(sim.send(0, &to(2)), Verdict::Consume, "failed neighbours must make room");
    assert_eq!(sim.transmitted(), [asks_for(1, SERVER.address)]);
}

#[test]
fn the_routers_own_packets_wait_for_a_neighbour_too() {
    let mut sim = Sim::cold(|_| (), SIZES);
    // An echo request from a host that the router has not heard of: the reply has to wait.
    let request = from_server(&frames::echo_request(&Ipv4::new(SERVER.address, ROUTER_0.address), 1));
    assert_eq!(sim.send(1, &request), Verdict::Deliver);
    assert_eq!(sim.transmitted(), [asks_for(1, SERVER.address)]);
    sim.expect(|d| {
        d.delivers(request.len()).originates(ARP_LEN);
    });
    assert_eq!(sim.send(1, &frames::arp_reply(&SERVER, &ROUTER_1)), Verdict::Consume);
    let reply = pktgen::echo::echo_reply(&request).expect("a right request");
    let sent = sim.transmitted();
    assert_eq!(frames::comparable(&sent[0].bytes), frames::comparable(&reply));
    sim.expect(|d| {
        d.consumes(ARP_LEN).originates(reply.len());
    });
    // If it never answers, nobody is told: there is no error about an ICMP reply of our own.
    let mut sim = Sim::cold(|_| (), SIZES);
    assert_eq!(sim.send(1, &build::pad(request)), Verdict::Deliver);
    sim.advance(Duration::from_secs(5));
    assert_eq!(sim.transmitted().len(), 3, "requests and nothing else");
    assert_eq!((sim.router.stats().originated_lost, sim.router.stats().icmp_errors), (1, 0));
}
