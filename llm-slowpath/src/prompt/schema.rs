//! The action language as JSON: the one list of keys and values that prompt, `response_format` and
//! decoder share.

use serde_json::{Value, json};
use stack::{ActionKind, Anomaly};
use std::sync::LazyLock;

/// Key: the nonce of the prompt, echoed as 8 hex digits.
pub const NONCE: &str = "nonce";
/// Key: the reason of the prompt, echoed.
pub const REASON: &str = "reason";
/// Key: the action.
pub const ACTION: &str = "action";

/// Keys of an echo reply's computed fields, each with the largest value it may have, in the order of
/// [`stack::EchoDelta`].
pub const DELTA: [(&str, u16); 4] =
    [("ttl", 255), ("ip_checksum", 65_535), ("icmp_type", 255), ("icmp_checksum", 65_535)];

/// What a prompt asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// Choose an action for a class of frames.
    Triage,
    /// Compute the changed header bytes of an echo reply, or drop the request.
    Ping,
}

impl Task {
    /// The task that a reason sets.
    pub const fn of(reason: Anomaly) -> Self {
        if matches!(reason, Anomaly::EchoRequest) { Self::Ping } else { Self::Triage }
    }

    /// The name that `response_format` gives the schema.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Triage => "triage",
            Self::Ping => "ping",
        }
    }

    /// The actions that an answer may name.
    pub const fn actions(self) -> &'static [ActionKind] {
        match self {
            Self::Triage => &[
                ActionKind::Drop,
                ActionKind::Forward,
                ActionKind::StripTag,
                ActionKind::Decapsulate,
                ActionKind::ClearOptions,
                ActionKind::TimestampReply,
                ActionKind::ParameterProblem,
            ],
            Self::Ping => &[ActionKind::Drop, ActionKind::EchoReply],
        }
    }

    /// The computed fields, which every answer to this task holds: with `drop` they are ignored, since
    /// a strict schema knows no optional key.
    pub const fn delta(self) -> &'static [(&'static str, u16)] {
        match self {
            Self::Triage => &[],
            Self::Ping => &DELTA,
        }
    }

    /// The largest value of the computed field `key`, if the task has such a field.
    pub fn limit(self, key: &str) -> Option<u16> {
        self.delta().iter().find(|(name, _)| *name == key).map(|&(_, max)| max)
    }

    /// The JSON schema. It keeps to the subset that every server's strict mode accepts: no bounds, no
    /// patterns, every key required. Bounds and the form of the nonce are the decoder's to check.
    pub fn schema(self) -> &'static Value {
        static TRIAGE: LazyLock<Value> = LazyLock::new(|| build(Task::Triage));
        static PING: LazyLock<Value> = LazyLock::new(|| build(Task::Ping));
        match self {
            Self::Triage => &TRIAGE,
            Self::Ping => &PING,
        }
    }

    /// Every key of an answer.
    pub fn keys(self) -> impl Iterator<Item = &'static str> {
        [NONCE, REASON, ACTION].into_iter().chain(self.delta().iter().map(|&(name, _)| name))
    }
}

fn build(task: Task) -> Value {
    let names: Vec<&str> = task.actions().iter().map(|action| action.name()).collect();
    let mut properties = json!({
        NONCE: { "type": "string" },
        REASON: { "type": "string" },
        ACTION: { "type": "string", "enum": names },
    });
    for (name, _) in task.delta() {
        properties[*name] = json!({ "type": "integer" });
    }
    json!({
        "type": "object",
        "properties": properties,
        "required": task.keys().collect::<Vec<_>>(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_lists_what_the_decoder_knows() {
        for task in [Task::Triage, Task::Ping] {
            let schema = task.schema();
            let properties = schema["properties"].as_object().unwrap();
            assert_eq!(properties.len(), task.keys().count());
            assert_eq!(schema["required"].as_array().unwrap().len(), properties.len());
            for key in task.keys() {
                assert!(properties.contains_key(key), "{key}");
            }
            assert_eq!(schema["additionalProperties"], false);
        }
        assert_eq!(Task::Triage.schema()["properties"]["action"]["enum"].as_array().unwrap().len(), 7);
        assert_eq!(Task::Ping.limit("ttl"), Some(255));
        assert_eq!(Task::Triage.limit("ttl"), None);
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
            let task = Task::of(reason);
            assert!(offered(reason).iter().all(|action| task.actions().contains(action)), "{reason}");
            assert!(offered(reason).contains(&ActionKind::Drop));
        }
        let inject =
            [Task::Triage, Task::Ping].iter().any(|task| task.actions().contains(&ActionKind::Inject));
        assert!(!inject, "no general model composes frames");
    }
}
