//! Proof that `stack` needs neither `std` nor an allocator: a router in static memory forwards one frame, and one more as a
//! rule says.
//!
//! Exits with 0 only if the frame left by the right port with the right bytes. `nm` must find no allocator in it.
#![no_std]
#![no_main]

use core::fmt::Write;
use core::panic::PanicInfo;
use managed::ManagedSlice;
use smoltcp::iface::SocketStorage;
use smoltcp::socket::udp::PacketMetadata;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv4Cidr, Ipv6Address};
use stack::divert::{DivertSlot, Field, FieldValue, FlowSlot};
use stack::forward::{NeighborSlot, RouteSlot, TxSlot, WaitSlot};
use stack::frame::FRAME_MAX;
use stack::host::{HostStorage, ReassemblySlot, TcpStorage};
use stack::rules::{
    CandidateSlot, Content, Edit, Edits, Match, OPERATOR_PRIORITY, RuleAction, RuleHot, RuleOrigin, RuleSlot, RuleSpec,
    Subject,
};
use stack::{
    Anomaly, ClassKey, Config, Direction, Event, FrameBuf, PortConfig, PortId, Router, Storage, Verdict,
};
use static_cell::ConstStaticCell;

const DIVERTS: usize = 16;

static ROUTES: ConstStaticCell<[RouteSlot<Ipv4Address>; 4]> = ConstStaticCell::new([RouteSlot::EMPTY; 4]);
static ROUTES_V6: ConstStaticCell<[RouteSlot<Ipv6Address>; 4]> = ConstStaticCell::new([RouteSlot::EMPTY; 4]);
static NEIGHBORS: ConstStaticCell<[NeighborSlot<Ipv4Address>; 8]> =
    ConstStaticCell::new([NeighborSlot::EMPTY; 8]);
static NEIGHBORS_V6: ConstStaticCell<[NeighborSlot<Ipv6Address>; 8]> =
    ConstStaticCell::new([NeighborSlot::EMPTY; 8]);
static REASSEMBLY: ConstStaticCell<[ReassemblySlot; 1]> = ConstStaticCell::new([ReassemblySlot::EMPTY]);
static PAGE_RX: ConstStaticCell<[u8; 64]> = ConstStaticCell::new([0; 64]);
static PAGE_TX: ConstStaticCell<[u8; 512]> = ConstStaticCell::new([0; 512]);
static WAITING: ConstStaticCell<[WaitSlot; 2]> = ConstStaticCell::new([WaitSlot::EMPTY; 2]);
static DIVERTED: ConstStaticCell<[DivertSlot; DIVERTS]> = ConstStaticCell::new([DivertSlot::EMPTY; DIVERTS]);
static FLOWS: ConstStaticCell<[FlowSlot; 64]> = ConstStaticCell::new([FlowSlot::EMPTY; 64]);
static RULES: ConstStaticCell<[RuleSlot; 8]> = ConstStaticCell::new([RuleSlot::EMPTY; 8]);
static RULE_HOT: ConstStaticCell<[RuleHot; 8]> = ConstStaticCell::new([RuleHot::EMPTY; 8]);
static RULE_TAGS: ConstStaticCell<[u32; 8]> = ConstStaticCell::new([0; 8]);
static CANDIDATES: ConstStaticCell<[CandidateSlot; 2]> = ConstStaticCell::new([CandidateSlot::EMPTY; 2]);
static TRANSMIT: ConstStaticCell<[TxSlot; 4]> = ConstStaticCell::new([TxSlot::EMPTY; 4]);
static EVENTS: ConstStaticCell<[Option<Event>; 8]> = ConstStaticCell::new([None; 8]);
static SOCKETS: ConstStaticCell<[SocketStorage<'static>; 2]> = ConstStaticCell::new([SocketStorage::EMPTY; 2]);
static RX_META: ConstStaticCell<[PacketMetadata; 1]> = ConstStaticCell::new([PacketMetadata::EMPTY]);
static RX: ConstStaticCell<[u8; 512]> = ConstStaticCell::new([0; 512]);
static TX_META: ConstStaticCell<[PacketMetadata; 1]> = ConstStaticCell::new([PacketMetadata::EMPTY]);
static TX: ConstStaticCell<[u8; 512]> = ConstStaticCell::new([0; 512]);

/// The server greets the router: who has 10.0.2.1? Tell 10.0.2.2.
const ARP_REQUEST: [u8; 42] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 2, 2, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 2, 2, 10,
    0, 2, 2, 0, 0, 0, 0, 0, 0, 10, 0, 2, 1,
];

