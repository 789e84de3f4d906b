//! What a model is asked, and the one right answer: questions by task, seed and index, for training and exams.
//!
//! Training and exam are kept apart by more than their seeds. More than a third of all templates, ranges of header fields and
//! a third of all little protocols are *held out*: [`Split::Training`] never draws them, [`Split::HeldOut`] nothing else.

pub mod example;
pub mod ping;
pub mod repair;
pub mod triage;

use crate::dice::rng_for;
use rand_pcg::Pcg64Mcg;
use stack::answer::{Advice, Fixes, Template};
use stack::{ActionKind, Anomaly, ClassKey, EchoDelta};

/// Which part of the world questions are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// What a model may be trained on.
    Training,
    /// What no training draws.
    HeldOut,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Which action, scope and lifetime for this class of frames?
    Triage(ClassKey),
    /// What must be put right, if this much is allowed?
    Repair {
        /// The operator's powers.
        allowed: Fixes,
        /// The frame's faults from the outermost inwards.
        faults: Vec<Anomaly>,
    },
    /// Which header fields has the reply to this echo request (an Ethernet frame)?
    PingDelta(Vec<u8>),
    /// Which frame is the reply to this echo request (an Ethernet frame)?
    PingFull(Vec<u8>),
    /// What is the reply?
    Example {
        /// Requests and their replies.
        exchanges: Vec<(Vec<u8>, Vec<u8>)>,
        /// The request that is to be answered.
        request: Vec<u8>,
    },
}

/// The right answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Right {
    /// To [`Question::Triage`].
    Triage(ActionKind, Advice),
    /// To [`Question::Repair`]; `None` is to drop the frame.
    Repair(Option<Fixes>),
    /// To [`Question::PingDelta`]; `None` is to drop the request.
    PingDelta(Option<EchoDelta>),
    /// To [`Question::PingFull`].
    PingFull(Vec<u8>),
    /// To [`Question::Example`].
    Example {
        /// The simplest explanation of the exchanges.
        template: Template,
        /// What it makes of the request.
        reply: Vec<u8>,
    },
}

/// A question and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What is asked.
    pub question: Question,
    /// What is right.
    pub right: Right,
}

/// Random numbers for item `index` of a task's stream.
fn rng(task: u64, split: Split, seed: u64, index: u64) -> Pcg64Mcg {
    rng_for(seed, 0x7a_0000 | task << 1 | u64::from(split == Split::HeldOut), index)
}

/// Is the template with these parts held out? So many of 30 are, whatever their parts mean.
fn chosen(of_30: u64, parts: &[u64]) -> bool {
    (hash(parts) >> 33 & 0xffff) * 30 < 0xffff * of_30
}

/// A bit about the same parts that has nothing to do with [`chosen`].
fn coin(parts: &[u64]) -> bool {
    hash(parts) >> 50 & 1 == 1
}

fn hash(parts: &[u64]) -> u64 {
    let hash = parts.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, part| {
        let mixed = (hash ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ mixed >> 29
    });
    hash.wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

/// Draws until `held_out` says what `split` wants.
fn draw<T>(split: Split, mut make: impl FnMut() -> T, held_out: impl Fn(&T) -> bool) -> T {
    loop {
        let made = make();
        if held_out(&made) == (split == Split::HeldOut) {
            return made;
        }
    }
}
