//! Which dimension values of a bounded set have rows of their own: the first that came, for good. Others share the row `(other)`.
use hashbrown::HashSet;

use crate::intern::Groups;
use crate::wire::OTHER_DIM;

/// Stands in a tuple for every value of an event that belongs to `(other)`; no dictionary is so long.
pub const OTHER_CODE: u32 = u32::MAX;

/// The dimension values of one set that have rows of their own, by their group keys.
pub struct Kept {
    most: u64,
    own: HashSet<Box<[u8]>>,
    /// Tuples of codes that were asked for since codes were forgotten, and whether each has a row of its own.
    asked: Groups<bool>,
}

impl Kept {
    pub fn new(most: u64) -> Kept {
        Kept {
            most,
            own: HashSet::new(),
            asked: Groups::default(),
        }
    }

    /// A group that a store holds has a row of its own, unless it is `(other)`.
    pub fn remember(&mut self, group: &[u8]) {
        if !is_other(group) {
            self.own.insert(group.into());
        }
    }

    /// Make the tuple of codes that of `(other)`, unless it has a row of its own or may still get one. `put` writes its group key.
    pub fn settle(&mut self, tuple: &mut [u32], put: impl FnOnce(&[u32], &mut Vec<u8>)) {
        let Kept { most, own, asked } = self;
        let (_, is_new, is_own) = asked.entry(tuple);
        if is_new {
            let mut group = vec![];
            put(tuple, &mut group);
            *is_own = own.contains(group.as_slice()) || (own.len() as u64) < *most && own.insert(group.into());
        }
        if !*is_own {
            tuple.fill(OTHER_CODE);
        }
    }

    /// Forget codes; the values stay.
    pub fn forget_codes(&mut self) {
        self.asked.clear();
    }

    /// Bytes in memory, roughly.
    pub fn size(&self) -> usize {
        self.own.iter().map(|group| group.len() + 24).sum::<usize>() + self.asked.size()
    }
}

/// Whether a group key is that of `(other)`: no value begins with this byte.
pub fn is_other(group: &[u8]) -> bool {
    group.first() == Some(&OTHER_DIM)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(kept: &mut Kept, code: u32) -> u32 {
        let mut tuple = [code];
        kept.settle(&mut tuple, |tuple, group| {
            group.extend(tuple.iter().map(|code| *code as u8 + 100))
        });
        tuple[0]
    }

    #[test]
    fn the_first_values_have_rows_of_their_own_also_when_codes_are_given_anew() {
        let mut kept = Kept::new(2);
        assert_eq!([0, 1, 2, 1].map(|code| settled(&mut kept, code)), [0, 1, OTHER_CODE, 1]);
        kept.forget_codes();
        assert_eq!([2, 0, 1].map(|code| settled(&mut kept, code)), [OTHER_CODE, 0, 1]);
    }

    #[test]
    fn what_a_store_holds_takes_a_place_and_its_row_of_others_none() {
        let mut kept = Kept::new(2);
        kept.remember(&[OTHER_DIM]);
        kept.remember(&[107]);
        assert_eq!([0, 1, 7].map(|code| settled(&mut kept, code)), [0, OTHER_CODE, 7]);
    }
}
