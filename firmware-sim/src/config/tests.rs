//! The example must load; every mistake must be located and remedied.

use super::*;

const EXAMPLE: &str = include_str!("../../../router.example.toml");

fn load_text(text: &str) -> Result<RunConfig, FileError> {
    parse("router.toml", text, 1, None)
}

#[test]
fn the_example_loads() {
    let config = load_text(EXAMPLE).unwrap();
    assert_eq!(config.port_names, ["tap0", "tap1"]);
    assert_eq!(config.router.ports[1].addresses[0].to_string(), "10.0.2.1/24");
    assert_eq!(config.routes.len(), 1);
    assert_eq!(config.backend, BackendSpec::Embedded { weights: None });
    assert_eq!(config.router.mode(Anomaly::EchoRequest), Mode::Off);
}

/// `from` must be in the example; `to` replaces it. The error is expected on the line of `to`.
#[track_caller]
fn mistake(from: &str, to: &str, field: &str, problem: &str) {
    assert!(EXAMPLE.contains(from), "the example has no `{from}`");
    let text = EXAMPLE.replacen(from, to, 1);
    let error = load_text(&text).unwrap_err();
    let shown = error.to_string();
    let line = text[..text.find(to).unwrap()].matches('\n').count() + 1;
    assert_eq!((error.field.as_str(), error.line), (field, line), "{shown}");
    assert!(error.problem.contains(problem), "{shown}");
    assert!(!error.remedy.is_empty() && shown.starts_with("router.toml:"), "{shown}");
}

#[test]
fn mistakes_are_located() {
    mistake("posture = \"balanced\"", "posture = \"relaxed\"", "router.posture", "no posture");
    mistake("backend = \"embedded\"", "backend = \"gpt\"", "router.backend", "unknown backend");
    mistake("mac = \"02:00:00:00:01:01\"", "mac = \"01:00:00:00:01:01\"", "port[0].mac", "unicast");
    mistake(
        "addresses = [\"10.0.1.1/24\"]",
        "addresses = [\"10.0.1.1\"]",
        "port[0].addresses[0]",
        "prefix length",
    );
    mistake("mtu = 1500", "mtu = 9000", "port[0].mtu", "no MTU");
    mistake("mtu = 1500", "mtu = 575", "port[0].mtu", "no MTU");
    mistake("mtu = 1500", "mtu = \"big\"", "port[0].mtu", "invalid type");
    mistake("mtu = 1500", "mut = 1500", "port[0].mut", "unknown field");
    mistake("name = \"tap1\"", "name = \"tap0\" #", "port[1].name", "already");
    let hop = "next_hop = \"10.0.2.2\"";
    mistake(hop, "next_hop = \"10.9.9.9\"", "route[0].next_hop", "not a neighbour");
    mistake(hop, "next_hop = \"10.0.2.1\"", "route[0].next_hop", "not a neighbour");
    mistake(hop, "next_hop = \"10.0.2.255\"", "route[0].next_hop", "not a neighbour");
    mistake("port = \"tap1\"", "port = \"tap9\"", "route[0].port", "no port is called");
    mistake(
        "ipv4_option_transit = \"enforce\"",
        "ipv4_option_nonsense = \"off\"",
        "modes.ipv4_option_nonsense",
        "no such reason",
    );
    mistake(
        "ipv4_option_transit = \"enforce\"",
        "ipv4_reserved_flag = \"enforce\"",
        "modes.ipv4_reserved_flag",
        "must pass",
    );
    mistake(
        "ipv4_option_transit = \"enforce\"",
        "ipv4_option_transit = \"on\"",
        "modes.ipv4_option_transit",
        "no mode",
    );
    mistake("deadline_ms = 50", "deadline_ms = 0", "limits.deadline_ms", "must not be 0");
    mistake("divert_queue = 128", "divert_queue = 70000", "limits.divert_queue", "too many");
    mistake(
        "divert_outstanding = 128",
        "divert_outstanding = 4294967295",
        "limits.divert_outstanding",
        "too many",
    );
    mistake("[limits]", "[limits", "(syntax)", "");
}

#[test]
fn capacity_must_hold_rate_times_deadline() {
    let error = load_text(&EXAMPLE.replace("deadline_ms = 50", "deadline_ms = 5000")).unwrap_err();
    assert!(error.problem.contains("divert slots") && error.line > 1, "{error}");
}

#[test]
fn two_ports_cannot_share_an_address() {
    let error = load_text(&EXAMPLE.replace("10.0.2.1/24", "10.0.1.1/24")).unwrap_err();
    assert!(error.problem.contains("belong to one port only"), "{error}");
    assert_eq!(error.field, "port[0].addresses", "{error}");
    let error = load_text(&EXAMPLE.replace("10.0.2.1/24", "10.0.2.0/24")).unwrap_err();
    assert_eq!((error.field.as_str(), error.line), ("port[1].addresses", 17), "{error}");
}
