//! A reply that the operator spelt as a template, to a frame that the router does not understand: the host makes all of it
//! but the message. Read first: RFC 894, RFC 792.

use crate::answer::{Template, instantiate};
use crate::classify::ethernet::word;
use crate::frame::ETHERNET_HEADER;
use crate::wire::MIN_HEADER;
use smoltcp::wire::EthernetAddress;

/// Answers a frame of a foreign EtherType from `mac`, with the same EtherType; the reply's length. `None`: its source is no
/// station, or the template does not fit it.
pub(super) fn raw(template: &Template, frame: &[u8], mac: EthernetAddress, out: &mut [u8]) -> Option<usize> {
    let (header, message) = frame.split_at_checked(ETHERNET_HEADER)?;
    let ethertype = word(frame, 12);
    // Neither a length nor a tag: there the message begins elsewhere.
    if header[6] & 1 == 1 || ethertype < 0x0600 || matches!(ethertype, 0x8100 | 0x88a8) {
        return None;
    }
    out[..6].copy_from_slice(&header[6..12]);
    out[6..12].copy_from_slice(mac.as_bytes());
    out[12..ETHERNET_HEADER].copy_from_slice(&header[12..]);
    let len = template.write(message, &mut out[ETHERNET_HEADER..])?;
    Some(ETHERNET_HEADER + len)
}

/// Answers an ICMP message with another one; the reply's length. The message's checksum is computed.
pub(super) fn icmp(template: &Template, frame: &[u8], out: &mut [u8]) -> Option<usize> {
    let (message, len) = instantiate::swap(frame, out).ok()?;
    let request = frame.get(message..len)?;
    let reply = template.write(request, &mut out[message..])?;
    let len = message + reply;
    // An ICMP message has a checksum, at least.
    if reply < 4 {
        return None;
    }
    let total = (len - ETHERNET_HEADER) as u16;
    out[ETHERNET_HEADER + 2..ETHERNET_HEADER + 4].copy_from_slice(&total.to_be_bytes());
    // The reply is the router's own: no reserved flag (RFC 791 §3.1), no ECN mark (RFC 3168 §5).
    out[ETHERNET_HEADER + 6] &= 0x7f;
    out[ETHERNET_HEADER + 1] &= 0xfc;
    instantiate::finish(out, ETHERNET_HEADER + MIN_HEADER, len);
    Some(len)
}
