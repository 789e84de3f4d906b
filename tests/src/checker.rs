//! The judge of frames that answers or rules made, for what the bench sends and diverts.

use crate::sim::{Divert, Sent};
use pktgen::World;
use pktgen::oracle::judge_injected;
pub use pktgen::oracle::{Cause, Neighbor, approvable, permitted};
use stack::{ActionKind, Posture};

impl<'a> From<&'a Divert> for Cause<'a> {
    fn from(divert: &'a Divert) -> Self {
        Self { reason: divert.about.reason(), port: divert.about.port(), bytes: &divert.bytes }
    }
}

/// Judges a frame that was made for `cause`: the action that it came from.
///
/// # Errors
/// Why it should not have been sent.
pub fn judge<'a>(
    world: &World,
    neighbors: &[Neighbor],
    posture: Posture,
    cause: impl Into<Cause<'a>>,
    sent: &Sent,
) -> Result<ActionKind, String> {
    judge_injected(world, neighbors, posture, cause, (sent.port, &sent.bytes))
}
