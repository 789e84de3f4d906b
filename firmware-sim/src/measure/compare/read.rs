//! Reading a report again, which may be another file, another version's, or cut off.

use super::super::report::{FORMAT, MeasureReport};
use serde_json::Value;
use serde_json::error::Category;
use std::path::Path;

/// Why a report cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadReportError {
    /// The file system's.
    #[error("{file}: {source}\n  remedy: name a file that `softrouter measure --json` wrote")]
    Io {
        /// Its path.
        file: String,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// No JSON.
    #[error(
        "{file}: no JSON: line {line}, column {column}: {problem}\n  remedy: name a file that `softrouter measure --json` wrote"
    )]
    NotJson {
        /// Its path.
        file: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What the parser said.
        problem: String,
    },
    /// JSON that ends too soon.
    #[error(
        "{file}: cut off: it ends at line {line}, column {column}, within the report\n  remedy: copy it again, or measure again"
    )]
    CutOff {
        /// Its path.
        file: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// Other JSON.
    #[error(
        "{file}: JSON, but no report of `softrouter measure`: {problem}\n  remedy: name a file that `softrouter measure --json` \
         wrote; the reports of exam, lab and replay have other forms"
    )]
    Foreign {
        /// Its path.
        file: String,
        /// What is missing.
        problem: String,
    },
    /// A report in another form.
    #[error(
        "{file}: a report in form {found}, written by softrouter {writer}; this is softrouter {}, which reads form {FORMAT}\n  \
         remedy: compare with the softrouter that wrote it, or measure again",
        env!("CARGO_PKG_VERSION")
    )]
    Version {
        /// Its path.
        file: String,
        /// Its form.
        found: String,
        /// Who wrote it.
        writer: String,
    },
    /// A report with something wrong in it.
    #[error("{file}: {place}: {problem}\n  remedy: the file was changed or damaged: measure again")]
    Damaged {
        /// Its path.
        file: String,
        /// The field.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Reads a report that `softrouter measure --json` wrote.
///
/// # Errors
/// See [`ReadReportError`]: each names the file, the place and the remedy.
pub fn read(path: &Path) -> Result<MeasureReport, ReadReportError> {
    let file = path.display().to_string();
    match std::fs::read(path) {
        Ok(bytes) => parse(&file, &bytes),
        Err(source) => Err(ReadReportError::Io { file, source }),
    }
}

/// A report may be anybody's: what would move a terminal's cursor is left out.
fn clean(value: &mut Value) {
    match value {
        Value::String(text) => text.retain(|character| !character.is_control()),
        Value::Array(values) => values.iter_mut().for_each(clean),
        Value::Object(fields) => fields.values_mut().for_each(clean),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

pub(super) fn parse(file: &str, bytes: &[u8]) -> Result<MeasureReport, ReadReportError> {
    let file = file.to_owned();
    let mut value: Value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            let begun = bytes.trim_ascii_start().first() == Some(&b'{');
            return Err(match error.classify() {
                Category::Eof if begun => ReadReportError::CutOff { file, line, column },
                _ => ReadReportError::NotJson { file, line, column, problem: error.to_string() },
            });
        }
    };
    clean(&mut value);
    for field in ["format", "version", "machine", "subject", "pings"] {
        if value.get(field).is_none() {
            let problem = format!("it has no field `{field}`");
            return Err(ReadReportError::Foreign { file, problem });
        }
    }
    if value["format"] != FORMAT {
        let writer = value["version"].as_str().unwrap_or("(no version)").to_owned();
        return Err(ReadReportError::Version { file, found: value["format"].to_string(), writer });
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let (place, problem) = (error.path().to_string(), error.into_inner().to_string());
        ReadReportError::Damaged { file, place, problem }
    })
}
