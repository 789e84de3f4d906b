//! Replaying a recording: a fresh router is called as the recorded one was, and must send the same bytes.

use super::read::{Next, ReadError, Reader};
use super::router::counters_hash;
use super::step::{Call, Step, installed, origin, outcome, rule};
use crate::hex::hex;
use serde::Serialize;
use smoltcp::time::Instant;
use stack::frame::FRAME_MAX;
use stack::rules::RuleId;
use stack::{Approved, FrameBuf, PortId, Router, Transmit, Verdict};
use std::fmt;
use std::path::{Path, PathBuf};

/// Room around a frame, as the owner loop leaves it for a VLAN tag.
const TAG_ROOM: usize = 4;

/// The first place where the replay differs from the recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The packet of the file, from 1, as Wireshark counts.
    pub packet: u64,
    /// Where its block begins in the file.
    pub offset: u64,
    /// Its time, in microseconds from the start of the run.
    pub at_us: i64,
    /// What differs.
    pub what: String,
    /// What the file has: bytes in hexadecimal, or words.
    pub recorded: String,
    /// What the router did now.
    pub replayed: String,
}

/// What a replay showed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The recording.
    pub file: PathBuf,
    /// The program that wrote it.
    pub recorded_by: String,
    /// Hash of the configuration.
    pub config_hash: String,
    /// Packets of the file that were replayed.
    pub packets: u64,
    /// Frames given to the router.
    pub frames_in: u64,
    /// Frames that it sent.
    pub frames_out: u64,
    /// Frames that it gave to the slow path.
    pub diverts: u64,
    /// Answers that it judged.
    pub answers: u64,
    /// Those that it approved.
    pub approved: u64,
    /// Those that it rejected.
    pub rejected: u64,
    /// Approved answers that acted.
    pub applied: u64,
    /// Frames that the slow path gave up before their deadline.
    pub abandoned: u64,
    /// Seconds of the router's time.
    pub seconds: f64,
    /// Seconds that the replay took.
    pub took_seconds: f64,
    /// Does the file have the run's end?
    pub complete: bool,
    /// Did the file end within a packet?
    pub cut_off: bool,
    /// Was every frame, and every approval, the same?
    pub identical: bool,
    /// If not, the first that was not.
    pub difference: Option<Difference>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: softrouter {}, configuration {}",
            self.file.display(),
            self.recorded_by,
            self.config_hash
        )?;
        writeln!(
            f,
            "{} frames in, {} out; {} diverted, {} abandoned; {} answers: {} approved, {} rejected, {} applied",
            self.frames_in,
            self.frames_out,
            self.diverts,
            self.abandoned,
            self.answers,
            self.approved,
            self.rejected,
            self.applied
        )?;
        writeln!(f, "{:.3} s of the router's time in {:.3} s", self.seconds, self.took_seconds)?;
        if let Some(difference) = &self.difference {
            writeln!(
                f,
                "DIFFERENT at packet {}, byte {}, {} us: {}",
                difference.packet, difference.offset, difference.at_us, difference.what
            )?;
            writeln!(f, "  recorded: {}", difference.recorded)?;
            return writeln!(f, "  replayed: {}", difference.replayed);
        }
        let end = match (self.complete, self.cut_off) {
            (true, _) => "",
            (false, false) => {
                ", up to packet {} where the file ends before the run's end (a crash, or a full disk)"
            }
            (false, true) => ", up to packet {}: the file ends within the next one (a crash, or a full disk)",
        };
        writeln!(f, "identical{}", end.replace("{}", &self.packets.to_string()))
    }
}

