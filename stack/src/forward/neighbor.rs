//! The neighbour table: who has which MAC address, and whom to ask when. Read first: RFC 826, RFC 1122 §2.3.2.

use crate::config::{Limits, PortId};
use managed::ManagedSlice;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, Ipv4Address};

/// Slots that an address may take: a probe sequence of this length, then "full".
const PROBE: usize = 8;

/// One neighbour.
#[derive(Debug, Clone, Copy)]
struct Neighbor {
    port: PortId,
    address: Ipv4Address,
    /// The last MAC address heard of.
    mac: Option<EthernetAddress>,
    /// Until then `mac` needs no confirmation.
    confirmed_until: Instant,
    /// Requests sent since the last answer.
    asked: u8,
    /// No request before this instant.
    next_request: Instant,
}

/// Storage for one neighbour.
#[derive(Debug, Clone, Copy, Default)]
pub struct NeighborSlot(Option<Neighbor>);

impl NeighborSlot {
    /// An empty slot.
    pub const EMPTY: Self = Self(None);
}

/// What the table says about a next hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// Send to this address; `ask`: it is time to confirm it.
    Use {
        /// The neighbour's MAC address.
        mac: EthernetAddress,
        /// Send an ARP request, too.
        ask: bool,
    },
    /// The packet must wait; `ask`: send an ARP request now.
    Wait {
        /// Send an ARP request.
        ask: bool,
    },
    /// It did not answer, and it is too early to ask again.
    Failed,
    /// No slot is free for this neighbour.
    Full,
}

/// What a timeout asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Ask again for this neighbour.
    Ask(PortId, Ipv4Address),
    /// This neighbour did not answer.
    Unreachable(PortId, Ipv4Address),
}

/// All neighbours, over all ports.
#[derive(Debug)]
pub struct NeighborTable<'a> {
    slots: ManagedSlice<'a, NeighborSlot>,
    /// Each port has this many slots of its own, so that no scan on one keeps the neighbours of another out.
    port_share: usize,
    /// Keys the hash, so that nobody can aim at the slots of others.
    salt: u32,
    /// The earliest instant at which an unanswered request needs attention.
    due_at: Option<Instant>,
}

impl<'a> NeighborTable<'a> {
    pub(crate) fn new(mut slots: ManagedSlice<'a, NeighborSlot>, port_count: usize, secret: u64) -> Self {
        slots.fill(NeighborSlot(None));
        let port_share = slots.len() / port_count.max(1);
        let salt = (secret ^ (secret >> 32)) as u32 | 1;
        Self { slots, port_share, salt, due_at: None }
    }

    /// Every resolved neighbour.
    pub fn iter(&self) -> impl Iterator<Item = (PortId, Ipv4Address, EthernetAddress)> {
        self.slots.iter().filter_map(|slot| slot.0).filter_map(|n| Some((n.port, n.address, n.mac?)))
    }

    fn probe(&self, port: PortId, address: Ipv4Address) -> impl Iterator<Item = usize> + use<> {
        let len = self.port_share;
        let mixed = u32::from(address).wrapping_mul(0x9e37_79b1);
        let hash = (mixed ^ (mixed >> 16)).wrapping_mul(self.salt);
        // Scales the hash to the share without a division, which would cost more than the rest.
        let start = ((u64::from(hash) * len as u64) >> 32) as usize;
        let region = port.index() * len;
        (0..PROBE.min(len))
            .map(move |step| region + if start + step < len { start + step } else { start + step - len })
    }

    fn position(&self, port: PortId, address: Ipv4Address) -> Option<usize> {
        self.probe(port, address)
            .find(|&at| matches!(self.slots[at].0, Some(n) if n.port == port && n.address == address))
    }

    /// A free slot for the neighbour, or that of one who did not answer, or else of the stalest.
    ///
    /// Whoever has not been `heard` of may take only every second slot, so that a scan of a network, which
    /// asks for thousands who are not there, keeps no host out that speaks up by itself.
    fn vacancy(&self, now: Instant, port: PortId, address: Ipv4Address, heard: bool) -> Option<usize> {
        let region = port.index() * self.port_share;
        let usable = |at: &usize| heard || (at - region).is_multiple_of(2);
        let free = self.probe(port, address).filter(usable).find(|&at| self.slots[at].0.is_none());
        // Those whose confirmation ran out, and those who did not answer and may be asked again.
        let stale = |n: &Neighbor| {
            if n.mac.is_some() { n.confirmed_until <= now } else { n.asked == 0 && n.next_request <= now }
        };
        free.or_else(|| {
            self.probe(port, address)
                .filter(usable)
                .filter_map(|at| self.slots[at].0.map(|n| (n, at)))
                .filter(|(n, _)| stale(n))
                .min_by_key(|(n, _)| (n.mac.is_some(), n.confirmed_until))
                .map(|(_, at)| at)
        })
    }

