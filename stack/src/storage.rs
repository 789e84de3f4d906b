//! The caller's storage for every table of a router, and how large each table is.

use crate::divert::{DivertSlot, FlowSlot};
use crate::event::Event;
use crate::forward::{NeighborSlot, RouteSlot, TxSlot, WaitSlot};
use crate::host::{HostStorage, ReassemblySlot, TcpStorage};
use crate::rules::{CandidateSlot, RuleHot, RuleSlot};
use managed::ManagedSlice;
use smoltcp::iface::SocketStorage;
use smoltcp::socket::udp::PacketMetadata;
use smoltcp::wire::{Ipv4Address, Ipv6Address};

/// Storage for every table of a router. Each length is that table's bound.
#[derive(Debug)]
pub struct Storage<'a> {
    /// IPv4 routes; the connected networks take one each.
    pub routes: ManagedSlice<'a, RouteSlot<Ipv4Address>>,
    /// Makes looking them up quicker: see [`crate::forward::RouteTable`].
    pub routes_index: ManagedSlice<'a, u32>,
    /// IPv6 routes; the connected networks take one each.
    pub routes_v6: ManagedSlice<'a, RouteSlot<Ipv6Address>>,
    /// Makes looking them up quicker: see [`crate::forward::RouteTable`].
    pub routes_v6_index: ManagedSlice<'a, u32>,
    /// IPv4 neighbours, over all ports.
    pub neighbors: ManagedSlice<'a, NeighborSlot<Ipv4Address>>,
    /// IPv6 neighbours, over all ports.
    pub neighbors_v6: ManagedSlice<'a, NeighborSlot<Ipv6Address>>,
    /// Packets that wait for a neighbour.
    pub waiting: ManagedSlice<'a, WaitSlot>,
    /// Diverted frames, queued and outstanding.
    pub diverts: ManagedSlice<'a, DivertSlot>,
    /// Flows whose frames were diverted. With none, no diverted frame has a summary of its flow.
    pub flows: ManagedSlice<'a, FlowSlot>,
    /// Exception rules. With fewer than 8, there are none.
    pub rules: ManagedSlice<'a, RuleSlot>,
    /// As many as `rules`: what a hit reads and writes of them.
    pub rule_hot: ManagedSlice<'a, RuleHot>,
    /// As many as `rules`: makes finding them quick.
    pub rule_tags: ManagedSlice<'a, u32>,
    /// Classes for which answers are being compared. With none, no rule is learnt.
    pub candidates: ManagedSlice<'a, CandidateSlot>,
    /// Frames to be transmitted.
    pub transmit: ManagedSlice<'a, TxSlot>,
    /// Events to be polled.
    pub events: ManagedSlice<'a, Option<Event>>,
    /// The local host.
    pub host: HostStorage<'a>,
}

/// How long each table is. A caller with a heap hands it to [`Storage::allocate`].
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Routes of each family.
    pub routes: usize,
    /// Entries that make lookups quicker, for each family: see [`crate::forward::RouteTable`].
    pub routes_index: usize,
    /// Neighbours of each family, over all ports.
    pub neighbors: usize,
    /// Packets waiting for a neighbour.
    pub waiting: usize,
    /// Diverted frames.
    pub diverts: usize,
    /// Flows that are remembered, at most: a multiple of 8, and twice what is expected at once.
    pub flows: usize,
    /// Exception rules, at most: a multiple of 8, and twice what is expected at once.
    pub rules: usize,
    /// Classes for which answers are being compared at once.
    pub candidates: usize,
    /// Frames to be transmitted.
    pub transmit: usize,
    /// Events.
    pub events: usize,
    /// Datagrams that the echo service may have in hand, each way.
    pub echoes: usize,
    /// Connections to the status page, up to [`crate::host::STATUS_CONNECTIONS`].
    pub status: usize,
    /// Datagrams to the router that are being put together.
    pub reassembly: usize,
}

/// Where tables come from: a heap, or an arena.
pub trait Allocate {
    /// A table of `len` entries, each made by `empty`.
    fn table<T>(&mut self, len: usize, empty: fn() -> T) -> ManagedSlice<'static, T>;
}

/// Bytes of an echoed datagram, on average.
const ECHO_BYTES: usize = 1500;
/// Bytes of a request for the status page that are read at once.
const REQUEST_BYTES: usize = 1024;
/// Bytes of the longest status page.
const PAGE_BYTES: usize = 16 * 1024;

impl Storage<'static> {
    /// Storage of these sizes.
    pub fn allocate(sizes: &Sizes, from: &mut impl Allocate) -> Self {
        let status = (0..sizes.status.min(crate::host::STATUS_CONNECTIONS))
            .map(|_| TcpStorage { rx: from.table(REQUEST_BYTES, || 0), tx: from.table(PAGE_BYTES, || 0) })
            .collect();
        Self {
            routes: from.table(sizes.routes, || RouteSlot::EMPTY),
            routes_index: from.table(sizes.routes_index, || 0),
            routes_v6: from.table(sizes.routes, || RouteSlot::EMPTY),
            routes_v6_index: from.table(sizes.routes_index, || 0),
            neighbors: from.table(sizes.neighbors, || NeighborSlot::EMPTY),
            neighbors_v6: from.table(sizes.neighbors, || NeighborSlot::EMPTY),
            waiting: from.table(sizes.waiting, || WaitSlot::EMPTY),
            diverts: from.table(sizes.diverts, || DivertSlot::EMPTY),
            flows: from.table(sizes.flows, || FlowSlot::EMPTY),
            rules: from.table(sizes.rules, || RuleSlot::EMPTY),
            rule_hot: from.table(sizes.rules, || RuleHot::EMPTY),
            rule_tags: from.table(sizes.rules, || 0),
            candidates: from.table(sizes.candidates, || CandidateSlot::EMPTY),
            transmit: from.table(sizes.transmit, || TxSlot::EMPTY),
            events: from.table(sizes.events, || None),
            host: HostStorage {
                sockets: from.table(1 + sizes.status, || SocketStorage::EMPTY),
                udp_rx_meta: from.table(sizes.echoes, || PacketMetadata::EMPTY),
                udp_rx: from.table(sizes.echoes * ECHO_BYTES, || 0),
                udp_tx_meta: from.table(sizes.echoes, || PacketMetadata::EMPTY),
                udp_tx: from.table(sizes.echoes * ECHO_BYTES, || 0),
                status,
                reassembly: from.table(sizes.reassembly, || ReassemblySlot::EMPTY),
            },
        }
    }
}
