//! The fraction law: at an offered load of R frames a second, a slow path of u answers a second lasts only while the odd
//! share is below u/R. Measured: the largest share of which all odd frames are served, with rules and without.

use crate::rig::{Help, Rig};
use stack::stats::Path;
use std::time::{Duration, Instant};

/// Frames a second.
const OFFERED: u64 = 2_000_000;
/// Odd frames in a million.
const SHARES: [u64; 16] = [
    1_000, 2_000, 5_000, 10_000, 15_000, 20_000, 50_000, 100_000, 200_000, 300_000, 400_000, 500_000,
    700_000, 900_000, 990_000, 1_000_000,
];
/// Before it is counted, so that what can be learnt is.
const WARM_UP: Duration = Duration::from_millis(300);
const COUNTED: Duration = Duration::from_millis(700);

pub(crate) fn rows(quick: bool) {
    println!(
        "the fraction law, {OFFERED} frames a second offered, odd ones of one class and {} senders, embedded model",
        crate::rig::SENDERS
    );
    println!(
        "(sustained: the load is taken in time, all healthy frames are forwarded, 99.9 % of the odd ones are served)"
    );
    println!(
        "{:<30}{:>18}{:>22}{:>30}{:>20}",
        "", "answers/s alone", "u/R (predicted)", "largest share sustained", "not any more"
    );
    for (name, help) in [
        ("every frame is asked about", Help::None),
        ("answers are cached", Help::Cache),
        ("rules", Help::Rules),
    ] {
        let shares = if quick { &SHARES[..2] } else { &SHARES[..] };
        // What it serves of odd frames alone, offered without pause.
        let alone = if quick { Run::default() } else { run(help, 1_000_000, u64::MAX) };
        let (mut most, mut not) = (None, None);
        for &share in shares {
            // A noisy machine gets a second and a third chance.
            if (0..3).any(|_| run(help, share, OFFERED).is_sustained()) {
                most = Some(share);
            } else {
                not = Some(share);
                break;
            }
        }
        let percent =
            |share: Option<u64>| share.map_or("-".into(), |share| format!("{} %", share as f64 / 1e4));
        let rate = alone.served as f64 / alone.seconds.max(1e-9);
        println!(
            "{name:<30}{rate:>18.0}{:>22}{:>30}{:>20}",
            percent(Some((rate / OFFERED as f64 * 1e6).min(1e6) as u64)),
            percent(most),
            percent(not)
        );
    }
}

/// What came of a run.
#[derive(Debug, Default)]
struct Run {
    seconds: f64,
    planned: f64,
    odd: u64,
    served: u64,
    healthy: u64,
    forwarded: u64,
}

impl Run {
    fn is_sustained(&self) -> bool {
        self.seconds < self.planned * 1.02
            && self.forwarded == self.healthy
            && self.served as f64 >= self.odd as f64 * 0.999
    }
}

/// Offers frames at a rate, of which so many in a million are odd; counts those after the warm-up.
fn run(help: Help, share: u64, rate: u64) -> Run {
    let mut rig = Rig::new(help);
    let start = Instant::now();
    let (mut number, mut odd_frames) = (0_u64, 0_u64);
    let mut counted: Option<(Instant, u64, u64, u64, u64)> = None;
    let served = |rig: &Rig| {
        let stats = rig.router.stats();
        [Path::SlowModel, Path::SlowCached, Path::Rule]
            .into_iter()
            .map(|path| stats.by_path(path).frames)
            .sum::<u64>()
    };
    let end = WARM_UP + COUNTED;
    let planned = if rate == u64::MAX { u64::MAX } else { (end.as_secs_f64() * rate as f64) as u64 };
    loop {
        let elapsed = start.elapsed();
        if counted.is_none() && elapsed >= WARM_UP {
            counted = Some((Instant::now(), number, odd_frames, served(&rig), rig.forwarded));
        }
        if number >= planned || (rate == u64::MAX && elapsed >= end) {
            break;
        }
        let due = if rate == u64::MAX { 0 } else { number * 1_000_000_000 / rate };
        if elapsed < Duration::from_nanos(due) {
            rig.turn();
            continue;
        }
        // Spread evenly.
        let odd = (number + 1) * share / 1_000_000 > number * share / 1_000_000;
        rig.receive(number, odd);
        (number, odd_frames) = (number + 1, odd_frames + u64::from(odd));
        if rate == u64::MAX || number.is_multiple_of(8) {
            rig.turn();
        }
    }
    let (since, numbers, odds, before, forwarded) = counted.unwrap_or((start, 0, 0, 0, 0));
    let seconds = since.elapsed().as_secs_f64();
    // What is still with the slow path at the end gets its time.
    let patience = Instant::now() + Duration::from_millis(30);
    while Instant::now() < patience {
        rig.turn();
    }
    let odd = odd_frames - odds;
    Run {
        seconds,
        planned: if rate == u64::MAX { seconds } else { (number - numbers) as f64 / rate as f64 },
        odd,
        served: served(&rig) - before,
        healthy: number - numbers - odd,
        forwarded: rig.forwarded - forwarded,
    }
}
