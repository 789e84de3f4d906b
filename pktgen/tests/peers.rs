//! tshark's opinion of generated frames: healthy ones, near misses, and the healthy frames of streams are neither malformed
//! nor have a wrong checksum. Needs tshark (`make setup-peers`).

use pktgen::stream::{Origin, Scenario};
use pktgen::{Expected, Generated, Generator, Stream, StreamMix, StreamPlan, World};
use stack::Anomaly;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// tshark's filter for frames with a wrong checksum.
const CHECKSUMS: &str = "ip.checksum.status == 0 || icmp.checksum.status == 0 || icmpv6.checksum.status == 0 || \
                         udp.checksum.status == 0 || tcp.checksum.status == 0";

/// The protocols that the frames really speak. Behind UDP, TCP and SCTP there are random bytes, which tshark takes
/// for the application of the port; what it thinks of those is no concern of ours.
const OURS: [&str; 9] = ["ethertype", "arp", "ip", "icmp", "ipv6", "icmpv6", "udp", "tcp", "data"];

/// A capture file in the format of libpcap, link type Ethernet.
fn write<'a>(path: &Path, frames: impl IntoIterator<Item = &'a Vec<u8>>) {
    let header: [u32; 6] = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 0xffff, 1];
    let mut file: Vec<u8> = header.iter().flat_map(|word| word.to_le_bytes()).collect();
    for bytes in frames {
        let len = bytes.len() as u32;
        file.extend([0, 0, len, len].iter().flat_map(|word: &u32| word.to_le_bytes()));
        file.extend(bytes);
    }
    std::fs::write(path, file).expect("the build's own directory can be written to");
}

/// The number, from 1, and the protocols of each frame that tshark's filter finds; fragments put together or not.
fn found_by_tshark(path: &Path, filter: &str, whole: bool) -> Vec<(usize, String)> {
    let mut command = Command::new("tshark");
    for check in ["ip", "udp", "tcp"] {
        command.arg("-o").arg(format!("{check}.check_checksum:TRUE"));
    }
    let whole = if whole { "TRUE" } else { "FALSE" };
    for option in [format!("ip.defragment:{whole}"), format!("ipv6.defragment:{whole}")] {
        command.args(["-o", &option]);
    }
    command.args(["-o", "tcp.desegment_tcp_streams:FALSE"]);
    let fields = ["-n", "-T", "fields", "-e", "frame.number", "-e", "frame.protocols", "-Y", filter];
    let output = command.args(fields).arg("-r").arg(path).output().expect("tshark is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter_map(|line| line.split_once('\t'));
    lines.map(|(number, protocols)| (number.parse().expect("a number"), protocols.to_owned())).collect()
}

/// Is the protocol that tshark came to last one that the frames really speak?
fn is_ours(protocols: &str) -> bool {
    let last = protocols.rsplit(':').next().unwrap_or_default();
    OURS.contains(&last) || last.starts_with("ipv6.")
}

#[test]
fn healthy_frames_and_near_misses_please_tshark() {
    let seed = 51;
    let generator = Generator::new(World::lab(), seed);
    let healthy = (0..4_000).map(|index| generator.healthy(index));
    let mut frames: Vec<Generated> = generator.greetings().into_iter().chain(healthy).collect();
    frames.extend((0..40).flat_map(|index| {
        Anomaly::ALL.iter().filter_map({
            let generator = &generator;
            move |&anomaly| generator.near_miss(anomaly, index)
        })
    }));
    // Wrong on purpose: in transit nobody looks.
    frames.retain(|made| made.template != "tcp_checksum_transit");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("healthy.pcap");
    write(&path, frames.iter().map(|made| &made.bytes));
    let mut wrong = found_by_tshark(&path, CHECKSUMS, false);
    let malformed = found_by_tshark(&path, "_ws.malformed", false);
    wrong.extend(malformed.into_iter().filter(|(_, protocols)| is_ours(protocols)));
    println!("{} frames, seed {seed}", frames.len());
    for (number, protocols) in &wrong {
        println!("{number} {}: {protocols}", frames[number - 1].template);
    }
    assert!(wrong.is_empty(), "{} of {} frames", wrong.len(), frames.len());
}

/// Fragments are put together, so that the checksum of the whole datagram is looked at.
#[test]
fn traffic_and_sequences_please_tshark() {
    let seed = 52;
    let mix = StreamMix { sequence: 3, ..StreamMix::HEALTHY };
    let plan = StreamPlan { seed, mix, flows: 100, ..StreamPlan::default() };
    let stream = Stream::new(World::lab(), plan).expect("a sound plan");
    let made = (0..20_000).map(|index| stream.owned(index));
    // What overlaps, and what comes twice, tshark would put together in a way of its own.
    let alone = |origin| {
        let Origin::Step { scenario, .. } = origin else { return true };
        !matches!(scenario, Scenario::FragmentsOverlap | Scenario::FragmentsTwice | Scenario::FragmentsTiny)
    };
    let made = made.filter(|(made, _)| made.expected == Expected::Healthy && alone(made.origin));
    let (origins, frames): (Vec<_>, Vec<_>) = made.map(|(made, bytes)| (made.origin, bytes)).unzip();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stream.pcap");
    write(&path, &frames);
    let mut wrong = found_by_tshark(&path, CHECKSUMS, true);
    let malformed = found_by_tshark(&path, "_ws.malformed", true);
    wrong.extend(malformed.into_iter().filter(|(_, protocols)| is_ours(protocols)));
    println!("{} frames, seed {seed}", frames.len());
    for (number, protocols) in &wrong {
        println!("{number} {}: {protocols}", origins[number - 1]);
    }
    assert!(wrong.is_empty(), "{} of {} frames", wrong.len(), frames.len());
    let together = found_by_tshark(&path, "ip.reassembled.length || ipv6.reassembled.length", true);
    let scenario = |origin| match origin {
        Origin::Step { scenario, .. } => Some(scenario),
        _ => None,
    };
    let scenarios: BTreeSet<_> =
        together.iter().filter_map(|&(number, _)| scenario(origins[number - 1])).collect();
    let right = [Scenario::FragmentsInOrder, Scenario::FragmentsReversed, Scenario::FragmentsTrain].into();
    assert_eq!(scenarios, right);
}
