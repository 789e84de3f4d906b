//! The neighbour table: who has which MAC address, and whom to ask when.
//! Read first: RFC 826, RFC 1122 §2.3.2; RFC 4861 §7.2, §7.3 (Appendix C has the states as one table).

use crate::config::{Limits, PortId};
use crate::wire::{Address, Key};
use managed::ManagedSlice;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::EthernetAddress;

/// Slots that an address may take: a probe sequence of this length, then "full".
const PROBE: usize = 8;

/// One neighbour.
///
/// | RFC 4861 §7.3.2 | here |
/// |---|---|
/// | incomplete | no `mac`, `asked` > 0 |
/// | reachable | `mac`, confirmed until later |
/// | stale | `mac`, no longer (or never) confirmed, `asked` = 0 |
/// | delay, probe | `mac`, not confirmed, `asked` > 0: the first use asks at once |
#[derive(Debug, Clone, Copy)]
struct Neighbor<A> {
    port: PortId,
    address: A,
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
#[derive(Debug, Clone, Copy)]
pub struct NeighborSlot<A>(Option<Neighbor<A>>);

impl<A> NeighborSlot<A> {
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
        /// Send an ARP request (a unicast Neighbor Solicitation) to confirm it, too.
        ask: bool,
    },
    /// The packet must wait; `ask`: send an ARP request (Neighbor Solicitation) now.
    Wait {
        /// Send a request.
        ask: bool,
    },
    /// It did not answer, and it is too early to ask again.
    Failed,
    /// No slot is free for this neighbour.
    Full,
}

/// What a timeout asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due<A> {
    /// Ask again for this neighbour; its last known MAC address is to be confirmed.
    Ask(PortId, A, Option<EthernetAddress>),
    /// This neighbour did not answer.
    Unreachable(PortId, A),
}

/// What a Neighbor Advertisement says (RFC 4861 §4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Advertised {
    pub(crate) mac: Option<EthernetAddress>,
    pub(crate) solicited: bool,
    pub(crate) override_: bool,
}

/// All neighbours of one address family, over all ports.
#[derive(Debug)]
pub struct NeighborTable<'a, A> {
    slots: ManagedSlice<'a, NeighborSlot<A>>,
    /// Each port has this many slots of its own, so that no scan on one keeps the neighbours of another out.
    port_share: usize,
    /// Keys the hash, so that nobody can aim at the slots of others.
    salt: u32,
    /// From [`Limits`].
    interval: Duration,
    lifetime: Duration,
    attempts: u8,
    /// The earliest instant at which an unanswered request needs attention.
    due_at: Option<Instant>,
}

impl<'a, A: Address> NeighborTable<'a, A> {
    pub(crate) fn new(
        mut slots: ManagedSlice<'a, NeighborSlot<A>>,
        port_count: usize,
        secret: u64,
        limits: &Limits,
    ) -> Self {
        slots.fill(NeighborSlot(None));
        let port_share = slots.len() / port_count.max(1);
        let salt = (secret ^ (secret >> 32)) as u32 | 1;
        Self {
            slots,
            port_share,
            salt,
            interval: limits.arp_interval,
            lifetime: limits.neighbor_lifetime,
            attempts: limits.arp_attempts,
            due_at: None,
        }
    }

    /// Every resolved neighbour.
    pub fn iter(&self) -> impl Iterator<Item = (PortId, A, EthernetAddress)> {
        self.slots.iter().filter_map(|slot| slot.0).filter_map(|n| Some((n.port, n.address, n.mac?)))
    }

    #[inline(always)]
    fn probe(&self, port: PortId, address: A) -> impl Iterator<Item = usize> {
        let len = self.port_share;
        let mixed = address.key().digest().wrapping_mul(0x9e37_79b1);
        let hash = (mixed ^ (mixed >> 16)).wrapping_mul(self.salt);
        // Scales the hash to the share without a division, which would cost more than the rest.
        let start = ((u64::from(hash) * len as u64) >> 32) as usize;
        let region = port.index() * len;
        (0..PROBE.min(len))
            .map(move |step| region + if start + step < len { start + step } else { start + step - len })
    }

    #[inline(always)]
    fn position(&self, port: PortId, address: A) -> Option<usize> {
        self.probe(port, address)
            .find(|&at| matches!(&self.slots[at].0, Some(n) if n.address == address && n.port == port))
    }

