//! Near misses on the link: Ethernet, tags, envelopes, ARP.
//!
//! Read first: IEEE 802.3 §3.2, RFC 894, RFC 826, RFC 5227 §2.1 (probes). The router's ports have no VLAN, so nothing
//! tagged passes, and no 802.3 length does: there the near miss is the same packet in a plain frame.

use super::Made;
use super::Scene;
use crate::build::{self, Arp, BROADCAST, Ipv4, Ipv6, ethertype, multicast_mac, protocol};
use crate::dice::Draw;
use stack::Anomaly;
use std::net::{Ipv4Addr, Ipv6Addr};

pub(super) fn make(anomaly: Anomaly, scene: &mut Scene<'_>) -> Option<Made> {
    Some(match anomaly {
        Anomaly::EthernetTruncated => {
            // The least that an IP packet needs: a header, and a protocol that may have no data.
            let header = Ipv4 { protocol: 253, ..scene.transit() };
            (scene.bare_frame(&header.packet(&[])), "shortest_frame")
        }
        Anomaly::EthernetSourceGroup => {
            let mut frame = scene.healthy_frame();
            frame[6..12].copy_from_slice(&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff]);
            (frame, "source_all_but_the_group_bit")
        }
        Anomaly::EthernetSourceOwn => {
            let mut frame = scene.healthy_frame();
            let own = scene.router().mac;
            frame[6..12].copy_from_slice(&own);
            frame[11] ^= 1 << scene.rng.below(8);
            (frame, "source_own_mac_but_one_bit")
        }
        Anomaly::EthertypeInvalid | Anomaly::EthertypeUnknown => {
            (scene.healthy_frame(), "type_that_is_served")
        }
        Anomaly::LlcTruncated
        | Anomaly::LlcUnsupported
        | Anomaly::SnapIpv4
        | Anomaly::VlanTruncated
        | Anomaly::VlanNested
        | Anomaly::VlanUnexpected
        | Anomaly::VlanPriorityTag => (scene.healthy_frame(), "plain_frame"),
        Anomaly::IpInLinkGroup => group_in_group(scene),
        _ => return None,
    })
}

/// An IP group or broadcast in a link-layer one, as it should be.
fn group_in_group(scene: &mut Scene<'_>) -> Made {
    if scene.rng.one_in(2) {
        let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        let header = Ipv6 { protocol: protocol::UDP, ..scene.header6(group) };
        let segment = scene.segment6(&header, 20);
        (scene.frame6_to(multicast_mac(group), &header.packet(&segment)), "ipv6_group_in_group_frame")
    } else {
        let (destination, link) = scene.group();
        let header = Ipv4 { protocol: protocol::UDP, ..scene.header(destination) };
        let segment = scene.segment(&header, 20);
        (scene.frame_to(link, &header.packet(&segment)), "ip_group_in_group_frame")
    }
}

/// ARP as it should be, except for what RFC 826 does not care about.
pub(super) fn make_arp(anomaly: Anomaly, scene: &mut Scene<'_>) -> Option<Made> {
    let mut arp = Arp::request(scene.host.mac, scene.host.address, scene.router().address);
    let template = match anomaly {
        // Nothing is left out, and nothing is padded.
        Anomaly::ArpTruncated => "arp_of_28_bytes",
        Anomaly::ArpHardwareType | Anomaly::ArpProtocolType | Anomaly::ArpAddressSize => {
            // The target's hardware address is what a request asks for: it may hold anything.
            arp.target_mac = *scene.rng.pick(&[[0; 6], BROADCAST, [2, 9, 9, 9, 9, 9]]);
            "arp_request_with_any_target"
        }
        Anomaly::ArpOperation => {
            arp.operation = 2;
            arp.target_mac = scene.router().mac;
            "arp_reply"
        }
        Anomaly::ArpSenderGroup => {
            // A probe teaches nobody anything, whatever its sender is called.
            arp.sender_mac = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff];
            arp.sender = Ipv4Addr::UNSPECIFIED;
            "arp_sender_all_but_the_group_bit"
        }
        Anomaly::ArpClaimsOurAddress => {
            arp.sender = Ipv4Addr::UNSPECIFIED;
            "arp_probe_for_our_address"
        }
        _ => return None,
    };
    Some((build::ethernet(BROADCAST, arp.sender_mac, ethertype::ARP, &arp.packet()), template))
}
