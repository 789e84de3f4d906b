//! Transcripts: recorded prompt and answer pairs, JSON Lines, which replay without the model.
//!
//! The first line is a header. Each other line is one answer, under the canonical hash of its prompt (see
//! [`crate::prompt::canonical`]). A transcript holds no key, no nonce and no boundary, and of prompts only the text of class
//! prompts, which tell nothing of a frame's sender.

mod record;
mod redact;
mod replay;

pub use record::{Exchange, Recorder};
pub use replay::Replay;

use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

/// The version that is written and read.
pub const VERSION: u32 = 1;
/// Longest line that is read, in bytes: an answer has 4096 at most.
const MAX_LINE: usize = 1 << 16;

/// The first line. Other keys may stand beside the version.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    softrouter_transcript: u32,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// The prompt's canonical hash.
    prompt: String,
    model: String,
    style: String,
    /// The user part in canonical form; class prompts only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// What the model wrote, redacted.
    answer: String,
    tokens: Tokens,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tokens {
    read: u32,
    written: u32,
}

/// Why a transcript cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TranscriptError {
    /// The operating system refuses the file.
    #[error("transcript {}: {source}\n  remedy: name a readable transcript or, to record one, a file in a folder that exists", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A line is not what it should be.
    #[error("transcript {}:{line}: {problem}\n  remedy: {remedy}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        remedy: &'static str,
    },
}

impl TranscriptError {
    fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}

/// Reads a whole transcript.
fn read(path: &Path) -> Result<Vec<Line>, TranscriptError> {
    let wrong =
        |line, problem, remedy| TranscriptError::Line { path: path.to_owned(), line, problem, remedy };
    let mut reader = BufReader::new(File::open(path).map_err(TranscriptError::io(path))?);
    let mut lines = Vec::new();
    for number in 1.. {
        let mut bytes = Vec::new();
        let limited = (&mut reader).take(MAX_LINE as u64 + 1).read_until(b'\n', &mut bytes);
        if limited.map_err(TranscriptError::io(path))? == 0 {
            break;
        }
        if bytes.len() > MAX_LINE {
            let problem = format!("longer than {MAX_LINE} bytes");
            return Err(wrong(number, problem, FOREIGN));
        }
        if bytes.pop() != Some(b'\n') {
            return Err(wrong(number, "the last line is cut short".into(), DELETE));
        }
        if number == 1 {
            let version = serde_json::from_slice::<Header>(&bytes).map(|header| header.softrouter_transcript);
            match version {
                Ok(VERSION) => {}
                Ok(other) => {
                    let problem = format!("version {other}, but this program reads version {VERSION}");
                    return Err(wrong(number, problem, "record it anew with this program"));
                }
                Err(_) => return Err(wrong(number, "no transcript's header".into(), FOREIGN)),
            }
        } else {
            let line = serde_json::from_slice::<Line>(&bytes);
            lines.push(line.map_err(|error| wrong(number, format!("damaged: {error}"), DELETE))?);
        }
    }
    if reader.get_ref().metadata().map_err(TranscriptError::io(path))?.len() == 0 {
        return Err(wrong(1, "the file is empty".into(), FOREIGN));
    }
    Ok(lines)
}

const FOREIGN: &str = "name a file that this program has recorded";
const DELETE: &str = "delete this line; the others stay good";

#[cfg(test)]
mod tests;