    /// The last MAC address heard of, asking nobody.
    pub(crate) fn known(&self, port: PortId, address: Ipv4Address) -> Option<EthernetAddress> {
        self.slots[self.position(port, address)?].0?.mac
    }

    /// The MAC address of a next hop, or what to do to get it.
    pub fn lookup(&mut self, now: Instant, port: PortId, address: Ipv4Address, limits: &Limits) -> Lookup {
        let Some(at) = self.position(port, address) else {
            let Some(at) = self.vacancy(now, port, address, false) else { return Lookup::Full };
            let next_request = now + limits.arp_interval;
            let neighbor =
                Neighbor { port, address, mac: None, confirmed_until: now, asked: 1, next_request };
            self.slots[at] = NeighborSlot(Some(neighbor));
            self.note_due(now + limits.arp_interval);
            return Lookup::Wait { ask: true };
        };
        let Some(neighbor) = &mut self.slots[at].0 else { return Lookup::Full };
        let may_ask = neighbor.asked == 0 && now >= neighbor.next_request;
        let answer = match neighbor.mac {
            Some(mac) if now < neighbor.confirmed_until => return Lookup::Use { mac, ask: false },
            // Unconfirmed: use it while asking, as Linux's STALE and PROBE do.
            Some(mac) => Lookup::Use { mac, ask: may_ask },
            None if neighbor.asked == 0 && !may_ask => return Lookup::Failed,
            None => Lookup::Wait { ask: may_ask },
        };
        if may_ask {
            neighbor.asked = 1;
            neighbor.next_request = now + limits.arp_interval;
            let due = neighbor.next_request;
            self.note_due(due);
        }
        answer
    }

    /// Learns that `address` has `mac`. RFC 826: a known neighbour is always updated, an unknown one
    /// added only if `add` (the packet was for us).
    pub(crate) fn learn(
        &mut self,
        now: Instant,
        port: PortId,
        address: Ipv4Address,
        mac: EthernetAddress,
        add: bool,
        limits: &Limits,
    ) -> bool {
        let known = self.position(port, address);
        let Some(at) = known.or_else(|| if add { self.vacancy(now, port, address, true) } else { None })
        else {
            return false;
        };
        let confirmed_until = now + limits.neighbor_lifetime;
        let neighbor =
            Neighbor { port, address, mac: Some(mac), confirmed_until, asked: 0, next_request: now };
        self.slots[at] = NeighborSlot(Some(neighbor));
        true
    }

    fn note_due(&mut self, at: Instant) {
        self.due_at = Some(self.due_at.map_or(at, |due| due.min(at)));
    }

    /// When [`NeighborTable::handle_timeout`] has something to do.
    pub(crate) const fn poll_timeout(&self) -> Option<Instant> {
        self.due_at
    }

