//! Scenarios: who gets into the divert queue, who is refused by what name, and in what order they come out.
//!
//! Bounds and fairness are the design's own (*Queues and threads*, *What is diverted*); no RFC speaks of them.

use pktgen::build::{Ipv4, tag};
use smoltcp::time::Duration;
use stack::divert::Refusal;
use stack::stats::Path;
use stack::{Action, ActionKind, Anomaly, DropReason, Event, Limits, Mode, PortId, Rate, Rejection, Verdict};
use std::net::Ipv4Addr;
use tests::frames::{self, CLIENT, ROUTER, SERVER, from_client, transit};
use tests::storage::{SIZES, Sizes};
use tests::{Delta, Sim};

const TAG: Anomaly = Anomaly::VlanPriorityTag;

/// A priority-tagged frame by `port` from the `source`-th host there.
fn tagged(port: usize, source: u8) -> Vec<u8> {
    let from = Ipv4Addr::new(10, 0, 1 + port as u8, 100 + source);
    let to = [SERVER, CLIENT][port].address;
    let packet = frames::udp(&Ipv4::new(from, to), 9, b"payload");
    tag(&frames::link([2, 0, 0, 0, 9, source], ROUTER[port].mac, &packet), 0x8100, 0)
}

/// A router with a small queue.
fn small(change: impl FnOnce(&mut Limits)) -> Sim {
    Sim::lab_with(|config| {
        config.limits.divert_queue = 8;
        config.limits.divert_outstanding = 4;
        config.limits.divert_rate = Rate { per_second: 100, burst: 1_000 };
        change(&mut config.limits);
    })
}

/// Refused, so that the default acts at once.
fn refused(delta: &mut Delta, refusal: Refusal, len: usize) {
    delta.seen[TAG as usize] += 1;
    delta.diverts[TAG as usize].refused += 1;
    delta.refusals[refusal as usize] += 1;
    delta.receives(len).discards(DropReason::Anomaly(TAG), Path::SlowRefused, len);
}

#[test]
fn each_mode_of_a_malformed_frame() {
    let anomaly = Anomaly::Ipv4Checksum;
    let mut frame = from_client(&frames::udp(&transit(), 9, b"data"));
    frame[24] ^= 1;
    let run = |mode| {
        let mut sim = Sim::lab_with(|config| config.set_mode(anomaly, mode).expect("any mode will do"));
        (sim.send(0, &frame), sim)
    };
    let dropped = Verdict::Drop(DropReason::Anomaly(anomaly));
    let (verdict, mut sim) = run(Mode::Off);
    assert_eq!((verdict, sim.diverts().len()), (dropped, 0));
    sim.expect(|d| {
        d.drops(DropReason::Anomaly(anomaly), frame.len()).seen[anomaly as usize] += 1;
    });
    let (verdict, mut sim) = run(Mode::Observe);
    assert_eq!(verdict, dropped);
    sim.expect(|d| {
        d.drops(DropReason::Anomaly(anomaly), frame.len()).seen[anomaly as usize] += 1;
        d.diverts[anomaly as usize].observed += 1;
    });
    let copy = sim.diverts().remove(0);
    assert_eq!((copy.about.mode, &copy.bytes), (Mode::Observe, &frame));
    // The answer to a copy is only recorded: the frame has ended already.
    assert_eq!(sim.answer(&copy.answer(Action::Drop)), Ok(()));
    sim.expect(|d| {
        d.applies(anomaly, ActionKind::Drop);
    });
    let (verdict, mut sim) = run(Mode::Enforce);
    assert_eq!(verdict, Verdict::Divert(anomaly));
    sim.expect(|d| {
        d.diverts_one(anomaly, frame.len());
    });
    let held = sim.diverts().remove(0);
    assert_eq!(held.about.deadline, sim.now() + sim.router.config().limits.divert_deadline);
    assert_eq!((held.about.mode, held.about.received_at), (Mode::Enforce, sim.now()));
    assert_eq!(sim.answer(&held.answer(Action::Drop)), Ok(()));
    sim.expect(|d| {
        d.discards(DropReason::Anomaly(anomaly), Path::SlowModel, frame.len());
        d.applies(anomaly, ActionKind::Drop);
    });
    assert_eq!(sim.transmitted(), []);
}

#[test]
fn legal_oddities_go_on_at_once_and_every_nth_is_copied() {
    let odd = Anomaly::Ipv4ReservedFlag;
    let frame = from_client(&frames::udp(&Ipv4 { reserved_flag: true, ..transit() }, 9, b"evil bit"));
    for (mode, one_in, copies) in [(Mode::Off, 1, 0), (Mode::Observe, 1, 9), (Mode::Observe, 4, 3)] {
        let mut sim = Sim::lab_with(|config| {
            config.set_mode(odd, mode).expect("legal traffic may be observed");
            config.limits.observe_one_in = one_in;
        });
        for _ in 0..9 {
            assert_eq!(sim.send(0, &frame), Verdict::Forward { port: PortId(1) });
        }
        sim.expect(|d| {
            for _ in 0..9 {
                d.forwards(frame.len(), frame.len()).seen[odd as usize] += 1;
            }
            d.diverts[odd as usize].observed += copies;
        });
        let got = sim.diverts();
        assert_eq!(got.len() as u64, copies, "{mode:?} one in {one_in}");
        // A model that would drop legal traffic is refused, though it could not any more.
        for copy in got {
            assert_eq!(sim.answer(&copy.answer(Action::Drop)), Err(Rejection::MustPass));
        }
    }
    let mut config = tests::sim::config(&pktgen::World::lab());
    assert!(config.set_mode(odd, Mode::Enforce).is_err(), "legal traffic never waits for a model");
}

