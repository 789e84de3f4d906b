//! Tests of streams: every frame is what it says, by the oracle; the shares are as asked; order does not matter.

use super::*;
use crate::build::segment_checksum;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

fn stream(plan: StreamPlan) -> Stream {
    Stream::new(World::lab(), plan).expect("a sound plan")
}

fn of_mix(seed: u64, mix: StreamMix) -> Stream {
    stream(StreamPlan { seed, mix, ..StreamPlan::default() })
}

const EMPTY: StreamMix = StreamMix { traffic: 0, ..StreamMix::HEALTHY };

/// Does the oracle say what the frame says? An overlap it sees in two frames only.
fn agrees(stream: &Stream, made: &Made, frame: &[u8]) -> bool {
    let judgement = oracle::judge(stream.world(), made.port, frame);
    match made.expected {
        Expected::Anomaly(Anomaly::Ipv4FragmentOverlap | Anomaly::Ipv6FragmentOverlap) => {
            let Origin::Step { first, .. } = made.origin else { return false };
            let (_, earlier) = stream.owned(first);
            judgement == Judgement::Healthy && oracle::overlaps(&earlier, frame)
        }
        expected => judgement.agrees_with(expected),
    }
}

#[test]
fn the_oracle_says_of_every_frame_what_the_frame_says() {
    let worlds =
        [World::lab(), World::with_ports(5), World::lab().with_reverse_path()].into_iter().zip(61_u64..);
    for (world, seed) in worlds {
        let watched = world.ports.iter().any(|port| port.reverse_path);
        let plan = StreamPlan { seed, mix: StreamMix::FUZZ, flows: 100_000, ..StreamPlan::default() };
        let stream = Stream::new(world, plan).expect("a sound plan");
        let mut buffer = [0; FRAME_MAX];
        let (mut known, mut named, mut steps) = (0_u32, BTreeSet::new(), BTreeSet::new());
        let count = 300_000;
        for index in 0..count {
            let made = stream.frame(index, &mut buffer);
            let frame = &buffer[..made.len];
            assert!(
                agrees(&stream, &made, frame),
                "seed {seed}, frame {index}: {}, {:?}, port {}, judged {:?}, {frame:02x?}",
                made.origin,
                made.expected,
                made.port,
                oracle::judge(stream.world(), made.port, frame)
            );
            if made.expected != Expected::Unknown {
                known += 1;
            }
            if let Expected::Anomaly(anomaly) = made.expected {
                named.insert(anomaly);
            }
            if let Origin::Step { scenario, step, .. } = made.origin {
                steps.insert((scenario, step));
            }
        }
        println!("{count} frames, seed {seed}: {known} say what they are, {} anomalies", named.len());
        assert!(known > 200_000);
        let missing: Vec<_> = Anomaly::ALL.iter().filter(|anomaly| !named.contains(anomaly)).collect();
        let unshown: &[_] = if watched { &[] } else { &[&Anomaly::ReversePath] };
        assert_eq!(missing, unshown);
        assert_eq!(steps.len(), Scenario::ALL.iter().map(|scenario| scenario.steps()).sum::<usize>());
    }
}

#[test]
fn any_frame_can_be_made_by_itself() {
    let (forwards, backwards) = (of_mix(7, StreamMix::FUZZ), of_mix(7, StreamMix::FUZZ));
    let there: Vec<_> = (0..2_000).map(|index| forwards.owned(index)).collect();
    for index in (0..2_000).rev() {
        // What is left in the buffer of another frame does not matter.
        let mut buffer = [index as u8; FRAME_MAX];
        let made = backwards.frame(index, &mut buffer);
        assert_eq!((made, &buffer[..made.len]), (there[index as usize].0, &there[index as usize].1[..]));
    }
    let other = of_mix(8, StreamMix::FUZZ);
    assert!((0..2_000).filter(|&index| other.owned(index) == there[index as usize]).count() < 10);
    let distinct: BTreeSet<_> = there.iter().map(|(_, bytes)| bytes).collect();
    assert!(distinct.len() > 1_950, "{}", distinct.len());
    let _ = forwards.owned(u64::MAX);
}

