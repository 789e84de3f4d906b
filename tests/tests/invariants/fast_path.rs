//! Invariant 2: no allocation whatever becomes of a frame, and no waiting whatever the slow path does.

use pktgen::{Generator, Mix, World, oracle};
use smoltcp::time::Duration;
use stack::frame::FRAME_MAX;
use stack::{Action, Anomaly, DropReason, FrameBuf, PortId, Verdict};
use tests::frames::{self, ROUTER_0, from_client, transit};
use tests::{Divert, Sim};

/// Allocations while `work` runs.
fn allocations(work: impl FnOnce()) -> u64 {
    allocation_counter::measure(work).count_total
}

#[test]
fn fast_path_never_allocates_and_never_waits() {
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![1]))), 1, "allocations are counted");
    let mut sim = Sim::lab();
    let healthy = from_client(&frames::udp(&transit(), 9, &[1; 64]));
    let echo = from_client(&frames::echo_request(&frames::to(ROUTER_0.address), 1));
    let expired = from_client(&frames::udp(&pktgen::build::Ipv4 { ttl: 1, ..transit() }, 9, b"x"));
    let arp = frames::arp_request(&frames::CLIENT, ROUTER_0.address);
    let mut martian = transit();
    martian.source = [240, 0, 0, 1].into();
    let martian = from_client(&frames::udp(&martian, 9, b"x"));
    let foreign = frames::link(frames::CLIENT.mac, [2, 9, 9, 9, 9, 9], &[0; 46]);
    let tagged = pktgen::build::tag(&healthy, 0x8100, 0);
    let mut out = Box::new([0; FRAME_MAX]);
    let mut now = sim.now();
    let mut buffer = vec![0; FRAME_MAX];
    let cases = [
        ("forward", &healthy, Verdict::Forward { port: PortId(1) }),
        ("deliver", &echo, Verdict::Deliver),
        ("consume", &arp, Verdict::Consume),
        ("report", &expired, Verdict::Drop(DropReason::TtlExpired)),
        ("drop", &foreign, Verdict::Drop(DropReason::Foreign)),
        ("divert", &martian, Verdict::Divert(Anomaly::Ipv4SourceMartian)),
        ("approve", &tagged, Verdict::Divert(Anomaly::VlanPriorityTag)),
    ];
    for round in 0..3 {
        for (name, frame, expected) in cases {
            let counted = allocations(|| {
                for _ in 0..200 {
                    now += Duration::from_millis(1);
                    buffer[..frame.len()].copy_from_slice(frame);
                    let mut in_place = FrameBuf::new(&mut buffer[..frame.len()]);
                    assert_eq!(sim.router.handle_frame(now, PortId(0), &mut in_place), expected);
                    while sim.router.poll_transmit(&mut out).is_some() {}
                    // `divert` is never answered; its deadlines pass.
                    if name == "approve" || round == 0 {
                        while let Some(about) = sim.router.poll_divert(&mut out) {
                            let action = if name == "approve" { Action::StripTag } else { Action::Drop };
                            let answer = Divert { about, bytes: Vec::new() };
                            let approved = sim.router.approve(now, &answer.answer(action));
                            let _ = approved.map(|approved| sim.router.apply(now, approved));
                            while sim.router.poll_transmit(&mut out).is_some() {}
                        }
                    }
                    while sim.router.poll_event().is_some() {}
                    sim.router.handle_timeout(now);
                }
            });
            println!("round {round}, {name}: {counted} allocations in 200 frames");
            // The first round warms up whatever there may be.
            assert!(round == 0 || counted == 0, "{name} allocates");
        }
    }
    never_waits();
}

/// The slow path takes frames and never says a word, or takes none; healthy traffic does not notice.
fn never_waits() {
    for polls in [false, true] {
        let mut sim = Sim::lab();
        let generator = Generator::new(World::lab(), 82).with_mix(Mix { healthy: 1, odd: 1, mutant: 0 });
        let mut in_transit = 0;
        for index in 0..20_000 {
            let made = generator.frame(index);
            let verdict = sim.send(made.port, &made.bytes);
            if made.template.ends_with("_transit") && made.expected == pktgen::Expected::Healthy {
                in_transit += 1;
                let egress = 1 - made.port;
                assert_eq!(verdict, Verdict::Forward { port: PortId(egress) }, "{}", made.template);
                let sent = sim.transmitted().remove(0);
                let (router, host) =
                    (frames::ROUTER[usize::from(egress)], frames::HOSTS[usize::from(egress)]);
                assert_eq!(Some(sent.bytes), oracle::forward(&made.bytes, router.mac, host.mac));
            }
            sim.transmitted();
            if polls {
                sim.diverts();
            }
            // No time passes at all: the arena fills up, and stays full.
            if index.is_multiple_of(5_000) {
                sim.advance(Duration::from_millis(1));
            }
        }
        assert!(in_transit > 5_000);
        assert!(sim.router.stats().refusals.iter().sum::<u64>() > 1_000, "the divert queue was full");
    }
}
