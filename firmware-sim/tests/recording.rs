//! `lab --record` and `replay-recording` as a user runs them: in memory everywhere, over TAPs where the kernel gives them.

mod folder;
mod program;

use firmware_sim::lab::privilege::{probe_tap, skip};
use folder::Folder;
use program::{shown, softrouter};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::{Mutex, PoisonError};

/// Labs take turns: two at once would slow each other down.
static ONE_LAB: Mutex<()> = Mutex::new(());

fn run(args: &[&str]) -> Output {
    let _turn = ONE_LAB.lock().unwrap_or_else(PoisonError::into_inner);
    softrouter(args).output().unwrap()
}

fn json(path: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Replays; the exit status, what was printed, and the summary.
fn replay(folder: &Folder, recording: &str) -> (Option<i32>, String, Value) {
    let summary = folder.file("summary.json");
    let output = run(&["replay-recording", recording, "--json", &summary]);
    let report = if output.status.code() == Some(2) { Value::Null } else { json(&summary) };
    (output.status.code(), shown(&output), report)
}

/// Records a lab, and checks that the replay says what the lab's own report says.
fn record_and_replay(folder: &Folder, args: &[&str]) -> String {
    let (recording, report) = (folder.file("run.pcapng"), folder.file("report.json"));
    let output = run(&[&["lab", "--record", &recording, "--json", &report], args].concat());
    // Whether all traffic arrived, on a machine that may be busy elsewhere, is for the tests of the lab.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", shown(&output));
    let lab = json(&report);
    let (code, text, summary) = replay(folder, &recording);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.ends_with("identical\n"), "{text}");
    assert_eq!((&summary["identical"], &summary["complete"]), (&true.into(), &true.into()), "{text}");
    assert_eq!(summary["frames_in"], lab["received"]["frames"], "{text}");
    assert_eq!(summary["packets"], lab["recording"]["packets"], "{text}");
    let applied: u64 =
        lab["applied"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(summary["applied"].as_u64(), Some(applied), "{text}");
    assert!(summary["approved"].as_u64().unwrap() > 20, "{text}");
    let check =
        lab["checks"].as_array().unwrap().iter().find(|c| c["name"].as_str().unwrap().starts_with("4."));
    assert_eq!(check.unwrap()["holds"], true, "{}", shown(&output));
    recording
}

#[test]
fn a_lab_in_memory_is_recorded_and_replays_identical() {
    let folder = Folder::new("memory");
    let _ = record_and_replay(&folder, &["--memory", "--seconds", "3"]);
}

#[test]
fn a_lab_over_taps_is_recorded_and_replays_identical() {
    if let Err(refused) = probe_tap() {
        return skip(&refused.to_string());
    }
    let folder = Folder::new("taps");
    let _ = record_and_replay(&folder, &["--seconds", "3"]);
}

#[test]
fn changes_are_found_a_cut_is_said_and_other_files_are_refused() {
    let folder = Folder::new("changes");
    let recording = record_and_replay(&folder, &["--memory", "--ping", "--count", "60"]);
    let bytes = fs::read(&recording).unwrap();
    let with = |name: &str, bytes: &[u8]| {
        let path = folder.file(name);
        fs::write(&path, bytes).unwrap();
        replay(&folder, &path)
    };

    // The payload of the third echo request: another request is then echoed.
    let request = places(&bytes, &[8, 0])[2];
    let mut changed = bytes.clone();
    changed[request + 20] ^= 1;
    let (code, text, summary) = with("frame.pcapng", &changed);
    assert_eq!(code, Some(1), "{text}");
    let difference = &summary["difference"];
    assert!(text.contains("DIFFERENT at packet ") && difference["packet"].as_u64().unwrap() > 3, "{text}");
    assert_ne!(difference["recorded"], difference["replayed"], "{text}");

    // A byte of the delta of an answer.
    let delta = find(&bytes, b"\"delta\":[");
    let mut changed = bytes.clone();
    changed[delta[1] + 9] = if changed[delta[1] + 9] == b'6' { b'5' } else { b'6' };
    let (code, text, summary) = with("answer.pcapng", &changed);
    assert_eq!(code, Some(1), "{text}");
    assert!(summary["difference"]["what"].as_str().unwrap().starts_with("the approval of "), "{text}");

    let (code, text, summary) = with("cut.pcapng", &bytes[..bytes.len() - 1_001]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("identical, up to packet "), "{text}");
    assert_eq!((&summary["identical"], &summary["complete"]), (&true.into(), &false.into()));

    for (name, bytes, expected) in [
        ("foreign.pcapng", &b"no capture at all, but a text"[..], "no recording of Softrouter"),
        ("broken.pcapng", &broken(&bytes), "packet "),
    ] {
        let (code, text, _) = with(name, bytes);
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains(name) && text.contains(expected) && text.contains("remedy: "), "{text}");
    }
}

