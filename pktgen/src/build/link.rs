//! The link layer: Ethernet II, 802.1Q tags, LLC and SNAP envelopes, ARP.
//!
//! Read first: RFC 894, RFC 1042, RFC 826; IEEE 802.3 §3.2, IEEE 802.1Q §9.

use std::net::Ipv4Addr;

/// A MAC address.
pub type Mac = [u8; 6];

/// All ones: every station.
pub const BROADCAST: Mac = [0xff; 6];

/// Bytes of an untagged Ethernet header.
pub const ETHERNET_HEADER: usize = 14;

/// EtherTypes (IEEE, IANA).
pub mod ethertype {
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// ARP.
    pub const ARP: u16 = 0x0806;
    /// IPv6.
    pub const IPV6: u16 = 0x86dd;
    /// 802.1Q customer tag.
    pub const VLAN: u16 = 0x8100;
    /// 802.1ad service tag.
    pub const SERVICE_VLAN: u16 = 0x88a8;
}

/// An Ethernet II frame; with a `kind` up to 1500 it reads as an 802.3 frame of that length.
pub fn ethernet(destination: Mac, source: Mac, kind: u16, payload: &[u8]) -> Vec<u8> {
    [&destination[..], &source[..], &kind.to_be_bytes()[..], payload].concat()
}

/// The frame with a tag put in behind its addresses. A frame without room for them is returned as it is.
pub fn tag(frame: &[u8], kind: u16, control: u16) -> Vec<u8> {
    if frame.len() < 12 {
        return frame.to_vec();
    }
    let (addresses, rest) = frame.split_at(12);
    [addresses, &kind.to_be_bytes(), &control.to_be_bytes(), rest].concat()
}

/// An 802.3 frame: length, LLC header (DSAP, SSAP, control), payload.
pub fn llc(destination: Mac, source: Mac, header: [u8; 3], payload: &[u8]) -> Vec<u8> {
    let body = [&header[..], payload].concat();
    ethernet(destination, source, body.len() as u16, &body)
}

/// An 802.3 frame with an LLC/SNAP envelope of OUI 00-00-00 (RFC 1042).
pub fn snap(destination: Mac, source: Mac, kind: u16, payload: &[u8]) -> Vec<u8> {
    let inside = [&[0, 0, 0][..], &kind.to_be_bytes(), payload].concat();
    llc(destination, source, [0xaa, 0xaa, 3], &inside)
}

/// Fills a frame up to 60 bytes (64 with the FCS), as a network card does.
pub fn pad(mut frame: Vec<u8>) -> Vec<u8> {
    if frame.len() < 60 {
        frame.resize(60, 0);
    }
    frame
}

/// An ARP packet with every field free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arp {
    /// Hardware type; Ethernet is 1.
    pub hardware: u16,
    /// Protocol type; IPv4 is 0x0800.
    pub protocol: u16,
    /// Bytes of a hardware address, as claimed.
    pub hardware_size: u8,
    /// Bytes of a protocol address, as claimed.
    pub protocol_size: u8,
    /// 1 request, 2 reply.
    pub operation: u16,
    /// Who speaks.
    pub sender_mac: Mac,
    /// Who speaks.
    pub sender: Ipv4Addr,
    /// Who is meant; zero in a request.
    pub target_mac: Mac,
    /// Who is meant.
    pub target: Ipv4Addr,
}

impl Arp {
    /// A request by `sender` for the MAC address of `target`.
    pub const fn request(sender_mac: Mac, sender: Ipv4Addr, target: Ipv4Addr) -> Self {
        Self {
            hardware: 1,
            protocol: ethertype::IPV4,
            hardware_size: 6,
            protocol_size: 4,
            operation: 1,
            sender_mac,
            sender,
            target_mac: [0; 6],
            target,
        }
    }

    /// The 28 bytes of the packet.
    pub fn packet(&self) -> Vec<u8> {
        [
            &self.hardware.to_be_bytes()[..],
            &self.protocol.to_be_bytes(),
            &[self.hardware_size, self.protocol_size],
            &self.operation.to_be_bytes(),
            &self.sender_mac,
            &self.sender.octets(),
            &self.target_mac,
            &self.target.octets(),
        ]
        .concat()
    }
}
