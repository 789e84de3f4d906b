//! Pseudonyms for addresses: what a frame prompt shows instead of them.
//!
//! Read first: RFC 2544 App. C.2.2 (198.18.0.0/15), RFC 3849 (2001:db8::/32), RFC 6676 (groups for documentation),
//! RFC 4291 §2.4 and §2.7, RFC 6890 (what other prefixes mean).

use siphasher::sip::SipHasher24;
use smoltcp::wire::{EthernetAddress, IpAddress, Ipv4Address, Ipv6Address};
use std::fmt;
use std::hash::Hasher as _;

/// The keyed PRF behind pseudonyms. Equal addresses have equal pseudonyms as long as the secret is the same. What kind of
/// address it is stays visible: unspecified, loopback, link-local, broadcast and multicast ones have pseudonyms of their
/// kind, and well-known groups are shown as they are.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Pseudonyms {
    secret: u64,
}

/// Shows no secret.
impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pseudonyms")
    }
}

impl Pseudonyms {
    /// Pseudonyms of a run with this secret.
    pub const fn new(secret: u64) -> Self {
        Self { secret }
    }

    /// A keyed hash of `bytes`; `use_` keeps those of different uses apart.
    pub(super) fn hash(self, use_: &[u8; 8], bytes: &[u8]) -> u64 {
        // The second half of the key keeps these hashes apart from nonces, whose key ends in a router's id.
        let mut hash = SipHasher24::new_with_keys(self.secret, u64::from_be_bytes(*use_));
        hash.write(bytes);
        hash.finish()
    }

    fn prf(self, octets: &[u8], turn: u8) -> u32 {
        self.hash(b"pseudony", &[octets, &[turn]].concat()) as u32
    }

    /// The pseudonym of an IPv4 address: for unicast out of 198.18.0.0/15.
    pub fn ipv4(self, address: Ipv4Address) -> Ipv4Address {
        self.ipv4_at(address, 0)
    }

    /// There are 131,072 pseudonyms only; with another `turn` an address has another one.
    fn ipv4_at(self, address: Ipv4Address, turn: u8) -> Ipv4Address {
        let octets = address.octets();
        let within = |net: [u8; 4], bits: u32| {
            let host = self.prf(&octets, turn) & (u32::MAX >> bits);
            Ipv4Address::from_bits(u32::from_be_bytes(net) | host)
        };
        match octets {
            [0, 0, 0, 0] | [255, 255, 255, 255] | [224, 0, 0, _] => address,
            [net @ (0 | 127), ..] => within([net, 0, 0, 0], 8),
            [169, 254, ..] => within([169, 254, 0, 0], 16),
            [224..240, ..] => within([233, 252, 0, 0], 24),
            [240..=255, ..] => within([240, 0, 0, 0], 8),
            _ => within([198, 18, 0, 0], 15),
        }
    }

    /// The pseudonym of an IPv6 address: for unicast out of 2001:db8::/32.
    pub fn ipv6(self, address: Ipv6Address) -> Ipv6Address {
        self.ipv6_at(address, 0)
    }

    fn ipv6_at(self, address: Ipv6Address, turn: u8) -> Ipv6Address {
        let segments = address.segments();
        let low = self.prf(&address.octets(), turn);
        let (high, low) = ((low >> 16) as u16, low as u16);
        match segments {
            [0, 0, 0, 0, 0, 0, 0, 0 | 1] => address,
            [0, 0, 0, 0, 0, 0xffff, _, _] => {
                let mapped = address.to_ipv4_mapped().unwrap_or(Ipv4Address::UNSPECIFIED);
                self.ipv4_at(mapped, turn).to_ipv6_mapped()
            }
            // Groups that every network has. A solicited-node group holds half an interface's identifier.
            [0xff00..=0xffff, 0, 0, 0, 0, 0, 0, 0..=0xff] => address,
            [group @ 0xff00..=0xffff, ..] => Ipv6Address::new(group, 0, 0, 0, 0, 0x0db8, high, low),
            [0xfe80..=0xfebf, ..] => Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, high, low),
            _ => Ipv6Address::new(0x2001, 0x0db8, 0, 0, 0, 0, high, low),
        }
    }

    /// The pseudonym of a station's link-layer address: locally administered, 02:00 and 32 bits.
    pub fn mac(self, address: EthernetAddress) -> EthernetAddress {
        let [a, b, c, d] = self.prf(&address.0, 0).to_be_bytes();
        EthernetAddress([2, 0, a, b, c, d])
    }
}

/// Shows the addresses of one frame: real ones, or pseudonyms that differ where the addresses do.
pub(super) struct Names {
    pseudonyms: Pseudonyms,
    real: bool,
    told: Vec<(IpAddress, IpAddress)>,
}

impl Names {
    pub(super) const fn new(pseudonyms: Pseudonyms, real: bool) -> Self {
        Self { pseudonyms, real, told: Vec::new() }
    }

