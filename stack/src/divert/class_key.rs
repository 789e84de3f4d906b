//! The class key: the few header fields that a reason's decision consults, and nothing else.
//!
//! A class prompt holds exactly this, so its answer may serve every frame with the same key.

use super::Direction;
use crate::classify::ethernet::{self, LinkDestination, SNAP, word};
use crate::classify::{Anomaly, Locals, ipv4, ipv6, quick};
use crate::config::{PortConfig, PortId, Posture};
use crate::forward::icmp_error;
use crate::frame::{ETHERNET_HEADER, TAG};
use crate::wire::{Ipv4Info, MIN_HEADER, options};
use smoltcp::wire::Ipv4Address;

/// At most this many fields are consulted for any reason.
pub const MAX_FIELDS: usize = 4;

macro_rules! fields {
    ($($(#[doc = $doc:literal])+ $variant:ident = $code:literal, $name:literal;)+) => {
        /// A header field, or a fact derived from header fields, that a decision may consult.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[repr(u8)]
        pub enum Field { $($(#[doc = $doc])+ $variant = $code,)+ }

        impl Field {
            /// Every field, in order of code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            /// The stable printed name.
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $name,)+ } }
        }
    };
}

fields! {
    /// EtherType of the frame, or of what its tag or envelope holds.
    EtherType = 0, "ethertype";
    /// Link-layer destination: 0 the router, 1 broadcast, 2 multicast.
    LinkDestination = 1, "link_destination";
    /// 802.1Q priority code point, 0-7.
    Priority = 2, "priority";
    /// What the tag or envelope holds: 0 healthy IP, else 1 + the code of the inner anomaly; 255 not IP.
    Inner = 3, "inner";
    /// IPv4 options present, as bits: 1 Record Route, 2 Timestamp, 4 Stream ID, 8 Router Alert,
    /// 16 MTU Probe/Reply or Traceroute, 32 any other.
    Options = 4, "options";
    /// Would RFC 1812 §4.3.2.7 forbid an ICMP error about this frame? 0 no, 1 yes.
    ErrorForbidden = 5, "error_forbidden";
    /// ICMP type.
    IcmpType = 6, "icmp_type";
    /// ICMP code.
    IcmpCode = 7, "icmp_code";
    /// Length of the ICMP message in bytes.
    IcmpLength = 8, "icmp_length";
}

/// One field and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct FieldValue {
    /// Which field.
    pub field: Field,
    /// Its value.
    pub value: u16,
}

/// Frames with equal keys deserve equal answers, as far as the reason's decision goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ClassKey {
    /// Why the frame was diverted.
    pub reason: Anomaly,
    /// The port that it came in by.
    pub port: PortId,
    /// To the router, or through it.
    pub direction: Direction,
    /// The operator's stance on discretionary reasons.
    pub posture: Posture,
    /// The consulted fields, in the order of [`ClassKey::consulted`].
    pub fields: heapless::Vec<FieldValue, MAX_FIELDS>,
}

impl ClassKey {
    /// The key of a frame that was diverted for `reason`, with the fields' values read from it.
    pub(crate) fn of(
        reason: Anomaly,
        port: PortId,
        frame: &[u8],
        posture: Posture,
        config: &PortConfig,
        locals: &Locals,
    ) -> Self {
        let mut reader = Reader::new(frame, port, config, locals);
        let fields = Self::consulted(reason)
            .iter()
            .map(|&field| FieldValue { field, value: reader.read(field) })
            .collect();
        Self { reason, port, direction: reader.direction(), posture, fields }
    }

    /// All of the key as two words.
    pub(crate) fn words(&self) -> ClassWords {
        let head = ClassWords::head(self.reason, self.port, self.direction, self.posture);
        self.fields.iter().fold(head, |words, field| words.with(field.value))
    }

