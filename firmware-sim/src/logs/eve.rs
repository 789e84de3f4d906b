//! One anomaly as a line of Suricata's EVE JSON, `event_type` `anomaly`; what only we know is in `softrouter`.
//!
//! Read first: the Suricata user guide, "Eve JSON Format", "Event type: Anomaly".

use super::Record;
use super::moment::utc;
use super::tuple::{Tuple, protocol_name};
use crate::watch::verdict_name;
use serde::Serialize;
use stack::classify::Latitude;
use stack::{Anomaly, DropReason, Verdict};
use std::net::IpAddr;

#[derive(Serialize)]
struct Line<'a> {
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pcap_cnt: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pcap_filename: Option<&'a str>,
    in_iface: &'a str,
    event_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dest_ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dest_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proto: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icmp_type: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icmp_code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ether: Option<Ether>,
    anomaly: Event,
    softrouter: Ours,
}

#[derive(Serialize)]
struct Ether {
    src_mac: String,
    dest_mac: String,
}

#[derive(Serialize)]
struct Event {
    #[serde(rename = "type")]
    kind: &'static str,
    event: String,
}

#[derive(Serialize)]
struct Ours {
    reason: &'static str,
    rfc: &'static str,
    discretionary: bool,
    /// What became of the frame at once.
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    drop_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zeek: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    snort: Option<&'static str>,
    #[serde(skip_serializing_if = "is_zero")]
    suppressed: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Suricata's kind and name of an anomaly; ours where it has none.
fn event(anomaly: Anomaly) -> Event {
    let row = anomaly.row();
    match row.suricata {
        "-" => Event { kind: "decode", event: format!("softrouter.{}", row.name) },
        // Its stream engine's events are named with it; those of its decoders are not in the table's column.
        stream if stream.starts_with("stream.") => Event { kind: "stream", event: stream.into() },
        decoder => Event { kind: "decode", event: format!("decoder.{decoder}") },
    }
}

/// Writes the line without its end.
pub(super) fn line(record: &Record<'_>, out: &mut Vec<u8>) {
    let row = record.anomaly.row();
    let known = |name: &'static str| (name != "-").then_some(name);
    let Tuple { macs, source, destination, protocol, ports, icmp } = record.tuple;
    let mac = |mac: [u8; 6]| mac.map(|byte| format!("{byte:02x}")).join(":");
    let line = Line {
        // Suricata writes the offset from UTC in digits.
        timestamp: utc(record.moment.time, true).to_string().replace('Z', "+0000"),
        pcap_cnt: record.moment.packet.map(|(_, number)| number),
        pcap_filename: record.file,
        in_iface: record.port,
        event_type: "anomaly",
        src_ip: source,
        src_port: ports.map(|ports| ports.0),
        dest_ip: destination,
        dest_port: ports.map(|ports| ports.1),
        proto: protocol.map(protocol_name),
        icmp_type: icmp.map(|icmp| icmp.0),
        icmp_code: icmp.map(|icmp| icmp.1),
        ether: macs.map(|(destination, source)| Ether { src_mac: mac(source), dest_mac: mac(destination) }),
        anomaly: event(record.anomaly),
        softrouter: Ours {
            reason: row.name,
            rfc: row.rfc,
            discretionary: row.latitude == Latitude::Discretionary,
            verdict: verdict_name(record.verdict),
            drop_reason: match record.verdict {
                Verdict::Drop(reason) => Some(DropReason::name(reason)),
                Verdict::Forward { .. } | Verdict::Deliver | Verdict::Consume | Verdict::Divert(_) => None,
            },
            zeek: known(row.zeek),
            snort: known(row.snort),
            suppressed: record.suppressed,
        },
    };
    serde_json::to_writer(out, &line).expect("a line is plain data, and memory takes it");
}
