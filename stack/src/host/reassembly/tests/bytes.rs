//! What comes out of fragments: the packet, or why there is none.

use super::*;

#[test]
fn in_order_reversed_and_in_every_order_with_duplicates() {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for packet in [ipv4(2, 7, &[], 1400, 3), ipv4(2, 7, &[7, 3, 4, 0], 1400, 3), ipv6(2, 1400, 3)] {
        let fragments = cut(&packet, 576, 0x1234_5678);
        assert_eq!(fragments.len(), 3);
        for [a, b, c] in orders {
            let mut reassembly = reassembly(1);
            let order = [a, a, b, a, b, c].map(|at| fragments[at].clone());
            let (outcomes, packets) = insert_all(&mut reassembly, &order);
            assert_eq!(
                outcomes[..5],
                [KEPT, Outcome::Duplicate, KEPT, Outcome::Duplicate, Outcome::Duplicate]
            );
            assert_eq!(packets, [packet.as_slice()]);
            assert_eq!(reassembly.poll_timeout(), None);
        }
    }
}

/// RFC 791 §3.2, RFC 8200 §4.5: what of the key differs is another datagram.
#[test]
fn fragments_of_different_datagrams_do_not_mix() {
    let of = |ident, host, seed| cut(&ipv4(host, ident, &[], 800, seed), 576, 0);
    let other_protocol = {
        let mut packet = ipv4(2, 7, &[], 800, 90);
        packet[9] = 6;
        cut(&packet, 576, 0)
    };
    let all = [of(7, 2, 0), of(8, 2, 30), of(7, 3, 60), other_protocol, cut(&ipv6(2, 800, 120), 576, 7)];
    let mut reassembly = reassembly(5);
    let firsts = all.iter().map(|fragments| fragments[0].clone()).collect::<Vec<_>>();
    assert_eq!(insert_all(&mut reassembly, &firsts).0, [KEPT; 5]);
    let seconds = all.iter().map(|fragments| fragments[1].clone()).collect::<Vec<_>>();
    let (_, packets) = insert_all(&mut reassembly, &seconds);
    let seeds = packets.iter().map(|packet| match packet[0] >> 4 {
        4 => packet[20],
        _ => packet[40],
    });
    assert_eq!(seeds.collect::<Vec<_>>(), [0, 30, 60, 90, 120]);
}

/// RFC 8200 §4.5: the Next Header value of the first fragment counts, and is no part of the key.
#[test]
fn ipv6_extension_headers_before_the_fragment_header_stay() {
    let whole = ipv6(2, 32, 5);
    let options = [44, 0, 5, 2, 0, 0, 1, 0];
    let with = |next: u8, offset: u8, payload: &[u8]| {
        let header = [next, 0, 0, offset, 1, 2, 3, 4];
        let mut packet = [&whole[..40], &options, &header, payload].concat();
        packet[5] = (16 + payload.len()) as u8;
        packet[6] = 0;
        packet
    };
    let fragments = [with(99, 16, &whole[56..]), with(58, 1, &whole[40..56])];
    let (outcomes, packets) = insert_all(&mut reassembly(1), &fragments);
    assert_eq!(outcomes, [KEPT, Outcome::Complete(80)]);
    let mut expected = [&whole[..40], &[58], &options[1..], &whole[40..]].concat();
    expected[5] = 40;
    expected[6] = 0;
    assert_eq!(packets, [expected]);
}

/// RFC 6946 §4: an atomic fragment is alone, even where others of the same ident are waiting.
#[test]
fn an_atomic_fragment_is_finished_alone() {
    let packet = ipv6(2, 1000, 5);
    let fragments = cut(&packet, 576, 9);
    let small = ipv6(2, 12, 77);
    let mut atomic = [&small[..40], &[58, 0, 0, 0, 0, 0, 0, 9], &small[40..]].concat();
    (atomic[5], atomic[6]) = (20, 44);
    let (outcomes, packets) =
        insert_all(&mut reassembly(1), &[fragments[0].clone(), atomic.clone(), fragments[1].clone()]);
    assert_eq!(outcomes, [KEPT, Outcome::Complete(52), Outcome::Complete(1040)]);
    assert_eq!(packets, [small, packet]);
    let fragment = read(&atomic, 0);
    assert_eq!(reassembly(0).insert(START, &fragment, &mut [0; 52]), Outcome::Complete(52));
    assert_eq!(reassembly(0).insert(START, &fragment, &mut [0; 51]), Outcome::TooLarge);
}

