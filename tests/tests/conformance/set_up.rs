//! The laboratory as a case wants it: ports, VLANs, routes, and the hosts that the router knows.

use crate::case::{NeighborLine, RouteLine, Setup};
use pktgen::World;
use pktgen::build::{self, Arp, BROADCAST, ethernet, ethertype};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, Icmpv6Packet, Icmpv6Repr, IpAddress, IpCidr, IpProtocol, Ipv4Address, Ipv6Address,
    Ipv6Cidr, Ipv6Packet, Ipv6Repr, NdiscNeighborFlags, NdiscRepr,
};
use stack::{Anomaly, Config, Mode, PortConfig, PortId, ReversePath, Route, Target, Verdict, Vlan};
use std::str::FromStr;
use tests::Sim;
use tests::storage::SIZES;

/// A link with a smaller MTU carries no IPv6 (RFC 8200 §5).
const IPV6_MIN_MTU: usize = 1280;

/// The router that a case is played against; all that it sent or counted so far is not the case's.
pub(crate) fn set_up(setup: &Setup) -> Result<Sim, String> {
    let mut world = World::lab();
    for (port, mtu) in world.ports.iter_mut().zip(setup.mtu.unwrap_or([1500; 2])) {
        port.mtu = mtu;
    }
    let mut problem = Ok(());
    let mut sim = Sim::new(world, |config| problem = configure(config, setup), SIZES);
    problem?;
    for route in &setup.routes {
        add_route(&mut sim, route)?;
    }
    for line in hosts(&sim, setup) {
        greet(&mut sim, setup, &line)?;
    }
    sim.transmitted();
    Ok(sim)
}

