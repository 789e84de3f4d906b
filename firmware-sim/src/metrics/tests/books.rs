//! A running loop is scraped over real HTTP, and every number is compared with its report at the end.

use super::Running;
use crate::lab::run::LabPlan;
use crate::metrics::traffic::path_labels;
use crate::report::Outcome;
use crate::slow_path::SlowPathPlan;
use pktgen::{Generator, Mix, World};
use serde_json::Value;
use stack::stats::{Disposition, Path};
use stack::{Anomaly, Posture};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a busy machine may take.
const PATIENCE: Duration = Duration::from_secs(120);
const FRAMES: u64 = 3_000;

type Samples = BTreeMap<String, f64>;

fn report(owner: &crate::event_loop::EventLoop, slow_path: &SlowPathPlan) -> Value {
    let plan = LabPlan { memory: true, ..LabPlan::new(slow_path.clone(), Posture::Balanced) };
    serde_json::to_value(Outcome::new(&plan, owner, Duration::ZERO, None, None, None, false)).unwrap()
}

/// Of a map of counts, in which a report leaves out what is 0.
fn count(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

/// The law that holds in each scrape, whatever goes on: what was received has ended or is held.
fn assert_balanced(samples: &Samples) {
    for (part, received) in [("frames_total", "frames_total"), ("bytes_total", "bytes_total")] {
        let ended = format!("softrouter_ended_{part}{{");
        let ended: f64 = samples.iter().filter(|(name, _)| name.starts_with(&ended)).map(|(_, v)| v).sum();
        let held = samples[&format!("softrouter_held_{}", part.trim_end_matches("_total"))];
        assert_eq!(ended + held, samples[&format!("softrouter_received_{received}")]);
    }
    let sum = |prefix: &str| -> f64 {
        samples.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, v)| v).sum()
    };
    let dropped: f64 = samples
        .iter()
        .filter(|(name, _)| name.starts_with("softrouter_ended_frames_total{disposition=\"dropped\""))
        .map(|(_, value)| value)
        .sum();
    assert_eq!(sum("softrouter_dropped_frames_total{"), dropped);
    assert_eq!(
        sum("softrouter_slow_path_endings_total{") + samples["softrouter_slow_path_in_flight"],
        samples["softrouter_slow_path_requests_total"]
    );
}

#[test]
fn every_number_is_that_of_the_report() {
    let slow_path = SlowPathPlan::default();
    let mut running = Running::start(&slow_path);
    let mix = Mix { healthy: 1, odd: 3, mutant: 0 };
    let generator = Generator::new(World::lab(), 11).with_mix(mix);
    let mut sent = 0;
    let greetings = generator.greetings();
    let odd = (0..FRAMES).map(|index| generator.frame(index));
    for made in greetings.into_iter().chain(odd) {
        running.send(made.port, &made.bytes);
        sent += 1;
        if sent % 100 == 0 {
            running.drain();
            assert_balanced(&running.scrape());
        }
    }
    let deadline = Instant::now() + PATIENCE;
    // The rule comes once the answers are there, on a busy machine after all these frames.
    for index in (0..40).cycle() {
        let samples = running.scrape();
        if samples.iter().any(|(name, &frames)| name.contains("decided_by=\"rule\"") && frames > 0.0) {
            break;
        }
        assert!(Instant::now() < deadline, "no rule acts");
        if let Some(made) = generator.of(Anomaly::VlanPriorityTag, index) {
            running.send(made.port, &made.bytes);
            sent += 1;
        }
        running.drain();
    }
    let mut before = Samples::new();
    let last = loop {
        running.drain();
        let mut samples = running.scrape();
        assert_balanced(&samples);
        for name in ["softrouter_uptime_seconds", "process_cpu_seconds_total"] {
            assert!(samples.remove(name).unwrap() > 0.0, "{name}");
        }
        samples.retain(|name, _| !name.starts_with("softrouter_slow_path_health"));
        let is_done = samples["softrouter_received_frames_total"] >= sent as f64
            && samples["softrouter_held_frames"] == 0.0
            && samples["softrouter_slow_path_in_flight"] == 0.0;
        // Neighbours that nobody plays are given up after some seconds.
        if is_done && samples == before {
            break samples;
        }
        assert!(Instant::now() < deadline, "never settled");
        before = samples;
        std::thread::sleep(Duration::from_millis(if is_done { 4_000 } else { 50 }));
    };
    let owner = running.end();
    let report = report(&owner, &slow_path);
    compare(&last, &report);
    let stats = owner.router().stats();
    assert_eq!(stats.balance(), Ok(()));
    for (name, value) in [
        ("softrouter_icmp_errors_total{outcome=\"sent\"}", stats.icmp_errors),
        ("softrouter_icmp_errors_total{outcome=\"limited\"}", stats.icmp_errors_limited),
        ("softrouter_sent_bytes_total{origin=\"injected\"}", stats.sent.injected.bytes),
        ("softrouter_sent_frames_total{origin=\"fragments\"}", stats.sent.fragments.frames),
        ("softrouter_events_lost_total", stats.events_lost),
        ("softrouter_table_entries{table=\"rules\"}", owner.router().rule_occupancy().0 as u64),
    ] {
        assert_eq!(last[name], value as f64, "{name}");
    }
    // The test is about something.
    for path in Path::ALL {
        assert!(stats.by_path(path).frames > 0, "{}", path.name());
    }
    assert!(last["softrouter_backend_call_seconds_count{backend=\"embedded\"}"] > 0.0);
    assert!(last["softrouter_rules_installed_total"] > 0.0);
}

