//! One JSON object, read key by key: each known key once, each value of its type, nothing left over.

use super::DecodeError;
use crate::error::quote::quote;
use crate::prompt::schema::{Form, Kind};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// An object's entries that are still to be read.
pub(super) struct Object(Vec<(String, Value)>);

impl Object {
    /// Text that is an object and nothing else.
    pub(super) fn read(text: &str) -> Result<Self, DecodeError> {
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
        let Entries(entries) = Entries::deserialize(&mut reader)
            .map_err(|error| DecodeError::NotJson(quote(&error.to_string())))?;
        reader.end().map_err(|_| DecodeError::TrailingText)?;
        Ok(Self(entries))
    }

    /// Before any value is read: is each key the form's, and there once?
    pub(super) fn check(&self, form: Form) -> Result<(), DecodeError> {
        for (index, (key, _)) in self.0.iter().enumerate() {
            if !form.keys().iter().any(|(known, _)| known == key) {
                return Err(DecodeError::UnknownKey(quote(key)));
            }
            if self.0[..index].iter().any(|(earlier, _)| earlier == key) {
                return Err(DecodeError::DuplicateKey(quote(key)));
            }
        }
        Ok(())
    }

    fn take(&mut self, key: &'static str) -> Result<Value, DecodeError> {
        let at = self.0.iter().position(|(name, _)| name == key).ok_or(DecodeError::MissingKey(key))?;
        Ok(self.0.swap_remove(at).1)
    }

    pub(super) fn string(&mut self, key: &'static str) -> Result<String, DecodeError> {
        match self.take(key)? {
            Value::String(text) => Ok(text),
            _ => Err(DecodeError::WrongType { key, expected: "a string" }),
        }
    }

    /// A name that `known` knows.
    pub(super) fn name<T>(
        &mut self,
        key: &'static str,
        kind: Kind,
        known: impl Fn(&str) -> Option<T>,
    ) -> Result<T, DecodeError> {
        let name = self.string(key)?;
        known(&name).ok_or_else(|| unknown(key, &name, kind))
    }

    /// A list of such names.
    pub(super) fn names<T>(
        &mut self,
        key: &'static str,
        kind: Kind,
        known: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, DecodeError> {
        let Value::Array(values) = self.take(key)? else {
            return Err(DecodeError::WrongType { key, expected: "a list of strings" });
        };
        let read = |value: &Value| {
            let name = value.as_str().ok_or(DecodeError::WrongType { key, expected: "a list of strings" })?;
            known(name).ok_or_else(|| unknown(key, name, kind))
        };
        values.iter().map(read).collect()
    }

    pub(super) fn integer(&mut self, (key, max): (&'static str, u16)) -> Result<u16, DecodeError> {
        match self.take(key)? {
            Value::Number(number) if number.is_i64() || number.is_u64() => number
                .as_u64()
                .and_then(|value| u16::try_from(value).ok())
                .filter(|&value| value <= max)
                .ok_or_else(|| DecodeError::OutOfRange { key, value: number.to_string(), max }),
            _ => Err(DecodeError::WrongType { key, expected: "an integer" }),
        }
    }

    /// At most `max` bytes in hex, of either case. Bytes may stand together, but never parted in the middle.
    pub(super) fn hex(&mut self, key: &'static str, max: usize) -> Result<Vec<u8>, DecodeError> {
        let text = self.string(key)?;
        let bad = || DecodeError::BadHex { key, value: quote(&text) };
        let mut bytes = Vec::new();
        for word in text.split(' ').filter(|_| !text.is_empty()) {
            let (pairs, []) = word.as_bytes().as_chunks::<2>() else { return Err(bad()) };
            if pairs.is_empty() {
                return Err(bad());
            }
            for pair in pairs {
                bytes.push(byte(*pair).ok_or_else(bad)?);
            }
        }
        if bytes.len() > max {
            return Err(DecodeError::TooManyBytes { key, len: bytes.len(), max });
        }
        Ok(bytes)
    }
}

fn byte(pair: [u8; 2]) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    Some(digit(pair[0])? << 4 | digit(pair[1])?)
}

fn unknown(key: &'static str, name: &str, kind: Kind) -> DecodeError {
    DecodeError::UnknownName { key, value: quote(name), expected: kind.meaning() }
}

fn start(text: &str) -> String {
    quote(&text.chars().take(12).collect::<String>())
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
