//! What a packet of a recording says: a frame in, a frame out, or another call of the router.
//!
//! Calls are JSON texts in Wireshark's own envelope (`LINKTYPE_WIRESHARK_UPPER_PDU`), so that it shows them in order
//! between the frames.

use crate::hex::{hex, unhex};
use crate::rules::{Names, Problem, RuleForm, Times, form_of, spec_from};
use llm_slowpath::{OwnedAction, OwnedAnswer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use stack::answer::{Advice, Lifetime, Scope};
use stack::rules::{RuleId, RuleRefusal};
use stack::{
    Action, ActionKind, Anomaly, Answer, DivertId, EchoDelta, Origin, PortId, Rejection, RuleSpec, Source,
    Witness,
};
use std::borrow::Cow;

/// The envelope's only tag, 12, names the dissector (Wireshark `exported_pdu.h`); a tag 0 ends it.
pub(super) const ENVELOPE: [u8; 16] = *b"\0\x0c\0\x08json\0\0\0\0\0\0\0\0";

/// One packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// `Router::handle_frame` was given this frame.
    Received { port: PortId, frame: Vec<u8> },
    /// It said to send the frame on at once, like this.
    Forwarded { port: PortId, frame: Vec<u8> },
    /// `Router::poll_transmit` gave this frame. Its origin is [`origin`]'s text.
    Transmitted { port: PortId, origin: String, frame: Vec<u8> },
    /// Anything else.
    Call(Call),
}

/// A call of the router that neither takes nor gives a frame for a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Call {
    HandleTimeout,
    /// It gave a frame for the slow path.
    PollDivert {
        id: Id,
        nonce: u32,
        reason: String,
        len: usize,
    },
    Abandon {
        id: Id,
    },
    Approve {
        answer: Box<Said>,
        outcome: String,
    },
    /// Of what was approved last.
    Apply {
        outcome: String,
    },
    /// The port was full for what `poll_transmit` gave last.
    Unsent,
    /// The port was full for what was forwarded last.
    Unforwarded {
        received_len: usize,
        sent_len: usize,
    },
    /// The rule has numbers for names, and the run's own times.
    InstallRule {
        rule: Box<RuleForm>,
        outcome: String,
    },
    PinRule {
        rule: u32,
        pinned: bool,
        found: bool,
    },
    RevokeRule {
        rule: u32,
        found: bool,
    },
    FlushRules {
        flushed: usize,
    },
    /// The run's end, with a hash of the counters.
    End {
        counters: String,
    },
}

/// How an approval, or an application, ended.
pub(super) fn outcome<T>(result: &Result<T, Rejection>) -> String {
    result.as_ref().map_or_else(|rejection| rejection.name(), |_| "ok").into()
}

/// How an installation ended.
pub(super) fn installed(result: &Result<RuleId, RuleRefusal>) -> String {
    match result {
        Ok(id) => format!("rule {id}"),
        Err(refusal) => refusal.name().into(),
    }
}

/// A rule, as text.
pub(super) fn rule_text(spec: &RuleSpec) -> Box<RuleForm> {
    Box::new(form_of(spec, &Names::Numbers, &Times::OF_RUN))
}

/// The rule again.
///
/// # Errors
/// What is no part of any rule.
pub(super) fn rule(form: &RuleForm) -> Result<RuleSpec, Problem> {
    spec_from(form, &mut Names::Numbers, &Times::OF_RUN)
}

/// Where a transmitted frame comes from.
pub(super) fn origin(origin: Origin) -> Cow<'static, str> {
    match origin {
        Origin::Forwarded { path, .. } => format!("forwarded {}", path.name()).into(),
        Origin::Fragment => "fragment".into(),
        Origin::Originated => "originated".into(),
        Origin::Injected(id) => format!("injected {id}").into(),
        Origin::Ruled(id) => format!("rule {id}").into(),
    }
}

