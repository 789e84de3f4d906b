//! TCP transfers between real sockets: the server echoes, the client checks every byte.

use super::{GRAIN, Progress, Running, Stop, sleep_until, stopped, timed_out};
use crate::lab::host::{Family, LabHost, Stream};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

const CHUNK: usize = 16 * 1024;
/// Errors kept word for word; further ones are only counted.
const ERRORS_KEPT: usize = 8;

/// What to transfer, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpPlan {
    /// The server's address.
    pub target: IpAddr,
    /// The server's port.
    pub l4_port: u16,
    /// Bytes of one transfer; they come back.
    pub bytes: u64,
    /// Transfers in all, one after the other; `None` goes on until the stop.
    pub transfers: Option<u64>,
    /// Pause between two transfers.
    pub pause: Duration,
    /// Longest silence before a transfer counts as failed.
    pub timeout: Duration,
    /// Chooses the bytes.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TcpCounts {
    /// Transfers started.
    pub started: u64,
    /// Transfers that a stop cut short; what they had sent came back whole.
    pub cut_short: u64,
    /// Transfers that failed: no connection, silence, a reset, a wrong or a missing byte.
    pub failed: u64,
    /// Bytes sent.
    pub sent: u64,
    /// Right bytes received.
    pub received: u64,
    /// Duration of each transfer that did not fail.
    pub durations: Vec<Duration>,
    /// The first few failures.
    pub errors: Vec<String>,
}

impl TcpCounts {
    /// Did every byte sent come back right?
    pub const fn is_clean(&self) -> bool {
        self.failed == 0 && self.sent == self.received && self.started > 0
    }
}

/// Echoes every connection to `l4_port` of `host`. After the stop it takes no more connections and finishes
/// those that are open. Counts connections; progress: bytes echoed.
///
/// # Errors
/// The port is taken, or the host refuses.
pub fn spawn_echo_server(
    host: &dyn LabHost,
    family: Family,
    l4_port: u16,
    stop: Stop,
) -> io::Result<Running<u64>> {
    let listener = host.listen(family, l4_port)?;
    Running::start("tcp echo server", move |progress| {
        let mut connections = 0;
        thread::scope(|scope| {
            while !stopped(&stop) {
                if let Some(stream) = listener.accept(Duration::from_secs(2)) {
                    connections += 1;
                    // The client counts whatever goes wrong: it misses its bytes.
                    scope.spawn(move || echo(&*stream, progress));
                } else {
                    thread::sleep(GRAIN);
                }
            }
        });
        connections
    })
}

fn echo(stream: &dyn Stream, progress: &Progress) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match stream.read(&mut buffer)? {
            0 => return stream.shutdown(Shutdown::Write),
            length => {
                stream.write_all(&buffer[..length])?;
                progress.add(length as u64);
            }
        }
    }
}

/// Transfers from `host`. Progress: right bytes received.
///
/// # Errors
/// The host refuses.
pub fn spawn_transfers(host: &dyn LabHost, plan: TcpPlan, stop: Stop) -> io::Result<Running<TcpCounts>> {
    let connector = host.connector()?;
    Running::start("tcp transfer", move |progress| {
        let mut counts = TcpCounts::default();
        while plan.transfers.is_none_or(|limit| counts.started < limit) && !stopped(&stop) {
            let seed = plan.seed.wrapping_add(counts.started);
            counts.started += 1;
            let start = Instant::now();
            let stream = connector.connect(SocketAddr::new(plan.target, plan.l4_port), plan.timeout);
            match stream.and_then(|stream| transfer(&*stream, &plan, seed, &stop, progress, &mut counts)) {
                Ok(sent) => {
                    counts.cut_short += u64::from(sent < plan.bytes);
                    counts.durations.push(start.elapsed());
                }
                Err(error) => {
                    counts.failed += 1;
                    if counts.errors.len() < ERRORS_KEPT {
                        counts.errors.push(error.to_string());
                    }
                }
            }
            sleep_until(Instant::now() + plan.pause, &stop);
        }
        counts
    })
}

