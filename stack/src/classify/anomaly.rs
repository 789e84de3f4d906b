//! The table of anomalies: every named reason for which a frame may leave the fast path.
//!
//! Read first: RFC 1812 §4.2.2, §5.2.2, §5.3.7; RFC 826; RFC 1042; RFC 7126.
//! Codes and names are stable: they appear in prompts, model tokens, logs and reports.

/// What sort of frame an [`Anomaly`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Kind {
    /// A length, version, checksum or encoding is wrong.
    Malformed,
    /// Well-formed, but it claims or asks for what it must not.
    Misbehaving,
    /// Well-formed, but of a kind that the fast path does not serve.
    Unsupported,
    /// Looks wrong, is legal, must pass (`Mode::Enforce` is refused for it).
    Oddity,
    /// Healthy traffic that an experiment holds for the model.
    Experiment,
}

/// Whether RFCs leave one answer to a reason, or a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Latitude {
    /// The RFC leaves one answer.
    Fixed,
    /// RFCs say MAY, or leave it to policy.
    Discretionary,
}

/// Whom a reason binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Binds {
    /// Only frames addressed to the router itself; in transit such frames pass.
    SelfOnly,
    /// Only frames in transit.
    Fwd,
    /// Both.
    Both,
}

/// What the router does with a frame of this reason when no approved answer says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum DefaultAction {
    /// Silent discard, counted under the reason (RFC 1812 §4.2.1).
    Drop,
    /// Go on as for healthy traffic: forward or deliver.
    Pass,
}

/// How a reason uses the slow path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Mode {
    /// The default action only.
    Off,
    /// The default action at once; a sampled copy goes to the model, whose answer is only recorded.
    Observe,
    /// The frame is held; the approved answer acts, or the default at the deadline.
    Enforce,
}

impl Mode {
    /// The word used in configuration and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        }
    }
}

/// One row of the anomaly table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The anomaly itself.
    pub anomaly: Anomaly,
    /// Stable printed name, lower_snake.
    pub name: &'static str,
    /// One sentence saying what the frame is.
    pub doc: &'static str,
    /// Kind of anomaly.
    pub kind: Kind,
    /// Whom it binds.
    pub binds: Binds,
    /// Fixed or discretionary.
    pub latitude: Latitude,
    /// Deterministic default.
    pub default: DefaultAction,
    /// Mode unless the configuration says otherwise.
    pub mode: Mode,
    /// The section that decides.
    pub rfc: &'static str,
    /// Zeek's weird name, or `-`.
    pub zeek: &'static str,
    /// Suricata's decoder event, or `-`.
    pub suricata: &'static str,
    /// Snort's `gid:sid`, or `-`.
    pub snort: &'static str,
}

