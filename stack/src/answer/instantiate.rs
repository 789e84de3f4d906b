//! Makes the frame that an action stands for, from the diverted frame's own bytes.
//!
//! Every byte written here is an RFC constant, a copy, or computed. The one exception is
//! [`echo_reply`], which takes four fields from the model so that they can be judged.
//! Each function writes an Ethernet frame whose MAC addresses are still to be filled in.

use super::{EchoDelta, Rejection};
use crate::classify::ethernet::{SNAP, word};
use crate::classify::{icmp, ipv4::protocol};
use crate::divert::{network, says_ipv6};
use crate::frame::{ETHERNET_HEADER, TAG};
use crate::wire::{IPV6_HEADER, MIN_HEADER, checksum, options};

/// The time to live of what the router sends (RFC 1700's default, and the local host's).
pub(super) const TTL: u8 = 64;

/// Copies the IP packet out of a priority tag or an LLC/SNAP envelope into a plain Ethernet frame,
/// without padding; the frame's length.
pub(super) fn unwrap(frame: &[u8], out: &mut [u8]) -> Result<usize, Rejection> {
    let packet = network(frame).ok_or(Rejection::DoesNotFit)?;
    let (len, ethertype) = if says_ipv6(frame) {
        (IPV6_HEADER + usize::from(word(packet, 4)), [0x86, 0xdd])
    } else {
        (usize::from(word(packet, 2)), [0x08, 0x00])
    };
    let packet = packet.get(..len).ok_or(Rejection::NotHealthy)?;
    let out = out.get_mut(..ETHERNET_HEADER + len).ok_or(Rejection::DoesNotFit)?;
    out[..12].copy_from_slice(&frame[..12]);
    out[12..ETHERNET_HEADER].copy_from_slice(&ethertype);
    out[ETHERNET_HEADER..].copy_from_slice(packet);
    Ok(out.len())
}

/// Is there a tag to strip?
pub(super) fn has_tag(frame: &[u8]) -> bool {
    matches!(word(frame, 12), 0x8100 | 0x88a8)
        && word(frame, ETHERNET_HEADER) & 0x0fff == 0
        && frame.len() > ETHERNET_HEADER + TAG
}

/// Is there an LLC/SNAP envelope to take off?
pub(super) fn has_envelope(frame: &[u8]) -> bool {
    word(frame, 12) <= 1500 && frame.len() > ETHERNET_HEADER + SNAP
}

/// Copies the frame with the IPv4 options of [`options::KNOB`] overwritten by No-Operation; its length.
pub(super) fn clear_options(frame: &[u8], out: &mut [u8]) -> Result<usize, Rejection> {
    let len = unwrap(frame, out)?;
    let packet = &mut out[ETHERNET_HEADER..len];
    let header_len = usize::from(packet.first().ok_or(Rejection::DoesNotFit)? & 0x0f) * 4;
    if says_ipv6(frame) || header_len <= MIN_HEADER || header_len > packet.len() {
        return Err(Rejection::DoesNotFit);
    }
    options::clear(&mut packet[MIN_HEADER..header_len]);
    packet[10..12].fill(0);
    let header_checksum = checksum::compute(&packet[..header_len]);
    packet[10..12].copy_from_slice(&header_checksum.to_be_bytes());
    Ok(len)
}

/// An echo request whose reply may not copy the reserved flag or an ECN mark is not for a model, which
/// computes the reply's checksum from the request's.
fn is_plain(frame: &[u8]) -> bool {
    frame.get(ETHERNET_HEADER + 6).is_some_and(|flags| flags & 0x80 == 0)
        && frame.get(ETHERNET_HEADER + 1).is_some_and(|tos| tos & 0x03 == 0)
}

/// Copies an ICMP request with its addresses swapped; the offset of the ICMP message and the length.
/// Options are not copied: they would have to be reversed (RFC 1812 §4.3.3.6), so there must be none.
fn swapped(frame: &[u8], request: u8, out: &mut [u8]) -> Result<(usize, usize), Rejection> {
    let (message, len) = swap(frame, out)?;
    if out[message] != request || out[message + 1] != 0 {
        return Err(Rejection::DoesNotFit);
    }
    Ok((message, len))
}

