//! Tables for a router under test: heap-backed, of chosen sizes, so that each "full" can be reached.

use managed::ManagedSlice;
use smoltcp::iface::SocketStorage;
use smoltcp::socket::udp::PacketMetadata;
use stack::Storage;
use stack::divert::DivertSlot;
use stack::forward::{NeighborSlot, TxSlot, WaitSlot};
use stack::host::HostStorage;

/// How long each table is.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Routes.
    pub routes: usize,
    /// Neighbours.
    pub neighbors: usize,
    /// Packets waiting for a neighbour.
    pub waiting: usize,
    /// Diverted frames.
    pub diverts: usize,
    /// Frames to be transmitted.
    pub transmit: usize,
    /// Events.
    pub events: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { routes: 64, neighbors: 64, waiting: 16, diverts: 256, transmit: 64, events: 256 }
    }
}

fn table<T: Clone>(empty: T, len: usize) -> ManagedSlice<'static, T> {
    vec![empty; len].into()
}

/// Storage of these sizes.
pub fn storage(sizes: Sizes) -> Storage<'static> {
    Storage {
        routes: table(None, sizes.routes),
        neighbors: table(NeighborSlot::default(), sizes.neighbors),
        waiting: table(WaitSlot::EMPTY, sizes.waiting),
        diverts: table(DivertSlot::EMPTY, sizes.diverts),
        transmit: table(TxSlot::EMPTY, sizes.transmit),
        events: table(None, sizes.events),
        host: HostStorage {
            sockets: vec![SocketStorage::EMPTY, SocketStorage::EMPTY].into(),
            udp_rx_meta: table(PacketMetadata::EMPTY, 4),
            udp_rx: table(0, 4 * 1500),
            udp_tx_meta: table(PacketMetadata::EMPTY, 4),
            udp_tx: table(0, 4 * 1500),
        },
    }
}