/// One transfer: a thread sends, this one checks what comes back. Returns how many bytes were sent.
fn transfer(
    stream: &dyn Stream,
    plan: &TcpPlan,
    seed: u64,
    stop: &Stop,
    progress: &Progress,
    counts: &mut TcpCounts,
) -> io::Result<u64> {
    let (sent, received) = thread::scope(|scope| {
        let writer = scope.spawn(|| send(stream, plan.bytes, seed, stop));
        let received = check(stream, seed, progress);
        if received.is_err() {
            // Frees a writer that waits for room; an error here means that the stream is dead already.
            let _ = stream.shutdown(Shutdown::Both);
        }
        (writer.join().unwrap_or_else(|_| Err(io::Error::other("the writer panicked"))), received)
    });
    counts.received += *received.as_ref().unwrap_or(&0);
    counts.sent += *sent.as_ref().unwrap_or(&0);
    let (sent, received) = (sent?, received?);
    if sent == received {
        Ok(sent)
    } else {
        Err(io::Error::other(format!("{sent} bytes were sent, {received} came back")))
    }
}

fn send(stream: &dyn Stream, bytes: u64, seed: u64, stop: &Stop) -> io::Result<u64> {
    let mut source = Pcg64Mcg::seed_from_u64(seed);
    let mut chunk = vec![0; CHUNK];
    let mut sent = 0;
    while sent < bytes && !stopped(stop) {
        source.fill_bytes(&mut chunk);
        let length = (bytes - sent).min(CHUNK as u64);
        stream.write_all(&chunk[..length as usize])?;
        sent += length;
    }
    stream.shutdown(Shutdown::Write)?;
    Ok(sent)
}

fn check(stream: &dyn Stream, seed: u64, progress: &Progress) -> io::Result<u64> {
    let mut source = Pcg64Mcg::seed_from_u64(seed);
    let (mut expected, mut chunk) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut received = 0;
    loop {
        // Never past the end of a chunk of the sender's, so that both draw the same random bytes.
        let at = (received % CHUNK as u64) as usize;
        if at == 0 {
            source.fill_bytes(&mut expected);
        }
        let length = match stream.read(&mut chunk[at..]) {
            Ok(0) => return Ok(received),
            Ok(length) => length,
            Err(error) if timed_out(&error) => {
                return Err(io::Error::new(error.kind(), format!("silence after {received} bytes")));
            }
            Err(error) => return Err(error),
        };
        if chunk[at..at + length] != expected[at..at + length] {
            return Err(io::Error::other(format!("a wrong byte after {received}")));
        }
        received += length as u64;
        progress.add(length as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::test_cable::Cable;
    use std::sync::atomic::Ordering;

    fn plan(bytes: u64, transfers: Option<u64>) -> TcpPlan {
        TcpPlan {
            target: Cable::SECOND.into(),
            l4_port: 5001,
            bytes,
            transfers,
            pause: Duration::ZERO,
            timeout: Duration::from_secs(5),
            seed: 7,
        }
    }

    #[test]
    fn every_byte_comes_back() {
        let Some(cable) = Cable::plug() else { return };
        let stop = Stop::default();
        let server = spawn_echo_server(&cable.second, Family::V4, 5001, stop.clone()).unwrap();
        let bytes = 1_000_001;
        let counts = spawn_transfers(&cable.first, plan(bytes, Some(3)), Stop::default()).unwrap().join();
        stop.store(true, Ordering::Relaxed);
        assert!(counts.is_clean(), "{counts:?}");
        assert_eq!((counts.sent, counts.durations.len(), counts.cut_short), (3 * bytes, 3, 0));
        assert_eq!((server.progress().get(), server.join()), (3 * bytes, 3));
        // A TAP that offloaded checksums would hand over segments without them.
        assert_eq!(cable.second.counters().unwrap().malformed(), 0);
    }

    #[test]
    fn a_stop_cuts_a_transfer_short_and_loses_nothing() {
        let Some(cable) = Cable::plug() else { return };
        let (stop, server_stop) = (Stop::default(), Stop::default());
        let server = spawn_echo_server(&cable.second, Family::V4, 5001, server_stop.clone()).unwrap();
        let running = spawn_transfers(&cable.first, plan(u64::MAX, None), stop.clone()).unwrap();
        thread::sleep(Duration::from_millis(200));
        stop.store(true, Ordering::Relaxed);
        let counts = running.join();
        server_stop.store(true, Ordering::Relaxed);
        assert!(counts.is_clean() && counts.cut_short == 1 && counts.received > 0, "{counts:?}");
        assert_eq!(server.join(), 1);
    }

    #[test]
    fn a_closed_port_is_a_failed_transfer() {
        let Some(cable) = Cable::plug() else { return };
        let counts = spawn_transfers(&cable.first, plan(10, Some(1)), Stop::default()).unwrap().join();
        assert_eq!((counts.failed, counts.errors.len(), counts.is_clean()), (1, 1, false));
    }
}
