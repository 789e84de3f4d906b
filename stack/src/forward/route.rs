//! The forwarding table: longest-prefix match over caller-supplied storage, for IPv4 and IPv6.
//! Read first: RFC 1812 §5.2.4.

mod gateways;
mod index;
#[cfg(test)]
mod tests;

use crate::config::{ConfigError, PortId};
use crate::wire::{Address, Key};
use gateways::Gateways;
use index::Index;
use managed::ManagedSlice;

/// Where a route leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target<A> {
    /// The destinations are on the link themselves.
    OnLink,
    /// To this router, which is on the link.
    Via(A),
    /// Nowhere: the sender is told that the host is unreachable.
    Unreachable,
    /// Nowhere: the sender is told that this is forbidden.
    Prohibited,
    /// Nowhere, and the sender is told nothing.
    Blackhole,
}

impl<A> Target<A> {
    /// Does it lead to a port? If not, the route's port has no meaning.
    pub const fn is_forwarding(&self) -> bool {
        matches!(self, Self::OnLink | Self::Via(_))
    }
}

/// One route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Route<A: Address> {
    /// Destinations that it serves. A table keeps the network, without host bits.
    pub prefix: A::Cidr,
    /// Where they are sent.
    pub target: Target<A>,
    /// Egress port; without meaning where the target is nowhere.
    pub port: PortId,
}

/// Storage for one route: 16 bytes for IPv4, 48 for IPv6.
#[derive(Debug, Clone, Copy)]
pub struct RouteSlot<A: Address> {
    network: A::Key,
    /// Position of the longest prefix that encloses this one, or [`NONE`].
    parent: u32,
    target: Target<A>,
    length: u8,
    port: PortId,
}

/// No position: beyond every table.
const NONE: u32 = u32::MAX;

impl<A: Address> RouteSlot<A> {
    /// An empty slot.
    pub const EMPTY: Self =
        Self { network: A::Key::ZERO, parent: NONE, target: Target::Blackhole, length: 0, port: PortId(0) };

    fn new(route: Route<A>) -> Self {
        let (address, length) = A::split(route.prefix);
        let network = address.key().network(length);
        Self { network, parent: NONE, target: route.target, length, port: route.port }
    }

    #[inline]
    fn route(&self) -> Route<A> {
        let prefix = A::from_key(self.network).with_prefix(self.length);
        Route { prefix, target: self.target, port: self.port }
    }

    /// By what the table is sorted; a prefix follows all that enclose it.
    #[inline]
    const fn rank(&self) -> (A::Key, u8) {
        (self.network, self.length)
    }

    #[inline]
    fn contains(&self, key: A::Key) -> bool {
        self.network.agrees(key, self.length)
    }
}

impl<A: Address> Default for RouteSlot<A> {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// Routes, sorted by network and then by prefix length.
///
/// A lookup finds the last route whose network is not beyond the destination. If that does not contain the
/// destination, some prefix that encloses it does, or else there is no route.
///
/// An index of any length makes lookups faster by the memory reads of a binary search. Leave it empty below some
/// hundred routes, as on a microcontroller; give it one number (4 bytes) for each 1 to 4 routes above.
/// Fewer than 8 numbers are none.
#[derive(Debug)]
pub struct RouteTable<'a, A: Address> {
    slots: ManagedSlice<'a, RouteSlot<A>>,
    len: usize,
    index: Index<'a>,
    gateways: Gateways<A>,
}

impl<'a, A: Address> RouteTable<'a, A> {
    /// An empty table that holds as many routes as `slots`, 2^32 - 1 at most.
    pub(crate) fn new(mut slots: ManagedSlice<'a, RouteSlot<A>>, index: ManagedSlice<'a, u32>) -> Self {
        slots.fill(RouteSlot::EMPTY);
        Self { slots, len: 0, index: Index::new::<A>(index), gateways: Gateways::new() }
    }

    /// The route to `destination` with the longest prefix.
    pub fn lookup(&self, destination: A) -> Option<Route<A>> {
        self.find(destination).map(RouteSlot::route)
    }

    /// Where the longest matching prefix leads: its port and its target.
    #[inline(always)]
    pub(crate) fn way(&self, destination: A) -> Option<(PortId, Target<A>)> {
        self.find(destination).map(|slot| (slot.port, slot.target))
    }

    #[inline(always)]
    fn find(&self, destination: A) -> Option<&RouteSlot<A>> {
        let key = destination.key();
        let slots = self.used();
        let range = self.index.range(key, slots.len());
        let start = range.start;
        let below = slots.get(range)?.partition_point(|slot| slot.network <= key);
        // One before the first is beyond the last, as `NONE` is.
        let mut at = (start + below).wrapping_sub(1);
        loop {
            let slot = slots.get(at)?;
            if slot.contains(key) {
                return Some(slot);
            }
            at = slot.parent as usize;
        }
    }

