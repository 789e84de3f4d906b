//! `router.toml`: read, checked, and turned into what the router takes. Every error names the file,
//! the line, the field and the remedy.

mod file;
mod limits;
mod locator;
mod ports;
mod routes;
mod slow_path;
#[cfg(test)]
mod tests;

use crate::metrics::Listen;
use crate::slow_path::SlowPathPlan;
use crate::storage::Tables;
use file::{File, SlowPathFile};
use locator::Locator;
use smoltcp::wire::{Ipv4Address, Ipv6Address};
use stack::{Anomaly, Config, ConfigError, Mode, PortId, Posture, Route};
use std::path::{Path, PathBuf};
use toml::Spanned;

/// A configuration that can be run.
#[derive(Debug, Clone)]
pub struct RunConfig {
    /// Names, by port: a TAP's interface, or what a VLAN is called.
    pub port_names: Vec<String>,
    /// What the router is told.
    pub router: Config,
    /// IPv4 routes beside the connected networks.
    pub routes: Vec<Route<Ipv4Address>>,
    /// IPv6 routes beside the connected networks.
    pub routes_v6: Vec<Route<Ipv6Address>>,
    /// Who answers, and within what limits.
    pub slow_path: SlowPathPlan,
    /// How long the tables are whose length is the operator's choice.
    pub tables: Tables,
    /// Where rules are kept from one run to the next, if anywhere.
    pub rules_file: Option<PathBuf>,
    /// Where the control socket is, if not at the usual place.
    pub control_socket: Option<PathBuf>,
    /// Where the metrics endpoint listens, if there is one.
    pub metrics: Option<Listen>,
    /// Super-frames and unfinished checksums over the TAPs, where the kernel grants them?
    pub offload: bool,
}

impl RunConfig {
    /// Largest IP packet of the port's own device: that of the port itself, or of the largest of its VLANs.
    pub fn device_mtu(&self, port: PortId) -> usize {
        let ports = &self.router.ports;
        let vlans = ports.iter().filter(|other| other.vlan.is_some_and(|vlan| vlan.trunk == port));
        vlans.map(|vlan| vlan.mtu).fold(ports[port.index()].mtu, usize::max)
    }
}

/// What is wrong with a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {field}: {problem}\n  remedy: {remedy}")]
pub struct FileError {
    /// The file's path.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// Path of the field, such as `port[0].mtu`.
    pub field: String,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

/// Reads and checks a configuration file; the configuration, and the file's text.
///
/// # Errors
/// The first thing that is wrong.
pub fn load(
    path: &Path,
    secret: u64,
    midnight_offset_ms: Option<u32>,
) -> Result<(RunConfig, String), FileError> {
    let (name, text) = read(path, "router.example.toml is one to start from")?;
    parse(&name, &text, secret, midnight_offset_ms).map(|config| (config, text))
}

/// Reads and checks a file that holds `[[backend]]`, `[slow_path]` and `[value]` alone.
///
/// # Errors
/// The first thing that is wrong.
pub fn load_slow_path(path: &Path) -> Result<SlowPathPlan, FileError> {
    let (name, text) =
        read(path, "it holds [[backend]], [slow_path] and [value] alone, as router.example.toml shows them")?;
    let at = Locator { name: &name, text: &text };
    let file: SlowPathFile = at.deserialize()?;
    let SlowPathFile { backend, slow_path, value } = &file;
    slow_path::plan(&at, &slow_path::Tables { single: None, backends: backend, slow_path, values: value })
}

fn read(path: &Path, example: &str) -> Result<(String, String), FileError> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| FileError {
        file: name.clone(),
        line: 1,
        column: 1,
        field: "(the file itself)".into(),
        problem: error.to_string(),
        remedy: format!("give the path of a readable TOML file; {example}"),
    })?;
    Ok((name, text))
}

