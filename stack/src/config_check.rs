//! What a configuration must hold to: refused here, before the router exists.

use crate::classify::{Anomaly, Locals, Mode};
use crate::config::{Config, ConfigError, PortConfig, PortId};
use crate::frame::{IPV6_MIN_MTU, MAX_MTU, MIN_MTU};
use crate::wire::{Key, options};

/// Refuses a configuration that could not work.
pub(crate) fn check(config: &Config, locals: &Locals, divert_slots: usize) -> Result<(), ConfigError> {
    if config.ports.is_empty() {
        return Err(ConfigError::NoPorts);
    }
    for (index, port) in config.ports.iter().enumerate() {
        let id = PortId(index as u8);
        if !port.mac.is_unicast() || port.mac.0 == [0; 6] {
            return Err(ConfigError::PortMac(id));
        }
        let least = if port.ipv6.is_empty() { MIN_MTU } else { IPV6_MIN_MTU };
        if !(least..=MAX_MTU).contains(&port.mtu) {
            return Err(ConfigError::PortMtu(id));
        }
        if let Some(vlan) = port.vlan {
            let has_device = config.ports.get(vlan.trunk.index()).is_some_and(|trunk| trunk.vlan.is_none());
            let same = config.ports.iter().filter(|other| other.vlan == Some(vlan)).count();
            if !(1..=4094).contains(&vlan.id) || !has_device || same != 1 {
                return Err(ConfigError::PortVlan(id));
            }
        }
        for cidr in &port.addresses {
            let same =
                config.ports.iter().flat_map(|p| &p.addresses).filter(|c| c.address() == cidr.address());
            if !options::is_one_host(cidr.address())
                || same.count() != 1
                || locals.is_broadcast(cidr.address())
            {
                return Err(ConfigError::PortAddress(id));
            }
        }
        for cidr in &port.ipv6 {
            let address = cidr.address();
            // A link-local address may be that of several ports: each is its own zone.
            let clashes = |other: &PortConfig| {
                let here = core::ptr::eq(other, port);
                let same = other.ipv6.iter().filter(|c| c.address() == address).count();
                same > usize::from(here) && (here || !address.is_unicast_link_local())
            };
            // The first address of a network is any of its routers' (RFC 4291 §2.6.1).
            let anycast =
                cidr.prefix_len() < 127 && address.to_bits() == address.to_bits().network(cidr.prefix_len());
            let one_host =
                !anycast && !address.is_multicast() && !address.is_unspecified() && !address.is_loopback();
            if !one_host || address.to_ipv4_mapped().is_some() || config.ports.iter().any(clashes) {
                return Err(ConfigError::PortAddress(id));
            }
        }
    }
    for &reason in Anomaly::ALL {
        if reason.must_pass() && config.mode(reason) == Mode::Enforce {
            return Err(ConfigError::EnforceMustPass(reason));
        }
    }
    let limits = &config.limits;
    // Frames of one reason that can arrive within one deadline must all find a slot.
    let deadline_us = limits.divert_deadline.total_micros();
    let in_time = u64::from(limits.divert_rate.per_second).saturating_mul(deadline_us).div_ceil(1_000_000);
    let limit = limits.divert_queue.saturating_add(limits.divert_outstanding);
    let available = divert_slots.min(crate::divert::MAX_SLOTS).min(limit);
    if in_time > available as u64 {
        return Err(ConfigError::DivertCapacity { needed: in_time as usize, available });
    }
    Ok(())
}
