//! A slow, obvious fragmenter and reassembler: what a packet must be cut into, and what fragments make.
//!
//! Read first: RFC 791 §3.1 (copied flag), §3.2 (the example procedures); RFC 1812 §4.2.2.7; RFC 8200 §4.5.

use pktgen::build::seal_ipv4;
use std::collections::BTreeMap;

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// The options that a later fragment repeats: those with the copied flag, up to the end of the list, filled up to
/// whole words with End of Option List.
fn repeated(options: &[u8]) -> Vec<u8> {
    let mut repeated = Vec::new();
    let mut at = 0;
    while at < options.len() && options[at] != 0 {
        let len = if options[at] == 1 { 1 } else { usize::from(options[at + 1]) };
        if options[at] & 0x80 != 0 {
            repeated.extend(&options[at..at + len]);
        }
        at += len;
    }
    repeated.resize(repeated.len().next_multiple_of(4), 0);
    repeated
}

/// Cuts a well-formed IPv4 packet that is larger than `mtu` and may be fragmented; it may be a fragment itself.
///
/// # Panics
/// If it is not well-formed, or `mtu` leaves no room for 8 bytes of payload.
pub fn cut_ipv4(packet: &[u8], mtu: usize) -> Vec<Vec<u8>> {
    let header_len = usize::from(packet[0] & 15) * 4;
    let (header, rest) = packet.split_at(header_len);
    let mut rest = &rest[..usize::from(word(packet, 2)) - header_len];
    let mut options = header[20..].to_vec();
    let mut offset = word(packet, 6) & 0x1fff;
    let was_followed = word(packet, 6) & 0x2000;
    let mut fragments = Vec::new();
    while !rest.is_empty() {
        let room = (mtu - 20 - options.len()) / 8 * 8;
        assert!(room > 0, "no room in {mtu} bytes");
        let (payload, after) = rest.split_at(rest.len().min(room));
        let more = if after.is_empty() { was_followed } else { 0x2000 };
        let mut fragment = [&header[..20], &options, payload].concat();
        fragment[0] = 0x40 | ((20 + options.len()) / 4) as u8;
        let total = fragment.len() as u16;
        fragment[2..4].copy_from_slice(&total.to_be_bytes());
        fragment[6..8].copy_from_slice(&(word(packet, 6) & 0x8000 | more | offset).to_be_bytes());
        seal_ipv4(&mut fragment);
        fragments.push(fragment);
        offset += (payload.len() / 8) as u16;
        rest = after;
        options = repeated(&header[20..]);
    }
    fragments
}

/// The payload that IPv4 fragments of one datagram make, in whatever order they come.
///
/// # Errors
/// A gap, an overlap, no end, or fragments of several datagrams.
pub fn join_ipv4<'a>(packets: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, String> {
    let parts = packets.into_iter().map(|packet| {
        let header_len = usize::from(packet[0] & 15) * 4;
        let key = (packet[4..6].to_vec(), packet[9], packet[12..20].to_vec());
        let flags = word(packet, 6);
        let payload = &packet[header_len..usize::from(word(packet, 2))];
        (format!("{key:x?}"), usize::from(flags & 0x1fff) * 8, flags & 0x2000 != 0, payload)
    });
    join(parts)
}

/// The payload that IPv6 fragments of one packet make; the Fragment header follows the fixed header.
///
/// # Errors
/// As [`join_ipv4`], or a packet that is no fragment.
pub fn join_ipv6<'a>(packets: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, String> {
    let mut parts = Vec::new();
    for packet in packets {
        if packet[6] != 44 {
            return Err(format!("no fragment: next header {}", packet[6]));
        }
        let key = (&packet[8..40], packet[40], &packet[44..48]);
        let field = word(packet, 42);
        let payload = &packet[48..40 + usize::from(word(packet, 4))];
        parts.push((format!("{key:x?}"), usize::from(field & !7), field & 1 != 0, payload));
    }
    join(parts)
}

fn join<'a>(parts: impl IntoIterator<Item = (String, usize, bool, &'a [u8])>) -> Result<Vec<u8>, String> {
    let mut sorted = BTreeMap::new();
    let mut keys = Vec::new();
    for (key, offset, more, payload) in parts {
        keys.push(key);
        if sorted.insert(offset, (more, payload)).is_some() {
            return Err(format!("two fragments at {offset}"));
        }
    }
    keys.dedup();
    if keys.len() != 1 {
        return Err(format!("not one datagram: {keys:?}"));
    }
    let mut whole = Vec::new();
    let mut open = true;
    for (offset, (more, payload)) in sorted {
        if !open || offset != whole.len() {
            return Err(format!("a fragment at {offset} after {} bytes", whole.len()));
        }
        whole.extend(payload);
        open = more;
    }
    if open { Err("no last fragment".to_owned()) } else { Ok(whole) }
}
