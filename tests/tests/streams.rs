//! `pktgen`'s streams and the router: what a frame says of itself is what the router makes of it, sequences included.

use pktgen::stream::{BLOCK, FRAME_MAX, Origin, Rate, Sample, Scenario, Spacing};
use pktgen::{Expected, Stream, StreamMix, StreamPlan, World, oracle};
use smoltcp::time::Duration;
use stack::classify::Locals;
use stack::{Anomaly, Mode};
use std::collections::{BTreeMap, BTreeSet};
use tests::differences::Differences;
use tests::storage::SIZES;
use tests::{Sim, opinion, sim};

/// Whatever can be made, mutants of the stream's own frames too.
fn everything(world: World, seed: u64) -> Stream {
    let plan = StreamPlan { seed, mix: StreamMix::FUZZ, ..StreamPlan::default() };
    let first = Stream::new(world.clone(), plan.clone()).expect("a sound plan");
    let samples = (0..500).map(|index| first.owned(index));
    let samples = samples.map(|(made, bytes)| Sample { port: made.port, bytes }).collect();
    let mix = StreamMix { captured: 4, ..StreamMix::FUZZ };
    let rate = Rate::PacketsPerSecond(1_600);
    let plan = StreamPlan { mix, samples, rate, spacing: Spacing::Poisson, ..plan };
    Stream::new(world, plan).expect("a sound plan")
}

#[test]
fn the_classifier_agrees_with_the_oracle_on_streams() {
    assert_eq!(FRAME_MAX, stack::frame::FRAME_MAX);
    for (world, seed) in [(World::lab(), 81), (World::with_ports(5), 82)] {
        let locals = Locals::new(&sim::config(&world).ports);
        let stream = everything(world.clone(), seed);
        let mut buffer = [0; FRAME_MAX];
        let (count, mut reached, mut differences) = (1_000_000, BTreeSet::new(), Differences::default());
        for index in 0..count {
            let made = stream.frame(index, &mut buffer);
            let frame = &buffer[..made.len];
            if let Some((theirs, ours)) = opinion::difference(&world, &locals, made.port, frame) {
                let example =
                    || format!("frame {index}, {} by port {}: {frame:02x?}", made.origin, made.port);
                differences.note_with(format!("oracle {theirs:?}, router {ours:?}"), example);
            }
            if let oracle::Judgement::Anomaly(anomaly) = opinion::of_router(&world, &locals, made.port, frame)
            {
                reached.insert(anomaly);
            }
        }
        println!("{count} frames, seed {seed}");
        differences.assert_none();
        let alone = |a: &Anomaly| *a != Anomaly::EchoRequest && !opinion::NOT_IN_ONE_FRAME.contains(a);
        let missed: Vec<_> = Anomaly::ALL.iter().filter(|&a| alone(a) && !reached.contains(a)).collect();
        assert!(missed.is_empty(), "never classified: {missed:?}");
    }
}

/// A router that holds or observes every frame of any anomaly diverts exactly those that say so, by that reason.
/// Overlaps are found in what came before, strangers by the port.
#[test]
fn the_router_diverts_what_the_stream_says_and_nothing_else() {
    let (world, seed) = (World::lab().with_reverse_path(), 83);
    let stream = everything(world.clone(), seed);
    let mut sim = Sim::new(
        world,
        |config| {
            config.set_mode(Anomaly::EchoRequest, Mode::Enforce).expect("an experiment may hold");
            config.limits.observe_one_in = 1;
            config.limits.divert_rate = stack::Rate { per_second: 5_000, burst: 5_000 };
        },
        SIZES,
    );
    sim.prime();
    let mut buffer = [0; FRAME_MAX];
    let (mut scenarios, mut reasons) = (BTreeMap::new(), BTreeSet::new());
    let (mut known, mut last) = (0_u32, std::time::Duration::ZERO);
    for index in 0..300_000 {
        let made = stream.frame(index, &mut buffer);
        let frame = &buffer[..made.len];
        sim.advance((made.at - last).into());
        last = made.at;
        let _ = sim.send(made.port, frame);
        let mut diverted = Vec::new();
        for divert in sim.diverts() {
            diverted.push(divert.about.reason());
            sim.abandon(&divert);
        }
        sim.transmitted();
        sim.events();
        let as_it_says = match made.expected {
            Expected::Unknown => continue,
            // The oracle names every echo request, the stream only those that are to be one.
            Expected::Healthy => diverted.is_empty() || diverted == [Anomaly::EchoRequest],
            Expected::Anomaly(anomaly) => diverted == [anomaly],
        };
        assert!(
            as_it_says,
            "seed {seed}, frame {index}: {}, {:?}, diverted as {diverted:?}: {frame:02x?}",
            made.origin, made.expected
        );
        known += 1;
        reasons.extend(diverted);
        if let Origin::Step { scenario, .. } = made.origin {
            *scenarios.entry(scenario).or_insert(0_usize) += 1;
        }
    }
    println!("{known} frames that say what they are, seed {seed}");
    let missed: Vec<_> = Anomaly::ALL.iter().filter(|anomaly| !reasons.contains(anomaly)).collect();
    assert!(missed.is_empty(), "never diverted: {missed:?}");
    assert_eq!(scenarios.len(), Scenario::ALL.len());
    assert!(scenarios.values().all(|&frames| frames >= BLOCK), "{scenarios:?}");
    sim.advance(Duration::from_secs(3_600));
    assert!(sim.router.is_settled(), "{:?} is held for ever", sim.router.stats().held);
}

#[test]
fn frames_are_made_without_allocation() {
    let stream = everything(World::lab(), 84);
    let mut buffer = [0; FRAME_MAX];
    let counted = allocation_counter::measure(|| {
        for index in 0..100_000 {
            std::hint::black_box(stream.frame(index, &mut buffer));
        }
    });
    assert_eq!(counted.count_total, 0);
}