    /// Takes one neighbour that is due at `now`. Call until `None`.
    pub(crate) fn handle_timeout(&mut self, now: Instant, limits: &Limits) -> Option<Due> {
        if self.due_at.is_none_or(|due| due > now) {
            return None;
        }
        let asking = |slot: &NeighborSlot| slot.0.filter(|n| n.asked > 0);
        let due = self.slots.iter_mut().find(|slot| asking(slot).is_some_and(|n| n.next_request <= now));
        let due = due.and_then(|slot| slot.0.as_mut()).map(|neighbor| {
            neighbor.next_request = now + limits.arp_interval;
            if neighbor.asked >= limits.arp_attempts {
                neighbor.asked = 0;
                neighbor.mac = None;
                Due::Unreachable(neighbor.port, neighbor.address)
            } else {
                neighbor.asked += 1;
                Due::Ask(neighbor.port, neighbor.address)
            }
        });
        self.due_at = self.slots.iter().filter_map(asking).map(|n| n.next_request).min();
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smoltcp::time::Duration;
    use std::vec;

    const PORT: PortId = PortId(0);
    const MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 9]);

    fn host(last: u8) -> Ipv4Address {
        Ipv4Address::new(10, 0, 0, last)
    }

    #[test]
    fn asks_once_an_interval_then_gives_up_holds_down_and_starts_again() {
        let limits = Limits::default();
        let mut table = NeighborTable::new(vec![NeighborSlot::default(); 32].leak().into(), 2, 0);
        let mut now = Instant::from_secs(1);
        assert_eq!(table.lookup(now, PORT, host(2), &limits), Lookup::Wait { ask: true });
        assert_eq!(table.lookup(now, PORT, host(2), &limits), Lookup::Wait { ask: false });
        for _ in 1..limits.arp_attempts {
            assert_eq!(table.handle_timeout(now, &limits), None);
            now = table.poll_timeout().unwrap();
            assert_eq!(table.handle_timeout(now, &limits), Some(Due::Ask(PORT, host(2))));
        }
        now = table.poll_timeout().unwrap();
        assert_eq!(table.handle_timeout(now, &limits), Some(Due::Unreachable(PORT, host(2))));
        assert_eq!((table.handle_timeout(now, &limits), table.poll_timeout()), (None, None));
        assert_eq!(table.lookup(now, PORT, host(2), &limits), Lookup::Failed);
        now += limits.arp_interval;
        assert_eq!(table.lookup(now, PORT, host(2), &limits), Lookup::Wait { ask: true });
    }

    #[test]
    fn learns_uses_confirms_and_forgets() {
        let limits = Limits::default();
        let mut table = NeighborTable::new(vec![NeighborSlot::default(); 32].leak().into(), 2, 0);
        let mut now = Instant::from_secs(1);
        assert!(
            !table.learn(now, PORT, host(2), MAC, false, &limits),
            "a stranger's claim to others is not kept"
        );
        assert!(table.learn(now, PORT, host(2), MAC, true, &limits));
        assert_eq!(table.lookup(now, PORT, host(2), &limits), Lookup::Use { mac: MAC, ask: false });
        assert_eq!(
            table.lookup(now, PortId(1), host(2), &limits),
            Lookup::Wait { ask: true },
            "neighbours are per port"
        );
        now += limits.neighbor_lifetime;
        assert_eq!(table.lookup(now, PORT, host(2), &limits), Lookup::Use { mac: MAC, ask: true });
        assert_eq!(table.lookup(now, PORT, host(2), &limits), Lookup::Use { mac: MAC, ask: false });
        assert!(table.learn(now, PORT, host(2), MAC, false, &limits));
        assert_eq!(
            table.lookup(now + Duration::from_secs(1), PORT, host(2), &limits),
            Lookup::Use { mac: MAC, ask: false }
        );
    }

    #[test]
    fn a_scan_leaves_the_other_port_and_those_who_speak_up_their_share() {
        let limits = Limits::default();
        let slots = vec![NeighborSlot::EMPTY; 256].leak();
        let mut table = NeighborTable::new((&mut *slots).into(), 2, 0x1234_5678_9abc_def1);
        let now = Instant::from_secs(1);
        let asked = (0..=255)
            .filter(|&last| table.lookup(now, PORT, host(last), &limits) == Lookup::Wait { ask: true });
        assert!((48..=64).contains(&asked.count()), "half of the port's half");
        for port in [PORT, PortId(1)] {
            let speaks_up =
                |last| table.learn(now, port, Ipv4Address::new(10, 0, 1, last), MAC, true, &limits);
            assert_eq!((1..=16).map(speaks_up).filter(|&learnt| learnt).count(), 16, "{port}");
        }
    }

    #[test]
    fn a_full_neighbourhood_is_named_and_the_stalest_makes_room() {
        let limits = Limits::default();
        let mut table = NeighborTable::new(vec![NeighborSlot::default(); 2].leak().into(), 1, 0);
        let now = Instant::from_secs(1);
        assert!(table.learn(now, PORT, host(1), MAC, true, &limits));
        assert!(table.learn(now + Duration::from_secs(1), PORT, host(2), MAC, true, &limits));
        assert_eq!(table.lookup(now, PORT, host(3), &limits), Lookup::Full);
        let later = now + limits.neighbor_lifetime;
        assert!(table.learn(later, PORT, host(3), MAC, true, &limits));
        assert_eq!(table.position(PORT, host(1)), None);
    }

    #[test]
    fn those_who_never_answered_make_room_too() {
        let limits = Limits::default();
        let mut table = NeighborTable::new(vec![NeighborSlot::default(); 1].leak().into(), 1, 0);
        let mut now = Instant::from_secs(1);
        assert_eq!(table.lookup(now, PORT, host(1), &limits), Lookup::Wait { ask: true });
        while let Some(due) = table.poll_timeout() {
            now = due;
            let _ = table.handle_timeout(now, &limits);
        }
        assert_eq!(table.lookup(now, PORT, host(2), &limits), Lookup::Full, "the hold-down still runs");
        now += limits.arp_interval;
        assert_eq!(table.lookup(now, PORT, host(2), &limits), Lookup::Wait { ask: true });
    }
}
