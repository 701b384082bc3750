//! 128 bits and their halves.

/// The lower and the upper half.
#[inline]
pub fn split(bits: u128) -> (u64, u64) {
    (bits as u64, (bits >> 64) as u64)
}

#[inline]
pub fn join(low: u64, high: u64) -> u128 {
    u128::from(low) | u128::from(high) << 64
}

/// Both halves of the product of two words, of which nobody outside can choose the second.
#[inline]
pub fn mix(a: u64, b: u64) -> u64 {
    let (low, high) = split(u128::from(a) * u128::from(b));
    low ^ high
}
