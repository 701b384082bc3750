//! Checkpoints: what the epochs since the last one changed moves out of memory into segments and id files, and segments of
//! similar size are merged. Both are written beside counting: epochs go on in the next journal meanwhile.
use super::{Engine, horizon_of, take_number};
use crate::dedup::FreshIds;
use crate::error::{CoreError, Result};
use crate::pending::{PARTS, Pending};
use crate::plan::Plan;
use crate::store::compact::compact;
use crate::store::files::{IdFile, Manifest, Marks, Paths, SegmentFile};
use crate::store::ids;
use crate::store::segment::{Segment, Writer};
use crate::store::tables::Tables;
use crate::wire::Take;
use crate::workers::{Aside, at_once, cpu_ns, elapsed_ns};

/// Files that are being written, and the manifest that will name them, and which others no more.
pub(super) struct Moving {
    next: Manifest,
    job: Aside<Written>,
    /// Finest cells, an upper bound, and bytes in memory, of what is written.
    pub cells: u64,
    pub size: usize,
}

#[derive(Default)]
struct Written {
    segments: Vec<SegmentFile>,
    ids: Option<IdFile>,
    spent_ns: u64,
}

impl Moving {
    pub fn is_done(&self) -> bool {
        self.job.is_done()
    }
}

impl Engine {
    /// Commit, move everything since the last checkpoint out of memory, and wait for it.
    pub fn checkpoint(&mut self) -> Result<()> {
        self.commit()?;
        self.finish_checkpoint()?;
        self.begin_checkpoint()?;
        self.finish_checkpoint()
    }

    /// Let the epochs that follow go into a journal of their own, and begin to write what those before have changed.
    pub(super) fn begin_checkpoint(&mut self) -> Result<()> {
        self.usable()?;
        if self.head.epoch == self.manifest.epoch {
            return Ok(());
        }
        self.poisoned = true;
        let number = self.head.journal + 1;
        let mut next = Manifest {
            epoch: self.head.epoch,
            generation: self.head.generation,
            journal: number,
            clock: self.counter.clock,
            partitions: self.counter.partitions.clone(),
            ..self.manifest.clone()
        };
        if let Some(forgotten) = self.counter.clock.forgotten_us {
            next.ids.retain(|f| f.newest_bucket_end >= forgotten);
        }
        let work = Work {
            ids: take_number(&mut next),
            segments: (0..PARTS).map(|_| take_number(&mut next)).collect(),
            version: next.version,
            pending: std::mem::replace(&mut self.pending, Pending::new(&self.tables)),
            fresh_ids: self.counter.memory.take_fresh(),
            plan: self.plan.clone(),
            paths: self.paths.clone(),
            marks: self.marks.clone(),
        };
        let scribe = self.scribe()?;
        scribe.next_journal(number)?;
        self.head = scribe.head;
        self.counter.fold()?.reset();
        self.checkpoint_ns = elapsed_ns();
        self.moving = Some(Moving {
            next,
            cells: work.pending.cells,
            size: work.pending.size,
            job: Aside::start("crossfoot-checkpoint", move || work.write())?,
        });
        self.poisoned = false;
        Ok(())
    }

    /// Wait until nothing is being written beside counting.
    pub(super) fn finish_checkpoint(&mut self) -> Result<()> {
        while self.moving.is_some() {
            self.finish_move()?;
        }
        Ok(())
    }

    /// Make what was written the store's. Segments that have become many begin to be merged.
    pub(super) fn finish_move(&mut self) -> Result<()> {
        self.usable()?;
        let Some(Moving { mut next, job, .. }) = self.moving.take() else {
            return Ok(());
        };
        self.poisoned = true;
        let written = job.wait()?;
        self.beside_ns += written.spent_ns;
        next.segments.extend(written.segments);
        next.ids.extend(written.ids);
        self.install(next)?;
        self.poisoned = false;
        match crowd(&self.manifest.segments, self.options.merge_segments) {
            0 => Ok(()),
            last => self.merge_segments(last),
        }
    }

