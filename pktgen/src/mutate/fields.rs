//! Where each family's fields are, and the values at which code is likely to go wrong.
//!
//! Read first: RFC 791 §3.1, RFC 826, RFC 792, RFC 768, RFC 9293 §3.1; IEEE 802.3 §3.2, IEEE 802.1Q §9;
//! RFC 8200 §3 and §4, RFC 4443 §2.1, RFC 4861 §4.

use super::Family;

/// A field, relative to the start of its family's header.
pub(super) struct Field {
    /// Offset of its first byte.
    pub(super) at: usize,
    /// Bytes that it lies in, at most 8.
    pub(super) len: usize,
    /// Which bits of those bytes are its own: one run.
    pub(super) mask: u64,
    /// Values worth trying.
    pub(super) values: &'static [u64],
    /// A checksum must not be put right after it was made wrong.
    pub(super) is_checksum: bool,
}

/// A field of whole bytes.
const fn whole(at: usize, len: usize, values: &'static [u64]) -> Field {
    Field { at, len, mask: u64::MAX >> (64 - 8 * len), values, is_checksum: false }
}

/// Some bits of a field.
const fn bits(at: usize, len: usize, mask: u64, values: &'static [u64]) -> Field {
    Field { at, len, mask, values, is_checksum: false }
}

/// A checksum.
const fn checksum(at: usize) -> Field {
    Field { at, len: 2, mask: 0xffff, values: &[0, 0xffff], is_checksum: true }
}

const TYPES: &[u64] = &[0, 2, 3, 46, 1500, 1501, 1535, 1536, 0x0800, 0x0806, 0x8100, 0x86dd, 0x88a8, 0xffff];
const LENGTHS: &[u64] = &[0, 1, 7, 8, 19, 20, 21, 28, 60, 0x7fff, 0x8000, 0xffff];
/// Addresses that RFC 1812 §5.3.7 and RFC 3927 name, and the laboratory's own (as host, network, broadcast).
const ADDRESSES: &[u64] = &[
    0,
    1,
    0x7f00_0001,
    0xa9fe_0001,
    0xe000_0001,
    0xe000_0009,
    0xf000_0001,
    0xffff_ffff,
    0x0a00_0100,
    0x0a00_0101,
    0x0a00_01ff,
    0x0a00_0201,
    0x0a00_02ff,
];
const GROUPS: &[u64] = &[0, 0xffff_ffff_ffff, 0x0100_5e00_0001, 0x0180_c200_0000];

static ETHERNET: [Field; 5] =
    [whole(0, 6, GROUPS), bits(0, 1, 1, &[]), whole(6, 6, GROUPS), bits(6, 1, 1, &[]), whole(12, 2, TYPES)];

static VLAN: [Field; 5] = [
    whole(0, 2, &[0x8100, 0x88a8, 0x9100]),
    bits(2, 1, 0xe0, &[0, 5, 6, 7]),
    bits(2, 1, 0x10, &[]),
    bits(2, 2, 0x0fff, &[0, 1, 4095]),
    whole(4, 2, TYPES),
];

static LLC: [Field; 6] = [
    whole(0, 2, TYPES),
    whole(2, 1, &[0xaa, 0x42, 0xe0, 0xf0, 0xff]),
    whole(3, 1, &[0xaa, 0x42, 0xe0, 0xf0, 0xff]),
    whole(4, 1, &[3, 0, 0x7f, 0xff]),
    whole(5, 3, &[0, 0x00_000c, 0x00_00f8]),
    whole(8, 2, TYPES),
];

static ARP: [Field; 9] = [
    whole(0, 2, &[0, 1, 6]),
    whole(2, 2, TYPES),
    whole(4, 1, &[0, 6, 8]),
    whole(5, 1, &[0, 4, 16]),
    whole(6, 2, &[0, 1, 2, 3, 8]),
    whole(8, 6, GROUPS),
    whole(14, 4, ADDRESSES),
    whole(18, 6, GROUPS),
    whole(24, 4, ADDRESSES),
];

static IPV4: [Field; 10] = [
    bits(0, 1, 0xf0, &[0, 4, 6]),
    bits(0, 1, 0x0f, &[0, 4, 5, 6, 15]),
    whole(1, 1, &[]),
    whole(2, 2, LENGTHS),
    bits(6, 1, 0x80, &[]),
    whole(8, 1, &[0, 1, 2, 255]),
    whole(9, 1, &[0, 1, 2, 6, 17, 41, 47, 50, 89, 255]),
    checksum(10),
    whole(12, 4, ADDRESSES),
    whole(16, 4, ADDRESSES),
];