macro_rules! anomalies {
    ($($(#[doc = $doc:literal])+ $variant:ident = $code:literal, $name:literal: $kind:ident $binds:ident $latitude:ident $default:ident $mode:ident,
        $rfc:literal, z $zeek:literal s $suricata:literal g $snort:literal;)+) => {
        /// A named malformed, misbehaving, unsupported, odd or experimentally held frame.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[repr(u8)]
        pub enum Anomaly { $($(#[doc = $doc])+ $variant = $code,)+ }

        impl Anomaly {
            /// Every anomaly, in order of code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            /// How many there are; codes are `0..COUNT`.
            pub const COUNT: usize = Self::ALL.len();

            /// This anomaly's row of the table.
            pub const fn row(self) -> &'static Row { &TABLE[self as usize] }

            /// The anomaly with this stable code.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }

        /// The table, indexed by code.
        pub static TABLE: [Row; Anomaly::COUNT] = [$(Row {
            anomaly: Anomaly::$variant, name: $name, doc: concat!($($doc),+),
            kind: Kind::$kind, binds: Binds::$binds, latitude: Latitude::$latitude,
            default: DefaultAction::$default, mode: Mode::$mode,
            rfc: $rfc, zeek: $zeek, suricata: $suricata, snort: $snort,
        },)+];
    };
}

anomalies! {
    // ---- layer 2 ----
    /// Frame shorter than an Ethernet header.
    EthernetTruncated = 0, "ethernet_truncated": Malformed Both Fixed Drop Enforce,
        "IEEE 802.3 §3.2", z "truncated_ethernet_frame" s "ethernet.pkt_too_small" g "116:424";
    /// Source MAC address is a group address.
    EthernetSourceGroup = 1, "ethernet_source_group": Misbehaving Both Fixed Drop Enforce,
        "IEEE 802.3 §3.2.3", z "-" s "-" g "-";
    /// EtherType between 1501 and 1535: neither a length nor a type.
    EthertypeInvalid = 2, "ethertype_invalid": Malformed Both Fixed Drop Enforce,
        "IEEE 802.3 §3.2.6", z "undefined_ether_type" s "ethernet.unknown_ethertype" g "116:473";
    /// EtherType that the router does not serve.
    EthertypeUnknown = 3, "ethertype_unknown": Unsupported Both Discretionary Drop Enforce,
        "RFC 894", z "undefined_ether_type" s "ethernet.unknown_ethertype" g "-";
    /// 802.3 length field larger than the frame, or no room for an LLC header.
    LlcTruncated = 4, "llc_truncated": Malformed Both Fixed Drop Enforce,
        "IEEE 802.3 §3.2.6", z "truncated_llc_header" s "-" g "116:131";
    /// 802.3 frame with an LLC header that carries no IP (STP, IPX, NetBIOS ...).
    LlcUnsupported = 5, "llc_unsupported": Unsupported Both Fixed Drop Enforce,
        "RFC 1042", z "-" s "-" g "-";
    /// IPv4 in an 802.2 LLC/SNAP envelope.
    SnapIpv4 = 6, "snap_ipv4": Unsupported Both Discretionary Drop Enforce,
        "RFC 1042; RFC 1122 §2.3.3", z "-" s "-" g "-";
    /// 802.1Q tag cut off before its EtherType.
    VlanTruncated = 7, "vlan_truncated": Malformed Both Fixed Drop Enforce,
        "IEEE 802.1Q §9.3", z "truncated_VLAN_header" s "vlan.header_too_small" g "116:130";
    /// Two or more 802.1Q/802.1ad tags.
    VlanNested = 8, "vlan_nested": Unsupported Both Fixed Drop Enforce,
        "IEEE 802.1Q §9.5", z "triple_tagged_vlan_unsupported" s "vlan.too_many_layers" g "-";
    /// 802.1Q tag with a VLAN id that the port does not have.
    VlanUnexpected = 9, "vlan_unexpected": Misbehaving Both Fixed Drop Enforce,
        "IEEE 802.1Q §8.6.2", z "-" s "vlan.unknown_type" g "-";
    /// 802.1Q priority tag (VLAN id 0) around IPv4.
    VlanPriorityTag = 10, "vlan_priority_tag": Unsupported Both Discretionary Drop Enforce,
        "IEEE 802.1Q §6.8", z "-" s "-" g "-";
    /// Unicast IP destination in a link-layer broadcast or multicast frame.
    IpInLinkGroup = 11, "ip_in_link_group": Misbehaving Both Fixed Drop Enforce,
        "RFC 1812 §5.3.4; RFC 1122 §3.3.6", z "-" s "-" g "-";
    // ---- ARP ----
    /// ARP packet shorter than its fields.
    ArpTruncated = 12, "arp_truncated": Malformed Both Fixed Drop Enforce,
        "RFC 826", z "truncated_ARP" s "arp.pkt_too_small" g "116:109";
    /// ARP hardware type is not Ethernet.
    ArpHardwareType = 13, "arp_hardware_type": Unsupported Both Fixed Drop Enforce,
        "RFC 826", z "-" s "arp.unsupported_hardware" g "-";
    /// ARP protocol type is not IPv4.
    ArpProtocolType = 14, "arp_protocol_type": Unsupported Both Fixed Drop Enforce,
        "RFC 826", z "-" s "arp.unsupported_protocol" g "-";
    /// ARP hardware or protocol address size does not fit its type.
    ArpAddressSize = 15, "arp_address_size": Malformed Both Fixed Drop Enforce,
        "RFC 826", z "-" s "arp.invalid_hardware_size" g "-";
    /// ARP operation is neither request nor reply.
    ArpOperation = 16, "arp_operation": Unsupported Both Fixed Drop Enforce,
        "RFC 826", z "-" s "arp.unsupported_opcode" g "-";
    /// ARP claims a broadcast, multicast or null hardware address.
    ArpSenderGroup = 17, "arp_sender_group": Misbehaving Both Fixed Drop Enforce,
        "RFC 1812 §3.3.2", z "-" s "-" g "-";
    /// ARP sender claims one of the router's own addresses.
    ArpClaimsOurAddress = 18, "arp_claims_our_address": Misbehaving Both Fixed Drop Enforce,
        "RFC 5227 §2.4", z "-" s "-" g "-";
    // ---- IPv4 header ----
    /// Fewer than 20 bytes of IPv4 header.
    Ipv4Truncated = 19, "ipv4_truncated": Malformed Both Fixed Drop Enforce,
        "RFC 1812 §5.2.2", z "truncated_IP" s "ipv4.pkt_too_small" g "116:425";
    /// Version field is not 4.
    Ipv4Version = 20, "ipv4_version": Malformed Both Fixed Drop Enforce,
        "RFC 1812 §5.2.2", z "unknown_ip_version" s "ipv4.wrong_ip_version" g "116:1";
    /// Header length below 5 words or beyond the frame.
    Ipv4HeaderLength = 21, "ipv4_header_length": Malformed Both Fixed Drop Enforce,
        "RFC 1812 §5.2.2", z "invalid_IP_header_size" s "ipv4.hlen_too_small" g "116:2";
    /// Total length smaller than the header length.
    Ipv4TotalLengthShort = 22, "ipv4_total_length_short": Malformed Both Discretionary Drop Enforce,
        "RFC 1812 §5.2.2", z "ip_hdr_len_zero" s "ipv4.iplen_smaller_than_hlen" g "116:3";
    /// Total length larger than the frame.
    Ipv4TotalLengthOverrun = 23, "ipv4_total_length_overrun": Malformed Both Discretionary Drop Enforce,
        "RFC 1812 §5.2.2", z "truncated_IP_len" s "ipv4.trunc_pkt" g "116:6";
    /// Header checksum wrong.
    Ipv4Checksum = 24, "ipv4_checksum": Malformed Both Fixed Drop Enforce,
        "RFC 1812 §5.2.2", z "bad_IP_checksum" s "-" g "-";
    /// Option with length 0 or 1, or running past the header.
    Ipv4OptionMalformed = 25, "ipv4_option_malformed": Malformed Both Discretionary Drop Enforce,
        "RFC 1122 §3.2.1.8; RFC 1812 §4.3.3.5", z "-" s "ipv4.opt_invalid_len" g "116:5";
    /// Loose or strict source route.
    Ipv4SourceRoute = 26, "ipv4_source_route": Misbehaving Both Fixed Drop Enforce,
        "RFC 7126 §4.3, §4.4 (BCP 186)", z "-" s "-" g "116:444";
    /// Record Route, Timestamp or another option that BCP 186 leaves to a knob, in transit.
    Ipv4OptionTransit = 27, "ipv4_option_transit": Unsupported Fwd Discretionary Drop Enforce,
        "RFC 7126 §4.5-§4.11 (BCP 186)", z "-" s "-" g "116:444";
    /// Option that the router does not know, in transit.
    Ipv4OptionUnknown = 28, "ipv4_option_unknown": Oddity Fwd Fixed Pass Observe,
        "RFC 1812 §5.3.13.1", z "-" s "ipv4.opt_unknown" g "-";
    /// Reserved header flag set.
    Ipv4ReservedFlag = 29, "ipv4_reserved_flag": Oddity Both Fixed Pass Observe,
        "RFC 1812 §4.2.2.3", z "-" s "-" g "116:448";
    /// Don't Fragment set on a fragment.
    Ipv4FragmentDf = 30, "ipv4_fragment_df": Oddity Both Fixed Pass Observe,
        "RFC 791 §3.1", z "fragment_with_DF" s "-" g "116:430";
    /// Source is in 0/8, multicast, class E or limited broadcast.
    Ipv4SourceMartian = 31, "ipv4_source_martian": Misbehaving Both Fixed Drop Enforce,
        "RFC 1812 §5.3.7; RFC 6890", z "-" s "-" g "116:408";
    /// Source or destination in 127/8 on the wire.
    Ipv4Loopback = 32, "ipv4_loopback": Misbehaving Both Fixed Drop Enforce,
        "RFC 1812 §5.3.7", z "-" s "-" g "116:150";
    /// Destination in 0/8 or class E.
    Ipv4DestinationMartian = 33, "ipv4_destination_martian": Misbehaving Both Fixed Drop Enforce,
        "RFC 1812 §5.3.7", z "-" s "-" g "116:409";
    /// Link-local (169.254/16) source or destination in transit.
    Ipv4LinkLocal = 34, "ipv4_link_local": Misbehaving Fwd Fixed Drop Enforce,
        "RFC 3927 §7", z "-" s "-" g "-";
    /// Source is one of the router's own addresses.
    Ipv4SourceOwn = 35, "ipv4_source_own": Misbehaving Both Fixed Drop Enforce,
        "RFC 1812 §5.3.8", z "-" s "-" g "-";
    /// Source and destination are the same address.
    Ipv4Land = 36, "ipv4_land": Misbehaving Both Fixed Drop Enforce,
        "RFC 6274 §4.1.2", z "-" s "-" g "116:151";
    /// Source is the directed broadcast address of a connected network.
    Ipv4SourceBroadcast = 37, "ipv4_source_broadcast": Misbehaving Both Fixed Drop Enforce,
        "RFC 1812 §4.2.2.11", z "-" s "-" g "116:413";
    /// Directed broadcast in transit.
    Ipv4DirectedBroadcast = 38, "ipv4_directed_broadcast": Misbehaving Fwd Fixed Drop Enforce,
        "RFC 2644 §4", z "-" s "-" g "116:414";
    /// Fragment that ends beyond 65,535 bytes.
    Ipv4FragmentTooLarge = 39, "ipv4_fragment_too_large": Malformed SelfOnly Fixed Drop Enforce,
        "RFC 791 §3.1; RFC 6274 §4.1.1", z "excessively_large_fragment" s "ipv4.frag_pkt_too_large" g "116:407";
    /// TCP fragment with offset 1: it would overwrite the flags.
    Ipv4TinyFragment = 40, "ipv4_tiny_fragment": Misbehaving Both Fixed Drop Enforce,
        "RFC 1858 §4.2", z "excessively_small_fragment" s "-" g "-";
    /// Fragment without payload, or with More Fragments and a length that is no multiple of 8.
    Ipv4FragmentLength = 41, "ipv4_fragment_length": Malformed SelfOnly Fixed Drop Enforce,
        "RFC 791 §3.2", z "-" s "-" g "116:459";
    // ---- ICMP, UDP and TCP addressed to the router ----
    /// ICMP message shorter than its header.
    IcmpTruncated = 42, "icmp_truncated": Malformed SelfOnly Fixed Drop Enforce,
        "RFC 792", z "-" s "icmpv4.pkt_too_small" g "116:105";
    /// ICMP checksum wrong.
    IcmpChecksum = 43, "icmp_checksum": Malformed SelfOnly Fixed Drop Enforce,
        "RFC 792", z "bad_ICMP_checksum" s "-" g "-";
    /// ICMP type that the router does not know.
    IcmpTypeUnknown = 44, "icmp_type_unknown": Unsupported SelfOnly Discretionary Drop Enforce,
        "RFC 1812 §4.3.2.1", z "-" s "icmpv4.unknown_type" g "116:418";
    /// ICMP timestamp request to the router.
    IcmpTimestampRequest = 45, "icmp_timestamp_request": Unsupported SelfOnly Discretionary Drop Enforce,
        "RFC 1812 §4.3.3.8", z "-" s "-" g "-";
    /// Deprecated ICMP request (information, address mask, domain name ...).
    IcmpDeprecated = 46, "icmp_deprecated": Unsupported SelfOnly Discretionary Drop Enforce,
        "RFC 6918 §3", z "-" s "-" g "116:106";
    /// ICMP Redirect addressed to the router.
    IcmpRedirect = 47, "icmp_redirect": Misbehaving SelfOnly Fixed Drop Enforce,
        "RFC 1812 §5.2.7.2", z "-" s "-" g "116:436";
    /// ICMP Source Quench.
    IcmpSourceQuench = 48, "icmp_source_quench": Misbehaving SelfOnly Fixed Drop Enforce,
        "RFC 6633 §3", z "-" s "-" g "116:439";
    /// ICMP request to a broadcast or multicast address of the router.
    IcmpRequestGroup = 49, "icmp_request_group": Misbehaving SelfOnly Fixed Drop Enforce,
        "RFC 1812 §4.3.3.6", z "-" s "-" g "116:416";
    /// ICMP error whose quoted datagram is cut short or is not IPv4.
    IcmpErrorQuote = 50, "icmp_error_quote": Malformed SelfOnly Fixed Drop Enforce,
        "RFC 792; RFC 5927 §4.1", z "-" s "icmpv4.ipv4_trunc_pkt" g "116:250";
    /// UDP header cut short, or UDP length that does not fit.
    UdpLength = 51, "udp_length": Malformed SelfOnly Fixed Drop Enforce,
        "RFC 768; RFC 1122 §4.1.3.4", z "UDP_datagram_length_mismatch" s "udp.len_invalid" g "116:97";
    /// UDP checksum wrong.
    UdpChecksum = 52, "udp_checksum": Malformed SelfOnly Fixed Drop Enforce,
        "RFC 1122 §4.1.3.4", z "bad_UDP_checksum" s "-" g "-";
    /// UDP or TCP with destination port 0.
    L4PortZero = 53, "l4_port_zero": Misbehaving SelfOnly Fixed Drop Enforce,
        "RFC 6335 §6", z "-" s "-" g "116:447";
    /// TCP header cut short, or data offset that does not fit.
    TcpHeaderLength = 54, "tcp_header_length": Malformed SelfOnly Fixed Drop Enforce,
        "RFC 9293 §3.1", z "bad_TCP_header_len" s "tcp.hlen_too_small" g "116:46";
    /// TCP checksum wrong.
    TcpChecksum = 55, "tcp_checksum": Malformed SelfOnly Fixed Drop Enforce,
        "RFC 9293 §3.1", z "bad_TCP_checksum" s "-" g "-";
    /// TCP flags that no state allows: null, SYN+FIN, SYN+RST or Xmas.
    TcpFlags = 56, "tcp_flags": Misbehaving SelfOnly Fixed Drop Enforce,
        "RFC 9293 §3.10.7", z "TCP_christmas" s "stream.fin_syn" g "116:420";
    // ---- experiments ----
    /// Echo request to the router, held for the model (the article's ping experiment).
    EchoRequest = 57, "echo_request": Experiment SelfOnly Discretionary Pass Off,
        "RFC 1812 §4.3.3.6", z "-" s "-" g "-";
}

impl Anomaly {
    /// The stable printed name.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The stable numeric code, below [`Anomaly::COUNT`].
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The anomaly with this printed name.
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.name == name).map(|row| row.anomaly)
    }

    /// Must such a frame pass? ([`Kind::Oddity`]: approval vetoes a drop, configuration refuses `enforce`.)
    pub const fn must_pass(self) -> bool {
        matches!(self.row().kind, Kind::Oddity)
    }
}

impl core::fmt::Display for Anomaly {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_dense_and_names_unique_lower_snake() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.anomaly.code() as usize, index);
            assert_eq!(Anomaly::from_code(row.anomaly.code()), Some(row.anomaly));
            assert_eq!(Anomaly::from_name(row.name), Some(row.anomaly));
            assert!(row.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
            assert!(row.doc.trim().ends_with('.'), "{}", row.name);
            assert!(!row.rfc.is_empty());
        }
        assert_eq!(Anomaly::from_code(Anomaly::COUNT as u8), None);
    }

    #[test]
    fn only_legal_traffic_passes_by_default_and_it_never_waits() {
        for row in &TABLE {
            match row.kind {
                Kind::Oddity => assert_eq!((row.default, row.mode), (DefaultAction::Pass, Mode::Observe)),
                Kind::Experiment => assert_eq!((row.default, row.mode), (DefaultAction::Pass, Mode::Off)),
                Kind::Malformed | Kind::Misbehaving | Kind::Unsupported => {
                    assert_eq!((row.default, row.mode), (DefaultAction::Drop, Mode::Enforce), "{}", row.name);
                }
            }
        }
    }
}
