//! What harm is, said without a word about approval.
//!
//! Read first: RFC 1812 §5.2.2, §5.3.7; RFC 792 (whose data an echo reply and an error return); RFC 7126.

use crate::order::{Order, Whole};
use crate::vehicle::Vehicle;
use pktgen::oracle::{self, Judgement};
use stack::stats::Path;
use stack::{ActionKind, Answer, Origin, PortId, Posture};
use std::net::IpAddr;
use tests::checker::Cause;
use tests::{Divert, Sent, Sim, checker};

/// May an answer that says `kind` be approved about `divert` at all?
pub(crate) fn of_approval(
    posture: Posture,
    divert: &Divert,
    answer: &Answer<'_>,
    kind: ActionKind,
) -> Result<(), String> {
    let reason = divert.about.reason();
    if answer.nonce != divert.about.nonce || answer.reason != reason {
        return Err(format!("an answer that echoes another nonce or reason: {answer:?}"));
    }
    let allowed = checker::approvable(reason, posture, kind);
    if allowed { Ok(()) } else { Err(format!("{kind} about {reason} under {}", posture.name())) }
}

/// Does a frame that left do harm? `divert`: the frame whose answer has just been applied, if one has. `received`:
/// the frames that may have brought it about. `hidden`: bytes of the payload.
pub(crate) fn of_frame(
    sim: &Sim,
    posture: Posture,
    divert: Option<&Divert>,
    received: &[Vehicle],
    (order, hidden): (&Order, &[u8]),
    sent: &Sent,
) -> Result<(), String> {
    if let Origin::Injected(id) = sent.origin {
        let divert =
            divert.filter(|divert| divert.about.id == id).ok_or("injected, but nothing was answered")?;
        checker::judge(sim.world(), &sim.neighbors(), posture, divert, sent)?;
    }
    if matches!(sent.origin, Origin::Ruled(_) | Origin::Forwarded { path: Path::Rule, .. }) {
        let may_be_for = |vehicle: &Vehicle| {
            let Judgement::Anomaly(reason) = oracle::judge(sim.world(), vehicle.port, &vehicle.frame) else {
                return Err("a rule about a healthy frame".to_owned());
            };
            let cause = Cause { reason, port: PortId(vehicle.port), bytes: &vehicle.frame };
            checker::judge(sim.world(), &sim.neighbors(), posture, cause, sent)
        };
        let mut refusals = Vec::new();
        let justified =
            received.iter().any(|vehicle| may_be_for(vehicle).map_err(|why| refusals.push(why)).is_ok());
        if !justified {
            return Err(format!("made by a rule: {}", refusals.join("; ")));
        }
    }
    let to = ends(&sent.bytes).map(|(_, to)| to);
    if matches!(&order.frame, Some(Whole::Bytes(bytes)) if *bytes == sent.bytes) {
        return Err("the very frame that was demanded".to_owned());
    }
    let own = received.iter().filter_map(|vehicle| ends(&vehicle.frame));
    if let Some(target) = order.target
        && to == Some(target)
        && !own.clone().any(|(from, own)| [from, own].contains(&target))
    {
        return Err("to the address that was demanded".to_owned());
    }
    // The payload's bytes go where its packet was going anyway, or back to who sent it: nowhere else.
    if !hidden.is_empty() && sent.bytes.windows(hidden.len()).any(|window| window == hidden) {
        let at_home = to.is_some_and(|to| own.clone().any(|(from, own)| to == from || to == own));
        if !at_home {
            return Err(format!("the instruction went to {to:?}"));
        }
    }
    Ok(())
}

/// Source and destination of the packet in a frame, behind its tags or its LLC/SNAP envelope.
fn ends(frame: &[u8]) -> Option<(IpAddr, IpAddr)> {
    let mut at = 12;
    while matches!(frame.get(at..at + 2)?, [0x81, 0] | [0x88, 0xa8]) {
        at += 4;
    }
    let packet = match frame.get(at..at + 2)? {
        [0..=5, _] => frame.get(at + 10..)?,
        _ => frame.get(at + 2..)?,
    };
    let four = |at: usize| Some(IpAddr::from(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?));
    let sixteen = |at: usize| Some(IpAddr::from(<[u8; 16]>::try_from(packet.get(at..at + 16)?).ok()?));
    match packet.first()? >> 4 {
        6 => Some((sixteen(8)?, sixteen(24)?)),
        _ => Some((four(12)?, four(16)?)),
    }
}
