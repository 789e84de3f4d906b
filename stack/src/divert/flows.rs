//! What is remembered of flows whose frames were diverted: a bounded table that gives each prompt a summary of
//! constant size, however many flows there are and however long they last.
//!
//! A flow is told by source and destination address, protocol and layer 4 ports, as the frame says them; a frame without
//! an IP packet by its link-layer addresses and EtherType. The table keeps a keyed 64-bit hash of that and no address.

use super::{network, says_ipv6};
use crate::classify::Anomaly;
use crate::classify::ipv4::protocol;
use crate::places::{WAYS, places};
use crate::wire::{IPV6_HEADER, MIN_HEADER};
use core::hash::Hasher;
use managed::ManagedSlice;
use siphasher::sip::SipHasher24;
use smoltcp::time::Instant;

/// Reasons that a summary holds: the latest ones.
pub const RECENT: usize = 4;

/// How a diverted frame of a flow ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Approved,
    Rejected,
    Unanswered,
}

/// What is known of a flow. Counters stop at their largest value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct FlowSummary {
    /// When its first frame was diverted, as far as it is remembered.
    pub first_seen: Instant,
    /// When its latest frame was diverted.
    pub last_seen: Instant,
    /// Diverted frames, this one too.
    pub frames: u32,
    /// Their latest reasons, the newest first; this frame's is the first.
    pub recent: [Option<Anomaly>; RECENT],
    /// Frames whose answer was approved and applied.
    pub approved: u16,
    /// Frames whose answer was rejected.
    pub rejected: u16,
    /// Frames that got no answer in time.
    pub unanswered: u16,
}

/// Storage for one flow.
#[derive(Debug, Clone, Copy)]
pub struct FlowSlot {
    /// Hash of the flow; 0 is an empty slot.
    tag: u64,
    summary: FlowSummary,
}

impl FlowSlot {
    /// An empty slot.
    pub const EMPTY: Self = Self {
        tag: 0,
        summary: FlowSummary {
            first_seen: Instant::ZERO,
            last_seen: Instant::ZERO,
            frames: 0,
            recent: [None; RECENT],
            approved: 0,
            rejected: 0,
            unanswered: 0,
        },
    };
}

/// The table. With less storage than one place it remembers nothing.
#[derive(Debug)]
pub(crate) struct Flows<'a> {
    slots: ManagedSlice<'a, FlowSlot>,
    /// Slots in whole places.
    usable: usize,
    secret: u64,
    used: usize,
}

impl<'a> Flows<'a> {
    pub(crate) fn new(mut slots: ManagedSlice<'a, FlowSlot>, secret: u64) -> Self {
        slots.fill(FlowSlot::EMPTY);
        let usable = slots.len() / WAYS * WAYS;
        Self { slots, usable, secret, used: 0 }
    }

    /// Flows that are remembered.
    pub(crate) const fn len(&self) -> usize {
        self.used
    }

    /// The flow of a frame, never 0.
    pub(crate) fn tag(&self, frame: &[u8]) -> u64 {
        // The second half of the key keeps these hashes apart from nonces.
        let mut hash = SipHasher24::new_with_keys(self.secret, u64::from_be_bytes(*b"flowtabl"));
        write_flow(frame, &mut hash);
        hash.finish().max(1)
    }

    /// Counts a diverted frame. True if another flow had to be forgotten for it: the table's "full".
    pub(crate) fn count(&mut self, tag: u64, now: Instant, reason: Anomaly) -> bool {
        let (index, evicts) = match self.find(tag) {
            Some(index) => (index, false),
            None => {
                let Some((index, evicts)) = self.room(tag) else { return false };
                let slot = &mut self.slots[index];
                *slot = FlowSlot::EMPTY;
                slot.tag = tag;
                slot.summary.first_seen = now;
                self.used += usize::from(!evicts);
                (index, evicts)
            }
        };
        let summary = &mut self.slots[index].summary;
        summary.last_seen = now;
        summary.frames = summary.frames.saturating_add(1);
        summary.recent.rotate_right(1);
        summary.recent[0] = Some(reason);
        evicts
    }

    /// Counts how a diverted frame ended, if its flow is still remembered.
    pub(crate) fn end(&mut self, tag: u64, outcome: Outcome) {
        let Some(index) = self.find(tag) else { return };
        let summary = &mut self.slots[index].summary;
        let counter = match outcome {
            Outcome::Approved => &mut summary.approved,
            Outcome::Rejected => &mut summary.rejected,
            Outcome::Unanswered => &mut summary.unanswered,
        };
        *counter = counter.saturating_add(1);
    }

    /// What is known of a flow.
    pub(crate) fn summary(&self, tag: u64) -> Option<FlowSummary> {
        self.find(tag).map(|index| self.slots[index].summary)
    }

    /// Where this flow is.
    fn find(&self, tag: u64) -> Option<usize> {
        self.candidates(tag).find(|&index| self.slots[index].tag == tag)
    }

    /// Where a new flow goes, and whether another gives way: to the emptier of its two places (Azar et al., *Balanced
    /// Allocations*, 1994), or to the slot that was silent longest in both.
    fn room(&self, tag: u64) -> Option<(usize, bool)> {
        let free = |start: usize| (start..start + WAYS).filter(|&index| self.slots[index].tag == 0);
        let emptier = places(tag, self.usable)?.into_iter().max_by_key(|&start| free(start).count());
        if let Some(index) = emptier.and_then(|start| free(start).next()) {
            return Some((index, false));
        }
        let oldest = self.candidates(tag).min_by_key(|&index| self.slots[index].summary.last_seen);
        oldest.map(|index| (index, true))
    }

