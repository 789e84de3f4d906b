//! What is done to the router beside its frames: answers of every kind, leaps of time, routes, rules; drawn by frame.

use pktgen::dice::{Draw, rng_for};
use rand::Rng;
use serde::{Deserialize, Serialize};

/// Keeps the draws of acts apart from all others.
const STREAM: u64 = 0x6675_7a02;

/// How a divert is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum How {
    /// As the oracle would.
    Right,
    /// As the oracle would, from the cache.
    Cached,
    /// Any action, with any bytes.
    Wrong,
    /// A frame to be sent: a right one, the diverted one, or either with bytes turned over.
    Hostile,
    /// Rightly, but with another nonce, reason or id.
    Forged,
    /// Rightly, once the deadline has passed.
    Late,
    /// Rightly, and then again, before and after it is applied.
    Replayed,
    /// Approved, but applied only after the routes have changed.
    Stale,
    /// The slow path gives up.
    Abandoned,
    /// Never: forgotten, so that its deadline passes.
    Never,
}

impl How {
    /// All of them.
    pub(super) const ALL: [Self; 10] = [
        Self::Right,
        Self::Cached,
        Self::Wrong,
        Self::Hostile,
        Self::Forged,
        Self::Late,
        Self::Replayed,
        Self::Stale,
        Self::Abandoned,
        Self::Never,
    ];

    /// The stable printed name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Cached => "cached",
            Self::Wrong => "wrong",
            Self::Hostile => "hostile",
            Self::Forged => "forged",
            Self::Late => "late",
            Self::Replayed => "replayed",
            Self::Stale => "stale",
            Self::Abandoned => "abandoned",
            Self::Never => "never",
        }
    }
}

/// One act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Act {
    /// Answers one of the frames that the slow path has: the `which`-th, counted round from the oldest.
    Answer { how: How, which: u8, dice: u64 },
    /// Time passes; the router is called wherever it asks to be.
    Wait { milliseconds: u64 },
    /// All hosts greet the router.
    Greet,
    /// A route comes or goes.
    Route { dice: u64 },
    /// The operator installs, pins, revokes or flushes rules.
    Rule { dice: u64 },
}

/// What comes after frame `index`; `asked`: does the slow path have frames?
pub(super) fn draw(seed: u64, index: u64, asked: bool) -> Option<Act> {
    // Most frames have no act: one cheap look tells.
    let rare = (index ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 52 < 8;
    if !asked && !rare {
        return None;
    }
    let rng = &mut rng_for(seed, STREAM, index);
    if rare {
        return Some(match rng.below(10) {
            0 => Act::Wait { milliseconds: *rng.pick(&[1, 20, 60, 1_000, 61_000]) },
            1 | 2 => Act::Greet,
            3 => Act::Route { dice: rng.next_u64() },
            _ => Act::Rule { dice: rng.next_u64() },
        });
    }
    let how = match rng.below(32) {
        0..=14 => How::Right,
        15..=17 => How::Cached,
        18..=20 => How::Wrong,
        21..=23 => How::Hostile,
        24 | 25 => How::Forged,
        26 => How::Late,
        27 => How::Replayed,
        28 => How::Stale,
        29 => How::Abandoned,
        _ => How::Never,
    };
    Some(Act::Answer { how, which: rng.byte(), dice: rng.next_u64() })
}
