//! The packets of a pcapng file: sections, interfaces with their link types and clocks, and packet blocks.
//!
//! Read first: draft-ietf-opsawg-pcapng §4.2 to §4.4 and appendix A. Options of packets are not looked at, so none of
//! them can be wrong.

use super::input::Input;
use super::source::Packet;
use pcap_file::pcapng::PcapNgReader;
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::{Endianness, PcapError};
use std::time::Duration;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// Why there is no next packet.
pub(super) enum Problem {
    /// The blocks cannot be read on.
    Read(PcapError),
    /// This packet's block says what cannot be.
    Damaged(String),
}

/// Where packets were captured.
#[derive(Debug, Clone, Copy)]
struct Interface {
    link: u32,
    /// Most bytes of a packet that were kept; 0: all.
    snap_len: u32,
    /// `if_tsresol`: 10 to the power of minus this, or 2, if the uppermost bit is set.
    resolution: u8,
    /// `if_tsoffset`, in seconds.
    offset: i64,
}

impl Interface {
    fn of(block: &InterfaceDescriptionBlock<'_>) -> Self {
        let (mut resolution, mut offset) = (6, 0);
        for option in &block.options {
            match option {
                InterfaceDescriptionOption::IfTsResol(value) => resolution = *value,
                InterfaceDescriptionOption::IfTsOffset(value) => offset = value.cast_signed(),
                _ => {}
            }
        }
        Self { link: block.linktype.into(), snap_len: block.snaplen, resolution, offset }
    }

    /// When that was; a clock that cannot be is held at its end.
    fn time(&self, ticks: u64) -> Duration {
        const SECOND: u128 = 1_000_000_000;
        let (ticks, power) = (u128::from(ticks), u32::from(self.resolution & 0x7f));
        let nanos = if self.resolution & 0x80 != 0 {
            (ticks * SECOND).checked_shr(power).unwrap_or(0)
        } else if power <= 9 {
            ticks * 10_u128.pow(9 - power)
        } else {
            10_u128.checked_pow(power - 9).map_or(0, |unit| ticks / unit)
        };
        let moved = (nanos as i128).saturating_add(i128::from(self.offset) * SECOND as i128);
        Duration::from_nanos(u64::try_from(moved.max(0)).unwrap_or(u64::MAX))
    }
}

/// A pcapng file.
pub(super) struct Blocks {
    reader: PcapNgReader<Input>,
    interfaces: Vec<Interface>,
    /// Of the packet before: a simple packet has no time of its own.
    time: Duration,
}

impl Blocks {
    /// Reads the section's header.
    pub(super) fn new(input: Input) -> Result<Self, PcapError> {
        Ok(Self { reader: PcapNgReader::new(input)?, interfaces: Vec::new(), time: Duration::ZERO })
    }

    /// The next packet, which is number `number`, its bytes in `data`.
    pub(super) fn next(&mut self, number: u64, data: &mut Vec<u8>) -> Result<Option<Packet>, Problem> {
        loop {
            let Some(block) = self.reader.next_raw_block() else { return Ok(None) };
            let block = block.map_err(Problem::Read)?;
            let (kind, simple) = (block.type_, block.type_ == SIMPLE_PACKET);
            match kind {
                SECTION => self.interfaces.clear(),
                INTERFACE => {
                    drop(block);
                    self.interfaces.extend(self.reader.interfaces().last().map(Interface::of));
                }
                OLD_PACKET | SIMPLE_PACKET | ENHANCED_PACKET => {
                    data.clear();
                    data.extend_from_slice(&block.body);
                    drop(block);
                    let body = Body { bytes: data, big: self.reader.section().endianness == Endianness::Big };
                    let Some(told) = body.told(kind) else {
                        return Err(Problem::Damaged("its block is too short for its header".into()));
                    };
                    let Some(interface) = self.interfaces.get(told.interface as usize) else {
                        let (named, known) = (told.interface, self.interfaces.len());
                        return Err(Problem::Damaged(format!(
                            "it names interface {named}, and the file has described {known} so far"
                        )));
                    };
                    let len = match (simple, interface.snap_len) {
                        (true, 1..) => told.len.min(interface.snap_len),
                        _ => told.len,
                    } as usize;
                    if told.at + len > data.len() {
                        return Err(Problem::Damaged(format!(
                            "it claims to have {len} bytes, and its block has room for {}",
                            data.len() - told.at
                        )));
                    }
                    data.truncate(told.at + len);
                    data.drain(..told.at);
                    self.time = told.ticks.map_or(self.time, |ticks| interface.time(ticks));
                    let cut = told.whole_len as usize > len;
                    return Ok(Some(Packet { number, time: self.time, link: interface.link, cut }));
                }
                _ => {}
            }
        }
    }
}

/// What a packet block says before the packet.
struct Told {
    interface: u32,
    /// `None`: it does not say.
    ticks: Option<u64>,
    len: u32,
    whole_len: u32,
    /// Where the packet begins.
    at: usize,
}

/// The body of a packet block.
struct Body<'a> {
    bytes: &'a [u8],
    big: bool,
}

impl Body<'_> {
    fn word(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at + 4)?.try_into().ok()?;
        Some(if self.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn told(&self, kind: u32) -> Option<Told> {
        if kind == SIMPLE_PACKET {
            let whole_len = self.word(0)?;
            return Some(Told { interface: 0, ticks: None, len: whole_len, whole_len, at: 4 });
        }
        let interface = match (kind, self.big) {
            (ENHANCED_PACKET, _) => self.word(0)?,
            // Half a word, and half a word of drops.
            (_, true) => self.word(0)? >> 16,
            (_, false) => self.word(0)? & 0xffff,
        };
        let ticks = u64::from(self.word(4)?) << 32 | u64::from(self.word(8)?);
        Some(Told { interface, ticks: Some(ticks), len: self.word(12)?, whole_len: self.word(16)?, at: 20 })
    }
}
