//! The form of a rule outside the router, the same in files, on the control socket, in recordings, in exports and imports:
//! names, never codes.

use super::seconds::Seconds;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stack::rules::{MAX_LIFETIME, OPERATOR_PRIORITY};
use std::collections::BTreeMap;

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleForm {
    /// What the router says of it; of no importance to one that is to be installed, but for its time and counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusForm>,
    /// Why frames would be diverted: a name of `softrouter anomalies`.
    pub reason: String,
    /// The port that they come in by.
    pub port: String,
    /// `self`: to the router; `fwd`: through it.
    pub direction: String,
    /// The router's posture.
    pub posture: String,
    /// Each field that the decision about the reason consults, with its value.
    #[serde(default)]
    pub fields: BTreeMap<String, Value>,
    /// Which frames of this class.
    #[serde(default)]
    pub subject: SubjectForm,
    /// What is done with them.
    pub action: ActionForm,
    /// How many of them, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter: Option<MeterForm>,
    /// Of how many frames one goes to the slow path all the same; 0: none.
    #[serde(default)]
    pub sample_one_in: u32,
    /// The greater one acts.
    #[serde(default = "operator_priority")]
    pub priority: u8,
    /// It goes when no frame matched for so long; 0: never for that.
    #[serde(default)]
    pub idle_s: Seconds,
    /// It goes after so long.
    #[serde(default = "longest")]
    pub lifetime_s: Seconds,
    /// It stays until it is revoked.
    #[serde(default)]
    pub pinned: bool,
    /// Where it comes from.
    #[serde(default)]
    pub origin: OriginForm,
}

const fn operator_priority() -> u8 {
    OPERATOR_PRIORITY
}

const fn longest() -> Seconds {
    Seconds::of(MAX_LIFETIME)
}

/// Which frames of a class. Addresses are IPv4, IPv6 or, for frames without an IP packet, MAC addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "scope", rename_all = "snake_case", deny_unknown_fields)]
pub enum SubjectForm {
    /// All.
    #[default]
    Class,
    /// Those of one source.
    Source {
        /// Its address.
        from: String,
    },
    /// Those of one flow.
    Flow {
        /// The sender's address.
        from: String,
        /// The receiver's.
        to: String,
        /// Protocol or next header of the IP header; 0 without an IP packet.
        protocol: u8,
        /// Source and destination port of TCP and UDP, else 0; ports from 32768 on are 0.
        #[serde(default)]
        l4_ports: (u16, u16),
    },
}

/// What is done with a frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum ActionForm {
    /// It is discarded.
    Drop,
    /// It goes on to where it is addressed.
    Forward {
        /// How it is put right.
        #[serde(default)]
        edit: EditForm,
        /// The Differentiated Services code point that it leaves with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dscp: Option<u8>,
    },
    /// It goes to the local host.
    Deliver {
        /// How it is put right.
        #[serde(default)]
        edit: EditForm,
        /// The Differentiated Services code point that it is delivered with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dscp: Option<u8>,
    },
    /// It is answered.
    Reply {
        /// With what.
        with: ReplyForm,
    },
}

/// How a frame is put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EditForm {
    /// Not at all.
    #[default]
    None,
    /// The 802.1Q priority tag is taken off.
    StripTag,
    /// The IPv4 packet is taken out of its LLC/SNAP envelope.
    Decapsulate,
    /// The IPv4 options that RFC 7126 leaves to a knob become No-Operation.
    ClearOptions,
}

/// What is sent back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyForm {
    /// An ICMP timestamp reply.
    Timestamp,
    /// An ICMP Parameter Problem.
    ParameterProblem,
    /// A message spelt byte by byte.
    Template(Vec<ByteForm>),
}

/// What one byte of a reply is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ByteForm {
    /// This byte.
    Constant(u8),
    /// Byte number so many of the request.
    Copy(u8),
    /// That byte, plus one.
    Next(u8),
    /// How many bytes the reply has.
    Length,
    /// The request from byte number so many on, to its end.
    Rest(u8),
}

/// How many frames may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeterForm {
    /// A second.
    pub per_second: u32,
    /// At once, after a pause.
    pub burst: u32,
}

/// Where a rule comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
pub enum OriginForm {
    /// The operator.
    #[default]
    Operator,
    /// Concordant answers.
    Model {
        /// Which backend gave the last of them.
        backend: String,
        /// Which model that was.
        model: String,
        /// A hash of its prompt, in hexadecimal.
        prompt_hash: String,
        /// Keyed hashes of the frames that were answered, in hexadecimal; they tell frames of one run apart.
        frame_hashes: Vec<String>,
        /// When the first of these frames was received, since 1970.
        first_seen_unix_s: Seconds,
        /// When the answers agreed.
        concordant_unix_s: Seconds,
    },
}

/// What the router says of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusForm {
    /// Its name while the router runs.
    pub id: u32,
    /// `shadow` or `active`.
    pub state: String,
    /// When it was installed, since 1970.
    pub installed_unix_s: Seconds,
    /// When a frame matched last.
    pub last_hit_unix_s: Seconds,
    /// How much of its lifetime is left; without meaning for a pinned rule.
    pub expires_in_s: Seconds,
    /// Frames that it acted on. All counts include those of earlier runs.
    pub hits: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Frames that matched while it was in shadow.
    pub shadowed: u64,
    /// Answers of the slow path to matching frames that said the same.
    pub agreed: u64,
    /// Frames over its meter: dropped.
    pub metered: u64,
    /// Frames that went to the slow path as samples.
    pub sampled: u64,
    /// Frames that the action did not fit: they went to the slow path.
    pub misfits: u64,
}
