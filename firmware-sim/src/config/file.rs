//! The shape of `router.toml`, before anything in it is believed.

use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub(super) router: RouterTable,
    #[serde(default)]
    pub(super) port: Vec<PortEntry>,
    #[serde(default)]
    pub(super) route: Vec<RouteEntry>,
    #[serde(default)]
    pub(super) modes: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    pub(super) limits: LimitsTable,
    #[serde(default)]
    pub(super) rules: RulesTable,
    #[serde(default)]
    pub(super) control: ControlTable,
    #[serde(default)]
    pub(super) metrics: MetricsTable,
    #[serde(default)]
    pub(super) backend: Vec<BackendEntry>,
    #[serde(default)]
    pub(super) slow_path: SlowPathTable,
    #[serde(default)]
    pub(super) value: BTreeMap<Spanned<String>, Spanned<f64>>,
}

/// The tables that say what the slow path is, in a file of their own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SlowPathFile {
    #[serde(default)]
    pub(super) backend: Vec<BackendEntry>,
    #[serde(default)]
    pub(super) slow_path: SlowPathTable,
    #[serde(default)]
    pub(super) value: BTreeMap<Spanned<String>, Spanned<f64>>,
}

/// `[[backend]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BackendEntry {
    pub(super) name: Option<String>,
    pub(super) model: Spanned<String>,
    pub(super) threshold: Option<Spanned<f64>>,
    pub(super) price_input: Option<Spanned<f64>>,
    pub(super) price_cached_input: Option<Spanned<f64>>,
    pub(super) price_output: Option<Spanned<f64>>,
    pub(super) price_cpu_second: Option<Spanned<f64>>,
}

/// `[slow_path]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SlowPathTable {
    pub(super) prompt: Option<Spanned<String>>,
    pub(super) payload: Option<Spanned<f64>>,
    pub(super) real_addresses: Option<bool>,
    pub(super) cache: Option<bool>,
    pub(super) cache_s: Option<Spanned<f64>>,
    pub(super) concurrency: Option<Spanned<f64>>,
    pub(super) breaker_failures: Option<Spanned<f64>>,
    pub(super) tokens_per_hour: Option<Spanned<f64>>,
    pub(super) money_per_hour: Option<Spanned<f64>>,
    pub(super) cpu_s_per_hour: Option<Spanned<f64>>,
    pub(super) share_per_reason: Option<Spanned<f64>>,
    pub(super) currency: Option<String>,
}

/// `[router]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouterTable {
    pub(super) posture: Option<Spanned<String>>,
    pub(super) backend: Option<Spanned<String>>,
    pub(super) offload: Option<bool>,
}

/// `[[port]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PortEntry {
    pub(super) name: Spanned<String>,
    pub(super) mac: Option<Spanned<String>>,
    #[serde(default = "ethernet_mtu")]
    pub(super) mtu: Spanned<usize>,
    pub(super) addresses: Vec<Spanned<String>>,
    pub(super) trunk: Option<Spanned<String>>,
    pub(super) vlan: Option<Spanned<u32>>,
    pub(super) reverse_path: Option<Spanned<String>>,
}

fn ethernet_mtu() -> Spanned<usize> {
    Spanned::new(0..0, 1500)
}

/// `[[route]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteEntry {
    pub(super) prefix: Spanned<String>,
    pub(super) next_hop: Option<Spanned<String>>,
    pub(super) port: Option<Spanned<String>>,
    #[serde(rename = "type")]
    pub(super) kind: Option<Spanned<String>>,
}

/// `[rules]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RulesTable {
    pub(super) concordance: Option<Spanned<u32>>,
    pub(super) shadow_ms: Option<Spanned<u32>>,
    pub(super) idle_s: Option<Spanned<u32>>,
    pub(super) most: Option<Spanned<u32>>,
    pub(super) masks: Option<Spanned<u32>>,
    pub(super) sample_one_in: Option<Spanned<u32>>,
    pub(super) file: Option<String>,
}

/// `[control]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ControlTable {
    pub(super) socket: Option<String>,
}

/// `[metrics]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MetricsTable {
    pub(super) listen: Option<Spanned<String>>,
}

/// `[limits]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsTable {
    pub(super) deadline_ms: Option<Spanned<u32>>,
    pub(super) diverts_per_second: Option<Spanned<u32>>,
    pub(super) divert_burst: Option<Spanned<u32>>,
    pub(super) divert_queue: Option<Spanned<u32>>,
    pub(super) divert_outstanding: Option<Spanned<u32>>,
    pub(super) flows: Option<Spanned<u32>>,
    pub(super) diverts_per_source: Option<Spanned<u32>>,
    pub(super) observe_one_in: Option<Spanned<u32>>,
    pub(super) icmp_errors_per_second: Option<Spanned<u32>>,
    pub(super) neighbor_lifetime_s: Option<Spanned<u32>>,
    pub(super) neighbor_interval_ms: Option<Spanned<u32>>,
    pub(super) neighbor_attempts: Option<Spanned<u32>>,
    pub(super) packets_per_neighbor: Option<Spanned<u32>>,
}
