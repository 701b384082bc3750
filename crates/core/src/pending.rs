//! What the epochs since the last checkpoint changed, in the writer's memory.
use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::intern::Strings;
use crate::kept::is_other;
use crate::ledger::Ledger;
use crate::measure::Layout;
use crate::plan::Plan;
use crate::rows::{Rows, Sorted};
use crate::store::frame::Frame;
use crate::store::segment::Writer;
use crate::store::tables::{self, CellTable, MetricShape, Tables, cell_key, kept_key};
use crate::wire::{Short, put_u64};

/// A checkpoint is written in this many parts at once, a segment each.
pub const PARTS: usize = 2;

#[derive(Default)]
struct Base {
    keys: Strings,
    /// How many keys earlier journals have named: each journal numbers its own from 0.
    earlier: u32,
    lists: Vec<Rows>,
}

#[derive(Default)]
struct Metric {
    passed: u64,
    bases: Vec<Base>,
}

#[derive(Default)]
pub struct Pending {
    metrics: Vec<Metric>,
    pub ledger: Ledger,
    pub side: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Bytes in memory, roughly.
    pub size: usize,
    /// Finest cells, an upper bound.
    pub cells: u64,
}

impl Pending {
    pub fn new(tables: &Tables) -> Pending {
        let metric = |shape: &MetricShape| Metric {
            passed: 0,
            bases: shape.sets.bases.iter().map(|_| Base::default()).collect(),
        };
        Pending {
            metrics: tables.shapes.iter().map(metric).collect(),
            ..Pending::default()
        }
    }

    /// What is added from here on is of another journal.
    pub fn next_journal(&mut self) {
        for base in self.metrics.iter_mut().flat_map(|metric| &mut metric.bases) {
            base.earlier = base.keys.len() as u32;
        }
    }

    /// Add one epoch.
    pub fn absorb(&mut self, frame: Frame) {
        for (metric, (passed, deltas)) in self.metrics.iter_mut().zip(frame.metrics) {
            metric.passed += passed;
            for (base, mut delta) in metric.bases.iter_mut().zip(deltas) {
                if base.earlier > 0 {
                    delta.rows.groups.iter_mut().for_each(|group| *group += base.earlier);
                }
                delta.new_keys.iter().for_each(|k| {
                    base.keys.push(k);
                });
                self.size += delta.new_keys.size() + delta.rows.size();
                self.cells += delta.rows.len() as u64;
                if !delta.rows.is_empty() {
                    base.lists.push(delta.rows);
                }
            }
        }
        for (key, value) in frame.ledger.rows {
            self.ledger.merge(key, value);
            self.size += 64;
        }
        for (key, value) in frame.side {
            self.size += key.len() + value.len() + 64;
            self.side.insert(key, value);
        }
    }

    pub fn passed(&self, metric: usize) -> u64 {
        self.metrics.get(metric).map_or(0, |m| m.passed)
    }

