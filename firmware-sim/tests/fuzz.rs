//! `softrouter fuzz` as a user runs it: exit statuses, the report, and a case with a false claim.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

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
    assert!(report["frames"].as_u64().unwrap() >= 20_000);
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases/fuzz/arp_releases_what_waits.json");
    let told = fs::read_to_string(kept).unwrap();
    fs::write(&case, told.replace("\"expected\": \"unknown\"", "\"expected\": \"ipv4_land\"")).unwrap();
    let bad = fuzz(&["--replay-case", case.to_str().unwrap()]);
    assert_eq!(bad.status.code(), Some(1), "{}", text(&bad));
    assert!(text(&bad).contains("VIOLATION: reason_expected"), "{}", text(&bad));
    let none = fuzz(&["--replay-case", "/nonexistent.json"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(text(&none).contains("remedy: "), "{}", text(&none));
    fs::remove_dir_all(&folder).unwrap();
}
