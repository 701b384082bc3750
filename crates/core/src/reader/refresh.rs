//! How a reader goes on from one epoch to another: a new manifest is taken over, and of the journals what was written since
//! is read.
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use super::Reader;
use super::follow::Followed;
use crate::engine::{put_partition, shape_of};
use crate::error::{CoreError, Result};
use crate::store::files::{Head, Manifest, Paths, SegmentFile, TRIES};
use crate::store::frame::{Body, Frame, Part};
use crate::store::journal::{Reading, Stretch};
use crate::store::segment::Segment;
use crate::store::tables::{self, CellTable, Tables};

/// A journal that is open, and how much of it was read.
pub(super) struct Held {
    number: u64,
    reading: Arc<Reading>,
    path: std::path::PathBuf,
    length: u64,
}

impl Held {
    /// All that was read of it.
    fn whole(&self) -> Stretch {
        Stretch {
            number: self.number,
            path: self.path.clone(),
            limit: Some(self.length),
            synced: self.length,
        }
    }
}

/// Which files were there, to notice others in their place.
pub(super) struct Seen {
    /// The writers' lock, which is as old as the store. It is kept open, so that no other file gets its number.
    _lock: Option<File>,
    store: Option<(u64, u64)>,
    manifest: Option<(u64, i64, i64, u64)>,
}

impl Seen {
    pub fn of(paths: &Paths) -> Seen {
        let lock = File::open(paths.lock()).ok();
        let store = lock.as_ref().and_then(|lock| lock.metadata().ok());
        Seen {
            store: store.map(|file| (file.dev(), file.ino())).or_else(|| store_in(paths)),
            _lock: lock,
            manifest: manifest_in(paths),
        }
    }
}

fn store_in(paths: &Paths) -> Option<(u64, u64)> {
    std::fs::metadata(paths.lock())
        .ok()
        .map(|file| (file.dev(), file.ino()))
}

fn manifest_in(paths: &Paths) -> Option<(u64, i64, i64, u64)> {
    let file = std::fs::metadata(paths.manifest()).ok()?;
    Some((file.ino(), file.mtime(), file.mtime_nsec(), file.size()))
}

fn another() -> CoreError {
    CoreError::internal("another store is in the place of this one")
}

/// Try, and try again while the writer has replaced files meanwhile.
pub(super) fn again<T>(folder: &Path, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let moved_on = |error: &CoreError| error.message.contains("No such file") && folder.join("MANIFEST").exists();
    let mut tries = TRIES;
    loop {
        match attempt() {
            Err(error) if tries > 0 && moved_on(&error) => tries -= 1,
            other => return other,
        }
    }
}

impl Reader {
    /// Go on to the newest epoch. Costs what was written since, and nearly nothing if that is nothing. Whether anything is new.
    ///
    /// # Errors
    /// Those of opening the store anew. The reader answers no more then, until this succeeds.
    pub fn refresh(&mut self) -> Result<bool> {
        let folder = self.paths.0.clone();
        let before = (self.epoch, self.manifest.epoch, self.manifest.next_file);
        self.touched = None;
        if self.is_usable {
            self.is_usable = false;
            if again(&folder, || self.go_on()).is_ok() {
                self.is_usable = true;
                return Ok(before != (self.epoch, self.manifest.epoch, self.manifest.next_file));
            }
        }
        // Whatever hinders: opening says what is wrong, or knows how to go on.
        *self = Self::open_with(&folder, self.since)?;
        Ok(true)
    }

    fn go_on(&mut self) -> Result<()> {
        if store_in(&self.paths) != self.seen.store {
            return Err(another());
        }
        let manifest = manifest_in(&self.paths);
        if manifest != self.seen.manifest {
            self.take_over(Manifest::read(&self.paths)?.ok_or_else(another)?)?;
            self.seen.manifest = manifest;
        }
        self.read_on()
    }

    /// Read from other segments, and no more from journals whose content they hold.
    fn take_over(&mut self, manifest: Manifest) -> Result<()> {
        let is_older = manifest.epoch < self.manifest.epoch || manifest.generation < self.manifest.generation;
        if is_older || manifest.plan != self.manifest.plan {
            return Err(another());
        }
        self.reopen(&manifest)?;
        self.series.clear();
        let jumps = manifest.epoch > self.epoch;
        let first = if jumps { u64::MAX } else { manifest.journal };
        let after = self.since.map(|mark| mark.epoch);
        self.journals.retain(|journal| journal.number >= first);
        for followed in &mut self.followed {
            followed.moved_before(first, after);
        }
        if jumps {
            self.epoch = manifest.epoch;
            self.clock = manifest.clock;
            self.partitions.clone_from(&manifest.partitions);
            self.committed_us = 0;
            self.head = Head::default();
            for followed in &mut self.followed {
                followed.since = manifest.epoch;
            }
        }
        if manifest.epoch == self.epoch {
            self.committed_us = 0;
        }
        self.manifest = manifest;
        Ok(())
    }

