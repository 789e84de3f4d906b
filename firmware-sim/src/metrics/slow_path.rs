//! The slow path's service, its backends and its budget as samples.

use super::instruments::*;
use super::page::{Page, Text};
use super::scrape::{About, Copy};
use llm_slowpath::middleware::{BreakerState, BudgetLimits};
use llm_slowpath::price::{Cost, UNIT};
use llm_slowpath::service::Account;
use llm_slowpath::{Refused, Snapshot};

/// What the service counted.
pub(super) fn add(page: &mut Page, copy: &Copy, about: &About) {
    let service = &copy.service;
    page.one(&SUBMITTED, service.submitted);
    page.by(&ENDINGS, endings(service));
    page.one(&IN_FLIGHT, service.in_flight);
    page.by(&PASSED_ON, [("unsure", service.escalated), ("failed", service.failed_over)]);
    let line = &copy.availability;
    page.by(&HEALTH, [("healthy", line.healthy_seconds), ("unhealthy", line.seconds - line.healthy_seconds)]);
    backends(page, copy, about);
    budget(page, &copy.spent, about);
}

/// Each way in which a request ends.
fn endings(service: &Snapshot) -> impl Iterator<Item = (&'static str, u64)> {
    let refused = Refused::ALL.map(|why| match why {
        // Ended since the service stops, before it was taken or after.
        Refused::Stopped => (why.name(), service.refused(why) + service.stopped),
        _ => (why.name(), service.refused(why)),
    });
    let others = [
        ("answered", service.answered),
        ("cached", service.cached),
        ("followed", service.followed),
        ("backend_error", service.backend_errors),
        ("deadline", service.deadlines),
        ("unsure", service.unsure),
        ("class_failed", service.class_failed),
    ];
    others.into_iter().chain(refused)
}

fn backends(page: &mut Page, copy: &Copy, about: &About) {
    let accounts = || copy.backends.iter().map(|(account, _)| account);
    let each = |count: fn(&Account) -> u64| {
        accounts().map(move |account| ([Text::from(account.name.clone())], count(account)))
    };
    let name = |account: &Account| Text::from(account.name.clone());
    page.add(&BACKEND_REQUESTS, each(|account| account.asked));
    page.add(
        &BACKEND_ENDINGS,
        accounts().flat_map(|account| {
            let endings = [("answered", account.answered), ("failed", account.failed)];
            endings.map(|(ending, count)| ([name(account), ending.into()], count))
        }),
    );
    page.add(&BACKEND_SECONDS, accounts().map(|account| ([name(account)], &account.working)));
    page.add(&BACKEND_RETRIES, each(|account| account.retries));
    page.add(
        &BREAKER,
        copy.backends.iter().flat_map(|(account, breaker)| {
            let states = [
                ("closed", *breaker == BreakerState::Closed),
                ("open", matches!(breaker, BreakerState::Open { .. })),
                ("half_open", *breaker == BreakerState::HalfOpen),
            ];
            states.map(|(state, is)| ([name(account), state.into()], u64::from(is)))
        }),
    );
    page.add(&BREAKER_OPENINGS, each(|account| account.openings));
    page.add(
        &TOKENS,
        accounts().flat_map(|account| {
            let tokens = [("read", account.prompt_tokens), ("written", account.answer_tokens)];
            tokens.map(|(direction, count)| ([name(account), direction.into()], count))
        }),
    );
    let cost = |account: &Account| {
        account.by_reason.iter().fold(Cost::default(), |mut sum, (_, cost)| {
            sum += *cost;
            sum
        })
    };
    page.add(&BACKEND_CPU, accounts().map(|account| ([name(account)], cost(account).cpu.as_secs_f64())));
    page.add(
        &MONEY,
        accounts().map(|account| ([name(account), about.currency.clone().into()], cost(account).units())),
    );
}

fn budget(page: &mut Page, spent: &Cost, about: &About) {
    let currency = || [Text::from(about.currency.clone())];
    let BudgetLimits { tokens, money, cpu, share: _ } = about.budget;
    page.one(&SPENT_TOKENS, spent.tokens);
    page.add(&SPENT_MONEY, [(currency(), spent.units())]);
    page.one(&SPENT_CPU, spent.cpu.as_secs_f64());
    page.add(&LIMIT_TOKENS, tokens.map(|tokens| ([], tokens)));
    page.add(&LIMIT_MONEY, money.map(|money| (currency(), money as f64 / UNIT as f64)));
    page.add(&LIMIT_CPU, cpu.map(|cpu| ([], cpu.as_secs_f64())));
}
