//! SipHash-2-4 with 128 bits (Aumasson and Bernstein, 2012): the keyed hash of identities and digests. A digest is made of each
//! record, so it is written out here: a hasher that takes its input in pieces costs half as much again.
use crate::bits::{join, split};

/// A hash under a key: the state that it begins with.
#[derive(Clone, Copy, Debug)]
pub struct Sip([u64; 4]);

impl Sip {
    pub fn new(key: [u8; 16]) -> Sip {
        let (first, second) = split(u128::from_le_bytes(key));
        Sip([
            first ^ 0x736f_6d65_7073_6575,
            second ^ 0x646f_7261_6e64_6f6d ^ 0xee,
            first ^ 0x6c79_6765_6e65_7261,
            second ^ 0x7465_6462_7974_6573,
        ])
    }

    #[inline]
    pub fn hash(&self, bytes: &[u8]) -> u128 {
        let mut state = self.0;
        let (words, rest) = bytes.as_chunks();
        words
            .iter()
            .for_each(|word| take(&mut state, u64::from_le_bytes(*word)));
        let last = rest.iter().rev().fold(0, |last, byte| last << 8 | u64::from(*byte));
        take(&mut state, (bytes.len() as u64) << 56 | last);
        state[2] ^= 0xee;
        let low = finish(&mut state);
        state[1] ^= 0xdd;
        join(low, finish(&mut state))
    }
}

#[inline]
fn take(state: &mut [u64; 4], word: u64) {
    state[3] ^= word;
    turn(state);
    turn(state);
    state[0] ^= word;
}

#[inline]
fn finish(state: &mut [u64; 4]) -> u64 {
    (0..4).for_each(|_| turn(state));
    state.iter().fold(0, |all, word| all ^ word)
}

#[inline]
fn turn([a, b, c, d]: &mut [u64; 4]) {
    *a = a.wrapping_add(*b);
    *b = b.rotate_left(13) ^ *a;
    *a = a.rotate_left(32);
    *c = c.wrapping_add(*d);
    *d = d.rotate_left(16) ^ *c;
    *a = a.wrapping_add(*d);
    *d = d.rotate_left(21) ^ *a;
    *c = c.wrapping_add(*b);
    *b = b.rotate_left(17) ^ *c;
    *c = c.rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use siphasher::sip128::SipHasher24;

    #[test]
    fn the_first_test_vector_of_the_reference_implementation() {
        let expected = [
            0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93,
        ];
        let sip = Sip::new(std::array::from_fn(|i| i as u8));
        assert_eq!(sip.hash(b""), u128::from_le_bytes(expected));
    }

    proptest! {
        #[test]
        fn equals_another_implementation(key: [u8; 16], bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let other = SipHasher24::new_with_key(&key).hash(&bytes);
            prop_assert_eq!(Sip::new(key).hash(&bytes), u128::from(other));
        }
    }
}
