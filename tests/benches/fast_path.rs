//! Nanoseconds and allocations a frame, for each end that a frame may come to, beside smoltcp's own figures.
//!
//! Every routine first copies its frame from a template into the buffer, as a driver would; `copy_only` is that
//! copy by itself, to be subtracted. Read first: RFC 2544 §9 for the sizes.

use divan::counter::BytesCount;
use divan::{AllocProfiler, Bencher, black_box};
use smoltcp::time::Duration;
use stack::frame::FRAME_MAX;
use stack::{Action, Anomaly, Answer, PortId, Source, Verdict, Witness};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};
use tests::Sim;
use tests::bench::{
    Driver, FLOWS, Routine, full_table, lab, mixed, peers, transit_frames, transit_frames_v6,
};
use tests::frames::{self, ROUTER_0, from_client};

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

/// Makes the routine for frames of this length.
type Maker = fn(usize) -> Routine;

fn main() {
    divan::main();
    if std::env::args().any(|arg| arg == "--list" || !arg.starts_with("--")) && std::env::args().len() > 2 {
        // Something was picked out by name.
        return;
    }
    allocations();
    mixed::print();
}

fn allocations() {
    let routines: [(&str, Maker); 9] = [
        ("forward", forward_one),
        ("forward_ipv6", forward_v6_one),
        ("forward_1m_routes", forward_1m_one),
        ("deliver_echo_and_reply", deliver_one),
        ("divert_and_poll", divert_one),
        ("divert_approve_inject", inject_one),
        ("drop_foreign", drop_foreign_one),
        ("drop_bad_checksum", drop_bad_checksum_one),
        ("fragment_1514_to_1280", fragment_one),
    ];
    println!("allocations a frame, counted over 100,000 frames:");
    for (name, make) in routines {
        let mut one = make(64);
        let before = CALLS.load(Ordering::Relaxed);
        (0..100_000).for_each(|_| one());
        let calls = CALLS.load(Ordering::Relaxed) - before;
        println!("  {name}: {}", calls as f64 / 100_000.0);
        assert_eq!(calls, 0, "{name} allocates");
    }
}

/// Smallest and largest frame, without FCS (64 is also what IPv6 with UDP needs at least).
const SIZES: [usize; 2] = [64, 1514];

fn copy_one(len: usize) -> Routine {
    let mut driver = Driver::new(transit_frames(len));
    Box::new(move || {
        black_box(driver.receive().bytes());
    })
}

fn forward_one(len: usize) -> Routine {
    forwarded(lab(), Driver::new(transit_frames(len)))
}

fn forward_v6_one(len: usize) -> Routine {
    forwarded(lab(), Driver::new(transit_frames_v6(len)))
}

/// A full table, and as many destinations as in the other rows.
fn forward_1m_one(len: usize) -> Routine {
    let (sim, driver) = full_table::ipv4(len, FLOWS);
    forwarded(sim, driver)
}

fn forward_1m_v6_one(len: usize) -> Routine {
    let (sim, driver) = full_table::ipv6(len, FLOWS);
    forwarded(sim, driver)
}

/// A full table, and destinations spread over all of it: what is measured is the machine's memory.
fn forward_1m_spread_one(len: usize) -> Routine {
    let (sim, driver) = full_table::ipv4(len, full_table::DESTINATIONS);
    forwarded(sim, driver)
}

fn forward_1m_v6_spread_one(len: usize) -> Routine {
    let (sim, driver) = full_table::ipv6(len, full_table::DESTINATIONS);
    forwarded(sim, driver)
}

fn forwarded(mut sim: Sim, mut driver: Driver) -> Routine {
    let now = sim.now();
    Box::new(move || {
        let verdict = sim.router.handle_frame(now, PortId(0), &mut driver.receive());
        assert_eq!(black_box(verdict), Verdict::Forward { port: PortId(1) });
    })
}

/// 1,500 bytes of IPv4 for an MTU of 1,280: two fragments, taken out.
fn fragment_one(_: usize) -> Routine {
    let mut sim = Sim::lab_with(|config| config.ports[1].mtu = 1280);
    let mut frame = from_client(&frames::udp(&frames::transit(), 9, &[7; 1472]));
    frame.truncate(1514);
    let (now, mut driver, mut out) = (sim.now(), Driver::new(vec![frame]), Box::new([0; FRAME_MAX]));
    Box::new(move || {
        let verdict = sim.router.handle_frame(now, PortId(0), &mut driver.receive());
        assert_eq!(verdict, Verdict::Consume);
        for _ in 0..2 {
            black_box(sim.router.poll_transmit(&mut out)).expect("a fragment");
        }
    })
}

/// An echo request to the router: delivered, answered by the host, and the reply taken out.
fn deliver_one(len: usize) -> Routine {
    let mut sim = lab();
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
    let (mut sim, mut driver) = (lab(), tagged(len));
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
    let (mut sim, mut driver) = (lab(), tagged(len));
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
            advice: None,
            witness: Witness::default(),
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
    dropped(lab(), frame)
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

/// smoltcp's `Interface` given a frame that is not for it.
fn smoltcp_drop_one(len: usize) -> Routine {
    peers::interface(transit_frames(len).remove(0), false)
}

/// smoltcp's `Interface` with a datagram for a UDP socket.
fn smoltcp_deliver_one(len: usize) -> Routine {
    let to = frames::udp(&frames::to(ROUTER_0.address), 9, &vec![7; len - 42]);
    peers::interface(from_client(&to), true)
}

fn bare_one(len: usize) -> Routine {
    peers::bare_views(transit_frames(len))
}

measured! {
    copy_only: copy_one;
    forward: forward_one;
    forward_ipv6: forward_v6_one;
    forward_1m_routes: forward_1m_one;
    forward_1m_routes_65536_destinations: forward_1m_spread_one;
    forward_1m_routes_ipv6: forward_1m_v6_one;
    forward_1m_routes_ipv6_65536_destinations: forward_1m_v6_spread_one;
    fragment_1500_to_1280: fragment_one;
    peer_bare_smoltcp_views: bare_one;
    peer_smoltcp_drop_transit: smoltcp_drop_one;
    peer_smoltcp_deliver_udp: smoltcp_deliver_one;
    deliver_echo_and_reply: deliver_one;
    divert_and_poll: divert_one;
    divert_approve_inject: inject_one;
    drop_foreign: drop_foreign_one;
    drop_bad_checksum: drop_bad_checksum_one;
}
