//! The journal: one checksummed frame per epoch. The synced frame is the epoch.
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::error::{CoreError, Result};

use super::files::{Head, Marks, Paths, open_to_write};
use super::frame::Body;
use super::output::{BLOCK, Output};
use super::segment::damaged;

/// A frame of so many bytes goes past the system's cache.
const LARGE: usize = 1 << 20;

/// An open journal at its end.
pub struct Journal {
    output: Output,
}

impl Journal {
    pub fn open(path: PathBuf, length: u64) -> Result<Journal> {
        let file = open_to_write(&path)?;
        file.set_len(length).map_err(|e| CoreError::io("cut", &path, &e))?;
        file.sync_all().map_err(|e| CoreError::io("sync", &path, &e))?;
        Ok(Journal {
            output: Output::new(file, path, length),
        })
    }

    pub fn length(&self) -> u64 {
        self.output.length()
    }

    /// Append a frame and sync it: from then on the epoch exists.
    pub fn append(&mut self, frame: &[u8], marks: &Marks) -> Result<()> {
        let is_large = frame.len() >= LARGE;
        let half = frame.len() / 2;
        let (first, second) = frame.split_at(if is_large { half / BLOCK * BLOCK } else { half });
        marks.pass("frame.before")?;
        self.output.past_cache(is_large);
        self.output.write(first)?;
        self.output.flush()?;
        marks.pass("frame.half")?;
        self.output.write(second)?;
        self.output.flush()?;
        marks.pass("frame.written")?;
        self.output.sync_data()?;
        marks.pass("frame.synced")
    }
}

/// How a journal is read.
#[derive(Debug, PartialEq, Eq)]
pub struct Stretch {
    pub number: u64,
    pub path: PathBuf,
    /// Up to so many bytes; None: to its end.
    pub limit: Option<u64>,
    /// The length below which a damaged frame is damage, not a tail that was never acknowledged.
    pub synced: u64,
}

impl Stretch {
    /// The journals from one on, as far as HEAD says; `beyond`: and what was written after that.
    pub fn from(first: u64, head: &Head, paths: &Paths, beyond: bool) -> Result<Vec<Stretch>> {
        let mut stretches = vec![];
        let is_there = |number| beyond && paths.journal(number).exists();
        for number in (first..).take_while(|&number| number == first || number <= head.journal || is_there(number)) {
            let path = paths.journal(number);
            // Before a journal was followed by another one, all of it was synced.
            let synced = match number.cmp(&head.journal) {
                std::cmp::Ordering::Less => std::fs::metadata(&path)
                    .map_err(|e| CoreError::io("open", &path, &e))?
                    .len(),
                std::cmp::Ordering::Equal => head.length,
                std::cmp::Ordering::Greater => 0,
            };
            stretches.push(Stretch {
                number,
                path,
                limit: if beyond { None } else { Some(synced) },
                synced,
            });
        }
        Ok(stretches)
    }

    /// Visit its whole frames from its start. Returns where the last whole frame ends.
    pub fn replay(&self, visit: impl FnMut(&mut Body<'_>) -> Result<()>) -> Result<u64> {
        match Reading::open(&self.path) {
            Err(_) if self.synced == 0 && !self.path.exists() => Ok(0),
            Err(error) => Err(error),
            Ok(reading) => reading.frames(0, self, visit),
        }
    }
}

/// A journal that is read. What it held when it was opened can be read as long as it is open, also when the writer has
/// removed it since.
pub struct Reading {
    file: File,
    path: PathBuf,
}

impl Reading {
    pub fn open(path: &Path) -> Result<Reading> {
        let file = File::open(path).map_err(|e| CoreError::io("open", path, &e))?;
        Ok(Reading {
            file,
            path: path.to_path_buf(),
        })
    }

    /// Visit the whole frames of a stretch from a place on where one begins. Returns where the last whole frame ends. Of what was
    /// synced only that is read which is asked for; whether the rest was written to its end is looked at first.
    pub fn frames(
        &self,
        from: u64,
        stretch: &Stretch,
        mut visit: impl FnMut(&mut Body<'_>) -> Result<()>,
    ) -> Result<u64> {
        let size = self
            .file
            .metadata()
            .map_err(|e| CoreError::io("read", &self.path, &e))?
            .len();
        let end = stretch.limit.unwrap_or(u64::MAX).min(size);
        let mut at = from;
        while at < end
            && let Some(mut body) = Body::open(&self.file, &self.path, at, end)?
            && (at < stretch.synced || body.is_whole()?)
        {
            visit(&mut body)?;
            at += body.length;
        }
        if at < stretch.synced {
            return Err(damaged(&self.path, at, "an epoch that was committed is damaged"));
        }
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedup::Entry;
    use crate::store::files::CrashPoint;
    use crate::store::frame::{Frame, FrameId};

    fn frame(epoch: u64, ids: u128) -> Vec<u8> {
        let entry = |uuid| Entry {
            uuid,
            event_us: 7,
            digest: 1,
        };
        let frame = Frame {
            ids: (0..ids).map(entry).collect(),
            ..Frame::default()
        };
        let id = FrameId {
            epoch,
            parent: epoch - 1,
            generation: 1,
        };
        let mut bytes = vec![];
        frame.encode(id, &[], &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn frames_past_the_cache_and_others_are_read_in_their_order_as_far_as_they_are_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::open(path.clone(), 0).unwrap();
        let sizes = [3, 100_000, 0, 200_000];
        for (epoch, ids) in (1..).zip(sizes) {
            journal.append(&frame(epoch, ids), &Marks::default()).unwrap();
        }
        let length = journal.length();
        let torn = Marks::new(Some(CrashPoint {
            step: "frame.half".into(),
            nth: 1,
            abort: false,
        }));
        journal.append(&frame(5, 100_000), &torn).unwrap_err();
        assert!(std::fs::metadata(&path).unwrap().len() > length);
        let mut seen = vec![];
        let stretch = Stretch {
            number: 1,
            path,
            limit: None,
            synced: length,
        };
        let end = stretch.replay(|body| {
            seen.push((body.id.epoch, body.ids()?.len() as u128));
            Ok(())
        });
        assert_eq!(end.unwrap(), length);
        assert!(seen.into_iter().eq((1..).zip(sizes)));
    }
}
