//! A capture at the far end: every frame that a host's interface received, as a pcap file.
//!
//! Read first: `man 7 packet`. It shares nothing with the router: its bytes come from the host's kernel.

use super::namespace::Host;
use crate::port::{filled, packet_address, was_sent_here};
use nix::libc;
use pcap_file::pcap::{PcapPacket, PcapWriter};
use socket2::{Domain, Protocol, Socket, Type};
use std::fs::File;
use std::io::{self, BufWriter};
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes of the socket's buffer: a burst of the lab's load fits many times over.
const BUFFER: usize = 16 << 20;

/// A capture under way.
#[derive(Debug)]
pub struct Capture {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<u64>>,
}

impl Capture {
    /// Starts to write what `host` receives to `path`.
    ///
    /// # Errors
    /// No packet socket, or the file cannot be made.
    pub fn start(host: &Host, path: &Path) -> io::Result<Self> {
        let index = host.interface_index();
        let socket = host.run(move || {
            let everything = Protocol::from(i32::from((libc::ETH_P_ALL as u16).to_be()));
            let socket = Socket::new(Domain::PACKET, Type::RAW, Some(everything))?;
            socket.bind(&packet_address(index))?;
            socket.set_recv_buffer_size(BUFFER)?;
            socket.set_read_timeout(Some(Duration::from_millis(50)))?;
            Ok::<_, io::Error>(socket)
        })?;
        let writer = PcapWriter::new(BufWriter::new(File::create(path)?)).map_err(io::Error::other)?;
        let stop = Arc::new(AtomicBool::new(false));
        let inner = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("capture".into())
            .spawn(move || record(&socket, writer, &inner))?;
        Ok(Self { stop, thread })
    }

    /// Ends the capture, once nothing more is waiting; how many frames it holds.
    ///
    /// # Errors
    /// The file could not be written, or the socket failed.
    pub fn finish(self) -> io::Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn record(socket: &Socket, mut writer: PcapWriter<BufWriter<File>>, stop: &AtomicBool) -> io::Result<u64> {
    let mut frames = 0;
    let mut buffer = [MaybeUninit::uninit(); 65_536];
    loop {
        let stopping = stop.load(Ordering::Relaxed);
        match socket.recv_from(&mut buffer) {
            Ok((_, from)) if was_sent_here(&from) => {}
            Ok((len, _)) => {
                let bytes = filled(&buffer[..len]);
                let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                writer.write_packet(&PcapPacket::new(at, len as u32, bytes)).map_err(io::Error::other)?;
                frames += 1;
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                if stopping {
                    writer.into_writer().into_inner().map_err(io::IntoInnerError::into_error)?;
                    return Ok(frames);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
