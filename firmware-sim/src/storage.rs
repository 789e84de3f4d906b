//! A host's tables: the same as a microcontroller's, only larger and owned.

use managed::ManagedSlice;
use stack::{Allocate, Limits, Sizes, Storage};

/// Routes that each table holds.
pub const ROUTES: usize = 4096;
/// Packets that may wait for neighbours, over all ports.
pub const WAITING: usize = 256;

struct Heap;

impl Allocate for Heap {
    fn table<T>(&mut self, len: usize, empty: fn() -> T) -> ManagedSlice<'static, T> {
        (0..len).map(|_| empty()).collect::<Vec<_>>().into()
    }
}

/// Storage that fits these limits; allocated once, at start.
pub fn storage(limits: &Limits) -> Storage<'static> {
    let sizes = Sizes {
        routes: ROUTES,
        routes_index: 0,
        neighbors: 1024,
        waiting: WAITING,
        diverts: limits.divert_queue + limits.divert_outstanding,
        transmit: 1024,
        events: 4096,
        echoes: 64,
        status: 4,
        reassembly: 64,
    };
    Storage::allocate(&sizes, &mut Heap)
}
