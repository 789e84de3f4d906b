//! The status page: the router's counters as text, over HTTP/1.0.
//! Read first: RFC 1945 §5, §6 (as much of it as a page without links needs).

use super::STATUS_PORT;
use crate::classify::Anomaly;
use crate::stats::{Count, Disposition, Path, Stats};
use crate::verdict::DropReason;
use core::fmt::{self, Write};
use heapless::Vec;
use managed::ManagedSlice;
use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};

/// The most connections that are served at once.
pub const STATUS_CONNECTIONS: usize = 4;
/// A client that takes longer is cut off: the few sockets are for everybody.
const PATIENCE: Duration = Duration::from_secs(10);

/// Buffers of one TCP connection.
#[derive(Debug)]
pub struct TcpStorage<'a> {
    /// For the request; 64 bytes are enough, more are quicker.
    pub rx: ManagedSlice<'a, u8>,
    /// For the page; what does not fit is cut off. 16 KiB are always enough.
    pub tx: ManagedSlice<'a, u8>,
}

/// Where a connection is.
#[derive(Debug, Clone, Copy)]
struct Connection {
    handle: SocketHandle,
    /// When it must be over; `None`: nobody is connected.
    deadline: Option<Instant>,
    /// How much of the request's first line, and of the empty line that ends it, has come.
    get: u8,
    end: u8,
}

/// All connections.
#[derive(Debug)]
pub(super) struct StatusPage {
    connections: Vec<Connection, STATUS_CONNECTIONS>,
}

impl StatusPage {
    /// Adds one socket to `sockets` for each pair of buffers.
    pub(super) fn new<'a>(
        storage: Vec<TcpStorage<'a>, STATUS_CONNECTIONS>,
        sockets: &mut SocketSet<'a>,
    ) -> Self {
        let connections = storage
            .into_iter()
            .map(|TcpStorage { rx, tx }| {
                let socket = tcp::Socket::new(tcp::SocketBuffer::new(rx), tcp::SocketBuffer::new(tx));
                Connection { handle: sockets.add(socket), deadline: None, get: 0, end: 0 }
            })
            .collect();
        Self { connections }
    }

    /// Listens with every connection that is over; before each packet, or the first one would be refused.
    pub(super) fn listen(&mut self, sockets: &mut SocketSet<'_>) {
        for connection in &mut self.connections {
            let socket = sockets.get_mut::<tcp::Socket<'_>>(connection.handle);
            // Whoever was cut off has to be sent a reset first.
            let aborted = socket.state() == tcp::State::Closed && socket.remote_endpoint().is_some();
            if !socket.is_open() && !aborted {
                (connection.deadline, connection.get, connection.end) = (None, 0, 0);
                // The port is not zero and the socket is closed: listen cannot fail.
                let _ = socket.listen(STATUS_PORT);
            }
        }
    }

    /// Reads requests, answers and hangs up.
    pub(super) fn serve(&mut self, now: Instant, sockets: &mut SocketSet<'_>, stats: &Stats) {
        for connection in &mut self.connections {
            connection.serve(now, sockets.get_mut(connection.handle), stats);
        }
    }

    /// When a client has to be cut off.
    pub(super) fn poll_at(&self) -> Option<Instant> {
        self.connections.iter().filter_map(|connection| connection.deadline).min()
    }
}

impl Connection {
    fn serve(&mut self, now: Instant, socket: &mut tcp::Socket<'_>, stats: &Stats) {
        if !socket.is_active() {
            // Nobody is there who could be too slow.
            self.deadline = None;
            return;
        }
        let deadline = *self.deadline.get_or_insert(now + PATIENCE);
        if now >= deadline {
            socket.abort();
            self.deadline = None;
            return;
        }
        let asked = self.end == END.len() as u8;
        let _ = socket.recv(|request| {
            request.iter().for_each(|&byte| self.read(byte));
            (request.len(), ())
        });
        if !asked && self.end == END.len() as u8 {
            // What does not fit into the buffer is cut off.
            let _ = write_page(&mut Sink(socket), stats, self.get == GET.len() as u8);
            socket.close();
        }
    }