/// A [`DivertId`] as it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id(pub(super) DivertId);

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed = text.split_once('.').and_then(|(slot, generation)| {
            Some(DivertId { slot: slot.parse().ok()?, generation: generation.parse().ok()? })
        });
        parsed.map(Self).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is no id")))
    }
}

/// An answer, as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    id: Id,
    nonce: u32,
    reason: String,
    source: String,
    action: String,
    /// Of an echo reply: TTL, IPv4 checksum, ICMP type, ICMP checksum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delta: Option<(u8, u16, u8, u16)>,
    /// Of an injection: port, and the frame in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inject: Option<(u8, String)>,
    /// Scope and lifetime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    advice: Option<(String, String)>,
    /// Backend, and the hash of the prompt in hexadecimal.
    witness: (u16, String),
}

const MODEL: &str = "model";
const CACHE: &str = "cache";

impl Said {
    pub(super) fn of(answer: &Answer<'_>) -> Self {
        let (mut delta, mut inject) = (None, None);
        match answer.action {
            Action::EchoReply(d) => delta = Some((d.ttl, d.ip_checksum, d.icmp_type, d.icmp_checksum)),
            Action::Inject { port, frame } => inject = Some((port.0, hex(frame))),
            Action::Drop
            | Action::Forward
            | Action::StripTag
            | Action::Decapsulate
            | Action::ClearOptions
            | Action::TimestampReply
            | Action::ParameterProblem => {}
        }
        let source = match answer.source {
            Source::Model => MODEL,
            Source::Cache => CACHE,
        };
        Self {
            id: Id(answer.id),
            nonce: answer.nonce,
            reason: answer.reason.name().into(),
            source: source.into(),
            action: answer.action.kind().name().into(),
            delta,
            inject,
            advice: answer.advice.map(|said| (said.scope.name().into(), said.lifetime.name().into())),
            witness: (answer.witness.backend, format!("{:016x}", answer.witness.prompt)),
        }
    }

    /// The answer again.
    ///
    /// # Errors
    /// What is no part of any answer.
    pub(super) fn answer(&self) -> Result<OwnedAnswer, String> {
        let reason =
            Anomaly::from_name(&self.reason).ok_or_else(|| format!("`{}` is no reason", self.reason))?;
        let source = match self.source.as_str() {
            MODEL => Source::Model,
            CACHE => Source::Cache,
            other => return Err(format!("`{other}` is no source of answers")),
        };
        let kind =
            ActionKind::from_name(&self.action).ok_or_else(|| format!("`{}` is no action", self.action))?;
        let action = match (kind, &self.delta, &self.inject) {
            (ActionKind::EchoReply, Some((ttl, ip_checksum, icmp_type, icmp_checksum)), None) => {
                OwnedAction::EchoReply(EchoDelta {
                    ttl: *ttl,
                    ip_checksum: *ip_checksum,
                    icmp_type: *icmp_type,
                    icmp_checksum: *icmp_checksum,
                })
            }
            (ActionKind::Inject, None, Some((port, frame))) => {
                let frame = unhex(frame).ok_or("the injected frame is not hexadecimal")?;
                OwnedAction::Inject { port: PortId(*port), frame }
            }
            (kind, None, None) if kind.symbolic().is_some() => OwnedAction::Symbolic(kind),
            _ => return Err(format!("the bytes do not belong to the action `{kind}`")),
        };
        let advice = match &self.advice {
            None => None,
            Some((scope, lifetime)) => {
                let advice = Scope::from_name(scope).zip(Lifetime::from_name(lifetime));
                let (scope, lifetime) = advice.ok_or_else(|| format!("`{scope} {lifetime}` is no advice"))?;
                Some(Advice { scope, lifetime })
            }
        };
        let (backend, prompt) = &self.witness;
        let prompt =
            u64::from_str_radix(prompt, 16).map_err(|_| format!("`{prompt}` is no prompt's hash"))?;
        let witness = Witness { backend: *backend, prompt };
        Ok(OwnedAnswer { id: self.id.0, nonce: self.nonce, reason, action, source, advice, witness })
    }
}
