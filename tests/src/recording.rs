//! Recordings: input frames with virtual times, seed, configuration hash, and each answer with its time, as text.
//!
//! A replay needs the file and the configuration: no model, no TAP, no clock.

use crate::sim::{Divert, Sent, Sim};
use smoltcp::time::Instant;
use stack::answer::{Advice, Lifetime, Scope};
use stack::{
    Action, ActionKind, Anomaly, Answer, Config, DivertId, EchoDelta, Event, PortId, Source, Stats, Witness,
};
use std::fmt::Write;

/// What happened at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A frame was received by this port.
    Frame(u8, Vec<u8>),
    /// The slow path took every frame that it could have.
    Poll,
    /// It answered.
    Answer(Said),
    /// It gave a frame up.
    Abandon(DivertId),
}

/// An answer with bytes of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// As in [`Answer`].
    pub id: DivertId,
    /// As in [`Answer`].
    pub nonce: u32,
    /// As in [`Answer`].
    pub reason: Anomaly,
    /// As in [`Answer`].
    pub source: Source,
    /// As in [`Answer`].
    pub advice: Option<Advice>,
    /// As in [`Answer`].
    pub witness: Witness,
    /// What to do.
    pub kind: ActionKind,
    /// For [`ActionKind::EchoReply`].
    pub delta: Option<EchoDelta>,
    /// For [`ActionKind::Inject`].
    pub inject: Option<(PortId, Vec<u8>)>,
}

impl Said {
    /// A copy of an answer.
    pub fn of(answer: &Answer<'_>) -> Self {
        let (mut delta, mut inject) = (None, None);
        match answer.action {
            Action::EchoReply(bytes) => delta = Some(bytes),
            Action::Inject { port, frame } => inject = Some((port, frame.to_vec())),
            _ => {}
        }
        let Answer { id, nonce, reason, action, source, advice, witness } = *answer;
        Self { id, nonce, reason, source, advice, witness, kind: action.kind(), delta, inject }
    }

    fn action(&self) -> Action<'_> {
        match (&self.delta, &self.inject) {
            (Some(delta), _) => Action::EchoReply(*delta),
            (_, Some((port, frame))) => Action::Inject { port: *port, frame },
            _ => self.kind.symbolic().expect("a kind without bytes is symbolic"),
        }
    }

    fn answer(&self) -> Answer<'_> {
        let Self { id, nonce, reason, source, advice, witness, .. } = *self;
        Answer { id, nonce, reason, source, advice, witness, action: self.action() }
    }
}

/// Everything that a replay needs besides the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// The seed that the inputs were made from.
    pub seed: u64,
    /// Of the configuration: see [`config_hash`].
    pub config: u64,
    /// What happened when, in order.
    pub steps: Vec<(Instant, Step)>,
}

/// All that came out of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Every frame sent.
    pub sent: Vec<Sent>,
    /// Every event.
    pub events: Vec<Event>,
    /// The counters at the end.
    pub stats: Stats,
}

/// A hash of everything that the router was told at start (FNV-1a of its debug text).
pub fn config_hash(config: &Config) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{config:?}").bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

/// A router whose inputs are recorded.
#[derive(Debug)]
pub struct Recorder {
    sim: Sim,
    recording: Recording,
    outcome: Outcome,
}

impl Recorder {
    /// Records what is done to this router from now on.
    pub fn new(sim: Sim, seed: u64) -> Self {
        let config = config_hash(sim.router.config());
        let outcome = Outcome { sent: Vec::new(), events: Vec::new(), stats: sim.router.snapshot() };
        Self { sim, recording: Recording { seed, config, steps: Vec::new() }, outcome }
    }

    /// Does one thing at a time that is not before the last one's. Frames for the slow path come back.
    pub fn step(&mut self, at: Instant, step: Step) -> Vec<Divert> {
        self.sim.advance_to(at);
        let mut diverts = Vec::new();
        match &step {
            Step::Frame(port, bytes) => {
                let _ = self.sim.send(*port, bytes);
            }
            Step::Poll => diverts = self.sim.diverts(),
            // A rejection is an event, and so part of the outcome.
            Step::Answer(said) => drop(self.sim.answer(&said.answer())),
            Step::Abandon(id) => {
                self.sim.router.abandon(at, *id);
                self.sim.settle();
            }
        }
        self.outcome.sent.extend(self.sim.transmitted());
        self.outcome.events.extend(self.sim.events());
        self.recording.steps.push((at, step));
        diverts
    }

    /// Lets the last deadlines pass; the recording and what came out.
    pub fn finish(mut self) -> (Recording, Outcome) {
        let end = self.sim.now() + smoltcp::time::Duration::from_secs(10);
        self.sim.advance_to(end);
        self.outcome.sent.extend(self.sim.transmitted());
        self.outcome.events.extend(self.sim.events());
        self.outcome.stats = self.sim.router.snapshot();
        (self.recording, self.outcome)
    }
}

