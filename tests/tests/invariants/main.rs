//! The five invariants of the design, each by its name, in a file of its own.
//!
//! 1. The counters balance, and every drop has a reason. 2. The fast path never allocates and never waits for
//! the slow path. 3. Nothing from a model reaches a wire or the rule table except as approved. 4. A recording
//! replays byte-identically. 5. With every backend down healthy traffic flows, and each diverted frame ends in a
//! named reason by its deadline.

mod approval;
mod backends_down;
mod counters;
mod fast_path;
mod recording;
