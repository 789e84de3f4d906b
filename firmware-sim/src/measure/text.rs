//! The report as text for a terminal.

use super::report::{
    CONNECTIONS, Cost, Curve, DISTURBED, Histogram, Law, MeasureReport, Mixed, Named, Part, Ping, Reason,
    Saved,
};
use crate::page::number::{percent, time};
use crate::report::RATIO_DEFINITION;
use std::fmt;

/// Reasons that are shown; JSON has them all.
const REASONS: usize = 12;

impl fmt::Display for MeasureReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (machine, subject) = (&self.machine, &self.subject);
        writeln!(f, "\nSoftrouter {}: the standard report", self.version)?;
        writeln!(
            f,
            "{}, {} threads, {}, load {} before; {:.0} s{}",
            machine.processor,
            machine.threads,
            machine.kernel,
            machine.load,
            self.seconds,
            if self.interrupted { " (interrupted: what is missing was not measured)" } else { "" }
        )?;
        writeln!(
            f,
            "slow path {}, posture {}, seed {}{}",
            subject.backend,
            subject.posture,
            subject.seed,
            if subject.quick { ", quick: fewer and shorter measurements" } else { "" }
        )?;
        if !machine.optimised {
            writeln!(f, "BUILT WITHOUT OPTIMISATION: the figures are those of a debug build; use --release")?;
        }
        if let Some(ran) = self.ran.filter(|&ran| ran < DISTURBED) {
            writeln!(
                f,
                "DISTURBED: in the worst run the router's thread, which never sleeps, ran for {} of the time only; others had \
                 the processor. Losses and tails are theirs, too",
                percent(ran)
            )?;
        }
        write_pings(f, &self.pings)?;
        if let Some(mixed) = &self.mixed {
            write_mixed(f, mixed)?;
        }
        write_saved(f, &self.saved)?;
        write_sweep(f, &self.sweep, subject.offered)?;
        write_costs(f, &self.costs)?;
        write_law(f, &self.law, subject.offered)?;
        if let Some(peers) = &self.peers {
            write!(f, "\n{peers}")?;
        }
        writeln!(f, "\nHow to read this")?;
        for note in &self.notes {
            writeln!(f, "  - {note}")?;
        }
        for part in &self.not_measured {
            writeln!(f, "\nNOT MEASURED: {part}")?;
        }
        for failure in &self.failures {
            writeln!(f, "\nFAILED: {failure}")?;
        }
        Ok(())
    }
}

fn write_pings(f: &mut fmt::Formatter<'_>, pings: &[Ping]) -> fmt::Result {
    if pings.is_empty() {
        return Ok(());
    }
    writeln!(f, "\nThe article's table: echo requests to the router, one after another")?;
    writeln!(
        f,
        "  {:>9} {:>9} {:>9} {:>12} {:>15} {:>10}",
        "p50", "p99", "max", "within 10 ms", "first attempts", "answered"
    )?;
    writeln!(f, "  {:>9} {:>9} {:>9} {:>12} {:>15} {:>10}", "5-10 s", "", "", "", "5-10 % wrong", "")?;
    writeln!(f, "      as the article says of a general model, not measured here")?;
    for ping in pings {
        let wrong =
            ping.first_attempt_errors.map_or("-".into(), |share| format!("{} failed", percent(share)));
        let micros = |us: f64| time(us * 1e3);
        writeln!(
            f,
            "  {:>9} {:>9} {:>9} {:>12} {wrong:>15} {:>10}",
            micros(ping.p50_us),
            micros(ping.p99_us),
            micros(ping.max_us),
            percent(ping.within_10_ms),
            format!("{}/{}", ping.received, ping.sent)
        )?;
        let default = if ping.by_default > 0 {
            format!("; {} answered by default", ping.by_default)
        } else {
            String::new()
        };
        writeln!(f, "      {} (judge: {}{default})", ping.who, ping.judge)?;
    }
    Ok(())
}