fn configure(config: &mut Config, setup: &Setup) -> Result<(), String> {
    for port in &mut config.ports {
        if port.mtu < IPV6_MIN_MTU {
            port.ipv6.clear();
        }
    }
    for vlan in &setup.vlans {
        let trunk = PortId(vlan.port);
        let mut port = PortConfig::new(config.ports[trunk.index()].mac, 1500);
        port.vlan = Some(Vlan { trunk, id: vlan.id });
        match parse(&vlan.address)? {
            IpCidr::Ipv4(address) => port.addresses.push(address).map_err(|_| "too many addresses")?,
            IpCidr::Ipv6(address) => port.ipv6.push(address).map_err(|_| "too many addresses")?,
        }
        config.ports.push(port).map_err(|_| "too many ports")?;
    }
    for (port, check) in &setup.reverse_path {
        let port = config.ports.get_mut(parse::<usize>(port)?).ok_or("no such port")?;
        port.reverse_path = match check.as_str() {
            "strict" => ReversePath::Strict,
            "loose" => ReversePath::Loose,
            other => return Err(format!("`{other}`: write strict or loose")),
        };
    }
    for (reason, mode) in &setup.modes {
        let reason = Anomaly::from_name(reason).ok_or("no such anomaly")?;
        let known = [Mode::Off, Mode::Observe, Mode::Enforce].into_iter().find(|m| m.name() == mode);
        config.set_mode(reason, known.ok_or("no such mode")?).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn add_route(sim: &mut Sim, line: &RouteLine) -> Result<(), String> {
    let port = PortId(line.port.unwrap_or(0));
    let added = match parse(&line.prefix)? {
        IpCidr::Ipv4(prefix) => {
            let via = line.via.as_deref().map(parse::<Ipv4Address>).transpose()?;
            sim.router.add_route(Route { prefix, target: target(via, line.kind.as_deref())?, port })
        }
        IpCidr::Ipv6(prefix) => {
            let via = line.via.as_deref().map(parse::<Ipv6Address>).transpose()?;
            sim.router.add_route(Route { prefix, target: target(via, line.kind.as_deref())?, port })
        }
    };
    added.map_err(|error| error.to_string())
}

fn target<A>(via: Option<A>, kind: Option<&str>) -> Result<Target<A>, String> {
    match (via, kind) {
        (Some(hop), None) => Ok(Target::Via(hop)),
        (None, None) => Ok(Target::OnLink),
        (None, Some("unreachable")) => Ok(Target::Unreachable),
        (None, Some("prohibit")) => Ok(Target::Prohibited),
        (None, Some("blackhole")) => Ok(Target::Blackhole),
        (_, Some(other)) => Err(format!("`{other}` is no type of route, or leads nowhere")),
    }
}

/// Every host that the router is to know.
fn hosts(sim: &Sim, setup: &Setup) -> Vec<NeighborLine> {
    let mut lines = Vec::new();
    for (port, at) in sim.world().ports.iter().enumerate() {
        let port = port as u8;
        for host in at.hosts.iter().filter(|_| !setup.cold.contains(&port)) {
            let line = |address: String| NeighborLine {
                port,
                vlan: None,
                address,
                mac: EthernetAddress(host.mac).to_string().replace('-', ":"),
            };
            lines.push(line(host.address.to_string()));
            if at.mtu >= IPV6_MIN_MTU {
                lines.push(line(host.ipv6.to_string()));
            }
        }
    }
    lines.extend(setup.neighbors.iter().cloned());
    lines
}

/// A host introduces itself: with an ARP request; or with a Neighbor Solicitation and, so that the router has no
/// reason to ask back, a solicited Neighbor Advertisement.
fn greet(sim: &mut Sim, setup: &Setup, line: &NeighborLine) -> Result<(), String> {
    let mac = parse::<EthernetAddress>(&line.mac)?;
    let is_here = |port: &&PortConfig| match (line.vlan, port.vlan) {
        (Some(id), Some(vlan)) => vlan == Vlan { trunk: PortId(line.port), id },
        _ => false,
    };
    let config = sim.router.config();
    let port = match line.vlan {
        None => config.ports.get(usize::from(line.port)),
        Some(_) => config.ports.iter().find(is_here),
    };
    let port = port.ok_or_else(|| format!("no port for {}: {:?}", line.address, setup.vlans))?;
    let frames = match parse(&line.address)? {
        IpAddress::Ipv4(address) => {
            let router = port.addresses.first().ok_or("the port has no address")?.address();
            let request = Arp::request(mac.0, address, router).packet();
            vec![ethernet(BROADCAST, mac.0, ethertype::ARP, &request)]
        }
        IpAddress::Ipv6(address) => {
            let router = match address.is_unicast_link_local() {
                true => port.link_local(),
                false => port.ipv6.first().map(Ipv6Cidr::address),
            };
            let router = router.ok_or("the port has no IPv6 address")?;
            let lladdr = Some(mac.into());
            let flags = NdiscNeighborFlags::SOLICITED | NdiscNeighborFlags::OVERRIDE;
            let messages = [
                NdiscRepr::NeighborSolicit { target_addr: router, lladdr },
                NdiscRepr::NeighborAdvert { flags, target_addr: address, lladdr },
            ];
            let packet = |message| discovery(message, address, router);
            messages.map(|message| ethernet(port.mac.0, mac.0, 0x86dd, &packet(message))).to_vec()
        }
    };
    for mut frame in frames {
        if let Some(id) = line.vlan {
            frame = build::tag(&frame, ethertype::VLAN, id);
        }
        match sim.send(line.port, &frame) {
            Verdict::Consume => {}
            other => return Err(format!("{} is not greeted: {other:?}", line.address)),
        }
    }
    Ok(())
}

/// A Neighbour Discovery message from one host to another.
fn discovery(message: NdiscRepr<'_>, from: Ipv6Address, to: Ipv6Address) -> Vec<u8> {
    let message = Icmpv6Repr::Ndisc(message);
    let header = Ipv6Repr {
        src_addr: from,
        dst_addr: to,
        next_header: IpProtocol::Icmpv6,
        payload_len: message.buffer_len(),
        hop_limit: 255,
    };
    let mut packet = vec![0; header.buffer_len() + message.buffer_len()];
    let mut view = Ipv6Packet::new_unchecked(&mut packet);
    header.emit(&mut view);
    message.emit(
        &from,
        &to,
        &mut Icmpv6Packet::new_unchecked(view.payload_mut()),
        &ChecksumCapabilities::default(),
    );
    packet
}

/// Reads anything that reads itself.
fn parse<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` cannot be read"))
}
