//! What the slow path said of classes that have no rule yet: how often it said the same, about frames that differ.

use super::{Provenance, Witness};
use crate::answer::{ActionKind, Advice, Lifetime, Scope};
use managed::ManagedSlice;
use smoltcp::time::{Duration, Instant};

/// The most answers that a rule may be made to depend on.
pub const MAX_CONCORDANCE: usize = 8;
/// Each contradiction doubles the answers that are needed, so often at most.
const MAX_DOUBLINGS: u8 = 6;

/// One answer about one frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Statement {
    pub(super) kind: ActionKind,
    pub(super) advice: Advice,
    pub(super) witness: Witness,
    /// A keyed hash of the frame.
    pub(super) frame: u64,
    /// When the frame was received.
    pub(super) received_at: Instant,
}

/// What was said of one class.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    digest: u128,
    kind: ActionKind,
    /// The narrowest scope and the shortest lifetime that were said.
    advice: Advice,
    witness: Witness,
    /// Hashes of the frames that were answered, the latest of them.
    frames: heapless::Vec<u64, MAX_CONCORDANCE>,
    /// Answers that said the same in a row, each to another frame.
    heard: u16,
    contradictions: u8,
    first_seen: Instant,
    last_heard: Instant,
    concordant_at: Option<Instant>,
    /// The operator has revoked a rule of the class: no other is made.
    barred: bool,
}

/// Storage for one class that is being learnt.
#[derive(Debug, Clone, Default)]
pub struct CandidateSlot(Option<Candidate>);

impl CandidateSlot {
    /// An empty slot.
    pub const EMPTY: Self = Self(None);
}

impl Candidate {
    fn new(digest: u128, said: &Statement) -> Self {
        Self {
            digest,
            kind: said.kind,
            advice: said.advice,
            witness: said.witness,
            frames: heapless::Vec::new(),
            heard: 0,
            contradictions: 0,
            first_seen: said.received_at,
            last_heard: said.received_at,
            concordant_at: None,
            barred: false,
        }
    }

    /// Takes an answer of a model in; true if now, and not before, enough of them agree.
    fn hear(&mut self, now: Instant, concordance: u8, said: &Statement) -> bool {
        self.last_heard = now;
        if said.kind != self.kind {
            let contradictions = (self.contradictions + 1).min(MAX_DOUBLINGS);
            let barred = self.barred;
            *self = Self { contradictions, barred, last_heard: now, ..Self::new(self.digest, said) };
        }
        self.advice.scope = self.advice.scope.min(said.advice.scope);
        self.advice.lifetime = self.advice.lifetime.min(said.advice.lifetime);
        self.witness = said.witness;
        if self.frames.contains(&said.frame) {
            return false;
        }
        if self.frames.is_full() {
            self.frames.remove(0);
        }
        // There is room now.
        let _ = self.frames.push(said.frame);
        self.heard = self.heard.saturating_add(1);
        let needed = u16::from(concordance) << self.contradictions;
        let agrees = self.concordant_at.is_none() && self.heard >= needed;
        if agrees {
            self.concordant_at = Some(now);
        }
        agrees
    }

    fn lifetime(&self) -> Duration {
        Duration::from_secs(u64::from(self.advice.lifetime.seconds()))
    }

    /// What the answers agree on, while that holds.
    fn agreed(&self, now: Instant) -> Option<Agreement> {
        let concordant_at = self.concordant_at.filter(|&at| now < at + self.lifetime())?;
        if self.barred || self.advice.scope == Scope::Frame || self.advice.lifetime == Lifetime::Once {
            return None;
        }
        Some(Agreement {
            kind: self.kind,
            scope: self.advice.scope,
            lifetime: self.lifetime(),
            provenance: Provenance {
                witness: self.witness,
                frames: self.frames.clone(),
                first_seen: self.first_seen,
                concordant_at,
            },
        })
    }
}

