//! A host's tables: the same as a microcontroller's, only larger and owned.

use managed::ManagedSlice;
use stack::{Allocate, Limits, Sizes, Storage};

/// Routes that each table holds.
pub const ROUTES: usize = 4096;
/// Flows of diverted frames that are remembered, unless the configuration says otherwise: 5 MB.
pub const FLOWS: usize = 1 << 17;
/// Packets that may wait for neighbours, over all ports.
pub const WAITING: usize = 256;

struct Heap;

impl Allocate for Heap {
    fn table<T>(&mut self, len: usize, empty: fn() -> T) -> ManagedSlice<'static, T> {
        (0..len).map(|_| empty()).collect::<Vec<_>>().into()
    }
}

/// How long each table is that fits these limits and so many flows.
pub const fn sizes(limits: &Limits, flows: usize) -> Sizes {
    Sizes {
        routes: ROUTES,
        routes_index: 0,
        neighbors: 1024,
        waiting: WAITING,
        diverts: limits.divert_queue + limits.divert_outstanding,
        flows,
        transmit: 1024,
        events: 4096,
        echoes: 64,
        status: 4,
        reassembly: 64,
    }
}

/// Storage that fits these limits; allocated once, at start.
pub fn storage(limits: &Limits, flows: usize) -> Storage<'static> {
    Storage::allocate(&sizes(limits, flows), &mut Heap)
}
