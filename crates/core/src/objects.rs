//! What the words of cells point to: member sets and sketches.
use datasketches::hll::HllSketch;
use datasketches::kll::{KllFloat, KllSketch};

use crate::error::CoreError;
use crate::machine::empty;

#[derive(Clone)]
pub enum Object {
    /// Distinct members of a cell that others are merged into, possibly with repeats at the end that `settle` removes.
    Members(Vec<u128>),
    Hll(Box<HllSketch>),
    Ints(Box<KllSketch<i64>>),
    Floats(Box<KllSketch<KllFloat<f64>>>),
}

/// What the words of some cells point to.
#[derive(Clone, Default)]
pub struct Objects {
    pub(crate) list: Vec<Object>,
    /// Members of cells, those of each cell one after the other.
    pub(crate) members: Vec<u128>,
    /// What was added and is in no cell yet, of each distinct measure.
    pub(crate) added: Vec<Added>,
}

/// Members and the rows that they belong to, as they came. To gather them at once takes a fraction of the time that it takes
/// to look for each one's cell.
#[derive(Clone, Default)]
pub(crate) struct Added {
    pub rows: Vec<u32>,
    pub members: Vec<u128>,
    /// Room for the members in the order of their rows.
    pub ordered: Vec<u128>,
}

impl Added {
    /// Forget all.
    pub fn clear(&mut self) {
        empty(&mut self.rows);
        empty(&mut self.members);
        empty(&mut self.ordered);
    }
}

impl Objects {
    /// No objects, with the room that these had for what is added.
    pub fn take_room(&mut self) -> Objects {
        Objects {
            added: std::mem::take(&mut self.added),
            ..Objects::default()
        }
    }

    /// Bytes in memory, roughly (sketches by a flat guess).
    pub fn size(&self) -> usize {
        let added: usize = self.added.iter().map(|added| added.members.len()).sum();
        self.list.len() * 96 + self.members.len() * size_of::<u128>() + added * (size_of::<u128>() + size_of::<u32>())
    }
}

/// The object a word points to: values below `first` mean something else.
pub(crate) fn reach(word: u64, first: u64, objects: &Objects) -> Option<&Object> {
    objects.list.get(usize::try_from(word.checked_sub(first)?).ok()?)
}

pub(crate) fn push_object(objects: &mut Objects, first: u64, object: Object) -> u64 {
    objects.list.push(object);
    objects.list.len() as u64 - 1 + first
}

pub(crate) fn damaged_sketch(error: &datasketches::error::Error) -> CoreError {
    CoreError::store(
        format!("a stored sketch is damaged: {error}"),
        "run `crossfoot verify`, then restore a backup or count again",
    )
}
