//! The laws of what a frame is and what becomes of it: reason, verdict, counters, and the frame that goes on.

use super::bench::{Before, Bench, Gone, Incoming};
use super::forwarded::{Around, right};
use super::invariant::{Invariant, Violation, require};
use crate::hex::hex;
use pktgen::Expected;
use pktgen::oracle::{self, Cause, Judgement, overlaps};
use stack::classify::DefaultAction;
use stack::stats::Disposition;
use stack::{Anomaly, DropReason, Mode, PortId, Verdict};

/// Of how many frames whose reason is foretold one is judged by the oracle, too.
const SAMPLED: u64 = 64;

impl Bench {
    /// The reason that the router saw in this frame, which must be the one that the generator or the oracle names.
    #[inline]
    pub(super) fn reason(&mut self, frame: &Incoming<'_>) -> Result<Option<Anomaly>, Violation> {
        let relaxed = !self.setup.reverse_path;
        let (which, judged) = match frame.expected {
            Expected::Healthy => (Invariant::ReasonExpected, Judgement::Healthy),
            // This life's router does not look.
            Expected::Anomaly(Anomaly::ReversePath) if relaxed => {
                (Invariant::ReasonJudged, self.judge(frame))
            }
            // It takes the frame before, and nothing in between.
            Expected::Anomaly(Anomaly::Ipv4FragmentOverlap | Anomaly::Ipv6FragmentOverlap)
                if !overlaps(&self.fragment_before, frame.bytes) =>
            {
                (Invariant::ReasonJudged, self.judge(frame))
            }
            Expected::Anomaly(anomaly) => (Invariant::ReasonExpected, Judgement::Anomaly(anomaly)),
            Expected::Unknown => (Invariant::ReasonJudged, self.judge(frame)),
        };
        self.checked.note(which);
        self.tally.expect(frame.expected);
        let frame = &Incoming {
            expected: if which == Invariant::ReasonJudged { Expected::Unknown } else { frame.expected },
            ..*frame
        };
        let reason = self.compare(frame, which, judged)?;
        if which == Invariant::ReasonExpected && self.checked.of(which).is_multiple_of(SAMPLED) {
            self.checked.note(Invariant::ReasonJudged);
            let judged = self.judge(frame);
            let alone =
                |anomaly| !matches!(anomaly, Anomaly::Ipv4FragmentOverlap | Anomaly::Ipv6FragmentOverlap);
            let fits = judged.agrees_with(frame.expected)
                || matches!(frame.expected, Expected::Anomaly(anomaly) if !alone(anomaly));
            require(fits, Invariant::ReasonJudged, || {
                format!("the generator says {:?}, the oracle {judged:?}: {}", frame.expected, shown(frame))
            })?;
        }
        Ok(reason)
    }

    fn judge(&self, frame: &Incoming<'_>) -> Judgement {
        oracle::judge(&self.world, frame.port, frame.bytes)
    }

    #[inline]
    fn compare(
        &mut self,
        frame: &Incoming<'_>,
        which: Invariant,
        judged: Judgement,
    ) -> Result<Option<Anomaly>, Violation> {
        let seen = &self.router.stats().seen;
        let plain = match judged {
            Judgement::Anomaly(anomaly) => {
                self.seen[anomaly as usize] += 1;
                Some(anomaly)
            }
            Judgement::Healthy | Judgement::Foreign => None,
        };
        if self.seen == *seen {
            return Ok(plain);
        }
        // Not as simple as that: which ones were seen?
        if let Some(anomaly) = plain {
            self.seen[anomaly as usize] -= 1;
        }
        let more = |anomaly: &Anomaly| seen[*anomaly as usize] - self.seen[*anomaly as usize];
        let got: Vec<Anomaly> =
            Anomaly::ALL.iter().copied().flat_map(|a| std::iter::repeat_n(a, more(&a) as usize)).collect();
        self.seen = *seen;
        let main = agreed(frame, judged, &got);
        main.map_err(|()| Violation {
            invariant: which,
            how: format!("{judged:?} was to be seen, {got:?} was: {}", shown(frame)),
        })
    }

