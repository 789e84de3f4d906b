//! From bytes to a class: transit, local, or a named anomaly. Pure: no state, no time.
//!
//! The order of the checks is part of the contract: the first that fails names the frame.

mod anomaly;
mod arp;
pub(crate) mod ethernet;
pub(crate) mod icmp;
pub(crate) mod ipv4;
mod locals;
mod tcp;
mod udp;

pub use anomaly::{Anomaly, Binds, DefaultAction, Kind, Latitude, Mode, Row, TABLE};
pub use arp::ArpInfo;
pub use ethernet::LinkDestination;
pub use locals::{Locals, Location};

use crate::config::PortId;
use crate::frame::ETHERNET_HEADER;
use crate::wire::Ipv4Info;
use ethernet::Link;
use smoltcp::wire::EthernetAddress;

/// What a frame is to the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// IPv4 through the router, and what is odd about it all the same.
    Transit(Ipv4Info, Option<Anomaly>),
    /// IPv4 to one of the router's addresses or to a group on this link.
    Local(Ipv4Info, Option<Anomaly>),
    /// ARP that may be believed.
    Arp(ArpInfo),
    /// For another station on the link.
    Foreign,
    /// It cannot stay on the fast path.
    Anomaly(Anomaly),
}

/// Classifies a frame received by `port`, whose address is `mac`.
pub fn classify(frame: &[u8], port: PortId, mac: EthernetAddress, locals: &Locals) -> Class {
    match ethernet::classify(frame, mac) {
        Link::Ipv4 => {
            let group = ethernet::destination(frame, mac) != LinkDestination::Us;
            match ipv4::classify(&frame[ETHERNET_HEADER..], group, port, locals) {
                Ok(passed) if passed.local => Class::Local(passed.info, passed.oddity),
                Ok(passed) => Class::Transit(passed.info, passed.oddity),
                Err(anomaly) => Class::Anomaly(anomaly),
            }
        }
        Link::Arp => match arp::classify(&frame[ETHERNET_HEADER..], locals) {
            Ok(info) => Class::Arp(info),
            Err(anomaly) => Class::Anomaly(anomaly),
        },
        Link::Foreign => Class::Foreign,
        Link::Anomaly(anomaly) => Class::Anomaly(anomaly),
    }
}
