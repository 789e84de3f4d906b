//! The example must load; every mistake must be located and remedied.

use super::*;
use llm_slowpath::BackendSpec;
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
    let [backend] = &config.slow_path.backends[..] else { panic!("{:?}", config.slow_path) };
    assert_eq!(backend.spec, BackendSpec::Embedded { weights: None });
    assert_eq!(config.router.mode(Anomaly::EchoRequest), Mode::Off);
    assert!(
        config.offload && !load_text(&EXAMPLE.replace("offload = true", "offload = false")).unwrap().offload
    );
}

#[test]
fn rules_and_control_are_read() {
    let config = load_text(EXAMPLE).unwrap();
    let defaults = stack::RuleLimits::default();
    assert_eq!(
        format!("{:?}", config.router.rules),
        format!("{defaults:?}"),
        "the example shows the defaults"
    );
    assert_eq!((config.tables, config.rules_file, config.control_socket), (Tables::default(), None, None));
    let text = EXAMPLE.replace("# file =", "file =").replace("# socket =", "socket =");
    let config = load_text(&text).unwrap();
    assert_eq!(config.rules_file, Some("rules.json".into()));
    assert_eq!(config.control_socket, Some("/run/softrouter.sock".into()));
    mistake("concordance = 3", "concordance = 9", "rules.concordance", "too large");
    mistake("most = 16384", "most = 7", "rules.most", "too small");
    mistake("# socket =", "sockets =", "control.sockets", "unknown field");
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

/// The commented backends, in the place of the single one.
fn cascade() -> String {
    EXAMPLE
        .replace("backend = \"embedded\"", "#")
        .lines()
        .map(|line| {
            let field = line.strip_prefix("# ").filter(|line| line.contains(" = ") || line.starts_with("[["));
            field.unwrap_or(line).to_owned() + "\n"
        })
        .collect()
}

#[test]
fn the_examples_cascade_loads_with_prices_budget_and_values() {
    let plan = load_text(&cascade()).unwrap().slow_path;
    let [embedded, server] = &plan.backends[..] else { panic!("{plan:?}") };
    assert_eq!((embedded.name.as_str(), embedded.threshold), ("embedded", 0.9));
    assert_eq!(server.name, "openai:http://127.0.0.1:8080/#MODEL");
    assert_eq!((server.price.input, server.price.cached_input, server.price.output), (0.25, 0.025, 1.25));
    assert!(!plan.is_local());
    assert_eq!((plan.budget.tokens, plan.budget.money), (Some(1_000_000), Some(1_000_000_000_000)));
    assert_eq!((plan.budget.cpu, plan.budget.share), (Some(std::time::Duration::from_secs(600)), Some(0.25)));
    assert_eq!(plan.values.of(Anomaly::SnapIpv4), Some(1_000_000_000));
    assert_eq!(plan.values.of(Anomaly::Ipv4Checksum), Some(100_000_000));
    assert_eq!(plan.values.of(Anomaly::Ipv4Land), Some(0));
    // A price for cached tokens that is left out is that of the others.
    let without = cascade().replace("price_cached_input", "# price_cached_input");
    assert_eq!(load_text(&without).unwrap().slow_path.backends[1].price.cached_input, 0.25);
}

#[test]
fn mistakes_about_the_slow_path_are_located() {
    mistake("prompt = \"class\"", "prompt = \"essay\"", "slow_path.prompt", "no kind of prompt");
    mistake("payload = 0 ", "payload = 1500 ", "slow_path.payload", "out of range");
    mistake("cache_s = 60", "cache_s = -1", "slow_path.cache_s", "out of range");
    mistake("concurrency = 8", "concurrency = 0", "slow_path.concurrency", "out of range");
    mistake("routing = 0.001", "routing = -0.001", "value.routing", "out of range");
    mistake("routing = 0.001", "tea = 0.001", "value.tea", "neither a tier nor a reason");
    mistake("flows = 131072", "flows = 7", "limits.flows", "too small");
    mistake("cache = true", "cash = true", "slow_path.cash", "unknown field");
    let both = EXAMPLE.replace("[slow_path]", "[[backend]]\nmodel = \"embedded\"\n[slow_path]");
    let error = load_text(&both).unwrap_err();
    assert_eq!((error.field.as_str(), error.line), ("router.backend", 6), "{error}");
    for (from, to, field) in [
        ("threshold = 0.9", "threshold = 2.0", "backend[0].threshold"),
        ("model = \"embedded\"", "model = \"oracle\"", "backend[0].model"),
        ("price_output = 1.25", "price_output = inf", "backend[1].price_output"),
    ] {
        let error = load_text(&cascade().replacen(from, to, 1)).unwrap_err();
        assert_eq!(error.field, field, "{error}");
    }
}
