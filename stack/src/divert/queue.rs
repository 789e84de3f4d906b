//! The divert arena: admission, one queue a port, outstanding frames, deadlines.
//!
//! Frames that wait to be polled (queued) and frames that the slow path has (outstanding) have limits
//! of their own, so neither can starve the other. The newest frame is the one refused.

use super::DivertId;
use crate::classify::{Anomaly, Mode};
use crate::config::{Limits, MAX_PORTS, PortId, Rate};
use crate::frame::FRAME_MAX;
use crate::named::named_enum;
use crate::time::TokenBucket;
use managed::ManagedSlice;
use smoltcp::time::Instant;

/// No slot.
const NIL: u16 = u16::MAX;
/// Slots that the arena can number; storage beyond them is not used.
pub const MAX_SLOTS: usize = NIL as usize;
/// Counters that sources are hashed to.
const SHARES: usize = 64;

named_enum! {
    /// Why a frame was not admitted to the divert queue; its default action acted.
    pub enum Refusal {
        /// The reason's token bucket is empty.
        Bucket = "bucket";
        /// The queue, or the arena, is full.
        QueueFull = "queue_full";
        /// The port has its share of the queue already, and the queue is half full.
        PortShare = "port_share";
        /// The source has its share of the queue already.
        SourceShare = "source_share";
        /// The frame is longer than a slot.
        FrameTooLarge = "frame_too_large";
    }
}

/// Where a slot is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SlotState {
    Free,
    /// Waits for `poll_divert`.
    Queued,
    /// The slow path has a copy.
    Outstanding,
    /// An answer was approved; `apply` may come.
    Approved,
}

/// What the arena knows of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) reason: Anomaly,
    pub(crate) port: PortId,
    pub(crate) mode: Mode,
    pub(crate) received_at: Instant,
    pub(crate) deadline: Instant,
    pub(crate) len: usize,
    /// Before its VLAN tag was taken off.
    pub(crate) received_len: usize,
    /// Its flow: see [`super::flows`].
    pub(crate) flow: u64,
}

/// Storage for one diverted frame.
#[derive(Debug, Clone)]
pub struct DivertSlot {
    state: SlotState,
    generation: u32,
    /// Next in the port's queue, or in the free list.
    next: u16,
    /// Neighbours in order of admission, which is the order of deadlines.
    older: u16,
    newer: u16,
    share: u8,
    held: Held,
    bytes: [u8; FRAME_MAX],
}

impl DivertSlot {
    /// An empty slot.
    pub const EMPTY: Self = Self {
        state: SlotState::Free,
        generation: 0,
        next: NIL,
        older: NIL,
        newer: NIL,
        share: 0,
        held: Held {
            reason: Anomaly::EthernetTruncated,
            port: PortId(0),
            mode: Mode::Off,
            received_at: Instant::ZERO,
            deadline: Instant::ZERO,
            len: 0,
            received_len: 0,
            flow: 0,
        },
        bytes: [0; FRAME_MAX],
    };
}

/// First in, first out, linked through the slots.
#[derive(Debug, Clone, Copy)]
struct Fifo {
    head: u16,
    tail: u16,
}

const EMPTY_FIFO: Fifo = Fifo { head: NIL, tail: NIL };

/// The arena and its queues.
#[derive(Debug)]
pub(crate) struct Queue<'a> {
    slots: ManagedSlice<'a, DivertSlot>,
    free: u16,
    ports: [Fifo; MAX_PORTS],
    next_port: usize,
    oldest: u16,
    newest: u16,
    queued: usize,
    outstanding: usize,
    shares: [u16; SHARES],
    /// Keys the hash of sources, so that nobody can aim at another's share.
    salt: u32,
    /// Frames queued, by port, and how many ports share the queue.
    queued_by_port: [u16; MAX_PORTS],
    port_count: usize,
    /// By port and reason. The ports share each reason's rate evenly.
    buckets: [[TokenBucket; Anomaly::COUNT]; MAX_PORTS],
    rate: Rate,
}