    /// Make a manifest the store's, then remove what it no longer names.
    pub(super) fn install(&mut self, next: Manifest) -> Result<()> {
        self.scribe()?.still_the_writer()?;
        self.paths.sync_dir()?;
        next.write(&self.paths)?;
        self.marks.pass("checkpoint.manifest")?;
        self.manifest = next;
        self.remove_strays();
        self.marks.pass("checkpoint.cleaned")
    }

    /// Begin to merge the last `count` segments into one; retention is applied on the way.
    pub(super) fn merge_segments(&mut self, count: usize) -> Result<()> {
        if count < 2 {
            return Ok(());
        }
        let mut next = self.manifest.clone();
        let tail = next.segments.split_off(next.segments.len().saturating_sub(count));
        let number = take_number(&mut next);
        let (plan, paths, marks) = (self.plan.clone(), self.paths.clone(), self.marks.clone());
        let watermark_us = self.counter.clock.watermark_us;
        let merge = move || {
            let began = cpu_ns();
            let open = tail.iter().map(|s| Segment::open_once(&paths.segment(s.number)));
            let open = open.collect::<Result<Vec<_>>>()?;
            let writer = Writer::create(&paths.segment(number))?;
            let size = compact(&plan, &mut Tables::of(&plan)?, watermark_us, &open, writer)?;
            marks.pass("checkpoint.merged")?;
            Ok(Written {
                segments: vec![SegmentFile { number, size }],
                spent_ns: cpu_ns() - began,
                ..Written::default()
            })
        };
        self.moving = Some(Moving {
            next,
            job: Aside::start("crossfoot-merge", merge)?,
            cells: 0,
            size: 0,
        });
        Ok(())
    }

