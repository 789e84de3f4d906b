//! What the crate's tests share: diverted frames, an echo request, and model servers on loopback.

pub(crate) mod model;
pub(crate) mod server;

use crate::prompt::schema::{ACTION, DELTA, FIXES, FRAME, LIFETIME, NONCE, REASON, REPAIR, REPLY, SCOPE};
use crate::question::Said;
use serde_json::{Value, json};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::time::Instant;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, Icmpv4Packet, Icmpv4Repr, IpProtocol,
    Ipv4Address, Ipv4Packet, Ipv4Repr,
};
use stack::answer::Fix;
use stack::classify::Binds;
use stack::{ActionKind, Anomaly, ClassKey, Direction, DivertId, Diverted, Mode, PortId, Posture};

/// A frame of this reason, with nonce 0badcafe and no consulted field.
pub(crate) fn diverted(reason: Anomaly) -> Diverted {
    let direction = if reason.row().binds == Binds::Fwd { Direction::Transit } else { Direction::ToSelf };
    Diverted {
        id: DivertId { slot: 1, generation: 0 },
        nonce: 0x0bad_cafe,
        boundary: 0x5eed_b0da,
        class: ClassKey {
            reason,
            port: PortId(0),
            direction,
            posture: Posture::Balanced,
            fields: heapless::Vec::new(),
        },
        mode: Mode::Enforce,
        received_at: Instant::ZERO,
        deadline: Instant::from_millis(50),
        len: 60,
        flow: None,
    }
}

/// A good echo request from 10.0.1.2 to 10.0.1.1.
pub(crate) fn echo_request(payload: &[u8]) -> Vec<u8> {
    let checksums = ChecksumCapabilities::default();
    let icmp = Icmpv4Repr::EchoRequest { ident: 7, seq_no: 1, data: payload };
    let ip = Ipv4Repr {
        src_addr: Ipv4Address::new(10, 0, 1, 2),
        dst_addr: Ipv4Address::new(10, 0, 1, 1),
        next_header: IpProtocol::Icmp,
        payload_len: icmp.buffer_len(),
        hop_limit: 63,
    };
    let ethernet = EthernetRepr {
        src_addr: EthernetAddress([2, 0, 0, 0, 0, 1]),
        dst_addr: EthernetAddress([2, 0, 0, 0, 0, 2]),
        ethertype: EthernetProtocol::Ipv4,
    };
    let mut frame = vec![0; 14 + ip.buffer_len() + icmp.buffer_len()];
    let mut view = EthernetFrame::new_unchecked(&mut frame[..]);
    ethernet.emit(&mut view);
    let mut view = Ipv4Packet::new_unchecked(view.payload_mut());
    ip.emit(&mut view, &checksums);
    icmp.emit(&mut Icmpv4Packet::new_unchecked(view.payload_mut()), &checksums);
    frame
}

/// Frames that are no IPv4, all from fd00:1::2 (or 10.0.1.2) to the router: an ICMPv6 echo request, a Neighbour
/// Solicitation, an ARP request, and the echo request in a priority tag.
pub(crate) fn other_families() -> [Vec<u8>; 4] {
    let host = [2, 0, 0, 0, 0, 1];
    let address = |last: u8| [0xfd, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
    let link = [&[2, 0, 0, 0, 0, 2][..], &host].concat();
    let ipv6 = |hop_limit: u8, message: &[u8]| {
        let head = [0x60, 0, 0, 0, 0, message.len() as u8, 58, hop_limit];
        [&[0x86, 0xdd][..], &head, &address(2), &address(1), message].concat()
    };
    let echo = ipv6(64, &[&[128, 0, 0x12, 0x34, 0, 7, 0, 1], &b"secret payload"[..]].concat());
    let solicitation =
        ipv6(255, &[&[135, 0, 0x12, 0x34, 0, 0, 0, 0], &address(1)[..], &[1, 1], &host].concat());
    let arp =
        [&[8, 6, 0, 1, 8, 0, 6, 4, 0, 1], &host[..], &[10, 0, 1, 2, 0, 0, 0, 0, 0, 0, 10, 0, 1, 1]].concat();
    let tagged = [&[0x81, 0, 0, 0], &echo[..]].concat();
    [echo, solicitation, arp, tagged].map(|body| [&link[..], &body].concat())
}

/// What a model writes that has `said` in mind.
pub(crate) fn written(nonce: u32, reason: Option<Anomaly>, said: &Said) -> Value {
    let mut object = json!({ NONCE: format!("{nonce:08x}") });
    if let Some(reason) = reason {
        object[REASON] = reason.name().into();
    }
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ");
    match said {
        Said::Triage(kind, advice) => {
            object[ACTION] = kind.name().into();
            if let Some(advice) = advice {
                object[SCOPE] = advice.scope.name().into();
                object[LIFETIME] = advice.lifetime.name().into();
            }
        }
        Said::Repair(fixes) => {
            object[ACTION] = fixes.map_or(ActionKind::Drop.name(), |_| REPAIR).into();
            object[FIXES] = fixes.unwrap_or_default().iter().map(Fix::name).collect();
        }
        Said::PingDelta(delta) => {
            object[ACTION] = delta.map_or(ActionKind::Drop, |_| ActionKind::EchoReply).name().into();
            let numbers = delta.map_or([0; 4], |d| {
                [u16::from(d.ttl), d.ip_checksum, u16::from(d.icmp_type), d.icmp_checksum]
            });
            DELTA.iter().zip(numbers).for_each(|((key, _), number)| object[*key] = number.into());
        }
        Said::PingFull(frame) => object[FRAME] = hex(frame).into(),
        Said::Example(reply) => object[REPLY] = hex(reply.as_deref().unwrap_or_default()).into(),
    }
    object
}
