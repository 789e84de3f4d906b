//! `[limits]` and `[rules]`: the defaults, adapted to the backend, then what the file says.

use super::FileError;
use super::file::File;
use super::locator::Locator;
use crate::slow_path::suit_servers;
use crate::storage::Tables;
use smoltcp::time::Duration;
use stack::divert::MAX_SLOTS;
use stack::rules::MAX_CONCORDANCE;
use stack::{Limits, RuleLimits};
use std::ops::RangeInclusive;
use toml::Spanned;

/// The defaults, adapted to backends that are all `local` or not, then what the file says.
pub(super) fn limits(at: &Locator<'_>, file: &File, local: bool) -> Result<Limits, FileError> {
    let mut limits = Limits::default();
    if !local {
        suit_servers(&mut limits);
    }
    let from = &file.limits;
    let any = 1..=u32::MAX;
    // Both share one arena, which numbers its slots with 16 bits.
    let slots = 1..=(MAX_SLOTS / 2) as u32;
    if let Some(value) = at.limit("deadline_ms", &from.deadline_ms, &any)? {
        limits.divert_deadline = Duration::from_millis(value.into());
    }
    if let Some(value) = at.limit("diverts_per_second", &from.diverts_per_second, &any)? {
        limits.divert_rate.per_second = value;
    }
    if let Some(value) = at.limit("divert_burst", &from.divert_burst, &any)? {
        limits.divert_rate.burst = value;
    }
    if let Some(value) = at.limit("divert_queue", &from.divert_queue, &slots)? {
        limits.divert_queue = value as usize;
    }
    if let Some(value) = at.limit("divert_outstanding", &from.divert_outstanding, &slots)? {
        limits.divert_outstanding = value as usize;
    }
    if let Some(value) = at.limit("diverts_per_source", &from.diverts_per_source, &any)? {
        limits.divert_per_source = value as usize;
    }
    if let Some(value) = at.limit("observe_one_in", &from.observe_one_in, &any)? {
        limits.observe_one_in = value;
    }
    if let Some(value) = at.limit("icmp_errors_per_second", &from.icmp_errors_per_second, &any)? {
        limits.icmp_error_rate.per_second = value;
    }
    if let Some(value) = at.limit("neighbor_lifetime_s", &from.neighbor_lifetime_s, &(1..=86_400))? {
        limits.neighbor_lifetime = Duration::from_secs(value.into());
    }
    // RFC 1122 §2.3.2.1: no more than one request a second.
    if let Some(value) = at.limit("neighbor_interval_ms", &from.neighbor_interval_ms, &(1_000..=60_000))? {
        limits.arp_interval = Duration::from_millis(value.into());
    }
    if let Some(value) = at.limit("neighbor_attempts", &from.neighbor_attempts, &(1..=u8::MAX.into()))? {
        limits.arp_attempts = value as u8;
    }
    let most = 1..=crate::storage::WAITING as u32;
    if let Some(value) = at.limit("packets_per_neighbor", &from.packets_per_neighbor, &most)? {
        limits.waiting_per_neighbor = value as usize;
    }
    Ok(limits)
}

/// How rules are learnt and kept: the defaults, then what the file says.
pub(super) fn rules(at: &Locator<'_>, file: &File) -> Result<RuleLimits, FileError> {
    let mut rules = RuleLimits::default();
    let from = &file.rules;
    if let Some(value) = at.number("rules.concordance", &from.concordance, &(0..=MAX_CONCORDANCE as u32))? {
        rules.concordance = value as u8;
    }
    if let Some(value) = at.number("rules.shadow_ms", &from.shadow_ms, &(0..=3_600_000))? {
        rules.shadow = Duration::from_millis(value.into());
    }
    if let Some(value) = at.number("rules.idle_s", &from.idle_s, &(1..=86_400))? {
        rules.idle = Duration::from_secs(value.into());
    }
    if let Some(value) = at.number("rules.masks", &from.masks, &(1..=u32::MAX))? {
        rules.masks = value as usize;
    }
    if let Some(value) = at.number("rules.sample_one_in", &from.sample_one_in, &(0..=u32::MAX))? {
        rules.sample_one_in = value;
    }
    Ok(rules)
}

/// How many flows of diverted frames are remembered, and how many rules there may be.
pub(super) fn tables(at: &Locator<'_>, file: &File) -> Result<Tables, FileError> {
    let mut tables = Tables::default();
    if let Some(value) = at.limit("flows", &file.limits.flows, &(8..=1 << 24))? {
        tables.flows = value as usize;
    }
    if let Some(value) = at.number("rules.most", &file.rules.most, &(8..=1 << 20))? {
        tables.rules = value as usize;
    }
    Ok(tables)
}

impl Locator<'_> {
    /// A value of `[limits]`, if the file has it.
    fn limit(
        &self,
        name: &str,
        value: &Option<Spanned<u32>>,
        range: &RangeInclusive<u32>,
    ) -> Result<Option<u32>, FileError> {
        self.number(&format!("limits.{name}"), value, range)
    }

    /// The value of a field, if the file has it.
    fn number(
        &self,
        field: &str,
        value: &Option<Spanned<u32>>,
        range: &RangeInclusive<u32>,
    ) -> Result<Option<u32>, FileError> {
        let Some(spanned) = value else { return Ok(None) };
        let (value, least, most) = (*spanned.get_ref(), *range.start(), *range.end());
        let problem = match value {
            value if range.contains(&value) => return Ok(Some(value)),
            0 => "must not be 0".to_owned(),
            value if value < least => format!("{value} is too small"),
            value => format!("{value} is too large"),
        };
        let remedy = match most {
            u32::MAX => format!("take {least} or more"),
            most => format!("take {least} to {most}"),
        };
        Err(self.error(spanned.span(), field.into(), problem, &remedy))
    }
}
