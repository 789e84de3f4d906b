//! What is said on the control socket: one JSON object a line each way.

use super::document::Refused;
use super::form::RuleForm;
use super::seconds::Seconds;
use serde::{Deserialize, Serialize};

/// The longest request, with a document to import in it: some 20,000 rules.
pub(super) const REQUEST_MAX: usize = 16 << 20;

/// What an operator asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// All rules.
    List,
    /// One rule.
    Show {
        /// Which.
        id: u32,
    },
    /// One rule, in words.
    Explain {
        /// Which.
        id: u32,
    },
    /// It stays until it is revoked.
    Pin {
        /// Which.
        id: u32,
    },
    /// It ends when its time is over.
    Unpin {
        /// Which.
        id: u32,
    },
    /// It goes.
    Revoke {
        /// Which.
        id: u32,
    },
    /// All that are not pinned go.
    Flush,
    /// All rules as a document.
    Export,
    /// The rules of a document are installed.
    Import {
        /// The document's text.
        document: String,
    },
}

/// What the router answers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Was all of it done?
    pub ok: bool,
    /// If not, why, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The time since 1970 when it was done.
    #[serde(default)]
    pub unix_s: Seconds,
    /// The rules that were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Vec<RuleForm>>,
    /// How many there may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub places: Option<usize>,
    /// One rule, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// How many were flushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flushed: Option<usize>,
    /// The document that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// What became of a document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
}

/// What became of a document.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imported {
    /// Ids of the rules that were installed.
    pub installed: Vec<u32>,
    /// Numbers, within the document, of those whose lifetime had ended.
    pub expired: Vec<usize>,
    /// Numbers of those that the router had already.
    #[serde(default)]
    pub there_already: Vec<usize>,
    /// Those that were not installed.
    pub refused: Vec<Refused>,
}

impl Answer {
    /// Nothing was done.
    pub(super) fn error(error: impl Into<String>) -> Self {
        Self { error: Some(error.into()), unix_s: Seconds::since_1970(), ..Self::default() }
    }

    /// It was done at this time.
    pub(super) fn done(unix_s: Seconds) -> Self {
        Self { ok: true, unix_s, ..Self::default() }
    }
}
