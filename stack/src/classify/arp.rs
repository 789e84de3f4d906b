//! ARP for IPv4 over Ethernet. Read first: RFC 826, RFC 1812 §3.3.2, RFC 5227.

use super::ethernet::word;
use super::{Anomaly, Locals};
use smoltcp::wire::{EthernetAddress, Ipv4Address};

/// Bytes of an ARP packet for IPv4 over Ethernet.
pub(super) const LEN: usize = 28;

/// A request or a reply that may be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArpInfo {
    /// Request, or else reply.
    pub request: bool,
    /// Sender's hardware address.
    pub sender_mac: EthernetAddress,
    /// Sender's protocol address; 0.0.0.0 in a probe (RFC 5227 §2.1.1).
    pub sender: Ipv4Address,
    /// Target's protocol address.
    pub target: Ipv4Address,
}

/// Judges an ARP packet (what follows the Ethernet header).
///
/// # Errors
/// The anomaly, if it must not be believed.
pub(super) fn classify(arp: &[u8], locals: &Locals) -> Result<ArpInfo, Anomaly> {
    if arp.len() < 8 {
        return Err(Anomaly::ArpTruncated);
    }
    if word(arp, 0) != 1 {
        return Err(Anomaly::ArpHardwareType);
    }
    if word(arp, 2) != 0x0800 {
        return Err(Anomaly::ArpProtocolType);
    }
    if arp[4] != 6 || arp[5] != 4 {
        return Err(Anomaly::ArpAddressSize);
    }
    if arp.len() < LEN {
        return Err(Anomaly::ArpTruncated);
    }
    let request = match word(arp, 6) {
        1 => true,
        2 => false,
        _ => return Err(Anomaly::ArpOperation),
    };
    let sender_mac = EthernetAddress::from_bytes(&arp[8..14]);
    if !sender_mac.is_unicast() || sender_mac.0 == [0; 6] {
        return Err(Anomaly::ArpSenderGroup);
    }
    let address = |at: usize| Ipv4Address::new(arp[at], arp[at + 1], arp[at + 2], arp[at + 3]);
    let (sender, target) = (address(14), address(24));
    if locals.is_own(sender) {
        return Err(Anomaly::ArpClaimsOurAddress);
    }
    Ok(ArpInfo { request, sender_mac, sender, target })
}
