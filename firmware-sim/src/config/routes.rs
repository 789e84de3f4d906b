//! `[[route]]`: where what is not connected goes, for either family.

use super::FileError;
use super::file::RouteEntry;
use super::locator::Locator;
use super::ports::Cidr;
use smoltcp::wire::{Ipv4Address, Ipv6Address};
use stack::{Config, PortConfig, PortId, Route, Target};
use toml::Spanned;

/// The routes of each family.
pub(super) type Routes = (Vec<Route<Ipv4Address>>, Vec<Route<Ipv6Address>>);

/// Every route of the file.
pub(super) fn routes(
    at: &Locator<'_>,
    entries: &[RouteEntry],
    port_names: &[String],
    router: &Config,
) -> Result<Routes, FileError> {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for (index, entry) in entries.iter().enumerate() {
        match at.cidr(&entry.prefix, &format!("route[{index}].prefix"))? {
            Cidr::V4(prefix) => {
                let (target, port) = target(at, entry, index, port_names, router, is_neighbor)?;
                v4.push(Route { prefix, target, port });
            }
            Cidr::V6(prefix) => {
                let (target, port) = target(at, entry, index, port_names, router, is_neighbor_v6)?;
                v6.push(Route { prefix, target, port });
            }
        }
    }
    Ok((v4, v6))
}

fn target<A: std::str::FromStr>(
    at: &Locator<'_>,
    entry: &RouteEntry,
    index: usize,
    port_names: &[String],
    router: &Config,
    is_neighbor: impl Fn(&PortConfig, &A) -> bool,
) -> Result<(Target<A>, PortId), FileError> {
    let field = |name: &str| format!("route[{index}].{name}");
    if let Some(kind) = &entry.kind {
        let target = match kind.get_ref().as_str() {
            "unreachable" => Target::Unreachable,
            "prohibit" => Target::Prohibited,
            "blackhole" => Target::Blackhole,
            other => {
                return Err(at.error(
                    kind.span(),
                    field("type"),
                    format!("`{other}` is no type of route"),
                    "write unreachable, prohibit or blackhole, or leave it out and name a port",
                ));
            }
        };
        for (name, value) in [("port", &entry.port), ("next_hop", &entry.next_hop)] {
            if let Some(value) = value {
                return Err(at.error(
                    value.span(),
                    field(name),
                    format!("a route of type {} leads nowhere", kind.get_ref()),
                    "leave out port and next_hop, or type",
                ));
            }
        }
        return Ok((target, PortId(0)));
    }
    let names = format!("name one of: {}", port_names.join(", "));
    let Some(name) = &entry.port else {
        return Err(at.error(entry.prefix.span(), field("port"), "the route has no port", &names));
    };
    let Some(port) = port_names.iter().position(|known| known == name.get_ref()) else {
        let problem = format!("no port is called `{}`", name.get_ref());
        return Err(at.error(name.span(), field("port"), problem, &names));
    };
    let next_hop = |text: &Spanned<String>| {
        let parsed = text.get_ref().parse().ok();
        parsed.filter(|hop| is_neighbor(&router.ports[port], hop)).map(Target::Via).ok_or_else(|| {
            at.error(
                text.span(),
                field("next_hop"),
                format!("`{}` is not a neighbour on a network of port {}", text.get_ref(), port_names[port]),
                "name a router on that port's own network, of the prefix's family, or leave next_hop out",
            )
        })
    };
    let target = entry.next_hop.as_ref().map_or(Ok(Target::OnLink), next_hop)?;
    Ok((target, PortId(port as u8)))
}

/// A host on a connected network, and not the router itself.
fn is_neighbor(port: &PortConfig, hop: &Ipv4Address) -> bool {
    port.addresses.iter().any(|cidr| {
        let everybody = [cidr.broadcast(), cidr.broadcast().map(|_| cidr.network().address())];
        cidr.contains_addr(hop) && cidr.address() != *hop && !everybody.contains(&Some(*hop))
    })
}

/// The same; a link-local address is on the link of every port that has IPv6.
fn is_neighbor_v6(port: &PortConfig, hop: &Ipv6Address) -> bool {
    let is_on_link = |hop| port.ipv6.iter().any(|cidr| cidr.contains_addr(hop));
    let own = port.ipv6.iter().any(|cidr| cidr.address() == *hop) || port.link_local() == Some(*hop);
    let link_local = hop.is_unicast_link_local() && !port.ipv6.is_empty();
    (link_local || is_on_link(hop)) && !own && !hop.is_multicast() && !hop.is_unspecified()
}
