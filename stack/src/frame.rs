//! Frame buffers: the caller's buffer that is rewritten in place, and the router's fixed slots.

/// Bytes of an Ethernet header.
pub const ETHERNET_HEADER: usize = 14;
/// Longest frame that the router itself stores (held, queued or made), without FCS.
pub const FRAME_MAX: usize = 1536;
/// Smallest MTU of a port: what every host accepts (RFC 791 §3.2), so that an ICMP error fits.
pub const MIN_MTU: usize = 576;
/// Largest MTU of a port: a stored frame may carry one 802.1Q tag or an LLC/SNAP header more.
pub const MAX_MTU: usize = FRAME_MAX - ETHERNET_HEADER - 8;

/// A received frame in the caller's buffer.
///
/// The router rewrites it in place and may shorten it (padding is trimmed); after
/// `Verdict::Forward` the caller sends [`FrameBuf::bytes`].
#[derive(Debug)]
pub struct FrameBuf<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl<'a> FrameBuf<'a> {
    /// The whole of `buffer` is the frame.
    pub const fn new(buffer: &'a mut [u8]) -> Self {
        let len = buffer.len();
        Self { buffer, len }
    }

    /// The frame.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.len]
    }

    /// The frame, to be rewritten.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[..self.len]
    }

    /// Length in bytes, without FCS.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Is there nothing in it?
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Shortens the frame; never lengthens it.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}