/// The same, for an ICMP message of any type.
pub(crate) fn swap(frame: &[u8], out: &mut [u8]) -> Result<(usize, usize), Rejection> {
    let len = unwrap(frame, out)?;
    let packet = &mut out[ETHERNET_HEADER..len];
    let whole = word(packet, 6) & 0x3fff == 0;
    if packet.len() < MIN_HEADER + icmp::HEADER || packet[0] != 0x45 || packet[9] != protocol::ICMP || !whole
    {
        return Err(Rejection::DoesNotFit);
    }
    let (source, destination) = packet[12..MIN_HEADER].split_at_mut(4);
    source.swap_with_slice(destination);
    Ok((ETHERNET_HEADER + MIN_HEADER, len))
}

/// The echo reply with the model's header bytes (RFC 792); everything else is a copy.
///
/// # Errors
/// The first of the model's fields that is wrong.
pub(super) fn echo_reply(frame: &[u8], delta: EchoDelta, out: &mut [u8]) -> Result<usize, Rejection> {
    if !is_plain(frame) {
        return Err(Rejection::DoesNotFit);
    }
    let (message, len) = swapped(frame, icmp::kind::ECHO_REQUEST, out)?;
    let ip = ETHERNET_HEADER;
    out[ip + 8] = delta.ttl;
    out[ip + 10..ip + 12].copy_from_slice(&delta.ip_checksum.to_be_bytes());
    out[message] = delta.icmp_type;
    out[message + 2..message + 4].copy_from_slice(&delta.icmp_checksum.to_be_bytes());
    if delta.ttl != TTL {
        return Err(Rejection::WrongTtl);
    }
    if delta.icmp_type != icmp::kind::ECHO_REPLY {
        return Err(Rejection::WrongIcmpType);
    }
    if !checksum::verify(&out[ip..message]) {
        return Err(Rejection::WrongIpChecksum);
    }
    if !checksum::verify(&out[message..len]) {
        return Err(Rejection::WrongIcmpChecksum);
    }
    Ok(len)
}

/// The echo reply that the router itself would send; its length.
pub(super) fn right_echo_reply(frame: &[u8], out: &mut [u8]) -> Result<usize, Rejection> {
    let (message, len) = swapped(frame, icmp::kind::ECHO_REQUEST, out)?;
    out[message] = icmp::kind::ECHO_REPLY;
    finish(out, message, len);
    Ok(len)
}

/// The timestamp reply at `time`, in milliseconds since midnight UTC or, with the high bit set, since
/// any other moment (RFC 792); its length.
pub(super) fn timestamp_reply(frame: &[u8], time: u32, out: &mut [u8]) -> Result<usize, Rejection> {
    let (message, len) = swapped(frame, icmp::kind::TIMESTAMP_REQUEST, out)?;
    if len - message != 20 {
        return Err(Rejection::DoesNotFit);
    }
    // The reply is the router's own: no reserved flag (RFC 791 §3.1), no ECN mark (RFC 3168 §5).
    out[ETHERNET_HEADER + 6] &= 0x7f;
    out[ETHERNET_HEADER + 1] &= 0xfc;
    out[message] = icmp::kind::TIMESTAMP_REPLY;
    // Identifier, sequence number and originate timestamp are copies; receive = transmit = now.
    out[message + 12..message + 16].copy_from_slice(&time.to_be_bytes());
    out[message + 16..message + 20].copy_from_slice(&time.to_be_bytes());
    finish(out, message, len);
    Ok(len)
}

/// Sets the time to live and both checksums.
pub(crate) fn finish(out: &mut [u8], message: usize, len: usize) {
    let ip = ETHERNET_HEADER;
    out[ip + 8] = TTL;
    out[ip + 10..ip + 12].fill(0);
    let header_checksum = checksum::compute(&out[ip..message]);
    out[ip + 10..ip + 12].copy_from_slice(&header_checksum.to_be_bytes());
    out[message + 2..message + 4].fill(0);
    let message_checksum = checksum::compute(&out[message..len]);
    out[message + 2..message + 4].copy_from_slice(&message_checksum.to_be_bytes());
}

/// The octet of the IPv4 header that a Parameter Problem about this frame points at.
pub(super) fn pointer(frame: &[u8], length_field: bool) -> Option<u8> {
    if length_field {
        return Some(2);
    }
    let packet = frame.get(ETHERNET_HEADER..)?;
    let header_len = usize::from(packet.first()? & 0x0f) * 4;
    options::survey(packet.get(MIN_HEADER..header_len)?).err()
}
