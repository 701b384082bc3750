//! The ids of counted events since somebody had them all: those of each frame, and of the id files behind the frames.
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use arrow_array::{Int64Array, StringArray};
use serde::{Deserialize, Serialize};

use super::answer::{Column, stream, times};
use super::refresh::again;
use crate::dedup::{Entry, Horizon};
use crate::error::{CoreError, Result};
use crate::ledger::{Account, RowKey, RowValue};
use crate::plan::Plan;
use crate::store::files::{Head, Manifest, Paths};
use crate::store::frame::Body;
use crate::store::ids;
use crate::store::journal::Stretch;
use crate::store::segment::{Segment, merge};
use crate::store::tables::{self, end_key, first_key};
use crate::wire::Take;

/// How far somebody has the ids. The default: not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMark {
    pub epoch: u64,
    /// The first id file that was not read to its end.
    pub file: u64,
    /// By the end of their bucket: ids that were taken, and are, or will be, the first of that bucket from this file on.
    pub taken: BTreeMap<i64, u64>,
    /// The width of the buckets.
    pub bucket_us: i64,
    /// How many were taken, and how many were forgotten before they could be.
    pub total: u64,
    pub missing: u64,
}

/// Some more ids, and how far that is; whether there are more.
pub struct Counted {
    pub stream: Vec<u8>,
    pub mark: IdMark,
    pub has_more: bool,
}

/// The ids that were counted after a mark, at most about `rows_max`, as an Arrow stream: `uuid` and `content` in hex,
/// `event_time`, `epoch`: of the frame, or where that was moved into the store's files before, of the checkpoint.
///
/// # Errors
/// The store is damaged, or the width of its buckets was changed since the mark.
pub fn counted(folder: &Path, mark: &IdMark, rows_max: usize) -> Result<Counted> {
    again(folder, || Taking::new(folder, mark, rows_max).and_then(Taking::run))
}

struct Taking {
    paths: Paths,
    manifest: Manifest,
    horizon: Horizon,
    mark: IdMark,
    rows_max: usize,
    rows: Vec<(Entry, u64)>,
}

impl Taking {
    fn new(folder: &Path, mark: &IdMark, rows_max: usize) -> Result<Taking> {
        let paths = Paths(folder.to_path_buf());
        let missing = || {
            CoreError::store(
                format!("there is no store in {}", folder.display()),
                "count something first",
            )
        };
        let manifest = Manifest::read(&paths)?.ok_or_else(missing)?;
        let plan: Plan =
            serde_json::from_value(manifest.plan.clone()).map_err(|e| CoreError::definition(e.to_string()))?;
        let mut mark = mark.clone();
        let bucket_us = plan.accept.bucket_us;
        if mark.bucket_us != bucket_us && !mark.taken.is_empty() {
            return Err(CoreError::store(
                format!(
                    "accept.bucket was changed from {} to {bucket_us} us while ids were exported",
                    mark.bucket_us
                ),
                "export them again: remove the feed's folder in the store, and its table",
            ));
        }
        mark.bucket_us = bucket_us;
        let horizon = Horizon {
            bucket_us,
            horizon_us: plan.accept.horizon_us,
        };
        Ok(Taking {
            paths,
            manifest,
            horizon,
            mark,
            rows_max,
            rows: vec![],
        })
    }

    fn run(mut self) -> Result<Counted> {
        let was_behind = self.mark.epoch < self.manifest.epoch;
        let has_more = !self.take_files()? || {
            if was_behind {
                self.note_missing()?;
                self.mark.epoch = self.manifest.epoch;
            }
            !self.take_frames()?
        };
        Ok(Counted {
            stream: table(&self.rows)?,
            mark: self.mark,
            has_more,
        })
    }

    /// Whether all files were read to their ends.
    fn take_files(&mut self) -> Result<bool> {
        let named = self.manifest.ids.iter().map(|file| file.number);
        let mut files: BTreeSet<u64> = named.filter(|number| *number >= self.mark.file).collect();
        // Those that the store has forgotten are kept for us, from the first that we have not read.
        files.extend(self.paths.id_files()?.range(self.mark.file..self.manifest.next_file));
        for number in files {
            if !self.take_file(number)? {
                return Ok(false);
            }
        }
        self.mark.file = self.manifest.next_file;
        Ok(true)
    }

