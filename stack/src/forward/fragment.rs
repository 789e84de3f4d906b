//! Fragmentation: one packet in, fragments that fit an MTU out, one at a time and in order.
//! Read first: RFC 791 §3.2, RFC 1812 §4.2.2.7, RFC 8200 §4.5.

use crate::wire::{MIN_HEADER, checksum};

/// Longest IPv4 header in bytes.
const MAX_HEADER: usize = 60;
/// Bytes of the IPv6 header.
const IPV6_HEADER: usize = 40;
/// Bytes of the IPv6 Fragment header.
const FRAGMENT_HEADER: usize = 8;
/// Its number, and those of the headers that must come before it (RFC 8200 §4.1, §4.5).
const FRAGMENT: u8 = 44;
const BEFORE_FRAGMENT: [u8; 3] = [0, 43, FRAGMENT];

/// The fragments of one packet that are still to be written. The packet itself stays with the caller.
///
/// As few as the MTU allows, and the first one first (RFC 1812 §4.2.2.7). Each is as long as the MTU allows.
#[derive(Debug, Clone)]
pub(crate) struct Fragments {
    family: Family,
    /// Bytes of header in the packet; of payload after them.
    header_len: usize,
    payload_len: usize,
    /// Most bytes of payload in the first fragment, and in later ones.
    first_room: usize,
    later_room: usize,
    /// Payload bytes written so far.
    done: usize,
    finished: bool,
}

#[derive(Debug, Clone, Copy)]
enum Family {
    /// The packet fits: it is written as it is.
    Whole,
    Ipv4 {
        own_ident: Option<u16>,
    },
    Ipv6 {
        id: u32,
    },
}

impl Fragments {
    /// Fragments of an IPv4 packet (padding after its total length is ignored) for an MTU in bytes.
    ///
    /// In transit, `own_ident` is `None`: a packet with Don't Fragment set is not fragmented, and all fields
    /// are kept that RFC 791 §3.2 does not name: a fragment is fragmented further under its own ident, offset
    /// and More Fragments. For a packet of the router's own, which may have been written with Don't Fragment
    /// set, it is the ident that its fragments get (unique for as long as a datagram lives: RFC 6864 §4.3), and
    /// Don't Fragment is cleared. A packet that fits is its own only fragment, unchanged.
    ///
    /// `None`: Don't Fragment; the MTU has no room for a header and 8 bytes; or the packet's lengths or its
    /// offset cannot be true.
    #[must_use]
    pub(crate) fn ipv4(packet: &[u8], mtu: usize, own_ident: Option<u16>) -> Option<Self> {
        let header_len = usize::from(packet.first()? & 0x0f) * 4;
        let total_len = usize::from(word(packet, 2)?);
        if header_len < MIN_HEADER || total_len < header_len || total_len > packet.len() {
            return None;
        }
        let payload_len = total_len - header_len;
        if total_len <= mtu {
            return Some(Self::whole(header_len, payload_len));
        }
        let flags = word(packet, 6)?;
        if own_ident.is_none() && flags & 0x4000 != 0 {
            return None;
        }
        // A fragment must not begin past the 13 bits that say where.
        if usize::from(flags & 0x1fff) + payload_len.saturating_sub(1) / 8 > 0x1fff {
            return None;
        }
        let later_header = MIN_HEADER + copied_options(packet.get(MIN_HEADER..header_len)?, &mut [0; 40]);
        Self::split(Family::Ipv4 { own_ident }, header_len, payload_len, mtu, header_len, later_header)
    }

    /// Fragments of an IPv6 packet of the router's own for an MTU in bytes; `id` must differ from that of any
    /// other packet fragmented recently between the same two addresses (RFC 8200 §4.5). A packet that fits
    /// is its own only fragment, unchanged.
    ///
    /// `None`: the MTU has no room for both headers and 8 bytes; the packet's length cannot be true; or it
    /// begins with an extension header that must stand before the Fragment header.
    #[must_use]
    pub(crate) fn ipv6(packet: &[u8], mtu: usize, id: u32) -> Option<Self> {
        let payload_len = usize::from(word(packet, 4)?);
        let total_len = IPV6_HEADER + payload_len;
        if total_len > packet.len() {
            return None;
        }
        if total_len <= mtu {
            return Some(Self::whole(IPV6_HEADER, payload_len));
        }
        if BEFORE_FRAGMENT.contains(&packet[6]) {
            return None;
        }
        let headers = IPV6_HEADER + FRAGMENT_HEADER;
        Self::split(Family::Ipv6 { id }, IPV6_HEADER, payload_len, mtu, headers, headers)
    }

    const fn whole(header_len: usize, payload_len: usize) -> Self {
        Self {
            family: Family::Whole,
            header_len,
            payload_len,
            first_room: payload_len,
            later_room: payload_len,
            done: 0,
            finished: false,
        }
    }

