//! A capture file, opened: pcap or pcapng, as it is or compressed with gzip; its packets one after another.
//!
//! Read first: draft-ietf-opsawg-pcap §4 and §5, draft-ietf-opsawg-pcapng §4. The file is not trusted: whatever it
//! holds, the outcome is a packet or an error that names the place.

use super::input::{self, Input, State};
use super::pcapng::{Blocks, Problem};
use crate::cli::shell_word;
use pcap_file::PcapError;
use pcap_file::pcap::PcapReader;
use serde::Serialize;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The longest packet that is believed: what libpcap calls `MAXIMUM_SNAPLEN`.
const LONGEST: usize = 262_144;

/// Why there are no more packets in a file than were read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}: {}: {problem}\n  remedy: {remedy}", file.display(), place(*packet))]
pub struct ReadError {
    /// The file.
    pub file: PathBuf,
    /// The packet, counted from 1 as Wireshark does; 0: the file's header.
    pub packet: u64,
    /// What is wrong with it.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

fn place(packet: u64) -> String {
    if packet == 0 { "header".into() } else { format!("packet {packet}") }
}

/// What is known about a packet beside its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet {
    /// Its number in the file, from 1.
    pub(super) number: u64,
    /// When it was captured, since 1970.
    pub(super) time: Duration,
    /// Its LINKTYPE.
    pub(super) link: u32,
    /// Was it cut when it was captured?
    pub(super) cut: bool,
}

/// What both formats give: a packet, its bytes written into the buffer, or nothing at the end.
type Next = Result<Option<Packet>, (String, String)>;

enum Format {
    Pcap(PcapReader<Input>),
    PcapNg(Box<Blocks>),
}

/// An open capture.
pub(super) struct Source {
    path: PathBuf,
    format: Format,
    state: Arc<State>,
    /// Packets read.
    number: u64,
}

impl Source {
    /// Opens a file, and reads its header.
    ///
    /// # Errors
    /// It cannot be read, or is not a capture.
    pub(super) fn open(path: &Path) -> Result<Self, ReadError> {
        let error = |problem, remedy| ReadError { file: path.to_owned(), packet: 0, problem, remedy };
        if path.is_dir() {
            let remedy = format!("name the captures in it, as in {}/*.pcap", shell_word(path));
            return Err(error("it is a folder".into(), remedy));
        }
        let file = File::open(path).map_err(|failed| {
            error(failed.to_string(), "name a pcap or pcapng file that can be read".into())
        })?;
        Self::new(path, file)
    }

    /// Reads the header of what `from` gives, which is called `path`.
    ///
    /// # Errors
    /// It is not a capture.
    pub(super) fn new(path: &Path, from: impl Read + Send + 'static) -> Result<Self, ReadError> {
        let error = |(problem, remedy)| ReadError { file: path.to_owned(), packet: 0, problem, remedy };
        let (input, magic, state) = input::open(from).map_err(|failed| {
            error((
                failed.to_string(),
                "copy the file anew, or uncompress it with `gzip -d` to see more".into(),
            ))
        })?;
        let read = |failed: PcapError| error(explain(&failed, &state));
        let format = match magic {
            [0x0a, 0x0d, 0x0d, 0x0a] => Format::PcapNg(Box::new(Blocks::new(input).map_err(read)?)),
            [0xa1, 0xb2, 0xc3, 0xd4]
            | [0xd4, 0xc3, 0xb2, 0xa1]
            | [0xa1, 0xb2, 0x3c, 0x4d]
            | [0x4d, 0x3c, 0xb2, 0xa1] => Format::Pcap(PcapReader::new(input).map_err(read)?),
            other => return Err(error(foreign(other))),
        };
        Ok(Self { path: path.to_owned(), format, state, number: 0 })
    }

    /// Bytes read of the file itself, compressed as it may be.
    pub(super) fn bytes_read(&self) -> u64 {
        self.state.bytes()
    }

