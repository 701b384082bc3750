//! Checkpoints: what the epochs since the last one changed moves out of memory into segments and id files, and segments of
//! similar size are merged.
use super::{Engine, horizon_of, take_number};
use crate::error::{CoreError, Result};
use crate::pending::{PARTS, Pending};
use crate::store::compact::compact;
use crate::store::files::{Head, IdFile, Manifest, SegmentFile};
use crate::store::ids;
use crate::store::journal::Journal;
use crate::store::segment::{Segment, Writer};
use crate::wire::Take;
use crate::workers::at_once;

impl Engine {
    /// Move everything since the last checkpoint out of memory into a segment and an id file, and begin a new journal.
    pub fn checkpoint(&mut self) -> Result<()> {
        self.usable()?;
        if self.head.epoch == self.manifest.epoch {
            return Ok(());
        }
        self.poisoned = true;
        let mut next = Manifest {
            epoch: self.head.epoch,
            generation: self.head.generation,
            journal: self.manifest.journal + 1,
            clock: self.counter.clock,
            partitions: self.counter.partitions.clone(),
            ..self.manifest.clone()
        };
        self.write_ids(&mut next)?;
        self.marks.pass("checkpoint.ids")?;
        self.write_segments(&mut next)?;
        self.marks.pass("checkpoint.segment")?;
        self.install(next)?;
        self.pending = Pending::new(&self.tables);
        self.pending_ids = vec![];
        self.counter.fold()?.reset();
        self.poisoned = false;
        match crowd(&self.manifest.segments, self.options.merge_segments) {
            0 => Ok(()),
            last => self.merge_segments(last),
        }
    }

    fn write_segments(&self, next: &mut Manifest) -> Result<()> {
        let numbers: Vec<u64> = (0..PARTS).map(|_| take_number(next)).collect();
        let written = at_once(numbers.iter().enumerate().map(|(part, &number)| {
            move || {
                let path = self.paths.segment(number);
                let mut writer = Writer::create(&path)?;
                self.pending.write(&self.plan, part, &mut writer)?;
                let rows = writer.rows;
                let bytes = writer.finish()?;
                let events = events_by_table(&Segment::open(&path)?, self.tables.cells.len())?;
                Ok((SegmentFile { number, rows, bytes }, events))
            }
        }));
        let mut stored = vec![0; self.tables.cells.len()];
        for part in written {
            let (segment, events) = part?;
            stored.iter_mut().zip(events).for_each(|(sum, events)| *sum += events);
            if segment.rows > 0 {
                next.segments.push(segment);
            }
        }
        self.balances(&stored)
    }

    /// Every table's stored cells, read again, hold all events that passed its metric's `where`.
    fn balances(&self, stored: &[u64]) -> Result<()> {
        for (table, events) in self.tables.cells.iter().zip(stored) {
            let passed = self.pending.passed(table.metric);
            if *events != passed {
                return Err(CoreError::internal(format!(
                    "the cells of a checkpoint do not balance: {events} of {passed} events in set {} at grain {} of metric {}",
                    table.set, table.grain, table.metric
                )));
            }
        }
        Ok(())
    }

    fn write_ids(&mut self, next: &mut Manifest) -> Result<()> {
        let horizon = horizon_of(&self.plan);
        if let Some(forgotten) = self.counter.clock.forgotten_us {
            next.ids.retain(|f| f.newest_bucket_end >= forgotten);
        }
        let count = self.pending_id_count() as u64;
        if count > 0 {
            let number = take_number(next);
            let newest_bucket_end = ids::write(&self.paths.ids(number), &self.pending_ids, &horizon)?;
            next.ids.push(IdFile {
                number,
                newest_bucket_end,
                ids: count,
                version: next.version,
            });
        }
        Ok(())
    }

    /// Make a manifest the store's, then point HEAD at its journal and remove what it no longer names.
    pub(super) fn install(&mut self, next: Manifest) -> Result<()> {
        self.still_the_writer()?;
        let journal = match next.journal == self.manifest.journal {
            true => None,
            false => Some(Journal::open(self.paths.journal(next.journal), 0)?),
        };
        self.paths.sync_dir()?;
        next.write(&self.paths)?;
        self.marks.pass("checkpoint.manifest")?;
        self.manifest = next;
        if let Some(journal) = journal {
            self.journal = journal;
            self.head = Head {
                journal: self.manifest.journal,
                length: 0,
                ..self.head
            };
            self.head.write(&self.head_file, &self.paths.head())?;
        }
        self.marks.pass("checkpoint.head")?;
        self.remove_strays();
        self.marks.pass("checkpoint.cleaned")
    }

