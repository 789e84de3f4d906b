//! The comparison with peers, cut short: it measures every subject, tells their work apart, ends at once when it is told to,
//! and leaves nothing behind. Needs iproute2 and Open vSwitch (`make setup-peers`).

use firmware_sim::lab::privilege::{probe_tap, skip};
use firmware_sim::peers::{Echo, Fabric, PeerPlan, PeerReport, SetUp, measure};
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One at a time: each looks for what is left behind.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn plan() -> PeerPlan {
    let span = Duration::from_millis(400);
    PeerPlan { rounds: 1, span, echoes: 100, connections: 4, shares: vec![0, 50], ..PeerPlan::default() }
}

/// Our folders and daemons.
fn left_behind() -> Vec<String> {
    let ours = format!("softrouter-ovs-{}-", std::process::id());
    let folders = fs::read_dir(std::env::temp_dir())
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let commands = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read_to_string(entry.unwrap().path().join("cmdline")).ok());
    folders.chain(commands).filter(|name| name.contains(&ours)).collect()
}

#[test]
fn every_subject_is_measured_and_their_work_is_told_apart() {
    if let Err(refused) = probe_tap() {
        return skip(&refused.to_string());
    }
    let _turn = turn();
    let plan = plan();
    let before = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)).unwrap();
    let mut told = Vec::new();
    let report = measure(&plan, &mut |line| told.push(line.to_owned()), &AtomicBool::new(false)).unwrap();
    println!("{report}");
    for skipped in &report.skipped {
        skip(&format!("{}: {}", skipped.subject, skipped.reason));
    }
    assert_eq!(nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)).unwrap(), before);
    assert_eq!(report.subjects.len() + report.skipped.len(), plan.fabrics.len());
    assert!(!report.interrupted && told.len() > report.subjects.len(), "{told:?}");
    let offered = report.offered.as_ref().unwrap();
    let slowest = report.subjects.iter().find(|line| line.subject == offered.slowest).unwrap();
    assert!((slowest.median.unwrap().udp / 2.0 - offered.frames_per_second).abs() < 1.0, "{offered:?}");
    for line in &report.subjects {
        let median = line.median.unwrap();
        assert!(median.transactions_one > 10.0 && median.transactions_many > 10.0, "{line:?}");
        assert!(median.udp >= offered.frames_per_second * 2.0 && median.rtt_p50_us > 0.0, "{line:?}");
        assert_eq!(line.sweep.len(), 2);
        let [quiet, half] = [line.sweep[0], line.sweep[1]];
        assert!(quiet.malformed == 0.0 && quiet.passed_on == 0.0 && quiet.goodput > 0.0, "{line:?}");
        assert!(quiet.to_quiet == Some(1.0) && half.to_quiet.is_some_and(|ratio| ratio > 0.0), "{line:?}");
        assert!(half.malformed > 0.0 && half.malformed_beside > 0.0, "{line:?}");
        // A forwarder that looks at no checksum passes them on, and the server's kernel counts them.
        let looks = line.subject.starts_with("kernel") || line.subject.starts_with("softrouter");
        assert_eq!(half.passed_on == 0.0, looks, "{line:?}");
        assert_eq!(quiet.cpu_ns.is_none(), line.subject.starts_with("kernel"), "{line:?}");
    }
    let json = serde_json::to_string(&report).unwrap();
    let read: PeerReport = serde_json::from_str(&json).unwrap();
    assert_eq!(read.to_string(), report.to_string());
    assert_eq!(left_behind(), Vec::<String>::new());
}

#[test]
fn a_dead_fabric_is_given_up_at_once() {
    if let Err(refused) = probe_tap() {
        return skip(&refused.to_string());
    }
    let _turn = turn();
    let set_up = SetUp::start(Fabric::Bare { offload: false }, PeerPlan::default().cpus).unwrap();
    let trips = |stop| Echo::open(&set_up).unwrap().round_trips(2_000, &AtomicBool::new(stop));
    assert_eq!(trips(false).unwrap().len(), 2_000);
    assert!(trips(true).is_err());
    let mut down = Command::new("ip");
    down.args(["link", "set", "lan0", "down"]);
    assert!(set_up.server.namespace().start_process(down).unwrap().wait().unwrap().success());
    let start = Instant::now();
    let error = trips(false).unwrap_err().to_string();
    assert!(error.contains("in a row") && start.elapsed() < Duration::from_secs(20), "{error}");
}

#[test]
fn it_ends_at_once_when_it_is_told_to() {
    if let Err(refused) = probe_tap() {
        return skip(&refused.to_string());
    }
    let _turn = turn();
    let stop = AtomicBool::new(false);
    let mut told_at = None;
    let plan = PeerPlan { span: Duration::from_secs(20), ..plan() };
    let report = std::thread::scope(|scope| {
        let stopper = scope.spawn(|| {
            // While the first load runs, whose daemons are then up.
            std::thread::sleep(Duration::from_secs(3));
            stop.store(true, Ordering::Relaxed);
            Instant::now()
        });
        let report = measure(&plan, &mut |_| (), &stop).unwrap();
        told_at = Some(stopper.join().unwrap());
        report
    });
    let took = told_at.unwrap().elapsed();
    assert!(report.interrupted && report.offered.is_none() && took < Duration::from_secs(8), "{took:?}");
    assert!(report.to_string().contains("ENDED EARLY"));
    assert_eq!(left_behind(), Vec::<String>::new());
}
