//! What a service is made of: backends in order of escalation, sizes, and what its layers may do.

use super::Waker;
use crate::backend::Backend;
use crate::middleware::{BreakerConfig, BudgetLimits, CacheConfig, Values};
use crate::price::Price;
use std::fmt;

/// One backend of a cascade.
#[derive(Debug)]
pub struct Tier {
    /// What reports call it.
    pub name: String,
    /// Who answers.
    pub backend: Backend,
    /// An answer that the model holds less probable than this is not used: the next tier is asked, or the default acts.
    /// Models that do not say how probable an answer is are believed.
    pub threshold: f32,
    /// What it takes.
    pub price: Price,
}

impl<B: Into<Backend>> From<B> for Tier {
    /// A backend that is believed and costs nothing.
    fn from(backend: B) -> Self {
        let backend = backend.into();
        Self { name: backend.to_string(), backend, threshold: 0.0, price: Price::default() }
    }
}

/// Backends in the order in which they are asked: the next one when one is unsure or fails.
#[derive(Debug)]
pub struct Cascade(pub Vec<Tier>);

impl<T: Into<Tier>> From<T> for Cascade {
    fn from(tier: T) -> Self {
        Self(vec![tier.into()])
    }
}

/// Sizes, layers, and whom to wake.
#[derive(Clone)]
pub struct ServiceConfig {
    /// Requests that may wait for a backend, beside those that it is working on.
    pub queue: usize,
    /// Replies that may wait for the owner before nothing more is taken.
    pub replies: usize,
    /// Requests that an HTTP backend may work on at once. A model in this process answers those that wait
    /// in batches.
    pub concurrency: usize,
    /// Single-flight and answer cache; `None` asks about every frame.
    pub cache: Option<CacheConfig>,
    /// When a backend is left alone.
    pub breaker: BreakerConfig,
    /// What may be spent.
    pub budget: BudgetLimits,
    /// What answers are worth.
    pub values: Values,
    /// Called when there is something to receive, from a backend's thread: it must return at once.
    pub waker: Option<Waker>,
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self {
            queue: 128,
            replies: 256,
            concurrency: 8,
            cache: Some(CacheConfig::default()),
            breaker: BreakerConfig::default(),
            budget: BudgetLimits::default(),
            values: Values::default(),
            waker: None,
        }
    }
}

impl fmt::Debug for ServiceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queue, replies, concurrency, cache, breaker, budget, values: _, waker } = self;
        f.debug_struct("ServiceConfig")
            .field("queue", queue)
            .field("replies", replies)
            .field("concurrency", concurrency)
            .field("cache", cache)
            .field("breaker", breaker)
            .field("budget", budget)
            .field("waker", &waker.is_some())
            .finish_non_exhaustive()
    }
}
