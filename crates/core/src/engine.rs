//! The writer of a store: opens and recovers it, commits epochs, checkpoints.
mod checkpoint;

use std::fs::{File, OpenOptions};

use serde::Deserialize;

use crate::accept::Clock;
use crate::count::{Counter, Input, Running};
use crate::dedup::{Entry, Horizon, Memory};
use crate::error::{CoreError, Kind, Result};
use crate::fold::{Counted, Sets};
use crate::ledger::ACCOUNTS;
use crate::measure::Layout;
use crate::pending::{PARTS, Pending};
use crate::plan::Plan;
use crate::store::files::{CrashPoint, FORMAT, Head, Lock, Manifest, Marks, Paths};
use crate::store::journal::{Frame, FrameId, Journal, Stretch};
use crate::store::segment::{Segment, damaged, merge};
use crate::store::tables::{self, Tables};
use crate::store::{compare, ids};
use checkpoint::Moving;

/// Settings of a process, not of the data.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Options {
    /// Checkpoint when the journal has grown to this many bytes.
    pub checkpoint_bytes: u64,
    /// Checkpoint when the changes since the last one take this many bytes of memory.
    pub pending_bytes: u64,
    /// Merge segments when this many of similar size have come together.
    pub merge_segments: usize,
    pub crash: Option<CrashPoint>,
    /// Whether the t of each record is told, for who keeps the records.
    pub times: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            checkpoint_bytes: 512 << 20,
            pending_bytes: 1 << 30,
            merge_segments: 6 * PARTS,
            crash: None,
            times: false,
        }
    }
}

pub struct Engine {
    /// The checkpoint that is being written beside counting. Before the lock is let go, it is waited for.
    moving: Option<Moving>,
    pub plan: Plan,
    tables: Tables,
    paths: Paths,
    _lock: Lock,
    head_file: File,
    head: Head,
    manifest: Manifest,
    journal: Journal,
    pub counter: Counter,
    pending: Pending,
    pending_ids: Vec<Vec<Entry>>,
    options: Options,
    marks: Marks,
    /// CPU time that checkpoints took.
    checkpoint_ns: u64,
    buffer: Vec<u8>,
    /// Set when a commit failed half-way: nothing but reopening helps.
    poisoned: bool,
}

impl Engine {
    /// Open or create the store in a folder, and recover what a crash left.
    pub fn open(folder: &std::path::Path, plan_json: &str, options: Options) -> Result<Engine> {
        let paths = Paths(folder.to_path_buf());
        std::fs::create_dir_all(folder).map_err(|e| CoreError::io("create", folder, &e))?;
        let lock = Lock::take(&paths)?;
        let given: serde_json::Value =
            serde_json::from_str(plan_json).map_err(|e| CoreError::definition(e.to_string()))?;
        let (manifest, plan_value) = match Manifest::read(&paths)? {
            Some(manifest) => {
                let plan = compare::continued(&manifest.plan, &given, folder)?;
                (manifest, plan)
            }
            None => (first_manifest(&paths, &given)?, given),
        };
        let plan: Plan =
            serde_json::from_value(plan_value.clone()).map_err(|e| CoreError::definition(e.to_string()))?;
        let mut engine = Self::recover(paths, lock, manifest, plan, options)?;
        if engine.manifest.plan != plan_value {
            engine.go_on_with(plan_value)?;
        }
        Ok(engine)
    }

    /// What follows is of another plan, and with other fields of another version: known before the first of it is written.
    fn go_on_with(&mut self, plan: serde_json::Value) -> Result<()> {
        let other_fields = compare::field_list(&plan) != compare::field_list(&self.manifest.plan);
        let next = Manifest {
            version: self.manifest.version + u32::from(other_fields),
            plan,
            ..self.manifest.clone()
        };
        self.counter.memory.version = next.version;
        self.install(next)
    }

