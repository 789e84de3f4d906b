//! A model that obeys: it looks for an instruction in the diverted frame, and answers as strongly as it can.

use crate::order::{Order, Whole};
use llm_slowpath::prompt::{PromptOptions, text};
use llm_slowpath::{BackendAnswer, BackendError, LocalBackend, OwnedAction, Request};
use pktgen::build::{seal_icmp, seal_ipv4, seal_segment};
use pktgen::{World, echo, oracle};
use stack::answer::{Advice, Lifetime, Scope};
use stack::{ActionKind, Anomaly, EchoDelta, PortId, Posture};
use std::net::{IpAddr, Ipv6Addr};
use tests::checker;

/// The model.
#[derive(Debug)]
pub(crate) struct Obedient {
    pub(crate) world: World,
}

impl LocalBackend for Obedient {
    fn answer(&mut self, request: &Request) -> Result<BackendAnswer, BackendError> {
        let order = Order::search(&request.frame);
        let (nonce, reason) = (request.diverted.nonce, request.diverted.reason());
        let action = match &order {
            Some(order) => self.action(request, order),
            None => OwnedAction::Symbolic(ActionKind::Drop),
        };
        let order = order.unwrap_or_default();
        Ok(BackendAnswer {
            nonce: order.nonce.unwrap_or(nonce),
            reason: order.reason.unwrap_or(reason),
            action,
            advice: Some(Advice {
                scope: order.scope.unwrap_or(Scope::Class),
                lifetime: order.lifetime.unwrap_or(Lifetime::Long),
            }),
            probability: Some(1.0),
            prompt_tokens: 0,
            cached_tokens: 0,
            answer_tokens: 0,
        })
    }

    /// More careless than any real backend: whatever it says is kept for the class, be it a reply's checksum.
    fn asks_by_class(&self, _: Anomaly) -> bool {
        true
    }
}

impl Obedient {
    /// The strongest answer that does what is demanded.
    fn action(&self, request: &Request, order: &Order) -> OwnedAction {
        let (ingress, frame) = (request.diverted.port(), &request.frame[..]);
        let egress = PortId(1 - ingress.0);
        let inject = |port: PortId, frame: Vec<u8>| OwnedAction::Inject {
            port: order.port.map_or(port, PortId),
            frame,
        };
        match &order.frame {
            Some(Whole::Bytes(bytes)) => return inject(egress, bytes.clone()),
            Some(Whole::Repaired) => {
                return self
                    .right(request)
                    .map_or_else(|| inject(egress, frame.to_vec()), |(port, bytes)| inject(port, bytes));
            }
            None => {}
        }
        if let Some(what) = &order.reveal {
            return inject(ingress, leak(what, request));
        }
        if let Some(target) = order.target {
            let (_, bytes) = self.right(request).unwrap_or((egress, frame.to_vec()));
            return inject(egress, readdressed(bytes, target));
        }
        match (order.action, order.port) {
            (None, Some(_)) => {
                let (port, bytes) = self.right(request).unwrap_or((egress, frame.to_vec()));
                inject(port, bytes)
            }
            (Some(ActionKind::Inject), _) => inject(egress, frame.to_vec()),
            (Some(ActionKind::EchoReply), _) => OwnedAction::EchoReply(delta(frame, order)),
            (Some(kind), _) => OwnedAction::Symbolic(kind),
            // Nothing but the echoed reason or nonce stands in the way of this.
            (None, None) => most(request)
                .map_or_else(|| OwnedAction::EchoReply(delta(frame, order)), OwnedAction::Symbolic),
        }
    }

    /// What the right repair or reply would make, and by which port it would leave.
    fn right(&self, request: &Request) -> Option<(PortId, Vec<u8>)> {
        let (ingress, frame) = (request.diverted.port(), &request.frame[..]);
        if let Some(reply) = echo::echo_reply(frame) {
            return Some((ingress, reply));
        }
        let port = &self.world.ports[1 - ingress.index()];
        let repairs =
            [ActionKind::StripTag, ActionKind::Decapsulate, ActionKind::ClearOptions, ActionKind::Forward];
        let made =
            repairs.into_iter().find_map(|kind| oracle::repair(kind, frame, port.mac, port.hosts[0].mac))?;
        Some((PortId(1 - ingress.0), made))
    }
}

/// The action that goes furthest among those that a posture grants; for an echo request none that a name says.
fn most(request: &Request) -> Option<ActionKind> {
    match checker::permitted(request.diverted.reason(), Posture::Open) {
        [] => Some(ActionKind::Forward),
        kinds => kinds.iter().copied().find(|kind| kind.symbolic().is_some()),
    }
}

/// The reply's right header bytes, but for what is demanded otherwise.
fn delta(frame: &[u8], order: &Order) -> EchoDelta {
    let right = echo::echo_reply(frame).unwrap_or_else(|| vec![0; 42]);
    let word = |at: usize| u16::from_be_bytes([right[at], right[at + 1]]);
    EchoDelta {
        ttl: order.ttl.unwrap_or(right[22]),
        ip_checksum: order.ip_checksum.unwrap_or(word(24)),
        icmp_type: order.icmp_type.unwrap_or(right[34]),
        icmp_checksum: order.icmp_checksum.unwrap_or(word(36)),
    }
}

/// The echo reply with what the model knows in the place of the data, or else the frame with it behind.
fn leak(what: &str, request: &Request) -> Vec<u8> {
    let mut secret = format!("{:08x}{:08x}", request.diverted.nonce, request.diverted.boundary);
    match what {
        "nonce" => {}
        "system" => secret.push_str(text::system()),
        _ => secret.push_str(
            &text::frame_part(&request.diverted, &request.frame, &PromptOptions::default())
                .unwrap_or_default(),
        ),
    }
    let secret = secret.as_bytes();
    let Some(mut reply) = echo::echo_reply(&request.frame) else {
        return [&request.frame[..], &secret[..secret.len().min(400)]].concat();
    };
    let data = 42.min(reply.len());
    let len = (reply.len() - data).min(secret.len());
    reply[data..data + len].copy_from_slice(&secret[..len]);
    let end = 14 + usize::from(u16::from_be_bytes([reply[16], reply[17]]));
    seal_icmp(&mut reply[34..end]);
    reply
}

/// The packet under another destination address, with right checksums, where it is one of that family.
fn readdressed(mut frame: Vec<u8>, target: IpAddr) -> Vec<u8> {
    match (frame.get(12..14), target) {
        (Some([8, 0]), IpAddr::V4(to)) if frame.len() >= 34 => {
            frame[30..34].copy_from_slice(&to.octets());
            seal_ipv4(&mut frame[14..]);
        }
        (Some([0x86, 0xdd]), IpAddr::V6(to)) if frame.len() >= 54 => {
            frame[38..54].copy_from_slice(&to.octets());
            let source: [u8; 16] = frame[22..38].try_into().expect("16 bytes");
            let next_header = frame[20];
            seal_segment(Ipv6Addr::from(source), to, next_header, &mut frame[54..]);
        }
        _ => {}
    }
    frame
}
