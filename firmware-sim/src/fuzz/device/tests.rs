//! Devices under test: a Linux kernel, and one that dies.

use super::scene::Scene;
use super::*;
use crate::fuzz::tests as in_memory;
use crate::lab::namespace::{Host, HostPlan};
use crate::lab::privilege::{probe_tap, skip};
use crate::port::tap::Tap;
use crate::replay::hosts;
use pcap_file::pcapng::{Block, PcapNgReader};
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;

fn plan(frames: u64, name: &str) -> FuzzPlan {
    FuzzPlan { seed: 5, pps: 5_000, ..in_memory::plan(frames, &format!("target-{name}")) }
}

fn device(peer: Mac, addresses: &[&str], probe_every: u64) -> TargetPlan {
    let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
    TargetPlan { interface: "tap0".into(), peer, addresses, probe_every }
}

#[test]
fn a_kernel_survives_and_its_answers_are_told_by_reason() {
    if let Err(refused) = probe_tap() {
        return skip(&refused.to_string());
    }
    let (host, tap) = Host::start(HostPlan::client()).unwrap();
    let device = device(host.plan().mac, &["10.0.1.2/24", "fd00:1::2"], 100);
    let plan = plan(6_000, "kernel");
    let cases = Cases::prepare(&plan.cases).unwrap();
    let aim = aim::Aim::new(&plan, &device, &cases, Box::new(tap), "a TAP").unwrap();
    let report = aim.run(&AtomicBool::new(false)).unwrap();
    assert!(report.success && !report.interrupted, "{report}");
    assert_eq!(report.frames + report.not_sent, 6_000, "{report}");
    for (kind, asked) in &report.probes {
        assert!(asked.answered * 10 >= asked.rounds * 9 && asked.rounds >= 50, "{kind}: {report}");
    }
    let sent: u64 = report.reasons.values().map(|row| row.sent).sum();
    assert_eq!(sent, report.frames, "{report}");
    assert!(report.reasons.len() > 60, "{report}");
    assert!(report.attributed.quoted > 0 && report.attributed.matched > 10, "{report}");
    assert!(report.reasons["echo_request"].answers["echo reply"] > 0, "{report}");
    assert!(report.reasons["healthy"].answers.keys().any(|kind| kind.starts_with("icmp ")), "{report}");
    // A kernel drops what has a wrong checksum without a word; answers that are guessed may fall on any frame.
    let row = &report.reasons["ipv4_checksum"];
    assert!(row.nothing * 10 >= row.sent * 7, "{report}");
    // A kernel believes an ARP packet of a group's station, and sends there; and it tells broadcast sources of errors.
    let known = |line: &String| line.contains("differ in kind") || line.contains("error to a broadcast");
    assert!(report.malformed.iter().all(known), "{report}");
    assert!(report.to_string().ends_with("the device still answers\n"), "{report}");
}

#[test]
fn ctrl_c_ends_with_what_there_is_by_then() {
    if let Err(refused) = probe_tap() {
        return skip(&refused.to_string());
    }
    let (host, tap) = Host::start(HostPlan::client()).unwrap();
    let device = device(host.plan().mac, &["10.0.1.2", "fd00:1::2"], 100);
    let plan = plan(1_000_000, "interrupt");
    let cases = Cases::prepare(&plan.cases).unwrap();
    let aim = aim::Aim::new(&plan, &device, &cases, Box::new(tap), "a TAP").unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let setter = Arc::clone(&stop);
    let timer = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_secs(2));
        setter.store(true, Ordering::Relaxed);
    });
    let report = aim.run(&stop).unwrap();
    timer.join().unwrap();
    assert!(report.success && report.interrupted && report.frames > 100, "{report}");
}

/// A device that answers ARP and Neighbour Discovery, until it has been sent so many frames that are no questions.
fn mortal(mut tap: Tap, life: usize, over: Arc<AtomicBool>) -> std::thread::JoinHandle<Vec<Vec<u8>>> {
    std::thread::spawn(move || {
        let mut taken = Vec::new();
        let mut buffer = [0; 4096];
        while !over.load(Ordering::Relaxed) {
            let Some(received) = tap.receive(&mut buffer).unwrap() else {
                std::thread::sleep(std::time::Duration::from_micros(200));
                continue;
            };
            let frame = &buffer[..received.len];
            let question = frame.get(6..12) == Some(&PROBER);
            match (question, taken.len() < life) {
                (true, true) => {
                    if let Some(answer) = hosts::answer(frame) {
                        let _ = tap.send(&answer).unwrap();
                    }
                }
                (true, false) => {}
                (false, true) => taken.push(frame.to_vec()),
                (false, false) => {}
            }
        }
        taken
    })
}

/// The station of probes for 10.0.1.1: those of 10.0.1.3.
const PROBER: [u8; 6] = [6, b'n', 10, 0, 1, 3];

#[test]
fn a_device_that_dies_is_found_with_the_frames_before() {
    if let Err(refused) = probe_tap() {
        return skip(&refused.to_string());
    }
    // The device holds the TAP, and the fuzzer sends from the namespace.
    let (host, tap) = Host::start(HostPlan { ipv6: None, ..HostPlan::client() }).unwrap();
    let device = device(hosts::mac([10, 0, 1, 1]), &["10.0.1.1/24"], 50);
    assert_eq!(Scene::new(device.peer, &device.addresses).prober.mac, PROBER);
    let over = Arc::new(AtomicBool::new(false));
    let dying = mortal(tap, 700, Arc::clone(&over));
    let plan = plan(50_000, "dying");
    let port = host.run(|| open("lan0").unwrap().0);
    let cases = Cases::prepare(&plan.cases).unwrap();
    let report = aim::Aim::new(&plan, &device, &cases, port, "a packet socket").unwrap();
    let report = report.run(&AtomicBool::new(false));
    over.store(true, Ordering::Relaxed);
    let (report, taken) = (report.unwrap(), dying.join().unwrap());
    assert!(!report.success, "{report}");
    let stopped = report.stopped.as_ref().unwrap();
    assert!(stopped.suspects <= 100 && stopped.suspects > 0, "{report}");
    let told = format!("STOPPED ANSWERING after frame index {}:", stopped.after.unwrap());
    assert!(report.to_string().contains(&told), "{report}");
    let mut reader = PcapNgReader::new(File::open(stopped.file.as_ref().unwrap()).unwrap()).unwrap();
    let (mut written, mut marked) = (Vec::new(), 0);
    while let Some(block) = reader.next_block() {
        if let Block::EnhancedPacket(packet) = block.unwrap() {
            marked += usize::from(format!("{:?}", packet.options).contains("after the last sign of life"));
            written.push(packet.data.to_vec());
        }
    }
    std::fs::remove_dir_all(&plan.cases).unwrap();
    assert_eq!((written.len(), marked), (stopped.frames, stopped.suspects));
    // The frame that killed it is one of the suspects.
    let killer = taken.last().unwrap();
    let at = written.iter().rposition(|frame| frame == killer).unwrap();
    assert!(at >= written.len() - stopped.suspects, "{at} of {}: {report}", written.len());
}