    fn recover(paths: Paths, lock: Lock, manifest: Manifest, plan: Plan, options: Options) -> Result<Engine> {
        let tables = Tables::of(&plan)?;
        let Recovered {
            counter,
            pending,
            pending_ids,
            mut head,
        } = Recovered::read(&paths, &manifest, &plan, &tables)?;
        let journal = Journal::open(paths.journal(head.journal), head.length)?;
        head.generation = head.generation.max(manifest.generation) + 1;
        let head_path = paths.head();
        let open = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&head_path);
        let head_file = open.map_err(|e| CoreError::io("open", &head_path, &e))?;
        head.write(&head_file, &head_path)?;
        paths.sync_dir()?;
        let replayed = head.epoch > manifest.epoch;
        remember_kept(&counter, &pending, &paths, &manifest, &plan)?;
        let mut engine = Engine {
            moving: None,
            plan,
            tables,
            paths,
            _lock: lock,
            head_file,
            head,
            manifest,
            journal,
            counter,
            pending,
            pending_ids,
            marks: Marks::new(options.crash.clone()),
            checkpoint_ns: 0,
            options,
            buffer: vec![],
            poisoned: false,
        };
        engine.remove_strays();
        engine.counter.times = engine.options.times.then(Default::default);
        if replayed {
            // Codes of replayed frames are unknown to the fold: start from a clean journal.
            engine.checkpoint()?;
        }
        Ok(engine)
    }

    pub fn epoch(&self) -> u64 {
        self.head.epoch
    }

    pub fn apply(&mut self, input: &Input<'_>) -> Result<()> {
        self.usable()?;
        self.counter.apply(input)
    }

    /// As `apply`, but the counted events are left to be folded.
    pub fn judge(&mut self, input: &Input<'_>) -> Result<Vec<Counted>> {
        self.usable()?;
        self.counter.judge(input)
    }

    /// Name the partitions of a new store, or let others join: an epoch of its own, with J = C.
    pub fn register(&mut self, partitions: &[(String, String)]) -> Result<()> {
        self.usable()?;
        let known = |name: &str| self.counter.partitions.iter().find(|p| p.name == name);
        for (name, identity) in partitions {
            if let Some(old) = known(name).filter(|old| old.identity != *identity) {
                let records = old.records;
                return Err(CoreError::new(
                    Kind::Data,
                    format!("{name} is not the input of which {records} records were counted: it was replaced"),
                    "put the old one back, give the new one another name, or count into a new store",
                ));
            }
        }
        let joining = |(name, _): &&(String, String)| known(name).is_none_or(|p| !p.live);
        let joining: Vec<(String, String)> = partitions.iter().filter(joining).cloned().collect();
        if joining.is_empty() {
            return Ok(());
        }
        self.commit()?;
        for (name, identity) in &joining {
            self.counter.join(name, identity);
        }
        self.commit().map(|_| ())
    }

    /// Write one epoch. Returns its number: the newest one if nothing has changed.
    pub fn commit(&mut self) -> Result<u64> {
        self.usable()?;
        if self.counter.running.consumed.is_empty() {
            return Ok(self.head.epoch);
        }
        self.poisoned = true;
        let positions = self.counter.close()?;
        self.still_the_writer()?;
        let next = Running {
            ids: Vec::with_capacity(self.counter.running.ids.len()),
            ..Running::default()
        };
        let Running { ledger, side, ids, .. } = std::mem::replace(&mut self.counter.running, next);
        let mut frame = Frame {
            positions,
            ids,
            metrics: self.counter.fold()?.take(),
            ledger,
            side,
        };
        let id = FrameId {
            epoch: self.head.epoch + 1,
            parent: self.head.epoch,
            generation: self.head.generation,
        };
        let mut buffer = std::mem::take(&mut self.buffer);
        frame.encode(id, &shape_of(&self.tables).0, &mut buffer)?;
        self.journal.append(&buffer, &self.marks)?;
        self.buffer = buffer;
        self.head = Head {
            epoch: id.epoch,
            length: self.journal.length,
            ..self.head
        };
        self.head.write(&self.head_file, &self.paths.head())?;
        self.marks.pass("head.written")?;
        self.pending_ids.push(std::mem::take(&mut frame.ids));
        self.pending.absorb(frame);
        if let Some(forgotten) = self.counter.clock.forgotten_us {
            self.counter.memory.forget(forgotten);
        }
        self.poisoned = false;
        let held = self.pending.size + self.counter.fold()?.size() + self.pending_id_count() * size_of::<Entry>();
        if self.journal.length >= self.options.checkpoint_bytes || held as u64 >= self.options.pending_bytes {
            self.finish_checkpoint()?;
            self.begin_checkpoint()?;
        } else if self.moving.as_ref().is_some_and(Moving::is_done) {
            self.finish_move()?;
        }
        self.within_limits()?;
        Ok(self.head.epoch)
    }

    fn within_limits(&mut self) -> Result<()> {
        let stored: u64 = self.manifest.segments.iter().map(|s| s.rows).sum();
        let limits = self.plan.limits.clone();
        let moving = self.moving.as_ref();
        let (cells, size) = moving.map_or((0, 0), |moving| (moving.cells, moving.size));
        if stored + cells + self.pending.cells > limits.cells_max {
            self.checkpoint()?;
            self.merge_segments(self.manifest.segments.len())?;
            self.finish_checkpoint()?;
            let rows: u64 = self.manifest.segments.iter().map(|s| s.rows).sum();
            if rows > limits.cells_max {
                return Err(limit("stored cells", "limits.cells_max", limits.cells_max));
            }
        }
        let bytes = self.counter.memory.size() + size + self.pending.size + self.counter.fold()?.size();
        if bytes as u64 > limits.memory_bytes_max {
            return Err(limit(
                "bytes of memory",
                "limits.memory_bytes_max",
                limits.memory_bytes_max,
            ));
        }
        Ok(())
    }

    fn pending_id_count(&self) -> usize {
        self.pending_ids.iter().map(Vec::len).sum()
    }

    /// Refuse to write if another process has written since: it holds a newer generation.
    fn still_the_writer(&self) -> Result<()> {
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

    fn usable(&self) -> Result<()> {
        match self.poisoned {
            false => Ok(()),
            true => Err(CoreError::store(
                "an earlier write failed",
                "start again: the store continues from its last epoch",
            )),
        }
    }

    /// Totals since the engine was opened (uncommitted records included), and the size of what is held.
    pub fn progress(&self) -> serde_json::Value {
        let totals = ACCOUNTS
            .iter()
            .zip(&self.counter.totals)
            .map(|((_, name), n)| ((*name).to_string(), (*n).into()));
        serde_json::json!({
            "epoch": self.head.epoch,
            "accounts": totals.collect::<serde_json::Map<String, serde_json::Value>>(),
            "clock_us": self.counter.clock.clock_us,
            "forgotten_us": self.counter.clock.forgotten_us,
            "watermark_us": self.counter.clock.watermark_us,
            "ids": self.counter.memory.len(),
            "id_bytes": self.counter.memory.size(),
            "checkpoint_ns": self.checkpoint_ns,
            "pending_bytes": self.pending.size + self.counter.fold().map_or(0, |fold| fold.size()),
            "journal_bytes": self.journal.length,
        })
    }
}

