//! Answers from a store, in any process, without a lock: the last checkpoint plus the journal up to the synced length, so
//! one epoch, whole. Results are Arrow streams.
mod answer;
mod changes;
mod counted;
mod scan;
mod verify;

use std::path::Path;

use serde_json::json;

use crate::accept::{Clock, Partition};
use crate::engine::{put_partition, shape_of};
use crate::error::{CoreError, Result};
use crate::ledger::{ACCOUNTS, Ledger, RowKey, RowValue, reasons};
use crate::pending::Pending;
use crate::plan::Plan;
use crate::side;
use crate::store::files::{Head, Manifest, Paths};
use crate::store::journal::{Frame, Stretch};
use crate::store::segment::{Segment, merge};
use crate::store::tables::{self, Tables, end_key, first_key};
use crate::wire::Take;

pub(crate) use answer::arrow_error;
pub use answer::{accounts, ledger_stream, side_stream};
pub(crate) use answer::{Column, stream};
pub use changes::Mark;
pub use counted::{Counted, IdMark, counted};
pub use scan::Request;

pub struct Reader {
    pub plan: Plan,
    pub(crate) manifest: Manifest,
    pub(crate) tables: Tables,
    pub(crate) segments: Vec<Segment>,
    pub(crate) pending: Pending,
    pub(crate) paths: Paths,
    pub epoch: u64,
    pub clock: Clock,
    pub partitions: Vec<Partition>,
    /// The reading clock at the newest commit since the checkpoint, 0 if there is none.
    pub committed_us: i64,
    touched: Option<changes::Touched>,
}

impl Reader {
    pub fn open(folder: &Path) -> Result<Reader> {
        Self::open_with(folder, None)
    }

    fn open_with(folder: &Path, mark: Option<Mark>) -> Result<Reader> {
        // The writer may replace the files between two reads; what it names then is there at the next try.
        let mut tries = 20;
        loop {
            match Self::open_once(folder, mark) {
                Err(error) if tries > 0 && Self::moved_on(folder, &error) => tries -= 1,
                other => return other,
            }
        }
    }

    fn moved_on(folder: &Path, error: &CoreError) -> bool {
        // A file that the writer has replaced since.
        error.message.contains("No such file") && folder.join("MANIFEST").exists()
    }

    fn open_once(folder: &Path, mark: Option<Mark>) -> Result<Reader> {
        let paths = Paths(folder.to_path_buf());
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
            pending: Pending::new(&tables),
            committed_us: 0,
            touched: mark.map(changes::Touched::new),
            plan,
            tables,
            segments,
            paths,
            manifest,
        };
        reader.read_journal()?;
        Ok(reader)
    }

    fn read_journal(&mut self) -> Result<()> {
        let head = Head::read(&self.paths.head())?.unwrap_or_default();
        let (layouts, bases) = shape_of(&self.tables);
        for stretch in Stretch::from(self.manifest.journal, &head, &self.paths, false)? {
            self.pending.next_journal();
            stretch.replay(|id, body| {
                if id.parent != self.epoch {
                    return Err(tables::out_of_order(&stretch.path, id.epoch, self.epoch));
                }
                let frame = Frame::decode(body, &layouts, &bases)?;
                self.clock = frame.positions.clock;
                self.committed_us = frame.positions.now_us;
                for (number, partition) in &frame.positions.partitions {
                    put_partition(&mut self.partitions, *number as usize, partition.clone());
                }
                self.epoch = id.epoch;
                if let Some(touched) = &mut self.touched {
                    touched.note(id.epoch, &frame, &self.pending)?;
                }
                self.pending.absorb(frame);
                Ok(())
            })?;
        }
        Ok(())
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
        let mut ledger = self.pending.ledger.clone();
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
        Ok(ledger)
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
        for (key, value) in &self.pending.side {
            entries.push(side::Entry::decode(key, value)?);
        }
        entries.sort_by_key(|e| (e.partition, e.record, e.element));
        entries.truncate(limit);
        Ok(entries)
    }

    /// The name of an `invalid` record's part.
    pub fn part_name(&self, key: &RowKey) -> &str {
        match key.account {
            crate::ledger::Account::Invalid => self.plan.part_name(key.part),
            _ => "",
        }
    }
}

pub fn account_name(key: &RowKey) -> &'static str {
    ACCOUNTS.get(key.account as usize).map_or("", |a| a.1)
}

pub fn reason_name(key: &RowKey) -> &'static str {
    reasons(key.account).get(key.reason as usize).copied().unwrap_or("")
}
