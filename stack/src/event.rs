//! What happened to diverted frames, for whoever keeps a log. Bounded: the oldest is overwritten.

use crate::answer::{ActionKind, Rejection};
use crate::classify::{Anomaly, Mode};
use crate::config::PortId;
use crate::divert::{DivertId, Refusal};
use crate::rules::{RuleChange, RuleId};
use managed::ManagedSlice;

/// One thing that happened to one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Event {
    /// A frame was admitted to the divert queue.
    Diverted {
        /// Its id.
        id: DivertId,
        /// Why.
        reason: Anomaly,
        /// Where it came in.
        port: PortId,
        /// Held, or only observed.
        mode: Mode,
    },
    /// A frame should have been diverted, but was not admitted.
    Refused {
        /// Why it should have been diverted.
        reason: Anomaly,
        /// Why it was not.
        refusal: Refusal,
    },
    /// An answer passed approval.
    Approved {
        /// The frame's id.
        id: DivertId,
        /// What will be done.
        action: ActionKind,
    },
    /// An answer was rejected.
    Rejected {
        /// The id that the answer named.
        id: DivertId,
        /// Why.
        rejection: Rejection,
    },
    /// An approved answer acted.
    Applied {
        /// The frame's id.
        id: DivertId,
        /// What was done.
        action: ActionKind,
    },
    /// A rule was made, acts, or went.
    Rule {
        /// Which.
        id: RuleId,
        /// What happened to it.
        change: RuleChange,
    },
    /// No answer came in time, or the slow path gave up.
    Unanswered {
        /// The frame's id.
        id: DivertId,
        /// Why it had been diverted.
        reason: Anomaly,
    },
}

/// A ring of events.
#[derive(Debug)]
pub(crate) struct EventRing<'a> {
    slots: ManagedSlice<'a, Option<Event>>,
    head: usize,
    len: usize,
}

impl<'a> EventRing<'a> {
    pub(crate) const fn new(slots: ManagedSlice<'a, Option<Event>>) -> Self {
        Self { slots, head: 0, len: 0 }
    }

    /// Adds an event; says whether one was lost for it.
    pub(crate) fn push(&mut self, event: Event) -> bool {
        let capacity = self.slots.len();
        if capacity == 0 {
            return true;
        }
        let full = self.len == capacity;
        self.slots[(self.head + self.len) % capacity] = Some(event);
        if full {
            self.head = (self.head + 1) % capacity;
        } else {
            self.len += 1;
        }
        full
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        if self.len == 0 {
            return None;
        }
        let event = self.slots[self.head].take();
        self.head = (self.head + 1) % self.slots.len();
        self.len -= 1;
        event
    }
}
