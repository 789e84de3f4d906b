//! Replays captures.
