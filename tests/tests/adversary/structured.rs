//! Every field of an answer, wrong one at a time, about a frame of every reason.

use crate::{How, Outcomes, give, reseal, right_frame, sim};
use pktgen::{Generated, Generator, World, echo};
use smoltcp::time::Duration;
use stack::{Action, ActionKind, Anomaly, Answer, DivertId, EchoDelta, PortId, Posture, Rejection, Source};
use tests::{Divert, Sim, checker};

/// Frames of each reason; where an answer may lead to a frame, more.
const OF_EACH: (usize, usize) = (2, 12);
/// Longer frames only make more of the same.
const LONGEST: usize = 130;

/// One frame that is answered again and again, anew each time that an answer has ended it.
struct Case<'a> {
    sim: Sim,
    posture: Posture,
    made: &'a Generated,
    divert: Option<Divert>,
    outcomes: Outcomes,
}

impl Case<'_> {
    /// The frame with the slow path. `None`: the router diverts no such frame.
    fn waiting(&mut self) -> Option<Divert> {
        if self.divert.is_none() {
            self.sim.advance(Duration::from_millis(60));
            if self.outcomes.waited.is_multiple_of(64) {
                self.sim.prime();
            }
            // Of what is only observed, each third is copied.
            for _ in 0..3 {
                let _ = self.sim.send(self.made.port, &self.made.bytes);
                self.divert = self.sim.diverts().pop();
                if self.divert.is_some() {
                    break;
                }
            }
            self.sim.transmitted();
        }
        self.divert.clone()
    }

    /// Gives an answer about the frame; `ends`: the frame has then ended, whatever is said.
    fn give<'f>(
        &mut self,
        how: How,
        ends: bool,
        answer: impl Fn(&Divert) -> Answer<'f>,
    ) -> Result<(), Rejection> {
        let divert = self.waiting().expect("it was diverted before");
        self.outcomes.waited += 1;
        let answer = answer(&divert);
        let result = give(&mut self.sim, self.posture, &divert, &answer, how, &mut self.outcomes);
        if ends {
            self.divert = None;
        }
        result
    }

    /// The answer that goes furthest and is right in everything.
    fn best(&self) -> Action<'static> {
        let reason = self.divert.as_ref().map_or(Anomaly::Ipv4Land, |divert| divert.about.reason());
        let kinds = checker::permitted(reason, self.posture).iter();
        let fallback = if checker::approvable(reason, self.posture, ActionKind::Forward) {
            Action::Forward
        } else {
            Action::Drop
        };
        kinds.filter_map(|kind| kind.symbolic()).next().unwrap_or(fallback)
    }

    /// Whom it is about: slot, generation, nonce, reason.
    fn identity(&mut self) {
        let best = self.best();
        for bit in 0..32 {
            let result = self.give(How::Plainly, false, |divert| {
                let right = divert.answer(best);
                Answer { nonce: right.nonce ^ 1 << bit, ..right }
            });
            assert_eq!(result, Err(Rejection::WrongNonce));
        }
        for nonce in [0, u32::MAX, 0xdead_beef] {
            let result = self.give(How::Plainly, false, |divert| Answer { nonce, ..divert.answer(best) });
            assert_eq!(result, Err(Rejection::WrongNonce));
        }
        for step in [1, 2, u32::MAX, 1 << 31] {
            let result = self.give(How::Plainly, false, |divert| {
                let generation = divert.about.id.generation.wrapping_add(step);
                Answer { id: DivertId { generation, ..divert.about.id }, ..divert.answer(best) }
            });
            assert!(matches!(result, Err(Rejection::UnknownDivert | Rejection::Late)), "{result:?}");
        }
        for bit in 0..16 {
            let result = self.give(How::Plainly, false, |divert| {
                let slot = divert.about.id.slot ^ 1 << bit;
                Answer { id: DivertId { slot, ..divert.about.id }, ..divert.answer(best) }
            });
            assert!(matches!(
                result,
                Err(Rejection::UnknownDivert | Rejection::Late | Rejection::WrongNonce)
            ));
        }
        for &reason in Anomaly::ALL {
            let result = self.give(How::Plainly, true, |divert| Answer { reason, ..divert.answer(best) });
            let right = reason == self.made_reason();
            assert_eq!(result == Err(Rejection::WrongReason), !right, "{reason}: {result:?}");
        }
    }

    /// The reason that the router diverts the frame for.
    fn made_reason(&mut self) -> Anomaly {
        self.waiting().expect("it was diverted before").about.reason()
    }

    /// Every action that a name says, in every manner, at every time.
    fn actions(&mut self) {
        for kind in ActionKind::ALL.iter().filter_map(|kind| kind.symbolic()) {
            for how in How::ALL {
                for source in [Source::Model, Source::Cache] {
                    let _ = self.give(how, true, |divert| Answer { source, ..divert.answer(kind) });
                }
            }
            for late in [49, 50, 51] {
                let _ = self.waiting();
                self.sim.advance(Duration::from_millis(late));
                self.sim.transmitted();
                let result = self.give(How::Plainly, true, |divert| divert.answer(kind));
                assert!(late < 50 || result == Err(Rejection::Late), "{late} ms: {result:?}");
            }
        }
    }

    /// Every value of the two narrow fields of a reply, every bit of the checksums.
    fn deltas(&mut self) {
        let request = self.waiting().expect("it was diverted before").bytes;
        let right = echo::echo_reply(&request).unwrap_or_else(|| vec![0; 42]);
        let word = |at: usize| u16::from_be_bytes([right[at], right[at + 1]]);
        let (ip_checksum, icmp_checksum) = (word(24), word(36));
        let right = EchoDelta { ttl: 64, ip_checksum, icmp_type: 0, icmp_checksum };
        let mut deltas = vec![right];
        deltas.extend((0..=255).map(|ttl| EchoDelta { ttl, ..right }));
        deltas.extend((0..=255).map(|icmp_type| EchoDelta { icmp_type, ..right }));
        let changes = (0..16).map(|bit| 1 << bit).chain([u16::MAX]);
        for change in changes {
            deltas.push(EchoDelta { ip_checksum: ip_checksum ^ change, ..right });
            deltas.push(EchoDelta { icmp_checksum: icmp_checksum ^ change, ..right });
            // The sums stay as they were, one field pays for the other.
            deltas.push(EchoDelta { ttl: 65, ip_checksum: ip_checksum.wrapping_sub(0x100), ..right });
        }
        for delta in deltas {
            let result = self.give(How::Plainly, true, |divert| divert.answer(Action::EchoReply(delta)));
            assert!(result.is_err() || delta == right, "{delta:?}");
        }
    }

    /// The right frame, or the diverted one, with one byte, one length or the port wrong.
    fn whole_frames(&mut self) {
        let divert = self.waiting().expect("it was diverted before");
        let (ingress, world) = (divert.about.port(), self.sim.world().clone());
        let unchanged = (PortId(1 - ingress.0), divert.bytes.clone());
        let right = right_frame(&divert, &world);
        for (port, frame) in right.into_iter().chain([unchanged]) {
            let mut put = |port: PortId, frame: &[u8]| {
                let _ = self.give(How::Plainly, true, |divert| divert.answer(Action::Inject { port, frame }));
            };
            put(port, &frame);
            for other in (0..17).chain([254, 255]) {
                put(PortId(other), &frame);
            }
            for at in 0..frame.len() {
                for change in [1, 0x80, 0xff] {
                    let mut changed = frame.clone();
                    changed[at] ^= change;
                    put(port, &changed);
                    // The same, with checksums that say that it is right.
                    if frame.len() >= 54 && (14..38).contains(&at) && at != 14 {
                        reseal(&mut changed);
                        put(port, &changed);
                    }
                }
                put(port, &frame[..at]);
            }
            for more in [1, 2, 46, 600] {
                put(port, &[&frame[..], &vec![0; more]].concat());
            }
        }
    }
}

