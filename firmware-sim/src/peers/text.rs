//! The comparison as a terminal's tables.

use super::echo::shown;
use super::report::{HOW, PeerReport, Sample, SubjectLine, SweepLine};
use std::fmt;

impl fmt::Display for PeerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [hosts, fabric] = self.cpus;
        writeln!(
            f,
            "Peers: two Linux hosts, joined by each subject in turn; {} rounds, hosts on core {hosts}, fabric on core {fabric}{}",
            self.rounds,
            if self.interrupted { "; ENDED EARLY" } else { "" }
        )?;
        self.write_plain(f)?;
        self.write_sweep(f)?;
        writeln!(f, "\n  What each does with a frame:")?;
        for line in &self.subjects {
            writeln!(f, "    {:<22} {}", line.subject, line.does)?;
        }
        for line in self.subjects.iter().filter(|line| line.socket_drops > 0) {
            writeln!(
                f,
                "  {}: the server's socket was full, and dropped {} healthy frames that are in no goodput and in no loss",
                line.subject, line.socket_drops
            )?;
        }
        for skipped in &self.skipped {
            writeln!(f, "  SKIPPED {}: {}", skipped.subject, skipped.reason)?;
        }
        writeln!(f, "  {HOW}")
    }
}

impl PeerReport {
    fn write_plain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let many = format!("TCP_RR {}, 1/s", self.connections);
        writeln!(
            f,
            "\n  {:<20} {:>16} {:>16} {:>16} {:>16} {:>9} {:>7}",
            "", "TCP_RR 1, 1/s", many, "UDP 64 B, kpps", "round trip, us", "p99, us", "CPU, ns"
        )?;
        for SubjectLine { subject, median, to_bare, sweep, .. } in &self.subjects {
            let Some(median) = median else {
                writeln!(f, "  {subject:<20} no round came to its end")?;
                continue;
            };
            let with = |value: f64, digits: usize, ratio: fn(&Sample) -> f64| {
                let ratio = to_bare.as_ref().map_or(String::new(), |all| format!(" ({:.2})", ratio(all)));
                format!("{value:.digits$}{ratio}")
            };
            let cpu = sweep.iter().find(|line| line.share == 0).and_then(|line| line.cpu_ns);
            writeln!(
                f,
                "  {subject:<20} {:>16} {:>16} {:>16} {:>16} {:>9} {:>7}",
                with(median.transactions_one, 0, |all| all.transactions_one),
                with(median.transactions_many, 0, |all| all.transactions_many),
                with(median.udp / 1e3, 1, |all| all.udp),
                with(median.rtt_p50_us, 1, |all| all.rtt_p50_us),
                shown(median.rtt_p99_us),
                cpu.map_or("-".into(), |cpu| format!("{cpu:.0}")),
            )?;
        }
        Ok(())
    }

    fn write_sweep(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(offered) = &self.offered else { return Ok(()) };
        writeln!(
            f,
            "\n  Under malformed frames, beside {:.1} healthy kpps for each: half of the capacity of the slowest, {}",
            offered.frames_per_second / 1e3,
            offered.slowest
        )?;
        writeln!(
            f,
            "  {:<20} {:>6} {:>9} {:>9} {:>9} {:>8} {:>8} {:>10} {:>7} {:>15}",
            "",
            "share",
            "bad kpps",
            "passed on",
            "good kpps",
            "loss",
            "p99, us",
            format!("TCP_RR {}", self.connections),
            "ratio",
            "beside bad kpps"
        )?;
        for line in &self.subjects {
            line.sweep.iter().try_for_each(|sweep| write_row(f, &line.subject, sweep))?;
        }
        Ok(())
    }
}

fn write_row(f: &mut fmt::Formatter<'_>, name: &str, line: &SweepLine) -> fmt::Result {
    let percent = format!("{}{} %", if line.saturated { "*" } else { "" }, line.share);
    writeln!(
        f,
        "  {name:<20} {percent:>6} {:>9.1} {:>9.1} {:>9.1} {:>7.2}% {:>8} {:>10.0} {:>7} {:>15.1}",
        line.malformed / 1e3,
        line.passed_on / 1e3,
        line.goodput / 1e3,
        line.loss * 100.0,
        line.rtt_p99_us.map_or("-".into(), shown),
        line.transactions,
        line.to_quiet.map_or("-".into(), |ratio| format!("{ratio:.2}")),
        line.malformed_beside / 1e3
    )
}