/// Kinds and lengths at the places where the template has them: 0, 4, 5 and 20 bytes into the options.
static OPTIONS: [Field; 7] = [
    whole(20, 1, &[0, 1, 7, 11, 68, 82, 131, 136, 137, 148, 130, 205]),
    whole(21, 1, &[0, 1, 2, 3, 4, 24, 25, 40, 255]),
    whole(24, 1, &[0, 1, 7, 11, 68, 82, 131, 136, 137, 148, 130, 205]),
    whole(25, 1, &[0, 1, 2, 3, 20, 21, 255]),
    whole(26, 1, &[0, 3, 4, 8, 255]),
    whole(43, 1, &[0, 7, 131, 205]),
    bits(0, 1, 0x0f, &[5, 6, 7, 10, 15]),
];

static FRAGMENTS: [Field; 6] = [
    bits(6, 1, 0x80, &[]),
    bits(6, 1, 0x40, &[]),
    bits(6, 1, 0x20, &[]),
    bits(6, 2, 0x1fff, &[0, 1, 2, 8189, 8190, 8191]),
    whole(2, 2, LENGTHS),
    whole(9, 1, &[1, 6, 17]),
];

static ICMP: [Field; 7] = [
    whole(0, 1, &[0, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 17, 30, 40, 42, 255]),
    whole(1, 1, &[0, 1, 4, 16, 255]),
    checksum(2),
    whole(4, 2, &[0, 0xffff]),
    whole(6, 2, &[0, 0xffff]),
    bits(8, 1, 0xf0, &[4, 6]),
    bits(8, 1, 0x0f, &[0, 5, 15]),
];

static UDP: [Field; 4] = [whole(0, 2, &[0, 53]), whole(2, 2, &[0, 53]), whole(4, 2, LENGTHS), checksum(6)];

static TCP: [Field; 9] = [
    whole(0, 2, &[0, 80]),
    whole(2, 2, &[0, 80]),
    whole(4, 4, &[0, 0xffff_ffff]),
    bits(12, 1, 0xf0, &[0, 4, 5, 6, 15]),
    bits(12, 1, 0x0f, &[]),
    whole(13, 1, &[0, 1, 2, 3, 4, 6, 0x29, 0x3f, 0xff]),
    whole(14, 2, &[0]),
    checksum(16),
    whole(20, 2, &[0x0100, 0x0200, 0x02ff]),
];

const NEXT_HEADERS: &[u64] = &[0, 1, 4, 6, 17, 41, 43, 44, 50, 51, 58, 59, 60, 135, 253, 255];
/// The first four bytes of addresses that RFC 4291 and RFC 6890 name, and of the laboratory's.
const PREFIXES: &[u64] = &[
    0,
    0xfe80_0000,
    0xfec0_0000,
    0xff01_0000,
    0xff02_0000,
    0xff05_0000,
    0xff0e_0000,
    0xfd00_0001,
    0xfd00_0002,
];
/// The last four bytes: nobody, loopback, router, host, and the ends of group and mapped addresses.
const INTERFACES: &[u64] = &[0, 1, 2, 0x0a00_0102, 0xff00_0001, 0xff00_0101, 0xfe00_0101, 0xfe00_0102];

static IPV6: [Field; 11] = [
    bits(0, 1, 0xf0, &[0, 4, 6]),
    whole(0, 2, &[]),
    whole(4, 2, LENGTHS),
    whole(6, 1, NEXT_HEADERS),
    whole(7, 1, &[0, 1, 2, 64, 255]),
    whole(8, 4, PREFIXES),
    whole(12, 8, &[0, 0xffff, 0xff_fe00]),
    whole(20, 4, INTERFACES),
    whole(24, 4, PREFIXES),
    whole(28, 8, &[0, 0xffff, 0xff_fe00]),
    whole(36, 4, INTERFACES),
];

/// The template has Hop-by-Hop Options of 16 bytes (Router Alert at 2, an unknown option at 6), Destination Options
/// of 8 (an unknown option at 18), and a Routing header.
static EXTENSION: [Field; 12] = [
    whole(0, 1, NEXT_HEADERS),
    whole(1, 1, &[0, 1, 2, 255]),
    whole(2, 1, &[0, 1, 5, 0x1e, 0x5e, 0x9e, 0xde, 0xc2]),
    whole(3, 1, &[0, 1, 2, 12, 13, 255]),
    whole(6, 1, &[0, 1, 5, 0x1e, 0x5e, 0x9e, 0xde]),
    whole(7, 1, &[0, 2, 8, 9, 255]),
    whole(16, 1, NEXT_HEADERS),
    whole(17, 1, &[0, 1, 4, 255]),
    whole(18, 1, &[0, 1, 0x1e, 0x5e, 0x9e, 0xde, 0xc9]),
    whole(24, 1, NEXT_HEADERS),
    whole(25, 1, &[0, 2, 255]),
    whole(26, 2, &[0, 1, 0x0200, 0x0401]),
];

