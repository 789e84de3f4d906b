//! Field-aware mutation: families, each of which knows where its header's fields are.
//!
//! Read first: RFC 894, RFC 1042, RFC 826, RFC 791 §3.1, RFC 792, RFC 768, RFC 9293 §3.1; IEEE 802.1Q §9;
//! RFC 8200 §3 and §4, RFC 4443 §2.1, RFC 4861 §4.
//! A mutant's class is not known beforehand. Checksums above the changed field are usually put right again,
//! so that mutants get past the first check and into the code behind it.

mod family;
mod fields;

use crate::build::protocol;
use crate::dice::Draw;
use crate::sum::{checksum, sum, udp_checksum};
pub use family::Family;
use fields::Field;
pub(crate) use fields::Layout;
use rand::Rng;

/// Bytes that a mutant may have more than its template: an envelope, and three additions.
const GROWTH: usize = 8 + 3 * 48;

/// A copy of `frame` with one to three of the family's fields changed. Any bytes will do, even none: fields
/// that the frame is too short for are passed over.
pub fn mutate<R: Rng + ?Sized>(family: Family, frame: &[u8], rng: &mut R) -> Vec<u8> {
    let mut bytes = [frame, &[0; GROWTH]].concat();
    let len = mutate_in_place(family, &mut bytes, frame.len(), rng);
    bytes.truncate(len);
    bytes
}

/// Changes the frame that the first `len` bytes of `buffer` hold as [`mutate`] does; the length that it then has.
/// It grows as far as the buffer has room, by 152 bytes at most.
///
/// # Panics
/// If the buffer is shorter than the frame.
pub fn mutate_in_place<R: Rng + ?Sized>(family: Family, buffer: &mut [u8], len: usize, rng: &mut R) -> usize {
    let mut len = wrap(family, buffer, len, rng);
    for _ in 0..rng.between(1, 3) {
        let layout = Layout::of(&buffer[..len]);
        match rng.below(8) {
            0 => {
                // Cut inside the family's own header, or a little behind it.
                let end = layout.start(family).saturating_add(rng.below(24));
                len = len.min(end);
                if rng.one_in(2) {
                    fit(&mut buffer[..len], &layout);
                }
            }
            1 => {
                let more = rng.between(1, 48);
                let end = buffer.len().min(len + more);
                rng.fill_bytes(&mut buffer[len..end]);
                len = end;
                if rng.one_in(2) {
                    fit(&mut buffer[..len], &layout);
                }
            }
            _ => {
                let field = rng.pick(fields::of(family));
                let frame = &mut buffer[..len];
                change(frame, layout.start(family), field, rng);
                if !field.is_checksum && !rng.one_in(4) {
                    seal(frame, &layout);
                }
            }
        }
    }
    len
}

/// Puts the tag or the envelope around a frame that its family mutates, if there is room; the length then.
fn wrap<R: Rng + ?Sized>(family: Family, buffer: &mut [u8], len: usize, rng: &mut R) -> usize {
    match family {
        Family::Vlan => {
            let kind: u16 = *rng.pick(&[0x8100, 0x8100, 0x88a8]);
            let control = rng.word() & 0xf000;
            if len < 12 || len + 4 > buffer.len() {
                return len;
            }
            buffer.copy_within(12..len, 16);
            buffer[12..14].copy_from_slice(&kind.to_be_bytes());
            buffer[14..16].copy_from_slice(&control.to_be_bytes());
            len + 4
        }
        Family::LlcSnap if len >= 14 && len + 8 <= buffer.len() => {
            let length = (len - 14 + 8) as u16;
            buffer.copy_within(12..len, 20);
            buffer[12..14].copy_from_slice(&length.to_be_bytes());
            buffer[14..20].copy_from_slice(&[0xaa, 0xaa, 3, 0, 0, 0]);
            len + 8
        }
        _ => len,
    }
}

/// Gives one field another value: a bit flipped, a value that code compares with, a neighbour, or any.
fn change<R: Rng + ?Sized>(bytes: &mut [u8], start: usize, field: &Field, rng: &mut R) {
    let Some(at) = bytes.get_mut(start + field.at..).and_then(|rest| rest.get_mut(..field.len)) else {
        return;
    };
    let old = at.iter().fold(0_u64, |value, &byte| (value << 8) | u64::from(byte));
    let shift = field.mask.trailing_zeros();
    let value = (old & field.mask) >> shift;
    let top = field.mask >> shift;
    let new = match rng.below(6) {
        0 => value ^ (1 << rng.below(top.count_ones() as usize)),
        1 | 2 if !field.values.is_empty() => *rng.pick(field.values),
        3 => value.wrapping_add(1),
        4 => value.wrapping_sub(1),
        _ => rng.next_u64(),
    };
    let merged = (old & !field.mask) | ((new << shift) & field.mask);
    at.copy_from_slice(&merged.to_be_bytes()[8 - field.len..]);
}