/// Where `wanted` is in `bytes`.
fn find(bytes: &[u8], wanted: &[u8]) -> Vec<usize> {
    (0..bytes.len()).filter(|&at| bytes[at..].starts_with(wanted)).collect()
}

/// Where ICMP messages of this type and code begin: behind an IPv4 header without options, 64 hops to go, ICMP.
fn places(bytes: &[u8], wanted: &[u8]) -> Vec<usize> {
    let messages =
        find(bytes, &[0x45, 0]).into_iter().map(|ip| ip + 20).filter(|&icmp| icmp + 2 <= bytes.len());
    messages.filter(|&icmp| bytes[icmp - 11] == 1 && bytes[icmp..].starts_with(wanted)).collect()
}

/// One call in the middle is no JSON any more.
fn broken(bytes: &[u8]) -> Vec<u8> {
    let calls = find(bytes, b"{\"call\"");
    let mut broken = bytes.to_vec();
    broken[calls[calls.len() / 2]] = b'[';
    broken
}

#[test]
fn with_a_dead_backend_the_availability_says_so_and_the_run_replays_identical() {
    let folder = Folder::new("dead");
    let (recording, report, log) =
        (folder.file("run.pcapng"), folder.file("report.json"), folder.file("log.jsonl"));
    let backend = "openai:http://127.0.0.1:1/";
    let output = run(&[
        "lab",
        "--memory",
        "--seconds",
        "3",
        "--backend",
        backend,
        "--record",
        &recording,
        "--json",
        &report,
        "--decision-log",
        &log,
    ]);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", shown(&output));
    let lab = json(&report);
    let availability = &lab["availability"];
    let (healthy, all) =
        (availability["healthy_seconds"].as_u64().unwrap(), availability["seconds"].as_u64().unwrap());
    assert!(healthy + 3 <= all, "{availability}");
    assert!((availability["share"].as_f64().unwrap() - healthy as f64 / all as f64).abs() < 1e-9);

    // Each diverted frame ends, and was asked about or abandoned before.
    let lines: Vec<Value> =
        fs::read_to_string(&log).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |event: &str| lines.iter().filter(|line| line["event"] == event).count();
    assert_eq!((&lines[0]["event"], &lines[0]["backends"][0]), (&"start".into(), &backend.into()));
    assert!(count("diverted") > 20);
    assert_eq!(count("diverted"), count("unanswered"));
    assert_eq!(count("diverted"), count("asked") + count("abandoned"));
    let kinds = ["class", "frame"];
    assert!(
        lines
            .iter()
            .filter(|line| line["event"] == "asked")
            .all(|line| kinds.contains(&line["prompt"].as_str().unwrap()))
    );
    // Whoever was asked failed, with the prompt's hash; who waited for them failed with them.
    let asked = lines.iter().filter(|line| line["event"] == "failed" && line["backend"] == backend);
    assert!(asked.clone().count() > 0 && asked.clone().all(|line| line["prompt_hash"].as_str().is_some()));

    let (code, text, summary) = replay(&folder, &recording);
    assert_eq!((code, &summary["complete"]), (Some(0), &true.into()), "{text}");
    assert_eq!(summary["answers"], 0, "{text}");
    assert!(summary["abandoned"].as_u64().unwrap() > 20, "{text}");
}

#[test]
fn a_recording_that_cannot_be_made_is_an_error_before_the_run() {
    let path = Path::new("/nonexistent/folder/run.pcapng");
    let output = run(&["lab", "--memory", "--seconds", "1", "--record", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{}", shown(&output));
    assert!(shown(&output).contains("/nonexistent/folder/run.pcapng"), "{}", shown(&output));
}
