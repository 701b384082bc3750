//! What keys mean: table numbers, and how values under equal keys add up.
use crate::error::{CoreError, Result};
use crate::fold::Sets;
use crate::ledger::RowValue;
use crate::measure::{Layout, Objects};
use crate::plan::{Grain, Metric, Plan};
use crate::rows::Rows;
use crate::windows::Calendar;
use crate::wire::{Short, Take, from_order_i64, order_i64, put_u64};

/// Per base set of a metric whose dimension values are bounded: the group keys that have rows of their own.
pub const KEPT: u16 = 0xffef;
pub const LEDGER: u16 = 0xfff0;
pub const SIDE: u16 = 0xfff1;
/// Per metric: how many counted events passed its own `where`.
pub const PASSED: u16 = 0xfff2;
/// Per cell table: events of the windows that retention removed.
pub const EXPIRED: u16 = 0xfff3;

/// The smallest key of a table.
pub fn first_key(table: u16) -> [u8; 2] {
    table.to_be_bytes()
}

/// The smallest key after a table.
pub fn end_key(table: u16) -> Vec<u8> {
    table
        .checked_add(1)
        .map_or(vec![0xff; 3], |next| next.to_be_bytes().to_vec())
}

/// One table of cells: metric, dimension set, grain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellTable {
    pub metric: usize,
    pub set: usize,
    pub grain: usize,
}

/// A metric with all that is derived from its declaration.
pub struct MetricShape {
    pub layout: Layout,
    pub calendar: Calendar,
    pub sets: Sets,
}

/// The tables of a plan, in the order of their numbers.
pub struct Tables {
    pub cells: Vec<CellTable>,
    pub shapes: Vec<MetricShape>,
}

impl Tables {
    pub fn of(plan: &Plan) -> Result<Tables> {
        let mut cells = vec![];
        for (metric, declared) in plan.metrics.iter().enumerate() {
            for set in 0..declared.sets.len() {
                cells.extend((0..declared.grains.len()).map(|grain| CellTable { metric, set, grain }));
            }
        }
        if cells.len() >= KEPT as usize {
            return Err(CoreError::definition(format!(
                "too many tables of cells: {}",
                cells.len()
            )));
        }
        let shape = |m: &Metric| {
            Ok(MetricShape {
                layout: Layout::new(m, plan)?,
                calendar: Calendar::new(&m.grains, plan)?,
                sets: Sets::of(m),
            })
        };
        Ok(Tables {
            cells,
            shapes: plan.metrics.iter().map(shape).collect::<Result<_>>()?,
        })
    }

    pub fn number(&self, table: CellTable) -> Option<u16> {
        self.cells
            .iter()
            .position(|t| *t == table)
            .and_then(|n| u16::try_from(n).ok())
    }

    /// The table a key belongs to, if it is one of cells.
    pub fn cell_table(&self, key: &[u8]) -> Option<(u16, CellTable)> {
        let number = u16::from_be_bytes(*key.first_chunk()?);
        self.cells.get(number as usize).map(|t| (number, *t))
    }

    /// Add up values under one key.
    pub fn combine(&mut self, key: &[u8], values: &[&[u8]], out: &mut Vec<u8>) -> Result<()> {
        out.clear();
        if let [one] = values {
            out.extend_from_slice(one);
            return Ok(());
        }
        let table = u16::from_be_bytes(*key.first_chunk().ok_or(Short)?);
        match (table, self.cells.get(table as usize)) {
            (_, Some(cells)) => {
                let shape = self.shapes.get(cells.metric).ok_or(Short)?;
                sum_cells(&shape.layout, values)?.encode_state(&shape.layout, out);
            }
            (LEDGER, _) => {
                let mut sum = RowValue::default();
                for value in values {
                    let row = RowValue::decode(&mut Take(value))?;
                    sum.records += row.records;
                    sum.digest = sum.digest.wrapping_add(row.digest);
                }
                sum.encode(out);
            }
            (PASSED | EXPIRED, _) => {
                let sum = values
                    .iter()
                    .try_fold(0, |sum, v| Ok::<u64, Short>(sum + Take(v).u64()?))?;
                put_u64(out, sum);
            }
            _ => out.extend_from_slice(values.last().copied().unwrap_or_default()),
        }
        Ok(())
    }

    /// Whether retention has removed the window of a cell's key.
    pub fn expired(&mut self, plan: &Plan, key: &[u8], watermark_us: Option<i64>) -> Option<(u16, bool)> {
        let (number, table) = self.cell_table(key)?;
        let grain = plan.metrics.get(table.metric)?.grains.get(table.grain)?;
        let (_, start) = split_window(key).ok()?;
        let shape = self.shapes.get_mut(table.metric)?;
        Some((
            number,
            window_expired(&mut shape.calendar, table.grain, grain, start, watermark_us),
        ))
    }
}

pub fn window_expired(
    calendar: &mut Calendar,
    at: usize,
    grain: &Grain,
    start: i64,
    watermark_us: Option<i64>,
) -> bool {
    match (grain.retain_us, watermark_us) {
        (Some(retain), Some(watermark)) => calendar.window_of(at, start).1 <= watermark.saturating_sub(retain),
        _ => false,
    }
}

/// Sum encoded cell states into one row.
pub fn sum_cells(layout: &Layout, values: &[&[u8]]) -> Result<Rows> {
    let mut sum = Rows::default();
    sum.push(0, 0, layout);
    let mut one = vec![0; layout.width];
    for value in values {
        one.fill(0);
        let mut objects = Objects::default();
        layout.decode(&mut Take(value), &mut one, &mut objects)?;
        layout.merge(&mut sum.words, &mut sum.objects, &one, &objects)?;
    }
    Ok(sum)
}

impl Rows {
    /// The state of the only row.
    fn encode_state(&self, layout: &Layout, out: &mut Vec<u8>) {
        layout.encode(self.state(0, layout), &self.objects, out);
    }
}

/// Key of a cell: table, group, window start.
pub fn cell_key(table: u16, group: &[u8], start: i64, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&table.to_be_bytes());
    out.extend_from_slice(group);
    out.extend_from_slice(&order_i64(start));
}

/// Key of a group that has a row of its own.
pub fn kept_key(metric: usize, base: usize, group: &[u8], out: &mut Vec<u8>) {
    out.clear();
    for number in [KEPT, metric as u16, base as u16] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    out.extend_from_slice(group);
}

/// Metric, base set and group of such a key.
pub fn split_kept(key: &[u8]) -> std::result::Result<(usize, usize, &[u8]), Short> {
    let mut take = Take(key.get(2..).ok_or(Short)?);
    let mut number = || take.array().map(u16::from_be_bytes).map(usize::from);
    Ok((number()?, number()?, take.0))
}

/// Group and window start of a cell's key.
pub fn split_window(key: &[u8]) -> std::result::Result<(&[u8], i64), Short> {
    let at = key.len().checked_sub(8).ok_or(Short)?;
    let (head, start) = key.split_at_checked(at).ok_or(Short)?;
    Ok((
        head.get(2..).ok_or(Short)?,
        from_order_i64(*start.first_chunk().ok_or(Short)?),
    ))
}

pub fn out_of_order(path: &std::path::Path, epoch: u64, parent: u64) -> CoreError {
    CoreError::store(
        format!(
            "damaged store: epoch {epoch} follows epoch {parent} in {}",
            path.display()
        ),
        "restore the store from a backup, or count again into a new one",
    )
}
