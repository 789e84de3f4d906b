//! The client's own `ping` as judge of every echo reply; the kernel's ICMP socket where it is missing.
//!
//! Read first: iputils' `ping/ping_common.c`, whose output is parsed here.

use super::exchange::EchoPlan;
use super::{GRAIN, Progress, Running, Stop, icmp, stopped};
use crate::lab::{host::LabHost, namespace::Host, sys};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{self, BufRead, BufReader};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a child may take longer than its plan.
const PATIENCE: Duration = Duration::from_secs(2);

/// What to ping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PingPlan {
    /// Whom.
    pub target: Ipv4Addr,
    /// Requests in all.
    pub count: u64,
    /// Time from one request to the next.
    pub interval: Duration,
    /// Bytes of payload; below 16, iputils measures no times.
    pub size: usize,
    /// How long to wait for the last reply.
    pub timeout: Duration,
}

/// Who judged the replies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Judge {
    /// The system's `ping`, with its version.
    Iputils(String),
    /// The kernel's ICMP socket (checksum, identifier) and a comparison of every payload byte.
    #[default]
    KernelSocket,
    /// A host in memory (smoltcp), with the same comparison.
    MemoryHost,
}

impl std::fmt::Display for Judge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Iputils(version) => write!(f, "the client's ping ({version})"),
            Self::KernelSocket => f.write_str("the client kernel's ICMP socket (no iputils ping was found)"),
            Self::MemoryHost => f.write_str("a host in memory (smoltcp), not a kernel"),
        }
    }
}

/// What the judge said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PingReport {
    /// Who.
    pub judge: Judge,
    /// Requests sent.
    pub sent: u64,
    /// Good replies.
    pub received: u64,
    /// Replies that came twice or late.
    pub duplicates: u64,
    /// Replies with a wrong byte, a wrong checksum or a missing end.
    pub damaged: u64,
    /// ICMP errors and failures to send.
    pub errors: u64,
    /// Round-trip time of each good reply.
    pub rtts: Vec<Duration>,
    /// Lines of the judge that are neither replies nor part of the summary.
    pub remarks: Vec<String>,
}

