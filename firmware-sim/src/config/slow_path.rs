//! `[[backend]]`, `[slow_path]` and `[value]`: who is asked, within what limits, and what answers are worth.

use super::FileError;
use super::file::{BackendEntry, SlowPathTable};
use super::locator::Locator;
use crate::slow_path::{PlannedBackend, SlowPathPlan};
use llm_slowpath::middleware::{BreakerConfig, Worth};
use llm_slowpath::price::UNIT;
use llm_slowpath::prompt::{Detail, PromptOptions};
use llm_slowpath::{BackendSpec, Price, SetupError};
use stack::Anomaly;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;
use toml::Spanned;

/// The three tables, as a file has them.
pub(super) struct Tables<'a> {
    /// `router.backend`, which `[[backend]]` replaces.
    pub(super) single: Option<&'a Spanned<String>>,
    pub(super) backends: &'a [BackendEntry],
    pub(super) slow_path: &'a SlowPathTable,
    pub(super) values: &'a BTreeMap<Spanned<String>, Spanned<f64>>,
}

/// Checks the tables.
pub(super) fn plan(at: &Locator<'_>, tables: &Tables<'_>) -> Result<SlowPathPlan, FileError> {
    let mut plan = match (tables.single, tables.backends) {
        (None, []) => SlowPathPlan::default(),
        (Some(single), []) => SlowPathPlan::of([spec(at, single, "router.backend")?]),
        (Some(single), _) => {
            let problem = "there are [[backend]] tables, too";
            return Err(at.error(
                single.span(),
                "router.backend".into(),
                problem,
                "keep one of the two: [[backend]] for several backends, thresholds and prices",
            ));
        }
        (None, entries) => {
            let mut plan = SlowPathPlan::of([]);
            for (index, entry) in entries.iter().enumerate() {
                plan.backends.push(backend(at, index, entry)?);
            }
            plan
        }
    };
    limits(at, tables.slow_path, &mut plan)?;
    for (name, value) in tables.values {
        let picos = number(at, value, &format!("value.{}", name.get_ref()), 0.0..=1e6)? * UNIT as f64;
        if let Some(tier) = Worth::ALL.into_iter().find(|tier| tier.name() == name.get_ref()) {
            plan.values.set_tier(tier, picos as u64);
        }
    }
    // After the tiers, which they are exceptions from.
    for (name, value) in tables.values {
        if Worth::ALL.iter().any(|tier| tier.name() == name.get_ref()) {
            continue;
        }
        let reason = Anomaly::from_name(name.get_ref()).ok_or_else(|| {
            at.error(
                name.span(),
                format!("value.{}", name.get_ref()),
                "neither a tier nor a reason",
                "write routing, inspection, negotiation, or a reason: `softrouter anomalies` lists them all",
            )
        })?;
        plan.values.set(reason, (value.get_ref() * UNIT as f64) as u64);
    }
    Ok(plan)
}

fn spec(at: &Locator<'_>, text: &Spanned<String>, field: &str) -> Result<BackendSpec, FileError> {
    text.get_ref().parse().map_err(|error: SetupError| {
        let remedy = "write embedded, or openai:, ollama: or anthropic: with http://HOST:PORT#MODEL";
        at.error(text.span(), field.into(), error.to_string(), remedy)
    })
}

fn backend(at: &Locator<'_>, index: usize, entry: &BackendEntry) -> Result<PlannedBackend, FileError> {
    let field = |name: &str| format!("backend[{index}].{name}");
    let spec = spec(at, &entry.model, &field("model"))?;
    let rate = |name: &str, value: &Option<Spanned<f64>>| {
        value.as_ref().map_or(Ok(0.0), |value| number(at, value, &field(name), 0.0..=1e9))
    };
    let input = rate("price_input", &entry.price_input)?;
    let price = Price {
        input,
        cached_input: match &entry.price_cached_input {
            Some(_) => rate("price_cached_input", &entry.price_cached_input)?,
            None => input,
        },
        output: rate("price_output", &entry.price_output)?,
        cpu_second: rate("price_cpu_second", &entry.price_cpu_second)?,
    };
    let threshold = entry
        .threshold
        .as_ref()
        .map_or(Ok(0.0), |value| number(at, value, &field("threshold"), 0.0..=1.0))?;
    let name = entry.name.clone().unwrap_or_else(|| spec.to_string());
    Ok(PlannedBackend { name, spec, threshold: threshold as f32, price })
}

fn limits(at: &Locator<'_>, table: &SlowPathTable, plan: &mut SlowPathPlan) -> Result<(), FileError> {
    if table.cache == Some(false) {
        plan.cache = None;
    }
    let real = |name: &str, value: &Option<Spanned<f64>>, range: RangeInclusive<f64>| {
        value.as_ref().map(|value| number(at, value, &format!("slow_path.{name}"), range)).transpose()
    };
    let most = 0.0..=1e12;
    if let (Some(keep), Some(cache)) = (real("cache_s", &table.cache_s, 0.0..=86_400.0)?, &mut plan.cache) {
        cache.keep = Duration::from_secs_f64(keep);
    }
    if let Some(failures) = real("breaker_failures", &table.breaker_failures, 0.0..=1e6)? {
        plan.breaker = BreakerConfig { failures: failures as u32, ..plan.breaker };
    }
    if let Some(concurrency) = real("concurrency", &table.concurrency, 1.0..=1024.0)? {
        plan.concurrency = concurrency as usize;
    }
    let budget = &mut plan.budget;
    budget.tokens =
        real("tokens_per_hour", &table.tokens_per_hour, most.clone())?.map(|tokens| tokens as u64);
    budget.money =
        real("money_per_hour", &table.money_per_hour, 0.0..=1e6)?.map(|m| (m * UNIT as f64) as u64);
    budget.cpu = real("cpu_s_per_hour", &table.cpu_s_per_hour, 0.0..=1e6)?.map(Duration::from_secs_f64);
    budget.share = real("share_per_reason", &table.share_per_reason, 0.001..=1.0)?;
    if let Some(currency) = &table.currency {
        plan.currency.clone_from(currency);
    }
    plan.prompt = PromptOptions {
        detail: match table.prompt.as_ref().map(|prompt| prompt.get_ref().as_str()) {
            None | Some("class") => Detail::Class,
            Some("frame") => Detail::Frame,
            Some(other) => {
                return Err(at.error(
                    table.prompt.as_ref().map_or(0..0, Spanned::span),
                    "slow_path.prompt".into(),
                    format!("`{other}` is no kind of prompt"),
                    "write class or frame",
                ));
            }
        },
        payload: real("payload", &table.payload, 0.0..=256.0)?.unwrap_or(0.0) as usize,
        real_addresses: table.real_addresses.unwrap_or(false),
        pseudonyms: plan.prompt.pseudonyms,
    };
    Ok(())
}

fn number(
    at: &Locator<'_>,
    value: &Spanned<f64>,
    field: &str,
    range: RangeInclusive<f64>,
) -> Result<f64, FileError> {
    let (least, most) = (*range.start(), *range.end());
    if range.contains(value.get_ref()) {
        return Ok(*value.get_ref());
    }
    let problem = format!("{} is out of range", value.get_ref());
    Err(at.error(value.span(), field.into(), problem, &format!("take {least} to {most}")))
}
