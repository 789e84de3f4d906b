//! The judgement of a host's kernel: its own counters, read inside its namespace.
//!
//! Read first: RFC 2011 and `/proc/net/snmp`. A kernel that got a wrong frame counts it here.

use crate::lab::namespace::Host;
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
    /// Reads them in `host`'s namespace.
    ///
    /// # Errors
    /// `/proc` is not there.
    pub(in crate::lab) fn read(host: &Host) -> io::Result<Self> {
        let text = host.run(|| {
            let snmp = fs::read_to_string("/proc/thread-self/net/snmp")?;
            Ok::<_, io::Error>(snmp + &fs::read_to_string("/proc/thread-self/net/netstat")?)
        })?;
        Ok(Self::from_table(&parse(&text)))
    }

    /// Packets that a correct router could never have caused: wrong checksums, headers and lengths.
    pub fn malformed(&self) -> u64 {
        self.faults().map(|(_, count)| count).sum()
    }

    /// The counters under [`KernelCounters::malformed`], each with its name.
    pub fn faults(&self) -> impl Iterator<Item = (&'static str, u64)> {
        // `IpExt.InCsumErrors`, `Icmp.InErrors` and `Udp.InErrors` would count the same packets again.
        const FAULTS: [&str; 5] = [
            "Ip.InHdrErrors",
            "IpExt.InTruncatedPkts",
            "Icmp.InCsumErrors",
            "Udp.InCsumErrors",
            "Tcp.InCsumErrors",
        ];
        self.named().filter(|(name, _)| FAULTS.contains(name))
    }
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

    #[test]
    fn pairs_of_lines_are_read_by_name() {
        let table = parse("Ip: A B\nIp: 3 -1\nIcmp: InErrors\nIcmp: 7\n");
        assert_eq!(table.get("Ip.A"), Some(&3));
        assert_eq!(table.get("Ip.B"), None);
        assert_eq!(table.get("Icmp.InErrors"), Some(&7));
    }

    #[test]
    fn the_kernel_counts_good_and_wrong_packets_apart() {
        let Some(cable) = Cable::plug() else { return };
        let before = KernelCounters::read(&cable.second).unwrap();
        let plan = EchoPlan::burst(Cable::SECOND, 5);
        assert!(icmp::spawn_echo(&cable.first, plan, Stop::default()).unwrap().join().is_clean());
        let good = KernelCounters::read(&cable.second).unwrap().since(&before);
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
        let bad = KernelCounters::read(&cable.second).unwrap().since(&before).since(&good);
        assert_eq!((bad.icmp_in_timestamp_reps, bad.icmp_in_csum_errors), (1, 1), "{bad:?}");
        assert_eq!(bad.malformed(), 1);
    }
}
