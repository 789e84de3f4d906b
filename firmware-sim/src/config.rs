//! `router.toml`: read, checked, and turned into what the router takes. Every error names the file,
//! the line, the field and the remedy.

mod file;

use file::File;
use llm_slowpath::BackendSpec;
use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};
use stack::divert::MAX_SLOTS;
use stack::frame::{MAX_MTU, MIN_MTU};
use stack::{Anomaly, Config, ConfigError, Limits, Mode, PortConfig, PortId, Posture, Rate, Route};
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;
use toml::Spanned;

/// A configuration that can be run.
#[derive(Debug, Clone)]
pub struct RunConfig {
    /// Interface names, by port.
    pub port_names: Vec<String>,
    /// What the router is told.
    pub router: Config,
    /// Routes beside the connected networks.
    pub routes: Vec<Route>,
    /// Who answers.
    pub backend: BackendSpec,
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

/// Reads and checks a configuration file.
///
/// # Errors
/// The first thing that is wrong.
pub fn load(path: &Path, secret: u64, midnight_offset_ms: Option<u32>) -> Result<RunConfig, FileError> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| FileError {
        file: name.clone(),
        line: 1,
        column: 1,
        field: "(the file itself)".into(),
        problem: error.to_string(),
        remedy: "give the path of a readable TOML file; router.example.toml is one to start from".into(),
    })?;
    parse(&name, &text, secret, midnight_offset_ms)
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
    let file: File = toml::Deserializer::parse(text)
        .map_err(|error| at.syntax(&error))
        .and_then(|toml| serde_path_to_error::deserialize(toml).map_err(|error| at.structure(&error)))?;
    let mut router = Config::new(secret);
    router.midnight_offset_ms = midnight_offset_ms;
    let mut port_names = Vec::new();
    for (index, port) in file.port.iter().enumerate() {
        let field = |name: &str| format!("port[{index}].{name}");
        let port_name = port.name.get_ref();
        if port_names.contains(port_name) {
            return Err(at.error(
                port.name.span(),
                field("name"),
                format!("`{port_name}` is a port already"),
                "give each port the name of its own TAP",
            ));
        }
        let mac = EthernetAddress::from_str(port.mac.get_ref())
            .ok()
            .filter(|mac| mac.is_unicast() && mac.0 != [0; 6]);
        let mac = mac.ok_or_else(|| {
            at.error(
                port.mac.span(),
                field("mac"),
                format!("`{}` is not a unicast MAC address", port.mac.get_ref()),
                "write six hexadecimal bytes, such as 02:00:00:00:01:01",
            )
        })?;
        let mut addresses = heapless::Vec::new();
        for (number, address) in port.addresses.iter().enumerate() {
            let field = field(&format!("addresses[{number}]"));
            let cidr = at.cidr(address, &field)?;
            addresses.push(cidr).map_err(|_| {
                at.error(
                    address.span(),
                    field,
                    "too many addresses on one port",
                    &format!("a port has at most {}", stack::config::MAX_PORT_ADDRESSES),
                )
            })?;
        }
        let mtu = *port.mtu.get_ref();
        if !(MIN_MTU..=MAX_MTU).contains(&mtu) {
            return Err(at.error(
                port.mtu.span(),
                field("mtu"),
                format!("{mtu} is no MTU that this router serves"),
                &format!("take {MIN_MTU} to {MAX_MTU}"),
            ));
        }
        port_names.push(port_name.clone());
        router.ports.push(PortConfig { mac, mtu, addresses }).map_err(|_| {
            at.error(
                port.name.span(),
                field("name"),
                "too many ports",
                &format!("a router has at most {}", stack::config::MAX_PORTS),
            )
        })?;
    }
    if let Some(posture) = &file.router.posture {
        router.posture =
            Posture::ALL.into_iter().find(|p| p.name() == posture.get_ref()).ok_or_else(|| {
                at.error(
                    posture.span(),
                    "router.posture".into(),
                    format!("`{}` is no posture", posture.get_ref()),
                    "write strict, balanced or open",
                )
            })?;
    }
    let backend = match &file.router.backend {
        None => BackendSpec::Embedded { weights: None },
        Some(spec) => spec.get_ref().parse().map_err(|error: llm_slowpath::SetupError| {
            at.error(
                spec.span(),
                "router.backend".into(),
                error.to_string(),
                "write embedded, or openai:http://HOST:PORT#MODEL",
            )
        })?,
    };
    for (reason, mode) in &file.modes {
        set_mode(&at, &mut router, reason, mode)?;
    }
    router.limits = limits(&at, &file, &backend)?;
    check(&at, &file, &router)?;
    let routes = file
        .route
        .iter()
        .enumerate()
        .map(|(index, route)| read_route(&at, route, index, &port_names, &router))
        .collect::<Result<_, _>>()?;
    Ok(RunConfig { port_names, router, routes, backend })
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

fn read_route(
    at: &Locator<'_>,
    route: &file::RouteEntry,
    index: usize,
    port_names: &[String],
    router: &Config,
) -> Result<Route, FileError> {
    let field = |name: &str| format!("route[{index}].{name}");
    let prefix = at.cidr(&route.prefix, &field("prefix"))?;
    let port = port_names.iter().position(|name| name == route.port.get_ref()).ok_or_else(|| {
        at.error(
            route.port.span(),
            field("port"),
            format!("no port is called `{}`", route.port.get_ref()),
            &format!("name one of: {}", port_names.join(", ")),
        )
    })?;
    let next_hop = route.next_hop.as_ref().map(|text| {
        // A host on a connected network, and not the router itself.
        let is_neighbor = |hop: &Ipv4Address| {
            router.ports[port].addresses.iter().any(|cidr| {
                let everybody = [cidr.broadcast(), cidr.broadcast().map(|_| cidr.network().address())];
                cidr.contains_addr(hop) && cidr.address() != *hop && !everybody.contains(&Some(*hop))
            })
        };
        text.get_ref().parse().ok().filter(is_neighbor).ok_or_else(|| {
            at.error(
                text.span(),
                field("next_hop"),
                format!("`{}` is not a neighbour on a network of port {}", text.get_ref(), port_names[port]),
                "name a router on that port's own network, or leave next_hop out",
            )
        })
    });
    Ok(Route { prefix, next_hop: next_hop.transpose()?, port: PortId(port as u8) })
}

