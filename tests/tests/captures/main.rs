//! Real captures: every frame ends in exactly one disposition, and the router agrees with the RFCs where Linux does.
//!
//! The captures are no part of the repository: `SOFTROUTER_CAPTURES` names their folder. Their labels say what a
//! Linux 6.18 router did with each frame, and what tshark thinks of it; where this router disagrees, the RFC
//! decides, and every kind of disagreement is listed in [`disagreements`]. Read first: the captures' README; RFC 1812
//! §5.2; RFC 3927 §7; RFC 4291 §2.5.6; RFC 8200 §3.

mod capture;
mod disagreements;

use capture::{Captured, folder};
use disagreements::{BEYOND_LINUX, BEYOND_TSHARK, Differs};
use firmware_sim::replay::readdress;
use pktgen::World;
use pktgen::build::adds_up;
use pktgen::world::{Host, Port};
use smoltcp::time::Duration;
use smoltcp::wire::{Ipv4Cidr, Ipv6Cidr};
use stack::classify::{Kind, TABLE};
use stack::stats::Disposition;
use stack::{Anomaly, DropReason, Origin, PortId, Rate, Target, Verdict};
use std::net::Ipv6Addr;
use std::path::PathBuf;
use tests::storage::SIZES;
use tests::{Sent, Sim, skip};

/// Prefix length of both IPv6 networks of the set-up.
const IPV6_PREFIX: u8 = 126;

/// The captures' own set-up: in-port 192.0.2.2/30 and 2001:db8:1::2/126, out-port 203.0.113.1/30, and default routes
/// to one next hop.
fn router() -> Sim {
    let port = |net: u16, own: [u8; 4], host: [u8; 4], ids: [u16; 2]| {
        let ipv6 = |id| Ipv6Addr::new(0x2001, 0xdb8, net, 0, 0, 0, 0, id);
        let mac = |id| [2, 0, 0, 0, net as u8, id];
        let host = Host { mac: mac(2), address: host.into(), ipv6: ipv6(ids[1]) };
        let (address, ipv6) = (own.into(), ipv6(ids[0]));
        Port { mac: mac(1), address, prefix: 30, ipv6, mtu: 1500, reverse_path: false, hosts: vec![host] }
    };
    let ports = vec![
        port(1, [192, 0, 2, 2], [192, 0, 2, 1], [2, 1]),
        port(2, [203, 0, 113, 1], [203, 0, 113, 2], [1, 2]),
    ];
    let world = World { ports, ttls: vec![64] };
    let next_hop = world.ports[1].hosts[0];
    let unlimited = Rate { per_second: 1_000_000, burst: 1_000_000 };
    let change = |config: &mut stack::Config| {
        config.limits.icmp_error_rate = unlimited;
        for port in &mut config.ports {
            let address = port.ipv6[0].address();
            port.ipv6[0] = Ipv6Cidr::new(address, IPV6_PREFIX);
        }
    };
    let mut sim = Sim::new(world, change, SIZES);
    sim.route(Ipv4Cidr::new([0, 0, 0, 0].into(), 0), Some(next_hop.address.octets()), 1);
    sim.route_v6(Ipv6Cidr::new(Ipv6Addr::UNSPECIFIED, 0), Target::Via(next_hop.ipv6), 1);
    sim.prime();
    sim
}

/// Is one end link-local? Linux forwards such packets; RFC 3927 §7 and RFC 4291 §2.5.6 forbid it.
fn link_local(frame: &[u8]) -> bool {
    match frame.get(12..14) {
        Some([8, 0]) => [26, 30].iter().any(|&at| frame.get(at..at + 2) == Some(&[169, 254])),
        Some([0x86, 0xdd]) => {
            [22, 38].iter().any(|&at| frame.get(at) == Some(&0xfe) && frame[at + 1] & 0xc0 == 0x80)
        }
        _ => false,
    }
}

/// What the router did with one frame.
struct Outcome {
    /// The reason, where there is one; else the verdict.
    why: &'static str,
    anomaly: Option<Anomaly>,
    /// In the words of the labels.
    what: String,
    forwarded: Vec<Vec<u8>>,
}

