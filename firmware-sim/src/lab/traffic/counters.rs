//! The judgement of a host's kernel: its own counters, read inside its namespace.
//!
//! Read first: RFC 2011 and `/proc/net/snmp`. A kernel that got a wrong frame counts it here.

use crate::lab::netns::Namespace;
use std::collections::BTreeMap;
use std::fs;
use std::io;

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $field:ident = $group:literal $name:literal;)+) => {
        /// What a host's kernel has counted since its namespace was made.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct KernelCounters { $($(#[doc = $doc])+ pub $field: u64,)+ }

        impl KernelCounters {
            fn from_table(table: &BTreeMap<String, u64>) -> Self {
                Self { $($field: table.get(concat!($group, ".", $name)).copied().unwrap_or(0),)+ }
            }

            /// What has come since `earlier`.
            #[must_use]
            pub const fn since(&self, earlier: &Self) -> Self {
                Self { $($field: self.$field.saturating_sub(earlier.$field),)+ }
            }

            /// Each counter with its name in `/proc/net`.
            pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((concat!($group, ".", $name), self.$field),)+].into_iter()
            }
        }
    };
}

counters! {
    /// IPv4 packets received, wrong ones too.
    ip_in_receives = "Ip" "InReceives";
    /// IPv4 packets with a wrong header: version, length, options, TTL.
    ip_in_hdr_errors = "Ip" "InHdrErrors";
    /// IPv4 packets to an address that is not the host's.
    ip_in_addr_errors = "Ip" "InAddrErrors";
    /// IPv4 packets delivered to a protocol.
    ip_in_delivers = "Ip" "InDelivers";
    /// IPv4 packets with a wrong header checksum.
    ip_in_csum_errors = "IpExt" "InCsumErrors";
    /// IPv4 packets shorter than their total length.
    ip_in_truncated = "IpExt" "InTruncatedPkts";
    /// ICMP messages received, wrong ones too.
    icmp_in_msgs = "Icmp" "InMsgs";
    /// ICMP messages with an error of any kind.
    icmp_in_errors = "Icmp" "InErrors";
    /// ICMP messages with a wrong checksum.
    icmp_in_csum_errors = "Icmp" "InCsumErrors";
    /// Destination Unreachable messages received.
    icmp_in_dest_unreachs = "Icmp" "InDestUnreachs";
    /// Time Exceeded messages received.
    icmp_in_time_excds = "Icmp" "InTimeExcds";
    /// Parameter Problem messages received.
    icmp_in_parm_probs = "Icmp" "InParmProbs";
    /// Redirects received.
    icmp_in_redirects = "Icmp" "InRedirects";
    /// Echo requests received.
    icmp_in_echos = "Icmp" "InEchos";
    /// Echo replies received.
    icmp_in_echo_reps = "Icmp" "InEchoReps";
    /// Timestamp requests received.
    icmp_in_timestamps = "Icmp" "InTimestamps";
    /// Timestamp replies received.
    icmp_in_timestamp_reps = "Icmp" "InTimestampReps";
    /// IPv6 packets received, wrong ones too.
    ip6_in_receives = "Ip6" "InReceives";
    /// IPv6 packets with a wrong header or option.
    ip6_in_hdr_errors = "Ip6" "InHdrErrors";
    /// IPv6 packets to an address that is not the host's.
    ip6_in_addr_errors = "Ip6" "InAddrErrors";
    /// IPv6 packets shorter than their payload length.
    ip6_in_truncated = "Ip6" "InTruncatedPkts";
    /// IPv6 packets delivered to a protocol.
    ip6_in_delivers = "Ip6" "InDelivers";
    /// ICMPv6 messages with an error of any kind.
    icmp6_in_errors = "Icmp6" "InErrors";
    /// ICMPv6 messages with a wrong checksum.
    icmp6_in_csum_errors = "Icmp6" "InCsumErrors";
    /// ICMPv6 Destination Unreachable messages received.
    icmp6_in_dest_unreachs = "Icmp6" "InDestUnreachs";
    /// ICMPv6 Packet Too Big messages received.
    icmp6_in_pkt_too_bigs = "Icmp6" "InPktTooBigs";
    /// ICMPv6 Time Exceeded messages received.
    icmp6_in_time_excds = "Icmp6" "InTimeExcds";
    /// ICMPv6 Parameter Problem messages received.
    icmp6_in_parm_problems = "Icmp6" "InParmProblems";
    /// ICMPv6 echo requests received.
    icmp6_in_echos = "Icmp6" "InEchos";
    /// ICMPv6 echo replies received.
    icmp6_in_echo_replies = "Icmp6" "InEchoReplies";
    /// UDP datagrams over IPv6 delivered.
    udp6_in_datagrams = "Udp6" "InDatagrams";
    /// UDP datagrams over IPv6 that could not be delivered.
    udp6_in_errors = "Udp6" "InErrors";
    /// UDP datagrams over IPv6 with a wrong checksum.
    udp6_in_csum_errors = "Udp6" "InCsumErrors";
    /// UDP datagrams delivered.
    udp_in_datagrams = "Udp" "InDatagrams";
    /// UDP datagrams to a port without a socket.
    udp_no_ports = "Udp" "NoPorts";
    /// UDP datagrams that could not be delivered for another reason.
    udp_in_errors = "Udp" "InErrors";
    /// UDP datagrams lost because a socket's buffer was full.
    udp_rcvbuf_errors = "Udp" "RcvbufErrors";
    /// UDP datagrams with a wrong checksum.
    udp_in_csum_errors = "Udp" "InCsumErrors";
    /// TCP segments with an error.
    tcp_in_errs = "Tcp" "InErrs";
    /// TCP segments with a wrong checksum.
    tcp_in_csum_errors = "Tcp" "InCsumErrors";
    /// TCP segments sent again.
    tcp_retrans_segs = "Tcp" "RetransSegs";
}