fn write_mixed(f: &mut fmt::Formatter<'_>, mixed: &Mixed) -> fmt::Result {
    writeln!(
        f,
        "\nTraffic of all kinds, {:.0} frames/s offered for {:.1} s: {} received, {} lost before",
        mixed.offered, mixed.seconds, mixed.received.frames, mixed.lost_before
    )?;
    writeln!(f, "  {}", mixed.traffic)?;
    writeln!(f, "\n  {:<14} {:>12} {:>9} {:>14} {:>9}", "path", "frames", "", "bytes", "")?;
    let line = |f: &mut fmt::Formatter<'_>, part: &Named<Part>| {
        let Part { frames, bytes, frame_share, byte_share } = part.value;
        let shares = (percent(frame_share), percent(byte_share));
        writeln!(f, "  {:<14} {frames:>12} {:>9} {bytes:>14} {:>9}", part.name, shares.0, shares.1)
    };
    mixed.paths.iter().try_for_each(|part| line(f, part))?;
    writeln!(f, "  {:-<63}", "")?;
    mixed.dispositions.iter().try_for_each(|part| line(f, part))?;
    writeln!(f, "  {RATIO_DEFINITION}")?;
    writeln!(
        f,
        "\n  {:<14} {:>10} {:>9} {:>9} {:>9} {:>9}",
        "latency", "frames", "p50", "p99", "p99.9", "max"
    )?;
    let histogram = |f: &mut fmt::Formatter<'_>, name: &str, h: &Histogram| {
        let [p50, p99, p999, max] = [h.p50, h.p99, h.p999, h.max].map(time);
        writeln!(f, "  {name:<14} {:>10} {p50:>9} {p99:>9} {p999:>9} {max:>9}", h.count)
    };
    histogram(f, "fast", &mixed.fast_ns)?;
    mixed.slow_ns.iter().try_for_each(|slow| histogram(f, &slow.name, &slow.value))?;
    writeln!(
        f,
        "\n  {:<26} {:>8} {:>8} {:>9} {:>8} {:>9} {:>9}",
        "reason", "seen", "held", "observed", "refused", "approved", "rejected"
    )?;
    for reason in mixed.reasons.iter().take(REASONS) {
        let Reason { name, seen, held, observed, refused, approved, rejected, .. } = reason;
        writeln!(
            f,
            "  {name:<26} {seen:>8} {held:>8} {observed:>9} {refused:>8} {approved:>9} {rejected:>9}"
        )?;
    }
    if mixed.reasons.len() > REASONS {
        writeln!(f, "  and {} more: see --json or --html", mixed.reasons.len() - REASONS)?;
    }
    for check in &mixed.checks {
        let mark = match check.value {
            Some(true) => "holds ",
            Some(false) => "BROKEN",
            None => "  -   ",
        };
        writeln!(f, "  {mark} {}", check.name)?;
    }
    match &mixed.written {
        Some(file) => writeln!(f, "  frames and what became of each: {file}"),
        None => Ok(()),
    }
}

fn write_saved(f: &mut fmt::Formatter<'_>, saved: &[Saved]) -> fmt::Result {
    if saved.is_empty() {
        return Ok(());
    }
    writeln!(f, "\nModel calls for the same odd frames, every anomaly alike")?;
    writeln!(
        f,
        "  {:<20} {:>8} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>11} {:>8}",
        "", "odd", "not held", "by rule", "cached", "joined", "refused", "calls", "of 1,000", "saved"
    )?;
    for line in saved {
        writeln!(
            f,
            "  {:<20} {:>8} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>11.1} {:>8}",
            line.help.name(),
            line.odd,
            line.odd.saturating_sub(line.ruled + line.submitted + line.refused),
            line.ruled,
            line.cached,
            line.followed,
            line.refused,
            line.calls,
            line.calls_per_thousand,
            percent(line.saved_share)
        )?;
    }
    Ok(())
}

fn write_sweep(f: &mut fmt::Formatter<'_>, sweep: &[Curve], offered: f64) -> fmt::Result {
    if sweep.is_empty() {
        return Ok(());
    }
    writeln!(
        f,
        "\nAnomaly share against healthy traffic, {offered:.0} frames/s offered in all, every anomaly alike"
    )?;
    writeln!(
        f,
        "  {:<20} {:>8} {:>11} {:>9} {:>9} {:>9} {:>8} {:>9} {:>12} {:>12}",
        "",
        "share",
        "goodput/s",
        "loss",
        "p50",
        "p99",
        "served",
        "calls/s",
        "RR/s, 1",
        format!("RR/s, {CONNECTIONS}")
    )?;
    for curve in sweep {
        for point in &curve.points {
            writeln!(
                f,
                "  {:<20} {:>8} {:>11.0} {:>9} {:>9} {:>9} {:>8} {:>9.0} {:>12.0} {:>12.0}",
                curve.help.name(),
                percent(point.share),
                point.goodput,
                percent(point.loss),
                time(point.p50_us * 1e3),
                time(point.p99_us * 1e3),
                percent(point.served),
                point.calls,
                point.transactions,
                point.transactions_many
            )?;
        }
    }
    Ok(())
}

fn write_costs(f: &mut fmt::Formatter<'_>, costs: &[Cost]) -> fmt::Result {
    if costs.is_empty() {
        return Ok(());
    }
    writeln!(f, "\nWhat one core can do of one kind of frame, offered without pause")?;
    writeln!(
        f,
        "  {:<56} {:>11} {:>10} {:>10} {:>12}",
        "", "frames/s", "CPU ns", "with model", "money/10^6"
    )?;
    for cost in costs {
        let money = cost.money_per_million.map_or("-".into(), |money| format!("{money:.4}"));
        writeln!(
            f,
            "  {:<56} {:>11.0} {:>10.0} {:>10.0} {money:>12}",
            cost.what, cost.frames_per_second, cost.owner_ns, cost.process_ns
        )?;
    }
    Ok(())
}

fn write_law(f: &mut fmt::Formatter<'_>, law: &[Law], offered: f64) -> fmt::Result {
    if law.is_empty() {
        return Ok(());
    }
    writeln!(
        f,
        "\nThe fraction law at R = {offered:.0} frames/s: the largest odd share of which every frame is served"
    )?;
    writeln!(
        f,
        "  {:<20} {:>16} {:>16} {:>16} {:>16}",
        "", "u, answers/s", "u/R, predicted", "lasted", "did not"
    )?;
    for line in law {
        let share = |share: Option<f64>| share.map_or("-".into(), percent);
        writeln!(
            f,
            "  {:<20} {:>16.0} {:>16} {:>16} {:>16}",
            line.help.name(),
            line.alone,
            percent(line.predicted),
            share(line.sustained),
            share(line.not_sustained)
        )?;
    }
    Ok(())
}