    /// The rows of a base set, without the groups whose keys are not wanted.
    fn rows(&self, metric: usize, base: usize, wanted: impl Fn(&[u8]) -> bool) -> Result<Sorted<'_>> {
        let base = self.base(metric, base)?;
        Ok(Sorted::of(&base.keys, &base.lists, wanted))
    }

    /// The group keys of a base set.
    pub fn keys(&self, metric: usize, base: usize) -> Result<&Strings> {
        Ok(&self.base(metric, base)?.keys)
    }

    fn base(&self, metric: usize, base: usize) -> Result<&Base> {
        Ok(self.metrics.get(metric).and_then(|m| m.bases.get(base)).ok_or(Short)?)
    }

    /// Write one of `PARTS` parts into a segment, in key order: a range of each base set's groups with all sets that are
    /// derived from it, the accounts in the first.
    pub fn write(&self, plan: &Plan, part: usize, writer: &mut Writer) -> Result<()> {
        let (mut tables, mut room) = (Tables::of(plan)?, Room::default());
        for (metric, declared) in plan.metrics.iter().enumerate() {
            let Some(shape) = tables.shapes.get(metric) else {
                continue;
            };
            let rows = (0..shape.sets.bases.len()).map(|base| {
                let range = self.range(metric, base, part)?;
                let rows = self.rows(metric, base, |key| range.contains(key))?;
                rows.added_up(&shape.layout)
            });
            let rows = rows.collect::<Result<Vec<_>>>()?;
            for set in 0..declared.sets.len() {
                self.write_set(&rows, &mut tables, (metric, set), &mut room, writer)?;
            }
        }
        if part == 0 {
            self.write_kept(plan, writer)?;
            self.write_accounts(writer)?;
        }
        Ok(())
    }

    /// The groups that have rows of their own, where their number is bounded: also after retention has removed all their cells.
    fn write_kept(&self, plan: &Plan, writer: &mut Writer) -> Result<()> {
        let mut key = vec![];
        let bounded = |(_, (_, declared)): &(usize, (_, &crate::plan::Metric))| declared.values_max.is_some();
        for (number, (metric, _)) in self.metrics.iter().zip(&plan.metrics).enumerate().filter(bounded) {
            for (at, base) in metric.bases.iter().enumerate() {
                let own: BTreeSet<&[u8]> = base.keys.iter().filter(|group| !is_other(group)).collect();
                for group in own {
                    kept_key(number, at, group, &mut key);
                    writer.push(&key, &[])?;
                }
            }
        }
        Ok(())
    }

    /// Write all grains of one dimension set, out of the sorted rows of the base sets.
    fn write_set(
        &self,
        bases: &[Sorted<'_>],
        tables: &mut Tables,
        (metric, set): (usize, usize),
        Room { key, values, next }: &mut Room,
        writer: &mut Writer,
    ) -> Result<()> {
        let is_mine = |t: &&CellTable| t.metric == metric && t.set == set;
        let mine: Vec<CellTable> = tables.cells.iter().filter(is_mine).copied().collect();
        let numbers: Vec<u16> = mine.iter().filter_map(|t| tables.number(*t)).collect();
        let MetricShape { layout, calendar, sets } = tables.shapes.get_mut(metric).ok_or(Short)?;
        let rows = |base| {
            self.base(metric, base)
                .map_or(0, |base| base.lists.iter().map(Rows::len).sum())
        };
        let (base, positions) = sets.smallest(set, rows).ok_or(Short)?;
        let base = bases.get(*base).ok_or(Short)?;
        let atoms = if sets.is_base(set) {
            base.clone()
        } else {
            base.project(positions)?
        };
        // Each grain is made of the last one whose windows lie whole in its own, or of the atoms.
        let mut made: Vec<(Vec<i64>, Sorted<'_>)> = vec![];
        for (table, number) in mine.iter().zip(numbers) {
            let mut start_of = |start| calendar.window_of(table.grain, start).0;
            let windows: Vec<i64> = atoms.starts.iter().map(|start| start_of(*start)).collect();
            let mut nested = |finer: &[i64]| {
                finer
                    .iter()
                    .zip(&windows)
                    .all(|(start, window)| start_of(*start) == *window)
            };
            let from = made.iter().rposition(|(finer, _)| nested(finer));
            let finer = from.and_then(|at| made.get(at)).map_or(&atoms, |(_, cells)| cells);
            let cells = finer.coarsen(layout, start_of)?;
            match made.last() {
                Some((_, last)) if cells.has_the_rows_of(last) => {}
                Some(_) if from == made.len().checked_sub(1) => {
                    next.coarsen(values, &cells, layout)?;
                    std::mem::swap(values, next);
                }
                _ => values.encode(&cells, layout)?,
            }
            for ((group, start), value) in cells.cells().zip(values.iter()) {
                cell_key(number, cells.keys.get(group), start, key);
                writer.push(key, value)?;
            }
            made.push((windows, cells));
        }
        Ok(())
    }

    /// The group keys of a part, such that the parts have about as many rows.
    fn range(&self, metric: usize, base: usize, part: usize) -> Result<Range> {
        let base = self.base(metric, base)?;
        let rows: usize = base.lists.iter().map(Rows::len).sum();
        let groups = base.lists.iter().flat_map(|list| &list.groups);
        let some = groups.step_by((rows / SAMPLE).max(1));
        let mut sample: Vec<&[u8]> = some.map(|group| base.keys.get(*group)).collect();
        sample.sort_unstable();
        let edge = |part: usize| sample.get(sample.len() * part / PARTS).map(|key| key.to_vec());
        Ok(Range {
            from: if part == 0 { None } else { edge(part) },
            to: edge(part + 1),
        })
    }

    fn write_accounts(&self, writer: &mut Writer) -> Result<()> {
        let (mut key, mut value) = (vec![], vec![]);
        for (row, sum) in &self.ledger.rows {
            start_key(tables::LEDGER, &mut key);
            row.encode(&mut key);
            value.clear();
            sum.encode(&mut value);
            writer.push(&key, &value)?;
        }
        for (entry, body) in &self.side {
            start_key(tables::SIDE, &mut key);
            key.extend_from_slice(entry);
            writer.push(&key, body)?;
        }
        for (number, metric) in self.metrics.iter().enumerate().filter(|(_, m)| m.passed > 0) {
            start_key(tables::PASSED, &mut key);
            key.extend_from_slice(&(number as u16).to_be_bytes());
            value.clear();
            put_u64(&mut value, metric.passed);
            writer.push(&key, &value)?;
        }
        Ok(())
    }
}

/// What is used again for each table of a segment: fresh memory costs more than what is written to it.
#[derive(Default)]
struct Room {
    key: Vec<u8>,
    values: Values,
    next: Values,
}

/// The values of cells, one after the other.
#[derive(Default)]
struct Values {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Values {
    /// Those of cells.
    fn encode(&mut self, cells: &Sorted<'_>, layout: &Layout) -> Result<()> {
        self.clear();
        cells.for_each(layout, |_, _, words, objects| {
            layout.encode(words, objects, &mut self.bytes);
            self.ends.push(self.bytes.len());
            Ok(())
        })
    }

    /// Those of cells that were made out of others, whose values are known.
    fn coarsen(&mut self, finer: &Values, cells: &Sorted<'_>, layout: &Layout) -> Result<()> {
        self.clear();
        let mut finer = finer.iter();
        cells.for_each_made(layout, |count, sum| {
            let first = finer.next().ok_or(Short)?;
            match sum {
                Some((words, objects)) => layout.encode(words, objects, &mut self.bytes),
                None => self.bytes.extend_from_slice(first),
            }
            self.ends.push(self.bytes.len());
            finer.by_ref().take(count - 1).for_each(drop);
            Ok(())
        })
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let spans = starts.zip(&self.ends);
        spans.map(|(start, end)| self.bytes.get(start..*end).unwrap_or_default())
    }
}

/// About so many rows tell where the parts meet.
const SAMPLE: usize = 1 << 10;

/// Keys from one on (None: the first) and before another (None: to the last).
struct Range {
    from: Option<Vec<u8>>,
    to: Option<Vec<u8>>,
}

impl Range {
    fn contains(&self, key: &[u8]) -> bool {
        self.from.as_deref().is_none_or(|from| key >= from) && self.to.as_deref().is_none_or(|to| key < to)
    }
}

fn start_key(table: u16, key: &mut Vec<u8>) {
    key.clear();
    key.extend_from_slice(&table.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::Delta;
    use crate::measure::Shown;
    use crate::plan::{Grain, GrainUnit};
    use crate::store::segment::{Segment, merge};
    use crate::store::tables::sum_cells;

    const MINUTE_US: i64 = 60_000_000;

    /// Group, start and distinct member of an event.
    type Event = (u32, i64, u128);

    fn pending_of(tables: &Tables, epochs: &[&[Event]]) -> Pending {
        let mut pending = Pending::new(tables);
        let layout = &tables.shapes[0].layout;
        for (number, events) in epochs.iter().enumerate() {
            let (mut rows, mut new_keys) = (Rows::default(), Strings::default());
            for (row, (group, start, member)) in events.iter().enumerate() {
                rows.push(*group, *start, layout).0[0] = 1;
                rows.objects.add(0, row as u32, *member);
            }
            rows.gather(layout);
            for value in (0..5).filter(|_| number == 0) {
                let mut key = vec![];
                crate::wire::put_dim(&mut key, &crate::batch::Value::Int(value), b"");
                new_keys.push(&key);
            }
            pending.absorb(Frame {
                metrics: vec![(events.len() as u64, vec![Delta { new_keys, rows }])],
                ..Frame::default()
            });
        }
        pending
    }

    /// All cells by key, as they show.
    fn cells(plan: &Plan, all: &[Pending]) -> BTreeMap<Vec<u8>, Vec<Shown>> {
        let (folder, tables) = (tempfile::tempdir().unwrap(), Tables::of(plan).unwrap());
        let mut segments = vec![];
        for pending in all {
            for part in 0..PARTS {
                let path = folder.path().join(segments.len().to_string());
                let mut writer = Writer::create(&path).unwrap();
                pending.write(plan, part, &mut writer).unwrap();
                writer.finish().unwrap();
                segments.push(Segment::open(&path).unwrap());
            }
        }
        let (mut found, layout) = (BTreeMap::new(), &tables.shapes[0].layout);
        let visit = |key: &[u8], values: &[&[u8]]| {
            if tables.cell_table(key).is_some() {
                let sum = sum_cells(layout, values)?;
                let measures = plan.metrics[0].measures.iter().enumerate();
                let shown = measures.map(|(at, measure)| layout.show(at, measure, &sum.words, &sum.objects));
                found.insert(key.to_vec(), shown.collect());
            }
            Ok(())
        };
        merge(&segments.iter().collect::<Vec<_>>(), &[], None, visit).unwrap();
        found
    }

    /// Also where windows of one grain do not lie whole in those of the next.
    #[test]
    fn epochs_that_are_written_at_once_are_what_their_events_add_up_to() {
        let text = include_str!("../tests/store_plan.json");
        let mut plan: Plan = serde_json::from_str(text).unwrap();
        let grains = &mut plan.metrics[0].grains;
        let hour = grains.pop().unwrap();
        for n in [7, 60, 120] {
            grains.push(Grain {
                unit: GrainUnit::Minute,
                n,
                ..hour.clone()
            });
        }
        let event = |i: u32| (i * i % 5, i64::from(i * 37 % 300) * MINUTE_US, u128::from(i % 7));
        let events: Vec<Event> = (0..400).map(event).collect();
        let tables = Tables::of(&plan).unwrap();
        let together = cells(&plan, &[pending_of(&tables, &events.chunks(60).collect::<Vec<_>>())]);
        let one_by_one: Vec<Pending> = events.chunks(1).map(|one| pending_of(&tables, &[one])).collect();
        assert_eq!(together, cells(&plan, &one_by_one));
        assert!(together.len() > 500, "{}", together.len());
    }
}
