//! The action language as JSON: the one list of keys and values that prompt, `response_format` and
//! decoder share.

use super::tokens::Task;
use super::tokens::ping::MAX_FRAME;
use serde_json::{Map, Value, json};
use stack::answer::template::MAX_MESSAGE;
use stack::answer::{Fix, Lifetime, Scope};
use stack::{ActionKind, Anomaly};
use std::collections::HashMap;
use std::sync::LazyLock;

/// Key: the nonce of the prompt, echoed as 8 hex digits.
pub const NONCE: &str = "nonce";
/// Key: the reason of the prompt, echoed. The slow path's answers have it.
pub const REASON: &str = "reason";
/// Key: the action.
pub const ACTION: &str = "action";
/// Key: which frames the answer may serve.
pub const SCOPE: &str = "scope";
/// Key: for how long.
pub const LIFETIME: &str = "lifetime";
/// Key: what is to be put right.
pub const FIXES: &str = "fixes";
/// Key: the whole frame of an echo reply.
pub const FRAME: &str = "frame";
/// Key: the reply of an unknown protocol.
pub const REPLY: &str = "reply";

/// Keys of an echo reply's computed fields, each with the largest value it may have, in the order of
/// [`stack::EchoDelta`].
pub const DELTA: [(&str, u16); 4] =
    [("ttl", 255), ("ip_checksum", 65_535), ("icmp_type", 255), ("icmp_checksum", 65_535)];

/// The action of a repair that puts everything right.
pub const REPAIR: &str = "repair";

/// What a prompt asks for, which says what keys its answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// The slow path: choose an action for a class of frames.
    Triage,
    /// The slow path: compute the changed header bytes of an echo reply, or drop the request.
    Ping,
    /// The exam's question about this task.
    Exam(Task),
}

/// What the value of a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The nonce.
    Nonce,
    /// The name of an [`Anomaly`].
    Reason,
    /// The name of one of these.
    Action(&'static [ActionKind]),
    /// [`REPAIR`] or `drop`.
    Verdict,
    /// The name of a [`Scope`].
    Scope,
    /// The name of a [`Lifetime`].
    Lifetime,
    /// The names of different [`Fix`]es.
    Fixes,
    /// An integer from 0 to this.
    Integer(u16),
    /// At most so many bytes, as hex.
    Hex(usize),
}

