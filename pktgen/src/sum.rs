//! One's complement sums for those who make frames: eight bytes at a time, and incremental.
//!
//! Read first: RFC 1071 §2 (sums in any byte order and word size), RFC 1624 §3 (equation 3). The judge has arithmetic of its own
//! ([`crate::build::internet_checksum`], the slow and obvious way); a test holds that they agree.

/// The one's complement sum of the 16-bit words of `bytes`, at most 0xffff; an odd last byte is padded with zero.
pub(crate) fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    // The sum does not care about byte order, but for the order of the result's own bytes (RFC 1071 §2(B)).
    let mut total: u64 = words.iter().map(|&word| u64::from(u32::from_ne_bytes(word))).sum();
    let mut tail = [0; 4];
    tail[..rest.len()].copy_from_slice(rest);
    total += u64::from(u32::from_ne_bytes(tail));
    u64::from(u16::from_be_bytes(fold(total).to_ne_bytes()))
}

/// A sum of sums in 16 bits.
pub(crate) const fn fold(sum: u64) -> u16 {
    // Each line halves the width and leaves at most one carry for the next.
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    ((sum >> 16) + (sum & 0xffff)) as u16
}

/// What a checksum field must hold, given the sum of everything else that it covers.
pub(crate) const fn checksum(sum: u64) -> u16 {
    !fold(sum)
}

/// The same for UDP, in which 0 says that there is none (RFC 768).
pub(crate) const fn udp_checksum(sum: u64) -> u16 {
    match checksum(sum) {
        0 => 0xffff,
        checksum => checksum,
    }
}

/// A checksum after one of the words under it changed from `old` to `new`: as right, or as wrong, as before.
pub(crate) const fn updated(checksum: u16, old: u16, new: u16) -> u16 {
    !fold(!checksum as u64 + !old as u64 + new as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::internet_checksum;
    use crate::dice::{Draw, rng_for};

    #[test]
    fn sums_are_the_judges() {
        for len in 0..200 {
            let bytes = rng_for(1, 0, len).bytes(len as usize);
            assert_eq!(checksum(sum(&bytes)), internet_checksum(&bytes), "{len}");
        }
        assert_eq!(checksum(sum(&[0xff; 1500])), internet_checksum(&[0xff; 1500]));
        assert_eq!((fold(0), fold(0xffff), fold(0x1_0000), fold(u64::MAX)), (0, 0xffff, 1, 0xffff));
        assert_eq!((udp_checksum(0xffff), udp_checksum(1)), (0xffff, 0xfffe));
    }

    #[test]
    fn an_update_keeps_what_was_right_right_and_what_was_wrong_wrong() {
        let mut rng = rng_for(2, 0, 0);
        for _ in 0..10_000 {
            let mut bytes = rng.bytes(20);
            bytes[10..12].fill(0);
            // By how much it is wrong.
            let error = if rng.one_in(2) { 0 } else { rng.between(1, 0xfffe) as u16 };
            let right = checksum(sum(&bytes));
            let sealed = updated(right, 0, error);
            let (at, new) = (rng.below(5) * 2, rng.word());
            let old = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
            bytes[at..at + 2].copy_from_slice(&new.to_be_bytes());
            bytes[10..12].copy_from_slice(&updated(sealed, old, new).to_be_bytes());
            assert_eq!(internet_checksum(&bytes) == 0, error == 0);
        }
    }
}