    /// The fields that a decision about `reason` consults. A fixed reason consults none.
    pub const fn consulted(reason: Anomaly) -> &'static [Field] {
        #[expect(clippy::wildcard_enum_match_arm, reason = "whatever consults a field is named")]
        match reason {
            Anomaly::EthertypeUnknown => &[Field::EtherType, Field::LinkDestination],
            Anomaly::SnapIpv4 => &[Field::LinkDestination, Field::Inner],
            Anomaly::VlanPriorityTag => &[Field::Priority, Field::Inner],
            Anomaly::Ipv4OptionTransit => &[Field::Options],
            Anomaly::Ipv4TotalLengthShort
            | Anomaly::Ipv4TotalLengthOverrun
            | Anomaly::Ipv4OptionMalformed => &[Field::ErrorForbidden],
            Anomaly::IcmpTimestampRequest => &[Field::IcmpCode, Field::IcmpLength],
            Anomaly::IcmpTypeUnknown | Anomaly::IcmpDeprecated => &[Field::IcmpType, Field::IcmpCode],
            _ => &[],
        }
    }

    /// The value of `field`, where the reason consults it.
    pub fn field(&self, field: Field) -> Option<u16> {
        self.fields.iter().find(|f| f.field == field).map(|f| f.value)
    }
}

/// A class key as two words: equal for equal keys alone, since the reason says which fields there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClassWords(pub(crate) [u64; 2]);

impl ClassWords {
    /// Those of [`ClassKey::of`]; and if a plain IPv4 packet to another host was found in a tag or an envelope, its digest.
    #[inline]
    pub(crate) fn of(
        reason: Anomaly,
        port: PortId,
        frame: &[u8],
        posture: Posture,
        config: &PortConfig,
        locals: &Locals,
    ) -> (Self, Option<Ipv4Info>) {
        let mut reader = Reader::new(frame, port, config, locals);
        let head = Self::head(reason, port, reader.direction(), posture);
        let consulted = ClassKey::consulted(reason).iter();
        let words = consulted.fold(head, |words, &field| words.with(reader.read(field)));
        (words, reader.plain)
    }

    const fn head(reason: Anomaly, port: PortId, direction: Direction, posture: Posture) -> Self {
        let head =
            (reason.code() as u64) << 24 | (port.0 as u64) << 16 | (direction as u64) << 8 | posture as u64;
        Self([head, 0])
    }

    const fn with(self, value: u16) -> Self {
        let Self([head, fields]) = self;
        Self([head, fields << 16 | value as u64])
    }

    /// The same as one number.
    pub(crate) const fn digest(self) -> u128 {
        let Self([head, fields]) = self;
        (head as u128) << 64 | fields as u128
    }
}

/// Where the IP packet starts that this frame carries: plainly, in one tag, or (IPv4) in an LLC/SNAP envelope.
pub(crate) fn network_offset(frame: &[u8]) -> Option<usize> {
    let at = ETHERNET_HEADER;
    match word(frame, at - 2) {
        0x0800 | 0x86dd => Some(at),
        0x8100 | 0x88a8 if matches!(word(frame, at + 2), 0x0800 | 0x86dd) => Some(at + TAG),
        0..=1500 if frame.get(at..at + 3) == Some(&[0xaa, 0xaa, 3]) && word(frame, at + 6) == 0x0800 => {
            Some(at + SNAP)
        }
        _ => None,
    }
}

/// Does this frame say that it carries IPv6, plainly or in one tag?
pub(crate) fn says_ipv6(frame: &[u8]) -> bool {
    match word(frame, ETHERNET_HEADER - 2) {
        0x8100 | 0x88a8 => word(frame, ETHERNET_HEADER + 2) == 0x86dd,
        ethertype => ethertype == 0x86dd,
    }
}

/// The IP packet that this frame carries, perhaps with padding. An envelope's 802.3 length says where
/// the packet ends; what follows is padding for certain.
pub(crate) fn network(frame: &[u8]) -> Option<&[u8]> {
    let packet = frame.get(network_offset(frame)?..)?;
    Some(match word(frame, ETHERNET_HEADER - 2) {
        length @ 0..=1500 => &packet[..packet.len().min(usize::from(length).saturating_sub(SNAP))],
        _ => packet,
    })
}

