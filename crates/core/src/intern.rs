//! Small integer codes for byte strings: dimension values per field, and groups of them per dimension set.
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::batch::Value;
use crate::bits::{mix, split};
use crate::machine::{prefetch, table};
use crate::wire::put_dim;

/// Byte strings kept one after the other.
#[derive(Clone, Debug, Default)]
pub struct Strings {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Strings {
    pub fn len(&self) -> usize {
        self.ends.len()
    }
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
    /// Bytes in memory.
    pub fn size(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * 4
    }
    #[inline]
    pub fn get(&self, code: u32) -> &[u8] {
        let code = code as usize;
        let start = code.checked_sub(1).and_then(|i| self.ends.get(i)).copied().unwrap_or(0);
        let end = self.ends.get(code).copied().unwrap_or(start);
        self.bytes.get(start as usize..end as usize).unwrap_or_default()
    }
    pub fn push(&mut self, s: &[u8]) -> u32 {
        self.bytes.extend_from_slice(s);
        self.ends.push(self.bytes.len() as u32);
        self.ends.len() as u32 - 1
    }
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
    pub fn last(&self) -> Option<&[u8]> {
        self.ends.len().checked_sub(1).map(|code| self.get(code as u32))
    }
    /// No strings, with room for as many as `other` has.
    pub fn with_capacity_of(other: &Strings) -> Strings {
        Strings {
            bytes: Vec::with_capacity(other.bytes.len()),
            ends: Vec::with_capacity(other.ends.len()),
        }
    }
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len() as u32).map(|c| self.get(c))
    }
}

/// Byte string -> code, in the order of first sight.
#[derive(Default)]
pub struct Dictionary {
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
    pub strings: Strings,
}

impl Dictionary {
    #[inline]
    pub fn code(&mut self, s: &[u8]) -> u32 {
        let Dictionary { table, hasher, strings } = self;
        let hash = hasher.hash_one(s);
        if let Some(&code) = table.find(hash, |&c| strings.get(c) == s) {
            return code;
        }
        let code = strings.push(s);
        table.insert_unique(hash, code, |&c| hasher.hash_one(strings.get(c)));
        code
    }
    /// The code of a string that has one.
    pub fn find(&self, s: &[u8]) -> Option<u32> {
        let hash = self.hasher.hash_one(s);
        self.table.find(hash, |&c| self.strings.get(c) == s).copied()
    }
    pub fn size(&self) -> usize {
        self.strings.size() + self.table.capacity() * 5
    }
}

/// A key that is found by its value.
pub trait Word: Copy + Eq + Default {
    /// Both halves of its bits.
    fn halves(self) -> (u64, u64);
}

impl Word for u64 {
    fn halves(self) -> (u64, u64) {
        (self, 0)
    }
}

impl Word for i64 {
    fn halves(self) -> (u64, u64) {
        (self as u64, 0)
    }
}

impl Word for u128 {
    fn halves(self) -> (u64, u64) {
        split(self)
    }
}

/// Fixed-size key -> code, and what else is known of the key; all of it lies together, so that a look-up touches one place, and
/// it can be asked for ahead.
pub struct Codes<K, T = ()> {
    /// The code is kept one higher: 0 is a free place. Their number is a power of two, at most 5/8 are taken.
    places: Vec<(K, u32, T)>,
    len: usize,
    seeds: (u64, u64),
    /// Of no key: no look-up ends outside of the places, and none may panic.
    nowhere: T,
}

/// What is found of a key: its code, whether it is new, and what else is known of it.
pub type Found<'a, T> = (u32, bool, &'a mut T);

impl<K: Word, T: Copy + Default> Default for Codes<K, T> {
    fn default() -> Self {
        let hasher = DefaultHashBuilder::default();
        Codes {
            places: vec![Default::default(); 64],
            len: 0,
            seeds: (hasher.hash_one(1u8), hasher.hash_one(2u8) | 1),
            nowhere: T::default(),
        }
    }
}

impl<K: Word, T: Copy + Default> Codes<K, T> {
    #[inline]
    fn home(&self, key: K) -> usize {
        let (low, high) = key.halves();
        let mixed = mix(low ^ self.seeds.0, high ^ self.seeds.1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> 32) as usize & (self.places.len() - 1)
    }

    /// A key will be asked for soon.
    #[inline]
    pub fn expect(&self, key: K) {
        prefetch(&self.places, self.home(key));
    }

    /// The code of a key; `make` gives that of a new one.
    #[inline]
    pub fn code(&mut self, key: K, make: impl FnOnce() -> u32) -> u32 {
        self.entry(key, make).0
    }

