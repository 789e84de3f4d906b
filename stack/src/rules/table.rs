//! The rules themselves: a bounded hash table with three fixed masks, keyed so that no sender can aim at a place of it.
//!
//! Each rule has two places of eight slots (Azar et al., *Balanced Allocations*, 1994); the hashes of a place are one cache
//! line. Read first: the order law in [`super`].

use super::candidate::Candidates;
use super::life::earlier;
use super::matching::Key;
use super::recent::Recents;
use super::{
    CandidateSlot, Match, Retirement, Rule, RuleHot, RuleId, RuleLimits, RuleOrigin, RuleRefusal, RuleSpec,
    RuleState, Tally,
};
use crate::answer::Scope;
use crate::classify::Anomaly;
use crate::config::Rate;
use crate::divert::ClassWords;
use crate::places::{WAYS, places};
use crate::time::TokenBucket;
use managed::ManagedSlice;
use siphasher::sip::SipHasher13;
use smoltcp::time::{Duration, Instant};

/// The scopes that rules have, from general to specific.
const SCOPES: [Scope; 3] = [Scope::Class, Scope::Source, Scope::Flow];
/// How often rules that are past their time, or whose shadow has ended, are looked for. (A lookup does not wait for that.)
const SWEEP: Duration = Duration::from_millis(500);
/// The least time between two such looks.
const PAUSE: Duration = Duration::from_millis(5);
/// Above three quarters of its places, the table lets rules idle for a tenth of their time only.
const HASTE: u64 = 10;
/// After an emergency flush nothing is learnt for so long.
const REST: Duration = Duration::from_secs(10);

/// Storage for one rule, but for its hot part.
#[derive(Debug, Clone, Default)]
pub struct RuleSlot(Option<Cold>);

impl RuleSlot {
    /// An empty slot.
    pub const EMPTY: Self = Self(None);
}

/// What a lookup does not read.
#[derive(Debug, Clone)]
struct Cold {
    id: RuleId,
    spec: RuleSpec,
    installed_at: Instant,
    active_at: Option<Instant>,
    expires_at: Instant,
    /// Without hits and bytes, which are hot.
    tally: Tally,
    bucket: TokenBucket,
}

/// The table, and what is being learnt.
#[derive(Debug)]
pub(crate) struct Rules<'a> {
    /// A part of the hash of each slot's match; 0: the slot is empty.
    tags: ManagedSlice<'a, u32>,
    hot: ManagedSlice<'a, RuleHot>,
    slots: ManagedSlice<'a, RuleSlot>,
    pub(super) candidates: Candidates<'a>,
    secret: u64,
    /// Slots in whole places.
    usable: usize,
    len: usize,
    next_id: u32,
    recent: Recents,
    /// Rules by reason and scope.
    masks: [[u32; SCOPES.len()]; Anomaly::COUNT],
    masks_used: usize,
    next_sweep: Option<Instant>,
    /// Rules evicted since then.
    evicted: (Instant, usize),
    /// Nothing is learnt until then.
    rests_until: Option<Instant>,
}

/// What installing a rule changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Installed {
    pub(super) id: RuleId,
    /// Who went for it, and why.
    pub(super) instead_of: Option<(RuleId, Retirement)>,
}

/// What a rule's meter and its samples say of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watch {
    /// The rule acts.
    Passes,
    /// It goes to the slow path all the same.
    Sample,
    /// It is dropped.
    OverMeter,
}

/// What rules say about a frame.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Found {
    /// The rule that acts.
    pub(super) active: Option<usize>,
    /// The rule that would, if it were not in shadow.
    pub(super) shadow: Option<usize>,
}

/// What is kept of a hash beside its slot: no bits that the place follows from.
#[inline]
const fn tag(hash: u64) -> u32 {
    // Each half of the hash chooses a place by its high bits; the low bits of both are the tag, which is never 0.
    (hash as u32 & 0xffff | ((hash >> 32) as u32) << 16) | 1
}

const fn slot_of(scope: Scope) -> usize {
    match scope {
        // No rule has this scope.
        Scope::Frame | Scope::Class => 0,
        Scope::Source => 1,
        Scope::Flow => 2,
    }
}

impl<'a> Rules<'a> {
    /// An empty table. Of the slices as many are used as the shortest has, in eights.
    pub(crate) fn new(
        (mut tags, hot, mut slots): (
            ManagedSlice<'a, u32>,
            ManagedSlice<'a, RuleHot>,
            ManagedSlice<'a, RuleSlot>,
        ),
        candidates: ManagedSlice<'a, CandidateSlot>,
        secret: u64,
    ) -> Self {
        tags.fill(0);
        slots.fill(RuleSlot::EMPTY);
        let usable = tags.len().min(hot.len()).min(slots.len()) / WAYS * WAYS;
        Self {
            usable,
            tags,
            hot,
            slots,
            candidates: Candidates::new(candidates),
            secret,
            len: 0,
            next_id: 1,
            recent: Recents::new(),
            masks: [[0; SCOPES.len()]; Anomaly::COUNT],
            masks_used: 0,
            next_sweep: None,
            evicted: (Instant::ZERO, 0),
            rests_until: None,
        }
    }

