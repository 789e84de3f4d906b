//! The names of the conversations that a stream can hold.
//!
//! Read first: RFC 791 §3.2, RFC 8200 §4.5, RFC 1858 (fragments); RFC 9293 §3.5 and §3.10 (TCP); RFC 826, RFC 5227 (ARP);
//! RFC 4861 §7, RFC 4862 §5.4 (Neighbour Discovery).

use super::BLOCK;

/// Frames that belong together. Each run of a scenario is of IPv4 or IPv6, and to the router or through it, by lot
/// where it can be either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scenario {
    /// A datagram in four fragments.
    FragmentsInOrder,
    /// The same, the last one first.
    FragmentsReversed,
    /// Two fragments to the router, the second of which begins before the first ends: an overlap.
    FragmentsOverlap,
    /// A datagram of four fragments whose second never comes.
    FragmentsMissing,
    /// A TCP segment in fragments of eight bytes: over IPv4 the second one is a tiny fragment (RFC 1858 §4.2); over
    /// IPv6 the first one is too short for the router.
    FragmentsTiny,
    /// A datagram of three fragments, each of which comes twice.
    FragmentsTwice,
    /// A datagram in sixty-four fragments.
    FragmentsTrain,
    /// A TCP connection through the router from the first SYN to the last ACK: nothing is wrong.
    TcpConnection,
    /// Sixty-four SYNs for one service, from many ports and, half of the time over IPv4, from many addresses.
    SynFlood,
    /// Sixty-four RSTs with any sequence number.
    RstStorm,
    /// Data on a connection that nobody has opened; then a SYN; then data.
    DataBeforeSyn,
    /// A SYN, and then flags that mean nothing: SYN and FIN, none, FIN and URG and PSH, SYN and RST. The router names
    /// them if they are for itself.
    BadFlags,
    /// Data that jumps far ahead and back again.
    SequenceJumps,
    /// SYN and ACK, FIN, RST with data: answers to what nobody asked.
    UnsolicitedAnswers,
    /// Both sides open the same connection at once (RFC 9293 §3.5).
    SimultaneousOpen,
    /// A host asks for its router, answers it, and asks for a neighbour.
    ArpConversation,
    /// A probe, an announcement, and a gratuitous reply (RFC 5227 §2).
    ArpGratuitous,
    /// Another station claims a host's address, and the host claims it back; twice.
    ArpConflict,
    /// A host claims the router's address; then it asks for it.
    ArpClaimsRouter,
    /// Replies to the router for addresses that it has not asked for.
    ArpUnasked,
    /// A host asks for sixty-four addresses of its network.
    ArpScan,
    /// A host asks for its router, first the group and then the router alone, and advertises itself as if asked.
    NdConversation,
    /// Advertisements to all nodes that nobody asked for.
    NdUnsolicited,
    /// Another station claims a host's address, and the host claims it back; twice.
    NdConflict,
    /// A host claims the router's address; then it asks whether it may have it.
    NdClaimsRouter,
    /// A host that comes up: duplicate address detection, a first advertisement, a solicitation of routers.
    NdComingUp,
    /// A host asks for sixty-four addresses of its network.
    NdScan,
}

impl Scenario {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::FragmentsInOrder,
        Self::FragmentsReversed,
        Self::FragmentsOverlap,
        Self::FragmentsMissing,
        Self::FragmentsTiny,
        Self::FragmentsTwice,
        Self::FragmentsTrain,
        Self::TcpConnection,
        Self::SynFlood,
        Self::RstStorm,
        Self::DataBeforeSyn,
        Self::BadFlags,
        Self::SequenceJumps,
        Self::UnsolicitedAnswers,
        Self::SimultaneousOpen,
        Self::ArpConversation,
        Self::ArpGratuitous,
        Self::ArpConflict,
        Self::ArpClaimsRouter,
        Self::ArpUnasked,
        Self::ArpScan,
        Self::NdConversation,
        Self::NdUnsolicited,
        Self::NdConflict,
        Self::NdClaimsRouter,
        Self::NdComingUp,
        Self::NdScan,
    ];

    /// The stable printed name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FragmentsInOrder => "fragments_in_order",
            Self::FragmentsReversed => "fragments_reversed",
            Self::FragmentsOverlap => "fragments_overlap",
            Self::FragmentsMissing => "fragments_missing",
            Self::FragmentsTiny => "fragments_tiny",
            Self::FragmentsTwice => "fragments_twice",
            Self::FragmentsTrain => "fragments_train",
            Self::TcpConnection => "tcp_connection",
            Self::SynFlood => "syn_flood",
            Self::RstStorm => "rst_storm",
            Self::DataBeforeSyn => "data_before_syn",
            Self::BadFlags => "bad_flags",
            Self::SequenceJumps => "sequence_jumps",
            Self::UnsolicitedAnswers => "unsolicited_answers",
            Self::SimultaneousOpen => "simultaneous_open",
            Self::ArpConversation => "arp_conversation",
            Self::ArpGratuitous => "arp_gratuitous",
            Self::ArpConflict => "arp_conflict",
            Self::ArpClaimsRouter => "arp_claims_router",
            Self::ArpUnasked => "arp_unasked",
            Self::ArpScan => "arp_scan",
            Self::NdConversation => "nd_conversation",
            Self::NdUnsolicited => "nd_unsolicited",
            Self::NdConflict => "nd_conflict",
            Self::NdClaimsRouter => "nd_claims_router",
            Self::NdComingUp => "nd_coming_up",
            Self::NdScan => "nd_scan",
        }
    }

    /// The scenario with this printed name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scenario| scenario.name() == name)
    }

    /// Frames of one run.
    pub const fn steps(self) -> usize {
        match self {
            Self::FragmentsOverlap | Self::ArpClaimsRouter | Self::NdClaimsRouter => 2,
            Self::FragmentsMissing
            | Self::ArpConversation
            | Self::ArpGratuitous
            | Self::NdConversation
            | Self::NdUnsolicited
            | Self::NdComingUp => 3,
            Self::FragmentsInOrder
            | Self::FragmentsReversed
            | Self::FragmentsTiny
            | Self::DataBeforeSyn
            | Self::UnsolicitedAnswers
            | Self::SimultaneousOpen
            | Self::ArpConflict
            | Self::ArpUnasked
            | Self::NdConflict => 4,
            Self::FragmentsTwice | Self::BadFlags | Self::SequenceJumps => 6,
            Self::TcpConnection => 8,
            Self::FragmentsTrain | Self::SynFlood | Self::RstStorm | Self::ArpScan | Self::NdScan => BLOCK,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_runs_fit() {
        for &scenario in Scenario::ALL {
            assert_eq!(Scenario::from_name(scenario.name()), Some(scenario));
            assert!(scenario.steps() <= super::super::SLOT || scenario.steps() == BLOCK);
        }
        assert_eq!(Scenario::from_name("war"), None);
    }
}