#[test]
fn an_empty_bucket_refuses() {
    // Each of the two ports has half of the rate and of the burst.
    let mut sim = small(|limits| limits.divert_rate = Rate { per_second: 20, burst: 4 });
    let frame = tagged(0, 0);
    let verdicts = [(); 3].map(|()| sim.send(0, &frame));
    assert_eq!(verdicts[..2], [Verdict::Divert(TAG); 2]);
    assert_eq!(verdicts[2], Verdict::Drop(DropReason::Anomaly(TAG)));
    sim.expect(|d| {
        d.diverts_one(TAG, frame.len()).diverts_one(TAG, frame.len());
        refused(d, Refusal::Bucket, frame.len());
    });
    // Another port and another reason have buckets of their own.
    assert_eq!(sim.send(1, &tagged(1, 0)), Verdict::Divert(TAG));
    let mut bad = from_client(&frames::udp(&transit(), 9, b"data"));
    bad[24] ^= 1;
    assert_eq!(sim.send(0, &bad), Verdict::Divert(Anomaly::Ipv4Checksum));
    // A tenth of a second brings one token.
    sim.advance(Duration::from_millis(100));
    assert_eq!(sim.send(0, &frame), Verdict::Divert(TAG));
    assert_eq!(sim.send(0, &frame), Verdict::Drop(DropReason::Anomaly(TAG)));
}

#[test]
fn a_source_gets_no_more_than_its_share() {
    let mut sim = small(|limits| limits.divert_per_source = 2);
    let frame = tagged(0, 0);
    let len = frame.len();
    assert_eq!([(); 2].map(|()| sim.send(0, &frame)), [Verdict::Divert(TAG); 2]);
    assert_eq!(sim.send(0, &frame), Verdict::Drop(DropReason::Anomaly(TAG)));
    sim.expect(|d| {
        refused(d.diverts_one(TAG, len).diverts_one(TAG, len), Refusal::SourceShare, len);
    });
    // What the slow path has counts, too; what has ended does not.
    let held = sim.diverts();
    assert_eq!(sim.send(0, &frame), Verdict::Drop(DropReason::Anomaly(TAG)));
    sim.abandon(&held[0]);
    assert_eq!(sim.send(0, &frame), Verdict::Divert(TAG));
}

#[test]
fn a_flood_by_one_port_leaves_room_for_the_other() {
    let mut sim = small(|_| ());
    let mut verdicts = Vec::new();
    for source in 0..10 {
        verdicts.push(sim.send(0, &tagged(0, source)));
    }
    let admitted = verdicts.iter().filter(|&&verdict| verdict == Verdict::Divert(TAG)).count();
    assert_eq!(admitted, 4, "one port of two may fill half of the queue");
    assert_eq!(sim.router.stats().refusals[Refusal::PortShare as usize], 6);
    for source in 0..4 {
        assert_eq!(sim.send(1, &tagged(1, source)), Verdict::Divert(TAG));
    }
    assert_eq!(sim.send(1, &tagged(1, 9)), Verdict::Drop(DropReason::Anomaly(TAG)));
    assert_eq!(sim.router.stats().refusals[Refusal::QueueFull as usize], 1);
    // They come out in turn, and no more than the slow path may have at once.
    let got = sim.diverts();
    let ports: Vec<u8> = got.iter().map(|divert| divert.about.port().0).collect();
    assert_eq!(ports, [0, 1, 0, 1]);
    assert_eq!(sim.router.divert_occupancy(), (4, 4));
    for divert in &got {
        sim.abandon(divert);
    }
    assert_eq!(sim.diverts().len(), 4);
    sim.advance(Duration::from_secs(1));
    assert!(sim.router.is_settled());
}

#[test]
fn a_frame_longer_than_a_slot_is_refused_by_name() {
    let mut sim = small(|_| ());
    let mut frame = tagged(0, 0);
    frame.resize(stack::frame::FRAME_MAX + 1, 0);
    assert_eq!(sim.send(0, &frame), Verdict::Drop(DropReason::Anomaly(TAG)));
    sim.expect(|d| refused(d, Refusal::FrameTooLarge, frame.len()));
    frame.pop();
    assert_eq!(sim.send(0, &frame), Verdict::Divert(TAG));
    assert_eq!(sim.diverts()[0].bytes, frame);
}

#[test]
fn events_tell_the_story_and_lost_ones_are_counted() {
    let mut sim = Sim::cold(|_| (), Sizes { events: 3, ..SIZES });
    sim.prime();
    let frame = tagged(0, 0);
    for _ in 0..2 {
        let _ = sim.send(0, &frame);
    }
    let got = sim.diverts();
    let id = |at: usize| got[at].about.id;
    assert_eq!(sim.answer(&got[0].answer(Action::Drop)), Ok(()));
    // Diverted, Diverted, Approved, Applied: the oldest had to go.
    let (port, mode) = (PortId(0), Mode::Enforce);
    let story = [
        Event::Diverted { id: id(1), reason: TAG, port, mode },
        Event::Approved { id: id(0), action: ActionKind::Drop },
        Event::Applied { id: id(0), action: ActionKind::Drop },
    ];
    assert_eq!(sim.events(), story);
    assert_eq!(sim.router.stats().events_lost, 1);
    assert_eq!(sim.answer(&got[1].answer(Action::Forward)), Err(Rejection::NotGranted));
    assert_eq!(sim.events(), [Event::Rejected { id: id(1), rejection: Rejection::NotGranted }]);
    let _ = sim.send(0, &frame);
    sim.advance(Duration::from_secs(1));
    let ends = sim.events();
    assert!(matches!(ends[..], [Event::Diverted { .. }, Event::Unanswered { reason: TAG, .. }]), "{ends:?}");
    assert_eq!(sim.router.stats().events_lost, 1);
}
