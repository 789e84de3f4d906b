//! Nanoseconds and allocations a frame, for each end that a frame may come to, beside bare smoltcp views.
//!
//! Every routine first copies its frame from a template into the buffer, as a driver would; `copy_only` is that
//! copy by itself, to be subtracted. Read first: RFC 2544 §9 for the sizes.

use divan::counter::BytesCount;
use divan::{AllocProfiler, Bencher, black_box};
use pktgen::build::Ipv4;
use smoltcp::time::Duration;
use smoltcp::wire::{EthernetAddress, EthernetFrame, EthernetProtocol, Ipv4Address, Ipv4Cidr, Ipv4Packet};
use stack::frame::FRAME_MAX;
use stack::{Action, Anomaly, Answer, FrameBuf, PortId, Rate, Source, Verdict};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};
use tests::Sim;
use tests::frames::{self, ROUTER_0, from_client, transit};

/// Counts calls, and lets divan's profiler see them too.
struct Counting(AllocProfiler<System>);

#[global_allocator]
static ALLOCATIONS: Counting = Counting(AllocProfiler::system());
static CALLS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the profiler's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { self.0.dealloc(at, layout) }
    }
}

/// One frame's work.
type Routine = Box<dyn FnMut()>;
/// Makes the routine for frames of this length.
type Maker = fn(usize) -> Routine;

fn main() {
    divan::main();
    let routines: [(&str, Maker); 7] = [
        ("forward", forward_one),
        ("deliver_echo_and_reply", deliver_one),
        ("divert_and_poll", divert_one),
        ("divert_approve_inject", inject_one),
        ("drop_foreign", drop_foreign_one),
        ("drop_bad_checksum", drop_bad_checksum_one),
        ("peer_bare_smoltcp_views", bare_one),
    ];
    println!("allocations a frame, counted over 100,000 frames of 60 bytes:");
    for (name, make) in routines {
        let mut one = make(60);
        let before = CALLS.load(Ordering::Relaxed);
        (0..100_000).for_each(|_| one());
        let calls = CALLS.load(Ordering::Relaxed) - before;
        println!("  {name}: {}", calls as f64 / 100_000.0);
        assert_eq!(calls, 0, "{name} allocates");
    }
}

/// Different destinations, so that no branch predictor learns the one route.
const FLOWS: usize = 64;
/// Smallest and largest frame, without FCS.
const SIZES: [usize; 2] = [60, 1514];

/// A router with 16 routes and warm neighbours: both hosts, which are also the gateways of 14 networks.
fn router() -> Sim {
    let mut sim = Sim::lab_with(|config| {
        // So that no bucket refuses what is to be measured.
        config.limits.divert_rate = Rate { per_second: 5_000, burst: 1_000_000 };
        config.limits.icmp_error_rate = Rate { per_second: 1_000_000, burst: 1_000_000 };
        config.limits.neighbor_lifetime = Duration::from_secs(1_000_000);
    });
    for net in 0..14 {
        let (gateway, port) = if net % 2 == 0 { ([10, 0, 2, 2], 1) } else { ([10, 0, 1, 2], 0) };
        sim.route(Ipv4Cidr::new(Ipv4Address::new(172, 16 + net, 0, 0), 16), Some(gateway), port);
    }
    assert_eq!(sim.router.routes().iter().count(), 16);
    sim.prime();
    sim
}

/// Frames of this length to the networks behind the router.
fn transit_frames(len: usize) -> Vec<Vec<u8>> {
    (0..FLOWS)
        .map(|flow| {
            let net = 16 + (flow % 7) as u8 * 2;
            let header = Ipv4 { destination: [172, net, flow as u8, 9].into(), ..transit() };
            from_client(&frames::udp(&header, 9, &vec![flow as u8; len - 14 - 28]))
        })
        .collect()
}

/// Frames in turn, copied into a buffer.
struct Driver {
    frames: Vec<Vec<u8>>,
    next: usize,
    buffer: Box<[u8; FRAME_MAX]>,
}

impl Driver {
    fn new(frames: Vec<Vec<u8>>) -> Self {
        Self { frames, next: 0, buffer: Box::new([0; FRAME_MAX]) }
    }

    fn receive(&mut self) -> FrameBuf<'_> {
        self.next = (self.next + 1) % self.frames.len();
        let template = &self.frames[self.next];
        let frame = &mut self.buffer[..template.len()];
        frame.copy_from_slice(template);
        FrameBuf::new(frame)
    }
}

fn copy_one(len: usize) -> Routine {
    let mut driver = Driver::new(transit_frames(len));
    Box::new(move || {
        black_box(driver.receive().bytes());
    })
}

fn forward_one(len: usize) -> Routine {
    let (mut sim, mut driver) = (router(), Driver::new(transit_frames(len)));
    let now = sim.now();
    Box::new(move || {
        let verdict = sim.router.handle_frame(now, PortId(0), &mut driver.receive());
        assert_eq!(black_box(verdict), Verdict::Forward { port: PortId(1) });
    })
}

/// The least that forwarding may cost with smoltcp's own views: validate, TTL, full checksum, MAC addresses;
/// one next hop, no table, no counter.
fn bare_one(len: usize) -> Routine {
    let mut driver = Driver::new(transit_frames(len));
    Box::new(move || {
        let destination = bare_forward(driver.receive().bytes_mut());
        assert!(black_box(destination).is_some());
    })
}

