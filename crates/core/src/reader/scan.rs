//! One question to one stored table: filter its cells, roll them up to the asked dimensions and grain, present them.
use std::collections::BTreeMap;

use serde::Deserialize;

use super::Reader;
use super::cells::Cells;
use super::lines::present;
use crate::batch::{Invalid, Value};
use crate::error::{CoreError, Kind, Result};
use crate::expression::{Comparison, Node, Scalar, Source, truth};
use crate::kept::is_other;
use crate::plan::{Grain, GrainUnit, Plan, Type};
use crate::rows::pick_dims;
use crate::store::segment::{Segment, merge};
use crate::store::tables::{CellTable, MetricShape, cell_key, end_key, first_key, split_window, window_expired};
use crate::windows::Calendar;
use crate::wire::{Dim, Short, Take, put_dim, take_dim};

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
    pub(super) fn table(&self) -> CellTable {
        CellTable {
            metric: self.metric,
            set: self.set,
            grain: self.grain,
        }
    }

    /// What the filter says that the first dimensions equal, as a group begins, and whether that is all of it. What is in
    /// `(other)` is unknown, so it can be part of any answer.
    pub(super) fn fixed(&self, plan: &Plan) -> Result<(Vec<u8>, bool)> {
        let metric = plan.metrics.get(self.metric).ok_or(Short)?;
        let set = metric.sets.get(self.set).ok_or(Short)?;
        let mut group = vec![];
        if metric.values_max.is_some() {
            return Ok((group, false));
        }
        for (position, field) in set.iter().enumerate() {
            let kind = plan.fields.get(*field).ok_or(Short)?.kind;
            let equal = self.filter.as_ref().and_then(|filter| equal_to(filter, position));
            match (kind, equal) {
                (Type::Text, Some(Node::Text(text))) => put_dim(&mut group, &TEXT, text.as_bytes()),
                (Type::Integer, Some(Node::Int(v))) => put_dim(&mut group, &Value::Int(*v), b""),
                (Type::Boolean, Some(Node::Bool(v))) => put_dim(&mut group, &Value::Bool(*v), b""),
                _ => return Ok((group, false)),
            }
        }
        Ok((group, true))
    }

    /// Whether each stored cell is one of the answer, if it belongs to it. `dims`: how many the stored set has.
    fn is_as_stored(&self, dims: usize) -> bool {
        self.into.is_none() && self.dims.iter().copied().eq(0..dims)
    }

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

/// A cell's dimension values with their scales, as a filter sees them.
struct Dims<'a>(&'a [(Dim, u32)]);

impl<'a> Source<'a> for Dims<'a> {
    fn path(&self, _: usize) -> std::result::Result<Scalar<'a>, Invalid> {
        Err(Invalid::Missing)
    }
    fn field(&self, index: usize) -> std::result::Result<Scalar<'a>, Invalid> {
        let (dim, scale) = self.0.get(index).ok_or(Invalid::Missing)?;
        Ok(match dim {
            Dim::Null | Dim::Other => Scalar::Null,
            Dim::Bool(v) => Scalar::Bool(*v),
            Dim::Int(v) => Scalar::Int(*v),
            Dim::Decimal(v) => Scalar::Dec { v: *v, scale: *scale },
            Dim::Float(v) => Scalar::Float(*v),
            Dim::Text(text) => Scalar::Text(text.as_str().into()),
        })
    }
}

/// Decides per stored cell whether it belongs to the answer, and where.
pub(super) struct Sieve<'a> {
    request: &'a Request,
    retain: Grain,
    watermark_us: Option<i64>,
    into: Option<Calendar>,
    scales: Vec<u32>,
    /// The last stored group, and whether it belongs to the answer; its output group.
    last: Option<(Vec<u8>, bool)>,
    group: Vec<u8>,
}

