//! The slow path's books: what models were asked, what spared them, and what it has cost.

use super::Micros;
use crate::event_loop::EventLoop;
use crate::slow_path::SlowPathPlan;
use llm_slowpath::middleware::Worth;
use llm_slowpath::price::Cost;
use llm_slowpath::{Refused, Snapshot};
use serde::Serialize;
use stack::Anomaly;
use std::collections::BTreeMap;
use std::fmt;

/// Reasons that the text shows of each backend; JSON has them all.
const DEAREST: usize = 5;

/// Everything about the slow path's service.
#[derive(Debug, Clone, Serialize)]
pub struct SlowPathLine {
    /// Frames handed to the service.
    pub submitted: u64,
    /// How they ended, by kind: the sum is `submitted`.
    pub endings: BTreeMap<&'static str, u64>,
    /// Model calls.
    pub asked: u64,
    /// Model calls that the answer cache and single-flight spared.
    pub calls_saved: u64,
    /// Requests that went on to the next backend since one was unsure.
    pub escalated: u64,
    /// Requests that went on to the next backend since one failed.
    pub failed_over: u64,
    /// A backend being asked until it answered, failed or was given up, in microseconds.
    pub model_us: Micros,
    /// Each backend, in order.
    pub backends: Vec<BackendLine>,
    /// What the money columns are in.
    pub currency: String,
    /// Cost of a frame that the slow path ended, whether a model was asked or not.
    pub money_per_slow_packet: f64,
    /// CPU time of the fast path, in nanoseconds a received byte: `handle_frame` alone, by its sample.
    pub fast_cpu_ns_per_byte: f64,
    /// That at the price of a CPU-second, if there is one.
    pub fast_money_per_byte: f64,
    /// Flows of diverted frames that are remembered at the end.
    pub flows: usize,
}

/// One backend's account.
#[derive(Debug, Clone, Serialize)]
pub struct BackendLine {
    /// Its name.
    pub name: String,
    /// Requests handed to it.
    pub asked: u64,
    /// Those that it answered.
    pub answered: u64,
    /// Those that it failed at or was too late with, or that ended before it was asked.
    pub failed: u64,
    /// Attempts that followed a failed one.
    pub retries: u64,
    /// Times that its circuit breaker opened.
    pub breaker_openings: u64,
    /// All together.
    pub cost: CostLine,
    /// Those that cost anything.
    pub by_reason: BTreeMap<&'static str, CostLine>,
    /// The same by the article's tiers.
    pub by_tier: BTreeMap<&'static str, CostLine>,
}

/// What requests came to.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct CostLine {
    /// How many.
    pub requests: u64,
    /// Tokens read and written.
    pub tokens: u64,
    /// CPU time of this machine, in milliseconds.
    pub cpu_ms: f64,
    /// Money.
    pub money: f64,
    /// Money a request.
    pub money_per_request: f64,
}

impl CostLine {
    fn of(requests: u64, cost: &Cost) -> Self {
        let money = cost.units();
        Self {
            requests,
            tokens: cost.tokens,
            cpu_ms: cost.cpu.as_secs_f64() * 1e3,
            money,
            money_per_request: if requests == 0 { 0.0 } else { money / requests as f64 },
        }
    }
}

impl SlowPathLine {
    /// Draws up the books.
    pub fn new(owner: &EventLoop, plan: &SlowPathPlan) -> Self {
        let (metrics, stats) = (owner.service().metrics(), owner.router().stats());
        let backends: Vec<_> = owner.service().accounts().map(backend_line).collect();
        let money: f64 = backends.iter().map(|backend| backend.cost.money).sum();
        let cpu_second = plan.backends.iter().map(|backend| backend.price.cpu_second).fold(0.0, f64::max);
        let per_frame = owner.latencies().handle_frame_mean().as_secs_f64();
        let (frames, bytes) = (stats.received.frames as f64, stats.received.bytes as f64);
        let fast_cpu = if bytes == 0.0 { 0.0 } else { per_frame * frames / bytes };
        Self {
            submitted: metrics.submitted,
            endings: endings(&metrics),
            asked: metrics.asked,
            calls_saved: metrics.cached + metrics.followed,
            escalated: metrics.escalated,
            failed_over: metrics.failed_over,
            model_us: metrics.working.into(),
            backends,
            currency: plan.currency.clone(),
            money_per_slow_packet: if metrics.submitted == 0 {
                0.0
            } else {
                money / metrics.submitted as f64
            },
            fast_cpu_ns_per_byte: fast_cpu * 1e9,
            fast_money_per_byte: fast_cpu * cpu_second,
            flows: owner.router().flows_remembered(),
        }
    }
}

