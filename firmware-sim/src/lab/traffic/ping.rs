//! The client's own `ping` as judge of every echo reply; the kernel's ICMP socket where it is missing.
//!
//! Read first: [`PingReport`]; `output.rs` reads what the child says.

mod output;

use super::exchange::EchoPlan;
use super::{GRAIN, Progress, Running, Stop, icmp, stopped};
use crate::lab::{host::LabHost, namespace::Host};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{self, BufRead, BufReader};
use std::net::IpAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a child may take longer than its plan.
const PATIENCE: Duration = Duration::from_secs(2);

/// What to ping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PingPlan {
    /// Whom.
    pub target: IpAddr,
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
    let child = host.namespace().start_process(command)?;
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
                output::read_line(&line, report);
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

#[cfg(test)]
mod tests;
