//! Which header fields of a frame may be put right, and for which reason: the powers that an operator can grant.

use super::advice::names;
use crate::classify::Anomaly;

names! {
    /// One header field, or one wrapping, that is put right. Checksums above it follow by themselves.
    Fix {
        /// Takes off an 802.1Q priority tag.
        StripTag = 0, "strip_tag";
        /// Takes the packet out of its LLC/SNAP envelope.
        Decapsulate = 1, "decapsulate";
        /// Overwrites the IPv4 options that RFC 7126 leaves to a knob with No-Operation.
        ClearOptions = 2, "clear_options";
        /// Sets the IPv4 total length to what the frame holds.
        TotalLength = 3, "total_length";
        /// Clears the reserved flag of IPv4.
        ReservedFlag = 4, "reserved_flag";
        /// Clears Don't Fragment on a fragment.
        DontFragment = 5, "dont_fragment";
        /// Sets the IPv6 payload length to what the frame holds.
        PayloadLength = 6, "payload_length";
        /// Sets the UDP length to what the packet holds.
        UdpLength = 7, "udp_length";
        /// Computes the UDP checksum anew.
        UdpChecksum = 8, "udp_checksum";
        /// Computes the TCP checksum anew.
        TcpChecksum = 9, "tcp_checksum";
        /// Computes the ICMP or ICMPv6 checksum anew.
        IcmpChecksum = 10, "icmp_checksum";
        /// Addresses the frame to the router's MAC address instead of a group.
        LinkDestination = 11, "link_destination";
    }
}

impl Fix {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// What would put right a frame of this reason. `None`: nothing may. An IPv4 header checksum that is
    /// wrong is never put right: which of the header's bytes is the wrong one, nobody knows (RFC 1812 §5.2.2).
    pub const fn of(reason: Anomaly) -> Option<Self> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "whatever can be put right is named")]
        match reason {
            Anomaly::VlanPriorityTag => Some(Self::StripTag),
            Anomaly::SnapIpv4 => Some(Self::Decapsulate),
            Anomaly::Ipv4OptionTransit => Some(Self::ClearOptions),
            Anomaly::Ipv4TotalLengthOverrun => Some(Self::TotalLength),
            Anomaly::Ipv4ReservedFlag => Some(Self::ReservedFlag),
            Anomaly::Ipv4FragmentDf => Some(Self::DontFragment),
            Anomaly::Ipv6PayloadLength => Some(Self::PayloadLength),
            Anomaly::UdpLength => Some(Self::UdpLength),
            Anomaly::UdpChecksum | Anomaly::Ipv6UdpChecksumZero => Some(Self::UdpChecksum),
            Anomaly::TcpChecksum => Some(Self::TcpChecksum),
            Anomaly::IcmpChecksum | Anomaly::Icmpv6Checksum => Some(Self::IcmpChecksum),
            Anomaly::IpInLinkGroup => Some(Self::LinkDestination),
            _ => None,
        }
    }
}

/// A set of fixes: those that an operator allows, or those that a frame needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Fixes(u16);

impl Fixes {
    /// None.
    pub const NONE: Self = Self(0);

    /// The set with these bits, one for each code; bits without a fix are ignored.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits & ((1 << Fix::COUNT) - 1))
    }

    /// One bit for each code.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// The set with `fix` too.
    #[must_use]
    pub const fn with(self, fix: Fix) -> Self {
        Self(self.0 | 1 << fix as u16)
    }

    /// Is `fix` in the set?
    pub const fn contains(self, fix: Fix) -> bool {
        self.0 >> fix as u16 & 1 == 1
    }

    /// Its fixes in order of code.
    pub fn iter(self) -> impl Iterator<Item = Fix> {
        Fix::ALL.iter().copied().filter(move |&fix| self.contains(fix))
    }
}

impl FromIterator<Fix> for Fixes {
    fn from_iter<I: IntoIterator<Item = Fix>>(fixes: I) -> Self {
        fixes.into_iter().fold(Self::NONE, Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_what_was_put_in() {
        let set: Fixes = [Fix::TcpChecksum, Fix::StripTag].into_iter().collect();
        assert!(set.contains(Fix::StripTag) && !set.contains(Fix::UdpLength));
        assert!(set.iter().eq([Fix::StripTag, Fix::TcpChecksum]));
        assert_eq!(Fixes::from_bits(set.bits()), set);
        assert_eq!(Fixes::from_bits(u16::MAX).iter().count(), Fix::COUNT);
    }

    #[test]
    fn a_bad_ipv4_header_checksum_is_beyond_repair_and_every_fix_has_a_reason() {
        assert_eq!(Fix::of(Anomaly::Ipv4Checksum), None);
        for &fix in Fix::ALL {
            assert!(Anomaly::ALL.iter().any(|&reason| Fix::of(reason) == Some(fix)), "{fix}");
        }
    }
}
