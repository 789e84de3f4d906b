//! Tables for a router under test: heap-backed, of chosen sizes, so that each "full" can be reached.

use managed::ManagedSlice;
pub use stack::Sizes;
use stack::{Allocate, Storage};

/// Sizes that no ordinary test exhausts.
pub const SIZES: Sizes = Sizes {
    routes: 64,
    routes_index: 0,
    neighbors: 64,
    waiting: 16,
    diverts: 256,
    flows: 256,
    rules: 256,
    candidates: 32,
    transmit: 64,
    events: 256,
    echoes: 4,
    status: 2,
    reassembly: 4,
};

struct Heap;

impl Allocate for Heap {
    fn table<T>(&mut self, len: usize, empty: fn() -> T) -> ManagedSlice<'static, T> {
        (0..len).map(|_| empty()).collect::<Vec<_>>().into()
    }
}

/// Storage of these sizes.
pub fn storage(sizes: Sizes) -> Storage<'static> {
    Storage::allocate(&sizes, &mut Heap)
}
