//! ICMP addressed to the router. Read first: RFC 792, RFC 1812 §4.3, RFC 6918.

use super::Anomaly;
use crate::wire::{MIN_HEADER, checksum};

/// ICMP types that the router names.
pub(crate) mod kind {
    pub(crate) const ECHO_REPLY: u8 = 0;
    pub(crate) const UNREACHABLE: u8 = 3;
    pub(crate) const SOURCE_QUENCH: u8 = 4;
    pub(crate) const REDIRECT: u8 = 5;
    pub(crate) const ECHO_REQUEST: u8 = 8;
    pub(crate) const TIME_EXCEEDED: u8 = 11;
    pub(crate) const PARAMETER_PROBLEM: u8 = 12;
    pub(crate) const TIMESTAMP_REQUEST: u8 = 13;
    pub(crate) const TIMESTAMP_REPLY: u8 = 14;
}

/// Bytes of an ICMP header.
pub(crate) const HEADER: usize = 8;

/// Judges an ICMP message; `group`: it was sent to a broadcast or multicast address.
pub(super) fn classify(message: &[u8], group: bool) -> Result<(), Anomaly> {
    if message.len() < HEADER {
        return Err(Anomaly::IcmpTruncated);
    }
    if !checksum::verify(message) {
        return Err(Anomaly::IcmpChecksum);
    }
    match message[0] {
        kind::ECHO_REQUEST | kind::TIMESTAMP_REQUEST if group => Err(Anomaly::IcmpRequestGroup),
        kind::TIMESTAMP_REQUEST => Err(Anomaly::IcmpTimestampRequest),
        kind::ECHO_REQUEST | kind::ECHO_REPLY | kind::TIMESTAMP_REPLY | 9 | 10 => Ok(()),
        kind::UNREACHABLE | kind::TIME_EXCEEDED | kind::PARAMETER_PROBLEM => quote(&message[HEADER..]),
        kind::SOURCE_QUENCH => Err(Anomaly::IcmpSourceQuench),
        kind::REDIRECT => Err(Anomaly::IcmpRedirect),
        6 | 15..=18 | 30..=39 => Err(Anomaly::IcmpDeprecated),
        _ => Err(Anomaly::IcmpTypeUnknown),
    }
}

/// An error quotes the IPv4 header and at least 8 bytes of what follows it (RFC 792).
fn quote(quoted: &[u8]) -> Result<(), Anomaly> {
    let header_len = match quoted.first() {
        Some(&first) if first >> 4 == 4 => usize::from(first & 0x0f) * 4,
        _ => return Err(Anomaly::IcmpErrorQuote),
    };
    if header_len < MIN_HEADER || quoted.len() < header_len + 8 {
        return Err(Anomaly::IcmpErrorQuote);
    }
    Ok(())
}

/// Is this message an error, or may it be one? An error about it is then forbidden
/// (RFC 1812 §4.3.2.7). `None`: too short to tell, so it may be.
pub(crate) fn may_be_error(icmp_type: Option<u8>) -> bool {
    !matches!(
        icmp_type,
        Some(
            kind::ECHO_REPLY
                | kind::ECHO_REQUEST
                | 9
                | 10
                | kind::TIMESTAMP_REQUEST
                | kind::TIMESTAMP_REPLY
                | 15..=18
        )
    )
}