/// What the second of two fragments comes to; each is offset, length, More Fragments, and what its bytes are.
fn pair(first: (usize, usize, bool), second: (usize, usize, bool, u8)) -> Outcome {
    let mut seen = Vec::new();
    for header in headers() {
        let mut reassembly = reassembly(1);
        let mut out = [0; REASSEMBLED_MAX];
        let payload = vec![1; first.1];
        assert_eq!(
            reassembly.insert(START, &piece(&header, first.0, first.2, &payload), &mut out),
            KEPT,
            "{first:?}"
        );
        let payload = vec![second.3; second.1];
        let outcome = reassembly.insert(START, &piece(&header, second.0, second.2, &payload), &mut out);
        if !matches!(outcome, Outcome::Incomplete { .. } | Outcome::Duplicate | Outcome::Complete(_)) {
            let later = reassembly.insert(START, &piece(&header, 64, true, &[1; 8]), &mut out);
            assert_eq!(later, Outcome::GivenUp, "after {second:?}");
            assert_eq!(reassembly.poll_timeout(), None, "and there will be no ICMP error");
        }
        seen.push(outcome);
    }
    assert_eq!(seen[0], seen[1], "both families alike");
    seen[0]
}

/// RFC 5722 §4, RFC 8200 §4.5.
#[test]
fn overlaps_of_any_kind_are_told_from_exact_duplicates() {
    for second in [
        (8, 8, true, 1),   // the head
        (16, 8, true, 1),  // the tail
        (0, 16, true, 1),  // across the beginning
        (16, 16, true, 1), // across the end
        (0, 24, true, 1),  // all of it, and more before
        (8, 24, true, 1),  // all of it, and more after
    ] {
        assert_eq!(pair((8, 16, true), second), Outcome::Overlap, "{second:?}");
    }
    assert_eq!(pair((8, 16, true), (8, 16, true, 1)), Outcome::Duplicate);
    assert_eq!(pair((8, 16, true), (8, 16, true, 2)), Outcome::Overlap, "other bytes");
    assert_eq!(pair((8, 16, true), (8, 16, false, 1)), Outcome::Overlap, "suddenly the last");
    assert_eq!(pair((8, 16, false), (8, 16, false, 1)), Outcome::Duplicate);
    assert_eq!(pair((8, 16, false), (8, 16, true, 1)), Outcome::Overlap, "suddenly not the last");
    assert_eq!(pair((8, 13, false), (8, 13, false, 1)), Outcome::Duplicate, "part of a unit");
    assert_eq!(pair((8, 13, false), (16, 5, false, 1)), Outcome::Overlap, "only a part of the last");
    assert_eq!(pair((8, 16, true), (24, 8, true, 1)), KEPT, "next to each other");
    assert_eq!(pair((8, 16, true), (0, 8, true, 1)), KEPT, "next to each other");
}

#[test]
fn two_neighbours_together_are_no_duplicate_of_one() {
    let header = &headers()[0];
    let mut reassembly = reassembly(1);
    let mut out = [0; REASSEMBLED_MAX];
    let mut insert =
        |offset, len| reassembly.insert(START, &piece(header, offset, true, &[1; 64][..len]), &mut out);
    assert_eq!([insert(8, 8), insert(16, 8), insert(24, 16)], [KEPT; 3]);
    assert_eq!([insert(8, 8), insert(16, 8), insert(24, 16)], [Outcome::Duplicate; 3]);
    assert_eq!(insert(8, 16), Outcome::Overlap);
}

#[test]
fn the_tail_of_one_and_the_next_are_no_duplicate() {
    let header = &headers()[0];
    let mut reassembly = reassembly(1);
    let mut out = [0; REASSEMBLED_MAX];
    let mut insert =
        |offset, len| reassembly.insert(START, &piece(header, offset, true, &[1; 64][..len]), &mut out);
    assert_eq!([insert(0, 16), insert(16, 8)], [KEPT; 2]);
    assert_eq!(insert(8, 16), Outcome::Overlap);
}

#[test]
fn contradicting_ends_are_inconsistent() {
    let bad = Outcome::Inconsistent;
    assert_eq!(pair((16, 9, false), (32, 9, false, 1)), bad, "a later last");
    assert_eq!(pair((16, 9, false), (8, 7, false, 1)), bad, "an earlier last");
    assert_eq!(pair((16, 9, false), (16, 8, false, 1)), bad, "a shorter last");
    assert_eq!(pair((16, 9, false), (32, 8, true, 1)), bad, "beyond the end");
    assert_eq!(pair((16, 9, false), (8, 24, true, 1)), bad, "across the end");
    assert_eq!(pair((32, 8, true), (8, 8, false, 1)), bad, "the last before what has come");
    assert_eq!(pair((32, 8, true), (16, 8, false, 1)), bad, "the last before what has come");
}