fn bare_forward(frame: &mut [u8]) -> Option<Ipv4Address> {
    let mut ethernet = EthernetFrame::new_checked(frame).ok()?;
    if ethernet.ethertype() != EthernetProtocol::Ipv4 {
        return None;
    }
    let mut packet = Ipv4Packet::new_checked(ethernet.payload_mut()).ok()?;
    if packet.version() != 4 || !packet.verify_checksum() || packet.hop_limit() <= 1 {
        return None;
    }
    let hops = packet.hop_limit();
    packet.set_hop_limit(hops - 1);
    packet.fill_checksum();
    let destination = packet.dst_addr();
    ethernet.set_dst_addr(EthernetAddress([2, 0, 0, 0, 2, 2]));
    ethernet.set_src_addr(EthernetAddress([2, 0, 0, 0, 2, 1]));
    Some(destination)
}

/// An echo request to the router: delivered, answered by the host, and the reply taken out.
fn deliver_one(len: usize) -> Routine {
    let mut sim = router();
    let data = vec![7; len - 42];
    let mut driver = Driver::new(vec![from_client(&frames::icmp(
        &frames::to(ROUTER_0.address),
        8,
        0,
        [0, 1, 0, 2],
        &data,
    ))]);
    let (now, mut out) = (sim.now(), Box::new([0; FRAME_MAX]));
    Box::new(move || {
        let verdict = sim.router.handle_frame(now, PortId(0), &mut driver.receive());
        assert_eq!(verdict, Verdict::Deliver);
        black_box(sim.router.poll_transmit(&mut out)).expect("a reply");
    })
}

fn tagged(len: usize) -> Driver {
    Driver::new(vec![pktgen::build::tag(&transit_frames(len - 4)[0], 0x8100, 0)])
}

/// Admission, the copy into the arena, the copy out of it with its class key, and giving it up again.
fn divert_one(len: usize) -> Routine {
    let (mut sim, mut driver) = (router(), tagged(len));
    let (mut now, mut out) = (sim.now(), Box::new([0; FRAME_MAX]));
    Box::new(move || {
        now += Duration::from_millis(1);
        let verdict = sim.router.handle_frame(now, PortId(0), &mut driver.receive());
        assert_eq!(verdict, Verdict::Divert(Anomaly::VlanPriorityTag));
        let diverted = black_box(sim.router.poll_divert(&mut out)).expect("a diverted frame");
        sim.router.abandon(now, diverted.id);
        while sim.router.poll_event().is_some() {}
    })
}

/// The whole way of a repaired frame but the model: divert, poll, approve, apply, transmit.
fn inject_one(len: usize) -> Routine {
    let (mut sim, mut driver) = (router(), tagged(len));
    let (mut now, mut out) = (sim.now(), Box::new([0; FRAME_MAX]));
    Box::new(move || {
        now += Duration::from_millis(1);
        let _ = black_box(sim.router.handle_frame(now, PortId(0), &mut driver.receive()));
        let about = sim.router.poll_divert(&mut out).expect("a diverted frame");
        let answer = Answer {
            id: about.id,
            nonce: about.nonce,
            reason: about.class.reason,
            action: Action::StripTag,
            source: Source::Model,
        };
        let approved = sim.router.approve(now, &answer).expect("a right answer");
        sim.router.apply(now, approved).expect("in time");
        black_box(sim.router.poll_transmit(&mut out)).expect("an injected frame");
        while sim.router.poll_event().is_some() {}
    })
}

/// A frame for another station.
fn drop_foreign_one(len: usize) -> Routine {
    let mut frame = transit_frames(len).remove(0);
    frame[..6].copy_from_slice(&[2, 9, 9, 9, 9, 9]);
    dropped(router(), frame)
}

/// A bad header checksum whose reason is configured off: classified, counted, dropped.
fn drop_bad_checksum_one(len: usize) -> Routine {
    let sim = Sim::lab_with(|config| {
        config.set_mode(Anomaly::Ipv4Checksum, stack::Mode::Off).expect("may be off");
    });
    let mut frame = transit_frames(len).remove(0);
    frame[24] ^= 1;
    dropped(sim, frame)
}

fn dropped(mut sim: Sim, frame: Vec<u8>) -> Routine {
    let (now, mut driver) = (sim.now(), Driver::new(vec![frame]));
    Box::new(move || {
        let verdict = sim.router.handle_frame(now, PortId(0), &mut driver.receive());
        assert!(matches!(black_box(verdict), Verdict::Drop(_)));
    })
}

/// Divan's table of one routine: nanoseconds a frame for each size.
macro_rules! measured {
    ($($name:ident: $make:ident;)+) => {
        $(#[divan::bench(args = SIZES, sample_count = 100, sample_size = 2_000)]
        fn $name(bencher: Bencher<'_, '_>, len: usize) {
            let mut one = $make(len);
            bencher.counter(BytesCount::new(len)).bench_local(&mut one);
        })+
    };
}

measured! {
    copy_only: copy_one;
    forward: forward_one;
    peer_bare_smoltcp_views: bare_one;
    deliver_echo_and_reply: deliver_one;
    divert_and_poll: divert_one;
    divert_approve_inject: inject_one;
    drop_foreign: drop_foreign_one;
    drop_bad_checksum: drop_bad_checksum_one;
}