    /// An IP address as it is shown. Two addresses of a frame whose pseudonyms happen to be equal, once in 131,072 pairs,
    /// would tell of a land attack: the second then has another.
    pub(super) fn ip(&mut self, address: IpAddress) -> String {
        if self.real {
            return address.to_string();
        }
        if let Some((_, shown)) = self.told.iter().find(|(told, _)| *told == address) {
            return shown.to_string();
        }
        let shown = |turn| match address {
            IpAddress::Ipv4(address) => IpAddress::Ipv4(self.pseudonyms.ipv4_at(address, turn)),
            IpAddress::Ipv6(address) => IpAddress::Ipv6(self.pseudonyms.ipv6_at(address, turn)),
        };
        let is_free = |shown: &IpAddress| self.told.iter().all(|(_, other)| other != shown);
        let shown = (0..8).map(shown).find(is_free).unwrap_or_else(|| shown(0));
        self.told.push((address, shown));
        shown.to_string()
    }

    /// A link-layer address as it is shown: what a group is for says nothing of a network, which group it is does.
    pub(super) fn mac(&self, address: EthernetAddress) -> String {
        match address {
            EthernetAddress::BROADCAST => "broadcast".into(),
            _ if self.real => address.to_string(),
            EthernetAddress([0, 0, 0, 0, 0, 0]) => address.to_string(),
            _ if address.is_multicast() => "multicast".into(),
            _ => self.pseudonyms.mac(address).to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: Pseudonyms = Pseudonyms::new(7);

    fn v4(text: &str) -> String {
        RUN.ipv4(text.parse().unwrap()).to_string()
    }

    fn v6(text: &str) -> String {
        RUN.ipv6(text.parse().unwrap()).to_string()
    }

    #[test]
    fn unicast_addresses_are_replaced_and_equal_ones_stay_equal() {
        let first = RUN.ipv4(Ipv4Address::new(10, 0, 1, 2)).octets();
        assert_eq!((first[0], first[1] & 0xfe), (198, 18));
        assert_eq!(v4("10.0.1.2"), v4("10.0.1.2"));
        assert_ne!(v4("10.0.1.2"), v4("10.0.1.3"));
        // Nor does an address that looks like a pseudonym stay itself.
        assert_ne!(v4("198.18.0.1"), "198.18.0.1");
        assert!(v6("fd00:1::2").starts_with("2001:db8::"), "{}", v6("fd00:1::2"));
        assert_ne!(v6("fd00:1::2"), v6("fd00:1::3"));
        let mac = EthernetAddress([0, 0x1b, 0x21, 1, 2, 3]);
        assert_eq!(RUN.mac(mac).0[0], 2);
        assert_eq!(RUN.mac(mac), RUN.mac(mac));
        let other = Pseudonyms::new(8);
        assert_ne!(other.ipv4(Ipv4Address::new(10, 0, 1, 2)), RUN.ipv4(Ipv4Address::new(10, 0, 1, 2)));
        assert_ne!(other.mac(mac), RUN.mac(mac));
        assert_eq!(format!("{RUN:?}"), "Pseudonyms");
    }

    #[test]
    fn the_kind_of_an_address_stays_visible() {
        for same in ["0.0.0.0", "255.255.255.255", "224.0.0.5"] {
            assert_eq!(v4(same), same);
        }
        for (address, prefix) in [
            ("127.4.5.6", "127."),
            ("0.1.2.3", "0."),
            ("169.254.77.88", "169.254."),
            ("239.1.2.3", "233.252.0."),
            ("250.1.2.3", "240."),
        ] {
            assert!(v4(address).starts_with(prefix) && v4(address) != address, "{address}: {}", v4(address));
        }
        for same in ["::", "::1", "ff02::1", "ff02::2", "ff02::16"] {
            assert_eq!(v6(same), same);
        }
        for (address, prefix) in [
            ("fe80::1234:56ff:fe78:9abc", "fe80::"),
            ("ff02::1:ff78:9abc", "ff02::db8:"),
            ("::ffff:10.0.1.2", "::ffff:198.1"),
        ] {
            assert!(v6(address).starts_with(prefix) && v6(address) != address, "{address}: {}", v6(address));
        }
        let names = Names::new(RUN, false);
        assert_eq!(names.mac(EthernetAddress::BROADCAST), "broadcast");
        assert_eq!(names.mac(EthernetAddress([0x33, 0x33, 0xff, 1, 2, 3])), "multicast");
    }

    #[test]
    fn two_addresses_of_one_frame_never_look_alike() {
        let address = |n: u32| Ipv4Address::from_bits(0x0a00_0000 + n);
        let first = RUN.ipv4(address(0));
        let twin = (1..4_000_000).map(address).find(|&other| RUN.ipv4(other) == first).expect("of 131,072");
        let mut names = Names::new(RUN, false);
        let (one, two) = (names.ip(address(0).into()), names.ip(twin.into()));
        assert_ne!(one, two);
        assert_eq!((one, two), (names.ip(address(0).into()), names.ip(twin.into())));
        let mut real = Names::new(RUN, true);
        assert_eq!(real.ip(twin.into()), twin.to_string());
        assert_eq!(real.mac(EthernetAddress([1, 0, 0x5e, 1, 2, 3])), "01-00-5e-01-02-03");
    }
}