fn endings(metrics: &Snapshot) -> BTreeMap<&'static str, u64> {
    let refused = Refused::ALL.map(|refused| (refused.name(), metrics.refused(refused)));
    let others = [
        ("answered", metrics.answered),
        ("cached", metrics.cached),
        ("followed", metrics.followed),
        ("backend_error", metrics.backend_errors),
        ("deadline", metrics.deadlines),
        ("unsure", metrics.unsure),
        ("class_failed", metrics.class_failed),
        ("in_flight", metrics.in_flight),
    ];
    let mut endings = super::named(refused.into_iter().chain(others));
    // Two things that end a request bear this name: refused since it was stopped, and stopped on its way.
    *endings.entry("stopped").or_default() += metrics.stopped;
    endings.retain(|_, count| *count > 0);
    endings
}

fn backend_line(account: &llm_slowpath::service::Account) -> BackendLine {
    let mut whole = (0, Cost::default());
    let mut tiers = Worth::ALL.map(|tier| (tier, 0, Cost::default()));
    let mut by_reason = BTreeMap::new();
    for (&reason, (requests, cost)) in Anomaly::ALL.iter().zip(account.by_reason.iter()) {
        if *requests == 0 {
            continue;
        }
        by_reason.insert(reason.name(), CostLine::of(*requests, cost));
        whole.0 += requests;
        whole.1 += *cost;
        for (_, sum, total) in tiers.iter_mut().filter(|(tier, ..)| *tier == Worth::of(reason)) {
            *sum += requests;
            *total += *cost;
        }
    }
    BackendLine {
        name: account.name.clone(),
        asked: account.asked,
        answered: account.answered,
        failed: account.failed,
        retries: account.retries,
        breaker_openings: account.openings,
        cost: CostLine::of(whole.0, &whole.1),
        by_reason,
        by_tier: tiers
            .into_iter()
            .filter(|(_, requests, _)| *requests > 0)
            .map(|(tier, requests, cost)| (tier.name(), CostLine::of(requests, &cost)))
            .collect(),
    }
}

impl fmt::Display for SlowPathLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nSlow path's service: {} frames, {} model calls", self.submitted, self.asked)?;
        let endings = self.endings.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>();
        writeln!(f, "  ended: {}", if endings.is_empty() { "none".into() } else { endings.join(", ") })?;
        writeln!(
            f,
            "  calls saved by cache and single-flight: {}; escalated {}, failed over {}; flows remembered: {}",
            self.calls_saved, self.escalated, self.failed_over, self.flows
        )?;
        let retries: u64 = self.backends.iter().map(|backend| backend.retries).sum();
        let openings: u64 = self.backends.iter().map(|backend| backend.breaker_openings).sum();
        writeln!(f, "  attempts after a failed one: {retries}; circuit breakers opened: {openings}")?;
        let currency = &self.currency;
        writeln!(
            f,
            "  {:<30}{:>9}{:>9}{:>9}{:>11}{:>11}{:>14}{:>13}",
            "backend", "asked", "answered", "failed", "tokens", "CPU ms", currency, "a request"
        )?;
        for backend in &self.backends {
            let BackendLine { name, asked, answered, failed, cost, .. } = backend;
            writeln!(
                f,
                "  {name:<30}{asked:>9}{answered:>9}{failed:>9}{:>11}{:>11.1}{:>14.8}{:>13.2e}",
                cost.tokens, cost.cpu_ms, cost.money, cost.money_per_request
            )?;
            let mut dearest: Vec<_> = backend.by_reason.iter().collect();
            dearest.sort_by(|a, b| b.1.money.total_cmp(&a.1.money).then(b.1.requests.cmp(&a.1.requests)));
            dearest.truncate(DEAREST);
            for (what, line) in backend.by_tier.iter().chain(dearest) {
                writeln!(
                    f,
                    "    {what:<28}{:>9}{:>18}{:>11}{:>11.1}{:>14.8}{:>13.2e}",
                    line.requests, "", line.tokens, line.cpu_ms, line.money, line.money_per_request
                )?;
            }
        }
        writeln!(
            f,
            "  a frame on the slow path: {:.2e} {currency}; a byte on the fast path: {:.2} ns of CPU, {:.2e} {currency}",
            self.money_per_slow_packet, self.fast_cpu_ns_per_byte, self.fast_money_per_byte
        )
    }
}
