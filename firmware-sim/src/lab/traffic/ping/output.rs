//! Reads the output of iputils' `ping`, line by line.
//!
//! Read first: `ping/ping_common.c` and `ping/ping.c` of iputils.

use super::PingReport;
use std::time::Duration;

/// One line of iputils.
pub(super) fn read_line(line: &str, report: &mut PingReport) {
    let line = line.trim();
    if line.contains(" bytes from ") {
        let damaged = ["(BAD CHECKSUM!)", "(truncated)", "wrong data byte", "DIFFERENT ADDRESS"];
        if damaged.iter().any(|mark| line.contains(mark)) {
            report.damaged += 1;
            report.remarks.push(line.to_owned());
        } else if line.contains("(DUP!)") {
            report.duplicates += 1;
            report.remarks.push(line.to_owned());
        } else {
            report.received += 1;
            let time = line.split_once("time=").and_then(|(_, rest)| rest.split(' ').next());
            if let Some(ms) = time.and_then(|ms| ms.parse::<f64>().ok()).filter(|ms| *ms >= 0.0) {
                report.rtts.push(Duration::from_secs_f64(ms / 1000.0));
            }
        }
    } else if let Some((sent, _)) = line.split_once(" packets transmitted") {
        report.sent = sent.parse().unwrap_or(0);
        let errors = line.split(", ").find_map(|part| part.strip_prefix('+')?.strip_suffix(" errors"));
        report.errors = errors.and_then(|errors| errors.parse().ok()).unwrap_or(report.errors);
    } else if line.contains("wrong data byte") {
        // On a line of its own, after the reply that it belongs to, which was no good one.
        report.damaged += 1;
        report.received = report.received.saturating_sub(1);
        report.rtts.pop();
        report.remarks.push(line.to_owned());
    } else if line.starts_with("From ") {
        report.errors += 1;
        report.remarks.push(line.to_owned());
    } else if !(line.is_empty()
        || line.starts_with("PING ")
        || line.starts_with("--- ")
        || line.starts_with("rtt ")
        || line.starts_with('#'))
    {
        report.remarks.push(line.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_iputils_is_understood() {
        let mut report = PingReport::default();
        for line in [
            "PING 10.0.1.1 (10.0.1.1) 56(84) bytes of data.",
            "64 bytes from 10.0.1.1: icmp_seq=1 ttl=64 time=0.049 ms",
            "64 bytes from 10.0.1.1: icmp_seq=1 ttl=64 time=0.060 ms (DUP!)",
            "64 bytes from 10.0.1.1: icmp_seq=2 ttl=64 time=1.50 ms (BAD CHECKSUM!)",
            "64 bytes from 10.0.1.1: icmp_seq=3 ttl=64 time=2.00 ms",
            "wrong data byte #20 should be 0x14 but was 0x0",
            "#16\t10 11 12 13 0",
            "From 10.0.1.2 icmp_seq=4 Destination Host Unreachable",
            "",
            "--- 10.0.1.1 ping statistics ---",
            "5 packets transmitted, 2 received, +1 duplicates, +1 corrupted, +1 errors, 60% packet loss, time 4ms",
            "rtt min/avg/max/mdev = 0.049/0.049/0.049/0.000 ms",
        ] {
            read_line(line, &mut report);
        }
        assert_eq!((report.sent, report.received, report.duplicates), (5, 1, 1));
        assert_eq!((report.damaged, report.errors, report.remarks.len()), (2, 1, 4));
        assert_eq!(report.rtts, [Duration::from_micros(49)]);
    }
}
