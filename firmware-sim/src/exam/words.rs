//! Wrong answers in words, for people.

use super::examinee::NoAnswer;
use super::items::Question;
use crate::hex::hex;
use llm_slowpath::prompt::tokens;
use llm_slowpath::{Said, Spoken};
use pktgen::tasks::{self, Right};
use serde::Serialize;
use stack::answer::{Advice, Fixes};
use stack::{ActionKind, EchoDelta};

/// A wrong answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Wrong {
    /// Task and source.
    pub part: String,
    /// What was asked.
    pub question: String,
    /// What was said.
    pub said: String,
    /// What is right.
    pub right: String,
    /// How sure the examinee was, if it says.
    pub probability: Option<f32>,
}

/// Puts a wrong answer into words.
pub(super) fn wrong(question: &Question, said: &Result<Spoken, NoAnswer>) -> Wrong {
    let part = format!("{}, {}", question.part.task.name(), question.part.source.name());
    let (said, probability) = match said {
        Ok(spoken) => (self::said(&spoken.said, &question.item.right), spoken.probability),
        Err(NoAnswer::Unasked) => ("nothing: the question cannot be put to it".into(), None),
        Err(NoAnswer::Unusable(what) | NoAnswer::Failed(what)) => (format!("no answer: {what}"), None),
    };
    Wrong {
        part,
        question: asked(&question.item.question),
        said,
        right: right(&question.item.right),
        probability,
    }
}

fn asked(question: &tasks::Question) -> String {
    let spell = |prompt: tokens::Prompt| {
        let names: Vec<String> = prompt.tokens().iter().map(|&token| tokens::name(token)).collect();
        names.join(" ")
    };
    match question {
        tasks::Question::Triage(key) => spell(tokens::triage_prompt(key)),
        tasks::Question::Repair { allowed, faults } => spell(tokens::repair_prompt(*allowed, faults)),
        tasks::Question::PingDelta(frame) | tasks::Question::PingFull(frame) => hex(frame),
        tasks::Question::Example { exchanges, request } => {
            let pair = |(request, reply): &(Vec<u8>, Vec<u8>)| format!("{} -> {}", hex(request), hex(reply));
            let shown: Vec<String> = exchanges.iter().map(pair).collect();
            format!("{}; {} -> ?", shown.join("; "), hex(request))
        }
    }
}

fn right(right: &Right) -> String {
    match right {
        Right::Triage(kind, advice) => triage(*kind, Some(*advice)),
        Right::Repair(fixes) => repair(*fixes),
        Right::PingDelta(delta) => self::delta(*delta),
        Right::PingFull(reply) => hex(reply),
        Right::Example { reply, .. } => hex(reply),
    }
}

fn said(said: &Said, right: &Right) -> String {
    match (said, right) {
        (Said::Triage(kind, advice), _) => triage(*kind, *advice),
        (Said::Repair(fixes), _) => repair(*fixes),
        (Said::PingDelta(delta), _) => self::delta(*delta),
        (Said::PingFull(frame), Right::PingFull(reply)) if frame.len() == reply.len() => {
            let differs: Vec<String> =
                (0..reply.len()).filter(|&at| frame[at] != reply[at]).map(|at| at.to_string()).collect();
            format!("{} (wrong bytes: {})", hex(frame), differs.join(", "))
        }
        (Said::PingFull(frame), _) => format!("{} ({} bytes)", hex(frame), frame.len()),
        (Said::Example(Some(reply)), _) => hex(reply),
        (Said::Example(None), _) => "what makes no reply".into(),
    }
}

fn triage(kind: ActionKind, advice: Option<Advice>) -> String {
    let advice = advice.map(|advice| format!(", scope {}, lifetime {}", advice.scope, advice.lifetime));
    format!("{kind}{}", advice.unwrap_or_default())
}

fn repair(fixes: Option<Fixes>) -> String {
    let names = |fixes: Fixes| fixes.iter().map(stack::answer::Fix::name).collect::<Vec<_>>().join(" + ");
    fixes.map_or("drop".into(), names)
}

fn delta(delta: Option<EchoDelta>) -> String {
    let Some(EchoDelta { ttl, ip_checksum, icmp_type, icmp_checksum }) = delta else { return "drop".into() };
    format!(
        "ttl {ttl}, IPv4 checksum {ip_checksum:04x}, ICMP type {icmp_type}, ICMP checksum {icmp_checksum:04x}"
    )
}
