//! The cells of a shard in memory: every stored table, added up, and when each cell was touched last.
use crate::error::Result;
use crate::plan::Plan;
use crate::reader::{Partials, TableCells};
use crate::store::frame::Changes;
use crate::store::tables::{CellTable, Tables, cell_key, split_window, window_expired};
use crate::wire::{Short, Take, put_bytes, put_u64};

/// By the number of the table.
pub(super) struct Image(Vec<TableCells>);

/// What some cells of a table are, beside their bytes.
type Found = Vec<(usize, bool)>;

impl Image {
    pub fn new(tables: &Tables) -> Image {
        Image(tables.cells.iter().map(|_| TableCells::default()).collect())
    }

    /// Add what a commit has changed; it names all groups that it speaks of.
    pub fn add(&mut self, metrics: &[Changes], tables: &mut Tables, sequence: u64) -> Result<()> {
        for (part, table) in self.0.iter_mut().zip(&tables.cells) {
            let shape = tables.shapes.get_mut(table.metric).ok_or(Short)?;
            let changes = metrics.get(table.metric).ok_or(Short)?;
            part.add_whole(changes, *table, shape, sequence)?;
        }
        Ok(())
    }

    pub fn cells(&self) -> u64 {
        self.0.iter().map(|part| part.cells.rows.len() as u64).sum()
    }

    /// The events in a table's cells.
    pub fn events(&self, number: usize, tables: &Tables) -> Result<u64> {
        let (part, table) = (self.0.get(number).ok_or(Short)?, tables.cells.get(number).ok_or(Short)?);
        let layout = &tables.shapes.get(table.metric).ok_or(Short)?.layout;
        let rows = &part.cells.rows;
        let events = (0..rows.len()).map(|row| rows.state(row, layout).first().copied().unwrap_or(0));
        Ok(events.sum())
    }

    /// The partial values of a table's cells that commits after one have touched, in order, as an Arrow IPC stream; none:
    /// there is no such cell. Windows that retention has removed are not among them.
    pub fn partials(
        &self,
        number: usize,
        (plan, tables): (&Plan, &mut Tables),
        after: u64,
        watermark_us: Option<i64>,
    ) -> Result<Option<Vec<u8>>> {
        let table = *tables.cells.get(number).ok_or(Short)?;
        let found = self.found(number, (plan, &mut *tables), after, watermark_us)?;
        let layout = &tables.shapes.get(table.metric).ok_or(Short)?.layout;
        let cells = &self.0.get(number).ok_or(Short)?.cells;
        let mut partials = Partials::new(plan, layout, table);
        let kept = found.iter().filter(|(_, is_expired)| !is_expired);
        let mut count = 0;
        for (row, _) in kept {
            let state = cells.rows.state(*row, layout);
            partials.push(cells.key(*row), cells.start(*row), state, &cells.rows.objects);
            count += 1;
        }
        if count == 0 {
            Ok(None)
        } else {
            partials.stream().map(Some)
        }
    }

    /// Rows of a table that commits after one have touched, by group and start, and whether retention has removed them.
    fn found(
        &self,
        number: usize,
        (plan, tables): (&Plan, &mut Tables),
        after: u64,
        watermark_us: Option<i64>,
    ) -> Result<Found> {
        let CellTable { metric, grain, .. } = *tables.cells.get(number).ok_or(Short)?;
        let part = self.0.get(number).ok_or(Short)?;
        let calendar = &mut tables.shapes.get_mut(metric).ok_or(Short)?.calendar;
        let declared = plan
            .metrics
            .get(metric)
            .and_then(|m| m.grains.get(grain))
            .ok_or(Short)?;
        let touched = part.touched.iter().enumerate().filter(|(_, touched)| **touched > after);
        let mut rows: Vec<usize> = touched.map(|(row, _)| row).collect();
        rows.sort_unstable_by_key(|row| (part.cells.key(*row), part.cells.start(*row)));
        let mut expired = |row| window_expired(calendar, grain, declared, part.cells.start(row), watermark_us);
        Ok(rows.into_iter().map(|row| (row, expired(row))).collect())
    }

    /// All cells as bytes, in order. The events of those that retention has removed are added to `expired`, by table.
    pub fn write(
        &self,
        (plan, tables): (&Plan, &mut Tables),
        watermark_us: Option<i64>,
        expired: &mut [u64],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let (mut key, mut value) = (vec![], vec![]);
        for (number, part) in self.0.iter().enumerate() {
            let found = self.found(number, (plan, &mut *tables), 0, watermark_us)?;
            let metric = tables.cells.get(number).ok_or(Short)?.metric;
            let layout = &tables.shapes.get(metric).ok_or(Short)?.layout;
            for (row, is_expired) in found {
                let state = part.cells.rows.state(row, layout);
                if is_expired {
                    *expired.get_mut(number).ok_or(Short)? += state.first().copied().unwrap_or(0);
                    continue;
                }
                let group = part.cells.key(row);
                cell_key(number as u16, group, part.cells.start(row), &mut key);
                value.clear();
                layout.encode(state, &part.cells.rows.objects, &mut value);
                put_bytes(out, &key);
                put_u64(out, part.touched.get(row).copied().unwrap_or(0));
                put_bytes(out, &value);
            }
        }
        Ok(())
    }

    /// Add cells that were written as bytes.
    pub fn read(&mut self, bytes: &[u8], tables: &Tables) -> Result<()> {
        let mut take = Take(bytes);
        while !take.is_empty() {
            let (key, touched, value) = (take.bytes()?, take.u64()?, take.bytes()?);
            let (number, table) = tables.cell_table(key).ok_or(Short)?;
            let layout = &tables.shapes.get(table.metric).ok_or(Short)?.layout;
            let (group, start) = split_window(key)?;
            let part = self.0.get_mut(usize::from(number)).ok_or(Short)?;
            part.put((group, start), value, layout, touched)?;
        }
        Ok(())
    }
}
