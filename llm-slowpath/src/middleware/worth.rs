//! What an answer is worth to the operator, by reason: a budget is to spend on the packets that are worth it.
//!
//! The tiers are the article's: routing (the frame goes its way once something about it is put right), inspection (it is
//! looked at and, as a rule, dropped), negotiation (somebody gets a reply).

use stack::answer::granted;
use stack::{ActionKind, Anomaly, Posture};

/// The article's tiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Worth {
    /// The frame is forwarded or delivered, once it is put right.
    Routing,
    /// The frame is looked at.
    Inspection,
    /// Somebody gets a reply.
    Negotiation,
}

impl Worth {
    /// Every tier.
    pub const ALL: [Self; 3] = [Self::Routing, Self::Inspection, Self::Negotiation];

    /// The printed name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Routing => "routing",
            Self::Inspection => "inspection",
            Self::Negotiation => "negotiation",
        }
    }

    /// The tier of a reason: the most that any posture grants about it.
    pub fn of(reason: Anomaly) -> Self {
        let mut worth = Self::Inspection;
        for &action in granted(reason, Posture::Open) {
            match action {
                ActionKind::EchoReply | ActionKind::TimestampReply | ActionKind::ParameterProblem => {
                    return Self::Negotiation;
                }
                ActionKind::StripTag | ActionKind::Decapsulate | ActionKind::ClearOptions => {
                    worth = Self::Routing;
                }
                ActionKind::Drop | ActionKind::Forward | ActionKind::Inject => {}
            }
        }
        worth
    }
}

/// What one answer may cost, by reason, in picounits of the price table's currency. `None` is whatever it costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values {
    by_reason: [Option<u64>; Anomaly::COUNT],
}

impl Default for Values {
    fn default() -> Self {
        Self { by_reason: [None; Anomaly::COUNT] }
    }
}

impl Values {
    /// All reasons of a tier are worth this much.
    pub fn set_tier(&mut self, tier: Worth, value: u64) {
        for &reason in Anomaly::ALL.iter().filter(|&&reason| Worth::of(reason) == tier) {
            self.set(reason, value);
        }
    }

    /// One reason is worth this much.
    pub const fn set(&mut self, reason: Anomaly, value: u64) {
        self.by_reason[reason as usize] = Some(value);
    }

    /// What an answer about this reason is worth.
    pub const fn of(&self, reason: Anomaly) -> Option<u64> {
        self.by_reason[reason as usize]
    }

    /// The least and the greatest value above 0 that any reason has.
    pub fn range(&self) -> Option<(u64, u64)> {
        let values = || self.by_reason.iter().flatten().copied().filter(|&value| value > 0);
        Some((values().min()?, values().max()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tier_has_its_reasons() {
        assert_eq!(Worth::of(Anomaly::SnapIpv4), Worth::Routing);
        assert_eq!(Worth::of(Anomaly::VlanPriorityTag), Worth::Routing);
        assert_eq!(Worth::of(Anomaly::Ipv4Checksum), Worth::Inspection);
        assert_eq!(Worth::of(Anomaly::IcmpTimestampRequest), Worth::Negotiation);
        assert_eq!(Worth::of(Anomaly::EchoRequest), Worth::Negotiation);
    }

    #[test]
    fn a_reason_may_differ_from_its_tier() {
        let mut values = Values::default();
        assert_eq!((values.of(Anomaly::SnapIpv4), values.range()), (None, None));
        values.set_tier(Worth::Routing, 5);
        values.set_tier(Worth::Negotiation, 90);
        values.set(Anomaly::SnapIpv4, 7);
        values.set(Anomaly::UdpLength, 0);
        assert_eq!(values.of(Anomaly::SnapIpv4), Some(7));
        assert_eq!(values.of(Anomaly::VlanPriorityTag), Some(5));
        assert_eq!(values.of(Anomaly::Ipv4Checksum), None);
        assert_eq!(values.range(), Some((5, 90)));
    }
}
