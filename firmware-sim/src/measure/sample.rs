//! Plausible reports for tests, and ones with everything that may go wrong in a page.

use super::report::*;

/// Counts as parts of the whole.
fn parts(names: &[&str], frames: &[u64], bytes_each: u64) -> Vec<Named<Part>> {
    let sum: u64 = frames.iter().sum();
    let part = |&frames: &u64| {
        let share = if sum == 0 { 0.0 } else { frames as f64 / sum as f64 };
        Part { frames, bytes: frames * bytes_each, frame_share: share, byte_share: share }
    };
    names
        .iter()
        .zip(frames)
        .map(|(name, frames)| Named { name: (*name).into(), value: part(frames) })
        .collect()
}

/// A bell around a median, in nanoseconds.
fn bell(count: u64, p50: f64, tail: f64) -> Histogram {
    let at = |bin: i32| p50 * 10_f64.powf(f64::from(bin) / 10.0);
    let bins =
        (-6..14).map(|bin| (at(bin), (count as f64 * 0.25 * (-f64::from(bin * bin) / 12.0).exp()) as u64));
    let bins = bins.filter(|(_, count)| *count > 0).chain([(p50 * tail, 1)]).collect();
    Histogram { count, p50, p99: p50 * 3.0, p999: p50 * tail / 2.0, max: p50 * tail, bins }
}

fn mixed() -> Mixed {
    let names = ["fast", "rule", "slow-cached", "slow-model", "slow-refused"];
    let series = (1..=40).map(|at: u64| {
        let frames = vec![24_000 - at, 3 * at, 20 + at, if at < 15 { 15 } else { 2 }, 9 + at % 4];
        Moment { seconds: at as f64 * 0.5, bytes: frames.iter().map(|frames| frames * 430).collect(), frames }
    });
    let series: Vec<Moment> = series.collect();
    let sum = |path: usize| series.iter().map(|moment| moment.frames[path]).sum::<u64>();
    let frames: Vec<u64> = (0..5).map(sum).collect();
    let reason = |at: u64| Reason {
        name: format!("ipv4_reason_number_{at}"),
        seen: 4_000 / (at + 1) + 7,
        held: 3_000 / (at + 1),
        observed: 500 / (at + 1),
        refused: 500 / (at + 3),
        approved: 2_900 / (at + 1),
        rejected: at % 3,
        unanswered: at % 2,
    };
    let slow = |name: &str, histogram| Named { name: name.into(), value: histogram };
    Mixed {
        traffic: "IMIX of eight flows, 0.5 % odd frames of all reasons".into(),
        offered: 48_000.0,
        lost_before: 12,
        seconds: 20.0,
        received: parts(&["received"], &[frames.iter().sum()], 430)[0].value,
        paths: parts(&names, &frames, 430),
        dispositions: parts(
            &["forwarded", "delivered", "consumed", "dropped"],
            &[950_000, 4_000, 1_200, 3_100],
            430,
        ),
        sent: [("forwarded", 950_000), ("originated", 4_000), ("injected", 700)]
            .map(|(name, value)| Named { name: name.into(), value })
            .into(),
        series,
        reasons: (0..40).map(reason).collect(),
        fast_ns: bell(15_000, 180.0, 800.0),
        slow_ns: vec![
            slow("rule", bell(2_000, 420.0, 60.0)),
            slow("slow-cached", bell(1_500, 9_800.0, 40.0)),
            slow("slow-model", bell(320, 1_900_000.0, 20.0)),
        ],
        checks: vec![
            Named { name: "each frame has one end".into(), value: Some(true) },
            Named { name: "nothing unapproved was sent".into(), value: None },
        ],
        written: Some("mixed.pcapng".into()),
    }
}

