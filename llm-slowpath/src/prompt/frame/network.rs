//! IPv4 with the kinds of its options, IPv6 with the chain of its extension headers.
//!
//! Read first: RFC 791 §3.1, RFC 8200 §3 and §4.

use super::upper::Ends;
use super::{Reader, set, verdict, without_zeros};
use serde_json::{Value, json};
use smoltcp::wire::{Ipv4Packet, Ipv6ExtHeader, Ipv6FragmentHeader, Ipv6Packet};
use stack::wire::{IPV6_HEADER, MIN_HEADER};

/// Options, or extension headers, that are told.
const MAX_LISTED: usize = 4;

impl<'a> Reader<'a> {
    pub(super) fn ipv4(&mut self, packet: &'a [u8]) {
        if packet.len() < MIN_HEADER {
            return;
        }
        let ip = Ipv4Packet::new_unchecked(packet);
        let header = usize::from(ip.header_len());
        let sound = (MIN_HEADER..=packet.len()).contains(&header);
        let reserved = packet[6] & 0x80 != 0;
        let (source, destination) = (ip.src_addr(), ip.dst_addr());
        let mut fields = json!({
            "header": header,
            "tos": ip.dscp() << 2 | ip.ecn(),
            "length": ip.total_len(),
            "id": ip.ident(),
            "flags": set(&[("reserved", reserved), ("DF", ip.dont_frag()), ("MF", ip.more_frags())]),
            "offset": ip.frag_offset(),
            "ttl": ip.hop_limit(),
            "protocol": u8::from(ip.next_header()),
            "checksum": verdict(sound.then(|| ip.verify_checksum())),
            "from": self.names.ip(source.into()),
            "to": self.names.ip(destination.into()),
        });
        let header = if sound { header } else { MIN_HEADER };
        fields = without_zeros(fields, &["flags", "offset", "tos"]);
        tell_odd_version(&mut fields, ip.version(), 4);
        if header > MIN_HEADER {
            fields["options"] = kinds(&packet[MIN_HEADER..header]).into();
        }
        self.push("ipv4", fields);
        let end = usize::from(ip.total_len());
        let whole = (header..=packet.len()).contains(&end);
        self.payload = &packet[header..if whole { end } else { packet.len() }];
        if ip.frag_offset() == 0 {
            let whole = sound && whole && !ip.more_frags();
            let ends = Ends { source: source.into(), destination: destination.into(), whole };
            self.upper(u8::from(ip.next_header()), ends);
        }
    }

    pub(super) fn ipv6(&mut self, packet: &'a [u8]) {
        let Some(rest) = packet.get(IPV6_HEADER..) else { return };
        let ip = Ipv6Packet::new_unchecked(packet);
        let (source, destination) = (ip.src_addr(), ip.dst_addr());
        let mut fields = json!({
            "traffic_class": ip.traffic_class(),
            "flow_label": ip.flow_label(),
            "length": ip.payload_len(),
            "next_header": u8::from(ip.next_header()),
            "hop_limit": ip.hop_limit(),
            "from": self.names.ip(source.into()),
            "to": self.names.ip(destination.into()),
        });
        fields = without_zeros(fields, &["traffic_class", "flow_label"]);
        tell_odd_version(&mut fields, ip.version(), 6);
        let mut whole = usize::from(ip.payload_len()) <= rest.len();
        self.payload = if whole { &rest[..usize::from(ip.payload_len())] } else { rest };
        let mut next = u8::from(ip.next_header());
        let (mut chain, mut first) = (Vec::new(), true);
        // Hop-by-Hop, Routing, Fragment, Destination Options.
        while matches!(next, 0 | 43 | 44 | 60) && chain.len() < MAX_LISTED && first {
            let Ok(header) = Ipv6ExtHeader::new_checked(self.payload) else { break };
            chain.push(next);
            let mut len = 8 + 8 * usize::from(header.header_len());
            if next == 44 {
                len = 8;
                let Ok(fragment) = Ipv6FragmentHeader::new_checked(header.payload()) else { break };
                fields["fragment"] = json!({
                    // In bytes, as IPv4's is told.
                    "offset": u32::from(fragment.frag_offset()) * 8,
                    "more": fragment.more_frags(),
                    "id": fragment.ident(),
                });
                first = fragment.frag_offset() == 0;
                whole &= first && !fragment.more_frags();
            }
            next = u8::from(header.next_header());
            self.payload = self.payload.get(len..).unwrap_or_default();
        }
        if !chain.is_empty() {
            fields["extensions"] = chain.into();
            fields["upper"] = next.into();
        }
        self.push("ipv6", fields);
        if first {
            self.upper(next, Ends { source: source.into(), destination: destination.into(), whole });
        }
    }
}

/// The version, where it is not what the EtherType says.
fn tell_odd_version(fields: &mut Value, version: u8, expected: u8) {
    if version != expected {
        fields["version"] = version.into();
    }
}

/// The kinds of the first options, as far as their lengths lead from one to the next.
fn kinds(mut options: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let [kind, rest @ ..] = options
        && kinds.len() < MAX_LISTED
        && *kind != 0
    {
        kinds.push(*kind);
        let len = if *kind == 1 { 1 } else { usize::from(*rest.first().unwrap_or(&0)) };
        match options.get(len..) {
            Some(next) if len > 0 => options = next,
            _ => break,
        }
    }
    kinds
}
