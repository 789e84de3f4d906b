//! ICMP and ICMPv6 echo through the host's own ICMP socket, which checks a reply before we see it.
//!
//! Read first: `man 7 icmp`, `ping_group_range`. The host fills in identifier and checksum.

use super::exchange::{Codec, EchoCounts, EchoPlan, exchange};
use super::{Running, Stop};
use crate::lab::host::{Family, LabHost};
use std::io;

const HEADER: usize = 8;

/// The types of request and reply: RFC 792, RFC 4443 §4.
struct IcmpEcho {
    request: u8,
    reply: u8,
}

impl Codec for IcmpEcho {
    fn encode(&self, sequence: u16, payload: &[u8], message: &mut Vec<u8>) {
        message.extend([self.request, 0, 0, 0, 0, 0]);
        message.extend(sequence.to_be_bytes());
        message.extend(payload);
    }

    fn decode<'a>(&self, message: &'a [u8]) -> Option<(u16, &'a [u8])> {
        let (header, payload) = message.split_at_checked(HEADER)?;
        (header[..2] == [self.reply, 0]).then(|| (u16::from_be_bytes([header[6], header[7]]), payload))
    }
}

/// Sends echo requests from `host`. Progress: right replies.
///
/// # Errors
/// The host gives no ICMP socket; the message says what to set.
pub fn spawn_echo(host: &dyn LabHost, plan: EchoPlan, stop: Stop) -> io::Result<Running<EchoCounts>> {
    let socket = host.open_icmp(plan.target)?;
    let codec = match Family::of(plan.target) {
        Family::V4 => IcmpEcho { request: 8, reply: 0 },
        Family::V6 => IcmpEcho { request: 128, reply: 129 },
    };
    Running::start("icmp echo", move |progress| exchange(&*socket, &codec, 0, &plan, &stop, progress))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::test_cable::Cable;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    #[test]
    fn the_first_echo_with_cold_neighbours_is_answered() {
        let Some(cable) = Cable::plug() else { return };
        let plan = EchoPlan { payload: 0..=1472, ..EchoPlan::burst(Cable::SECOND, 200) };
        let counts = spawn_echo(&cable.first, plan, Stop::default()).unwrap().join();
        assert!(counts.is_clean() && counts.first_answered, "{counts:?}");
        assert_eq!(counts.rtts.len(), 200);
        cable.first.forget_neighbor(Cable::SECOND.into()).unwrap();
        let again = spawn_echo(&cable.first, EchoPlan::burst(Cable::SECOND, 1), Stop::default()).unwrap();
        assert!(again.join().first_answered);
    }

    #[test]
    fn ipv6_hosts_answer_on_global_and_link_local_addresses_and_in_fragments() {
        let Some(cable) = Cable::plug() else { return };
        for target in [Cable::SECOND_V6, Cable::SECOND_LINK_LOCAL] {
            let plan = EchoPlan { payload: 0..=1800, ..EchoPlan::burst(target, 100) };
            let counts = spawn_echo(&cable.first, plan, Stop::default()).unwrap().join();
            assert!(counts.is_clean() && counts.first_answered, "{target}: {counts:?}");
            cable.first.forget_neighbor(target.into()).unwrap();
        }
    }

    #[test]
    fn silence_is_counted_as_loss_and_the_stop_ends_it() {
        let Some(cable) = Cable::plug() else { return };
        let nobody = Ipv4Addr::new(10, 0, 1, 77);
        let plan = EchoPlan { timeout: Duration::from_millis(50), ..EchoPlan::steady(nobody, 100) };
        let stop = Stop::default();
        let running = spawn_echo(&cable.first, plan, stop.clone()).unwrap();
        std::thread::sleep(Duration::from_millis(200));
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let counts = running.join();
        assert!(counts.sent >= 1 && counts.received == 0 && !counts.first_answered, "{counts:?}");
    }
}
