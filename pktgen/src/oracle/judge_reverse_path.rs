//! Whether a packet that is otherwise to be served comes in by a port through which its source is not reached.
//!
//! Read first: RFC 3704 §2.2 (strict reverse path forwarding). Known to be reached through a port is its connected network.

use crate::build::{icmpv6_type, protocol};
use crate::world::World;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Judges a frame that holds a sound IPv4 or IPv6 packet; any other is not astray.
pub(super) fn is_astray(world: &World, port: usize, frame: &[u8]) -> bool {
    let ingress = &world.ports[port];
    if !ingress.reverse_path {
        return false;
    }
    let packet = &frame[14..];
    match frame[12..14] {
        [0x08, 0x00] => {
            !ingress.contains(Ipv4Addr::from(*packet[12..].first_chunk::<4>().expect("a sound header")))
        }
        [0x86, 0xdd] => {
            let address =
                |at: usize| Ipv6Addr::from(*packet[at..].first_chunk::<16>().expect("a sound header"));
            let (source, to) = (address(8), address(24));
            // With hop limit 255 it has passed no router: its sender is on this very link (RFC 4861 §3.1).
            let for_us = world.is_router_ipv6(port, to) || ingress.is_joined(to);
            let neighbor = matches!(
                packet.get(40),
                Some(icmpv6_type::ROUTER_SOLICITATION..=icmpv6_type::NEIGHBOR_ADVERTISEMENT)
            ) && packet[6] == protocol::ICMPV6;
            let on_link = source.is_unspecified() || source.is_unicast_link_local();
            let reached = ingress.contains_ipv6(source) || on_link || (neighbor && for_us);
            !reached
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::oracle::{Judgement, judge};
    use crate::{Expected, Generator, World};
    use stack::Anomaly;

    #[test]
    fn a_port_that_looks_names_whoever_is_not_reached_through_it() {
        let world = World::lab().with_reverse_path();
        let generator = Generator::new(world.clone(), 71);
        let mut families = [0; 2];
        for index in 0..500 {
            let made = generator.of(Anomaly::ReversePath, index).expect("a port that looks");
            assert_eq!((made.port, made.expected), (2, Expected::Anomaly(Anomaly::ReversePath)));
            assert_eq!(judge(&world, 2, &made.bytes), Judgement::Anomaly(Anomaly::ReversePath));
            families[usize::from(made.bytes[12] == 8)] += 1;
            let mut from_here = made.bytes.clone();
            let (source, address) =
                if from_here[12] == 8 { (26, &[10, 0, 3, 9][..]) } else { (22, &[0xfd, 0, 0, 3][..]) };
            from_here[source..source + address.len()].copy_from_slice(address);
            if from_here[12] == 8 {
                crate::build::seal_ipv4(&mut from_here[14..34]);
            }
            let judgement = judge(&world, 2, &from_here);
            // To the router the checksum under the source is looked at.
            let sealed = [Anomaly::UdpChecksum, Anomaly::TcpChecksum].map(Judgement::Anomaly);
            assert!(judgement == Judgement::Healthy || sealed.contains(&judgement), "{judgement:?}");
        }
        assert!(families.iter().all(|&count| count > 100));
        assert_eq!(Generator::new(World::lab(), 71).of(Anomaly::ReversePath, 0), None);
    }

    #[test]
    #[should_panic(expected = "a port that checks reverse paths has no hosts")]
    fn hosts_behind_such_a_port_are_refused() {
        let mut world = World::lab();
        world.ports[0].reverse_path = true;
        let _ = Generator::new(world, 0);
    }
}