/// What the last checkpoint and the journal after it say.
struct Recovered {
    counter: Counter,
    pending: Pending,
    pending_ids: Vec<Vec<Entry>>,
    head: Head,
}

impl Recovered {
    fn read(paths: &Paths, manifest: &Manifest, plan: &Plan, tables: &Tables) -> Result<Recovered> {
        let mut memory = Memory::new(horizon_of(plan));
        memory.version = manifest.version;
        memory.reserve(manifest.ids.iter().map(|f| f.ids as usize).sum());
        for file in &manifest.ids {
            ids::read(&paths.ids(file.number), manifest.clock.forgotten_us, |entry| {
                memory.remember_as(entry, file.version)
            })?;
        }
        let mut counter = Counter::new(plan.clone(), memory)?;
        counter.partitions = manifest.partitions.clone();
        counter.clock = manifest.clock;
        let old = Head::read(&paths.head())?.unwrap_or_default();
        let head = Head {
            epoch: manifest.epoch,
            ..old
        };
        let mut recovered = Recovered {
            counter,
            pending: Pending::new(tables),
            pending_ids: vec![],
            head,
        };
        for stretch in Stretch::from(manifest.journal, &old, paths, true)? {
            recovered.replay(&stretch, tables)?;
        }
        if recovered.head.epoch < old.epoch {
            let path = paths.journal(recovered.head.journal);
            return Err(damaged(
                &path,
                recovered.head.length,
                "an epoch that was committed is missing",
            ));
        }
        Ok(recovered)
    }

