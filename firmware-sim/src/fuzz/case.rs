//! A case: a router's settings and what is done to it, step by step, as a file that anybody can run again.

use super::act::Act;
use super::bench::{Bench, Incoming};
use super::invariant::{Invariant, Violation};
use super::setup::Setup;
use crate::hex::{hex, unhex};
use pktgen::Expected;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use stack::Anomaly;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

/// The form of these files.
const FORM: u32 = 1;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    /// A frame comes in.
    Frame {
        /// Since the router's beginning, in microseconds.
        at: u64,
        port: u8,
        /// `healthy`, `unknown`, or a reason.
        #[serde(serialize_with = "write_expected", deserialize_with = "read_expected")]
        expected: Expected,
        #[serde(serialize_with = "write_hex", deserialize_with = "read_hex")]
        frame: Vec<u8>,
    },
    /// Something else is done.
    Act(Act),
}

fn write_expected<S: Serializer>(expected: &Expected, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(match expected {
        Expected::Healthy => "healthy",
        Expected::Unknown => "unknown",
        Expected::Anomaly(anomaly) => anomaly.name(),
    })
}

fn read_expected<'de, D: Deserializer<'de>>(from: D) -> Result<Expected, D::Error> {
    let name = String::deserialize(from)?;
    match &*name {
        "healthy" => Ok(Expected::Healthy),
        "unknown" => Ok(Expected::Unknown),
        reason => Anomaly::from_name(reason)
            .map(Expected::Anomaly)
            .ok_or_else(|| serde::de::Error::custom(format!("there is no reason {reason}"))),
    }
}

fn write_hex<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&hex(bytes))
}

fn read_hex<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(from)?;
    let bytes = unhex(&text).filter(|bytes| bytes.len() <= stack::frame::FRAME_MAX);
    bytes.ok_or_else(|| serde::de::Error::custom("a frame is up to 1536 bytes in hexadecimal digits"))
}

/// A case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    form: u32,
    /// What it is about.
    pub(super) description: String,
    /// The law that it broke.
    pub(super) invariant: String,
    /// The seed of the run that found it, and the index of its last frame there.
    pub(super) seed: u64,
    pub(super) index: u64,
    pub(super) setup: Setup,
    pub(super) steps: Vec<Step>,
}

impl Case {
    pub(super) fn new(
        violation: &Violation,
        (seed, index): (u64, u64),
        setup: Setup,
        steps: Vec<Step>,
    ) -> Self {
        Self {
            form: FORM,
            description: violation.to_string(),
            invariant: violation.invariant.name().into(),
            seed,
            index,
            setup,
            steps,
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// It is no case.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let case: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if case.form != FORM {
            return Err(format!("form {} is not supported, only {FORM}", case.form));
        }
        let ports = usize::from(case.setup.ports) + 1;
        if !(3..=16).contains(&ports) || case.setup.mtu.len() != ports {
            return Err("a setup has 2 to 15 ports, and an MTU for each and for one more".into());
        }
        let known = |step: &Step| !matches!(step, Step::Frame { port, .. } if usize::from(*port) >= ports);
        if !case.steps.iter().all(known) {
            return Err("a frame comes in by a port that is not there".into());
        }
        Bench::new(&case.setup)?;
        Ok(case)
    }

    /// The file.
    pub(super) fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("names and numbers are JSON") + "\n"
    }
}

thread_local! {
    /// What the last panic in a bench said.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
    /// Is a panic of this thread the bench's to report?
    static WATCHED: RefCell<bool> = const { RefCell::new(false) };
}

/// Runs this, and makes a violation of a panic.
pub(super) fn watched(work: impl FnOnce() -> Result<(), Violation>) -> Result<(), Violation> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if WATCHED.with(|watched| *watched.borrow()) {
                PANIC.with(|panic| *panic.borrow_mut() = Some(info.to_string()));
            } else {
                before(info);
            }
        }));
    });
    WATCHED.with(|watched| *watched.borrow_mut() = true);
    // Whatever state it leaves is not looked at again.
    let result = catch_unwind(AssertUnwindSafe(work));
    WATCHED.with(|watched| *watched.borrow_mut() = false);
    result.unwrap_or_else(|_| {
        let how = PANIC.with(|panic| panic.borrow_mut().take()).unwrap_or_else(|| "a panic".into());
        Err(Violation { invariant: Invariant::NoPanic, how })
    })
}

/// Does these steps on a fresh router until a law is broken: which, and how many steps were done by then.
pub(super) fn run(setup: &Setup, steps: &[Step], prepare: impl Fn(&mut Bench)) -> Option<(Violation, usize)> {
    let mut done = 0;
    let broken = watched(|| {
        let Ok(mut bench) = Bench::new(setup) else { return Ok(()) };
        prepare(&mut bench);
        bench.begin()?;
        for step in steps {
            done += 1;
            match step {
                Step::Frame { at, port, expected, frame } => {
                    bench.frame(&Incoming { at: *at, port: *port, bytes: frame, expected: *expected })?;
                }
                Step::Act(act) => bench.act(*act)?,
            }
        }
        bench.end()
    });
    broken.err().map(|violation| (violation, done))
}