    /// A free slot for the neighbour, or that of one who did not answer, or else of the stalest.
    ///
    /// Whoever has not been `heard` of may take only every second slot, so that a scan of a network, which
    /// asks for thousands who are not there, keeps no host out that speaks up by itself.
    fn vacancy(&self, now: Instant, port: PortId, address: A, heard: bool) -> Option<usize> {
        let region = port.index() * self.port_share;
        let usable = |at: &usize| heard || (at - region).is_multiple_of(2);
        let free = self.probe(port, address).filter(usable).find(|&at| self.slots[at].0.is_none());
        // Those whose confirmation ran out, and those who did not answer and may be asked again.
        let stale = |n: &Neighbor<A>| {
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
    pub(crate) fn known(&self, port: PortId, address: A) -> Option<EthernetAddress> {
        self.slots[self.position(port, address)?].0?.mac
    }

    /// The port behind which this neighbour was last heard of.
    pub(crate) fn port_of(&self, address: A) -> Option<PortId> {
        self.iter().find(|(_, known, _)| *known == address).map(|(port, _, _)| port)
    }

    /// The MAC address of a next hop that needs no confirmation.
    #[inline(always)]
    pub(crate) fn known_good(&self, now: Instant, port: PortId, address: A) -> Option<EthernetAddress> {
        let neighbor = self.slots[self.position(port, address)?].0.as_ref()?;
        if now < neighbor.confirmed_until { neighbor.mac } else { None }
    }

    /// The MAC address of a next hop, or what to do to get it.
    pub fn lookup(&mut self, now: Instant, port: PortId, address: A) -> Lookup {
        match self.known_good(now, port, address) {
            Some(mac) => Lookup::Use { mac, ask: false },
            None => self.resolve(now, port, address),
        }
    }

    /// [`NeighborTable::lookup`] for whoever is not confirmed.
    fn resolve(&mut self, now: Instant, port: PortId, address: A) -> Lookup {
        let Some(at) = self.position(port, address) else {
            let Some(at) = self.vacancy(now, port, address, false) else { return Lookup::Full };
            let next_request = now + self.interval;
            let neighbor =
                Neighbor { port, address, mac: None, confirmed_until: now, asked: 1, next_request };
            self.slots[at] = NeighborSlot(Some(neighbor));
            self.note_due(now + self.interval);
            return Lookup::Wait { ask: true };
        };
        let Some(neighbor) = &mut self.slots[at].0 else { return Lookup::Full };
        let may_ask = neighbor.asked == 0 && now >= neighbor.next_request;
        let answer = match neighbor.mac {
            // Unconfirmed: use it while asking, as Linux's STALE and PROBE do.
            Some(mac) => Lookup::Use { mac, ask: may_ask },
            None if neighbor.asked == 0 && !may_ask => return Lookup::Failed,
            None => Lookup::Wait { ask: may_ask },
        };
        if may_ask {
            neighbor.asked = 1;
            neighbor.next_request = now + self.interval;
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
        address: A,
        mac: EthernetAddress,
        add: bool,
    ) -> bool {
        let known = self.position(port, address);
        let Some(at) = known.or_else(|| if add { self.vacancy(now, port, address, true) } else { None })
        else {
            return false;
        };
        self.put(at, now, port, address, mac, now + self.lifetime);
        true
    }

    fn put(
        &mut self,
        at: usize,
        now: Instant,
        port: PortId,
        address: A,
        mac: EthernetAddress,
        until: Instant,
    ) {
        let neighbor =
            Neighbor { port, address, mac: Some(mac), confirmed_until: until, asked: 0, next_request: now };
        self.slots[at] = NeighborSlot(Some(neighbor));
    }

    /// A solicitation names the sender's MAC address: it is used, but not confirmed (RFC 4861 §7.2.3). Says
    /// whether the address is usable now.
    pub(crate) fn hear(&mut self, now: Instant, port: PortId, address: A, mac: EthernetAddress) -> bool {
        let known = self.position(port, address);
        if let Some(at) = known
            && self.slots[at].0.is_some_and(|n| n.mac == Some(mac))
        {
            return true;
        }
        let Some(at) = known.or_else(|| self.vacancy(now, port, address, true)) else { return false };
        self.put(at, now, port, address, mac, now);
        true
    }

    /// Takes an advertisement, as RFC 4861 §7.2.5 says. `Some`: this address may be used from now on.
    pub(crate) fn advertised(
        &mut self,
        now: Instant,
        port: PortId,
        address: A,
        heard: Advertised,
    ) -> Option<EthernetAddress> {
        // Nobody asked for it: there is no entry to update, and none is made.
        let at = self.position(port, address)?;
        let neighbor = self.slots[at].0.as_mut()?;
        let until = if heard.solicited { now + self.lifetime } else { now };
        let Some(mac) = neighbor.mac else {
            let mac = heard.mac?;
            self.put(at, now, port, address, mac, until);
            return Some(mac);
        };
        let other = heard.mac.is_some_and(|heard| heard != mac);
        if other && !heard.override_ {
            // Somebody else claims the address: what is known is used, but must be confirmed.
            neighbor.confirmed_until = neighbor.confirmed_until.min(now);
            return None;
        }
        if heard.solicited || other {
            let mac = heard.mac.unwrap_or(mac);
            self.put(at, now, port, address, mac, until);
            return Some(mac);
        }
        None
    }

    fn note_due(&mut self, at: Instant) {
        self.due_at = Some(self.due_at.map_or(at, |due| due.min(at)));
    }

    /// When [`NeighborTable::handle_timeout`] has something to do.
    pub(crate) const fn poll_timeout(&self) -> Option<Instant> {
        self.due_at
    }

    /// Takes one neighbour that is due at `now`. Call until `None`.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Option<Due<A>> {
        if self.due_at.is_none_or(|due| due > now) {
            return None;
        }
        let asking = |slot: &NeighborSlot<A>| slot.0.filter(|n| n.asked > 0);
        let due = self.slots.iter_mut().find(|slot| asking(slot).is_some_and(|n| n.next_request <= now));
        let due = due.and_then(|slot| slot.0.as_mut()).map(|neighbor| {
            neighbor.next_request = now + self.interval;
            if neighbor.asked >= self.attempts {
                neighbor.asked = 0;
                neighbor.mac = None;
                Due::Unreachable(neighbor.port, neighbor.address)
            } else {
                neighbor.asked += 1;
                Due::Ask(neighbor.port, neighbor.address, neighbor.mac)
            }
        });
        self.due_at = self.slots.iter().filter_map(asking).map(|n| n.next_request).min();
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smoltcp::wire::{Ipv4Address, Ipv6Address};
    use std::vec;

    const PORT: PortId = PortId(0);
    const MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 9]);

    fn host(last: u8) -> Ipv4Address {
        Ipv4Address::new(10, 0, 0, last)
    }

    #[test]
    fn asks_once_an_interval_then_gives_up_holds_down_and_starts_again() {
        let limits = Limits::default();
        let mut table = NeighborTable::new(vec![NeighborSlot::EMPTY; 32].leak().into(), 2, 0, &limits);
        let mut now = Instant::from_secs(1);
        assert_eq!(table.lookup(now, PORT, host(2)), Lookup::Wait { ask: true });
        assert_eq!(table.lookup(now, PORT, host(2)), Lookup::Wait { ask: false });
        for _ in 1..limits.arp_attempts {
            assert_eq!(table.handle_timeout(now), None);
            now = table.poll_timeout().unwrap();
            assert_eq!(table.handle_timeout(now), Some(Due::Ask(PORT, host(2), None)));
        }
        now = table.poll_timeout().unwrap();
        assert_eq!(table.handle_timeout(now), Some(Due::Unreachable(PORT, host(2))));
        assert_eq!((table.handle_timeout(now), table.poll_timeout()), (None, None));
        assert_eq!(table.lookup(now, PORT, host(2)), Lookup::Failed);
        now += limits.arp_interval;
        assert_eq!(table.lookup(now, PORT, host(2)), Lookup::Wait { ask: true });
    }

    #[test]
    fn learns_uses_confirms_and_forgets() {
        let limits = Limits::default();
        let mut table = NeighborTable::new(vec![NeighborSlot::EMPTY; 32].leak().into(), 2, 0, &limits);
        let mut now = Instant::from_secs(1);
        assert!(!table.learn(now, PORT, host(2), MAC, false), "a stranger's claim to others is not kept");
        assert!(table.learn(now, PORT, host(2), MAC, true));
        assert_eq!(table.lookup(now, PORT, host(2)), Lookup::Use { mac: MAC, ask: false });
        assert_eq!(
            table.lookup(now, PortId(1), host(2)),
            Lookup::Wait { ask: true },
            "neighbours are per port"
        );
        now += limits.neighbor_lifetime;
        assert_eq!(table.lookup(now, PORT, host(2)), Lookup::Use { mac: MAC, ask: true });
        assert_eq!(table.lookup(now, PORT, host(2)), Lookup::Use { mac: MAC, ask: false });
        assert!(table.learn(now, PORT, host(2), MAC, false));
        assert_eq!(
            table.lookup(now + Duration::from_secs(1), PORT, host(2)),
            Lookup::Use { mac: MAC, ask: false }
        );
    }

    #[test]
    fn a_scan_leaves_the_other_port_and_those_who_speak_up_their_share() {
        let limits = Limits::default();
        let slots = vec![NeighborSlot::EMPTY; 256].leak();
        let mut table = NeighborTable::new((&mut *slots).into(), 2, 0x1234_5678_9abc_def1, &limits);
        let now = Instant::from_secs(1);
        let asked =
            (0..=255).filter(|&last| table.lookup(now, PORT, host(last)) == Lookup::Wait { ask: true });
        assert!((48..=64).contains(&asked.count()), "half of the port's half");
        for port in [PORT, PortId(1)] {
            let speaks_up = |last| table.learn(now, port, Ipv4Address::new(10, 0, 1, last), MAC, true);
            assert_eq!((1..=16).map(speaks_up).filter(|&learnt| learnt).count(), 16, "{port}");
        }
    }

    #[test]
    fn a_full_neighbourhood_is_named_and_the_stalest_makes_room() {
        let limits = Limits::default();
        let mut table = NeighborTable::new(vec![NeighborSlot::EMPTY; 2].leak().into(), 1, 0, &limits);
        let now = Instant::from_secs(1);
        assert!(table.learn(now, PORT, host(1), MAC, true));
        assert!(table.learn(now + Duration::from_secs(1), PORT, host(2), MAC, true));
        assert_eq!(table.lookup(now, PORT, host(3)), Lookup::Full);
        let later = now + limits.neighbor_lifetime;
        assert!(table.learn(later, PORT, host(3), MAC, true));
        assert_eq!(table.position(PORT, host(1)), None);
    }

    #[test]
    fn those_who_never_answered_make_room_too() {
        let limits = Limits::default();
        let mut table = NeighborTable::new(vec![NeighborSlot::EMPTY; 1].leak().into(), 1, 0, &limits);
        let mut now = Instant::from_secs(1);
        assert_eq!(table.lookup(now, PORT, host(1)), Lookup::Wait { ask: true });
        while let Some(due) = table.poll_timeout() {
            now = due;
            let _ = table.handle_timeout(now);
        }
        assert_eq!(table.lookup(now, PORT, host(2)), Lookup::Full, "the hold-down still runs");
        now += limits.arp_interval;
        assert_eq!(table.lookup(now, PORT, host(2)), Lookup::Wait { ask: true });
    }

    #[test]
    fn advertisements_change_what_rfc_4861_appendix_c_says_and_no_more() {
        const OTHER: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 10]);
        let limits = Limits::default();
        let address = Ipv6Address::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);
        let now = Instant::from_secs(1);
        let fresh = || NeighborTable::new(vec![NeighborSlot::EMPTY; 8].leak().into(), 1, 0, &limits);
        let heard = |mac, solicited, override_| Advertised { mac, solicited, override_ };
        let reachable = Lookup::Use { mac: MAC, ask: false };

        let mut table = fresh();
        assert_eq!(table.advertised(now, PORT, address, heard(Some(MAC), true, true)), None);
        assert_eq!(table.lookup(now, PORT, address), Lookup::Wait { ask: true }, "nobody had asked");
        assert_eq!(table.advertised(now, PORT, address, heard(None, true, true)), None);
        assert_eq!(table.advertised(now, PORT, address, heard(Some(MAC), true, false)), Some(MAC));
        assert_eq!(table.lookup(now, PORT, address), reachable);

        // Without Override, another address is not taken, but doubted; with it, it is.
        assert_eq!(table.advertised(now, PORT, address, heard(Some(OTHER), true, false)), None);
        assert_eq!(table.lookup(now, PORT, address), Lookup::Use { mac: MAC, ask: true });
        assert_eq!(table.advertised(now, PORT, address, heard(Some(OTHER), false, true)), Some(OTHER));
        assert_eq!(table.lookup(now, PORT, address), Lookup::Use { mac: OTHER, ask: true }, "stale");
        // A solicited one without an address confirms the one that is known.
        assert_eq!(table.advertised(now, PORT, address, heard(None, true, false)), Some(OTHER));
        assert_eq!(table.lookup(now, PORT, address), Lookup::Use { mac: OTHER, ask: false });
        // An unsolicited one with the same address changes nothing.
        let later = now + limits.neighbor_lifetime;
        assert_eq!(table.advertised(later, PORT, address, heard(Some(OTHER), false, true)), None);
        assert_eq!(table.lookup(later, PORT, address), Lookup::Use { mac: OTHER, ask: true });

        // A solicitation is used, and confirmed on the first use; it does not undo a confirmation.
        let mut table = fresh();
        assert!(table.hear(now, PORT, address, MAC));
        assert_eq!(table.lookup(now, PORT, address), Lookup::Use { mac: MAC, ask: true });
        assert_eq!(table.advertised(now, PORT, address, heard(None, true, false)), Some(MAC));
        assert!(table.hear(now, PORT, address, MAC));
        assert_eq!(table.lookup(now, PORT, address), reachable);
        let due = table.poll_timeout().unwrap();
        assert_eq!(table.handle_timeout(due), None, "nothing is left to be asked");
    }
}
