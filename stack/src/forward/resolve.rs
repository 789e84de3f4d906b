//! ARP and Neighbour Discovery: who asks the router, whom the router asks, and what it believes.
//! Read first: RFC 826, RFC 5227; RFC 4861 §7.2; RFC 4862 §5.4.

use super::neighbor::{Advertised, Due};
use super::{Cargo, Hop, Origin, rewrite};
use crate::Router;
use crate::classify::{ArpInfo, NdInfo, nd};
use crate::config::PortId;
use crate::frame::ETHERNET_HEADER;
use crate::wire::IPV6_HEADER;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::time::Instant;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetProtocol, Icmpv6Packet, Icmpv6Repr, IpAddress,
    IpProtocol, Ipv4Address, Ipv6Address, Ipv6Packet, Ipv6Repr, NdiscNeighborFlags, NdiscRepr,
};

/// Bytes of an ARP frame.
const ARP_FRAME: usize = ETHERNET_HEADER + 28;
/// Bytes of a Neighbour Discovery message with one link-layer address option.
const ND_MESSAGE: usize = 24 + 8;
const ND_FRAME: usize = ETHERNET_HEADER + IPV6_HEADER + ND_MESSAGE;

impl Router<'_> {
    /// Takes an ARP packet that may be believed.
    pub(crate) fn handle_arp(&mut self, now: Instant, port: PortId, arp: &ArpInfo) {
        let for_us =
            self.config.ports[port.index()].addresses.iter().any(|cidr| cidr.address() == arp.target);
        // A probe (RFC 5227) has no sender address to learn; nor is a stranger's from another network.
        if self.locals.is_connected(arp.sender, port)
            && self.neighbors.learn(now, port, arp.sender, arp.sender_mac, for_us)
        {
            self.release(Hop { port, address: arp.sender.into() }, arp.sender_mac);
        }
        if arp.request && for_us && self.outside_host.is_none() {
            let reply = ArpRepr::EthernetIpv4 {
                operation: ArpOperation::Reply,
                source_hardware_addr: self.config.ports[port.index()].mac,
                source_protocol_addr: arp.target,
                target_hardware_addr: arp.sender_mac,
                target_protocol_addr: arp.sender,
            };
            self.send_arp(port, arp.sender_mac, &reply);
        }
    }

    /// Takes a Neighbour Discovery message that may be believed.
    pub(crate) fn handle_nd(&mut self, now: Instant, port: PortId, nd: &NdInfo) {
        match *nd {
            NdInfo::Solicitation { target, source, lladdr } => {
                let own = self.locals.v6.is_own_on(target, port);
                if own || self.locals.v6.is_anycast(target, Some(port)) {
                    if let Some(mac) = lladdr {
                        self.hear(now, port, source, mac);
                    }
                    if self.outside_host.is_none() {
                        self.advertise(now, port, target, source, own);
                    }
                }
            }
            NdInfo::Advertisement { target, lladdr, solicited, override_, .. } => {
                let heard = Advertised { mac: lladdr, solicited, override_ };
                if let Some(mac) = self.neighbors_v6.advertised(now, port, target, heard) {
                    self.release(Hop { port, address: target.into() }, mac);
                }
            }
            // No advertisements are sent (AdvSendAdvertisements is FALSE by default: RFC 4861 §6.2.1).
            NdInfo::RouterSolicitation { source, lladdr }
            | NdInfo::RouterAdvertisement { source, lladdr } => {
                if let Some(mac) = lladdr {
                    self.hear(now, port, source, mac);
                }
            }
        }
    }

    fn hear(&mut self, now: Instant, port: PortId, source: Ipv6Address, mac: EthernetAddress) {
        let near = source.is_unicast_link_local() || self.locals.v6.is_connected(source, port);
        if near && self.neighbors_v6.hear(now, port, source, mac) {
            self.release(Hop { port, address: source.into() }, mac);
        }
    }

    /// Asks who has the next hop's address. `known`: the address to be confirmed, by unicast in IPv6 (RFC 4861
    /// §7.3.3).
    pub(super) fn ask(&mut self, hop: Hop, known: Option<EthernetAddress>) {
        match hop.address {
            IpAddress::Ipv4(address) => self.ask_v4(hop.port, address),
            IpAddress::Ipv6(address) => self.solicit(hop.port, address, known),
        }
    }

    fn ask_v4(&mut self, port: PortId, address: Ipv4Address) {
        let Some(source) = self.locals.source_for(port, address) else { return };
        let request = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr: self.config.ports[port.index()].mac,
            source_protocol_addr: source,
            target_hardware_addr: EthernetAddress::default(),
            target_protocol_addr: address,
        };
        self.send_arp(port, EthernetAddress::BROADCAST, &request);
    }

    fn send_arp(&mut self, port: PortId, to: EthernetAddress, arp: &ArpRepr) {
        let mut frame = [0; ARP_FRAME];
        rewrite::address_as(&mut frame, self.config.ports[port.index()].mac, to, EthernetProtocol::Arp);
        arp.emit(&mut ArpPacket::new_unchecked(&mut frame[ETHERNET_HEADER..]));
        self.originate(port, &frame);
    }

    /// RFC 4861 §7.2.2: to the solicited-node group, or to the one whose address is to be confirmed.
    fn solicit(&mut self, port: PortId, target: Ipv6Address, known: Option<EthernetAddress>) {
        let Some(source) = self.locals.v6.source_for(port, target) else { return };
        let mac = self.config.ports[port.index()].mac;
        let solicitation = NdiscRepr::NeighborSolicit { target_addr: target, lladdr: Some(mac.into()) };
        let (to, to_mac) = match known {
            Some(mac) => (target, mac),
            None => {
                let group = solicited_node(target);
                (group, group_mac(group))
            }
        };
        let frame = self.nd_frame(port, source, to, to_mac, &solicitation);
        self.originate(port, &frame);
    }

    /// RFC 4861 §7.2.4: answers a solicitation. Whoever probes for duplicates has no address to answer to, and
    /// all nodes hear that it is taken.
    ///
    /// `own`: the address is nobody else's. An anycast address may be another router's just as well, which is not
    /// to be overridden (RFC 4861 §7.2.7).
    fn advertise(&mut self, now: Instant, port: PortId, target: Ipv6Address, to: Ipv6Address, own: bool) {
        let mut flags = NdiscNeighborFlags::ROUTER;
        flags.set(NdiscNeighborFlags::OVERRIDE, own);
        let probe = to.is_unspecified();
        flags.set(NdiscNeighborFlags::SOLICITED, !probe);
        let lladdr = Some(self.config.ports[port.index()].mac.into());
        let from = if own { Some(target) } else { self.locals.v6.source_for(port, to) };
        let Some(from) = from else { return };
        let advertisement = NdiscRepr::NeighborAdvert { flags, target_addr: target, lladdr };
        if probe {
            let frame = self.nd_frame(port, from, ALL_NODES, group_mac(ALL_NODES), &advertisement);
            self.originate(port, &frame);
        } else {
            // Whoever did not name its link-layer address is asked for it first.
            let mut frame = self.nd_frame(port, from, to, EthernetAddress::default(), &advertisement);
            // What is lost has been counted.
            let _ = self.dispatch(now, port, &mut frame, Cargo::Originated);
        }
    }

    fn nd_frame(
        &self,
        port: PortId,
        from: Ipv6Address,
        to: Ipv6Address,
        to_mac: EthernetAddress,
        nd: &NdiscRepr<'_>,
    ) -> [u8; ND_FRAME] {
        let message = Icmpv6Repr::Ndisc(*nd);
        let mut frame = [0; ND_FRAME];
        rewrite::address_as(&mut frame, self.config.ports[port.index()].mac, to_mac, EthernetProtocol::Ipv6);
        let (header, payload) = frame[ETHERNET_HEADER..].split_at_mut(IPV6_HEADER);
        header.copy_from_slice(&nd_header(from, to, payload.len() as u16));
        let mut icmp = Icmpv6Packet::new_unchecked(payload);
        message.emit(&from, &to, &mut icmp, &ChecksumCapabilities::default());
        frame
    }

    fn originate(&mut self, port: PortId, frame: &[u8]) {
        match self.queue(port, Origin::Originated, frame) {
            Some(len) => self.stats.sent.originated.add(len),
            None => self.stats.originated_lost += 1,
        }
    }

    /// Asks again, or gives up, for every neighbour that is due.
    pub(crate) fn handle_neighbor_timeout(&mut self, now: Instant) {
        while let Some(due) = self.neighbors.handle_timeout(now) {
            match due {
                Due::Ask(port, address, _) => self.ask_v4(port, address),
                Due::Unreachable(port, address) => self.give_up(now, Hop { port, address: address.into() }),
            }
        }
        while let Some(due) = self.neighbors_v6.handle_timeout(now) {
            match due {
                Due::Ask(port, address, known) => self.solicit(port, address, known),
                Due::Unreachable(port, address) => self.give_up(now, Hop { port, address: address.into() }),
            }
        }
    }
}

/// The IPv6 header of a Neighbour Discovery message with this payload length in bytes.
pub(super) fn nd_header(from: Ipv6Address, to: Ipv6Address, payload_len: u16) -> [u8; IPV6_HEADER] {
    let mut header = [0; IPV6_HEADER];
    let repr = Ipv6Repr {
        src_addr: from,
        dst_addr: to,
        next_header: IpProtocol::Icmpv6,
        payload_len: payload_len.into(),
        hop_limit: nd::HOP_LIMIT,
    };
    repr.emit(&mut Ipv6Packet::new_unchecked(&mut header[..]));
    header
}

const ALL_NODES: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// RFC 4291 §2.7.1.
fn solicited_node(address: Ipv6Address) -> Ipv6Address {
    Ipv6Address::from_bits(0xff02_0000_0000_0000_0000_0001_ff00_0000 | address.to_bits() & 0x00ff_ffff)
}

/// RFC 2464 §7.
fn group_mac(group: Ipv6Address) -> EthernetAddress {
    let [.., a, b, c, d] = group.octets();
    EthernetAddress([0x33, 0x33, a, b, c, d])
}