    /// Remove files that the manifest does not name: what a crash left, or a merge replaced.
    pub(super) fn remove_strays(&self) {
        let Ok(entries) = std::fs::read_dir(&self.paths.0) else {
            return;
        };
        let held = self.paths.held().unwrap_or(u64::MAX)..self.manifest.next_file;
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some((kind, number)) = name.to_str().and_then(|n| n.split_once('-')) else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else { continue };
            let kept = match kind {
                "cells" => self.manifest.segments.iter().any(|s| s.number == number),
                "ids" => held.contains(&number) || self.manifest.ids.iter().any(|f| f.number == number),
                "journal" => (self.manifest.journal..=self.head.journal).contains(&number),
                _ => true,
            };
            if !kept {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// What a checkpoint has to write: ids into the file `ids`, cells and accounts into `segments`.
struct Work {
    plan: Plan,
    paths: Paths,
    marks: Marks,
    pending: Pending,
    fresh_ids: Vec<FreshIds>,
    ids: u64,
    segments: Vec<u64>,
    version: u32,
}

type Write<'a> = Box<dyn FnOnce() -> Result<Piece> + Send + 'a>;

/// What one thread of a checkpoint has written, and the CPU time of it.
#[derive(Default)]
struct Piece {
    ids: Option<IdFile>,
    segment: Option<SegmentFile>,
    /// How many events are in each table of the segment, read again.
    events: Vec<u64>,
    spent_ns: u64,
}

impl Work {
    fn write(self) -> Result<Written> {
        let tables = Tables::of(&self.plan)?;
        let (work, count) = (&self, tables.cells.len());
        let ids: Write<'_> = Box::new(|| work.write_ids());
        let parts = self.segments.iter().enumerate();
        let segments =
            parts.map(|(part, &number)| -> Write<'_> { Box::new(move || work.write_segment(part, number, count)) });
        let (mut written, mut stored) = (Written::default(), vec![0; count]);
        for piece in at_once(std::iter::once(ids).chain(segments)) {
            let piece = piece?;
            written.ids = written.ids.or(piece.ids);
            written
                .segments
                .extend(piece.segment.filter(|segment| segment.size.rows > 0));
            stored
                .iter_mut()
                .zip(piece.events)
                .for_each(|(sum, events)| *sum += events);
            written.spent_ns += piece.spent_ns;
        }
        self.balances(&tables, &stored)?;
        self.marks.pass("checkpoint.segment")?;
        Ok(written)
    }

    /// A part of the cells.
    fn write_segment(&self, part: usize, number: u64, tables: usize) -> Result<Piece> {
        let began = cpu_ns();
        let path = self.paths.segment(number);
        let mut writer = Writer::create(&path)?;
        self.pending.write(&self.plan, part, &mut writer)?;
        let size = writer.finish()?;
        Ok(Piece {
            events: events_by_table(&Segment::open_once(&path)?, tables)?,
            segment: Some(SegmentFile { number, size }),
            spent_ns: cpu_ns() - began,
            ..Piece::default()
        })
    }

    /// Every table's stored cells, read again, hold all events that passed its metric's `where`.
    fn balances(&self, tables: &Tables, stored: &[u64]) -> Result<()> {
        for (table, events) in tables.cells.iter().zip(stored) {
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

    fn write_ids(&self) -> Result<Piece> {
        let began = cpu_ns();
        let ids: usize = self.fresh_ids.iter().map(|ids| ids.all().len()).sum();
        let mut piece = Piece::default();
        if ids > 0 {
            let horizon = horizon_of(&self.plan);
            piece.ids = Some(IdFile {
                number: self.ids,
                newest_bucket_end: ids::write(&self.paths.ids(self.ids), &self.fresh_ids, &horizon)?,
                ids: ids as u64,
                version: self.version,
            });
        }
        self.marks.pass("checkpoint.ids")?;
        piece.spent_ns = cpu_ns() - began;
        Ok(piece)
    }
}

/// The events in a segment's cells, by table.
fn events_by_table(segment: &Segment, tables: usize) -> Result<Vec<u64>> {
    let mut events = vec![0; tables];
    segment.for_each_value(|table, value| {
        if let Some(sum) = events.get_mut(table as usize) {
            *sum += Take(value).u64()?;
        }
        Ok(())
    })?;
    Ok(events)
}

/// How many of the newest segments should become one: a run of at least `least` of which none is eight times larger than
/// all newer ones together. 0: none.
fn crowd(segments: &[SegmentFile], least: usize) -> usize {
    let (mut run, mut bytes) = (0, 0);
    for segment in segments.iter().rev() {
        if run > 0 && segment.size.bytes > bytes * 8 {
            break;
        }
        run += 1;
        bytes += segment.size.bytes;
    }
    if run >= least { run } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Options;
    use crate::store::frame::Frame;
    use crate::store::segment::Size;

    #[test]
    fn only_segments_of_similar_size_are_merged() {
        let of = |sizes: &[u64]| {
            sizes
                .iter()
                .map(|bytes| SegmentFile {
                    number: 0,
                    size: Size {
                        bytes: *bytes,
                        ..Size::default()
                    },
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(crowd(&of(&[10; 5]), 6), 0);
        assert_eq!(crowd(&of(&[10; 6]), 6), 6);
        assert_eq!(crowd(&of(&[100_000, 10, 10, 10, 10, 10, 10]), 6), 6);
    }

    #[test]
    fn a_quarter_is_enough_where_the_last_checkpoint_is_long_ago() {
        let plan = include_str!("../../tests/store_plan.json");
        let begun = |calm_seconds| {
            let folder = tempfile::tempdir().unwrap();
            let options = Options {
                // An epoch of a registered partition is a block of 4 KiB.
                checkpoint_bytes: 10_000,
                calm_seconds,
                ..Options::default()
            };
            let mut engine = Engine::open(folder.path(), plan, options).unwrap();
            engine.register(&[("a".into(), "inode".into())]).unwrap();
            engine.commit().unwrap();
            engine.moving.is_some()
        };
        assert_eq!((begun(60), begun(0)), (false, true));
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
