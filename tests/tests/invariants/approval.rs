//! Invariant 3: what leaves in answer to a diverted frame is what was approved, judged by independent hands.

use pktgen::Generator;
use pktgen::dice::{Draw, rng_for};
use smoltcp::time::Duration;
use stack::{ActionKind, Origin, Posture};
use std::collections::BTreeMap;
use tests::{Sim, checker};

/// Each injected frame is an approved one: as many, of the same divert, and byte for byte what the oracle
/// expects of the approved action. (That no one else can make an `Approved` is for the compiler to say:
/// `src/unforgeable.rs`. There is no rule table yet that an answer could reach.)
#[test]
fn nothing_from_a_model_reaches_wire_or_rules_except_as_approved() {
    let seed = 83;
    println!("seed {seed}");
    let mut sim = Sim::lab_with(|config| config.posture = Posture::Open);
    let world = sim.world().clone();
    let generator = Generator::new(world.clone(), seed);
    let (mut injected, mut ipv6, mut applied) = (0_u64, 0_u64, BTreeMap::new());
    for index in 0..150_000 {
        let mut rng = rng_for(seed, 1, index);
        let made = generator.odd(index);
        let _ = sim.send(made.port, &made.bytes);
        sim.transmitted();
        for divert in sim.diverts() {
            let kind = *rng.pick(&ActionKind::ALL[..7]);
            let action = kind.symbolic().expect("the first seven are symbolic");
            let routes = sim.router.routes().iter().count();
            let result = sim.answer(&divert.answer(action));
            assert_eq!(sim.router.routes().iter().count(), routes);
            let sent: Vec<_> = sim.transmitted();
            let from_model = |sent: &&tests::Sent| matches!(sent.origin, Origin::Injected(_));
            let frames: Vec<_> = sent.iter().filter(from_model).collect();
            match result {
                Err(_) => assert!(frames.is_empty(), "{index}: rejected, yet sent"),
                Ok(()) => {
                    *applied.entry(kind).or_insert(0_u64) += 1;
                    assert!(frames.len() <= 1 && (kind != ActionKind::Drop || frames.is_empty()));
                    for frame in frames {
                        injected += 1;
                        ipv6 += u64::from(frame.bytes[12..14] == [0x86, 0xdd]);
                        assert_eq!(frame.origin, Origin::Injected(divert.about.id));
                        let judged = checker::judge(&world, &sim.neighbors(), Posture::Open, &divert, frame);
                        assert_eq!(judged, Ok(kind), "{index} {divert:?} {frame:?}");
                    }
                }
            }
        }
        sim.advance(Duration::from_micros(600));
    }
    println!("{injected} injected, {ipv6} of them IPv6, applied {applied:?}");
    assert!(injected > 500 && ipv6 > 10);
    let stats = sim.router.stats();
    assert_eq!(stats.sent.injected.frames, injected);
    for &kind in ActionKind::ALL {
        assert_eq!(stats.applied[kind as usize], applied.get(&kind).copied().unwrap_or(0), "{kind}");
    }
}