/// Frames must stay the same from one release to the next, or seeds in bug reports and recordings lose
/// their meaning. If this changes on purpose, say so in the changelog.
#[test]
fn the_first_ten_thousand_frames_of_seed_0_are_these() {
    let stream = of_mix(0, StreamMix::FUZZ);
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for index in 0..10_000 {
        let (made, bytes) = stream.owned(index);
        for &byte in bytes.iter().chain(&[made.port]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    assert_eq!(hash, PINNED, "{hash:#018x}");
}

const PINNED: u64 = 0x1c5f_6af1_dcfb_1535;

#[test]
fn the_mix_is_as_asked() {
    let mix = StreamMix { traffic: 5, varied: 1, odd: 2, near_miss: 1, mutant: 3, captured: 4, sequence: 4 };
    let bytes = of_mix(1, StreamMix::HEALTHY).owned(0).1;
    let samples = vec![Sample { port: 1, bytes }];
    let stream = stream(StreamPlan { seed: 3, mix, samples, ..StreamPlan::default() });
    let mut counts = BTreeMap::new();
    let count = 600_000;
    for index in 0..count {
        let made = stream.owned(index).0;
        let (name, weight) = match made.origin {
            Origin::Flow(_) => ("traffic", 5),
            Origin::Template(_) => ("templates", 4),
            Origin::Mutant(_) => ("mutants", 3),
            Origin::Captured(..) => ("captured", 4),
            Origin::Step { .. } => ("sequences", 4),
        };
        counts.entry(name).or_insert((0, weight)).0 += 1;
    }
    assert_eq!(counts.len(), 5);
    for (name, (found, weight)) in counts {
        let share = f64::from(found) / count as f64;
        assert!((share - f64::from(weight) / 20.0).abs() < 0.02, "{name}: {share}");
    }
    let odd = |percent| {
        let stream = of_mix(9, StreamMix::odd_percent(percent));
        (0..10_000).filter(|&index| stream.owned(index).0.expected != Expected::Healthy).count()
    };
    assert_eq!((odd(0), odd(100)), (0, 10_000));
    assert!((900..1_100).contains(&odd(10)), "{}", odd(10));
    let only = of_mix(4, StreamMix { sequence: 1, ..EMPTY });
    assert!((0..1_000).all(|index| matches!(only.owned(index).0.origin, Origin::Step { .. })));
}

/// Every checksum holds, in transit too, where nobody looks.
#[test]
fn traffic_is_in_flows_of_all_protocols_and_in_imix_sizes() {
    let plan = StreamPlan { seed: 5, flows: 50, ..StreamPlan::default() };
    let stream = stream(plan);
    let (mut sizes, mut flows, mut protocols) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    let count = 24_000;
    for index in 0..count {
        let (made, bytes) = stream.owned(index);
        let Origin::Flow(flow) = made.origin else { panic!("{}", made.origin) };
        let ipv6 = bytes[12..14] == [0x86, 0xdd];
        let at = if ipv6 { 54 } else { 34 };
        let length = |at: usize| usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
        let end = if ipv6 { at + length(18) } else { 14 + length(16) };
        let segment = &bytes[at..end];
        let protocol = bytes[if ipv6 { 20 } else { 23 }];
        let sum = if ipv6 {
            let address = |at: usize| {
                let octets: [u8; 16] = bytes[at..at + 16].try_into().expect("sixteen");
                Ipv6Addr::from(octets)
            };
            segment_checksum(address(22), address(38), protocol, segment)
        } else if protocol == 1 {
            crate::build::internet_checksum(segment)
        } else {
            let address = |at: usize| Ipv4Addr::new(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
            segment_checksum(address(26), address(30), protocol, segment)
        };
        assert_eq!(sum, 0, "{index}");
        *sizes.entry((made.len, ipv6)).or_insert(0_u32) += 1;
        // Both directions of a flow have the same two ports, of the router and of the hosts.
        let mut ends = [length(at), length(at + 2)];
        ends.sort_unstable();
        let icmp = matches!(protocol, 1 | 58);
        flows.entry(flow).or_insert_with(BTreeSet::new).insert(if icmp { [0, 0] } else { ends });
        protocols.insert(protocol);
        // The mark says which frame it is, where there is room.
        let data = at + if protocol == 6 { 20 } else { 8 };
        if end >= data + 8 {
            assert_eq!(bytes[data..data + 8], index.to_be_bytes());
        }
    }
    assert_eq!(protocols, BTreeSet::from([1, 6, 17, 58]));
    assert_eq!(flows.len(), 50);
    assert!(flows.values().all(|ports| ports.len() == 1));
    let share = |len| {
        let found: u32 = sizes.iter().filter(|&(&(size, _), _)| size == len).map(|(_, count)| count).sum();
        f64::from(found) / count as f64 * 12.0
    };
    // IPv6 with TCP does not fit into 64 bytes.
    let small: f64 = [60, 62, 74].map(share).iter().sum();
    assert!((small - 7.0).abs() < 0.2 && (share(590) - 4.0).abs() < 0.2, "{small} {sizes:?}");
    assert!((share(1514) - 1.0).abs() < 0.1);
}

#[test]
fn frames_of_the_caller_are_aimed_at_the_router_and_changed() {
    let elsewhere = {
        let mut frame = of_mix(1, StreamMix::HEALTHY).owned(3).1;
        frame[..6].copy_from_slice(&[0, 1, 2, 3, 4, 5]);
        frame
    };
    let samples = vec![
        Sample { port: 1, bytes: elsewhere.clone() },
        Sample { port: 0, bytes: vec![0xff; 9_000] },
        Sample { port: 0, bytes: vec![1; 13] },
        Sample { port: 0, bytes: crate::build::pattern(14) },
    ];
    let mix = StreamMix { captured: 1, ..EMPTY };
    let made = stream(StreamPlan { seed: 2, mix, samples: samples.clone(), ..StreamPlan::default() });
    let (mut aimed, mut seen) = (0, BTreeSet::new());
    for index in 0..3_000 {
        let (made, bytes) = made.owned(index);
        let Origin::Captured(number, family) = made.origin else { panic!("{}", made.origin) };
        assert!(made.expected == Expected::Unknown && made.len <= FRAME_MAX);
        aimed += usize::from(number == 0 && bytes.starts_with(&[2, 0, 0, 0, 2, 1]));
        seen.insert((number, family));
    }
    assert!(aimed > 800, "{aimed}");
    // The third has no header at all.
    assert_eq!(seen.iter().map(|&(number, _)| number).collect::<BTreeSet<_>>(), BTreeSet::from([0, 1, 2]));
    assert!(seen.contains(&(0, Family::Ipv4Header)) || seen.contains(&(0, Family::Ipv6Header)));
    let families = vec![Family::Nd];
    let plan = StreamPlan { mix, samples, families, ..StreamPlan::default() };
    assert_eq!(Stream::new(World::lab(), plan).err(), Some(PlanError::Samples));
}

#[test]
fn plans_that_cannot_be_followed_are_refused() {
    let refused = |world, change: fn(&mut StreamPlan)| {
        let mut plan = StreamPlan::default();
        change(&mut plan);
        Stream::new(world, plan).err()
    };
    let lab = World::lab;
    assert_eq!(refused(lab(), |_| ()), None);
    assert_eq!(refused(World::with_ports(1), |_| ()), Some(PlanError::World));
    assert_eq!(refused(World { ttls: vec![], ..lab() }, |_| ()), Some(PlanError::Ttls));
    assert_eq!(refused(lab(), |plan| plan.mix = EMPTY), Some(PlanError::Mix));
    assert_eq!(refused(lab(), |plan| plan.flows = 0), Some(PlanError::Flows));
    assert_eq!(refused(lab(), |plan| plan.flows = 2_000_000), Some(PlanError::Flows));
    assert_eq!(refused(lab(), |plan| plan.sizes.clear()), Some(PlanError::Sizes));
    assert_eq!(refused(lab(), |plan| plan.rate = Rate::BitsPerSecond(0)), Some(PlanError::Rate));
    assert_eq!(refused(lab(), |plan| plan.mix.captured = 1), Some(PlanError::Samples));
    let none = Protocols { udp: 0, ..Protocols::UDP };
    let plan = StreamPlan { protocols: none, ..StreamPlan::default() };
    assert_eq!(Stream::new(lab(), plan).err(), Some(PlanError::Protocols));
    let sample = Sample { port: 2, bytes: vec![0; 60] };
    let plan = StreamPlan { samples: vec![sample], ..StreamPlan::default() };
    assert_eq!(Stream::new(lab(), plan).err(), Some(PlanError::SamplePort(2)));
    let plan = StreamPlan {
        mix: StreamMix::odd_percent(1),
        anomalies: vec![Anomaly::ReversePath],
        ..StreamPlan::default()
    };
    assert_eq!(Stream::new(lab(), plan).err(), Some(PlanError::Anomalies));
    assert_eq!(PlanError::SamplePort(2).to_string(), "there is no port 2");
}

#[test]
fn a_rate_in_bits_is_kept_on_average() {
    let rate = Rate::BitsPerSecond(1_000_000_000);
    let plan = StreamPlan { seed: 1, rate, spacing: Spacing::Poisson, ..StreamPlan::default() };
    let stream = stream(plan);
    let count = 200_000;
    let bits: u64 = (0..count).map(|index| stream.len(index) as u64 * 8).sum();
    let seconds = stream.owned(count).0.at.as_secs_f64();
    let found = bits as f64 / seconds;
    assert!((found / 1e9 - 1.0).abs() < 0.02, "{found}");
}

/// What is narrowed down stays within its bounds, and worlds of other shapes do.
#[test]
fn only_what_was_asked_for_comes() {
    let plan = StreamPlan {
        mix: StreamMix { odd: 1, mutant: 1, sequence: 1, ..EMPTY },
        anomalies: vec![Anomaly::Ipv4Land, Anomaly::UdpLength],
        families: vec![Family::Arp],
        scenarios: vec![Scenario::RstStorm, Scenario::BadFlags],
        ..StreamPlan::default()
    };
    let mut world = World::with_ports(3);
    world.ports[0].prefix = 31;
    world.ports[1].mtu = 1280;
    let stream = Stream::new(world.clone(), plan).expect("a sound plan");
    for index in 0..5_000 {
        let (made, bytes) = stream.owned(index);
        match made.origin {
            Origin::Template(_) => assert!(
                [Anomaly::Ipv4Land, Anomaly::UdpLength].map(Expected::Anomaly).contains(&made.expected)
            ),
            Origin::Mutant(family) => assert_eq!(family, Family::Arp),
            Origin::Step { scenario, .. } => {
                assert!([Scenario::RstStorm, Scenario::BadFlags].contains(&scenario));
            }
            other => panic!("{other}"),
        }
        assert!(agrees(&stream, &made, &bytes), "{index} {}", made.origin);
    }
    let all = StreamPlan { mix: StreamMix::FUZZ, ..StreamPlan::default() };
    let stream = Stream::new(world, all).expect("a sound plan");
    for index in 0..50_000 {
        let (made, bytes) = stream.owned(index);
        assert!(agrees(&stream, &made, &bytes), "{index} {}", made.origin);
        assert!(made.expected == Expected::Unknown || bytes.len() <= 1_514);
    }
}

/// Field-aware mutation finds by itself, from sound frames, what the recipes make on purpose.
#[test]
fn mutants_come_to_nearly_every_anomaly() {
    let samples = {
        let mix = StreamMix { traffic: 1, varied: 3, sequence: 1, ..EMPTY };
        let stream = of_mix(11, mix);
        let sample = |index| {
            let (made, bytes) = stream.owned(index);
            Sample { port: made.port, bytes }
        };
        (0..1_000).map(sample).collect::<Vec<_>>()
    };
    let of_templates = (StreamMix { mutant: 1, ..EMPTY }, vec![], 90);
    let of_samples = (StreamMix { captured: 1, ..EMPTY }, samples, 88);
    for (mix, samples, least) in [of_templates, of_samples] {
        let stream = stream(StreamPlan { seed: 12, mix, samples, ..StreamPlan::default() });
        let (mut named, mut healthy, count) = (BTreeSet::new(), 0, 1_000_000);
        for index in 0..count {
            let (made, bytes) = stream.owned(index);
            match stream.judgement(&made, &bytes) {
                Judgement::Anomaly(anomaly) => drop(named.insert(anomaly)),
                Judgement::Healthy => healthy += 1,
                Judgement::Foreign => {}
            }
        }
        let missing: Vec<_> = Anomaly::ALL.iter().filter(|anomaly| !named.contains(anomaly)).collect();
        println!("{count} mutants, seed 12: {healthy} are healthy, no {missing:?}");
        assert!(named.len() >= least, "{missing:?}");
        // Neither do most of them stay what they were, nor do all die at the first check.
        assert!((count / 10..count / 2).contains(&healthy), "{healthy}");
    }
}
