//! `softrouter exam` as a user runs it: a report on the terminal, as JSON and as a page, Ctrl-C, and what it says to bad input.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};

fn softrouter(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_softrouter"));
    command.arg("exam").args(args).env_remove("SOFTROUTER_CAPTURES");
    command
}

fn temporary(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("softrouter-exam-{}-{name}", std::process::id()))
}

#[test]
fn a_quick_exam_reports_on_the_terminal_as_json_and_as_a_page() {
    let (json, html) = (temporary("report.json"), temporary("report.html"));
    let files = ["--json", json.to_str().unwrap(), "--html", html.to_str().unwrap()];
    let output =
        softrouter(&[&["--quick", "--tasks", "triage,repair"][..], &files].concat()).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{shown}{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        shown.contains("180 questions, quick, seed 1") && shown.contains("held out, two anomalies"),
        "{shown}"
    );
    assert!(shown.contains("MISSING: questions from captures") && !shown.contains("PARTIAL"), "{shown}");
    let report: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
    assert_eq!(report["tasks"], serde_json::json!(["triage", "repair"]));
    assert_eq!(report["sittings"][0]["asked"], 180);
    assert!(report["sittings"][0]["about"]["parameters"].as_u64().unwrap() > 10_000);
    assert!(std::fs::read_to_string(&html).unwrap().contains("<svg"));
    for file in [json, html] {
        std::fs::remove_file(file).unwrap();
    }
}

#[test]
fn ctrl_c_ends_the_exam_with_a_partial_result() {
    let mut child = softrouter(&[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut told).unwrap();
    assert!(told.contains(" of 27000 asked"), "{told}");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let mut shown = String::new();
    child.stdout.take().unwrap().read_to_string(&mut shown).unwrap();
    assert!(child.wait().unwrap().success(), "{shown}");
    assert!(shown.contains("PARTIAL RESULT: interrupted"), "{shown}");
}

#[test]
fn a_server_that_is_not_there_is_given_up() {
    let output = softrouter(&["--quick", "--backend", "openai:http://127.0.0.1:1/"]).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(shown.contains("PARTIAL RESULT: given up after 10 failures in a row"), "{shown}");
    assert!(shown.contains("cannot connect") && shown.contains("parameters: unknown"), "{shown}");
}

#[test]
fn bad_input_is_refused_before_the_exam_starts() {
    let cases: [(&[&str], &str, &str); 9] = [
        (&["--tasks", "triage,pnig_full"], "pnig_full", "ping_full"),
        (&["--captures", "/nonexistent/folder"], "--captures /nonexistent/folder", "name a folder"),
        (&["--json", "/nonexistent/report.json"], "--json /nonexistent/report.json", "name a file"),
        (&["--html", "/nonexistent/report.html"], "--html /nonexistent/report.html", "name a file"),
        (&["--backend", "oracle"], "oracle", "embedded[:FOLDER]"),
        (&["--backend", "embedded:/nonexistent/weights"], "/nonexistent/weights", "make train"),
        (&["--price-in", "1"], "--price-out", ""),
        (&["--price-in", "-1", "--price-out", "1"], "-1", ""),
        (&["--show-wrong", "many"], "many", ""),
    ];
    for (args, what, remedy) in cases {
        let output = softrouter(&[&["--quick"], args].concat()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {told}");
        assert!(told.contains(what) && told.contains(remedy), "{args:?}: {told}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

/// Questions of each task from the real captures, as `SOFTROUTER_CAPTURES` names them.
#[cfg(feature = "peers")]
#[test]
fn real_captures_give_questions_for_triage_and_both_pings() {
    let default = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures");
    let folder = std::env::var_os("SOFTROUTER_CAPTURES").map_or(default, PathBuf::from);
    let json = temporary("captures.json");
    let tasks = ["--quick", "--tasks", "triage,ping_delta,ping_full"];
    let output = softrouter(&tasks).arg("--captures").arg(folder).arg("--json").arg(&json).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
    let scores = report["sittings"][0]["scores"].as_array().unwrap();
    for (task, source) in [
        ("triage", "captures"),
        ("triage", "captures, fixed reasons"),
        ("ping_delta", "captures"),
        ("ping_full", "captures"),
    ] {
        let score = scores.iter().find(|score| score["task"] == task && score["source"] == source).unwrap();
        assert_eq!((&score["asked"], &score["distinct"]), (&20.into(), &20.into()), "{score}");
    }
    std::fs::remove_file(json).unwrap();
}
