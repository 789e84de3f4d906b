//! Echo requests to the router and the one right reply to each.

use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// Bytes of Ethernet, IPv4 and ICMP headers before the payload.
const HEADERS: usize = 14 + 20 + 8;

/// What is wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// Added (one's complement, never 0 or 0xffff) to the right IPv4 header checksum.
    pub ip_checksum: Option<u16>,
    /// The same for the ICMP checksum.
    pub icmp_checksum: Option<u16>,
}

/// One echo request: every field that is not a length, a constant or a checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EchoRequest {
    /// The router's MAC address.
    pub link_destination: [u8; 6],
    /// The sender's MAC address.
    pub link_source: [u8; 6],
    /// Type of service.
    pub tos: u8,
    /// IPv4 identification.
    pub ident: u16,
    /// Don't Fragment.
    pub dont_fragment: bool,
    /// Time to live as it arrives.
    pub ttl: u8,
    /// Who asks.
    pub source: [u8; 4],
    /// The router's address.
    pub destination: [u8; 4],
    /// ICMP code; 0 unless the sender is odd.
    pub code: u8,
    /// ICMP identifier.
    pub id: u16,
    /// ICMP sequence number.
    pub sequence: u16,
    /// What the reply must carry back.
    pub payload: Vec<u8>,
    /// What is wrong with it.
    pub faults: Faults,
}

impl EchoRequest {
    /// The request number `index` of stream `seed`: the two determine every byte.
    pub fn sample(seed: u64, index: u64) -> Self {
        let mut rng = rng(seed, index);
        let rng = &mut rng;
        let mut link_destination: [u8; 6] = rng.random();
        let mut link_source: [u8; 6] = rng.random();
        // Unicast, locally administered.
        link_destination[0] = link_destination[0] & 0xfc | 2;
        link_source[0] = link_source[0] & 0xfc | 2;
        Self {
            link_destination,
            link_source,
            tos: if rng.random_ratio(7, 10) { 0 } else { rng.random() },
            ident: if rng.random_ratio(1, 8) { 0 } else { rng.random() },
            dont_fragment: rng.random(),
            ttl: ttl(rng),
            source: address(rng),
            destination: address(rng),
            code: if rng.random_ratio(31, 32) { 0 } else { rng.random() },
            id: rng.random(),
            sequence: if rng.random() { rng.random_range(0..64) } else { rng.random() },
            payload: payload(rng),
            faults: faults(rng),
        }
    }

    /// The Ethernet frame, without FCS.
    pub fn frame(&self) -> Vec<u8> {
        let mut frame = vec![0; HEADERS];
        frame[..6].copy_from_slice(&self.link_destination);
        frame[6..12].copy_from_slice(&self.link_source);
        frame[12..14].copy_from_slice(&0x0800_u16.to_be_bytes());
        frame.extend_from_slice(&self.payload);
        let total = (frame.len() - 14) as u16;
        let ip = &mut frame[14..];
        ip[0] = 0x45;
        ip[1] = self.tos;
        ip[2..4].copy_from_slice(&total.to_be_bytes());
        ip[4..6].copy_from_slice(&self.ident.to_be_bytes());
        ip[6] = if self.dont_fragment { 0x40 } else { 0 };
        ip[8] = self.ttl;
        ip[9] = 1;
        ip[12..16].copy_from_slice(&self.source);
        ip[16..20].copy_from_slice(&self.destination);
        ip[20] = 8;
        ip[21] = self.code;
        ip[24..26].copy_from_slice(&self.id.to_be_bytes());
        ip[26..28].copy_from_slice(&self.sequence.to_be_bytes());
        let wrong = |right: u16, fault: Option<u16>| fault.map_or(right, |f| add(right, f));
        let header = wrong(checksum(&ip[..20]), self.faults.ip_checksum);
        ip[10..12].copy_from_slice(&header.to_be_bytes());
        let message = wrong(checksum(&ip[20..]), self.faults.icmp_checksum);
        ip[22..24].copy_from_slice(&message.to_be_bytes());
        frame
    }
}

/// The oracle: the one right reply to `frame`, or `None` where the RFCs want silence. Checksums are
/// computed from scratch, so that an incremental update can be judged against them.
pub fn echo_reply(frame: &[u8]) -> Option<Vec<u8>> {
    let ip = frame.get(14..)?;
    if frame[12..14] != [8, 0] || ip.len() < 28 || ip[0] != 0x45 || ip[9] != 1 {
        return None;
    }
    let total = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
    let fragment = u16::from_be_bytes([ip[6], ip[7]]) & 0x3fff != 0;
    if fragment || total < 28 || total > ip.len() || ip[20] != 8 {
        return None;
    }
    let ip = &ip[..total];
    if checksum(&ip[..20]) != 0 || checksum(&ip[20..]) != 0 {
        return None;
    }
    let mut reply = Vec::with_capacity(14 + total);
    reply.extend_from_slice(&frame[6..12]);
    reply.extend_from_slice(&frame[..6]);
    reply.extend_from_slice(&frame[12..14]);
    reply.extend_from_slice(ip);
    let out = &mut reply[14..];
    out[8] = 64;
    out[12..16].copy_from_slice(&ip[16..20]);
    out[16..20].copy_from_slice(&ip[12..16]);
    out[20] = 0;
    out[10..12].fill(0);
    out[22..24].fill(0);
    let header = checksum(&out[..20]);
    out[10..12].copy_from_slice(&header.to_be_bytes());
    let message = checksum(&out[20..]);
    out[22..24].copy_from_slice(&message.to_be_bytes());
    Some(reply)
}

