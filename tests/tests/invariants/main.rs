//! The five invariants of the design, each by its name, in a file of its own.
//!
//! - The counters balance, and every drop has a reason.
//! - The fast path never allocates and never waits for the slow path.
//! - Nothing from a model reaches a wire or the rule table except as approved.
//! - A recording replays byte-identically.
//! - With every backend down healthy traffic flows, and each diverted frame ends in a named reason by its deadline.

mod approval;
mod backends_down;
mod counters;
mod fast_path;
mod recording;
