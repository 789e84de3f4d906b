//! Puts a frame right in the buffer that it came in, and can take that back.

use super::Edit;
use crate::classify::ethernet::{SNAP, word};
use crate::frame::{ETHERNET_HEADER, FrameBuf, TAG};
use crate::wire::{MIN_HEADER, checksum, options};

/// Bytes that an edit may change: up to the end of the longest IPv4 header.
const HEAD: usize = ETHERNET_HEADER + 60;

/// How a frame was before an edit.
pub(super) struct Undo {
    head: [u8; HEAD],
    stripped: usize,
    len: usize,
}

impl Undo {
    /// Makes the frame what it was.
    pub(super) fn undo(&self, frame: &mut FrameBuf<'_>) {
        frame.unstrip(self.stripped, self.len);
        let len = self.len.min(HEAD);
        frame.bytes_mut()[..len].copy_from_slice(&self.head[..len]);
    }
}

/// The bytes behind the MAC addresses that an edit takes out, and where the frame ends for certain. `None`: it takes none out of
/// such a frame.
#[inline]
pub(super) fn wrapping(edit: Edit, frame: &[u8]) -> Option<(usize, usize)> {
    let len = frame.len();
    match edit {
        Edit::None | Edit::ClearOptions => None,
        Edit::StripTag => {
            let is_priority_tag = matches!(word(frame, 12), 0x8100 | 0x88a8) && word(frame, 14) & 0x0fff == 0;
            (is_priority_tag && len > ETHERNET_HEADER + TAG).then_some((TAG, len))
        }
        Edit::Decapsulate => {
            // The 802.3 length says where the packet ends; what follows is padding for certain.
            let end = ETHERNET_HEADER + usize::from(word(frame, 12));
            (end <= ETHERNET_HEADER + 1500 && end > ETHERNET_HEADER + SNAP && len >= end)
                .then_some((SNAP, end))
        }
    }
}

/// Edits a frame in place. `None`: the edit is not about such a frame, which is as it was.
pub(super) fn apply(edit: Edit, frame: &mut FrameBuf<'_>) -> Option<Undo> {
    let bytes = frame.bytes();
    let len = bytes.len();
    let mut head = [0; HEAD];
    let kept = len.min(HEAD);
    head[..kept].copy_from_slice(&bytes[..kept]);
    let (stripped, end) = match edit {
        Edit::None | Edit::ClearOptions => (0, len),
        Edit::StripTag | Edit::Decapsulate => wrapping(edit, bytes)?,
    };
    let undo = Undo { head, stripped, len };
    if stripped > 0 {
        frame.truncate(end);
        frame.strip(stripped);
    }
    if edit == Edit::ClearOptions && !clear_options(frame.bytes_mut()) {
        undo.undo(frame);
        return None;
    }
    Some(undo)
}

fn clear_options(frame: &mut [u8]) -> bool {
    let Some(header) = ipv4_header(frame) else { return false };
    if header.len() <= MIN_HEADER {
        return false;
    }
    options::clear(&mut header[MIN_HEADER..]);
    header[10..12].fill(0);
    let sum = checksum::compute(header).to_be_bytes();
    header[10..12].copy_from_slice(&sum);
    true
}

/// The IPv4 header of a plain frame.
fn ipv4_header(frame: &mut [u8]) -> Option<&mut [u8]> {
    if word(frame, 12) != 0x0800 {
        return None;
    }
    let packet = frame.get_mut(ETHERNET_HEADER..)?;
    let len = usize::from(packet.first()? & 0x0f) * 4;
    packet.get_mut(..len).filter(|header| header.len() >= MIN_HEADER)
}

