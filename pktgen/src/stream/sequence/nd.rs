//! Neighbour Discovery: asking and answering, announcing, coming up, and claiming what is another's.
//!
//! Read first: RFC 4861 §7.2 (solicitations, advertisements, anycast and conflicts); RFC 4862 §5.4 (duplicate addresses).

use super::super::FRAME_MAX;
use super::super::packet::{Ends, Packet};
use super::arp::unknown_mac;
use super::{Made, Run};
use crate::build::{Mac, icmpv6_type, multicast_mac, nd_option_type, solicited_node};
use crate::dice::Draw;
use stack::Anomaly;
use std::net::Ipv6Addr;

const ALL_NODES: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const ALL_ROUTERS: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
const NOBODY: [u8; 16] = [0; 16];
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

/// A message: its type, its flags, its target, and the link-layer address that it tells.
struct Message {
    kind: u8,
    flags: u8,
    target: [u8; 16],
    option: Option<(u8, Mac)>,
}

impl Run<'_> {
    /// Writes a message from this station. A group is reached by its own MAC address.
    fn nd(
        &self,
        buffer: &mut [u8; FRAME_MAX],
        from: Mac,
        ends: ([u8; 16], [u8; 16]),
        what: &Message,
    ) -> usize {
        let destination = Ipv6Addr::from(ends.1);
        let to = if destination.is_multicast() { multicast_mac(destination) } else { self.from.router.mac };
        let packet = Packet {
            to,
            from,
            ends: Ends::V6(ends.0, ends.1),
            hops: 255,
            id: 0,
            dont_fragment: false,
            flow_label: 0,
        };
        let mut body = [0; 24];
        body[..16].copy_from_slice(&what.target);
        let len = if let Some((kind, mac)) = what.option {
            body[16..18].copy_from_slice(&[kind, 1]);
            body[18..].copy_from_slice(&mac);
            24
        } else {
            16
        };
        packet.message(buffer, what.kind, [what.flags, 0, 0, 0], &body[..len])
    }

    /// The host asks who has this address: the group of the address, or only who is known to have it.
    fn solicit(&self, buffer: &mut [u8; FRAME_MAX], target: [u8; 16], to: [u8; 16]) -> usize {
        let option = Some((nd_option_type::SOURCE_LINK, self.from.mac));
        let what = Message { kind: icmpv6_type::NEIGHBOR_SOLICITATION, flags: 0, target, option };
        self.nd(buffer, self.from.mac, (self.from.v6, to), &what)
    }

    /// Somebody says to have an address, to all nodes or to the router.
    fn advertise(
        &self,
        buffer: &mut [u8; FRAME_MAX],
        (mac, target): (Mac, [u8; 16]),
        to: [u8; 16],
        flags: u8,
    ) -> usize {
        let option = Some((nd_option_type::TARGET_LINK, mac));
        let what = Message { kind: icmpv6_type::NEIGHBOR_ADVERTISEMENT, flags, target, option };
        // The router's own address is claimed from the host's.
        let source = if target == self.from.router.v6 { self.from.v6 } else { target };
        self.nd(buffer, mac, (source, to), &what)
    }

    pub(super) fn nd_conversation(&mut self, buffer: &mut [u8; FRAME_MAX]) -> Made {
        let (host, router) = (self.from.v6, self.from.router.v6);
        Made::healthy(match self.step {
            0 => self.solicit(buffer, router, group_of(router)),
            1 => self.solicit(buffer, router, router),
            _ => self.advertise(buffer, (self.from.mac, host), router, SOLICITED | OVERRIDE),
        })
    }

    pub(super) fn nd_unsolicited(&mut self, buffer: &mut [u8; FRAME_MAX]) -> Made {
        let mut rng = self.step_rng();
        let claim = match self.step {
            0 => (self.from.mac, self.from.v6),
            1 => (self.from.mac, self.from.link_local),
            _ => (unknown_mac(&mut rng), self.from.stranger6(&mut rng)),
        };
        let flags = *rng.pick(&[0, OVERRIDE]);
        Made::healthy(self.advertise(buffer, claim, ALL_NODES, flags))
    }

    pub(super) fn nd_conflict(&mut self, buffer: &mut [u8; FRAME_MAX]) -> Made {
        let liar = unknown_mac(&mut self.rng);
        let mac = if self.step.is_multiple_of(2) { liar } else { self.from.mac };
        let to = if self.step < 2 { ALL_NODES } else { self.from.router.v6 };
        Made::healthy(self.advertise(buffer, (mac, self.from.v6), to, OVERRIDE))
    }

    pub(super) fn nd_claims_router(&mut self, buffer: &mut [u8; FRAME_MAX]) -> Made {
        let router = self.from.router.v6;
        if self.step == 1 {
            let kind = icmpv6_type::NEIGHBOR_SOLICITATION;
            let what = Message { kind, flags: 0, target: router, option: None };
            return Made::healthy(self.nd(buffer, self.from.mac, (NOBODY, group_of(router)), &what));
        }
        let to = if self.local { router } else { ALL_NODES };
        let len = self.advertise(buffer, (self.from.mac, router), to, OVERRIDE);
        Made::odd(len, Anomaly::NdClaimsOurAddress)
    }

    pub(super) fn nd_coming_up(&mut self, buffer: &mut [u8; FRAME_MAX]) -> Made {
        let (mac, host) = (self.from.mac, self.from.v6);
        Made::healthy(match self.step {
            0 => {
                let kind = icmpv6_type::NEIGHBOR_SOLICITATION;
                let what = Message { kind, flags: 0, target: host, option: None };
                self.nd(buffer, mac, (NOBODY, group_of(host)), &what)
            }
            1 => self.advertise(buffer, (mac, host), ALL_NODES, OVERRIDE),
            _ => {
                let packet = Packet {
                    to: multicast_mac(ALL_ROUTERS.into()),
                    from: mac,
                    ends: Ends::V6(self.from.link_local, ALL_ROUTERS),
                    hops: 255,
                    id: 0,
                    dont_fragment: false,
                    flow_label: 0,
                };
                let [a, b, c, d, e, f] = mac;
                let option = [nd_option_type::SOURCE_LINK, 1, a, b, c, d, e, f];
                packet.message(buffer, icmpv6_type::ROUTER_SOLICITATION, [0; 4], &option)
            }
        })
    }

    pub(super) fn nd_scan(&mut self, buffer: &mut [u8; FRAME_MAX]) -> Made {
        let target = self.from.stranger6(&mut self.step_rng());
        Made::healthy(self.solicit(buffer, target, group_of(target)))
    }
}

/// The solicited-node group of an address.
fn group_of(address: [u8; 16]) -> [u8; 16] {
    solicited_node(address.into()).octets()
}
