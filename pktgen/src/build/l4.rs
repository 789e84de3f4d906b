//! What IP carries: ICMP and ICMPv6 messages, UDP datagrams, TCP segments.
//!
//! Read first: RFC 792, RFC 4443 §2.1, RFC 768, RFC 9293 §3.1.

use super::checksum::{seal_icmp, seal_segment};
use super::protocol;
use std::net::{IpAddr, Ipv6Addr};

/// ICMP types (RFC 792, IANA).
pub mod icmp_type {
    /// Echo Reply.
    pub const ECHO_REPLY: u8 = 0;
    /// Destination Unreachable.
    pub const UNREACHABLE: u8 = 3;
    /// Source Quench, which RFC 6633 deprecates.
    pub const SOURCE_QUENCH: u8 = 4;
    /// Redirect.
    pub const REDIRECT: u8 = 5;
    /// Echo.
    pub const ECHO: u8 = 8;
    /// Time Exceeded.
    pub const TIME_EXCEEDED: u8 = 11;
    /// Parameter Problem.
    pub const PARAMETER_PROBLEM: u8 = 12;
    /// Timestamp.
    pub const TIMESTAMP: u8 = 13;
    /// Timestamp Reply.
    pub const TIMESTAMP_REPLY: u8 = 14;
}

/// ICMPv6 types (RFC 4443, RFC 4861, RFC 2710, RFC 3810, IANA).
pub mod icmpv6_type {
    /// Destination Unreachable.
    pub const UNREACHABLE: u8 = 1;
    /// Packet Too Big.
    pub const PACKET_TOO_BIG: u8 = 2;
    /// Time Exceeded.
    pub const TIME_EXCEEDED: u8 = 3;
    /// Parameter Problem.
    pub const PARAMETER_PROBLEM: u8 = 4;
    /// Echo Request.
    pub const ECHO: u8 = 128;
    /// Echo Reply.
    pub const ECHO_REPLY: u8 = 129;
    /// Multicast Listener Query.
    pub const LISTENER_QUERY: u8 = 130;
    /// Multicast Listener Report.
    pub const LISTENER_REPORT: u8 = 131;
    /// Multicast Listener Done.
    pub const LISTENER_DONE: u8 = 132;
    /// Router Solicitation.
    pub const ROUTER_SOLICITATION: u8 = 133;
    /// Router Advertisement.
    pub const ROUTER_ADVERTISEMENT: u8 = 134;
    /// Neighbour Solicitation.
    pub const NEIGHBOR_SOLICITATION: u8 = 135;
    /// Neighbour Advertisement.
    pub const NEIGHBOR_ADVERTISEMENT: u8 = 136;
    /// Redirect.
    pub const REDIRECT: u8 = 137;
    /// Version 2 Multicast Listener Report.
    pub const LISTENER_REPORT_2: u8 = 143;
}

/// TCP flags, low eight bits.
pub mod flags {
    /// No more data from the sender.
    pub const FIN: u8 = 1;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 2;
    /// Reset the connection.
    pub const RST: u8 = 4;
    /// Push.
    pub const PSH: u8 = 8;
    /// The acknowledgment field is significant.
    pub const ACK: u8 = 16;
    /// The urgent pointer is significant.
    pub const URG: u8 = 32;
    /// ECN-Echo (RFC 3168).
    pub const ECE: u8 = 64;
    /// Congestion Window Reduced (RFC 3168).
    pub const CWR: u8 = 128;
}

/// An ICMP message: type, code, checksum, four bytes that the type defines, body.
pub fn icmp(kind: u8, code: u8, rest: [u8; 4], body: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, code, 0, 0];
    message.extend(rest);
    message.extend(body);
    seal_icmp(&mut message);
    message
}

/// An ICMPv6 message with the checksum under its pseudo header: type, code, checksum, four bytes that the type
/// defines, body.
pub fn icmpv6(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    kind: u8,
    code: u8,
    rest: [u8; 4],
    body: &[u8],
) -> Vec<u8> {
    let mut message = vec![kind, code, 0, 0];
    message.extend(rest);
    message.extend(body);
    seal_segment(source, destination, protocol::ICMPV6, &mut message);
    message
}

/// A UDP datagram with its checksum.
pub fn udp(
    source: impl Into<IpAddr>,
    destination: impl Into<IpAddr>,
    from: u16,
    to: u16,
    payload: &[u8],
) -> Vec<u8> {
    let mut datagram = [from, to, 8 + payload.len() as u16, 0].map(u16::to_be_bytes).concat();
    datagram.extend(payload);
    seal_segment(source, destination, protocol::UDP, &mut datagram);
    datagram
}

/// A TCP header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tcp {
    /// Source port.
    pub from: u16,
    /// Destination port.
    pub to: u16,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgment number.
    pub acknowledgment: u32,
    /// Flags, see [`flags`].
    pub flags: u8,
    /// Window.
    pub window: u16,
    /// Options, up to 40 bytes; padded to a multiple of 4 with End of Option List.
    pub options: Vec<u8>,
}

impl Tcp {
    /// A segment of an open connection: ACK only, no options.
    pub const fn new(from: u16, to: u16) -> Self {
        Self {
            from,
            to,
            sequence: 1,
            acknowledgment: 1,
            flags: flags::ACK,
            window: 0xffff,
            options: Vec::new(),
        }
    }

    /// Header and payload with the checksum.
    pub fn segment(
        &self,
        source: impl Into<IpAddr>,
        destination: impl Into<IpAddr>,
        payload: &[u8],
    ) -> Vec<u8> {
        let header_len = 20 + self.options.len().min(40).next_multiple_of(4);
        let mut segment = [self.from, self.to].map(u16::to_be_bytes).concat();
        segment.extend(self.sequence.to_be_bytes());
        segment.extend(self.acknowledgment.to_be_bytes());
        segment.extend([((header_len / 4) << 4) as u8, self.flags]);
        segment.extend(self.window.to_be_bytes());
        segment.extend([0; 4]);
        segment.extend(self.options.iter().take(40));
        segment.resize(header_len, 0);
        segment.extend(payload);
        seal_segment(source, destination, protocol::TCP, &mut segment);
        segment
    }
}
