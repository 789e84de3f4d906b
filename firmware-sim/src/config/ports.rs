//! `[[port]]`: devices and VLANs, with their addresses. Read first: IEEE 802.1Q §9.6, RFC 3704 §2.

use super::FileError;
use super::file::PortEntry;
use super::locator::Locator;
use smoltcp::wire::{EthernetAddress, Ipv4Cidr, Ipv6Cidr};
use stack::config::{MAX_PORT_ADDRESSES, MAX_PORTS};
use stack::frame::{IPV6_MIN_MTU, MAX_MTU, MIN_MTU};
use stack::{PortConfig, PortId, ReversePath, Vlan};
use std::str::FromStr;
use toml::Spanned;

/// An address of either family with its prefix length.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cidr {
    V4(Ipv4Cidr),
    V6(Ipv6Cidr),
}

impl Cidr {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let v4 = Ipv4Cidr::from_str(text).map(Self::V4);
        v4.or_else(|()| Ipv6Cidr::from_str(text).map(Self::V6)).ok()
    }
}

/// Every port, by `PortId`; their names are unique.
pub(super) fn ports(
    at: &Locator<'_>,
    entries: &[PortEntry],
) -> Result<heapless::Vec<PortConfig, MAX_PORTS>, FileError> {
    let mut ports = heapless::Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let field = |name: &str| format!("port[{index}].{name}");
        let name = entry.name.get_ref();
        if entries[..index].iter().any(|other| other.name.get_ref() == name) {
            return Err(at.error(
                entry.name.span(),
                field("name"),
                format!("`{name}` is a port already"),
                "give each port the name of its own TAP; a VLAN can have any other name, such as tap0.10",
            ));
        }
        let vlan = vlan(at, entries, index)?;
        let mac = mac(at, entries, index, vlan)?;
        let mut port = PortConfig { vlan, ..PortConfig::new(mac, *entry.mtu.get_ref()) };
        addresses(at, entry, index, &mut port)?;
        let least = if port.ipv6.is_empty() { MIN_MTU } else { IPV6_MIN_MTU };
        if !(least..=MAX_MTU).contains(&port.mtu) {
            return Err(at.error(
                entry.mtu.span(),
                field("mtu"),
                format!("{} is no MTU that this router serves", port.mtu),
                &format!("take {MIN_MTU} to {MAX_MTU}, and at least {IPV6_MIN_MTU} with an IPv6 address"),
            ));
        }
        if let Some(text) = &entry.reverse_path {
            port.reverse_path = match text.get_ref().as_str() {
                "off" => ReversePath::Off,
                "loose" => ReversePath::Loose,
                "strict" => ReversePath::Strict,
                other => {
                    return Err(at.error(
                        text.span(),
                        field("reverse_path"),
                        format!("`{other}` is no way to check sources"),
                        "write off, loose or strict (RFC 3704)",
                    ));
                }
            };
        }
        ports.push(port).map_err(|_| {
            let remedy = format!("a router has at most {MAX_PORTS}");
            at.error(entry.name.span(), field("name"), "too many ports", &remedy)
        })?;
    }
    Ok(ports)
}

/// The VLAN that the port is, if it is one.
fn vlan(at: &Locator<'_>, entries: &[PortEntry], index: usize) -> Result<Option<Vlan>, FileError> {
    let entry = &entries[index];
    let field = |name: &str| format!("port[{index}].{name}");
    let (id, trunk) = match (&entry.vlan, &entry.trunk) {
        (None, None) => return Ok(None),
        (Some(id), Some(trunk)) => (id, trunk),
        (Some(id), None) => {
            let remedy = "name the port whose TAP carries the tagged frames: trunk = \"tap0\"";
            return Err(at.error(id.span(), field("vlan"), "a VLAN needs a trunk", remedy));
        }
        (None, Some(trunk)) => {
            let remedy = "give the VLAN's id, 1 to 4094: vlan = 10";
            return Err(at.error(trunk.span(), field("trunk"), "a port on a trunk needs a VLAN id", remedy));
        }
    };
    let with_device = |other: &&PortEntry| other.vlan.is_none() && other.trunk.is_none();
    let devices: Vec<&str> =
        entries.iter().filter(with_device).map(|other| other.name.get_ref().as_str()).collect();
    let position = entries
        .iter()
        .position(|other| with_device(&other) && other.name.get_ref() == trunk.get_ref())
        .ok_or_else(|| {
            at.error(
                trunk.span(),
                field("trunk"),
                format!("no port with a TAP of its own is called `{}`", trunk.get_ref()),
                &match devices.as_slice() {
                    [] => "add a [[port]] for the trunk's TAP; its addresses may be []".to_owned(),
                    names => format!("name one of: {}", names.join(", ")),
                },
            )
        })?;
    let number = *id.get_ref();
    if !(1..=4094).contains(&number) {
        return Err(at.error(
            id.span(),
            field("vlan"),
            format!("{number} is no VLAN id"),
            "take 1 to 4094 (IEEE 802.1Q §9.6)",
        ));
    }
    let is_same = |other: &PortEntry| {
        let trunks = other.trunk.as_ref().map(Spanned::get_ref) == Some(trunk.get_ref());
        trunks && other.vlan.as_ref().map(|other| *other.get_ref()) == Some(number)
    };
    if let Some(other) = entries[..index].iter().find(|other| is_same(other)) {
        return Err(at.error(
            id.span(),
            field("vlan"),
            format!("VLAN {number} of `{}` is port `{}` already", trunk.get_ref(), other.name.get_ref()),
            "give each VLAN of a trunk an id of its own",
        ));
    }
    Ok(Some(Vlan { trunk: PortId(position as u8), id: number as u16 }))
}

/// The port's MAC address; a VLAN may leave it to its trunk.
fn mac(
    at: &Locator<'_>,
    entries: &[PortEntry],
    index: usize,
    vlan: Option<Vlan>,
) -> Result<EthernetAddress, FileError> {
    let trunk = vlan.map(|vlan| vlan.trunk.index());
    let from = if entries[index].mac.is_none() { trunk.unwrap_or(index) } else { index };
    let field = format!("port[{from}].mac");
    let remedy = "write six hexadecimal bytes, such as 02:00:00:00:01:01";
    let Some(mac) = &entries[from].mac else {
        return Err(at.error(entries[from].name.span(), field, "the port has no MAC address", remedy));
    };
    let parsed = EthernetAddress::from_str(mac.get_ref()).ok();
    parsed.filter(|mac| mac.is_unicast() && mac.0 != [0; 6]).ok_or_else(|| {
        at.error(mac.span(), field, format!("`{}` is not a unicast MAC address", mac.get_ref()), remedy)
    })
}

fn addresses(
    at: &Locator<'_>,
    entry: &PortEntry,
    index: usize,
    port: &mut PortConfig,
) -> Result<(), FileError> {
    for (number, address) in entry.addresses.iter().enumerate() {
        let field = format!("port[{index}].addresses[{number}]");
        let full = match at.cidr(address, &field)? {
            Cidr::V4(cidr) => port.addresses.push(cidr).is_err(),
            Cidr::V6(cidr) => port.ipv6.push(cidr).is_err(),
        };
        if full {
            let remedy = format!("a port has at most {MAX_PORT_ADDRESSES} of each family");
            return Err(at.error(address.span(), field, "too many addresses on one port", &remedy));
        }
    }
    Ok(())
}
