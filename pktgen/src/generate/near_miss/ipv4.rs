//! Near misses in the IPv4 header, its options and its fragment fields.
//!
//! Read first: RFC 791 §3.1; RFC 1812 §4.2.2 and §5.3.7; RFC 7126; RFC 6890 §2.2.2.

use super::super::scene_ipv6::Header;
use super::{Made, Scene};
use crate::build::{BROADCAST, Ipv4, internet_checksum, protocol};
use crate::dice::Draw;
use crate::world::Port;
use stack::Anomaly;
use std::net::Ipv4Addr;

pub(super) fn make(anomaly: Anomaly, scene: &mut Scene<'_>) -> Option<Made> {
    Some(match anomaly {
        Anomaly::Ipv4Truncated | Anomaly::Ipv4TotalLengthShort => {
            // The total length is the header's: 20 bytes, no data. 253 is for experiments (RFC 3692).
            let header = Ipv4 { protocol: 253, ..scene.transit() };
            (scene.bare_frame(&header.packet(&[])), "ipv4_header_alone")
        }
        Anomaly::Ipv4HeaderLength => {
            // As long as four bits can say, and as long as the packet.
            let header = Ipv4 { protocol: 253, options: vec![1; 40], ..scene.transit() };
            (scene.bare_frame(&header.packet(&[])), "ipv4_header_of_15_words")
        }
        Anomaly::Ipv4Version => {
            let header = Ipv4 { options: vec![1; 4], ..scene.either() };
            let packet = scene.packet(header);
            (scene.frame(&packet), "ipv4_header_of_6_words")
        }
        Anomaly::Ipv4TotalLengthOverrun => {
            let header = scene.either();
            let packet = scene.packet(header);
            (scene.bare_frame(&packet), "total_length_exact")
        }
        Anomaly::Ipv4Checksum => (checksum_zero(scene), "checksum_that_is_zero"),
        Anomaly::IcmpWrongFamily => {
            let header = scene.any_either();
            let number = if matches!(header, Header::V4(_)) { protocol::ICMP } else { protocol::ICMPV6 };
            let header = header.carrying(number);
            let message = scene.any_segment(&header, 24);
            (scene.any_frame(&header, &message), "icmp_of_its_family")
        }
        Anomaly::Ipv4OptionMalformed
        | Anomaly::Ipv4SourceRoute
        | Anomaly::Ipv4OptionTransit
        | Anomaly::Ipv4OptionUnknown => options(anomaly, scene),
        Anomaly::Ipv4FragmentDf
        | Anomaly::Ipv4FragmentTooLarge
        | Anomaly::Ipv4TinyFragment
        | Anomaly::Ipv4FragmentLength => fragment(anomaly, scene),
        _ => return address(anomaly, scene),
    })
}

/// A header whose right checksum is zero: the identification makes up what the sum lacks.
fn checksum_zero(scene: &mut Scene<'_>) -> Vec<u8> {
    let header = Ipv4 { identification: 0, ..scene.either() };
    let missing = internet_checksum(&{
        let mut bytes = header.packet(&[0; 20]);
        bytes.truncate(20);
        bytes[10..12].fill(0);
        bytes
    });
    let header = Ipv4 { identification: missing, protocol: protocol::UDP, ..header };
    let segment = scene.segment(&header, 12);
    scene.frame(&header.packet(&segment))
}

fn options(anomaly: Anomaly, scene: &mut Scene<'_>) -> Made {
    let (header, options, template): (Ipv4, &[u8], _) = match anomaly {
        // A Router Alert that ends where the header does, or garbage behind End of Option List.
        Anomaly::Ipv4OptionMalformed if scene.rng.one_in(2) => {
            (scene.either(), &[1, 1, 1, 1, 148, 4, 0, 0], "option_ends_with_header")
        }
        Anomaly::Ipv4OptionMalformed => (scene.either(), &[1, 0, 7, 99], "garbage_behind_end_of_options"),
        // To the router itself these bind nothing: it need not act on them (RFC 7126 §4.6).
        Anomaly::Ipv4SourceRoute => (scene.local(), &[7, 7, 4, 0, 0, 0, 0], "record_route_to_router"),
        Anomaly::Ipv4OptionTransit => (scene.local(), &[68, 8, 5, 0, 0, 0, 0, 0], "timestamp_to_router"),
        _ => (scene.transit(), &[148, 4, 0, 0], "router_alert_transit"),
    };
    let header = Ipv4 { options: options.to_vec(), ..header };
    let packet = scene.packet(header);
    (scene.frame(&packet), template)
}