/// Replays the recording in this file.
///
/// # Errors
/// The file cannot be replayed; a router that does otherwise is no error.
pub fn replay(path: &Path) -> Result<Report, ReadError> {
    let started = std::time::Instant::now();
    let mut reader = Reader::open(path)?;
    let router = reader.header().router().map_err(|bad| reader.bad_header(bad))?;
    if router.config().ports.len() as u32 != reader.ports() {
        return Err(reader.damaged("another number of interfaces than the configuration has ports"));
    }
    let mut replayer = Replayer::new(router, path, &reader);
    let mut latest = Instant::ZERO;
    loop {
        match reader.next()? {
            Next::Step(at, step) => {
                latest = latest.max(at);
                match replayer.step(at, step) {
                    Ok(()) => replayer.report.packets += 1,
                    Err(Failure::Damaged(problem)) => return Err(reader.damaged(&problem)),
                    Err(Failure::Different { what, recorded, replayed }) => {
                        let (packet, offset) = reader.place();
                        let at_us = at.total_micros();
                        replayer.report.difference =
                            Some(Difference { packet, offset, at_us, what, recorded, replayed });
                        break;
                    }
                }
            }
            Next::End => break,
            Next::CutOff => {
                replayer.report.cut_off = true;
                break;
            }
        }
    }
    let mut report = replayer.report;
    report.identical = report.difference.is_none();
    report.seconds = latest.total_micros() as f64 / 1e6;
    report.took_seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

/// Why a step was not replayed.
enum Failure {
    /// It makes no sense.
    Damaged(String),
    Different {
        what: String,
        recorded: String,
        replayed: String,
    },
}

fn same<T: PartialEq>(
    what: &str,
    recorded: &T,
    replayed: &T,
    show: impl Fn(&T) -> String,
) -> Result<(), Failure> {
    if recorded == replayed {
        return Ok(());
    }
    Err(Failure::Different { what: what.into(), recorded: show(recorded), replayed: show(replayed) })
}

/// A frame that was sent: its port, how it came about, its bytes.
type Out<'a> = (PortId, &'a str, &'a [u8]);

/// How a frame came about that was forwarded at once.
const AT_ONCE: &str = "forwarded at once";

fn show((port, origin, frame): &Out<'_>) -> String {
    format!("port {port}, {origin}, {}", hex(frame))
}

const NOTHING: &str = "nothing";

struct Replayer {
    router: Router<'static>,
    report: Report,
    /// A frame that is to be forwarded at once: its port and bytes.
    forward: Option<(PortId, Vec<u8>)>,
    /// Its lengths, once it was compared.
    forwarded: Option<(usize, usize)>,
    received_len: usize,
    /// What `poll_transmit` gave last.
    transmit: Option<Transmit>,
    approved: Option<Approved>,
    out: Box<[u8; FRAME_MAX]>,
    buffer: Vec<u8>,
}

impl Replayer {
    fn new(router: Router<'static>, path: &Path, reader: &Reader) -> Self {
        let report = Report {
            file: path.to_owned(),
            recorded_by: reader.header().version().into(),
            config_hash: format!("{:016x}", reader.header().config_hash()),
            packets: 0,
            frames_in: 0,
            frames_out: 0,
            diverts: 0,
            answers: 0,
            approved: 0,
            rejected: 0,
            applied: 0,
            abandoned: 0,
            seconds: 0.0,
            took_seconds: 0.0,
            complete: false,
            cut_off: false,
            identical: false,
            difference: None,
        };
        Self {
            router,
            report,
            forward: None,
            forwarded: None,
            received_len: 0,
            transmit: None,
            approved: None,
            out: Box::new([0; FRAME_MAX]),
            buffer: Vec::new(),
        }
    }

    fn step(&mut self, at: Instant, step: Step) -> Result<(), Failure> {
        if self.report.complete {
            return Err(Failure::Damaged("a packet after the run's end".into()));
        }
        if let Step::Forwarded { port, frame } = step {
            return self.forwarded(port, &frame);
        }
        if let Some((port, frame)) = self.forward.take() {
            return Err(Failure::Different {
                what: "the router forwards a frame".into(),
                recorded: NOTHING.into(),
                replayed: show(&(port, AT_ONCE, &frame)),
            });
        }
        match step {
            Step::Received { port, frame } => {
                self.is_drained()?;
                self.received(at, port, &frame);
                Ok(())
            }
            Step::Forwarded { .. } => unreachable!("it was dealt with above"),
            Step::Transmitted { port, origin, frame } => self.transmitted(port, &origin, &frame),
            Step::Call(call) => self.call(at, call),
        }
    }

    /// Before each turn of its loop the owner had sent all that there was.
    fn is_drained(&mut self) -> Result<(), Failure> {
        let Some(transmit) = self.router.poll_transmit(&mut self.out) else { return Ok(()) };
        Err(Failure::Different {
            what: "the router sends one more frame".into(),
            recorded: NOTHING.into(),
            replayed: show(&(transmit.port, &origin(transmit.origin), &self.out[..transmit.len])),
        })
    }

    fn received(&mut self, at: Instant, port: PortId, frame: &[u8]) {
        self.buffer.clear();
        self.buffer.resize(TAG_ROOM + frame.len() + TAG_ROOM, 0);
        self.buffer[TAG_ROOM..TAG_ROOM + frame.len()].copy_from_slice(frame);
        let mut buffer = FrameBuf::with_room(&mut self.buffer, TAG_ROOM, frame.len());
        self.received_len = frame.len();
        self.report.frames_in += 1;
        if let Verdict::Forward { port } = self.router.handle_frame(at, port, &mut buffer) {
            self.forward = Some((port, buffer.bytes().to_vec()));
        }
    }

    fn forwarded(&mut self, port: PortId, frame: &[u8]) -> Result<(), Failure> {
        let forward = self.forward.take();
        let replayed = forward.as_ref().map(|(port, frame)| (*port, AT_ONCE, &frame[..]));
        let shown = |out: &Option<Out<'_>>| out.as_ref().map_or(NOTHING.into(), show);
        same("a forwarded frame", &Some((port, AT_ONCE, frame)), &replayed, shown)?;
        self.forwarded = Some((self.received_len, frame.len()));
        self.report.frames_out += 1;
        Ok(())
    }

    fn transmitted(&mut self, port: PortId, from: &str, frame: &[u8]) -> Result<(), Failure> {
        self.transmit = self.router.poll_transmit(&mut self.out);
        let from_now = self.transmit.as_ref().map(|transmit| origin(transmit.origin)).unwrap_or_default();
        let replayed =
            self.transmit.as_ref().map(|transmit| (transmit.port, &from_now[..], &self.out[..transmit.len]));
        let shown = |out: &Option<Out<'_>>| out.as_ref().map_or(NOTHING.into(), show);
        same("a frame that the router sends", &Some((port, from, frame)), &replayed, shown)?;
        self.report.frames_out += 1;
        Ok(())
    }

    fn call(&mut self, at: Instant, call: Call) -> Result<(), Failure> {
        match call {
            Call::HandleTimeout => {
                self.is_drained()?;
                self.router.handle_timeout(at);
            }
            Call::PollDivert { .. } => self.poll_divert(call)?,
            Call::Abandon { id } => {
                self.report.abandoned += 1;
                self.router.abandon(at, id.0);
            }
            Call::Approve { answer, outcome: recorded } => {
                let answer = answer.answer().map_err(Failure::Damaged)?;
                let result = self.router.approve(at, &answer.as_answer());
                self.report.answers += 1;
                self.report.approved += u64::from(result.is_ok());
                self.report.rejected += u64::from(result.is_err());
                same(&format!("the approval of {}", answer.id), &recorded, &outcome(&result), String::clone)?;
                self.approved = result.ok();
            }
            Call::Apply { outcome: recorded } => {
                let approved = self.approved.take();
                let approved = approved.ok_or_else(|| Failure::Damaged("nothing was approved".into()))?;
                let result = self.router.apply(at, approved);
                self.report.applied += u64::from(result.is_ok());
                same("the application of an answer", &recorded, &outcome(&result), String::clone)?;
            }
            Call::Unsent => {
                let transmit = self.transmit.take();
                let transmit = transmit.ok_or_else(|| Failure::Damaged("nothing was sent".into()))?;
                self.router.unsent(&transmit);
            }
            Call::Unforwarded { received_len, sent_len } => {
                if self.forwarded.take() != Some((received_len, sent_len)) {
                    return Err(Failure::Damaged("no such frame was forwarded".into()));
                }
                self.router.unforwarded(received_len, sent_len);
            }
            Call::InstallRule { rule: form, outcome: recorded } => {
                let spec = rule(&form).map_err(|problem| Failure::Damaged(problem.to_string()))?;
                let result = self.router.install_rule(at, spec);
                same("the installation of a rule", &recorded, &installed(&result), String::clone)?;
            }
            Call::PinRule { rule, pinned, found } => {
                let replayed = self.router.pin_rule(RuleId(rule), pinned);
                same(&format!("pinning rule {rule}"), &found, &replayed, bool::to_string)?;
            }
            Call::RevokeRule { rule, found } => {
                let replayed = self.router.revoke_rule(RuleId(rule));
                same(&format!("revoking rule {rule}"), &found, &replayed, bool::to_string)?;
            }
            Call::FlushRules { flushed } => {
                let replayed = self.router.flush_rules();
                same("rules that were flushed", &flushed, &replayed, usize::to_string)?;
            }
            Call::End { counters } => {
                self.is_drained()?;
                let replayed = counters_hash(self.router.stats());
                same("the counters at the end (their hash)", &counters, &replayed, String::clone)?;
                self.report.complete = true;
            }
        }
        Ok(())
    }

    fn poll_divert(&mut self, recorded: Call) -> Result<(), Failure> {
        let diverted = self.router.poll_divert(&mut self.out);
        let replayed = diverted.map(|diverted| Call::PollDivert {
            id: super::step::Id(diverted.id),
            nonce: diverted.nonce,
            reason: diverted.reason().name().into(),
            len: diverted.len,
        });
        self.report.diverts += 1;
        let shown = |call: &Option<Call>| {
            call.as_ref().map_or(NOTHING.into(), |call| serde_json::to_string(call).unwrap_or_default())
        };
        same("a frame for the slow path", &Some(recorded), &replayed, shown)
    }
}
