//! The example must load; every mistake must be located and remedied.

use super::*;
use stack::{ReversePath, Target, Vlan};

const EXAMPLE: &str = include_str!("../../../router.example.toml");

fn load_text(text: &str) -> Result<RunConfig, FileError> {
    parse("router.toml", text, 1, None)
}

#[test]
fn the_example_loads() {
    let config = load_text(EXAMPLE).unwrap();
    assert_eq!(config.port_names, ["tap0", "tap1", "tap1.10"]);
    let ports = &config.router.ports;
    assert_eq!(ports[1].addresses[0].to_string(), "10.0.2.1/24");
    assert_eq!(ports[1].ipv6[0].to_string(), "fd00:2::1/64");
    assert_eq!((ports[2].vlan, ports[2].mac), (Some(Vlan { trunk: PortId(1), id: 10 }), ports[1].mac));
    let targets: Vec<_> = config.routes.iter().map(|route| (route.target, route.port)).collect();
    assert_eq!(targets, [(Target::Via([10, 0, 2, 2].into()), PortId(1)), (Target::Unreachable, PortId(0))]);
    assert_eq!(config.routes_v6[0].target, Target::Via("fd00:2::2".parse().unwrap()));
    assert_eq!(config.backend, BackendSpec::Embedded { weights: None });
    assert_eq!(config.router.mode(Anomaly::EchoRequest), Mode::Off);
    assert!(
        config.offload && !load_text(&EXAMPLE.replace("offload = true", "offload = false")).unwrap().offload
    );
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
        "addresses = [\"10.0.1.1/24\", ",
        "addresses = [\"10.0.1.1\", ",
        "port[0].addresses[0]",
        "prefix length",
    );
    mistake("mtu = 1500", "mtu = 9000", "port[0].mtu", "no MTU");
    mistake("mtu = 1500", "mtu = 575", "port[0].mtu", "no MTU");
    mistake("mtu = 1500", "mtu = 1279", "port[0].mtu", "no MTU");
    mistake("mtu = 1500", "mtu = \"big\"", "port[0].mtu", "invalid type");
    mistake("mtu = 1500", "mut = 1500", "port[0].mut", "unknown field");
    mistake("name = \"tap1\"", "name = \"tap0\" #", "port[1].name", "already");
    let hop = "next_hop = \"10.0.2.2\"";
    mistake(hop, "next_hop = \"10.9.9.9\"", "route[0].next_hop", "not a neighbour");
    mistake(hop, "next_hop = \"10.0.2.1\"", "route[0].next_hop", "not a neighbour");
    mistake(hop, "next_hop = \"10.0.2.255\"", "route[0].next_hop", "not a neighbour");
    mistake(hop, "next_hop = \"fd00:2::2\"", "route[0].next_hop", "not a neighbour");
    let hop = "next_hop = \"fd00:2::2\"";
    mistake(hop, "next_hop = \"10.0.2.3\"", "route[1].next_hop", "not a neighbour");
    mistake(hop, "next_hop = \"fd00:2::1\"", "route[1].next_hop", "not a neighbour");
    mistake(hop, "next_hop = \"ff02::2\"", "route[1].next_hop", "not a neighbour");
    mistake(hop, "next_hop = \"fe80::ff:fe00:201\"", "route[1].next_hop", "not a neighbour");
    mistake("prefix = \"::/0\"", "prefix = \"::/129\"", "route[1].prefix", "prefix length");
    mistake("port = \"tap1\"", "port = \"tap9\"", "route[0].port", "no port is called");
    mistake("type = \"unreachable\"", "type = \"reject\"", "route[2].type", "no type of route");
    mistake("type = \"unreachable\"", "port = \"tap9\"", "route[2].port", "no port is called");
    mistake("reverse_path = \"off\"", "reverse_path = \"rigid\"", "port[0].reverse_path", "check sources");
    mistake("trunk = \"tap1\"", "trunk = \"tap1.10\"", "port[2].trunk", "TAP of its own");
    mistake("vlan = 10 ", "vlan = 0 ", "port[2].vlan", "no VLAN id");
    mistake("vlan = 10 ", "vlan = 4095 ", "port[2].vlan", "no VLAN id");
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
    mistake("divert_queue = 128", "divert_queue = 70000", "limits.divert_queue", "too large");
    mistake(
        "divert_outstanding = 128",
        "divert_outstanding = 4294967295",
        "limits.divert_outstanding",
        "too large",
    );
    mistake(
        "neighbor_interval_ms = 1000",
        "neighbor_interval_ms = 10 ",
        "limits.neighbor_interval_ms",
        "small",
    );
    mistake("neighbor_attempts = 3", "neighbor_attempts = 256", "limits.neighbor_attempts", "too large");
    mistake("neighbor_lifetime_s = 60", "neighbor_lifetime_s = 0 ", "limits.neighbor_lifetime_s", "not be 0");
    mistake("packets_per_neighbor = 4", "packets_per_neighbor = 400", "limits.packets_per_neighbor", "large");
    mistake("[limits]", "[limits", "(syntax)", "");
}

#[test]
fn what_is_missing_or_contradicts_is_located() {
    for (from, to, field, problem) in [
        ("mac = \"02:00:00:00:01:01\"", "", "port[0].mac", "no MAC address"),
        ("trunk = \"tap1\"", "", "port[2].vlan", "needs a trunk"),
        ("vlan = 10", "", "port[2].trunk", "needs a VLAN id"),
        ("port = \"tap1\"", "", "route[0].port", "no port"),
        ("type = \"unreachable\"", "type = \"blackhole\"\nport = \"tap0\"", "route[2].port", "leads nowhere"),
    ] {
        let error = load_text(&EXAMPLE.replacen(from, to, 1)).unwrap_err();
        assert_eq!(error.field, field, "{error}");
        assert!(error.problem.contains(problem) && error.line > 8 && !error.remedy.is_empty(), "{error}");
    }
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
    assert_eq!((error.field.as_str(), error.line), ("port[1].addresses", 19), "{error}");
}

#[test]
fn what_can_be_left_out_has_a_meaning() {
    let config = load_text(
        "[[port]]\nname = \"trunk\"\nmac = \"02:00:00:00:00:01\"\naddresses = []\n\
         [[port]]\nname = \"v7\"\ntrunk = \"trunk\"\nvlan = 7\nmtu = 1508\nreverse_path = \"strict\"\n\
         addresses = [\"fd00:7::1/64\"]\n\
         [[route]]\nprefix = \"fd00::/16\"\nnext_hop = \"fe80::9\"\nport = \"v7\"\n\
         [[route]]\nprefix = \"10.9.0.0/16\"\nport = \"v7\"\n",
    )
    .unwrap();
    assert_eq!((config.device_mtu(PortId(0)), config.router.ports[1].mtu), (1508, 1508));
    assert_eq!(config.router.ports[1].reverse_path, ReversePath::Strict);
    assert_eq!(config.routes_v6[0].target, Target::Via("fe80::9".parse().unwrap()));
    assert_eq!((config.routes[0].target, config.routes[0].port), (Target::OnLink, PortId(1)));
}

#[test]
fn two_vlans_of_one_trunk_differ() {
    let vlan = "[[port]]\nname = \"again\"\ntrunk = \"tap1\"\nvlan = 10\naddresses = []\n\n[[route]]";
    let error = load_text(&EXAMPLE.replacen("[[route]]", vlan, 1)).unwrap_err();
    assert_eq!(error.field, "port[3].vlan", "{error}");
    assert!(error.problem.contains("`tap1.10` already"), "{error}");
}
