//! Epochs: what was counted since the last one is closed, written as one synced frame, and kept for the next checkpoint. The
//! frame is written at once, or beside counting: then the epoch exists when it was settled.
use std::fs::File;
use std::sync::{Arc, Mutex};

use super::{Engine, shape_of};
use crate::count::Running;
use crate::engine::checkpoint::Moving;
use crate::error::{CoreError, Kind, Result};
use crate::machine::empty;
use crate::measure::Layout;
use crate::store::files::{Head, Marks, Paths, open_to_write};
use crate::store::frame::{Frame, FrameId};
use crate::store::journal::Journal;
use crate::store::tables::Tables;
use crate::workers::{Aside, cpu_ns, elapsed_ns};

/// What writes epochs: the journal and HEAD. It travels with the frame that is being written.
pub(super) struct Scribe {
    paths: Paths,
    marks: Marks,
    head_file: File,
    pub head: Head,
    journal: Journal,
    layouts: Vec<Layout>,
    buffer: Vec<u8>,
}

/// An epoch that is being written beside counting.
pub(super) type Writing = Aside<Written>;

pub(super) struct Written {
    scribe: Scribe,
    frame: Frame,
    cpu_ns: u64,
    elapsed_ns: u64,
}

/// The newest epoch that exists of those that were begun beside counting: the number of its call, and progress as of it.
#[derive(Clone, Default)]
pub struct Told(Arc<Mutex<(u64, serde_json::Value)>>);

impl Told {
    fn tell(&self, number: u64, progress: serde_json::Value) {
        if let Ok(mut told) = self.0.lock() {
            *told = (number, progress);
        }
    }

    /// # Errors
    /// A thread has panicked while it told.
    pub fn newest(&self) -> Result<(u64, serde_json::Value)> {
        let told = self
            .0
            .lock()
            .map_err(|_| CoreError::internal("a worker thread has panicked"))?;
        Ok(told.clone())
    }
}

/// Progress of when an epoch was closed, once it exists.
fn progress_at(mut progress: serde_json::Value, head: Head, epoch_ns: u64) -> serde_json::Value {
    if let Some(progress) = progress.as_object_mut() {
        progress.insert("epoch".into(), head.epoch.into());
        progress.insert("journal_bytes".into(), head.length.into());
        progress.insert("epoch_ns".into(), epoch_ns.into());
    }
    progress
}

impl Scribe {
    /// Take over a store whose newest epoch is known: from here on this process is its writer.
    pub fn new(paths: &Paths, marks: Marks, mut head: Head, generation: u64, tables: &Tables) -> Result<Scribe> {
        let journal = Journal::open(paths.journal(head.journal), head.length)?;
        head.generation = generation;
        let path = paths.head();
        let head_file = open_to_write(&path)?;
        head.write(&head_file, &path)?;
        paths.sync_dir()?;
        Ok(Scribe {
            paths: paths.clone(),
            marks,
            head_file,
            head,
            journal,
            layouts: shape_of(tables).0.into_iter().cloned().collect(),
            buffer: vec![],
        })
    }

    /// Write one epoch: from its sync on it exists.
    fn write(&mut self, frame: &mut Frame) -> Result<()> {
        self.still_the_writer()?;
        let id = FrameId {
            epoch: self.head.epoch + 1,
            parent: self.head.epoch,
            generation: self.head.generation,
        };
        let layouts: Vec<&Layout> = self.layouts.iter().collect();
        frame.gather(&layouts);
        frame.encode(id, &layouts, &mut self.buffer)?;
        self.journal.append(&self.buffer, &self.marks)?;
        self.put_head(Head {
            epoch: id.epoch,
            length: self.journal.length(),
            ..self.head
        })?;
        self.marks.pass("head.written")
    }

    /// Let the epochs that follow go into a journal of their own.
    pub fn next_journal(&mut self, number: u64) -> Result<()> {
        self.still_the_writer()?;
        self.journal = Journal::open(self.paths.journal(number), 0)?;
        self.paths.sync_dir()?;
        self.marks.pass("checkpoint.journal")?;
        self.put_head(Head {
            journal: number,
            length: 0,
            ..self.head
        })
    }

    fn put_head(&mut self, head: Head) -> Result<()> {
        self.head = head;
        self.head.write(&self.head_file, &self.paths.head())
    }

    /// Refuse to write if another process has written since: it holds a newer generation.
    pub fn still_the_writer(&self) -> Result<()> {
        let now = Head::read(&self.paths.head())?;
        if now == Some(self.head) {
            return Ok(());
        }
        Err(CoreError::store(
            format!(
                "another process has written to {} since epoch {}; this one must not",
                self.paths.0.display(),
                self.head.epoch
            ),
            "nothing was changed; start again to continue from the newest epoch",
        ))
    }
}

impl Engine {
    /// Write one epoch, and what is still being written before it. Returns its number: the newest one if nothing has changed.
    pub fn commit(&mut self) -> Result<u64> {
        self.settle()?;
        if self.counter.running.consumed.is_empty() {
            return Ok(self.head.epoch);
        }
        let mut frame = self.close()?;
        self.poisoned = true;
        let began = elapsed_ns();
        self.scribe()?.write(&mut frame)?;
        self.epoch_ns = elapsed_ns() - began;
        self.keep(frame)?;
        self.poisoned = false;
        if self.is_checkpoint_due()? {
            self.finish_checkpoint()?;
            self.begin_checkpoint()?;
        } else if self.moving.as_ref().is_some_and(Moving::is_done) {
            self.finish_move()?;
        }
        self.within_limits()?;
        Ok(self.head.epoch)
    }

