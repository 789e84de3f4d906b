//! Two hosts in memory on one cable: every load that the lab runs.

use super::*;
use crate::lab::namespace::Ipv6Plan;
use crate::lab::traffic::exchange::EchoPlan;
use crate::lab::traffic::tcp::TcpPlan;
use crate::lab::traffic::{icmp, tcp, udp};
use crate::port::memory::pair;
use std::net::{Ipv4Addr, Ipv6Addr};

const SECOND: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 3);
const SECOND_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 3);

fn cable() -> (MemoryHost, MemoryHost) {
    let (a, b) = pair("a", "b", 256).unwrap();
    let client = HostPlan::client();
    let ipv6 = client.ipv6.map(|plan| Ipv6Plan { gateway: None, ..plan });
    let first = HostPlan { gateway: None, ipv6, ..client };
    let ipv6 = ipv6.map(|plan| Ipv6Plan { address: SECOND_V6, ..plan });
    let second = HostPlan { address: SECOND, ipv6, mac: [2, 0, 0, 0, 1, 3], ..first.clone() };
    (MemoryHost::start(first, a).unwrap(), MemoryHost::start(second, b).unwrap())
}

#[test]
fn echoes_of_both_kinds_are_answered() {
    let (first, second) = cable();
    let plan = EchoPlan { payload: 0..=1472, ..EchoPlan::burst(SECOND, 200) };
    let counts = icmp::spawn_echo(&first, plan.clone(), Stop::default()).unwrap().join();
    assert!(counts.is_clean() && counts.first_answered, "{counts:?}");

    first.forget_neighbor(SECOND.into()).unwrap();
    let stop = Stop::default();
    let server = udp::spawn_echo_server(&second, Family::V4, 7, stop.clone()).unwrap();
    let counts = udp::spawn_echo(&first, 7, plan, Stop::default()).unwrap().join();
    stop.store(true, Ordering::Relaxed);
    assert!(counts.is_clean() && counts.first_answered, "{counts:?}");
    assert_eq!(server.join().received, 200);
    let seen = second.counters().unwrap();
    assert_eq!((seen.icmp_in_echos, seen.udp_in_datagrams, seen.malformed()), (200, 200, 0));
}

#[test]
fn a_forgotten_neighbour_is_asked_for_at_once() {
    let (first, _second) = cable();
    let start = std::time::Instant::now();
    for _ in 0..5 {
        first.forget_neighbor(SECOND.into()).unwrap();
        let counts = icmp::spawn_echo(&first, EchoPlan::burst(SECOND, 1), Stop::default()).unwrap().join();
        assert!(counts.is_clean(), "{counts:?}");
    }
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn ipv6_echoes_of_both_kinds_are_answered() {
    let (first, second) = cable();
    let plan = EchoPlan { payload: 0..=1440, ..EchoPlan::burst(SECOND_V6, 100) };
    let counts = icmp::spawn_echo(&first, plan.clone(), Stop::default()).unwrap().join();
    assert!(counts.is_clean() && counts.first_answered, "{counts:?}");
    let stop = Stop::default();
    let server = udp::spawn_echo_server(&second, Family::V6, 7, stop.clone()).unwrap();
    let counts = udp::spawn_echo(&first, 7, plan, Stop::default()).unwrap().join();
    stop.store(true, Ordering::Relaxed);
    assert!(counts.is_clean(), "{counts:?}");
    assert_eq!(server.join().received, 100);
    let seen = second.counters().unwrap();
    assert_eq!((seen.icmp6_in_echos, seen.udp6_in_datagrams, seen.malformed()), (100, 100, 0));
}

#[test]
fn every_byte_of_a_transfer_comes_back() {
    let (first, second) = cable();
    let stop = Stop::default();
    let server = tcp::spawn_echo_server(&second, Family::V4, 5001, stop.clone()).unwrap();
    let plan = TcpPlan {
        target: SECOND.into(),
        l4_port: 5001,
        bytes: 500_001,
        transfers: Some(6),
        pause: Duration::ZERO,
        timeout: Duration::from_secs(5),
        seed: 1,
    };
    let counts = tcp::spawn_transfers(&first, plan.clone(), Stop::default()).unwrap().join();
    stop.store(true, Ordering::Relaxed);
    assert!(counts.is_clean() && counts.sent == 6 * 500_001, "{counts:?}");
    assert_eq!(server.join(), 6);
    let nobody = TcpPlan { l4_port: 9, transfers: Some(1), ..plan };
    let counts = tcp::spawn_transfers(&first, nobody, Stop::default()).unwrap().join();
    assert_eq!((counts.failed, counts.is_clean()), (1, false));
}

#[test]
fn raw_frames_reach_the_sink_and_a_wrong_one_is_counted() {
    let (first, second) = cable();
    let stop = Stop::default();
    let sink = udp::spawn_sink(&second, 4000, stop.clone()).unwrap();
    let mut frame = vec![2, 0, 0, 0, 1, 3, 2, 0, 0, 0, 1, 2, 8, 0];
    frame.extend([0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0x64, 0xc9, 10, 0, 1, 2, 10, 0, 1, 3]);
    // UDP without a checksum (RFC 768), 4 bytes of payload.
    frame.extend([0x0f, 0xa0, 0x0f, 0xa0, 0, 12, 0, 0, 1, 2, 3, 4]);
    let sender = first.open_raw().unwrap();
    let _ = sender.send(&frame).unwrap();
    frame[24] ^= 1;
    let _ = sender.send(&frame).unwrap();
    let start = std::time::Instant::now();
    while second.counters().unwrap().ip_in_receives < 2 && start.elapsed() < Duration::from_secs(2) {
        std::thread::sleep(Duration::from_millis(1));
    }
    stop.store(true, Ordering::Relaxed);
    let counts = sink.join();
    assert_eq!((counts.received, counts.payloads.get(&vec![1, 2, 3, 4])), (1, Some(&1)));
    assert_eq!(second.counters().unwrap().malformed(), 1);
}

#[test]
fn the_report_says_that_no_kernel_judged() {
    let (first, _second) = cable();
    let plan = PingPlan {
        target: SECOND.into(),
        count: 20,
        interval: Duration::ZERO,
        size: 56,
        timeout: Duration::from_secs(1),
    };
    let report = first.spawn_ping(&plan, Stop::default()).unwrap().join();
    assert_eq!((report.sent, report.received, &report.judge), (20, 20, &Judge::MemoryHost));
    assert!(report.judge.to_string().contains("not a kernel"));
}
