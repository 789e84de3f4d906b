//! What is said on the control socket: one JSON object a line each way.

use super::document::Refused;
use super::form::RuleForm;
use super::seconds::Seconds;
use clap::Subcommand;
use serde::{Deserialize, Serialize};

/// The longest request, with a document to import in it: some 20,000 rules.
pub(super) const REQUEST_MAX: usize = 16 << 20;

/// What an operator asks for. What needs no file is a subcommand of `softrouter rules` as it is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// All rules as a table.
    List,
    /// All of one rule, as in files.
    Show {
        /// Its id.
        id: u32,
    },
    /// Where one rule comes from, what it matches, what it did, and when it ends, in words.
    Explain {
        /// Its id.
        id: u32,
    },
    /// Keep a rule until it is revoked.
    Pin {
        /// Its id.
        id: u32,
    },
    /// Let a rule end when its time is over.
    Unpin {
        /// Its id.
        id: u32,
    },
    /// Remove a rule.
    Revoke {
        /// Its id.
        id: u32,
    },
    /// Remove all rules that are not pinned, and forget all that is being learnt.
    Flush,
    /// All rules as a document.
    #[command(skip)]
    Export,
    /// The rules of a document are installed.
    #[command(skip)]
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
