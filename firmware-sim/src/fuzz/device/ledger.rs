//! Which frame an answer is about, as far as that can be said, and what became of each frame by its reason.

use super::dissect::{Heard, Marks};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

/// A frame that nothing came of by then has got no answer: hosts report an unreachable neighbour after three seconds.
pub(super) const A_WHILE: Duration = Duration::from_secs(4);
/// An answer that shows nothing of the frame that it is about is taken for one to the last frame, if that one is no older.
pub(super) const WINDOW: Duration = Duration::from_millis(100);
/// Frames that may still be answered.
const OPEN: usize = 1 << 16;

/// What became of the frames of one reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Frames that were sent.
    pub sent: u64,
    /// Those that nothing came of.
    pub nothing: u64,
    /// Answers by kind; a frame may have several.
    pub answers: BTreeMap<String, u64>,
}

/// How the frame of an answer was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Attribution {
    /// The answer quotes it, or is it.
    pub quoted: u64,
    /// Addresses and ports, or identifiers, are those of the frame, the other way round.
    pub matched: u64,
    /// It was the last frame before the answer: a guess.
    pub guessed: u64,
    /// No frame was sent shortly before, or it went to a group.
    pub none: u64,
}

struct Open {
    index: u64,
    at: Instant,
    reason: &'static str,
    marks: Marks,
    answered: bool,
}

/// The frames that may still be answered, and what became of the others.
#[derive(Default)]
pub(super) struct Ledger {
    open: VecDeque<Open>,
    /// Frames that were open once and are not any more.
    closed: u64,
    by_identity: HashMap<u64, u64>,
    by_exchange: HashMap<u64, u64>,
    pub(super) rows: BTreeMap<&'static str, Row>,
    /// Answers that are about no frame, by kind.
    pub(super) unasked: BTreeMap<String, u64>,
    pub(super) found: Attribution,
}

impl Ledger {
    /// A frame was sent.
    pub(super) fn sent(&mut self, index: u64, at: Instant, reason: &'static str, marks: Marks) {
        if self.open.len() >= OPEN {
            self.close();
        }
        let place = self.closed + self.open.len() as u64;
        for (mark, of) in [(marks.identity, &mut self.by_identity), (marks.exchange, &mut self.by_exchange)] {
            if let Some(mark) = mark {
                of.insert(mark, place);
            }
        }
        self.rows.entry(reason).or_default().sent += 1;
        self.open.push_back(Open { index, at, reason, marks, answered: false });
    }

    /// The device sent something: the index of the frame that it is certainly about.
    pub(super) fn heard(&mut self, heard: &Heard, at: Instant) -> Option<u64> {
        let place = |of: &HashMap<u64, u64>, mark: Option<u64>| {
            mark.and_then(|mark| of.get(&mark)).and_then(|place| place.checked_sub(self.closed))
        };
        let quoted = place(&self.by_identity, heard.identity);
        let matched = place(&self.by_exchange, heard.exchange);
        let last = self.open.back().is_some_and(|last| at.saturating_duration_since(last.at) <= WINDOW);
        let last = (last && !heard.unasked).then(|| self.open.len() as u64 - 1);
        let (count, found, certain) = match (quoted, matched, last) {
            (Some(place), ..) => (&mut self.found.quoted, Some(place), true),
            (_, Some(place), _) => (&mut self.found.matched, Some(place), true),
            (.., Some(place)) => (&mut self.found.guessed, Some(place), false),
            _ => (&mut self.found.none, None, false),
        };
        *count += 1;
        let kind = match &heard.malformed {
            Some(_) => "malformed".to_owned(),
            None if quoted.is_some() && !heard.is_error => "forwarded".to_owned(),
            None => heard.kind.clone(),
        };
        let open = found.and_then(|place| self.open.get_mut(place as usize));
        let Some(open) = open else {
            *self.unasked.entry(kind).or_default() += 1;
            return None;
        };
        open.answered = true;
        *self.rows.entry(open.reason).or_default().answers.entry(kind).or_default() += 1;
        certain.then_some(open.index)
    }

    /// Nothing more is waited for about what was sent before `now` by [`A_WHILE`].
    pub(super) fn pass(&mut self, now: Instant) {
        while self.open.front().is_some_and(|open| now.saturating_duration_since(open.at) > A_WHILE) {
            self.close();
        }
    }

    /// The run has ended: nothing more is waited for.
    pub(super) fn end(&mut self) {
        while !self.open.is_empty() {
            self.close();
        }
    }

    fn close(&mut self) {
        let Some(open) = self.open.pop_front() else { return };
        if !open.answered {
            self.rows.entry(open.reason).or_default().nothing += 1;
        }
        let marks = open.marks;
        for (mark, of) in [(marks.identity, &mut self.by_identity), (marks.exchange, &mut self.by_exchange)] {
            if let Some(mark) = mark
                && of.get(&mark) == Some(&self.closed)
            {
                of.remove(&mark);
            }
        }
        self.closed += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(kind: &str, identity: Option<u64>, exchange: Option<u64>) -> Heard {
        let is_error = kind.starts_with("icmp");
        Heard { kind: kind.into(), identity, is_error, exchange, unasked: false, malformed: None }
    }

    #[test]
    fn a_quote_goes_before_an_exchange_before_the_last_frame() {
        let (mut ledger, start) = (Ledger::default(), Instant::now());
        let marks = |identity, exchange| Marks { identity: Some(identity), exchange: Some(exchange) };
        for (index, reason) in [(10, "a"), (20, "b"), (30, "c")] {
            ledger.sent(index, start, reason, marks(index, index + 1));
        }
        let soon = start + WINDOW;
        assert_eq!(ledger.heard(&heard("icmp 3/1", Some(10), Some(21)), soon), Some(10));
        assert_eq!(ledger.heard(&heard("echo reply", Some(99), Some(21)), soon), Some(20));
        assert_eq!(ledger.heard(&heard("UDP", Some(10), None), soon), Some(10));
        assert_eq!(ledger.heard(&heard("TCP", None, None), soon), None);
        let late = soon + Duration::from_millis(1);
        assert_eq!(ledger.heard(&heard("TCP", None, None), late), None);
        assert_eq!(ledger.found, Attribution { quoted: 2, matched: 1, guessed: 1, none: 1 });
        assert_eq!(ledger.rows["a"].answers, [("forwarded".into(), 1), ("icmp 3/1".into(), 1)].into());
        assert_eq!((ledger.rows["c"].answers["TCP"], ledger.unasked["TCP"]), (1, 1));
        ledger.sent(40, late, "c", marks(40, 41));
        ledger.pass(start + A_WHILE + Duration::from_micros(1));
        assert_eq!(ledger.heard(&heard("icmp 3/1", Some(10), None), late + WINDOW * 2), None);
        assert_eq!(ledger.heard(&heard("icmp 3/1", Some(40), None), late + WINDOW * 2), Some(40));
        ledger.end();
        assert!(ledger.by_identity.is_empty() && ledger.by_exchange.is_empty());
        let nothing = ledger.rows.values().map(|row| row.nothing).sum::<u64>();
        assert_eq!(nothing, 0, "{:?}", ledger.rows);
    }
}
