//! What is counted over many routers' lives: verdicts, reasons, dispositions, answers.

use super::act::How;
use super::report::AnswerLine;
use crate::watch::{VERDICTS, verdict_index};
use pktgen::Expected;
use stack::answer::Rejection;
use stack::stats::{Count, Disposition, Path};
use stack::{Anomaly, DropReason, Stats, Verdict};

/// Counts of one life, or of many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tally {
    /// Frames that went in, those that the bench made itself too.
    pub(super) frames: u64,
    pub(super) bytes: u64,
    /// In the order of [`VERDICTS`].
    pub(super) verdicts: [u64; VERDICTS.len()],
    /// Frames that say what they are: healthy, none of it known, and each anomaly.
    pub(super) healthy: u64,
    pub(super) unknown: u64,
    pub(super) expected: [u64; Anomaly::COUNT],
    pub(super) seen: [u64; Anomaly::COUNT],
    pub(super) held: [u64; Anomaly::COUNT],
    pub(super) drops: [u64; DropReason::OTHERS.len()],
    pub(super) dispositions: [[Count; Path::ALL.len()]; Disposition::ALL.len()],
    pub(super) answers: [AnswerLine; How::ALL.len()],
    pub(super) rejections: [u64; Rejection::ALL.len()],
    pub(super) diverts: u64,
    pub(super) rules_installed: u64,
    pub(super) icmp_errors: u64,
    pub(super) sent: [u64; 4],
    pub(super) lives: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            frames: 0,
            bytes: 0,
            verdicts: [0; VERDICTS.len()],
            healthy: 0,
            unknown: 0,
            expected: [0; Anomaly::COUNT],
            seen: [0; Anomaly::COUNT],
            held: [0; Anomaly::COUNT],
            drops: [0; DropReason::OTHERS.len()],
            dispositions: Default::default(),
            answers: Default::default(),
            rejections: [0; Rejection::ALL.len()],
            diverts: 0,
            rules_installed: 0,
            icmp_errors: 0,
            sent: [0; 4],
            lives: 0,
        }
    }
}

fn sum<const N: usize>(into: &mut [u64; N], more: &[u64; N]) {
    into.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

impl Tally {
    /// A frame of so many bytes came to this.
    #[inline]
    pub(super) const fn verdict(&mut self, verdict: Verdict, len: usize) {
        self.frames += 1;
        self.bytes += len as u64;
        self.verdicts[verdict_index(verdict)] += 1;
    }

    #[inline]
    pub(super) const fn expect(&mut self, expected: Expected) {
        match expected {
            Expected::Healthy => self.healthy += 1,
            Expected::Unknown => self.unknown += 1,
            Expected::Anomaly(anomaly) => self.expected[anomaly as usize] += 1,
        }
    }

    /// Takes over what a router's own books say, at its end.
    pub(super) fn close(&mut self, stats: &Stats) {
        self.lives += 1;
        self.seen = stats.seen;
        self.held = std::array::from_fn(|at| stats.diverts[at].held + stats.diverts[at].observed);
        self.diverts = self.held.iter().sum();
        self.drops = stats.other_drops;
        self.dispositions = stats.dispositions;
        self.rejections = stats.rejections;
        self.rules_installed = stats.rules.installed;
        self.icmp_errors = stats.icmp_errors;
        let stack::stats::SentCount { forwarded, fragments, originated, injected } = stats.sent;
        self.sent = [forwarded, fragments, originated, injected].map(|count| count.frames);
    }

    /// Adds what another life has counted.
    pub(super) fn add(&mut self, other: &Self) {
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.healthy += other.healthy;
        self.unknown += other.unknown;
        self.diverts += other.diverts;
        self.rules_installed += other.rules_installed;
        self.icmp_errors += other.icmp_errors;
        self.lives += other.lives;
        sum(&mut self.verdicts, &other.verdicts);
        sum(&mut self.expected, &other.expected);
        sum(&mut self.seen, &other.seen);
        sum(&mut self.held, &other.held);
        sum(&mut self.drops, &other.drops);
        sum(&mut self.rejections, &other.rejections);
        sum(&mut self.sent, &other.sent);
        for (row, other) in self.dispositions.iter_mut().zip(&other.dispositions) {
            row.iter_mut().zip(other).for_each(|(sum, more)| *sum = *sum + *more);
        }
        for (count, other) in self.answers.iter_mut().zip(&other.answers) {
            count.given += other.given;
            count.approved += other.approved;
            count.applied += other.applied;
            count.rejected += other.rejected;
        }
    }

    /// How often the rarest reason was seen.
    pub(super) fn rarest(&self) -> u64 {
        self.seen.iter().copied().min().unwrap_or(0)
    }

    /// Reasons that were seen at all.
    pub(super) fn reasons(&self) -> usize {
        self.seen.iter().filter(|&&count| count > 0).count()
    }
}
