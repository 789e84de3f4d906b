//! Checksums against smoltcp's parsers; super-frames against the segments that a host would have sent.

use super::*;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    IpAddress, Ipv4Address, Ipv4Packet, Ipv4Repr, Ipv6Address, Ipv6Packet, Ipv6Repr, TcpControl, TcpPacket,
    TcpRepr, TcpSeqNumber, UdpPacket, UdpRepr,
};
use std::net::IpAddr;

const V4: [Ipv4Address; 2] = [Ipv4Address::new(10, 0, 1, 2), Ipv4Address::new(10, 0, 2, 2)];
const V6: [Ipv6Address; 2] =
    [Ipv6Address::new(0xfd00, 1, 0, 0, 0, 0, 0, 2), Ipv6Address::new(0xfd00, 2, 0, 0, 0, 0, 0, 2)];

/// A frame whose TCP checksum is left to whoever sends it, as a kernel leaves it.
fn super_frame(six: bool, tag: bool, payload: &[u8]) -> Vec<u8> {
    let tcp = TcpRepr {
        src_port: 5201,
        dst_port: 40_000,
        control: TcpControl::Psh,
        seq_number: TcpSeqNumber(-1000),
        ack_number: Some(TcpSeqNumber(7)),
        window_len: 1000,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload,
    };
    let mut frame = vec![2; 12];
    if tag {
        frame.extend([0x81, 0, 0, 5]);
    }
    frame.extend(if six { [0x86, 0xdd] } else { [0x08, 0x00] });
    let ip = frame.len();
    let checks = ChecksumCapabilities::default();
    let (next_header, hop_limit) = (smoltcp::wire::IpProtocol::Tcp, 64);
    let payload_len = tcp.buffer_len();
    let (from, to, header): (IpAddress, IpAddress, usize) = if six {
        let [src_addr, dst_addr] = V6;
        frame.resize(ip + 40 + payload_len, 0);
        Ipv6Repr { src_addr, dst_addr, next_header, hop_limit, payload_len }
            .emit(&mut Ipv6Packet::new_unchecked(&mut frame[ip..]));
        (src_addr.into(), dst_addr.into(), 40)
    } else {
        let [src_addr, dst_addr] = V4;
        frame.resize(ip + 20 + payload_len, 0);
        Ipv4Repr { src_addr, dst_addr, next_header, hop_limit, payload_len }
            .emit(&mut Ipv4Packet::new_unchecked(&mut frame[ip..]), &checks);
        (src_addr.into(), dst_addr.into(), 20)
    };
    tcp.emit(&mut TcpPacket::new_unchecked(&mut frame[ip + header..]), &from, &to, &checks);
    let pseudo = checksum::pseudo_header(&from, &to, next_header, payload_len as u32);
    put(&mut frame, ip + header + TCP_CHECKSUM, pseudo);
    frame
}

fn header(kind: u8, size: usize, start: usize, offset: usize) -> [u8; HEADER] {
    let mut header = [NEEDS_CHECKSUM, kind, 0, 0, 0, 0, 0, 0, 0, 0];
    for (at, value) in [(4, size), (6, start), (8, offset)] {
        header[at..at + 2].copy_from_slice(&(value as u16).to_ne_bytes());
    }
    header
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| ((i * 31) >> 3) as u8).collect()
}

#[test]
fn a_super_frame_becomes_the_segments_that_it_stands_for() {
    for (six, tag) in [(false, false), (false, true), (true, false), (true, true)] {
        let payload = pattern(10_000);
        let mut frame = super_frame(six, tag, &payload);
        let link = if tag { 18 } else { 14 };
        let ip_header = if six { 40 } else { 20 };
        let kind = if six { TCP_IPV6 } else { TCP_IPV4 };
        let given = header(kind, 1400, link + ip_header, TCP_CHECKSUM);
        let gso = settle(given, &mut frame).expect("a super-frame");
        assert_eq!((gso.segment_len(), gso.count(&frame)), (ip_header + 20 + 1400, 8));
        assert_eq!(gso.header(&frame)[4..], given[4..]);
        let mut joined = Vec::<u8>::new();
        let mut out = vec![0; frame.len()];
        for index in 0..gso.count(&frame) {
            let len = gso.cut(&frame, index, &mut out);
            let packet = &out[link..len];
            let (from, to, segment): (IpAddress, IpAddress, &[u8]) = if six {
                let packet = Ipv6Packet::new_checked(packet).unwrap();
                (packet.src_addr().into(), packet.dst_addr().into(), packet.payload())
            } else {
                let packet = Ipv4Packet::new_checked(packet).unwrap();
                assert!(packet.verify_checksum());
                assert_eq!(usize::from(packet.ident()), index);
                (packet.src_addr().into(), packet.dst_addr().into(), packet.payload())
            };
            let tcp = TcpPacket::new_checked(segment).unwrap();
            assert!(tcp.verify_checksum(&from, &to), "segment {index}, IPv6 {six}");
            assert_eq!(tcp.seq_number(), TcpSeqNumber(-1000) + index * 1400);
            assert_eq!(tcp.psh(), index == 7);
            assert_eq!(out[..link], frame[..link]);
            joined.extend(tcp.payload());
        }
        assert_eq!(joined, payload);
    }
}

