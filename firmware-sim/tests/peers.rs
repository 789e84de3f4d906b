//! Peers as judges of a lab run: captures at the far ends against the inject log, and tshark's opinion
//! of every injected frame, of a recording and of a replay's comments; its tools as writers of captures; curl as the status
//! page's reader. Needs tshark and curl (`make setup-peers`).

mod common;

use common::{EXAMPLE, ROUTER, RunningRouter};
use firmware_sim::lab::privilege::{probe_tap, skip};
use firmware_sim::measure::report::MeasureReport;
use firmware_sim::recording::replay;
use pcap_file::pcap::{PcapPacket, PcapReader, PcapWriter};
use pktgen::{Generator, World};
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
fn tshark_reads_a_replays_comments_and_counts_what_the_report_counts() {
    if Command::new("tshark").arg("--version").output().is_err() {
        return skip("tshark is not installed: make setup-peers");
    }
    let folder = std::env::temp_dir().join(format!("softrouter-peers-replay-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let [capture, out, json] = ["in.pcap", "out.pcapng", "report.json"].map(|name| folder.join(name));
    let generator = Generator::new(World::lab(), 7);
    let odd = (0..3).flat_map(|at| stack::Anomaly::ALL.iter().map(move |&anomaly| (anomaly, at)));
    let odd = odd.filter_map(|(anomaly, at)| generator.of(anomaly, at));
    let made = odd.chain((0..200).map(|at| generator.frame(at)));
    write(&capture, &made.map(|made| made.bytes).collect::<Vec<_>>());
    let output = Command::new(env!("CARGO_BIN_EXE_softrouter"))
        .args(["replay", "--keep-mac", "--wait"])
        .arg(&capture)
        .arg("--write")
        .arg(&out)
        .arg("--json")
        .arg(&json)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let report: Value = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    let fields = ["frame.packet_flags_direction", "frame.interface_name", "frame.comment"];
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(&out).args(["-T", "fields"]);
    fields.iter().for_each(|field| {
        tshark.args(["-e", field]);
    });
    let read = tshark.output().unwrap();
    // A file that tshark finds damaged is an exit status of its own.
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let lines = String::from_utf8(read.stdout).unwrap();
    let packets: Vec<Vec<&str>> = lines.lines().map(|line| line.split('\t').collect()).collect();
    let [incoming, outgoing] = ["0x00000001", "0x00000002"]
        .map(|way| packets.iter().filter(|packet| packet[0] == way).collect::<Vec<_>>());
    let number = |pointer: &str| {
        report.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer}"))
    };
    assert_eq!(incoming.len() as u64, number("/router/received/frames"));
    assert_eq!(incoming.len() as u64, number("/played/frames") + number("/played/made_up"));
    assert_eq!(outgoing.len() as u64, number("/annotated/frames_out"));
    assert!(
        incoming.iter().all(|packet| packet[1].ends_with(" in"))
            && outgoing.iter().all(|packet| packet[1].ends_with(" out"))
    );
    let with =
        |of: &[&Vec<&str>], part: &str| of.iter().filter(|packet| packet[2].contains(part)).count() as u64;
    for path in stack::stats::Path::ALL.map(stack::stats::Path::name) {
        let told = with(&incoming, &format!("path={path};"));
        assert_eq!(told, number(&format!("/router/paths/{path}/frames")), "{path}");
    }
    let mut reasons = 0;
    for anomaly in stack::Anomaly::ALL.iter().map(|anomaly| anomaly.name()) {
        let seen = report.pointer(&format!("/router/reasons/{anomaly}/seen")).and_then(Value::as_u64);
        assert_eq!(with(&incoming, &format!("reason={anomaly};")), seen.unwrap_or(0), "{anomaly}");
        reasons += u64::from(seen.is_some());
    }
    assert!(reasons > 80, "{reasons}");
    let answers =
        report["router"]["rejections"].as_object().unwrap().values().filter_map(Value::as_u64).sum::<u64>();
    assert_eq!(with(&incoming, "rejected="), answers);
    assert_eq!(with(&outgoing, "origin=injected;"), number("/router/sent/2"));
    assert!(number("/router/sent/2") > 5 && number("/router/paths/slow-model/frames") > 50);
    println!("{} packets: tshark counts what the report counts, of {reasons} reasons", packets.len());
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn captures_that_wiresharks_own_tools_wrote_are_played() {
    if Command::new("editcap").arg("--version").output().is_err() {
        return skip("editcap is not installed: make setup-peers");
    }
    let folder = std::env::temp_dir().join(format!("softrouter-peers-editcap-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = |name: &str| folder.join(name);
    let made = |program: &str, args: &[&str], files: &[&str]| {
        let output =
            Command::new(program).args(args).args(files.iter().map(|file| path(file))).output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let generator = Generator::new(World::lab(), 9);
    write(&path("in.pcap"), &(0..50).map(|at| generator.healthy(at).bytes).collect::<Vec<_>>());
    made("editcap", &["-F", "nsecpcap"], &["in.pcap", "nanoseconds.pcap"]);
    made("editcap", &["-F", "pcapng"], &["in.pcap", "blocks.pcapng"]);
    // Without their first 14 bytes they are no Ethernet frames any more.
    made("editcap", &["-T", "rawip", "-C", "14"], &["in.pcap", "raw.pcap"]);
    made("mergecap", &["-w"], &["all.pcapng", "nanoseconds.pcap", "blocks.pcapng", "raw.pcap"]);
    made("gzip", &["--keep"], &["all.pcapng"]);
    let files = ["nanoseconds.pcap", "blocks.pcapng", "raw.pcap", "all.pcapng", "all.pcapng.gz"];
    let output = Command::new(env!("CARGO_BIN_EXE_softrouter"))
        .args(["replay", "--no-slow-path", "--json"])
        .arg(path("report.json"))
        .args(files.map(path))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let report: Value = serde_json::from_str(&fs::read_to_string(path("report.json")).unwrap()).unwrap();
    let packets: Vec<_> = (0..files.len()).map(|at| &report["read"]["files"][at]["packets"]).collect();
    assert_eq!(packets, [50, 50, 50, 150, 150]);
    assert_eq!((&report["played"]["frames"], &report["read"]["reframed"]["101"]), (&450.into(), &150.into()));
    fs::remove_dir_all(&folder).unwrap();
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

/// A line of the annotated file, as tshark reads it.
struct Line {
    incoming: bool,
    bytes: u64,
    comment: String,
}

#[test]
fn tshark_counts_what_the_standard_report_says() {
    if Command::new("tshark").arg("--version").output().is_err() {
        return skip("tshark is not installed: make setup-peers");
    }
    let folder = std::env::temp_dir().join(format!("softrouter-peers-measure-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let [out, json] = ["out.pcapng", "report.json"].map(|name| folder.join(name));
    let output = Command::new(env!("CARGO_BIN_EXE_softrouter"))
        .args(["measure", "--quick", "--only", "mixed", "--seed", "3", "--write"])
        .arg(&out)
        .arg("--json")
        .arg(&json)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let report: MeasureReport = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    let mixed = report.mixed.unwrap();
    let fields = ["frame.packet_flags_direction", "frame.len", "frame.comment"];
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(&out).args(["-T", "fields"]);
    fields.iter().for_each(|field| {
        tshark.args(["-e", field]);
    });
    let read = tshark.output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let lines: Vec<Line> = String::from_utf8(read.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            let mut fields = line.split('\t');
            Line {
                incoming: fields.next().unwrap() == "0x00000001",
                bytes: fields.next().unwrap().parse().unwrap(),
                comment: fields.next().unwrap().to_owned(),
            }
        })
        .collect();
    let count = |incoming: bool, part: &str| {
        let lines = lines.iter().filter(|line| line.incoming == incoming && line.comment.contains(part));
        lines.fold((0_u64, 0_u64), |sum, line| (sum.0 + 1, sum.1 + line.bytes))
    };
    assert_eq!(count(true, ""), (mixed.received.frames, mixed.received.bytes));
    for path in &mixed.paths {
        let told = count(true, &format!("path={};", path.name));
        assert_eq!(told, (path.value.frames, path.value.bytes), "{}", path.name);
    }
    for reason in &mixed.reasons {
        assert_eq!(count(true, &format!("reason={};", reason.name)).0, reason.seen, "{}", reason.name);
    }
    for sent in &mixed.sent {
        assert_eq!(count(false, &format!("origin={};", sent.name)).0, sent.value, "{}", sent.name);
    }
    assert!(mixed.received.frames > 40_000 && mixed.reasons.len() > 60);
    println!("{} packets: tshark counts what the report says", lines.len());
    fs::remove_dir_all(&folder).unwrap();
}
