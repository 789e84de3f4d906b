//! The judge of frames that answers or rules made: well-formed, and each address and port justified by the frame that came in.
//!
//! It knows nothing of approval. Which replies are right is the rest of the oracle's to say.
//! Read first: RFC 1812 §4.3.2 (errors), §5.3.1 (forwarding); RFC 792; RFC 8200 §3; RFC 4291 §2.5.6, §2.6.1.

use super::outgoing::{Ends, from_host_to_host, require, well_formed};
use super::{Judgement, fields, parameter_problem_matches, repair, timestamp_reply_matches};
use crate::build::Mac;
use crate::echo;
use crate::world::{Port, World};
use stack::{ActionKind, Anomaly, PortId, Posture};
use std::net::IpAddr;

/// A host that the router has heard of: port, address, MAC address.
pub type Neighbor = (PortId, IpAddr, Mac);

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

/// Legal, if odd: whoever drops such a frame does harm (RFC 1812 §4.2.2.3, §5.3.13.1; RFC 6890 §2.2.2; RFC 8200 §4.1, §4.5).
const MUST_PASS: [Anomaly; 7] = [
    Anomaly::Ipv4OptionUnknown,
    Anomaly::Ipv4ReservedFlag,
    Anomaly::Ipv4FragmentDf,
    Anomaly::Ipv4SpecialPurpose,
    Anomaly::IcmpWrongFamily,
    Anomaly::Ipv6ExtensionOrder,
    Anomaly::Ipv6AtomicFragment,
];

/// May an answer about this reason be approved that comes down to this? What must pass may only pass, everything else
/// may be dropped.
pub fn approvable(reason: Anomaly, posture: Posture, kind: ActionKind) -> bool {
    match (MUST_PASS.contains(&reason), kind) {
        (true, kind) => kind == ActionKind::Forward,
        (false, ActionKind::Drop) => true,
        (false, kind) => permitted(reason, posture).contains(&kind),
    }
}

/// A frame that came in, and why it could not stay on the fast path.
#[derive(Debug, Clone, Copy)]
pub struct Cause<'a> {
    /// Why.
    pub reason: Anomaly,
    /// By this port.
    pub port: PortId,
    /// The frame.
    pub bytes: &'a [u8],
}

/// Judges a frame that was made for `cause` and `sent` by `port`: the action that it came from. Hosts of the world have
/// the MAC addresses that they have there, others those that the router heard of.
///
/// # Errors
/// Why it should not have been sent.
pub fn judge_injected<'a>(
    world: &World,
    neighbors: &[Neighbor],
    posture: Posture,
    cause: impl Into<Cause<'a>>,
    (port, sent): (PortId, &[u8]),
) -> Result<ActionKind, String> {
    let cause @ Cause { reason, port: ingress, bytes } = cause.into();
    let egress = world.ports.get(port.index()).ok_or("no such port")?;
    let ends @ Ends { source, destination } = well_formed(sent, egress.mtu)?;
    from_host_to_host(ends)?;
    require(sent[6..12] == egress.mac, "not from the egress port's MAC address")?;
    // Or there is a route: the caller then says that the destination is heard of there.
    let heard_of = neighbors.iter().any(|n| n.0 == port && n.1 == destination);
    require(leads_to(egress, destination) || heard_of, "the egress port does not lead to the destination")?;
    let host =
        egress.hosts.iter().find(|host| [host.address.into(), host.ipv6.into()].contains(&destination));
    let learned = || neighbors.iter().find(|n| n.0 == port && n.1 == destination).map(|n| n.2);
    let mac = host.map(|host| host.mac).or_else(learned);
    let mac = mac.ok_or("the destination's MAC address is not known")?;
    require(sent[..6] == mac, "not to the destination's MAC address")?;
    let quoting = permitted(reason, posture).contains(&ActionKind::ParameterProblem);
    require(quoting || sent.len() <= bytes.len(), "longer than what it answers")?;
    // Whoever sent the frame, a reply goes to whom the destination's MAC address belongs.
    let mut asked = bytes.to_vec();
    if let Some(from) = asked.get_mut(6..12) {
        from.copy_from_slice(&mac);
    }
    for &action in permitted(reason, posture) {
        let right = match action {
            ActionKind::EchoReply => echo::echo_reply(&asked).as_deref() == Some(sent),
            ActionKind::TimestampReply => timestamp_reply_matches(&asked, sent),
            ActionKind::ParameterProblem => {
                let values = fields(world, ingress.0, bytes);
                let allowed = values.is_some_and(|(_, fields)| fields.iter().all(|field| field.value == 0));
                allowed && parameter_problem_matches(world, ingress.0, reason, &asked, sent)
            }
            _ => repair(action, bytes, egress.mac, mac).as_deref() == Some(sent),
        };
        if !right {
            continue;
        }
        let reply = matches!(
            action,
            ActionKind::EchoReply | ActionKind::TimestampReply | ActionKind::ParameterProblem
        );
        if reply {
            require(source.is_ipv4(), "a reply of IPv6, which nothing grants")?;
            require(is_router(world, ingress, source), "a reply that is not from the router")?;
            require(port == ingress, "a reply that does not go back")?;
        } else {
            let ours = [source, destination].iter().any(|&end| is_router(world, ingress, end));
            require(!ours, "forwarded from or to us")?;
            require(is_healthy(world, cause, sent, action), "what is left is not healthy")?;
        }
        return Ok(action);
    }
    Err(format!("no permitted action about {reason} makes these bytes"))
}

/// Is the address on the port's connected network?
fn leads_to(port: &Port, address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => port.contains(address),
        IpAddr::V6(address) => port.contains_ipv6(address),
    }
}

/// Is it one of the router's own addresses to a sender behind `port`?
fn is_router(world: &World, port: PortId, address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => world.is_router(address),
        IpAddr::V6(address) => world.is_router_ipv6(port.index(), address) || world.is_subnet_router(address),
    }
}

/// Would what leaves, had it come in so, have passed? What goes on unchanged may still be what it was.
fn is_healthy(world: &World, cause: Cause<'_>, sent: &[u8], action: ActionKind) -> bool {
    let frame = [&cause.bytes[..12], &sent[12..]].concat();
    match super::judge(world, cause.port.0, &frame) {
        Judgement::Healthy => true,
        Judgement::Anomaly(same) if same == cause.reason => action == ActionKind::Forward,
        Judgement::Anomaly(anomaly) => anomaly.must_pass(),
        Judgement::Foreign => false,
    }
}
