//! The index of a route table: where in it to look for an address.
//!
//! Prefixes cluster: of the addresses' first 16 bits few are used, and some by thousands of routes. So the first
//! bits select a group of buckets, whose number depends on how many routes begin with them, and the bits that
//! follow select one bucket of it. A bucket is a range of few positions, whatever the distribution.

use super::RouteSlot;
use crate::wire::{Address, Key};
use core::ops::Range;
use managed::ManagedSlice;

/// More bits would not select better, but take room.
const MAX_ROOT_BITS: u32 = 16;
/// No group has more buckets than two to the power of this.
const MAX_GROUP_BITS: u32 = 31;

/// Positions in the sorted routes by the first bits of an address.
#[derive(Debug)]
pub(super) struct Index<'a> {
    /// First 2^`root_bits` + 1 numbers: where the group's buckets begin in `words`. Then the buckets: how many
    /// routes have a network below this bucket. All empty: there is no index.
    words: ManagedSlice<'a, u32>,
    root_bits: u32,
    /// Routes when it was last rebuilt.
    built_for: usize,
}

impl<'a> Index<'a> {
    pub(super) fn new<A: Address>(words: ManagedSlice<'a, u32>) -> Self {
        // A quarter for the groups, the rest for their buckets, of which each group has at least one.
        let root_bits = (words.len() / 4).checked_ilog2().map_or(0, |bits| bits.min(MAX_ROOT_BITS));
        let words = if words.len() < 8 { ManagedSlice::Borrowed(&mut []) } else { words };
        let mut index = Self { words, root_bits, built_for: 0 };
        index.rebuild::<A>(&[]);
        index
    }

    /// The bucket of an address, as a place in `words`.
    #[inline(always)]
    fn bucket<K: Key>(&self, key: K) -> Option<usize> {
        let group = key.window(0, self.root_bits);
        let &[first, next] = self.words.get(group..group + 2)? else { return None };
        // A group has 2^n buckets.
        let bits = (next - first).trailing_zeros();
        Some(first as usize + key.window(self.root_bits, bits))
    }

    /// The positions to search, among `len`: every route before them has a network below `key`, or equal to
    /// it, and every route after them one above.
    #[inline(always)]
    pub(super) fn range<K: Key>(&self, key: K, len: usize) -> Range<usize> {
        let found = self.bucket(key).and_then(|bucket| self.words.get(bucket..bucket + 2));
        match found {
            Some(&[start, end]) => start as usize..end as usize,
            _ => 0..len,
        }
    }

    /// Makes the index anew for these routes.
    pub(super) fn rebuild<A: Address>(&mut self, slots: &[RouteSlot<A>]) {
        if self.words.is_empty() {
            return;
        }
        self.built_for = slots.len();
        let groups = 1 << self.root_bits;
        // One bucket for each group, and the end of the last, are not to be shared out.
        let spare = self.words.len().min(u32::MAX as usize) - 2 * groups - 2;
        let most = MAX_GROUP_BITS.min(u32::from(A::BITS) - self.root_bits);
        let (mut place, mut position) = (groups + 1, 0);
        for group in 0..groups {
            let inside = |slot: &RouteSlot<A>| slot.network.window(0, self.root_bits) == group;
            let count = slots[position..].partition_point(inside);
            let share = spare as u64 * count as u64 / slots.len().max(1) as u64;
            let bits = share.checked_ilog2().unwrap_or(0).min(most);
            self.words[group] = place as u32;
            let end = position + count;
            for bucket in 0..1 << bits {
                self.words[place] = position as u32;
                let below = |slot: &&RouteSlot<A>| slot.network.window(self.root_bits, bits) <= bucket;
                position += slots[position..end].iter().take_while(below).count();
                place += 1;
            }
        }
        self.words[groups] = place as u32;
        self.words[place] = position as u32;
    }

    /// A route with this network came in: every later position is one higher.
    pub(super) fn inserted<A: Address>(&mut self, network: A::Key, slots: &[RouteSlot<A>]) {
        if slots.len() / 2 > self.built_for {
            return self.rebuild(slots);
        }
        for start in self.after(network) {
            *start += 1;
        }
    }

    /// A route with this network went: every later position is one lower.
    pub(super) fn removed<K: Key>(&mut self, network: K) {
        for start in self.after(network) {
            *start -= 1;
        }
    }

    /// The buckets after this network's, and the end of the last.
    fn after<K: Key>(&mut self, network: K) -> &mut [u32] {
        let Some(bucket) = self.bucket(network) else { return &mut [] };
        let end = self.words[1 << self.root_bits] as usize;
        &mut self.words[bucket + 1..=end]
    }
}
