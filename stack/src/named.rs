//! Enums of reasons: each variant has a stable printed name.

/// Makes an enum whose variants have names: `/// Doc.` `Variant = "name";` for each.
macro_rules! named_enum {
    ($(#[doc = $about:literal])+ pub enum $name:ident { $($(#[doc = $doc:literal])+ $variant:ident = $text:literal;)+ }) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        pub enum $name { $($(#[doc = $doc])+ $variant,)+ }

        impl $name {
            /// Every variant, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable printed name.
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $text,)+ } }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

pub(crate) use named_enum;

#[cfg(test)]
mod tests {
    use crate::answer::Rejection;
    use crate::divert::Refusal;

    #[test]
    fn names_are_unique_and_lower_snake() {
        fn check(names: &[&str]) {
            for (index, name) in names.iter().enumerate() {
                assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
                assert!(!names[..index].contains(name), "{name}");
            }
        }
        check(&Rejection::ALL.iter().map(|r| r.name()).collect::<std::vec::Vec<_>>());
        check(&Refusal::ALL.iter().map(|r| r.name()).collect::<std::vec::Vec<_>>());
    }
}