/// One key of an answer. Every answer has every key of its form: a strict schema knows no optional key.
pub type Key = (&'static str, Kind);

const TRIAGE: &[ActionKind] = &[
    ActionKind::Drop,
    ActionKind::Forward,
    ActionKind::StripTag,
    ActionKind::Decapsulate,
    ActionKind::ClearOptions,
    ActionKind::TimestampReply,
    ActionKind::ParameterProblem,
];
const PING: &[ActionKind] = &[ActionKind::Drop, ActionKind::EchoReply];

impl Form {
    /// Every form.
    pub const ALL: [Self; 7] = [
        Self::Triage,
        Self::Ping,
        Self::Exam(Task::Triage),
        Self::Exam(Task::Repair),
        Self::Exam(Task::PingDelta),
        Self::Exam(Task::PingFull),
        Self::Exam(Task::Example),
    ];

    /// What the slow path asks about a frame of this reason.
    pub const fn of(reason: Anomaly) -> Self {
        if matches!(reason, Anomaly::EchoRequest) { Self::Ping } else { Self::Triage }
    }

    /// The name that `response_format` gives the schema.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Triage => "triage",
            Self::Ping => "ping",
            Self::Exam(task) => task.name(),
        }
    }

    /// The actions that an answer may name.
    pub const fn actions(self) -> &'static [ActionKind] {
        match self {
            Self::Triage | Self::Exam(Task::Triage) => TRIAGE,
            Self::Ping | Self::Exam(Task::PingDelta) => PING,
            Self::Exam(Task::Repair | Task::PingFull | Task::Example) => &[],
        }
    }

    /// Every key of an answer, in the order in which a prompt names them. With `drop` an echo reply's computed
    /// fields are ignored.
    pub const fn keys(self) -> &'static [Key] {
        const NONCE_KEY: Key = (NONCE, Kind::Nonce);
        const REASON_KEY: Key = (REASON, Kind::Reason);
        const fn computed(index: usize) -> Key {
            (DELTA[index].0, Kind::Integer(DELTA[index].1))
        }
        const PING_KEY: Key = (ACTION, Kind::Action(PING));
        const TRIAGE_KEY: Key = (ACTION, Kind::Action(TRIAGE));
        const TTL: Key = computed(0);
        const IP: Key = computed(1);
        const TYPE: Key = computed(2);
        const ICMP: Key = computed(3);
        match self {
            Self::Triage => &[NONCE_KEY, REASON_KEY, TRIAGE_KEY],
            Self::Ping => &[NONCE_KEY, REASON_KEY, PING_KEY, TTL, IP, TYPE, ICMP],
            Self::Exam(Task::Triage) => {
                &[NONCE_KEY, TRIAGE_KEY, (SCOPE, Kind::Scope), (LIFETIME, Kind::Lifetime)]
            }
            Self::Exam(Task::Repair) => &[NONCE_KEY, (ACTION, Kind::Verdict), (FIXES, Kind::Fixes)],
            Self::Exam(Task::PingDelta) => &[NONCE_KEY, PING_KEY, TTL, IP, TYPE, ICMP],
            Self::Exam(Task::PingFull) => &[NONCE_KEY, (FRAME, Kind::Hex(MAX_FRAME))],
            Self::Exam(Task::Example) => &[NONCE_KEY, (REPLY, Kind::Hex(MAX_MESSAGE))],
        }
    }

    /// The JSON schema. It keeps to the subset that every server's strict mode accepts: no bounds, no
    /// patterns, every key required. Bounds and the form of nonce and hex are the decoder's to check.
    pub fn schema(self) -> &'static Value {
        static SCHEMAS: LazyLock<HashMap<Form, Value>> =
            LazyLock::new(|| Form::ALL.into_iter().map(|form| (form, build(form))).collect());
        &SCHEMAS[&self]
    }
}

impl Kind {
    /// The names that a value is chosen from. None where there is no such list, or where it is too long for a
    /// schema.
    pub fn names(self) -> Vec<&'static str> {
        match self {
            Self::Action(actions) => actions.iter().map(|action| action.name()).collect(),
            Self::Verdict => vec![ActionKind::Drop.name(), REPAIR],
            Self::Scope => Scope::ALL.iter().map(|scope| scope.name()).collect(),
            Self::Lifetime => Lifetime::ALL.iter().map(|lifetime| lifetime.name()).collect(),
            Self::Fixes => Fix::ALL.iter().map(|fix| fix.name()).collect(),
            Self::Nonce | Self::Reason | Self::Integer(_) | Self::Hex(_) => Vec::new(),
        }
    }

    /// What a prompt says about it.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Nonce => "the nonce you were given",
            Self::Reason => "the reason you were given",
            Self::Action(_) => "one of the actions offered",
            Self::Verdict => "\"repair\" or \"drop\"",
            Self::Scope => "one of the scopes",
            Self::Lifetime => "one of the lifetimes",
            Self::Fixes => "a list of the names of the fixes; with drop it is []",
            Self::Integer(_) => "a decimal integer",
            Self::Hex(_) => "a string of bytes, each two hex digits, with a space between bytes",
        }
    }

    fn schema(self) -> Value {
        match self {
            Self::Nonce | Self::Reason | Self::Hex(_) => json!({ "type": "string" }),
            Self::Integer(_) => json!({ "type": "integer" }),
            Self::Fixes => {
                json!({ "type": "array", "items": { "type": "string", "enum": self.names() } })
            }
            Self::Action(_) | Self::Verdict | Self::Scope | Self::Lifetime => {
                json!({ "type": "string", "enum": self.names() })
            }
        }
    }
}

