//! Partial values: the value of a cell in one shard as bytes, whose first says their form and whose rest is the state of
//! every measure as segments hold it. Those of one cell in several shards add up, as the values of its segments do.
use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, Int64Array, RecordBatch};
use arrow_ipc::reader::StreamReader;

use super::Reader;
use super::answer::{self, arrow_error, column};
use super::cells::Cells;
use super::lines::{dimensions, present};
use super::scan::{Request, Sieve};
use crate::error::{CoreError, Result};
use crate::measure::{Layout, Objects};
use crate::plan::Plan;
use crate::store::tables::{CellTable, Tables};
use crate::wire::Short;

const FORM: u8 = 1;
const WINDOW: &str = "window";
const GROUP: &str = "__group";
const PARTIAL: &str = "__partial";

/// Collects cells of one stored table with their partial values.
pub struct Partials<'a> {
    plan: &'a Plan,
    layout: &'a Layout,
    table: CellTable,
    starts: Vec<i64>,
    groups: Vec<Vec<u8>>,
    events: Vec<u64>,
    partials: BinaryBuilder,
    bytes: Vec<u8>,
}

impl<'a> Partials<'a> {
    /// `layout` is that of the table's metric.
    pub fn new(plan: &'a Plan, layout: &'a Layout, table: CellTable) -> Partials<'a> {
        Partials {
            plan,
            layout,
            table,
            starts: vec![],
            groups: vec![],
            events: vec![],
            partials: BinaryBuilder::new(),
            bytes: vec![],
        }
    }

    /// One cell; `group` holds its dimension values as keys have them.
    pub fn push(&mut self, group: &[u8], start: i64, state: &[u64], objects: &Objects) {
        self.starts.push(start);
        self.groups.push(group.to_vec());
        self.events.push(state.first().copied().unwrap_or(0));
        self.bytes.clear();
        self.bytes.push(FORM);
        self.layout.encode(state, objects, &mut self.bytes);
        self.partials.append_value(&self.bytes);
    }

    /// An Arrow IPC stream: `window` (microseconds; null: all time), the dimensions, `__events`, `__group` and `__partial`.
    pub fn stream(mut self) -> Result<Vec<u8>> {
        let windows = self.starts.iter().map(|start| Some(*start).filter(|s| *s != i64::MIN));
        let mut columns = vec![column(WINDOW, Arc::new(windows.collect::<Int64Array>()))];
        let groups: Vec<&[u8]> = self.groups.iter().map(Vec::as_slice).collect();
        columns.extend(dimensions(self.plan, &whole(self.plan, self.table), &groups)?);
        let mut keys = BinaryBuilder::new();
        groups.iter().for_each(|group| keys.append_value(group));
        columns.push(answer::events(&self.events));
        columns.push(column(GROUP, Arc::new(keys.finish())));
        columns.push(column(PARTIAL, Arc::new(self.partials.finish())));
        answer::stream(columns)
    }
}

fn whole(plan: &Plan, table: CellTable) -> Request {
    let set = plan.metrics.get(table.metric).and_then(|m| m.sets.get(table.set));
    Request::whole(table, set.map_or(0, Vec::len))
}

impl Reader {
    /// As `changed`, with partial values.
    pub fn changed_partials(
        &mut self,
        table: CellTable,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
        let Some((cells, last)) = self.changed_cells(table, after, limit)? else {
            return Ok(None);
        };
        let layout = &self.tables.shapes.get(table.metric).ok_or(Short)?.layout;
        let mut found = Partials::new(&self.plan, layout, table);
        for row in 0..cells.rows.len() {
            let state = cells.rows.state(row, layout);
            found.push(cells.key(row), cells.start(row), state, &cells.rows.objects);
        }
        Ok(Some((found.stream()?, last)))
    }
}

/// What `Reader::scan` would say to a request, of rows `window`, `__group` and `__partial` of its table: of every cell in
/// every shard one, in any order.
pub fn scan_partials(plan_json: &str, request: &Request, watermark_us: Option<i64>, rows: &[u8]) -> Result<Vec<u8>> {
    let plan = plan_of(plan_json)?;
    let mut tables = Tables::of(&plan)?;
    let mut sieve = Sieve::new(&plan, request, watermark_us)?;
    let shape = tables.shapes.get_mut(request.metric).ok_or(Short)?;
    let mut answer = Cells::default();
    for batch in StreamReader::try_new(rows, None).map_err(arrow_error)? {
        let batch = batch.map_err(arrow_error)?;
        let windows = named(&batch, WINDOW, |array| array.as_primitive_opt::<Int64Type>())?;
        let groups = named(&batch, GROUP, |array| array.as_binary_opt::<i32>())?;
        let partials = named(&batch, PARTIAL, |array| array.as_binary_opt::<i32>())?;
        for ((start, group), partial) in windows.iter().zip(groups).zip(partials) {
            let (group, partial) = (group.ok_or(Short)?, partial.ok_or(Short)?);
            if let Some(window) = sieve.place(shape, group, start.unwrap_or(i64::MIN))? {
                let code = answer.group(sieve.group());
                let row = answer.row(code, window, &shape.layout);
                answer.add_bytes(row, state_of(partial)?, &shape.layout)?;
            }
        }
    }
    present(&plan, &tables, request, &answer)
}

/// How the groups begin that can be part of an answer, and whether that is the whole of the only one.
pub fn scan_prefix(plan_json: &str, request: &Request) -> Result<(Vec<u8>, bool)> {
    request.fixed(&plan_of(plan_json)?)
}

fn plan_of(plan_json: &str) -> Result<Plan> {
    serde_json::from_str(plan_json).map_err(|e| CoreError::definition(e.to_string()))
}

fn named<'a, T>(batch: &'a RecordBatch, name: &str, of: impl Fn(&'a dyn Array) -> Option<T>) -> Result<T> {
    let array = batch.column_by_name(name).map(AsRef::as_ref);
    array
        .and_then(of)
        .ok_or_else(|| CoreError::internal(format!("rows with partial values have no fitting column {name}")))
}

fn state_of(partial: &[u8]) -> Result<&[u8]> {
    match partial.split_first() {
        Some((&FORM, state)) => Ok(state),
        Some((form, _)) => Err(CoreError::store(
            format!("these partial values are of a form that this build does not know: {form}"),
            "read them with the version that wrote them, or a newer one",
        )),
        None => Err(Short.into()),
    }
}
