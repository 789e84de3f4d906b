//! A walk over IPv4 options. Read first: RFC 791 §3.1, RFC 7126.

use smoltcp::wire::Ipv4Address;

/// Record Route (RFC 791).
pub const RECORD_ROUTE: u8 = 1;
/// Internet Timestamp (RFC 791).
pub const TIMESTAMP: u8 = 2;
/// Stream Identifier (obsolete: RFC 6814).
pub const STREAM_ID: u8 = 4;
/// Router Alert (RFC 2113).
pub const ROUTER_ALERT: u8 = 8;
/// MTU Probe, MTU Reply (RFC 1063) or Traceroute (RFC 1393): all obsolete (RFC 6814).
pub const OBSOLETE: u8 = 16;
/// Any other option.
pub const UNKNOWN: u8 = 32;
/// Loose or strict source route (RFC 791).
pub const SOURCE_ROUTE: u8 = 64;

/// The options present in `options` (the header's bytes after the first 20), as the bits above;
/// End of Options and No-Operation have none.
///
/// # Errors
/// The offset, within the IPv4 header, of the length octet that is 0, 1 or runs past the header; where
/// the header ends before that octet, of the option's kind (RFC 1122 §3.2.1.8: the pointer of a
/// Parameter Problem).
pub fn survey(options: &[u8]) -> Result<u8, u8> {
    let mut seen = 0;
    let mut rest = options;
    while let Some((&kind, after_kind)) = rest.split_first() {
        match kind {
            0 => break,
            1 => {
                rest = after_kind;
                continue;
            }
            7 => seen |= RECORD_ROUTE,
            68 => seen |= TIMESTAMP,
            136 => seen |= STREAM_ID,
            148 => seen |= ROUTER_ALERT,
            11 | 12 | 82 => seen |= OBSOLETE,
            131 | 137 => seen |= SOURCE_ROUTE,
            _ => seen |= UNKNOWN,
        }
        let kind_at = 20 + (options.len() - rest.len()) as u8;
        let Some(&length) = after_kind.first() else { return Err(kind_at) };
        let length = usize::from(length);
        if length < 2 || length > rest.len() {
            return Err(kind_at + 1);
        }
        rest = &rest[length..];
    }
    Ok(seen)
}

/// The options that RFC 7126 leaves to a knob: a router may forward as if they were not there.
pub const KNOB: u8 = RECORD_ROUTE | TIMESTAMP | STREAM_ID | OBSOLETE;

/// Overwrites the options of [`KNOB`] with No-Operation and leaves all others as they are (RFC 1812
/// §5.3.13.1). The options must be well-formed; the caller mends the header checksum.
pub fn clear(options: &mut [u8]) {
    let mut at = 0;
    while let Some(&kind) = options.get(at) {
        let length = match kind {
            0 => return,
            1 => 1,
            _ => usize::from(options.get(at + 1).copied().unwrap_or(0)).max(2),
        };
        let end = (at + length).min(options.len());
        if matches!(kind, 7 | 68 | 136 | 11 | 12 | 82) {
            options[at..end].fill(1);
        }
        at = end;
    }
}

/// Is this the address of one host, as far as the address alone tells (RFC 1122 §3.2.1.3)?
pub fn is_one_host(address: Ipv4Address) -> bool {
    let first = address.octets()[0];
    first != 0 && first != 127 && first < 224
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_each_option_once_and_skips_padding() {
        assert_eq!(survey(&[]), Ok(0));
        assert_eq!(survey(&[1, 1, 0, 7]), Ok(0), "what follows End of Options is padding");
        assert_eq!(survey(&[7, 3, 4, 1]), Ok(RECORD_ROUTE));
        assert_eq!(survey(&[68, 4, 5, 0, 148, 4, 0, 0]), Ok(TIMESTAMP | ROUTER_ALERT));
        assert_eq!(survey(&[131, 3, 4, 0]), Ok(SOURCE_ROUTE));
        assert_eq!(survey(&[222, 2, 82, 2]), Ok(UNKNOWN | OBSOLETE));
    }

    #[test]
    fn clears_what_the_knob_is_for_and_nothing_else() {
        let mut options = [7, 3, 4, 148, 4, 0, 0, 68, 4, 5, 0, 158, 3, 7, 0, 7];
        clear(&mut options);
        assert_eq!(options, [1, 1, 1, 148, 4, 0, 0, 1, 1, 1, 1, 158, 3, 7, 0, 7]);
        for malformed in [&mut [7, 0, 7][..], &mut [7, 9, 1], &mut [7]] {
            clear(malformed);
        }
    }

    #[test]
    fn points_at_the_length_octet_that_does_not_fit() {
        assert_eq!(survey(&[7, 0, 0, 0]), Err(21));
        assert_eq!(survey(&[1, 7, 1, 0]), Err(22));
        assert_eq!(survey(&[7, 5, 4, 0]), Err(21));
        assert_eq!(
            survey(&[1, 1, 1, 7]),
            Err(23),
            "the length octet is missing: the kind is the last octet there is"
        );
    }
}
