//! Who sent a frame to whom, as far as it says: for logs, which tell of frames that are cut off or wrong anywhere.
//!
//! Read first: RFC 791 §3.1; RFC 8200 §4.1. Nothing here is a judgement: whatever can be read is told.

use std::net::IpAddr;

/// Extension headers that are stepped over, at most.
const EXTENSIONS: usize = 8;

/// What a frame says of its ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tuple {
    /// Destination and source.
    pub(super) macs: Option<([u8; 6], [u8; 6])>,
    pub(super) source: Option<IpAddr>,
    pub(super) destination: Option<IpAddr>,
    /// The IP protocol number.
    pub(super) protocol: Option<u8>,
    /// TCP's or UDP's, source first.
    pub(super) ports: Option<(u16, u16)>,
    /// ICMP's or ICMPv6's type and code.
    pub(super) icmp: Option<(u8, u8)>,
}

/// The name that Suricata gives a protocol, or its number in three digits.
pub(super) fn protocol_name(number: u8) -> String {
    let name = match number {
        1 => "ICMP",
        2 => "IGMP",
        6 => "TCP",
        17 => "UDP",
        47 => "GRE",
        50 => "ESP",
        51 => "AH",
        58 => "IPv6-ICMP",
        132 => "SCTP",
        _ => return format!("{number:03}"),
    };
    name.into()
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

impl Tuple {
    /// What this Ethernet frame says.
    pub(super) fn of(frame: &[u8]) -> Self {
        let mut tuple = Self::default();
        // Each step fills in what it can, and gives up where the frame ends.
        let _ = tuple.link(frame);
        tuple
    }

    fn link(&mut self, frame: &[u8]) -> Option<()> {
        self.macs = Some((array(frame, 0)?, array(frame, 6)?));
        let mut at = 12;
        let mut kind = u16::from_be_bytes(array(frame, at)?);
        while matches!(kind, 0x8100 | 0x88a8) && at < 12 + 8 {
            at += 4;
            kind = u16::from_be_bytes(array(frame, at)?);
        }
        if kind < 1536 && frame.get(at + 2..at + 8) == Some(&[0xaa, 0xaa, 3, 0, 0, 0]) {
            at += 8;
            kind = u16::from_be_bytes(array(frame, at)?);
        }
        let packet = frame.get(at + 2..)?;
        match kind {
            0x0800 => self.ipv4(packet),
            0x86dd => self.ipv6(packet),
            0x0806 => {
                self.source = Some(IpAddr::from(array::<4>(packet, 14)?));
                self.destination = Some(IpAddr::from(array::<4>(packet, 24)?));
                None
            }
            _ => None,
        }
    }

    fn ipv4(&mut self, packet: &[u8]) -> Option<()> {
        self.source = Some(IpAddr::from(array::<4>(packet, 12)?));
        self.destination = Some(IpAddr::from(array::<4>(packet, 16)?));
        self.protocol = Some(packet[9]);
        let first = u16::from_be_bytes([packet[6], packet[7]]) & 0x1fff == 0;
        let header = usize::from(packet[0] & 15) * 4;
        if !first || header < 20 {
            return None;
        }
        self.upper(packet[9], packet.get(header..)?)
    }

    fn ipv6(&mut self, packet: &[u8]) -> Option<()> {
        self.source = Some(IpAddr::from(array::<16>(packet, 8)?));
        self.destination = Some(IpAddr::from(array::<16>(packet, 24)?));
        let mut next = packet[6];
        let mut rest = packet.get(40..)?;
        for _ in 0..EXTENSIONS {
            self.protocol = Some(next);
            let len = match next {
                0 | 43 | 60 | 135 => 8 + usize::from(*rest.get(1)?) * 8,
                // Only a first fragment has an upper layer's header.
                44 if u16::from_be_bytes(array(rest, 2)?) & 0xfff8 != 0 => {
                    self.protocol = Some(*rest.first()?);
                    return None;
                }
                44 => 8,
                _ => break,
            };
            next = *rest.first()?;
            rest = rest.get(len..)?;
        }
        self.protocol = Some(next);
        self.upper(next, rest)
    }

    fn upper(&mut self, protocol: u8, rest: &[u8]) -> Option<()> {
        match protocol {
            6 | 17 | 132 => {
                let [a, b, c, d] = array(rest, 0)?;
                self.ports = Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])));
            }
            1 | 58 => self.icmp = Some((*rest.first()?, *rest.get(1)?)),
            _ => {}
        }
        Some(())
    }
}