#[test]
fn an_unfinished_checksum_is_finished() {
    let udp = UdpRepr { src_port: 9, dst_port: 10 };
    for data in [pattern(0), pattern(1), pattern(18), pattern(1472)] {
        let mut frame = vec![0; 34 + 8 + data.len()];
        let [from, to] = V4.map(IpAddress::from);
        let mut packet = UdpPacket::new_unchecked(&mut frame[34..]);
        udp.emit(
            &mut packet,
            &from,
            &to,
            data.len(),
            |payload| payload.copy_from_slice(&data),
            &ChecksumCapabilities::ignored(),
        );
        let pseudo =
            checksum::pseudo_header(&from, &to, smoltcp::wire::IpProtocol::Udp, 8 + data.len() as u32);
        put(&mut frame, 40, pseudo);
        assert_eq!(settle(header(0, 0, 34, 6), &mut frame), None);
        assert!(UdpPacket::new_checked(&frame[34..]).unwrap().verify_checksum(&from, &to));
    }
}

#[test]
fn a_checksum_of_zero_is_written_as_its_other_form() {
    let mut frame = vec![0; 42];
    put(&mut frame, 34, 0xffff);
    assert_eq!(settle(header(0, 0, 34, 6), &mut frame), None);
    assert_eq!(word(&frame, 40), Some(0xffff));
}

#[test]
fn headers_that_make_no_sense_change_nothing() {
    let frame = super_frame(false, false, &pattern(3000));
    for given in [
        [0; HEADER],
        header(0, 0, 60_000, 16),
        header(0, 0, frame.len() - 1, 0),
        header(TCP_IPV4, 0, 34, 16),
        header(TCP_IPV6, 1000, 34, 16),
        header(TCP_IPV4, 1000, 13, 16),
        header(TCP_IPV4, 1000, 60_000, 16),
        header(3, 1000, 34, 6),
    ] {
        let mut copy = frame.clone();
        assert_eq!(settle(given, &mut copy), None, "{given:?}");
        assert_eq!(copy, frame);
    }
    for len in 0..60 {
        assert_eq!(settle(header(TCP_IPV4, 1000, 34, 16), &mut frame[..len.min(54)].to_vec()), None);
    }
}

#[test]
fn only_an_ordinary_packet_between_others_passes_whole() {
    let frame = super_frame(false, false, &pattern(3000));
    let gso = settle(header(TCP_IPV4, 1460, 34, 16), &mut frame.clone()).unwrap();
    let nobody = |_: IpAddr| false;
    assert!(gso.is_plain_transit(&frame, nobody));
    assert!(!gso.is_plain_transit(&frame, |to| to == IpAddr::from([10, 0, 2, 2])));
    for (at, byte) in [(14 + 8, 1), (14, 0x46), (14 + 16, 224)] {
        let mut odd = frame.clone();
        odd[at] = byte;
        assert!(!gso.is_plain_transit(&odd, nobody), "byte {at}");
    }
    let six = super_frame(true, true, &pattern(3000));
    let gso = settle(header(TCP_IPV6, 1440, 58, 16), &mut six.clone()).unwrap();
    assert!(gso.is_plain_transit(&six, nobody));
    assert!(!gso.is_plain_transit(&six, |to| to == IpAddr::from(V6[1].octets())));
    let mut link_local = six.clone();
    link_local[18 + 24..18 + 26].copy_from_slice(&[0xfe, 0x80]);
    assert!(!gso.is_plain_transit(&link_local, nobody));
}
