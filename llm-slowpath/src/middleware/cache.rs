//! The answer cache: an approved answer serves its class for a while; a class that failed is left alone for a while,
//! longer each time.
//!
//! Only for class prompts. Each frame is still judged by `Router::approve` for itself.

use crate::answer::OwnedAction;
use lru::LruCache;
use stack::ClassKey;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

/// Sizes and times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheConfig {
    /// Classes that are remembered, at least 1; with one more, the one unused for longest is forgotten.
    pub classes: usize,
    /// Frames of one class that may wait for its answer.
    pub waiting: usize,
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
    Answer(OwnedAction),
    /// It failed lately.
    Failing,
}

#[derive(Debug)]
enum Entry {
    /// Approved once. `until`: when it is asked about anew.
    Answer { action: OwnedAction, until: Instant },
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

    /// What is known of this class.
    pub fn look_up(&mut self, now: Instant, class: &ClassKey) -> Cached {
        match self.known.get(class) {
            Some(Entry::Answer { action, until }) if now < *until => Cached::Answer(action.clone()),
            Some(Entry::Failed { until, .. }) if now < *until => Cached::Failing,
            _ => Cached::Unknown,
        }
    }

    /// An answer about the class was approved: it serves the class from now on.
    pub fn approved(&mut self, now: Instant, class: &ClassKey, action: OwnedAction) {
        self.known.put(class.clone(), Entry::Answer { action, until: now + self.config.keep });
    }

    /// There was no answer about the class, or it was rejected.
    pub fn failed(&mut self, now: Instant, class: &ClassKey) {
        let before = match self.known.peek(class) {
            Some(Entry::Failed { times, .. }) => *times,
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

    const DROP: OwnedAction = OwnedAction::Symbolic(ActionKind::Drop);
    const SECOND: Duration = Duration::from_secs(1);

    fn class(reason: Anomaly) -> ClassKey {
        diverted(reason).class
    }

    #[test]
    fn an_approved_answer_serves_for_its_time() {
        let (mut cache, now) = (AnswerCache::new(CacheConfig::default()), Instant::now());
        let land = class(Anomaly::Ipv4Land);
        assert_eq!(cache.look_up(now, &land), Cached::Unknown);
        cache.approved(now, &land, DROP);
        cache.forget(&land);
        assert_eq!(cache.look_up(now, &land), Cached::Unknown);
        cache.approved(now, &land, DROP);
        assert_eq!(cache.look_up(now + 59 * SECOND, &land), Cached::Answer(DROP));
        assert_eq!(cache.look_up(now + 60 * SECOND, &land), Cached::Unknown);
        assert_eq!(cache.look_up(now, &class(Anomaly::UdpLength)), Cached::Unknown);
    }

    #[test]
    fn a_class_that_fails_is_left_alone_for_longer_each_time() {
        let (mut cache, mut now) = (AnswerCache::new(CacheConfig::default()), Instant::now());
        let land = class(Anomaly::Ipv4Land);
        for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
            cache.failed(now, &land);
            assert_eq!(cache.look_up(now + wait * SECOND - SECOND / 2, &land), Cached::Failing);
            now += wait * SECOND;
            assert_eq!(cache.look_up(now, &land), Cached::Unknown);
        }
        cache.approved(now, &land, DROP);
        // Once it works, the next failure starts from the beginning.
        cache.failed(now, &land);
        assert_eq!(cache.look_up(now, &land), Cached::Failing);
        assert_eq!(cache.look_up(now + SECOND, &land), Cached::Unknown);
    }

    #[test]
    fn with_too_many_classes_the_one_unused_for_longest_is_forgotten() {
        let (mut cache, now) =
            (AnswerCache::new(CacheConfig { classes: 2, ..CacheConfig::default() }), Instant::now());
        let [a, b, c] = [Anomaly::Ipv4Land, Anomaly::UdpLength, Anomaly::TcpFlags].map(class);
        for class in [&a, &b] {
            cache.approved(now, class, DROP);
        }
        assert_eq!(cache.look_up(now, &a), Cached::Answer(DROP));
        cache.approved(now, &c, DROP);
        assert_eq!(cache.look_up(now, &b), Cached::Unknown);
        assert_eq!((cache.len(), cache.is_empty()), (2, false));
    }
}
