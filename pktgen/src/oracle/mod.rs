//! The judge's side: what is right for a frame, worked out slowly and without any of the router's code.
//!
//! Read first: RFC 1812 §4.2, §4.3 and §5; RFC 792; RFC 7126; RFC 8200; RFC 4443; RFC 4861. [`triage`] is the decision table that the
//! embedded model is trained and examined on; [`judge`] names what a frame is; [`repair`] and its
//! neighbours say, byte for byte, what may leave.

mod advice;
mod carry;
mod errors;
mod fields;
mod injected;
mod judge;
mod judge_icmpv6;
mod judge_ipv4;
mod judge_ipv6;
mod judge_local;
mod judge_local_ipv6;
mod judge_reverse_path;
pub mod outgoing;
mod overlap;
mod repair;
mod reply;
mod triage;

pub use advice::advice;
pub use carry::{echo_delta, rule_action};
pub use errors::judge_error;
pub use fields::{fields, right_action};
pub use injected::{Cause, Neighbor, approvable, judge_injected, permitted};
pub use judge::{Judgement, judge};
pub use overlap::overlaps;
pub use repair::{forward, repair};
pub use reply::{parameter_problem_matches, timestamp_reply_matches};
pub use triage::triage;
