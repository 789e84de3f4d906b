//! A pcapng file whose packets have comments, for Wireshark and whoever else reads such files.
//!
//! Read first: draft-ietf-opsawg-pcapng §4.1 to §4.3.

use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::{DataLink, Endianness, PcapError};
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

/// Bytes that wait for the file system.
const BUFFER: usize = 1 << 20;
/// `if_tsresol`: 10^-9 s, which is what `pcap_file` writes.
const NANOSECONDS: u8 = 9;
/// `epb_flags`: the packet came in; it went out.
pub(crate) const INBOUND: u32 = 1;
pub(crate) const OUTBOUND: u32 = 2;

/// The open file.
pub(crate) struct CommentedFile(PcapNgWriter<BufWriter<File>>);

/// A packet, and what there is to say about it.
pub(crate) struct Packet<'a> {
    /// The number of its interface.
    pub(crate) interface: u32,
    /// [`INBOUND`] or [`OUTBOUND`].
    pub(crate) flags: u32,
    pub(crate) time: Duration,
    pub(crate) bytes: &'a [u8],
    pub(crate) comment: &'a str,
}

fn io_error(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        other => io::Error::other(other),
    }
}

impl CommentedFile {
    /// Creates the file, or replaces it, with interfaces of these names; `about` is the comment of it all.
    ///
    /// # Errors
    /// The file system's.
    pub(crate) fn create(
        path: &Path,
        interfaces: impl IntoIterator<Item = String>,
        about: &str,
    ) -> io::Result<Self> {
        let options = vec![
            SectionHeaderOption::Comment(about.to_owned().into()),
            SectionHeaderOption::UserApplication(concat!("softrouter ", env!("CARGO_PKG_VERSION")).into()),
        ];
        let section = SectionHeaderBlock { endianness: Endianness::Little, options, ..Default::default() };
        let file = BufWriter::with_capacity(BUFFER, File::create(path)?);
        let mut file = PcapNgWriter::with_section_header(file, section).map_err(io_error)?;
        for name in interfaces {
            let options = vec![
                InterfaceDescriptionOption::IfName(name.into()),
                InterfaceDescriptionOption::IfTsResol(NANOSECONDS),
            ];
            let block = InterfaceDescriptionBlock { linktype: DataLink::ETHERNET, snaplen: 0, options };
            file.write_pcapng_block(block).map_err(io_error)?;
        }
        Ok(Self(file))
    }

    /// Writes a packet.
    ///
    /// # Errors
    /// The file system's.
    pub(crate) fn write(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        let block = EnhancedPacketBlock {
            interface_id: packet.interface,
            timestamp: packet.time,
            original_len: packet.bytes.len() as u32,
            data: Cow::Borrowed(packet.bytes),
            options: vec![
                EnhancedPacketOption::Comment(packet.comment.into()),
                EnhancedPacketOption::Flags(packet.flags),
            ],
        };
        self.0.write_pcapng_block(block).map(drop).map_err(io_error)
    }

    /// Hands what was written to the file system.
    ///
    /// # Errors
    /// The file system's.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.0.get_mut().flush()
    }
}