/// Reads fields of one frame. Anything that is not there reads as 0.
struct Reader<'a> {
    frame: &'a [u8],
    /// The IP packet that it carries, and whether it says that this is IPv6.
    packet: Option<&'a [u8]>,
    is_v6: bool,
    port: PortId,
    config: &'a PortConfig,
    locals: &'a Locals,
    /// What [`Field::Inner`] found, where that was seen at once.
    plain: Option<Ipv4Info>,
}

impl<'a> Reader<'a> {
    #[inline]
    fn new(frame: &'a [u8], port: PortId, config: &'a PortConfig, locals: &'a Locals) -> Self {
        Self { frame, packet: network(frame), is_v6: says_ipv6(frame), port, config, locals, plain: None }
    }

    fn packet(&self) -> &[u8] {
        self.packet.unwrap_or(&[])
    }

    #[inline]
    fn direction(&self) -> Direction {
        let packet = self.packet();
        let to_self = if self.is_v6 {
            let to = ipv6::address(packet, 24);
            to.is_none_or(|to| to.is_multicast() || self.locals.v6.is_for_us(to, self.port))
        } else {
            let Some(&[a, b, c, d]) = packet.get(16..MIN_HEADER) else { return Direction::ToSelf };
            let to = Ipv4Address::new(a, b, c, d);
            let is_own = self.locals.may_mean(to) && self.locals.is_own(to);
            is_own || to.is_multicast() || to.is_broadcast()
        };
        if to_self { Direction::ToSelf } else { Direction::Transit }
    }

    #[inline]
    fn read(&mut self, field: Field) -> u16 {
        match field {
            Field::EtherType => match word(self.frame, ETHERNET_HEADER - 2) {
                0x8100 | 0x88a8 => word(self.frame, ETHERNET_HEADER + 2),
                ethertype => ethertype,
            },
            Field::LinkDestination => match ethernet::destination(self.frame, self.config.mac) {
                LinkDestination::Us | LinkDestination::Other => 0,
                LinkDestination::Broadcast => 1,
                LinkDestination::Multicast => 2,
            },
            Field::Priority => word(self.frame, ETHERNET_HEADER) >> 13,
            Field::Inner => self.inner(),
            Field::Options => {
                let packet = self.packet();
                let end = packet.first().map_or(0, |first| usize::from(first & 0x0f) * 4);
                u16::from(packet.get(MIN_HEADER..end).map_or(0, |bytes| options::survey(bytes).unwrap_or(0)))
            }
            Field::ErrorForbidden => {
                u16::from(icmp_error::is_forbidden(self.frame, self.config, self.port, self.locals, None))
            }
            Field::IcmpType => self.icmp(0),
            Field::IcmpCode => self.icmp(1),
            Field::IcmpLength => {
                let packet = self.packet();
                let header = packet.first().map_or(0, |first| u16::from(first & 0x0f) * 4);
                word(packet, 2).saturating_sub(header)
            }
        }
    }

    /// The class of what the tag or envelope holds, as [`Field::Inner`] encodes it.
    fn inner(&mut self) -> u16 {
        let Some(packet) = self.packet else { return 255 };
        let group = ethernet::destination(self.frame, self.config.mac) != LinkDestination::Us;
        // Most packets are plain, and that is seen at once.
        if !group && !self.is_v6 {
            let header = packet.first_chunk();
            self.plain = header.and_then(|header| quick::accept_ipv4(header, packet.len(), self.locals));
            if self.plain.is_some() {
                return 0;
            }
        }
        let fault = if self.is_v6 {
            ipv6::classify(packet, group, self.port, self.locals).err()
        } else {
            ipv4::classify(packet, group, self.port, self.locals).err()
        };
        fault.map_or(0, |anomaly| 1 + u16::from(anomaly.code()))
    }

    fn icmp(&self, at: usize) -> u16 {
        let packet = self.packet();
        let header = packet.first().map_or(0, |first| usize::from(first & 0x0f) * 4);
        packet.get(header + at).copied().map_or(0, u16::from)
    }
}