/// What enough answers about a class agree on.
#[derive(Debug, Clone)]
pub(super) struct Agreement {
    pub(super) kind: ActionKind,
    pub(super) scope: Scope,
    pub(super) lifetime: Duration,
    pub(super) provenance: Provenance,
}

/// Classes that are being learnt. When there is no room, the one unheard of for longest is forgotten.
#[derive(Debug)]
pub(super) struct Candidates<'a> {
    slots: ManagedSlice<'a, CandidateSlot>,
}

/// What hearing an answer changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// The class is new here.
    pub(super) proposed: bool,
    /// Another class was forgotten for it.
    pub(super) forgot: bool,
    /// The answer contradicts those before.
    pub(super) contradicted: bool,
    /// Enough answers agree now.
    pub(super) concordant: bool,
}

impl<'a> Candidates<'a> {
    pub(super) fn new(mut slots: ManagedSlice<'a, CandidateSlot>) -> Self {
        slots.fill(CandidateSlot::EMPTY);
        Self { slots }
    }

    fn find(&mut self, digest: u128) -> Option<&mut Candidate> {
        self.slots.iter_mut().filter_map(|slot| slot.0.as_mut()).find(|known| known.digest == digest)
    }

    /// Takes in what a model said of a class. Without storage nothing is learnt.
    pub(super) fn hear(&mut self, now: Instant, digest: u128, concordance: u8, said: &Statement) -> Heard {
        let mut heard = Heard::default();
        if self.find(digest).is_none() {
            if said.advice.scope == Scope::Frame || said.advice.lifetime == Lifetime::Once {
                return heard;
            }
            let Some(slot) = self.room(digest) else { return heard };
            heard.forgot = slot.0.is_some();
            heard.proposed = true;
            slot.0 = Some(Candidate::new(digest, said));
        }
        if let Some(known) = self.find(digest) {
            // What held for its lifetime is asked about, and learnt, anew.
            if known.concordant_at.is_some_and(|at| now >= at + known.lifetime()) {
                let (contradictions, barred) = (known.contradictions, known.barred);
                *known = Candidate { contradictions, barred, ..Candidate::new(digest, said) };
            }
            heard.contradicted = known.kind != said.kind;
            heard.concordant = known.hear(now, concordance, said);
        }
        heard
    }

    /// Where a new class goes: in place of the one unheard of for longest. One reason on one port has no more than a quarter of
    /// the slots, so that whoever sends frames of many classes forgets others of these.
    fn room(&mut self, digest: u128) -> Option<&mut CandidateSlot> {
        // The key's first word, without direction and posture: reason and port.
        let kin =
            |slot: &CandidateSlot| slot.0.as_ref().is_some_and(|known| known.digest >> 80 == digest >> 80);
        let share = (self.slots.len() / 4).max(4);
        let crowded = self.slots.iter().filter(|slot| kin(slot)).count() >= share;
        let slots = self.slots.iter_mut().filter(|slot| !crowded || kin(slot));
        // One that is barred would be learnt again.
        slots.min_by_key(|slot| slot.0.as_ref().map(|known| (known.barred, known.last_heard)))
    }

    /// No rule is made of what is said about this class, until everything is forgotten.
    pub(super) fn bar(&mut self, digest: u128) {
        if let Some(known) = self.find(digest) {
            known.barred = true;
        }
    }

    /// What the answers about a class agree on.
    pub(super) fn agreed(&mut self, now: Instant, digest: u128) -> Option<Agreement> {
        self.find(digest).and_then(|known| known.agreed(now))
    }

