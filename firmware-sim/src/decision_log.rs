//! The decision log: one JSON line for everything that happened to a diverted frame, and for every
//! injected frame its bytes. Lines are only ever added; a line `start` begins each run.

use crate::hex::hex;
use llm_slowpath::Reply;
use serde::Serialize;
use smoltcp::time::Instant;
use stack::rules::RuleChange;
use stack::{DivertId, Event, PortId, RuleId};
use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// One line.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line<'a> {
    Start {
        version: &'a str,
        /// Seconds since 1970 when the run began; `at_us` counts from then.
        unix_s: u64,
        config_hash: String,
        backends: &'a [String],
    },
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
    Asked {
        at_us: i64,
        id: String,
        /// `class`: about the frame's class, whose answer may be known; `frame`: about this very frame.
        prompt: &'a str,
    },
    /// The slow path did not take it.
    Abandoned {
        at_us: i64,
        id: String,
        why: String,
    },
    Answered {
        at_us: i64,
        id: String,
        /// Which backend was asked about this very frame; none if the answer is its class's.
        backend: Option<&'a str>,
        /// Of the prompt without its boundary and nonce, in hexadecimal; none where no prompt is written as text.
        prompt_hash: Option<&'a str>,
        action: &'a str,
        /// How sure the model is.
        probability: Option<f32>,
        scope: Option<&'a str>,
        lifetime: Option<&'a str>,
        prompt_tokens: u32,
        answer_tokens: u32,
        /// In the price table's currency.
        cost: f64,
    },
    Failed {
        at_us: i64,
        id: String,
        backend: Option<&'a str>,
        prompt_hash: Option<&'a str>,
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
    /// A frame that a rule made.
    Ruled {
        at_us: i64,
        rule: u32,
        port: u8,
        frame: String,
    },
    Rule {
        at_us: i64,
        rule: u32,
        change: &'a str,
        /// Why it went.
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<&'a str>,
    },
}

/// An open log.
#[derive(Debug)]
pub struct DecisionLog {
    file: BufWriter<File>,
    /// The run's backends, in their order.
    backends: Vec<String>,
}

impl DecisionLog {
    /// Opens the file, or creates it, and begins a run of these backends at its end.
    ///
    /// # Errors
    /// The file system's.
    pub fn open(path: &Path, config_hash: u64, backends: &[String]) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let metadata = file.metadata()?;
        let mut last = [b'\n'];
        if metadata.is_file() && metadata.len() > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        let mut log = Self { file: BufWriter::new(file), backends: backends.to_vec() };
        if last != [b'\n'] {
            // A run that crashed has left half a line.
            log.file.write_all(b"\n")?;
        }
        let unix_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let (version, config_hash) = (env!("CARGO_PKG_VERSION"), format!("{config_hash:016x}"));
        log.line(&Line::Start { version, unix_s, config_hash, backends })?;
        Ok(log)
    }

    /// The slow path took a frame; `by_class`: to answer by its class alone.
    pub(crate) fn asked(&mut self, now: Instant, id: DivertId, by_class: bool) -> io::Result<()> {
        let prompt = if by_class { "class" } else { "frame" };
        self.line(&Line::Asked { at_us: now.total_micros(), id: id.to_string(), prompt })
    }

    /// The slow path did not take a frame.
    pub(crate) fn abandoned(&mut self, now: Instant, id: DivertId, why: &dyn Display) -> io::Result<()> {
        self.line(&Line::Abandoned { at_us: now.total_micros(), id: id.to_string(), why: why.to_string() })
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
            Event::Rule { id, change } => {
                let (change, why) = match change {
                    RuleChange::Shadowed => ("shadowed", None),
                    RuleChange::Activated => ("activated", None),
                    RuleChange::Retired(why) => ("retired", Some(why.name())),
                };
                Line::Rule { at_us, rule: id.0, change, why }
            }
            Event::Unanswered { id, reason } => {
                Line::Unanswered { at_us, id: id.to_string(), reason: reason.name() }
            }
        })
    }

    /// What the slow path said about a frame, before anybody has judged it.
    pub(crate) fn reply(&mut self, now: Instant, reply: &Reply) -> io::Result<()> {
        let (at_us, id) = (now.total_micros(), reply.id.to_string());
        let backend = reply.tier.and_then(|tier| self.backends.get(tier)).map(String::as_str);
        let prompt_hash = reply.prompt.as_deref();
        let line = match &reply.answer {
            Ok(answer) => Line::Answered {
                at_us,
                id,
                backend,
                prompt_hash,
                action: answer.as_answer().action.kind().name(),
                probability: reply.probability,
                scope: answer.advice.map(|advice| advice.scope.name()),
                lifetime: answer.advice.map(|advice| advice.lifetime.name()),
                prompt_tokens: reply.prompt_tokens,
                answer_tokens: reply.answer_tokens,
                cost: reply.cost.units(),
            },
            Err(error) => Line::Failed { at_us, id, backend, prompt_hash, error: error.to_string() },
        };
        write_line(&mut self.file, &line)
    }

    pub(crate) fn injected(
        &mut self,
        now: Instant,
        id: DivertId,
        port: PortId,
        frame: &[u8],
    ) -> io::Result<()> {
        let frame = hex(frame);
        self.line(&Line::Injected { at_us: now.total_micros(), id: id.to_string(), port: port.0, frame })
    }

    pub(crate) fn ruled(&mut self, now: Instant, rule: RuleId, port: PortId, frame: &[u8]) -> io::Result<()> {
        self.line(&Line::Ruled { at_us: now.total_micros(), rule: rule.0, port: port.0, frame: hex(frame) })
    }

    fn line(&mut self, line: &Line<'_>) -> io::Result<()> {
        write_line(&mut self.file, line)
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn write_line(file: &mut impl Write, line: &Line<'_>) -> io::Result<()> {
    serde_json::to_writer(&mut *file, line)?;
    file.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn runs_are_added_each_with_its_start_even_after_half_a_line() {
        let path = std::env::temp_dir().join(format!("softrouter-{}-append.jsonl", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let id = DivertId { slot: 3, generation: 1 };
        for (run, backend) in ["embedded", "openai:http://127.0.0.1:1"].iter().enumerate() {
            let mut log = DecisionLog::open(&path, run as u64, &[(*backend).to_owned()]).unwrap();
            log.asked(Instant::from_micros(5), id, false).unwrap();
            log.abandoned(Instant::from_micros(6), id, &"the queue is full").unwrap();
            log.flush().unwrap();
            let mut file = OpenOptions::new().append(true).open(&path).unwrap();
            file.write_all(b"{\"event\":\"cut o").unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let _ = std::fs::remove_file(&path);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 8);
        for (run, backend) in ["embedded", "openai:http://127.0.0.1:1"].iter().enumerate() {
            let of = |at: usize| serde_json::from_str::<Value>(lines[run * 4 + at]).unwrap();
            let (start, asked, abandoned) = (of(0), of(1), of(2));
            assert_eq!(start["event"], "start");
            assert_eq!(start["version"], env!("CARGO_PKG_VERSION"));
            assert_eq!(start["config_hash"], format!("{run:016x}"));
            assert_eq!(start["backends"], serde_json::json!([backend]));
            assert_eq!(asked["event"], "asked");
            assert_eq!((&asked["id"], &asked["prompt"]), (&"3.1".into(), &"frame".into()));
            assert_eq!(
                (&abandoned["event"], &abandoned["why"]),
                (&"abandoned".into(), &"the queue is full".into())
            );
            assert!(lines[run * 4 + 3].starts_with("{\"event\":\"cut o"));
        }
    }
}
