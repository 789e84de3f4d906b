//! Frames that are nearly odd, and must pass: for every anomaly the nearest frame that the RFCs let through.
//!
//! Read first: the RFC section in the anomaly's row of the table; each submodule names its own.

mod ipv4;
mod ipv6;
mod link;
mod local;
mod local_ipv6;

use super::scene::Scene;
use super::{Made, family_of};
use crate::mutate::Family;
use stack::Anomaly;

/// The frame and the name of its recipe.
pub(super) fn make(anomaly: Anomaly, scene: &mut Scene<'_>) -> Option<Made> {
    match family_of(anomaly) {
        Family::Ethernet | Family::Vlan | Family::LlcSnap => link::make(anomaly, scene),
        Family::Arp => link::make_arp(anomaly, scene),
        Family::Ipv4Header | Family::Ipv4Options | Family::Ipv4Fragments => ipv4::make(anomaly, scene),
        Family::Icmp | Family::Udp | Family::Tcp => local::make(anomaly, scene),
        Family::Ipv6Header | Family::Ipv6Extension => ipv6::make(anomaly, scene),
        Family::Ipv6Fragments | Family::Icmpv6 | Family::Nd => local_ipv6::make(anomaly, scene),
    }
}

/// The oddity that the near miss of `anomaly` is, where it is one.
pub(super) const fn oddity(anomaly: Anomaly) -> Option<Anomaly> {
    // As many extension headers as the router follows: each kind once would be fewer.
    if matches!(anomaly, Anomaly::Ipv6ExtensionLimit) { Some(Anomaly::Ipv6ExtensionOrder) } else { None }
}
