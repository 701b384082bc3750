//! Series that are asked for again: the cells of one group are kept as they are shown, and those that an epoch touches are
//! read again.
use std::collections::{BTreeMap, BTreeSet};

use super::Reader;
use super::cells::Cells;
use super::lines::{Lines, present, stream};
use super::scan::{Request, Sieve};
use crate::error::Result;
use crate::measure::Shown;
use crate::rows::pick_dims;
use crate::store::tables::{CellTable, cell_key, window_expired};
use crate::wire::Short;

/// So many series are kept, of at most so many cells each.
const SERIES_MAX: usize = 32;
const CELLS_MAX: usize = 20_000;

/// The cells of a group that start in a range, as of an epoch.
pub(super) struct Series {
    table: CellTable,
    group: Vec<u8>,
    range: (i64, i64),
    epoch: u64,
    cells: BTreeMap<i64, Cell>,
}

/// What the measures of a cell show, and the number of events.
struct Cell {
    shown: Vec<Shown>,
    events: u64,
}

impl Reader {
    /// The answer to a request that can only have cells of one group, in the stored grain.
    pub(super) fn scan_series(&mut self, request: &Request, group: &[u8]) -> Result<Vec<u8>> {
        let table = request.table();
        let range = (
            request.since_us.unwrap_or(i64::MIN),
            request.until_us.unwrap_or(i64::MAX),
        );
        let place = self.follow(table)?;
        if range.0 >= range.1 || !Sieve::new(&self.plan, request, self.clock.watermark_us)?.passes(group)? {
            return present(&self.plan, &self.tables, request, &Cells::default());
        }
        let kept = self
            .series
            .iter()
            .position(|one| one.table == table && one.group == group);
        let mut series = match kept.map(|at| self.series.remove(at)) {
            Some(series) if series.range.0 <= range.1 && range.0 <= series.range.1 => series,
            _ => Series {
                table,
                group: group.to_vec(),
                range: (range.0, range.0),
                epoch: self.epoch,
                cells: BTreeMap::new(),
            },
        };
        self.renew(&mut series, place)?;
        let (first, last) = series.range;
        if range.0 < first {
            self.read(&mut series, (range.0, first))?;
        }
        if last < range.1 {
            self.read(&mut series, (last, range.1))?;
        }
        series.range = (range.0.min(first), range.1.max(last));
        let answer = self.show(request, &series, range);
        if series.cells.len() <= CELLS_MAX {
            let many = (self.series.len() + 1).saturating_sub(SERIES_MAX);
            self.series.drain(..many);
            self.series.push(series);
        }
        answer
    }

    /// Read the cells again that epochs since have touched.
    fn renew(&mut self, series: &mut Series, place: usize) -> Result<()> {
        let since = std::mem::replace(&mut series.epoch, self.epoch);
        if since == self.epoch {
            return Ok(());
        }
        let mut starts = BTreeSet::new();
        for part in self.followed.get(place).map_or(&[][..], |followed| &followed.parts) {
            let code = part.cells.groups.find(&series.group);
            let rows = code.into_iter().flat_map(|code| part.cells.rows_of(code));
            let touched = rows.filter(|row| part.touched.get(*row).is_some_and(|epoch| *epoch > since));
            starts.extend(touched.map(|row| part.cells.start(row)));
        }
        let followed = self.followed.get(place).ok_or(Short)?;
        let shape = self.tables.shapes.get(series.table.metric).ok_or(Short)?;
        let (mut found, mut key) = (Cells::default(), vec![]);
        cell_key(followed.number, &series.group, series.range.0, &mut key);
        let stored = self.segments.iter().map(|segment| segment.cursor(&key));
        let mut stored = stored.collect::<Result<Vec<_>>>()?;
        for start in starts.range(series.range.0..series.range.1) {
            cell_key(followed.number, &series.group, *start, &mut key);
            followed.add_cell(&mut found, &key, &mut stored, &shape.layout)?;
        }
        self.put(series, &found)
    }

    fn read(&mut self, series: &mut Series, (since_us, until_us): (i64, i64)) -> Result<()> {
        let request = Request {
            since_us: Some(since_us),
            until_us: (until_us < i64::MAX).then_some(until_us),
            ..Request::whole(series.table, 0)
        };
        let found = self.gather(&request, Some(&series.group))?;
        self.put(series, &found)
    }

    fn put(&self, series: &mut Series, found: &Cells) -> Result<()> {
        let metric = self.plan.metrics.get(series.table.metric).ok_or(Short)?;
        let layout = &self.tables.shapes.get(series.table.metric).ok_or(Short)?.layout;
        for row in 0..found.rows.len() {
            let state = found.rows.state(row, layout);
            let measures = metric.measures.iter().enumerate();
            let cell = Cell {
                shown: measures
                    .map(|(at, measure)| layout.show(at, measure, state, &found.rows.objects))
                    .collect(),
                events: state.first().copied().unwrap_or(0),
            };
            series.cells.insert(found.start(row), cell);
        }
        Ok(())
    }

    fn show(&mut self, request: &Request, series: &Series, range: (i64, i64)) -> Result<Vec<u8>> {
        let metric = self.plan.metrics.get(request.metric).ok_or(Short)?;
        let grain = metric.grains.get(request.grain).ok_or(Short)?;
        let calendar = &mut self.tables.shapes.get_mut(request.metric).ok_or(Short)?.calendar;
        let watermark_us = self.clock.watermark_us;
        let in_range = series.cells.range(range.0..range.1);
        let cells: Vec<(&i64, &Cell)> = in_range
            .filter(|(start, _)| !window_expired(calendar, request.grain, grain, **start, watermark_us))
            .collect();
        let mut group = vec![];
        pick_dims(&series.group, &request.dims, &mut group)?;
        let shown = |at: usize| {
            cells
                .iter()
                .filter_map(|(_, cell)| cell.shown.get(at).cloned())
                .collect()
        };
        let lines = Lines {
            groups: vec![&group; cells.len()],
            starts: cells.iter().map(|(start, _)| **start).collect(),
            shown: (0..metric.measures.len()).map(shown).collect(),
            events: cells.iter().map(|(_, cell)| cell.events).collect(),
        };
        stream(&self.plan, request, &lines)
    }
}
