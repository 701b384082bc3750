//! Tables that a reader follows: what the journals behind the last checkpoint have changed in them, added up cell by cell and
//! kept as frames come. Frames themselves are not kept. A table that nobody asks for costs nothing.
use hashbrown::HashSet;

use super::cells::Cells;
use crate::engine::shape_of;
use crate::error::Result;
use crate::fold::Source;
use crate::measure::Layout;
use crate::rows::pick_dims;
use crate::store::frame::{Body, Changes, Frame};
use crate::store::segment::Cursor;
use crate::store::tables::{CellTable, MetricShape, Tables, cell_key, split_window};
use crate::wire::Short;

/// One table's cells, and which of them epochs after a mark have touched.
pub(super) struct Followed {
    pub table: CellTable,
    pub number: u16,
    /// All epochs after this one that were read are known here.
    pub since: u64,
    pub parts: Vec<Part>,
    /// Keys of cells that were touched after the mark by journals that a checkpoint has moved into segments.
    pub moved: HashSet<Vec<u8>>,
}

/// What one journal has changed. Each journal numbers its group keys anew.
#[derive(Default)]
pub(crate) struct Part {
    pub journal: u64,
    /// The base set that it is made of.
    source: Source,
    pub cells: Cells,
    /// The code in `cells` of each group of the base set.
    codes: Vec<u32>,
    /// The last epoch that touched each row.
    pub touched: Vec<u64>,
}

impl Followed {
    pub fn new(table: CellTable, tables: &Tables, since: u64) -> Result<Followed> {
        Ok(Followed {
            table,
            number: tables.number(table).ok_or(Short)?,
            since,
            parts: vec![],
            moved: HashSet::new(),
        })
    }

    /// The base set, as metric and base, that a journal's frames are read for: of those that the table can be derived from the
    /// one that the first of them has changed least. Groups that it has named go on in its numbers.
    pub fn base(&mut self, body: &Body<'_>, journal: u64, tables: &Tables) -> Result<(usize, usize)> {
        let CellTable { metric, set, .. } = self.table;
        if self.parts.last().is_none_or(|part| part.journal != journal) {
            self.parts.push(Part {
                journal,
                ..Part::default()
            });
        }
        let part = self.parts.last_mut().ok_or(Short)?;
        if part.codes.is_empty() {
            let sets = &tables.shapes.get(metric).ok_or(Short)?.sets;
            let bases = shape_of(tables).1;
            let smallest = sets.smallest(set, |base| body.base_bytes(&bases, (metric, base)));
            part.source = smallest.ok_or(Short)?.clone();
        }
        Ok((metric, part.source.0))
    }

    /// Add what a frame has changed in the base set that `base` has said.
    pub fn add(&mut self, frame: &Frame, epoch: u64, tables: &mut Tables) -> Result<()> {
        let shape = tables.shapes.get_mut(self.table.metric).ok_or(Short)?;
        let changes = frame.metrics.get(self.table.metric).ok_or(Short)?;
        let part = self.parts.last_mut().ok_or(Short)?;
        part.add(changes, self.table.grain, shape, epoch)
    }

    /// Add a cell to an answer: what segments and journals have under its key. Keys must come in order.
    pub fn add_cell(&self, answer: &mut Cells, key: &[u8], stored: &mut [Cursor<'_>], layout: &Layout) -> Result<()> {
        let (group, start) = split_window(key)?;
        let code = answer.group(group);
        let row = answer.row(code, start, layout);
        for cursor in stored {
            cursor.seek(key)?;
            if !cursor.done && cursor.key() == key {
                answer.add_bytes(row, cursor.value(), layout)?;
            }
        }
        for part in &self.parts {
            if let Some(at) = part.cells.find(group, start) {
                let rows = &part.cells.rows;
                answer.add(row, rows.state(at, layout), &rows.objects, layout)?;
            }
        }
        Ok(())
    }

    /// Forget what journals before one have changed: it is in segments now. What they touched after an epoch stays known.
    pub fn moved_before(&mut self, journal: u64, after: Option<u64>) {
        let Followed {
            number, parts, moved, ..
        } = self;
        parts.retain(|part| {
            let is_kept = part.journal >= journal;
            if let (false, Some(after)) = (is_kept, after) {
                part.each_touched(*number, after, |key| {
                    moved.insert(key.to_vec());
                });
            }
            is_kept
        });
    }
}

impl Part {
    /// Add what an epoch that names all of its groups has changed in a table.
    pub fn add_whole(
        &mut self,
        changes: &Changes,
        table: CellTable,
        shape: &mut MetricShape,
        epoch: u64,
    ) -> Result<()> {
        let rows = |base: usize| changes.1.get(base).map_or(0, |delta| delta.rows.len());
        self.source = shape.sets.smallest(table.set, rows).ok_or(Short)?.clone();
        self.codes.clear();
        self.add(changes, table.grain, shape, epoch)
    }

    /// Add to a cell a state that was written as bytes, when it was touched last.
    pub fn put(&mut self, (group, start): (&[u8], i64), value: &[u8], layout: &Layout, epoch: u64) -> Result<()> {
        let group = self.cells.group(group);
        let row = self.cells.row(group, start, layout);
        self.cells.add_bytes(row, value, layout)?;
        self.touch(row, epoch);
        Ok(())
    }

    fn touch(&mut self, row: usize, epoch: u64) {
        match self.touched.get_mut(row) {
            Some(touched) => *touched = epoch,
            None => self.touched.push(epoch),
        }
    }

    fn add(&mut self, changes: &Changes, grain: usize, shape: &mut MetricShape, epoch: u64) -> Result<()> {
        let MetricShape { layout, calendar, .. } = shape;
        let (base, positions) = &self.source;
        let delta = changes.1.get(*base).ok_or(Short)?;
        let mut group = vec![];
        for key in delta.new_keys.iter() {
            group.clear();
            pick_dims(key, positions, &mut group)?;
            self.codes.push(self.cells.group(&group));
        }
        let rows = &delta.rows;
        for (at, (group, start)) in rows.groups.iter().zip(&rows.starts).enumerate() {
            let group = self.codes.get(*group as usize).copied().ok_or(Short)?;
            let row = self.cells.row(group, calendar.window_of(grain, *start).0, layout);
            self.cells
                .add_settled(row, rows.state(at, layout), &rows.objects, layout)?;
            self.touch(row, epoch);
        }
        Ok(())
    }

    /// Visit the keys of the cells that were touched after an epoch.
    pub fn each_touched(&self, table: u16, after: u64, mut visit: impl FnMut(&[u8])) {
        let mut key = vec![];
        for (row, epoch) in self.touched.iter().enumerate() {
            if *epoch > after {
                cell_key(table, self.cells.key(row), self.cells.start(row), &mut key);
                visit(&key);
            }
        }
    }
}