    /// Does the verdict fit the reason, and has it been counted?
    #[inline]
    pub(super) fn verdict(
        &mut self,
        frame: &Incoming<'_>,
        verdict: Verdict,
        reason: Option<Anomaly>,
        before: &Before,
    ) -> Result<(), Violation> {
        let stats = self.router.stats();
        let config = self.router.config();
        self.checked.note(Invariant::VerdictFits);
        // What a rule sends may wait for a neighbour: such a frame has no path until it has ended.
        let waits = verdict == Verdict::Consume && stats.held.frames > before.held;
        let followed = |reason| {
            self.router
                .rules()
                .any(|rule| rule.spec.matches.class.reason == reason && rule.last_hit == self.now)
        };
        let by_rule = stats.by_path(stack::stats::Path::Rule).frames > before.ruled
            || waits && reason.is_some_and(followed);
        let fits = match (reason, verdict) {
            (None, Verdict::Divert(_) | Verdict::Drop(DropReason::Anomaly(_))) => false,
            (None, _) => !by_rule,
            (Some(reason), Verdict::Divert(why)) => why == reason && config.mode(reason) == Mode::Enforce,
            (Some(reason), Verdict::Drop(DropReason::Anomaly(why))) => why == reason && !reason.must_pass(),
            (Some(reason), _) => by_rule || reason.row().default == DefaultAction::Pass || reason.must_pass(),
        };
        require(fits, Invariant::VerdictFits, || format!("{verdict:?} for {reason:?}: {}", shown(frame)))?;
        self.checked.note(Invariant::VerdictCounted);
        let received = stats.received.frames == before.received.frames + 1
            && stats.received.bytes == before.received.bytes + frame.bytes.len() as u64;
        let more = |which: Disposition| stats.disposed(which).frames - before.disposed[which as usize];
        let counted = match verdict {
            Verdict::Forward { .. } => more(Disposition::Forwarded) == 1,
            Verdict::Deliver => more(Disposition::Delivered) == 1,
            Verdict::Drop(_) => more(Disposition::Dropped) == 1,
            Verdict::Divert(_) => stats.held.frames == before.held + 1,
            // Used up, and then frames that had waited may go; or it waits itself; or it goes in fragments.
            Verdict::Consume => {
                let (waits, cut) = (stats.held.frames > before.held, stats.fragmented > before.fragmented);
                more(Disposition::Consumed) >= 1 || waits || cut
            }
        };
        require(received && counted, Invariant::VerdictCounted, || format!("{verdict:?}: {}", shown(frame)))
    }

    /// Is what leaves by `port` the frame, forwarded, or as a rule repairs it?
    #[inline]
    pub(super) fn forwarded(
        &mut self,
        frame: &Incoming<'_>,
        reason: Option<Anomaly>,
        port: PortId,
        place: (usize, usize),
        by_rule: bool,
    ) -> Result<(), Violation> {
        let (which, mut wrong) = self.rightly_forwarded(frame, reason, port, place, by_rule);
        if wrong.is_some() {
            // As the router has them afterwards: it may have learnt of one, or forgotten another, meanwhile.
            self.neighbors_old = true;
            self.refresh_neighbors();
            wrong = self.rightly_forwarded(frame, reason, port, place, by_rule).1;
        }
        let sent = self.in_hand(place);
        let wrong = wrong.map(|wrong| format!("{wrong}: {} became {}", shown(frame), hex(sent)));
        self.checked.note(which);
        wrong.map_or(Ok(()), |how| Err(Violation { invariant: which, how }))
    }