/// Checks the text of a configuration file called `name`.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse(
    name: &str,
    text: &str,
    secret: u64,
    midnight_offset_ms: Option<u32>,
) -> Result<RunConfig, FileError> {
    let at = Locator { name, text };
    let file: File = at.deserialize()?;
    let mut router = Config::new(secret);
    router.midnight_offset_ms = midnight_offset_ms;
    router.ports = ports::ports(&at, &file.port)?;
    let port_names: Vec<_> = file.port.iter().map(|port| port.name.get_ref().clone()).collect();
    if let Some(posture) = &file.router.posture {
        router.posture = Posture::from_name(posture.get_ref()).ok_or_else(|| {
            at.error(
                posture.span(),
                "router.posture".into(),
                format!("`{}` is no posture", posture.get_ref()),
                "write strict, balanced or open",
            )
        })?;
    }
    router.rules = limits::rules(&at, &file)?;
    let mut slow_path = slow_path::plan(
        &at,
        &slow_path::Tables {
            single: file.router.backend.as_ref(),
            backends: &file.backend,
            slow_path: &file.slow_path,
            values: &file.value,
        },
    )?;
    slow_path.ask_so_often(router.rules.concordance);
    for (reason, mode) in &file.modes {
        set_mode(&at, &mut router, reason, mode)?;
    }
    router.limits = limits::limits(&at, &file, slow_path.is_local())?;
    check(&at, &file, &router)?;
    let (routes, routes_v6) = routes::routes(&at, &file.route, &port_names, &router)?;
    let offload = file.router.offload.unwrap_or(true);
    let tables = limits::tables(&at, &file)?;
    let rules_file = file.rules.file.map(PathBuf::from);
    let control_socket = file.control.socket.map(PathBuf::from);
    let metrics = file.metrics.listen.as_ref().map(|listen| {
        let error = |problem: String| {
            at.error(listen.span(), "metrics.listen".into(), problem, "write it like \"127.0.0.1:9469\"")
        };
        listen.get_ref().parse().map_err(error)
    });
    let metrics = metrics.transpose()?;
    Ok(RunConfig {
        port_names,
        router,
        routes,
        routes_v6,
        slow_path,
        tables,
        rules_file,
        control_socket,
        metrics,
        offload,
    })
}

fn set_mode(
    at: &Locator<'_>,
    router: &mut Config,
    reason: &Spanned<String>,
    mode: &Spanned<String>,
) -> Result<(), FileError> {
    let field = format!("modes.{}", reason.get_ref());
    let anomaly = Anomaly::from_name(reason.get_ref()).ok_or_else(|| {
        at.error(reason.span(), field.clone(), "no such reason", "`softrouter anomalies` lists them all")
    })?;
    let known = [Mode::Off, Mode::Observe, Mode::Enforce].into_iter().find(|m| m.name() == mode.get_ref());
    let known = known.ok_or_else(|| {
        at.error(
            mode.span(),
            field.clone(),
            format!("`{}` is no mode", mode.get_ref()),
            "write off, observe or enforce",
        )
    })?;
    router
        .set_mode(anomaly, known)
        .map_err(|error| at.error(mode.span(), field, error.to_string(), "write observe"))
}

/// What only the router itself can judge, judged before any device is touched.
fn check(at: &Locator<'_>, file: &File, router: &Config) -> Result<(), FileError> {
    let result =
        stack::Router::new(router.clone(), crate::storage::storage(&router.limits, Tables::default()));
    result.map(drop).map_err(|error| match error {
        ConfigError::DivertCapacity { .. } => at.error(
            at.section("[limits]"),
            "limits".into(),
            error.to_string(),
            "raise divert_queue or divert_outstanding, or lower diverts_per_second or deadline_ms",
        ),
        ConfigError::PortAddress(port)
        | ConfigError::PortMac(port)
        | ConfigError::PortMtu(port)
        | ConfigError::PortVlan(port) => {
            let entry = &file.port[port.index()];
            let span = entry.addresses.first().map_or(entry.name.span(), Spanned::span);
            let field = format!("port[{}].addresses", port.0);
            at.error(
                span,
                field,
                error.to_string(),
                "give each port a host's address of a network of its own",
            )
        }
        ConfigError::NoPorts
        | ConfigError::EnforceMustPass(_)
        | ConfigError::RoutePort(_)
        | ConfigError::HostStorage
        | ConfigError::RouteTableFull => at.error(
            at.section("[[port]]"),
            "port".into(),
            error.to_string(),
            "add a [[port]] with name, mac and addresses",
        ),
    })
}
