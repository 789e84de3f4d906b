//! Rules as a text: what is kept from one run to the next, exported and imported. JSON with a version and a checksum.

use super::decode::{Problem, check, form_from, spec_from};
use super::form::RuleForm;
use super::names::Names;
use super::seconds::{Seconds, Times};
use crate::recording::fnv;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use smoltcp::time::Duration;
use stack::rules::{RuleSpec, Tally};
use std::fmt;

/// What this program writes and reads.
const VERSION: u32 = 1;
/// Stands for the checksum while it is computed.
const BLANK: &str = "0000000000000000";

#[derive(Serialize)]
struct Written<'a> {
    softrouter_rules: u32,
    checksum: &'a str,
    saved_unix_s: Seconds,
    rules: &'a [RuleForm],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    #[expect(dead_code, reason = "it was looked at before the rest; named here, it is no unknown field")]
    softrouter_rules: Value,
    checksum: Option<String>,
    saved_unix_s: Option<Seconds>,
    rules: Vec<Value>,
}

/// Why a text holds no rules that can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It is something else.
    #[error(
        "no rules of Softrouter: {0}\n  remedy: name a file that `softrouter rules export` wrote; docs/rules.md shows the form"
    )]
    Foreign(String),
    /// Another version wrote it.
    #[error(
        "its version is {0}, and this softrouter reads version {VERSION}\n  remedy: take the softrouter that wrote it, or export the rules anew"
    )]
    Version(String),
    /// It held rules once.
    #[error("damaged: {0}\n  remedy: take an undamaged copy")]
    Damaged(String),
    /// Not a byte may be changed without the checksum.
    #[error(
        "damaged, or changed since it was written: its checksum does not fit\n  remedy: take an undamaged copy; if you \
         changed it yourself, take the line with `checksum` out"
    )]
    Checksum,
}

/// One rule of a document that cannot be taken, by its number from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Its number in the document.
    pub rule: usize,
    /// What is wrong with it.
    #[serde(flatten)]
    pub problem: Problem,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {}: {}", self.rule, self.problem)
    }
}

/// A rule of a document that may be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its number in the document, from 1.
    pub number: usize,
    /// What is to be installed, with the lifetime that is left.
    pub spec: RuleSpec,
    /// What it did before.
    pub before: Tally,
}

/// What a document holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    /// Rules that may be installed.
    pub rules: Vec<Candidate>,
    /// Numbers of those whose lifetime has ended since they were written.
    pub expired: Vec<usize>,
    /// Those that cannot be read.
    pub refused: Vec<Refused>,
}

/// The text for these rules, which were as they are at this time.
pub fn write(rules: &[RuleForm], at: Seconds) -> String {
    let blank = Written { softrouter_rules: VERSION, checksum: BLANK, saved_unix_s: at, rules };
    let text = serde_json::to_string_pretty(&blank).expect("rules are plain data") + "\n";
    let checksum = format!("{:016x}", fnv(&text));
    // The checksum stands before any rule.
    text.replacen(BLANK, &checksum, 1)
}

/// Reads a document. The lifetimes of its rules have gone on since it was written.
///
/// # Errors
/// The text holds no rules; what is wrong with single ones is in the document.
pub fn read(text: &str, names: &mut Names, times: &Times) -> Result<Document, DocumentError> {
    let value: Value = serde_json::from_str(text).map_err(|error| {
        let error = format!("it is no JSON: {error}");
        if text.contains("softrouter_rules") {
            DocumentError::Damaged(error)
        } else {
            DocumentError::Foreign(error)
        }
    })?;
    let version = value.get("softrouter_rules");
    let version = version.ok_or_else(|| DocumentError::Foreign("it has no `softrouter_rules`".into()))?;
    if version.as_u64() != Some(VERSION.into()) {
        return Err(DocumentError::Version(version.to_string()));
    }
    let read: Read =
        serde_json::from_value(value).map_err(|error| DocumentError::Damaged(error.to_string()))?;
    if let Some(stated) = &read.checksum {
        let is_sum = stated.len() == BLANK.len() && stated.bytes().all(|byte| byte.is_ascii_hexdigit());
        let blanked = text.replacen(stated.as_str(), BLANK, 1);
        if !is_sum || format!("{:016x}", fnv(&blanked)) != *stated {
            return Err(DocumentError::Checksum);
        }
    }
    let away = read.saved_unix_s.map_or(Seconds::default(), |saved| times.unix.since(saved));
    let mut document = Document::default();
    for (index, value) in read.rules.into_iter().enumerate() {
        let number = index + 1;
        match candidate(number, value, away, names, times) {
            Ok(Some(rule)) => document.rules.push(rule),
            Ok(None) => document.expired.push(number),
            Err(problem) => document.refused.push(Refused { rule: number, problem }),
        }
    }
    Ok(document)
}

/// One rule; `None` if it has expired.
fn candidate(
    number: usize,
    value: Value,
    away: Seconds,
    names: &mut Names,
    times: &Times,
) -> Result<Option<Candidate>, Problem> {
    let form = form_from(value)?;
    check(&form)?;
    let mut spec = spec_from(&form, names, times)?;
    let mut before = Tally::default();
    if let Some(status) = &form.status {
        let left = status.expires_in_s.since(away).duration().unwrap_or(Duration::ZERO);
        if left == Duration::ZERO && !spec.pinned {
            return Ok(None);
        }
        spec.lifetime = spec.lifetime.min(left);
        before = Tally {
            hits: status.hits,
            bytes: status.bytes,
            shadowed: status.shadowed,
            agreed: status.agreed,
            metered: status.metered,
            sampled: status.sampled,
            misfits: status.misfits,
        };
    }
    Ok(Some(Candidate { number, spec, before }))
}
