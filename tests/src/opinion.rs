//! A second opinion on a class: the router's classifier beside the oracle, which shares no code with it.

use pktgen::World;
use pktgen::oracle::{self, Judgement};
use smoltcp::wire::EthernetAddress;
use stack::classify::{Class, Locals, classify};
use stack::{Anomaly, PortId};
use std::net::{IpAddr, Ipv4Addr};

/// What no single frame shows: the port's configuration decides, or it takes two frames.
pub const NOT_IN_ONE_FRAME: [Anomaly; 3] =
    [Anomaly::ReversePath, Anomaly::Ipv4FragmentOverlap, Anomaly::Ipv6FragmentOverlap];

/// What the router's classifier makes of a frame that came in by `port`, in the oracle's words.
pub fn of_router(world: &World, locals: &Locals, port: u8, frame: &[u8]) -> Judgement {
    let mac = EthernetAddress(world.ports[usize::from(port)].mac);
    match classify(frame, PortId(port), mac, locals) {
        Class::Foreign => Judgement::Foreign,
        Class::Anomaly(anomaly) | Class::Transit(_, Some(anomaly)) | Class::Local(_, Some(anomaly)) => {
            Judgement::Anomaly(anomaly)
        }
        Class::Arp(_) | Class::Nd(_) | Class::Transit(_, None) | Class::Local(_, None) => Judgement::Healthy,
    }
}

/// Do the two disagree about this frame, without an explanation? Then the oracle's judgement, and the router's.
pub fn difference(world: &World, locals: &Locals, port: u8, frame: &[u8]) -> Option<(Judgement, Judgement)> {
    let theirs = oracle::judge(world, port, frame);
    let ours = of_router(world, locals, port, frame);
    // The oracle names every echo request; to the router it is healthy unless an experiment holds it, and what is odd
    // about it (the reserved flag) has a name.
    let passes = match ours {
        Judgement::Healthy => true,
        Judgement::Anomaly(anomaly) => anomaly.must_pass(),
        Judgement::Foreign => false,
    };
    let echo = theirs == Judgement::Anomaly(Anomaly::EchoRequest) && passes;
    (theirs != ours && !echo && !explained(frame)).then_some((theirs, ours))
}

/// Where the two may differ: the destination is an IPv4 multicast group other than all hosts.
///
/// The router routes no multicast and judges every group as one of its own; the oracle judges only 224.0.0.1
/// so, and lets the rest pass as transit. Either way such a frame ends here, without a sound.
pub fn explained(frame: &[u8]) -> bool {
    match ends(frame) {
        Some((_, IpAddr::V4(to))) => to.is_multicast() && to != Ipv4Addr::new(224, 0, 0, 1),
        _ => false,
    }
}

/// The packet in the frame, and whether it is IPv6: plainly, in a tag, or (IPv4) in an envelope.
pub fn network(frame: &[u8]) -> Option<(&[u8], bool)> {
    let (ethertype, at) = match frame.get(12..14)? {
        [0x81, 0x00] | [0x88, 0xa8] => (frame.get(16..18)?, 18),
        [0..=5, _] => (frame.get(20..22)?, 22),
        plain => (plain, 14),
    };
    match ethertype {
        [8, 0] => Some((&frame[at..], false)),
        [0x86, 0xdd] => Some((&frame[at..], true)),
        _ => None,
    }
}

/// Source and destination of the packet in the frame.
pub fn ends(frame: &[u8]) -> Option<(IpAddr, IpAddr)> {
    fn of<const LEN: usize>(packet: &[u8], at: usize) -> Option<IpAddr>
    where
        IpAddr: From<[u8; LEN]>,
    {
        let octets: [u8; LEN] = packet.get(at..at + LEN)?.try_into().ok()?;
        Some(octets.into())
    }
    match network(frame)? {
        (packet, true) => Some((of::<16>(packet, 8)?, of::<16>(packet, 24)?)),
        (packet, false) => Some((of::<4>(packet, 12)?, of::<4>(packet, 16)?)),
    }
}
