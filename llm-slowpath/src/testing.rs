//! What the crate's tests share: diverted frames, an echo request, and an HTTP server on loopback.

pub(crate) mod server;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::time::Instant;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, Icmpv4Packet, Icmpv4Repr, IpProtocol,
    Ipv4Address, Ipv4Packet, Ipv4Repr,
};
use stack::classify::Binds;
use stack::{Anomaly, ClassKey, Direction, DivertId, Diverted, Mode, PortId, Posture};

/// A frame of this reason, with nonce 0badcafe and no consulted field.
pub(crate) fn diverted(reason: Anomaly) -> Diverted {
    let direction = if reason.row().binds == Binds::Fwd { Direction::Transit } else { Direction::ToSelf };
    Diverted {
        id: DivertId { slot: 1, generation: 0 },
        nonce: 0x0bad_cafe,
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
