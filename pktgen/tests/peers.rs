//! tshark's opinion of generated frames: healthy ones, and near misses, are neither malformed nor have a wrong
//! checksum. Needs tshark (`make setup-peers`).

use pktgen::{Generated, Generator, World};
use stack::Anomaly;
use std::path::Path;
use std::process::Command;

/// tshark's filter for frames with a wrong checksum.
const CHECKSUMS: &str = "ip.checksum.status == 0 || icmp.checksum.status == 0 || icmpv6.checksum.status == 0 || \
                         udp.checksum.status == 0 || tcp.checksum.status == 0";

/// The protocols that the frames really speak. Behind UDP, TCP and SCTP there are random bytes, which tshark takes
/// for the application of the port; what it thinks of those is no concern of ours.
const OURS: [&str; 9] = ["ethertype", "arp", "ip", "icmp", "ipv6", "icmpv6", "udp", "tcp", "data"];

/// A capture file in the format of libpcap, link type Ethernet.
fn write(path: &Path, frames: &[Generated]) {
    let header: [u32; 6] = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 0xffff, 1];
    let mut file: Vec<u8> = header.iter().flat_map(|word| word.to_le_bytes()).collect();
    for made in frames {
        let len = made.bytes.len() as u32;
        file.extend([0, 0, len, len].iter().flat_map(|word: &u32| word.to_le_bytes()));
        file.extend(&made.bytes);
    }
    std::fs::write(path, file).expect("the build's own directory can be written to");
}

/// The number, from 1, and the protocols of each frame that tshark's filter finds.
fn found_by_tshark(path: &Path, filter: &str) -> Vec<(usize, String)> {
    let mut command = Command::new("tshark");
    for check in ["ip", "udp", "tcp"] {
        command.arg("-o").arg(format!("{check}.check_checksum:TRUE"));
    }
    for option in ["ip.defragment:FALSE", "ipv6.defragment:FALSE", "tcp.desegment_tcp_streams:FALSE"] {
        command.args(["-o", option]);
    }
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
    write(&path, &frames);
    let mut wrong = found_by_tshark(&path, CHECKSUMS);
    let malformed = found_by_tshark(&path, "_ws.malformed");
    wrong.extend(malformed.into_iter().filter(|(_, protocols)| is_ours(protocols)));
    println!("{} frames, seed {seed}", frames.len());
    for (number, protocols) in &wrong {
        println!("{number} {}: {protocols}", frames[number - 1].template);
    }
    assert!(wrong.is_empty(), "{} of {} frames", wrong.len(), frames.len());
}
