//! Between two Linux hosts: the router on TAPs, beside a bare loop on such TAPs, and beside a Linux kernel.
//!
//! Needs root, iperf3 and iproute2 (`make setup-peers`). Every round measures each set-up once, one after
//! another, so that what disturbs the machine disturbs all of them; a ratio is taken within a round.
//! `cargo bench -p firmware-sim --bench tap -- [ROUNDS] [SECONDS] [CPU OF THE HOSTS] [CPU OF THE FABRIC]`
//! `cargo bench -p firmware-sim --bench tap -- peers [quick]`: the comparison of `firmware_sim::peers` alone.

mod flood;
mod load;

use firmware_sim::median::median;
use firmware_sim::peers::{Echo, Fabric, Failure, PeerPlan, SetUp, measure as measure_peers, micros, pin};
use load::Ended;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

const ROUNDS: usize = 7;
const SECONDS: u32 = 2;
/// Echo requests in one round.
const ECHOES: u32 = 4_000;
/// Nobody ends it early.
static NEVER: AtomicBool = AtomicBool::new(false);

/// One measurement of one set-up.
#[derive(Debug, Clone, Copy)]
struct Sample {
    /// TCP, Gbit/s.
    tcp: f64,
    /// Smallest UDP frames, thousands a second.
    udp: f64,
    /// Round trip: median and 99th percentile, microseconds, a lost one counted as 200 ms.
    rtt: [f64; 2],
}

struct Subject {
    name: &'static str,
    set_up: SetUp,
    _server: Ended,
    samples: Vec<Sample>,
}

fn main() -> Result<(), Failure> {
    let asked = |word: &str| std::env::args().any(|other| other == word);
    if asked("peers") {
        return compare(if asked("quick") { PeerPlan::quick() } else { PeerPlan::default() });
    }
    let numbers: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let rounds = numbers.first().copied().unwrap_or(ROUNDS).max(1);
    let seconds = numbers.get(1).map_or(SECONDS, |seconds| (*seconds).max(1) as u32);
    let cpus = [2, 3].map(|at| numbers.get(at).copied().unwrap_or(at - 2));
    if let Some(missing) = missing() {
        println!("bench-tap: skipped: {missing}");
        return Ok(());
    }
    let fabrics = [
        Fabric::Kernel,
        Fabric::Bare { offload: false },
        Fabric::Softrouter { offload: false },
        Fabric::Bare { offload: true },
        Fabric::Softrouter { offload: true },
    ];
    let mut subjects = Vec::new();
    for fabric in fabrics {
        let set_up = SetUp::start(fabric, cpus)?;
        let server = load::serve(&set_up)?;
        // Neighbours are warm from here on.
        Echo::open(&set_up)?.round_trips(100, &NEVER)?;
        subjects.push(Subject { name: fabric.name(), set_up, _server: server, samples: Vec::new() });
    }
    // Not before: the slow path may run on any core.
    pin(cpus[0])?;
    for round in 0..rounds {
        for subject in &mut subjects {
            let sample = measure(&subject.set_up, seconds)?;
            eprintln!(
                "round {round} {:<24} {:6.2} Gbit/s {:7.1} kpps {:6.2} us {:6.2} us",
                subject.name, sample.tcp, sample.udp, sample.rtt[0], sample.rtt[1]
            );
            subject.samples.push(sample);
        }
    }
    report(&subjects);
    let flooded: Vec<_> = [0, 2, 4].map(|at| (subjects[at].name, &subjects[at].set_up)).into();
    flood::run(&flooded, seconds)?;
    for subject in subjects {
        subject.set_up.finish()?;
    }
    Ok(())
}

/// The comparison until its end or Ctrl-C.
fn compare(plan: PeerPlan) -> Result<(), Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::clone(&stop))?;
    let report = measure_peers(&plan, &mut |line| eprintln!("{line}"), &stop)?;
    print!("{report}");
    Ok(())
}

/// What this machine lacks, if anything.
fn missing() -> Option<String> {
    if let Err(refused) = firmware_sim::lab::privilege::probe_tap() {
        return Some(refused.to_string());
    }
    ["iperf3", "ip"].into_iter().find_map(|tool| {
        let version = if tool == "ip" { "-V" } else { "--version" };
        let there = Command::new(tool).arg(version).output().is_ok();
        (!there).then(|| format!("{tool} is not installed (make setup-peers)"))
    })
}

fn measure(set_up: &SetUp, seconds: u32) -> Result<Sample, Failure> {
    let tcp = load::tcp(set_up, seconds)? / 1e9;
    let udp = load::udp(set_up, seconds)? / 1e3;
    let times = Echo::open(set_up)?.round_trips(ECHOES, &NEVER)?;
    Ok(Sample { tcp, udp, rtt: [micros(&times, 0.5), micros(&times, 0.99)] })
}

/// There is a round.
fn middle(values: impl Iterator<Item = f64>) -> f64 {
    median(values).unwrap_or(f64::NAN)
}

type Column = fn(&Sample) -> f64;

fn report(subjects: &[Subject]) {
    let columns: [(&str, Column, bool); 4] = [
        ("TCP Gbit/s", |sample| sample.tcp, true),
        ("64-byte UDP kpps", |sample| sample.udp, true),
        ("ping p50 us", |sample| sample.rtt[0], false),
        ("ping p99 us", |sample| sample.rtt[1], false),
    ];
    println!("\nMedians of {} rounds (ratios within a round; above 1 is better)", subjects[0].samples.len());
    for (title, column, more_is_better) in columns {
        println!("{title:<22} {:>10} {:>12} {:>12}", "median", "to bare", "to kernel");
        for subject in subjects {
            let ratio = |to: &Subject| {
                middle(subject.samples.iter().zip(&to.samples).map(|(ours, theirs)| {
                    let ratio = column(ours) / column(theirs);
                    if more_is_better { ratio } else { 1.0 / ratio }
                }))
            };
            println!(
                "  {:<20} {:>10.2} {:>12.3} {:>12.3}",
                subject.name,
                middle(subject.samples.iter().map(column)),
                ratio(&subjects[if subject.name.ends_with("offload") { 3 } else { 1 }]),
                ratio(&subjects[0])
            );
        }
    }
}
