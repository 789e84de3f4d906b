//! Datagrams in fragments: in order, reversed, overlapping, incomplete, tiny, twice, and many.
//!
//! Read first: RFC 791 §3.2; RFC 8200 §4.5; RFC 5722 §4; RFC 1858 §3 and §4; RFC 7112 §5.

use super::super::segment::{Data, Segment};
use super::super::{BLOCK, FRAME_MAX};
use super::{Made, Run};
use crate::build::flags;
use crate::dice::Draw;
use rand::Rng;
use stack::Anomaly;
use std::ops::Range;

/// What the router's reassembly may come to, in bytes of a datagram; it has room for 4,096 with all headers.
const REASSEMBLED: usize = 3_840;
/// Echo (RFC 862): a datagram to the router that it answers.
const ECHO_PORT: u16 = 7;

impl Run<'_> {
    /// Piece `number` of four, the last of which is shorter.
    pub(super) fn fragments_in_order(&mut self, buffer: &mut [u8; FRAME_MAX], number: usize) -> Made {
        let piece = self.piece_len(4);
        let total = 3 * piece + self.rng.between(1, piece);
        self.datagram(buffer, total, number * piece..total.min((number + 1) * piece))
    }

    /// Bytes of each of so many pieces.
    fn piece_len(&mut self, pieces: usize) -> usize {
        let most = if self.local { REASSEMBLED / pieces } else { self.mtu - 48 };
        self.rng.between(1, most.min(1_360) / 8) * 8
    }

    /// These bytes of a UDP datagram of `total` bytes.
    fn datagram(&self, buffer: &mut [u8; FRAME_MAX], total: usize, range: Range<usize>) -> Made {
        let segment = Segment::Udp { from: self.client, to: ECHO_PORT };
        let data = Data { payload: self.payload, len: total - segment.header_len(), mark: None };
        Made::healthy(self.packet().piece(buffer, &segment, data, range))
    }

    pub(super) fn fragments_overlap(&mut self, buffer: &mut [u8; FRAME_MAX]) -> Made {
        self.local = true;
        let units = self.rng.between(2, 100);
        let back = self.rng.between(1, units - 1);
        let end = units - back + back + self.rng.between(1, 20);
        // Half of the time the datagram would end here.
        let total = (end + self.rng.below(2)) * 8;
        if self.step == 0 {
            return self.datagram(buffer, total, 0..units * 8);
        }
        let made = self.datagram(buffer, total, (units - back) * 8..end * 8);
        let overlap = if self.ipv6 { Anomaly::Ipv6FragmentOverlap } else { Anomaly::Ipv4FragmentOverlap };
        Made::odd(made.len, overlap)
    }

    pub(super) fn fragments_tiny(&mut self, buffer: &mut [u8; FRAME_MAX]) -> Made {
        // What is too short in IPv6 binds the router alone.
        self.local |= self.ipv6;
        let segment = Segment::Tcp {
            from: self.client,
            to: 80,
            sequence: self.rng.next_u64() as u32,
            acknowledgment: 0,
            flags: flags::SYN,
        };
        let data = Data { payload: self.payload, len: 12, mark: None };
        let range = self.step * 8..self.step * 8 + 8;
        let len = self.packet().piece(buffer, &segment, data, range);
        match (self.ipv6, self.step) {
            (false, 1) => Made::odd(len, Anomaly::Ipv4TinyFragment),
            (true, 0) => Made::odd(len, Anomaly::Ipv6FirstFragmentShort),
            _ => Made::healthy(len),
        }
    }

    pub(super) fn fragments_twice(&mut self, buffer: &mut [u8; FRAME_MAX]) -> Made {
        let piece = self.piece_len(3);
        let total = 2 * piece + self.rng.between(1, piece);
        let number = self.step / 2;
        self.datagram(buffer, total, number * piece..total.min((number + 1) * piece))
    }

    pub(super) fn fragments_train(&mut self, buffer: &mut [u8; FRAME_MAX]) -> Made {
        // The largest datagram has 65,515 bytes.
        let piece = self.piece_len(BLOCK).min(1_016);
        let total = BLOCK * piece;
        self.datagram(buffer, total, self.step * piece..(self.step + 1) * piece)
    }
}
