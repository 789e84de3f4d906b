//! The conformance cases of `tests/cases/` over real TAPs: the binary routes, scapy sends and judges, tshark
//! judges again. Needs scapy and tshark (`make setup-peers`); `PYTHON` names the interpreter that has scapy.

use firmware_sim::lab::privilege::{probe_tap, skip};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The program that plays the cases, ready to start; `None`, with a line that says why, where it cannot run.
fn over_tap() -> Option<Command> {
    if let Err(refused) = probe_tap() {
        skip(&refused.to_string());
        return None;
    }
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "/usr/bin/python3".into());
    let answers = |program: &str, arguments: &[&str]| {
        Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
    };
    if !answers(&python, &["-c", "import scapy, tomllib"]) {
        skip("scapy, or a Python 3.11 with it, is not installed: make setup-peers");
        return None;
    }
    if !answers("tshark", &["--version"]) {
        skip("tshark is not installed: make setup-peers");
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases/over_tap.py");
    let mut command = Command::new(python);
    command.arg(script).args(["--router", env!("CARGO_BIN_EXE_softrouter")]);
    Some(command)
}

#[test]
fn every_case_holds_over_taps() {
    let Some(mut command) = over_tap() else { return };
    assert!(command.status().unwrap().success(), "some cases fail: see above");
}

/// The processes that this one started, and that still run.
fn children(parent: u32) -> Vec<u32> {
    let is_child = |&pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // After the name in parentheses: state and parent.
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let mut fields = rest.split_whitespace();
        fields.next().is_some_and(|state| state != "Z") && fields.next() == Some(parent.to_string().as_str())
    };
    let entries = std::fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).filter(is_child).collect()
}

#[test]
fn a_run_that_is_killed_leaves_no_router_behind() {
    let Some(mut command) = over_tap() else { return };
    let mut run = command.arg("C22").stdout(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let routers = loop {
        match children(run.id()) {
            none if none.is_empty() => assert!(Instant::now() < deadline, "no router was started"),
            routers => break routers,
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    run.kill().unwrap();
    run.wait().unwrap();
    let lines = BufReader::new(run.stdout.take().unwrap()).lines().count();
    assert!(lines < 2, "the run was over before it was killed");
    // Its namespace, and the TAPs in it, end with the last process that is there.
    let alive = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.contains("(softrouter)") && !stat.contains(") Z ")
    };
    while routers.iter().any(alive) {
        assert!(Instant::now() < deadline, "a router outlives the run: {routers:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
