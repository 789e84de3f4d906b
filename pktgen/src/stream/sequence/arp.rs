//! ARP: asking and answering, announcing, and claiming what is another's.
//!
//! Read first: RFC 826; RFC 5227 §2 (probes, announcements, conflicts).

use super::super::FRAME_MAX;
use super::super::packet::padded;
use super::{Made, Run};
use crate::build::{BROADCAST, ETHERNET_HEADER, Mac, ethertype};
use crate::dice::{Counter, Draw};
use rand::Rng;
use stack::Anomaly;

const REQUEST: u8 = 1;
const REPLY: u8 = 2;
const NOBODY: [u8; 4] = [0; 4];

/// A MAC address and an IP address that somebody says to have.
type Claim = (Mac, [u8; 4]);

/// Writes an ARP packet; the frame is its sender's own.
fn arp(buffer: &mut [u8; FRAME_MAX], to: Mac, operation: u8, sender: Claim, target: Claim) -> usize {
    buffer[..6].copy_from_slice(&to);
    buffer[6..12].copy_from_slice(&sender.0);
    buffer[12..14].copy_from_slice(&ethertype::ARP.to_be_bytes());
    let packet: &mut [u8; 28] = buffer[ETHERNET_HEADER..].first_chunk_mut().expect("it fits");
    packet[..8].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, operation]);
    packet[8..14].copy_from_slice(&sender.0);
    packet[14..18].copy_from_slice(&sender.1);
    packet[18..24].copy_from_slice(&target.0);
    packet[24..].copy_from_slice(&target.1);
    padded(buffer, ETHERNET_HEADER + 28)
}

/// The MAC address of a station that nobody knows.
pub(super) fn unknown_mac(rng: &mut Counter) -> Mac {
    let [a, b, c, d, ..] = rng.next_u64().to_be_bytes();
    [2, 0xbb, a, b, c, d]
}

impl Run<'_> {
    fn host(&self) -> Claim {
        (self.from.mac, self.from.v4)
    }

    fn router(&self) -> Claim {
        (self.from.router.mac, self.from.router.v4)
    }

    /// An address of the host's network that nobody has, as far as there is one.
    fn stranger(&self, rng: &mut Counter) -> [u8; 4] {
        self.from.stranger(rng).unwrap_or(self.from.v4)
    }

    pub(super) fn arp_conversation(&mut self, buffer: &mut [u8; FRAME_MAX]) -> Made {
        let (host, router) = (self.host(), self.router());
        let neighbor = self.stranger(&mut self.rng.clone());
        Made::healthy(match self.step {
            0 => arp(buffer, BROADCAST, REQUEST, host, ([0; 6], router.1)),
            1 => arp(buffer, router.0, REPLY, host, router),
            _ => arp(buffer, BROADCAST, REQUEST, host, ([0; 6], neighbor)),
        })
    }

    pub(super) fn arp_gratuitous(&mut self, buffer: &mut [u8; FRAME_MAX]) -> Made {
        let (mac, address) = self.host();
        Made::healthy(match self.step {
            0 => arp(buffer, BROADCAST, REQUEST, (mac, NOBODY), ([0; 6], address)),
            1 => arp(buffer, BROADCAST, REQUEST, (mac, address), ([0; 6], address)),
            _ => arp(buffer, BROADCAST, REPLY, (mac, address), (mac, address)),
        })
    }

    pub(super) fn arp_conflict(&mut self, buffer: &mut [u8; FRAME_MAX]) -> Made {
        let (mac, address) = self.host();
        let liar = unknown_mac(&mut self.rng);
        let sender = (if self.step.is_multiple_of(2) { liar } else { mac }, address);
        // Once by an announcement, once by a reply to the router.
        Made::healthy(if self.step < 2 {
            arp(buffer, BROADCAST, REQUEST, sender, ([0; 6], address))
        } else {
            let router = self.router();
            arp(buffer, router.0, REPLY, sender, router)
        })
    }

    pub(super) fn arp_claims_router(&mut self, buffer: &mut [u8; FRAME_MAX]) -> Made {
        let (host, router) = (self.host(), self.router());
        if self.step == 1 {
            return Made::healthy(arp(buffer, BROADCAST, REQUEST, host, ([0; 6], router.1)));
        }
        let operation = *self.rng.pick(&[REQUEST, REPLY]);
        let len = arp(buffer, BROADCAST, operation, (host.0, router.1), ([0; 6], router.1));
        Made::odd(len, Anomaly::ArpClaimsOurAddress)
    }

    pub(super) fn arp_unasked(&mut self, buffer: &mut [u8; FRAME_MAX]) -> Made {
        let mut rng = self.step_rng();
        let sender = (unknown_mac(&mut rng), self.stranger(&mut rng));
        let router = self.router();
        Made::healthy(arp(buffer, router.0, REPLY, sender, router))
    }

    pub(super) fn arp_scan(&mut self, buffer: &mut [u8; FRAME_MAX]) -> Made {
        let (host, mut rng) = (self.host(), self.step_rng());
        let target = self.stranger(&mut rng);
        Made::healthy(arp(buffer, BROADCAST, REQUEST, host, ([0; 6], target)))
    }
}
