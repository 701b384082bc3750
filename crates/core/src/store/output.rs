//! Files that are written, or read once, from their start to their end. Much at once goes past the system's cache where the
//! system allows it: nobody reads it again soon, and the cache's copy costs more than the writing.
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::error::{CoreError, Result};

/// Past the cache, places in the file, lengths and addresses are multiples of this.
pub const BLOCK: usize = 4 << 10;
const STAGE: usize = 1 << 20;
const WINDOW: usize = 256 << 10;

pub struct Output {
    file: File,
    pub path: PathBuf,
    /// What is not written yet stands in `STAGE` bytes of it, from the first multiple of `BLOCK` on.
    room: Vec<u8>,
    staged: usize,
    /// Where in the file the staged bytes begin.
    at: u64,
    past_cache: bool,
}

impl Output {
    pub fn create(path: &Path) -> Result<Output> {
        let file = File::create(path).map_err(|e| CoreError::io("create", path, &e))?;
        Ok(Output::new(file, path.to_path_buf(), 0))
    }

    /// What is written goes behind the first `at` bytes.
    pub fn new(file: File, path: PathBuf, at: u64) -> Output {
        Output {
            file,
            path,
            room: vec![],
            staged: 0,
            at,
            past_cache: false,
        }
    }

    /// Where the next byte goes.
    pub fn length(&self) -> u64 {
        self.at + self.staged as u64
    }

    /// Whether what follows goes past the cache, where the system allows that. Nothing is staged when this is asked for.
    pub fn past_cache(&mut self, wanted: bool) {
        if self.past_cache != wanted {
            self.past_cache = go_past_cache(&self.file, wanted) && wanted;
        }
    }

    pub fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let staged = self.staged;
            let free = self.stage().get_mut(staged..).unwrap_or_default();
            let (now, later) = bytes.split_at(bytes.len().min(free.len()));
            if let Some(place) = free.get_mut(..now.len()) {
                place.copy_from_slice(now);
            }
            self.staged += now.len();
            bytes = later;
            if self.staged == STAGE {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Hand what is staged to the system. Past the cache it is filled up to whole blocks with zeros: whoever goes on writing
    /// has staged whole blocks.
    pub fn flush(&mut self) -> Result<()> {
        let (staged, at) = (self.staged, self.at);
        let whole = staged.next_multiple_of(BLOCK);
        if let Some(rest) = self.stage().get_mut(staged..whole) {
            rest.fill(0);
        }
        let mut written = self.write_at(if self.past_cache { whole } else { staged }, at);
        if self.past_cache && written.as_ref().is_err_and(is_refused) {
            self.past_cache(false);
            written = self.write_at(staged, at);
        }
        written.map_err(|e| CoreError::io("write", &self.path, &e))?;
        self.at += staged as u64;
        self.staged = 0;
        Ok(())
    }

    fn write_at(&mut self, length: usize, at: u64) -> std::io::Result<()> {
        let start = self.start();
        let bytes = self.room.get(start..start + length).unwrap_or_default();
        self.file.write_all_at(bytes, at)
    }

    pub fn sync_data(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| CoreError::io("sync", &self.path, &e))
    }

    /// Write the rest, let the file end with it, and sync it. Returns its length.
    pub fn finish(mut self) -> Result<u64> {
        self.flush()?;
        let ended = self.file.set_len(self.at).and_then(|()| self.file.sync_all());
        ended.map_err(|e| CoreError::io("sync", &self.path, &e))?;
        Ok(self.at)
    }

    fn start(&self) -> usize {
        self.room.as_ptr().align_offset(BLOCK)
    }

    fn stage(&mut self) -> &mut [u8] {
        aligned(&mut self.room, STAGE)
    }
}

/// A file that is read once.
pub struct Input {
    file: File,
    room: Vec<u8>,
    /// What of the file was read last: from where on, and how much.
    at: u64,
    length: usize,
}

impl Input {
    pub fn new(file: File) -> Input {
        go_past_cache(&file, true);
        Input {
            file,
            room: vec![],
            at: 0,
            length: 0,
        }
    }

    pub fn read_exact_at(&mut self, bytes: &mut [u8], offset: u64) -> std::io::Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            let from = offset + done as u64;
            if !(self.at..self.at + self.length as u64).contains(&from) {
                self.look_at(from)?;
            }
            let skipped = (from - self.at) as usize;
            let seen = aligned(&mut self.room, WINDOW)
                .get(skipped..self.length)
                .unwrap_or_default();
            let wanted = bytes.get_mut(done..).unwrap_or_default();
            let now = seen.len().min(wanted.len());
            match (wanted.get_mut(..now), seen.get(..now)) {
                (Some(to), Some(from)) if now > 0 => to.copy_from_slice(from),
                _ => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            }
            done += now;
        }
        Ok(())
    }

    fn look_at(&mut self, offset: u64) -> std::io::Result<()> {
        (self.at, self.length) = (offset / BLOCK as u64 * BLOCK as u64, 0);
        let window = aligned(&mut self.room, WINDOW);
        let mut read = self.file.read_at(window, self.at);
        if read.as_ref().is_err_and(is_refused) {
            go_past_cache(&self.file, false);
            read = self.file.read_at(window, self.at);
        }
        self.length = read?;
        Ok(())
    }
}

/// Returns whether the system has followed.
fn go_past_cache(file: &File, wanted: bool) -> bool {
    let set = fcntl_getfl(file).and_then(|mut flags| {
        flags.set(OFlags::DIRECT, wanted);
        fcntl_setfl(file, flags)
    });
    set.is_ok()
}

fn is_refused(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::InvalidInput
}

/// So many bytes of a buffer, from a multiple of `BLOCK` on.
fn aligned(room: &mut Vec<u8>, length: usize) -> &mut [u8] {
    room.resize(length + BLOCK, 0);
    let start = room.as_ptr().align_offset(BLOCK);
    room.get_mut(start..start + length).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_what_was_written_however_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for past_cache in [false, true] {
            for length in [0, 1, BLOCK, STAGE - 1, STAGE, 2 * STAGE + BLOCK + 7] {
                let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
                let mut output = Output::create(&path).unwrap();
                output.past_cache(past_cache);
                for part in bytes.chunks(100_003) {
                    output.write(part).unwrap();
                }
                assert_eq!(output.length(), length as u64);
                assert_eq!(output.finish().unwrap(), length as u64);
                assert!(std::fs::read(&path).unwrap() == bytes, "{length} {past_cache}");
                let mut input = Input::new(File::open(&path).unwrap());
                let mut again = vec![0; length];
                for (number, part) in again.chunks_mut(99_991).enumerate() {
                    input.read_exact_at(part, number as u64 * 99_991).unwrap();
                }
                assert!(again == bytes, "{length} {past_cache}");
                assert!(input.read_exact_at(&mut [0], length as u64).is_err());
            }
        }
    }

    #[test]
    fn blocks_past_the_cache_go_on_where_cached_bytes_end() {
        let folder = tempfile::tempdir().unwrap();
        let mut output = Output::create(&folder.path().join("file")).unwrap();
        for (number, past_cache) in [(1u8, false), (2, true), (3, false)] {
            output.past_cache(past_cache);
            output.write(&[number; BLOCK]).unwrap();
            output.flush().unwrap();
        }
        let expected: Vec<u8> = (1..=3).flat_map(|number| [number; BLOCK]).collect();
        assert_eq!(std::fs::read(&output.path).unwrap(), expected);
    }
}
