//! Each format that a capture may have, read packet by packet.

use super::files::{ETHERNET, Ng, Order, gzip, pcap, read, read_whole};
use crate::replay::source::Packet;
use std::time::Duration;

const A: &[u8] = b"the first packet";
const B: &[u8] = b"and one with an odd length";

fn nanos(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}

#[test]
fn pcap_in_both_byte_orders_and_both_resolutions() {
    for order in [Order::Little, Order::Big] {
        for (fine, unit) in [(false, 1_000), (true, 1)] {
            let file = pcap(order, fine, ETHERNET, &[(7, 5, 16, A), (8, 999_999, 1_500, B)]);
            let packets = read_whole(&file);
            let [(first, a), (second, b)] = &packets[..] else { panic!("{packets:?}") };
            assert_eq!((&a[..], &b[..]), (A, B));
            let time = nanos(7_000_000_000 + 5 * unit);
            assert_eq!(*first, Packet { number: 1, time, link: ETHERNET, cut: false });
            let time = nanos(8_000_000_000 + 999_999 * unit);
            assert_eq!(*second, Packet { number: 2, time, link: ETHERNET, cut: true });
        }
    }
    // The upper half of the link type's field tells of check sequences.
    let packets = read_whole(&pcap(Order::Big, false, 0x3400_0065, &[(0, 0, 16, A)]));
    assert_eq!(packets[0].0.link, 101);
}

#[test]
fn pcapng_with_interfaces_of_different_links_and_clocks() {
    for order in [Order::Little, Order::Big] {
        let offset = match order {
            Order::Little => 3_600_i64.to_le_bytes(),
            Order::Big => 3_600_i64.to_be_bytes(),
        };
        let file = Ng::new(order)
            .interface(1, 0, &[(2, b"eth0")])
            .interface(101, 0, &[(9, &[9]), (14, &offset)])
            // A packet's options are not looked at: this one is cut off.
            .block(
                6,
                &[[0_u32, 0, 5, 0, 0].map(|word| order.word(word)).concat(), vec![0, 1, 0, 99]].concat(),
            )
            .enhanced(1, 1_000_000_007, A)
            .interface(113, 0, &[(9, &[0x8a])])
            .enhanced(2, 3 << 10, B)
            .old(0, 2_000_000, A)
            .block(5, b"statistics, which are stepped over.")
            .simple(16, A)
            .bytes;
        let packets = read_whole(&file);
        let told: Vec<_> = packets
            .iter()
            .map(|(packet, bytes)| (packet.number, packet.time, packet.link, &bytes[..]))
            .collect();
        let expected: [(u64, Duration, u32, &[u8]); 5] = [
            (1, nanos(5_000), 1, b""),
            (2, nanos(3_601_000_000_007), 101, A),
            (3, nanos(3_000_000_000), 113, B),
            (4, nanos(2_000_000_000), 1, A),
            // It has no time of its own.
            (5, nanos(2_000_000_000), 1, A),
        ];
        assert_eq!(told, expected);
    }
}

#[test]
fn sections_follow_each_other_and_each_has_its_own_interfaces_and_byte_order() {
    let file = Ng::new(Order::Little).interface(1, 0, &[]).enhanced(0, 1, A);
    let file = file.section(Order::Big).interface(12, 0, &[]).enhanced(0, 2, B).bytes;
    let packets = read_whole(&file);
    assert_eq!(packets.iter().map(|(packet, _)| packet.link).collect::<Vec<_>>(), [1, 12]);
    assert_eq!(packets[1].0.time, nanos(2_000));
    let file = Ng::new(Order::Little).interface(1, 0, &[]).section(Order::Big).enhanced(0, 2, B).bytes;
    let error = read(&file).1.unwrap().to_string();
    assert!(error.contains("packet 1: it names interface 0, and the file has described 0"), "{error}");
}

#[test]
fn a_simple_packet_is_as_long_as_its_interface_kept() {
    let file = Ng::new(Order::Little).interface(1, 16, &[]).simple(1_500, A).simple(5, b"five.").bytes;
    let packets = read_whole(&file);
    assert_eq!((&packets[0].1[..], packets[0].0.cut), (A, true));
    assert_eq!((&packets[1].1[..], packets[1].0.cut), (&b"five."[..], false));
}

#[test]
fn clocks_that_cannot_be_are_held_at_their_ends() {
    for (resolution, ticks, expected) in [
        (0, 5, nanos(5_000_000_000)),
        (9, u64::MAX, nanos(u64::MAX)),
        (0, u64::MAX, nanos(u64::MAX)),
        (12, 5_000, nanos(5)),
        (127, u64::MAX, Duration::ZERO),
        (0x80, 3, nanos(3_000_000_000)),
        (0xff, u64::MAX, Duration::ZERO),
    ] {
        let file = Ng::new(Order::Big).interface(1, 0, &[(9, &[resolution])]).enhanced(0, ticks, A).bytes;
        assert_eq!(read_whole(&file)[0].0.time, expected, "resolution {resolution}");
    }
    let before = (-9_000_000_000_i64).to_be_bytes();
    let file = Ng::new(Order::Big).interface(1, 0, &[(14, &before)]).enhanced(0, 1, A).bytes;
    assert_eq!(read_whole(&file)[0].0.time, Duration::ZERO);
}

#[test]
fn gzip_is_uncompressed_as_it_is_read() {
    let plain = pcap(Order::Little, false, ETHERNET, &[(7, 5, 16, A), (8, 1, 26, B)]);
    assert_eq!(read_whole(&gzip(&plain)), read_whole(&plain));
    let ng = Ng::new(Order::Big).interface(1, 0, &[]).enhanced(0, 1, A).bytes;
    assert_eq!(read_whole(&gzip(&ng)), read_whole(&ng));
    // Several members, one after another, are one file (RFC 1952 §2.2).
    let members = [gzip(&plain[..30]), gzip(&plain[30..])].concat();
    assert_eq!(read_whole(&members), read_whole(&plain));
}

#[test]
fn what_is_no_capture_is_named() {
    let foreign: [(&[u8], &str); 7] = [
        (b"", "header: it is empty"),
        (b"no capture at all", "header: it is no pcap or pcapng file"),
        (b"\xa1\xb2\xcd\x34 the modified pcap of an old kernel", "editcap -F pcapng"),
        (b"\x28\xb5\x2f\xfd....", "zstd -d"),
        (b"BZh9....", "bzip2 -d"),
        (&gzip(&gzip(b"anything")), "gzip twice"),
        (b"\x1f\x8b\x08\x00 broken", "gzip data"),
    ];
    for (bytes, part) in foreign {
        let (packets, error) = read(bytes);
        let error = error.unwrap();
        assert!(packets.is_empty() && error.packet == 0);
        let text = error.to_string();
        assert!(text.starts_with("by-hand.pcap: header: ") && text.contains("\n  remedy: "), "{text}");
        assert!(text.contains(part), "{text}");
    }
}
