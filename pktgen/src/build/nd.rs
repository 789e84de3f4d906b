//! Neighbour Discovery and listener messages, and the group addresses that they go to.
//!
//! Read first: RFC 4861 §4.3, §4.4, §4.6; RFC 4291 §2.7.1 (solicited-node groups); RFC 2464 §7; RFC 2710 §3.

use super::link::Mac;
use super::{icmpv6, icmpv6_type};
use std::net::Ipv6Addr;

/// ND option types (RFC 4861 §4.6).
pub mod nd_option_type {
    /// Source Link-Layer Address.
    pub const SOURCE_LINK: u8 = 1;
    /// Target Link-Layer Address.
    pub const TARGET_LINK: u8 = 2;
    /// Prefix Information.
    pub const PREFIX: u8 = 3;
    /// Redirected Header.
    pub const REDIRECTED: u8 = 4;
    /// MTU.
    pub const MTU: u8 = 5;
}

/// The solicited-node group of an address (RFC 4291 §2.7.1).
pub fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]))
}

/// The Ethernet group of an IPv6 group (RFC 2464 §7).
pub fn multicast_mac(group: Ipv6Addr) -> Mac {
    let [.., a, b, c, d] = group.octets();
    [0x33, 0x33, a, b, c, d]
}

/// One ND option, filled with zeros to whole words of 8 bytes.
pub fn nd_option(kind: u8, data: &[u8]) -> Vec<u8> {
    let mut option = [&[kind, 0], data].concat();
    option.resize(option.len().next_multiple_of(8), 0);
    option[1] = (option.len() / 8) as u8;
    option
}

/// A Neighbour Solicitation for `target`, with these encoded options.
pub fn solicitation(source: Ipv6Addr, destination: Ipv6Addr, target: Ipv6Addr, options: &[u8]) -> Vec<u8> {
    let body = [&target.octets()[..], options].concat();
    icmpv6(source, destination, icmpv6_type::NEIGHBOR_SOLICITATION, 0, [0; 4], &body)
}

/// A Neighbour Advertisement of `target`; `flags` are router 0x80, solicited 0x40, override 0x20.
pub fn advertisement(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    flags: u8,
    target: Ipv6Addr,
    options: &[u8],
) -> Vec<u8> {
    let body = [&target.octets()[..], options].concat();
    icmpv6(source, destination, icmpv6_type::NEIGHBOR_ADVERTISEMENT, 0, [flags, 0, 0, 0], &body)
}

/// A Multicast Listener Report of version 1: it goes to the group itself.
pub fn listener_report(source: Ipv6Addr, group: Ipv6Addr) -> Vec<u8> {
    icmpv6(source, group, icmpv6_type::LISTENER_REPORT, 0, [0; 4], &group.octets())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_those_of_the_rfcs() {
        let address: Ipv6Addr = "4037::01:800:200e:8c6c".parse().unwrap();
        // The example of RFC 4291 §2.7.1.
        assert_eq!(solicited_node(address).to_string(), "ff02::1:ff0e:8c6c");
        assert_eq!(multicast_mac(solicited_node(address)), [0x33, 0x33, 0xff, 0x0e, 0x8c, 0x6c]);
    }

    #[test]
    fn options_count_in_eights() {
        assert_eq!(nd_option(nd_option_type::SOURCE_LINK, &[2; 6]), [1, 1, 2, 2, 2, 2, 2, 2]);
        assert_eq!(nd_option(nd_option_type::PREFIX, &[0; 30])[1], 4);
    }
}
