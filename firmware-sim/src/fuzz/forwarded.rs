//! The law of frames that go on: one hop less, its checksum, MAC addresses, no padding; nothing else may change.
//!
//! Read first: RFC 1812 §5.3.1; RFC 8200 §3. It shares no code with the router, and allocates nothing.

use pktgen::build::adds_up;
use pktgen::world::{IPV6_PREFIX, World};
use smoltcp::wire::{Ipv4Cidr, Ipv6Cidr};
use stack::PortId;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Routes beside the connected networks, as the bench has installed them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Routes {
    pub(super) v4: Vec<(Ipv4Cidr, Ipv4Addr, PortId)>,
    pub(super) v6: Vec<(Ipv6Cidr, Ipv6Addr, PortId)>,
}

impl Routes {
    /// The next hop from `port` to `to`, if it leaves by `port`. Connected networks are longer than any other route here.
    pub(super) fn hop(&self, world: &World, port: PortId, to: IpAddr) -> Option<IpAddr> {
        let egress = &world.ports[port.index()];
        match to {
            IpAddr::V4(to) => {
                if egress.contains(to) {
                    return Some(to.into());
                }
                if world.ports.iter().any(|other| other.contains(to)) {
                    return None;
                }
                let best = self.v4.iter().filter(|(prefix, ..)| prefix.contains_addr(&to));
                let best = best.max_by_key(|(prefix, ..)| prefix.prefix_len());
                best.filter(|(.., by)| *by == port).map(|&(_, via, _)| via.into())
            }
            IpAddr::V6(to) => {
                let local = to.to_bits() >> (128 - IPV6_PREFIX) == 0xfe80 << 48;
                if egress.contains_ipv6(to) || local {
                    return Some(to.into());
                }
                if world.ports.iter().any(|other| other.contains_ipv6(to)) {
                    return None;
                }
                let best = self.v6.iter().filter(|(prefix, ..)| prefix.contains_addr(&to));
                let best = best.max_by_key(|(prefix, ..)| prefix.prefix_len());
                best.filter(|(.., by)| *by == port).map(|&(_, via, _)| via.into())
            }
        }
    }
}

/// What is around the router, as far as forwarding goes.
pub(super) struct Around<'a> {
    pub(super) world: &'a World,
    pub(super) routes: &'a Routes,
    /// The neighbours that the router knows now.
    pub(super) neighbors: &'a [pktgen::oracle::Neighbor],
}

fn word(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]))
}

/// Is `sent`, which left by `port`, the frame that was received, forwarded?
///
/// # Errors
/// What is wrong with it.
#[inline]
pub(super) fn right(
    around: &Around<'_>,
    received: &[u8],
    port: PortId,
    sent: &[u8],
) -> Result<(), &'static str> {
    let egress = around.world.ports.get(port.index()).ok_or("there is no such port")?;
    if sent.len() < 34 || sent.len() > received.len() {
        return Err("longer than it was, or cut off");
    }
    if sent.len() > 14 + egress.mtu {
        return Err("larger than the MTU");
    }
    if sent[6..12] != egress.mac {
        return Err("not from the egress port's MAC address");
    }
    let to = match (received[12], received[13]) {
        (0x08, 0x00) => ipv4(received, sent)?,
        (0x86, 0xdd) => ipv6(received, sent)?,
        _ => return Err("not IP"),
    };
    let hop = around.routes.hop(around.world, port, to).ok_or("no route leads there by this port")?;
    let known =
        around.neighbors.iter().any(|(at, address, mac)| *at == port && *address == hop && sent[..6] == *mac);
    if known { Ok(()) } else { Err("not to the next hop's MAC address") }
}