    /// Merge the last `count` segments into one; retention is applied on the way.
    pub(super) fn merge_segments(&mut self, count: usize) -> Result<()> {
        if count < 2 {
            return Ok(());
        }
        self.poisoned = true;
        let mut next = self.manifest.clone();
        let tail = next.segments.split_off(next.segments.len().saturating_sub(count));
        let open = tail
            .iter()
            .map(|s| Segment::open(&self.paths.segment(s.number)))
            .collect::<Result<Vec<_>>>()?;
        let number = take_number(&mut next);
        let watermark_us = self.counter.clock.watermark_us;
        let writer = Writer::create(&self.paths.segment(number))?;
        let (rows, bytes) = compact(&self.plan, &mut self.tables, watermark_us, &open, writer)?;
        next.segments.push(SegmentFile { number, rows, bytes });
        self.marks.pass("checkpoint.merged")?;
        self.install(next)?;
        self.poisoned = false;
        Ok(())
    }

    /// Remove files that the manifest does not name: what a crash left, or a merge replaced.
    pub(super) fn remove_strays(&self) {
        let Ok(entries) = std::fs::read_dir(&self.paths.0) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some((kind, number)) = name.to_str().and_then(|n| n.split_once('-')) else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else { continue };
            let kept = match kind {
                "cells" => self.manifest.segments.iter().any(|s| s.number == number),
                "ids" => self.manifest.ids.iter().any(|f| f.number == number),
                "journal" => self.manifest.journal == number,
                _ => true,
            };
            if !kept {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// The events in a segment's cells, by table.
fn events_by_table(segment: &Segment, tables: usize) -> Result<Vec<u64>> {
    let mut events = vec![0; tables];
    let mut cursor = segment.cursor(&[])?;
    while !cursor.done {
        let table = cursor.key().first_chunk().map(|number| u16::from_be_bytes(*number));
        let Some(sum) = table.and_then(|number| events.get_mut(number as usize)) else {
            break;
        };
        *sum += Take(cursor.value()).u64()?;
        cursor.advance()?;
    }
    Ok(events)
}

/// How many of the newest segments should become one: a run of at least `least` of which none is eight times larger than
/// all newer ones together. 0: none.
fn crowd(segments: &[SegmentFile], least: usize) -> usize {
    let (mut run, mut bytes) = (0, 0);
    for segment in segments.iter().rev() {
        if run > 0 && segment.bytes > bytes * 8 {
            break;
        }
        run += 1;
        bytes += segment.bytes;
    }
    if run >= least { run } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Options;
    use crate::store::journal::Frame;

    #[test]
    fn only_segments_of_similar_size_are_merged() {
        let of = |sizes: &[u64]| {
            sizes
                .iter()
                .map(|b| SegmentFile {
                    number: 0,
                    bytes: *b,
                    rows: 0,
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(crowd(&of(&[10; 5]), 6), 0);
        assert_eq!(crowd(&of(&[10; 6]), 6), 6);
        assert_eq!(crowd(&of(&[100_000, 10, 10, 10, 10, 10, 10]), 6), 6);
    }

    #[test]
    fn a_checkpoint_that_does_not_balance_is_not_installed() {
        let folder = tempfile::tempdir().unwrap();
        let plan = include_str!("../../tests/store_plan.json");
        let mut engine = Engine::open(folder.path(), plan, Options::default()).unwrap();
        engine.register(&[("a".into(), "inode".into())]).unwrap();
        let mut lost = Frame::default();
        lost.metrics.push((1, vec![]));
        engine.pending.absorb(lost);
        let error = engine.checkpoint().unwrap_err();
        assert!(
            error.message.contains("0 of 1 events in set 0 at grain 0"),
            "{}",
            error.message
        );
        drop(engine);
        assert_eq!(
            Engine::open(folder.path(), plan, Options::default()).unwrap().epoch(),
            1
        );
    }
}
