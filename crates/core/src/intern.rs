//! Small integer codes for byte strings: dimension values per field, and groups of them per dimension set.
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::batch::Value;
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
    pub fn size(&self) -> usize {
        self.strings.size() + self.table.capacity() * 5
    }
}

/// Fixed-size key -> code; key and code lie together, so that a look-up touches one place.
pub struct Codes<K> {
    table: HashTable<(K, u32)>,
    hasher: DefaultHashBuilder,
}

impl<K: Copy + Eq + std::hash::Hash> Default for Codes<K> {
    fn default() -> Self {
        Codes {
            table: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }
}

impl<K: Copy + Eq + std::hash::Hash> Codes<K> {
    /// The code of a key; `make` gives that of a new one.
    #[inline]
    pub fn code(&mut self, key: K, make: impl FnOnce() -> u32) -> u32 {
        let Codes { table, hasher } = self;
        let hash = hasher.hash_one(key);
        if let Some((_, code)) = table.find(hash, |(k, _)| *k == key) {
            return *code;
        }
        let code = make();
        table.insert_unique(hash, (key, code), |(k, _)| hasher.hash_one(k));
        code
    }
    pub fn size(&self) -> usize {
        self.table.capacity() * (size_of::<(K, u32)>() + 1)
    }
    pub fn clear(&mut self) {
        self.table.clear();
    }
}

/// Dimension values of one field -> code. Integers and short texts are their own keys.
#[derive(Default)]
pub struct DimCodes {
    integers: Codes<i64>,
    short: Codes<u128>,
    other: Dictionary,
    /// Code of each string of `other`.
    others: Vec<u32>,
    /// The encoded value of each code.
    pub strings: Strings,
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
            Value::Int(v) => integers.code(*v, push),
            Value::Text { .. } if text.len() < 16 => {
                let mut key = [0; 16];
                if let Some(place) = key.get_mut(..text.len()) {
                    place.copy_from_slice(text);
                }
                short.code(u128::from_le_bytes(key) | (text.len() as u128) << 120, push)
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

    pub fn size(&self) -> usize {
        self.integers.size() + self.short.size() + self.other.size() + self.strings.size()
    }
    pub fn clear(&mut self) {
        *self = DimCodes::default();
    }
}

/// Tuples of codes -> group code, in the order of first sight.
pub struct Groups {
    pairs: Codes<u64>,
    tuples: Dictionary,
    width: usize,
    len: u32,
}

impl Groups {
    pub fn new(width: usize) -> Self {
        Groups {
            pairs: Codes::default(),
            tuples: Dictionary::default(),
            width,
            len: 0,
        }
    }
    /// The group's code, and whether it is new.
    #[inline]
    pub fn code(&mut self, tuple: &[u32]) -> (u32, bool) {
        let next = self.len;
        let code = match *tuple {
            [] => 0,
            [a] => self.pairs.code(u64::from(a), || next),
            [a, b] => self.pairs.code(u64::from(a) << 32 | u64::from(b), || next),
            _ => {
                let bytes: Vec<u8> = tuple.iter().flat_map(|c| c.to_le_bytes()).collect();
                self.tuples.code(&bytes)
            }
        };
        let new = code == next;
        self.len += u32::from(new);
        (code, new)
    }
    pub fn size(&self) -> usize {
        self.pairs.size() + self.tuples.size()
    }
    pub fn clear(&mut self) {
        *self = Groups::new(self.width);
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
    fn every_kind_of_value_has_one_code_and_comes_back() {
        let mut codes = DimCodes::default();
        let text = Value::Text {
            in_arena: false,
            at: 0,
            len: 0,
        };
        let long = "a text of more than sixteen bytes";
        let values = [
            (Value::Null, ""),
            (Value::Int(1), ""),
            (text, "1"),
            (text, ""),
            (text, "a\0"),
            (text, "a"),
            (text, long),
        ];
        for _ in 0..2 {
            for (expected, (value, text)) in values.iter().enumerate() {
                assert_eq!(codes.code(value, text.as_bytes()), expected as u32);
            }
        }
        let mut key = vec![];
        put_dim(&mut key, &text, long.as_bytes());
        assert_eq!(codes.strings.get(6), key);
    }

    #[test]
    fn a_group_keeps_its_code_and_the_empty_tuple_is_one_group() {
        let mut g = Groups::new(2);
        assert_eq!(
            [g.code(&[1, 2]), g.code(&[2, 1]), g.code(&[1, 2])],
            [(0, true), (1, true), (0, false)]
        );
        let mut none = Groups::new(0);
        assert_eq!([none.code(&[]), none.code(&[])], [(0, true), (0, false)]);
    }
}
