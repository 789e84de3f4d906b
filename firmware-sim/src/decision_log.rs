//! The decision log: one JSON line for everything that happened to a diverted frame, and for every
//! injected frame its bytes.

use llm_slowpath::Reply;
use serde::Serialize;
use smoltcp::time::Instant;
use stack::{DivertId, Event, PortId};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// One line.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line<'a> {
    Diverted {
        at_us: i64,
        id: String,
        reason: &'a str,
        port: u8,
        mode: &'a str,
    },
    Refused {
        at_us: i64,
        reason: &'a str,
        refusal: &'a str,
    },
    Answered {
        at_us: i64,
        id: String,
        /// How sure the model is.
        probability: Option<f32>,
        scope: Option<&'a str>,
        lifetime: Option<&'a str>,
        prompt_tokens: u32,
        answer_tokens: u32,
    },
    Failed {
        at_us: i64,
        id: String,
        error: String,
    },
    Approved {
        at_us: i64,
        id: String,
        action: &'a str,
    },
    Rejected {
        at_us: i64,
        id: String,
        rejection: &'a str,
    },
    Applied {
        at_us: i64,
        id: String,
        action: &'a str,
    },
    Unanswered {
        at_us: i64,
        id: String,
        reason: &'a str,
    },
    Injected {
        at_us: i64,
        id: String,
        port: u8,
        frame: String,
    },
}

/// An open log.
#[derive(Debug)]
pub struct DecisionLog {
    file: BufWriter<File>,
}

impl DecisionLog {
    /// Creates the file, or empties it.
    ///
    /// # Errors
    /// The file system's.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: BufWriter::new(File::create(path)?) })
    }

    pub(crate) fn event(&mut self, now: Instant, event: &Event) -> io::Result<()> {
        let at_us = now.total_micros();
        self.line(&match *event {
            Event::Diverted { id, reason, port, mode } => Line::Diverted {
                at_us,
                id: id.to_string(),
                reason: reason.name(),
                port: port.0,
                mode: mode.name(),
            },
            Event::Refused { reason, refusal } => {
                Line::Refused { at_us, reason: reason.name(), refusal: refusal.name() }
            }
            Event::Approved { id, action } => {
                Line::Approved { at_us, id: id.to_string(), action: action.name() }
            }
            Event::Rejected { id, rejection } => {
                Line::Rejected { at_us, id: id.to_string(), rejection: rejection.name() }
            }
            Event::Applied { id, action } => {
                Line::Applied { at_us, id: id.to_string(), action: action.name() }
            }
            Event::Unanswered { id, reason } => {
                Line::Unanswered { at_us, id: id.to_string(), reason: reason.name() }
            }
        })
    }

    /// What the slow path said about a frame, before anybody has judged it.
    pub(crate) fn reply(&mut self, now: Instant, reply: &Reply) -> io::Result<()> {
        let (at_us, id) = (now.total_micros(), reply.id.to_string());
        self.line(&match &reply.answer {
            Ok(_) => Line::Answered {
                at_us,
                id,
                probability: reply.probability,
                scope: reply.advice.map(|advice| advice.scope.name()),
                lifetime: reply.advice.map(|advice| advice.lifetime.name()),
                prompt_tokens: reply.prompt_tokens,
                answer_tokens: reply.answer_tokens,
            },
            Err(error) => Line::Failed { at_us, id, error: error.to_string() },
        })
    }

    pub(crate) fn injected(
        &mut self,
        now: Instant,
        id: DivertId,
        port: PortId,
        frame: &[u8],
    ) -> io::Result<()> {
        let mut hex = String::with_capacity(frame.len() * 2);
        for byte in frame {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
        }
        self.line(&Line::Injected { at_us: now.total_micros(), id: id.to_string(), port: port.0, frame: hex })
    }

    fn line(&mut self, line: &Line<'_>) -> io::Result<()> {
        serde_json::to_writer(&mut self.file, line)?;
        self.file.write_all(b"\n")
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
