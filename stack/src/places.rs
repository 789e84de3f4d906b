//! Where an entry of a hash table may be: in either of two places of eight slots (Azar et al., *Balanced Allocations*,
//! 1994). What is full then is full; nothing is moved.

/// Slots of one place.
pub(crate) const WAYS: usize = 8;

/// The first slots of an entry's two places, in a table of so many slots. Each half of the hash chooses one, evenly for any
/// number of places. `None`: the table has no place.
#[inline]
pub(crate) const fn places(hash: u64, slots: usize) -> Option<[usize; 2]> {
    let places = (slots / WAYS) as u64;
    if places == 0 {
        return None;
    }
    let first = ((hash >> 32) * places) >> 32;
    let second = ((hash & 0xffff_ffff) * places) >> 32;
    Some([first as usize * WAYS, second as usize * WAYS])
}
