//! What one request takes, whether or not it comes to an answer.

use super::wire::Tokens;
use crate::price::Usage;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Filled in on the way, and read when the request has ended or has been given up.
#[derive(Debug, Default)]
pub struct Meter {
    read: AtomicU32,
    cached: AtomicU32,
    written: AtomicU32,
    retries: AtomicU32,
    prompt: OnceLock<(String, u32)>,
}

impl Meter {
    /// One exchange has taken these tokens.
    pub(super) fn exchanged(&self, tokens: Tokens) {
        let Tokens { read, cached, written } = tokens;
        for (sum, more) in [(&self.read, read), (&self.cached, cached), (&self.written, written)] {
            let _ =
                sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |sum| Some(sum.saturating_add(more)));
        }
    }

    /// One exchange failed, and there will be another.
    pub(super) fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// The prompt's canonical hash, and a bound of its tokens.
    pub(super) fn asked(&self, hash: String, tokens_at_most: usize) {
        // A request has one prompt.
        let _ = self.prompt.set((hash, u32::try_from(tokens_at_most).unwrap_or(u32::MAX)));
    }

    /// Tokens so far, and this CPU time.
    pub fn usage(&self, cpu: Duration) -> Usage {
        Usage {
            prompt_tokens: self.read.load(Ordering::Relaxed),
            cached_tokens: self.cached.load(Ordering::Relaxed),
            answer_tokens: self.written.load(Ordering::Relaxed),
            cpu,
        }
    }

    /// Attempts so far that followed a failed one.
    pub fn retries(&self) -> u32 {
        self.retries.load(Ordering::Relaxed)
    }

    /// The canonical hash of the prompt, once there was one.
    pub fn prompt(&self) -> Option<&str> {
        self.prompt.get().map(|(hash, _)| hash.as_str())
    }

    /// A bound of the prompt's tokens; 0 until there was one.
    pub fn tokens_at_most(&self) -> u32 {
        self.prompt.get().map_or(0, |&(_, tokens)| tokens)
    }
}
