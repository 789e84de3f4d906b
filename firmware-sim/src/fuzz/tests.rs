//! The bench finds what is broken: a router that is meddled with, and claims that are false.

use super::bench::Bench;
use super::case::{Case, Step, run as run_case};
use super::invariant::Invariant;
use super::memory::{fuzz, replay_case};
use super::*;
use pktgen::Expected;

pub(super) fn plan(frames: u64, name: &str) -> FuzzPlan {
    FuzzPlan {
        seed: 7,
        mix: StreamMix::FUZZ,
        corpus: Vec::new(),
        ports: 3,
        posture: None,
        frames: Some(frames),
        seconds: None,
        until: None,
        threads: 1,
        pps: 100_000,
        cases: std::env::temp_dir().join(format!("softrouter-fuzz-{name}-{}", std::process::id())),
    }
}

fn go(plan: &FuzzPlan) -> FuzzReport {
    run(plan, &AtomicBool::new(false)).unwrap()
}

#[test]
fn every_law_holds_and_every_reason_is_seen() {
    let report = go(&FuzzPlan { seed: 1, ..plan(2_000_000, "holds") });
    assert!(report.success, "{report}");
    assert!(report.frames >= 2_000_000 && report.never_seen.is_empty(), "{report}");
    assert!(report.invariants.iter().all(|law| law.checked > 0), "{report}");
    assert!(report.answers.iter().all(|(_, line)| line.given > 0), "{report}");
    for how in ["right", "cached"] {
        assert!(report.answers[how].applied > 100, "{report}");
    }
    assert_eq!(report.answers["forged"].approved + report.answers["late"].approved, 0, "{report}");
}

#[test]
fn the_same_seed_is_the_same_run_on_any_number_of_threads() {
    let one = go(&plan(100_000, "one"));
    let two = go(&FuzzPlan { threads: 2, ..plan(100_000, "two") });
    let counts = |report: &FuzzReport| {
        let laws: Vec<_> = report.invariants.iter().map(|law| law.checked).collect();
        (serde_json::to_string(&report.reasons).unwrap(), report.bytes, laws, report.verdicts.clone())
    };
    assert_eq!(counts(&one), counts(&two));
    let other = go(&FuzzPlan { seed: 8, ..plan(100_000, "other") });
    assert_ne!(counts(&one).0, counts(&other).0);
}

/// Whatever is done to a forwarded frame is found, shrunk to next to nothing, written, and found again.
#[test]
fn a_router_that_spoils_frames_is_found_out_by_a_case_of_few_steps() {
    let spoils: [fn(&mut [u8]); 4] = [
        |frame| frame[22] ^= 1,
        |frame| frame[0] ^= 4,
        |frame| *frame.last_mut().unwrap() ^= 0x40,
        |frame| frame.reverse(),
    ];
    for (at, spoil) in spoils.into_iter().enumerate() {
        let plan = plan(50_000, &format!("spoilt-{at}"));
        let prepare = move |bench: &mut Bench| bench.meddle = Some(spoil);
        let report = fuzz(&plan, &AtomicBool::new(false), prepare).unwrap();
        let found = report.violation.as_ref().unwrap_or_else(|| panic!("{at}: {report}"));
        assert!(!report.success && found.reproduced, "{report}");
        assert!(
            [Invariant::ForwardedRight, Invariant::RuledJustified].contains(&found.violation.invariant),
            "{report}"
        );
        assert!(found.steps <= 3 && found.steps_before >= found.steps, "{report}");
        let file = found.file.as_ref().unwrap();
        let case = Case::read(&std::fs::read_to_string(file).unwrap()).unwrap();
        let (again, _) = run_case(&case.setup, &case.steps, prepare).expect("it breaks again");
        assert_eq!(again.invariant, found.violation.invariant);
        // Of a router that is not meddled with nothing is said.
        assert!(replay_case(file).unwrap().success);
        std::fs::remove_dir_all(&plan.cases).unwrap();
    }
}

