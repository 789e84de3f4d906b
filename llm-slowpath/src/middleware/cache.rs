//! The answer cache: an answer that was approved for so many frames that differ serves its class for a while, and before that
//! such frames as it was given for; a class that
//! failed, or whose answers contradict each other, is left alone for a while, longer each time.
//!
//! Only for class prompts. Each frame is still judged by `Router::approve` for itself.

use crate::answer::OwnedAction;
use lru::LruCache;
use stack::answer::Advice;
use stack::{ClassKey, Witness};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

/// Sizes and times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheConfig {
    /// Classes that are remembered, at least 1; with one more, the one unused for longest is forgotten.
    pub classes: usize,
    /// Frames of one class that may wait for its answer.
    pub waiting: usize,
    /// For how many frames that differ the same must be said in a row, and approved, before it serves the class: at least one.
    pub concordance: u8,
    /// How long an approved answer serves.
    pub keep: Duration,
    /// How long nobody is asked after the first failure; each further one doubles it.
    pub backoff: Duration,
    /// The longest that nobody is asked.
    pub backoff_at_most: Duration,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            classes: 4096,
            waiting: 128,
            concordance: 1,
            keep: Duration::from_secs(60),
            backoff: Duration::from_secs(1),
            backoff_at_most: Duration::from_secs(60),
        }
    }
}

/// What is known of a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cached {
    /// Nothing, or nothing that still holds.
    Unknown,
    /// Its answer.
    Answer(Kept),
    /// It failed lately.
    Failing,
}

/// What is kept of an answer about a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What to do.
    pub action: OwnedAction,
    /// How far it reaches, where the backend says so.
    pub advice: Option<Advice>,
    /// Who said it last.
    pub witness: Witness,
}

#[derive(Debug)]
enum Entry {
    /// Said and approved for these frames, which are not enough. `until`: when even they are asked about anew.
    Learning { kept: Kept, frames: Vec<u64>, failed: u32, until: Instant },
    /// Said and approved often enough. `until`: when it is asked about anew.
    Answer { kept: Kept, until: Instant },
    /// Failed so often in a row.
    Failed { times: u32, until: Instant },
}

/// The cache.
#[derive(Debug)]
pub struct AnswerCache {
    config: CacheConfig,
    known: LruCache<ClassKey, Entry>,
}

impl AnswerCache {
    /// An empty one.
    pub fn new(config: CacheConfig) -> Self {
        let classes = NonZeroUsize::new(config.classes).unwrap_or(NonZeroUsize::MIN);
        Self { config, known: LruCache::new(classes) }
    }

    /// What is known of this class, for a frame whose hash is only taken while the class is being learnt.
    pub fn look_up(&mut self, now: Instant, class: &ClassKey, frame: impl FnOnce() -> u64) -> Cached {
        match self.known.get(class) {
            Some(Entry::Answer { kept, until }) if now < *until => Cached::Answer(kept.clone()),
            Some(Entry::Learning { kept, frames, until, .. })
                if now < *until && frames.contains(&frame()) =>
            {
                Cached::Answer(kept.clone())
            }
            Some(Entry::Failed { until, .. }) if now < *until => Cached::Failing,
            _ => Cached::Unknown,
        }
    }

    /// An answer about the class was approved, for a frame with this hash. It serves the class, once it was said for enough of
    /// them.
    pub fn approved(&mut self, now: Instant, class: &ClassKey, kept: Kept, frame: u64) {
        let until = now + self.config.keep;
        let (mut frames, failed) = match self.known.pop(class) {
            Some(Entry::Learning { kept: before, frames, failed, until }) if now < until => {
                if before.action != kept.action {
                    // Whom to believe? Nobody, for a while.
                    self.known.put(class.clone(), Entry::Failed { times: failed, until: now });
                    return self.failed(now, class);
                }
                (frames, failed)
            }
            Some(Entry::Failed { times, .. }) => (Vec::new(), times),
            Some(Entry::Learning { .. } | Entry::Answer { .. }) | None => (Vec::new(), 0),
        };
        if !frames.contains(&frame) {
            frames.push(frame);
        }
        let entry = if frames.len() < usize::from(self.config.concordance) {
            Entry::Learning { kept, frames, failed, until }
        } else {
            Entry::Answer { kept, until }
        };
        self.known.put(class.clone(), entry);
    }

    /// There was no answer about the class, or it was rejected, or it contradicts the one before.
    pub fn failed(&mut self, now: Instant, class: &ClassKey) {
        let before = match self.known.peek(class) {
            Some(Entry::Failed { times, .. }) => *times,
            Some(Entry::Learning { failed, .. }) => *failed,
            Some(Entry::Answer { .. }) | None => 0,
        };
        let wait = self.config.backoff.saturating_mul(1 << before.min(16)).min(self.config.backoff_at_most);
        let entry = Entry::Failed { times: before.saturating_add(1), until: now + wait };
        self.known.put(class.clone(), entry);
    }

