//! How many malformed frames beside half of a set-up's capacity it stands, until healthy ones are lost.

use super::NEVER;
use firmware_sim::peers::{Failure, Flood, Outcome, SetUp, shown};
use std::time::Duration;

/// Loss of healthy frames that is too much.
const LIMIT: f64 = 0.01;

/// Measures these set-ups, and prints a table of each.
///
/// # Errors
/// A tool or the kernel refuses.
pub(crate) fn run(subjects: &[(&'static str, &SetUp)], seconds: u32) -> Result<(), Failure> {
    println!(
        "\nHealthy 64-byte UDP at half of the capacity without a flood, and malformed frames (bad header checksum)"
    );
    println!(
        "{:<22} {:>9} {:>9} {:>9} {:>9} {:>8} {:>10}",
        "", "", "bad kpps", "good kpps", "goodput", "loss", "p99, us"
    );
    for (name, set_up) in subjects {
        let sender = Flood::new(set_up)?;
        let span = Duration::from_secs(seconds.into());
        let half = sender.capacity(Duration::from_secs(1), &NEVER)? / 2.0;
        let (stood, broke) = breaking_point(&sender, half, span)?;
        row(name, "stands", &stood);
        match broke {
            Some(broke) => row(name, "loses > 1 %", &broke),
            None => println!("{name:<22} loses no more at the most that the sender can send"),
        }
    }
    Ok(())
}

fn row(name: &str, what: &str, outcome: &Outcome) {
    let rtt = outcome.rtt_p99_us.map_or("-".into(), shown);
    println!(
        "{name:<22} {what:>9} {:>9.1} {:>9.1} {:>9.1} {:>7.2}% {rtt:>10}",
        outcome.malformed / 1e3,
        outcome.healthy / 1e3,
        outcome.goodput / 1e3,
        outcome.loss * 100.0
    );
}

/// The largest flood with a loss within the limit, and the smallest beyond it: doubled, then halved in between.
fn breaking_point(
    sender: &Flood<'_>,
    healthy: f64,
    span: Duration,
) -> Result<(Outcome, Option<Outcome>), Failure> {
    let (mut stood, mut broke): (Option<Outcome>, Option<Outcome>) = (None, None);
    let mut flood = healthy / 4.0;
    for _ in 0..9 {
        let outcome = sender.fire(healthy, flood, span, &NEVER)?;
        if outcome.loss > LIMIT {
            broke = Some(outcome);
        } else {
            // A sender that cannot keep up has shown the most that it can.
            let exhausted = outcome.malformed < flood * 0.9;
            stood = Some(outcome);
            if exhausted {
                break;
            }
        }
        flood = match (stood, broke) {
            (Some(stood), Some(broke)) => (stood.malformed + broke.malformed) / 2.0,
            (Some(_), None) => flood * 2.0,
            (None, _) => flood / 2.0,
        };
    }
    Ok((stood.ok_or("healthy traffic is lost without any flood")?, broke))
}
