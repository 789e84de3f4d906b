//! Slots: who gets one, who loses one, and what times out.

use super::*;

/// Sends the first of two fragments; was another datagram evicted?
fn stray(reassembly: &mut Reassembly<'_>, port: u8, host: u8, ident: u16) -> bool {
    let fragment = &cut(&ipv4(host, ident, &[], 800, 0), 576, 0)[0];
    let outcome = reassembly.insert(START, &read(fragment, port), &mut []);
    let Outcome::Incomplete { evicted } = outcome else { panic!("{outcome:?}") };
    evicted
}

/// Does the second fragment complete a datagram?
fn completes(reassembly: &mut Reassembly<'_>, host: u8, ident: u16) -> bool {
    let fragment = &cut(&ipv4(host, ident, &[], 800, 0), 576, 0)[1];
    let outcome = reassembly.insert(START, &read(fragment, 0), &mut [0; REASSEMBLED_MAX]);
    outcome == Outcome::Complete(820)
}

#[test]
fn a_source_that_floods_pushes_out_only_its_own() {
    let mut reassembly = reassembly(4);
    assert!(!stray(&mut reassembly, 0, 9, 1), "the victim of the flood was first");
    let evicted = (0..100).filter(|&ident| stray(&mut reassembly, 0, 66, ident)).count();
    assert_eq!(evicted, 97);
    assert!(completes(&mut reassembly, 9, 1));
    assert!(!completes(&mut reassembly, 66, 96), "the oldest was pushed out");
    assert!(completes(&mut reassembly, 66, 99));
}

#[test]
fn a_port_with_many_sources_pushes_out_only_its_own() {
    let mut reassembly = reassembly(4);
    assert!(!stray(&mut reassembly, 1, 9, 1));
    assert!(!stray(&mut reassembly, 1, 9, 2));
    let evicted = (20..120).filter(|&host| stray(&mut reassembly, 0, host, 1)).count();
    assert_eq!(evicted, 98);
    assert!(completes(&mut reassembly, 9, 1) && completes(&mut reassembly, 9, 2));
}

#[test]
fn a_newcomer_gets_a_slot_of_whoever_has_most() {
    let mut reassembly = reassembly(3);
    for ident in 0..3 {
        assert!(!stray(&mut reassembly, 0, 66, ident));
    }
    assert!(stray(&mut reassembly, 1, 9, 1));
    assert!(completes(&mut reassembly, 9, 1));
    assert!(completes(&mut reassembly, 66, 1) && completes(&mut reassembly, 66, 2));
}

#[test]
fn of_two_with_as_many_the_one_that_wants_more_loses() {
    let mut reassembly = reassembly(2);
    assert!(!stray(&mut reassembly, 0, 9, 1) && !stray(&mut reassembly, 0, 66, 1));
    assert!(stray(&mut reassembly, 0, 66, 2));
    assert!(completes(&mut reassembly, 9, 1) && completes(&mut reassembly, 66, 2));
}

#[test]
fn what_was_given_up_makes_room_first_and_evicts_nobody() {
    let mut reassembly = reassembly(2);
    let too_long = cut(&ipv4(66, 5, &[], 5000, 0), 576, 0).pop().unwrap();
    let give_up = |reassembly: &mut Reassembly<'_>| reassembly.insert(START, &read(&too_long, 0), &mut []);
    assert_eq!(give_up(&mut reassembly), Outcome::TooLarge);
    assert_eq!(give_up(&mut reassembly), Outcome::GivenUp);
    assert!(!stray(&mut reassembly, 0, 9, 1) && !stray(&mut reassembly, 0, 9, 2));
    assert_eq!(
        give_up(&mut reassembly),
        Outcome::TooLarge,
        "it is no longer remembered, and takes nobody's slot"
    );
    assert!(completes(&mut reassembly, 9, 1) && completes(&mut reassembly, 9, 2));
}

