//! What lookups found last: a frame like the one before it needs no hash.

use crate::classify::Anomaly;
use crate::divert::ClassWords;

/// What the last lookup about a reason found.
#[derive(Debug, Clone, Copy)]
struct Recent {
    class: ClassWords,
    /// Of the table then; 0: nothing was looked up yet.
    version: u64,
    index: usize,
}

/// One for each reason.
#[derive(Debug)]
pub(super) struct Recents {
    /// Changes whenever the table does.
    version: u64,
    found: [Recent; Anomaly::COUNT],
}

impl Recents {
    pub(super) const fn new() -> Self {
        Self {
            version: 1,
            found: [Recent { class: ClassWords([0, 0]), version: 0, index: 0 }; Anomaly::COUNT],
        }
    }

    /// A rule came, went or began to act: what was found before may not be what is found now.
    pub(super) const fn forget(&mut self) {
        self.version += 1;
    }

    /// Where the rule for this class is, if that was looked up last about its reason.
    #[inline]
    pub(super) fn recall(&self, reason: Anomaly, class: ClassWords) -> Option<usize> {
        let recent = &self.found[reason as usize];
        (recent.class == class && recent.version == self.version).then_some(recent.index)
    }

    /// A lookup found the rule for this class here.
    #[inline]
    pub(super) const fn remember(&mut self, reason: Anomaly, class: ClassWords, index: usize) {
        self.found[reason as usize] = Recent { class, version: self.version, index };
    }
}