    /// As `code`, and what else is known of the key.
    #[inline]
    pub fn entry(&mut self, key: K, make: impl FnOnce() -> u32) -> Found<'_, T> {
        let mut at = self.find(key);
        let is_new = self.places.get(at).is_some_and(|(_, code, _)| *code == 0);
        if is_new {
            self.len += 1;
            if self.len * 8 > self.places.len() * 5 {
                self.grow();
                at = self.find(key);
            }
        }
        let Codes { places, nowhere, .. } = self;
        let Some((known, code, kept)) = places.get_mut(at) else {
            return (make(), true, nowhere);
        };
        if is_new {
            (*known, *code) = (key, make() + 1);
        }
        (*code - 1, is_new, kept)
    }

    /// The place of a key, or the free one that it would get.
    #[inline]
    fn find(&self, key: K) -> usize {
        let mask = self.places.len() - 1;
        let mut at = self.home(key);
        while let Some((known, code, _)) = self.places.get(at) {
            if *code == 0 || *known == key {
                break;
            }
            at = (at + 1) & mask;
        }
        at
    }

    fn grow(&mut self) {
        let larger = self.places.len() * 2;
        let old = std::mem::replace(&mut self.places, table(larger, Default::default()));
        for entry in old.into_iter().filter(|(_, code, _)| *code > 0) {
            let at = self.find(entry.0);
            if let Some(place) = self.places.get_mut(at) {
                *place = entry;
            }
        }
    }

    pub fn size(&self) -> usize {
        self.places.len() * size_of::<(K, u32, T)>()
    }

    /// Forget all keys. Room for as many again is kept, and no more: a small epoch does not pay for a large one before it.
    pub fn clear(&mut self) {
        let enough = (self.len * 2).next_power_of_two().max(64);
        self.places.truncate(enough);
        self.places.fill(Default::default());
        self.len = 0;
    }
}

/// From here on a code is an integer of 31 bits itself; the last one is nobody's. No dictionary is so long.
const INTEGERS: u32 = 1 << 31;

fn code_of(integer: i64) -> Option<u32> {
    let integer = u32::try_from(integer).ok();
    integer.filter(|v| *v < INTEGERS - 1).map(|v| v + INTEGERS)
}

/// Dimension values of one field -> code. Small integers are looked up nowhere; others, and short texts, are their own keys.
#[derive(Default)]
pub struct DimCodes {
    integers: Codes<i64>,
    short: Codes<u128>,
    other: Dictionary,
    /// Code of each string of `other`.
    others: Vec<u32>,
    /// The encoded value of each code of these three.
    strings: Strings,
    scratch: Vec<u8>,
}

impl DimCodes {
    /// `text` is the content of a text value.
    #[inline]
    pub fn code(&mut self, value: &Value, text: &[u8]) -> u32 {
        let DimCodes {
            integers,
            short,
            other,
            others,
            strings,
            scratch,
        } = self;
        let push = || {
            scratch.clear();
            put_dim(scratch, value, text);
            strings.push(scratch)
        };
        match value {
            Value::Int(v) => match code_of(*v) {
                Some(code) => code,
                None => integers.code(*v, push),
            },
            Value::Text { .. } if text.len() < 16 => {
                short.code(u128::from(text.len() as u64) << 120 | packed(text), push)
            }
            _ => {
                scratch.clear();
                put_dim(scratch, value, text);
                // The dictionary numbers its own strings; the field's codes are in one sequence.
                let before = other.strings.len();
                let at = other.code(scratch) as usize;
                if other.strings.len() > before {
                    others.push(strings.push(scratch));
                }
                others.get(at).copied().unwrap_or(0)
            }
        }
    }

    /// A value will be asked for soon.
    #[inline]
    pub fn expect(&self, value: &Value) {
        if let Value::Int(v) = value
            && code_of(*v).is_none()
        {
            self.integers.expect(*v);
        }
    }

    /// Append the encoded value of a code.
    pub fn put(&self, code: u32, out: &mut Vec<u8>) {
        match code.checked_sub(INTEGERS) {
            Some(integer) => put_dim(out, &Value::Int(integer.into()), b""),
            None => out.extend_from_slice(self.strings.get(code)),
        }
    }

    pub fn size(&self) -> usize {
        self.integers.size() + self.short.size() + self.other.size() + self.strings.size()
    }
    pub fn clear(&mut self) {
        self.integers.clear();
        self.short.clear();
        self.other = Dictionary::default();
        self.others.clear();
        self.strings.clear();
    }
}

/// Tuples of codes, all of one length -> group code, in the order of first sight, and what else is known of the group.
#[derive(Default)]
pub struct Groups<T: Copy + Default> {
    codes: Codes<u64, T>,
    /// Tuples of more than two codes, by the numbers that stand for them.
    tuples: Dictionary,
    len: u32,
}

