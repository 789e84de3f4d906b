//! The waiting room: packets whose next hop has no known MAC address yet. Read first: RFC 1122 §2.3.2.2.

use crate::config::PortId;
use crate::divert::DivertId;
use crate::frame::FRAME_MAX;
use crate::rules::RuleId;
use crate::stats::Path;
use managed::ManagedSlice;
use smoltcp::wire::IpAddress;

/// What a waiting packet is, for the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cargo {
    /// A received frame of this length, as received; it took this path.
    Forwarded { received_len: usize, path: Path, ingress: PortId },
    /// The router's own.
    Originated,
    /// Made from an approved answer, or by a rule, for a received frame of this length; `transit`: it is that frame, repaired.
    Injected { by: Maker, received_len: usize, path: Path, transit: bool },
}

/// On whose word a frame was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Maker {
    /// An approved answer to this divert.
    Answer(DivertId),
    /// This rule.
    Rule(RuleId),
}

/// Storage for one waiting packet.
#[derive(Debug, Clone)]
pub struct WaitSlot {
    waiting: Option<(PortId, IpAddress, Cargo)>,
    sequence: u32,
    len: usize,
    bytes: [u8; FRAME_MAX],
}

impl WaitSlot {
    /// An empty slot.
    pub const EMPTY: Self = Self { waiting: None, sequence: 0, len: 0, bytes: [0; FRAME_MAX] };
}

/// All waiting packets.
#[derive(Debug)]
pub(crate) struct WaitRoom<'a> {
    slots: ManagedSlice<'a, WaitSlot>,
    next_sequence: u32,
}

impl<'a> WaitRoom<'a> {
    pub(crate) const fn new(slots: ManagedSlice<'a, WaitSlot>) -> Self {
        Self { slots, next_sequence: 0 }
    }

    /// Keeps a frame whose MAC addresses are still to be written; says whether there was room.
    pub(crate) fn push(
        &mut self,
        port: PortId,
        next_hop: IpAddress,
        cargo: Cargo,
        frame: &[u8],
        per_neighbor: usize,
    ) -> bool {
        let same = |slot: &&WaitSlot| matches!(slot.waiting, Some((p, a, _)) if p == port && a == next_hop);
        if frame.len() > FRAME_MAX || self.slots.iter().filter(same).count() >= per_neighbor {
            return false;
        }
        let Some(slot) = self.slots.iter_mut().find(|slot| slot.waiting.is_none()) else { return false };
        slot.waiting = Some((port, next_hop, cargo));
        slot.sequence = self.next_sequence;
        slot.len = frame.len();
        slot.bytes[..frame.len()].copy_from_slice(frame);
        self.next_sequence = self.next_sequence.wrapping_add(1);
        true
    }

    /// Takes the longest-waiting packet for a neighbour: its kind, and its length in `out`.
    pub(crate) fn take(
        &mut self,
        port: PortId,
        next_hop: IpAddress,
        out: &mut [u8; FRAME_MAX],
    ) -> Option<(Cargo, usize)> {
        let newest = self.next_sequence;
        let slot = self
            .slots
            .iter_mut()
            .filter(|slot| matches!(slot.waiting, Some((p, a, _)) if p == port && a == next_hop))
            .max_by_key(|slot| newest.wrapping_sub(slot.sequence))?;
        let (_, _, cargo) = slot.waiting.take()?;
        out[..slot.len].copy_from_slice(&slot.bytes[..slot.len]);
        Some((cargo, slot.len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn bounded_per_neighbour_and_in_all_and_first_in_first_out() {
        let mut room = WaitRoom::new(vec![WaitSlot::EMPTY; 3].leak().into());
        let a = IpAddress::v4(10, 0, 0, 1);
        let b = IpAddress::v4(10, 0, 0, 2);
        assert!(room.push(PortId(0), a, Cargo::Originated, &[1], 2));
        assert!(room.push(PortId(0), a, Cargo::Originated, &[2], 2));
        assert!(!room.push(PortId(0), a, Cargo::Originated, &[3], 2), "full for this neighbour");
        assert!(room.push(PortId(0), b, Cargo::Originated, &[4], 2));
        assert!(!room.push(PortId(1), b, Cargo::Originated, &[5], 2), "full for all");
        let mut out = [0; FRAME_MAX];
        for expected in [1, 2] {
            assert_eq!(room.take(PortId(0), a, &mut out), Some((Cargo::Originated, 1)));
            assert_eq!(out[0], expected);
        }
        assert_eq!(room.take(PortId(0), a, &mut out), None);
    }
}