    /// Every route, by network and then by prefix length.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Route<A>> {
        self.used().iter().map(RouteSlot::route)
    }

    /// How many routes there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Is there no route?
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    fn used(&self) -> &[RouteSlot<A>] {
        self.slots.get(..self.len).unwrap_or_default()
    }

    /// How many routes there can be; [`NONE`] must stay beyond them.
    fn capacity(&self) -> usize {
        self.slots.len().min(NONE as usize)
    }

    /// Adds a route; one with the same prefix is replaced. Time is linear in the number of routes.
    ///
    /// # Errors
    /// [`ConfigError::RouteTableFull`].
    pub(crate) fn insert(&mut self, route: Route<A>) -> Result<(), ConfigError> {
        let mut new = RouteSlot::new(route);
        let at = match self.used().binary_search_by_key(&new.rank(), RouteSlot::rank) {
            Ok(same) => {
                let slot = &mut self.slots[same];
                let old = core::mem::replace(&mut slot.target, new.target);
                slot.port = new.port;
                self.count_gateway(old, Gateways::sub);
                self.count_gateway(new.target, Gateways::add);
                return Ok(());
            }
            Err(at) => at,
        };
        if self.len == self.capacity() {
            return Err(ConfigError::RouteTableFull);
        }
        new.parent = enclosing(&self.slots[..at], &new);
        self.slots.copy_within(at..self.len, at + 1);
        self.slots[at] = new;
        self.len += 1;
        let position = at as u32;
        for slot in &mut self.slots[at + 1..self.len] {
            if slot.parent != NONE && slot.parent >= position {
                slot.parent += 1;
            }
        }
        let inside = self.slots[at + 1..self.len].iter_mut().take_while(|slot| new.contains(slot.network));
        for slot in inside.filter(|slot| slot.parent == new.parent) {
            slot.parent = position;
        }
        self.index.inserted(new.network, &self.slots[..self.len]);
        self.count_gateway(new.target, Gateways::add);
        Ok(())
    }

    /// Takes the route with this prefix out; says whether there was one. Time is linear in the number of routes.
    pub(crate) fn remove(&mut self, prefix: A::Cidr) -> bool {
        let (address, length) = A::split(prefix);
        let rank = (address.key().network(length), length);
        let Ok(at) = self.used().binary_search_by_key(&rank, RouteSlot::rank) else { return false };
        let (old, position) = (self.slots[at], at as u32);
        self.slots.copy_within(at + 1..self.len, at);
        self.len -= 1;
        self.slots[self.len] = RouteSlot::EMPTY;
        for slot in &mut self.slots[at..self.len] {
            if slot.parent == position {
                slot.parent = old.parent;
            } else if slot.parent != NONE && slot.parent > position {
                slot.parent -= 1;
            }
        }
        self.index.removed(old.network);
        self.count_gateway(old.target, Gateways::sub);
        true
    }

    /// Adds many routes in one sort. Of routes with the same prefix the last one stays. Until then each takes a
    /// slot, also where it replaces another.
    ///
    /// # Errors
    /// [`ConfigError::RouteTableFull`], or the iterator's own; the table is then as it was before.
    pub(crate) fn extend(
        &mut self,
        routes: impl Iterator<Item = Result<Route<A>, ConfigError>>,
    ) -> Result<(), ConfigError> {
        let mut end = self.len;
        for route in routes {
            if end == self.capacity() {
                return Err(ConfigError::RouteTableFull);
            }
            self.slots[end] = RouteSlot::new(route?);
            end += 1;
        }
        let slots = &mut self.slots[..end];
        for (age, slot) in slots.iter_mut().enumerate() {
            slot.parent = age as u32;
        }
        slots.sort_unstable_by_key(|slot| (slot.network, slot.length, slot.parent));
        self.len = 0;
        for from in 0..end {
            let mut slot = slots[from];
            match slots[..self.len].last() {
                Some(last) if last.rank() == slot.rank() => {
                    slot.parent = last.parent;
                    self.len -= 1;
                }
                _ => slot.parent = enclosing(&slots[..self.len], &slot),
            }
            slots[self.len] = slot;
            self.len += 1;
        }
        slots[self.len..].fill(RouteSlot::EMPTY);
        self.index.rebuild(&self.slots[..self.len]);
        self.gateways = Gateways::new();
        for at in 0..self.len {
            self.count_gateway(self.slots[at].target, Gateways::add);
        }
        Ok(())
    }

    fn count_gateway(&mut self, target: Target<A>, count: fn(&mut Gateways<A>, A)) {
        match target {
            Target::Via(gateway) => count(&mut self.gateways, gateway),
            Target::OnLink | Target::Unreachable | Target::Prohibited | Target::Blackhole => {}
        }
    }

    /// Does any route lead to another router?
    #[inline]
    pub(crate) fn has_gateways(&self) -> bool {
        !self.gateways.is_empty()
    }

    /// Does a route lead to `address` as the next router? Where routes lead to more routers than are listed, every address
    /// on a link may be one.
    pub(crate) fn is_gateway(&self, address: A) -> bool {
        self.gateways.iter().any(|gateway| gateway == address)
            || (self.gateways.has_more()
                && self.find(address).is_some_and(|slot| matches!(slot.target, Target::OnLink)))
    }

    /// Do routes lead to more routers than are listed?
    pub(crate) const fn has_unlisted_gateways(&self) -> bool {
        self.gateways.has_more()
    }

    /// The next routers that are listed: see [`Self::is_gateway`].
    pub(crate) fn gateways(&self) -> impl Iterator<Item = A> {
        self.gateways.iter()
    }
}

/// The position of the longest prefix that encloses `slot`, among those that come before it.
///
/// When slots are appended in order, each step climbs out of a prefix for good: the steps are fewer than the slots.
fn enclosing<A: Address>(before: &[RouteSlot<A>], slot: &RouteSlot<A>) -> u32 {
    let mut at = before.len().wrapping_sub(1);
    while let Some(candidate) = before.get(at) {
        if candidate.contains(slot.network) {
            return at as u32;
        }
        at = candidate.parent as usize;
    }
    NONE
}
