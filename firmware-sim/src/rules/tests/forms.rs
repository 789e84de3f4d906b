//! Forms: every rule survives one, and every mistake in one is named with its field and its remedy.

use super::*;
use pktgen::dice::rng_for;
use serde_json::{Value, json};

#[test]
fn every_rule_is_the_same_after_it_was_text() {
    let mut rng = rng_for(1, 0x666f_726d, 0);
    let times = Times { now: Instant::from_secs(1000), unix: Seconds::from_micros(1_795_460_371_123_457) };
    let mut names = names();
    for number in 0..20_000 {
        let spec = any_spec(&mut rng);
        let text = serde_json::to_string(&form_of(&spec, &names, &times)).unwrap();
        let form = form_from(serde_json::from_str(&text).unwrap()).unwrap();
        assert_eq!(spec_from(&form, &mut names, &times).unwrap(), spec, "{number}: {text}");
        let numbered = form_of(&spec, &Names::Numbers, &Times::OF_RUN);
        assert_eq!(spec_from(&numbered, &mut Names::Numbers, &Times::OF_RUN).unwrap(), spec, "{number}");
    }
}

#[test]
fn every_document_is_the_same_after_it_was_read() {
    let mut rng = rng_for(2, 0x666f_726d, 0);
    let times = Times { now: Instant::from_secs(1000), unix: Seconds::from_micros(1_795_460_371_000_000) };
    let mut names = names();
    let specs: Vec<_> = (0..500).map(|_| any_spec(&mut rng)).collect();
    let forms: Vec<_> = specs.iter().map(|spec| form_of(spec, &names, &times)).collect();
    let document = read(&write(&forms, times.unix), &mut names, &times).unwrap();
    assert_eq!((&document.expired[..], &document.refused[..]), (&[][..], &[][..]));
    assert!(document.rules.iter().map(|rule| &rule.spec).eq(&specs));
}

/// The option rule with one value replaced: the problem.
fn mistake(path: &str, value: Value) -> Problem {
    let mut form = serde_json::to_value(option_rule(9)).unwrap();
    match value {
        Value::Null => {
            form.as_object_mut().unwrap().remove(path.trim_start_matches('/'));
        }
        value => {
            let (parent, key) = path.rsplit_once('/').unwrap();
            form.pointer_mut(parent).unwrap()[key] = value;
        }
    }
    let text = json!({"softrouter_rules": 1, "rules": [option_rule(8), form]}).to_string();
    let document = read(&text, &mut names(), &Times::OF_RUN).unwrap();
    let [refused] = &document.refused[..] else { panic!("{path}: {document:?}") };
    assert_eq!((refused.rule, document.rules.len()), (2, 1));
    assert!(refused.to_string().starts_with("rule 2: "), "{refused}");
    refused.problem.clone()
}

