//! Frames for the router itself, beside smoltcp's own `Interface` with the same addresses: its log is the judge.
//!
//! smoltcp 0.14 drops in silence but for one line of its log, "iface: malformed". What the classifier calls healthy
//! must lead to no such line, and what it calls malformed to one; every other frame is listed by class, with the
//! reason why the two may differ. Read first: RFC 1122 §3.2; RFC 8200 §4; RFC 4443 §2.4.

use log::{LevelFilter, Log, Metadata, Record};
use pktgen::{Generator, World};
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};
use stack::classify::{Class, Kind, Locals, TABLE, classify};
use stack::{Anomaly, PortId};
use std::cell::RefCell;
use std::collections::BTreeMap;
use tests::differences::frames;
use tests::sim;
use tests::wire::Wire;

thread_local! {
    static COMPLAINTS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Keeps what smoltcp finds malformed.
struct Complaints;

impl Log for Complaints {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let text = record.args().to_string();
        if let Some(what) = text.strip_prefix("iface: malformed ") {
            COMPLAINTS.with_borrow_mut(|all| all.push(what.split('(').next().unwrap_or(what).to_owned()));
        }
    }

    fn flush(&self) {}
}

/// An interface with the addresses of the router's port 0, and nobody behind it.
fn interface(world: &World, wire: &mut Wire) -> Interface {
    let port = &world.ports[0];
    let mut interface = Interface::new(Config::new(EthernetAddress(port.mac).into()), wire, Instant::ZERO);
    interface.update_ip_addrs(|addresses| {
        let own: [(IpAddress, u8); 2] = [(port.address.into(), port.prefix), (port.ipv6.into(), 64)];
        for (address, prefix) in own {
            addresses.push(IpCidr::new(address, prefix)).expect("room for two");
        }
    });
    interface
}

/// What the classifier says of a frame for the router; `None`: it is for somebody else, or neither family's.
fn ours(world: &World, locals: &Locals, frame: &[u8]) -> Option<Result<(), Anomaly>> {
    let port = &world.ports[0];
    if frame.get(..6)? != port.mac {
        return None;
    }
    let to_us = match frame.get(12..14)? {
        [8, 0] => frame.get(30..34)? == port.address.octets(),
        [0x86, 0xdd] => frame.get(38..54)? == port.ipv6.octets(),
        _ => false,
    };
    if !to_us {
        return None;
    }
    match classify(frame, PortId(0), EthernetAddress(port.mac), locals) {
        Class::Local(..) | Class::Nd(_) => Some(Ok(())),
        Class::Anomaly(anomaly) => Some(Err(anomaly)),
        Class::Transit(..) | Class::Arp(_) | Class::Foreign => None,
    }
}