impl KernelCounters {
    /// Reads them in a host's namespace.
    ///
    /// # Errors
    /// `/proc` is not there.
    pub fn read(host: &Namespace) -> io::Result<Self> {
        let (text, snmp6) = host.run(|| {
            let snmp = fs::read_to_string("/proc/thread-self/net/snmp")?;
            let netstat = fs::read_to_string("/proc/thread-self/net/netstat")?;
            // A kernel without IPv6 has none.
            let snmp6 = fs::read_to_string("/proc/thread-self/net/snmp6").unwrap_or_default();
            Ok::<_, io::Error>((snmp + &netstat, snmp6))
        })?;
        let mut table = parse(&text);
        table.extend(parse_v6(&snmp6));
        Ok(Self::from_table(&table))
    }

    /// Packets that a correct router could never have caused: wrong checksums, headers and lengths.
    pub fn malformed(&self) -> u64 {
        self.faults().map(|(_, count)| count).sum()
    }

    /// The counters under [`KernelCounters::malformed`], each with its name.
    pub fn faults(&self) -> impl Iterator<Item = (&'static str, u64)> {
        // `IpExt.InCsumErrors`, `Icmp.InErrors` and `Udp.InErrors` would count the same packets again.
        const FAULTS: [&str; 9] = [
            "Ip.InHdrErrors",
            "IpExt.InTruncatedPkts",
            "Icmp.InCsumErrors",
            "Udp.InCsumErrors",
            "Tcp.InCsumErrors",
            "Ip6.InHdrErrors",
            "Ip6.InTruncatedPkts",
            "Icmp6.InCsumErrors",
            "Udp6.InCsumErrors",
        ];
        self.named().filter(|(name, _)| FAULTS.contains(name))
    }
}

/// Reads lines `GroupName value`, whose groups are `Ip6`, `Icmp6` and `Udp6`.
fn parse_v6(text: &str) -> BTreeMap<String, u64> {
    let counter = |line: &str| {
        let (name, value) = line.split_once(char::is_whitespace)?;
        let (group, name) = name.split_at_checked(name.find('6')? + 1)?;
        Some((format!("{group}.{name}"), value.trim().parse().ok()?))
    };
    text.lines().filter_map(counter).collect()
}

