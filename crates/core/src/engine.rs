//! The writer of a store: opens and recovers it, commits epochs, checkpoints.
mod checkpoint;
mod epoch;

use serde::Deserialize;

use crate::accept::{Clock, Joined};
use crate::count::Counter;
use crate::dedup::{Entry, Horizon, Memory};
use crate::error::{CoreError, Kind, Result};
use crate::fold::{Counted, Sets};
use crate::input::Input;
use crate::ledger::ACCOUNTS;
use crate::measure::Layout;
use crate::pending::{PARTS, Pending};
use crate::plan::Plan;
use crate::store::files::{CrashPoint, FORMAT, Head, Lock, Manifest, Marks, Paths};
use crate::store::frame::{Frame, Part};
use crate::store::journal::Stretch;
use crate::store::segment::{Segment, damaged, merge};
use crate::store::tables::{self, Tables};
use crate::store::{compare, ids};
use crate::workers::elapsed_ns;
use checkpoint::Moving;
pub use epoch::Told;
use epoch::{Scribe, Writing};

/// Settings of a process, not of the data.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Options {
    /// Checkpoint when the journal has grown to this many bytes.
    pub checkpoint_bytes: u64,
    /// Checkpoint when the changes since the last one take this many bytes of memory.
    pub pending_bytes: u64,
    /// A quarter of either is enough where the last checkpoint was begun so many seconds ago: a small one holds up nobody.
    pub calm_seconds: u64,
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
            calm_seconds: 60,
            merge_segments: 6 * PARTS,
            crash: None,
            times: false,
        }
    }
}

pub struct Engine {
    /// The checkpoint and the epoch that are being written beside counting. Before the lock is let go, they are waited for.
    moving: Option<Moving>,
    writing: Option<Writing>,
    pub plan: Plan,
    tables: Tables,
    paths: Paths,
    _lock: Lock,
    /// None: it is away with the epoch that is being written.
    scribe: Option<Scribe>,
    pub told: Told,
    /// The newest epoch that exists, as far as this process knows.
    head: Head,
    manifest: Manifest,
    pub counter: Counter,
    pending: Pending,
    /// Room for the ids of an epoch, out of one that was written.
    spare_ids: Vec<Entry>,
    options: Options,
    marks: Marks,
    /// CPU time of what was written beside counting.
    beside_ns: u64,
    /// How long it took to write the last epoch.
    epoch_ns: u64,
    /// When the last checkpoint was begun.
    checkpoint_ns: u64,
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
        let Recovered { counter, pending, head } = Recovered::read(&paths, &manifest, &plan, &tables)?;
        let generation = head.generation.max(manifest.generation) + 1;
        let marks = Marks::new(options.crash.clone());
        let scribe = Scribe::new(&paths, marks.clone(), head, generation, &tables)?;
        let replayed = head.epoch > manifest.epoch;
        remember_kept(&counter, &pending, &paths, &manifest, &plan)?;
        let mut engine = Engine {
            moving: None,
            writing: None,
            plan,
            tables,
            paths,
            _lock: lock,
            head: scribe.head,
            scribe: Some(scribe),
            told: Told::default(),
            manifest,
            counter,
            pending,
            marks,
            spare_ids: vec![],
            beside_ns: 0,
            epoch_ns: 0,
            checkpoint_ns: elapsed_ns(),
            options,
            poisoned: false,
        };
        engine.remove_strays();
        engine.counter.times = engine.options.times.then(Default::default);
        engine.tell();
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
        let now = |(name, identity): &(String, String)| (name.clone(), identity.clone(), Joined::Now);
        self.let_join(partitions.iter().map(now).collect())
    }

    /// Let partitions join as it was recorded, with their J: in a recount.
    pub fn rejoin(&mut self, partitions: Vec<(String, String, Option<i64>)>) -> Result<()> {
        let recorded = |(name, identity, joined_us)| (name, identity, Joined::Recorded(joined_us));
        self.let_join(partitions.into_iter().map(recorded).collect())
    }

    fn let_join(&mut self, partitions: Vec<(String, String, Joined)>) -> Result<()> {
        self.usable()?;
        let known = |name: &str| self.counter.partitions.iter().find(|p| p.name == name);
        for (name, identity, _) in &partitions {
            if let Some(old) = known(name).filter(|old| old.identity != *identity) {
                let records = old.records;
                return Err(CoreError::new(
                    Kind::Data,
                    format!("{name} is not the input of which {records} records were counted: it was replaced"),
                    "put the old one back, give the new one another name, or count into a new store",
                ));
            }
        }
        let mut joining = partitions;
        joining.retain(|(name, ..)| known(name).is_none_or(|p| !p.live));
        if joining.is_empty() {
            return Ok(());
        }
        self.commit()?;
        for (name, identity, joined) in &joining {
            self.counter.join(name, identity, *joined);
        }
        self.commit().map(|_| ())
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
            "beside_ns": self.beside_ns,
            "epoch_ns": self.epoch_ns,
            "pending_bytes": self.pending.size + self.counter.fold().map_or(0, |fold| fold.size()),
            "journal_bytes": self.head.length,
        })
    }
}

/// What the last checkpoint and the journal after it say.
struct Recovered {
    counter: Counter,
    pending: Pending,
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
        memory.keep_fresh();
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
        self.head.length = stretch.replay(|body| {
            let id = body.id;
            if id.parent != self.head.epoch || id.epoch != id.parent + 1 {
                return Err(tables::out_of_order(&stretch.path, id.epoch, self.head.epoch));
            }
            self.head.epoch = id.epoch;
            self.add(Frame::decode(body, &layouts, &bases, &Part::All)?);
            Ok(())
        })?;
        Ok(())
    }

    fn add(&mut self, frame: Frame) {
        self.counter.clock = frame.positions.clock;
        for (number, partition) in &frame.positions.partitions {
            put_partition(&mut self.counter.partitions, *number as usize, partition.clone());
        }
        frame.ids.iter().for_each(|e| self.counter.memory.remember(*e));
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