static FRAGMENT_HEADER: [Field; 6] = [
    whole(0, 1, NEXT_HEADERS),
    whole(1, 1, &[0, 255]),
    bits(2, 2, 0xfff8, &[0, 1, 8189, 8190, 8191]),
    bits(2, 2, 6, &[]),
    bits(3, 1, 1, &[]),
    whole(4, 4, &[0]),
];

static ICMPV6: [Field; 6] = [
    whole(
        0,
        1,
        &[0, 1, 2, 3, 4, 5, 100, 127, 128, 129, 130, 131, 133, 134, 135, 136, 137, 138, 143, 200, 255],
    ),
    whole(1, 1, &[0, 1, 4, 255]),
    checksum(2),
    whole(4, 4, &[0, 1280, 0xffff_ffff]),
    bits(8, 1, 0xf0, &[4, 6]),
    whole(12, 2, LENGTHS),
];

static ND: [Field; 9] = [
    whole(0, 1, &[133, 134, 135, 136, 137]),
    whole(1, 1, &[0, 1]),
    checksum(2),
    whole(4, 1, &[0, 0x20, 0x40, 0x60, 0x80, 0xe0]),
    whole(8, 4, PREFIXES),
    whole(12, 8, &[0, 0xff_fe00]),
    whole(20, 4, INTERFACES),
    whole(24, 1, &[0, 1, 2, 3, 4, 5]),
    whole(25, 1, &[0, 1, 2, 255]),
];

/// The fields of a family; never empty.
pub(super) fn of(family: Family) -> &'static [Field] {
    match family {
        Family::Ethernet => &ETHERNET,
        Family::Vlan => &VLAN,
        Family::LlcSnap => &LLC,
        Family::Arp => &ARP,
        Family::Ipv4Header => &IPV4,
        Family::Ipv4Options => &OPTIONS,
        Family::Ipv4Fragments => &FRAGMENTS,
        Family::Icmp => &ICMP,
        Family::Udp => &UDP,
        Family::Tcp => &TCP,
        Family::Ipv6Header => &IPV6,
        Family::Ipv6Extension => &EXTENSION,
        Family::Ipv6Fragments => &FRAGMENT_HEADER,
        Family::Icmpv6 => &ICMPV6,
        Family::Nd => &ND,
    }
}

/// Where the headers of one frame start, as its own bytes say.
pub(crate) struct Layout {
    /// First byte of the IPv4, IPv6 or ARP header.
    pub(crate) network: usize,
    /// First byte behind the IPv4 header, or behind IPv6's last extension header.
    pub(crate) transport: usize,
    /// The frame's type says IPv6.
    pub(crate) ipv6: bool,
    /// What IPv6's last header announces; 0 for anything else.
    pub(crate) protocol: u8,
    /// IPv6's Fragment header, or where one would be.
    fragment: usize,
    /// There is one.
    fragmented: bool,
}

impl Layout {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let network = match bytes.get(12..14) {
            Some([0x81, 0x00] | [0x88, 0xa8]) => 18,
            Some([high, _]) if *high < 6 => 22,
            _ => 14,
        };
        if bytes.get(network - 2..network) == Some(&[0x86, 0xdd]) {
            return Self::of_ipv6(bytes, network);
        }
        let words = bytes.get(network).map_or(5, |first| usize::from(first & 15));
        Self {
            network,
            transport: network + words * 4,
            ipv6: false,
            protocol: 0,
            fragment: network + 40,
            fragmented: false,
        }
    }

    fn of_ipv6(bytes: &[u8], network: usize) -> Self {
        let mut protocol = bytes.get(network + 6).copied().unwrap_or_default();
        let mut transport = network + 40;
        let (mut fragment, mut fragmented) = (transport, false);
        while let (0 | 43 | 44 | 60, Some(header)) = (protocol, bytes.get(transport..transport + 2)) {
            if protocol == 44 {
                (fragment, fragmented) = (transport, true);
            }
            let words = if protocol == 44 { 1 } else { usize::from(header[1]) + 1 };
            (protocol, transport) = (header[0], transport + words * 8);
        }
        Self { network, transport, ipv6: true, protocol, fragment, fragmented }
    }

    /// First byte of IPv6's Fragment header, if there is one.
    pub(crate) const fn fragment_header(&self) -> Option<usize> {
        if self.fragmented { Some(self.fragment) } else { None }
    }

    /// First byte of what a family's offsets count from. A tag and an LLC length lie where the type would.
    pub(super) const fn start(&self, family: Family) -> usize {
        match family {
            Family::Ethernet => 0,
            Family::Vlan | Family::LlcSnap => 12,
            Family::Arp
            | Family::Ipv4Header
            | Family::Ipv4Options
            | Family::Ipv4Fragments
            | Family::Ipv6Header => self.network,
            Family::Ipv6Extension => self.network + 40,
            Family::Ipv6Fragments => self.fragment,
            Family::Icmp | Family::Udp | Family::Tcp | Family::Icmpv6 | Family::Nd => self.transport,
        }
    }
}