    /// Open the segments that a manifest names; those that are open already stay so.
    fn reopen(&mut self, manifest: &Manifest) -> Result<()> {
        let files = &self.manifest.segments;
        let is_new = |file: &&SegmentFile| !files.contains(file);
        let open = |file: &SegmentFile| Ok((file.number, Segment::open(&self.paths.segment(file.number))?));
        let opened = manifest.segments.iter().filter(is_new).map(open);
        let opened = opened.collect::<Result<Vec<_>>>()?;
        let open_before = files
            .iter()
            .map(|file| file.number)
            .zip(std::mem::take(&mut self.segments));
        let mut by_number: HashMap<u64, Segment> = open_before.chain(opened).collect();
        let segments = manifest.segments.iter().map(|file| by_number.remove(&file.number));
        self.segments = segments.collect::<Option<_>>().ok_or_else(another)?;
        Ok(())
    }

    /// Read what the journals have more than was read, as far as HEAD says.
    pub(super) fn read_on(&mut self) -> Result<()> {
        let head = Head::of(&self.paths, self.manifest.journal)?;
        if head == self.head {
            return Ok(());
        }
        for stretch in Stretch::from(self.manifest.journal, &head, &self.paths, false)? {
            self.read_stretch(&stretch)?;
        }
        self.head = head;
        Ok(())
    }

    fn read_stretch(&mut self, stretch: &Stretch) -> Result<()> {
        let known = self.journals.iter().find(|journal| journal.number == stretch.number);
        let (reading, from) = match known {
            Some(journal) => (journal.reading.clone(), journal.length),
            None if stretch.synced == 0 => return Ok(()),
            None => (Arc::new(Reading::open(&stretch.path)?), 0),
        };
        if from > stretch.synced {
            return Err(another());
        }
        if known.is_none() {
            self.journals.push(Held {
                number: stretch.number,
                reading: reading.clone(),
                path: stretch.path.clone(),
                length: 0,
            });
        }
        let length = reading.frames(from, stretch, |body| self.take(stretch, body))?;
        let read = |journal: &&mut Held| journal.number == stretch.number;
        if let Some(journal) = self.journals.iter_mut().find(read) {
            journal.length = length;
        }
        Ok(())
    }

    fn take(&mut self, stretch: &Stretch, body: &mut Body<'_>) -> Result<()> {
        let id = body.id;
        if id.parent != self.epoch {
            return Err(tables::out_of_order(&stretch.path, id.epoch, self.epoch));
        }
        let wanted = bases_of(&mut self.followed, body, stretch.number, &self.tables)?;
        let frame = self.decode(body, &Part::Bases(&wanted))?;
        for followed in &mut self.followed {
            followed.add(&frame, id.epoch, &mut self.tables)?;
        }
        self.clock = frame.positions.clock;
        self.committed_us = frame.positions.now_us;
        for (number, partition) in frame.positions.partitions {
            put_partition(&mut self.partitions, number as usize, partition);
        }
        self.epoch = id.epoch;
        Ok(())
    }

    fn decode(&self, body: &mut Body<'_>, part: &Part<'_>) -> Result<Frame> {
        let (layouts, bases) = shape_of(&self.tables);
        Frame::decode(body, &layouts, &bases, part)
    }

    /// Visit all frames behind the manifest that were read, once more.
    pub(super) fn each_frame(&self, part: &Part<'_>, mut visit: impl FnMut(Frame)) -> Result<()> {
        for journal in &self.journals {
            journal.reading.frames(0, &journal.whole(), |body| {
                visit(self.decode(body, part)?);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Follow a table from here on: what the journals that were read have changed in it is read once. Its place in `followed`.
    pub(super) fn follow(&mut self, table: CellTable) -> Result<usize> {
        if !self.is_usable {
            return Err(CoreError::internal(
                "the store could not be read on, and answers no more",
            ));
        }
        if let Some(place) = self.followed.iter().position(|one| one.table == table) {
            return Ok(place);
        }
        let new = Followed::new(table, &self.tables, self.manifest.epoch)?;
        self.catch_up(vec![new])?;
        Ok(self.followed.len() - 1)
    }

    /// Follow all tables; the journals are read once for all.
    pub(super) fn follow_all(&mut self) -> Result<()> {
        let is_new = |table: &&CellTable| self.followed.iter().all(|one| one.table != **table);
        let new = self.tables.cells.iter().filter(is_new);
        let new = new.map(|table| Followed::new(*table, &self.tables, self.manifest.epoch));
        self.catch_up(new.collect::<Result<_>>()?)
    }

    fn catch_up(&mut self, mut new: Vec<Followed>) -> Result<()> {
        for at in 0..self.journals.len() {
            let Some((reading, whole, number)) = self
                .journals
                .get(at)
                .map(|journal| (journal.reading.clone(), journal.whole(), journal.number))
            else {
                continue;
            };
            reading.frames(0, &whole, |body| {
                let wanted = bases_of(&mut new, body, number, &self.tables)?;
                let frame = self.decode(body, &Part::Bases(&wanted))?;
                new.iter_mut()
                    .try_for_each(|one| one.add(&frame, body.id.epoch, &mut self.tables))
            })?;
        }
        self.followed.append(&mut new);
        Ok(())
    }
}

/// The base sets that some tables need of a frame.
fn bases_of(followed: &mut [Followed], body: &Body<'_>, journal: u64, tables: &Tables) -> Result<Vec<(usize, usize)>> {
    followed.iter_mut().map(|one| one.base(body, journal, tables)).collect()
}
