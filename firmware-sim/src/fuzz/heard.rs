//! Which packets a router has received in its life: as little as is needed to know an ICMP error's cause long afterwards.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

/// Bits of the table: many more than frames of a life, so that few packets are taken for others.
const BITS: usize = 1 << 19;

/// A set of packets, by addresses and (IPv4) identification. It may hold what was never put in, one in some thirty.
pub(super) struct Heard(Box<[u64]>);

impl Heard {
    pub(super) fn new() -> Self {
        Self(vec![0; BITS / 64].into())
    }

    /// Notes the packet in a frame, behind a tag or in an envelope, too.
    #[inline]
    pub(super) fn note(&mut self, frame: &[u8]) {
        let at = match frame.get(12..14) {
            Some([0x81, 0x00] | [0x88, 0xa8]) => 18,
            Some([0..=5, _]) => 22,
            _ => 14,
        };
        if let Some(bit) = frame.get(at..).and_then(bit) {
            self.0[bit / 64] |= 1 << (bit % 64);
        }
    }

    /// Has this packet, of which an error quotes the beginning, been noted?
    pub(super) fn knows(&self, packet: &[u8]) -> bool {
        bit(packet).is_some_and(|bit| self.0[bit / 64] >> (bit % 64) & 1 == 1)
    }
}

#[inline]
fn bit(packet: &[u8]) -> Option<usize> {
    let key: &[u8] = match packet.first()? >> 4 {
        6 => packet.get(8..40)?,
        // Addresses; the identification comes in by the first word.
        _ => packet.get(12..20)?,
    };
    let ident = if packet[0] >> 4 == 6 { 0 } else { u64::from(packet[4]) << 8 | u64::from(packet[5]) };
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one((key, ident));
    Some(hash as usize % BITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pktgen::{Generator, World};

    #[test]
    fn a_packet_is_known_once_it_was_noted() {
        let generator = Generator::new(World::lab(), 3);
        let mut heard = Heard::new();
        let frames: Vec<_> = (0..2_000).map(|index| generator.healthy(index).bytes).collect();
        let ip = |frame: &&Vec<u8>| matches!(frame[12..14], [8, 0] | [0x86, 0xdd]);
        let (noted, others) = frames.split_at(1_000);
        noted.iter().for_each(|frame| heard.note(frame));
        assert!(noted.iter().filter(ip).all(|frame| heard.knows(&frame[14..])));
        assert!(others.iter().filter(ip).any(|frame| !heard.knows(&frame[14..])));
        assert!(!heard.knows(&[0x60; 10]) && !Heard::new().knows(&noted[0][14..]));
    }
}
