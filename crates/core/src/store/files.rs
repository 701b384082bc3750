//! The files of a store: names, the lock, HEAD, the manifest, and the marks at which a test may ask for a crash.
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FlockOperation, flock};
use rustix::io::{Errno, retry_on_intr};
use serde::{Deserialize, Serialize};

use crate::accept::{Clock, Partition};
use crate::error::{CoreError, Kind, Result};
use crate::wire::Take;

use super::segment::Size;

/// The format that this build writes and reads. A store of another one is refused.
pub const FORMAT: u32 = 2;

/// What a writer replaces or writes between two reads is there, or whole, at the next try.
pub const TRIES: usize = 20;

/// The durable steps of a commit and a checkpoint, in order: where a crash test may stop the process.
pub const STEPS: [&str; 11] = [
    "frame.before",
    "frame.half",
    "frame.written",
    "frame.synced",
    "head.written",
    "checkpoint.journal",
    "checkpoint.ids",
    "checkpoint.segment",
    "checkpoint.merged",
    "checkpoint.manifest",
    "checkpoint.cleaned",
];

/// A crash that a test asked for.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct CrashPoint {
    pub step: String,
    /// Crash when the step is reached for the nth time, counted from 1.
    pub nth: u64,
    /// Abort the process instead of returning an error.
    #[serde(default)]
    pub abort: bool,
}

/// Shared by whoever does durable steps.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    point: Option<CrashPoint>,
    seen: Arc<AtomicU64>,
}

impl Marks {
    pub fn new(point: Option<CrashPoint>) -> Marks {
        Marks {
            point,
            seen: Arc::default(),
        }
    }
    /// Pass a named step.
    pub fn pass(&self, step: &str) -> Result<()> {
        let Some(point) = self.point.as_ref().filter(|p| p.step == step) else {
            return Ok(());
        };
        if self.seen.fetch_add(1, Ordering::Relaxed) + 1 != point.nth {
            return Ok(());
        }
        if point.abort {
            std::process::abort();
        }
        Err(CoreError::new(Kind::Crash, format!("crash asked for at {step}"), ""))
    }
}

/// Where the store's files are.
#[derive(Clone, Debug)]
pub struct Paths(pub PathBuf);

impl Paths {
    pub fn lock(&self) -> PathBuf {
        self.0.join("LOCK")
    }
    pub fn head(&self) -> PathBuf {
        self.0.join("HEAD")
    }
    pub fn manifest(&self) -> PathBuf {
        self.0.join("MANIFEST")
    }
    pub fn journal(&self, number: u64) -> PathBuf {
        self.0.join(format!("journal-{number:08}"))
    }
    pub fn segment(&self, number: u64) -> PathBuf {
        self.0.join(format!("cells-{number:08}"))
    }
    /// The first id file that a feed of a warehouse has still to read; none: no feed reads them.
    pub fn held(&self) -> Option<u64> {
        let feeds = std::fs::read_dir(self.0.join("feeds")).ok()?;
        let held = |feed: std::fs::DirEntry| std::fs::read_to_string(feed.path().join("hold")).ok()?.parse().ok();
        feeds.flatten().filter_map(held).min()
    }

    /// The numbers of the id files that are there.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn id_files(&self) -> Result<BTreeSet<u64>> {
        let entries = std::fs::read_dir(&self.0).map_err(|e| CoreError::io("read", &self.0, &e))?;
        let names = entries.flatten().map(|entry| entry.file_name());
        Ok(names
            .filter_map(|name| name.to_str()?.strip_prefix("ids-")?.parse().ok())
            .collect())
    }

    pub fn ids(&self, number: u64) -> PathBuf {
        self.0.join(format!("ids-{number:08}"))
    }
    /// Make the names of new files durable.
    pub fn sync_dir(&self) -> Result<()> {
        File::open(&self.0)
            .and_then(|d| d.sync_all())
            .map_err(|e| CoreError::io("sync", &self.0, &e))
    }
}

