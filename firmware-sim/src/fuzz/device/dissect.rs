//! What little of frames is read to tell answers: kinds, and what a frame and its answer have in common.
//!
//! Read first: RFC 792, RFC 4443 §3 (errors quote what they are about); RFC 826; RFC 4861 §4.

use pktgen::build::{BROADCAST, protocol};
use pktgen::oracle::outgoing::well_formed;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::net::Ipv4Addr;

/// Bytes of a link layer's largest packet here.
const LONGEST: usize = 65_535;

/// A packet behind its link layer.
#[derive(Clone, Copy)]
enum Packet<'a> {
    Arp(&'a [u8]),
    V4(&'a [u8]),
    V6(&'a [u8]),
}

/// The packet behind tags and envelopes, without padding where its length says so.
fn packet(frame: &[u8]) -> Option<Packet<'_>> {
    let mut at = 12;
    while matches!(frame.get(at..at + 2)?, [0x81, 0x00] | [0x88, 0xa8]) {
        at += 4;
    }
    if frame[at] <= 5 {
        at += 8;
    }
    let rest = frame.get(at + 2..)?;
    let cut = |len: usize| rest.get(..len).unwrap_or(rest);
    Some(match frame.get(at..at + 2)? {
        [0x08, 0x06] => Packet::Arp(rest),
        [0x08, 0x00] => Packet::V4(cut(word(rest, 2)?)),
        [0x86, 0xdd] => Packet::V6(cut(word(rest, 4)? + 40)),
        _ => return None,
    })
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?])))
}

fn hash(of: &[&[u8]]) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(of)
}

/// What names a packet, on its way and in the errors about it: all but what routers change, and eight bytes behind it.
fn identity(packet: &[u8]) -> Option<u64> {
    match packet.first()? >> 4 {
        4 => {
            let header = usize::from(packet[0] & 15) * 4;
            let behind = packet.get(header..).unwrap_or_default();
            let behind = behind.get(..8).unwrap_or(behind);
            Some(hash(&[packet.get(2..6)?, packet.get(9..10)?, packet.get(12..20)?, behind]))
        }
        6 => {
            let behind = packet.get(40..)?;
            Some(hash(&[packet.get(4..7)?, packet.get(8..40)?, behind.get(..8).unwrap_or(behind)]))
        }
        _ => None,
    }
}

/// Protocol and transport header of a packet that is no later fragment.
fn transport(packet: Packet<'_>) -> Option<(u8, &[u8])> {
    match packet {
        Packet::Arp(_) => None,
        Packet::V4(packet) if word(packet, 6)? & 0x1fff == 0 => {
            Some((*packet.get(9)?, packet.get(usize::from(packet[0] & 15) * 4..)?))
        }
        Packet::V4(_) => None,
        Packet::V6(packet) => {
            let (mut next, mut rest) = (*packet.get(6)?, packet.get(40..)?);
            while matches!(next, protocol::HOP_BY_HOP | protocol::ROUTING | protocol::DESTINATION) {
                let len = (usize::from(*rest.get(1)?) + 1) * 8;
                (next, rest) = (*rest.first()?, rest.get(len..)?);
            }
            Some((next, rest))
        }
    }
}

/// What a frame that we sent may be known by again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// In an error's quote, or when it comes back.
    pub(super) identity: Option<u64>,
    /// In an answer from the other end.
    pub(super) exchange: Option<u64>,
}

/// The marks of a frame.
pub(super) fn marks(frame: &[u8]) -> Marks {
    let Some(packet) = packet(frame) else { return Marks::default() };
    let identity = match packet {
        Packet::Arp(_) => None,
        Packet::V4(packet) | Packet::V6(packet) => identity(packet),
    };
    Marks { identity, exchange: exchange(packet, false) }
}