impl<T: Copy + Default> Groups<T> {
    /// A tuple will be asked for soon.
    #[inline]
    pub fn expect(&self, tuple: &[u32]) {
        if let Some(pair) = pair_of(tuple) {
            self.codes.expect(pair);
        }
    }
    /// The group's code, whether it is new, and what else is known of it.
    #[inline]
    pub fn entry(&mut self, tuple: &[u32]) -> Found<'_, T> {
        let next = self.len;
        let word = pair_of(tuple).unwrap_or_else(|| {
            let bytes: Vec<u8> = tuple.iter().flat_map(|c| c.to_le_bytes()).collect();
            self.tuples.code(&bytes).into()
        });
        let found = self.codes.entry(word, || next);
        self.len += u32::from(found.1);
        found
    }
    pub fn size(&self) -> usize {
        self.codes.size() + self.tuples.size()
    }
    pub fn clear(&mut self) {
        self.codes.clear();
        self.tuples = Dictionary::default();
        self.len = 0;
    }
}

/// Up to 15 bytes as a number, without a loop: overlapping loads from both ends.
#[inline]
fn packed(text: &[u8]) -> u128 {
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        return u128::from(first) | u128::from(last) << ((text.len() - 8) * 8);
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return u128::from(first) | u128::from(last) << ((text.len() - 4) * 8);
    }
    text.iter().rev().fold(0, |word, byte| word << 8 | u128::from(*byte))
}

/// At most two codes as one word.
#[inline]
fn pair_of(tuple: &[u32]) -> Option<u64> {
    match *tuple {
        [] => Some(0),
        [a] => Some(u64::from(a)),
        [a, b] => Some(u64::from(a) << 32 | u64::from(b)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_keeps_its_code() {
        let mut d = Dictionary::default();
        let codes: Vec<u32> = ["a", "", "b", "a", ""].iter().map(|s| d.code(s.as_bytes())).collect();
        assert_eq!(codes, [0, 1, 2, 0, 1]);
        assert_eq!(d.strings.get(2), b"b");
    }

    #[test]
    fn packed_texts_are_told_apart_by_every_byte() {
        let text = b"0123456789abcde";
        for length in 0..=text.len() {
            let mut bytes = [0; 16];
            bytes[..length].copy_from_slice(&text[..length]);
            assert_eq!(packed(&text[..length]), u128::from_le_bytes(bytes));
        }
    }

    #[test]
    fn every_kind_of_value_has_one_code_and_comes_back() {
        let mut codes = DimCodes::default();
        let text = Value::Text {
            in_arena: false,
            at: 0,
            len: 0,
        };
        let last = i64::from(INTEGERS) - 2;
        let integers = [0, 1, -1, last, last + 1, last + 2, 1 << 32, i64::MIN, i64::MAX].map(|v| (Value::Int(v), ""));
        let texts = ["1", "", "a\0", "a", "a text of more than sixteen bytes"].map(|content| (text, content));
        let values = [&integers[..], &texts, &[(Value::Null, ""), (Value::Decimal(1), "")]].concat();
        let mut seen = vec![];
        for (value, text) in [&values[..], &values].concat() {
            let code = codes.code(&value, text.as_bytes());
            let (mut key, mut found) = (vec![], vec![]);
            put_dim(&mut key, &value, text.as_bytes());
            codes.put(code, &mut found);
            assert_eq!(found, key);
            seen.push(code);
        }
        assert_eq!(seen[..values.len()], seen[values.len()..]);
        assert!(!seen.contains(&crate::kept::OTHER_CODE));
    }

    #[test]
    fn a_group_keeps_its_code_and_the_empty_tuple_is_one_group() {
        for tuple in [&[1, 2][..], &[1, 2, 3]] {
            let mut groups = Groups::<usize>::default();
            let mut turned = tuple.to_vec();
            turned.reverse();
            for (number, (asked, expected)) in [(tuple, (0, true)), (&turned, (1, true)), (tuple, (0, false))]
                .into_iter()
                .enumerate()
            {
                let (code, is_new, known) = groups.entry(asked);
                assert_eq!((code, is_new, *known), (expected.0, expected.1, 0));
                *known = number * code as usize;
            }
            assert_eq!(*groups.entry(&turned).2, 1);
        }
        let mut none = Groups::<()>::default();
        let code = |(code, is_new, _): Found<'_, ()>| (code, is_new);
        assert_eq!([code(none.entry(&[])), code(none.entry(&[]))], [(0, true), (0, false)]);
    }
}
