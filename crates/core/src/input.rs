//! What is counted at once, with what is known of where it comes from, and by what an input is known again: whether what was
//! consumed of it is still there.
use crate::batch::{Batch, Origin};
use crate::records::Records;

/// A batch with the bytes it speaks of.
pub struct Input<'a> {
    pub partition: usize,
    pub batch: &'a Batch,
    pub chunk: &'a [u8],
    /// The part of the chunk that this batch consumed.
    pub span: (usize, usize),
    pub source: Source<'a>,
    pub now_us: i64,
}

/// What is known of the records of a batch beside their bytes.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// They are lines, numbered as they come.
    Lines,
    /// Their source gives positions: the block, and which of its records the first row is of.
    Records(&'a Records, usize),
    /// Their rows were routed here, to be counted by the clock of this place: where each comes from, and the stamp of here.
    Routed(&'a [Place], i64),
}

impl Input<'_> {
    /// The positions of the batch's records, where the source gives them.
    pub fn offsets(&self) -> Option<&[u64]> {
        match self.source {
            Source::Records(records, first) if !records.are_lines() => {
                Some(records.offsets(first, first + self.batch.records()))
            }
            _ => None,
        }
    }

    /// The t that was recorded of a row's record; of one that is several events, it is that of the last.
    #[inline]
    pub fn recorded(&self, row: usize) -> Option<i64> {
        match self.source {
            Source::Records(records, first) if self.batch.is_last(row) => {
                records.recorded(first + self.batch.origin(row).record as usize)
            }
            _ => None,
        }
    }

    /// The position of a row's record, and its place there; `next` is the position of the partition.
    #[inline]
    pub fn place(&self, next: u64, row: usize) -> Place {
        let Origin { record, element } = self.batch.origin(row);
        let position = match self.source {
            Source::Routed(places, _) => return places.get(row).copied().unwrap_or_default(),
            Source::Records(records, first) => records.offset(first + record as usize),
            Source::Lines => next + u64::from(record),
        };
        Place { position, element }
    }
}

/// Where a row comes from: its record's position, and its place in the record's list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub position: u64,
    pub element: Option<u32>,
}

/// The digest of an input's bytes, gone on with behind what comes before them.
pub fn crc32c(bytes: &[u8], before: u32) -> u32 {
    crc32c::crc32c_append(before, bytes)
}

/// So much of its end is remembered.
const TAIL_BYTES: usize = 256;

/// How many of the last bytes are remembered, and their hash.
pub fn tail_of(bytes: &[u8]) -> (u64, u64) {
    let tail = bytes.get(bytes.len().saturating_sub(TAIL_BYTES)..).unwrap_or_default();
    (tail.len() as u64, tail_hash(tail))
}

/// Hash of the last bytes of an input that were consumed, to see later whether the input was rewritten.
pub fn tail_hash(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}
