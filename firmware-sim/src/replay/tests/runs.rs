//! Whole replays of small captures: what is played, what is reported, what is written.

use super::files::{ETHERNET, Ng, Order, gzip, pcap};
use crate::lab;
use crate::logs::LogPlan;
use crate::replay::{Pace, ReplayError, ReplayPlan, ReplayReport, configuration, run};
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionOption;
use pcap_file::pcapng::{Block, PcapNgReader};
use pktgen::build;
use stack::{Config, Posture};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A file in the temporary folder, which goes with the test.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("softrouter-{}-replay-{name}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn plan(files: &[&Temporary]) -> ReplayPlan {
    ReplayPlan {
        files: files.iter().map(|file| file.0.clone()).collect(),
        config: None,
        posture: None,
        backends: Vec::new(),
        no_slow_path: true,
        port: 0,
        keep_mac: false,
        pace: Pace::Full,
        wait: false,
        rounds: None,
        write: None,
        logs: LogPlan::default(),
        decision_log: None,
        transcript: None,
    }
}

fn play(plan: &ReplayPlan) -> ReplayReport {
    run(plan, &AtomicBool::new(false)).unwrap()
}

/// A datagram from somewhere to somewhere else.
fn datagram() -> Vec<u8> {
    let (from, to) = ([9, 9, 9, 7].into(), [11, 0, 0, 9].into());
    let udp = build::udp(from, to, 4_000, 5_000, b"sesame");
    build::Ipv4 { protocol: build::protocol::UDP, ..build::Ipv4::new(from, to) }.packet(&udp)
}

/// The same with a wrong header checksum.
fn damaged() -> Vec<u8> {
    let mut packet = datagram();
    packet[10] ^= 0xff;
    packet
}

fn ethernet(packet: &[u8]) -> Vec<u8> {
    build::ethernet([0x12, 3, 4, 5, 6, 7], [0x12, 9, 9, 9, 9, 9], build::ethertype::IPV4, packet)
}

/// So many good frames, then one that is damaged.
fn capture(good: usize) -> Vec<u8> {
    let (frame, bad) = (ethernet(&datagram()), ethernet(&damaged()));
    let frames = std::iter::repeat_n(&frame, good).chain([&bad]);
    let packets: Vec<_> =
        (0..).zip(frames).map(|(at, frame)| (at, 0, frame.len() as u32, &frame[..])).collect();
    pcap(Order::Big, true, ETHERNET, &packets)
}

#[test]
fn the_default_router_is_the_labs_with_routes() {
    let lab = lab::run::router_config(Posture::Balanced, false, false, Config::new(0));
    let ours = configuration(&ReplayPlan { no_slow_path: false, ..plan(&[]) }, &crate::clock::Clock::start());
    let ours = ours.unwrap();
    assert_eq!(format!("{:?}", ours.router.ports), format!("{:?}", lab.ports));
    assert_eq!(format!("{:?}", ours.router.limits), format!("{:?}", lab.limits));
    assert_eq!((ours.routes.len(), ours.routes_v6.len()), (1, 1));
}