    /// Begin to write one epoch. It exists when the next one begins, or a commit or a checkpoint has returned, and is told of
    /// as soon as it does, under the caller's number.
    pub fn commit_beside(&mut self, number: u64) -> Result<()> {
        self.settle()?;
        let is_moved = self.moving.as_ref().is_some_and(Moving::is_done);
        if is_moved || self.is_checkpoint_due()? || self.excess()?.is_some() {
            self.commit()?;
        }
        if self.counter.running.consumed.is_empty() {
            self.told.tell(number, self.progress());
            return Ok(());
        }
        let mut frame = self.close()?;
        self.poisoned = true;
        let mut scribe = self.scribe.take().ok_or_else(away)?;
        let (told, progress) = (self.told.clone(), self.progress());
        let write = move || {
            let (spent, began) = (cpu_ns(), elapsed_ns());
            scribe.write(&mut frame)?;
            let elapsed_ns = elapsed_ns() - began;
            told.tell(number, progress_at(progress, scribe.head, elapsed_ns));
            Ok(Written {
                scribe,
                frame,
                cpu_ns: cpu_ns() - spent,
                elapsed_ns,
            })
        };
        self.writing = Some(Aside::start("crossfoot-commit", write)?);
        self.poisoned = false;
        Ok(())
    }

    /// Nothing was begun yet: what exists now.
    pub(super) fn tell(&self) {
        self.told.tell(0, self.progress());
    }

    /// Wait for the epoch that is being written.
    pub(super) fn settle(&mut self) -> Result<()> {
        self.usable()?;
        let Some(writing) = self.writing.take() else {
            return Ok(());
        };
        self.poisoned = true;
        let written = writing.wait()?;
        self.beside_ns += written.cpu_ns;
        self.epoch_ns = written.elapsed_ns;
        self.scribe = Some(written.scribe);
        self.keep(written.frame)?;
        self.poisoned = false;
        Ok(())
    }

    /// Nothing is being written.
    pub(super) fn scribe(&mut self) -> Result<&mut Scribe> {
        self.scribe.as_mut().ok_or_else(away)
    }

    /// Take what was counted since the last epoch. What is counted from here on is of the next one.
    fn close(&mut self) -> Result<Frame> {
        self.poisoned = true;
        let positions = self.counter.close()?;
        let next = Running {
            ids: std::mem::take(&mut self.spare_ids),
            ..Running::default()
        };
        let Running { ledger, side, ids, .. } = std::mem::replace(&mut self.counter.running, next);
        let metrics = self.counter.fold()?.take();
        if let Some(forgotten) = self.counter.clock.forgotten_us {
            self.counter.memory.forget(forgotten);
        }
        self.poisoned = false;
        Ok(Frame {
            positions,
            ids,
            metrics,
            ledger,
            side,
        })
    }

    /// An epoch exists: keep what it changed for the next checkpoint.
    fn keep(&mut self, mut frame: Frame) -> Result<()> {
        self.head = self.scribe()?.head;
        empty(&mut frame.ids);
        self.spare_ids = std::mem::take(&mut frame.ids);
        self.counter.fold()?.take_room(&mut frame.metrics);
        self.pending.absorb(frame);
        Ok(())
    }

    fn is_checkpoint_due(&self) -> Result<bool> {
        let held = self.pending.size + self.counter.fold()?.size();
        let is_calm = elapsed_ns() - self.checkpoint_ns >= self.options.calm_seconds * 1_000_000_000;
        let share = if is_calm { 4 } else { 1 };
        Ok(self.head.length >= self.options.checkpoint_bytes / share
            || held as u64 >= self.options.pending_bytes / share)
    }

    fn within_limits(&mut self) -> Result<()> {
        if self.cells() > self.plan.limits.cells_max {
            self.checkpoint()?;
            self.merge_segments(self.manifest.segments.len())?;
            self.finish_checkpoint()?;
        }
        self.excess()?.map_or(Ok(()), Err)
    }

    /// Stored cells, and an upper bound of those that are not stored yet.
    fn cells(&self) -> u64 {
        let stored: u64 = self.manifest.segments.iter().map(|s| s.size.cells).sum();
        stored + self.moving.as_ref().map_or(0, |moving| moving.cells) + self.pending.cells
    }

    /// What has grown over its limit.
    fn excess(&self) -> Result<Option<CoreError>> {
        let limits = &self.plan.limits;
        let moving = self.moving.as_ref().map_or(0, |moving| moving.size);
        let bytes = self.counter.memory.size() + moving + self.pending.size + self.counter.fold()?.size();
        Ok(if self.cells() > limits.cells_max {
            Some(limit("stored cells", "limits.cells_max", limits.cells_max))
        } else if bytes as u64 > limits.memory_bytes_max {
            Some(limit(
                "bytes of memory",
                "limits.memory_bytes_max",
                limits.memory_bytes_max,
            ))
        } else {
            None
        })
    }
}

fn away() -> CoreError {
    CoreError::internal("an epoch is being written")
}

fn limit(what: &str, name: &str, number: u64) -> CoreError {
    let hint = format!(
        "raise {name} in the definition, declare fewer dimension sets and grains, or bound values_max; what was committed is kept"
    );
    CoreError::new(Kind::Data, format!("more {what} than {name} = {number}"), hint)
}
