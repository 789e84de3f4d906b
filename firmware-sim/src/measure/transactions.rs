//! Request and response, one after another on each connection, as netperf's TCP_RR: a client behind the one port asks, a
//! server behind the other answers at once.
//!
//! They are UDP datagrams, so that nothing but the router takes time; whoever loses one waits, and asks again.

use pktgen::World;
use pktgen::build::{self, Ipv4, ethertype, protocol};
use std::time::Duration;

/// A connection waits so long before it asks again.
const AGAIN: Duration = Duration::from_millis(10);
/// L4 ports of client and server.
const L4_PORTS: [u16; 2] = [7_001, 7_002];
/// Where a UDP datagram over IPv4 names its destination L4 port, and where its payload begins.
const DESTINATION: usize = 14 + 20 + 2;
const PAYLOAD: usize = 14 + 20 + 8;

/// One side of all connections.
#[derive(Debug)]
pub(super) struct Side {
    /// The frames that it sends, by connection.
    frames: Vec<Vec<u8>>,
    /// The client's: each connection's turn, and since when it waits for the response.
    turns: Vec<(u32, Duration)>,
    /// The L4 port that the other side sends to.
    l4_port: u16,
    /// Responses that came.
    done: u64,
}

/// Client and server of so many connections, the former behind port 0.
pub(super) fn sides(connections: usize) -> [Side; 2] {
    let world = World::lab();
    let hosts = [0, 1].map(|at: usize| (world.ports[at].hosts[0], world.ports[at].mac));
    [0, 1].map(|from: usize| {
        let ((own, router), (other, _)) = (hosts[from], hosts[1 - from]);
        let header = Ipv4 { protocol: protocol::UDP, ..Ipv4::new(own.address, other.address) };
        let frame = |number: usize| {
            let l4_ports = (L4_PORTS[from], L4_PORTS[1 - from]);
            let payload = payload(number as u16, 0);
            let datagram = build::udp(own.address, other.address, l4_ports.0, l4_ports.1, &payload);
            build::ethernet(router, own.mac, ethertype::IPV4, &header.packet(&datagram))
        };
        Side {
            frames: (0..connections).map(frame).collect(),
            turns: vec![(0, Duration::ZERO); if from == 0 { connections } else { 0 }],
            l4_port: L4_PORTS[from],
            done: 0,
        }
    })
}

/// The connection and its turn, and what makes the frame one of 64 bytes.
fn payload(number: u16, turn: u32) -> [u8; 18] {
    let mut payload = [0; 18];
    payload[..2].copy_from_slice(&number.to_be_bytes());
    payload[2..6].copy_from_slice(&turn.to_be_bytes());
    payload
}

/// Connection and turn of a frame that was sent to this L4 port; `None`: it is something else.
fn read(frame: &[u8], l4_port: u16) -> Option<(u16, u32)> {
    let is_datagram = frame.get(12..14)? == [8, 0] && *frame.get(23)? == protocol::UDP;
    if !is_datagram || *frame.get(DESTINATION..DESTINATION + 2)? != l4_port.to_be_bytes() {
        return None;
    }
    let payload = frame.get(PAYLOAD..PAYLOAD + 6)?;
    let turn = u32::from_be_bytes([payload[2], payload[3], payload[4], payload[5]]);
    Some((u16::from_be_bytes([payload[0], payload[1]]), turn))
}

impl Side {
    /// The client asks on this connection, or asks again.
    pub(super) fn ask(&mut self, number: u16, elapsed: Duration) {
        let turn = &mut self.turns[usize::from(number)];
        *turn = (turn.0.wrapping_add(1), elapsed);
        let turn = turn.0;
        self.write(number, turn);
    }

    fn write(&mut self, number: u16, turn: u32) {
        if let Some(frame) = self.frames.get_mut(usize::from(number)) {
            frame[PAYLOAD..PAYLOAD + 6].copy_from_slice(&payload(number, turn)[..6]);
            // Over IPv4 a UDP checksum of 0 means that there is none (RFC 768).
            frame[PAYLOAD - 2..PAYLOAD].copy_from_slice(&[0, 0]);
        }
    }

    /// The router has sent this frame to this side; the connection on which it sends its next one.
    pub(super) fn sent(&mut self, frame: &[u8], elapsed: impl FnOnce() -> Duration) -> Option<u16> {
        let (number, turn) = read(frame, self.l4_port)?;
        if self.turns.is_empty() {
            self.write(number, turn);
            return (usize::from(number) < self.frames.len()).then_some(number);
        }
        // What comes late belongs to no turn.
        if self.turns.get(usize::from(number))?.0 != turn {
            return None;
        }
        self.done += 1;
        self.ask(number, elapsed());
        Some(number)
    }

    /// Connections of the client that have waited for too long, or have not begun.
    pub(super) fn late(&self, elapsed: Duration) -> impl Iterator<Item = u16> + use<> {
        let late = |&(turn, since): &(u32, Duration)| turn == 0 || elapsed.saturating_sub(since) > AGAIN;
        let late: Vec<u16> =
            (0..).zip(&self.turns).filter(|(_, turn)| late(turn)).map(|(number, _)| number).collect();
        late.into_iter()
    }

    /// Copies its frame on this connection into the buffer; the length.
    pub(super) fn copy(&self, number: u16, buf: &mut [u8]) -> usize {
        let frame = &self.frames[usize::from(number)];
        buf[..frame.len()].copy_from_slice(frame);
        frame.len()
    }

    /// Responses that came.
    pub(super) const fn done(&self) -> u64 {
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_answered_and_a_lost_one_is_asked_again() {
        let [mut client, mut server] = sides(2);
        let mut buf = [0; 64];
        let now = || Duration::from_millis(1);
        assert_eq!(client.late(Duration::ZERO).collect::<Vec<_>>(), [0, 1]);
        client.ask(1, Duration::ZERO);
        let len = client.copy(1, &mut buf);
        assert_eq!(len, 60);
        assert_eq!(server.sent(&buf[..len], now), Some(1));
        let len = server.copy(1, &mut buf);
        assert_eq!((client.sent(&buf[..len], now), client.done()), (Some(1), 1));
        assert_eq!(
            (client.sent(&buf[..len], now), client.done()),
            (None, 1),
            "the same response again is none"
        );
        client.ask(0, Duration::from_millis(5));
        assert_eq!(client.late(Duration::from_millis(12)).collect::<Vec<_>>(), [1]);
        for strange in [&b"short"[..], &[0; 60]] {
            assert_eq!(client.sent(strange, now), None);
        }
    }
}