/// Pings with the system's `ping` in `host`'s namespace. Progress: good replies.
///
/// The child dies with this process, with the host, and when the load ends, whichever comes first.
///
/// # Errors
/// Neither `ping` nor an ICMP socket can be had.
pub(in crate::lab) fn spawn_iputils(
    host: &Host,
    plan: &PingPlan,
    stop: Stop,
) -> io::Result<Running<PingReport>> {
    let Some(version) = iputils_version() else {
        return spawn_on_socket(host, Judge::KernelSocket, plan, stop);
    };
    let mut command = Command::new("ping");
    // Not ping's own deadline (-w): with it, ping sends on until it has that many replies.
    let deadline = Instant::now() + plan.interval.mul_f64(plan.count as f64) + plan.timeout + PATIENCE;
    command.env("LC_ALL", "C").arg("-n");
    command.args(["-c", &plan.count.to_string(), "-s", &plan.size.to_string()]);
    command.args(["-i", &format!("{:.3}", plan.interval.as_secs_f64())]);
    command.args(["-W", &format!("{:.3}", plan.timeout.as_secs_f64())]);
    command.arg(plan.target.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = host.run(move || sys::die_with_this_thread(&mut command).spawn())?;
    let report = PingReport { judge: Judge::Iputils(version), ..PingReport::default() };
    Running::start("ping", move |progress| listen(KilledOnDrop(child), report, deadline, &stop, progress))
}

/// `None` without `ping`, or with one whose output is another's (busybox).
fn iputils_version() -> Option<String> {
    let output = Command::new("ping").arg("-V").stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let at = text.find("iputils")?;
    Some(text[at..].lines().next()?.trim().to_owned())
}

/// Pings with the host's own ICMP socket.
pub(in crate::lab) fn spawn_on_socket(
    host: &dyn LabHost,
    judge: Judge,
    plan: &PingPlan,
    stop: Stop,
) -> io::Result<Running<PingReport>> {
    let plan = EchoPlan {
        target: plan.target,
        count: Some(plan.count),
        interval: plan.interval,
        payload: plan.size..=plan.size,
        timeout: plan.timeout,
    };
    let echo = icmp::spawn_echo(host, plan, stop)?;
    Running::start("ping on a socket", move |progress| {
        let echoes = echo.progress();
        while !echo.is_finished() {
            progress.add(echoes.get() - progress.get());
            thread::sleep(GRAIN);
        }
        let counts = echo.join();
        PingReport {
            judge,
            sent: counts.sent,
            received: counts.received,
            duplicates: counts.stray,
            damaged: counts.wrong,
            errors: counts.errors,
            rtts: counts.rtts,
            remarks: Vec::new(),
        }
    })
}

struct KilledOnDrop(Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        // Both fail only for a child that is gone and waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads the child's lines; a stop, or the deadline, asks it for its summary (SIGINT) and later ends it.
fn listen(
    mut child: KilledOnDrop,
    mut report: PingReport,
    deadline: Instant,
    stop: &Stop,
    progress: &Progress,
) -> PingReport {
    let (stdout, stderr) = (child.0.stdout.take(), child.0.stderr.take());
    thread::scope(|scope| {
        let report = &mut report;
        let reader = scope.spawn(move || {
            let lines = |line: Option<BufReader<_>>| line.into_iter().flat_map(BufRead::lines);
            for line in lines(stdout.map(BufReader::new)).map_while(Result::ok) {
                let good = report.received;
                read_line(&line, report);
                progress.add(report.received.saturating_sub(good));
            }
            let errors = stderr.map(BufReader::new).into_iter().flat_map(BufRead::lines);
            report.remarks.extend(errors.map_while(Result::ok));
        });
        let mut asked: Option<Instant> = None;
        while !reader.is_finished() {
            match asked {
                None if stopped(stop) || Instant::now() > deadline => {
                    let _ = kill(Pid::from_raw(child.0.id().cast_signed()), Signal::SIGINT);
                    asked = Some(Instant::now());
                }
                Some(when) if when.elapsed() > PATIENCE => {
                    let _ = child.0.kill();
                }
                _ => {}
            }
            thread::sleep(GRAIN);
        }
    });
    report
}

/// One line of iputils.
fn read_line(line: &str, report: &mut PingReport) {
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
    use crate::lab::namespace::HostPlan;
    use crate::lab::privilege::{probe_tap, skip};
    use crate::lab::test_cable::Cable;
    use crate::port::tap::Tap;
    use crate::port::{Port, Sent};
    use smoltcp::wire::checksum;
    use std::sync::atomic::Ordering;

    fn plan(count: u64) -> PingPlan {
        PingPlan {
            target: Cable::SECOND,
            count,
            interval: Duration::from_millis(10),
            size: 56,
            timeout: Duration::from_secs(2),
        }
    }

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

    #[test]
    fn the_hosts_ping_judges_a_live_neighbour() {
        let Some(cable) = Cable::plug() else { return };
        let running = cable.first.spawn_ping(&plan(20), Stop::default()).unwrap();
        let progress = running.progress();
        let report = running.join();
        println!("{report:?}");
        assert_eq!((report.sent, report.received, report.rtts.len()), (20, 20, 20));
        assert_eq!((report.damaged, report.duplicates, report.errors), (0, 0, 0), "{report:?}");
        assert_eq!(progress.get(), 20);
    }

    #[test]
    fn a_stop_ends_it_with_a_summary() {
        let Some(cable) = Cable::plug() else { return };
        let stop = Stop::default();
        let running = cable.first.spawn_ping(&plan(10_000), stop.clone()).unwrap();
        thread::sleep(Duration::from_millis(300));
        stop.store(true, Ordering::Relaxed);
        let report = running.join();
        assert!(report.sent > 1 && report.received == report.sent, "{report:?}");
    }

    /// Answers ARP and echo as 10.0.1.3, but replies 2, 3 and 5 are damaged and 4 comes twice.
    fn answer_badly(tap: &mut Tap, frame: &mut [u8]) {
        let mac: [u8; 6] = frame[6..12].try_into().unwrap();
        frame[..6].copy_from_slice(&mac);
        frame[6..12].copy_from_slice(&[2, 0, 0, 0, 1, 3]);
        let copies = match (frame[12], frame[13]) {
            (8, 6) => {
                let asked: [u8; 10] = frame[22..32].try_into().unwrap();
                frame[21] = 2;
                frame[22..28].copy_from_slice(&[2, 0, 0, 0, 1, 3]);
                frame[28..32].copy_from_slice(&Cable::SECOND.octets());
                frame[32..42].copy_from_slice(&asked);
                1
            }
            (8, 0) => {
                frame[26..30].copy_from_slice(&Cable::SECOND.octets());
                frame[30..34].copy_from_slice(&Cable::FIRST.octets());
                frame[34] = 0;
                let sequence = frame[41];
                match sequence {
                    2 => frame[70] ^= 1,
                    5 => frame[17] -= 8,
                    _ => {}
                }
                let end = 14 + usize::from(frame[17]);
                for (at, range) in [(24, 14..34), (36, 34..end)] {
                    frame[at..at + 2].fill(0);
                    let sum = checksum::data(&frame[range]);
                    frame[at..at + 2].copy_from_slice(&(!sum).to_be_bytes());
                }
                frame[37] ^= u8::from(sequence == 3);
                1 + usize::from(sequence == 4)
            }
            _ => 0,
        };
        for _ in 0..copies {
            assert_eq!(tap.send(frame).unwrap(), Sent::Done);
        }
    }

    #[test]
    fn damaged_and_doubled_replies_are_told_from_good_ones() {
        if let Err(reason) = probe_tap() {
            return skip(&reason.to_string());
        }
        let (host, mut tap) = Host::start(HostPlan { gateway: None, ..HostPlan::client() }).unwrap();
        let plan = PingPlan { timeout: Duration::from_millis(500), ..plan(6) };
        let running = host.spawn_ping(&plan, Stop::default()).unwrap();
        let mut buffer = [0; 2048];
        while !running.is_finished() {
            while let Some(length) = tap.receive(&mut buffer).unwrap() {
                answer_badly(&mut tap, &mut buffer[..length]);
            }
            thread::sleep(Duration::from_millis(1));
        }
        let report = running.join();
        if report.judge == Judge::KernelSocket {
            return skip("no iputils ping on PATH");
        }
        assert_eq!((report.sent, report.received, report.duplicates), (6, 3, 1), "{report:?}");
        assert_eq!((report.damaged, report.rtts.len()), (2, 3), "{report:?}");
    }

    #[test]
    fn the_socket_judges_where_there_is_no_ping() {
        let Some(cable) = Cable::plug() else { return };
        let report =
            spawn_on_socket(&cable.first, Judge::KernelSocket, &plan(20), Stop::default()).unwrap().join();
        assert_eq!((report.sent, report.received, report.judge), (20, 20, Judge::KernelSocket));
    }
}
