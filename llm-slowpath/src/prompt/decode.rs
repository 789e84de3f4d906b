//! Model text to an answer's parts: strict JSON of the action language, or an error that says what is
//! wrong with it, and what would be right.
//!
//! The nonce and the reason are only read here; whether they are the right ones is for
//! `Router::approve` to judge, since this side of the boundary could be wrong about them too.

mod object;

use super::schema::{ACTION, DELTA, FIXES, FRAME, Form, Kind, LIFETIME, NONCE, REASON, REPAIR, REPLY, SCOPE};
use super::tokens::Task;
use super::tokens::ping::MAX_FRAME;
use crate::error::quote::quote;
use crate::question::Said;
use object::Object;
use stack::answer::template::MAX_MESSAGE;
use stack::answer::{Advice, Fix, Fixes, Lifetime, Scope};
use stack::{ActionKind, Anomaly, EchoDelta};

/// Longest text that is read: no answer comes near it.
pub const MAX_TEXT: usize = 4096;

/// What a model's text says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The nonce, as the model echoed it.
    pub nonce: u32,
    /// The reason, as the model echoed it; `None` where the form does not ask for it.
    pub reason: Option<Anomaly>,
    /// The answer.
    pub said: Said,
}

/// What is wrong with a model's text, and what would be right. Quotations are escaped and cut.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than [`MAX_TEXT`].
    #[error("{0} bytes of text, more than any answer has: write the JSON object alone")]
    TooLong(usize),
    /// Nothing but white space.
    #[error("no text: write one JSON object")]
    Empty,
    /// The JSON stands in a Markdown code fence.
    #[error("the JSON stands in a Markdown fence: write it bare")]
    Fenced,
    /// Not JSON, or text before it.
    #[error("not JSON: {0}: write one JSON object and nothing else")]
    NotJson(String),
    /// JSON, but no object.
    #[error("the answer is no JSON object: write one with the keys that the prompt names")]
    NotAnObject,
    /// Something follows the object.
    #[error("text follows the JSON object: leave it out")]
    TrailingText,
    /// A key occurs twice.
    #[error("the key `{0}` occurs twice: write it once")]
    DuplicateKey(String),
    /// A key that the form does not have.
    #[error("unknown key `{0}`: leave it out")]
    UnknownKey(String),
    /// A key that the form asks for is missing.
    #[error("the key `{0}` is missing: every key that the prompt names must be there")]
    MissingKey(&'static str),
    /// A value of another type than the schema says.
    #[error("the value of `{key}` is not {expected}: write {expected}")]
    WrongType {
        /// The key.
        key: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// An integer that its field cannot hold.
    #[error("`{key}` is {value}: write an integer from 0 to {max}")]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// What the model wrote.
        value: String,
        /// The largest value.
        max: u16,
    },
    /// The nonce is not 8 lower-case hex digits.
    #[error("`nonce` is `{0}`: write the prompt's 8 hex digits")]
    BadNonce(String),
    /// The nonce is that of another prompt. Only the exam looks: in the slow path `Router::approve` does.
    #[error("`nonce` is `{said:08x}`: write that of the prompt, `{given:08x}`")]
    WrongNonce {
        /// What the model wrote.
        said: u32,
        /// What the prompt holds.
        given: u32,
    },
    /// A name that is not among those of the key.
    #[error("`{key}` is `{value}`: write {expected}")]
    UnknownName {
        /// The key.
        key: &'static str,
        /// What the model wrote.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A list names something twice.
    #[error("`{key}` names `{value}` twice: name it once")]
    DuplicateName {
        /// The key.
        key: &'static str,
        /// What it names.
        value: &'static str,
    },
    /// Fixes beside the action `drop`.
    #[error("`fixes` is not empty, but `action` is `drop`: write [], or the action `repair`")]
    FixesOfADrop,
    /// Something other than bytes in hex.
    #[error("`{key}` is `{value}`: write bytes, each two hex digits, with a space between bytes")]
    BadHex {
        /// The key.
        key: &'static str,
        /// What the model wrote.
        value: String,
    },
    /// More bytes than any answer to the task has.
    #[error("`{key}` has {len} bytes: write at most {max}")]
    TooManyBytes {
        /// The key.
        key: &'static str,
        /// How many the model wrote.
        len: usize,
        /// How many there can be.
        max: usize,
    },
}

/// Reads the answer to a prompt of this form.
///
/// # Errors
/// Whatever is not exactly one object with the form's keys.
pub fn decode(form: Form, text: &str) -> Result<Decoded, DecodeError> {
    if text.len() > MAX_TEXT {
        return Err(DecodeError::TooLong(text.len()));
    }
    let mut object = Object::read(text)?;
    object.check(form)?;
    let nonce = nonce(&object.string(NONCE)?)?;
    let reason = match form {
        Form::Triage | Form::Ping => Some(object.name(REASON, Kind::Reason, Anomaly::from_name)?),
        Form::Exam(_) => None,
    };
    let said = match form {
        Form::Triage => Said::Triage(action(&mut object, form)?, None),
        Form::Exam(Task::Triage) => {
            let kind = action(&mut object, form)?;
            let scope = object.name(SCOPE, Kind::Scope, Scope::from_name)?;
            let lifetime = object.name(LIFETIME, Kind::Lifetime, Lifetime::from_name)?;
            Said::Triage(kind, Some(Advice { scope, lifetime }))
        }
        Form::Ping | Form::Exam(Task::PingDelta) => {
            let kind = action(&mut object, form)?;
            // Read whatever the action is: a wrong number beside `drop` is a wrong answer too.
            let delta = delta(&mut object)?;
            Said::PingDelta((kind == ActionKind::EchoReply).then_some(delta))
        }
        Form::Exam(Task::Repair) => repair(&mut object)?,
        Form::Exam(Task::PingFull) => Said::PingFull(object.hex(FRAME, MAX_FRAME)?),
        Form::Exam(Task::Example) => Said::Example(Some(object.hex(REPLY, MAX_MESSAGE)?)),
    };
    Ok(Decoded { nonce, reason, said })
}

fn nonce(text: &str) -> Result<u32, DecodeError> {
    let form = text.len() == 8 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    u32::from_str_radix(text, 16).ok().filter(|_| form).ok_or_else(|| DecodeError::BadNonce(quote(text)))
}

fn action(object: &mut Object, form: Form) -> Result<ActionKind, DecodeError> {
    let among = |name: &str| ActionKind::from_name(name).filter(|kind| form.actions().contains(kind));
    object.name(ACTION, Kind::Action(form.actions()), among)
}

fn delta(object: &mut Object) -> Result<EchoDelta, DecodeError> {
    let [ttl, ip_checksum, icmp_type, icmp_checksum] = DELTA.map(|field| object.integer(field));
    // The limits of `DELTA` make the two narrow fields fit.
    Ok(EchoDelta {
        ttl: ttl? as u8,
        ip_checksum: ip_checksum?,
        icmp_type: icmp_type? as u8,
        icmp_checksum: icmp_checksum?,
    })
}

fn repair(object: &mut Object) -> Result<Said, DecodeError> {
    let drop = ActionKind::Drop.name();
    let repairs = object.name(ACTION, Kind::Verdict, |name| match name {
        REPAIR => Some(true),
        _ => (name == drop).then_some(false),
    })?;
    let mut fixes = Fixes::NONE;
    for fix in object.names(FIXES, Kind::Fixes, Fix::from_name)? {
        if fixes.contains(fix) {
            return Err(DecodeError::DuplicateName { key: FIXES, value: fix.name() });
        }
        fixes = fixes.with(fix);
    }
    match repairs {
        true => Ok(Said::Repair(Some(fixes))),
        false if fixes == Fixes::NONE => Ok(Said::Repair(None)),
        false => Err(DecodeError::FixesOfADrop),
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
