//! The books: every received frame has one disposition and one path, every drop a reason.

use crate::answer::{ActionKind, Rejection};
use crate::classify::Anomaly;
use crate::divert::Refusal;
use crate::rules::{Retirement, RuleRefusal};
use crate::verdict::DropReason;

/// Frames and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Frames.
    pub frames: u64,
    /// Bytes, without FCS.
    pub bytes: u64,
}

impl Count {
    /// One more frame of this length.
    pub(crate) const fn add(&mut self, len: usize) {
        self.frames += 1;
        self.bytes += len as u64;
    }

    /// Takes a frame of this length back.
    pub(crate) const fn sub(&mut self, len: usize) {
        self.frames -= 1;
        self.bytes -= len as u64;
    }
}

impl core::ops::Add for Count {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { frames: self.frames + other.frames, bytes: self.bytes + other.bytes }
    }
}

impl core::iter::Sum for Count {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |a, b| a + b)
    }
}

/// How a received frame ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Disposition {
    /// Sent on in its own buffer, or released by the waiting room.
    Forwarded,
    /// Handed to the local host.
    Delivered,
    /// Used up by the router itself: ARP, or a diverted frame that an injected one replaced.
    Consumed,
    /// Discarded, with a reason.
    Dropped,
}

impl Disposition {
    /// Every disposition but held, which is a gauge.
    pub const ALL: [Self; 4] = [Self::Forwarded, Self::Delivered, Self::Consumed, Self::Dropped];

    /// The word used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Delivered => "delivered",
            Self::Consumed => "consumed",
            Self::Dropped => "dropped",
        }
    }
}

/// Through which machinery a received frame ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Path {
    /// Without the slow path.
    Fast,
    /// As a rule said, without the slow path.
    Rule,
    /// A cached answer acted.
    SlowCached,
    /// A model's answer acted.
    SlowModel,
    /// Diverted, but the default acted: bucket, full, deadline, rejection or failure.
    SlowRefused,
}

impl Path {
    /// Every path.
    pub const ALL: [Self; 5] = [Self::Fast, Self::Rule, Self::SlowCached, Self::SlowModel, Self::SlowRefused];

    /// Was the frame handed to the slow path, or refused there?
    pub const fn is_slow(self) -> bool {
        matches!(self, Self::SlowCached | Self::SlowModel | Self::SlowRefused)
    }

    /// The word used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Rule => "rule",
            Self::SlowCached => "slow-cached",
            Self::SlowModel => "slow-model",
            Self::SlowRefused => "slow-refused",
        }
    }
}

/// What became of the diverts of one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DivertCount {
    /// Held for an answer.
    pub held: u64,
    /// Copied for an answer that is only recorded.
    pub observed: u64,
    /// Not admitted; the default acted.
    pub refused: u64,
    /// Answers approved.
    pub approved: u64,
    /// Answers rejected; the default acted.
    pub rejected: u64,
    /// No answer by the deadline, or the slow path gave up; the default acted.
    pub unanswered: u64,
}

/// What became of rules, and of what was to become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RuleCount {
    /// Classes about which answers began to be compared.
    pub proposed: u64,
    /// Classes forgotten meanwhile, for others.
    pub forgotten: u64,
    /// Answers that contradicted those before about their class.
    pub disagreed: u64,
    /// Classes about which enough answers agreed.
    pub concordant: u64,
    /// Rules installed.
    pub installed: u64,
    /// Rules that began to act.
    pub activated: u64,
    /// Rules that went, by why.
    pub retired: [u64; Retirement::ALL.len()],
    /// Rules that were not made, by why.
    pub refused: [u64; RuleRefusal::ALL.len()],
    /// Frames that a rule in shadow matched.
    pub shadowed: u64,
    /// Frames that an active rule matched, and that went to the slow path as samples.
    pub sampled: u64,
    /// Frames that an active rule matched, and that its action did not fit.
    pub misfits: u64,
}

/// Frames sent, by origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SentCount {
    /// Received frames sent on whole.
    pub forwarded: Count,
    /// Fragments of received frames.
    pub fragments: Count,
    /// The router's own.
    pub originated: Count,
    /// Made from approved answers, or by rules.
    pub injected: Count,
}