impl<'a> Queue<'a> {
    pub(crate) fn new(
        mut slots: ManagedSlice<'a, DivertSlot>,
        limits: &Limits,
        port_count: usize,
        secret: u64,
    ) -> Self {
        let share = |whole: u32| (whole / port_count.max(1) as u32).max(1);
        let rate =
            Rate { per_second: share(limits.divert_rate.per_second), burst: share(limits.divert_rate.burst) };
        let count = slots.len().min(MAX_SLOTS);
        for (index, slot) in slots.iter_mut().enumerate() {
            *slot = DivertSlot::EMPTY;
            slot.next = if index + 1 < count { index as u16 + 1 } else { NIL };
        }
        Self {
            free: if count == 0 { NIL } else { 0 },
            slots,
            ports: [EMPTY_FIFO; MAX_PORTS],
            next_port: 0,
            oldest: NIL,
            newest: NIL,
            queued: 0,
            outstanding: 0,
            shares: [0; SHARES],
            salt: (secret ^ (secret >> 32)) as u32 | 1,
            queued_by_port: [0; MAX_PORTS],
            port_count: port_count.max(1),
            buckets: [[TokenBucket::full(rate, Instant::ZERO); Anomaly::COUNT]; MAX_PORTS],
            rate,
        }
    }

    /// Copies a frame into the arena.
    ///
    /// `source` is any hash of whom the frame comes from.
    pub(crate) fn admit(
        &mut self,
        held: Held,
        frame: &[u8],
        source: u32,
        limits: &Limits,
    ) -> Result<DivertId, Refusal> {
        if frame.len() > FRAME_MAX {
            return Err(Refusal::FrameTooLarge);
        }
        let port = held.port.index() % MAX_PORTS;
        let source = source.wrapping_add(u32::from(held.port.0)).wrapping_mul(0x9e37_79b1);
        let share = ((source ^ (source >> 16)).wrapping_mul(self.salt) >> 26) as u8;
        if self.free == NIL || self.queued >= limits.divert_queue {
            return Err(Refusal::QueueFull);
        }
        // Half of the queue is whoever's comes first; in the other half each port has its share.
        let port_share = (limits.divert_queue / self.port_count).max(1);
        if self.queued >= limits.divert_queue / 2 && usize::from(self.queued_by_port[port]) >= port_share {
            return Err(Refusal::PortShare);
        }
        if usize::from(self.shares[usize::from(share)]) >= limits.divert_per_source {
            return Err(Refusal::SourceShare);
        }
        if !self.buckets[port][held.reason as usize].take(self.rate, held.received_at) {
            return Err(Refusal::Bucket);
        }
        let at = self.free;
        let newest = self.newest;
        let slot = &mut self.slots[usize::from(at)];
        self.free = slot.next;
        slot.state = SlotState::Queued;
        slot.next = NIL;
        slot.older = newest;
        slot.newer = NIL;
        slot.share = share;
        slot.held = held;
        slot.bytes[..frame.len()].copy_from_slice(frame);
        let generation = slot.generation;
        match newest {
            NIL => self.oldest = at,
            newest => self.slots[usize::from(newest)].newer = at,
        }
        self.newest = at;
        let fifo = &mut self.ports[port];
        match fifo.tail {
            NIL => fifo.head = at,
            tail => self.slots[usize::from(tail)].next = at,
        }
        fifo.tail = at;
        self.shares[usize::from(share)] += 1;
        self.queued_by_port[port] += 1;
        self.queued += 1;
        Ok(DivertId { slot: at, generation })
    }

    /// Takes the oldest frame of the next port in turn: queued becomes outstanding.
    pub(crate) fn next(&mut self, limits: &Limits) -> Option<DivertId> {
        if self.queued == 0 || self.outstanding >= limits.divert_outstanding {
            return None;
        }
        let port = (0..MAX_PORTS)
            .map(|step| (self.next_port + step) % MAX_PORTS)
            .find(|&port| self.ports[port].head != NIL)?;
        self.next_port = (port + 1) % MAX_PORTS;
        let at = self.unqueue(port);
        let slot = &mut self.slots[usize::from(at)];
        slot.state = SlotState::Outstanding;
        self.outstanding += 1;
        Some(DivertId { slot: at, generation: slot.generation })
    }

    /// Takes the head of a port's queue, which must not be empty.
    fn unqueue(&mut self, port: usize) -> u16 {
        let at = self.ports[port].head;
        self.unlink(port, at);
        at
    }

    /// Takes one slot out of its port's queue. Deadlines and `poll_divert` take the head at once.
    fn unlink(&mut self, port: usize, at: u16) {
        let next = self.slots[usize::from(at)].next;
        let mut before = NIL;
        let mut here = self.ports[port].head;
        while here != at && here != NIL {
            (before, here) = (here, self.slots[usize::from(here)].next);
        }
        match before {
            NIL => self.ports[port].head = next,
            before => self.slots[usize::from(before)].next = next,
        }
        if self.ports[port].tail == at {
            self.ports[port].tail = before;
        }
        self.queued_by_port[port] -= 1;
        self.queued -= 1;
    }

