//! The trust boundary: what a model said (`Answer`), and what may be applied (`Approved`).

mod action;

pub use action::{Action, ActionKind, EchoDelta};

use crate::classify::Anomaly;
use crate::divert::DivertId;

/// Where an answer came from. Only for the books: approval treats all alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Source {
    /// A model was asked about this very frame.
    Model,
    /// The answer for the frame's class had been cached.
    Cache,
}

/// What the slow path says about one diverted frame. Untrusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Answer<'a> {
    /// The diverted frame that is answered.
    pub id: DivertId,
    /// The nonce that came with it.
    pub nonce: u32,
    /// The reason that came with it, echoed.
    pub reason: Anomaly,
    /// What to do.
    pub action: Action<'a>,
    /// Where the answer came from.
    pub source: Source,
}
