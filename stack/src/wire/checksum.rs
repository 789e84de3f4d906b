//! Internet checksums: incremental update (RFC 1624) and verification over a slice (RFC 1071).

use smoltcp::wire::checksum;

/// The header checksum after one 16-bit word changed from `old` to `new`.
///
/// RFC 1624 §3, equation 3: `HC' = ~(~HC + ~m + m')`. Unlike RFC 1141's form it cannot turn a
/// correct checksum into 0xffff where 0x0000 was meant.
pub const fn update(checksum: u16, old: u16, new: u16) -> u16 {
    let sum = (!checksum) as u32 + (!old) as u32 + new as u32;
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    !(sum as u16)
}

/// Is the checksum that `data` contains right? (Its one's-complement sum is then 0xffff.)
pub fn verify(data: &[u8]) -> bool {
    checksum::data(data) == 0xffff
}

/// The checksum of `data`, whose checksum field must hold zero.
pub fn compute(data: &[u8]) -> u16 {
    !checksum::data(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1624 §4: the example on which RFC 1141's equation fails.
    #[test]
    fn rfc_1624_example() {
        assert_eq!(update(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    #[test]
    fn update_agrees_with_a_full_recompute() {
        let mut header = [0x45, 0, 0, 84, 0x12, 0x34, 0x40, 0, 0, 1, 0, 0, 10, 0, 1, 2, 10, 0, 2, 2];
        for word in 0..=u16::MAX {
            // Every value of the TTL/protocol word, decremented as forwarding does it.
            header[8..10].copy_from_slice(&word.to_be_bytes());
            header[10..12].fill(0);
            let before = compute(&header);
            let next = word.wrapping_sub(0x0100);
            header[8..10].copy_from_slice(&next.to_be_bytes());
            header[10..12].copy_from_slice(&update(before, word, next).to_be_bytes());
            assert!(verify(&header), "word {word:#06x}");
        }
    }
}
