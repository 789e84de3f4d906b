//! What `handle_frame` tells its caller, and every reason for a drop.

use crate::classify::Anomaly;
use crate::config::PortId;

/// What became of a received frame, as far as its caller must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
pub enum Verdict {
    /// Send the same buffer, rewritten in place, out of this port.
    Forward {
        /// The port whose device sends it: a VLAN's trunk.
        port: PortId,
    },
    /// The local host took it.
    Deliver,
    /// The router used it up, keeps a copy that waits for a neighbour, or has queued it in fragments.
    Consume,
    /// Discard it.
    Drop(DropReason),
    /// The router holds a copy for the slow path.
    Divert(Anomaly),
}

macro_rules! drop_reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal;)+) => {
        /// Why a frame was discarded.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        pub enum DropReason {
            /// It is this anomaly, and nothing said otherwise.
            Anomaly(Anomaly),
            $($(#[doc = $doc])+ $variant,)+
        }

        impl DropReason {
            /// Every reason that is not an anomaly.
            pub const OTHERS: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable printed name.
            pub const fn name(self) -> &'static str {
                match self { Self::Anomaly(anomaly) => anomaly.name(), $(Self::$variant => $name,)+ }
            }

            /// Index within [`Self::OTHERS`], or else the anomaly.
            pub(crate) const fn other_index(self) -> Result<usize, Anomaly> {
                if let Self::Anomaly(anomaly) = self { return Err(anomaly); }
                #[derive(Clone, Copy)]
                enum Index { $($variant,)+ }
                match self { Self::Anomaly(anomaly) => Err(anomaly), $(Self::$variant => Ok(Index::$variant as usize),)+ }
            }
        }
    };
}

drop_reasons! {
    /// For another station on the link.
    Foreign = "foreign";
    /// No route to the destination.
    NoRoute = "no_route";
    /// The route to the destination says that it cannot be reached.
    RouteUnreachable = "route_unreachable";
    /// The route to the destination says that it is prohibited.
    RouteProhibited = "route_prohibited";
    /// The route to the destination says to discard in silence.
    RouteBlackhole = "route_blackhole";
    /// The time to live, or hop limit, ran out in transit.
    TtlExpired = "ttl_expired";
    /// Larger than the egress MTU, and not to be fragmented: Don't Fragment is set, or it is IPv6.
    FragmentationNeeded = "fragmentation_needed";
    /// The caller's buffer has no room for the egress port's VLAN tag.
    NoHeadroom = "no_headroom";
    /// The next hop did not answer ARP or Neighbour Discovery.
    NeighborFailed = "neighbor_failed";
    /// No slot for one more neighbour.
    NeighborTableFull = "neighbor_table_full";
    /// No room for one more packet that waits for a neighbour.
    WaitingRoomFull = "waiting_room_full";
    /// The egress queue or the caller's device was full.
    EgressFull = "egress_full";
    /// To a broadcast or group that nobody here listens to.
    GroupNotJoined = "group_not_joined";
    /// To the router, with a protocol that it does not speak.
    ProtocolUnreachable = "protocol_unreachable";
    /// To the router, to a UDP port where nobody listens.
    PortUnreachable = "port_unreachable";
    /// To the router, but larger than the local host can take.
    HostTooLarge = "host_too_large";
    /// A fragment to the router whose datagram cannot be reassembled: it contradicts one received before.
    ReassemblyInconsistent = "reassembly_inconsistent";
    /// Over the meter of the rule that it matches, or over what rules may send.
    RuleMeter = "rule_meter";
}

impl core::fmt::Display for DropReason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_reasons_have_unique_names_and_their_own_index() {
        for (index, reason) in DropReason::OTHERS.iter().enumerate() {
            assert_eq!(reason.other_index(), Ok(index));
            assert!(Anomaly::from_name(reason.name()).is_none());
            assert_eq!(DropReason::OTHERS.iter().filter(|other| other.name() == reason.name()).count(), 1);
        }
    }
}
