//! `softrouter fuzz` as a user runs it: exit statuses, the report, a case with a false claim, a file, and a router as device.

mod common;

use common::{EXAMPLE, RunningRouter};
use firmware_sim::lab::namespace::{Host, HostPlan};
use firmware_sim::lab::privilege::{probe_tap, skip};
use pcap_file::pcapng::{Block, PcapNgReader};
use serde_json::Value;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn fuzz(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_softrouter")).arg("fuzz").args(args).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_run_reports_and_a_false_claim_fails() {
    let folder = std::env::temp_dir().join(format!("softrouter-fuzz-command-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (json, case) = (folder.join("fuzz.json"), folder.join("claim.json"));
    let good = fuzz(&["--frames", "20000", "--seed", "3", "--json", json.to_str().unwrap()]);
    assert_eq!(good.status.code(), Some(0), "{}", text(&good));
    let report: Value = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    assert_eq!((&report["seed"], &report["success"]), (&3.into(), &true.into()));
    for (field, value) in [
        ("version", Value::from(env!("CARGO_PKG_VERSION"))),
        ("pps", 100_000.into()),
        ("ports", 3.into()),
        ("threads", 1.into()),
        ("posture", Value::Null),
        ("corpus", Value::Array(vec![])),
        ("corpus_frames", 0.into()),
    ] {
        assert_eq!(report[field], value, "{field}");
    }
    assert!(text(&good).contains("posture by lot, 100000 frames a second"), "{}", text(&good));
    // The command of the report does the same again.
    let again: Vec<&str> = report["again"].as_str().unwrap().split(' ').skip(2).collect();
    let again = fuzz(&[&again[..], &["--json", json.to_str().unwrap()]].concat());
    assert_eq!(again.status.code(), Some(0), "{}", text(&again));
    let second: Value = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    for field in ["again", "frames", "bytes", "reasons", "answers", "invariants"] {
        assert_eq!(second[field], report[field], "{field}");
    }
    assert!(report["frames"].as_u64().unwrap() >= 20_000);
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases/fuzz/arp_releases_what_waits.json");
    let told = fs::read_to_string(kept).unwrap();
    fs::write(&case, told.replace("\"expected\": \"unknown\"", "\"expected\": \"ipv4_land\"")).unwrap();
    let bad = fuzz(&["--replay-case", case.to_str().unwrap(), "--json", json.to_str().unwrap()]);
    assert_eq!(bad.status.code(), Some(1), "{}", text(&bad));
    let report: Value = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    assert_eq!(
        (&report["success"], &report["violation"]["invariant"]),
        (&false.into(), &"reason_expected".into())
    );
    assert!(text(&bad).contains("VIOLATION: reason_expected"), "{}", text(&bad));
    let none = fuzz(&["--replay-case", "/nonexistent.json"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(text(&none).contains("remedy: "), "{}", text(&none));
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn what_cannot_be_done_is_told_before_the_run() {
    let file = std::env::temp_dir().join(format!("softrouter-fuzz-no-folder-{}", std::process::id()));
    fs::write(&file, "").unwrap();
    let told = |args: &[&str]| {
        let output = fuzz(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output));
        text(&output)
    };
    let start = Instant::now();
    let cases = told(&["--seconds", "600", "--cases", file.to_str().unwrap()]);
    assert!(cases.contains("--cases") && cases.contains("remedy: "), "{cases}");
    let endless = told(&["--until", "1", "--mix", "healthy"]);
    assert!(endless.contains("remedy: give both odd and sequence"), "{endless}");
    let nothing = told(&["--mix", "odd=1,captured=2"]);
    assert!(nothing.contains("remedy: name some with --corpus"), "{nothing}");
    assert!(start.elapsed() < Duration::from_secs(60));
    // A case holds all that it needs.
    for (option, value) in [
        ("--seed", "1"),
        ("--frames", "1"),
        ("--seconds", "1"),
        ("--until", "1"),
        ("--mix", "fuzz"),
        ("--corpus", "a.pcap"),
        ("--ports", "3"),
        ("--posture", "open"),
        ("--threads", "1"),
        ("--pps", "1"),
        ("--write", "a.pcapng"),
        ("--probe-every", "5"),
        ("--cases", "folder"),
    ] {
        let conflict = told(&["--replay-case", "case.json", option, value]);
        assert!(conflict.contains("cannot be used with") && conflict.contains(option), "{conflict}");
    }
    fs::remove_file(file).unwrap();
}

#[test]
fn a_file_has_every_frame_with_a_comment() {
    let path = std::env::temp_dir().join(format!("softrouter-fuzz-{}.pcapng", std::process::id()));
    let file = path.to_str().unwrap();
    let written = fuzz(&["--write", file, "--frames", "3000", "--seed", "9", "--pps", "1000"]);
    assert_eq!(written.status.code(), Some(0), "{}", text(&written));
    assert!(text(&written).contains("3000 frames"), "{}", text(&written));
    let mut reader = PcapNgReader::new(File::open(&path).unwrap()).unwrap();
    let (mut interfaces, mut packets, mut last) = (0, 0, Duration::ZERO);
    while let Some(block) = reader.next_block() {
        match block.unwrap() {
            Block::InterfaceDescription(_) => interfaces += 1,
            Block::EnhancedPacket(packet) => {
                let said = format!("{:?}", packet.options);
                let index = format!("index={packets}; expected=");
                assert!(said.contains(&index) && said.contains("; made="), "{said}");
                assert!(packet.timestamp >= last && packet.interface_id < 4);
                last = packet.timestamp;
                packets += 1;
            }
            _ => {}
        }
    }
    assert_eq!((interfaces, packets, last.as_millis()), (4, 3000, 2999));
    let until = fuzz(&["--write", file, "--until", "1", "--frames", "50"]);
    assert_eq!(until.status.code(), Some(1), "{}", text(&until));
    assert!(text(&until).contains("Not in it often enough: "), "{}", text(&until));
    let until = fuzz(&["--write", file, "--until", "2"]);
    assert_eq!(until.status.code(), Some(0), "{}", text(&until));
    fs::remove_file(path).unwrap();
}

/// `softrouter fuzz` in the namespace of this host.
fn fuzz_in(host: &Host, args: &[&str]) -> std::process::Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_softrouter"));
    command.arg("fuzz").args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    host.namespace().start_process(command).unwrap()
}

#[test]
fn a_running_router_survives_and_answers() {
    if let Err(refused) = probe_tap() {
        return skip(&refused.to_string());
    }
    let json = std::env::temp_dir().join(format!("softrouter-fuzz-device-{}.json", std::process::id()));
    let router = RunningRouter::start("fuzzed", EXAMPLE, &[]);
    let args = ["--target", "tap0", "--peer", "02:00:00:00:01:01", "--peer-ip", "10.0.1.1/24"];
    let more = ["--peer-ip", "fd00:1::1", "--frames", "4000", "--pps", "2000", "--json"];
    let child = fuzz_in(&router.host, &[&args[..], &more, &[json.to_str().unwrap()]].concat());
    let output = child.wait_with_output().unwrap();
    let (status, shown) = router.interrupt();
    assert_eq!(output.status.code(), Some(0), "{}\n{shown}", text(&output));
    assert!(status.success() && text(&output).contains("the device still answers"), "{}", text(&output));
    let report: Value = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    fs::remove_file(json).unwrap();
    assert_eq!((&report["through"], &report["success"]), (&"a packet socket".into(), &true.into()));
    assert!(report["probes"]["ARP"]["answered"].as_u64().unwrap() > 30, "{report}");
    assert!(report["attributed"]["quoted"].as_u64().unwrap() > 0, "{report}");
    assert_eq!(report["malformed"], Value::Array(vec![]), "{report}");
}

#[test]
fn a_tap_that_was_made_goes_with_ctrl_c_and_a_silent_device_is_told() {
    if let Err(refused) = probe_tap() {
        return skip(&refused.to_string());
    }
    let (host, _tap) = Host::start(HostPlan::client()).unwrap();
    let args = ["--target", "fuzz0", "--peer", "02:00:00:00:09:09"];
    let devices = || host.run(|| fs::read_to_string("/proc/thread-self/net/dev").unwrap());
    let child = fuzz_in(&host, &args);
    while !devices().contains("fuzz0:") {
        std::thread::sleep(Duration::from_millis(10));
    }
    let kill = format!("kill -INT {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("(interrupted)") && !devices().contains("fuzz0:"), "{}", text(&output));
    let silent = fuzz_in(&host, &args).wait_with_output().unwrap();
    assert_eq!(silent.status.code(), Some(2), "{}", text(&silent));
    assert!(text(&silent).contains("remedy: give the device"), "{}", text(&silent));
    assert!(!devices().contains("fuzz0:"), "{}", devices());
}