fn build(form: Form) -> Value {
    let properties = form.keys().iter().map(|&(name, kind)| (name.to_owned(), kind.schema()));
    json!({
        "type": "object",
        "properties": properties.collect::<Map<_, _>>(),
        "required": form.keys().iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        "additionalProperties": false,
    })
}

/// The actions that make sense for a frame of this reason, right or wrong: what the prompt offers. A
/// hint, and the same for every frame of the reason; approval does not rely on it.
pub const fn offered(reason: Anomaly) -> &'static [ActionKind] {
    use ActionKind::{
        ClearOptions, Decapsulate, Drop, EchoReply, Forward, ParameterProblem, StripTag, TimestampReply,
    };
    match reason {
        Anomaly::VlanPriorityTag => &[Drop, StripTag],
        Anomaly::SnapIpv4 => &[Drop, Decapsulate],
        Anomaly::Ipv4OptionTransit | Anomaly::Ipv4OptionUnknown => &[Drop, Forward, ClearOptions],
        Anomaly::Ipv4TotalLengthShort | Anomaly::Ipv4TotalLengthOverrun | Anomaly::Ipv4OptionMalformed => {
            &[Drop, Forward, ParameterProblem]
        }
        Anomaly::IcmpTimestampRequest => &[Drop, TimestampReply],
        Anomaly::EchoRequest => &[Drop, EchoReply],
        _ => &[Drop, Forward],
    }
}

/// What the exam's triage offers: [`offered`], but an echo request is forwarded to the local host, since its class
/// alone computes no reply.
pub const fn offered_in_exam(reason: Anomaly) -> &'static [ActionKind] {
    match reason {
        Anomaly::EchoRequest => &[ActionKind::Drop, ActionKind::Forward],
        _ => offered(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_lists_every_key_and_every_name() {
        for form in Form::ALL {
            let schema = form.schema();
            let properties = schema["properties"].as_object().unwrap();
            assert_eq!(properties.len(), form.keys().len());
            assert_eq!(schema["required"].as_array().unwrap().len(), properties.len());
            assert_eq!(form.keys()[0].0, NONCE, "every answer echoes the nonce");
            for &(key, kind) in form.keys() {
                let property = &properties[key];
                let names = if kind == Kind::Fixes { &property["items"] } else { property };
                assert_eq!(names.get("enum").map_or(0, |e| e.as_array().unwrap().len()), kind.names().len());
            }
            assert_eq!(schema["additionalProperties"], false);
            // OpenAI's limits for the name.
            assert!(form.name().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        }
        let names = |form: Form, key: &str| form.schema()["properties"][key]["enum"].clone();
        assert_eq!(names(Form::Triage, ACTION).as_array().unwrap().len(), 7);
        assert_eq!(names(Form::Exam(Task::Triage), SCOPE), json!(["frame", "flow", "source", "class"]));
        assert_eq!(names(Form::Exam(Task::Repair), ACTION), json!(["drop", "repair"]));
    }

    #[test]
    fn the_exam_has_a_form_for_every_task() {
        assert!(Task::ALL.into_iter().all(|task| Form::ALL.contains(&Form::Exam(task))));
    }

    #[test]
    fn whatever_may_be_approved_is_offered() {
        for &reason in Anomaly::ALL {
            for posture in stack::Posture::ALL {
                let granted = stack::answer::granted(reason, posture);
                assert!(granted.iter().all(|action| offered(reason).contains(action)), "{reason}");
            }
        }
    }

    #[test]
    fn every_offered_action_is_in_the_reasons_schema() {
        for &reason in Anomaly::ALL {
            let form = Form::of(reason);
            assert!(offered(reason).iter().all(|action| form.actions().contains(action)), "{reason}");
            assert!(offered(reason).contains(&ActionKind::Drop));
            let exam = offered_in_exam(reason);
            assert!(exam.iter().all(|action| Form::Exam(Task::Triage).actions().contains(action)));
            assert!(!reason.must_pass() || exam.contains(&ActionKind::Forward), "{reason}");
        }
        let inject = Form::ALL.iter().any(|form| form.actions().contains(&ActionKind::Inject));
        assert!(!inject, "no general model composes frames for the slow path");
    }
}
