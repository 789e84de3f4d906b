//! `softrouter anomalies`: the table of anomalies as Markdown; the documentation's copy is this output.

use stack::classify::{Binds, DefaultAction, Kind, Latitude, TABLE};
use std::fmt::Write as _;

/// The table.
pub fn table() -> String {
    let mut text = String::from(
        "| reason | kind | binds | latitude | default | mode | RFC | Zeek | Suricata | Snort |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in &TABLE {
        let kind = match row.kind {
            Kind::Malformed => "malformed",
            Kind::Misbehaving => "misbehaving",
            Kind::Unsupported => "unsupported",
            Kind::Oddity => "odd, must pass",
            Kind::Experiment => "experiment",
        };
        let binds = match row.binds {
            Binds::SelfOnly => "self",
            Binds::Fwd => "fwd",
            Binds::Both => "both",
        };
        let latitude = match row.latitude {
            Latitude::Fixed => "fixed",
            Latitude::Discretionary => "discretionary",
        };
        let default = match row.default {
            DefaultAction::Drop => "drop",
            DefaultAction::Report => "report",
            DefaultAction::Pass => "pass",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| `{}` | {kind} | {binds} | {latitude} | {default} | {} | {} | {} | {} | {} |",
            row.name,
            row.mode.name(),
            row.rfc,
            row.zeek,
            row.suricata,
            row.snort
        );
    }
    text
}
