//! Answers from a store, in any process, without a lock: the last checkpoint plus the journal up to the synced length, so
//! one epoch, whole. A reader that stays open is brought up to the newest epoch by reading what was written since. Results are
//! Arrow streams.
mod answer;
mod cells;
mod changes;
mod counted;
mod follow;
mod lines;
mod partials;
mod refresh;
mod scan;
mod series;
mod verify;

use std::path::Path;

use serde_json::json;

use crate::accept::{Clock, Partition};
use crate::error::{CoreError, Result};
use crate::ledger::{ACCOUNTS, Ledger, RowKey, RowValue, reasons};
use crate::plan::Plan;
use crate::side;
use crate::store::files::{Head, Manifest, Paths};
use crate::store::frame::Part;
use crate::store::segment::{Segment, merge};
use crate::store::tables::{self, CellTable, Tables, end_key, first_key};
use crate::wire::Take;

pub(crate) use answer::{Column, account_rows, arrow_error, ledger_table, side_table, stream, totals_of};
pub use answer::{accounts, ledger_stream, side_stream};
pub use changes::Mark;
pub use counted::{Counted, IdMark, counted};
use follow::Followed;
pub(crate) use follow::Part as TableCells;
pub use partials::{Partials, scan_partials, scan_prefix};
use refresh::{Held, Seen};
pub use scan::Request;

pub struct Reader {
    pub plan: Plan,
    pub(crate) manifest: Manifest,
    pub(crate) tables: Tables,
    pub(crate) segments: Vec<Segment>,
    pub(crate) paths: Paths,
    pub epoch: u64,
    pub clock: Clock,
    pub partitions: Vec<Partition>,
    /// The reading clock at the newest commit since the checkpoint, 0 if there is none.
    pub committed_us: i64,
    head: Head,
    /// The journals behind the manifest, read so far.
    journals: Vec<Held>,
    followed: Vec<Followed>,
    /// How far somebody has the cells who wants to know what has changed.
    since: Option<Mark>,
    seen: Seen,
    /// False while what is held is not one epoch's, because reading on has failed.
    is_usable: bool,
    /// The keys of the cells of a table that were touched, in order, while they are asked for.
    touched: Option<(CellTable, changes::Keys)>,
    /// Series that were asked for, the last one at the end.
    series: Vec<series::Series>,
}

impl Reader {
    pub fn open(folder: &Path) -> Result<Reader> {
        Self::open_with(folder, None)
    }

    fn open_with(folder: &Path, since: Option<Mark>) -> Result<Reader> {
        refresh::again(folder, || Self::open_once(folder, since))
    }

    fn open_once(folder: &Path, since: Option<Mark>) -> Result<Reader> {
        let paths = Paths(folder.to_path_buf());
        let seen = Seen::of(&paths);
        let manifest = Manifest::read(&paths)?.ok_or_else(|| {
            CoreError::store(
                format!("there is no store in {}", folder.display()),
                "count something first (`crossfoot run DEFINITION`), or name the right folder with --store",
            )
        })?;
        let plan: Plan =
            serde_json::from_value(manifest.plan.clone()).map_err(|e| CoreError::definition(e.to_string()))?;
        let tables = Tables::of(&plan)?;
        let open = |s: &crate::store::files::SegmentFile| Segment::open(&paths.segment(s.number));
        let segments = manifest.segments.iter().map(open).collect::<Result<Vec<_>>>()?;
        let mut reader = Reader {
            epoch: manifest.epoch,
            clock: manifest.clock,
            partitions: manifest.partitions.clone(),
            committed_us: 0,
            head: Head::default(),
            journals: vec![],
            followed: vec![],
            since,
            seen,
            is_usable: true,
            touched: None,
            series: vec![],
            plan,
            tables,
            segments,
            paths,
            manifest,
        };
        if since.is_some() {
            reader.follow_all()?;
        }
        reader.read_on()?;
        Ok(reader)
    }

    /// Every partition is finished: no more events are expected.
    pub fn is_final(&self) -> bool {
        !self.partitions.is_empty() && self.partitions.iter().all(|p| !p.live)
    }

    /// What the store says of itself, as JSON.
    pub fn meta(&self) -> String {
        json!({
            "epoch": self.epoch,
            "mark": [self.mark().epoch, self.mark().file],
            "format": self.manifest.format,
            "plan": self.manifest.plan,
            "clock_us": self.clock.clock_us,
            "forgotten_us": self.clock.forgotten_us,
            "watermark_us": self.clock.watermark_us,
            "final": self.is_final(),
            "committed_us": self.committed_us,
            "partitions": self.partitions,
        })
        .to_string()
    }

    /// All ledger rows, added up over checkpoints and journal.
    pub fn ledger(&self) -> Result<Ledger> {
        Ok(self.accounts()?.0)
    }

    /// The ledger, and for each metric how many counted events since the checkpoint passed its `where`.
    fn accounts(&self) -> Result<(Ledger, Vec<u64>)> {
        let mut ledger = Ledger::default();
        let mut passed = vec![0; self.plan.metrics.len()];
        self.each_frame(&Part::Ledger, |frame| {
            let rows = frame.ledger.rows;
            rows.into_iter().for_each(|(key, value)| ledger.merge(key, value));
            let metrics = passed.iter_mut().zip(&frame.metrics);
            metrics.for_each(|(sum, (events, _))| *sum += events);
        })?;
        let segments: Vec<&Segment> = self.segments.iter().collect();
        merge(
            &segments,
            &first_key(tables::LEDGER),
            Some(&end_key(tables::LEDGER)),
            |key, values| {
                let row = RowKey::decode(&mut Take(key.get(2..).unwrap_or_default()))?;
                for value in values {
                    ledger.merge(row, RowValue::decode(&mut Take(value))?);
                }
                Ok(())
            },
        )?;
        Ok((ledger, passed))
    }

    /// Side log entries in the order of partition and record, at most `limit`.
    pub fn side(&self, limit: usize) -> Result<Vec<side::Entry>> {
        let mut entries = vec![];
        let segments: Vec<&Segment> = self.segments.iter().collect();
        merge(
            &segments,
            &first_key(tables::SIDE),
            Some(&end_key(tables::SIDE)),
            |key, values| {
                for value in values {
                    entries.push(side::Entry::decode(key.get(2..).unwrap_or_default(), value)?);
                }
                Ok(())
            },
        )?;
        let mut newer = std::collections::BTreeMap::new();
        self.each_frame(&Part::Side, |frame| newer.extend(frame.side))?;
        for (key, value) in &newer {
            entries.push(side::Entry::decode(key, value)?);
        }
        entries.sort_by_key(|e| (e.partition, e.record, e.element));
        entries.truncate(limit);
        Ok(entries)
    }
}

/// The name of an `invalid` record's part.
pub(crate) fn part_name<'a>(plan: &'a Plan, key: &RowKey) -> &'a str {
    match key.account {
        crate::ledger::Account::Invalid => plan.part_name(key.part),
        _ => "",
    }
}

pub fn account_name(key: &RowKey) -> &'static str {
    ACCOUNTS.get(key.account as usize).map_or("", |a| a.1)
}

pub fn reason_name(key: &RowKey) -> &'static str {
    reasons(key.account).get(key.reason as usize).copied().unwrap_or("")
}