/// The client sends the server a UDP datagram of 2 bytes, TTL 64, in a frame padded to 60 bytes.
const DATAGRAM: [u8; 60] = [
    2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 1, 2, 8, 0, 0x45, 0, 0, 30, 0x12, 0x34, 0, 0, 64, 17, 0x51, 0x98, 10, 0, 1,
    2, 10, 0, 2, 2, 0x03, 0xe8, 0x07, 0xd0, 0, 10, 0, 0, b'h', b'i', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0,
];

/// The same as it must leave: padding gone, TTL 63, the checksum 0x0100 more, new MAC addresses.
const FORWARDED: [u8; 44] = [
    2, 0, 0, 0, 2, 2, 2, 0, 0, 0, 2, 1, 8, 0, 0x45, 0, 0, 30, 0x12, 0x34, 0, 0, 63, 17, 0x52, 0x98, 10, 0, 1,
    2, 10, 0, 2, 2, 0x03, 0xe8, 0x07, 0xd0, 0, 10, 0, 0, b'h', b'i',
];

fn storage() -> Storage<'static> {
    Storage {
        routes: ManagedSlice::Borrowed(ROUTES.take()),
        routes_index: ManagedSlice::Borrowed(&mut []),
        routes_v6: ManagedSlice::Borrowed(ROUTES_V6.take()),
        routes_v6_index: ManagedSlice::Borrowed(&mut []),
        neighbors: ManagedSlice::Borrowed(NEIGHBORS.take()),
        neighbors_v6: ManagedSlice::Borrowed(NEIGHBORS_V6.take()),
        waiting: ManagedSlice::Borrowed(WAITING.take()),
        diverts: ManagedSlice::Borrowed(DIVERTED.take()),
        flows: ManagedSlice::Borrowed(FLOWS.take()),
        rules: ManagedSlice::Borrowed(RULES.take()),
        rule_hot: ManagedSlice::Borrowed(RULE_HOT.take()),
        rule_tags: ManagedSlice::Borrowed(RULE_TAGS.take()),
        candidates: ManagedSlice::Borrowed(CANDIDATES.take()),
        transmit: ManagedSlice::Borrowed(TRANSMIT.take()),
        events: ManagedSlice::Borrowed(EVENTS.take()),
        host: HostStorage {
            sockets: ManagedSlice::Borrowed(SOCKETS.take()),
            udp_rx_meta: ManagedSlice::Borrowed(RX_META.take()),
            udp_rx: ManagedSlice::Borrowed(RX.take()),
            udp_tx_meta: ManagedSlice::Borrowed(TX_META.take()),
            udp_tx: ManagedSlice::Borrowed(TX.take()),
            status: [TcpStorage {
                rx: ManagedSlice::Borrowed(PAGE_RX.take()),
                tx: ManagedSlice::Borrowed(PAGE_TX.take()),
            }]
            .into_iter()
            .collect(),
            reassembly: ManagedSlice::Borrowed(REASSEMBLY.take()),
        },
    }
}

fn config() -> Option<Config> {
    let mut config = Config::new(1);
    // Rate x deadline must fit the arena: 200/s x 50 ms = 10 frames.
    config.limits.divert_rate.per_second = 200;
    config.limits.divert_queue = DIVERTS / 2;
    config.limits.divert_outstanding = DIVERTS / 2;
    for net in [1, 2] {
        let mut addresses = heapless::Vec::new();
        addresses.push(Ipv4Cidr::new(Ipv4Address::new(10, 0, net, 1), 24)).ok()?;
        let mac = EthernetAddress([2, 0, 0, 0, net, 1]);
        config.ports.push(PortConfig { addresses, ..PortConfig::new(mac, 1500) }).ok()?;
    }
    Some(config)
}