fn curve(help: Help) -> Curve {
    let capacity = match help {
        Help::Off => 1e6,
        Help::None => 400.0,
        Help::Cache => 9_000.0,
        Help::Rules => 80_000.0,
    };
    let point = |share: f64| {
        let (offered, odd) = (50_000.0 * (1.0 - share), 50_000.0 * share);
        let left = (capacity / (odd + 1.0)).min(1.0);
        Point {
            share,
            healthy_offered: offered,
            goodput: offered * left,
            loss: 1.0 - left,
            p50_us: 3.0 / left,
            p99_us: 11.0 / left,
            served: if help == Help::Off { 0.0 } else { left },
            calls: if help == Help::Off { 0.0 } else { odd.min(400.0) },
            transactions: 90_000.0 * left / (1.0 + 4.0 * share),
            transactions_many: 240_000.0 * left / (1.0 + 4.0 * share),
            rounds: Vec::new(),
        }
    };
    Curve { help, points: [0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99].map(point).into() }
}

fn saved(help: Help) -> Saved {
    let (ruled, cached, followed, calls) = match help {
        Help::Off => (0, 0, 0, 0),
        Help::None => (0, 0, 0, 7_800),
        Help::Cache => (0, 9_300, 420, 230),
        Help::Rules => (9_700, 110, 90, 80),
    };
    Saved {
        help,
        odd: 10_000,
        ruled,
        submitted: cached + followed + calls,
        refused: 10_000 - ruled - cached - followed - calls,
        cached,
        followed,
        calls,
        calls_per_thousand: calls as f64 / 10.0,
        saved_share: 1.0 - calls as f64 / 10_000.0,
    }
}

fn law(help: Help) -> Law {
    match help {
        Help::Off => Law { help, alone: 0.0, predicted: 0.0, sustained: None, not_sustained: Some(0.001) },
        Help::None => {
            Law { help, alone: 410.0, predicted: 0.0082, sustained: Some(0.005), not_sustained: Some(0.01) }
        }
        Help::Cache => {
            Law { help, alone: 9_100.0, predicted: 0.182, sustained: Some(0.2), not_sustained: Some(0.5) }
        }
        Help::Rules => {
            Law { help, alone: 120_000.0, predicted: 1.0, sustained: Some(0.99), not_sustained: None }
        }
    }
}

fn ping(who: &str, p50_us: f64, errors: Option<f64>) -> Ping {
    Ping {
        key: who.into(),
        who: who.into(),
        sent: 1_000,
        received: 1_000,
        p50_us,
        p99_us: p50_us * 2.0,
        max_us: p50_us * 9.0,
        within_10_ms: 0.998,
        first_attempt_errors: errors,
        by_default: errors.map_or(0, |share| (share * 1e3) as u64),
        judge: "pktgen's oracle".into(),
    }
}

/// What a run on a common machine might give.
pub(super) fn report() -> MeasureReport {
    let cost = |what: &str, rate: f64, money| Cost {
        key: what.into(),
        what: what.into(),
        frames: 1_000_000,
        frames_per_second: rate,
        owner_ns: 1e9 / rate,
        process_ns: 1.3e9 / rate,
        money_per_million: money,
        rounds: Vec::new(),
    };
    MeasureReport {
        format: FORMAT,
        version: "0.1.0".into(),
        began: "2026-01-02T03:04:05Z".into(),
        seconds: 187.2,
        interrupted: false,
        machine: Machine {
            processor: "Example 9000 at 3 GHz".into(),
            threads: 4,
            kernel: "Linux 6.1.0".into(),
            optimised: true,
            load: "0.12".into(),
        },
        subject: Subject {
            backend: "embedded".into(),
            posture: "balanced".into(),
            seed: 1,
            offered: 50_000.0,
            ring: 1_024,
            quick: false,
        },
        mixed: Some(mixed()),
        saved: Help::ALL.map(saved).into(),
        sweep: Help::ALL.map(curve).into(),
        law: Help::ALL.map(law).into(),
        costs: vec![
            cost("healthy, forwarded", 3_400_000.0, None),
            cost("odd, asked each", 410.0, Some(0.0)),
            cost("odd, by a rule", 2_900_000.0, Some(12.5)),
        ],
        pings: vec![
            ping("the router's own host, no model", 41.0, None),
            ping("embedded, ping_delta: header fields", 460.0, Some(0.0)),
            ping("embedded, ping_full: the whole request, the whole reply", 2_390.0, Some(0.004)),
        ],
        peers: Some(peers()),
        notes: vec!["A note <with> markup & more.".into()],
        ran: Some(0.99),
        not_measured: Vec::new(),
        failures: Vec::new(),
    }
}

