//! Reading a recording, which may be cut off, damaged, or no recording at all.
//!
//! Read first: the pcapng specification (draft-ietf-opsawg-pcapng) §3.1 and §4.

use super::header::{BadHeader, Header};
use super::step::{Call, ENVELOPE, Step};
use super::write::{INBOUND, OUTBOUND};
use pcap_file::DataLink;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::section_header::SectionHeaderOption;
use pcap_file::pcapng::{Block, PcapNgParser};
use smoltcp::time::Instant;
use stack::PortId;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

/// The longest block: the head, with a configuration in it.
const HEAD_MAX: usize = 16 << 20;
/// The longest other block: an answer with a frame of 64 KiB in hexadecimal.
const BLOCK_MAX: usize = 256 << 10;
/// The longest frame.
const FRAME_MAX: usize = (64 << 10) + 18;
/// In the head: the byte order of the writer (§4.1).
const LITTLE_ENDIAN: [u8; 4] = [0x4d, 0x3c, 0x2b, 0x1a];
const SECTION_HEADER: u32 = 0x0a0d_0d0a;

/// Why a file cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file system's.
    #[error(
        "{file}: {source}\n  remedy: name a file that `softrouter run --record` or `softrouter lab --record` wrote"
    )]
    Io {
        /// Its path.
        file: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// It is something else.
    #[error(
        "{file}: no recording of Softrouter: {problem}\n  remedy: name a file that `softrouter run --record` or \
         `softrouter lab --record` wrote"
    )]
    Foreign {
        /// Its path.
        file: String,
        /// What it is instead.
        problem: String,
    },
    /// Another version wrote it.
    #[error(
        "{file}: recorded by {writer}, and this is softrouter {}\n  remedy: replay it with the version that recorded it",
        env!("CARGO_PKG_VERSION")
    )]
    Version {
        /// Its path.
        file: String,
        /// Which one.
        writer: String,
    },
    /// It was a recording once.
    #[error(
        "{file}: packet {packet}, byte {offset}: {problem}\n  remedy: take an undamaged copy, and the build that recorded it"
    )]
    Damaged {
        /// Its path.
        file: String,
        /// The packet, from 1, as Wireshark counts; 0: the head.
        packet: u64,
        /// Where its block begins in the file.
        offset: u64,
        /// What is wrong.
        problem: String,
    },
}

/// The next packet.
#[derive(Debug)]
pub(super) enum Next {
    Step(Instant, Step),
    /// The file ends after a whole packet.
    End,
    /// The file ends within a packet.
    CutOff,
}

/// An open recording.
pub(super) struct Reader {
    name: String,
    file: BufReader<File>,
    block: Vec<u8>,
    parser: PcapNgParser,
    header: Header,
    ports: u32,
    packet: u64,
    /// Where the block that was read last begins, and ends.
    offset: u64,
    end: u64,
}

/// Reads as much as there is.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < buffer.len() {
        match file.read(&mut buffer[len..]) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}

/// What [`read_block`] found.
enum Found {
    Block,
    Nothing,
    Part,
    TooLong(usize),
}

/// Reads one block.
fn read_block(file: &mut impl Read, block: &mut Vec<u8>, most: usize) -> io::Result<Found> {
    block.resize(8, 0);
    match fill(file, block)? {
        0 => return Ok(Found::Nothing),
        8 => {}
        _ => return Ok(Found::Part),
    }
    let len = u32::from_le_bytes([block[4], block[5], block[6], block[7]]) as usize;
    if !(12..=most).contains(&len) {
        return Ok(Found::TooLong(len));
    }
    block.resize(len, 0);
    Ok(if fill(file, &mut block[8..])? == len - 8 { Found::Block } else { Found::Part })
}

impl Reader {
    /// Opens the file and reads its head.
    ///
    /// # Errors
    /// It is no recording, or one of another version, or damaged in its head.
    pub(super) fn open(path: &Path) -> Result<Self, ReadError> {
        let name = path.display().to_string();
        let io_error = |source| ReadError::Io { file: name.clone(), source };
        let foreign = |problem: &str| ReadError::Foreign { file: name.clone(), problem: problem.into() };
        let mut file = BufReader::new(File::open(path).map_err(io_error)?);
        let mut block = Vec::new();
        let found = read_block(&mut file, &mut block, HEAD_MAX).map_err(io_error)?;
        if block[..4] != SECTION_HEADER.to_le_bytes() {
            return Err(foreign("it is no pcapng file"));
        }
        match found {
            Found::Block if block[8..12] == LITTLE_ENDIAN => {}
            Found::Block | Found::TooLong(_) => {
                return Err(foreign("another program wrote this pcapng file"));
            }
            Found::Nothing | Found::Part => return Err(foreign("it ends within its head")),
        }
        let (_, parser) = PcapNgParser::new(&block).map_err(|error| foreign(&error.to_string()))?;
        let comments = parser.section().options.iter().filter_map(|option| match option {
            SectionHeaderOption::Comment(comment) => Some(&**comment),
            _ => None,
        });
        let header = Header::from_comments(comments).map_err(|bad| bad_header(&name, bad))?;
        let end = block.len() as u64;
        let mut reader = Self { name, file, block, parser, header, ports: 0, packet: 0, offset: 0, end };
        reader.read_interfaces()?;
        Ok(reader)
    }