    /// Is there any rule about this reason?
    #[inline]
    pub(super) fn knows(&self, reason: Anomaly) -> bool {
        self.len > 0 && self.masks[reason as usize] != [0; SCOPES.len()]
    }

    /// Slots that there are.
    #[inline]
    pub(super) const fn places(&self) -> usize {
        self.usable
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The hot part of the rule in this slot.
    #[inline]
    pub(super) fn hot(&self, index: usize) -> Option<&RuleHot> {
        self.hot.get(index).filter(|_| self.tags.get(index).is_some_and(|&tag| tag != 0))
    }

    /// The same, to be written.
    #[inline]
    pub(super) fn hot_mut(&mut self, index: usize) -> Option<&mut RuleHot> {
        self.hot.get_mut(index).filter(|_| self.tags.get(index).is_some_and(|&tag| tag != 0))
    }

    fn cold(&self, index: usize) -> Option<&Cold> {
        self.slots.get(index)?.0.as_ref()
    }

    fn cold_mut(&mut self, index: usize) -> Option<&mut Cold> {
        self.slots.get_mut(index)?.0.as_mut()
    }

    pub(super) fn id(&self, index: usize) -> Option<RuleId> {
        self.cold(index).map(|cold| cold.id)
    }

    pub(super) fn spec(&self, index: usize) -> Option<&RuleSpec> {
        self.cold(index).map(|cold| &cold.spec)
    }

    /// The rule as it is now.
    pub(super) fn view(&self, index: usize) -> Option<Rule> {
        let (hot, cold) = (self.hot(index)?, self.cold(index)?);
        let Cold { id, installed_at, active_at, expires_at, tally, .. } = *cold;
        let (state, last_hit, spec) = (hot.state, hot.last_hit, cold.spec.clone());
        let tally = Tally { hits: hot.hits, bytes: hot.bytes, ..tally };
        Some(Rule { id, spec, state, installed_at, active_at, last_hit, expires_at, tally })
    }

    /// Counts something but hits and bytes.
    pub(super) fn tally(&mut self, index: usize, count: impl FnOnce(&mut Tally)) {
        if let Some(cold) = self.cold_mut(index) {
            count(&mut cold.tally);
        }
    }

    /// What its meter and its samples say of one more frame.
    pub(super) fn watch(&mut self, index: usize, now: Instant) -> Watch {
        let hits = self.hot(index).map_or(0, |hot| hot.hits);
        let Some(cold) = self.cold_mut(index) else { return Watch::Passes };
        let every = u64::from(cold.spec.content.sample_one_in);
        if every > 0 && (hits + cold.tally.sampled + 1).is_multiple_of(every) {
            cold.tally.sampled += 1;
            return Watch::Sample;
        }
        if cold.spec.content.meter.is_some_and(|rate| !cold.bucket.take(rate, now)) {
            cold.tally.metered += 1;
            return Watch::OverMeter;
        }
        Watch::Passes
    }

    /// Pins or unpins.
    pub(super) fn pin(&mut self, index: usize, pinned: bool) {
        let Some(cold) = self.slots.get_mut(index).and_then(|slot| slot.0.as_mut()) else { return };
        cold.spec.pinned = pinned;
        self.hot[index].limit(&cold.spec, cold.expires_at);
    }

    /// It may be as it is in this epoch.
    pub(super) fn checked(&mut self, index: usize, epoch: u32) {
        if let Some(hot) = self.hot_mut(index) {
            hot.epoch = epoch;
        }
    }

    /// When its shadow ends, if it is in shadow.
    pub(super) fn shadow_end(&self, index: usize, shadow: Duration) -> Option<Instant> {
        self.hot(index).filter(|hot| hot.state == RuleState::Shadow)?;
        self.cold(index).map(|cold| cold.installed_at + shadow)
    }

    /// A keyed hash of a frame: tells frames apart, and nothing else.
    pub(super) fn frame_hash(&self, frame: &[u8]) -> u64 {
        SipHasher13::new_with_keys(self.secret, u64::from_be_bytes(*b"ruleseen")).hash(frame)
    }

    /// The slot of the rule with this key, whose hash this is.
    #[inline]
    fn find(&self, hash: u64, key: &Key) -> Option<usize> {
        let tag = tag(hash);
        for start in places(hash, self.places())? {
            let tags: &[u32; WAYS] = self.tags.get(start..)?.first_chunk()?;
            // All eight at once, and then whichever it is.
            let mut same = tags
                .iter()
                .enumerate()
                .fold(0_u32, |same, (way, &known)| same | u32::from(known == tag) << way);
            while same != 0 {
                let index = start + same.trailing_zeros() as usize;
                if self.hot.get(index).is_some_and(|rule| rule.key == *key) {
                    return Some(index);
                }
                same &= same - 1;
            }
        }
        None
    }

    /// What rules say about a frame of this class, by the order law.
    #[inline]
    pub(super) fn look_up(&self, now: Instant, reason: Anomaly, class: ClassWords, frame: &[u8]) -> Found {
        let mut found = Found::default();
        // From general to specific: of equal priority the later one, which is more specific, wins.
        for (scope, &count) in SCOPES.iter().zip(&self.masks[reason as usize]) {
            if count == 0 {
                continue;
            }
            let key = Key::of_frame(class, *scope, frame);
            let Some(index) = self.find(key.hash(self.secret), &key) else { continue };
            let rule = &self.hot[index];
            if rule.lapsed(now, self.haste()).is_some() {
                continue;
            }
            let best = match rule.state {
                RuleState::Active => &mut found.active,
                RuleState::Shadow => &mut found.shadow,
            };
            if best.is_none_or(|before| rule.priority >= self.hot[before].priority) {
                *best = Some(index);
            }
        }
        found
    }

    /// The rule that a lookup found last about this reason, if the same class is asked about and nothing changed since.
    #[inline]
    pub(super) fn recall(&self, now: Instant, reason: Anomaly, class: ClassWords) -> Option<usize> {
        let index = self.recent.recall(reason, class)?;
        self.hot.get(index)?.lapsed(now, self.haste()).is_none().then_some(index)
    }

    /// Keeps what a lookup found, where it depends on nothing but the class.
    #[inline]
    pub(super) fn remember(&mut self, reason: Anomaly, class: ClassWords, found: Found) {
        let by_class = matches!(self.masks[reason as usize], [_, 0, 0]);
        if let (Some(index), None, true) = (found.active, found.shadow, by_class) {
            self.recent.remember(reason, class, index);
        }
    }

    /// The rule with this very match.
    pub(super) fn find_match(&self, matches: &Match) -> Option<usize> {
        let key = Key::of(matches.class.words(), &matches.subject);
        self.find(key.hash(self.secret), &key)
    }

    /// A crowded table lets rules idle for less.
    #[inline]
    fn haste(&self) -> u64 {
        if self.len * 4 > self.places() * 3 { HASTE } else { 1 }
    }

    /// Is the rule past its time?
    pub(super) fn lapsed(&self, index: usize, now: Instant) -> Option<Retirement> {
        self.hot(index)?.lapsed(now, self.haste())
    }

    /// Puts a rule in that has been checked.
    pub(super) fn install(
        &mut self,
        now: Instant,
        spec: RuleSpec,
        state: RuleState,
        (epoch, &RuleLimits { masks, shadow, .. }): (u32, &RuleLimits),
    ) -> Result<Installed, RuleRefusal> {
        let key = Key::of(spec.matches.class.words(), &spec.matches.subject);
        let hash = key.hash(self.secret);
        let (index, why) = self.slot_for(now, &key, hash, &spec, masks)?;
        let instead_of = why.and_then(|why| Some((self.remove(index)?, why)));
        if let Some((_, Retirement::Evicted)) = instead_of {
            self.count_eviction(now);
        }
        let id = self.put(index, (key, hash), now, spec, (state, epoch, shadow));
        Ok(Installed { id, instead_of })
    }

    /// Where a rule goes; and why the rule there has to go, if there is one.
    fn slot_for(
        &self,
        now: Instant,
        key: &Key,
        hash: u64,
        spec: &RuleSpec,
        masks: usize,
    ) -> Result<(usize, Option<Retirement>), RuleRefusal> {
        if let Some(index) = self.find(hash, key) {
            let outranks = self.spec(index).is_some_and(|old| spec.content > old.content);
            let why = self.lapsed(index, now).or(outranks.then_some(Retirement::Outranked));
            return why.map(|why| (index, Some(why))).ok_or(RuleRefusal::Outranked);
        }
        if self.masks[spec.matches.class.reason as usize][slot_of(spec.matches.subject.scope())] == 0
            && self.masks_used >= masks
        {
            return Err(RuleRefusal::MasksFull);
        }
        let places = places(hash, self.places()).ok_or(RuleRefusal::RulesFull)?;
        let free = |start: usize| (start..start + WAYS).filter(|&index| self.tags[index] == 0);
        let emptier = places.into_iter().max_by_key(|&start| free(start).count());
        if let Some(index) = emptier.and_then(|start| free(start).next()) {
            return Ok((index, None));
        }
        let is_operators = |spec: &RuleSpec| spec.origin == RuleOrigin::Operator;
        // What is learnt takes no place of what the operator said.
        let gives_way = |old: &RuleSpec| !old.pinned && (is_operators(spec) || !is_operators(old));
        // What is past its time goes first, then what is still in shadow, then what was used longest ago.
        let coldest = places
            .into_iter()
            .flat_map(|start| start..start + WAYS)
            .filter(|&index| self.spec(index).is_some_and(gives_way))
            .min_by_key(|&index| {
                let hot = &self.hot[index];
                let lapsed = self.lapsed(index, now).is_some();
                (!lapsed, hot.state == RuleState::Active, hot.last_hit, self.id(index))
            });
        let index = coldest.ok_or(RuleRefusal::RulesFull)?;
        Ok((index, Some(self.lapsed(index, now).unwrap_or(Retirement::Evicted))))
    }

    /// How many rules there are about the reason and with the scope of this match.
    fn mask_mut(&mut self, matches: &Match) -> &mut u32 {
        &mut self.masks[matches.class.reason as usize][slot_of(matches.subject.scope())]
    }

    fn put(
        &mut self,
        index: usize,
        (key, hash): (Key, u64),
        now: Instant,
        spec: RuleSpec,
        (state, epoch, shadow): (RuleState, u32, Duration),
    ) -> RuleId {
        let id = RuleId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        let mask = self.mask_mut(&spec.matches);
        *mask += 1;
        let is_first = *mask == 1;
        self.masks_used += usize::from(is_first);
        self.len += 1;
        self.recent.forget();
        self.tags[index] = tag(hash);
        self.hot[index] = RuleHot::new(now, key, &spec, (state, epoch));
        let bucket = spec.content.meter.map(|rate| TokenBucket::full(rate, now));
        self.slots[index].0 = Some(Cold {
            id,
            installed_at: now,
            active_at: (state == RuleState::Active).then_some(now),
            expires_at: now + spec.lifetime,
            tally: Tally::default(),
            bucket: bucket.unwrap_or(TokenBucket::full(Rate { per_second: 0, burst: 0 }, now)),
            spec,
        });
        let due = now + if state == RuleState::Shadow { shadow.min(SWEEP) } else { SWEEP };
        self.next_sweep = earlier(self.next_sweep, due);
        id
    }

    pub(super) fn remove(&mut self, index: usize) -> Option<RuleId> {
        let Cold { id, spec, .. } = self.slots.get_mut(index)?.0.take()?;
        self.tags[index] = 0;
        self.len -= 1;
        self.recent.forget();
        let mask = self.mask_mut(&spec.matches);
        *mask -= 1;
        let was_last = *mask == 0;
        self.masks_used -= usize::from(was_last);
        Some(id)
    }

    pub(super) fn activate(&mut self, now: Instant, index: usize) -> Option<RuleId> {
        let hot = self.hot_mut(index).filter(|hot| hot.state == RuleState::Shadow)?;
        hot.state = RuleState::Active;
        self.recent.forget();
        let cold = self.cold_mut(index)?;
        cold.active_at = Some(now);
        Some(cold.id)
    }

    /// When rules are to be looked through.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.next_sweep.filter(|_| self.len > 0)
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.poll_timeout().is_some_and(|at| at <= now)
    }

    /// All rules have been looked through; the next shadow of those that are left ends then.
    pub(super) fn swept(&mut self, now: Instant, shadow_ends: Option<Instant>) {
        // A larger table is looked through less often.
        let pause = PAUSE * (1 + (self.places() >> 14) as u32);
        let sweep = SWEEP.max(pause);
        let due = shadow_ends.map_or(now + sweep, |end| end.clamp(now + pause, now + sweep));
        self.next_sweep = (self.len > 0).then_some(due);
    }

    /// A rule that was still good had to go.
    fn count_eviction(&mut self, now: Instant) {
        let (since, count) = &mut self.evicted;
        if now >= *since + Duration::from_secs(1) {
            (*since, *count) = (now, 0);
        }
        *count += 1;
    }

    /// Were half of all rules replaced within a second? Then nothing that is learnt lasts, and learning only costs.
    pub(super) fn is_thrashing(&self) -> bool {
        self.evicted.1 * 2 > self.places()
    }

    /// Nothing is learnt for a while.
    pub(super) fn rest(&mut self, now: Instant) {
        self.evicted = (now, 0);
        self.rests_until = Some(now + REST);
    }

    pub(super) fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }
}