#[test]
fn impossible_fragments_are_inconsistent_and_too_long_ones_too_large() {
    for [first, second] in [[(0, 8), (16, 12)], [(0, 8), (12, 8)], [(0, 8), (8, 0)]] {
        let second = (second.0, second.1, true, 1);
        assert_eq!(pair((first.0, first.1, true), second), Outcome::Inconsistent);
    }
    for (offset, len) in [(4080, 8), (65_528, 8), (usize::MAX & !7, 8), (8, 4096)] {
        assert_eq!(pair((0, 8, true), (offset, len, true, 1)), Outcome::TooLarge, "{offset}");
        let header = &headers()[1];
        let (mut one, mut out) = (reassembly(1), [0; REASSEMBLED_MAX]);
        let huge = vec![0; len];
        assert_eq!(one.insert(START, &piece(header, offset, true, &huge), &mut out), Outcome::TooLarge);
        assert_eq!(one.insert(START, &piece(header, 0, true, &[0; 8]), &mut out), Outcome::GivenUp);
    }
}

#[test]
fn the_longest_packet_is_finished_and_one_byte_more_is_too_large() {
    for extra in [0, 1] {
        for packet in [
            ipv4(2, 7, &[], 4076 + extra, 0),
            ipv4(2, 7, &[7, 3, 4, 0], 4072 + extra, 0),
            ipv6(2, 4056 + extra, 0),
        ] {
            let mut fragments = cut(&packet, 1500, 1);
            for _ in 0..2 {
                fragments.reverse();
                let (outcomes, packets) = insert_all(&mut reassembly(1), &fragments);
                assert_eq!(outcomes.contains(&Outcome::TooLarge), extra == 1, "{outcomes:?}");
                assert_eq!(packets.first(), (extra == 0).then_some(&packet));
            }
        }
    }
}

#[test]
fn headers_that_make_no_sense_do_no_harm() {
    let [four, six] = headers();
    let mut out = [0; REASSEMBLED_MAX];
    let long = [&[0x60; 6][..], &[44; 130]].concat();
    let mut strayed = six.clone();
    strayed[6] = 58;
    for more in [true, false] {
        for (header, expected) in [
            (&four[..19], Outcome::Inconsistent),
            (&six[..47], Outcome::Inconsistent),
            (&strayed, Outcome::Inconsistent),
        ] {
            let fragment = piece(header, 0, more, &[0; 8]);
            assert_eq!(reassembly(1).insert(START, &fragment, &mut out), expected);
        }
    }
    assert_eq!(reassembly(1).insert(START, &piece(&long, 0, true, &[0; 8]), &mut out), Outcome::TooLarge);
    let mut empty = piece(&four, 8, true, &[0; 8]);
    empty.header = &[];
    assert_eq!(reassembly(1).insert(START, &empty, &mut out), Outcome::Inconsistent);
    assert_eq!(reassembly(0).insert(START, &piece(&four, 8, true, &[0; 8]), &mut out), Outcome::Full);
}

/// RFC 3168 §5.3.
#[test]
fn congestion_that_one_fragment_met_is_not_lost() {
    for packet in [ipv4(2, 7, &[], 800, 0), ipv6(2, 800, 0)] {
        let shift = if packet[0] >> 4 == 4 { 0 } else { 4 };
        for (codepoints, expected) in [
            ([0b10, 0b11], Some(0b11)),
            ([0b11, 0b01], Some(0b11)),
            ([0b10, 0b01], Some(0b10)),
            ([0b01, 0b01], Some(0b01)),
            ([0b00, 0b10], Some(0b00)),
            ([0b11, 0b00], None),
            ([0b00, 0b11], None),
        ] {
            let mut fragments = cut(&packet, 576, 1);
            for (fragment, codepoint) in fragments.iter_mut().zip(codepoints) {
                fragment[1] = fragment[1] & !(3 << shift) | codepoint << shift;
            }
            let (outcomes, packets) = insert_all(&mut reassembly(1), &fragments);
            let got = packets.first().map(|packet| packet[1] >> shift & 3);
            assert_eq!(got, expected, "{codepoints:?} {outcomes:?}");
            assert!(packets.iter().all(|packet| shift == 4 || checksum::verify(&packet[..20])));
        }
    }
}
