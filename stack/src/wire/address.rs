//! What IPv4 and IPv6 addresses have in common, for tables that serve both. Read first: RFC 4632 §3.1, RFC 4291 §2.3.

use core::fmt::{Debug, Display};
use core::hash::Hash;
use smoltcp::wire::{Ipv4Address, Ipv4Cidr, Ipv6Address, Ipv6Cidr};

mod sealed {
    pub trait Sealed {}
    impl Sealed for smoltcp::wire::Ipv4Address {}
    impl Sealed for smoltcp::wire::Ipv6Address {}
    impl Sealed for smoltcp::wire::Ipv4Cidr {}
    impl Sealed for smoltcp::wire::Ipv6Cidr {}
    impl Sealed for u32 {}
    impl Sealed for u128 {}
}

/// An address as an unsigned integer; its first bit is the integer's highest.
pub trait Key: sealed::Sealed + Copy + Ord + Debug + 'static {
    /// All bits 0.
    const ZERO: Self;

    /// The first `length` bits as they are, the others 0. `length` is at most the key's width in bits.
    #[must_use]
    fn network(self, length: u8) -> Self;

    /// Are the first `length` bits of both the same? `length` is at most the key's width in bits.
    #[must_use]
    fn agrees(self, other: Self, length: u8) -> bool;

    /// The `count` bits (0 to 31) that follow the first `skip` bits (0 to 31), as a number; `skip + count` is
    /// at most the key's width in bits.
    #[must_use]
    fn window(self, skip: u32, count: u32) -> usize;

    /// All bits, mixed into 32.
    #[must_use]
    fn digest(self) -> u32;
}

impl Key for u32 {
    const ZERO: Self = 0;

    #[inline(always)]
    fn network(self, length: u8) -> Self {
        // Wider, because a shift by the whole width is none at all.
        self & (u64::MAX << (32 - Self::from(length))) as Self
    }

    #[inline(always)]
    fn agrees(self, other: Self, length: u8) -> bool {
        u64::from(self ^ other) >> (32 - Self::from(length)) == 0
    }

    #[inline(always)]
    fn window(self, skip: u32, count: u32) -> usize {
        (u64::from(self << skip) >> (32 - count)) as usize
    }

    #[inline(always)]
    fn digest(self) -> u32 {
        self
    }
}

impl Key for u128 {
    const ZERO: Self = 0;

    #[inline(always)]
    fn network(self, length: u8) -> Self {
        self & Self::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
    }

    #[inline(always)]
    fn agrees(self, other: Self, length: u8) -> bool {
        (self ^ other).checked_shr(128 - u32::from(length)).unwrap_or(0) == 0
    }

    #[inline(always)]
    fn window(self, skip: u32, count: u32) -> usize {
        let first = (self >> 64) as u64;
        (first << skip >> 1 >> (63 - count)) as usize
    }

    #[inline(always)]
    fn digest(self) -> u32 {
        let mixed = ((self >> 64) as u64).rotate_left(23) ^ self as u64;
        (mixed ^ (mixed >> 32)) as u32
    }
}

/// [`Ipv4Address`] or [`Ipv6Address`].
pub trait Address: sealed::Sealed + Copy + Eq + Ord + Hash + Debug + Display + 'static {
    /// Bits of an address: 32 or 128.
    const BITS: u8;
    /// The unsigned integer of that width.
    type Key: Key;
    /// An address with a prefix length: `Ipv4Cidr` or `Ipv6Cidr`.
    type Cidr: Copy + Eq + Hash + Debug + Display;

    /// The address as an integer.
    #[must_use]
    fn key(self) -> Self::Key;

    /// The address of an integer.
    #[must_use]
    fn from_key(key: Self::Key) -> Self;

    /// This address with a prefix length in bits, which is cut to [`Self::BITS`].
    #[must_use]
    fn with_prefix(self, length: u8) -> Self::Cidr;

    /// The address, host bits and all, and the prefix length in bits.
    #[must_use]
    fn split(prefix: Self::Cidr) -> (Self, u8);
}

