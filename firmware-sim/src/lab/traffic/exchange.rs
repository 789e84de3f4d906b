//! One request, one reply, the next request: the loop under ICMP and UDP echo.

use super::{Progress, Stop, sleep_until, stopped, timed_out};
use crate::lab::host::Datagrams;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// Longer than any reply, put together from fragments.
pub(super) const RECEIVE_MAX: usize = 16 * 1024;

/// What to ask, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EchoPlan {
    /// Whom to ask.
    pub target: IpAddr,
    /// Requests in all; `None` goes on until the stop.
    pub count: Option<u64>,
    /// Time from one request to the next; a late reply delays the next request.
    pub interval: Duration,
    /// Bytes of payload: the requests go through the range again and again.
    pub payload: RangeInclusive<usize>,
    /// How long to wait for each reply.
    pub timeout: Duration,
}

impl EchoPlan {
    /// `count` requests of 56 bytes, as fast as the replies come, a second for each.
    pub fn burst(target: impl Into<IpAddr>, count: u64) -> Self {
        Self {
            target: target.into(),
            count: Some(count),
            interval: Duration::ZERO,
            payload: 56..=56,
            timeout: Duration::from_secs(1),
        }
    }

    /// Requests until the stop, `per_second` of them, of many sizes.
    pub fn steady(target: impl Into<IpAddr>, per_second: u32) -> Self {
        Self {
            target: target.into(),
            count: None,
            interval: Duration::from_secs(1) / per_second.max(1),
            payload: 0..=1340,
            timeout: Duration::from_secs(1),
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EchoCounts {
    /// Requests sent, or tried.
    pub sent: u64,
    /// Right replies in time.
    pub received: u64,
    /// Replies whose payload was not the request's.
    pub wrong: u64,
    /// Replies to no open request: late, doubled, or from somebody else.
    pub stray: u64,
    /// Errors of the socket, such as an ICMP unreachable.
    pub errors: u64,
    /// Was the very first request answered (with cold neighbours, if nobody spoke before)?
    pub first_answered: bool,
    /// Round-trip time of each right reply, in order.
    pub rtts: Vec<Duration>,
}

impl EchoCounts {
    /// Did every request get its right reply, and nothing else come?
    pub fn is_clean(&self) -> bool {
        self.sent == self.received && self.wrong == 0 && self.stray == 0 && self.errors == 0
    }
}

/// How a protocol carries a sequence number and a payload.
pub(super) trait Codec {
    /// Writes a request.
    fn encode(&self, sequence: u16, payload: &[u8], message: &mut Vec<u8>);
    /// Reads a reply; `None` if it is none.
    fn decode<'a>(&self, message: &'a [u8]) -> Option<(u16, &'a [u8])>;
}

/// Runs the loop on a socket that has the target as its peer.
pub(super) fn exchange(
    socket: &dyn Datagrams,
    codec: &impl Codec,
    l4_port: u16,
    plan: &EchoPlan,
    stop: &Stop,
    progress: &Progress,
) -> EchoCounts {
    let mut counts = EchoCounts::default();
    let mut message = Vec::new();
    let mut sizes = plan.payload.clone().cycle();
    let mut next = Instant::now();
    while plan.count.is_none_or(|count| counts.sent < count) && !stopped(stop) {
        let sequence = counts.sent as u16;
        let size = sizes.next().unwrap_or(0);
        let payload: Vec<u8> = (0..size).map(|i| (i as u8).wrapping_add(sequence as u8)).collect();
        message.clear();
        codec.encode(sequence, &payload, &mut message);
        let start = Instant::now();
        counts.sent += 1;
        match socket.send_to(&message, SocketAddr::new(plan.target, l4_port)) {
            Ok(()) => await_reply(socket, codec, plan, start, (sequence, &payload), &mut counts),
            Err(_) => counts.errors += 1,
        }
        progress.add(u64::from(counts.received > progress.get()));
        counts.first_answered |= counts.sent == 1 && counts.received == 1;
        next = (next + plan.interval).max(Instant::now().checked_sub(plan.interval).unwrap_or(start));
        sleep_until(next, stop);
    }
    counts
}

/// Reads until the right reply, or until its time is over.
fn await_reply(
    socket: &dyn Datagrams,
    codec: &impl Codec,
    plan: &EchoPlan,
    start: Instant,
    (sequence, payload): (u16, &[u8]),
    counts: &mut EchoCounts,
) {
    let mut buffer = vec![0; RECEIVE_MAX];
    loop {
        let left = plan.timeout.saturating_sub(start.elapsed());
        if left.is_zero() {
            return;
        }
        let (length, from) = match socket.receive(&mut buffer, left) {
            Ok(received) => received,
            Err(error) if timed_out(&error) => return,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => {
                counts.errors += 1;
                return;
            }
        };
        match codec.decode(&buffer[..length]) {
            Some((number, data)) if number == sequence && from.ip() == plan.target => {
                if data == payload {
                    counts.received += 1;
                    counts.rtts.push(start.elapsed());
                } else {
                    counts.wrong += 1;
                }
                return;
            }
            _ => counts.stray += 1,
        }
    }
}
