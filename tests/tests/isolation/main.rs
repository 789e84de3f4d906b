//! Invariant 5 in real time: whatever the backend does, healthy traffic flows, and each diverted frame ends in a named
//! reason by its deadline. `make bench` has the figures.

mod rig;

use rig::{Backend, Plan};
use stack::Anomaly;
use std::collections::HashMap;
use std::time::Duration;

/// Later than the deadline by no more than this: the loop's own turn on a busy machine.
const SLACK: Duration = Duration::from_millis(100);

/// What a run may take beyond what the process had when its tables were allocated.
const MEMORY_KIB: u64 = 32 * 1024;

#[test]
fn a_backend_that_is_down_hung_slow_or_lying_costs_only_its_own_answers() {
    for backend in Backend::ALL {
        let path = std::env::temp_dir().join(format!("softrouter-isolation-{}", std::process::id()));
        let plan = Plan {
            backend,
            healthy: Some(500),
            anomalies: 300,
            time: Duration::from_secs(3),
            log: Some(&path),
        };
        let outcome = rig::run(&plan);
        let log = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let (stats, service) = (&outcome.stats, &outcome.service);
        let shown = format!("{backend:?}: {} of {}, {service:?}", outcome.received, outcome.sent);
        assert!(outcome.received * 1000 >= outcome.sent * 999, "{shown}");
        assert!(outcome.p50 <= outcome.p99 && outcome.anomalies >= 890, "{shown}");
        let [peak, before] = outcome.peak_kib;
        assert!(peak - before.min(peak) < MEMORY_KIB, "{before} KiB became {peak}; {shown}");
        assert_eq!(stats.held.frames, 0, "{shown}");
        let diverts = stats.diverts.iter();
        let [held, approved, rejected, unanswered] = diverts.fold([0; 4], |sum, d| {
            [sum[0] + d.held + d.observed, sum[1] + d.approved, sum[2] + d.rejected, sum[3] + d.unanswered]
        });
        assert!(held > 100, "{shown}");
        assert_eq!(held, approved + rejected + unanswered, "{shown}");
        assert_eq!((service.submitted, service.in_flight), (service.ended(), 0), "{shown}");
        match backend {
            Backend::Embedded => assert!(approved > 0 && rejected == 0, "{shown}"),
            // Those that had been let in when the breaker opened, and the trials since.
            Backend::Down => assert!(approved + rejected == 0 && service.asked <= 150, "{shown}"),
            Backend::Hung => assert!(approved + rejected == 0 && service.deadlines > 0, "{shown}"),
            Backend::Slow => assert!(approved > 0, "{shown}"),
            Backend::Lying => {
                assert!(rejected > 0, "{shown}");
                // No class that must be discarded was forwarded.
                let fixed = stats.diverts[Anomaly::Ipv4Checksum as usize];
                assert!(fixed.approved == 0 && fixed.held > 0, "{shown}");
            }
        }
        ends_in_time(&log, outcome.deadline, &shown);
    }
}

/// By the decision log: each frame that was held has one ending, by its deadline.
fn ends_in_time(log: &str, deadline: Duration, shown: &str) {
    let mut held: HashMap<String, u64> = HashMap::new();
    let mut ended = 0;
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let Some(id) = line["id"].as_str() else { continue };
        let at = line["at_us"].as_u64().unwrap();
        match line["event"].as_str().unwrap() {
            "diverted" if line["mode"] == "enforce" => drop(held.insert(id.to_owned(), at)),
            "applied" | "rejected" | "unanswered" => {
                if let Some(since) = held.remove(id) {
                    let took = Duration::from_micros(at - since);
                    assert!(took <= deadline + SLACK, "{id} took {took:?}; {shown}");
                    ended += 1;
                }
            }
            _ => {}
        }
    }
    assert!(held.is_empty() && ended > 100, "{} have no ending; {shown}", held.len());
}
