//! `softrouter measure` as a user runs it: its report, Ctrl-C, wrong input.

mod folder;
mod program;

use firmware_sim::measure::report::{Help, MeasureReport, Named, Part};
use folder::Folder;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use program::{shown, softrouter};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

fn read(path: &str) -> MeasureReport {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn the_whole_report_adds_up() {
    let folder = Folder::new("measure");
    let json = folder.file("report.json");
    let output = softrouter(&["measure", "--quick", "--seed", "7", "--offered", "50000", "--json"])
        .arg(&json)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    let report = read(&json);
    assert!(!report.interrupted && report.failures.is_empty(), "{:?}", report.failures);
    assert_eq!((report.subject.seed, report.subject.quick), (7, true));

    let mixed = report.mixed.unwrap();
    let received = mixed.received.frames;
    assert!(received > 40_000, "{received}");
    let sum = |parts: &[Named<Part>]| {
        parts
            .iter()
            .map(|part| (part.value.frames, part.value.bytes))
            .fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
    };
    assert_eq!(sum(&mixed.paths), (received, mixed.received.bytes));
    assert_eq!(sum(&mixed.dispositions), (received, mixed.received.bytes));
    for (at, path) in mixed.paths.iter().enumerate() {
        let over_time: u64 = mixed.series.iter().map(|moment| moment.frames[at]).sum();
        assert_eq!(over_time, path.value.frames, "{}", path.name);
        let bytes: u64 = mixed.series.iter().map(|moment| moment.bytes[at]).sum();
        assert_eq!(bytes, path.value.bytes, "{}", path.name);
    }
    assert!(mixed.series.len() > 20 && mixed.series.is_sorted_by(|a, b| a.seconds < b.seconds));
    // Each frame that ended on a path was timed on it.
    let frames = |name: &str| mixed.paths.iter().find(|path| path.name == name).unwrap().value.frames;
    // All but those that waited for a neighbour.
    assert!(
        (1..=frames("fast")).contains(&mixed.fast_ns.count) && frames("fast") - mixed.fast_ns.count < 100
    );
    for slow in &mixed.slow_ns {
        assert_eq!(slow.value.count, frames(&slow.name), "{}", slow.name);
        assert_eq!(slow.value.bins.iter().map(|bin| bin.1).sum::<u64>(), slow.value.count);
    }
    assert!(["rule", "slow-cached", "slow-model"].iter().all(|path| frames(path) > 20));
    assert!(mixed.reasons.len() > 60 && mixed.reasons.is_sorted_by(|a, b| a.seen >= b.seen));

    let helps: Vec<Help> = report.sweep.iter().map(|curve| curve.help).collect();
    assert_eq!(helps, Help::ALL);
    for curve in &report.sweep {
        let shares: Vec<f64> = curve.points.iter().map(|point| point.share).collect();
        assert_eq!(shares, [0.0, 0.01, 0.1, 0.5, 0.99]);
        // How much is left is a figure, and no matter of a test on a machine with other work.
        assert!(curve.points.iter().all(|point| point.p99_us >= point.p50_us), "{curve:?}");
    }
    let idle = &report.sweep[0].points[0];
    assert!(idle.goodput > 0.0 && idle.transactions > 0.0 && idle.transactions_many > 0.0, "{idle:?}");
    // Nobody is asked where there is nobody to ask, and nothing odd is asked about where nothing is odd.
    assert!(report.sweep[0].points.iter().all(|point| point.calls == 0.0 && point.served == 0.0));
    assert!(report.sweep.iter().all(|curve| curve.points[0].calls == 0.0));

    let [none, cache, rules] = &report.saved[..] else { panic!("{:?}", report.saved) };
    assert_eq!([none, cache, rules].map(|line| line.help), [Help::None, Help::Cache, Help::Rules]);
    assert_eq!((none.saved_share, none.cached, none.ruled, cache.ruled), (0.0, 0, 0, 0));
    assert!(cache.calls < none.calls && rules.calls < none.calls && rules.ruled > 500, "{:?}", report.saved);

    assert_eq!(
        report.law.iter().map(|law| law.help).collect::<Vec<_>>(),
        [Help::None, Help::Cache, Help::Rules]
    );
    for law in &report.law {
        assert!(law.alone > 0.0, "{law:?}");
    }
    assert!(report.law[1].alone > report.law[0].alone && report.law[2].alone > report.law[0].alone);
    // The row of a model call needs enough of them.
    assert!((7..=8).contains(&report.costs.len()), "{:?}", report.costs);
    assert!(report.ran.is_some_and(|ran| ran > 0.0 && ran <= 1.05), "{:?}", report.ran);

    let [fast, full, delta] = &report.pings[..] else { panic!("{:?}", report.pings) };
    for ping in [fast, full, delta] {
        assert_eq!((ping.sent, ping.received), (200, 200), "{}", ping.who);
    }
    assert_eq!((fast.first_attempt_errors, fast.by_default), (None, 0));
    // How many a busy machine answers in time is a figure, too.
    assert!(full.first_attempt_errors.is_some() && delta.first_attempt_errors.is_some());
    let text = shown(&output);
    for part in ["The article's table", "fast/slow ratio = ", "The fraction law", "How to read this"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn ctrl_c_ends_with_the_report_so_far() {
    let folder = Folder::new("measure-interrupted");
    let json = folder.file("report.json");
    let mut command = softrouter(&["measure", "--only", "saved,sweep", "--json"]);
    let mut child = command.arg(&json).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The first of three is whole when the second begins.
    let mut progress = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(progress.any(|line| line.unwrap().contains("model calls, answers cached")));
    let rest = std::thread::spawn(move || progress.count());
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    let report = read(&json);
    assert!(report.interrupted && report.mixed.is_none() && report.sweep.is_empty());
    // What is there is whole.
    assert_eq!(report.saved.len(), 1);
    assert!(shown(&output).contains("interrupted"), "{}", shown(&output));
    rest.join().unwrap();
}

#[test]
fn what_cannot_be_measured_is_said() {
    for (args, part) in [
        (&["--offered", "0"][..], "--offered"),
        (&["--offered", "1e300"], "--offered"),
        (&["--only", "everything"], "everything"),
        (&["--ring", "0"], "--ring"),
        (
            &["--only", "mixed", "--quick", "--write", "/nonexistent/x.pcapng"],
            "remedy: name a file in a folder that exists",
        ),
        (&["--json", "/nonexistent/x.json"], "name a file in a folder that exists"),
        (&["--backend", "embedded:/nonexistent"], "/nonexistent"),
    ] {
        let output = softrouter(&["measure"]).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", shown(&output));
        assert!(shown(&output).contains(part), "{part} is not in\n{}", shown(&output));
    }
}