    /// The frame that `id` names, and where it is in its life.
    ///
    /// `None`: the slot never existed, or has been used anew since.
    pub(crate) fn get(&self, id: DivertId) -> Option<(SlotState, Held, &[u8])> {
        let slot = self.slots.get(usize::from(id.slot))?;
        if slot.generation != id.generation || slot.state == SlotState::Free {
            return None;
        }
        Some((slot.state, slot.held, &slot.bytes[..slot.held.len]))
    }

    /// Was there ever such a frame?
    pub(crate) fn knew(&self, id: DivertId) -> bool {
        self.slots.get(usize::from(id.slot)).is_some_and(|slot| id.generation < slot.generation)
    }

    /// Notes that an answer to an outstanding frame was approved: no other answer will be.
    pub(crate) fn mark_approved(&mut self, id: DivertId) {
        self.slots[usize::from(id.slot)].state = SlotState::Approved;
    }

    /// Frees the frame's slot; ids that name it are stale from now on.
    pub(crate) fn release(&mut self, id: DivertId) {
        let Some((state, held, _)) = self.get(id) else { return };
        match state {
            SlotState::Free => return,
            SlotState::Queued => self.unlink(held.port.index() % MAX_PORTS, id.slot),
            SlotState::Outstanding | SlotState::Approved => self.outstanding -= 1,
        }
        let free = self.free;
        let slot = &mut self.slots[usize::from(id.slot)];
        let (older, newer, share) = (slot.older, slot.newer, slot.share);
        slot.state = SlotState::Free;
        slot.generation = slot.generation.wrapping_add(1);
        slot.next = free;
        self.free = id.slot;
        match older {
            NIL => self.oldest = newer,
            older => self.slots[usize::from(older)].newer = newer,
        }
        match newer {
            NIL => self.newest = older,
            newer => self.slots[usize::from(newer)].older = older,
        }
        self.shares[usize::from(share)] -= 1;
    }

    /// The frame with the earliest deadline.
    pub(crate) fn oldest(&self) -> Option<(DivertId, Instant)> {
        if self.oldest == NIL {
            return None;
        }
        let slot = self.slots.get(usize::from(self.oldest))?;
        Some((DivertId { slot: self.oldest, generation: slot.generation }, slot.held.deadline))
    }

