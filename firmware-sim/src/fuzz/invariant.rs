//! The laws that every frame is checked against, by name, and what is known when one is broken.

use serde::Serialize;
use std::fmt;

macro_rules! invariants {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $says:literal;)+) => {
        /// A law.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Invariant { $($(#[doc = $doc])+ $variant,)+ }

        impl Invariant {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable printed name.
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $name,)+ } }

            /// What it demands.
            pub const fn says(self) -> &'static str { match self { $(Self::$variant => $says,)+ } }
        }
    };
}

invariants! {
    /// Every frame and every other call.
    NoPanic = "no_panic", "no call panics";
    /// Frames whose reason the generator foretold.
    ReasonExpected = "reason_expected", "the reason seen is the one that the generator foretold";
    /// Frames that only the oracle can judge, and a sample of the others.
    ReasonJudged = "reason_judged", "the reason seen is the one that the oracle names";
    /// Every frame.
    VerdictFits = "verdict_fits", "the verdict is one that the reason and its mode allow";
    /// Every frame.
    VerdictCounted = "verdict_counted", "the counters moved by what the verdict says";
    /// Every frame, and every other call.
    BooksBalance = "books_balance", "received = disposed + held, forwarded = sent, consumed = injected, dropped = reasons";
    /// Every frame forwarded in place.
    ForwardedRight = "forwarded_right", "one hop less, its checksum and MAC addresses right, nothing else changed";
    /// Every frame that had waited.
    ReleasedRight = "released_right", "a frame sent late is one received, rewritten as if forwarded";
    /// Every fragment.
    FragmentsRight = "fragments_right", "a fragment is a well-formed piece of a packet received, or of the router's own";
    /// Every frame that the router made.
    SentWellFormed = "sent_well_formed", "lengths, checksums and addresses are right, and the MTU is kept";
    /// Every frame that the router made by itself.
    OriginatedJustified = "originated_justified", "what the router says comes from its own addresses, and it may say so";
    /// Every ICMP error.
    ErrorsJustified = "errors_justified", "an ICMP error is about a frame received, and RFC 1812 or RFC 4443 allows it";
    /// Every frame made from an answer.
    InjectedJustified = "injected_justified", "an approved answer to that very frame makes these very bytes, once";
    /// Every frame made by a rule.
    RuledJustified = "ruled_justified", "what a rule sends is permitted about that very frame";
    /// Every answer.
    AnswersJudged = "answers_judged", "only a permitted action, with nonce, reason and id right, in time and once, is approved";
    /// Every few hundred frames.
    OccupancyBounded = "occupancy_bounded", "no table holds more than its limits";
    /// Every call for a timeout.
    TimeMovesOn = "time_moves_on", "after a timeout was handled, the next one is later";
    /// Every router's end.
    AllSettles = "all_settles", "an hour later nothing is held, and every frame has one disposition";
}

/// How often each was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Checked([u64; Invariant::ALL.len()]);

impl Checked {
    /// Once more.
    pub(super) const fn note(&mut self, which: Invariant) {
        self.0[which as usize] += 1;
    }

    pub(super) const fn of(&self, which: Invariant) -> u64 {
        self.0[which as usize]
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum += more);
    }
}

/// A law that was broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which.
    #[serde(serialize_with = "by_name")]
    pub invariant: Invariant,
    /// How, with the bytes that show it.
    pub how: String,
}

fn by_name<S: serde::Serializer>(which: &Invariant, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(which.name())
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.invariant.name(), self.invariant.says(), self.how)
    }
}

/// `Err` unless it holds.
pub(super) fn require(
    holds: bool,
    invariant: Invariant,
    how: impl FnOnce() -> String,
) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation { invariant, how: how() }) }
}
