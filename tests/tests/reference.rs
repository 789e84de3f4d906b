//! The fast path against a slow, obvious router: the same verdict and the same bytes for a million frames.
//!
//! Read first: `tests::reference`, which is that router. Two worlds, so that two threads share the work.

use pktgen::{Generated, Generator, World, oracle};
use smoltcp::time::Duration;
use smoltcp::wire::{IpAddress, IpCidr};
use stack::{DropReason, Origin, Target, Verdict};
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use tests::differences::{Differences, frames};
use tests::opinion::explained;
use tests::reference::{Fate, Onward, Reference, Way};
use tests::storage::SIZES;
use tests::{Sent, Sim};

/// Frames of each world.
const FRAMES: u64 = 500_000;
/// How many pieces are remembered, to know what the next one may overlap.
const PIECES: usize = 1_000;

/// Networks beyond the connected ones, and the port whose first host is the way there; `None`: there is none.
const BEYOND: [(&str, u8, Result<u8, DropReason>); 16] = [
    ("0.0.0.0", 1, Ok(1)),
    ("96.0.0.0", 3, Ok(1)),
    ("172.16.0.0", 12, Ok(0)),
    ("172.16.128.0", 17, Ok(1)),
    ("10.0.0.0", 9, Ok(1)),
    ("192.0.0.0", 8, Err(DropReason::RouteProhibited)),
    ("198.0.0.0", 7, Err(DropReason::RouteUnreachable)),
    ("203.0.0.0", 8, Err(DropReason::RouteBlackhole)),
    ("::", 1, Ok(1)),
    ("2000::", 3, Ok(1)),
    ("2001:db8::", 32, Ok(0)),
    ("2001:db8:8000::", 33, Ok(1)),
    ("fd00::", 8, Ok(1)),
    ("2002::", 16, Err(DropReason::RouteProhibited)),
    ("2001::", 23, Err(DropReason::RouteUnreachable)),
    ("2600::", 8, Err(DropReason::RouteBlackhole)),
];

/// The same routes for both.
fn routes(sim: &mut Sim, world: &World) -> Vec<Way> {
    let add = |(network, prefix, to): (&str, u8, Result<u8, DropReason>)| {
        let network: IpAddr = network.parse().expect("an address");
        let gateway = |port: u8| world.ports[usize::from(port)].hosts[0];
        let onward = match to {
            Ok(port) => Onward::Via(port, gateway(port).mac),
            Err(reason) => Onward::Nowhere(reason),
        };
        let port = stack::PortId(to.unwrap_or(0));
        fn target<A>(to: Result<A, DropReason>) -> Target<A> {
            match to {
                Ok(hop) => Target::Via(hop),
                Err(DropReason::RouteProhibited) => Target::Prohibited,
                Err(DropReason::RouteUnreachable) => Target::Unreachable,
                Err(_) => Target::Blackhole,
            }
        }
        let added = match IpCidr::new(IpAddress::from(network), prefix) {
            IpCidr::Ipv4(prefix) => {
                let target = target(to.map(|port| gateway(port).address));
                sim.router.add_route(stack::Route { prefix, target, port })
            }
            IpCidr::Ipv6(prefix) => {
                let target = target(to.map(|port| gateway(port).ipv6));
                sim.router.add_route(stack::Route { prefix, target, port })
            }
        };
        added.expect("room for a route");
        Way { network, prefix, onward }
    };
    BEYOND.into_iter().map(add).collect()
}

/// Is it ARP or Neighbour Discovery, which may teach the router MAC addresses that are in no list?
fn teaches(frame: &[u8]) -> bool {
    match frame.get(12..14) {
        Some([8, 6]) => true,
        Some([0x86, 0xdd]) => frame.get(20..).is_some_and(|rest| rest.contains(&58)),
        _ => false,
    }
}

/// A host that is in no list: the router may have heard of it.
fn waits_rightly(sim: &Sim, made: &Generated, verdict: Verdict, sent: &[(u8, Vec<u8>)]) -> bool {
    match (verdict, sent) {
        (Verdict::Consume, []) => true,
        (Verdict::Forward { port }, [(by, bytes)]) => {
            let known = sim.neighbors().into_iter().find(|n| n.0 == port && n.2 == bytes[..6]);
            let source = sim.world().ports[port.index()].mac;
            port.0 == *by
                && known.is_some_and(|n| oracle::forward(&made.bytes, source, n.2).as_ref() == Some(bytes))
        }
        (Verdict::Drop(reason), []) => matches!(
            reason,
            DropReason::NeighborFailed | DropReason::WaitingRoomFull | DropReason::NeighborTableFull
        ),
        _ => false,
    }
}

