//! Repair: a frame's faults and an operator's powers, and what is to be put right.
//!
//! Held out: 40 % of all combinations of faults, and of all single faults with their powers.

use super::{Item, Question, Right, Split, chosen, draw, rng};
use crate::dice::Draw;
use rand::Rng;
use stack::Anomaly;
use stack::answer::{Fix, Fixes};

/// Of 30 combinations, how many are held out.
const SHARE: u64 = 12;

/// The right repair: every fault must have a fix, and every fix a power. `None` is to drop the frame: half a
/// repair leaves a malformed frame (RFC 1812 §4.2.1 wants what is not understood discarded).
pub fn right(allowed: Fixes, faults: &[Anomaly]) -> Option<Fixes> {
    let fixes = faults.iter().map(|&fault| Fix::of(fault).filter(|&fix| allowed.contains(fix)));
    fixes.collect()
}

/// Is the question held out?
pub fn held_out(allowed: Fixes, faults: &[Anomaly]) -> bool {
    let codes = faults.iter().map(|fault| u64::from(fault.code()));
    let powers = (faults.len() == 1).then(|| u64::from(allowed.bits()));
    chosen(SHARE, &[2_u64].into_iter().chain(codes).chain(powers).collect::<Vec<_>>())
}

/// Repair question number `index`.
pub fn item(split: Split, seed: u64, index: u64) -> Item {
    let rng = &mut rng(3, split, seed, index);
    let make = || {
        let faults = faults(rng);
        (allowed(rng, &faults), faults)
    };
    let (allowed, faults) = draw(split, make, |(allowed, faults)| held_out(*allowed, faults));
    let right = right(allowed, &faults);
    Item { question: Question::Repair { allowed, faults }, right: Right::Repair(right) }
}

/// One to four faults: as one frame can have them from the outermost header inwards, or any at all, so that nothing
/// is learnt about which go together.
fn faults(rng: &mut impl Rng) -> Vec<Anomaly> {
    if rng.one_in(2) {
        let mut faults: Vec<Anomaly> = (0..rng.between(1, 4)).map(|_| any_fault(rng)).collect();
        faults.dedup();
        return faults;
    }
    const LINK: [Anomaly; 3] = [Anomaly::VlanPriorityTag, Anomaly::SnapIpv4, Anomaly::IpInLinkGroup];
    const IPV4: [Anomaly; 4] = [
        Anomaly::Ipv4TotalLengthOverrun,
        Anomaly::Ipv4OptionTransit,
        Anomaly::Ipv4ReservedFlag,
        Anomaly::Ipv4FragmentDf,
    ];
    const UPPER: [Anomaly; 5] = [
        Anomaly::UdpLength,
        Anomaly::UdpChecksum,
        Anomaly::TcpChecksum,
        Anomaly::IcmpChecksum,
        Anomaly::TcpFlags,
    ];
    let mut faults = Vec::new();
    let link = rng.one_in(2).then(|| *rng.pick(&LINK));
    faults.extend(link);
    // An envelope holds IPv4 only.
    if rng.one_in(4) && link != Some(Anomaly::SnapIpv4) {
        if rng.one_in(2) {
            faults.push(Anomaly::Ipv6PayloadLength);
        }
        let upper = [
            Anomaly::UdpLength,
            Anomaly::UdpChecksum,
            Anomaly::Ipv6UdpChecksumZero,
            Anomaly::TcpChecksum,
            Anomaly::Icmpv6Checksum,
        ];
        faults.push(*rng.pick(&upper));
    } else {
        if rng.one_in(2) {
            faults.push(*rng.pick(&IPV4));
        }
        if rng.one_in(2) || faults.is_empty() {
            let first = *rng.pick(&UPPER);
            faults.push(first);
            if first == Anomaly::UdpLength && rng.one_in(2) {
                faults.push(Anomaly::UdpChecksum);
            }
        }
    }
    if rng.one_in(4) {
        // Something that nobody can put right, somewhere among them.
        let at = rng.below(faults.len() + 1);
        faults.insert(at, fault_where(rng, |fault| Fix::of(fault).is_none()));
    }
    faults.truncate(4);
    faults
}

/// Mostly one that can be put right.
fn any_fault(rng: &mut impl Rng) -> Anomaly {
    let beyond_repair = rng.one_in(8);
    fault_where(rng, |fault| Fix::of(fault).is_none() == beyond_repair)
}

fn fault_where(rng: &mut impl Rng, wanted: impl Fn(Anomaly) -> bool) -> Anomaly {
    loop {
        let fault = *rng.pick(Anomaly::ALL);
        if wanted(fault) {
            return fault;
        }
    }
}

/// Mostly what is needed and some more; often all of it but one.
fn allowed(rng: &mut impl Rng, faults: &[Anomaly]) -> Fixes {
    let needed: Vec<Fix> = faults.iter().filter_map(|&fault| Fix::of(fault)).collect();
    let more = Fixes::from_bits(rng.word() & rng.word());
    let all = Fixes::from_bits(more.bits() | needed.iter().copied().collect::<Fixes>().bits());
    match rng.below(3) {
        0 if !needed.is_empty() => {
            let missing = *rng.pick(&needed);
            all.iter().filter(|&fix| fix != missing).collect()
        }
        1 => Fixes::from_bits(rng.word()),
        _ => all,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_repair_needs_a_fix_and_a_power_for_every_fault() {
        let both = Fixes::NONE.with(Fix::StripTag).with(Fix::UdpChecksum);
        let faults = [Anomaly::VlanPriorityTag, Anomaly::UdpChecksum];
        assert_eq!(right(both, &faults), Some(both));
        assert_eq!(right(both.with(Fix::TcpChecksum), &faults), Some(both));
        assert_eq!(right(Fixes::NONE.with(Fix::StripTag), &faults), None);
        assert_eq!(right(Fixes::from_bits(u16::MAX), &[Anomaly::Ipv4Checksum]), None);
    }

    #[test]
    fn splits_share_no_question_and_both_are_balanced() {
        let mut seen = [BTreeSet::new(), BTreeSet::new()];
        let mut drops = [0, 0];
        for index in 0..20_000 {
            for (at, split) in [Split::Training, Split::HeldOut].into_iter().enumerate() {
                let Item { question: Question::Repair { allowed, faults }, right } = item(split, 1, index)
                else {
                    panic!("another question");
                };
                assert!((1..=4).contains(&faults.len()));
                drops[at] += u32::from(right == Right::Repair(None));
                let codes: Vec<u8> = faults.iter().map(|fault| fault.code()).collect();
                seen[at].insert((codes, if faults.len() == 1 { allowed.bits() } else { 0 }));
            }
        }
        assert!(seen[0].is_disjoint(&seen[1]));
        assert!(seen[1].len() * 2 > seen[0].len(), "{} {}", seen[1].len(), seen[0].len());
        assert!(drops.iter().all(|drops| (6_000..16_000).contains(drops)), "{drops:?}");
    }
}