impl Reader {
    /// The answer to a request as an Arrow IPC stream: `window`, the dimensions, the measures; ordered by dimensions, then
    /// window.
    pub fn scan(&mut self, request: &Request) -> Result<Vec<u8>> {
        let (fixed, is_whole) = request.fixed(&self.plan)?;
        let one = Some(fixed).filter(|_| is_whole);
        if let (Some(group), None) = (&one, &request.into) {
            return self.scan_series(request, group);
        }
        let answer = self.gather(request, one.as_deref())?;
        present(&self.plan, &self.tables, request, &answer)
    }

    /// The kept windows of a stored table with their events, whatever the dimensions: (start in microseconds, events).
    pub fn windows(&mut self, table: CellTable) -> Result<BTreeMap<i64, u64>> {
        let answer = self.gather(&Request::whole(table, 0), None)?;
        let layout = &self.tables.shapes.get(table.metric).ok_or(Short)?.layout;
        let events = |row| answer.rows.state(row, layout).first().copied().unwrap_or(0);
        let starts = answer.rows.starts.iter().enumerate();
        Ok(starts.map(|(row, start)| (*start, events(row))).collect())
    }

    /// The cells of the answer. `one`: no other group than this one can be part of it.
    pub(super) fn gather(&mut self, request: &Request, one: Option<&[u8]>) -> Result<Cells> {
        let table = request.table();
        let number = self
            .tables
            .number(table)
            .ok_or_else(|| CoreError::internal("a request for a table that is not stored"))?;
        let place = self.follow(table)?;
        let mut sieve = Sieve::new(&self.plan, request, self.clock.watermark_us)?;
        let (from, to) = range(number, one, request);
        let mut answer = Cells::default();
        let shape = self.tables.shapes.get_mut(request.metric).ok_or(Short)?;
        let parts = self.followed.get(place).map(|followed| followed.parts.as_slice());
        for part in parts.unwrap_or_default() {
            gather_part(&part.cells, one, &mut sieve, shape, &mut answer)?;
        }
        // Equal keys come together: where each is a cell of its own, no row is looked for.
        let come_once = answer.rows.is_empty() && request.is_as_stored(sieve.scales.len());
        let segments: Vec<&Segment> = self.segments.iter().collect();
        merge(&segments, &from, Some(&to), |key, values| {
            let (stored, start) = split_window(key)?;
            let Some(window) = sieve.place(shape, stored, start)? else {
                return Ok(());
            };
            let group = answer.group(&sieve.group);
            let at = match come_once {
                true => answer.push(group, window, &shape.layout),
                false => answer.row(group, window, &shape.layout),
            };
            values
                .iter()
                .try_for_each(|value| answer.add_bytes(at, value, &shape.layout))
        })?;
        Ok(answer)
    }
}

const TEXT: Value = Value::Text {
    in_arena: false,
    at: 0,
    len: 0,
};

/// What a filter says that a field equals, if it does.
fn equal_to(filter: &Node, position: usize) -> Option<&Node> {
    match filter {
        Node::And(all) => all.iter().find_map(|one| equal_to(one, position)),
        Node::Compare(Comparison::Eq, sides) => match sides.as_ref() {
            [Node::Field(field), value] | [value, Node::Field(field)] if *field == position => Some(value),
            _ => None,
        },
        _ => None,
    }
}

/// The keys of a table, or of one of its groups within the asked range, from one to before another.
fn range(number: u16, group: Option<&[u8]>, request: &Request) -> (Vec<u8>, Vec<u8>) {
    let Some(group) = group else {
        return (first_key(number).to_vec(), end_key(number));
    };
    let (mut from, mut to) = (vec![], vec![]);
    cell_key(number, group, request.since_us.unwrap_or(i64::MIN), &mut from);
    cell_key(number, group, request.until_us.unwrap_or(i64::MAX), &mut to);
    (from, to)
}