/// The first step that goes wrong, or nothing.
fn prove() -> Result<(), &'static str> {
    let config = config().ok_or("configuration")?;
    let mut router = Router::new(config, storage()).map_err(|_| "router")?;
    let now = Instant::from_millis(1);
    let mut arp = ARP_REQUEST;
    if router.handle_frame(now, PortId(1), &mut FrameBuf::new(&mut arp)) != Verdict::Consume {
        return Err("ARP request");
    }
    let mut out = [0; FRAME_MAX];
    let reply = router.poll_transmit(&mut out).ok_or("ARP reply")?;
    if reply.port != PortId(1) || out[..6] != [2, 0, 0, 0, 2, 2] {
        return Err("ARP reply's way");
    }
    let mut buffer = DATAGRAM;
    let mut frame = FrameBuf::new(&mut buffer);
    if router.handle_frame(now, PortId(0), &mut frame) != (Verdict::Forward { port: PortId(1) }) {
        return Err("verdict");
    }
    if frame.bytes() != FORWARDED {
        return Err("bytes");
    }
    follow_a_rule(&mut router, now)?;
    router.stats().balance().map_err(|_| "balance")
}

/// The operator lets priority-tagged packets through.
fn follow_a_rule(router: &mut Router<'_>, now: Instant) -> Result<(), &'static str> {
    let fields = [(Field::Priority, 0), (Field::Inner, 0)].map(|(field, value)| FieldValue { field, value });
    let class = ClassKey {
        reason: Anomaly::VlanPriorityTag,
        port: PortId(0),
        direction: Direction::Transit,
        posture: router.config().posture,
        fields: fields.into_iter().collect(),
    };
    let edits = Edits { edit: Edit::StripTag, dscp: None };
    let spec = RuleSpec {
        matches: Match { class, subject: Subject::Class },
        content: Content {
            priority: OPERATOR_PRIORITY,
            action: RuleAction::Forward(edits),
            meter: None,
            sample_one_in: 0,
        },
        idle: Duration::ZERO,
        lifetime: Duration::from_secs(60),
        pinned: false,
        origin: RuleOrigin::Operator,
    };
    router.install_rule(now, spec).map_err(|_| "rule")?;
    let mut buffer = [0; DATAGRAM.len() + 4];
    buffer[..12].copy_from_slice(&DATAGRAM[..12]);
    buffer[12..16].copy_from_slice(&[0x81, 0, 0, 0]);
    buffer[16..].copy_from_slice(&DATAGRAM[12..]);
    let mut frame = FrameBuf::new(&mut buffer);
    if router.handle_frame(now, PortId(0), &mut frame) != (Verdict::Forward { port: PortId(1) }) {
        return Err("the rule's verdict");
    }
    if frame.bytes() == FORWARDED { Ok(()) } else { Err("the rule's bytes") }
}

/// Writes to standard error, without a buffer.
struct Stderr;

impl Write for Stderr {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        // SAFETY: the pointer and the length are of one live string, and `write` only reads it.
        let written = unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
        if written < 0 { Err(core::fmt::Error) } else { Ok(()) }
    }
}

/// Called by the C library's start-up code.
// SAFETY: no other function of this program is called `main`, and the signature is the one that C expects.
#[unsafe(no_mangle)]
pub extern "C" fn main() -> libc::c_int {
    match prove() {
        Ok(()) => 0,
        Err(step) => {
            let _ = writeln!(Stderr, "no-alloc-proof: wrong: {step}");
            1
        }
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let _ = writeln!(Stderr, "no-alloc-proof: {info}");
    // SAFETY: `abort` takes nothing and does not return.
    unsafe { libc::abort() }
}
