//! One question to one stored table: filter its cells, roll them up to the asked dimensions and grain, present them.
use std::collections::BTreeMap;

use hashbrown::HashMap;
use serde::Deserialize;

use super::Reader;
use super::answer::{self, Column};
use crate::batch::Invalid;
use crate::error::{CoreError, Result};

use crate::expression::{Node, Scalar, Source, truth};
use crate::intern::Dictionary;
use crate::plan::{Grain, GrainUnit};
use crate::rows::{Rows, pick_dims};
use crate::store::segment::{Segment, merge};
use crate::store::tables::{CellTable, MetricShape, end_key, first_key, split_window, window_expired};
use crate::windows::Calendar;
use crate::wire::{Dim, Short, Take, take_dim};

/// What is asked. `metric`, `set` and `grain` name the stored table by their indices in the plan.
#[derive(Clone, Debug, Deserialize)]
pub struct Request {
    pub metric: usize,
    pub set: usize,
    pub grain: usize,
    /// Positions of the wanted dimensions in the stored set, in the order of the answer.
    pub dims: Vec<usize>,
    /// Present in this grain instead of the stored one; its windows must be unions of stored ones.
    #[serde(default)]
    pub into: Option<Grain>,
    /// Only windows that start at or after this, and before `until_us`.
    #[serde(default)]
    pub since_us: Option<i64>,
    #[serde(default)]
    pub until_us: Option<i64>,
    /// Over the stored set's dimensions: `["field", i]` is position i of the set.
    #[serde(default, rename = "where")]
    pub filter: Option<Node>,
}

impl Request {
    /// All cells of a table, under all of its dimensions.
    pub(super) fn whole(table: CellTable, dims: usize) -> Request {
        Request {
            metric: table.metric,
            set: table.set,
            grain: table.grain,
            dims: (0..dims).collect(),
            into: None,
            since_us: None,
            until_us: None,
            filter: None,
        }
    }
}

/// Cells added up by (output group, output window).
#[derive(Default)]
pub(super) struct Answer {
    groups: Dictionary,
    cells: HashMap<(u32, i64), u32>,
    rows: Rows,
}

impl Answer {
    pub(super) fn row(&mut self, group: &[u8], start: i64, shape: &MetricShape) -> usize {
        let group = self.groups.code(group);
        let rows = &mut self.rows;
        let row = *self.cells.entry((group, start)).or_insert_with(|| {
            rows.push(group, start, &shape.layout);
            rows.len() as u32 - 1
        });
        row as usize
    }

    pub(super) fn add(
        &mut self,
        row: usize,
        state: &[u64],
        objects: &crate::measure::Objects,
        shape: &MetricShape,
    ) -> Result<()> {
        let width = shape.layout.width;
        let words = self.rows.words.get_mut(row * width..(row + 1) * width).ok_or(Short)?;
        shape.layout.merge(words, &mut self.rows.objects, state, objects)
    }
}

/// A cell's dimension values with their scales, as a filter sees them.
struct Dims<'a>(&'a [(Dim, u32)]);

impl<'a> Source<'a> for Dims<'a> {
    fn path(&self, _: usize) -> std::result::Result<Scalar<'a>, Invalid> {
        Err(Invalid::Missing)
    }
    fn field(&self, index: usize) -> std::result::Result<Scalar<'a>, Invalid> {
        let (dim, scale) = self.0.get(index).ok_or(Invalid::Missing)?;
        Ok(match dim {
            Dim::Null => Scalar::Null,
            Dim::Bool(v) => Scalar::Bool(*v),
            Dim::Int(v) => Scalar::Int(*v),
            Dim::Decimal(v) => Scalar::Dec { v: *v, scale: *scale },
            Dim::Float(v) => Scalar::Float(*v),
            Dim::Text(text) => Scalar::Text(text.as_str().into()),
        })
    }
}

/// Decides per stored cell whether it belongs to the answer, and where.
struct Sieve<'a> {
    request: &'a Request,
    retain: Grain,
    watermark_us: Option<i64>,
    into: Option<Calendar>,
    scales: Vec<u32>,
}

impl Reader {
    /// The answer to a request as an Arrow IPC stream: `window`, the dimensions, the measures; ordered by dimensions, then
    /// window.
    pub fn scan(&mut self, request: &Request) -> Result<Vec<u8>> {
        let answer = self.gather(request)?;
        self.present(request, answer)
    }

    /// The kept windows of a stored table with their events, whatever the dimensions: (start in microseconds, events).
    pub fn windows(&mut self, table: CellTable) -> Result<BTreeMap<i64, u64>> {
        let answer = self.gather(&Request::whole(table, 0))?;
        let layout = &self.tables.shapes.get(table.metric).ok_or(Short)?.layout;
        let events = |row| answer.rows.state(row, layout).first().copied().unwrap_or(0);
        let starts = answer.rows.starts.iter().enumerate();
        Ok(starts.map(|(row, start)| (*start, events(row))).collect())
    }