/// A file to read and write, made if it is not there; what it holds stays.
pub fn open_to_write(path: &Path) -> Result<File> {
    let open = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    open.map_err(|e| CoreError::io("open", path, &e))
}

/// The writer's lock, held as long as the value lives.
pub struct Lock {
    _file: File,
}

impl Lock {
    pub fn take(paths: &Paths) -> Result<Lock> {
        let path = paths.lock();
        let mut file = open_to_write(&path)?;
        retry_on_intr(|| flock(&file, FlockOperation::NonBlockingLockExclusive))
            .map_err(|e| Lock::refused(paths, &mut file, e))?;
        let write = |file: &mut File| -> std::io::Result<()> {
            file.set_len(0)?;
            file.write_all_at(std::process::id().to_string().as_bytes(), 0)
        };
        write(&mut file).map_err(|e| CoreError::io("write", &path, &e))?;
        Ok(Lock { _file: file })
    }

    /// Somebody holds it, or this file system has no locks.
    fn refused(paths: &Paths, file: &mut File, error: Errno) -> CoreError {
        if error != Errno::WOULDBLOCK {
            return CoreError::store(
                format!("cannot lock {}: {error}", paths.lock().display()),
                "name a folder on a file system that has locks (flock), or see to the disk",
            );
        }
        let mut holder = String::new();
        let _ = file.read_to_string(&mut holder);
        let who = match holder.trim() {
            "" => "another process".to_owned(),
            number => format!("process {number}"),
        };
        CoreError::new(
            Kind::Held,
            format!("the store {} is held by {who}", paths.0.display()),
            "wait for it or stop it; reading (query, ledger) works meanwhile",
        )
    }
}

/// What HEAD says: the newest synced epoch, where its frame ends, and which writer wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    pub generation: u64,
    pub epoch: u64,
    pub journal: u64,
    pub length: u64,
}

impl Head {
    pub fn write(&self, file: &File, path: &Path) -> Result<()> {
        let mut bytes = Vec::with_capacity(36);
        for word in [self.generation, self.epoch, self.journal, self.length] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        file.write_all_at(&bytes, 0)
            .map_err(|e| CoreError::io("write", path, &e))
    }

    /// None: there is none, or nothing of it came to the disk before the power went.
    ///
    /// # Errors
    /// It is damaged, or is being written just now.
    pub fn read(path: &Path) -> Result<Option<Head>> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(CoreError::io("read", path, &e)),
        };
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let wrong = || {
            CoreError::store(
                format!("damaged store: a wrong checksum in {}", path.display()),
                "remove that file and start `crossfoot run` again: it reads the journal to its end, and writes it anew",
            )
        };
        let (words, crc) = bytes.split_at_checked(32).ok_or_else(wrong)?;
        if crc != crc32c::crc32c(words).to_le_bytes() {
            return Err(wrong());
        }
        let mut take = Take(words);
        let mut word = || take.array().map(u64::from_le_bytes);
        Ok(Some(Head {
            generation: word()?,
            epoch: word()?,
            journal: word()?,
            length: word()?,
        }))
    }

    /// As one who does not write needs it: nothing else says how much was synced of the journals, from `first` on.
    ///
    /// # Errors
    /// It is damaged; or there is none, but epochs.
    pub fn of(paths: &Paths, first: u64) -> Result<Head> {
        let path = paths.head();
        let read = (0..TRIES).find_map(|_| Head::read(&path).ok());
        if let Some(head) = read.map_or_else(|| Head::read(&path), Ok)? {
            return Ok(head);
        }
        let sizes = (first..).map_while(|number| std::fs::metadata(paths.journal(number)).ok());
        match sizes.map(|journal| journal.len()).max() {
            None | Some(0) => Ok(Head::default()),
            Some(_) => Err(CoreError::store(
                format!("damaged store: there is a journal, but no {}", path.display()),
                "start `crossfoot run` again: it reads the journal to its end, and writes that file anew",
            )),
        }
    }
}

