//! The lab as a user runs it: over real TAPs where the kernel gives them, in memory everywhere; ended
//! early by a signal; and with bad input.

mod program;

use firmware_sim::lab::privilege::{probe_tap, skip};
use program::{shown, softrouter};
use serde_json::Value;
use std::io::Read;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Labs take turns: two at once would measure each other.
static ONE_LAB: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    ONE_LAB.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the lab with a JSON report in `name`.
fn lab(name: &str, args: &[&str]) -> (Output, Value) {
    let _turn = turn();
    let path = std::env::temp_dir().join(format!("softrouter-{}-{name}.json", std::process::id()));
    let path_text = path.to_str().expect("a UTF-8 temporary folder");
    let output = softrouter(&[&["lab", "--json", path_text], args].concat()).output().unwrap();
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let _ = std::fs::remove_file(&path);
    (output, serde_json::from_str(&text).unwrap_or_default())
}

/// All healthy traffic arrived, and every approved answer about the four classes was received by its judge.
/// On a machine that is busy elsewhere an answer may miss its deadline, which is no defect.
fn assert_good_run(output: &Output, report: &Value) {
    let shown = shown(output);
    assert!(output.status.success(), "{shown}");
    assert_eq!(report["success"], true, "{shown}");
    let healthy = report["healthy"].as_array().unwrap();
    assert!(healthy.len() >= 28, "{shown}");
    for kind in [
        "ICMPv6 echo client -> all, cold neighbours",
        "ICMPv6 echo server -> all, cold neighbours",
        "ICMPv6 echo server -> fd00:1::2",
        "UDP echo client -> fd00:1::1 port 7",
        "UDP echo client -> fd00:2::2 port 7007",
        "TCP bytes client -> fd00:2::2",
    ] {
        let found = healthy.iter().find(|line| line["name"].as_str().unwrap().starts_with(kind));
        let line = found.unwrap_or_else(|| panic!("{kind}: {shown}"));
        assert_eq!(line["sent"], line["received"], "{line}: {shown}");
        assert!(line["sent"].as_u64().unwrap() > 0, "{line}: {shown}");
    }
    let repaired = report["repaired"].as_array().unwrap();
    assert_eq!(repaired.len(), 4);
    for class in repaired {
        assert!(class["sent"].as_u64().unwrap() > 20, "{class}: {shown}");
        assert_eq!(class["served"], class["received"], "{class}: {shown}");
        let (sent, served) = (class["sent"].as_u64().unwrap(), class["served"].as_u64().unwrap());
        assert!(served * 10 >= sent * 9, "{class}: {shown}");
    }
    assert!(report["reasons"].as_object().unwrap().len() > 40, "{shown}");
    assert!(shown.contains("fast/slow ratio = "), "the definition is printed: {shown}");
}

#[test]
fn over_taps_all_healthy_traffic_arrives_and_injections_reach_a_kernel() {
    if let Err(refused) = probe_tap() {
        return skip(&refused.to_string());
    }
    let (output, report) = lab("tap", &["--seconds", "5"]);
    assert_good_run(&output, &report);
    assert!(!report["ports"].as_str().unwrap().contains("NOT A TAP RUN"));
}

#[test]
fn without_offload_the_same_traffic_arrives() {
    if let Err(refused) = probe_tap() {
        return skip(&refused.to_string());
    }
    let (output, report) = lab("no-offload", &["--no-offload", "--seconds", "4"]);
    assert_good_run(&output, &report);
}

#[test]
fn in_memory_the_same_scenario_runs_and_says_so() {
    let (output, report) = lab("memory", &["--memory", "--seconds", "4"]);
    assert_good_run(&output, &report);
    assert!(report["ports"].as_str().unwrap().contains("NOT A TAP RUN"));
}

#[test]
fn every_ping_is_answered_and_no_wrong_reply_is_sent() {
    ping(&[], "ping_delta", 150);
}

#[test]
fn every_ping_is_answered_with_a_whole_frame_of_the_models() {
    // In a build with few optimisations a whole frame takes longer than the time to the next ping: many wait too long.
    ping(&["--full"], "ping_full", 20);
}

