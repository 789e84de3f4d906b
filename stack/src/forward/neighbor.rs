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
    /// The earliest instant at which an unanswered request needs attention.
    due_at: Option<Instant>,
}

impl<'a> NeighborTable<'a> {
    pub(crate) fn new(mut slots: ManagedSlice<'a, NeighborSlot>) -> Self {
        slots.fill(NeighborSlot(None));
        Self { slots, due_at: None }
    }

    /// Every resolved neighbour.
    pub fn iter(&self) -> impl Iterator<Item = (PortId, Ipv4Address, EthernetAddress)> {
        self.slots.iter().filter_map(|slot| slot.0).filter_map(|n| Some((n.port, n.address, n.mac?)))
    }

    fn probe(&self, port: PortId, address: Ipv4Address) -> impl Iterator<Item = usize> + use<> {
        let len = self.slots.len();
        let hash = (u32::from(address) ^ u32::from(port.0)).wrapping_mul(0x9e37_79b1) as usize >> 8;
        (0..PROBE.min(len)).map(move |step| (hash + step) % len)
    }

    fn position(&self, port: PortId, address: Ipv4Address) -> Option<usize> {
        self.probe(port, address)
            .find(|&at| matches!(self.slots[at].0, Some(n) if n.port == port && n.address == address))
    }

    /// A free slot for the neighbour, or that of the stalest.
    fn vacancy(&self, now: Instant, port: PortId, address: Ipv4Address) -> Option<usize> {
        let free = self.probe(port, address).find(|&at| self.slots[at].0.is_none());
        // Those whose confirmation ran out, and those who did not answer and may be asked again.
        let stale = |n: &Neighbor| {
            if n.mac.is_some() { n.confirmed_until <= now } else { n.asked == 0 && n.next_request <= now }
        };
        free.or_else(|| {
            self.probe(port, address)
                .filter_map(|at| self.slots[at].0.map(|n| (n, at)))
                .filter(|(n, _)| stale(n))
                .min_by_key(|(n, _)| n.confirmed_until)
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
            let Some(at) = self.vacancy(now, port, address) else { return Lookup::Full };
            self.slots[at] = NeighborSlot(Some(Neighbor {
                port,
                address,
                mac: None,
                confirmed_until: now,
                asked: 1,
                next_request: now + limits.arp_interval,
            }));
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
        let Some(at) = known.or_else(|| if add { self.vacancy(now, port, address) } else { None }) else {
            return false;
        };
        self.slots[at] = NeighborSlot(Some(Neighbor {
            port,
            address,
            mac: Some(mac),
            confirmed_until: now + limits.neighbor_lifetime,
            asked: 0,
            next_request: now,
        }));
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
        let mut table = NeighborTable::new(vec![NeighborSlot::default(); 16].leak().into());
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
        let mut table = NeighborTable::new(vec![NeighborSlot::default(); 16].leak().into());
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
    fn a_full_neighbourhood_is_named_and_the_stalest_makes_room() {
        let limits = Limits::default();
        let mut table = NeighborTable::new(vec![NeighborSlot::default(); 2].leak().into());
        let now = Instant::from_secs(1);
        assert!(table.learn(now, PORT, host(1), MAC, true, &limits));
        assert!(table.learn(now + Duration::from_secs(1), PORT, host(2), MAC, true, &limits));
        assert_eq!(table.lookup(now, PORT, host(3), &limits), Lookup::Full);
        let later = now + limits.neighbor_lifetime;
        assert_eq!(table.lookup(later, PORT, host(3), &limits), Lookup::Wait { ask: true });
        assert_eq!(table.position(PORT, host(1)), None);
    }

    #[test]
    fn those_who_never_answered_make_room_too() {
        let limits = Limits::default();
        let mut table = NeighborTable::new(vec![NeighborSlot::default(); 1].leak().into());
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