/// Names that are long, or markup, or what XML cannot hold.
pub(super) fn nasty() -> MeasureReport {
    let mut report = report();
    let name = format!("<script>alert('&\"]]>{}\u{1}\u{fffe}</script>", "long-".repeat(80));
    report.subject.backend.clone_from(&name);
    report.machine.processor.clone_from(&name);
    report.machine.optimised = false;
    report.interrupted = true;
    report.failures = vec![name.clone(), "two frames have no end".into()];
    report.notes.push(name.clone());
    report.pings[0].who.clone_from(&name);
    report.pings[1] =
        Ping { sent: 0, received: 0, p50_us: 0.0, within_10_ms: 0.0, ..report.pings[1].clone() };
    report.costs[0].what.clone_from(&name);
    report.costs[1].frames_per_second = 1e300;
    let mixed = report.mixed.as_mut().unwrap();
    mixed.traffic.clone_from(&name);
    mixed.paths[1].name.clone_from(&name);
    mixed.reasons[0].name.clone_from(&name);
    mixed.reasons[1].held = u64::MAX;
    mixed.reasons[2] = Reason { held: 0, observed: 0, refused: 0, ..mixed.reasons[2].clone() };
    mixed.slow_ns[0] = Named { name: name.clone(), value: Histogram::default() };
    mixed.slow_ns[1].name = name;
    mixed.slow_ns[2].value =
        Histogram { count: 1, p50: 3e9, p99: 3e9, p999: 3e9, max: 3e9, bins: vec![(2.99e9, 1)] };
    // An interval in which nothing ended, one with huge counts, and a run that begins at its end.
    mixed.series[3].frames = vec![0; 5];
    mixed.series[7].bytes = vec![u64::MAX; 5];
    mixed.checks[0].value = Some(false);
    report.sweep[0].points.truncate(1);
    report.sweep[1].points.clear();
    report.sweep[2].points[2].goodput = 0.0;
    report.sweep[3].points[3].p99_us = f64::INFINITY;
    report.law[1] = Law { sustained: None, not_sustained: None, predicted: 0.0, ..report.law[1].clone() };
    report.saved[0].odd = 0;
    report.saved[1].calls = u64::MAX;
    report
}

/// Sections that are there, with one point or nothing but zeros in them.
pub(super) fn least() -> MeasureReport {
    let mut report = report();
    let mixed = report.mixed.as_mut().unwrap();
    mixed.series.truncate(1);
    mixed.series[0] = Moment { seconds: 0.0, frames: vec![0; 5], bytes: vec![0; 5] };
    mixed.paths.iter_mut().for_each(|path| path.value = Part::default());
    mixed.fast_ns = Histogram::default();
    mixed.slow_ns.clear();
    mixed.reasons.clear();
    report.sweep.iter_mut().for_each(|curve| {
        curve.points.truncate(1);
        let point = &mut curve.points[0];
        (point.goodput, point.healthy_offered, point.p99_us, point.transactions) = (0.0, 0.0, 0.0, 0.0);
    });
    report.law.truncate(1);
    report.saved.truncate(1);
    report
}

/// Nothing was measured.
pub(super) fn empty() -> MeasureReport {
    MeasureReport {
        mixed: None,
        saved: Vec::new(),
        sweep: Vec::new(),
        law: Vec::new(),
        costs: Vec::new(),
        pings: Vec::new(),
        peers: None,
        notes: Vec::new(),
        interrupted: true,
        ..report()
    }
}

/// A comparison with peers, of which one could not be had.
fn peers() -> PeerReport {
    PeerReport {
        rounds: 3,
        cpus: [0, 1],
        connections: 16,
        offered: None,
        subjects: Vec::new(),
        skipped: vec![Skipped {
            subject: "Open vSwitch".into(),
            reason: "ovs-vsctl <is> not installed".into(),
        }],
        interrupted: false,
    }
}