/// An id file: its number, and the end of the newest bucket in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdFile {
    pub number: u64,
    pub newest_bucket_end: i64,
    pub ids: u64,
    /// The version of the field list that the digests were made with.
    pub version: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentFile {
    pub number: u64,
    #[serde(flatten)]
    pub size: Size,
}

/// What the last checkpoint holds; written whole and renamed into place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// The plan as given, with the zones and the tzdata version that belong to the data.
    pub plan: serde_json::Value,
    pub epoch: u64,
    pub generation: u64,
    /// The version of the field list: how many times it was changed.
    pub version: u32,
    /// The first of the journals that hold the epochs after `epoch`.
    pub journal: u64,
    pub next_file: u64,
    pub clock: Clock,
    pub partitions: Vec<Partition>,
    pub segments: Vec<SegmentFile>,
    pub ids: Vec<IdFile>,
}

impl Manifest {
    /// None: there is no store yet.
    pub fn read(paths: &Paths) -> Result<Option<Manifest>> {
        let path = paths.manifest();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(CoreError::io("read", &path, &e)),
        };
        let wrong = |what: &str| super::segment::damaged(&path, 0, what);
        let (crc, body) = text
            .split_once('\n')
            .ok_or_else(|| wrong("a manifest without checksum"))?;
        let value: serde_json::Value =
            serde_json::from_str(body).map_err(|_| wrong("a manifest that cannot be read"))?;
        let format = value.get("format").and_then(serde_json::Value::as_u64).unwrap_or(0);
        if format != u64::from(FORMAT) {
            let folder = paths.0.display();
            let (age, hint) = match format > u64::from(FORMAT) {
                true => ("newer", "use the newer crossfoot that wrote it"),
                false => (
                    "older",
                    "use the older crossfoot that wrote it, or count again into a new store",
                ),
            };
            return Err(CoreError::store(
                format!("the store {folder} has format {format}, {age} than {FORMAT}, which this version reads"),
                hint,
            ));
        }
        if crc != format!("{:08x}", crc32c::crc32c(body.as_bytes())) {
            return Err(wrong("a wrong checksum"));
        }
        serde_json::from_value(value)
            .map(Some)
            .map_err(|e| wrong(&format!("a manifest that cannot be read ({e})")))
    }

    pub fn write(&self, paths: &Paths) -> Result<()> {
        let (path, temporary) = (paths.manifest(), paths.0.join("MANIFEST.new"));
        let body = serde_json::to_string(self).map_err(|e| CoreError::internal(e.to_string()))?;
        let text = format!("{:08x}\n{body}", crc32c::crc32c(body.as_bytes()));
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&temporary)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&temporary, &path)
        };
        write().map_err(|e| CoreError::io("write", &path, &e))?;
        paths.sync_dir()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> (tempfile::TempDir, Paths) {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths(folder.path().to_path_buf());
        (folder, paths)
    }

    #[test]
    fn a_second_writer_is_told_who_holds_the_store() {
        let (_folder, paths) = paths();
        let _first = Lock::take(&paths).unwrap();
        let error = Lock::take(&paths).err().unwrap();
        assert_eq!(error.kind, Kind::Held);
        let holder = format!("is held by process {}", std::process::id());
        assert!(error.message.ends_with(&holder), "{error}");
    }

    #[test]
    fn a_file_system_without_locks_is_no_holder() {
        let (_folder, paths) = paths();
        let mut file = open_to_write(&paths.lock()).unwrap();
        for errno in [Errno::NOLCK, Errno::OPNOTSUPP] {
            let error = Lock::refused(&paths, &mut file, errno);
            assert_eq!(error.kind, Kind::Store);
            assert!(error.message.starts_with("cannot lock "), "{error}");
        }
    }
}