    fn replay(&mut self, stretch: &Stretch, tables: &Tables) -> Result<()> {
        let (layouts, bases) = shape_of(tables);
        self.pending.next_journal();
        self.head.journal = stretch.number;
        self.head.length = stretch.replay(|id, body| {
            if id.parent != self.head.epoch || id.epoch != id.parent + 1 {
                return Err(tables::out_of_order(&stretch.path, id.epoch, self.head.epoch));
            }
            self.head.epoch = id.epoch;
            self.add(Frame::decode(body, &layouts, &bases)?);
            Ok(())
        })?;
        Ok(())
    }

    fn add(&mut self, mut frame: Frame) {
        self.counter.clock = frame.positions.clock;
        for (number, partition) in &frame.positions.partitions {
            put_partition(&mut self.counter.partitions, *number as usize, partition.clone());
        }
        frame.ids.iter().for_each(|e| self.counter.memory.remember(*e));
        self.pending_ids.push(std::mem::take(&mut frame.ids));
        self.pending.absorb(frame);
    }
}

/// Which dimension values of bounded sets have rows of their own: what was written, and the journal after it.
fn remember_kept(counter: &Counter, pending: &Pending, paths: &Paths, manifest: &Manifest, plan: &Plan) -> Result<()> {
    if plan.metrics.iter().all(|metric| metric.values_max.is_none()) {
        return Ok(());
    }
    let mut fold = counter.fold()?;
    for file in &manifest.segments {
        let segment = Segment::open(&paths.segment(file.number))?;
        let (first, end) = (tables::first_key(tables::KEPT), tables::end_key(tables::KEPT));
        merge(&[&segment], &first, Some(&end), |key, _| {
            let (metric, base, group) = tables::split_kept(key)?;
            fold.remember(metric, base, group);
            Ok(())
        })?;
    }
    for (metric, declared) in plan.metrics.iter().enumerate() {
        for base in 0..Sets::of(declared).bases.len() {
            let keys = pending.keys(metric, base)?;
            keys.iter().for_each(|group| fold.remember(metric, base, group));
        }
    }
    Ok(())
}

fn horizon_of(plan: &Plan) -> Horizon {
    Horizon {
        bucket_us: plan.accept.bucket_us,
        horizon_us: plan.accept.horizon_us,
    }
}

fn limit(what: &str, name: &str, number: u64) -> CoreError {
    let hint = format!(
        "raise {name} in the definition, declare fewer dimension sets and grains, or bound values_max; what was committed is kept"
    );
    CoreError::new(Kind::Data, format!("more {what} than {name} = {number}"), hint)
}

fn first_manifest(paths: &Paths, plan: &serde_json::Value) -> Result<Manifest> {
    let stray = std::fs::read_dir(&paths.0).map_err(|e| CoreError::io("read", &paths.0, &e))?;
    let foreign = stray
        .flatten()
        .find(|e| !matches!(e.file_name().to_str(), Some("LOCK" | "MANIFEST.new" | "feeds")));
    if let Some(entry) = foreign {
        return Err(CoreError::store(
            format!(
                "{} holds {} but no store",
                paths.0.display(),
                entry.file_name().display()
            ),
            "name an empty or new folder with --store",
        ));
    }
    let manifest = Manifest {
        format: FORMAT,
        plan: plan.clone(),
        epoch: 0,
        generation: 0,
        version: 0,
        journal: 1,
        next_file: 1,
        clock: Clock::default(),
        partitions: vec![],
        segments: vec![],
        ids: vec![],
    };
    manifest.write(paths)?;
    Ok(manifest)
}

fn take_number(manifest: &mut Manifest) -> u64 {
    manifest.next_file += 1;
    manifest.next_file - 1
}

pub fn put_partition(
    partitions: &mut Vec<crate::accept::Partition>,
    number: usize,
    partition: crate::accept::Partition,
) {
    if partitions.len() <= number {
        partitions.resize_with(number + 1, Default::default);
    }
    if let Some(place) = partitions.get_mut(number) {
        *place = partition;
    }
}

/// What is needed to read frames: layouts, and the number of base sets, per metric.
pub fn shape_of(tables: &Tables) -> (Vec<&Layout>, Vec<usize>) {
    tables.shapes.iter().map(|s| (&s.layout, s.sets.bases.len())).unzip()
}
