//! Frame buffers: the caller's buffer that is rewritten in place, and the router's fixed slots.

/// Bytes of an Ethernet header.
pub const ETHERNET_HEADER: usize = 14;
/// Longest frame that the router itself stores (held, queued or made), without FCS.
pub const FRAME_MAX: usize = 1536;
/// Smallest MTU of a port: what every host accepts (RFC 791 §3.2), so that an ICMP error fits.
pub const MIN_MTU: usize = 576;
/// Smallest MTU of a port with IPv6 (RFC 8200 §5).
pub const IPV6_MIN_MTU: usize = 1280;
/// Largest MTU of a port: a stored frame may carry one 802.1Q tag or an LLC/SNAP header more.
pub const MAX_MTU: usize = FRAME_MAX - ETHERNET_HEADER - 8;

/// Bytes of an 802.1Q tag.
pub(crate) const TAG: usize = 4;

/// An 802.1Q tag of priority 0 (IEEE 802.1Q §9.6).
pub(crate) const fn tag_bytes(vlan: u16) -> [u8; TAG] {
    [0x81, 0x00, (vlan >> 8) as u8, vlan as u8]
}

/// A received frame in the caller's buffer.
///
/// The router rewrites it in place, and may shorten it (padding is trimmed, a VLAN tag is taken off) or, for a
/// VLAN port, lengthen it by 4 bytes of room before or behind it. After `Verdict::Forward` the caller sends
/// [`FrameBuf::bytes`].
#[derive(Debug)]
pub struct FrameBuf<'a> {
    buffer: &'a mut [u8],
    start: usize,
    len: usize,
    /// Its length when it came, for the books.
    received_len: usize,
    segment_len: usize,
}

impl<'a> FrameBuf<'a> {
    /// The whole of `buffer` is the frame.
    #[inline(always)]
    pub const fn new(buffer: &'a mut [u8]) -> Self {
        Self::with_segments(buffer, usize::MAX)
    }

    /// The whole of `buffer` is a super-frame: whoever sends it cuts it into IP packets of at most
    /// `segment_len` bytes, headers included (TCP segmentation offload).
    pub const fn with_segments(buffer: &'a mut [u8], segment_len: usize) -> Self {
        let len = buffer.len();
        Self { buffer, start: 0, len, received_len: len, segment_len }
    }

    /// The frame is `len` bytes of `buffer`, from `start` on; with 4 bytes of room on either side, it can be
    /// sent to a VLAN port.
    ///
    /// # Panics
    /// If `buffer` is shorter than that.
    pub const fn with_room(buffer: &'a mut [u8], start: usize, len: usize) -> Self {
        assert!(start <= buffer.len() && len <= buffer.len() - start, "the frame lies within its buffer");
        Self { buffer, start, len, received_len: len, segment_len: usize::MAX }
    }

    /// The longest IP packet that leaves when this frame, whose packet has `packet_len` bytes, is sent: what an
    /// MTU is compared with.
    #[inline(always)]
    pub const fn longest_packet(&self, packet_len: usize) -> usize {
        if packet_len < self.segment_len { packet_len } else { self.segment_len }
    }

    /// The frame.
    #[inline(always)]
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.start + self.len]
    }

    /// The frame, to be rewritten.
    #[inline(always)]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.start..self.start + self.len]
    }

    /// Length in bytes, without FCS.
    #[inline(always)]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Length in bytes as it was received, with its tag and padding.
    #[inline(always)]
    pub const fn received_len(&self) -> usize {
        self.received_len
    }

    /// The frame is a copy of one that was this long when it was received.
    pub(crate) const fn received_as(mut self, len: usize) -> Self {
        self.received_len = len;
        self
    }

    /// Is there nothing in it?
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Shortens the frame; never lengthens it.
    #[inline(always)]
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Takes the tag off a frame that has one.
    pub(crate) fn strip_tag(&mut self) {
        self.strip(TAG);
    }

    /// Takes so many bytes out of a longer frame, right behind its MAC addresses.
    pub(crate) fn strip(&mut self, bytes: usize) {
        debug_assert!(self.len >= 12 + bytes);
        let frame = self.bytes_mut();
        let addresses = frame.first_chunk::<12>().copied();
        let place = frame.get_mut(bytes..).and_then(<[u8]>::first_chunk_mut);
        if let (Some(addresses), Some(place)) = (addresses, place) {
            *place = addresses;
        }
        self.start += bytes;
        self.len -= bytes;
    }

    /// After [`Self::strip`] and [`Self::truncate`]: the frame has as many bytes as before, `len` in all. The first of
    /// them, up to the end of what had been taken out, are for the caller to write.
    pub(crate) fn unstrip(&mut self, bytes: usize, len: usize) {
        self.start -= bytes;
        self.len = len;
    }

    /// Puts a tag in; says whether there was room for it.
    pub(crate) fn insert_tag(&mut self, vlan: u16) -> bool {
        if self.start >= TAG {
            self.start -= TAG;
            self.buffer.copy_within(self.start + TAG..self.start + TAG + 12, self.start);
        } else if self.buffer.len() - self.start - self.len >= TAG {
            self.buffer.copy_within(self.start + 12..self.start + self.len, self.start + 12 + TAG);
        } else {
            return false;
        }
        self.len += TAG;
        self.bytes_mut()[12..12 + TAG].copy_from_slice(&tag_bytes(vlan));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn a_tag_goes_in_and_out_with_room_on_either_side_and_not_without() {
        let plain: Vec<u8> = (0..60).collect();
        for (before, behind, fits) in [(4, 0, true), (0, 4, true), (8, 8, true), (3, 3, false), (0, 0, false)]
        {
            let mut buffer: Vec<u8> = [&*std::vec![0; before], &plain, &std::vec![0; behind]].concat();
            let mut frame = FrameBuf::with_room(&mut buffer, before, 60);
            assert_eq!(frame.insert_tag(0x123), fits, "{before} {behind}");
            if fits {
                assert_eq!(frame.bytes()[..16], [&plain[..12], &[0x81, 0, 1, 0x23]].concat());
                assert_eq!(frame.bytes()[16..], plain[12..]);
                frame.strip_tag();
            }
            assert_eq!(frame.bytes(), plain);
        }
    }
}
