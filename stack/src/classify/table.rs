//! The table of anomalies: every named reason for which a frame may leave the fast path.
//!
//! Read first: RFC 1812 §4.2.2, §5.2.2, §5.3.7; RFC 826; RFC 1042; RFC 7126; RFC 8200; RFC 4861.
//! Codes and names are stable: they appear in prompts, model tokens, logs and reports.

use super::anomaly::{Binds, DefaultAction, Kind, Latitude, Mode, Row};

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
        "RFC 2644 §3", z "-" s "-" g "116:414";
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
    // ---- more of layer 2, IPv4 and what it carries ----
    /// Source or destination in a block that RFC 6890 calls not forwardable (documentation, 192.0.0.0/24).
    Ipv4SpecialPurpose = 58, "ipv4_special_purpose": Oddity Fwd Fixed Pass Observe,
        "RFC 6890 §2.2.2", z "-" s "-" g "116:411";
    /// Source that is not routed through the port that it came in by, where the port checks that.
    ReversePath = 59, "reverse_path": Misbehaving Both Fixed Drop Enforce,
        "RFC 3704 §2; RFC 1812 §5.3.8", z "-" s "-" g "-";
    /// Fragment to the router that overlaps one received before.
    Ipv4FragmentOverlap = 60, "ipv4_fragment_overlap": Misbehaving SelfOnly Fixed Drop Enforce,
        "RFC 1858 §4; RFC 5722 §3", z "fragment_overlap" s "ipv4.frag_overlap" g "-";
    /// TCP option with length 0 or 1, or running past the header.
    TcpOptionMalformed = 61, "tcp_option_malformed": Malformed SelfOnly Fixed Drop Enforce,
        "RFC 9293 §3.2 (MUST-7)", z "-" s "tcp.opt_invalid_len" g "116:54";
    /// ICMPv6 in IPv4, or ICMP for IPv4 in IPv6 in transit: an unknown protocol.
    IcmpWrongFamily = 62, "icmp_wrong_family": Oddity Both Fixed Pass Observe,
        "RFC 1812 §5.2.7.1; RFC 4443 §1", z "-" s "ipv4.icmpv6" g "116:474";
    /// Source MAC address is the port's own.
    EthernetSourceOwn = 63, "ethernet_source_own": Misbehaving Both Fixed Drop Enforce,
        "IEEE 802.3 §3.2.3", z "-" s "-" g "-";
    // ---- IPv6 header ----
    /// Fewer than 40 bytes of IPv6 header.
    Ipv6Truncated = 64, "ipv6_truncated": Malformed Both Fixed Drop Enforce,
        "RFC 8200 §3", z "truncated_IP" s "ipv6.pkt_too_small" g "116:273";
    /// Version field is not 6.
    Ipv6Version = 65, "ipv6_version": Malformed Both Fixed Drop Enforce,
        "RFC 8200 §3", z "unknown_ip_version" s "ipv6.wrong_ip_version" g "116:271";
    /// Payload length larger than the frame.
    Ipv6PayloadLength = 66, "ipv6_payload_length": Malformed Both Fixed Drop Enforce,
        "RFC 8200 §3", z "truncated_IP_len" s "ipv6.trunc_pkt" g "116:275";
    /// Source is a multicast address.
    Ipv6SourceMulticast = 67, "ipv6_source_multicast": Misbehaving Both Fixed Drop Enforce,
        "RFC 4291 §2.7", z "-" s "-" g "116:277";
    /// Unspecified destination, or unspecified source of a packet to a unicast address.
    Ipv6Unspecified = 68, "ipv6_unspecified": Misbehaving Both Fixed Drop Enforce,
        "RFC 4291 §2.5.2", z "-" s "-" g "116:276";
    /// Source or destination is the loopback address.
    Ipv6Loopback = 69, "ipv6_loopback": Misbehaving Both Fixed Drop Enforce,
        "RFC 4291 §2.5.3", z "-" s "-" g "116:150";
    /// Source or destination is an IPv4-mapped address.
    Ipv6V4Mapped = 70, "ipv6_v4_mapped": Misbehaving Both Fixed Drop Enforce,
        "RFC 6890 §2.2.3", z "-" s "-" g "116:476";
    /// Link-local source or destination in transit.
    Ipv6LinkLocal = 71, "ipv6_link_local": Misbehaving Fwd Fixed Report Observe,
        "RFC 4291 §2.5.6; RFC 4007 §9; RFC 4443 §3.1", z "-" s "-" g "-";
    /// Source is one of the router's own addresses.
    Ipv6SourceOwn = 72, "ipv6_source_own": Misbehaving Both Fixed Drop Enforce,
        "RFC 2827 §3", z "-" s "-" g "-";
    /// Source and destination are the same address.
    Ipv6Land = 73, "ipv6_land": Misbehaving Both Fixed Drop Enforce,
        "RFC 6274 §4.1.2", z "-" s "-" g "116:151";
    // ---- IPv6 extension headers ----
    /// Hop-by-Hop Options header that runs past the packet, whose options do not fit it, or whose Router Alert is
    /// not two bytes long or comes twice.
    Ipv6HopByHopMalformed = 74, "ipv6_hop_by_hop_malformed": Malformed Both Fixed Drop Enforce,
        "RFC 8200 §4.3; RFC 2711 §2.1", z "truncated_IPv6_option" s "ipv6.exthdr_invalid_optlen" g "116:272";
    /// Unknown option whose two highest bits say to discard in silence (01).
    Ipv6OptionDiscard = 75, "ipv6_option_discard": Unsupported Both Fixed Drop Enforce,
        "RFC 8200 §4.2", z "-" s "ipv6.hopopts_unknown_opt" g "116:279";
    /// Unknown option whose two highest bits ask for a Parameter Problem (10, 11).
    Ipv6OptionUnknown = 76, "ipv6_option_unknown": Unsupported Both Fixed Report Observe,
        "RFC 8200 §4.2", z "-" s "ipv6.hopopts_unknown_opt" g "116:279";
    /// Hop-by-Hop Options header that does not come first.
    Ipv6HopByHopMisplaced = 77, "ipv6_hop_by_hop_misplaced": Malformed SelfOnly Fixed Report Observe,
        "RFC 8200 §4", z "-" s "ipv6.exthdr_dupl_hh" g "116:281";
    /// Next header that the router does not know.
    Ipv6NextHeaderUnknown = 78, "ipv6_next_header_unknown": Unsupported SelfOnly Fixed Report Observe,
        "RFC 8200 §4; RFC 4443 §3.4", z "-" s "ipv6.unknown_next_header" g "116:281";
    /// Extension header that runs past the packet, or whose options do not fit it.
    Ipv6ExtensionTruncated = 79, "ipv6_extension_truncated": Malformed SelfOnly Fixed Drop Enforce,
        "RFC 8200 §4", z "truncated_IPv6_option" s "ipv6.trunc_exthdr" g "116:272";
    /// More extension headers than the router follows.
    Ipv6ExtensionLimit = 80, "ipv6_extension_limit": Misbehaving SelfOnly Fixed Drop Enforce,
        "RFC 8504 §5.3", z "-" s "-" g "116:456";
    /// Extension headers twice, or not in the recommended order.
    Ipv6ExtensionOrder = 81, "ipv6_extension_order": Oddity SelfOnly Fixed Pass Observe,
        "RFC 8200 §4.1", z "multiple_routing_headers" s "ipv6.exthdr_dupl_dh" g "116:296";
    /// Routing header of a type that the router does not serve, with segments left.
    Ipv6RoutingHeader = 82, "ipv6_routing_header": Misbehaving SelfOnly Fixed Report Observe,
        "RFC 5095 §3; RFC 8200 §4.4", z "routing0_hdr" s "ipv6.rh_type_0" g "116:461";
    // ---- IPv6 fragments ----
    /// Fragment to the router that overlaps one received before.
    Ipv6FragmentOverlap = 83, "ipv6_fragment_overlap": Misbehaving SelfOnly Fixed Drop Enforce,
        "RFC 8200 §4.5; RFC 5722 §4", z "fragment_overlap" s "ipv6.frag_overlap" g "-";
    /// Fragment with More Fragments and a length that is no multiple of 8.
    Ipv6FragmentLength = 84, "ipv6_fragment_length": Malformed SelfOnly Fixed Report Observe,
        "RFC 8200 §4.5", z "-" s "ipv6.frag_invalid_length" g "-";
    /// Fragment that ends beyond 65,535 bytes of payload.
    Ipv6FragmentTooLarge = 85, "ipv6_fragment_too_large": Malformed SelfOnly Fixed Report Observe,
        "RFC 8200 §4.5", z "excessively_large_fragment" s "ipv6.frag_pkt_too_large" g "-";
    /// First fragment without the whole chain of headers.
    Ipv6FirstFragmentShort = 86, "ipv6_first_fragment_short": Malformed SelfOnly Fixed Report Observe,
        "RFC 8200 §4.5; RFC 7112 §5", z "-" s "-" g "116:458";
    /// Fragment header in a packet that is whole.
    Ipv6AtomicFragment = 87, "ipv6_atomic_fragment": Oddity SelfOnly Fixed Pass Observe,
        "RFC 6946 §4; RFC 8200 §4.5", z "-" s "ipv6.exthdr_useless_fh" g "-";
    // ---- ICMPv6 and Neighbour Discovery ----
    /// Neighbour Discovery message whose hop limit is not 255: it comes from another link.
    NdHopLimit = 88, "nd_hop_limit": Misbehaving SelfOnly Fixed Drop Enforce,
        "RFC 4861 §6.1, §7.1, §8.1", z "-" s "-" g "116:270";
    /// Neighbour Discovery message with a wrong code, length, target, source or option, or with a group's or no
    /// link-layer address.
    NdMalformed = 89, "nd_malformed": Malformed SelfOnly Fixed Drop Enforce,
        "RFC 4861 §6.1, §7.1", z "zero_length_ICMPv6_ND_option" s "icmpv6.unknown_code" g "116:478";
    /// Neighbour Discovery message in fragments.
    NdFragment = 90, "nd_fragment": Misbehaving SelfOnly Fixed Drop Enforce,
        "RFC 6980 §5", z "-" s "-" g "-";
    /// Neighbour Discovery message that claims one of the router's own addresses.
    NdClaimsOurAddress = 91, "nd_claims_our_address": Misbehaving SelfOnly Fixed Drop Enforce,
        "RFC 4862 §5.4.4", z "-" s "-" g "-";
    /// ICMPv6 message shorter than its header.
    Icmpv6Truncated = 92, "icmpv6_truncated": Malformed SelfOnly Fixed Drop Enforce,
        "RFC 4443 §2.1", z "-" s "icmpv6.pkt_too_small" g "116:427";
    /// ICMPv6 checksum wrong.
    Icmpv6Checksum = 93, "icmpv6_checksum": Malformed SelfOnly Fixed Drop Enforce,
        "RFC 4443 §2.3", z "bad_ICMP_checksum" s "-" g "-";
    /// ICMPv6 type that the router does not know.
    Icmpv6TypeUnknown = 94, "icmpv6_type_unknown": Unsupported SelfOnly Fixed Drop Enforce,
        "RFC 4443 §2.4(a), (b)", z "-" s "icmpv6.unknown_type" g "116:285";
    /// ICMPv6 Redirect addressed to the router.
    Icmpv6Redirect = 95, "icmpv6_redirect": Misbehaving SelfOnly Fixed Drop Enforce,
        "RFC 4861 §8.2", z "-" s "-" g "116:437";
    /// ICMPv6 error whose quoted packet is cut short or is not IPv6.
    Icmpv6ErrorQuote = 96, "icmpv6_error_quote": Malformed SelfOnly Fixed Drop Enforce,
        "RFC 4443 §2.4(c)", z "-" s "icmpv6.ipv6_trunc_pkt" g "116:250";
    /// UDP in IPv6 without a checksum.
    Ipv6UdpChecksumZero = 97, "ipv6_udp_checksum_zero": Malformed SelfOnly Fixed Drop Enforce,
        "RFC 8200 §8.1", z "-" s "-" g "116:406";
}