    #[inline]
    fn rightly_forwarded(
        &self,
        frame: &Incoming<'_>,
        reason: Option<Anomaly>,
        port: PortId,
        place: (usize, usize),
        by_rule: bool,
    ) -> (Invariant, Option<String>) {
        let sent = self.in_hand(place);
        if let (true, Some(reason)) = (by_rule, reason) {
            let cause = Cause { reason, port: PortId(frame.port), bytes: frame.bytes };
            return (Invariant::RuledJustified, self.judge_made(cause, port, sent).err());
        }
        let around = Around { world: &self.world, routes: &self.routes, neighbors: &self.neighbors };
        (Invariant::ForwardedRight, right(&around, frame.bytes, port, sent).err().map(str::to_owned))
    }
}

/// The reason that counts of those that were seen, if they fit the judgement.
fn agreed(frame: &Incoming<'_>, judged: Judgement, got: &[Anomaly]) -> Result<Option<Anomaly>, ()> {
    use Anomaly::{EchoRequest, Ipv4FragmentOverlap, Ipv6FragmentOverlap, ReversePath};
    let is_main =
        |a: &Anomaly| matches!(a, EchoRequest | Ipv4FragmentOverlap | Ipv6FragmentOverlap | ReversePath);
    // What is odd and legal is noted on the way to something else.
    let main = match got {
        [] => None,
        [one] => Some(*one),
        [odd, main] if odd.must_pass() && is_main(main) => Some(*main),
        [main, odd] if odd.must_pass() && is_main(main) => Some(*main),
        _ => return Err(()),
    };
    // The oracle names every echo request; the router does if an experiment holds or observes them.
    let echo = |main: Option<Anomaly>| main.is_none_or(|main| main == EchoRequest || main.must_pass());
    // What takes two frames is no more than possible where nobody foretold it.
    let overlap = |main: Option<Anomaly>| matches!(main, Some(Ipv4FragmentOverlap | Ipv6FragmentOverlap));
    // Nor is what is wrong with a datagram that this fragment completes.
    let late = |main: Option<Anomaly>| overlap(main) || main.is_some() && may_be_fragment(frame.bytes);
    let foretold = frame.expected != Expected::Unknown;
    let fits = match judged {
        Judgement::Healthy | Judgement::Foreign if main.is_none() => true,
        Judgement::Healthy if main == Some(EchoRequest) => true,
        Judgement::Healthy => !foretold && late(main),
        Judgement::Foreign => false,
        Judgement::Anomaly(EchoRequest) => echo(main),
        Judgement::Anomaly(anomaly) => {
            main == Some(anomaly) || anomaly.must_pass() && late(main) && !foretold
        }
    };
    // The router routes no multicast and looks at every group as at its own; the oracle lets all but one pass.
    if fits || is_group(frame.bytes) { Ok(main) } else { Err(()) }
}

/// Is it for an IPv4 multicast group other than all hosts? There the two may differ: either way it ends here.
fn is_group(frame: &[u8]) -> bool {
    let at = match frame.get(12..14) {
        Some([0x08, 0x00]) => 14,
        Some([0x81, 0x00] | [0x88, 0xa8]) => 18,
        Some([0..=5, _]) => 22,
        _ => return false,
    };
    matches!(frame.get(at + 16..at + 20), Some(to) if to[0] & 0xf0 == 0xe0 && to != [224, 0, 0, 1])
}

/// Is it a fragment, or may there be a Fragment header in its chain (RFC 8200 §4.1)?
pub(super) fn may_be_fragment(frame: &[u8]) -> bool {
    match frame.get(12..22) {
        Some([0x08, 0x00, _, _, _, _, _, _, flags, offset]) => flags & 0x3f != 0 || *offset != 0,
        Some([0x86, 0xdd, _, _, _, _, _, _, next, _]) => matches!(next, 0 | 43 | 44 | 60),
        _ => false,
    }
}

/// The frame for a reader.
pub(super) fn shown(frame: &Incoming<'_>) -> String {
    format!("port {}, {}", frame.port, hex(frame.bytes))
}

impl Gone {
    /// For a reader.
    pub(super) fn shown(&self) -> String {
        format!("port {}, {:?}, {}", self.port, self.reason.map(Anomaly::name), hex(&self.bytes))
    }
}