/// ICMP in a frame that the router made, in the words of the labels; Neighbour Discovery is nobody's answer.
fn icmp(frame: &[u8]) -> Option<String> {
    match frame.get(12..14)? {
        [8, 0] if frame[23] == 1 => Some(format!("icmp4:{}/{}", frame[34], frame[35])),
        [0x86, 0xdd] if frame[20] == 58 && !(133..=137).contains(&frame[54]) => {
            Some(format!("icmp6:{}/{}", frame[54], frame[55]))
        }
        _ => None,
    }
}

/// Sends one frame into the router, as the set-up did: unicast frames to the router's own MAC address.
fn replay(sim: &mut Sim, captured: &mut Captured) -> Outcome {
    readdress(&mut captured.bytes, sim.world().ports[0].mac);
    let before = sim.router.snapshot();
    let verdict = sim.send(0, &captured.bytes);
    for divert in sim.diverts() {
        sim.abandon(&divert);
    }
    // What waits for a neighbour of which there is none ends when that is clear.
    let waits = !sim.router.is_settled();
    if waits {
        sim.advance(Duration::from_secs(10));
    }
    let now = sim.router.snapshot();
    let ended: u64 =
        Disposition::ALL.into_iter().map(|d| now.disposed(d).frames - before.disposed(d).frames).sum();
    assert_eq!((ended, now.held.frames), (1, before.held.frames), "{}: {verdict:?}", captured.place);
    let sent = sim.transmitted();
    let is_transit = |sent: &&Sent| matches!(sent.origin, Origin::Forwarded { .. } | Origin::Fragment);
    let forwarded: Vec<_> = sent.iter().filter(is_transit).map(|sent| sent.bytes.clone()).collect();
    let anomaly = match verdict {
        Verdict::Divert(anomaly) | Verdict::Drop(DropReason::Anomaly(anomaly)) => Some(anomaly),
        Verdict::Forward { .. } | Verdict::Deliver | Verdict::Consume | Verdict::Drop(_) => None,
    };
    let why = match verdict {
        Verdict::Divert(reason) => reason.name(),
        Verdict::Drop(reason) => reason.name(),
        Verdict::Forward { port: PortId(0) } => "healthy, back to its link",
        Verdict::Forward { .. } => "healthy",
        Verdict::Deliver => "to the router",
        Verdict::Consume if waits => "waits for a neighbour in vain",
        Verdict::Consume => "used up",
    };
    let what = match forwarded.len() {
        0 => sent.iter().find_map(|sent| icmp(&sent.bytes)).unwrap_or_else(|| "drop".to_owned()),
        1 => "fwd".to_owned(),
        pieces => format!("fwd*{pieces}"),
    };
    sim.prime();
    sim.advance(Duration::from_millis(1));
    Outcome { why, anomaly, what, forwarded }
}

/// One hop less, the header checksum right, and else what came, without what followed the packet.
fn sent_on_rightly(frame: &[u8], sent: &[u8]) -> bool {
    let mut right = frame[14..].to_vec();
    let ipv6 = frame[12..14] == [0x86, 0xdd];
    let len = u16::from_be_bytes(if ipv6 { [right[4], right[5]] } else { [right[2], right[3]] });
    right.truncate(usize::from(len) + if ipv6 { 40 } else { 0 });
    right[if ipv6 { 7 } else { 8 }] -= 1;
    if !ipv6 {
        let header = usize::from(right[0] & 15) * 4;
        if !adds_up(&sent[14..14 + header]) {
            return false;
        }
        right[10..12].copy_from_slice(&sent[24..26]);
    }
    sent[12..14] == frame[12..14] && sent[14..] == right
}

