//! The replay as a pcapng file for Wireshark: every frame that came in, with a comment that says what became of it and why,
//! and every frame that the router sent.
//!
//! Read first: `file.rs`. A frame that waits for the slow path keeps its place until its end is known.

mod acting;
mod file;

pub use file::Annotated;
pub(crate) use file::SharedAnnotated;

use super::stamp::{InHand, Stamp};
use crate::watch::{Judged, Watch, verdict_name};
use acting::Acting;
use file::NotedFile;
use llm_slowpath::Reply;
use stack::stats::{Count, Path as FramePath};
use stack::{
    Anomaly, DivertId, Event, Mode, Origin, PortId, Rejection, Router, RuleId, Source, Stats, Verdict,
};
use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The file's own comment.
const ABOUT: &str = "A replay by softrouter. Frames that came in have comments of the form name=value; and so on: reason, mode, \
                     refused, answer, approved, rejected, verdict, path, rule. What the router sent bears the time of the frame that \
                     had come in last.";

/// What is known of a frame that the slow path has.
#[derive(Debug, Clone, Copy)]
struct Pending {
    /// Its place among all frames.
    place: u64,
    /// It is held; else a copy of it is only observed.
    held: bool,
    /// Where the answer came from, once there is one.
    source: Option<Source>,
    approved: bool,
    reason: Anomaly,
    in_hand: InHand,
}

/// Writes the file.
pub(crate) struct Annotator {
    file: NotedFile,
    stamp: Arc<Stamp>,
    /// Names of the capture's files, and of the backends.
    files: Vec<String>,
    backends: Vec<String>,
    pending: HashMap<DivertId, Pending>,
    /// The books as they were before the frame in hand.
    seen: [u64; Anomaly::COUNT],
    paths: [Count; FramePath::ALL.len()],
    modes: [Mode; Anomaly::COUNT],
    /// The run's rules, and the one that has ended the frame in hand.
    rules: Acting,
    ended_by: Option<RuleId>,
}

fn by_path(stats: &Stats) -> [Count; FramePath::ALL.len()] {
    FramePath::ALL.map(|path| stats.by_path(path))
}

impl Annotator {
    /// Creates the file, or replaces it.
    ///
    /// # Errors
    /// The file system's.
    pub(crate) fn create(
        path: &Path,
        ports: &[String],
        files: Vec<String>,
        backends: Vec<String>,
        config: &stack::Config,
        stamp: Arc<Stamp>,
    ) -> io::Result<Self> {
        let mut modes = [Mode::Off; Anomaly::COUNT];
        for (mode, &anomaly) in modes.iter_mut().zip(Anomaly::ALL) {
            *mode = config.mode(anomaly);
        }
        Ok(Self {
            file: NotedFile::create(path, ports, ABOUT)?,
            stamp,
            files,
            backends,
            pending: HashMap::new(),
            seen: [0; Anomaly::COUNT],
            paths: Default::default(),
            modes,
            rules: Acting::default(),
            ended_by: None,
        })
    }

    /// What will have come of the file.
    pub(crate) fn outcome(&self) -> SharedAnnotated {
        self.file.outcome()
    }

    fn say(&mut self, id: DivertId, text: fmt::Arguments<'_>) {
        if let Some(place) = self.pending.get(&id).map(|pending| pending.place)
            && let Some(comment) = self.file.comment(place)
        {
            // Writing to a string cannot fail.
            let _ = comment.write_fmt(text);
        }
    }

    /// Nothing more is expected of this frame.
    fn end(&mut self, id: DivertId) {
        if let Some(Pending { place, .. }) = self.pending.remove(&id) {
            self.file.end(place);
        }
    }

    /// The slow path gave no usable answer: the default has acted.
    fn refuse(&mut self, id: DivertId, held: bool) {
        if held {
            self.say(id, format_args!("path={}; ", FramePath::SlowRefused.name()));
        }
        self.end(id);
    }

    /// Where a frame comes from, in a comment.
    fn origin(&self, in_hand: &InHand) -> String {
        match in_hand.packet {
            None => "a made-up host's answer;".into(),
            Some((file, number)) => {
                let file = self.files.get(file as usize).map_or("", String::as_str);
                format!("packet={number}; file={file};")
            }
        }
    }
}

impl Watch for Annotator {
    fn received(&mut self, port: PortId, frame: &[u8], stats: &Stats) {
        self.paths = by_path(stats);
        self.ended_by = None;
        self.file.received(port, self.stamp.in_hand().time, frame);
    }

