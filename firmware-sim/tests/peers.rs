//! Peers as judges of a lab run: captures at the far ends against the inject log, and tshark's opinion
//! of every injected frame and of a recording; curl as the status page's reader. Needs tshark and curl (`make setup-peers`).

mod common;

use common::{EXAMPLE, ROUTER, RunningRouter};
use firmware_sim::lab::privilege::{probe_tap, skip};
use firmware_sim::recording::replay;
use pcap_file::pcap::{PcapPacket, PcapReader, PcapWriter};
use serde_json::Value;
use std::collections::HashMap;
use std::fs::{self, File};
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// tshark's filter for frames that are malformed or have a wrong checksum. What an ICMP error quotes is the
/// sender's: cut short, its TCP or UDP checksum may be wrong.
const WRONG: &str = "_ws.malformed || _ws.unreassembled || ip.checksum.status == 0 || icmp.checksum.status == 0 \
                     || icmpv6.checksum.status == 0 || ip.version != 4 || ip.bogus_header_length \
                     || ((udp.checksum.status == 0 || tcp.checksum.status == 0) \
                         && !(icmp.type in {3, 11, 12}) && !(icmpv6.type in {1, 2, 3, 4}))";

/// The frames of a capture file, each with how often it occurs.
fn frames(path: &Path) -> HashMap<Vec<u8>, u64> {
    let mut reader = PcapReader::new(File::open(path).unwrap()).unwrap();
    let mut frames = HashMap::new();
    while let Some(packet) = reader.next_packet() {
        *frames.entry(packet.unwrap().data.into_owned()).or_default() += 1;
    }
    frames
}

fn write(path: &Path, frames: &[Vec<u8>]) {
    let mut writer = PcapWriter::new(File::create(path).unwrap()).unwrap();
    for frame in frames {
        writer.write_packet(&PcapPacket::new(Duration::ZERO, frame.len() as u32, frame)).unwrap();
    }
}

/// How many frames of the file tshark finds wrong.
fn wrong_by_tshark(path: &Path) -> usize {
    let checks = ["ip", "udp", "tcp"].map(|protocol| format!("{protocol}.check_checksum:TRUE"));
    let mut command = Command::new("tshark");
    for check in &checks {
        command.args(["-o", check]);
    }
    let output = command
        .arg("-r")
        .arg(path)
        .args(["-Y", WRONG, "-T", "fields", "-e", "frame.number"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().count()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

#[test]
fn what_was_injected_arrives_byte_for_byte_and_tshark_finds_nothing_wrong() {
    if let Err(refused) = probe_tap() {
        return skip(&refused.to_string());
    }
    if Command::new("tshark").arg("--version").output().is_err() {
        return skip("tshark is not installed: make setup-peers");
    }
    let folder = std::env::temp_dir().join(format!("softrouter-peers-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (log, json) = (folder.join("decisions.jsonl"), folder.join("report.json"));
    let output = Command::new(env!("CARGO_BIN_EXE_softrouter"))
        .args(["lab", "--seconds", "6", "--decision-log"])
        .arg(&log)
        .arg("--json")
        .arg(&json)
        .arg("--capture")
        .arg(&folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let report: Value = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    let mut captured = [frames(&folder.join("client.pcap")), frames(&folder.join("server.pcap"))];
    let mut injected = Vec::new();
    for line in fs::read_to_string(&log).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if line["event"] != "injected" && line["event"] != "ruled" {
            continue;
        }
        let frame = hex(line["frame"].as_str().unwrap());
        let port = line["port"].as_u64().unwrap() as usize;
        let there = captured[port].get_mut(&frame).filter(|count| **count > 0);
        *there.unwrap_or_else(|| panic!("not at the far end: {line}")) -= 1;
        injected.push(frame);
    }
    assert_eq!(
        report["sent"][2].as_u64(),
        Some(injected.len() as u64),
        "the inject counter is the log's count"
    );
    // Rules forward most of what answers once had injected.
    assert!(injected.len() > 100, "{}", injected.len());

    let path = folder.join("injected.pcap");
    write(&path, &injected);
    assert_eq!(wrong_by_tshark(&path), 0, "kept in {}", folder.display());

    // The judge can say no: one byte of each frame's IPv4 header checksum, turned over.
    let broken: Vec<_> =
        injected.iter().map(|frame| [&frame[..24], &[!frame[24]], &frame[25..]].concat()).collect();
    write(&path, &broken);
    assert_eq!(wrong_by_tshark(&path), broken.len());
    println!("{} injected frames: all arrived byte for byte, none malformed by tshark", injected.len());
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn tshark_opens_a_recording_and_counts_what_the_replay_counts() {
    if Command::new("tshark").arg("--version").output().is_err() {
        return skip("tshark is not installed: make setup-peers");
    }
    let path = std::env::temp_dir().join(format!("softrouter-{}-peers.pcapng", std::process::id()));
    let output = Command::new(env!("CARGO_BIN_EXE_softrouter"))
        .args(["lab", "--memory", "--ping", "--count", "100", "--record"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let report = replay(&path).unwrap();
    assert!(report.identical && report.complete, "{report}");
    let count = |filter: &str| {
        let output = Command::new("tshark").arg("-r").arg(&path).args(["-Y", filter]).output().unwrap();
        // A file that tshark finds damaged is an exit status of its own.
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout.iter().filter(|&&byte| byte == b'\n').count() as u64
    };
    assert_eq!(count("frame"), report.packets);
    assert_eq!(count("frame.packet_flags_direction == 1 && eth"), report.frames_in);
    assert_eq!(count("frame.packet_flags_direction == 2 && eth"), report.frames_out);
    assert_eq!(count("json.value.string == \"approve\""), report.answers);
    assert_eq!(count("frame.interface_name == \"client\" && eth"), report.frames_in + report.frames_out);
    assert_eq!(count("frame.comment contains \"injected \" && icmp.type == 0"), report.applied);
    assert_eq!(count("_ws.malformed"), 0);
    assert!(report.frames_in > 100 && report.answers > 50, "{report}");
    fs::remove_file(path).unwrap();
}

#[test]
fn curl_reads_the_status_page_over_both_families() {
    if let Err(refused) = probe_tap() {
        return skip(&refused.to_string());
    }
    if Command::new("curl").arg("--version").output().is_err() {
        return skip("curl is not installed: make setup-peers");
    }
    let router = RunningRouter::start("curl", EXAMPLE, &[]);
    let read = |target: IpAddr| {
        let url = match target {
            IpAddr::V4(target) => format!("http://{target}/"),
            IpAddr::V6(target) => format!("http://[{target}]/"),
        };
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--fail", "--max-time", "5", "--noproxy", "*", &url]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = router.host.namespace().start_process(command).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let pages = ROUTER.map(read);
    let (status, shown) = router.interrupt();
    assert!(status.success(), "{shown}");
    for page in pages {
        assert!(page.lines().any(|line| line.starts_with("received ")), "{page}");
    }
}