#[test]
fn every_field_of_every_answer_counts() {
    let generator = Generator::new(World::lab(), 826);
    let (mut all, mut reasons) = (Outcomes::default(), 0);
    for posture in Posture::ALL {
        let mut outcomes = Outcomes::default();
        reasons = 0;
        for &reason in Anomaly::ALL {
            let made = (0..400).filter_map(|index| generator.of(reason, index));
            let tempting = !checker::permitted(reason, Posture::Open).is_empty();
            let count = if tempting { OF_EACH.1 } else { OF_EACH.0 };
            let short: Vec<_> = made.filter(|made| made.bytes.len() <= LONGEST).take(count).collect();
            for made in &short {
                let mut case =
                    Case { sim: sim(posture), posture, made, divert: None, outcomes: Outcomes::default() };
                // What takes two frames to show, or a port that checks the reverse path, is for other tests.
                if case.waiting().is_none() {
                    continue;
                }
                assert_eq!(case.made_reason(), reason);
                case.identity();
                case.actions();
                case.deltas();
                case.whole_frames();
                let injected = case.sim.router.stats().sent.injected.frames;
                assert_eq!(injected, case.outcomes.injected, "every injected frame was judged");
                outcomes.add(&case.outcomes);
            }
            reasons += u64::from(!short.is_empty());
        }
        println!("{posture:?}: {outcomes:#?}");
        all.add(&outcomes);
    }
    println!("{} answers about {reasons} reasons: {all:#?}", all.waited);
    assert!(reasons >= 90 && all.waited > 500_000 && all.injected > 500);
    for kind in ActionKind::ALL {
        assert!(all.applied.contains_key(kind.name()), "never {kind}");
    }
    let elsewhere = [Rejection::Malformed, Rejection::RateLimited, Rejection::Unroutable];
    for rejection in Rejection::ALL.iter().filter(|rejection| !elsewhere.contains(rejection)) {
        assert!(all.rejected.contains_key(rejection.name()), "never {rejection}");
    }
}
