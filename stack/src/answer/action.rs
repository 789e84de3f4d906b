//! What an answer may ask for: the symbolic actions, and the reply bytes that a model may compute.

/// An action as a model names it. Untrusted until `Router::approve` has judged it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Action<'a> {
    /// Discard silently.
    Drop,
    /// Go on as for healthy traffic, unchanged.
    Forward,
    /// Remove the 802.1Q priority tag, then go on as for healthy traffic.
    StripTag,
    /// Take the IPv4 packet out of its LLC/SNAP envelope, then go on as for healthy traffic.
    Decapsulate,
    /// Overwrite the IPv4 options that RFC 7126 leaves to a knob with No-Operation, then go on as for
    /// healthy traffic.
    ClearOptions,
    /// Answer an ICMP timestamp request (RFC 792, RFC 1812 §4.3.3.8).
    TimestampReply,
    /// Send an ICMP Parameter Problem to the source (RFC 1812 §4.3.3.5).
    ParameterProblem,
    /// Answer an echo request with these header bytes; everything else is copied from the request.
    EchoReply(EchoDelta),
    /// Send this whole Ethernet frame out of this port. Approved only when the router itself,
    /// acting on one of the actions above, would have made the very same bytes.
    Inject {
        /// Egress port.
        port: crate::PortId,
        /// The frame, without FCS.
        frame: &'a [u8],
    },
}

/// The header bytes of an echo reply that differ from the request's, as the model computed them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct EchoDelta {
    /// IPv4 time to live.
    pub ttl: u8,
    /// IPv4 header checksum.
    pub ip_checksum: u16,
    /// ICMP type.
    pub icmp_type: u8,
    /// ICMP checksum.
    pub icmp_checksum: u16,
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident = $code:literal, $name:literal;)+) => {
        /// An [`Action`] without its bytes; codes and names are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[repr(u8)]
        pub enum ActionKind { $($(#[doc = $doc])+ $variant = $code,)+ }

        impl ActionKind {
            /// Every kind, in order of code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            /// How many there are; codes are `0..COUNT`.
            pub const COUNT: usize = Self::ALL.len();

            /// The stable printed name, as in prompts, answers and reports.
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $name,)+ } }

            /// The kind with this stable code.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }

            /// The kind with this printed name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

kinds! {
    /// [`Action::Drop`].
    Drop = 0, "drop";
    /// [`Action::Forward`].
    Forward = 1, "forward";
    /// [`Action::StripTag`].
    StripTag = 2, "strip_tag";
    /// [`Action::Decapsulate`].
    Decapsulate = 3, "decapsulate";
    /// [`Action::ClearOptions`].
    ClearOptions = 4, "clear_options";
    /// [`Action::TimestampReply`].
    TimestampReply = 5, "timestamp_reply";
    /// [`Action::ParameterProblem`].
    ParameterProblem = 6, "parameter_problem";
    /// [`Action::EchoReply`].
    EchoReply = 7, "echo_reply";
    /// [`Action::Inject`].
    Inject = 8, "inject";
}

impl Action<'_> {
    /// This action without its bytes.
    pub const fn kind(&self) -> ActionKind {
        match self {
            Self::Drop => ActionKind::Drop,
            Self::Forward => ActionKind::Forward,
            Self::StripTag => ActionKind::StripTag,
            Self::Decapsulate => ActionKind::Decapsulate,
            Self::ClearOptions => ActionKind::ClearOptions,
            Self::TimestampReply => ActionKind::TimestampReply,
            Self::ParameterProblem => ActionKind::ParameterProblem,
            Self::EchoReply(_) => ActionKind::EchoReply,
            Self::Inject { .. } => ActionKind::Inject,
        }
    }
}

impl ActionKind {
    /// The action of this kind, where the kind alone says it all.
    pub const fn symbolic(self) -> Option<Action<'static>> {
        match self {
            Self::Drop => Some(Action::Drop),
            Self::Forward => Some(Action::Forward),
            Self::StripTag => Some(Action::StripTag),
            Self::Decapsulate => Some(Action::Decapsulate),
            Self::ClearOptions => Some(Action::ClearOptions),
            Self::TimestampReply => Some(Action::TimestampReply),
            Self::ParameterProblem => Some(Action::ParameterProblem),
            Self::EchoReply | Self::Inject => None,
        }
    }
}

impl core::fmt::Display for ActionKind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_round_trip() {
        for (index, &kind) in ActionKind::ALL.iter().enumerate() {
            assert_eq!(kind as usize, index);
            assert_eq!(ActionKind::from_code(kind as u8), Some(kind));
            assert_eq!(ActionKind::from_name(kind.name()), Some(kind));
            if let Some(action) = kind.symbolic() {
                assert_eq!(action.kind(), kind);
            }
        }
    }
}
