//! The report as text for a terminal.

use super::{Micros, Outcome, PingLine, RATIO_DEFINITION};
use llm_slowpath::prompt::tokens::Task;
use stack::stats::{Disposition, Path};
use std::fmt;

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nSoftrouter lab: {}", self.ports)?;
        let early = if self.interrupted { " (interrupted)" } else { "" };
        writeln!(
            f,
            "{:.1} s{early}, backend {}, posture {}, seed {}",
            self.seconds, self.backend, self.posture, self.seed
        )?;
        if let Some(ping) = &self.ping {
            write_ping(f, ping)?;
        }
        if !self.healthy.is_empty() {
            writeln!(f, "\nHealthy traffic{:>47}{:>12}{:>12}", "sent", "arrived", "median rtt")?;
            for line in &self.healthy {
                let rtt = line.rtt_p50_us.map_or(String::new(), |us| format!("{us:.0} us"));
                let mark = if line.clean { "" } else { "  <-- NOT ALL" };
                writeln!(f, "  {:<52}{:>8} {:>11}{rtt:>12}{mark}", line.name, line.sent, line.received)?;
            }
        }
        if !self.repaired.is_empty() {
            writeln!(f, "\nDiscretionary classes{:>41}{:>12}{:>12}", "sent", "served", "received")?;
            for line in &self.repaired {
                let mark = if line.served == line.received { "" } else { "  <-- NOT ALL" };
                let (sent, served, received) = (line.sent, line.served, line.received);
                writeln!(f, "  {:<52}{sent:>8}{served:>12}{received:>12}{mark}", line.reason)?;
            }
        }
        self.write_books(f)?;
        self.write_slow_path(f)?;
        self.write_checks(f)?;
        if let Some(recording) = &self.recording {
            writeln!(f, "\n{recording}")?;
        }
        let verdict = match (self.success, &self.ping) {
            (false, _) => "FAILED: see the marks above",
            (true, None) => "all healthy traffic arrived",
            (true, Some(_)) => "every ping was answered",
        };
        writeln!(f, "\n{verdict}")
    }
}

impl Outcome {
    pub(crate) fn write_checks(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nInvariants")?;
        for check in &self.checks {
            let mark = match check.holds {
                Some(true) => "ok",
                Some(false) => "BROKEN",
                None => "--",
            };
            writeln!(f, "  [{mark}] {}: {}", check.name, check.how)?;
        }
        Ok(())
    }

    pub(crate) fn write_books(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\nReceived frames by disposition and path\n  {:<12}", "")?;
        for path in Path::ALL {
            write!(f, "{:>14}", path.name())?;
        }
        writeln!(f, "{:>14}", "sum")?;
        for disposition in Disposition::ALL {
            write!(f, "  {:<12}", disposition.name())?;
            let row = &self.dispositions[disposition.name()];
            for path in Path::ALL {
                write!(f, "{:>14}", row[path.name()].frames)?;
            }
            writeln!(f, "{:>14}", row.values().map(|share| share.frames).sum::<u64>())?;
        }
        let width = 14 * (Path::ALL.len() + 1);
        writeln!(f, "  {:<12}{:>width$}", "held", self.held)?;
        writeln!(f, "  {:<12}{:>width$}", "received", self.received.frames)?;
        writeln!(
            f,
            "  sent: {} forwarded + {} originated + {} injected",
            self.sent[0], self.sent[1], self.sent[2]
        )?;
        writeln!(f, "\nFast/slow ratio{:>19}{:>12}{:>12}{:>12}", "frames", "share", "bytes", "share")?;
        for path in Path::ALL {
            let share = &self.paths[path.name()];
            let (frames, bytes) = (share.frame_share * 100.0, share.byte_share * 100.0);
            writeln!(
                f,
                "  {:<20}{:>12}{frames:>11.3}%{:>12}{bytes:>11.3}%",
                path.name(),
                share.frames,
                share.bytes
            )?;
        }
        for line in wrap(RATIO_DEFINITION, 100) {
            writeln!(f, "  {line}")?;
        }
        Ok(())
    }

