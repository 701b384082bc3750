//! What the epochs since the last checkpoint changed: in memory for the writer, read back from the journal by a reader.
use std::collections::BTreeMap;

use crate::error::Result;
use crate::intern::Strings;
use crate::ledger::Ledger;
use crate::plan::Plan;
use crate::rows::{Rows, Sorted, coarsen, for_each_cell, pick_dims, sort_merge};
use crate::store::journal::Frame;
use crate::store::segment::Writer;
use crate::store::tables::{self, CellTable, MetricShape, Tables, cell_key};
use crate::wire::{Short, put_u64};

/// A checkpoint is written in this many parts at once, a segment each.
pub const PARTS: usize = 2;

#[derive(Default)]
struct Base {
    keys: Strings,
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

    /// Add one epoch.
    pub fn absorb(&mut self, frame: Frame) {
        for (metric, (passed, deltas)) in self.metrics.iter_mut().zip(frame.metrics) {
            metric.passed += passed;
            for (base, delta) in metric.bases.iter_mut().zip(deltas) {
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

    /// The atoms of a dimension set, sorted by group key and start.
    pub fn atoms(&self, shape: &MetricShape, metric: usize, set: usize) -> Result<Sorted> {
        let (base, positions) = shape.sets.from.get(set).ok_or(Short)?;
        let base = self.metrics.get(metric).and_then(|m| m.bases.get(*base)).ok_or(Short)?;
        let lists: Vec<&Rows> = base.lists.iter().collect();
        sort_merge(&shape.layout, &base.keys, &lists, |key, out| {
            pick_dims(key, positions, out)
        })
    }

    /// One table's cells, sorted by group key and window.
    pub fn table(&self, tables: &mut Tables, table: CellTable) -> Result<Sorted> {
        let shape = tables.shapes.get_mut(table.metric).ok_or(Short)?;
        let sorted = self.atoms(shape, table.metric, table.set)?;
        let MetricShape { layout, calendar, .. } = shape;
        let rows = coarsen(layout, &sorted.rows, |start| calendar.window_of(table.grain, start).0)?;
        Ok(Sorted {
            keys: sorted.keys,
            rows,
        })
    }

    /// Write one of `PARTS` parts into a segment, in key order: dimension sets in turn, the accounts in the first.
    pub fn write(&self, plan: &Plan, part: usize, writer: &mut Writer) -> Result<()> {
        let mut tables = Tables::of(plan)?;
        let sets = plan.metrics.iter().enumerate();
        let sets = sets.flat_map(|(metric, declared)| (0..declared.sets.len()).map(move |set| (metric, set)));
        for (metric, set) in sets.enumerate().filter(|(n, _)| n % PARTS == part).map(|(_, at)| at) {
            self.write_set(&mut tables, metric, set, writer)?;
        }
        if part == 0 { self.write_accounts(writer) } else { Ok(()) }
    }

    /// All grains of one dimension set.
    fn write_set(&self, tables: &mut Tables, metric: usize, set: usize, writer: &mut Writer) -> Result<()> {
        let is_mine = |t: &&CellTable| t.metric == metric && t.set == set;
        let mine: Vec<CellTable> = tables.cells.iter().filter(is_mine).copied().collect();
        let numbers: Vec<u16> = mine.iter().filter_map(|t| tables.number(*t)).collect();
        let shape = tables.shapes.get_mut(metric).ok_or(Short)?;
        let sorted = self.atoms(shape, metric, set)?;
        let MetricShape { layout, calendar, .. } = shape;
        let (mut key, mut value) = (vec![], vec![]);
        for (table, number) in mine.iter().zip(numbers) {
            let start_of = |start| calendar.window_of(table.grain, start).0;
            for_each_cell(layout, &sorted.rows, start_of, |group, start, words, objects| {
                cell_key(number, sorted.keys.get(group), start, &mut key);
                value.clear();
                layout.encode(words, objects, &mut value);
                writer.push(&key, &value)
            })?;
        }
        Ok(())
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

fn start_key(table: u16, key: &mut Vec<u8>) {
    key.clear();
    key.extend_from_slice(&table.to_be_bytes());
}