    /// What was taken already comes first in each bucket. Whether there was room for all the others.
    fn take_file(&mut self, number: u64) -> Result<bool> {
        let (mut passed, mut added): (BTreeMap<i64, u64>, BTreeMap<i64, u64>) = Default::default();
        let mut is_full = false;
        ids::read(&self.paths.ids(number), None, |entry| {
            let bucket = self.horizon.bucket_end(entry.event_us);
            let before = passed.entry(bucket).or_default();
            if *before < self.mark.taken.get(&bucket).copied().unwrap_or(0) {
                *before += 1;
            } else if self.rows.len() < self.rows_max {
                self.rows.push((entry, self.manifest.epoch));
                *added.entry(bucket).or_default() += 1;
            } else {
                is_full = true;
            }
        })?;
        self.mark.total += added.values().sum::<u64>();
        self.mark.file = number;
        if is_full {
            for (bucket, count) in added {
                *self.mark.taken.entry(bucket).or_default() += count;
            }
            return Ok(false);
        }
        self.mark.file = number + 1;
        for (bucket, count) in passed {
            if let Some(taken) = self.mark.taken.get_mut(&bucket) {
                *taken = taken.saturating_sub(count);
            }
        }
        self.mark.taken.retain(|_, taken| *taken > 0);
        Ok(true)
    }

    /// Ids whose file was forgotten before it was read: the ledger of the checkpoint knows of them.
    fn note_missing(&mut self) -> Result<()> {
        let files = self.manifest.segments.iter();
        let segments = files.map(|file| Segment::open(&self.paths.segment(file.number)));
        let segments = segments.collect::<Result<Vec<_>>>()?;
        let segments: Vec<&Segment> = segments.iter().collect();
        let mut counted = 0;
        let (first, end) = (first_key(tables::LEDGER), end_key(tables::LEDGER));
        merge(&segments, &first, Some(&end), |key, values| {
            let row = RowKey::decode(&mut Take(key.get(2..).unwrap_or_default()))?;
            if row.account == Account::Counted {
                for value in values {
                    counted += RowValue::decode(&mut Take(value))?.records;
                }
            }
            Ok(())
        })?;
        self.mark.missing = counted.checked_sub(self.mark.total).ok_or_else(|| {
            CoreError::internal(format!(
                "{} ids were exported of {counted} counted events",
                self.mark.total
            ))
        })?;
        Ok(())
    }

    /// Whether there was room for all; a frame is taken whole.
    fn take_frames(&mut self) -> Result<bool> {
        let head = Head::of(&self.paths, self.manifest.journal)?;
        let mut is_full = false;
        for stretch in Stretch::from(self.manifest.journal, &head, &self.paths, false)? {
            stretch.replay(|body| {
                let is_new = body.id.epoch > self.mark.epoch;
                is_full = is_full || (is_new && self.rows.len() >= self.rows_max);
                if is_new && !is_full {
                    self.take_frame(body)?;
                }
                Ok(())
            })?;
        }
        Ok(!is_full)
    }

    fn take_frame(&mut self, body: &mut Body<'_>) -> Result<()> {
        let epoch = body.id.epoch;
        for entry in body.ids()? {
            *self
                .mark
                .taken
                .entry(self.horizon.bucket_end(entry.event_us))
                .or_default() += 1;
            self.mark.total += 1;
            self.rows.push((entry, epoch));
        }
        self.mark.epoch = epoch;
        Ok(())
    }
}

fn table(rows: &[(Entry, u64)]) -> Result<Vec<u8>> {
    let texts = |name: &str, text: fn(&Entry) -> String| Column {
        name: name.into(),
        array: Arc::new(rows.iter().map(|(entry, _)| Some(text(entry))).collect::<StringArray>()),
        note: None,
    };
    stream(vec![
        texts("uuid", |entry| format!("{:032x}", { entry.uuid })),
        times(
            "event_time",
            rows.iter().map(|(entry, _)| Some(entry.event_us)).collect(),
        ),
        texts("content", |entry| format!("{:08x}", entry.digest)),
        Column {
            name: "epoch".into(),
            array: Arc::new(rows.iter().map(|(_, epoch)| *epoch as i64).collect::<Int64Array>()),
            note: None,
        },
    ])
}
