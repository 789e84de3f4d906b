//! `softrouter replay` as a user runs it: exit statuses, Ctrl-C, help; and the logs of anomalies beside the lab.

mod program;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pcap_file::pcap::{PcapPacket, PcapWriter};
use pktgen::{Generator, World};
use program::{shown, softrouter};
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// A file in the temporary folder.
fn temporary(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("softrouter-{}-{name}", std::process::id()));
    let _ = fs::remove_file(&path);
    path
}

/// A capture of generated frames, a millisecond apart.
fn capture(path: &Path, frames: u64) {
    let generator = Generator::new(World::lab(), 3);
    let mut writer = PcapWriter::new(File::create(path).unwrap()).unwrap();
    for at in 0..frames {
        let bytes = generator.frame(at).bytes;
        let packet = PcapPacket::new(Duration::from_millis(at), bytes.len() as u32, &bytes);
        writer.write_packet(&packet).unwrap();
    }
}

#[test]
fn the_exit_status_says_whether_every_file_was_read_to_its_end() {
    let [whole, cut, json] = ["whole.pcap", "cut.pcap", "replay.json"].map(temporary);
    capture(&whole, 50);
    let bytes = fs::read(&whole).unwrap();
    fs::write(&cut, &bytes[..bytes.len() - 1]).unwrap();
    let run = |file: &Path| softrouter(&["replay", "--json"]).arg(&json).arg(file).output().unwrap();
    let good = run(&whole);
    assert_eq!(good.status.code(), Some(0), "{}", shown(&good));
    assert!(shown(&good).contains("every frame is accounted for"));
    let report: Value = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    assert_eq!((&report["played"]["frames"], &report["success"]), (&50.into(), &true.into()));
    assert!(report["router"]["paths"]["fast"]["frames"].as_u64().unwrap() > 0);
    let bad = run(&cut);
    assert_eq!(bad.status.code(), Some(1), "{}", shown(&bad));
    let told = shown(&bad);
    for part in ["cut.pcap: packet 50: the file ends within it", "remedy: ", "Played: 49 frames"] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
    let text = temporary("text.pcap");
    fs::write(&text, "no capture").unwrap();
    let folder = std::env::temp_dir();
    for (file, remedy) in [
        (Path::new("/nonexistent.pcap"), "remedy: name a pcap or pcapng file that can be read"),
        (&*folder, "remedy: name the captures in it, as in "),
        (&*text, "remedy: name a pcap or pcapng file, as it is or compressed"),
    ] {
        // Nothing is played, though the other file is a capture.
        let none = softrouter(&["replay"]).args([&*whole, file]).output().unwrap();
        let told = shown(&none);
        assert_eq!(none.status.code(), Some(2), "{told}");
        assert!(told.contains(remedy) && told.contains(&file.display().to_string()), "{told}");
        assert!(!told.contains("Played"), "{told}");
    }
    fs::remove_file(text).unwrap();
    for path in [whole, cut, json] {
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn ctrl_c_ends_with_the_report_so_far() {
    let (file, out) = (temporary("interrupted.pcap"), temporary("interrupted.pcapng"));
    capture(&file, 1_000);
    let mut command = softrouter(&["replay", "--pps", "100", "--write"]);
    let child = command.arg(&out).arg(&file).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It plays once the file that it writes is there, and for ten seconds then.
    while !out.exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(300));
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = shown(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("(interrupted)") && told.contains("played so far is accounted for"), "{told}");
    for path in [file, out] {
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn the_two_kinds_of_replay_point_at_each_other() {
    let help = |command: &str| shown(&softrouter(&[command, "--help"]).output().unwrap());
    assert!(help("replay").contains("replay-recording") && help("replay-recording").contains("see replay"));
    let conflict = softrouter(&["replay", "a.pcap", "--speed", "1", "--pps", "5"]).output().unwrap();
    assert_eq!(conflict.status.code(), Some(2));
    let wrong = softrouter(&["replay", "a.pcap", "--speed", "0"]).output().unwrap();
    assert!(shown(&wrong).contains("name a number above 0"), "{}", shown(&wrong));
}

#[test]
fn the_lab_logs_each_anomaly_that_it_counts() {
    let [eve, weird, json] = ["lab-eve.json", "lab-weird.log", "lab.json"].map(temporary);
    let output = softrouter(&["lab", "--memory", "--seconds", "1", "--log-limit", "off", "--eve"])
        .arg(&eve)
        .arg("--weird")
        .arg(&weird)
        .arg("--json")
        .arg(&json)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", shown(&output));
    let report: Value = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    let reasons = report["reasons"].as_object().unwrap();
    let told = fs::read_to_string(&eve).unwrap();
    let lines: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (reason, line) in reasons {
        let logged = lines.iter().filter(|line| line["softrouter"]["reason"] == reason.as_str()).count();
        assert_eq!(line["seen"], logged, "{reason}");
    }
    let weirds = fs::read_to_string(&weird).unwrap();
    assert_eq!(weirds.lines().filter(|line| !line.starts_with('#')).count(), lines.len());
    assert!(reasons.len() > 10 && lines.iter().all(|line| line["event_type"] == "anomaly"));
    assert!(weirds.lines().last().unwrap().starts_with("#close\t"));
    for path in [eve, weird, json] {
        fs::remove_file(path).unwrap();
    }
}