/// Everything that is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Frames received, over all ports.
    pub received: Count,
    /// How they ended: `[disposition][path]`.
    pub dispositions: [[Count; Path::ALL.len()]; Disposition::ALL.len()],
    /// Received frames that have not ended yet (gauge).
    pub held: Count,
    /// Frames sent.
    pub sent: SentCount,
    /// Received frames that were sent on in fragments.
    pub fragmented: u64,
    /// Approved frames that were sent in fragments.
    pub injected_fragmented: u64,
    /// Fragments that the caller's device had no room for.
    pub fragments_lost: u64,
    /// Datagrams to the router that were given up incomplete: too late, too many, or too large.
    pub reassembly_failed: u64,
    /// Drops by anomaly.
    pub anomaly_drops: [u64; Anomaly::COUNT],
    /// Drops by any other reason.
    pub other_drops: [u64; DropReason::OTHERS.len()],
    /// Frames in which each anomaly was seen, whatever became of them.
    pub seen: [u64; Anomaly::COUNT],
    /// Diverts by reason.
    pub diverts: [DivertCount; Anomaly::COUNT],
    /// Diverts refused, by why.
    pub refusals: [u64; Refusal::ALL.len()],
    /// Answers rejected, by why.
    pub rejections: [u64; Rejection::ALL.len()],
    /// Approved answers that acted, by action.
    pub applied: [u64; ActionKind::COUNT],
    /// ICMP errors sent.
    pub icmp_errors: u64,
    /// ICMP errors that RFC 1812 §4.3.2.7 forbade.
    pub icmp_errors_forbidden: u64,
    /// ICMP errors that the port's token bucket withheld.
    pub icmp_errors_limited: u64,
    /// Frames of the router's own that could not be sent: no route, no neighbour, no room.
    pub originated_lost: u64,
    /// Approved frames that the caller's device had no room for.
    pub injected_lost: u64,
    /// Events overwritten before they were polled.
    pub events_lost: u64,
    /// Flows of diverted frames that gave way to others: their table's "full".
    pub flows_forgotten: u64,
    /// What became of rules.
    pub rules: RuleCount,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            received: Count::default(),
            dispositions: Default::default(),
            held: Count::default(),
            sent: SentCount::default(),
            fragmented: 0,
            injected_fragmented: 0,
            fragments_lost: 0,
            reassembly_failed: 0,
            anomaly_drops: [0; Anomaly::COUNT],
            other_drops: [0; DropReason::OTHERS.len()],
            seen: [0; Anomaly::COUNT],
            diverts: [DivertCount::default(); Anomaly::COUNT],
            refusals: [0; Refusal::ALL.len()],
            rejections: [0; Rejection::ALL.len()],
            applied: [0; ActionKind::COUNT],
            icmp_errors: 0,
            icmp_errors_forbidden: 0,
            icmp_errors_limited: 0,
            originated_lost: 0,
            injected_lost: 0,
            events_lost: 0,
            flows_forgotten: 0,
            rules: RuleCount::default(),
        }
    }
}

/// Which law of the books is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Imbalance {
    /// received ≠ Σ dispositions + held.
    Received {
        /// Left side.
        received: Count,
        /// Right side.
        accounted: Count,
    },
    /// Frames disposed of as forwarded ≠ frames sent as forwarded, whole or in fragments.
    Forwarded {
        /// Left side.
        disposed: u64,
        /// Right side.
        sent: u64,
    },
    /// Frames consumed by an answer or a rule ≠ frames injected (or lost at a full device).
    Injected {
        /// Left side.
        consumed: u64,
        /// Right side.
        injected: u64,
    },
    /// Frames dropped ≠ Σ drop reasons.
    Dropped {
        /// Left side.
        dropped: u64,
        /// Right side.
        reasons: u64,
    },
}

impl Stats {
    /// Frames that ended so, by any path.
    pub fn disposed(&self, disposition: Disposition) -> Count {
        self.dispositions[disposition as usize].iter().copied().sum()
    }

    /// Frames that took this path, however they ended.
    pub fn by_path(&self, path: Path) -> Count {
        self.dispositions.iter().map(|paths| paths[path as usize]).sum()
    }

    /// Drops for this reason.
    pub const fn drops(&self, reason: DropReason) -> u64 {
        match reason.other_index() {
            Ok(index) => self.other_drops[index],
            Err(anomaly) => self.anomaly_drops[anomaly as usize],
        }
    }

    /// Do the books balance?
    ///
    /// # Errors
    /// The law that is broken, with both of its sides.
    pub fn balance(&self) -> Result<(), Imbalance> {
        let accounted = Disposition::ALL.into_iter().map(|d| self.disposed(d)).sum::<Count>() + self.held;
        if accounted != self.received {
            return Err(Imbalance::Received { received: self.received, accounted });
        }
        let disposed = self.disposed(Disposition::Forwarded).frames;
        let sent = self.sent.forwarded.frames + self.fragmented;
        if disposed != sent {
            return Err(Imbalance::Forwarded { disposed, sent });
        }
        let consumed = self.dispositions[Disposition::Consumed as usize];
        let consumed =
            [Path::SlowModel, Path::SlowCached, Path::Rule].map(|path| consumed[path as usize].frames);
        let consumed = consumed.into_iter().sum();
        let injected = self.sent.injected.frames + self.injected_fragmented + self.injected_lost;
        if consumed != injected {
            return Err(Imbalance::Injected { consumed, injected });
        }
        let dropped = self.disposed(Disposition::Dropped).frames;
        let reasons = self.anomaly_drops.iter().chain(&self.other_drops).sum();
        if dropped != reasons {
            return Err(Imbalance::Dropped { dropped, reasons });
        }
        Ok(())
    }

    pub(crate) const fn end(&mut self, disposition: Disposition, path: Path, len: usize) {
        self.dispositions[disposition as usize][path as usize].add(len);
    }

    pub(crate) const fn drop(&mut self, reason: DropReason, path: Path, len: usize) {
        self.end(Disposition::Dropped, path, len);
        match reason.other_index() {
            Ok(index) => self.other_drops[index] += 1,
            Err(anomaly) => self.anomaly_drops[anomaly as usize] += 1,
        }
    }
}