/// What both frames of an exchange have in common; the answer's ends are the other way round.
fn exchange(packet: Packet<'_>, answer: bool) -> Option<u64> {
    let sides = |(ours, theirs)| if answer { (theirs, ours) } else { (ours, theirs) };
    let (ours, theirs) = match packet {
        Packet::Arp(arp) => {
            let (ours, theirs) = sides((arp.get(14..18)?, arp.get(24..28)?));
            return Some(hash(&[b"arp", ours, theirs]));
        }
        Packet::V4(packet) => sides((packet.get(12..16)?, packet.get(16..20)?)),
        Packet::V6(packet) => sides((packet.get(8..24)?, packet.get(24..40)?)),
    };
    let (protocol, behind) = transport(packet)?;
    match protocol {
        protocol::TCP | protocol::UDP => {
            let (from, to) = sides((behind.get(..2)?, behind.get(2..4)?));
            Some(hash(&[&[protocol], ours, theirs, from, to]))
        }
        protocol::ICMP => Some(hash(&[b"icmp", ours, theirs, behind.get(4..8)?])),
        protocol::ICMPV6 => match *behind.first()? {
            // Whom it is about: a solicitation goes to a group.
            135 | 136 => Some(hash(&[b"nd", behind.get(8..24)?])),
            _ => Some(hash(&[b"icmp", ours, theirs, behind.get(4..8)?])),
        },
        _ => None,
    }
}

/// A frame of the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Heard {
    /// What kind of answer it would be.
    pub(super) kind: String,
    /// The identity of the packet that it quotes, for an error; its own, if it may be a frame of ours that comes back.
    pub(super) identity: Option<u64>,
    pub(super) is_error: bool,
    /// What it has in common with the frame that it answers.
    pub(super) exchange: Option<u64>,
    /// Sent to a group, and no question of ARP or Neighbour Discovery: whatever made it, it is hardly an answer.
    pub(super) unasked: bool,
    /// What is wrong with it.
    pub(super) malformed: Option<String>,
}

/// Reads a frame of the device, on whose network `broadcast` is the directed broadcast.
pub(super) fn hear(frame: &[u8], broadcast: Option<Ipv4Addr>) -> Heard {
    let group = frame.first().is_some_and(|first| first & 1 == 1);
    let plain = |kind: &str, malformed| Heard {
        kind: kind.into(),
        identity: None,
        is_error: false,
        exchange: None,
        unasked: group,
        malformed,
    };
    let Some(packet) = packet(frame) else { return plain("other", None) };
    let bytes = match packet {
        Packet::Arp(arp) => return hear_arp(packet, arp, group),
        Packet::V4(bytes) | Packet::V6(bytes) => bytes,
    };
    let version = if matches!(packet, Packet::V4(_)) { ("icmp", [8, 0]) } else { ("icmpv6", [0x86, 0xdd]) };
    // The oracle wants Ethernet II without padding.
    let mut whole = [frame.get(..12).unwrap_or_default(), &version.1, bytes].concat();
    let to = if version.0 == "icmp" { bytes.get(16..20) } else { None };
    let to = to.and_then(|octets| <[u8; 4]>::try_from(octets).ok()).map(Ipv4Addr::from);
    let to_all = to.is_some_and(|to| to.is_broadcast() || Some(to) == broadcast);
    if to_all && whole.starts_with(&BROADCAST) {
        // The oracle knows multicast groups only.
        whole[0] = 2;
    }
    let mut malformed = well_formed(&whole, LONGEST).err();
    let (mut kind, mut quote) = ("other".to_owned(), None);
    if let Some((protocol, behind)) = transport(packet) {
        let (first, second) = (behind.first().copied(), behind.get(1).copied().unwrap_or(0));
        let error = matches!((protocol, first), (protocol::ICMP, Some(3..=5 | 11 | 12)))
            || matches!((protocol, first), (protocol::ICMPV6, Some(1..=4)));
        kind = match (protocol, first) {
            (_, Some(first)) if error => {
                if to_all && malformed.is_none() {
                    // RFC 1122 §3.2.2.
                    malformed = Some("an ICMP error to a broadcast".into());
                }
                quote = behind.get(8..).and_then(identity);
                format!("{} {first}/{second}", version.0)
            }
            (protocol::ICMP, Some(0)) | (protocol::ICMPV6, Some(129)) => "echo reply".into(),
            (protocol::ICMP, Some(14)) => "timestamp reply".into(),
            (protocol::ICMPV6, Some(135)) => "ND solicitation".into(),
            (protocol::ICMPV6, Some(136)) => "ND advertisement".into(),
            (protocol::ICMPV6, Some(137)) => "icmpv6 137/0".into(),
            (protocol::TCP, _) => match behind.get(13).copied().unwrap_or(0) & 0x16 {
                flags if flags & 4 != 0 => "TCP RST".into(),
                0x12 => "TCP SYN+ACK".into(),
                _ => "TCP".into(),
            },
            (protocol::UDP, _) => "UDP".into(),
            _ => kind,
        };
    }
    let is_error = quote.is_some();
    Heard {
        unasked: group && kind != "ND solicitation",
        kind,
        identity: quote.or_else(|| identity(bytes)),
        is_error,
        exchange: exchange(packet, true),
        malformed,
    }
}