/// Reads pairs of lines: `Group: name name` and `Group: value value`.
fn parse(text: &str) -> BTreeMap<String, u64> {
    let mut table = BTreeMap::new();
    let lines: Vec<&str> = text.lines().collect();
    for pair in lines.chunks_exact(2) {
        let (Some((group, names)), Some((_, values))) = (pair[0].split_once(':'), pair[1].split_once(':'))
        else {
            continue;
        };
        for (name, value) in names.split_whitespace().zip(values.split_whitespace()) {
            // `Tcp.MaxConn` is -1: no counter.
            if let Ok(value) = value.parse() {
                table.insert(format!("{group}.{name}"), value);
            }
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::host::LabHost;
    use crate::lab::test_cable::Cable;
    use crate::lab::traffic::{Stop, exchange::EchoPlan, icmp};
    use std::net::Ipv6Addr;

    #[test]
    fn pairs_of_lines_are_read_by_name() {
        let table = parse("Ip: A B\nIp: 3 -1\nIcmp: InErrors\nIcmp: 7\n");
        assert_eq!(table.get("Ip.A"), Some(&3));
        assert_eq!(table.get("Ip.B"), None);
        assert_eq!(table.get("Icmp.InErrors"), Some(&7));
        let table = parse_v6("Ip6InReceives  \t 12\nIcmp6InEchos 3\nUdpLite6InErrors 0\n");
        assert_eq!(table.get("Ip6.InReceives"), Some(&12));
        assert_eq!(table.get("Icmp6.InEchos"), Some(&3));
    }

    #[test]
    fn the_kernel_counts_good_and_wrong_packets_apart() {
        let Some(cable) = Cable::plug() else { return };
        let before = KernelCounters::read(cable.second.namespace()).unwrap();
        let plan = EchoPlan::burst(Cable::SECOND, 5);
        assert!(icmp::spawn_echo(&cable.first, plan, Stop::default()).unwrap().join().is_clean());
        let good = KernelCounters::read(cable.second.namespace()).unwrap().since(&before);
        assert_eq!((good.icmp_in_echos, good.malformed()), (5, 0), "{good:?}");

        // The same kernel gets an ICMP timestamp reply with a wrong checksum, and one with the right one.
        let sender = cable.first.open_raw().unwrap();
        for checksum in [0_u16, 0xf1ff] {
            let mut frame = vec![2, 0, 0, 0, 1, 3, 2, 0, 0, 0, 1, 2, 8, 0];
            frame.extend([0x45, 0, 0, 40, 0, 0, 0, 0, 64, 1, 0x64, 0xd1, 10, 0, 1, 2, 10, 0, 1, 3]);
            frame.extend([14, 0]);
            frame.extend(checksum.to_be_bytes());
            frame.extend([0; 16]);
            let _ = sender.send(&frame).unwrap();
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
        let bad = KernelCounters::read(cable.second.namespace()).unwrap().since(&before).since(&good);
        assert_eq!((bad.icmp_in_timestamp_reps, bad.icmp_in_csum_errors), (1, 1), "{bad:?}");
        assert_eq!(bad.malformed(), 1);

        // And echo over IPv6, after an echo reply with a wrong checksum.
        let mut frame = vec![2, 0, 0, 0, 1, 3, 2, 0, 0, 0, 1, 2, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, 58, 64];
        frame.extend(Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 2).octets());
        frame.extend(Cable::SECOND_V6.octets());
        frame.extend([129, 0, 0, 0, 0, 0, 0, 0]);
        let before = KernelCounters::read(cable.second.namespace()).unwrap();
        let _ = sender.send(&frame).unwrap();
        let plan = EchoPlan::burst(Cable::SECOND_V6, 5);
        assert!(icmp::spawn_echo(&cable.first, plan, Stop::default()).unwrap().join().is_clean());
        let seen = KernelCounters::read(cable.second.namespace()).unwrap().since(&before);
        assert_eq!((seen.icmp6_in_echos, seen.icmp6_in_csum_errors, seen.malformed()), (5, 1, 1), "{seen:?}");
    }
}
