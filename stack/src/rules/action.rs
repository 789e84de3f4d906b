//! What a rule does with a frame, and how that ranks.

use crate::answer::{ActionKind, Template};
use crate::classify::{Anomaly, Kind};
use crate::config::Rate;
use crate::divert::Direction;

/// How a frame is put right before it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Edit {
    /// Not at all.
    None,
    /// The 802.1Q priority tag is taken off.
    StripTag,
    /// The IPv4 packet is taken out of its LLC/SNAP envelope.
    Decapsulate,
    /// The IPv4 options that RFC 7126 leaves to a knob become No-Operation.
    ClearOptions,
}

impl Edit {
    /// The action that does this and lets the frame go on.
    pub const fn kind(self) -> ActionKind {
        match self {
            Self::None => ActionKind::Forward,
            Self::StripTag => ActionKind::StripTag,
            Self::Decapsulate => ActionKind::Decapsulate,
            Self::ClearOptions => ActionKind::ClearOptions,
        }
    }
}

/// All that is changed in a frame that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Edits {
    /// How it is put right.
    pub edit: Edit,
    /// The Differentiated Services code point that it leaves with, 0-63 (RFC 2474 §3). Only the operator sets one.
    pub dscp: Option<u8>,
}

/// What is sent back.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Reply {
    /// An ICMP timestamp reply (RFC 792).
    Timestamp,
    /// An ICMP Parameter Problem (RFC 1812 §4.3.3.5).
    ParameterProblem,
    /// Addresses swapped, lengths and checksums computed, and a message spelt by a template. Only the operator installs one.
    Template(Template),
}

/// What a rule does. Ordered by caution: of two with the same match and priority, the greater one stays.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum RuleAction {
    /// The frame is answered.
    Reply(Reply),
    /// The frame goes on to where it is addressed, if that is not the router.
    Forward(Edits),
    /// The frame goes to the local host, if it is addressed to it.
    Deliver(Edits),
    /// The frame is discarded.
    Drop,
}

impl RuleAction {
    /// The rule's action that an answer of this kind stands for. `None`: what it does depends on more than the frame.
    pub(crate) const fn learnt(kind: ActionKind, direction: Direction) -> Option<Self> {
        let edit = match kind {
            ActionKind::Drop => return Some(Self::Drop),
            ActionKind::TimestampReply => return Some(Self::Reply(Reply::Timestamp)),
            ActionKind::ParameterProblem => return Some(Self::Reply(Reply::ParameterProblem)),
            ActionKind::EchoReply | ActionKind::Inject => return None,
            ActionKind::Forward => Edit::None,
            ActionKind::StripTag => Edit::StripTag,
            ActionKind::Decapsulate => Edit::Decapsulate,
            ActionKind::ClearOptions => Edit::ClearOptions,
        };
        let edits = Edits { edit, dscp: None };
        Some(match direction {
            Direction::Transit => Self::Forward(edits),
            Direction::ToSelf => Self::Deliver(edits),
        })
    }

    /// The approved action that it repeats. `None`: a template's reply is the operator's alone.
    pub const fn kind(&self) -> Option<ActionKind> {
        Some(match self {
            Self::Drop => ActionKind::Drop,
            Self::Forward(edits) | Self::Deliver(edits) => edits.edit.kind(),
            Self::Reply(Reply::Timestamp) => ActionKind::TimestampReply,
            Self::Reply(Reply::ParameterProblem) => ActionKind::ParameterProblem,
            Self::Reply(Reply::Template(_)) => return None,
        })
    }

    /// The word used in reports.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Forward(_) => "forward",
            Self::Deliver(_) => "deliver",
            Self::Reply(_) => "reply",
        }
    }
}

/// What a rule does, and how it ranks among those with the same match: by priority, then by action and its limits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Content {
    /// The greater one acts.
    pub priority: u8,
    /// What is done.
    pub action: RuleAction,
    /// Frames a second; what is beyond is dropped.
    pub meter: Option<Rate>,
    /// Of how many frames one goes to the slow path all the same; 0: none.
    pub sample_one_in: u32,
}

/// Is this about how the router learns who its neighbours are? No rule ever is.
pub(crate) const fn is_control(reason: Anomaly) -> bool {
    matches!(
        reason,
        Anomaly::ArpTruncated
            | Anomaly::ArpHardwareType
            | Anomaly::ArpProtocolType
            | Anomaly::ArpAddressSize
            | Anomaly::ArpOperation
            | Anomaly::ArpSenderGroup
            | Anomaly::ArpClaimsOurAddress
            | Anomaly::NdHopLimit
            | Anomaly::NdMalformed
            | Anomaly::NdFragment
            | Anomaly::NdClaimsOurAddress
            | Anomaly::Icmpv6Redirect
            | Anomaly::IcmpRedirect
    )
}

/// May there be rules about this reason at all? What is legal or an experiment never waits, and so has none.
pub(crate) const fn may_have_rules(reason: Anomaly) -> bool {
    match reason.row().kind {
        Kind::Oddity | Kind::Experiment => false,
        Kind::Malformed | Kind::Misbehaving | Kind::Unsupported => !is_control(reason),
    }
}

/// May the operator let a template answer frames of this reason? Only what is addressed to the router and of a kind that it does
/// not speak.
pub(crate) const fn may_be_answered(reason: Anomaly) -> bool {
    matches!(reason, Anomaly::EthertypeUnknown | Anomaly::IcmpTypeUnknown)
}
