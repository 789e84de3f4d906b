//! The upper layer of any IPv6 packet: what must be known before an error about it is sent.
//! Read first: RFC 8200 §4, RFC 4443 §2.4(e).

use super::ethernet::word;
use super::extension::next_header::{AUTHENTICATION, DESTINATION_OPTIONS, FRAGMENT, HOP_BY_HOP, ROUTING};
use super::extension::{MAX_HEADERS, end_of};
use crate::wire::IPV6_HEADER;

/// The upper layer of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Upper {
    /// Protocol number; of a fragment that is not the first, of what the fragmentable part starts with.
    pub protocol: u8,
    /// Where it starts; not beyond the end of the packet.
    pub offset: usize,
    /// The upper layer's header starts there: the packet is whole, or a first fragment.
    pub first: bool,
}

/// The packet without what the frame has after its end.
pub(super) fn clip(packet: &[u8]) -> Option<&[u8]> {
    let total = IPV6_HEADER + usize::from(word(packet, 4));
    (packet.len() >= IPV6_HEADER).then(|| &packet[..total.min(packet.len())])
}

/// Finds the upper layer of any packet. `None`: the chain of headers is cut off, or longer than the router
/// follows.
pub(crate) fn upper_layer(packet: &[u8]) -> Option<Upper> {
    let packet = clip(packet)?;
    let (mut protocol, mut offset) = (packet[6], IPV6_HEADER);
    for _ in 0..=MAX_HEADERS {
        let end = match protocol {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS => end_of(packet, offset)?,
            FRAGMENT => Some(offset + 8).filter(|&end| end <= packet.len())?,
            // RFC 4302 §2.2: in units of 4 bytes, less 2.
            AUTHENTICATION => Some(offset + 8 + usize::from(*packet.get(offset + 1)?) * 4)
                .filter(|&end| end <= packet.len())?,
            _ => return Some(Upper { protocol, offset, first: true }),
        };
        let inner = packet[offset];
        if protocol == FRAGMENT && word(packet, offset + 2) & !7 != 0 {
            return Some(Upper { protocol: inner, offset: end, first: false });
        }
        (protocol, offset) = (inner, end);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use std::vec::Vec;

    #[test]
    fn the_upper_layer_of_any_packet() {
        let upper = |protocol, offset, first| Some(Upper { protocol, offset, first });
        let authentication = |rest: &[u8]| [&[58, 4], &[0; 22][..], rest].concat();
        for (next, payload, expected) in [
            (58, echo(), upper(58, 40, true)),
            (254, Vec::new(), upper(254, 40, true)),
            (60, destinations(3), upper(58, 64, true)),
            (60, destinations(8), upper(58, 104, true)),
            (60, destinations(9), None),
            (43, extension(58, &[0, 9], &echo()), upper(58, 48, true)),
            (44, fragment(60, 0, true, &destinations(1)), upper(58, 56, true)),
            (44, fragment(60, 8, true, &destinations(1)), upper(60, 48, false)),
            (51, authentication(&echo()), upper(58, 64, true)),
            (51, authentication(&[])[..23].to_vec(), None),
            (60, Vec::from([58]), None),
            (44, Vec::from([58; 7]), None),
        ] {
            let mut packet = packet(PEER, US, next, &payload);
            assert_eq!(upper_layer(&packet), expected, "{packet:02x?}");
            packet.extend([0; 32]);
            assert_eq!(upper_layer(&packet), expected, "the frame has padding: {packet:02x?}");
        }
        assert_eq!(upper_layer(&[0x60; 39]), None);
    }
}
