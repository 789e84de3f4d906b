//! How far an answer reaches and how long it holds: what a rule made from it would need to know.

macro_rules! names {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])+ $variant:ident = $code:literal, $text:literal;)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[repr(u8)]
        pub enum $name { $($(#[doc = $doc])+ $variant = $code,)+ }

        impl $name {
            /// Every one, in order of code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable printed name.
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $text,)+ } }

            /// The one with this stable code.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }

            /// The one with this printed name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}
pub(crate) use names;

names! {
    /// Which frames an answer may serve. A model picks one; the match itself is always the host's to derive.
    Scope {
        /// This frame only: what is sent depends on it, or on the time.
        Frame = 0, "frame";
        /// Frames of the same two addresses, protocol and ports.
        Flow = 1, "flow";
        /// Frames of the same source.
        Source = 2, "source";
        /// Every frame with the same class key.
        Class = 3, "class";
    }
}

names! {
    /// How long an answer may serve. Codes rise with the time.
    Lifetime {
        /// Not at all.
        Once = 0, "once";
        /// 10 seconds.
        Short = 1, "short";
        /// One minute.
        Medium = 2, "medium";
        /// Ten minutes.
        Long = 3, "long";
    }
}

impl Lifetime {
    /// The time in seconds.
    pub const fn seconds(self) -> u32 {
        match self {
            Self::Once => 0,
            Self::Short => 10,
            Self::Medium => 60,
            Self::Long => 600,
        }
    }
}

/// What a model advises beside the action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Advice {
    /// Which frames.
    pub scope: Scope,
    /// For how long.
    pub lifetime: Lifetime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_round_trip_and_lifetimes_rise() {
        for (index, &scope) in Scope::ALL.iter().enumerate() {
            assert_eq!(scope as usize, index);
            assert_eq!(Scope::from_code(scope as u8), Some(scope));
            assert_eq!(Scope::from_name(scope.name()), Some(scope));
        }
        for (index, &lifetime) in Lifetime::ALL.iter().enumerate() {
            assert_eq!(lifetime as usize, index);
            assert_eq!(Lifetime::from_code(lifetime as u8), Some(lifetime));
            assert_eq!(Lifetime::from_name(lifetime.name()), Some(lifetime));
        }
        assert!(Lifetime::ALL.is_sorted_by_key(|lifetime| lifetime.seconds()));
    }
}
