//! Every fix, on frames of every reason that it is for: what was wrong is right afterwards, in the oracle's eyes.

use pktgen::oracle::{Judgement, judge};
use pktgen::{Generator, World};
use smoltcp::wire::EthernetAddress;
use stack::Anomaly;
use stack::answer::{Fix, mend};
use stack::frame::FRAME_MAX;
use std::collections::BTreeMap;

const SEED: u64 = 0x5eed;
const FRAMES: u64 = 300;

fn mended(world: &World, port: u8, fix: Fix, frame: &[u8]) -> Option<Vec<u8>> {
    let mut out = [0; FRAME_MAX];
    let router = EthernetAddress(world.ports[usize::from(port)].mac);
    mend(fix, frame, router, &mut out).map(|len| out[..len].to_vec())
}

#[test]
fn a_fix_removes_its_reason_and_many_frames_are_healthy_then() {
    println!("seed {SEED:#x}");
    let world = World::lab();
    let generator = Generator::new(world.clone(), SEED);
    let mut healed = BTreeMap::<Fix, [u64; 2]>::new();
    for &reason in Anomaly::ALL {
        let Some(fix) = Fix::of(reason) else { continue };
        for index in 0..FRAMES {
            let Some(made) = generator.of(reason, index) else { break };
            assert_eq!(judge(&world, made.port, &made.bytes), Judgement::Anomaly(reason));
            let Some(right) = mended(&world, made.port, fix, &made.bytes) else { continue };
            let now = judge(&world, made.port, &right);
            assert_ne!(
                now,
                Judgement::Anomaly(reason),
                "{fix} of {reason}, frame {index}: {:02x?}",
                made.bytes
            );
            let healthy = matches!(now, Judgement::Healthy | Judgement::Anomaly(Anomaly::EchoRequest));
            let [good, all] = healed.entry(fix).or_default();
            *good += u64::from(healthy);
            *all += 1;
        }
    }
    println!("{healed:?}");
    assert_eq!(healed.len(), Fix::COUNT, "a fix was never tried");
    for (fix, [good, all]) in healed {
        assert!(all >= FRAMES / 2 && good * 3 >= all, "{fix}: {good} of {all} healthy");
    }
}

#[test]
fn a_fix_changes_nothing_that_it_is_not_for() {
    let world = World::lab();
    let generator = Generator::new(world.clone(), SEED);
    for index in 0..2_000 {
        let made = generator.healthy(index);
        for &fix in Fix::ALL {
            let Some(right) = mended(&world, made.port, fix, &made.bytes) else { continue };
            // A healthy frame stays healthy whatever is put right about it.
            let (before, after) = (judge(&world, made.port, &made.bytes), judge(&world, made.port, &right));
            let group = fix == Fix::LinkDestination;
            assert!(before == after || group, "{fix}, frame {index} ({}): {after:?}", made.template);
        }
    }
}

#[test]
fn any_bytes_at_all_are_survived() {
    let world = World::lab();
    let generator = Generator::new(world.clone(), SEED);
    for index in 0..20_000 {
        let made = generator.mutant(index);
        for &fix in Fix::ALL {
            let _ = mended(&world, made.port, fix, &made.bytes);
            let _ = mended(&world, made.port, fix, &made.bytes[..made.bytes.len() / 2]);
        }
    }
}
