//! Writing a transcript: one line an answer, each flushed, from any thread.

use super::redact::redact;
use super::{Header, Line, Tokens, TranscriptError, VERSION, read};
use crate::prompt::canonical::Canonical;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// What one exchange with a model was.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// The prompt's canonical form.
    pub prompt: &'a Canonical,
    /// Is it a class prompt, whose text may be kept?
    pub is_class_prompt: bool,
    /// The nonce that the prompt held.
    pub nonce: u32,
    /// The boundary that the prompt held.
    pub boundary: u32,
    /// Which model answered.
    pub model: &'a str,
    /// How it was asked to answer: `structured` or `tools`.
    pub style: &'a str,
    /// What it wrote: the JSON of the action language, as the decoder takes it, without any key.
    pub text: &'a str,
    /// Tokens read and written.
    pub tokens: (u32, u32),
}

/// Appends answers to a transcript.
#[derive(Debug)]
pub struct Recorder(Mutex<File>);

impl Recorder {
    /// Opens a transcript to append to, and makes it if there is none.
    ///
    /// # Errors
    /// The file cannot be written, or holds something else than a sound transcript.
    pub fn open(path: &Path) -> Result<Self, TranscriptError> {
        let failed = TranscriptError::io(path);
        let mut file = OpenOptions::new().append(true).create(true).open(path).map_err(&failed)?;
        mend(path, &file).map_err(&failed)?;
        if file.metadata().map_err(&failed)?.len() == 0 {
            let header = Header { softrouter_transcript: VERSION };
            file.write_all(line(&header).as_bytes()).map_err(failed)?;
        } else {
            read(path)?;
        }
        Ok(Self(Mutex::new(file)))
    }

    /// Appends one answer, and hands it to the operating system before it returns.
    ///
    /// # Errors
    /// The file cannot be written (a full disk).
    pub fn record(&self, exchange: &Exchange<'_>) -> io::Result<()> {
        let hide = |text: &str| redact(text, exchange.nonce, exchange.boundary);
        let text = line(&Line {
            prompt: exchange.prompt.hash.clone(),
            model: hide(exchange.model),
            style: exchange.style.to_owned(),
            user: exchange.is_class_prompt.then(|| exchange.prompt.user.clone()),
            answer: hide(exchange.text),
            tokens: Tokens { read: exchange.tokens.0, written: exchange.tokens.1 },
        });
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // In one piece, so that a run that is cut off leaves whole lines.
        file.write_all(text.as_bytes())?;
        file.flush()
    }
}

/// Cuts off what a run that was killed has left of a line behind whole ones.
fn mend(path: &Path, file: &File) -> io::Result<()> {
    let bytes = std::fs::read(path)?;
    match bytes.iter().rposition(|&byte| byte == b'\n') {
        Some(end) if end + 1 < bytes.len() => file.set_len(end as u64 + 1),
        _ => Ok(()),
    }
}

fn line(value: &impl serde::Serialize) -> String {
    // Strings and numbers: nothing of it can fail.
    serde_json::to_string(value).unwrap_or_default() + "\n"
}