    /// Frames in the arena: queued, outstanding.
    pub(crate) const fn occupancy(&self) -> (usize, usize) {
        (self.queued, self.outstanding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smoltcp::time::Duration;
    use std::vec;

    fn held(port: u8, at: Instant) -> Held {
        Held {
            reason: Anomaly::EthertypeUnknown,
            port: PortId(port),
            mode: Mode::Enforce,
            received_at: at,
            deadline: at + Duration::from_millis(50),
            len: 1,
            received_len: 1,
            flow: 0,
        }
    }

    fn queue(slots: usize, limits: &Limits) -> Queue<'static> {
        Queue::new(vec![DivertSlot::EMPTY; slots].leak().into(), limits, 1, 0)
    }

    #[test]
    fn ports_take_turns() {
        let limits = Limits::default();
        let mut queue = queue(8, &limits);
        for (tag, port) in [(1, 0), (2, 0), (3, 0), (4, 1), (5, 2)] {
            queue.admit(held(port, Instant::ZERO), &[tag], u32::from(tag), &limits).unwrap();
        }
        let order = core::iter::from_fn(|| queue.next(&limits)).collect::<vec::Vec<_>>();
        let tags = order.iter().map(|&id| queue.get(id).unwrap().2[0]).collect::<vec::Vec<_>>();
        assert_eq!(tags, [1, 4, 5, 2, 3]);
    }

    #[test]
    fn more_storage_than_can_be_numbered_does_no_harm() {
        let limits = Limits::default();
        let mut queue = queue(MAX_SLOTS + 2, &limits);
        assert_eq!(queue.oldest(), None);
        let id = queue.admit(held(0, Instant::ZERO), &[1], 1, &limits).unwrap();
        assert_eq!(queue.oldest(), Some((id, Instant::from_millis(50))));
    }

    #[test]
    fn a_flooded_port_leaves_room_for_the_others() {
        let limits = Limits { divert_queue: 8, ..Limits::default() };
        let mut queue = Queue::new(vec![DivertSlot::EMPTY; 16].leak().into(), &limits, 4, 7);
        let mut admit = |port: u8, source: u32| queue.admit(held(port, Instant::ZERO), &[0], source, &limits);
        assert_eq!((0..20).filter(|&source| admit(0, source).is_ok()).count(), 4, "half of the queue");
        assert_eq!(admit(0, 99), Err(Refusal::PortShare));
        for port in [1, 2] {
            assert_eq!((0..20).filter(|&source| admit(port, source).is_ok()).count(), 2, "a port's share");
        }
        assert_eq!(admit(3, 0), Err(Refusal::QueueFull));
    }

    #[test]
    fn a_flooded_port_leaves_the_others_their_tokens() {
        let limits = Limits { divert_rate: Rate { per_second: 10, burst: 20 }, ..Limits::default() };
        let mut queue = Queue::new(vec![DivertSlot::EMPTY; 256].leak().into(), &limits, 2, 7);
        let mut admit = |port: u8, source: u32| queue.admit(held(port, Instant::ZERO), &[0], source, &limits);
        assert_eq!((0..50).filter(|&source| admit(0, source).is_ok()).count(), 10);
        assert_eq!((0..50).filter(|&source| admit(1, source).is_ok()).count(), 10);
    }

    #[test]
    fn each_refusal_is_named() {
        let limits = Limits {
            divert_queue: 3,
            divert_per_source: 2,
            divert_rate: Rate { per_second: 1, burst: 4 },
            ..Limits::default()
        };
        let mut queue = queue(8, &limits);
        let admit =
            |queue: &mut Queue<'_>, source| queue.admit(held(0, Instant::ZERO), &[0], source, &limits);
        assert!(admit(&mut queue, 1).is_ok());
        assert!(admit(&mut queue, 1).is_ok());
        assert_eq!(admit(&mut queue, 1), Err(Refusal::SourceShare));
        assert!(admit(&mut queue, 2).is_ok());
        assert_eq!(admit(&mut queue, 2), Err(Refusal::QueueFull));
        assert!(queue.next(&limits).is_some());
        assert!(admit(&mut queue, 3).is_ok());
        assert!(queue.next(&limits).is_some());
        assert_eq!(admit(&mut queue, 4), Err(Refusal::Bucket));
        assert_eq!(
            queue.admit(held(0, Instant::ZERO), &[0; FRAME_MAX + 1], 5, &limits),
            Err(Refusal::FrameTooLarge)
        );
    }

    #[test]
    fn a_frame_may_leave_the_middle_or_the_end_of_its_queue() {
        let limits = Limits::default();
        let mut queue = queue(8, &limits);
        let admit = |queue: &mut Queue<'_>, tag| {
            queue.admit(held(0, Instant::ZERO), &[tag], tag.into(), &limits).unwrap()
        };
        let ids = [1, 2, 3, 4].map(|tag| admit(&mut queue, tag));
        queue.release(ids[1]);
        queue.release(ids[3]);
        let last = admit(&mut queue, 5);
        let order = core::iter::from_fn(|| queue.next(&limits)).collect::<vec::Vec<_>>();
        assert_eq!(order, [ids[0], ids[2], last]);
        assert_eq!(queue.occupancy(), (0, 3));
    }

    #[test]
    fn a_slot_used_anew_has_another_id_and_deadlines_stay_in_order() {
        let limits = Limits::default();
        let mut queue = queue(2, &limits);
        let t = Instant::from_millis;
        let a = queue.admit(held(0, t(1)), &[1], 1, &limits).unwrap();
        let b = queue.admit(held(1, t(2)), &[2], 2, &limits).unwrap();
        assert_eq!(queue.admit(held(0, t(3)), &[3], 3, &limits), Err(Refusal::QueueFull));
        assert_eq!(queue.oldest(), Some((a, t(51))));
        queue.release(a);
        queue.release(a);
        assert_eq!((queue.get(a), queue.knew(a), queue.knew(b)), (None, true, false));
        let c = queue.admit(held(0, t(4)), &[4], 4, &limits).unwrap();
        assert_eq!((c.slot, c.generation), (a.slot, a.generation + 1));
        assert_eq!(queue.oldest(), Some((b, t(52))));
        queue.release(b);
        assert_eq!(queue.oldest(), Some((c, t(54))));
        queue.release(c);
        assert_eq!((queue.oldest(), queue.occupancy()), (None, (0, 0)));
        assert_eq!(queue.next(&limits), None);
    }
}