fn fragment(anomaly: Anomaly, scene: &mut Scene<'_>) -> Made {
    let udp = protocol::UDP;
    let (header, len, template) = match anomaly {
        Anomaly::Ipv4FragmentDf => {
            let offset = scene.rng.between(2, 180) as u16;
            (
                Ipv4 { offset, more_fragments: true, protocol: udp, ..scene.either() },
                64,
                "fragment_without_df",
            )
        }
        Anomaly::Ipv4TinyFragment => {
            let (protocol, offset) = *scene.rng.pick(&[(protocol::TCP, 2), (udp, 1)]);
            let header = Ipv4 { protocol, offset, more_fragments: true, ..scene.transit() };
            (header, 32, "fragment_next_to_tiny")
        }
        Anomaly::Ipv4FragmentTooLarge => {
            // 20 + 8189 · 8 + 3 = 65,535
            (Ipv4 { offset: 8189, protocol: udp, ..scene.local() }, 3, "fragment_to_65535")
        }
        _ => {
            let offset = scene.rng.between(2, 4000) as u16;
            let len = scene.rng.between(1, 60);
            (Ipv4 { offset, protocol: udp, ..scene.local() }, len, "last_fragment_of_any_length")
        }
    };
    let data = scene.rng.bytes(len);
    (scene.frame(&header.packet(&data)), template)
}

/// Addresses next to those that are odd.
fn address(anomaly: Anomaly, scene: &mut Scene<'_>) -> Option<Made> {
    let mut header = if anomaly == Anomaly::Ipv4LinkLocal { scene.transit() } else { scene.either() };
    let template = match anomaly {
        Anomaly::Ipv4ReservedFlag => {
            header.dont_fragment = true;
            "dont_fragment"
        }
        Anomaly::Ipv4SourceMartian => {
            let sources = [[1, 0, 0, 1], [223, 255, 255, 254]];
            header.source = (*scene.rng.pick(&sources)).into();
            "source_next_to_martian"
        }
        Anomaly::Ipv4Loopback => {
            let sources = [[126, 255, 255, 254], [128, 0, 0, 1]];
            header.source = (*scene.rng.pick(&sources)).into();
            "source_next_to_loopback"
        }
        Anomaly::Ipv4DestinationMartian => {
            // The one address in 240/4 that has a meaning.
            header = Ipv4 { protocol: protocol::UDP, ..scene.header(Ipv4Addr::BROADCAST) };
            let segment = scene.segment(&header, 20);
            let frame = scene.frame_to(BROADCAST, &header.packet(&segment));
            return Some((frame, "limited_broadcast"));
        }
        Anomaly::Ipv4LinkLocal => {
            let sources = [[169, 253, 255, 254], [169, 255, 0, 1]];
            header.source = (*scene.rng.pick(&sources)).into();
            "source_next_to_link_local"
        }
        Anomaly::Ipv4SpecialPurpose => {
            header = scene.transit();
            // What has a reservation of its own, and the neighbours of each block.
            let sources = [
                [192, 0, 0, 9],
                [192, 0, 0, 10],
                [192, 0, 3, 1],
                [198, 51, 101, 1],
                [203, 0, 114, 1],
                [192, 0, 1, 9],
            ];
            header.source = (*scene.rng.pick(&sources)).into();
            "source_next_to_special_purpose"
        }
        Anomaly::Ipv4SourceOwn | Anomaly::Ipv4Land => {
            let next_to =
                if anomaly == Anomaly::Ipv4Land { header.destination } else { scene.router().address };
            header.source = neighbour(scene, next_to)?;
            "source_of_a_neighbour"
        }
        Anomaly::Ipv4SourceBroadcast => {
            let broadcasts: Vec<Ipv4Addr> = scene.world.ports.iter().filter_map(Port::broadcast).collect();
            let next_to = *broadcasts.first()?;
            header.source = neighbour(scene, next_to)?;
            "source_next_to_broadcast"
        }
        Anomaly::Ipv4DirectedBroadcast => {
            // That of the sender's own network has arrived: it does not go on.
            header = scene.header(scene.router().broadcast()?);
            let packet = scene.packet(header);
            return Some((scene.frame_to(BROADCAST, &packet), "directed_broadcast_of_own_network"));
        }
        _ => return None,
    };
    let packet = scene.packet(header);
    Some((scene.frame(&packet), template))
}

/// An address one bit from this one that is a plain host's.
fn neighbour(scene: &Scene<'_>, address: Ipv4Addr) -> Option<Ipv4Addr> {
    let world = scene.world;
    let bits = (0..8).rev().map(|bit| Ipv4Addr::from(u32::from(address) ^ (1 << bit)));
    let mut plain = bits.filter(|&at| !world.is_router(at) && !world.is_directed_broadcast(at));
    plain.next()
}
