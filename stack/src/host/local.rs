//! Frames for the router itself: to the local host, or back as unreachable.
//! Read first: RFC 1812 §5.2.3, RFC 1122 §3.2.

use crate::Router;
use crate::classify::{Class, classify, icmp, ipv4::protocol};
use crate::config::PortId;
use crate::forward::{Cargo, IcmpError};
use crate::frame::{ETHERNET_HEADER, FRAME_MAX, FrameBuf};
use crate::stats::{Disposition, Path};
use crate::verdict::{DropReason, Verdict};
use crate::wire::{Ipv4Info, MIN_HEADER};
use smoltcp::time::Instant;

impl Router<'_> {
    /// Hands a healthy frame to the local host, and queues what the host answers.
    pub(crate) fn deliver(
        &mut self,
        now: Instant,
        port: PortId,
        frame: &FrameBuf<'_>,
        info: &Ipv4Info,
        received_len: usize,
        path: Path,
    ) -> Verdict {
        // Only exactly our own addresses: smoltcp is not to judge what is ours.
        if !self.locals.is_own(info.destination) {
            return self.drop(DropReason::GroupNotJoined, path, received_len);
        }
        let packet = &frame.bytes()[ETHERNET_HEADER..ETHERNET_HEADER + info.total_len];
        if let Some((error, reason)) = self.unreachable(packet, info) {
            self.report(now, port, frame.bytes(), error);
            return self.drop(reason, path, received_len);
        }
        if !self.host.deliver(now, packet) {
            return self.drop(DropReason::HostTooLarge, path, received_len);
        }
        if let Some(error) = self.drain_host(now) {
            // The host found out only after reassembly. What may be quoted is a first fragment.
            if info.fragment_offset == 0 {
                self.report(now, port, frame.bytes(), error);
            } else {
                self.stats.icmp_errors_forbidden += 1;
            }
        }
        self.stats.end(Disposition::Delivered, path, received_len);
        Verdict::Deliver
    }

    /// Hands a frame that the slow path repaired to the local host.
    pub(crate) fn deliver_repaired(
        &mut self,
        now: Instant,
        port: PortId,
        frame: &FrameBuf<'_>,
        received_len: usize,
        path: Path,
    ) -> Verdict {
        match classify(frame.bytes(), port, self.config.ports[port.index()].mac, &self.locals) {
            Class::Local(info, _) => self.deliver(now, port, frame, &info, received_len, path),
            // Approval has just found it local.
            Class::Transit(..) | Class::Arp(_) | Class::Foreign | Class::Anomaly(_) => {
                self.drop(DropReason::GroupNotJoined, path, received_len)
            }
        }
    }

    /// Does this datagram call for an ICMP unreachable rather than for the host?
    fn unreachable(&self, packet: &[u8], info: &Ipv4Info) -> Option<(IcmpError, DropReason)> {
        if info.is_fragment() {
            // Its transport header is known only after reassembly, which is the host's.
            return None;
        }
        match info.protocol {
            protocol::ICMP | protocol::TCP => None,
            protocol::UDP => {
                let to = crate::classify::ethernet::word(packet, info.header_len + 2);
                (!self.host.listens(to)).then_some((IcmpError::PortUnreachable, DropReason::PortUnreachable))
            }
            _ => Some((IcmpError::ProtocolUnreachable, DropReason::ProtocolUnreachable)),
        }
    }

    /// Sends everything that the host has to send, but its ICMP errors: they quote a header that smoltcp
    /// wrote anew, and know no limits. Says which error that was.
    pub(crate) fn drain_host(&mut self, now: Instant) -> Option<IcmpError> {
        let mut frame = [0; FRAME_MAX];
        let mut error = None;
        while let Some(packet) = self.host.poll(now) {
            let len = ETHERNET_HEADER + packet.len();
            frame[ETHERNET_HEADER..len].copy_from_slice(packet);
            match packet {
                [0x45, ..]
                    if packet.len() > MIN_HEADER + 1
                        && packet[9] == protocol::ICMP
                        && packet[MIN_HEADER] == icmp::kind::UNREACHABLE =>
                {
                    let for_protocol = packet[MIN_HEADER + 1] == 2;
                    error = Some(if for_protocol {
                        IcmpError::ProtocolUnreachable
                    } else {
                        IcmpError::PortUnreachable
                    });
                }
                _ => self.dispatch(now, &mut frame[..len], Cargo::Originated),
            }
        }
        error
    }
}