fn hear_arp(packet: Packet<'_>, arp: &[u8], group: bool) -> Heard {
    let sound = arp.get(..6) == Some(&[0, 1, 8, 0, 6, 4]) && arp.len() >= 28;
    let operation = word(arp, 6);
    let kind = match operation {
        Some(1) => "ARP request",
        Some(2) => "ARP reply",
        _ => "other",
    };
    Heard {
        kind: kind.into(),
        identity: None,
        is_error: false,
        exchange: if operation == Some(2) { exchange(packet, true) } else { None },
        unasked: group && operation != Some(1),
        malformed: if sound && kind != "other" { None } else { Some("ARP header".into()) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pktgen::build::{self, Arp, Ipv4, Ipv6, ethernet, ethertype, icmp, icmpv6};

    const OURS: [u8; 6] = [2, 0, 0, 0, 1, 2];
    const THEIRS: [u8; 6] = [2, 0, 0, 0, 1, 1];

    fn v4(from: [u8; 4], to: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
        let header = Ipv4 { protocol, ..Ipv4::new(Ipv4Addr::from(from), Ipv4Addr::from(to)) };
        let (source, destination) = if from[3] == 2 { (OURS, THEIRS) } else { (THEIRS, OURS) };
        ethernet(destination, source, ethertype::IPV4, &header.packet(payload))
    }

    const HOST: [u8; 4] = [10, 0, 1, 2];
    const DEVICE: [u8; 4] = [10, 0, 1, 1];

    #[test]
    fn an_error_names_the_frame_that_it_quotes_whatever_ttl_it_has_by_then() {
        let sent = v4(HOST, [10, 0, 2, 2], protocol::UDP, &[0, 7, 0, 9, 0, 8, 0, 0]);
        let mut quoted = sent[14..].to_vec();
        quoted[8] -= 1;
        build::seal_ipv4(&mut quoted);
        let error = build::pad(v4(DEVICE, HOST, protocol::ICMP, &icmp(3, 1, [0; 4], &quoted)));
        let heard = hear(&error, None);
        assert_eq!((&*heard.kind, heard.is_error, &heard.malformed), ("icmp 3/1", true, &None));
        assert_eq!(heard.identity, marks(&sent).identity);
        assert_eq!(hear(&build::tag(&error, ethertype::VLAN, 5), None).identity, heard.identity);
        let mut wrong = error;
        wrong[40] ^= 1;
        assert_eq!(hear(&wrong, None).malformed.as_deref(), Some("ICMP checksum"));
        let other = v4(HOST, [10, 0, 2, 2], protocol::UDP, &[0, 7, 0, 8, 0, 8, 0, 0]);
        assert_ne!(heard.identity, marks(&other).identity);
    }

    #[test]
    fn answers_of_an_exchange_are_known_by_its_ends() {
        let echo = v4(HOST, DEVICE, protocol::ICMP, &icmp(8, 0, [1, 2, 3, 4], b"x"));
        let reply = hear(&v4(DEVICE, HOST, protocol::ICMP, &icmp(0, 0, [1, 2, 3, 4], b"x")), None);
        assert_eq!((&*reply.kind, reply.exchange), ("echo reply", marks(&echo).exchange));
        assert_ne!(
            hear(&v4(DEVICE, HOST, protocol::ICMP, &icmp(0, 0, [1, 2, 3, 5], b"x")), None).exchange,
            reply.exchange
        );
        let tcp =
            |from: [u8; 2], to: [u8; 2], flags| [&from[..], &to, &[0; 8], &[0x50, flags], &[0; 6]].concat();
        let syn = v4(HOST, DEVICE, protocol::TCP, &tcp([1, 1], [0, 80], 2));
        let reset = hear(&v4(DEVICE, HOST, protocol::TCP, &tcp([0, 80], [1, 1], 0x14)), None);
        assert_eq!((&*reset.kind, reset.exchange), ("TCP RST", marks(&syn).exchange));
        let request = Arp::request(OURS, HOST.into(), DEVICE.into());
        let reply = Arp { operation: 2, ..Arp::request(THEIRS, DEVICE.into(), HOST.into()) };
        let asked = ethernet(BROADCAST, OURS, ethertype::ARP, &request.packet());
        let told = hear(&ethernet(OURS, THEIRS, ethertype::ARP, &reply.packet()), None);
        assert_eq!((&*told.kind, told.exchange, told.unasked), ("ARP reply", marks(&asked).exchange, false));
    }

    #[test]
    fn a_broadcast_is_sound_but_no_error_goes_there() {
        let all: [u8; 4] = [10, 0, 1, 255];
        let to_all = |mut frame: Vec<u8>| {
            frame[..6].fill(0xff);
            frame
        };
        let wrong =
            |frame: &[u8], broadcast: Option<[u8; 4]>| hear(frame, broadcast.map(Into::into)).malformed;
        let udp = to_all(v4(DEVICE, all, protocol::UDP, &[0, 7, 0, 9, 0, 8, 0, 0]));
        assert_eq!(wrong(&udp, Some(all)), None);
        assert!(wrong(&udp, None).is_some(), "one host's address, and a group's station");
        assert_eq!(wrong(&to_all(v4(DEVICE, [255; 4], protocol::UDP, &udp[34..])), None), None);
        let quoted = &v4(all, DEVICE, protocol::UDP, &udp[34..])[14..];
        let error = to_all(v4(DEVICE, all, protocol::ICMP, &icmp(3, 3, [0; 4], quoted)));
        assert_eq!(wrong(&error, Some(all)).as_deref(), Some("an ICMP error to a broadcast"));
    }

    #[test]
    fn what_goes_to_a_group_is_no_answer_and_nothing_makes_it_panic() {
        let from = "fe80::1".parse().unwrap();
        let to = "ff02::2".parse().unwrap();
        let header = Ipv6 { protocol: protocol::ICMPV6, hop_limit: 255, ..Ipv6::new(from, to) };
        let packet = header.packet(&icmpv6(from, to, 133, 0, [0; 4], &[]));
        let frame = ethernet(build::multicast_mac(to), THEIRS, ethertype::IPV6, &packet);
        let heard = hear(&frame, None);
        assert!(heard.unasked && heard.malformed.is_none() && heard.kind == "other", "{heard:?}");
        for frame in [frame, v4(HOST, DEVICE, protocol::ICMP, &icmp(3, 1, [0; 4], &[0x45; 28]))] {
            for len in 0..frame.len() {
                for byte in [0, 0x45, 0x60, 0x88, 0xff] {
                    let mut cut = frame[..len].to_vec();
                    cut.iter_mut().skip(12).step_by(7).for_each(|at| *at = byte);
                    hear(&cut, None);
                    marks(&cut);
                }
            }
        }
    }
}