    /// Nothing is known of the class any more.
    pub fn forget(&mut self, class: &ClassKey) {
        self.known.pop(class);
    }

    /// Classes that are remembered.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Is nothing remembered?
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::diverted;
    use stack::{ActionKind, Anomaly};

    const DROP: Kept = Kept {
        action: OwnedAction::Symbolic(ActionKind::Drop),
        advice: None,
        witness: Witness { backend: 0, prompt: 0 },
    };
    const SECOND: Duration = Duration::from_secs(1);

    fn class(reason: Anomaly) -> ClassKey {
        diverted(reason).class
    }

    #[test]
    fn an_approved_answer_serves_for_its_time() {
        let (mut cache, now) = (AnswerCache::new(CacheConfig::default()), Instant::now());
        let land = class(Anomaly::Ipv4Land);
        assert_eq!(cache.look_up(now, &land, || 1), Cached::Unknown);
        cache.approved(now, &land, DROP, 1);
        cache.forget(&land);
        assert_eq!(cache.look_up(now, &land, || 1), Cached::Unknown);
        cache.approved(now, &land, DROP, 1);
        assert_eq!(cache.look_up(now + 59 * SECOND, &land, || 1), Cached::Answer(DROP));
        assert_eq!(cache.look_up(now + 60 * SECOND, &land, || 1), Cached::Unknown);
        assert_eq!(cache.look_up(now, &class(Anomaly::UdpLength), || 1), Cached::Unknown);
    }

    #[test]
    fn a_class_that_fails_is_left_alone_for_longer_each_time() {
        let (mut cache, mut now) = (AnswerCache::new(CacheConfig::default()), Instant::now());
        let land = class(Anomaly::Ipv4Land);
        for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
            cache.failed(now, &land);
            assert_eq!(cache.look_up(now + wait * SECOND - SECOND / 2, &land, || 1), Cached::Failing);
            now += wait * SECOND;
            assert_eq!(cache.look_up(now, &land, || 1), Cached::Unknown);
        }
        cache.approved(now, &land, DROP, 1);
        // Once it works, the next failure starts from the beginning.
        cache.failed(now, &land);
        assert_eq!(cache.look_up(now, &land, || 1), Cached::Failing);
        assert_eq!(cache.look_up(now + SECOND, &land, || 1), Cached::Unknown);
    }

    #[test]
    fn what_must_be_said_for_three_frames_serves_no_other_before() {
        let config = CacheConfig { concordance: 3, ..CacheConfig::default() };
        let (mut cache, now, land) = (AnswerCache::new(config), Instant::now(), class(Anomaly::Ipv4Land));
        for (frame, other) in
            [(1, Cached::Unknown), (1, Cached::Unknown), (2, Cached::Unknown), (3, Cached::Answer(DROP))]
        {
            cache.approved(now, &land, DROP, frame);
            assert_eq!(
                cache.look_up(now, &land, || frame),
                Cached::Answer(DROP),
                "the same frame again is not asked about"
            );
            assert_eq!(cache.look_up(now, &land, || 99), other);
        }
        let mut later = now + 60 * SECOND;
        let other = Kept { action: OwnedAction::Symbolic(ActionKind::StripTag), ..DROP };
        for wait in [1, 2, 4, 8] {
            cache.approved(later, &land, DROP, 1);
            cache.approved(later, &land, other.clone(), 2);
            assert_eq!(cache.look_up(later, &land, || 1), Cached::Failing, "a contradiction is no answer");
            later += wait * SECOND;
            assert_eq!(cache.look_up(later, &land, || 1), Cached::Unknown, "and costs more each time");
        }
    }

    #[test]
    fn with_too_many_classes_the_one_unused_for_longest_is_forgotten() {
        let (mut cache, now) =
            (AnswerCache::new(CacheConfig { classes: 2, ..CacheConfig::default() }), Instant::now());
        let [a, b, c] = [Anomaly::Ipv4Land, Anomaly::UdpLength, Anomaly::TcpFlags].map(class);
        for class in [&a, &b] {
            cache.approved(now, class, DROP, 1);
        }
        assert_eq!(cache.look_up(now, &a, || 1), Cached::Answer(DROP));
        cache.approved(now, &c, DROP, 1);
        assert_eq!(cache.look_up(now, &b, || 1), Cached::Unknown);
        assert_eq!((cache.len(), cache.is_empty()), (2, false));
    }
}
