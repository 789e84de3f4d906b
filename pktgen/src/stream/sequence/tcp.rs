//! TCP: one connection as it should be, and the ways in which others go wrong.
//!
//! Read first: RFC 9293 §3.5 (opening, closing, resets), §3.10.7 (what a segment does in each state); RFC 4987 (SYN floods).

use super::super::FRAME_MAX;
use super::super::packet::{Ends, Packet};
use super::super::segment::{Data, Segment};
use super::{Made, Run};
use crate::build::flags::{ACK, FIN, PSH, RST, SYN, URG};
use crate::dice::Draw;
use rand::Rng;
use stack::Anomaly;

/// The router's status page, and any other host's web server.
const SERVICE: u16 = 80;

impl Run<'_> {
    /// A segment from the client, with so much data.
    fn tcp(&self, buffer: &mut [u8; FRAME_MAX], flags: u8, numbers: (u32, u32), len: usize) -> Made {
        let (sequence, acknowledgment) = numbers;
        let segment = Segment::Tcp { from: self.client, to: SERVICE, sequence, acknowledgment, flags };
        self.send(buffer, self.packet(), segment, len)
    }

    /// A segment from the server behind the router.
    fn tcp_answer(&self, buffer: &mut [u8; FRAME_MAX], flags: u8, numbers: (u32, u32), len: usize) -> Made {
        let (sequence, acknowledgment) = numbers;
        let segment = Segment::Tcp { from: SERVICE, to: self.client, sequence, acknowledgment, flags };
        let packet = Packet { id: self.first as u32, ..Packet::transit(self.to, self.from, self.ipv6) };
        Made { answer: true, ..self.send(buffer, packet, segment, len) }
    }

    fn send(&self, buffer: &mut [u8; FRAME_MAX], packet: Packet, segment: Segment, len: usize) -> Made {
        // Each step is a packet of its own.
        let id = (self.first + self.step as u64) as u32;
        let packet = Packet { id, dont_fragment: true, ..packet };
        let data = Data { payload: self.payload, len, mark: None };
        Made::healthy(packet.whole(buffer, &segment, data))
    }

    pub(super) fn tcp_connection(&mut self, buffer: &mut [u8; FRAME_MAX]) -> Made {
        self.local = false;
        let (ours, theirs) = (self.rng.next_u64() as u32, self.rng.next_u64() as u32);
        let (asked, told) = (self.rng.between(1, 400), self.rng.between(1, 1_000));
        let at = |sent: usize| ours.wrapping_add(1 + sent as u32);
        let there = |sent: usize| theirs.wrapping_add(1 + sent as u32);
        match self.step {
            0 => self.tcp(buffer, SYN, (ours, 0), 0),
            1 => self.tcp_answer(buffer, SYN | ACK, (theirs, at(0)), 0),
            2 => self.tcp(buffer, ACK, (at(0), there(0)), 0),
            3 => self.tcp(buffer, PSH | ACK, (at(0), there(0)), asked),
            4 => self.tcp_answer(buffer, PSH | ACK, (there(0), at(asked)), told),
            5 => self.tcp(buffer, FIN | ACK, (at(asked), there(told)), 0),
            6 => self.tcp_answer(buffer, FIN | ACK, (there(told), at(asked + 1)), 0),
            _ => self.tcp(buffer, ACK, (at(asked + 1), there(told + 1)), 0),
        }
    }

    pub(super) fn syn_flood(&mut self, buffer: &mut [u8; FRAME_MAX]) -> Made {
        let spoofed = self.rng.one_in(2);
        let mut rng = self.step_rng();
        self.client = rng.between(1_024, 65_535) as u16;
        let mut packet = self.packet();
        if let (true, Ends::V4(source, _)) = (spoofed, &mut packet.ends) {
            *source = self.from.stranger(&mut rng).unwrap_or(*source);
        }
        let sequence = rng.next_u64() as u32;
        let segment =
            Segment::Tcp { from: self.client, to: SERVICE, sequence, acknowledgment: 0, flags: SYN };
        self.send(buffer, packet, segment, 0)
    }

    pub(super) fn rst_storm(&mut self, buffer: &mut [u8; FRAME_MAX]) -> Made {
        let mut rng = self.step_rng();
        let numbers = (rng.next_u64() as u32, rng.next_u64() as u32);
        let flags = *rng.pick(&[RST, RST | ACK]);
        self.tcp(buffer, flags, numbers, 0)
    }

    pub(super) fn data_before_syn(&mut self, buffer: &mut [u8; FRAME_MAX]) -> Made {
        let (sequence, acknowledgment) = (self.rng.next_u64() as u32, self.rng.next_u64() as u32);
        let len = self.rng.between(1, 600);
        match self.step {
            2 => self.tcp(buffer, SYN, (sequence, 0), 0),
            step => {
                let ahead = (step * len) as u32;
                self.tcp(buffer, PSH | ACK, (sequence.wrapping_add(ahead), acknowledgment), len)
            }
        }
    }

    pub(super) fn bad_flags(&mut self, buffer: &mut [u8; FRAME_MAX]) -> Made {
        let numbers = (self.rng.next_u64() as u32, 0);
        let sets = [SYN, SYN | FIN, 0, FIN | URG | PSH, SYN | RST, ACK];
        let made = self.tcp(buffer, sets[self.step], numbers, 0);
        // In transit flags are the end hosts' business (RFC 1812 §5.2).
        let odd = self.local && (1..=4).contains(&self.step);
        if odd { Made::odd(made.len, Anomaly::TcpFlags) } else { made }
    }

    pub(super) fn sequence_jumps(&mut self, buffer: &mut [u8; FRAME_MAX]) -> Made {
        let (start, theirs) = (self.rng.next_u64() as u32, self.rng.next_u64() as u32);
        let jump = self.rng.between(70_000, 1 << 30) as u32;
        let len = self.rng.between(1, 600);
        match self.step {
            0 => self.tcp(buffer, SYN, (start, 0), 0),
            1 => self.tcp(buffer, PSH | ACK, (start.wrapping_add(1), theirs), len),
            2 => self.tcp(buffer, PSH | ACK, (start.wrapping_add(jump), theirs), len),
            3 => self.tcp(buffer, PSH | ACK, (start.wrapping_sub(jump), theirs), len),
            // What has come is sent again, and acknowledges what was never sent.
            4 => self.tcp(buffer, PSH | ACK, (start.wrapping_add(1), theirs.wrapping_add(jump)), len),
            _ => self.tcp(buffer, FIN | ACK, (start.wrapping_add(jump / 2), theirs), 0),
        }
    }

    pub(super) fn unsolicited_answers(&mut self, buffer: &mut [u8; FRAME_MAX]) -> Made {
        let (sequence, other) = (self.rng.next_u64() as u32, self.rng.next_u64() as u32);
        match self.step {
            0 => self.tcp(buffer, SYN | ACK, (sequence, other), 0),
            1 => self.tcp(buffer, SYN | ACK, (sequence, other.wrapping_add(1)), 0),
            2 => self.tcp(buffer, FIN, (sequence, 0), 0),
            _ => self.tcp(buffer, RST, (sequence, 0), 40),
        }
    }

    pub(super) fn simultaneous_open(&mut self, buffer: &mut [u8; FRAME_MAX]) -> Made {
        self.local = false;
        let (ours, theirs) = (self.rng.next_u64() as u32, self.rng.next_u64() as u32);
        match self.step {
            0 => self.tcp(buffer, SYN, (ours, 0), 0),
            1 => self.tcp_answer(buffer, SYN, (theirs, 0), 0),
            2 => self.tcp(buffer, SYN | ACK, (ours, theirs.wrapping_add(1)), 0),
            _ => self.tcp_answer(buffer, SYN | ACK, (theirs, ours.wrapping_add(1)), 0),
        }
    }
}
