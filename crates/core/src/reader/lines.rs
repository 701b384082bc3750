//! The cells of an answer as an Arrow table.
use super::answer::{self, Column};
use super::cells::Cells;
use super::scan::Request;
use crate::error::Result;
use crate::measure::Shown;
use crate::plan::{Plan, Type};
use crate::store::tables::Tables;
use crate::wire::{Dim, Short, Take, take_dim};

/// The cells of an answer, in its order: output group, output window, what each measure shows, and the number of events
/// behind them, whatever the measures, for checks against the ledger.
pub(super) struct Lines<'a> {
    pub groups: Vec<&'a [u8]>,
    pub starts: Vec<i64>,
    /// By measure.
    pub shown: Vec<Vec<Shown>>,
    pub events: Vec<u64>,
}

/// Cells as an Arrow IPC stream: `window`, the dimensions, the measures; ordered by dimensions, then window.
pub(super) fn present(plan: &Plan, tables: &Tables, request: &Request, answer: &Cells) -> Result<Vec<u8>> {
    let metric = plan.metrics.get(request.metric).ok_or(Short)?;
    let layout = &tables.shapes.get(request.metric).ok_or(Short)?.layout;
    let mut order: Vec<usize> = (0..answer.rows.len()).collect();
    order.sort_unstable_by_key(|row| (answer.key(*row), answer.start(*row)));
    let state = |row: usize| answer.rows.state(row, layout);
    let show = |(at, declared)| {
        let shown = order
            .iter()
            .map(|row| layout.show(at, declared, state(*row), &answer.rows.objects));
        shown.collect()
    };
    let lines = Lines {
        groups: order.iter().map(|row| answer.key(*row)).collect(),
        starts: order.iter().map(|row| answer.start(*row)).collect(),
        shown: metric.measures.iter().enumerate().map(show).collect(),
        events: order
            .iter()
            .map(|row| state(*row).first().copied().unwrap_or(0))
            .collect(),
    };
    stream(plan, request, &lines)
}

/// Lines as an Arrow IPC stream.
pub(super) fn stream(plan: &Plan, request: &Request, lines: &Lines<'_>) -> Result<Vec<u8>> {
    let metric = plan.metrics.get(request.metric).ok_or(Short)?;
    let starts = lines.starts.iter().map(|start| Some(*start).filter(|s| *s != i64::MIN));
    let mut columns = vec![answer::times("window", starts.collect())];
    columns.extend(dimensions(plan, request, &lines.groups)?);
    for (declared, shown) in metric.measures.iter().zip(&lines.shown) {
        let field = declared.field.and_then(|f| plan.fields.get(f));
        let (kind, scale) = field.map_or((Type::Integer, 0), |f| (f.kind, f.scale));
        columns.push(answer::measure(declared, kind, scale, shown)?);
    }
    columns.push(answer::events(&lines.events));
    answer::stream(columns)
}

/// The columns of the asked dimensions of some groups.
pub(super) fn dimensions(plan: &Plan, request: &Request, groups: &[&[u8]]) -> Result<Vec<Column>> {
    let metric = plan.metrics.get(request.metric).ok_or(Short)?;
    let set = metric.sets.get(request.set).ok_or(Short)?;
    let mut columns = vec![];
    let mut dims: Vec<Vec<Dim>> = request.dims.iter().map(|_| Vec::with_capacity(groups.len())).collect();
    for group in groups {
        let mut take = Take(group);
        for column in &mut dims {
            column.push(take_dim(&mut take)?);
        }
    }
    for (values, position) in dims.iter().zip(&request.dims) {
        let field = set.get(*position).and_then(|f| plan.fields.get(*f)).ok_or(Short)?;
        columns.push(answer::dimension(&field.name, field.kind, field.scale, values)?);
    }
    if let Some(values) = dims.first().filter(|_| metric.values_max.is_some()) {
        columns.push(answer::others(values));
    }
    Ok(columns)
}