    /// The next packet, its bytes in `data`; `None` at the end.
    ///
    /// # Errors
    /// The file is cut off, damaged or unreadable there. Nothing more can be read of it.
    pub(super) fn next(&mut self, data: &mut Vec<u8>) -> Result<Option<Packet>, ReadError> {
        let number = self.number + 1;
        let next = match &mut self.format {
            Format::Pcap(reader) => next_pcap(reader, &self.state, number, data),
            Format::PcapNg(blocks) => blocks.next(number, data).map_err(|problem| match problem {
                Problem::Read(failed) => explain(&failed, &self.state),
                Problem::Damaged(problem) => (problem, DAMAGED.into()),
            }),
        };
        let next = next.and_then(|packet| match packet {
            Some(_) if data.len() > LONGEST => {
                let problem = format!(
                    "it claims to be {} bytes long, and no packet has more than {LONGEST}",
                    data.len()
                );
                Err((problem, DAMAGED.into()))
            }
            packet => Ok(packet),
        });
        match next {
            Ok(packet) => {
                self.number += u64::from(packet.is_some());
                Ok(packet)
            }
            Err((problem, remedy)) => {
                Err(ReadError { file: self.path.clone(), packet: number, problem, remedy })
            }
        }
    }
}

const DAMAGED: &str = "the packets before it are in this report; capture or copy the file anew, or keep what is whole with \
                       `editcap -r`";

fn next_pcap(reader: &mut PcapReader<Input>, state: &State, number: u64, data: &mut Vec<u8>) -> Next {
    let header = reader.header();
    // Raw: some records claim to be longer than the file's snap length, and are whole all the same.
    let Some(packet) = reader.next_raw_packet() else { return Ok(None) };
    let packet = packet.map_err(|failed| explain(&failed, state))?;
    data.clear();
    data.extend_from_slice(&packet.data);
    let unit = match header.ts_resolution {
        pcap_file::TsResolution::MicroSecond => 1_000,
        pcap_file::TsResolution::NanoSecond => 1,
    };
    let time =
        Duration::from_secs(packet.ts_sec.into()) + Duration::from_nanos(u64::from(packet.ts_frac) * unit);
    // The upper half of the field says how long a check sequence is (draft-ietf-opsawg-pcap §4).
    let link = u32::from(header.datalink) & 0xffff;
    Ok(Some(Packet { number, time, link, cut: packet.incl_len < packet.orig_len }))
}

/// What went wrong in words, and what to do about it.
fn explain(failed: &PcapError, state: &State) -> (String, String) {
    let eof = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
    match failed {
        PcapError::IoError(_) if state.has_ended() => ("the file ends within it".into(), DAMAGED.into()),
        PcapError::IoError(error) if state.has_failed() && eof(error) => {
            ("the gzip data ends within it".into(), DAMAGED.into())
        }
        PcapError::IoError(error) if eof(error) => {
            ("it claims to be longer than 8 MB".into(), DAMAGED.into())
        }
        PcapError::IoError(error) => (format!("it cannot be read: {error}"), DAMAGED.into()),
        PcapError::IncompleteBuffer => ("one of its options is cut off".into(), DAMAGED.into()),
        other => (
            format!("it is damaged, or written in a way that is not supported: {other}"),
            format!(
                "if Wireshark opens the file, write it anew with `editcap -F pcapng IN OUT`; if not, {DAMAGED}"
            ),
        ),
    }
}

/// What a file is that is no capture.
fn foreign(magic: [u8; 4]) -> (String, String) {
    let (is, remedy) = match magic {
        [0, 0, 0, 0] => ("it is empty, or begins with zeros", "name a pcap or pcapng file"),
        [0x28, 0xb5, 0x2f, 0xfd] => ("it is compressed with zstd", "uncompress it: `zstd -d FILE`"),
        [0xfd, b'7', b'z', b'X'] => ("it is compressed with xz", "uncompress it: `xz -d FILE`"),
        [b'B', b'Z', b'h', _] => ("it is compressed with bzip2", "uncompress it: `bzip2 -d FILE`"),
        [0x04, 0x22, 0x4d, 0x18] => ("it is compressed with lz4", "uncompress it: `lz4 -d FILE`"),
        [0x1f, 0x8b, ..] => ("it is compressed with gzip twice", "uncompress it once: `gzip -d FILE`"),
        _ => (
            "it is no pcap or pcapng file",
            "name a pcap or pcapng file, as it is or compressed with gzip; what Wireshark opens, `editcap -F pcapng IN \
             OUT` converts",
        ),
    };
    (is.into(), remedy.into())
}