/// What the journals have changed.
fn gather_part(
    cells: &Cells,
    one: Option<&[u8]>,
    sieve: &mut Sieve<'_>,
    shape: &mut MetricShape,
    answer: &mut Cells,
) -> Result<()> {
    let groups = match one {
        Some(group) => cells.groups.find(group).map_or(0..0, |code| code..code + 1),
        None => 0..cells.groups.strings.len() as u32,
    };
    for group in groups {
        for row in cells.rows_of(group) {
            if let Some(window) = sieve.place(shape, cells.groups.strings.get(group), cells.start(row))? {
                let code = answer.group(&sieve.group);
                let at = answer.row(code, window, &shape.layout);
                let state = cells.rows.state(row, &shape.layout);
                answer.add(at, state, &cells.rows.objects, &shape.layout)?;
            }
        }
    }
    Ok(())
}

impl<'a> Sieve<'a> {
    /// `watermark_us` says which windows retention no longer keeps.
    pub fn new(plan: &Plan, request: &'a Request, watermark_us: Option<i64>) -> Result<Sieve<'a>> {
        let metric = plan.metrics.get(request.metric).ok_or(Short)?;
        let set = metric.sets.get(request.set).ok_or(Short)?;
        let fields = set.iter().filter_map(|f| plan.fields.get(*f));
        let into = match &request.into {
            Some(grain) => Some(Calendar::new(std::slice::from_ref(grain), plan)?),
            None => None,
        };
        Ok(Sieve {
            request,
            retain: metric.grains.get(request.grain).ok_or(Short)?.clone(),
            watermark_us,
            into,
            scales: fields.map(|f| f.scale).collect(),
            last: None,
            group: vec![],
        })
    }

    /// Of which values the row `(other)` is, nobody knows: it is part of an answer by all of its dimensions, whatever the
    /// condition, and of the whole. Added to what a condition leaves over, or to some of its dimensions, it would be wrong.
    fn answerable(&self) -> Result<()> {
        let named = self.request.dims.len();
        if named == self.scales.len() || (named == 0 && self.request.filter.is_none()) {
            return Ok(());
        }
        Err(CoreError::new(
            Kind::Call,
            "dimension values beyond values_max are counted together in (other), so this has no exact answer",
            "ask by all dimensions of a stored set, or for the whole without a condition",
        ))
    }

    /// The output group of the cell that was placed last.
    pub fn group(&self) -> &[u8] {
        &self.group
    }

    /// The output window of a stored cell, with its output group in `group`; None: not part of the answer.
    pub fn place(&mut self, shape: &mut MetricShape, stored: &[u8], start: i64) -> Result<Option<i64>> {
        let request = self.request;
        let is_outside = request.since_us.is_some_and(|s| start < s) || request.until_us.is_some_and(|u| start >= u);
        let expired = |calendar| window_expired(calendar, request.grain, &self.retain, start, self.watermark_us);
        if is_outside || expired(&mut shape.calendar) || !self.takes(stored)? {
            return Ok(None);
        }
        Ok(Some(match (&mut self.into, &request.into) {
            (Some(_), Some(grain)) if grain.unit == GrainUnit::All => i64::MIN,
            (Some(calendar), _) if start != i64::MIN => calendar.window_of(0, start).0,
            _ => start,
        }))
    }

    /// Whether a stored group belongs to the answer.
    fn takes(&mut self, stored: &[u8]) -> Result<bool> {
        match &self.last {
            Some((last, is_taken)) if last == stored => return Ok(*is_taken),
            _ => {}
        }
        let is_taken = self.passes(stored)?;
        if is_taken {
            self.group.clear();
            pick_dims(stored, &self.request.dims, &mut self.group)?;
        }
        self.last = Some((stored.to_vec(), is_taken));
        Ok(is_taken)
    }

    pub fn passes(&self, stored: &[u8]) -> Result<bool> {
        if is_other(stored) {
            return self.answerable().map(|()| true);
        }
        let Some(filter) = &self.request.filter else {
            return Ok(true);
        };
        let mut take = Take(stored);
        let dims = self
            .scales
            .iter()
            .map(|scale| Ok((take_dim(&mut take)?, *scale)))
            .collect::<Result<Vec<_>>>()?;
        // As for a metric's own `where`: what cannot be evaluated is not true.
        Ok(truth(filter, &Dims(&dims)) == Ok(Some(true)))
    }
}
