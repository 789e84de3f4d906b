//! The trust boundary: what a model said (`Answer`), and what may be applied (`Approved`).
//!
//! `Answer` (untrusted) → [`crate::Router::approve`] → [`Approved`] or [`Rejection`] →
//! [`crate::Router::apply`]. Nothing else turns a model's words into frames.

mod action;
pub mod advice;
mod apply;
mod approve;
pub(crate) mod effect;
pub mod frame_check;
pub(crate) mod instantiate;
mod limits;
mod mend;
pub mod repair;
pub mod template;

pub use action::{Action, ActionKind, EchoDelta};
pub use advice::{Advice, Lifetime, Scope};
pub use approve::Approved;
pub use limits::granted;
pub use mend::mend;
pub use repair::{Fix, Fixes};
pub use template::{Template, TemplateByte};

use crate::classify::Anomaly;
use crate::divert::DivertId;
use crate::named::named_enum;
use crate::rules::Witness;

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
    /// How far it reaches. `None`: no rule is made of it.
    pub advice: Option<Advice>,
    /// Who said it: kept with the rule that is made of it.
    pub witness: Witness,
}

named_enum! {
    /// Why an answer is not applied.
    pub enum Rejection {
        /// It names a frame that was never diverted, or that the slow path does not have yet.
        UnknownDivert = "unknown_divert";
        /// The frame's deadline has passed, or its slot is used anew.
        Late = "late";
        /// Another answer to this frame was approved before.
        AlreadyAnswered = "already_answered";
        /// It does not echo the frame's nonce.
        WrongNonce = "wrong_nonce";
        /// It does not echo the frame's reason.
        WrongReason = "wrong_reason";
        /// This action is not granted for this reason and posture; for a mandatory discard, nothing but a drop is.
        NotGranted = "not_granted";
        /// It would drop traffic that must pass.
        MustPass = "must_pass";
        /// RFC 1812 §4.3.2.7 forbids an ICMP error about this frame.
        ErrorForbidden = "error_forbidden";
        /// The action does not fit the frame.
        DoesNotFit = "does_not_fit";
        /// The repaired frame is not healthy.
        NotHealthy = "not_healthy";
        /// There is no way to where the frame would go.
        Unroutable = "unroutable";
        /// The reply's time to live is not the router's.
        WrongTtl = "wrong_ttl";
        /// The reply's ICMP type is not echo reply.
        WrongIcmpType = "wrong_icmp_type";
        /// The reply's IPv4 header checksum is wrong.
        WrongIpChecksum = "wrong_ip_checksum";
        /// The reply's ICMP checksum is wrong.
        WrongIcmpChecksum = "wrong_icmp_checksum";
        /// The frame would leave by a port that the diverted frame does not justify.
        WrongPort = "wrong_port";
        /// A byte of the frame is neither a constant, nor a copy, nor computed: it has no provenance.
        NoProvenance = "no_provenance";
        /// The frame is longer than what it answers permits.
        Amplification = "amplification";
        /// The frame that would be sent is malformed after all.
        Malformed = "malformed";
        /// The router's addresses, routes or configuration changed since approval.
        StaleEpoch = "stale_epoch";
        /// Another router approved it.
        ForeignRouter = "foreign_router";
        /// The token bucket for injections is empty.
        RateLimited = "rate_limited";
    }
}

impl core::error::Error for Rejection {}
