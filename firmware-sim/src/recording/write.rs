//! Writing a recording. Whatever fails ends the recording, and never the run.
//!
//! Read first: the pcapng specification (draft-ietf-opsawg-pcapng) §4.1 to §4.3.

use super::header::Header;
use super::step::{Call, ENVELOPE};
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::{DataLink, Endianness, PcapError};
use serde::Serialize;
use smoltcp::time::Instant;
use stack::PortId;
use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes that wait for the file system.
const BUFFER: usize = 1 << 20;
/// `epb_flags` (§4.3.1): the packet came in; it went out.
pub(super) const INBOUND: u32 = 1;
pub(super) const OUTBOUND: u32 = 2;
/// `if_tsresol` (§4.2): 10^-9 s, which is what `pcap_file` writes.
const NANOSECONDS: u8 = 9;

/// What came of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Its file.
    pub file: PathBuf,
    /// Packets in it: frames received, frames sent, and calls of the router between them.
    pub packets: u64,
    /// Packets after its early end.
    pub lost: u64,
    /// Why it ended early.
    pub error: Option<String>,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "recording {}: {} packets", self.file.display(), self.packets)?;
        match &self.error {
            Some(error) => write!(f, ", ENDED EARLY: {error}; {} packets lost", self.lost),
            None => Ok(()),
        }
    }
}

/// A recording that is being written.
pub struct Recorder {
    /// `None` once it has ended.
    file: Option<PcapNgWriter<BufWriter<File>>>,
    written: Written,
    /// The interface for calls; those before it are the ports.
    calls: u32,
    /// One call.
    text: Vec<u8>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("written", &self.written).finish_non_exhaustive()
    }
}

fn io_error(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        other => io::Error::other(other),
    }
}

impl Recorder {
    /// Creates the file, or replaces it. `ports` has each port's name.
    ///
    /// # Errors
    /// The file system's.
    pub fn create<'a>(
        path: &Path,
        header: &Header,
        ports: impl Iterator<Item = &'a str>,
    ) -> io::Result<Self> {
        let mut options: Vec<_> = header
            .comments()
            .into_iter()
            .map(|comment| SectionHeaderOption::Comment(comment.into()))
            .collect();
        let program = format!("softrouter {}", header.version());
        options.push(SectionHeaderOption::UserApplication(program.into()));
        // One byte order everywhere, so that a recording can be read on another machine.
        let section = SectionHeaderBlock { endianness: Endianness::Little, options, ..Default::default() };
        let file = BufWriter::with_capacity(BUFFER, File::create(path)?);
        let mut file = PcapNgWriter::with_section_header(file, section).map_err(io_error)?;
        let ports = ports.map(|name| (DataLink::ETHERNET, name));
        let mut interfaces = 0;
        for (linktype, name) in ports.chain([(DataLink::WIRESHARK_UPPER_PDU, "router")]) {
            let options = vec![
                InterfaceDescriptionOption::IfName(name.into()),
                InterfaceDescriptionOption::IfTsResol(NANOSECONDS),
            ];
            let block = InterfaceDescriptionBlock { linktype, snaplen: 0, options };
            file.write_pcapng_block(block).map_err(io_error)?;
            interfaces += 1;
        }
        let written = Written { file: path.to_owned(), packets: 0, lost: 0, error: None };
        Ok(Self { file: Some(file), written, calls: interfaces - 1, text: Vec::new() })
    }

    /// What there is by now.
    pub const fn written(&self) -> &Written {
        &self.written
    }

    /// A frame that a port received.
    pub(super) fn received(&mut self, now: Instant, port: PortId, frame: &[u8]) {
        self.packet(port.0.into(), now, frame, vec![EnhancedPacketOption::Flags(INBOUND)]);
    }

    /// A frame for a port to send: forwarded at once, or of this origin.
    pub(super) fn sent(
        &mut self,
        now: Instant,
        port: PortId,
        origin: Option<Cow<'static, str>>,
        frame: &[u8],
    ) {
        let mut options = Vec::with_capacity(2);
        options.push(EnhancedPacketOption::Flags(OUTBOUND));
        options.extend(origin.map(EnhancedPacketOption::Comment));
        self.packet(port.0.into(), now, frame, options);
    }

    pub(super) fn call(&mut self, now: Instant, call: &Call) {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        text.extend_from_slice(&ENVELOPE);
        serde_json::to_writer(&mut text, call).expect("a call is plain data");
        self.packet(self.calls, now, &text, Vec::new());
        self.text = text;
    }

    fn packet(
        &mut self,
        interface_id: u32,
        now: Instant,
        data: &[u8],
        options: Vec<EnhancedPacketOption<'_>>,
    ) {
        let Some(file) = &mut self.file else {
            self.written.lost += 1;
            return;
        };
        let packet = EnhancedPacketBlock {
            interface_id,
            timestamp: Duration::from_micros(now.total_micros().max(0).unsigned_abs()),
            original_len: data.len() as u32,
            data: Cow::Borrowed(data),
            options,
        };
        match file.write_pcapng_block(packet) {
            Ok(_) => self.written.packets += 1,
            Err(error) => {
                self.written.lost += 1;
                self.end_early(&io_error(error));
            }
        }
    }

    /// Hands what waits to the file system.
    pub(super) fn flush(&mut self) {
        if let Some(Err(error)) = self.file.as_mut().map(|file| file.get_mut().flush()) {
            self.end_early(&error);
        }
    }

    /// A recording with a gap cannot be replayed: what comes after a failure is not written.
    fn end_early(&mut self, error: &io::Error) {
        self.file = None;
        self.written.error = Some(error.to_string());
        eprintln!(
            "recording {}: {error}: it ends here, the run goes on\n  remedy: name a file on a disk with more room",
            self.written.file.display()
        );
    }
}