/// Makes the total or payload length agree with what a cut or an addition left, so that the change counts as
/// payload.
fn fit(bytes: &mut [u8], layout: &Layout) {
    let least = if layout.ipv6 { 40 } else { 20 };
    if let Some(packet) = bytes.get_mut(layout.network..).filter(|packet| packet.len() >= least) {
        let (at, len) = if layout.ipv6 { (4, packet.len() - 40) } else { (2, packet.len()) };
        packet[at..at + 2].copy_from_slice(&(len.min(0xffff) as u16).to_be_bytes());
        seal(bytes, layout);
    }
}

/// Computes the checksums anew that cover the frame's headers, as far as the frame holds them.
fn seal(bytes: &mut [u8], layout: &Layout) {
    if layout.ipv6 {
        return seal_ipv6(bytes, layout);
    }
    let Some(packet) = bytes.get_mut(layout.network..).filter(|packet| packet.len() >= 20) else {
        return;
    };
    let header = (usize::from(packet[0] & 15) * 4).min(packet.len());
    packet[10..12].fill(0);
    let right = checksum(sum(&packet[..header]));
    packet[10..12].copy_from_slice(&right.to_be_bytes());
    let total = usize::from(u16::from_be_bytes([packet[2], packet[3]])).clamp(header, packet.len());
    let (addresses, protocol) = (sum(&packet[12..20]), packet[9]);
    seal_segment(addresses, protocol, &mut packet[header..total]);
}

/// IPv6 has no checksum of its own, so only what lies behind the extension headers is put right.
fn seal_ipv6(bytes: &mut [u8], layout: &Layout) {
    let Some(packet) = bytes.get(layout.network..).filter(|packet| packet.len() >= 40) else { return };
    let addresses = sum(&packet[8..40]);
    let end = layout.network + 40 + usize::from(u16::from_be_bytes([packet[4], packet[5]]));
    let end = end.min(bytes.len());
    if let Some(segment) = bytes.get_mut(layout.transport..end).filter(|_| layout.protocol != protocol::ICMP)
    {
        seal_segment(addresses, layout.protocol, segment);
    }
}

/// Computes the checksum of a segment or message anew, given the sum of its addresses. One that is too short to have
/// the field is left alone, and so is any other protocol.
fn seal_segment(addresses: u64, protocol: u8, segment: &mut [u8]) {
    let (at, least) = match protocol {
        protocol::ICMP => (2, 4),
        protocol::TCP => (16, 18),
        protocol::UDP => (6, 8),
        protocol::ICMPV6 => (2, 4),
        _ => return,
    };
    if segment.len() < least {
        return;
    }
    segment[at..at + 2].fill(0);
    let pseudo = addresses + u64::from(protocol) + segment.len() as u64;
    let right = match protocol {
        protocol::ICMP => checksum(sum(segment)),
        protocol::UDP => udp_checksum(sum(segment) + pseudo),
        _ => checksum(sum(segment) + pseudo),
    };
    segment[at..at + 2].copy_from_slice(&right.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::rng_for;

    #[test]
    fn no_family_panics_on_any_bytes() {
        for &family in Family::ALL {
            for len in 0..120 {
                for round in 0..20 {
                    let mut rng = rng_for(len as u64, family as u64, round);
                    let frame = rng.bytes(len);
                    let _ = mutate(family, &frame, &mut rng);
                    // Without room, and with little.
                    for room in [0, 3, 9] {
                        let mut buffer = [&frame[..], &vec![0; room]].concat();
                        let mutated = mutate_in_place(family, &mut buffer, len, &mut rng);
                        assert!(mutated <= buffer.len());
                    }
                }
            }
        }
    }

    #[test]
    fn a_field_changes_under_its_mask_only() {
        let field = Field { at: 1, len: 2, mask: 0x1fff, values: &[0x1fff], is_checksum: false };
        for index in 0..200 {
            let mut bytes = vec![0xaa; 5];
            change(&mut bytes, 1, &field, &mut rng_for(0, 0, index));
            assert_eq!((bytes[0], bytes[1], bytes[2] & 0xe0, bytes[4]), (0xaa, 0xaa, 0xa0, 0xaa));
        }
        change(&mut [1, 2, 3], 2, &field, &mut rng_for(0, 0, 0));
    }
}