/// Sets the Differentiated Services code point of a healthy IP packet, and mends the IPv4 checksum (RFC 1624); ECN stays.
pub(super) fn set_dscp(frame: &mut [u8], dscp: u8) {
    if let Some(header) = ipv4_header(frame) {
        let (old, sum) = (word(header, 0), word(header, 10));
        header[1] = dscp << 2 | header[1] & 0x03;
        let sum = checksum::update(sum, old, word(header, 0)).to_be_bytes();
        header[10..12].copy_from_slice(&sum);
    } else if word(frame, 12) == 0x86dd
        && let Some([first, second, ..]) = frame.get_mut(ETHERNET_HEADER..)
    {
        // The traffic class lies across the first two bytes (RFC 8200 §3): ECN is its low bits.
        *first = *first & 0xf0 | dscp >> 2;
        *second = *second & 0x3f | dscp << 6;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn ipv4(options: &[u8]) -> Vec<u8> {
        let ihl = 5 + options.len() / 4;
        let total = (ihl * 4 + 4) as u8;
        let mut packet =
            std::vec![0x40 | ihl as u8, 3, 0, total, 1, 2, 0, 0, 64, 17, 0, 0, 10, 0, 1, 2, 10, 0, 2, 2];
        packet.extend(options);
        let sum = checksum::compute(&packet).to_be_bytes();
        packet[10..12].copy_from_slice(&sum);
        packet.extend([1, 2, 3, 4]);
        packet
    }

    const MACS: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9];

    fn edited(edit: Edit, frame: &[u8]) -> Option<Vec<u8>> {
        let mut buffer = [&[0xee; 4][..], frame, &[0xee; 4]].concat();
        let mut in_place = FrameBuf::with_room(&mut buffer, 4, frame.len());
        let undo = apply(edit, &mut in_place);
        let made = undo.as_ref().map(|_| in_place.bytes().to_vec());
        if let Some(undo) = undo {
            undo.undo(&mut in_place);
        }
        assert_eq!(in_place.bytes(), frame, "taken back, the frame is what it was");
        made
    }

    #[test]
    fn each_edit_does_its_work_and_can_be_taken_back() {
        let packet = ipv4(&[]);
        let plain = [&MACS[..], &[8, 0], &packet].concat();
        let tagged = [&MACS[..], &[0x81, 0, 0xa0, 0, 8, 0], &packet].concat();
        assert_eq!(edited(Edit::StripTag, &tagged).unwrap(), plain);
        let length = (packet.len() + 8) as u8;
        let snap = [&MACS[..], &[0, length, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &packet, &[0; 9]].concat();
        assert_eq!(edited(Edit::Decapsulate, &snap).unwrap(), plain);
        let route = [&MACS[..], &[8, 0], &ipv4(&[7, 7, 4, 0, 0, 0, 0, 0])].concat();
        let cleared = edited(Edit::ClearOptions, &route).unwrap();
        assert_eq!(cleared[34..42], [1, 1, 1, 1, 1, 1, 1, 0]);
        assert!(checksum::verify(&cleared[14..42]));
        assert_eq!(edited(Edit::None, &plain).unwrap(), plain);
    }

    #[test]
    fn what_an_edit_is_not_about_stays() {
        let plain = [&MACS[..], &[8, 0], &ipv4(&[])].concat();
        let vlan = [&MACS[..], &[0x81, 0, 0, 5, 8, 0], &ipv4(&[])].concat();
        for edit in [Edit::StripTag, Edit::Decapsulate, Edit::ClearOptions] {
            for frame in [&plain, &vlan] {
                assert_eq!(edited(edit, frame), None);
                for len in 0..frame.len() {
                    let _ = edited(edit, &frame[..len]);
                }
            }
        }
    }

    #[test]
    fn a_code_point_leaves_ecn_and_the_checksum_right() {
        for dscp in 0..64 {
            let mut frame = [&MACS[..], &[8, 0], &ipv4(&[])].concat();
            set_dscp(&mut frame, dscp);
            assert_eq!(frame[15], dscp << 2 | 3);
            assert!(checksum::verify(&frame[14..34]));
            let mut frame = [&MACS[..], &[0x86, 0xdd, 0x6f, 0xff, 0xab, 0xcd], &[0; 36]].concat();
            set_dscp(&mut frame, dscp);
            let class = (frame[14] & 0x0f) << 4 | frame[15] >> 4;
            assert_eq!((class, frame[14] >> 4, frame[15] & 0x0f), (dscp << 2 | 3, 6, 0xf));
        }
    }
}
