//! UDP: echo between real sockets, and a socket that judges which datagrams arrive.

use super::exchange::{Codec, EchoCounts, EchoPlan, RECEIVE_MAX, exchange};
use super::{GRAIN, Progress, Running, Stop, stopped, timed_out};
use crate::lab::host::{Datagrams, Family, LabHost};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

struct Datagram;

impl Codec for Datagram {
    fn encode(&self, sequence: u16, payload: &[u8], message: &mut Vec<u8>) {
        message.extend(sequence.to_be_bytes());
        message.extend(payload);
    }

    fn decode<'a>(&self, message: &'a [u8]) -> Option<(u16, &'a [u8])> {
        let (number, payload) = message.split_at_checked(2)?;
        Some((u16::from_be_bytes([number[0], number[1]]), payload))
    }
}

/// Sends datagrams from `host` to an echo service on `l4_port` of the plan's target. Progress: right replies.
///
/// # Errors
/// The host refuses.
pub fn spawn_echo(
    host: &dyn LabHost,
    l4_port: u16,
    plan: EchoPlan,
    stop: Stop,
) -> io::Result<Running<EchoCounts>> {
    let peer = SocketAddr::new(plan.target, l4_port);
    let socket = host.open_udp(Family::of(plan.target), 0, Some(peer))?;
    Running::start("udp echo", move |progress| exchange(&*socket, &Datagram, l4_port, &plan, &stop, progress))
}

/// What a datagram service has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DatagramCounts {
    /// Datagrams received.
    pub received: u64,
    /// Bytes of payload in them.
    pub bytes: u64,
    /// Datagrams whose payload had come before.
    pub duplicates: u64,
    /// Datagrams that could not be echoed.
    pub errors: u64,
    /// How often each payload came, if the service keeps them.
    pub payloads: BTreeMap<Vec<u8>, u64>,
}

/// Echoes every datagram that comes to `l4_port` of `host`. Progress: datagrams.
///
/// # Errors
/// The port is taken, or the host refuses.
pub fn spawn_echo_server(
    host: &dyn LabHost,
    family: Family,
    l4_port: u16,
    stop: Stop,
) -> io::Result<Running<DatagramCounts>> {
    let socket = host.open_udp(family, l4_port, None)?;
    Running::start("udp echo server", move |progress| serve(&*socket, &stop, true, progress))
}

/// Keeps every datagram that comes to `l4_port` of `host`, and answers nothing: the judge of what the
/// router repaired and injected. Progress: datagrams.
///
/// # Errors
/// The port is taken, or the host refuses.
pub fn spawn_sink(host: &dyn LabHost, l4_port: u16, stop: Stop) -> io::Result<Running<DatagramCounts>> {
    let socket = host.open_udp(Family::V4, l4_port, None)?;
    Running::start("udp sink", move |progress| serve(&*socket, &stop, false, progress))
}

fn serve(socket: &dyn Datagrams, stop: &Stop, echo: bool, progress: &Progress) -> DatagramCounts {
    let mut counts = DatagramCounts::default();
    let mut buffer = vec![0; RECEIVE_MAX];
    loop {
        match socket.receive(&mut buffer, GRAIN) {
            Ok((length, from)) => {
                counts.received += 1;
                counts.bytes += length as u64;
                progress.add(1);
                if echo {
                    counts.errors += u64::from(socket.send_to(&buffer[..length], from).is_err());
                } else {
                    let seen = counts.payloads.entry(buffer[..length].to_vec()).or_default();
                    counts.duplicates += u64::from(*seen > 0);
                    *seen += 1;
                }
            }
            // Only an empty socket ends it: what has arrived is counted.
            Err(error) if timed_out(&error) => {
                if stopped(stop) {
                    return counts;
                }
            }
            Err(_) => counts.errors += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::test_cable::Cable;
    use std::sync::atomic::Ordering;

    #[test]
    fn datagrams_of_every_size_come_back() {
        let Some(cable) = Cable::plug() else { return };
        let stop = Stop::default();
        let server = spawn_echo_server(&cable.second, Family::V4, 7, stop.clone()).unwrap();
        let plan = EchoPlan { payload: 0..=1470, ..EchoPlan::burst(Cable::SECOND, 300) };
        let counts = spawn_echo(&cable.first, 7, plan, Stop::default()).unwrap().join();
        stop.store(true, Ordering::Relaxed);
        assert!(counts.is_clean() && counts.first_answered, "{counts:?}");
        assert_eq!(server.join().received, 300);
        let judged = cable.second.counters().unwrap();
        assert_eq!((judged.udp_in_datagrams, judged.malformed()), (300, 0));
    }

    #[test]
    fn a_closed_port_is_an_error_and_not_a_reply() {
        let Some(cable) = Cable::plug() else { return };
        let plan = EchoPlan::burst(Cable::SECOND, 1);
        let counts = spawn_echo(&cable.first, 9, plan, Stop::default()).unwrap().join();
        assert_eq!((counts.sent, counts.received, counts.errors), (1, 0, 1));
    }
}
