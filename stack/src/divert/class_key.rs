//! The class key: the few header fields that a reason's decision consults, and nothing else.
//!
//! A class prompt holds exactly this, so its answer may serve every frame with the same key.

use super::Direction;
use crate::classify::Anomaly;
use crate::config::Posture;
use crate::PortId;

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
    /// What the tag or envelope holds: 0 healthy IPv4, else 1 + the code of the inner anomaly; 255 not IPv4.
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
    /// The fields that a decision about `reason` consults. A fixed reason consults none.
    pub const fn consulted(reason: Anomaly) -> &'static [Field] {
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
