//! The network card of a host in memory: it hands frames to smoltcp and counts what a kernel would count.

use crate::lab::traffic::counters::KernelCounters;
use crate::port::memory::MemoryPort;
use crate::port::{Port, Sent};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, Icmpv4Message, Icmpv4Packet, Icmpv6Message, Icmpv6Packet, IpProtocol,
    Ipv4Address, Ipv4Packet, Ipv6Packet, TcpPacket, UdpPacket,
};

/// Longest frame on the wire, with a tag.
const FRAME_MAX: usize = 1522;

#[derive(Debug)]
pub(super) struct Card {
    pub(super) port: MemoryPort,
    pub(super) counters: KernelCounters,
    pub(super) address: Ipv4Address,
    pub(super) mtu: usize,
}

impl Card {
    /// Counts a received frame as Linux would in `/proc/net/snmp`.
    fn count(&mut self, frame: &[u8]) {
        let Ok(frame) = EthernetFrame::new_checked(frame) else { return };
        match frame.ethertype() {
            EthernetProtocol::Ipv4 => self.count_ipv4(frame.payload()),
            EthernetProtocol::Ipv6 => self.count_ipv6(frame.payload()),
            _ => {}
        }
    }

    fn count_ipv4(&mut self, packet: &[u8]) {
        let counters = &mut self.counters;
        counters.ip_in_receives += 1;
        let Ok(packet) = Ipv4Packet::new_checked(packet) else {
            counters.ip_in_hdr_errors += 1;
            return;
        };
        if packet.version() != 4 || !packet.verify_checksum() {
            counters.ip_in_hdr_errors += 1;
            counters.ip_in_csum_errors += u64::from(!packet.verify_checksum());
            return;
        }
        if packet.dst_addr() != self.address {
            counters.ip_in_addr_errors += 1;
            return;
        }
        counters.ip_in_delivers += 1;
        let (source, destination) = (packet.src_addr().into(), packet.dst_addr().into());
        match packet.next_header() {
            _ if packet.more_frags() || packet.frag_offset() != 0 => {}
            IpProtocol::Icmp => self.count_icmp(packet.payload()),
            IpProtocol::Udp => match UdpPacket::new_checked(packet.payload()) {
                Ok(udp) if udp.verify_checksum(&source, &destination) => counters.udp_in_datagrams += 1,
                Ok(_) => counters.udp_in_csum_errors += 1,
                Err(_) => counters.udp_in_errors += 1,
            },
            IpProtocol::Tcp => match TcpPacket::new_checked(packet.payload()) {
                Ok(tcp) if tcp.verify_checksum(&source, &destination) => {}
                Ok(_) => counters.tcp_in_csum_errors += 1,
                Err(_) => counters.tcp_in_errs += 1,
            },
            _ => {}
        }
    }

    /// As `/proc/net/snmp6`; packets with extension headers are only counted as received.
    fn count_ipv6(&mut self, packet: &[u8]) {
        let counters = &mut self.counters;
        counters.ip6_in_receives += 1;
        let Ok(packet) = Ipv6Packet::new_checked(packet) else {
            counters.ip6_in_hdr_errors += 1;
            return;
        };
        let (source, destination) = (packet.src_addr(), packet.dst_addr());
        match packet.next_header() {
            IpProtocol::Icmpv6 => match Icmpv6Packet::new_checked(packet.payload()) {
                Ok(icmp) if !icmp.verify_checksum(&source, &destination) => {
                    counters.icmp6_in_csum_errors += 1;
                }
                Ok(icmp) => match icmp.msg_type() {
                    Icmpv6Message::EchoRequest => counters.icmp6_in_echos += 1,
                    Icmpv6Message::EchoReply => counters.icmp6_in_echo_replies += 1,
                    _ => {}
                },
                Err(_) => counters.icmp6_in_errors += 1,
            },
            IpProtocol::Udp => match UdpPacket::new_checked(packet.payload()) {
                Ok(udp) if udp.verify_checksum(&source.into(), &destination.into()) => {
                    counters.udp6_in_datagrams += 1;
                }
                Ok(_) => counters.udp6_in_csum_errors += 1,
                Err(_) => counters.udp6_in_errors += 1,
            },
            IpProtocol::Tcp => match TcpPacket::new_checked(packet.payload()) {
                Ok(tcp) if tcp.verify_checksum(&source.into(), &destination.into()) => {}
                Ok(_) => counters.tcp_in_csum_errors += 1,
                Err(_) => counters.tcp_in_errs += 1,
            },
            _ => {}
        }
    }

    fn count_icmp(&mut self, payload: &[u8]) {
        let counters = &mut self.counters;
        counters.icmp_in_msgs += 1;
        let Ok(packet) = Icmpv4Packet::new_checked(payload) else {
            counters.icmp_in_errors += 1;
            return;
        };
        if !packet.verify_checksum() {
            counters.icmp_in_errors += 1;
            counters.icmp_in_csum_errors += 1;
            return;
        }
        match packet.msg_type() {
            Icmpv4Message::DstUnreachable => counters.icmp_in_dest_unreachs += 1,
            Icmpv4Message::TimeExceeded => counters.icmp_in_time_excds += 1,
            Icmpv4Message::ParamProblem => counters.icmp_in_parm_probs += 1,
            Icmpv4Message::Redirect => counters.icmp_in_redirects += 1,
            Icmpv4Message::EchoRequest => counters.icmp_in_echos += 1,
            Icmpv4Message::EchoReply => counters.icmp_in_echo_reps += 1,
            Icmpv4Message::Timestamp => counters.icmp_in_timestamps += 1,
            Icmpv4Message::TimestampReply => counters.icmp_in_timestamp_reps += 1,
            _ => {}
        }
    }
}

impl Device for Card {
    type RxToken<'a> = Received;
    type TxToken<'a> = Transmit<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received, Transmit<'_>)> {
        let mut frame = vec![0; FRAME_MAX];
        // A port in memory fails only with its event descriptor, which cannot happen while it is open.
        let length = self.port.receive(&mut frame).ok()??.len;
        frame.truncate(length);
        self.count(&frame);
        Some((Received(frame), Transmit(&mut self.port)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Transmit<'_>> {
        Some(Transmit(&mut self.port))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.mtu + 14;
        capabilities
    }
}

pub(super) struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

pub(super) struct Transmit<'a>(&'a mut MemoryPort);

impl TxToken for Transmit<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let mut frame = vec![0; length];
        let result = f(&mut frame);
        match self.0.send(&frame) {
            // A full wire loses the frame, as a full card would; protocols above repeat it or count a loss.
            Ok(Sent::Done | Sent::Full) | Err(_) => result,
        }
    }
}
