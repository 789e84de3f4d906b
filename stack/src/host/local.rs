//! Frames for the router itself: to the local host, or back as unreachable.
//! Read first: RFC 1812 §5.2.3, RFC 1122 §3.2.

use crate::Router;
use crate::classify::{Class, classify, ethernet::word, icmp, ipv4::protocol};
use crate::config::PortId;
use crate::forward::{Cargo, IcmpError};
use crate::frame::{ETHERNET_HEADER, FRAME_MAX, FrameBuf};
use crate::stats::{Disposition, Path};
use crate::verdict::{DropReason, Verdict};
use crate::wire::{Ipv4Info, MIN_HEADER};
use smoltcp::time::Instant;
use smoltcp::wire::checksum;

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
                let to = word(packet, info.header_len + 2);
                (!self.host.listens(to)).then_some((IcmpError::PortUnreachable, DropReason::PortUnreachable))
            }
            _ => Some((IcmpError::ProtocolUnreachable, DropReason::ProtocolUnreachable)),
        }
    }

    /// Sends everything that the host has to send, but its ICMP errors: they quote a header that smoltcp
    /// wrote anew, and know no limits. Says which error that was.
    ///
    /// A fragmented echo reply goes out with its first fragment last: smoltcp 0.14 sums over more than the
    /// message, so the checksum in the first fragment is made here, from the fragments themselves.
    pub(crate) fn drain_host(&mut self, now: Instant) -> Option<IcmpError> {
        let mut frame = [0; FRAME_MAX];
        let mut first = [0; FRAME_MAX];
        let mut sum = FragmentSum::default();
        let mut error = None;
        while let Some(packet) = self.host.poll(now) {
            let len = ETHERNET_HEADER + packet.len();
            frame[ETHERNET_HEADER..len].copy_from_slice(packet);
            match kind(packet) {
                Emitted::Unreachable { protocol } => {
                    error = Some(if protocol {
                        IcmpError::ProtocolUnreachable
                    } else {
                        IcmpError::PortUnreachable
                    });
                }
                Emitted::FirstFragment => {
                    first[..len].copy_from_slice(&frame[..len]);
                    sum = FragmentSum::start(&mut first[..len]);
                }
                Emitted::LaterFragment { last } => {
                    sum.add(&frame[ETHERNET_HEADER..len]);
                    self.dispatch(now, &mut frame[..len], Cargo::Originated);
                    if last {
                        let len = sum.finish(&mut first);
                        self.dispatch(now, &mut first[..len], Cargo::Originated);
                    }
                }
                Emitted::Other => self.dispatch(now, &mut frame[..len], Cargo::Originated),
            }
        }
        error
    }
}

/// What the host emits, as far as it must not simply be sent. smoltcp writes no options.
enum Emitted {
    Unreachable { protocol: bool },
    FirstFragment,
    LaterFragment { last: bool },
    Other,
}

fn kind(packet: &[u8]) -> Emitted {
    let (offset, more) = (word(packet, 6) & 0x1fff, word(packet, 6) & 0x2000 != 0);
    if packet.len() < MIN_HEADER || packet[9] != protocol::ICMP {
        return Emitted::Other;
    }
    // Only a message or its first fragment begins with an ICMP header.
    match (offset, more, packet.get(MIN_HEADER..MIN_HEADER + 2)) {
        (0, false, Some(&[icmp::kind::UNREACHABLE, code])) => Emitted::Unreachable { protocol: code == 2 },
        (0, false, _) => Emitted::Other,
        (0, true, _) => Emitted::FirstFragment,
        (_, more, _) => Emitted::LaterFragment { last: !more },
    }
}

/// The checksum of an ICMP message that comes in fragments; all but the last hold a multiple of 8 bytes.
#[derive(Default)]
struct FragmentSum {
    sum: u16,
    first_len: usize,
}

impl FragmentSum {
    const FIELD: usize = ETHERNET_HEADER + MIN_HEADER + 2;

    fn start(first: &mut [u8]) -> Self {
        first[Self::FIELD..Self::FIELD + 2].fill(0);
        Self { sum: checksum::data(&first[ETHERNET_HEADER + MIN_HEADER..]), first_len: first.len() }
    }

    fn add(&mut self, packet: &[u8]) {
        self.sum = checksum::combine(&[self.sum, checksum::data(&packet[MIN_HEADER..])]);
    }

    /// Writes the checksum into the first fragment; its length.
    fn finish(&self, first: &mut [u8]) -> usize {
        first[Self::FIELD..Self::FIELD + 2].copy_from_slice(&(!self.sum).to_be_bytes());
        self.first_len
    }
}
