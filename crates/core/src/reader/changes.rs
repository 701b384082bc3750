//! The cells that have changed since somebody had them all, with their values now. Some that have not changed may be among
//! them: who takes absolute values is not harmed.
use std::collections::BTreeSet;
use std::path::Path;

use hashbrown::HashSet;

use super::Reader;
use super::scan::{Answer, Request};
use crate::error::Result;
use crate::pending::Pending;
use crate::rows::pick_dims;
use crate::store::journal::Frame;
use crate::store::segment::Segment;
use crate::store::tables::{CellTable, MetricShape, cell_key, end_key, first_key, split_window, window_expired};
use crate::wire::{Short, Take};

/// How far somebody has the cells: an epoch, and the number that the store's next file had then. Zeros: not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    pub epoch: u64,
    pub file: u64,
}

/// The rows that frames after a mark have touched: (code of the group, start), by metric and base set.
pub(super) struct Touched {
    mark: Mark,
    rows: Vec<Vec<HashSet<(u32, i64)>>>,
}

impl Touched {
    pub(super) fn new(mark: Mark) -> Touched {
        Touched { mark, rows: vec![] }
    }

    /// A frame that is about to be absorbed.
    pub(super) fn note(&mut self, epoch: u64, frame: &Frame, pending: &Pending) -> Result<()> {
        if epoch <= self.mark.epoch {
            return Ok(());
        }
        self.rows.resize_with(frame.metrics.len(), Vec::new);
        for (metric, (bases, (_, deltas))) in self.rows.iter_mut().zip(&frame.metrics).enumerate() {
            bases.resize_with(deltas.len(), HashSet::new);
            for (base, (rows, delta)) in bases.iter_mut().zip(deltas).enumerate() {
                let earlier = pending.earlier(metric, base)?;
                let groups = delta.rows.groups.iter().map(|group| group + earlier);
                rows.extend(groups.zip(delta.rows.starts.iter().copied()));
            }
        }
        Ok(())
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

    /// The changed cells of a stored table as an Arrow IPC stream: `window`, the dimensions, the measures; ordered by
    /// dimensions, then window. Windows that retention has removed are not among them.
    pub fn changed(&mut self, table: CellTable) -> Result<Vec<u8>> {
        let cells = self.touched(table)?;
        let groups: HashSet<&[u8]> = cells.iter().map(|(group, _)| group.as_slice()).collect();
        let wanted = |group: &[u8]| groups.contains(group);
        let (keys, fresh) = self.pending.table(&mut self.tables, table, Some(&wanted))?;
        let number = self.tables.number(table).ok_or(Short)?;
        let metric = self.plan.metrics.get(table.metric).ok_or(Short)?;
        let grain = metric.grains.get(table.grain).ok_or(Short)?;
        let shape = self.tables.shapes.get_mut(table.metric).ok_or(Short)?;
        let watermark_us = self.clock.watermark_us;
        let cursors = self.segments.iter().map(|segment| segment.cursor(&first_key(number)));
        let mut cursors = cursors.collect::<Result<Vec<_>>>()?;
        let (mut answer, mut key, mut state) = (Answer::default(), vec![], vec![0; shape.layout.width]);
        let mut rows = (0..fresh.len()).peekable();
        let place = |row: usize| Some((keys.get(*fresh.groups.get(row)?), *fresh.starts.get(row)?));
        for (group, start) in &cells {
            if window_expired(&mut shape.calendar, table.grain, grain, *start, watermark_us) {
                continue;
            }
            let at = answer.row(group, *start, shape);
            cell_key(number, group, *start, &mut key);
            for cursor in &mut cursors {
                cursor.seek(&key)?;
                if !cursor.done && cursor.key() == key {
                    state.fill(0);
                    let mut objects = vec![];
                    shape
                        .layout
                        .decode(&mut Take(cursor.value()), &mut state, &mut objects)?;
                    answer.add(at, &state, &objects, shape)?;
                }
            }
            let cell = Some((group.as_slice(), *start));
            while rows.next_if(|row| place(*row) < cell).is_some() {}
            if let Some(row) = rows.next_if(|row| place(*row) == cell) {
                answer.add(at, fresh.state(row, &shape.layout), &fresh.objects, shape)?;
            }
        }
        self.present(
            &Request::whole(table, metric.sets.get(table.set).map_or(0, Vec::len)),
            answer,
        )
    }

    /// Group and start of the changed cells of a table, in order.
    fn touched(&mut self, table: CellTable) -> Result<BTreeSet<(Vec<u8>, i64)>> {
        let number = self.tables.number(table).ok_or(Short)?;
        let Some(Touched { mark, rows }) = &self.touched else {
            return Ok(BTreeSet::new());
        };
        let mut cells = self.in_segments_since(*mark, number)?;
        let shape = self.tables.shapes.get_mut(table.metric).ok_or(Short)?;
        let MetricShape { calendar, sets, .. } = shape;
        let (base, positions) = sets.from.get(table.set).ok_or(Short)?;
        let rows = rows.get(table.metric).and_then(|bases| bases.get(*base));
        let keys = self.pending.keys(table.metric, *base)?;
        let windows = rows.into_iter().flatten();
        let windows = windows.map(|(group, start)| (*group, calendar.window_of(table.grain, *start).0));
        for (group, start) in windows.collect::<HashSet<_>>() {
            let mut picked = vec![];
            pick_dims(keys.get(group), positions, &mut picked)?;
            cells.insert((picked, start));
        }
        Ok(cells)
    }

    /// The cells of a table in the segments that were written after a mark, where the journal does not reach back to it.
    fn in_segments_since(&self, mark: Mark, number: u16) -> Result<BTreeSet<(Vec<u8>, i64)>> {
        let mut cells = BTreeSet::new();
        if mark.epoch >= self.manifest.epoch {
            return Ok(cells);
        }
        let files = self.manifest.segments.iter().zip(&self.segments);
        let newer: Vec<&Segment> = files
            .filter(|(file, _)| file.number >= mark.file)
            .map(|(_, s)| s)
            .collect();
        crate::store::segment::merge(&newer, &first_key(number), Some(&end_key(number)), |key, _| {
            let (group, start) = split_window(key)?;
            cells.insert((group.to_vec(), start));
            Ok(())
        })?;
        Ok(cells)
    }
}