    fn split(
        family: Family,
        header_len: usize,
        payload_len: usize,
        mtu: usize,
        first_header: usize,
        later_header: usize,
    ) -> Option<Self> {
        let room = |headers: usize| mtu.checked_sub(headers).map(|room| room & !7).filter(|&room| room > 0);
        let (first_room, later_room) = (room(first_header)?, room(later_header)?);
        Some(Self { family, header_len, payload_len, first_room, later_room, done: 0, finished: false })
    }

    /// How many fragments there are in all.
    #[must_use]
    pub(crate) const fn count(&self) -> usize {
        match self.payload_len.saturating_sub(self.first_room) {
            0 => 1,
            rest => 1 + rest.div_ceil(self.later_room),
        }
    }

    /// Writes the next fragment as an IP packet into `out`; its length in bytes. `None`: that was all, or `out`
    /// is shorter than the fragment, or `packet` than the packet that these are the fragments of.
    #[must_use]
    pub(crate) fn next(&mut self, packet: &[u8], out: &mut [u8]) -> Option<usize> {
        if self.finished {
            return None;
        }
        let left = self.payload_len - self.done;
        let payload_len = left.min(if self.done == 0 { self.first_room } else { self.later_room });
        let last = payload_len == left;
        let header = packet.get(..self.header_len)?;
        let from = self.header_len + self.done;
        let payload = packet.get(from..from + payload_len)?;
        let header_len = match self.family {
            Family::Whole => {
                out.get_mut(..self.header_len)?.copy_from_slice(header);
                self.header_len
            }
            Family::Ipv4 { own_ident } => self.ipv4_header(header, payload_len, last, own_ident, out)?,
            Family::Ipv6 { id } => self.ipv6_headers(header, payload_len, last, id, out)?,
        };
        out.get_mut(header_len..header_len + payload_len)?.copy_from_slice(payload);
        self.done += payload_len;
        self.finished = last;
        Some(header_len + payload_len)
    }

    fn ipv4_header(
        &self,
        original: &[u8],
        payload_len: usize,
        last: bool,
        own_ident: Option<u16>,
        out: &mut [u8],
    ) -> Option<usize> {
        let mut header = [0; MAX_HEADER];
        let header_len = if self.done == 0 {
            header[..original.len()].copy_from_slice(original);
            original.len()
        } else {
            let (fixed, options) = original.split_at(MIN_HEADER);
            header[..MIN_HEADER].copy_from_slice(fixed);
            let mut copied = [0; MAX_HEADER - MIN_HEADER];
            let copied_len = copied_options(options, &mut copied);
            header[MIN_HEADER..].copy_from_slice(&copied);
            MIN_HEADER + copied_len
        };
        let header = &mut header[..header_len];
        header[0] = 0x40 | (header_len / 4) as u8;
        header[2..4].copy_from_slice(&((header_len + payload_len) as u16).to_be_bytes());
        let original_flags = word(original, 6)?;
        let more = if last { original_flags & 0x2000 } else { 0x2000 };
        // The constructor made sure that this fits into 13 bits.
        let offset = (original_flags & 0x1fff) + (self.done / 8) as u16;
        header[6..8].copy_from_slice(&(original_flags & 0x8000 | more | offset).to_be_bytes());
        if let Some(ident) = own_ident {
            header[4..6].copy_from_slice(&ident.to_be_bytes());
        }
        header[10..12].fill(0);
        let sum = checksum::compute(header);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        out.get_mut(..header_len)?.copy_from_slice(header);
        Some(header_len)
    }

    fn ipv6_headers(
        &self,
        original: &[u8],
        payload_len: usize,
        last: bool,
        id: u32,
        out: &mut [u8],
    ) -> Option<usize> {
        let headers = out.get_mut(..IPV6_HEADER + FRAGMENT_HEADER)?;
        headers[..IPV6_HEADER].copy_from_slice(original);
        headers[4..6].copy_from_slice(&((FRAGMENT_HEADER + payload_len) as u16).to_be_bytes());
        headers[6] = FRAGMENT;
        headers[40] = original[6];
        headers[41] = 0;
        // The offset is in units of 8 bytes in the upper 13 bits: the very number of bytes.
        headers[42..44].copy_from_slice(&(self.done as u16 | u16::from(!last)).to_be_bytes());
        headers[44..].copy_from_slice(&id.to_be_bytes());
        Some(headers.len())
    }
}

fn word(packet: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]))
}