fn ping(more: &[&str], task: &str, answers: u64) {
    if let Err(refused) = probe_tap() {
        return skip(&refused.to_string());
    }
    let (output, report) = lab(task, &[&["--ping", "--count", "200"], more].concat());
    let shown = shown(&output);
    assert!(output.status.success(), "{shown}");
    let ping = &report["ping"];
    assert_eq!(ping["sent"], 200, "{shown}");
    assert_eq!(ping["received"], 200, "{shown}");
    assert_eq!((&ping["damaged"], &ping["duplicates"]), (&0.into(), &0.into()), "{shown}");
    let wrong = ping["first_attempt_wrong"].as_u64().unwrap();
    assert!(wrong <= 2, "{wrong} of 200 first attempts are wrong: {shown}");
    assert!(
        ping["first_attempt_right"].as_u64().unwrap() + wrong > answers,
        "the model hardly answered: {shown}"
    );
    assert_eq!(ping["task"], task);
    assert!(shown.contains("42.6 s"), "{shown}");
}

#[test]
fn a_signal_ends_the_run_early_with_a_report_and_nothing_is_left() {
    if let Err(refused) = probe_tap() {
        return skip(&refused.to_string());
    }
    let _turn = turn();
    let named_before = named_namespaces();
    for signal in ["INT", "TERM"] {
        let child = softrouter(&["lab", "--seconds", "600"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_secs(3));
        let killed =
            Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status().unwrap();
        assert!(killed.success());
        let output = child.wait_with_output().unwrap();
        let shown = shown(&output);
        assert!(output.status.success() && shown.contains("(interrupted)"), "{signal}: {shown}");
    }
    assert_nothing_left(named_before);
}

#[test]
fn ctrl_c_at_the_very_beginning_breaks_no_invariant() {
    let _turn = turn();
    let mut child = softrouter(&["lab", "--memory", "--seconds", "600", "--metrics", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It says so just before the load begins.
    let (mut said, mut byte) = (Vec::new(), [0]);
    while !said.ends_with(b"/metrics\n") {
        assert_eq!(child.stderr.as_mut().unwrap().read(&mut byte).unwrap(), 1, "it ended");
        said.extend(byte);
    }
    assert!(
        Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap().success()
    );
    let asked = Instant::now();
    let output = child.wait_with_output().unwrap();
    let shown = shown(&output);
    assert!(output.status.success() && !shown.contains("BROKEN"), "{shown}");
    // It takes less than a second; the machine may be busy elsewhere.
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}: {shown}", asked.elapsed());
}

#[test]
fn even_sigkill_leaves_nothing() {
    if let Err(refused) = probe_tap() {
        return skip(&refused.to_string());
    }
    let _turn = turn();
    let named_before = named_namespaces();
    let mut child =
        softrouter(&["lab", "--seconds", "600"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(2));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_nothing_left(named_before);
}

/// Namespaces with a name, which the lab never makes.
fn named_namespaces() -> usize {
    std::fs::read_dir("/run/netns").map_or(0, Iterator::count)
}

/// No interface of ours is in the namespace of this process, and none has got a name.
fn assert_nothing_left(named_before: usize) {
    let devices = std::fs::read_to_string("/proc/net/dev").unwrap();
    assert!(!devices.contains("lan0"), "{devices}");
    assert_eq!(named_namespaces(), named_before, "the lab makes no named namespaces");
}

#[test]
fn bad_input_is_named_with_a_remedy() {
    let cases: &[(&[&str], &str)] = &[
        (&["run", "--config", "/nonexistent/router.toml"], "router.example.toml"),
        (&["lab", "--backend", "gpt-9"], "unknown backend"),
        (&["lab", "--seconds", "0"], "1..=86400"),
        (&["lab", "--backend", "embedded:/nonexistent"], "/nonexistent/softrouter-decide.safetensors"),
        (
            &["lab", "--backend", concat!("embedded:", env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")],
            "make train",
        ),
        (&["lab", "--count", "5"], "--ping"),
        (&["lab", "--full"], "--ping"),
        (&["lab", "--ping", "--full", "--backend", "openai:http://127.0.0.1:1"], "softrouter exam"),
        (&["lab", "--json", "/nonexistent/report.json"], "name a file in a folder that exists"),
        (&["lab", "--slow-path", "/nonexistent/slow.toml"], "[[backend]], [slow_path] and [value] alone"),
        (&["lab", "--metrics", "localhost:9469"], "names are not looked up"),
        (&["lab", "--log-limit", "25,1000,0"], "write off"),
        (&["lab", "--decision-log", "/nonexistent/log.jsonl"], "/nonexistent/log.jsonl"),
    ];
    for (args, remedy) in cases {
        let output = softrouter(args).output().unwrap();
        let shown = shown(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {shown}");
        assert!(shown.contains(remedy), "{args:?}: {shown}");
    }
}

#[test]
fn the_documented_table_of_anomalies_is_the_codes() {
    let output = softrouter(&["anomalies"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), include_str!("../../docs/anomalies.md"));
}
