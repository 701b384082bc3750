//! The border between the pure steps (decode, prepare) and the steps that own state (accept, dedup, fold).
use crate::slot::Line;

/// A declared field's value after remap and type check. Texts are spans of the chunk or of the batch's arena.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Value {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    /// Scaled by the declared scale of the field.
    Decimal(i64),
    /// Never NaN, never infinite, never -0.
    Float(f64),
    Text {
        in_arena: bool,
        at: u32,
        len: u32,
    },
}

/// Why a decoded record is `invalid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Invalid {
    Missing,
    Type,
    Range,
    /// A received time beyond the reading clock and the allowed future.
    Stamp,
    /// A local time without a zone.
    Zone,
    /// A prepared event of another definition, or of another source.
    Definition,
}

impl Invalid {
    /// All, each at its number.
    pub const ALL: [Invalid; 6] = [
        Invalid::Missing,
        Invalid::Type,
        Invalid::Range,
        Invalid::Stamp,
        Invalid::Zone,
        Invalid::Definition,
    ];
}

/// Which part of the event an `Invalid` speaks of: these, or `FIELD +` the number of a declared field.
pub mod part {
    pub const TIME: u16 = 0;
    pub const RECEIVED: u16 = 1;
    pub const ID: u16 = 2;
    pub const WHERE: u16 = 3;
    pub const EXPLODE: u16 = 4;
    pub const DEFINITION: u16 = 5;
    pub const FIELD: u16 = 8;
}

/// The pure step's judgement of one record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    Malformed(crate::slot::Malformed, u32),
    Filtered,
    /// The record's list has no element.
    Empty,
    /// Reason, part (see `part`).
    Invalid(Invalid, u16),
    #[default]
    Event,
}

/// One record after the pure step. `uuid` is 0 where the id is the position (the state owner makes it).
#[derive(Clone, Copy, Debug, Default)]
pub struct Row {
    pub uuid: u128,
    pub event_us: i64,
    /// The received time as it was read, where the definition has one.
    pub stamp_us: i64,
    /// Bit m: metric m's own `where` is true (or it has none).
    pub metrics: u64,
    /// Span of the record in the chunk, for the side log.
    pub start: u32,
    pub end: u32,
    /// Digest of the declared fields.
    pub digest: u32,
    pub verdict: Verdict,
}

impl Row {
    /// Of a line of which nothing is known yet.
    #[inline]
    pub fn of(line: &Line) -> Row {
        Row {
            start: line.start as u32,
            end: line.end as u32,
            ..Row::default()
        }
    }
}

/// Which record of the batch a row is of, and the place in its list where the record is several events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    pub record: u32,
    pub element: Option<u32>,
}

/// The rows of one chunk, with their field values (`fields` a row) and the arena their texts may lie in.
#[derive(Default)]
pub struct Batch {
    pub rows: Vec<Row>,
    pub values: Vec<Value>,
    pub arena: Vec<u8>,
    /// Of each row; empty where each record has one row. No record is without a row.
    pub origins: Vec<Origin>,
}

impl Batch {
    #[inline]
    pub fn origin(&self, row: usize) -> Origin {
        let record = row as u32;
        let whole = Origin { record, element: None };
        self.origins.get(row).copied().unwrap_or(whole)
    }

    /// Whether a row is the last one of its record.
    #[inline]
    pub fn is_last(&self, row: usize) -> bool {
        self.origins
            .get(row + 1)
            .is_none_or(|next| next.record != self.origin(row).record)
    }

    /// How many records the rows are of.
    pub fn records(&self) -> usize {
        let last = self.origins.last().map(|origin| origin.record as usize + 1);
        last.unwrap_or(self.rows.len())
    }

    pub fn clear(&mut self) {
        self.rows.clear();
        self.values.clear();
        self.arena.clear();
        self.origins.clear();
    }
}
