//! Invariant 1, on a million generated, mutated and random frames with every table small enough to be full.

use pktgen::dice::{Draw, rng_for};
use pktgen::{Generator, World};
use smoltcp::time::Duration;
use stack::stats::{Disposition, Path};
use stack::{Action, DropReason, Rate, Verdict};
use std::collections::BTreeMap;
use tests::Sim;
use tests::frames::{self, ROUTER_0, from_client};
use tests::storage::Sizes;

/// A healthy datagram to the router that is longer than its host can take.
fn jumbo() -> (u8, Vec<u8>) {
    (0, from_client(&frames::udp(&frames::to(ROUTER_0.address), 7, &[0; 1_600])))
}

/// Random bytes; half of them to the router's MAC address with an IPv4 EtherType, to get further.
fn random_frame(index: u64) -> (u8, Vec<u8>) {
    let mut rng = rng_for(81, 0, index);
    let len = *rng.pick(&[0, 1, 13, 14, 33, 34, 60, 90, 1514, 1537, 2_000]);
    let mut frame = rng.bytes(len);
    if let (true, Some(head)) = (rng.one_in(2), frame.get_mut(..14)) {
        head[..6].copy_from_slice(&ROUTER_0.mac);
        head[6] &= 0xfe;
        head[12..].copy_from_slice(&[8, 0]);
    }
    (0, frame)
}

/// What the verdict of a frame promised about the counters, checked at once for each of a million frames.
#[test]
fn counters_balance_and_every_drop_has_a_reason() {
    const FRAMES: u64 = 1_000_000;
    let seed = 80;
    println!("seed {seed} (pktgen), 81 (random bytes)");
    // Small tables, so that each is full at times; a small MTU behind one port.
    let sizes = Sizes { waiting: 12, transmit: 4, diverts: 64, neighbors: 16, ..Sizes::default() };
    let mut sim = Sim::cold(
        |config| {
            config.ports[1].mtu = 1200;
            config.limits.waiting_per_neighbor = 6;
            config.limits.divert_queue = 40;
            config.limits.divert_outstanding = 24;
            config.limits.divert_rate = Rate { per_second: 500, burst: 20 };
            config.limits.observe_one_in = 2;
        },
        sizes,
    );
    let generator = Generator::new(World::lab(), seed);
    let mut verdicts = BTreeMap::new();
    for index in 0..FRAMES {
        let (port, bytes) = if index.is_multiple_of(10_000) {
            jumbo()
        } else if index.is_multiple_of(16) {
            random_frame(index)
        } else {
            let made = generator.frame(index);
            (made.port, made.bytes)
        };
        let before = sim.router.snapshot();
        let verdict = sim.send(port, &bytes);
        let now = sim.router.stats();
        assert_eq!(now.received.frames, before.received.frames + 1);
        assert_eq!(now.received.bytes, before.received.bytes + bytes.len() as u64);
        let ended = |disposition| now.disposed(disposition).frames - before.disposed(disposition).frames;
        match verdict {
            Verdict::Forward { .. } => assert_eq!(ended(Disposition::Forwarded), 1),
            Verdict::Deliver => assert_eq!(ended(Disposition::Delivered), 1),
            Verdict::Divert(reason) => {
                assert_eq!(now.held.frames, before.held.frames + 1);
                let at = reason as usize;
                assert_eq!(now.diverts[at].held, before.diverts[at].held + 1);
            }
            Verdict::Drop(reason) => assert_eq!(now.drops(reason), before.drops(reason) + 1),
            // ARP, which may release frames that waited; or a frame that waits from now on.
            Verdict::Consume => {
                let (waits, consumed) = (now.held.frames > before.held.frames, ended(Disposition::Consumed));
                assert_eq!(consumed, u64::from(!waits));
            }
        }
        let name = format!("{verdict:?}");
        *verdicts.entry(name.split(['(', ' ']).next().unwrap_or("").to_owned()).or_insert(0_u64) += 1;
        // The slow path is erratic: it takes some, answers some, gives some up.
        if index.is_multiple_of(7) {
            for divert in sim.diverts() {
                match index % 3 {
                    0 => drop(sim.answer(&divert.answer(Action::Drop))),
                    1 => sim.abandon(&divert),
                    _ => {}
                }
            }
        }
        sim.transmitted();
        sim.events();
        sim.advance(Duration::from_micros(97));
    }
    sim.advance(Duration::from_secs(10));
    assert!(sim.router.is_settled(), "every frame has ended: {:?}", sim.router.stats().held);
    let stats = sim.router.stats();
    let ends: u64 = Disposition::ALL.into_iter().map(|d| stats.disposed(d).frames).sum();
    assert_eq!((stats.received.frames, ends), (FRAMES, FRAMES));
    println!("{verdicts:?}");
    for verdict in ["Forward", "Deliver", "Consume", "Drop", "Divert"] {
        assert!(verdicts.get(verdict).is_some_and(|&count| count > 1_000), "{verdict}: {verdicts:?}");
    }
    for &reason in DropReason::OTHERS {
        assert!(stats.drops(reason) > 0, "never dropped for {reason}");
    }
    // A frame's path is counted once, too.
    assert_eq!(Path::ALL.into_iter().map(|path| stats.by_path(path).frames).sum::<u64>(), FRAMES);
}
