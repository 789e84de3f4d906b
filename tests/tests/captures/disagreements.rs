//! Every kind of disagreement with the captures' labels: how many frames, and the RFC that decides.

use crate::capture::Captured;
use std::collections::BTreeMap;

/// What the other did, what this router did, and why: how many frames, and who is right.
pub(crate) type Row = ((&'static str, &'static str, &'static str), u32, &'static str);

/// Disagreements, by kind: how many, and where the first is.
#[derive(Default)]
pub(crate) struct Differs(BTreeMap<(String, String, String), (u32, String)>);

impl Differs {
    /// One more frame.
    pub(crate) fn note(&mut self, captured: &Captured, (theirs, ours, why): (&str, &str, &str)) {
        let key = (theirs.to_owned(), ours.to_owned(), why.to_owned());
        let place = || (0, format!("{} [{}]", captured.place, captured.label.flags.join(",")));
        self.0.entry(key).or_insert_with(place).0 += 1;
    }

    /// Prints every kind; are they exactly those of the table?
    pub(crate) fn settle(&self, who: &str, table: &[Row]) -> bool {
        let mut same = self.0.len() == table.len();
        println!("Where {who} and this router differ:");
        for ((theirs, ours, why), (count, place)) in &self.0 {
            let known = table.iter().find(|row| row.0 == (theirs, ours, why));
            same &= known.is_some_and(|row| row.1 == *count);
            let because = known.map_or("NOT IN THE TABLE", |row| row.2);
            println!("{count:6} {theirs} / {ours} ({why}): {because}; first {place}");
        }
        same
    }
}

/// Where Linux did otherwise: what it did, what this router did, and its reason.
pub(crate) const BEYOND_LINUX: &[Row] = &[
    (
        ("drop", "fwd", "healthy"),
        3,
        "RFC 8200 §4.2: Linux refuses Hop-by-Hop padding that is long or not zero; the RFC does not",
    ),
    (
        ("drop", "fwd", "healthy, back to its link"),
        45,
        "RFC 1812 §5.2.1: a host on the ingress link, whose MAC address Linux did not know",
    ),
    (
        ("drop", "icmp6:1/3", "waits for a neighbour in vain"),
        1,
        "RFC 4443 §3.1: code 3; that of Linux came too late to be credited",
    ),
    (("fwd", "drop", "ethernet_source_group"), 91, "IEEE 802.3 §3.2.3"),
    (("fwd", "drop", "ipv4_destination_martian"), 22, "RFC 1812 §5.3.7"),
    (("fwd", "drop", "ipv4_land"), 103, "RFC 6274 §4.1.2"),
    (("fwd", "drop", "ipv4_link_local"), 79, "RFC 3927 §7"),
    (("fwd", "drop", "ipv4_source_martian"), 28, "RFC 1812 §5.3.7; RFC 6890"),
    (("fwd", "drop", "ipv6_hop_by_hop_malformed"), 1, "RFC 8200 §4.3; RFC 2711 §2.1"),
    (("fwd", "drop", "ipv6_link_local"), 105, "RFC 4291 §2.5.6; RFC 4007 §9; RFC 4443 §3.1"),
    (("fwd", "drop", "ipv6_source_own"), 5, "RFC 2827 §3"),
    (("fwd", "drop", "ipv6_unspecified"), 1, "RFC 4291 §2.5.2"),
    (
        ("icmp4:12/0", "drop", "ipv4_option_malformed"),
        1,
        "RFC 1812 §4.3.3.5: the slow path may send the same; here it gives up",
    ),
    (("icmp4:3/4", "drop", "ipv4_destination_martian"), 2, "RFC 1812 §5.3.7"),
    (("icmp4:3/4", "drop", "ipv4_link_local"), 3, "RFC 3927 §7"),
    (("icmp4:3/4", "drop", "ipv4_source_martian"), 1, "RFC 1812 §5.3.7; RFC 6890"),
    (
        ("icmp6:1/0", "fwd", "healthy"),
        1,
        "RFC 8200 §3: an ICMPv6 error in transit is a packet like any other",
    ),
    (
        ("icmp6:1/2", "drop", "ipv6_link_local"),
        22,
        "RFC 4443 §2.4(e): no error about a redirect, or about what may be an error",
    ),
    (("icmp6:1/2", "drop", "ipv6_unspecified"), 1, "RFC 4291 §2.5.2"),
    (
        ("icmp6:1/3", "drop", "arp_address_size"),
        1,
        "RFC 826: an error about an earlier frame, which came late",
    ),
    (
        ("icmp6:1/4", "drop", "ipv6_link_local"),
        3,
        "RFC 4291 §2.5.6: an ICMPv6 message between link-local addresses, which Linux sent on",
    ),
    (
        ("icmp6:2/0", "drop", "ipv6_link_local"),
        1,
        "RFC 4291 §2.5.6: an ICMPv6 message between link-local addresses, which Linux sent on",
    ),
    (
        ("icmp6:3/0", "drop", "ipv6_link_local"),
        3,
        "RFC 4291 §2.5.6: an ICMPv6 message between link-local addresses, which Linux sent on",
    ),
    (
        ("icmp6:3/1", "drop", "ipv6_link_local"),
        4,
        "RFC 4291 §2.5.6: an ICMPv6 message between link-local addresses, which Linux sent on",
    ),
    (
        ("icmp6:4/0", "drop", "ipv6_link_local"),
        2,
        "RFC 4291 §2.5.6: an ICMPv6 message between link-local addresses, which Linux sent on",
    ),
    (
        ("icmp6:4/1", "drop", "ipv6_link_local"),
        221,
        "RFC 4291 §2.5.6: an ICMPv6 message between link-local addresses, which Linux sent on",
    ),
    (
        ("icmp6:4/2", "drop", "ipv6_link_local"),
        7,
        "RFC 4291 §2.5.6: an ICMPv6 message between link-local addresses, which Linux sent on",
    ),
];

/// Where tshark thinks otherwise: what it calls the frame, and what it is to this router. A frame has one reason here,
/// and every fault there.
pub(crate) const BEYOND_TSHARK: &[Row] = &[
    (
        ("header sum right", "", "ipv4_checksum"),
        2,
        "RFC 1812 §5.2.2: tshark sums up no header of this length",
    ),
    (("header sum wrong", "", "ethernet_source_group"), 118, "IEEE 802.3 §3.2.3: found first"),
    (
        ("header sum wrong", "", "healthy"),
        1,
        "RFC 1812 §5.2.2; RFC 8200 §4: what is carried is the destination's to judge, not a router's",
    ),
    (("header sum wrong", "", "vlan_unexpected"), 117, "IEEE 802.1Q §8.6.2: found first"),
    (("malformed", "", "arp_hardware_type"), 9, "RFC 826: found first"),
    (("malformed", "", "arp_protocol_type"), 4, "RFC 826: found first"),
    (("malformed", "", "ethernet_source_group"), 112, "IEEE 802.3 §3.2.3: found first"),
    (
        ("malformed", "", "group_not_joined"),
        4,
        "RFC 4291 §2.8: to a group that the router does not listen to",
    ),
    (
        ("malformed", "", "healthy"),
        19,
        "RFC 1812 §5.2.2; RFC 8200 §4: what is carried is the destination's to judge, not a router's",
    ),
    (("malformed", "", "icmpv6_checksum"), 1, "RFC 4443 §2.3: found first"),
    (("malformed", "", "ip_in_link_group"), 6, "RFC 1812 §5.3.4; RFC 1122 §3.3.6: found first"),
    (("malformed", "", "ipv4_checksum"), 65, "RFC 1812 §5.2.2: found first"),
    (("malformed", "", "ipv6_link_local"), 19, "RFC 4291 §2.5.6; RFC 4007 §9; RFC 4443 §3.1: found first"),
    (("malformed", "", "ipv6_source_own"), 4, "RFC 2827 §3: found first"),
    (("malformed", "", "vlan_unexpected"), 7, "IEEE 802.1Q §8.6.2: found first"),
    (("sound", "", "arp_address_size"), 14, "RFC 826: tshark notes no malformed field"),
    (("sound", "", "ipv4_total_length_short"), 1, "RFC 1812 §5.2.2: tshark notes no malformed field"),
    (
        ("sound", "", "ipv6_hop_by_hop_malformed"),
        1,
        "RFC 8200 §4.3; RFC 2711 §2.1: tshark notes no malformed field",
    ),
    (("sound", "", "ipv6_payload_length"), 2, "RFC 8200 §3: tshark notes no malformed field"),
    (("sound", "", "llc_truncated"), 2, "IEEE 802.3 §3.2.6: tshark notes no malformed field"),
    (("sound", "", "nd_malformed"), 7, "RFC 4861 §6.1, §7.1: tshark notes no malformed field"),
    (("sum wrong", "", "ethernet_source_group"), 50, "IEEE 802.3 §3.2.3: found first"),
    (
        ("sum wrong", "", "fragmentation_needed"),
        69,
        "RFC 1191 §4: too large, and what is carried is the destination's to judge",
    ),
    (
        ("sum wrong", "", "group_not_joined"),
        65,
        "RFC 4291 §2.8: to a group that the router does not listen to",
    ),
    (
        ("sum wrong", "", "healthy"),
        3667,
        "RFC 1812 §5.2.2; RFC 8200 §4: what is carried is the destination's to judge, not a router's",
    ),
    (
        ("sum wrong", "", "healthy, back to its link"),
        43,
        "RFC 1812 §5.2.2: what is carried is the destination's to judge, not a router's",
    ),
    (("sum wrong", "", "ip_in_link_group"), 16, "RFC 1812 §5.3.4; RFC 1122 §3.3.6: found first"),
    (("sum wrong", "", "ipv4_checksum"), 3129, "RFC 1812 §5.2.2: found first"),
    (("sum wrong", "", "ipv4_destination_martian"), 7, "RFC 1812 §5.3.7: found first"),
    (("sum wrong", "", "ipv4_land"), 68, "RFC 6274 §4.1.2: found first"),
    (("sum wrong", "", "ipv4_link_local"), 29, "RFC 3927 §7: found first"),
    (("sum wrong", "", "ipv4_loopback"), 896, "RFC 1812 §5.3.7: found first"),
    (("sum wrong", "", "ipv4_source_martian"), 8, "RFC 1812 §5.3.7; RFC 6890: found first"),
    (("sum wrong", "", "ipv4_total_length_overrun"), 331, "RFC 1812 §5.2.2: found first"),
    (("sum wrong", "", "ipv6_hop_by_hop_malformed"), 1, "RFC 8200 §4.3; RFC 2711 §2.1: found first"),
    (("sum wrong", "", "ipv6_link_local"), 5, "RFC 4291 §2.5.6; RFC 4007 §9; RFC 4443 §3.1: found first"),
    (("sum wrong", "", "ipv6_loopback"), 508, "RFC 4291 §2.5.3: found first"),
    (("sum wrong", "", "ipv6_payload_length"), 2, "RFC 8200 §3: found first"),
    (
        ("sum wrong", "", "used up"),
        132,
        "RFC 791 §3.2: sent on in fragments; what is carried is the destination's to judge",
    ),
    (("sum wrong", "", "vlan_unexpected"), 124, "IEEE 802.1Q §8.6.2: found first"),
];