    /// One interface for each port, and then the one for calls.
    fn read_interfaces(&mut self) -> Result<(), ReadError> {
        loop {
            if self.read_block()?.is_some() {
                return Err(self.damaged("the file ends within its head"));
            }
            match self.parser.next_block(&self.block) {
                Ok((_, Block::InterfaceDescription(interface))) => match interface.linktype {
                    DataLink::ETHERNET => self.ports += 1,
                    DataLink::WIRESHARK_UPPER_PDU => return Ok(()),
                    _ => return Err(self.damaged("an interface that is neither a port nor the router's")),
                },
                Ok(_) => return Err(self.damaged("a packet before the last interface")),
                Err(error) => return Err(self.damaged(&error.to_string())),
            }
        }
    }

    /// Reads the next block; otherwise how the file ends.
    fn read_block(&mut self) -> Result<Option<Next>, ReadError> {
        self.offset = self.end;
        let found = read_block(&mut self.file, &mut self.block, BLOCK_MAX)
            .map_err(|source| ReadError::Io { file: self.name.clone(), source })?;
        match found {
            Found::Block => {
                self.end += self.block.len() as u64;
                Ok(None)
            }
            Found::Nothing => Ok(Some(Next::End)),
            Found::Part => Ok(Some(Next::CutOff)),
            Found::TooLong(len) => Err(self.damaged(&format!("a block of {len} bytes"))),
        }
    }

    pub(super) const fn header(&self) -> &Header {
        &self.header
    }

    /// Ports that the file has interfaces for.
    pub(super) const fn ports(&self) -> u32 {
        self.ports
    }

    /// The packet that was read last, from 1, and where it begins.
    pub(super) const fn place(&self) -> (u64, u64) {
        (self.packet, self.offset)
    }

    /// A defect of the packet that was read last.
    pub(super) fn damaged(&self, problem: &str) -> ReadError {
        let (packet, offset) = self.place();
        ReadError::Damaged { file: self.name.clone(), packet, offset, problem: problem.into() }
    }

    /// A defect of the header.
    pub(super) fn bad_header(&self, bad: BadHeader) -> ReadError {
        bad_header(&self.name, bad)
    }

    pub(super) fn next(&mut self) -> Result<Next, ReadError> {
        self.packet += 1;
        if let Some(end) = self.read_block()? {
            self.packet -= 1;
            return Ok(end);
        }
        let step = match self.parser.next_block(&self.block) {
            Ok((_, Block::EnhancedPacket(packet))) => step(packet, self.ports),
            Ok(_) => Err("no packet, but another block".into()),
            Err(error) => Err(error.to_string()),
        };
        step.map(|(at, step)| Next::Step(at, step)).map_err(|problem| self.damaged(&problem))
    }
}

fn bad_header(name: &str, bad: BadHeader) -> ReadError {
    let file = name.to_owned();
    match bad {
        BadHeader::Foreign => {
            ReadError::Foreign { file, problem: "its head has no comment of Softrouter's".into() }
        }
        BadHeader::Version(writer) => ReadError::Version { file, writer },
        BadHeader::Damaged(problem) => ReadError::Damaged { file, packet: 0, offset: 0, problem },
    }
}

fn step(packet: EnhancedPacketBlock<'_>, ports: u32) -> Result<(Instant, Step), String> {
    let micros = i64::try_from(packet.timestamp.as_micros()).map_err(|_| "its time is out of range")?;
    let at = Instant::from_micros(micros);
    if packet.interface_id == ports {
        let text = packet.data.strip_prefix(&ENVELOPE).ok_or("a call without its envelope")?;
        let call: Call = serde_json::from_slice(text).map_err(|error| format!("no call: {error}"))?;
        return Ok((at, Step::Call(call)));
    }
    if packet.interface_id > ports {
        return Err(format!("no interface {}", packet.interface_id));
    }
    if packet.data.len() > FRAME_MAX || packet.data.len() != packet.original_len as usize {
        return Err("a frame of an impossible length".into());
    }
    let (mut flags, mut comment) = (None, None);
    for option in packet.options {
        match option {
            EnhancedPacketOption::Flags(found) => flags = Some(found),
            EnhancedPacketOption::Comment(found) => comment = Some(found.into_owned()),
            _ => {}
        }
    }
    let (port, frame) = (PortId(packet.interface_id as u8), packet.data.into_owned());
    let step = match (flags, comment) {
        (Some(INBOUND), None) => Step::Received { port, frame },
        (Some(OUTBOUND), None) => Step::Forwarded { port, frame },
        (Some(OUTBOUND), Some(origin)) => Step::Transmitted { port, origin, frame },
        _ => return Err("neither a frame that came in nor one that went out".into()),
    };
    Ok((at, step))
}