    /// A rule made of this class's answers was contradicted: more of them than before must agree anew. Says whether the
    /// class is known.
    pub(super) fn dispute(&mut self, digest: u128) -> bool {
        let Some(known) = self.find(digest) else { return false };
        known.contradictions = (known.contradictions + 1).min(MAX_DOUBLINGS);
        known.heard = 0;
        known.frames.clear();
        known.concordant_at = None;
        true
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.slots.fill(CandidateSlot::EMPTY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;
    use std::vec;

    fn said(kind: ActionKind, frame: u64) -> Statement {
        let advice = Advice { scope: Scope::Class, lifetime: Lifetime::Medium };
        Statement { kind, advice, witness: Witness::default(), frame, received_at: Instant::ZERO }
    }

    fn candidates(count: usize) -> Candidates<'static> {
        Candidates::new(Box::leak(vec![CandidateSlot::EMPTY; count].into_boxed_slice()).into())
    }

    #[test]
    fn so_many_answers_to_frames_that_differ_agree() {
        let (mut known, now) = (candidates(4), Instant::from_secs(1));
        let mut hear = |frame| known.hear(now, 7, 3, &said(ActionKind::Drop, frame)).concordant;
        assert_eq!([1, 1, 1, 2, 2, 3].map(&mut hear), [false, false, false, false, false, true]);
        assert!(!hear(4), "it is concordant already");
        let agreed = known.agreed(now, 7).unwrap();
        assert_eq!((agreed.kind, agreed.provenance.frames.as_slice()), (ActionKind::Drop, &[1, 2, 3, 4][..]));
        assert!(known.agreed(now + Duration::from_secs(60), 7).is_none(), "agreement lasts for its lifetime");
    }

    #[test]
    fn a_model_that_changes_its_mind_needs_twice_as_many_each_time() {
        let (mut known, now) = (candidates(1), Instant::from_secs(1));
        let mut frame = 0;
        let mut run = |kind: ActionKind, count: u16| {
            (0..count).any(|_| {
                frame += 1;
                known.hear(now, 7, 3, &said(kind, frame)).concordant
            })
        };
        assert!(!run(ActionKind::Drop, 2));
        assert!(!run(ActionKind::StripTag, 5));
        assert!(!run(ActionKind::Drop, 11));
        assert!(run(ActionKind::StripTag, 24));
        assert!(!run(ActionKind::Drop, 1));
        assert!((0..10_000).all(|n| !run([ActionKind::Drop, ActionKind::StripTag][n % 2], 1)));
    }

    #[test]
    fn the_narrowest_scope_and_the_shortest_lifetime_count() {
        let (mut known, now) = (candidates(1), Instant::from_secs(1));
        for (frame, scope, lifetime) in [
            (1, Scope::Class, Lifetime::Long),
            (2, Scope::Flow, Lifetime::Medium),
            (3, Scope::Source, Lifetime::Long),
        ] {
            let said = Statement { advice: Advice { scope, lifetime }, ..said(ActionKind::Drop, frame) };
            known.hear(now, 7, 3, &said);
        }
        let agreed = known.agreed(now, 7).unwrap();
        assert_eq!((agreed.scope, agreed.lifetime), (Scope::Flow, Duration::from_secs(60)));
        let frame = Advice { scope: Scope::Frame, lifetime: Lifetime::Long };
        known.hear(now, 7, 3, &Statement { advice: frame, ..said(ActionKind::Drop, 4) });
        assert!(known.agreed(now, 7).is_none(), "an answer for one frame makes no rule");
    }

    #[test]
    fn the_class_unheard_of_for_longest_is_forgotten() {
        let mut known = candidates(2);
        let mut hear = |at, digest| known.hear(Instant::from_secs(at), digest, 3, &said(ActionKind::Drop, 1));
        assert_eq!(hear(1, 1), Heard { proposed: true, ..Heard::default() });
        assert_eq!(hear(2, 2), Heard { proposed: true, ..Heard::default() });
        assert_eq!(hear(3, 1), Heard::default());
        assert_eq!(hear(4, 3), Heard { proposed: true, forgot: true, ..Heard::default() });
        assert_eq!(hear(5, 1), Heard::default());
        assert_eq!(hear(6, 2), Heard { proposed: true, forgot: true, ..Heard::default() });
        assert_eq!(candidates(0).hear(Instant::ZERO, 1, 3, &said(ActionKind::Drop, 1)), Heard::default());
    }
}