impl Recording {
    /// Does everything again to a fresh router.
    ///
    /// # Panics
    /// If the router is configured otherwise than the recorded one.
    pub fn replay(&self, sim: Sim) -> Outcome {
        assert_eq!(config_hash(sim.router.config()), self.config, "recorded under another configuration");
        let mut recorder = Recorder::new(sim, self.seed);
        for (at, step) in &self.steps {
            let _ = recorder.step(*at, step.clone());
        }
        recorder.finish().1
    }

    /// As text, one step a line.
    pub fn to_text(&self) -> String {
        let mut text = format!("softrouter-recording 1\nseed {}\nconfig {:016x}\n", self.seed, self.config);
        for (at, step) in &self.steps {
            let at = at.total_micros();
            let _ = match step {
                Step::Frame(port, bytes) => writeln!(text, "{at} frame {port} {}", hex(bytes)),
                Step::Poll => writeln!(text, "{at} poll"),
                Step::Abandon(id) => writeln!(text, "{at} abandon {id}"),
                Step::Answer(said) => {
                    let Said { id, nonce, reason, source, advice, witness, kind, delta, inject } = said;
                    let advice =
                        advice.map_or("-".into(), |said| format!("{}/{}", said.scope, said.lifetime));
                    let witness = format!("{}/{:x}", witness.backend, witness.prompt);
                    let source = if *source == Source::Model { "model" } else { "cache" };
                    let bytes = match (delta, inject) {
                        (Some(d), _) => {
                            format!("{} {} {} {}", d.ttl, d.ip_checksum, d.icmp_type, d.icmp_checksum)
                        }
                        (_, Some((port, frame))) => format!("{port} {}", hex(frame)),
                        _ => String::new(),
                    };
                    writeln!(
                        text,
                        "{at} answer {id} {nonce} {reason} {source} {advice} {witness} {kind} {bytes}"
                    )
                }
            };
        }
        text
    }

    /// From text.
    ///
    /// # Panics
    /// If the text is no recording.
    pub fn from_text(text: &str) -> Self {
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("softrouter-recording 1"));
        let mut header =
            |name: &str| lines.next().and_then(|line| line.strip_prefix(name)).expect("a header");
        let seed = header("seed ").parse().expect("a seed");
        let config = u64::from_str_radix(header("config "), 16).expect("a hash");
        let steps = lines.map(|line| parse(line).unwrap_or_else(|| panic!("no step: {line}"))).collect();
        Self { seed, config, steps }
    }
}

fn parse(line: &str) -> Option<(Instant, Step)> {
    let mut words = line.split(' ').filter(|word| !word.is_empty());
    let at = Instant::from_micros(words.next()?.parse::<i64>().ok()?);
    let id = |word: &str| {
        let (slot, generation) = word.split_once('.')?;
        Some(DivertId { slot: slot.parse().ok()?, generation: generation.parse().ok()? })
    };
    let step = match words.next()? {
        "frame" => Step::Frame(words.next()?.parse().ok()?, unhex(words.next().unwrap_or(""))?),
        "poll" => Step::Poll,
        "abandon" => Step::Abandon(id(words.next()?)?),
        "answer" => {
            let id = id(words.next()?)?;
            let nonce = words.next()?.parse().ok()?;
            let reason = Anomaly::from_name(words.next()?)?;
            let source = if words.next()? == "model" { Source::Model } else { Source::Cache };
            let advice = match words.next()? {
                "-" => None,
                word => {
                    let (scope, lifetime) = word.split_once('/')?;
                    let (scope, lifetime) = (Scope::from_name(scope)?, Lifetime::from_name(lifetime)?);
                    Some(Advice { scope, lifetime })
                }
            };
            let (backend, prompt) = words.next()?.split_once('/')?;
            let prompt = u64::from_str_radix(prompt, 16).ok()?;
            let witness = Witness { backend: backend.parse().ok()?, prompt };
            let kind = ActionKind::from_name(words.next()?)?;
            let (mut delta, mut inject) = (None, None);
            match kind {
                ActionKind::EchoReply => {
                    let mut number = || words.next()?.parse::<u16>().ok();
                    let (ttl, ip_checksum) = (number()? as u8, number()?);
                    delta = Some(EchoDelta {
                        ttl,
                        ip_checksum,
                        icmp_type: number()? as u8,
                        icmp_checksum: number()?,
                    });
                }
                ActionKind::Inject => {
                    let port = PortId(words.next()?.parse().ok()?);
                    inject = Some((port, unhex(words.next().unwrap_or(""))?));
                }
                _ => {}
            }
            Step::Answer(Said { id, nonce, reason, source, advice, witness, kind, delta, inject })
        }
        _ => return None,
    };
    Some((at, step))
}

/// Two digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes that [`hex`] wrote.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}