fn ipv4(received: &[u8], sent: &[u8]) -> Result<IpAddr, &'static str> {
    let header = usize::from(received[14] & 15) * 4;
    if sent.len() != 14 + word(received, 16) || header < 20 || sent.len() < 14 + header {
        return Err("its length is not the packet's");
    }
    if received[22] < 2 || sent[22] != received[22] - 1 {
        return Err("the TTL is not one less");
    }
    if !adds_up(&sent[14..14 + header]) {
        return Err("the header checksum is wrong");
    }
    let same = sent[12..22] == received[12..22]
        && sent[23] == received[23]
        && sent[26..] == received[26..sent.len()];
    let to = IpAddr::V4(Ipv4Addr::new(sent[30], sent[31], sent[32], sent[33]));
    if same { Ok(to) } else { Err("something else was changed") }
}

fn ipv6(received: &[u8], sent: &[u8]) -> Result<IpAddr, &'static str> {
    if sent.len() < 54 || sent.len() != 54 + word(received, 18) {
        return Err("its length is not the packet's");
    }
    if received[21] < 2 || sent[21] != received[21] - 1 {
        return Err("the hop limit is not one less");
    }
    let same = sent[12..21] == received[12..21] && sent[22..] == received[22..sent.len()];
    let mut to = [0; 16];
    to.copy_from_slice(&sent[38..54]);
    if same { Ok(Ipv6Addr::from(to).into()) } else { Err("something else was changed") }
}

/// Is `sent` a piece of the received IPv4 packet, forwarded in fragments? RFC 791 §3.2.
pub(super) fn is_piece(received: &[u8], sent: &[u8]) -> bool {
    let is_ipv4 = |frame: &[u8]| frame.len() >= 34 && frame[12..14] == [8, 0];
    if !is_ipv4(received) || !is_ipv4(sent) {
        return false;
    }
    let (head, sent_head) = (usize::from(received[14] & 15) * 4, usize::from(sent[14] & 15) * 4);
    let same =
        sent[18..20] == received[18..20] && sent[23] == received[23] && sent[26..34] == received[26..34];
    let (offset, from) = (word(sent, 20) & 0x1fff, word(received, 20) & 0x1fff);
    let Some(at) = offset.checked_sub(from) else { return false };
    let (at, len) = (14 + head + at * 8, word(sent, 16).saturating_sub(sent_head));
    same && received[22] > 1
        && sent[22] == received[22] - 1
        && received.get(at..at + len).is_some_and(|piece| sent.get(14 + sent_head..) == Some(piece))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pktgen::oracle::{Judgement, forward, judge};
    use pktgen::{Generator, World};

    #[test]
    fn a_forwarded_frame_is_right_and_wrong_once_any_bit_is_turned() {
        let world = World::lab();
        let generator = Generator::new(world.clone(), 4);
        let host = world.ports[1].hosts[0];
        let neighbors = [(PortId(1), host.address.into(), host.mac), (PortId(1), host.ipv6.into(), host.mac)];
        let routes = Routes::default();
        let around = Around { world: &world, routes: &routes, neighbors: &neighbors };
        let mut checked = [0, 0];
        for index in 0..400 {
            let made = generator.healthy(index);
            let Some(sent) = forward(&made.bytes, world.ports[1].mac, host.mac) else { continue };
            let healthy = judge(&world, made.port, &made.bytes) == Judgement::Healthy;
            if made.port != 0 || !healthy || right(&around, &made.bytes, PortId(1), &sent).is_err() {
                continue;
            }
            checked[usize::from(sent[12] == 0x86)] += 1;
            for bit in 0..sent.len().min(120) * 8 {
                let mut wrong = sent.clone();
                wrong[bit / 8] ^= 0x80 >> (bit % 8);
                assert!(right(&around, &made.bytes, PortId(1), &wrong).is_err(), "bit {bit} of {sent:02x?}");
            }
            assert!(right(&around, &made.bytes, PortId(0), &sent).is_err());
            assert!(right(&around, &made.bytes, PortId(1), &sent[..sent.len() - 1]).is_err());
        }
        assert!(checked.iter().all(|&count| count > 10), "{checked:?}");
    }
}