    fn read(&mut self, byte: u8) {
        if usize::from(self.get) < GET.len() {
            // 255: another method.
            self.get = if GET[usize::from(self.get)] == byte { self.get + 1 } else { u8::MAX };
        }
        if usize::from(self.end) < END.len() {
            self.end =
                if END[usize::from(self.end)] == byte { self.end + 1 } else { u8::from(byte == END[0]) };
        }
    }
}

const GET: &[u8] = b"GET ";
const END: &[u8] = b"\r\n\r\n";

struct Sink<'s, 'a>(&'s mut tcp::Socket<'a>);

impl Write for Sink<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        match self.0.send_slice(text.as_bytes()) {
            Ok(sent) if sent == text.len() => Ok(()),
            Ok(_) | Err(_) => Err(fmt::Error),
        }
    }
}

fn write_page(out: &mut impl Write, stats: &Stats, get: bool) -> fmt::Result {
    if !get {
        return out.write_str("HTTP/1.0 501 Not Implemented\r\nConnection: close\r\n\r\nask with GET\n");
    }
    out.write_str("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n")?;
    write_counters(out, stats)
}

/// Every counter that is not zero, one a line: what, frames, bytes where there are any.
pub(super) fn write_counters(out: &mut impl Write, stats: &Stats) -> fmt::Result {
    out.write_str("softrouter: frames, bytes\n")?;
    let mut line = |what: &str, of: &str, count: Count| match count.frames {
        0 => Ok(()),
        frames => writeln!(out, "{what}{of} {frames} {}", count.bytes),
    };
    line("received", "", stats.received)?;
    for disposition in Disposition::ALL {
        for path in Path::ALL {
            let count = stats.dispositions[disposition as usize][path as usize];
            line(disposition.name(), prefixed(path), count)?;
        }
    }
    line("held", "", stats.held)?;
    line("sent", " forwarded", stats.sent.forwarded)?;
    line("sent", " fragments", stats.sent.fragments)?;
    line("sent", " originated", stats.sent.originated)?;
    line("sent", " injected", stats.sent.injected)?;
    let mut number = |what: &str, of: &str, count: u64| match count {
        0 => Ok(()),
        count => writeln!(out, "{what} {of} {count}"),
    };
    for &reason in DropReason::OTHERS {
        number("dropped", reason.name(), stats.drops(reason))?;
    }
    for &anomaly in Anomaly::ALL {
        number("dropped", anomaly.name(), stats.drops(DropReason::Anomaly(anomaly)))?;
    }
    for &anomaly in Anomaly::ALL {
        number("seen", anomaly.name(), stats.seen[anomaly as usize])?;
    }
    number("icmp_errors", "sent", stats.icmp_errors)?;
    number("icmp_errors", "forbidden", stats.icmp_errors_forbidden)?;
    number("icmp_errors", "limited", stats.icmp_errors_limited)?;
    number("reassembly", "failed", stats.reassembly_failed)
}

/// The path's name, for a line that begins with a disposition.
const fn prefixed(path: Path) -> &'static str {
    match path {
        Path::Fast => " fast",
        Path::Rule => " rule",
        Path::SlowCached => " slow-cached",
        Path::SlowModel => " slow-model",
        Path::SlowRefused => " slow-refused",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    #[test]
    fn shows_what_was_counted_and_nothing_else() {
        let mut stats = Stats::default();
        stats.received.add(60);
        stats.drop(DropReason::NoRoute, Path::Fast, 60);
        let mut page = String::new();
        write_page(&mut page, &stats, true).unwrap();
        let (head, body) = page.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.0 200 OK\r\n"));
        assert_eq!(body, "softrouter: frames, bytes\nreceived 1 60\ndropped fast 1 60\ndropped no_route 1\n");
    }

    #[test]
    fn the_longest_page_fits_into_the_buffer_that_is_promised_to_do() {
        let mut stats = Stats::default();
        let most = Count { frames: u64::MAX, bytes: u64::MAX };
        stats.received = most;
        stats.dispositions = [[most; Path::ALL.len()]; Disposition::ALL.len()];
        stats.anomaly_drops = [u64::MAX; Anomaly::COUNT];
        stats.other_drops = [u64::MAX; DropReason::OTHERS.len()];
        stats.seen = [u64::MAX; Anomaly::COUNT];
        let mut page = String::new();
        write_page(&mut page, &stats, true).unwrap();
        assert!(page.len() < 16 * 1024 - 1024, "{}", page.len());
    }
}