fn compare(last: &Samples, report: &Value) {
    let same = |name: String, value: f64| assert_eq!(last.get(&name), Some(&value), "{name}");
    same("softrouter_received_frames_total".into(), count(&report["received"]["frames"]));
    same("softrouter_received_bytes_total".into(), count(&report["received"]["bytes"]));
    for disposition in Disposition::ALL.map(Disposition::name) {
        for path in Path::ALL {
            let [which, by] = path_labels(path);
            let share = &report["dispositions"][disposition][path.name()];
            for part in ["frames", "bytes"] {
                let labels = format!("disposition=\"{disposition}\",path=\"{which}\",decided_by=\"{by}\"");
                same(format!("softrouter_ended_{part}_total{{{labels}}}"), count(&share[part]));
            }
        }
    }
    for (index, origin) in ["forwarded", "originated", "injected"].into_iter().enumerate() {
        same(format!("softrouter_sent_frames_total{{origin=\"{origin}\"}}"), count(&report["sent"][index]));
    }
    for reason in Anomaly::ALL.iter().map(|reason| reason.name()) {
        let line = &report["reasons"][reason];
        same(format!("softrouter_anomalies_total{{reason=\"{reason}\"}}"), count(&line["seen"]));
        for part in ["held", "observed", "refused"] {
            let name = format!("softrouter_diverts_total{{reason=\"{reason}\",admission=\"{part}\"}}");
            same(name, count(&line[part]));
        }
        for part in ["approved", "rejected", "unanswered"] {
            let name = format!("softrouter_divert_answers_total{{reason=\"{reason}\",outcome=\"{part}\"}}");
            same(name, count(&line[part]));
        }
    }
    let service = &report["slow_path"];
    let rules = &report["rules"];
    let labelled = [
        ("softrouter_dropped_frames_total", "reason", &report["other_drops"]),
        ("softrouter_divert_refusals_total", "cause", &report["refusals"]),
        ("softrouter_answer_rejections_total", "cause", &report["rejections"]),
        ("softrouter_actions_applied_total", "action", &report["applied"]),
        ("softrouter_slow_path_endings_total", "ending", &service["endings"]),
        ("softrouter_rules_retired_total", "cause", &rules["retired"]),
        ("softrouter_rules_refused_total", "cause", &rules["refused"]),
    ];
    for (name, label, counts) in labelled {
        for (value, number) in counts.as_object().unwrap() {
            same(format!("{name}{{{label}=\"{value}\"}}"), count(number));
        }
    }
    for (name, number) in [
        ("softrouter_slow_path_requests_total", &service["submitted"]),
        ("softrouter_slow_path_passed_on_total{cause=\"unsure\"}", &service["escalated"]),
        ("softrouter_table_entries{table=\"flows\"}", &service["flows"]),
        ("softrouter_backend_call_seconds_count{backend=\"embedded\"}", &service["asked"]),
        ("softrouter_handle_frame_seconds_count", &report["handle_frame_us"]["count"]),
        ("softrouter_rules{state=\"active\"}", &rules["active"]),
        ("softrouter_rules{state=\"shadow\"}", &rules["shadow"]),
        ("softrouter_rules_installed_total", &rules["installed"]),
        ("softrouter_rules_activated_total", &rules["activated"]),
        ("softrouter_rule_learning_events_total{event=\"proposed\"}", &rules["proposed"]),
        ("softrouter_rule_learning_events_total{event=\"concordant\"}", &rules["concordant"]),
        ("softrouter_rule_learning_events_total{event=\"disagreed\"}", &rules["disagreed"]),
        ("softrouter_rule_frames_total{outcome=\"shadowed\"}", &rules["shadowed"]),
        ("softrouter_rule_frames_total{outcome=\"misfit\"}", &rules["misfits"]),
    ] {
        same(name.into(), count(number));
    }
    let acted = ["model", "cache"]
        .map(|by| last[&format!("softrouter_divert_to_action_seconds_count{{decided_by=\"{by}\"}}")]);
    assert_eq!(acted.iter().sum::<f64>(), count(&report["divert_to_action_us"]["count"]));
    let backend = &service["backends"][0];
    for (name, number) in [
        ("softrouter_backend_requests_total{backend=\"embedded\"}", &backend["asked"]),
        ("softrouter_backend_endings_total{backend=\"embedded\",ending=\"answered\"}", &backend["answered"]),
        ("softrouter_backend_endings_total{backend=\"embedded\",ending=\"failed\"}", &backend["failed"]),
        ("softrouter_backend_retries_total{backend=\"embedded\"}", &backend["retries"]),
        ("softrouter_backend_money_total{backend=\"embedded\",currency=\"USD\"}", &backend["cost"]["money"]),
    ] {
        same(name.into(), count(number));
    }
    let tokens: f64 = ["read", "written"]
        .map(|way| {
            last[&format!("softrouter_backend_tokens_total{{backend=\"embedded\",direction=\"{way}\"}}")]
        })
        .iter()
        .sum();
    assert_eq!(tokens, count(&backend["cost"]["tokens"]));
}
