//! Tests of both logs: what a line says, what a file looks like, and what a full disk does.

use super::*;
use crate::lab::run::router_config;
use crate::storage::{Tables, storage};
use pktgen::build;
use serde_json::Value;
use smoltcp::time::Instant;
use stack::{Config, DropReason, PortId, Posture, Stats};
use std::time::Duration;

fn temporary(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("softrouter-{}-logs-{name}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

/// A TCP segment, and its first bytes alone.
fn frame() -> Vec<u8> {
    let (from, to) = ([198, 51, 100, 7].into(), [203, 0, 113, 9].into());
    let tcp = build::Tcp::new(4_000, 80);
    let segment = tcp.segment(from, to, b"GET");
    let packet =
        build::Ipv4 { protocol: build::protocol::TCP, ..build::Ipv4::new(from, to) }.packet(&segment);
    build::ethernet([2, 0, 0, 0, 1, 1], [2, 9, 9, 9, 9, 9], build::ethertype::IPV4, &packet)
}

/// Logs that are told of these anomalies, one frame each.
fn told(plan: &LogPlan, anomalies: &[(Anomaly, &[u8])]) -> LogLine {
    let moments: Moments =
        Box::new(|_| Moment { time: Duration::new(1_600_000_000, 1_234_567), packet: Some((0, 77)) });
    let mut logs = plan.open(vec!["tap0\t".into()], vec!["a.pcap".into()], moments).unwrap().unwrap();
    let counts = logs.counts();
    let config = router_config(Posture::Balanced, false, false, Config::new(7));
    let storage = storage(&config.limits, Tables { flows: 64, rules: 64 });
    let router = Router::new(config, storage).unwrap();
    let mut stats = Stats::default();
    for (anomaly, frame) in anomalies {
        stats.seen[*anomaly as usize] += 1;
        // The second time it is a frame without a reason, which says nothing.
        for verdict in [Verdict::Drop(DropReason::Anomaly(*anomaly)), Verdict::Deliver] {
            let judged = Judged { now: Instant::ZERO, port: PortId(0), frame, verdict, stats: &stats };
            logs.judged(&judged, &router);
        }
    }
    drop(logs);
    plan.line(&counts)
}

#[test]
fn eve_lines_are_suricatas_with_ours_beside_them() {
    let eve = temporary("eve.json");
    let plan = LogPlan { eve: Some(eve.clone()), ..LogPlan::default() };
    let frame = frame();
    told(&plan, &[(Anomaly::TcpHeaderLength, &frame), (Anomaly::TcpFlags, &frame)]);
    told(&plan, &[(Anomaly::Ipv4Loopback, &frame[..30]), (Anomaly::EthernetTruncated, &[])]);
    let text = std::fs::read_to_string(&eve).unwrap();
    std::fs::remove_file(&eve).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4, "the second run has added to the first");
    let expected = serde_json::json!({
        "timestamp": "2020-09-13T12:26:40.001234+0000",
        "pcap_cnt": 77,
        "pcap_filename": "a.pcap",
        "in_iface": "tap0\t",
        "event_type": "anomaly",
        "src_ip": "198.51.100.7",
        "src_port": 4000,
        "dest_ip": "203.0.113.9",
        "dest_port": 80,
        "proto": "TCP",
        "ether": {"src_mac": "02:09:09:09:09:09", "dest_mac": "02:00:00:00:01:01"},
        "anomaly": {"type": "decode", "event": "decoder.tcp.hlen_too_small"},
        "softrouter": {
            "reason": "tcp_header_length",
            "rfc": Anomaly::TcpHeaderLength.row().rfc,
            "discretionary": false,
            "verdict": "drop",
            "drop_reason": "tcp_header_length",
            "zeek": "bad_TCP_header_len",
            "snort": "116:46",
        },
    });
    assert_eq!(lines[0], expected);
    assert_eq!(lines[1]["anomaly"], serde_json::json!({"type": "stream", "event": "stream.fin_syn"}));
    // Where Suricata has no name, ours; where the frame is cut off, what is left of it.
    assert_eq!(lines[2]["anomaly"]["event"], "softrouter.ipv4_loopback");
    assert_eq!((&lines[2]["src_ip"], &lines[2]["dest_ip"]), (&"198.51.100.7".into(), &Value::Null));
    assert_eq!(lines[3]["ether"], Value::Null);
}

#[test]
fn weird_lines_have_zeeks_fields_under_its_header() {
    let weird = temporary("weird.log");
    let plan = LogPlan { weird: Some(weird.clone()), ..LogPlan::default() };
    let ping = build::ethernet(
        [2; 6],
        [2; 6],
        0x0800,
        &build::Ipv4 {
            protocol: build::protocol::ICMP,
            ..build::Ipv4::new([192, 0, 2, 1].into(), [192, 0, 2, 2].into())
        }
        .packet(&build::icmp(8, 0, [0; 4], b"")),
    );
    told(
        &plan,
        &[(Anomaly::Ipv4Checksum, &frame()), (Anomaly::IcmpDeprecated, &ping), (Anomaly::LlcTruncated, &[9])],
    );
    let text = std::fs::read_to_string(&weird).unwrap();
    std::fs::remove_file(&weird).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..5],
        ["#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-", "#path\tweird"]
    );
    let columns = |line: &str| line.split('\t').count();
    assert!(lines[5].starts_with("#open\t20") && lines[5].len() == "#open\t2026-11-23-18-27-48".len());
    assert!(
        lines[6].starts_with("#fields\tts\tuid\tid.orig_h")
            && lines[7].starts_with("#types\ttime\tstring\taddr")
    );
    assert_eq!((columns(lines[6]), columns(lines[7])), (12, 12));
    assert_eq!(
        lines[8],
        "1600000000.001234\t-\t198.51.100.7\t4000\t203.0.113.9\t80\tbad_IP_checksum\tipv4_checksum\tF\ttap0 \tsoftrouter"
    );
    // ICMP's type and code are Zeek's ports; a reason that Zeek has no name for has ours.
    assert_eq!(
        lines[9],
        "1600000000.001234\t-\t192.0.2.1\t8\t192.0.2.2\t0\ticmp_deprecated\ticmp_deprecated\tF\ttap0 \tsoftrouter"
    );
    assert_eq!(
        lines[10],
        "1600000000.001234\t-\t-\t-\t-\t-\ttruncated_llc_header\tllc_truncated\tF\ttap0 \tsoftrouter"
    );
    assert!(lines[11].starts_with("#close\t20") && lines.len() == 12);
}

