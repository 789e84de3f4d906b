//! ICMP, ICMPv6, UDP and TCP.
//!
//! Read first: RFC 792, RFC 4443 §2.1, RFC 4861 §4, RFC 768, RFC 9293 §3.1.

use super::{Reader, set, verdict, without_zeros};
use serde_json::{Value, json};
use smoltcp::wire::{Icmpv4Packet, Icmpv6Packet, IpAddress, Ipv6Address, TcpPacket, UdpPacket};

/// Whose packet it is, and whether all of it is there.
#[derive(Clone, Copy)]
pub(super) struct Ends {
    pub(super) source: IpAddress,
    pub(super) destination: IpAddress,
    /// Neither cut short nor a fragment: checksums can be checked.
    pub(super) whole: bool,
}

const UDP_HEADER: usize = 8;
const TCP_HEADER: usize = 20;

impl<'a> Reader<'a> {
    /// What the IP packet carries.
    pub(super) fn upper(&mut self, protocol: u8, ends: Ends) {
        let bytes = self.payload;
        match (protocol, ends.source) {
            (1, IpAddress::Ipv4(_)) => self.icmp(bytes, ends),
            (58, IpAddress::Ipv6(_)) => self.icmpv6(bytes, ends),
            (17, _) => self.udp(bytes, ends),
            (6, _) => self.tcp(bytes, ends),
            _ => {}
        }
    }

    fn icmp(&mut self, bytes: &'a [u8], ends: Ends) {
        let &[kind, code, _, _, ref rest @ ..] = bytes else { return };
        let right = ends.whole.then(|| Icmpv4Packet::new_unchecked(bytes).verify_checksum());
        let mut fields = json!({ "type": kind, "code": code, "checksum": verdict(right) });
        let mut header = 4;
        if let &[a, b, c, d, ..] = rest {
            header = 8;
            match kind {
                // A redirect names a gateway: an address.
                5 => fields["gateway"] = self.names.ip(IpAddress::v4(a, b, c, d)).into(),
                0 | 8 | 13..=18 => identify(&mut fields, [a, b, c, d]),
                12 => fields["pointer"] = a.into(),
                _ => {}
            }
        }
        self.push("icmp", fields);
        self.payload = &bytes[header..];
    }

    fn icmpv6(&mut self, bytes: &'a [u8], ends: Ends) {
        let &[kind, code, _, _, ref rest @ ..] = bytes else { return };
        let right = match (ends.source, ends.destination, Icmpv6Packet::new_checked(bytes)) {
            (IpAddress::Ipv6(source), IpAddress::Ipv6(destination), Ok(icmp)) if ends.whole => {
                Some(icmp.verify_checksum(&source, &destination))
            }
            _ => None,
        };
        let mut fields = json!({ "type": kind, "code": code, "checksum": verdict(right) });
        let mut header = 4;
        if let &[a, b, c, d, ref rest @ ..] = rest {
            header = 8;
            match kind {
                128 | 129 => identify(&mut fields, [a, b, c, d]),
                4 => fields["pointer"] = u32::from_be_bytes([a, b, c, d]).into(),
                _ => {}
            }
            if let (135..=137, Some(target)) = (kind, rest.first_chunk::<16>()) {
                header = 24;
                fields["target"] = self.names.ip(IpAddress::Ipv6(Ipv6Address::from(*target))).into();
            }
        }
        self.push("icmpv6", fields);
        self.payload = &bytes[header..];
    }

    fn udp(&mut self, bytes: &'a [u8], ends: Ends) {
        let Some(payload) = bytes.get(UDP_HEADER..) else { return };
        let udp = UdpPacket::new_unchecked(bytes);
        let said = usize::from(udp.len());
        let fits = ends.whole && (UDP_HEADER..=bytes.len()).contains(&said);
        let checksum = match udp.checksum() {
            0 => "absent",
            _ => verdict(fits.then(|| udp.verify_checksum(&ends.source, &ends.destination))),
        };
        let fields = json!({
            "from": udp.src_port(),
            "to": udp.dst_port(),
            "length": udp.len(),
            "checksum": checksum,
        });
        self.push("udp", fields);
        self.payload = payload;
    }

    fn tcp(&mut self, bytes: &'a [u8], ends: Ends) {
        if bytes.len() < TCP_HEADER {
            return;
        }
        let tcp = TcpPacket::new_unchecked(bytes);
        let right = ends.whole.then(|| tcp.verify_checksum(&ends.source, &ends.destination));
        let flags = set(&[
            ("NS", tcp.ns()),
            ("CWR", tcp.cwr()),
            ("ECE", tcp.ece()),
            ("URG", tcp.urg()),
            ("ACK", tcp.ack()),
            ("PSH", tcp.psh()),
            ("RST", tcp.rst()),
            ("SYN", tcp.syn()),
            ("FIN", tcp.fin()),
        ]);
        let fields = json!({
            "from": tcp.src_port(),
            "to": tcp.dst_port(),
            "seq": tcp.seq_number().0 as u32,
            "ack": tcp.ack_number().0 as u32,
            "header": tcp.header_len(),
            "flags": flags,
            "window": tcp.window_len(),
            "urgent": tcp.urgent_at(),
            "checksum": verdict(right),
        });
        self.push("tcp", without_zeros(fields, &["flags", "urgent"]));
        let header = usize::from(tcp.header_len());
        self.payload = bytes.get(header.max(TCP_HEADER)..).unwrap_or_default();
    }
}

/// Identifier and sequence number of an ICMP query.
fn identify(fields: &mut Value, [a, b, c, d]: [u8; 4]) {
    fields["id"] = u16::from_be_bytes([a, b]).into();
    fields["seq"] = u16::from_be_bytes([c, d]).into();
}