impl Address for Ipv4Address {
    const BITS: u8 = 32;
    type Key = u32;
    type Cidr = Ipv4Cidr;

    #[inline(always)]
    fn key(self) -> u32 {
        self.to_bits()
    }

    #[inline(always)]
    fn from_key(key: u32) -> Self {
        Self::from_bits(key)
    }

    #[inline(always)]
    fn with_prefix(self, length: u8) -> Ipv4Cidr {
        Ipv4Cidr::new(self, length.min(<Self as Address>::BITS))
    }

    #[inline(always)]
    fn split(prefix: Ipv4Cidr) -> (Self, u8) {
        (prefix.address(), prefix.prefix_len())
    }
}

impl Address for Ipv6Address {
    const BITS: u8 = 128;
    type Key = u128;
    type Cidr = Ipv6Cidr;

    #[inline(always)]
    fn key(self) -> u128 {
        self.to_bits()
    }

    #[inline(always)]
    fn from_key(key: u128) -> Self {
        Self::from_bits(key)
    }

    #[inline(always)]
    fn with_prefix(self, length: u8) -> Ipv6Cidr {
        Ipv6Cidr::new(self, length.min(<Self as Address>::BITS))
    }

    #[inline(always)]
    fn split(prefix: Ipv6Cidr) -> (Self, u8) {
        (prefix.address(), prefix.prefix_len())
    }
}

/// `Ipv4Cidr` or `Ipv6Cidr`: the prefix knows its family.
pub trait Prefix: sealed::Sealed {
    /// Its addresses.
    type Address: Address<Cidr = Self>;
}

impl Prefix for Ipv4Cidr {
    type Address = Ipv4Address;
}

impl Prefix for Ipv6Cidr {
    type Address = Ipv6Address;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bit by bit, from the definition.
    fn check<A: Address>(a: A, b: A, bit: impl Fn(A, u8) -> bool) {
        for length in 0..=A::BITS {
            let same = (0..length).all(|at| bit(a, at) == bit(b, at));
            assert_eq!(a.key().agrees(b.key(), length), same, "{a} {b} /{length}");
            let network = A::from_key(a.key().network(length));
            assert!((0..A::BITS).all(|at| bit(network, at) == (at < length && bit(a, at))), "{a}/{length}");
            assert_eq!(A::split(a.with_prefix(length)), (a, length));
        }
        for skip in 0..32 {
            for count in 0..=(u32::from(A::BITS) - skip).min(31) {
                let bits = (skip..skip + count).fold(0, |sum, at| sum << 1 | usize::from(bit(a, at as u8)));
                assert_eq!(a.key().window(skip, count), bits, "{a} {skip} {count}");
            }
        }
    }

    #[test]
    fn prefixes_agree_with_their_definition_bit_by_bit() {
        let v4 = |a: Ipv4Address, at: u8| a.octets()[usize::from(at / 8)] >> (7 - at % 8) & 1 == 1;
        let v6 = |a: Ipv6Address, at: u8| a.octets()[usize::from(at / 8)] >> (7 - at % 8) & 1 == 1;
        let [a, b] = [0x2a02_8108_dead_beef_0123_4567_89ab_cdefu128, u128::MAX >> 3];
        for other in 0..128 {
            check(Ipv6Address::from_bits(a), Ipv6Address::from_bits(a ^ 1 << other), v6);
            let [a, b] = [a, b].map(|key| (key >> 96) as u32);
            check(Ipv4Address::from_bits(a), Ipv4Address::from_bits(a ^ 1 << (other % 32)), v4);
            check(Ipv4Address::from_bits(a), Ipv4Address::from_bits(b), v4);
        }
        check(Ipv6Address::from_bits(a), Ipv6Address::from_bits(b), v6);
        check(Ipv6Address::from_bits(a), Ipv6Address::from_bits(a), v6);
        check(Ipv4Address::from_bits(0), Ipv4Address::from_bits(0), v4);
    }
}
