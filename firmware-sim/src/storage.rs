//! A host's tables: the same as a microcontroller's, only larger and owned.

use managed::ManagedSlice;
use smoltcp::iface::SocketStorage;
use smoltcp::socket::udp::PacketMetadata;
use stack::divert::DivertSlot;
use stack::forward::{NeighborSlot, TxSlot, WaitSlot};
use stack::host::HostStorage;
use stack::{Limits, Storage};

/// Routes that the table holds.
pub const ROUTES: usize = 1024;

fn table<T: Clone>(empty: T, len: usize) -> ManagedSlice<'static, T> {
    vec![empty; len].into()
}

/// Storage that fits these limits; allocated once, at start.
pub fn storage(limits: &Limits) -> Storage<'static> {
    Storage {
        routes: table(None, ROUTES),
        neighbors: table(NeighborSlot::default(), 1024),
        waiting: table(WaitSlot::EMPTY, 256),
        diverts: table(DivertSlot::EMPTY, limits.divert_queue + limits.divert_outstanding),
        transmit: table(TxSlot::EMPTY, 1024),
        events: table(None, 4096),
        host: HostStorage {
            sockets: (0..4).map(|_| SocketStorage::EMPTY).collect::<Vec<_>>().into(),
            udp_rx_meta: table(PacketMetadata::EMPTY, 64),
            udp_rx: table(0, 64 * 1500),
            udp_tx_meta: table(PacketMetadata::EMPTY, 64),
            udp_tx: table(0, 64 * 1500),
        },
    }
}