#[test]
fn a_reason_that_comes_often_is_sampled_and_the_rest_is_counted() {
    let eve = temporary("often.json");
    let plan = LogPlan { eve: Some(eve.clone()), ..LogPlan::default() };
    let frame = frame();
    let many = vec![(Anomaly::Ipv4Land, &frame[..]); 1_030];
    let line = told(&plan, &many);
    assert_eq!((line.written, line.suppressed), (26, 1_004));
    let text = std::fs::read_to_string(&eve).unwrap();
    std::fs::remove_file(&eve).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((text.lines().count(), &last["softrouter"]["suppressed"]), (26, &999.into()));
}

#[test]
fn a_full_disk_ends_the_log_and_a_wrong_path_is_explained() {
    let plan = |path: &str| LogPlan { eve: Some(path.into()), limit: LogLimit::OFF, ..LogPlan::default() };
    let frame = frame();
    let many = vec![(Anomaly::Ipv4Land, &frame[..]); 100];
    let line = told(&plan("/dev/full"), &many);
    assert!(line.ended_early && line.written == 100, "what is counted is what was to be told");
    let moments: Moments = Box::new(|_| Moment { time: Duration::ZERO, packet: None });
    let Err(error) = plan("/nonexistent/eve.json").open(Vec::new(), Vec::new(), moments) else {
        panic!("there is no such folder");
    };
    assert!(error.to_string().contains("/nonexistent/eve.json") && error.to_string().contains("remedy: "));
    assert!(LogPlan::default().open(Vec::new(), Vec::new(), Box::new(|_| unreachable!())).unwrap().is_none());
}