/// RFC 1122 §3.3.2, RFC 8200 §4.5; the quote: RFC 792, RFC 4443 §3.3.
#[test]
fn a_timeout_quotes_the_first_fragment_as_received_if_it_came() {
    for packet in [ipv4(2, 7, &[7, 3, 4, 0], 1400, 3), ipv6(2, 1400, 3)] {
        let fragments = cut(&packet, 576, 1);
        for (came, quoted) in [([0, 1], true), ([2, 0], true), ([1, 2], false)] {
            let mut reassembly = reassembly(2);
            let mut out = [0; REASSEMBLED_MAX];
            for (seconds, at) in [0, 59].into_iter().zip(came) {
                let now = START + Duration::from_secs(seconds);
                assert_eq!(reassembly.expire(now, &mut out), None);
                // The first fragment came in by port 5, the others by others.
                let port = if at == 0 { 5 } else { at as u8 };
                assert_eq!(reassembly.insert(now, &read(&fragments[at], port), &mut out), KEPT);
            }
            let due = START + Duration::from_secs(60);
            assert_eq!(reassembly.poll_timeout(), Some(due), "counted from the fragment that came first");
            assert_eq!(reassembly.expire(due - Duration::from_micros(1), &mut out), None);
            let expired = reassembly.expire(due, &mut out).unwrap();
            if quoted {
                assert_eq!(expired, Expired { port: PortId(5), quote_len: Some(fragments[0].len()) });
                assert_eq!(out[..fragments[0].len()], fragments[0]);
            } else {
                assert_eq!(expired, Expired { port: PortId(1), quote_len: None });
            }
            assert_eq!((reassembly.expire(due, &mut out), reassembly.poll_timeout()), (None, None));
            let late = (0..3).map(|at| reassembly.insert(due, &read(&fragments[at], 0), &mut out));
            assert_eq!(late.last(), Some(Outcome::Complete(packet.len())), "nothing old is in the way");
        }
    }
}

#[test]
fn several_timeouts_come_one_by_one_and_a_short_buffer_gets_a_short_quote() {
    let mut reassembly = reassembly(3);
    for host in 2..5 {
        assert!(!stray(&mut reassembly, host, host, 1));
    }
    assert!(completes(&mut reassembly, 3, 1));
    let due = reassembly.poll_timeout().unwrap();
    let mut out = [0; 28];
    let expired = |port| Some(Expired { port: PortId(port), quote_len: Some(28) });
    assert_eq!(reassembly.expire(due, &mut out), expired(2));
    assert_eq!(out[..], cut(&ipv4(2, 1, &[], 800, 0), 576, 0)[0][..28]);
    assert_eq!(reassembly.expire(due, &mut []), Some(Expired { port: PortId(4), quote_len: Some(0) }));
    assert_eq!(reassembly.expire(due, &mut out), None);
}

#[test]
fn each_datagram_has_its_own_deadline() {
    let mut reassembly = reassembly(2);
    assert!(!stray(&mut reassembly, 2, 2, 1));
    let later = START + Duration::from_secs(10);
    let fragment = &cut(&ipv4(3, 1, &[], 800, 0), 576, 0)[0];
    assert_eq!(reassembly.insert(later, &read(fragment, 3), &mut []), KEPT);
    for (opened_at, port) in [(START, 2), (later, 3)] {
        let due = opened_at + TIMEOUT;
        assert_eq!(reassembly.poll_timeout(), Some(due));
        assert_eq!(reassembly.expire(due, &mut []), Some(Expired { port: PortId(port), quote_len: Some(0) }));
        assert_eq!(reassembly.expire(due, &mut []), None);
    }
}

#[test]
fn what_was_given_up_is_forgotten_at_its_deadline() {
    let header = &headers()[0];
    let mut reassembly = reassembly(1);
    let mut out = [0; REASSEMBLED_MAX];
    let short = piece(header, 8, true, &[0; 5]);
    assert_eq!(reassembly.insert(START, &short, &mut out), Outcome::Inconsistent);
    let last = piece(header, 8, false, &[2; 5]);
    let before = START + TIMEOUT - Duration::from_micros(1);
    assert_eq!(reassembly.insert(before, &last, &mut out), Outcome::GivenUp);
    assert_eq!(reassembly.insert(START + TIMEOUT, &last, &mut out), KEPT);
}
