//! Packets of each link layer, and the Ethernet frames that are made of them.

use crate::replay::hosts::STATION;
use crate::replay::link::{LeftOut, Link, readdress};
use pktgen::build;
use std::net::Ipv6Addr;

const ROUTER: [u8; 6] = [2, 0, 0, 0, 1, 1];

fn framed(link: u32, packet: &[u8]) -> Result<Vec<u8>, LeftOut> {
    let mut frame = vec![0xee; 3];
    Link::of(link).unwrap().to_ethernet(packet, ROUTER, STATION, &mut frame).map(|()| frame)
}

fn expected(destination: [u8; 6], source: [u8; 6], kind: u16, packet: &[u8]) -> Result<Vec<u8>, LeftOut> {
    Ok(build::ethernet(destination, source, kind, packet))
}

fn v4(to: [u8; 4]) -> Vec<u8> {
    build::Ipv4::new([192, 0, 2, 1].into(), to.into()).packet(b"payload")
}

fn v6(to: &str) -> Vec<u8> {
    let to: Ipv6Addr = to.parse().unwrap();
    build::Ipv6::new("2001:db8::1".parse().unwrap(), to).packet(b"payload")
}

#[test]
fn raw_ip_goes_to_the_router_or_to_its_group() {
    let (packet, packet_v6) = (v4([10, 0, 2, 2]), v6("2001:db8::2"));
    for link in [12, 14, 101] {
        assert_eq!(framed(link, &packet), expected(ROUTER, STATION, 0x0800, &packet));
        assert_eq!(framed(link, &packet_v6), expected(ROUTER, STATION, 0x86dd, &packet_v6));
    }
    assert_eq!(framed(228, &packet), expected(ROUTER, STATION, 0x0800, &packet));
    assert_eq!(framed(229, &packet_v6), expected(ROUTER, STATION, 0x86dd, &packet_v6));
    let group = v4([239, 129, 2, 3]);
    assert_eq!(framed(101, &group), expected([1, 0, 0x5e, 1, 2, 3], STATION, 0x0800, &group));
    let everybody = v4([255; 4]);
    assert_eq!(framed(101, &everybody), expected([0xff; 6], STATION, 0x0800, &everybody));
    let group = v6("ff02::1:ff00:1234");
    assert_eq!(framed(101, &group), expected([0x33, 0x33, 0xff, 0, 0x12, 0x34], STATION, 0x86dd, &group));
    // Whatever it is, the classifier is to name it.
    assert_eq!(framed(101, b""), expected(ROUTER, STATION, 0x0800, b""));
    assert_eq!(framed(228, &packet_v6), expected(ROUTER, STATION, 0x0800, &packet_v6));
}

#[test]
fn loopback_families_are_read_in_either_byte_order() {
    let packet = v6("2001:db8::2");
    let with = |family: [u8; 4]| [&family[..], &packet].concat();
    for family in [10, 24, 28, 30] {
        for bytes in [[family, 0, 0, 0], [0, 0, 0, family]] {
            assert_eq!(framed(0, &with(bytes)), expected(ROUTER, STATION, 0x86dd, &packet));
        }
    }
    assert_eq!(framed(108, &with([0, 0, 0, 2])), expected(ROUTER, STATION, 0x0800, &packet));
    assert_eq!(framed(108, &with([2, 0, 0, 0])), Err(LeftOut::NoPacket), "always in network byte order");
    assert_eq!(framed(0, &with([7, 0, 0, 0])), Err(LeftOut::NoPacket));
    assert_eq!(framed(0, &[2, 0, 0]), Err(LeftOut::NoHeader));
}

#[test]
fn cooked_packets_keep_their_sender_and_their_protocol() {
    let (packet, sender) = (v4([10, 0, 2, 2]), [2, 1, 2, 3, 4, 5]);
    let sll = |kind: u8, arphrd: u16, len: u8, protocol: u16, payload: &[u8]| {
        let head =
            [&[0, kind][..], &arphrd.to_be_bytes(), &[0, len], &sender, &[0, 0], &protocol.to_be_bytes()];
        [head.concat(), payload.to_vec()].concat()
    };
    assert_eq!(framed(113, &sll(0, 1, 6, 0x0800, &packet)), expected(ROUTER, sender, 0x0800, &packet));
    assert_eq!(framed(113, &sll(1, 1, 6, 0x0806, b"arp")), expected([0xff; 6], sender, 0x0806, b"arp"));
    assert_eq!(framed(113, &sll(4, 65_534, 0, 0x0800, &packet)), expected(ROUTER, STATION, 0x0800, &packet));
    // 802.2 has a length where Ethernet has its type.
    assert_eq!(framed(113, &sll(2, 1, 6, 4, b"BPDU")), expected(ROUTER, sender, 4, b"BPDU"));
    assert_eq!(framed(113, &sll(0, 1, 6, 0x000c, b"CAN")), Err(LeftOut::NoPacket));
    assert_eq!(framed(113, &sll(0, 824, 0, 0x0800, b"netlink")), Err(LeftOut::NoPacket));
    assert_eq!(framed(113, &sll(0, 1, 6, 0x0800, b"")[..15]), Err(LeftOut::NoHeader));
    let sll2 = [&[0x08, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6][..], &sender, &[0, 0], &packet].concat();
    assert_eq!(framed(276, &sll2), expected(ROUTER, sender, 0x0800, &packet));
    assert_eq!(framed(276, &sll2[..19]), Err(LeftOut::NoHeader));
}

#[test]
fn unicast_frames_are_readdressed_and_others_are_left_alone() {
    for (frame, expected) in [
        (&[4, 9, 9, 9, 9, 9, 7][..], &[2, 0, 0, 0, 1, 1, 7][..]),
        (&[5, 9, 9, 9, 9, 9, 7], &[5, 9, 9, 9, 9, 9, 7]),
        (&[4, 9, 9, 9, 9], &[4, 9, 9, 9, 9]),
    ] {
        let mut frame = frame.to_vec();
        readdress(&mut frame, ROUTER);
        assert_eq!(frame, expected);
    }
    assert_eq!(Link::of(127), None);
}
