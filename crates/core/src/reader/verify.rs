//! Read everything again: checksums, the ledger against the positions, the stored cells against the ledger.
use serde_json::{Value, json};

use super::Reader;
use crate::error::Result;
use crate::ledger::{Account, Ledger};
use crate::store::frame::Part;
use crate::store::ids;
use crate::store::segment::{Segment, merge};
use crate::store::tables::{self, CellTable, end_key, first_key, split_window, window_expired};
use crate::wire::{Short, Take};

impl Reader {
    /// The checks and what they found, as JSON: `{"ok": bool, "epoch": n, "checks": [{"name", "ok", "detail"}…]}`.
    pub fn verify(&mut self) -> Result<String> {
        self.follow_all()?;
        let (ledger, newer) = self.accounts()?;
        let mut checks = vec![self.check_checksums()?, self.check_positions(&ledger)?];
        let mut all_passed = vec![];
        for (metric, newer) in newer.into_iter().enumerate() {
            let passed = newer + self.stored_passed(metric)?;
            all_passed.push(passed);
            let (sets, grains) = self
                .plan
                .metrics
                .get(metric)
                .map_or((0, 0), |m| (m.sets.len(), m.grains.len()));
            for set in 0..sets {
                for grain in 0..grains {
                    checks.push(self.check_cells(CellTable { metric, set, grain }, passed)?);
                }
            }
        }
        checks.push(self.check_counted(&ledger, &all_passed));
        let ok = checks.iter().all(|c| c.get("ok") == Some(&Value::Bool(true)));
        Ok(json!({"ok": ok, "epoch": self.epoch, "checks": checks}).to_string())
    }

    fn check_checksums(&self) -> Result<Value> {
        let (mut rows, mut blocks, mut epochs) = (0u64, 0u64, 0u64);
        for segment in &self.segments {
            merge(&[segment], &[], None, |_, _| {
                rows += 1;
                Ok(())
            })?;
        }
        for file in &self.manifest.ids {
            blocks += ids::read(&self.paths.ids(file.number), None, |_| {})?;
        }
        self.each_frame(&Part::All, |_| epochs += 1)?;
        let detail = format!(
            "{rows} rows in {} segments, {blocks} blocks of ids, {epochs} epochs behind them",
            self.segments.len()
        );
        Ok(json!({"name": "checksums", "ok": true, "detail": detail}))
    }

    fn check_positions(&self, ledger: &Ledger) -> Result<Value> {
        let entries = ledger.records();
        let entered = |number: usize| entries.get(&(number as u32)).copied().unwrap_or(0);
        let wrong: Vec<String> = self
            .partitions
            .iter()
            .enumerate()
            .filter(|(n, p)| entered(*n) != p.records + p.exploded || !p.balances())
            .map(|(_, p)| p.name.clone())
            .collect();
        let records: u64 = self.partitions.iter().map(|p| p.records).sum();
        let exploded: u64 = self.partitions.iter().map(|p| p.exploded).sum();
        let detail = match wrong.is_empty() {
            true if exploded == 0 => format!("{records} records consumed, each in one account"),
            true => format!(
                "{records} records consumed, {} events of them, each in one account",
                records + exploded
            ),
            false => format!("positions and accounts differ in {}", wrong.join(", ")),
        };
        Ok(json!({"name": "ledger balances with positions", "ok": wrong.is_empty(), "detail": detail}))
    }

    fn sum_under(&self, prefix: &[u8], end: &[u8]) -> Result<u64> {
        let segments: Vec<&Segment> = self.segments.iter().collect();
        let mut sum = 0;
        merge(&segments, prefix, Some(end), |_, values| {
            for value in values {
                sum += Take(value).u64()?;
            }
            Ok(())
        })?;
        Ok(sum)
    }

    /// Counted events that passed a metric's own `where`, up to the last checkpoint.
    fn stored_passed(&self, metric: usize) -> Result<u64> {
        let key = |m: usize| [first_key(tables::PASSED), (m as u16).to_be_bytes()].concat();
        self.sum_under(&key(metric), &key(metric + 1))
    }

    /// Events in a table's kept windows, and in those that retention has removed.
    pub fn events(&mut self, table: CellTable) -> Result<(u64, u64)> {
        let place = self.follow(table)?;
        let number = self.tables.number(table).ok_or(Short)?;
        let key = |n: u16| [first_key(tables::EXPIRED), n.to_be_bytes()].concat();
        let mut expired = self.sum_under(&key(number), &key(number + 1))?;
        let grain = self
            .plan
            .metrics
            .get(table.metric)
            .and_then(|m| m.grains.get(table.grain))
            .ok_or(Short)?;
        let shape = self.tables.shapes.get_mut(table.metric).ok_or(Short)?;
        let mut kept = 0;
        let watermark = self.clock.watermark_us;
        let mut add = |start: i64, events: u64| {
            let gone = window_expired(&mut shape.calendar, table.grain, grain, start, watermark);
            *(if gone { &mut expired } else { &mut kept }) += events;
        };
        for part in self.followed.get(place).map_or(&[][..], |followed| &followed.parts) {
            let rows = &part.cells.rows;
            for (row, &start) in rows.starts.iter().enumerate() {
                add(start, rows.state(row, &shape.layout).first().copied().unwrap_or(0));
            }
        }
        let segments: Vec<&Segment> = self.segments.iter().collect();
        merge(&segments, &first_key(number), Some(&end_key(number)), |key, values| {
            for value in values {
                add(split_window(key)?.1, Take(value).u64()?);
            }
            Ok(())
        })?;
        Ok((kept, expired))
    }

    fn check_cells(&mut self, table: CellTable, passed: u64) -> Result<Value> {
        let (kept, expired) = self.events(table)?;
        let metric = self.plan.metrics.get(table.metric).ok_or(Short)?;
        let grain = metric.grains.get(table.grain).ok_or(Short)?;
        let fields = metric.sets.get(table.set).ok_or(Short)?;
        let set: Vec<&str> = fields
            .iter()
            .filter_map(|f| self.plan.fields.get(*f))
            .map(|f| f.name.as_str())
            .collect();
        let total = kept + expired;
        Ok(json!({
            "name": format!("{} [{}] {}", metric.name, set.join(", "), grain.name),
            "ok": total == passed,
            "detail": format!("{total} of {passed} events in cells ({kept} kept, {expired} expired)"),
        }))
    }

    fn check_counted(&self, ledger: &Ledger, all_passed: &[u64]) -> Value {
        let counted: u64 = ledger
            .rows
            .iter()
            .filter(|(k, _)| k.account == Account::Counted)
            .map(|(_, v)| v.records)
            .sum();
        let mut wrong = vec![];
        for (metric, &passed) in self.plan.metrics.iter().zip(all_passed) {
            if passed > counted || (metric.filter.is_none() && passed != counted) {
                wrong.push(format!("{} ({passed})", metric.name));
            }
        }
        let detail = match wrong.is_empty() {
            true => format!("{counted} counted events"),
            false => format!("{counted} counted events, but {}", wrong.join(", ")),
        };
        json!({"name": "metrics agree with the ledger", "ok": wrong.is_empty(), "detail": detail})
    }
}
