//! Small integer codes for byte strings: dimension values per field, and groups of them per dimension set.
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

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
    pub fn len(&self) -> usize {
        self.strings.len()
    }
    pub fn is_empty(&self) -> bool {
        self.strings.is_empty()
    }
    pub fn clear(&mut self) {
        self.table.clear();
        self.strings = Strings::default();
    }
}

/// Tuples of codes -> group code, in the order of first sight.
pub struct Groups {
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
    tuples: Vec<u32>,
    width: usize,
    len: usize,
}

impl Groups {
    pub fn new(width: usize) -> Self {
        Groups { table: HashTable::new(), hasher: DefaultHashBuilder::default(), tuples: vec![], width, len: 0 }
    }
    /// The group's code, and whether it is new.
    #[inline]
    pub fn code(&mut self, tuple: &[u32]) -> (u32, bool) {
        let Groups { table, hasher, tuples, width, len } = self;
        let at = |c: u32| tuples.get(c as usize * *width..(c as usize + 1) * *width).unwrap_or_default();
        let hash = hasher.hash_one(tuple);
        if let Some(&code) = table.find(hash, |&c| at(c) == tuple) {
            return (code, false);
        }
        let code = *len as u32;
        *len += 1;
        tuples.extend_from_slice(tuple);
        let tuples = &*tuples;
        let at = |c: u32| tuples.get(c as usize * *width..(c as usize + 1) * *width).unwrap_or_default();
        table.insert_unique(hash, code, |&c| hasher.hash_one(at(c)));
        (code, true)
    }
    pub fn size(&self) -> usize {
        self.tuples.capacity() * 4 + self.table.capacity() * 5
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
    fn a_group_keeps_its_code_and_the_empty_tuple_is_one_group() {
        let mut g = Groups::new(2);
        assert_eq!([g.code(&[1, 2]), g.code(&[2, 1]), g.code(&[1, 2])], [(0, true), (1, true), (0, false)]);
        let mut none = Groups::new(0);
        assert_eq!([none.code(&[]), none.code(&[])], [(0, true), (0, false)]);
    }
}
