//! Invariant 5: a slow path that is unreachable, mute or refusing costs healthy traffic nothing.

use pktgen::{Generator, World};
use smoltcp::time::Duration;
use smoltcp::time::Instant;
use stack::stats::Path;
use stack::{PortId, Rejection, Verdict};
use std::collections::BTreeMap;
use tests::Sim;

#[test]
fn with_every_backend_down_healthy_traffic_flows_and_diverts_end_by_their_deadline() {
    let seed = 85;
    println!("seed {seed}");
    // Nobody polls; somebody polls and never answers; somebody gives everything up at once.
    for backend in ["unreachable", "mute", "refusing"] {
        let mut sim = Sim::lab();
        let deadline = sim.router.config().limits.divert_deadline;
        let generator = Generator::new(World::lab(), seed);
        let mut held: BTreeMap<Instant, u64> = BTreeMap::new();
        for index in 0..20_000 {
            let made = generator.frame(index);
            if made.family == pktgen::Family::Arp && made.expected == pktgen::Expected::Unknown {
                continue;
            }
            let verdict = sim.send(made.port, &made.bytes);
            if made.expected == pktgen::Expected::Healthy && made.template.ends_with("_transit") {
                assert_eq!(verdict, Verdict::Forward { port: PortId(1 - made.port) }, "{backend}");
            }
            if let Verdict::Divert(_) = verdict {
                *held.entry(sim.now() + deadline).or_insert(0) += 1;
            }
            match backend {
                "mute" => drop(sim.diverts()),
                "refusing" => {
                    for divert in sim.diverts() {
                        sim.abandon(&divert);
                    }
                    held.clear();
                }
                _ => {}
            }
            sim.transmitted();
            sim.events();
            sim.advance(Duration::from_micros(700));
            // Whatever is past its deadline has ended; what is not, has not.
            held.retain(|&due, _| due > sim.now());
            let waiting = held.values().sum::<u64>();
            let stats = sim.router.stats();
            let for_neighbors =
                stats.held.frames.checked_sub(waiting).expect("no frame ends before its deadline");
            assert!(for_neighbors <= 16, "{backend}: {for_neighbors} beyond their deadline");
        }
        sim.advance(Duration::from_secs(10));
        let stats = sim.router.stats();
        assert!(sim.router.is_settled() && stats.sent.injected.frames == 0);
        let held: u64 = stats.diverts.iter().map(|divert| divert.held + divert.observed).sum();
        let unanswered: u64 = stats.diverts.iter().map(|divert| divert.unanswered).sum();
        println!("{backend}: {held} diverted, all unanswered");
        assert!(held > 1_000);
        assert_eq!(held, unanswered);
        assert_eq!(stats.by_path(Path::SlowModel).frames + stats.by_path(Path::SlowCached).frames, 0);
        assert_eq!(stats.rejections[Rejection::Late as usize], 0);
    }
}
