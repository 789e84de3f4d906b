//! Compares what was sent with what should have been, and shows the difference field by field.

use crate::case::Pattern;
use std::fmt::Write;
use tests::Sent;

/// A frame that must be sent.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) port: u8,
    pub(crate) frame: Pattern,
}

/// One line or more for each difference. The order counts among the frames of one port only.
pub(crate) fn problems(expected: &[Expected], sent: &[Sent]) -> Vec<String> {
    let ports = expected.iter().map(|e| e.port).chain(sent.iter().map(|s| s.port.0));
    let mut ports: Vec<u8> = ports.collect();
    ports.sort_unstable();
    ports.dedup();
    let mut problems = Vec::new();
    for port in ports {
        let mut wanted = expected.iter().filter(|e| e.port == port).map(|e| &e.frame);
        let mut got = sent.iter().filter(|s| s.port.0 == port).map(|s| &s.bytes);
        loop {
            match (wanted.next(), got.next()) {
                (None, None) => break,
                (Some(frame), None) => problems.push(format!("port {port}: not sent: {}", show(frame))),
                (None, Some(bytes)) => {
                    problems.push(format!("port {port}: sent, not expected: {}", show(&exact(bytes))));
                }
                (Some(frame), Some(bytes)) => problems.extend(difference(port, frame, bytes)),
            }
        }
    }
    problems
}

fn exact(bytes: &[u8]) -> Pattern {
    bytes.iter().copied().map(Some).collect()
}

fn show(frame: &Pattern) -> String {
    let byte = |byte: &Option<u8>| byte.map_or_else(|| "..".to_owned(), |byte| format!("{byte:02x}"));
    frame.iter().map(byte).collect()
}

fn difference(port: u8, wanted: &Pattern, got: &[u8]) -> Option<String> {
    let differs = |at: usize| wanted[at].is_some_and(|byte| byte != got[at]);
    let common = wanted.len().min(got.len());
    let at: Vec<usize> = (0..common).filter(|&at| differs(at)).collect();
    if at.is_empty() && wanted.len() == got.len() {
        return None;
    }
    let mut text = format!("port {port}: expected {}\n        got      {}", show(wanted), show(&exact(got)));
    if wanted.len() != got.len() {
        let _ = write!(text, "\n  length: expected {}, got {}", wanted.len(), got.len());
    }
    for &at in at.iter().take(16) {
        let (name, right) = (field(got, at), wanted[at].unwrap_or_default());
        let _ = write!(text, "\n  byte {at} ({name}): expected {right:02x}, got {:02x}", got[at]);
    }
    if at.len() > 16 {
        let _ = write!(text, "\n  and {} bytes more", at.len() - 16);
    }
    Some(text)
}

/// The field that a byte of a frame belongs to.
fn field(frame: &[u8], at: usize) -> &'static str {
    const ETHERNET: [(usize, &str); 3] =
        [(6, "Ethernet destination"), (12, "Ethernet source"), (14, "EtherType")];
    const ARP: [(usize, &str); 5] = [
        (8, "ARP header"),
        (14, "ARP sender hardware address"),
        (18, "ARP sender address"),
        (24, "ARP target hardware address"),
        (28, "ARP target address"),
    ];
    const IPV4: [(usize, &str); 10] = [
        (1, "IPv4 version and header length"),
        (2, "IPv4 type of service"),
        (4, "IPv4 total length"),
        (6, "IPv4 identification"),
        (8, "IPv4 flags and fragment offset"),
        (9, "IPv4 time to live"),
        (10, "IPv4 protocol"),
        (12, "IPv4 header checksum"),
        (16, "IPv4 source"),
        (20, "IPv4 destination"),
    ];
    const IPV6: [(usize, &str); 6] = [
        (4, "IPv6 version, class, flow label"),
        (6, "IPv6 payload length"),
        (7, "IPv6 next header"),
        (8, "IPv6 hop limit"),
        (24, "IPv6 source"),
        (40, "IPv6 destination"),
    ];
    const ICMP: [(usize, &str); 4] =
        [(1, "ICMP type"), (2, "ICMP code"), (4, "ICMP checksum"), (8, "ICMP second word")];
    let find = |fields: &[(usize, &'static str)], at: usize| {
        fields.iter().find(|(end, _)| at < *end).map_or("payload", |(_, name)| name)
    };
    if at < 14 {
        return find(&ETHERNET, at);
    }
    let at = at - 14;
    match frame[12..14] {
        [0x08, 0x06] => find(&ARP, at),
        [0x08, 0x00] if at < 20 => find(&IPV4, at),
        [0x08, 0x00] if frame[23] == 1 && frame[14] == 0x45 => find(&ICMP, at - 20),
        [0x86, 0xdd] if at < 40 => find(&IPV6, at),
        [0x86, 0xdd] if frame[20] == 58 => find(&ICMP, at - 40),
        _ => "payload",
    }
}