#[test]
fn every_mistake_is_named_with_field_and_remedy() {
    let flow = |protocol: u8, port: u16| json!({"scope": "flow", "from": "10.0.1.2", "to": "::1", "protocol": protocol, "l4_ports": [0, port]});
    let model = |backend: &str, prompt: &str, frames: usize| {
        json!({"by": "model", "backend": backend, "model": "m", "prompt_hash": prompt, "frame_hashes": vec!["0000000000000001"; frames],
            "first_seen_unix_s": 0, "concordant_unix_s": 0})
    };
    let template = |bytes: Value| json!({"do": "reply", "with": {"template": bytes}});
    let cases = [
        ("/reason", json!("ipv4_optoin"), "reason", "softrouter anomalies"),
        ("/reason", Value::Null, "(the rule itself)", "docs/rules.md"),
        ("/colour", json!("red"), "colour", "docs/rules.md"),
        ("/port", json!("eth0"), "port", "client, server"),
        ("/direction", json!("both"), "direction", "self or fwd"),
        ("/posture", json!("lax"), "posture", "strict, balanced or open"),
        ("/fields/priority", json!(3), "fields.priority", "options"),
        ("/fields", Value::Null, "fields.options", "Record Route"),
        ("/fields/options", json!(["Record Root"]), "fields.options", "Record Route"),
        ("/fields/options", json!(1), "fields.options", "a list"),
        ("/subject", json!({"scope": "source", "from": "10.0.1"}), "subject.from", "IPv4 or IPv6"),
        ("/subject", json!({"scope": "source", "from": "1:2:3:4:5:6"}), "subject.from", "MAC"),
        ("/subject", flow(17, 40_000), "subject.l4_ports", "write 0"),
        ("/subject", flow(1, 80), "subject.l4_ports", "6 or 17"),
        ("/subject", json!({"scope": "frame"}), "subject.scope", "docs/rules.md"),
        ("/action", json!({"do": "explode"}), "action.do", "docs/rules.md"),
        ("/action/dscp", json!(64), "action.dscp", "0 to 63"),
        ("/action", template(json!([])), "action.with.template", "1 to 8"),
        ("/action", template(json!(["length"; 9].repeat(9))), "action.with.template", "1 to 8"),
        ("/action", template(json!([{"rest": 1}, "length"])), "action.with.template", "last"),
        ("/meter/burst", json!(0), "meter", "1 or more"),
        ("/meter/per_second", json!(-1), "meter.per_second", "docs/rules.md"),
        ("/priority", json!(256), "priority", "docs/rules.md"),
        ("/idle_s", json!(86_401), "idle_s", "0 to 86400"),
        ("/lifetime_s", json!(0), "lifetime_s", "86400 at most"),
        ("/lifetime_s", json!(-5), "lifetime_s", "86400 at most"),
        ("/lifetime_s", json!(1e300), "lifetime_s", "docs/rules.md"),
        ("/pinned", json!("yes"), "pinned", "docs/rules.md"),
        ("/origin", model("b", "12", 1), "origin.prompt_hash", "16 hexadecimal"),
        ("/origin", model("b", "+000000000000001", 1), "origin.prompt_hash", "16 hexadecimal"),
        ("/origin", model("b", "0000000000000001", 9), "origin.frame_hashes", "8 at most"),
    ];
    for (path, value, field, remedy) in cases {
        let problem = mistake(path, value.clone());
        assert_eq!(problem.field, field, "{value}: {problem}");
        assert!(problem.remedy.contains(remedy) && !problem.problem.is_empty(), "{value}: {problem}");
    }
    let unmetered = {
        let mut form = serde_json::to_value(option_rule(9)).unwrap();
        form["action"] = template(json!([{"constant": 1}]));
        form.as_object_mut().unwrap().remove("meter");
        json!({"softrouter_rules": 1, "rules": [form]}).to_string()
    };
    let refused = read(&unmetered, &mut names(), &Times::OF_RUN).unwrap().refused;
    assert_eq!(refused[0].problem.field, "meter");
}

#[test]
fn a_rule_is_explained_with_all_that_it_says() {
    let (mut router, now) = (router(), Instant::from_secs(5));
    let spec = spec_from(&option_rule(9), &mut names(), &Times::OF_RUN).unwrap();
    router.install_rule(now, spec).unwrap();
    let (rule, times) = (router.rules().next().unwrap(), Times::at(now));
    let form = rule_form(&rule, &Default::default(), &names(), &times);
    let text = explain::explain(&form, times.unix);
    for part in [
        "Rule 1 (active, priority 200",
        "installed by the operator",
        "from 10.0.1.9",
        "by port client",
        "ipv4_option_transit",
        "RFC 7126",
        "Record Route",
        "code point to 10",
        "5 times a second",
        "acted on 0 frames",
        "It ends in 1 d 0 h.",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains('\n'));
    let table = table::table(&[form], times.unix);
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0].chars().count(), lines[1].chars().count());
    assert!(
        lines[1].contains("source 10.0.1.9  forward clear_options dscp 10 <= 5/s       200     0"),
        "{table}"
    );
}
