//! Captures made by hand, byte for byte as the specifications have them; nothing here uses the reader's library.

use crate::replay::source::{Packet, ReadError, Source};
use std::io::{Cursor, Write};
use std::path::Path;

pub(super) const ETHERNET: u32 = 1;

/// Numbers in one byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    pub(super) fn half(self, number: u16) -> [u8; 2] {
        if self == Self::Big { number.to_be_bytes() } else { number.to_le_bytes() }
    }

    pub(super) fn word(self, number: u32) -> [u8; 4] {
        if self == Self::Big { number.to_be_bytes() } else { number.to_le_bytes() }
    }
}

/// A pcap file: seconds, fraction, whole length and bytes of each packet.
pub(super) fn pcap(order: Order, nanos: bool, link: u32, packets: &[(u32, u32, u32, &[u8])]) -> Vec<u8> {
    let magic = if nanos { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
    let mut file = order.word(magic).to_vec();
    file.extend([order.half(2), order.half(4)].concat());
    file.extend([0, 0, 65_535, link].map(|word| order.word(word)).concat());
    for (seconds, fraction, whole, bytes) in packets {
        file.extend([*seconds, *fraction, bytes.len() as u32, *whole].map(|word| order.word(word)).concat());
        file.extend(*bytes);
    }
    file
}

/// A pcapng file that grows block by block.
#[derive(Debug, Clone)]
pub(super) struct Ng {
    order: Order,
    pub(super) bytes: Vec<u8>,
}

impl Ng {
    /// With a section in this byte order.
    pub(super) fn new(order: Order) -> Self {
        Self { order, bytes: Vec::new() }.section(order)
    }

    pub(super) fn section(self, order: Order) -> Self {
        let body = [&order.word(0x1a2b_3c4d)[..], &order.half(1), &order.half(0), &[0xff; 8]].concat();
        Self { order, ..self }.block(0x0a0d_0d0a, &body)
    }

    pub(super) fn block(mut self, kind: u32, body: &[u8]) -> Self {
        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        let len = self.order.word(body.len() as u32 + 12);
        self.bytes.extend([&self.order.word(kind)[..], &len, &body, &len].concat());
        self
    }

    /// With options of one code and some bytes each.
    pub(super) fn interface(self, link: u16, snap_len: u32, options: &[(u16, &[u8])]) -> Self {
        let order = self.order;
        let mut body = [&order.half(link)[..], &order.half(0), &order.word(snap_len)].concat();
        for (code, value) in options {
            body.extend([order.half(*code), order.half(value.len() as u16)].concat());
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        if !options.is_empty() {
            body.extend([0; 4]);
        }
        self.block(1, &body)
    }

    pub(super) fn enhanced(self, interface: u32, ticks: u64, packet: &[u8]) -> Self {
        let words = [interface, (ticks >> 32) as u32, ticks as u32, packet.len() as u32, packet.len() as u32];
        let body = [&words.map(|word| self.order.word(word)).concat()[..], packet].concat();
        self.block(6, &body)
    }

    pub(super) fn simple(self, whole: u32, packet: &[u8]) -> Self {
        let body = [&self.order.word(whole)[..], packet].concat();
        self.block(3, &body)
    }

    /// The obsolete packet block.
    pub(super) fn old(self, interface: u16, ticks: u64, packet: &[u8]) -> Self {
        let words = [(ticks >> 32) as u32, ticks as u32, packet.len() as u32, packet.len() as u32];
        let order = self.order;
        let head = [order.half(interface), order.half(7)].concat();
        let body = [&head[..], &words.map(|word| order.word(word)).concat(), packet].concat();
        self.block(2, &body)
    }
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Everything that can be read of a file, and why there is no more.
pub(super) fn read(bytes: &[u8]) -> (Vec<(Packet, Vec<u8>)>, Option<ReadError>) {
    let mut packets = Vec::new();
    let mut source = match Source::new(Path::new("by-hand.pcap"), Cursor::new(bytes.to_vec())) {
        Ok(source) => source,
        Err(error) => return (packets, Some(error)),
    };
    let mut data = Vec::new();
    loop {
        match source.next(&mut data) {
            Ok(Some(packet)) => packets.push((packet, data.clone())),
            Ok(None) => return (packets, None),
            Err(error) => return (packets, Some(error)),
        }
    }
}

/// Everything of a file that is whole.
pub(super) fn read_whole(bytes: &[u8]) -> Vec<(Packet, Vec<u8>)> {
    let (packets, error) = read(bytes);
    assert_eq!(error.map(|error| error.to_string()), None);
    packets
}
