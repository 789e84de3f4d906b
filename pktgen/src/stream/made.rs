//! What is known of a frame of a stream.

use super::scenario::Scenario;
use crate::generate::Expected;
use crate::mutate::Family;
use std::fmt;
use std::time::Duration;

/// Where a frame comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Healthy traffic: the flow.
    Flow(u32),
    /// A template, by its name, as [`crate::Generated::template`] has it.
    Template(&'static str),
    /// A template of which a header was changed.
    Mutant(Family),
    /// A frame that the caller gave, by its number among those that were of use, of which a header was changed.
    Captured(u32, Family),
    /// A step of a sequence.
    Step {
        /// What is played.
        scenario: Scenario,
        /// Index of its first frame: all before this one are those from there on.
        first: u64,
        /// Counted from 0.
        step: u8,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flow(flow) => write!(f, "flow {flow}"),
            Self::Template(name) => f.write_str(name),
            Self::Mutant(family) => write!(f, "mutant of {}", family.name()),
            Self::Captured(sample, family) => write!(f, "frame {sample} changed in {}", family.name()),
            Self::Step { scenario, step, .. } => write!(f, "{} step {step}", scenario.name()),
        }
    }
}

/// What is known of a frame that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// Its bytes are the first so many of the buffer.
    pub len: usize,
    /// The port that it arrives at.
    pub port: u8,
    /// When it is sent, from the stream's beginning on.
    pub at: Duration,
    /// What the router ought to make of it. A fragment is what it is to a router that has seen the frames of its run
    /// before it, and has not given them up.
    pub expected: Expected,
    /// Where it comes from.
    pub origin: Origin,
}
