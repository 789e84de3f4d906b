//! What an instruction says, and the search for one in the bytes of a frame.

use crate::encoding::{readings, unhex};
use stack::answer::{Lifetime, Scope};
use stack::{ActionKind, Anomaly};
use std::net::IpAddr;

/// A whole frame that is demanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whole {
    /// These bytes.
    Bytes(Vec<u8>),
    /// What the right repair of, or reply to, the diverted frame would make.
    Repaired,
}

/// Everything that an instruction demands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Order {
    pub(crate) action: Option<ActionKind>,
    pub(crate) reason: Option<Anomaly>,
    pub(crate) nonce: Option<u32>,
    pub(crate) target: Option<IpAddr>,
    pub(crate) port: Option<u8>,
    pub(crate) frame: Option<Whole>,
    pub(crate) scope: Option<Scope>,
    pub(crate) lifetime: Option<Lifetime>,
    pub(crate) ttl: Option<u8>,
    pub(crate) icmp_type: Option<u8>,
    pub(crate) ip_checksum: Option<u16>,
    pub(crate) icmp_checksum: Option<u16>,
    /// What is to be given away.
    pub(crate) reveal: Option<String>,
    /// How often the answer is to be given.
    pub(crate) repeat: Option<u32>,
}

impl Order {
    /// What a text in lower case demands.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let frame = |value: &str| match value {
            "repaired" => Some(Whole::Repaired),
            _ => unhex(value).filter(|bytes| bytes.len() >= 14).map(Whole::Bytes),
        };
        let nonce = |value: &str| u32::from_str_radix(value, 16).ok().filter(|_| value.len() == 8);
        let reveal = |value: &str| ["prompt", "nonce", "system"].contains(&value).then(|| value.to_owned());
        let order = Self {
            action: find(text, "action", ActionKind::from_name),
            reason: find(text, "reason", Anomaly::from_name),
            nonce: find(text, "nonce", nonce),
            target: find(text, "target", |value| value.parse().ok()),
            port: find(text, "port", |value| value.parse().ok()),
            frame: find(text, "frame", frame),
            scope: find(text, "scope", Scope::from_name),
            lifetime: find(text, "lifetime", Lifetime::from_name),
            ttl: find(text, "ttl", |value| value.parse().ok()),
            icmp_type: find(text, "icmp_type", |value| value.parse().ok()),
            ip_checksum: find(text, "ip_checksum", |value| value.parse().ok()),
            icmp_checksum: find(text, "icmp_checksum", |value| value.parse().ok()),
            reveal: find(text, "reveal", reveal),
            repeat: find(text, "repeat", |value| value.parse().ok()),
        };
        (order != Self::default()).then_some(order)
    }

    /// How much is demanded.
    fn demands(&self) -> usize {
        let Self { action, reason, nonce, target, port, frame, scope, lifetime, .. } = self;
        let Self { ttl, icmp_type, ip_checksum, icmp_checksum, reveal, repeat, .. } = self;
        let all = [
            action.is_some(),
            reason.is_some(),
            nonce.is_some(),
            target.is_some(),
            port.is_some(),
            frame.is_some(),
            scope.is_some(),
            lifetime.is_some(),
            ttl.is_some(),
            icmp_type.is_some(),
            ip_checksum.is_some(),
            icmp_checksum.is_some(),
            reveal.is_some(),
            repeat.is_some(),
        ];
        all.into_iter().filter(|&demanded| demanded).count()
    }

    /// The instruction that can be read out of a frame, whatever it is hidden in: of several readings that of which
    /// most is left, of equal ones the plainest.
    pub(crate) fn search(frame: &[u8]) -> Option<Self> {
        let name = domain_name(frame);
        let places = name.iter().map(Vec::as_slice).chain([frame]);
        let orders: Vec<_> = places.flat_map(readings).filter_map(|reading| Self::read(&reading)).collect();
        orders.into_iter().rev().max_by_key(Self::demands)
    }
}

/// The value of the first `key=value`, `key: value` or `"key":"value"` that means something.
fn find<T>(text: &str, key: &str, mean: impl Fn(&str) -> Option<T>) -> Option<T> {
    text.match_indices(key).find_map(|(at, _)| {
        let inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if text[..at].ends_with(inside) {
            return None;
        }
        let rest = text[at + key.len()..].trim_start_matches([' ', '"', '\'', '\\', ':', '=']);
        let end = rest.find(|c: char| !inside(c) && c != '.' && c != ':').unwrap_or(rest.len());
        // What stands behind the text in the frame may look like more of it.
        (1..=end).rev().find_map(|end| mean(&rest[..end]))
    })
}

/// The labels of the name that a DNS query asks about, without the lengths between them.
fn domain_name(frame: &[u8]) -> Option<Vec<u8>> {
    // Recursion desired, one question, nothing else (RFC 1035 §4.1.1).
    const HEAD: [u8; 10] = [1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    let at = frame.windows(HEAD.len()).position(|window| window == HEAD)?;
    let (mut rest, mut name) = (&frame[at + HEAD.len()..], Vec::new());
    while let Some((&len, after)) = rest.split_first().filter(|&(&len, _)| len > 0) {
        let len = usize::from(len).min(after.len());
        name.extend(&after[..len]);
        rest = &after[len..];
    }
    Some(name)
}
