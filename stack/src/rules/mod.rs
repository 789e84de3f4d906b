//! Exception rules: deterministic entries, made from approved answers or by the operator, that are consulted only after
//! a frame's verdict was to divert it.
//!
//! # What a rule matches
//! A whole class key, which is every field that the decision consulted, and perhaps one flow or one source within it. The
//! host derives the match from the frame; a model picks no more than a scope ([`crate::answer::Scope`]), which can only
//! narrow it. So there are three fixed masks, and a lookup has three probes at most, whatever senders do.
//!
//! # Order law
//! Of all rules that match a frame, one acts: that of the highest priority; among these the most specific one (flow
//! before source before class). A frame has one value for each field, so what remains has equal matches, and of equal
//! matches a table holds one rule: the one whose content is greater by [`Content`]'s order, the more cautious action first.
//! When a rule was made never matters.
//!
//! # Life
//! Answers agree → shadow (counts what it would do; frames go to the slow path, whose answers it is compared
//! with) → active → idle, expired, evicted, contradicted, invalidated or revoked.

mod action;
mod candidate;
mod edit;
mod follow;
mod hot;
mod learn;
mod life;
mod manage;
mod matching;
mod recent;
mod reply;
mod table;

pub use action::{Content, Edit, Edits, Reply, RuleAction};
pub use candidate::{CandidateSlot, MAX_CONCORDANCE};
pub use hot::RuleHot;
pub(crate) use learn::Testimony;
pub use life::{Retirement, RuleChange, RuleRefusal};
pub use matching::{Flow, Match, Station, Subject};
pub use table::RuleSlot;
pub(crate) use table::Rules;

use smoltcp::time::{Duration, Instant};

/// The priority of what models propose.
pub const LEARNT_PRIORITY: u8 = 100;
/// The priority of what the operator installs, unless said otherwise.
pub const OPERATOR_PRIORITY: u8 = 200;
/// No rule that is not pinned lasts longer.
pub const MAX_LIFETIME: Duration = Duration::from_secs(86_400);

/// Names one rule of one router, and is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RuleId(pub u32);

impl core::fmt::Display for RuleId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Who said an answer: numbers that the caller gives and can tell the meaning of. The router only keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Witness {
    /// Which backend and model.
    pub backend: u16,
    /// A hash of the prompt.
    pub prompt: u64,
}

/// Where a rule comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleOrigin {
    /// The operator.
    Operator,
    /// Concordant answers.
    Model(Provenance),
}

/// The answers that a rule was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// Who gave the last of them.
    pub witness: Witness,
    /// Keyed hashes of the frames that were answered, the latest ones.
    pub frames: heapless::Vec<u64, MAX_CONCORDANCE>,
    /// When the first of these frames was received.
    pub first_seen: Instant,
    /// When the answers agreed.
    pub concordant_at: Instant,
}

/// A rule as it is to be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSpec {
    /// Which frames.
    pub matches: Match,
    /// What is done with them, and how it ranks.
    pub content: Content,
    /// It goes when no frame matched for so long; zero: never for that.
    pub idle: Duration,
    /// It goes after so long, [`MAX_LIFETIME`] at most.
    pub lifetime: Duration,
    /// It stays until it is revoked or cannot be right any more.
    pub pinned: bool,
    /// Where it comes from.
    pub origin: RuleOrigin,
}

/// Where a rule is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum RuleState {
    /// Counts what it would do.
    Shadow,
    /// Acts.
    Active,
}

impl RuleState {
    /// The stable printed name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shadow => "shadow",
            Self::Active => "active",
        }
    }
}

/// A rule as it is now.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name.
    pub id: RuleId,
    /// As it was installed, and whether it is pinned now.
    pub spec: RuleSpec,
    /// Where it is in its life.
    pub state: RuleState,
    /// When it was installed, into shadow or at once active.
    pub installed_at: Instant,
    /// When it became active.
    pub active_at: Option<Instant>,
    /// When a frame matched last; before the first one, when it was installed.
    pub last_hit: Instant,
    /// When its lifetime ends; without meaning for a pinned rule.
    pub expires_at: Instant,
    /// What it did.
    pub tally: Tally,
}

/// What a rule did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Frames that it acted on.
    pub hits: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Frames that matched while it was in shadow.
    pub shadowed: u64,
    /// Answers of models to matching frames that said the same.
    pub agreed: u64,
    /// Frames over its meter: dropped.
    pub metered: u64,
    /// Frames that went to the slow path as samples.
    pub sampled: u64,
    /// Frames that the action did not fit: they went to the slow path.
    pub misfits: u64,
}

/// How rules are learnt and kept.
#[derive(Debug, Clone)]
pub struct RuleLimits {
    /// Answers that must agree, to frames that differ, before a rule is made; 0: none is ever learnt. At most
    /// [`MAX_CONCORDANCE`].
    pub concordance: u8,
    /// How long a learnt rule only counts what it would do.
    pub shadow: Duration,
    /// A learnt rule goes when no frame matched for so long.
    pub idle: Duration,
    /// Pairs of reason and scope that may have rules at once.
    pub masks: usize,
    /// Of how many frames that match a learnt rule one goes to the slow path all the same; 0: none.
    pub sample_one_in: u32,
}

impl Default for RuleLimits {
    fn default() -> Self {
        Self {
            concordance: 3,
            shadow: Duration::from_millis(10),
            idle: Duration::from_secs(10),
            masks: 64,
            sample_one_in: 0,
        }
    }
}