/// Writes those of `options` that every fragment gets (the copied flag: RFC 791 §3.1), padded with End of
/// Options to a multiple of 4; their length in bytes. Malformed ones and what follows them are left out.
fn copied_options(options: &[u8], out: &mut [u8; MAX_HEADER - MIN_HEADER]) -> usize {
    let mut len = 0;
    let mut rest = options;
    while let Some((&kind, after_kind)) = rest.split_first() {
        match kind {
            0 => break,
            1 => {
                rest = after_kind;
                continue;
            }
            _ => {}
        }
        let length = usize::from(after_kind.first().copied().unwrap_or(0));
        let Some((option, after)) = rest.split_at_checked(length).filter(|_| length >= 2) else { break };
        if kind & 0x80 != 0 {
            // They are no longer than `options`, which come from one header.
            let Some(room) = out.get_mut(len..len + length) else { break };
            room.copy_from_slice(option);
            len += length;
        }
        rest = after;
    }
    let padded = len.next_multiple_of(4);
    out[len..].fill(0);
    padded
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    /// An IPv4 packet with these options, flags and offset word, and payload bytes that count up.
    fn ipv4(options: &[u8], flags: u16, payload_len: usize) -> Vec<u8> {
        let header_len = 20 + options.len();
        let mut packet = vec![0x40 | (header_len / 4) as u8, 0xb9];
        packet.extend(((header_len + payload_len) as u16).to_be_bytes());
        packet.extend([0x12, 0x34]);
        packet.extend(flags.to_be_bytes());
        packet.extend([63, 17, 0, 0, 10, 0, 1, 2, 10, 0, 2, 2]);
        packet.extend(options);
        let sum = checksum::compute(&packet);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet.extend((0..payload_len).map(|at| at as u8));
        packet
    }

    fn ipv6(next_header: u8, payload_len: usize) -> Vec<u8> {
        let mut packet = vec![0x6b, 0x9a, 0xbc, 0xde];
        packet.extend((payload_len as u16).to_be_bytes());
        packet.extend([next_header, 64]);
        packet.extend((0..32).map(|at| 0x20 + at));
        packet.extend((0..payload_len).map(|at| at as u8));
        packet
    }

    fn all(mut fragments: Fragments, packet: &[u8]) -> Vec<Vec<u8>> {
        let mut out = [0xee; 2000];
        let mut written = Vec::new();
        let count = fragments.count();
        while let Some(len) = fragments.next(packet, &mut out) {
            written.push(out[..len].to_vec());
        }
        assert_eq!(written.len(), count);
        written
    }

    /// RFC 791 §3.2: Router Alert has the copied flag and is in every fragment, Record Route is in the first only.
    #[test]
    fn an_ipv4_packet_with_options_becomes_these_very_bytes() {
        let options = [7, 7, 4, 0, 0, 0, 0, 1, 148, 4, 0, 0];
        let packet = ipv4(&options, 0, 44);
        let fragments = all(Fragments::ipv4(&packet, 58, None).unwrap(), &packet);
        let first = [
            0x48, 0xb9, 0x00, 0x38, 0x12, 0x34, 0x20, 0x00, 0x3f, 0x11, 0x8f, 0xb8, 10, 0, 1, 2, 10, 0, 2, 2,
            7, 7, 4, 0, 0, 0, 0, 1, 148, 4, 0, 0, // 32 bytes of header, 24 of 26 that fit
            0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
        ];
        let second = [
            0x46, 0xb9, 0x00, 0x2c, 0x12, 0x34, 0x00, 0x03, 0x3f, 0x11, 0xbc, 0xc9, 10, 0, 1, 2, 10, 0, 2, 2,
            148, 4, 0, 0, // 24 bytes of header, the other 20
            24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
        ];
        assert_eq!(fragments, [first.to_vec(), second.to_vec()]);
        assert!(checksum::verify(&first[..32]) && checksum::verify(&second[..24]));
    }

    /// RFC 8200 §4.5.
    #[test]
    fn an_ipv6_packet_becomes_these_very_bytes() {
        let packet = ipv6(58, 20);
        let fragments = all(Fragments::ipv6(&packet, 59, 0xa1b2_c3d4).unwrap(), &packet);
        let addresses = (0..32).map(|at| 0x20 + at).collect::<Vec<u8>>();
        let expected = |payload_len: u8, offset: u8, payload: &[u8]| {
            let fixed = [0x6b, 0x9a, 0xbc, 0xde, 0, payload_len, 44, 64];
            let header = [58, 0, 0, offset, 0xa1, 0xb2, 0xc3, 0xd4];
            [&fixed[..], &addresses, &header, payload].concat()
        };
        let (first, second, third) =
            ([0, 1, 2, 3, 4, 5, 6, 7], [8, 9, 10, 11, 12, 13, 14, 15], [16, 17, 18, 19]);
        assert_eq!(
            fragments,
            [expected(16, 0x01, &first), expected(16, 0x09, &second), expected(12, 0x10, &third)]
        );
    }

    #[test]
    fn a_fragment_in_transit_is_fragmented_further_and_keeps_its_more_fragments() {
        for more in [0x2000, 0] {
            let packet = ipv4(&[], 0x8000 | more | 185, 1480);
            let fragments = all(Fragments::ipv4(&packet, 576, None).unwrap(), &packet);
            let flags = |at: usize| word(&fragments[at], 6).unwrap();
            assert_eq!([flags(0), flags(1), flags(2)], [0xa000 | 185, 0xa000 | 254, 0x8000 | more | 323]);
            let lengths = fragments.iter().map(Vec::len).collect::<Vec<_>>();
            assert_eq!(lengths, [572, 572, 396]);
            for fragment in &fragments {
                assert!(checksum::verify(&fragment[..20]));
                assert_eq!((&fragment[..2], &fragment[4..6]), (&packet[..2], &packet[4..6]));
                assert_eq!((&fragment[8..10], &fragment[12..20]), (&packet[8..10], &packet[12..20]));
            }
            assert_eq!(
                fragments.iter().flat_map(|fragment| &fragment[20..]).collect::<Vec<_>>(),
                packet[20..].iter().collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn do_not_fragment_binds_in_transit_and_is_cleared_on_the_routers_own() {
        let packet = ipv4(&[], 0x4000, 1000);
        assert!(Fragments::ipv4(&packet, 576, None).is_none());
        for fragment in all(Fragments::ipv4(&packet, 576, Some(0xbeef)).unwrap(), &packet) {
            assert_eq!((&fragment[4..6], fragment[6] & 0x40), (&[0xbe, 0xef][..], 0));
            assert!(checksum::verify(&fragment[..20]));
        }
    }

    #[test]
    fn what_fits_stays_as_it_is_without_its_padding() {
        let mut packet = ipv4(&[], 0x4000, 500);
        packet.extend([0xff; 6]);
        for own_ident in [None, Some(9)] {
            let fragments = all(Fragments::ipv4(&packet, 520, own_ident).unwrap(), &packet);
            assert_eq!(fragments, [packet[..520].to_vec()]);
        }
        let packet = ipv6(0, 0);
        assert_eq!(all(Fragments::ipv6(&packet, 40, 1).unwrap(), &packet), [packet]);
    }

    #[test]
    fn without_room_or_sense_there_are_no_fragments() {
        let packet = ipv4(&[148, 4, 0, 0], 0, 100);
        assert!(Fragments::ipv4(&packet, 31, None).is_none(), "24 bytes of header and 7");
        assert_eq!(Fragments::ipv4(&packet, 32, None).unwrap().count(), 13);
        let packet = ipv4(&[], 8191, 16);
        assert!(Fragments::ipv4(&packet, 28, None).is_none(), "the second would begin at 65536");
        let packet = ipv6(58, 100);
        assert!(Fragments::ipv6(&packet, 55, 1).is_none());
        assert!(Fragments::ipv6(&packet[..139], 60, 1).is_none(), "cut short");
        for header in BEFORE_FRAGMENT {
            assert!(Fragments::ipv6(&ipv6(header, 100), 60, 1).is_none(), "{header}");
        }
        for len in 0..20 {
            assert!(Fragments::ipv4(&packet[..len], 60, None).is_none());
        }
        let mut lying = ipv4(&[], 0, 100);
        lying[0] = 0x4f;
        lying[3] = 59;
        assert!(Fragments::ipv4(&lying, 30, None).is_none(), "a header longer than the packet");
    }

    #[test]
    fn buffers_that_are_too_short_end_it_without_a_panic() {
        let packet = ipv4(&[], 0, 100);
        let mut fragments = Fragments::ipv4(&packet, 60, None).unwrap();
        assert_eq!(fragments.next(&packet, &mut [0; 59]), None);
        assert_eq!(fragments.next(&packet[..40], &mut [0; 60]), None);
        assert_eq!(fragments.next(&packet, &mut [0; 60]), Some(60), "nothing was lost by that");
        let packet = ipv6(58, 100);
        let mut fragments = Fragments::ipv6(&packet, 64, 7).unwrap();
        assert_eq!(fragments.next(&packet, &mut [0; 47]), None);
    }

    #[test]
    fn malformed_options_are_left_out_with_what_follows() {
        for (options, copied) in [
            (&[148, 4, 1, 2, 131, 0, 131, 3][..], &[148, 4, 1, 2][..]),
            (&[131, 3, 9, 1, 148, 9, 0, 0], &[131, 3, 9, 0]),
            (&[1, 1, 1, 148], &[]),
            (&[0, 148, 4, 1], &[]),
        ] {
            let mut out = [0xee; 40];
            let len = copied_options(options, &mut out);
            assert_eq!(&out[..len], copied);
        }
    }
}