/// Where the two differ, and why: what the classifier says, what smoltcp's parser stumbled over ("" for nothing).
const DIFFERS: &[(&str, &str, &str)] = &[
    (
        "ethernet_source_group",
        "UdpRepr::parse",
        "another fault was found first, which smoltcp does not look for",
    ),
    (
        "healthy",
        "Icmpv4Repr::parse",
        "RFC 792, RFC 1122 §3.2.2: smoltcp knows few types and codes, and wants more of a quote than 8 bytes",
    ),
    (
        "healthy",
        "Icmpv6Packet::new_checked",
        "RFC 2710 §3: a listener message for smoltcp must be whole; a router that asks for none ignores it",
    ),
    (
        "healthy",
        "Icmpv6Repr::parse",
        "RFC 4443 §2.1: smoltcp refuses what it does not know of codes and options",
    ),
    (
        "healthy",
        "Ipv4Repr::parse",
        "RFC 791 §3.2: smoltcp is built without reassembly; the router has its own",
    ),
    (
        "healthy",
        "TcpRepr::parse",
        "RFC 6335 §6: a reserved source port, or options, which only smoltcp's host refuses",
    ),
    (
        "icmp_deprecated",
        "Icmpv4Repr::parse",
        "smoltcp finds malformed what it does not know; the class says that it is known and not served",
    ),
    (
        "icmp_redirect",
        "Icmpv4Repr::parse",
        "smoltcp finds malformed what it does not know; the class says that it is known and not served",
    ),
    (
        "icmp_source_quench",
        "Icmpv4Repr::parse",
        "smoltcp finds malformed what it does not know; the class says that it is known and not served",
    ),
    (
        "icmp_timestamp_request",
        "Icmpv4Repr::parse",
        "smoltcp finds malformed what it does not know; the class says that it is known and not served",
    ),
    (
        "icmp_type_unknown",
        "Icmpv4Repr::parse",
        "smoltcp finds malformed what it does not know; the class says that it is known and not served",
    ),
    (
        "icmpv6_checksum",
        "",
        "smoltcp walks no extension header but a leading Hop-by-Hop Options (RFC 8200 §4)",
    ),
    ("icmpv6_error_quote", "", "RFC 4443 §2.4(c): a short quote is no fault to smoltcp"),
    (
        "icmpv6_redirect",
        "Icmpv6Packet::new_checked",
        "smoltcp finds malformed what it does not know; the class says that it is known and not served",
    ),
    (
        "icmpv6_type_unknown",
        "Icmpv6Packet::new_checked",
        "smoltcp finds malformed what it does not know; the class says that it is known and not served",
    ),
    ("ipv4_option_malformed", "", "RFC 1122 §3.2.1.8: smoltcp does not read options"),
    (
        "ipv4_source_own",
        "UdpPacket::new_checked",
        "another fault was found first, which smoltcp does not look for",
    ),
    ("ipv4_source_route", "TcpRepr::parse", "another fault was found first, which smoltcp does not look for"),
    (
        "ipv4_tiny_fragment",
        "Ipv4Repr::parse",
        "RFC 3128 §2.1: smoltcp is built without reassembly and refuses every fragment",
    ),
    (
        "ipv6_extension_truncated",
        "",
        "smoltcp walks no extension header but a leading Hop-by-Hop Options (RFC 8200 §4)",
    ),
    (
        "ipv6_first_fragment_short",
        "",
        "smoltcp walks no extension header but a leading Hop-by-Hop Options (RFC 8200 §4)",
    ),
    (
        "ipv6_fragment_length",
        "",
        "smoltcp walks no extension header but a leading Hop-by-Hop Options (RFC 8200 §4)",
    ),
    (
        "ipv6_fragment_too_large",
        "",
        "smoltcp walks no extension header but a leading Hop-by-Hop Options (RFC 8200 §4)",
    ),
    ("ipv6_hop_by_hop_malformed", "", "RFC 2711 §2.1: smoltcp does not count Router Alerts"),
    ("ipv6_hop_by_hop_misplaced", "", "RFC 8200 §4.1: smoltcp answers it as unknown"),
    (
        "ipv6_option_discard",
        "Ipv6HopByHopRepr::parse",
        "another fault was found first, which smoltcp does not look for",
    ),
    (
        "ipv6_option_unknown",
        "Ipv6HopByHopRepr::parse",
        "another fault was found first, which smoltcp does not look for",
    ),
    ("ipv6_source_own", "TcpRepr::parse", "another fault was found first, which smoltcp does not look for"),
    ("ipv6_udp_checksum_zero", "", "RFC 8200 §8.1: smoltcp takes a datagram without checksum"),
    ("l4_port_zero", "TcpRepr::parse", "RFC 6335 §6: misbehaving here, malformed to smoltcp"),
    ("l4_port_zero", "UdpRepr::parse", "RFC 6335 §6: misbehaving here, malformed to smoltcp"),
    ("nd_hop_limit", "Icmpv6Repr::parse", "RFC 4861 §7.1: also malformed otherwise"),
    ("nd_malformed", "", "RFC 4861 §7.1: smoltcp reads it, and ignores it in silence"),
    ("tcp_checksum", "", "smoltcp walks no extension header but a leading Hop-by-Hop Options (RFC 8200 §4)"),
    ("tcp_flags", "TcpRepr::parse", "RFC 9293 §3.5: misbehaving here, malformed to smoltcp"),
    (
        "tcp_header_length",
        "",
        "smoltcp walks no extension header but a leading Hop-by-Hop Options (RFC 8200 §4)",
    ),
    ("udp_checksum", "", "smoltcp walks no extension header but a leading Hop-by-Hop Options (RFC 8200 §4)"),
    ("udp_length", "", "smoltcp walks no extension header but a leading Hop-by-Hop Options (RFC 8200 §4)"),
];

#[test]
fn smoltcp_and_the_classifier_find_the_same_malformed() {
    log::set_logger(&Complaints).expect("no other logger");
    log::set_max_level(LevelFilter::Trace);
    let world = World::lab();
    let locals = Locals::new(&sim::config(&world).ports);
    let mut seen: BTreeMap<(&str, String), (u64, String)> = BTreeMap::new();
    let (mut wire, mut sockets) = (Wire::default(), SocketSet::new(vec![]));
    let mut interface = interface(&world, &mut wire);
    let mut agreed = [0_u64; 2];
    let seed = 48;
    for (count, made) in frames(&Generator::new(world.clone(), seed), 40_000).enumerate() {
        let Some(ours) = ours(&world, &locals, &made.bytes) else { continue };
        wire.rx.push_back(made.bytes.clone());
        interface.poll(Instant::from_secs(count as i64), &mut wire, &mut sockets);
        wire.tx.clear();
        let complaint = COMPLAINTS.with_borrow_mut(std::mem::take).into_iter().next().unwrap_or_default();
        let malformed = match ours {
            Ok(()) => false,
            Err(anomaly) => TABLE[anomaly as usize].kind == Kind::Malformed,
        };
        if malformed != complaint.is_empty() {
            agreed[usize::from(malformed)] += 1;
            continue;
        }
        let name = ours.map_or_else(Anomaly::name, |()| "healthy");
        let example = || (0, format!("{}: {:02x?}", made.template, made.bytes));
        seen.entry((name, complaint)).or_insert_with(example).0 += 1;
    }
    println!("seed {seed}: {} accepted by both, {} malformed to both", agreed[0], agreed[1]);
    let mut unknown = 0;
    for ((name, complaint), (count, example)) in &seen {
        let known = DIFFERS.iter().find(|row| (row.0, row.1) == (*name, complaint.as_str()));
        unknown += u32::from(known.is_none());
        let because = known.map_or("NOT IN THE TABLE", |row| row.2);
        println!("{count:6} {name} / {complaint}: {because}\n       first: {example}");
    }
    assert!(agreed[0] > 10_000 && agreed[1] > 5_000, "{agreed:?}");
    assert_eq!(unknown, 0, "kinds of difference that the table does not explain");
    for row in DIFFERS {
        assert!(seen.keys().any(|(name, complaint)| (row.0, row.1) == (*name, complaint)), "{row:?} is gone");
    }
}