/// The defaults, adapted to the backend's deadline, then what the file says.
fn limits(at: &Locator<'_>, file: &File, backend: &BackendSpec) -> Result<Limits, FileError> {
    let mut limits = Limits::default();
    if let BackendSpec::OpenAi { .. } = backend {
        limits.divert_deadline = smoltcp::time::Duration::from_secs(2);
        limits.divert_rate = Rate { per_second: 50, burst: 100 };
    }
    let from = &file.limits;
    let at_least_1 = |value: &Spanned<u32>, name: &str| match *value.get_ref() {
        0 => Err(at.error(value.span(), format!("limits.{name}"), "must not be 0", "take 1 or more")),
        value => Ok(value),
    };
    if let Some(value) = &from.deadline_ms {
        limits.divert_deadline =
            smoltcp::time::Duration::from_millis(at_least_1(value, "deadline_ms")?.into());
    }
    if let Some(value) = &from.diverts_per_second {
        limits.divert_rate.per_second = at_least_1(value, "diverts_per_second")?;
    }
    if let Some(value) = &from.divert_burst {
        limits.divert_rate.burst = at_least_1(value, "divert_burst")?;
    }
    // Both share one arena, which numbers its slots with 16 bits.
    let slots = |value: &Spanned<u32>, name: &str| match at_least_1(value, name)? as usize {
        slots if slots <= MAX_SLOTS / 2 => Ok(slots),
        slots => Err(at.error(
            value.span(),
            format!("limits.{name}"),
            format!("{slots} frames are too many"),
            &format!("take at most {}", MAX_SLOTS / 2),
        )),
    };
    if let Some(value) = &from.divert_queue {
        limits.divert_queue = slots(value, "divert_queue")?;
    }
    if let Some(value) = &from.divert_outstanding {
        limits.divert_outstanding = slots(value, "divert_outstanding")?;
    }
    if let Some(value) = &from.diverts_per_source {
        limits.divert_per_source = at_least_1(value, "diverts_per_source")? as usize;
    }
    if let Some(value) = &from.observe_one_in {
        limits.observe_one_in = at_least_1(value, "observe_one_in")?;
    }
    if let Some(value) = &from.icmp_errors_per_second {
        limits.icmp_error_rate.per_second = at_least_1(value, "icmp_errors_per_second")?;
    }
    Ok(limits)
}

/// What only the router itself can judge, judged before any device is touched.
fn check(at: &Locator<'_>, file: &File, router: &Config) -> Result<(), FileError> {
    let result = stack::Router::new(router.clone(), crate::storage::storage(&router.limits));
    result.map(drop).map_err(|error| match error {
        ConfigError::DivertCapacity { .. } => at.error(
            at.section("[limits]"),
            "limits".into(),
            error.to_string(),
            "raise divert_queue or divert_outstanding, or lower diverts_per_second or deadline_ms",
        ),
        ConfigError::PortAddress(port) | ConfigError::PortMac(port) | ConfigError::PortMtu(port) => {
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
        | ConfigError::TooManyAddresses
        | ConfigError::RouteTableFull => at.error(
            at.section("[[port]]"),
            "port".into(),
            error.to_string(),
            "add a [[port]] with name, mac and addresses; a router has at most 8 addresses in all",
        ),
    })
}

/// Finds lines and columns.
struct Locator<'a> {
    name: &'a str,
    text: &'a str,
}

impl Locator<'_> {
    fn error(
        &self,
        span: Range<usize>,
        field: String,
        problem: impl Into<String>,
        remedy: &str,
    ) -> FileError {
        let before = &self.text[..span.start.min(self.text.len())];
        FileError {
            file: self.name.into(),
            line: before.matches('\n').count() + 1,
            column: before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1,
            field,
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }

    /// Where a table's header stands, or the file's start.
    fn section(&self, header: &str) -> Range<usize> {
        let at = self.text.find(header).unwrap_or(0);
        at..at
    }

    fn syntax(&self, error: &toml::de::Error) -> FileError {
        let span = error.span().unwrap_or(0..0);
        self.error(span, "(syntax)".into(), error.message(), "write TOML: see router.example.toml")
    }

    fn structure(&self, error: &serde_path_to_error::Error<toml::de::Error>) -> FileError {
        let span = error.inner().span().unwrap_or(0..0);
        // The path also names the wrapper that carries the position.
        let field = error.path().to_string().replace(".$__serde_spanned_private_value", "");
        let field = if field == "." { "(the file itself)".into() } else { field };
        self.error(
            span,
            field,
            error.inner().message(),
            "see router.example.toml for every field and its type",
        )
    }

    fn cidr(&self, text: &Spanned<String>, field: &str) -> Result<Ipv4Cidr, FileError> {
        Ipv4Cidr::from_str(text.get_ref()).map_err(|()| {
            self.error(
                text.span(),
                field.into(),
                format!("`{}` is not an IPv4 address with its prefix length", text.get_ref()),
                "write it like 10.0.1.1/24",
            )
        })
    }
}

#[cfg(test)]
mod tests;
