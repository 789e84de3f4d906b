//! One anomaly as a line of Zeek's `weird.log`: tab-separated values under a header that names and types them.
//!
//! Read first: the Zeek manual, "Zeek Log Formats and Inspection", and `base/frameworks/notice/weird`.

use super::Record;
use super::moment::utc;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

/// Zeek's fields of this log, and their types.
const FIELDS: [(&str, &str); 11] = [
    ("ts", "time"),
    ("uid", "string"),
    ("id.orig_h", "addr"),
    ("id.orig_p", "port"),
    ("id.resp_h", "addr"),
    ("id.resp_p", "port"),
    ("name", "string"),
    ("addl", "string"),
    ("notice", "bool"),
    ("peer", "string"),
    ("source", "string"),
];

fn clock(time: Duration) -> String {
    utc(time, false).to_string().replace(['T', ':'], "-").replace('Z', "")
}

/// The lines at the beginning of a run.
pub(super) fn header(now: Duration) -> String {
    let column =
        |pick: fn(&(&'static str, &'static str)) -> &'static str| FIELDS.each_ref().map(pick).join("\t");
    let mut header = String::from(
        "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tweird\n",
    );
    // Writing to a string cannot fail.
    let _ = write!(
        header,
        "#open\t{}\n#fields\t{}\n#types\t{}\n",
        clock(now),
        column(|field| field.0),
        column(|field| field.1)
    );
    header
}

/// The line at its end.
pub(super) fn footer(now: Duration) -> String {
    format!("#close\t{}\n", clock(now))
}

/// Writes the line without its end. Zeek gives ICMP's type and code as ports.
pub(super) fn line(record: &Record<'_>, out: &mut Vec<u8>) {
    let row = record.anomaly.row();
    let name = if row.zeek == "-" { row.name } else { row.zeek };
    let tuple = &record.tuple;
    let icmp = tuple.icmp.map(|(kind, code)| (u16::from(kind), u16::from(code)));
    let ports = tuple.ports.or(icmp);
    let address = |address: Option<IpAddr>| address.map_or("-".into(), |address| address.to_string());
    let port = |port: Option<u16>| port.map_or("-".into(), |port| port.to_string());
    // Writing to memory cannot fail.
    let _ = write!(
        out,
        "{}.{:06}\t-\t{}\t{}\t{}\t{}\t{name}\t{}\tF\t{}\tsoftrouter",
        record.moment.time.as_secs(),
        record.moment.time.subsec_micros(),
        address(tuple.source),
        port(ports.map(|ports| ports.0)),
        address(tuple.destination),
        port(ports.map(|ports| ports.1)),
        row.name,
        // A name that an operator chose may hold what separates fields.
        record.port.replace(['\t', '\n'], " "),
    );
}