#[test]
fn packets_of_every_link_layer_pass_the_router_once_its_next_hop_has_answered() {
    let packet = datagram();
    let cooked = [&[0, 0, 0, 1, 0, 6, 2, 1, 1, 1, 1, 1, 0, 0, 8, 0][..], &packet].concat();
    let file = Ng::new(Order::Little).interface(1, 0, &[]).interface(101, 0, &[]).interface(113, 0, &[]);
    let file = file.interface(127, 0, &[]).enhanced(0, 1, &ethernet(&packet)).enhanced(1, 2, &packet);
    let file = file.enhanced(2, 3, &cooked).enhanced(3, 4, b"radio").enhanced(2, 5, b"short").bytes;
    let file = Temporary::new("links.pcapng.gz", &gzip(&file));
    let report = play(&plan(&[&file]));
    assert!(report.success, "{report}");
    assert_eq!((report.played.frames, report.played.made_up), (3, 1));
    assert_eq!(report.router.sent[0], 3, "{report}");
    assert_eq!(report.router.received.frames, 4);
    assert_eq!(report.read.reframed, [(101, 1), (113, 1)].into());
    assert_eq!(report.read.left_out.values().sum::<u64>(), 2);
    let text = report.to_string();
    for part in [
        "101 (RAW): 1, 113 (LINUX_SLL): 1",
        "link type 127 (IEEE802_11_RADIOTAP) is not supported: 1",
        "shorter than its link-layer header: 1",
        "frames/s",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn a_damaged_file_is_played_up_to_the_damage_and_those_after_it_too() {
    let whole = capture(5);
    let cut = Temporary::new("cut.pcap", &whole[..whole.len() - 1]);
    let other = Temporary::new("whole.pcap", &whole);
    let report = play(&plan(&[&cut, &other]));
    assert!(!report.success && !report.interrupted);
    assert_eq!(report.played.frames, 11);
    let problems: Vec<_> = report.read.problems.iter().map(|p| (p.file.clone(), p.packet)).collect();
    assert_eq!(problems, [(cut.0.clone(), 6)]);
    assert!(report.to_string().contains("NOT ALL") && report.to_string().contains("packet 6: the file ends"));
}

#[test]
fn nothing_is_played_if_a_file_is_no_capture() {
    let whole = Temporary::new("beside.pcap", &capture(5));
    let foreign = Temporary::new("foreign.pcap", b"no capture");
    for file in [Path::new("/nonexistent.pcap"), &foreign.0, &std::env::temp_dir()] {
        let plan = ReplayPlan { files: vec![whole.0.clone(), file.to_owned()], ..plan(&[]) };
        let error = run(&plan, &AtomicBool::new(false)).unwrap_err().to_string();
        assert!(error.starts_with(&file.display().to_string()) && error.contains("remedy: "), "{error}");
    }
}

#[test]
fn loaded_frames_are_played_as_often_as_asked() {
    let file = Temporary::new("loops.pcap", &capture(9));
    let report = play(&ReplayPlan { rounds: Some(1_000), ..plan(&[&file]) });
    assert!(
        report.success && report.played.frames_per_second > 0.0 && report.played.frames_per_cpu_second > 0.0
    );
    assert_eq!((report.played.frames, report.read.files[0].packets), (10_000, 10));
    assert_eq!(report.router.paths["fast"].frames, 10_001);
    assert_eq!(report.router.reasons["ipv4_checksum"].seen, 1_000);
    assert_eq!(report.router.sent[0], 9_000);
}

#[test]
fn a_tape_that_waits_has_no_frame_refused() {
    let bad = ethernet(&damaged());
    let frames = vec![(1, 0, bad.len() as u32, &bad[..]); 400];
    let file = Temporary::new("wait.pcap", &pcap(Order::Little, false, ETHERNET, &frames));
    let lossy = play(&ReplayPlan { no_slow_path: false, ..plan(&[&file]) });
    assert!(lossy.router.paths["slow-refused"].frames > 0, "a bucket holds 100: {lossy}");
    let patient = play(&ReplayPlan { no_slow_path: false, wait: true, ..plan(&[&file]) });
    let line = patient.router.reasons["ipv4_checksum"];
    assert_eq!((line.seen, line.held, line.refused, line.approved), (400, 400, 0, 400), "{patient}");
    assert_eq!(patient.router.paths["slow-refused"].frames, 0);
}

#[test]
fn frames_keep_their_addresses_if_so_wished_and_are_then_for_others() {
    let file = Temporary::new("foreign-mac.pcap", &capture(4));
    let report = play(&ReplayPlan { keep_mac: true, ..plan(&[&file]) });
    assert_eq!(report.router.other_drops["foreign"], 5);
}

#[test]
fn a_rate_is_kept_and_ctrl_c_ends_with_what_was_played() {
    let file = Temporary::new("rate.pcap", &capture(20));
    let report = play(&ReplayPlan { pace: Pace::Rate(200.0), ..plan(&[&file]) });
    assert!(report.played.seconds >= 0.099, "21 frames at 200 a second: {}", report.played.seconds);
    assert_eq!(report.played.frames, 21);
    // The capture's own pace: a second between two frames, or an hour.
    for speed in [1.0, 1.0 / 3_600.0] {
        let stop = Arc::new(AtomicBool::new(false));
        let inner = Arc::clone(&stop);
        let pace = Pace::Captured { speed, longest_gap: None };
        let slow = ReplayPlan { pace, ..plan(&[&file]) };
        let started = Instant::now();
        let running = std::thread::spawn(move || run(&slow, &inner).unwrap());
        while started.elapsed() < Duration::from_millis(120) {
            std::thread::sleep(Duration::from_millis(10));
        }
        stop.store(true, Ordering::Relaxed);
        let report = running.join().unwrap();
        assert!(report.interrupted && report.played.frames < 21, "{report}");
        assert_eq!(report.router.received.frames, report.played.frames + report.played.made_up);
    }
}

#[test]
fn a_capture_is_not_replaced() {
    let file = Temporary::new("own.pcap", &capture(3));
    let error = run(&ReplayPlan { write: Some(file.0.clone()), ..plan(&[&file]) }, &AtomicBool::new(false));
    assert!(matches!(error, Err(ReplayError::Overwrite(_))));
    assert_eq!(std::fs::read(&file.0).unwrap(), capture(3));
}

#[test]
fn ports_that_cannot_receive_are_refused() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../router.example.toml");
    for (port, problem) in [(2, "is a VLAN"), (7, "is not there")] {
        let plan = ReplayPlan { config: Some(example.into()), port, ..plan(&[]) };
        let error = run(&plan, &AtomicBool::new(false)).unwrap_err();
        assert!(matches!(error, ReplayError::Port { .. }) && error.to_string().contains(problem), "{error}");
        assert!(error.to_string().contains("0 (tap0), 1 (tap1)"), "{error}");
    }
    let file = Temporary::new("example.pcap", &capture(3));
    let report = play(&ReplayPlan { config: Some(example.into()), port: 1, ..plan(&[&file]) });
    assert!(report.success && report.port == "tap1" && report.router.sent[0] == 3, "{report}");
}

/// Interface, comment and bytes of each packet of a pcapng file.
fn annotated(path: &PathBuf) -> Vec<(String, String, Vec<u8>)> {
    let mut reader = PcapNgReader::new(File::open(path).unwrap()).unwrap();
    let (mut names, mut packets) = (Vec::new(), Vec::new());
    while let Some(block) = reader.next_block() {
        match block.unwrap() {
            Block::InterfaceDescription(interface) => {
                let name = interface.options.iter().find_map(|option| match option {
                    InterfaceDescriptionOption::IfName(name) => Some(name.to_string()),
                    _ => None,
                });
                names.push(name.unwrap());
            }
            Block::EnhancedPacket(packet) => {
                let comment = packet.options.iter().find_map(|option| match option {
                    EnhancedPacketOption::Comment(comment) => Some(comment.to_string()),
                    _ => None,
                });
                packets.push((
                    names[packet.interface_id as usize].clone(),
                    comment.unwrap(),
                    packet.data.to_vec(),
                ));
            }
            _ => {}
        }
    }
    packets
}

#[test]
fn every_frame_is_written_in_its_place_with_what_became_of_it() {
    let tagged = build::tag(&ethernet(&datagram()), build::ethertype::VLAN, 0);
    let (good, bad) = (ethernet(&datagram()), ethernet(&damaged()));
    let frames: Vec<_> =
        [&good, &bad, &tagged, &good].map(|frame| (1, 0, frame.len() as u32, &frame[..])).to_vec();
    let file = Temporary::new("annotate.pcap", &pcap(Order::Little, false, ETHERNET, &frames));
    let out = Temporary::new("annotate.pcapng", b"");
    let pace = Pace::Rate(50.0);
    let report =
        play(&ReplayPlan { write: Some(out.0.clone()), no_slow_path: false, pace, ..plan(&[&file]) });
    let written = annotated(&out.0);
    let counts = report.annotated.as_ref().unwrap();
    assert_eq!((counts.frames_in, counts.frames_out), (5, report.router.sent.iter().sum::<u64>()));
    let incoming: Vec<_> = written.iter().filter(|(name, ..)| name == "client in").collect();
    assert_eq!(incoming.len(), 4);
    for ((_, comment, bytes), (number, frame)) in
        incoming.iter().zip((1..).zip([&good, &bad, &tagged, &good]))
    {
        assert!(comment.contains(&format!("packet={number};")), "{comment}");
        assert_eq!(bytes[6..], frame[6..], "as it was, but for whom it is");
        assert_eq!(bytes[..6], [2, 0, 0, 0, 1, 1]);
    }
    let comment = |at: usize| &incoming[at].1;
    assert!(comment(0).starts_with("verdict=consume; waits; path=fast;"), "{}", comment(0));
    for part in [
        "reason=ipv4_checksum; mode=enforce; verdict=divert;",
        "answer=drop by embedded",
        "applied=drop; path=slow-model;",
    ] {
        assert!(comment(1).contains(part), "{}", comment(1));
    }
    assert!(
        comment(2).contains("reason=vlan_priority_tag;") && comment(2).contains("approved="),
        "{}",
        comment(2)
    );
    assert!(comment(3).starts_with("verdict=forward; port=1; path=fast;"), "{}", comment(3));
    assert!(written.iter().any(|(name, comment, _)| name == "server in" && comment.contains("made-up")));
    let sent = |origin: &str| {
        written.iter().filter(|(name, comment, _)| name == "server out" && comment.contains(origin)).count()
    };
    assert_eq!((sent("origin=forwarded;"), sent("origin=originated;")), (2, 1));
    assert_eq!(sent("origin=injected;") as u64, report.router.sent[2]);
}

#[test]
fn a_frame_that_a_rule_ended_names_it() {
    let frames: Vec<_> = (0..80_u8)
        .map(|at| {
            let (from, to) = ([9, 9, 9, 7].into(), [11, 0, 0, 9].into());
            let udp = build::udp(from, to, 4_000, 5_000, &[at; 20]);
            let header = build::Ipv4 { protocol: build::protocol::UDP, ..build::Ipv4::new(from, to) };
            let mut packet = header.packet(&udp);
            if at % 2 == 0 {
                return build::tag(&ethernet(&packet), build::ethertype::VLAN, 0);
            }
            packet[10] ^= 0xff;
            ethernet(&packet)
        })
        .collect();
    let packets: Vec<_> = frames.iter().map(|frame| (1, 0, frame.len() as u32, &frame[..])).collect();
    let file = Temporary::new("rules.pcap", &pcap(Order::Little, false, ETHERNET, &packets));
    let out = Temporary::new("rules.pcapng", b"");
    let pace = Pace::Rate(200.0);
    let write = Some(out.0.clone());
    let report = play(&ReplayPlan { write, no_slow_path: false, wait: true, pace, ..plan(&[&file]) });
    let written = annotated(&out.0);
    let by_rule = |reason: &str| -> Vec<_> {
        let of = format!("reason={reason};");
        let mut rules: Vec<_> = written
            .iter()
            .filter(|(_, comment, _)| comment.contains(&of) && comment.contains("path=rule; "))
            .map(|(_, comment, _)| comment.split_once(" rule=").unwrap().1.split_once(';').unwrap().0)
            .collect();
        assert!(rules.len() > 20, "{reason}: {}", rules.len());
        rules.dedup();
        rules
    };
    let (tagged, damaged) = (by_rule("vlan_priority_tag"), by_rule("ipv4_checksum"));
    assert_eq!((tagged.len(), damaged.len()), (1, 1), "one rule for each class");
    assert_ne!(tagged, damaged);
    let told = written.iter().filter(|(_, comment, _)| comment.contains("path=rule;")).count();
    assert_eq!(told as u64, report.router.paths["rule"].frames);
}