/// The Internet checksum (RFC 1071) of `bytes`; 0 when they hold a right one.
fn checksum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |&low| u32::from(low));
    let mut sum: u32 = bytes.chunks(2).map(word).sum();
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// One's complement addition.
const fn add(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    sum + carry as u16
}

fn rng(seed: u64, index: u64) -> Pcg64Mcg {
    // A multiplicative generator must not start from neighbouring states: the seeding scrambles them.
    Pcg64Mcg::seed_from_u64(seed.rotate_left(32) ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Mostly what is left of 64, 128 or 255 after some hops; every value from 1 to 255 occurs.
fn ttl(rng: &mut impl Rng) -> u8 {
    match rng.random_range(0..10_u8) {
        0..4 => 64 - hops(rng),
        4..6 => 128 - hops(rng),
        6..8 => 255 - hops(rng),
        _ => rng.random_range(1..=255),
    }
}

fn hops(rng: &mut impl Rng) -> u8 {
    if rng.random() { 0 } else { rng.random_range(0..32) }
}

/// A unicast host: private, or anything else below 224/8 that is no loopback.
fn address(rng: &mut impl Rng) -> [u8; 4] {
    let mut address: [u8; 4] = rng.random();
    match rng.random_range(0..4_u8) {
        0 => address[0] = 10,
        1 => address[..2].copy_from_slice(&[192, 168]),
        _ => {
            address[0] = rng.random_range(1..224);
            if address[0] == 127 {
                address[0] = 126;
            }
        }
    }
    address[3] = rng.random_range(1..255);
    address
}

/// 0 to 1400 bytes; half of the requests carry the 56 of the usual `ping`.
fn payload(rng: &mut impl Rng) -> Vec<u8> {
    let len = match rng.random_range(0..8_u8) {
        0..4 => 56,
        4..7 => rng.random_range(0..=128),
        _ => rng.random_range(0..=1400),
    };
    let mut bytes = vec![0; len];
    if rng.random() {
        rng.fill_bytes(&mut bytes);
    } else {
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = index as u8;
        }
    }
    bytes
}

/// One request in eight is damaged, as often in the one header as in the other.
fn faults(rng: &mut impl Rng) -> Faults {
    let mut fault = |one_in: u32| {
        rng.random_ratio(1, one_in)
            .then(|| if rng.random() { 1 << rng.random_range(0..16_u8) } else { rng.random_range(1..0xffff) })
    };
    Faults { ip_checksum: fault(16), icmp_checksum: fault(16) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_undamaged_requests_have_a_reply_and_it_verifies() {
        let mut damaged = 0;
        for index in 0..20_000 {
            let request = EchoRequest::sample(7, index);
            let frame = request.frame();
            let Some(reply) = echo_reply(&frame) else {
                assert_ne!(request.faults, Faults::default());
                damaged += 1;
                continue;
            };
            assert_eq!(request.faults, Faults::default());
            assert_eq!((checksum(&reply[14..34]), checksum(&reply[34..])), (0, 0));
            assert_eq!((reply.len(), reply[22], reply[34]), (frame.len(), 64, 0));
            assert_eq!(reply[42..], frame[42..]);
        }
        assert!((2_000..3_000).contains(&damaged), "{damaged}");
    }

    #[test]
    fn seed_and_index_determine_the_frame_and_ttls_cover_the_range() {
        assert_eq!(EchoRequest::sample(1, 2), EchoRequest::sample(1, 2));
        assert_ne!(EchoRequest::sample(1, 2).frame(), EchoRequest::sample(2, 1).frame());
        let mut seen = [false; 256];
        (0..20_000).for_each(|index| seen[usize::from(EchoRequest::sample(3, index).ttl)] = true);
        assert!(!seen[0] && seen[1..].iter().all(|&s| s));
    }

    #[test]
    fn a_known_request_gets_the_known_reply() {
        // An all-zero message: its words sum to the type alone.
        let mut request = EchoRequest::sample(0, 0);
        request.payload.clear();
        request.faults = Faults::default();
        (request.ttl, request.code, request.id, request.sequence) = (64, 0, 0, 0);
        let frame = request.frame();
        assert_eq!(frame[36..38], 0xf7ff_u16.to_be_bytes());
        let reply = echo_reply(&frame).unwrap();
        assert_eq!(reply[36..38], 0xffff_u16.to_be_bytes());
        // TTL and addresses sum to the same: the header checksum stays.
        assert_eq!(reply[24..26], frame[24..26]);
    }
}
