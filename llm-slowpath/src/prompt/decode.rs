//! Model text to an answer's parts: strict JSON of the action language, or an error that says what is
//! wrong with it.
//!
//! The nonce and the reason are only read here; whether they are the right ones is for
//! `Router::approve` to judge, since this side of the boundary could be wrong about them too.

use super::schema::{ACTION, DELTA, NONCE, REASON, Task};
use crate::answer::OwnedAction;
use crate::error::quote::quote;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use stack::{ActionKind, Anomaly, EchoDelta};

/// Longest text that is read: no answer comes near it.
pub const MAX_TEXT: usize = 4096;

/// What a model's text says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The nonce, as the model echoed it.
    pub nonce: u32,
    /// The reason, as the model echoed it.
    pub reason: Anomaly,
    /// The action.
    pub action: OwnedAction,
}

/// What is wrong with a model's text. Quotations are escaped and cut.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than [`MAX_TEXT`].
    #[error("{0} bytes of text, more than any answer has")]
    TooLong(usize),
    /// Nothing but white space.
    #[error("no text")]
    Empty,
    /// The JSON stands in a Markdown code fence.
    #[error("the JSON stands in a Markdown fence")]
    Fenced,
    /// Not JSON, or text before it.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// JSON, but no object.
    #[error("the answer is no JSON object")]
    NotAnObject,
    /// Something follows the object.
    #[error("text follows the JSON object")]
    TrailingText,
    /// A key occurs twice.
    #[error("the key `{0}` occurs twice")]
    DuplicateKey(String),
    /// A key that the task does not have.
    #[error("unknown key `{0}`")]
    UnknownKey(String),
    /// A key that the task asks for is missing.
    #[error("the key `{0}` is missing")]
    MissingKey(&'static str),
    /// A value of another type than the schema says.
    #[error("`{key}` is not {expected}")]
    WrongType {
        /// The key.
        key: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// An integer that its field cannot hold.
    #[error("`{key}` is {value}, not 0 to {max}")]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// What the model wrote.
        value: String,
        /// The largest value.
        max: u16,
    },
    /// The nonce is not 8 lower-case hex digits.
    #[error("the nonce `{0}` is not 8 hex digits")]
    BadNonce(String),
    /// No anomaly has this name.
    #[error("unknown reason `{0}`")]
    UnknownReason(String),
    /// The task has no such action.
    #[error("unknown action `{0}`")]
    UnknownAction(String),
}

/// Reads the answer to a prompt of `task`.
///
/// # Errors
/// Whatever is not exactly one object of the task's schema.
pub fn decode(task: Task, text: &str) -> Result<Decoded, DecodeError> {
    if text.len() > MAX_TEXT {
        return Err(DecodeError::TooLong(text.len()));
    }
    let mut keys = Keys { task, entries: entries(text)? };
    keys.check()?;
    let nonce = nonce(&keys.string(NONCE)?)?;
    let reason = keys.string(REASON)?;
    let reason = Anomaly::from_name(&reason).ok_or_else(|| DecodeError::UnknownReason(quote(&reason)))?;
    let name = keys.string(ACTION)?;
    let kind = ActionKind::from_name(&name)
        .filter(|kind| task.actions().contains(kind))
        .ok_or_else(|| DecodeError::UnknownAction(quote(&name)))?;
    // Read whatever the action is: a wrong number beside `drop` is a wrong answer too.
    let delta = match task {
        Task::Triage => None,
        Task::Ping => Some(keys.delta()?),
    };
    let action = match (kind, delta) {
        (ActionKind::EchoReply, Some(delta)) => OwnedAction::EchoReply(delta),
        (kind, _) => OwnedAction::Symbolic(kind),
    };
    Ok(Decoded { nonce, reason, action })
}

fn entries(text: &str) -> Result<Vec<(String, Value)>, DecodeError> {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    match text.as_bytes() {
        [] => return Err(DecodeError::Empty),
        [b'`', ..] => return Err(DecodeError::Fenced),
        [b'{', ..] => {}
        _ if serde_json::from_str::<Value>(text).is_ok() => return Err(DecodeError::NotAnObject),
        _ => return Err(DecodeError::NotJson(format!("it starts with `{}`", start(text)))),
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    // serde_json's own message names the place and what it expected there, never the text.
    let Entries(entries) =
        Entries::deserialize(&mut reader).map_err(|error| DecodeError::NotJson(quote(&error.to_string())))?;
    reader.end().map_err(|_| DecodeError::TrailingText)?;
    Ok(entries)
}

fn start(text: &str) -> String {
    quote(&text.chars().take(12).collect::<String>())
}

fn nonce(text: &str) -> Result<u32, DecodeError> {
    let form = text.len() == 8 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    u32::from_str_radix(text, 16).ok().filter(|_| form).ok_or_else(|| DecodeError::BadNonce(quote(text)))
}

/// The entries of an object that are still to be read.
struct Keys {
    task: Task,
    entries: Vec<(String, Value)>,
}

impl Keys {
    /// Before any value is read: is each key the task's, and there once?
    fn check(&self) -> Result<(), DecodeError> {
        for (index, (key, _)) in self.entries.iter().enumerate() {
            if !self.task.keys().any(|known| known == key) {
                return Err(DecodeError::UnknownKey(quote(key)));
            }
            if self.entries[..index].iter().any(|(earlier, _)| earlier == key) {
                return Err(DecodeError::DuplicateKey(quote(key)));
            }
        }
        Ok(())
    }

    fn take(&mut self, key: &'static str) -> Result<Value, DecodeError> {
        let at = self.entries.iter().position(|(name, _)| name == key).ok_or(DecodeError::MissingKey(key))?;
        Ok(self.entries.swap_remove(at).1)
    }

    fn string(&mut self, key: &'static str) -> Result<String, DecodeError> {
        match self.take(key)? {
            Value::String(text) => Ok(text),
            _ => Err(DecodeError::WrongType { key, expected: "a string" }),
        }
    }

    fn integer(&mut self, (key, max): (&'static str, u16)) -> Result<u16, DecodeError> {
        match self.take(key)? {
            Value::Number(number) if number.is_i64() || number.is_u64() => number
                .as_u64()
                .and_then(|value| u16::try_from(value).ok())
                .filter(|&value| value <= max)
                .ok_or_else(|| DecodeError::OutOfRange { key, value: number.to_string(), max }),
            _ => Err(DecodeError::WrongType { key, expected: "an integer" }),
        }
    }

    fn delta(&mut self) -> Result<EchoDelta, DecodeError> {
        let [ttl, ip_checksum, icmp_type, icmp_checksum] = DELTA.map(|field| self.integer(field));
        // The limits of `DELTA` make the two narrow fields fit.
        Ok(EchoDelta {
            ttl: ttl? as u8,
            ip_checksum: ip_checksum?,
            icmp_type: icmp_type? as u8,
            icmp_checksum: icmp_checksum?,
        })
    }
}

/// An object's entries in order, duplicates included, which `serde_json::Map` would hide.
struct Entries(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Entries;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
