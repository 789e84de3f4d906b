//! What the operator wants of the slow path: which backends in which order, at what price, within what limits.

use crate::clock::Clock;
use llm_slowpath::middleware::{BreakerConfig, BudgetLimits, CacheConfig, Values};
use llm_slowpath::prompt::{PromptOptions, Pseudonyms};
use llm_slowpath::transcript::Recorder;
use llm_slowpath::{BackendSpec, Cascade, PingTask, Price, ServiceConfig, Setup, SetupError, Tier};
use stack::{Limits, Rate, RuleLimits};
use std::path::PathBuf;
use std::sync::Arc;

/// A slow path, named but not yet set up.
#[derive(Debug, Clone)]
pub struct SlowPathPlan {
    /// Who is asked, in this order.
    pub backends: Vec<PlannedBackend>,
    /// What prompts to model servers hold.
    pub prompt: PromptOptions,
    /// Single-flight and answer cache; `None` asks about every frame.
    pub cache: Option<CacheConfig>,
    /// When a backend is left alone.
    pub breaker: BreakerConfig,
    /// What may be spent in an hour.
    pub budget: BudgetLimits,
    /// What answers are worth.
    pub values: Values,
    /// Where the answers of model servers are recorded.
    pub transcript: Option<PathBuf>,
    /// Requests that a model server may work on at once.
    pub concurrency: usize,
    /// What the price table's currency is called.
    pub currency: String,
}

/// One backend of it.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedBackend {
    /// What reports call it.
    pub name: String,
    /// Who it is.
    pub spec: BackendSpec,
    /// Answers that are less probable are not used.
    pub threshold: f32,
    /// What it takes.
    pub price: Price,
}

impl Default for SlowPathPlan {
    /// The embedded model, free of charge and without limits.
    fn default() -> Self {
        Self::of([BackendSpec::Embedded { weights: None }])
    }
}

/// Limits for backends of which any is a server: it takes its time, and no more is held for it than it can answer.
pub fn suit_servers(limits: &mut Limits) {
    limits.divert_deadline = smoltcp::time::Duration::from_secs(2);
    limits.divert_rate = Rate { per_second: 50, burst: 100 };
}

impl SlowPathPlan {
    /// These backends in this order, free of charge and without limits.
    pub fn of(specs: impl IntoIterator<Item = BackendSpec>) -> Self {
        let service = ServiceConfig::default();
        let mut plan = Self {
            backends: specs
                .into_iter()
                .map(|spec| PlannedBackend {
                    name: spec.to_string(),
                    spec,
                    threshold: 0.0,
                    price: Price::default(),
                })
                .collect(),
            prompt: PromptOptions {
                pseudonyms: Pseudonyms::new(Clock::secret()),
                ..PromptOptions::default()
            },
            cache: service.cache,
            breaker: service.breaker,
            budget: service.budget,
            values: service.values,
            transcript: None,
            concurrency: service.concurrency,
            currency: "USD".into(),
        };
        plan.ask_so_often(RuleLimits::default().concordance);
        plan
    }

    /// An answer about a class serves it when it was given so often: the answers that a rule is made of are not to come from the
    /// cache.
    pub fn ask_so_often(&mut self, concordance: u8) {
        if let Some(cache) = &mut self.cache {
            cache.concordance = concordance.max(1);
        }
    }

    /// Do all backends compute in this process? Then deadlines can be short.
    pub fn is_local(&self) -> bool {
        self.backends.iter().all(|backend| backend.spec.is_local())
    }

    /// Sets the backends up; embedded models are asked `ping` about echo requests. To a server nothing is sent yet.
    ///
    /// # Errors
    /// Unusable weights, TLS roots, key or transcript.
    pub fn open(&self, ping: PingTask) -> Result<Cascade, SetupError> {
        let recorder = self.transcript.as_deref().map(Recorder::open).transpose()?.map(Arc::new);
        let setup = Setup { ping, prompt: self.prompt, recorder };
        let tiers = self.backends.iter().map(|backend| {
            let PlannedBackend { name, spec, threshold, price } = backend;
            let opened = spec.open(&setup)?;
            Ok(Tier { name: name.clone(), backend: opened, threshold: *threshold, price: *price })
        });
        tiers.collect::<Result<_, _>>().map(Cascade)
    }

    /// The service's part of it.
    pub fn service(&self) -> ServiceConfig {
        ServiceConfig {
            cache: self.cache,
            breaker: self.breaker,
            budget: self.budget,
            values: self.values.clone(),
            concurrency: self.concurrency,
            ..ServiceConfig::default()
        }
    }

    /// The backends' names in order.
    pub fn list(&self) -> Vec<String> {
        self.backends.iter().map(|backend| backend.name.clone()).collect()
    }

    /// The backends' names as text.
    pub fn names(&self) -> String {
        self.list().join(", then ")
    }
}
