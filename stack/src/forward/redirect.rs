//! Redirects: telling a host of a better way on its own link, where the operator wants that.
//! Read first: RFC 1812 §4.3.3.2, §5.2.7.2; RFC 4861 §4.5, §8.2.

use super::resolve::nd_header;
use super::transit::Way;
use super::{Cargo, Hop, IcmpError, icmp_error, rewrite};
use crate::Router;
use crate::classify::{icmpv6, ipv6};
use crate::frame::{ETHERNET_HEADER, FRAME_MAX};
use crate::wire::IPV6_HEADER;
use smoltcp::wire::{EthernetAddress, IpAddress, IpProtocol, Ipv4Address, Ipv6Address, checksum};

/// Longest ICMPv6 redirect: the minimum IPv6 MTU (RFC 4861 §4.5).
const MAX_LEN: usize = 1280;
/// Bytes of the message before its options: header, target, destination.
const HEAD: usize = 40;
/// Bytes of an option with a link-layer address, and of one with a quote before the quote.
const LLADDR_OPTION: usize = 8;
const QUOTE_OPTION: usize = 8;

impl Router<'_> {
    /// A packet goes on by the link that it came from, to `hop` with address `mac`: its source could have sent it
    /// there itself, if it is on that link.
    #[cold]
    pub(super) fn redirect(&mut self, way: &Way, frame: &[u8], hop: Hop, mac: EthernetAddress) {
        let Some(packet) = frame.get(ETHERNET_HEADER..) else { return };
        match hop.address {
            IpAddress::Ipv4(gateway) => {
                let Some(&[a, b, c, d]) = packet.get(12..16) else { return };
                let source = Ipv4Address::new(a, b, c, d);
                // RFC 1812 §5.2.7.2: of one network, not only on one wire.
                let mut networks = self.config.ports[way.ingress.index()].addresses.iter();
                if networks.any(|net| net.contains_addr(&source) && net.contains_addr(&gateway)) {
                    self.report(way.now, way.ingress, frame, IcmpError::Redirect(gateway));
                }
            }
            IpAddress::Ipv6(target) => self.redirect_v6(way, frame, packet, target, mac),
        }
    }

    fn redirect_v6(
        &mut self,
        way: &Way,
        frame: &[u8],
        packet: &[u8],
        target: Ipv6Address,
        mac: EthernetAddress,
    ) {
        let (Some(source), Some(destination)) = (ipv6::address(packet, 8), ipv6::address(packet, 24)) else {
            return;
        };
        // A better router is named by its link-local address; whoever is the destination, by its own.
        let may_be_named = target == destination || target.is_unicast_link_local();
        if !may_be_named || !self.locals.v6.is_connected(source, way.ingress) {
            return;
        }
        let port = &self.config.ports[way.ingress.index()];
        if icmp_error::is_forbidden(frame, port, way.ingress, &self.locals, None) {
            self.stats.icmp_errors_forbidden += 1;
            return;
        }
        let Some(from) = port.link_local() else { return };
        if !self.icmp_buckets[way.ingress.index()].take(self.config.limits.icmp_error_rate, way.now) {
            self.stats.icmp_errors_limited += 1;
            return;
        }
        let mut out = [0; FRAME_MAX];
        let len = build(packet, (from, source), (target, destination), mac, &mut out[ETHERNET_HEADER..]);
        rewrite::address(&mut out[..ETHERNET_HEADER + len], EthernetAddress::default(), mac);
        self.stats.icmp_errors += 1;
        // What is lost has been counted.
        let _ = self.dispatch(way.now, way.ingress, &mut out[..ETHERNET_HEADER + len], Cargo::Originated);
    }
}

/// Writes the redirect as an IPv6 packet into `out`; its length in bytes. The quote ends on a multiple of 8, as
/// options must.
fn build(
    original: &[u8],
    (from, to): (Ipv6Address, Ipv6Address),
    (target, destination): (Ipv6Address, Ipv6Address),
    mac: EthernetAddress,
    out: &mut [u8],
) -> usize {
    let before = IPV6_HEADER + HEAD + LLADDR_OPTION + QUOTE_OPTION;
    let quote = original.len().min(MAX_LEN - before) & !7;
    let len = before + quote;
    let (header, message) = out[..len].split_at_mut(IPV6_HEADER);
    header.copy_from_slice(&nd_header(from, to, message.len() as u16));
    message[..8].copy_from_slice(&[icmpv6::kind::REDIRECT, 0, 0, 0, 0, 0, 0, 0]);
    message[8..24].copy_from_slice(&target.octets());
    message[24..HEAD].copy_from_slice(&destination.octets());
    let [a, b, c, d, e, f] = mac.0;
    message[HEAD..HEAD + LLADDR_OPTION].copy_from_slice(&[2, 1, a, b, c, d, e, f]);
    let option = HEAD + LLADDR_OPTION;
    message[option..option + QUOTE_OPTION].fill(0);
    message[option] = 4;
    message[option + 1] = ((QUOTE_OPTION + quote) / 8) as u8;
    message[option + QUOTE_OPTION..].copy_from_slice(&original[..quote]);
    let sum = checksum::combine(&[
        checksum::pseudo_header_v6(&from, &to, IpProtocol::Icmpv6, message.len() as u32),
        checksum::data(message),
    ]);
    message[2..4].copy_from_slice(&(!sum).to_be_bytes());
    len
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::{nd, special};
    use smoltcp::wire::{Icmpv6Packet, Icmpv6Repr, NdiscRepr};
    use std::vec;

    #[test]
    fn smoltcp_reads_what_was_written() {
        let [from, to, target] = [1, 2, 3].map(|id| Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, id));
        let destination = Ipv6Address::new(0xfd00, 9, 0, 0, 0, 0, 0, 1);
        let mac = EthernetAddress([2, 0, 0, 0, 0, 7]);
        for len in [40, 60, 100, 1500] {
            let mut original = vec![0xa5; len];
            original[..8].copy_from_slice(&[
                0x60,
                0,
                0,
                0,
                ((len - 40) >> 8) as u8,
                (len - 40) as u8,
                17,
                64,
            ]);
            original[8..24].copy_from_slice(&to.octets());
            original[24..40].copy_from_slice(&destination.octets());
            let mut out = [0; 1500];
            let written = build(&original, (from, to), (target, destination), mac, &mut out);
            assert!(written <= MAX_LEN && written.is_multiple_of(8), "{len}");
            assert_eq!((out[6], out[7]), (special::ICMPV6, nd::HOP_LIMIT));
            let message = Icmpv6Packet::new_checked(&out[IPV6_HEADER..written]).unwrap();
            let read = Icmpv6Repr::parse(&from, &to, &message, &Default::default()).unwrap();
            let Icmpv6Repr::Ndisc(NdiscRepr::Redirect { target_addr, dest_addr, lladdr, .. }) = read else {
                panic!("{read:?}");
            };
            assert_eq!((target_addr, dest_addr, lladdr), (target, destination, Some(mac.into())));
            let quoted = &out[IPV6_HEADER + HEAD + LLADDR_OPTION + QUOTE_OPTION..written];
            assert!(original.starts_with(quoted) && quoted.len() + 8 > len.min(MAX_LEN - 96), "{len}");
        }
    }
}
