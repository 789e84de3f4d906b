//! The judge of injected frames: well-formed, and each address and port justified by the frame that was diverted.
//!
//! It knows nothing of approval. Checksums are `pktgen`'s; which replies are right is `pktgen::oracle`'s to say.
//! Read first: RFC 1812 §4.3.2 (errors), §5.3.1 (forwarding); RFC 792.

use crate::sim::{Divert, Sent};
use pktgen::build::{Mac, adds_up};
use pktgen::{World, echo, oracle};
use stack::{ActionKind, Anomaly, PortId, Posture};
use std::net::Ipv4Addr;

/// A host that the router has heard of: port, address, MAC address.
pub type Neighbor = (PortId, Ipv4Addr, Mac);

fn word(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]))
}

fn address(packet: &[u8], at: usize) -> Ipv4Addr {
    Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3])
}

fn require(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

/// Lengths and checksums of an injected Ethernet II frame with IPv4.
///
/// # Errors
/// What is wrong with it.
pub fn well_formed(frame: &[u8], mtu: usize) -> Result<(), String> {
    require(frame.len() >= 34 && frame[12..14] == [8, 0], "not IPv4 over Ethernet II")?;
    require(frame[0] & 1 == 0 && frame[6] & 1 == 0, "a group MAC address")?;
    let packet = &frame[14..];
    let header = usize::from(packet[0] & 15) * 4;
    require(packet[0] >> 4 == 4 && (20..=packet.len()).contains(&header), "version or header length")?;
    require(word(packet, 2) == packet.len(), "total length is not the frame's")?;
    require(packet.len() <= mtu, "larger than the MTU")?;
    require(adds_up(&packet[..header]), "header checksum")?;
    require(packet[8] > 0, "TTL 0")?;
    if packet[9] == 1 && packet[6] & 0x3f == 0 && packet[7] == 0 {
        require(packet.len() >= header + 8 && adds_up(&packet[header..]), "ICMP checksum")?;
    }
    Ok(())
}

/// What may be done about this reason under this posture, whoever asks: the RFCs' own list.
pub const fn permitted(reason: Anomaly, posture: Posture) -> &'static [ActionKind] {
    use ActionKind as K;
    match (reason, posture) {
        (Anomaly::EchoRequest, _) => &[K::EchoReply],
        (_, Posture::Strict) => &[],
        (Anomaly::VlanPriorityTag, _) => &[K::StripTag],
        (Anomaly::SnapIpv4, _) => &[K::Decapsulate],
        (Anomaly::Ipv4OptionTransit, Posture::Open) => &[K::ClearOptions, K::Forward],
        (Anomaly::Ipv4OptionTransit, _) => &[K::ClearOptions],
        (Anomaly::IcmpTimestampRequest, _) => &[K::TimestampReply],
        (
            Anomaly::Ipv4OptionMalformed | Anomaly::Ipv4TotalLengthShort | Anomaly::Ipv4TotalLengthOverrun,
            _,
        ) => &[K::ParameterProblem],
        _ => &[],
    }
}

/// Judges a frame that was injected in answer to `divert`: the action that it came from. Hosts of the world have
/// the MAC addresses that they have there, others those that the router heard of.
///
/// # Errors
/// Why it should not have been sent.
pub fn judge(
    world: &World,
    neighbors: &[Neighbor],
    posture: Posture,
    divert: &Divert,
    sent: &Sent,
) -> Result<ActionKind, String> {
    let egress = world.ports.get(sent.port.index()).ok_or("no such port")?;
    well_formed(&sent.bytes, egress.mtu)?;
    require(sent.bytes[6..12] == egress.mac, "not from the egress port's MAC address")?;
    let packet = &sent.bytes[14..];
    let (source, destination) = (address(packet, 12), address(packet, 16));
    require(egress.contains(destination), "the egress port does not lead to the destination")?;
    let host = egress.hosts.iter().find(|host| host.address == destination).map(|host| host.mac);
    let learned = || neighbors.iter().find(|n| n.0 == sent.port && n.1 == destination).map(|n| n.2);
    let mac = host.or_else(learned).ok_or("the destination's MAC address is not known")?;
    require(sent.bytes[..6] == mac, "not to the destination's MAC address")?;
    let (reason, ingress) = (divert.about.reason(), divert.about.port());
    let quoting = permitted(reason, posture).contains(&ActionKind::ParameterProblem);
    require(quoting || sent.bytes.len() <= divert.bytes.len(), "longer than what it answers")?;
    for &action in permitted(reason, posture) {
        let right = match action {
            ActionKind::EchoReply => echo::echo_reply(&divert.bytes).as_ref() == Some(&sent.bytes),
            ActionKind::TimestampReply => oracle::timestamp_reply_matches(&divert.bytes, &sent.bytes),
            ActionKind::ParameterProblem => {
                let values = oracle::fields(world, ingress.0, &divert.bytes);
                let allowed = values.is_some_and(|(_, fields)| fields.iter().all(|field| field.value == 0));
                let port = ingress.0;
                allowed && oracle::parameter_problem_matches(world, port, reason, &divert.bytes, &sent.bytes)
            }
            _ => oracle::repair(action, &divert.bytes, egress.mac, mac).as_ref() == Some(&sent.bytes),
        };
        if !right {
            continue;
        }
        let reply = matches!(
            action,
            ActionKind::EchoReply | ActionKind::TimestampReply | ActionKind::ParameterProblem
        );
        if reply {
            require(world.is_router(source), "a reply that is not from the router")?;
            require(sent.port == ingress, "a reply that does not go back")?;
        } else {
            require(!world.is_router(source) && !world.is_router(destination), "forwarded from or to us")?;
        }
        return Ok(action);
    }
    Err(format!("no permitted action about {reason} makes these bytes"))
}
