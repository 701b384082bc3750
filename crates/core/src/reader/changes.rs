//! The cells that have changed since somebody had them all, with their values now. Some that have not changed may be among
//! them: who takes absolute values is not harmed.
use std::path::Path;

use super::Reader;
use super::cells::Cells;
use super::lines::present;
use super::scan::Request;
use crate::error::Result;
use crate::intern::Strings;
use crate::store::segment::{Cursor, Segment};
use crate::store::tables::{CellTable, end_key, first_key, split_window, window_expired};
use crate::wire::Short;

/// How far somebody has the cells: an epoch, and the number that the store's next file had then. Zeros: not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    pub epoch: u64,
    pub file: u64,
}

/// Keys in order.
pub(super) struct Keys {
    strings: Strings,
    order: Vec<u32>,
}

impl Keys {
    fn of(strings: Strings) -> Keys {
        let mut order: Vec<u32> = (0..strings.len() as u32).collect();
        order.sort_unstable_by(|a, b| strings.get(*a).cmp(strings.get(*b)));
        order.dedup_by(|a, b| strings.get(*a) == strings.get(*b));
        Keys { strings, order }
    }

    /// The keys from one on.
    fn from(&self, key: &[u8]) -> impl Iterator<Item = &[u8]> {
        let first = self.order.partition_point(|code| self.strings.get(*code) < key);
        let rest = self.order.get(first..).unwrap_or_default();
        rest.iter().map(|code| self.strings.get(*code))
    }
}

impl Reader {
    /// A reader that can tell what has changed since a mark.
    pub fn open_since(folder: &Path, mark: Mark) -> Result<Reader> {
        Reader::open_with(folder, Some(mark))
    }

    /// Who has taken all that this reader gives is so far.
    pub fn mark(&self) -> Mark {
        Mark {
            epoch: self.epoch,
            file: self.manifest.next_file,
        }
    }

    /// All that has changed was taken: from here on is told what changes after.
    pub fn taken(&mut self) {
        self.since = Some(self.mark());
        self.touched = None;
        for followed in &mut self.followed {
            followed.moved.clear();
        }
    }

    /// The changed cells of a stored table behind a key (None: from the first), at most `limit` of them, as an Arrow IPC
    /// stream, and the key of the last one: `window`, the dimensions, the measures; ordered by dimensions, then window.
    /// Windows that retention has removed are not among them. None: there are no more.
    pub fn changed(
        &mut self,
        table: CellTable,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
        let Some((cells, last)) = self.changed_cells(table, after, limit)? else {
            return Ok(None);
        };
        let set = self.plan.metrics.get(table.metric).and_then(|m| m.sets.get(table.set));
        let request = Request::whole(table, set.map_or(0, Vec::len));
        Ok(Some((present(&self.plan, &self.tables, &request, &cells)?, last)))
    }

    /// As `changed`, and the cells themselves.
    pub(super) fn changed_cells(
        &mut self,
        table: CellTable,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Option<(Cells, Vec<u8>)>> {
        let place = self.follow(table)?;
        let Some(since) = self.since else { return Ok(None) };
        if self.touched.as_ref().is_none_or(|(of, _)| *of != table) {
            self.touched = Some((table, self.touched_keys(place, since)?));
        }
        let (Some((_, touched)), Some(followed)) = (&self.touched, self.followed.get(place)) else {
            return Ok(None);
        };
        let metric = self.plan.metrics.get(table.metric).ok_or(Short)?;
        let grain = metric.grains.get(table.grain).ok_or(Short)?;
        let shape = self.tables.shapes.get_mut(table.metric).ok_or(Short)?;
        let from = after.map_or(first_key(followed.number).to_vec(), |key| [key, &[0]].concat());
        // Where the journals did not reach back to the mark, the segments that were written after it name cells too.
        let names = |(file, _): &(&crate::store::files::SegmentFile, &Segment)| {
            since.epoch < followed.since && file.number >= since.file
        };
        let files = self.manifest.segments.iter().zip(&self.segments);
        let newer = files.filter(names).map(|(_, segment)| segment.cursor(&from));
        let mut names = Names {
            touched: touched.from(&from).peekable(),
            newer: newer.collect::<Result<_>>()?,
            end: end_key(followed.number),
        };
        let stored = self.segments.iter().map(|segment| segment.cursor(&from));
        let mut stored = stored.collect::<Result<Vec<_>>>()?;
        let (mut answer, mut key, mut last) = (Cells::default(), vec![], None);
        while answer.rows.len() < limit && names.next(&mut key)? {
            let (_, start) = split_window(&key)?;
            if window_expired(&mut shape.calendar, table.grain, grain, start, self.clock.watermark_us) {
                continue;
            }
            followed.add_cell(&mut answer, &key, &mut stored, &shape.layout)?;
            last = Some(key.clone());
        }
        Ok(last.map(|last| (answer, last)))
    }

    /// The keys of a followed table's cells that epochs after a mark have touched.
    fn touched_keys(&self, place: usize, since: Mark) -> Result<Keys> {
        let followed = self.followed.get(place).ok_or(Short)?;
        let mut keys = Strings::default();
        for part in &followed.parts {
            part.each_touched(followed.number, since.epoch, |key| {
                keys.push(key);
            });
        }
        followed.moved.iter().for_each(|key| {
            keys.push(key);
        });
        Ok(Keys::of(keys))
    }
}

/// Keys that several lists name, in order, each once.
struct Names<'a, T: Iterator<Item = &'a [u8]>> {
    touched: std::iter::Peekable<T>,
    newer: Vec<Cursor<'a>>,
    end: Vec<u8>,
}

impl<'a, T: Iterator<Item = &'a [u8]>> Names<'a, T> {
    /// Whether there is another one; then it is in `key`.
    fn next(&mut self, key: &mut Vec<u8>) -> Result<bool> {
        let newer = self.newer.iter().filter(|cursor| !cursor.done).map(Cursor::key);
        let least = newer.chain(self.touched.peek().copied()).min();
        let Some(least) = least.filter(|key| *key < self.end.as_slice()) else {
            return Ok(false);
        };
        key.clear();
        key.extend_from_slice(least);
        self.touched.next_if(|touched| *touched == key.as_slice());
        for cursor in &mut self.newer {
            if !cursor.done && cursor.key() == key.as_slice() {
                cursor.advance()?;
            }
        }
        Ok(true)
    }
}
