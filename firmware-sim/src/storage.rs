//! A host's tables: the same as a microcontroller's, only larger and owned.

use managed::ManagedSlice;
use stack::{Allocate, Limits, Sizes, Storage};

/// Routes that each table holds.
pub const ROUTES: usize = 4096;
/// Flows of diverted frames that are remembered, unless the configuration says otherwise: 5 MB.
pub const FLOWS: usize = 1 << 17;
/// Exception rules, unless the configuration says otherwise: 6 MB.
pub const RULES: usize = 1 << 14;
/// Classes for which answers are compared at once.
const CANDIDATES: usize = 256;
/// Packets that may wait for neighbours, over all ports.
pub const WAITING: usize = 256;

/// Tables on the heap.
pub(crate) struct Heap;

impl Allocate for Heap {
    fn table<T>(&mut self, len: usize, empty: fn() -> T) -> ManagedSlice<'static, T> {
        (0..len).map(|_| empty()).collect::<Vec<_>>().into()
    }
}

/// How long those tables are whose length is the operator's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tables {
    /// Flows of diverted frames.
    pub flows: usize,
    /// Exception rules.
    pub rules: usize,
}

impl Default for Tables {
    fn default() -> Self {
        Self { flows: FLOWS, rules: RULES }
    }
}

/// How long each table is.
pub const fn sizes(limits: &Limits, Tables { flows, rules }: Tables) -> Sizes {
    Sizes {
        routes: ROUTES,
        routes_index: 0,
        neighbors: 1024,
        waiting: WAITING,
        diverts: limits.divert_queue + limits.divert_outstanding,
        flows,
        rules,
        candidates: CANDIDATES,
        transmit: 1024,
        events: 4096,
        echoes: 64,
        status: 4,
        reassembly: 64,
    }
}

/// Storage that fits these limits; allocated once, at start.
pub fn storage(limits: &Limits, tables: Tables) -> Storage<'static> {
    Storage::allocate(&sizes(limits, tables), &mut Heap)
}
