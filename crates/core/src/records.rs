//! Records as a source with positions hands them over: their bounds, offsets and stamps are given, nothing is cut.
use crate::error::{CoreError, Result};

/// Bytes that a source hands over; whole lines.
pub type Bytes = Box<dyn AsRef<[u8]> + Send + Sync>;

/// What stands beside the bytes, an entry a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// Where each record ends in the bytes; it begins where the one before it ended.
    pub ends: Vec<u32>,
    /// Positions, rising. One that is left out is a gap: the source never hands it out.
    pub offsets: Vec<u64>,
    /// The stamps of ordered input, or of the place where carried input is counted; `ABSENT` where there is none. Empty:
    /// no record has one.
    pub stamps_us: Vec<i64>,
    /// The received times that earlier hops have stamped (carried); the same.
    pub received_us: Vec<i64>,
    /// In a recount: the t that was recorded of each record; the same.
    pub recorded_us: Vec<i64>,
    /// In a recount: the records were lines, and their offsets are ordinals.
    pub are_lines: bool,
}

/// A block of records of one partition.
pub struct Records {
    bytes: Bytes,
    columns: Columns,
}

/// Stands where a record has no stamp: before every clock.
pub const ABSENT: i64 = i64::MIN;

/// The stamps beside one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamps {
    pub stamp_us: i64,
    pub received_us: i64,
}

impl Stamps {
    /// Of a record that has none.
    pub const NONE: Stamps = Stamps {
        stamp_us: ABSENT,
        received_us: ABSENT,
    };
}

impl Records {
    /// # Errors
    /// The columns do not fit the bytes, or one another.
    pub fn new(bytes: Bytes, columns: Columns) -> Result<Records> {
        let count = columns.ends.len();
        let fits = |column: &Vec<i64>| column.is_empty() || column.len() == count;
        let length = (*bytes).as_ref().len();
        let wrong = if columns.offsets.len() != count
            || !fits(&columns.stamps_us)
            || !fits(&columns.received_us)
            || !fits(&columns.recorded_us)
        {
            "columns of different lengths"
        } else if !columns.ends.is_sorted() || columns.ends.last().map_or(0, |end| *end as usize) != length {
            "ends that do not divide the bytes"
        } else if !columns.offsets.is_sorted_by(|a, b| a < b) {
            "offsets that do not rise"
        } else {
            return Ok(Records { bytes, columns });
        };
        Err(CoreError::internal(format!("a block of records has {wrong}")))
    }

    pub fn len(&self) -> usize {
        self.columns.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.columns.ends.is_empty()
    }

    pub fn bytes(&self) -> &[u8] {
        (*self.bytes).as_ref()
    }

    /// Where a record begins and ends.
    #[inline]
    pub fn span(&self, record: usize) -> (usize, usize) {
        (self.start(record), self.start(record + 1))
    }

    /// Where a record begins; of the one after the last: where the bytes end.
    #[inline]
    pub fn start(&self, record: usize) -> usize {
        let before = record.checked_sub(1).and_then(|before| self.columns.ends.get(before));
        before.map_or(0, |end| *end as usize)
    }

    /// The offsets from one record to before another.
    pub fn offsets(&self, from: usize, to: usize) -> &[u64] {
        self.columns.offsets.get(from..to).unwrap_or_default()
    }

    #[inline]
    pub fn offset(&self, record: usize) -> u64 {
        self.columns.offsets.get(record).copied().unwrap_or_default()
    }

    /// The t that was recorded of a record, where this is a recount.
    #[inline]
    pub fn recorded(&self, record: usize) -> Option<i64> {
        self.columns
            .recorded_us
            .get(record)
            .copied()
            .filter(|t_us| *t_us != ABSENT)
    }

    pub fn are_lines(&self) -> bool {
        self.columns.are_lines
    }

    #[inline]
    pub fn stamps(&self, record: usize) -> Stamps {
        let of = |column: &[i64]| column.get(record).copied().unwrap_or(ABSENT);
        Stamps {
            stamp_us: of(&self.columns.stamps_us),
            received_us: of(&self.columns.received_us),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &'static [u8], ends: &[u32], offsets: &[u64]) -> Result<Records> {
        let columns = Columns {
            ends: ends.to_vec(),
            offsets: offsets.to_vec(),
            ..Columns::default()
        };
        Records::new(Box::new(bytes), columns)
    }

    #[test]
    fn a_record_begins_where_the_one_before_it_ended() {
        let records = of(b"abc", &[1, 1, 3], &[5, 7, 8]).unwrap_or_else(|e| unreachable!("{e}"));
        assert_eq!([0, 1, 2].map(|n| records.span(n)), [(0, 1), (1, 1), (1, 3)]);
        assert_eq!(records.offsets(1, 3), [7, 8]);
    }

    #[test]
    fn columns_that_do_not_fit_are_refused() {
        assert!(of(b"abc", &[1, 2], &[0, 1]).is_err());
        assert!(of(b"abc", &[2, 1, 3], &[0, 1, 2]).is_err());
        assert!(of(b"abc", &[3], &[0, 1]).is_err());
        assert!(of(b"abc", &[1, 3], &[4, 4]).is_err());
    }
}