    /// The slots that may hold this flow.
    fn candidates(&self, tag: u64) -> impl Iterator<Item = usize> {
        places(tag, self.usable).into_iter().flatten().flat_map(|start| start..start + WAYS)
    }
}

/// Writes what tells the frame's flow. Whatever is not there is left out.
fn write_flow(frame: &[u8], hash: &mut impl Hasher) {
    let Some(packet) = network(frame) else {
        hash.write(frame.get(..14).unwrap_or(frame));
        return;
    };
    let (addresses, upper, at) = if says_ipv6(frame) {
        (packet.get(8..IPV6_HEADER), packet.get(6), IPV6_HEADER)
    } else {
        let header = packet.first().map_or(MIN_HEADER, |first| usize::from(first & 0x0f) * 4);
        // Behind a later fragment's header there are no ports.
        let fragment = packet.get(6..8).is_some_and(|word| word[0] & 0x1f != 0 || word[1] != 0);
        (packet.get(12..MIN_HEADER), packet.get(9), if fragment { usize::MAX } else { header })
    };
    hash.write(addresses.unwrap_or(packet));
    hash.write(upper.map_or(&[], core::slice::from_ref));
    if upper.is_some_and(|upper| matches!(*upper, protocol::TCP | protocol::UDP)) {
        let ports = at.checked_add(4).and_then(|end| packet.get(at..end));
        hash.write(ports.unwrap_or(&[]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn table(flows: usize) -> Flows<'static> {
        Flows::new(std::vec![FlowSlot::EMPTY; flows].leak().into(), 7)
    }

    /// A UDP datagram from 10.0.0.`host`, port `port`.
    fn frame(host: u8, port: u16) -> Vec<u8> {
        let mut frame = std::vec![0_u8; 14 + 28];
        frame[12] = 8;
        frame[14] = 0x45;
        frame[16..18].copy_from_slice(&28_u16.to_be_bytes());
        frame[23] = protocol::UDP;
        frame[26..30].copy_from_slice(&[10, 0, 0, host]);
        frame[34..36].copy_from_slice(&port.to_be_bytes());
        frame
    }

    #[test]
    fn a_flow_is_its_addresses_protocol_and_ports() {
        let flows = table(64);
        let tag = flows.tag(&frame(1, 7));
        assert_eq!(tag, flows.tag(&frame(1, 7)));
        let mut other = frame(1, 7);
        // The identification, the time to live and the payload do not tell a flow.
        (other[19], other[22]) = (9, 3);
        other.push(1);
        assert_eq!(tag, flows.tag(&other));
        assert_ne!(tag, flows.tag(&frame(2, 7)));
        assert_ne!(tag, flows.tag(&frame(1, 8)));
        // Ports of a fragment are payload.
        let fragment = |port| {
            let mut frame = frame(1, port);
            frame[21] = 1;
            frame
        };
        assert_eq!(flows.tag(&fragment(7)), flows.tag(&fragment(8)));
        // Each router hashes in its own way.
        assert_ne!(tag, Flows::new(std::vec![FlowSlot::EMPTY; 8].leak().into(), 8).tag(&frame(1, 7)));
        for cut in 0..frame(1, 7).len() {
            let _ = flows.tag(&frame(1, 7)[..cut]);
        }
    }

    #[test]
    fn a_summary_tells_times_counts_reasons_and_ends() {
        let mut flows = table(64);
        let at = Instant::from_secs;
        let reasons = [Anomaly::Ipv4Land, Anomaly::UdpLength, Anomaly::UdpChecksum];
        for (second, reason) in (1..).zip(reasons) {
            assert!(!flows.count(5, at(second), reason));
        }
        flows.end(5, Outcome::Approved);
        flows.end(5, Outcome::Rejected);
        flows.end(5, Outcome::Rejected);
        flows.end(6, Outcome::Unanswered);
        let known = flows.summary(5).unwrap();
        assert_eq!((known.first_seen, known.last_seen, known.frames), (at(1), at(3), 3));
        assert_eq!((known.approved, known.rejected, known.unanswered), (1, 2, 0));
        let newest_first = [Some(reasons[2]), Some(reasons[1]), Some(reasons[0]), None];
        assert_eq!(known.recent, newest_first);
        assert_eq!((flows.summary(6), flows.len()), (None, 1));
    }

    #[test]
    fn a_full_place_forgets_the_flow_that_was_silent_longest() {
        let mut flows = table(WAYS);
        for tag in 1..=WAYS as u64 {
            assert!(!flows.count(tag, Instant::from_secs(tag as i64), Anomaly::Ipv4Land));
        }
        flows.count(1, Instant::from_secs(100), Anomaly::Ipv4Land);
        assert!(flows.count(99, Instant::from_secs(101), Anomaly::Ipv4Land));
        assert!(flows.summary(2).is_none() && flows.summary(1).is_some() && flows.summary(99).is_some());
        assert_eq!(flows.len(), WAYS);
    }

    #[test]
    fn without_storage_nothing_is_remembered_and_nothing_fails() {
        let mut flows = table(WAYS - 1);
        assert!(!flows.count(1, Instant::ZERO, Anomaly::Ipv4Land));
        flows.end(1, Outcome::Approved);
        assert_eq!((flows.summary(1), flows.len()), (None, 0));
    }

    #[test]
    fn a_million_flows_are_held_at_once() {
        let mut flows = table(1 << 21);
        let mut forgotten = 0;
        for index in 0..1_000_000_u32 {
            let tag = flows.tag(&frame(index as u8, (index >> 8) as u16));
            forgotten +=
                u32::from(flows.count(tag, Instant::from_micros(i64::from(index)), Anomaly::UdpLength));
        }
        // Twice as many slots as flows: no place overflows.
        assert_eq!((forgotten, flows.len()), (0, 1_000_000));
    }
}