    pub(crate) fn write_slow_path(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nReasons{:>37}{:>9}{:>10}{:>9}{:>10}{:>10}{:>12}",
            "seen", "held", "observed", "refused", "approved", "rejected", "unanswered"
        )?;
        for (name, line) in &self.reasons {
            writeln!(
                f,
                "  {name:<34}{:>8}{:>9}{:>10}{:>9}{:>10}{:>10}{:>12}",
                line.seen,
                line.held,
                line.observed,
                line.refused,
                line.approved,
                line.rejected,
                line.unanswered
            )?;
        }
        let list = |counts: &std::collections::BTreeMap<&str, u64>| {
            if counts.is_empty() {
                return "none".to_owned();
            }
            counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
        };
        writeln!(f, "  approved actions: {}", list(&self.applied))?;
        writeln!(f, "  rejected answers: {}", list(&self.rejections))?;
        writeln!(f, "  refused diverts:  {}", list(&self.refusals))?;
        writeln!(f, "  other drops:      {}", list(&self.other_drops))?;
        writeln!(f, "  availability:     {}", self.availability)?;
        writeln!(f, "\nLatency{:>37}{:>12}{:>12}{:>12}", "count", "p50", "p99", "max")?;
        write_latency(f, "handle_frame (1 frame in 64)", &self.handle_frame_us)?;
        if self.ping.is_none() {
            write_latency(f, "divert to action (reception to send)", &self.divert_to_action_us)?;
        }
        write_latency(f, "model asked to model answered", &self.slow_path.model_us)?;
        write!(f, "{}{}", self.rules, self.slow_path)
    }
}

fn write_latency(f: &mut fmt::Formatter<'_>, name: &str, micros: &Micros) -> fmt::Result {
    let show = |us: f64| if us < 1_000.0 { format!("{us:.1} us") } else { format!("{:.2} ms", us / 1_000.0) };
    writeln!(
        f,
        "  {name:<34}{:>8}{:>12}{:>12}{:>12}",
        micros.count,
        show(micros.p50),
        show(micros.p99),
        show(micros.max)
    )
}

fn write_ping(f: &mut fmt::Formatter<'_>, ping: &PingLine) -> fmt::Result {
    writeln!(f, "\nThe ping experiment: echo requests to the router, held for the model")?;
    writeln!(f, "  task:  {}", ping.task)?;
    writeln!(f, "  judge: {}", ping.judge)?;
    writeln!(
        f,
        "  {} sent, {} answered, {} damaged, {} duplicates, {} errors",
        ping.sent, ping.received, ping.damaged, ping.duplicates, ping.errors
    )?;
    let answers = ping.first_attempt_right + ping.first_attempt_wrong;
    let percent = if answers == 0 { 0.0 } else { 100.0 * ping.first_attempt_wrong as f64 / answers as f64 };
    writeln!(
        f,
        "  first-attempt error of the model, before validation: {} of {answers} ({percent:.2} %); after it: 0 by \
         construction, {} damaged by the judge",
        ping.first_attempt_wrong, ping.damaged
    )?;
    writeln!(f, "  answered by the deterministic default instead: {}", ping.answered_by_default)?;
    writeln!(
        f,
        "  round trip: p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
        ping.rtt_us.p50 / 1e3,
        ping.rtt_us.p99 / 1e3,
        ping.rtt_us.max / 1e3
    )?;
    let note = if ping.task == Task::PingFull.name() {
        "This is ping-full: the whole request as it came in, without any hint, and the whole reply out. It is the task for \
         which an article gives 5-10 s a ping and 5-10 % errors in first attempts, and A. Dunkels measured 42.6 s (one \
         ping, Claude Haiku 4.5). Those were general models that were told in words; this one was trained for nothing else."
    } else {
        "This is ping-delta: a model made for the purpose gets the header and the classifier's checksum verdict, and \
         computes the reply's changed header bytes; the rest is copied. The harder task, the whole request in and the whole \
         reply out with no hints (--full), is the one for which an article gives 5-10 s a ping and 5-10 % errors in first \
         attempts, and A. Dunkels measured 42.6 s (one ping, Claude Haiku 4.5). The two are not the same task."
    };
    for line in wrap(note, 100) {
        writeln!(f, "  {line}")?;
    }
    Ok(())
}

/// Breaks a text into lines of at most `width` characters.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.len() + 1 + word.len() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
