//! Approvals and answers that have lost their worth: late, stale, foreign, doubled, or about the wrong frame.
//!
//! Each must leave the frame to its default, be counted under its own rejection, and send nothing.

use smoltcp::time::Duration;
use smoltcp::wire::Ipv4Cidr;
use stack::{Action, ActionKind, Anomaly, Answer, Rejection, Verdict};
use tests::frames::{self, from_client, transit};
use tests::{Divert, Sim};

/// One frame that a right answer would inject, held.
fn held(sim: &mut Sim) -> Divert {
    let plain = from_client(&frames::udp(&transit(), 9, b"payload"));
    let tagged = pktgen::build::tag(&plain, 0x8100, 0);
    assert_eq!(sim.send(0, &tagged), Verdict::Divert(Anomaly::VlanPriorityTag));
    sim.diverts().remove(0)
}

fn refused_at_apply(
    sim: &mut Sim,
    expected: Rejection,
    meanwhile: impl FnOnce(&mut Sim, stack::Approved) -> Option<stack::Approved>,
) {
    let divert = held(sim);
    let approved = sim.router.approve(sim.now(), &divert.answer(Action::StripTag)).expect("a right answer");
    let before = sim.router.snapshot().sent.injected;
    if let Some(approved) = meanwhile(sim, approved) {
        assert_eq!(sim.router.apply(sim.now(), approved), Err(expected));
    }
    sim.settle();
    assert_eq!(sim.transmitted(), [], "{expected}");
    assert_eq!(sim.router.stats().sent.injected, before);
    assert_eq!(sim.router.stats().rejections[expected as usize], 1, "{expected}");
    sim.advance(Duration::from_secs(1));
    assert!(sim.router.is_settled(), "{expected}: the frame has ended");
    assert_eq!(sim.router.stats().disposed(stack::stats::Disposition::Dropped).frames, 1);
}

#[test]
fn an_approval_is_void_when_routes_change() {
    let cidr = Ipv4Cidr::new([172, 16, 0, 0].into(), 12);
    refused_at_apply(&mut Sim::lab(), Rejection::StaleEpoch, |sim, approved| {
        sim.route(cidr, Some([10, 0, 2, 2]), 1);
        Some(approved)
    });
    refused_at_apply(&mut Sim::lab(), Rejection::StaleEpoch, |sim, approved| {
        assert!(!sim.router.remove_route(cidr));
        Some(approved)
    });
}

#[test]
fn an_approval_is_void_after_the_deadline() {
    refused_at_apply(&mut Sim::lab(), Rejection::Late, |sim, approved| {
        sim.advance(sim.router.config().limits.divert_deadline);
        Some(approved)
    });
}

/// The clock has passed the deadline, but nobody has called `handle_timeout` yet.
#[test]
fn an_approval_is_void_after_the_deadline_even_if_no_timeout_was_handled() {
    refused_at_apply(&mut Sim::lab(), Rejection::Late, |sim, approved| {
        let late = sim.now() + sim.router.config().limits.divert_deadline;
        assert_eq!(sim.router.apply(late, approved), Err(Rejection::Late));
        None
    });
}

/// The same for an answer: lateness is a matter of the clock, not of who has called what.
#[test]
fn an_answer_is_late_at_its_deadline_even_if_no_timeout_was_handled() {
    let mut sim = Sim::lab();
    let divert = held(&mut sim);
    let approved =
        |sim: &mut Sim, at| sim.router.approve(at, &divert.answer(Action::StripTag)).map(|a| a.action());
    let late = divert.about.deadline;
    assert_eq!(approved(&mut sim, late), Err(Rejection::Late));
    let in_time = late - Duration::from_micros(1);
    assert_eq!(approved(&mut sim, in_time), Ok(ActionKind::StripTag));
}

#[test]
fn an_approval_is_void_when_the_bucket_is_empty() {
    let empty = stack::Rate { per_second: 0, burst: 0 };
    let mut sim = Sim::lab_with(|config| config.limits.inject_rate = empty);
    refused_at_apply(&mut sim, Rejection::RateLimited, |_, approved| Some(approved));
}

#[test]
fn an_approval_of_another_router_is_void() {
    refused_at_apply(&mut Sim::lab(), Rejection::ForeignRouter, |sim, approved| {
        // The other router has approved an answer to a frame with the very same id.
        let mut other = Sim::lab_with(|config| config.id = 8);
        let divert = held(&mut other);
        assert_eq!(divert.about.id, approved.id());
        let theirs = other.router.approve(other.now(), &divert.answer(Action::StripTag)).expect("right");
        assert_eq!(sim.router.apply(sim.now(), theirs), Err(Rejection::ForeignRouter));
        // Ours is still good; it is dropped unused, and the deadline ends the frame.
        drop(approved);
        None
    });
}

#[test]
fn nonces_cannot_be_guessed_from_others() {
    let mut sim = Sim::lab();
    let divert = held(&mut sim);
    let mut other = Sim::lab_with(|config| config.secret = 1);
    assert_ne!(held(&mut other).about.nonce, divert.about.nonce, "another run's secret");
    let wrong = Answer { nonce: divert.about.nonce ^ 1, ..divert.answer(Action::StripTag) };
    assert_eq!(sim.answer(&wrong), Err(Rejection::WrongNonce));
    // A wrong nonce does not use the frame up: whoever guesses cannot make others' answers late.
    assert_eq!(sim.answer(&divert.answer(Action::StripTag)), Ok(()));
    assert_eq!(sim.answer(&divert.answer(Action::StripTag)), Err(Rejection::Late), "once only");
}

/// An envelope that says 28 bytes around a packet that says more: what follows in the frame is padding.
#[test]
fn padding_behind_an_envelope_is_never_taken_for_payload() {
    let mut sim = Sim::lab();
    let packet = frames::udp(&transit(), 9, &[7; 40]);
    let mut frame = pktgen::build::snap(frames::ROUTER_0.mac, frames::CLIENT.mac, 0x0800, &packet);
    frame[12..14].copy_from_slice(&28_u16.to_be_bytes());
    assert_eq!(sim.send(0, &frame), Verdict::Divert(Anomaly::SnapIpv4));
    let divert = sim.diverts().remove(0);
    assert_eq!(sim.answer(&divert.answer(Action::Decapsulate)), Err(Rejection::NotHealthy));
    assert_eq!(sim.transmitted(), []);
}

/// The id of a frame is public as soon as it is admitted (`Event::Diverted`), before the slow path has it.
#[test]
fn giving_up_a_frame_that_is_still_queued_harms_no_other() {
    let mut sim = Sim::lab();
    let frame = |last: u8| {
        let header = pktgen::build::Ipv4 { identification: last.into(), ..transit() };
        pktgen::build::tag(&from_client(&frames::udp(&header, 9, b"payload")), 0x8100, 0)
    };
    let mut ids = Vec::new();
    for last in 0..4 {
        let _ = sim.send(0, &frame(last));
        for event in sim.events() {
            if let stack::Event::Diverted { id, .. } = event {
                ids.push(id);
            }
        }
    }
    sim.router.abandon(sim.now(), ids[2]);
    sim.settle();
    let got: Vec<_> = sim.diverts().into_iter().map(|divert| divert.about.id).collect();
    assert!(got.starts_with(&[ids[0], ids[1]]) && got.ends_with(&[ids[3]]), "{got:?} of {ids:?}");
    sim.advance(Duration::from_secs(1));
    assert!(sim.router.is_settled());
    assert_eq!(sim.router.divert_occupancy(), (0, 0));
}