/// A folder that is gone, or a full disk, costs the case but not what was found.
#[test]
fn what_was_found_is_told_though_its_case_cannot_be_written() {
    let plan = FuzzPlan { frames: None, seconds: Some(60.0), ..plan(0, "gone") };
    let gone = plan.cases.clone();
    let prepare = |bench: &mut Bench| {
        // As soon as it runs, a file takes the folder's place.
        if gone.is_dir() {
            std::fs::remove_dir(&gone).unwrap();
            std::fs::write(&gone, "").unwrap();
        }
        bench.meddle = Some(|frame| frame[22] ^= 1);
    };
    let report = fuzz(&plan, &AtomicBool::new(false), prepare).unwrap();
    std::fs::remove_file(&plan.cases).unwrap();
    let found = report.violation.as_ref().unwrap();
    let why = report.not_written().unwrap();
    assert!(found.file.is_none() && why.contains("remedy: "), "{report}");
    // Whoever runs that again lives the same lives to their ends.
    assert!(
        report.to_string().contains("again: softrouter fuzz --ports 3 --threads 1 --seed 7 "),
        "{report}"
    );
    assert!(found.again.contains(" --frames 16384 ") && found.index < 16_384, "{report}");
}

#[test]
fn every_law_holds_with_as_many_ports_as_there_may_be() {
    let odd = StreamMix { odd: 1, ..StreamMix::default() };
    let report = go(&FuzzPlan { ports: 15, mix: odd, ..plan(50_000, "ports") });
    assert!(report.success && report.answers["stale"].given > 100, "{report}");
}

#[test]
fn an_end_that_may_never_come_is_refused() {
    let plan = FuzzPlan { frames: None, until: Some(1), mix: StreamMix::HEALTHY, ..plan(0, "endless") };
    let refused = |plan: &FuzzPlan| run(plan, &AtomicBool::new(false)).unwrap_err().to_string();
    for mix in [
        StreamMix::HEALTHY,
        StreamMix { odd: 0, ..StreamMix::FUZZ },
        StreamMix { sequence: 0, ..StreamMix::FUZZ },
    ] {
        let told = refused(&FuzzPlan { mix, ..plan.clone() });
        assert!(told.contains("remedy: give both odd and sequence"), "{told}");
    }
    let report = go(&FuzzPlan { frames: Some(5_000), ..plan.clone() });
    assert!(!report.success && report.missing.len() > 50, "{report}");
    let captured = FuzzPlan { mix: StreamMix { captured: 3, ..StreamMix::FUZZ }, ..plan };
    assert!(refused(&captured).contains("remedy: name some with --corpus"), "{}", refused(&captured));
    // Those two have every reason.
    let mix = StreamMix { odd: 1, sequence: 1, ..StreamMix::default() };
    let report = go(&FuzzPlan { mix, ..captured });
    assert!(report.success && report.missing.is_empty(), "{report}");
    assert!(report.recipe.again.contains(" --until 1 "), "{report}");
}

#[test]
fn a_panic_is_a_violation_like_any_other() {
    let plan = plan(50_000, "panic");
    let prepare = |bench: &mut Bench| bench.meddle = Some(|frame| assert!(frame.len() < 500, "too long"));
    let report = fuzz(&plan, &AtomicBool::new(false), prepare).unwrap();
    let found = report.violation.as_ref().unwrap();
    assert_eq!(found.violation.invariant, Invariant::NoPanic);
    assert!(found.violation.how.contains("too long") && found.steps <= 3, "{report}");
    std::fs::remove_dir_all(&plan.cases).unwrap();
}

#[test]
fn a_false_claim_about_a_frame_is_a_violation() {
    let source = life::Source {
        stream: stream(&plan(1, ""), setup::world(3), 3).unwrap().0,
        seed: 7,
        ports: 3,
        posture: None,
    };
    let mut steps = source.steps(0, 300, |_| ());
    assert_eq!(run_case(&source.setup(0), &steps, |_| ()), None);
    let claimed = steps.iter_mut().find_map(|step| match step {
        Step::Frame { expected: expected @ Expected::Healthy, .. } => Some(expected),
        _ => None,
    });
    *claimed.unwrap() = Expected::Anomaly(stack::Anomaly::Ipv4Land);
    let (violation, _) = run_case(&source.setup(0), &steps, |_| ()).unwrap();
    assert_eq!(violation.invariant, Invariant::ReasonExpected);
}

/// What fuzzing once found, and what shows a law at work.
#[test]
fn no_case_breaks_a_law_any_more() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases/fuzz");
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "json") {
            let report = replay_case(&path).unwrap();
            assert!(report.success, "{report}");
            count += 1;
        }
    }
    assert!(count > 0, "no case in {}", folder.display());
}
