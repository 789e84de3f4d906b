//! Ethernet, 802.1Q tags, LLC with SNAP, and ARP.
//!
//! Read first: IEEE 802.3 §3.2, IEEE 802.1Q §9.6, RFC 1042, RFC 826.

use super::{Reader, without_zeros};
use serde_json::json;
use smoltcp::wire::{ArpPacket, EthernetAddress, EthernetFrame, IpAddress, Ipv4Address};

/// Longest 802.3 length; what is larger is an EtherType, from 0x600 on.
const MAX_LENGTH: u16 = 1500;
/// Tags that are told.
const MAX_TAGS: usize = 2;

impl<'a> Reader<'a> {
    /// The frame from its first byte on.
    pub(super) fn link(&mut self, frame: &'a [u8]) {
        let Ok(ethernet) = EthernetFrame::new_checked(frame) else { return };
        let mut ethertype = u16::from(ethernet.ethertype());
        // A frame from a station to another station is not diverted.
        let to = match (ethernet.src_addr().is_multicast(), ethernet.dst_addr()) {
            (false, address) if !address.is_multicast() => "the router".into(),
            (_, address) => self.names.mac(address),
        };
        let fields = json!({
            "to": to,
            "from": self.names.mac(ethernet.src_addr()),
            "type": hex16(ethertype),
        });
        self.push("ethernet", fields);
        self.payload = &frame[EthernetFrame::<&[u8]>::header_len()..];
        let mut tags = Vec::new();
        while let (0x8100 | 0x88a8, Some((control, inner))) = (ethertype, tag(self.payload))
            && tags.len() < MAX_TAGS
        {
            let fields = json!({
                "priority": control >> 13,
                "dei": control >> 12 & 1,
                "id": control & 0xfff,
                "type": hex16(inner),
            });
            tags.push(without_zeros(fields, &["dei"]));
            (ethertype, self.payload) = (inner, &self.payload[4..]);
        }
        if !tags.is_empty() {
            self.push("vlan", tags.into());
        }
        if ethertype <= MAX_LENGTH {
            match self.llc() {
                Some(inner) => ethertype = inner,
                None => return,
            }
        }
        match ethertype {
            0x0800 => self.ipv4(self.payload),
            0x86dd => self.ipv6(self.payload),
            0x0806 => self.arp(self.payload),
            _ => {}
        }
    }

    /// LLC, and the EtherType within if it is SNAP with an IEEE organisation code of zeros.
    fn llc(&mut self) -> Option<u16> {
        let &[dsap, ssap, control, ref rest @ ..] = self.payload else { return None };
        let mut fields = json!({ "dsap": dsap, "ssap": ssap, "control": control });
        let snap = match (dsap, ssap, control, rest) {
            (0xaa, 0xaa, 3, &[a, b, c, high, low, ref inner @ ..]) => {
                let ethertype = u16::from_be_bytes([high, low]);
                fields["organisation"] = format!("{a:02x}{b:02x}{c:02x}").into();
                fields["type"] = hex16(ethertype).into();
                self.payload = inner;
                ([a, b, c] == [0; 3]).then_some(ethertype)
            }
            _ => {
                self.payload = rest;
                None
            }
        };
        self.push("llc", fields);
        snap
    }

    fn arp(&mut self, packet: &'a [u8]) {
        // Sizes other than Ethernet's and IPv4's may be anything: of such a packet the fixed part is told.
        let Some((fixed, rest)) = packet.split_at_checked(8) else { return };
        let arp = ArpPacket::new_unchecked(fixed);
        let mut fields = json!({
            "hardware": u16::from(arp.hardware_type()),
            "protocol": hex16(u16::from(arp.protocol_type())),
            "sizes": [arp.hardware_len(), arp.protocol_len()],
            "operation": u16::from(arp.operation()),
        });
        self.payload = rest;
        if (arp.hardware_len(), arp.protocol_len()) == (6, 4)
            && let Ok(arp) = ArpPacket::new_checked(packet)
        {
            let places = [
                ("sender", arp.source_hardware_addr(), arp.source_protocol_addr()),
                ("target", arp.target_hardware_addr(), arp.target_protocol_addr()),
            ];
            for (name, mac, ip) in places {
                let (Ok(mac), Ok(ip)) = (<[u8; 6]>::try_from(mac), <[u8; 4]>::try_from(ip)) else { continue };
                let ip = self.names.ip(IpAddress::Ipv4(Ipv4Address::from(ip)));
                fields[name] = json!([self.names.mac(EthernetAddress(mac)), ip]);
            }
            self.payload = packet.get(28..).unwrap_or_default();
        }
        self.push("arp", fields);
    }
}

/// A tag's control information and what it says follows.
fn tag(bytes: &[u8]) -> Option<(u16, u16)> {
    let &[a, b, c, d, ..] = bytes else { return None };
    Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
}

fn hex16(value: u16) -> String {
    format!("0x{value:04x}")
}