/// What the gate asks of this frame, if it fails.
fn gate(captured: &Captured, ours: &Outcome) -> Option<&'static str> {
    let label = &captured.label;
    let forwarded = !ours.forwarded.is_empty();
    if label.has("C_ip4") {
        return forwarded.then_some("forwarded with a wrong header checksum");
    }
    match &ours.forwarded[..] {
        _ if !gated(captured) => None,
        [] => Some("not forwarded"),
        [sent] if !sent_on_rightly(&captured.bytes, sent) => Some("not forwarded as it came"),
        _ => None,
    }
}

/// Is this one of the frames that the captures' README says must be forwarded?
fn gated(captured: &Captured) -> bool {
    let label = &captured.label;
    let plain = !["M_", "C_ip4", "O_"].iter().any(|flag| label.has(flag));
    plain && label.forwarded() && !link_local(&captured.bytes)
}

/// Where tshark and this router do not say the same about this frame.
fn beside_tshark<'a>(
    captured: &Captured,
    ours: &'a Outcome,
) -> impl Iterator<Item = (&'a str, &'static str)> {
    let is = |names: &[Anomaly]| ours.anomaly.is_some_and(|anomaly| names.contains(&anomaly));
    let malformed = ours.anomaly.is_some_and(|anomaly| TABLE[anomaly as usize].kind == Kind::Malformed);
    let header = is(&[Anomaly::Ipv4Checksum]);
    let transport =
        is(&[Anomaly::TcpChecksum, Anomaly::UdpChecksum, Anomaly::IcmpChecksum, Anomaly::Icmpv6Checksum]);
    let ours_is = [malformed && !header && !transport, header, transport];
    let columns =
        [["malformed", "sound"], ["header sum wrong", "header sum right"], ["sum wrong", "sum right"]];
    let pairs: Vec<_> = captured.label.tshark.into_iter().zip(ours_is).zip(columns).collect();
    pairs
        .into_iter()
        .filter(|((theirs, ours), _)| theirs != ours)
        .map(|((theirs, _), column)| (ours.why, column[usize::from(!theirs)]))
}

#[test]
fn every_captured_frame_ends_once_and_plain_traffic_is_forwarded() {
    let Ok(entries) = std::fs::read_dir(folder()) else {
        return skip("replay of real captures", &format!("no folder {}", folder().display()));
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "pcap"));
    paths.sort();
    let mut sim = router();
    let (mut frames, mut forwarded, mut gate_count, mut failures) = (0, 0, [0; 2], Vec::new());
    let (mut linux, mut tshark) = (Differs::default(), Differs::default());
    for path in &paths {
        for mut captured in capture::frames(path) {
            let ours = replay(&mut sim, &mut captured);
            frames += 1;
            forwarded += u32::from(!ours.forwarded.is_empty());
            if gated(&captured) {
                gate_count[usize::from(captured.bytes[12] == 0x86)] += 1;
            }
            if let Some(why) = gate(&captured, &ours) {
                failures.push(format!("{} [{}]: {why}", captured.place, captured.label.flags.join(",")));
            }
            let theirs = captured.label.linux();
            if theirs != ours.what {
                linux.note(&captured, (&theirs, &ours.what, ours.why));
            }
            for (why, theirs) in beside_tshark(&captured, &ours) {
                tshark.note(&captured, (theirs, "", why));
            }
        }
    }
    sim.advance(Duration::from_secs(10));
    assert!(sim.router.is_settled());
    println!("{frames} frames of {} captures: {forwarded} forwarded", paths.len());
    println!("plain frames that Linux forwarded too: {} IPv4, {} IPv6", gate_count[0], gate_count[1]);
    for failure in failures.iter().take(30) {
        println!("FAIL {failure}");
    }
    let settled = [linux.settle("Linux", BEYOND_LINUX), tshark.settle("tshark", BEYOND_TSHARK)];
    assert!(failures.is_empty(), "{} frames", failures.len());
    assert_eq!(frames, 44_182);
    assert!(gate_count[0] > 25_000 && gate_count[1] > 1_000, "{gate_count:?}");
    assert_eq!(sim.router.stats().drops(DropReason::NoRoute), 0, "there are default routes");
    assert_eq!(settled, [true; 2], "disagreements are not those of the tables");
}
