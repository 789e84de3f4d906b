//! Round trips: echo requests to the server, one after another.

use super::Failure;
use super::set_up::{SERVER, SetUp};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, Read, Write};
use std::net::SocketAddrV4;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a reply may take.
const PATIENCE: Duration = Duration::from_millis(200);
/// Requests lost in a row after which the fabric is dead.
const DEAD: usize = 10;

/// A client's socket for echo requests; the host's kernel fills in and checks the checksum.
pub struct Echo {
    socket: Socket,
    sequence: u16,
}

impl Echo {
    /// # Errors
    /// The kernel refuses the socket.
    pub fn open(set_up: &SetUp) -> Result<Self, Failure> {
        let socket = set_up.client.namespace().run(|| {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::ICMPV4))?;
            socket.connect(&SocketAddrV4::new(SERVER, 0).into())?;
            socket.set_read_timeout(Some(PATIENCE))?;
            Ok::<_, io::Error>(socket)
        })?;
        Ok(Self { socket, sequence: 0 })
    }

    /// One round trip of a request of 64 bytes; if there is no reply in time, as long as was waited for it, for which
    /// [`is_lost`] is true: left out, it would make the rest look better than it is.
    pub fn round_trip(&mut self) -> Duration {
        self.reply().unwrap_or(PATIENCE)
    }

    fn reply(&mut self) -> io::Result<Duration> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut message = [0; 64];
        message[0] = 8;
        message[6..8].copy_from_slice(&self.sequence.to_be_bytes());
        let mut reply = [0; 128];
        let start = Instant::now();
        self.socket.write_all(&message)?;
        loop {
            let length = self.socket.read(&mut reply)?;
            let took = start.elapsed();
            // One to an earlier request came too late.
            if length == message.len() && reply[6..8] == message[6..8] {
                return Ok(took);
            }
            if is_lost(took) {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }

    /// Those of `count` requests, in order of length, lost ones among them; fewer of them once `stop` is set.
    ///
    /// # Errors
    /// The fabric is dead, or `stop` was set before the first.
    pub fn round_trips(&mut self, count: u32, stop: &AtomicBool) -> Result<Vec<Duration>, Failure> {
        let (mut times, mut lost) = (Vec::new(), 0);
        while times.len() < count as usize && !stop.load(Ordering::Relaxed) {
            let took = self.round_trip();
            lost = if is_lost(took) { lost + 1 } else { 0 };
            if lost == DEAD {
                return Err(format!("no reply from the server to {DEAD} echo requests in a row").into());
            }
            times.push(took);
        }
        if times.is_empty() {
            return Err("stopped before the first echo request".into());
        }
        times.sort_unstable();
        Ok(times)
    }
}

/// Is this round trip one that did not end in time?
pub fn is_lost(took: Duration) -> bool {
    took >= PATIENCE
}

/// This share of the sorted times is at most so long, in microseconds.
pub fn micros(times: &[Duration], share: f64) -> f64 {
    times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6
}

/// Microseconds as a table shows them: of a lost one no more is known than that it took longer than was waited.
pub fn shown(micros: f64) -> String {
    let patience = PATIENCE.as_millis() as f64;
    if micros >= patience * 1e3 { format!("> {patience} ms") } else { format!("{micros:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_one_is_counted_and_shown_as_lost() {
        let mut times = vec![Duration::from_micros(40); 98];
        times.extend([PATIENCE; 2]);
        assert_eq!(
            (shown(micros(&times, 0.5)), shown(micros(&times, 0.99))),
            ("40".into(), "> 200 ms".into())
        );
        assert!(is_lost(times[99]) && !is_lost(times[97]));
    }
}