    fn gather(&mut self, request: &Request) -> Result<Answer> {
        let table = CellTable {
            metric: request.metric,
            set: request.set,
            grain: request.grain,
        };
        let number = self
            .tables
            .number(table)
            .ok_or_else(|| CoreError::internal("a request for a table that is not stored"))?;
        let mut sieve = self.sieve(request)?;
        let mut answer = Answer::default();
        let (keys, fresh) = self.pending.table(&mut self.tables, table, None)?;
        let shape = self.tables.shapes.get_mut(request.metric).ok_or(Short)?;
        let mut group = vec![];
        for (row, (&key, &start)) in fresh.groups.iter().zip(&fresh.starts).enumerate() {
            if let Some(window) = sieve.place(shape, keys.get(key), start, &mut group)? {
                let at = answer.row(&group, window, shape);
                answer.add(at, fresh.state(row, &shape.layout), &fresh.objects, shape)?;
            }
        }
        let segments: Vec<&Segment> = self.segments.iter().collect();
        let mut state = vec![0; shape.layout.width];
        merge(&segments, &first_key(number), Some(&end_key(number)), |key, values| {
            let (stored, start) = split_window(key)?;
            let Some(window) = sieve.place(shape, stored, start, &mut group)? else {
                return Ok(());
            };
            let at = answer.row(&group, window, shape);
            for value in values {
                state.fill(0);
                let mut objects = vec![];
                shape.layout.decode(&mut Take(value), &mut state, &mut objects)?;
                answer.add(at, &state, &objects, shape)?;
            }
            Ok(())
        })?;
        Ok(answer)
    }

    fn sieve<'a>(&self, request: &'a Request) -> Result<Sieve<'a>> {
        let metric = self.plan.metrics.get(request.metric).ok_or(Short)?;
        let set = metric.sets.get(request.set).ok_or(Short)?;
        let fields = set.iter().filter_map(|f| self.plan.fields.get(*f));
        let into = match &request.into {
            Some(grain) => Some(Calendar::new(std::slice::from_ref(grain), &self.plan)?),
            None => None,
        };
        Ok(Sieve {
            request,
            retain: metric.grains.get(request.grain).ok_or(Short)?.clone(),
            watermark_us: self.clock.watermark_us,
            into,
            scales: fields.map(|f| f.scale).collect(),
        })
    }

    pub(super) fn present(&self, request: &Request, answer: Answer) -> Result<Vec<u8>> {
        let metric = self.plan.metrics.get(request.metric).ok_or(Short)?;
        let shape = self.tables.shapes.get(request.metric).ok_or(Short)?;
        let set = metric.sets.get(request.set).ok_or(Short)?;
        let Answer { groups, rows, .. } = answer;
        let mut order: Vec<usize> = (0..rows.len()).collect();
        let key = |row: &usize| {
            (
                rows.groups.get(*row).map(|g| groups.strings.get(*g)),
                rows.starts.get(*row),
            )
        };
        order.sort_unstable_by(|a, b| key(a).cmp(&key(b)));
        let start = |row: &usize| rows.starts.get(*row).copied().filter(|s| *s != i64::MIN);
        let mut columns = vec![answer::times("window", order.iter().map(start).collect())];
        let mut dims: Vec<Vec<crate::wire::Dim>> =
            request.dims.iter().map(|_| Vec::with_capacity(order.len())).collect();
        for row in &order {
            let mut take = Take(groups.strings.get(rows.groups.get(*row).copied().unwrap_or(0)));
            for column in &mut dims {
                column.push(take_dim(&mut take)?);
            }
        }
        for (values, position) in dims.iter().zip(&request.dims) {
            let field = set.get(*position).and_then(|f| self.plan.fields.get(*f)).ok_or(Short)?;
            columns.push(answer::dimension(&field.name, field.kind, field.scale, values)?);
        }
        for (index, declared) in metric.measures.iter().enumerate() {
            let field = declared.field.and_then(|f| self.plan.fields.get(f));
            let (kind, scale) = field.map_or((crate::plan::Type::Integer, 0), |f| (f.kind, f.scale));
            let show = |row: &usize| {
                shape
                    .layout
                    .show(index, declared, rows.state(*row, &shape.layout), &rows.objects)
            };
            let shown: Vec<_> = order.iter().map(show).collect();
            columns.push(answer::measure(declared, kind, scale, &shown)?);
        }
        columns.push(events_column(&order, &rows, shape));
        answer::stream(columns)
    }
}

/// The number of events behind each row, whatever the measures: for checks against the ledger.
fn events_column(order: &[usize], rows: &Rows, shape: &MetricShape) -> Column {
    let events = order.iter().map(|row| rows.state(*row, &shape.layout).first().copied());
    let array = events.collect::<arrow_array::UInt64Array>();
    Column {
        name: "__events".into(),
        array: std::sync::Arc::new(array),
        note: None,
    }
}

impl Sieve<'_> {
    /// The output window of a stored cell, with its output group in `group`; None: not part of the answer.
    fn place(
        &mut self,
        shape: &mut MetricShape,
        stored: &[u8],
        start: i64,
        group: &mut Vec<u8>,
    ) -> Result<Option<i64>> {
        let request = self.request;
        if request.since_us.is_some_and(|s| start < s) || request.until_us.is_some_and(|u| start >= u) {
            return Ok(None);
        }
        if window_expired(
            &mut shape.calendar,
            request.grain,
            &self.retain,
            start,
            self.watermark_us,
        ) {
            return Ok(None);
        }
        if let Some(filter) = &request.filter {
            let mut take = Take(stored);
            let dims = self
                .scales
                .iter()
                .map(|scale| Ok((take_dim(&mut take)?, *scale)))
                .collect::<Result<Vec<_>>>()?;
            // As for a metric's own `where`: what cannot be evaluated is not true.
            if truth(filter, &Dims(&dims)) != Ok(Some(true)) {
                return Ok(None);
            }
        }
        group.clear();
        pick_dims(stored, &request.dims, group)?;
        Ok(Some(match (&mut self.into, &request.into) {
            (Some(_), Some(grain)) if grain.unit == GrainUnit::All => i64::MIN,
            (Some(calendar), _) if start != i64::MIN => calendar.window_of(0, start).0,
            _ => start,
        }))
    }
}