/// Used up; what it says of a host may release frames that waited for that host.
fn releases_rightly(sim: &Sim, waiting: &[Vec<u8>], verdict: Verdict, sent: &[(u8, Vec<u8>)]) -> bool {
    let waited = |(port, bytes): &(u8, Vec<u8>)| {
        let source = sim.world().ports[usize::from(*port)].mac;
        let to = bytes[..6].try_into().expect("a MAC address");
        waiting.iter().any(|frame| oracle::forward(frame, source, to).as_ref() == Some(bytes))
    };
    verdict == Verdict::Consume && sent.iter().all(waited)
}

/// A fragment for the host: kept, or refused for what came before it, or the last of what nobody wants.
fn piece_ends_rightly(earlier: &VecDeque<Vec<u8>>, frame: &[u8], verdict: Verdict) -> bool {
    use stack::Anomaly::{Ipv4FragmentOverlap, Ipv6FragmentOverlap};
    match verdict {
        Verdict::Deliver => true,
        Verdict::Divert(Ipv4FragmentOverlap | Ipv6FragmentOverlap) => {
            earlier.iter().any(|earlier| oracle::overlaps(earlier, frame))
        }
        Verdict::Drop(_) => earlier.len() > 1,
        Verdict::Forward { .. } | Verdict::Consume | Verdict::Divert(_) => false,
    }
}

fn compare(ports: u8, seed: u64) {
    let mut world = World::with_ports(ports);
    let generator = Generator::new(world.clone(), seed);
    world.ports[1].mtu = 1300;
    let mut sim = Sim::new(world.clone(), |_| (), SIZES);
    let beyond = routes(&mut sim, &world);
    let reference = Reference::new(world, &beyond);
    let (mut differences, mut fates, mut count) = (Differences::default(), BTreeMap::new(), 0_u64);
    let (mut pieces, mut waiting) = (VecDeque::new(), Vec::new());
    sim.prime();
    for made in frames(&generator, FRAMES * 2 / 5) {
        count += 1;
        let fate = reference.fate(made.port, &made.bytes);
        let verdict = sim.send(made.port, &made.bytes);
        // What the router says on its own account has tests of its own.
        let own = |sent: &Sent| matches!(sent.origin, Origin::Forwarded { .. } | Origin::Fragment);
        let sent: Vec<_> =
            sim.transmitted().into_iter().filter(own).map(|sent| (sent.port.0, sent.bytes)).collect();
        *fates.entry(fate.name()).or_insert(0) += 1;
        let agrees = match &fate {
            Fate::Waits => waits_rightly(&sim, &made, verdict, &sent),
            Fate::Consumed => releases_rightly(&sim, &waiting, verdict, &sent),
            Fate::Piece => piece_ends_rightly(&pieces, &made.bytes, verdict) && sent.is_empty(),
            _ => fate.agrees_with(verdict, &sent),
        };
        if !agrees && !explained(&made.bytes) {
            let name = fate.name();
            let why = match &fate {
                Fate::Dropped(reason) => reason.name(),
                Fate::Odd(anomaly) => anomaly.name(),
                _ => "",
            };
            differences.note(format!("reference: {name} {why}, router: {verdict:?}"), &made);
        }
        for divert in sim.diverts() {
            sim.abandon(&divert);
        }
        // Neighbours are kept fresh; a mutant may have moved one.
        if teaches(&made.bytes) || count.is_multiple_of(1_000) {
            sim.prime();
        }
        match fate {
            Fate::Piece => pieces.push_front(made.bytes),
            Fate::Waits => waiting.push(made.bytes),
            _ => {}
        }
        pieces.truncate(PIECES);
        sim.advance(Duration::from_micros(600));
        sim.transmitted();
    }
    println!("{count} frames, seed {seed}: {fates:?}");
    differences.assert_none();
    assert!(count >= FRAMES);
    for fate in ["forwarded", "cut", "delivered", "piece", "consumed", "dropped", "odd", "waits"] {
        assert!(fates.get(fate).is_some_and(|&count| count > 100), "{fate}: {fates:?}");
    }
}

#[test]
fn verdicts_and_bytes_are_the_reference_routers() {
    compare(2, 45);
}

#[test]
fn verdicts_and_bytes_are_the_reference_routers_with_five_ports() {
    compare(5, 47);
}
