//! What is known of an anomaly: its kind, whom it binds, what happens to it. Read first: `table.rs`.

pub use super::table::{Anomaly, TABLE};

/// What sort of frame an [`Anomaly`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Kind {
    /// A length, version, checksum or encoding is wrong.
    Malformed,
    /// Well-formed, but it claims or asks for what it must not.
    Misbehaving,
    /// Well-formed, but of a kind that the fast path does not serve.
    Unsupported,
    /// Looks wrong, is legal, must pass (`Mode::Enforce` is refused for it).
    Oddity,
    /// Healthy traffic that an experiment holds for the model.
    Experiment,
}

/// Whether RFCs leave one answer to a reason, or a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Latitude {
    /// The RFC leaves one answer.
    Fixed,
    /// RFCs say MAY, or leave it to policy.
    Discretionary,
}

/// Whom a reason binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Binds {
    /// Only frames addressed to the router itself; in transit such frames pass.
    SelfOnly,
    /// Only frames in transit.
    Fwd,
    /// Both.
    Both,
}

/// What the router does with a frame of this reason when no approved answer says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum DefaultAction {
    /// Silent discard, counted under the reason (RFC 1812 §4.2.1).
    Drop,
    /// Discard, and tell the source with the ICMPv6 error that the RFC asks for, unless RFC 4443 §2.4(e)
    /// forbids one.
    Report,
    /// Go on as for healthy traffic: forward or deliver.
    Pass,
}

/// How a reason uses the slow path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Mode {
    /// The default action only.
    Off,
    /// The default action at once; a sampled copy goes to the model, whose answer is only recorded.
    Observe,
    /// The frame is held; the approved answer acts, or the default at the deadline.
    Enforce,
}

impl Mode {
    /// The word used in configuration and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        }
    }
}

/// One row of the anomaly table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The anomaly itself.
    pub anomaly: Anomaly,
    /// Stable printed name, lower_snake.
    pub name: &'static str,
    /// One sentence saying what the frame is.
    pub doc: &'static str,
    /// Kind of anomaly.
    pub kind: Kind,
    /// Whom it binds.
    pub binds: Binds,
    /// Fixed or discretionary.
    pub latitude: Latitude,
    /// Deterministic default.
    pub default: DefaultAction,
    /// Mode unless the configuration says otherwise.
    pub mode: Mode,
    /// The section that decides.
    pub rfc: &'static str,
    /// Zeek's weird name, or `-`.
    pub zeek: &'static str,
    /// Suricata's decoder event, or `-`.
    pub suricata: &'static str,
    /// Snort's `gid:sid`, or `-`.
    pub snort: &'static str,
}

impl Anomaly {
    /// The stable printed name.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The stable numeric code, below [`Anomaly::COUNT`].
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The anomaly with this printed name.
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.name == name).map(|row| row.anomaly)
    }

    /// Must such a frame pass? ([`Kind::Oddity`]: approval vetoes a drop, configuration refuses `enforce`.)
    pub const fn must_pass(self) -> bool {
        matches!(self.row().kind, Kind::Oddity)
    }
}

impl core::fmt::Display for Anomaly {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_dense_and_names_unique_lower_snake() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.anomaly.code() as usize, index);
            assert_eq!(Anomaly::from_code(row.anomaly.code()), Some(row.anomaly));
            assert_eq!(Anomaly::from_name(row.name), Some(row.anomaly));
            assert!(row.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
            assert!(row.doc.trim().ends_with('.'), "{}", row.name);
            assert!(!row.rfc.is_empty());
        }
        assert_eq!(Anomaly::from_code(Anomaly::COUNT as u8), None);
    }

    #[test]
    fn only_legal_traffic_passes_by_default_and_it_never_waits() {
        for row in &TABLE {
            match row.kind {
                Kind::Oddity => assert_eq!((row.default, row.mode), (DefaultAction::Pass, Mode::Observe)),
                Kind::Experiment => assert_eq!((row.default, row.mode), (DefaultAction::Pass, Mode::Off)),
                // A report that the RFC asks for does not wait for a model either.
                Kind::Malformed | Kind::Misbehaving | Kind::Unsupported => assert!(
                    matches!(
                        (row.default, row.mode),
                        (DefaultAction::Drop, Mode::Enforce) | (DefaultAction::Report, Mode::Observe)
                    ),
                    "{}",
                    row.name
                ),
            }
        }
    }
}
