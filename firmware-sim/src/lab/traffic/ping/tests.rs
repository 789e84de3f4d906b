//! `ping` against a good neighbour, a bad one, and none.

use super::*;
use crate::lab::namespace::HostPlan;
use crate::lab::privilege::{probe_tap, skip};
use crate::lab::test_cable::Cable;
use crate::port::tap::Tap;
use crate::port::{Port, Sent};
use smoltcp::wire::checksum;
use std::sync::atomic::Ordering;

fn plan(count: u64) -> PingPlan {
    PingPlan {
        target: Cable::SECOND.into(),
        count,
        interval: Duration::from_millis(10),
        size: 56,
        timeout: Duration::from_secs(2),
    }
}

#[test]
fn the_hosts_ping_judges_a_live_neighbour() {
    let Some(cable) = Cable::plug() else { return };
    let running = cable.first.spawn_ping(&plan(20), Stop::default()).unwrap();
    let progress = running.progress();
    let report = running.join();
    println!("{report:?}");
    assert_eq!((report.sent, report.received, report.rtts.len()), (20, 20, 20));
    assert_eq!((report.damaged, report.duplicates, report.errors), (0, 0, 0), "{report:?}");
    assert_eq!(progress.get(), 20);
}

#[test]
fn a_stop_ends_it_with_a_summary() {
    let Some(cable) = Cable::plug() else { return };
    let stop = Stop::default();
    let running = cable.first.spawn_ping(&plan(10_000), stop.clone()).unwrap();
    thread::sleep(Duration::from_millis(300));
    stop.store(true, Ordering::Relaxed);
    let report = running.join();
    assert!(report.sent > 1 && report.received == report.sent, "{report:?}");
}

/// Answers ARP and echo as 10.0.1.3, but replies 2, 3 and 5 are damaged and 4 comes twice.
fn answer_badly(tap: &mut Tap, frame: &mut [u8]) {
    let mac: [u8; 6] = frame[6..12].try_into().unwrap();
    frame[..6].copy_from_slice(&mac);
    frame[6..12].copy_from_slice(&[2, 0, 0, 0, 1, 3]);
    let copies = match (frame[12], frame[13]) {
        (8, 6) => {
            let asked: [u8; 10] = frame[22..32].try_into().unwrap();
            frame[21] = 2;
            frame[22..28].copy_from_slice(&[2, 0, 0, 0, 1, 3]);
            frame[28..32].copy_from_slice(&Cable::SECOND.octets());
            frame[32..42].copy_from_slice(&asked);
            1
        }
        (8, 0) => {
            frame[26..30].copy_from_slice(&Cable::SECOND.octets());
            frame[30..34].copy_from_slice(&Cable::FIRST.octets());
            frame[34] = 0;
            let sequence = frame[41];
            match sequence {
                2 => frame[70] ^= 1,
                5 => frame[17] -= 8,
                _ => {}
            }
            let end = 14 + usize::from(frame[17]);
            for (at, range) in [(24, 14..34), (36, 34..end)] {
                frame[at..at + 2].fill(0);
                let sum = checksum::data(&frame[range]);
                frame[at..at + 2].copy_from_slice(&(!sum).to_be_bytes());
            }
            frame[37] ^= u8::from(sequence == 3);
            1 + usize::from(sequence == 4)
        }
        _ => 0,
    };
    for _ in 0..copies {
        assert_eq!(tap.send(frame).unwrap(), Sent::Done);
    }
}

#[test]
fn damaged_and_doubled_replies_are_told_from_good_ones() {
    if let Err(reason) = probe_tap() {
        return skip(&reason.to_string());
    }
    let (host, mut tap) = Host::start(HostPlan { gateway: None, ..HostPlan::client() }).unwrap();
    let plan = PingPlan { timeout: Duration::from_millis(500), ..plan(6) };
    let running = host.spawn_ping(&plan, Stop::default()).unwrap();
    let mut buffer = [0; 2048];
    while !running.is_finished() {
        while let Some(received) = tap.receive(&mut buffer).unwrap() {
            answer_badly(&mut tap, &mut buffer[..received.len]);
        }
        thread::sleep(Duration::from_millis(1));
    }
    let report = running.join();
    if report.judge == Judge::KernelSocket {
        return skip("no iputils ping on PATH");
    }
    assert_eq!((report.sent, report.received, report.duplicates), (6, 3, 1), "{report:?}");
    assert_eq!((report.damaged, report.rtts.len()), (2, 3), "{report:?}");
}

#[test]
fn the_socket_judges_where_there_is_no_ping() {
    let Some(cable) = Cable::plug() else { return };
    let report =
        spawn_on_socket(&cable.first, Judge::KernelSocket, &plan(20), Stop::default()).unwrap().join();
    assert_eq!((report.sent, report.received, report.judge), (20, 20, Judge::KernelSocket));
}