    fn judged(&mut self, judged: &Judged<'_>, router: &Router<'static>) {
        let (seen, verdict) = (&judged.stats.seen, judged.verdict);
        let mut comment = String::new();
        let is_odd = *seen != self.seen;
        if is_odd {
            for &anomaly in Anomaly::ALL.iter().filter(|&&a| seen[a as usize] != self.seen[a as usize]) {
                // Writing to a string cannot fail.
                let _ = write!(comment, "reason={anomaly}; mode={}; ", self.modes[anomaly as usize].name());
            }
            self.seen = *seen;
        }
        let _ = match verdict {
            Verdict::Forward { port } => write!(comment, "verdict=forward; port={port}; "),
            Verdict::Drop(reason) => write!(comment, "verdict=drop; drop={reason}; "),
            Verdict::Deliver | Verdict::Consume | Verdict::Divert(_) => {
                write!(comment, "verdict={}; ", verdict_name(verdict))
            }
        };
        let paths = by_path(judged.stats);
        let ended =
            FramePath::ALL.into_iter().find(|&path| paths[path as usize] != self.paths[path as usize]);
        let rule = match (ended, verdict) {
            (None | Some(FramePath::Rule), verdict) if is_odd && !matches!(verdict, Verdict::Divert(_)) => {
                self.rules.find(router)
            }
            _ => None,
        };
        match (ended, verdict, rule) {
            (Some(path), ..) => {
                let _ = write!(comment, "path={}; ", path.name());
                self.ended_by = rule;
            }
            (None, Verdict::Divert(_), _) => {}
            // It waits for its next hop's address, or for the rest of its fragments.
            (None, _, None) => comment.push_str("waits; path=fast; "),
            (None, _, Some(_)) => comment.push_str("waits; path=rule; "),
        }
        if let Some(rule) = rule {
            let _ = write!(comment, "rule={rule}; ");
        }
        comment.push_str(&self.origin(&self.stamp.in_hand()));
        comment.push(' ');
        let place = self.file.last();
        if let Some(of) = self.file.comment(place) {
            *of = comment;
        }
    }

    fn sent(&mut self, port: PortId, origin: Option<Origin>, frame: &[u8]) {
        let comment = match origin {
            None | Some(Origin::Forwarded { .. }) => "origin=forwarded;".into(),
            Some(Origin::Fragment) => "origin=fragment;".into(),
            Some(Origin::Originated) => "origin=originated;".into(),
            Some(Origin::Injected(id)) => match self.pending.get(&id) {
                Some(pending) => {
                    let of = self.origin(&pending.in_hand);
                    format!("origin=injected; divert={id}; reason={}; {of}", pending.reason)
                }
                None => format!("origin=injected; divert={id};"),
            },
            Some(Origin::Ruled(rule)) if self.ended_by == Some(rule) => {
                format!("origin=injected; rule={rule}; {}", self.origin(&self.stamp.in_hand()))
            }
            // Made of a frame before, which had waited for its next hop's address.
            Some(Origin::Ruled(rule)) => format!("origin=injected; rule={rule};"),
        };
        self.file.sent(port, self.stamp.in_hand().time, frame, comment);
    }

    fn event(&mut self, event: &Event) {
        match *event {
            Event::Diverted { id, reason, mode, .. } => {
                let place = self.file.last();
                let held = mode == Mode::Enforce;
                let in_hand = self.stamp.in_hand();
                let pending = Pending { place, held, source: None, approved: false, reason, in_hand };
                self.pending.insert(id, pending);
                self.say(id, format_args!("divert={id}; "));
                self.file.keep(place);
            }
            Event::Refused { refusal, .. } => {
                let place = self.file.last();
                if let Some(comment) = self.file.comment(place) {
                    // Writing to a string cannot fail.
                    let _ = write!(comment, "refused={}; ", refusal.name());
                }
            }
            Event::Approved { id, action } => {
                self.say(id, format_args!("approved={}; ", action.name()));
                if let Some(pending) = self.pending.get_mut(&id) {
                    pending.approved = true;
                }
            }
            Event::Applied { id, action } => {
                self.say(id, format_args!("applied={}; ", action.name()));
                if let Some(Pending { held: true, source, .. }) = self.pending.get(&id).copied() {
                    let path = match source {
                        Some(Source::Cache) => FramePath::SlowCached,
                        Some(Source::Model) | None => FramePath::SlowModel,
                    };
                    self.say(id, format_args!("path={}; ", path.name()));
                }
                self.end(id);
            }
            Event::Rejected { id, rejection } => {
                self.say(id, format_args!("rejected={}; ", rejection.name()));
                let Some(&Pending { held, approved, .. }) = self.pending.get(&id) else { return };
                // Such an answer leaves its frame where it is.
                let stays = matches!(
                    rejection,
                    Rejection::UnknownDivert
                        | Rejection::AlreadyAnswered
                        | Rejection::WrongNonce
                        | Rejection::Late
                );
                if approved || !stays {
                    self.refuse(id, held);
                }
            }
            Event::Rule { id, change } => self.rules.changed(id, change),
            Event::Unanswered { id, .. } => {
                self.say(id, format_args!("unanswered; "));
                if let Some(&Pending { held, .. }) = self.pending.get(&id) {
                    self.refuse(id, held);
                }
            }
        }
    }

    fn reply(&mut self, reply: &Reply) {
        match &reply.answer {
            Ok(answer) => {
                let said = answer.as_answer();
                let by = match (said.source, reply.tier.and_then(|tier| self.backends.get(tier))) {
                    (Source::Cache, _) => "the class's answer".to_owned(),
                    (Source::Model, name) => name.cloned().unwrap_or_else(|| "a model".into()),
                };
                let sure = reply.probability.map_or(String::new(), |p| format!(" ({p:.3})"));
                self.say(reply.id, format_args!("answer={} by {by}{sure}; ", said.action.kind().name()));
                if let Some(pending) = self.pending.get_mut(&reply.id) {
                    pending.source = Some(said.source);
                }
            }
            Err(error) => self.say(reply.id, format_args!("failed={error}; ")),
        }
    }

    fn flush(&mut self) {
        self.file.flush();
    }
}
