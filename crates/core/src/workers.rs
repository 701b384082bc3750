//! The only module that owns threads. One thread decodes and prepares, one accepts, removes copies and commits, one folds
//! what is counted; before a commit it is done. Commands travel through the same bounded queues as the data, so their order is the order of the calls.
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::batch::{Batch, Invalid, Origin, Verdict, part};
use crate::count::Input;
use crate::decode::{DecodeLimits, DecodeStats, Decoder, Elements, List};
use crate::engine::Engine;
use crate::error::{CoreError, Result};
use crate::fold::{Counted, Fold, Values};
use crate::plan::{self, InputKind, Plan};
use crate::prepare::{Preparer, Reading};
use crate::prepared::{BLOCK_BEGINS, BlockReader, Fault};
use crate::records::{Records, Stamps};
use crate::slot::{Line, Outcome, Slot};

/// Chunks that may wait between two threads; with chunks of a MiB this bounds the memory in flight.
const QUEUE: usize = 4;
/// A chunk is handed on in batches of about this many bytes, so that both threads work on small pieces.
const BATCH_BYTES: usize = 256 << 10;
/// And in batches of at most this many rows, however short the records are.
const BATCH_ROWS: usize = 16 << 10;
/// And until the texts that are not in the chunk as they are take about this many bytes.
const ARENA_BYTES: usize = 8 << 20;

/// Bytes that a source hands over; whole lines.
pub type Bytes = Box<dyn AsRef<[u8]> + Send + Sync>;

/// What one partition hands over at once.
enum Chunk {
    Lines(Bytes),
    Records(Records),
}

impl Chunk {
    fn bytes(&self) -> &[u8] {
        match self {
            Chunk::Lines(bytes) => (**bytes).as_ref(),
            Chunk::Records(records) => records.bytes(),
        }
    }

    fn end(&self) -> Place {
        match self {
            Chunk::Lines(bytes) => Place {
                at: (**bytes).as_ref().len(),
                record: 0,
            },
            Chunk::Records(records) => Place {
                at: records.bytes().len(),
                record: records.len(),
            },
        }
    }
}

/// How far a chunk was taken: its bytes, and its records where they are given.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Place {
    at: usize,
    record: usize,
}

type Command = Box<dyn FnOnce(&mut Engine) -> Result<()> + Send>;

enum Job {
    Feed {
        partition: usize,
        chunk: Chunk,
        now_us: i64,
    },
    Command(Command),
}

enum Work {
    Batch {
        partition: usize,
        chunk: Arc<Chunk>,
        from: Place,
        to: Place,
        batch: Batch,
        now_us: i64,
    },
    Command(Command),
}

enum Counts {
    Batch {
        chunk: Arc<Chunk>,
        batch: Batch,
        counted: Vec<Counted>,
    },
    /// Everything before is folded: say so.
    Done(SyncSender<()>),
}

/// Time each thread spent working, in nanoseconds of its own CPU.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    pub prepare_ns: u64,
    pub count_ns: u64,
    pub fold_ns: u64,
    pub commit_ns: u64,
    pub decode: DecodeStats,
}

/// The first error of a thread; later calls return it.
type Failure = Arc<Mutex<Option<CoreError>>>;

pub struct Pipeline {
    jobs: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
    failure: Failure,
    spent: Arc<Mutex<Spent>>,
    stamps: plan::Stamps,
}

impl Pipeline {
    pub fn start(engine: Engine) -> Result<Pipeline> {
        let (jobs, job_queue) = sync_channel(QUEUE);
        let (work, work_queue) = sync_channel(QUEUE * 4);
        let (spare, spares) = channel();
        let failure = Failure::default();
        let spent = Arc::new(Mutex::new(Spent::default()));
        let front = Front::new(&engine.plan)?;
        let stamps = engine.plan.stamps();
        let (f, s) = (failure.clone(), spent.clone());
        let first = spawn("crossfoot-prepare", move || {
            front.run(&job_queue, &work, &spares, &f, &s)
        })?;
        let (counts, count_queue) = sync_channel(QUEUE * 4);
        let (fold, s) = (engine.counter.folding(), spent.clone());
        let third = spawn("crossfoot-fold", move || fold_all(&fold, &count_queue, &spare, &s))?;
        let (f, s) = (failure.clone(), spent.clone());
        let second = spawn("crossfoot-count", move || count(engine, &work_queue, &counts, &f, &s))?;
        Ok(Pipeline {
            jobs: Some(jobs),
            threads: vec![first, second, third],
            failure,
            spent,
            stamps,
        })
    }

    /// Queue a chunk of whole lines; waits while the queue is full.
    pub fn feed(&self, partition: usize, bytes: Bytes, now_us: i64) -> Result<()> {
        if matches!(self.stamps, plan::Stamps::Ordered | plan::Stamps::Carried) {
            return Err(CoreError::internal(
                "lines have no stamp beside them, which the definition asks for",
            ));
        }
        self.send(Job::Feed {
            partition,
            chunk: Chunk::Lines(bytes),
            now_us,
        })
    }

    /// Queue a block of records whose positions are given; waits while the queue is full.
    pub fn feed_records(&self, partition: usize, records: Records, now_us: i64) -> Result<()> {
        self.send(Job::Feed {
            partition,
            chunk: Chunk::Records(records),
            now_us,
        })
    }

    /// Run a command on the engine after everything that was fed before, and wait for its answer.
    pub fn call<T: Send + 'static>(&self, run: impl FnOnce(&mut Engine) -> Result<T> + Send + 'static) -> Result<T> {
        let (answer, reply) = sync_channel(1);
        self.send(Job::Command(Box::new(move |engine| {
            let result = run(engine);
            let failed = result.as_ref().err().cloned();
            let _ = answer.send(result);
            failed.map_or(Ok(()), Err)
        })))?;
        reply.recv().unwrap_or_else(|_| Err(self.error()))
    }

    pub fn spent(&self) -> Spent {
        self.spent.lock().map(|s| *s).unwrap_or_default()
    }

    fn send(&self, job: Job) -> Result<()> {
        if let Some(error) = self.failure.lock().ok().and_then(|f| f.clone()) {
            return Err(error);
        }
        let queue = self
            .jobs
            .as_ref()
            .ok_or_else(|| CoreError::internal("the engine is closed"))?;
        queue.send(job).map_err(|_| self.error())
    }

    fn error(&self) -> CoreError {
        let kept = self.failure.lock().ok().and_then(|f| f.clone());
        kept.unwrap_or_else(|| CoreError::internal("a worker thread has ended"))
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn spawn<T: Send + 'static>(name: &str, run: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>> {
    let thread = std::thread::Builder::new().name(name.into()).spawn(run);
    thread.map_err(|e| CoreError::internal(format!("cannot start a thread: {e}")))
}

/// Run pieces of work at the same time, each on a thread of its own but the last, which runs here. Their results in order.
pub fn at_once<T: Send, W: FnOnce() -> Result<T> + Send>(works: impl Iterator<Item = W>) -> Vec<Result<T>> {
    std::thread::scope(|scope| {
        let mut works: Vec<W> = works.collect();
        let last = works.pop();
        let threads: Vec<_> = works.into_iter().map(|work| scope.spawn(work)).collect();
        let last = last.map(|work| work());
        let results = threads.into_iter().map(|thread| ended(Some(thread.join())));
        results.chain(last).collect()
    })
}

/// Work on a thread of its own, beside whoever started it. Dropped, it is waited for.
pub struct Aside<T> {
    thread: Option<JoinHandle<Result<T>>>,
}

impl<T: Send + 'static> Aside<T> {
    pub fn start(name: &str, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<Aside<T>> {
        spawn(name, work).map(|thread| Aside { thread: Some(thread) })
    }

    pub fn is_done(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    pub fn wait(mut self) -> Result<T> {
        ended(self.thread.take().map(JoinHandle::join))
    }
}

impl<T> Drop for Aside<T> {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What a thread has returned; a panic is an error.
fn ended<T>(joined: Option<std::thread::Result<Result<T>>>) -> Result<T> {
    let panicked = || Err(CoreError::internal("a worker thread has panicked"));
    joined.and_then(std::result::Result::ok).unwrap_or_else(panicked)
}

fn fail(failure: &Failure, error: CoreError) {
    if let Ok(mut place) = failure.lock() {
        place.get_or_insert(error);
    }
}

/// CPU time of the calling thread.
pub fn cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The pure steps: decode and prepare.
pub struct Front {
    decoder: Decoder,
    /// Where a record is several events.
    elements: Option<Elements>,
    /// Where a record may be a block of prepared events.
    blocks: Option<BlockReader>,
    preparer: Preparer,
    slots: Vec<Slot>,
    /// Whether the stamps beside records are read.
    stamped: bool,
}

impl Front {
    pub fn new(plan: &Plan) -> Result<Front> {
        let limits = DecodeLimits {
            record_bytes_max: plan.limits.record_bytes_max,
            depth_max: plan.limits.depth_max,
            members_max: plan.limits.members_max,
        };
        let mut paths = plan.paths.clone();
        let elements = plan
            .explode
            .as_ref()
            .map(|explode| Elements::new(&mut paths, &explode.path));
        let mut decoder = match (plan.input.kind, &plan.input.regex) {
            (InputKind::Regex, Some(pattern)) => {
                Decoder::regex(pattern, &paths, limits).map_err(CoreError::definition)?
            }
            _ => Decoder::json(&paths, limits),
        };
        // Only the general parser says where a list begins.
        decoder.speculate(elements.is_none());
        Ok(Front {
            decoder,
            preparer: Preparer::new(plan)?,
            elements,
            blocks: match plan.input.kind {
                InputKind::Prepared => Some(BlockReader::new(plan)?),
                _ => None,
            },
            slots: vec![Slot::default(); paths.len()],
            stamped: matches!(plan.stamps(), plan::Stamps::Ordered | plan::Stamps::Carried),
        })
    }

    /// Decode and prepare lines from `pos` until about `BATCH_BYTES` are used. Returns where it stopped.
    pub fn fill(&mut self, chunk: &[u8], mut pos: usize, now_us: i64, batch: &mut Batch) -> usize {
        let stop = pos.saturating_add(BATCH_BYTES).min(chunk.len());
        while pos < stop {
            let line = self.decoder.next(chunk, pos, &mut self.slots, &mut batch.arena);
            if line.outcome != Outcome::Blank {
                self.prepare(&line, chunk, Reading::at(now_us), batch);
            }
            pos = line.after;
        }
        pos
    }

    /// Decode and prepare records from number `record` until about `BATCH_BYTES` are used. Returns where it stopped.
    pub fn fill_records(&mut self, records: &Records, mut record: usize, now_us: i64, batch: &mut Batch) -> usize {
        let (chunk, first) = (records.bytes(), records.start(record));
        while record < records.len() && records.start(record) < first + BATCH_BYTES && has_room(batch) {
            let span = records.span(record);
            let stamps = if self.stamped {
                records.stamps(record)
            } else {
                Stamps::NONE
            };
            let reading = Reading { now_us, stamps };
            if self.blocks.is_some() {
                self.prepared(chunk, span, reading, batch);
            } else {
                let line = self.decoder.record(chunk, span, &mut self.slots, &mut batch.arena);
                self.prepare(&line, chunk, reading, batch);
            }
            record += 1;
        }
        record
    }

    #[inline]
    fn prepare(&mut self, line: &Line, chunk: &[u8], reading: Reading, batch: &mut Batch) {
        match self.elements {
            None => self.preparer.prepare(line, &self.slots, chunk, reading, batch),
            Some(_) => self.explode(line, chunk, reading, batch),
        }
    }

    /// A row for each prepared event of a message, or one for the message as a whole.
    fn prepared(&mut self, chunk: &[u8], (start, end): (usize, usize), reading: Reading, batch: &mut Batch) {
        let record = batch.records() as u32;
        let whole = Origin { record, element: None };
        let message = chunk.get(start..end).unwrap_or_default();
        let Some(blocks) = self.blocks.as_mut().filter(|_| message.first() == Some(&BLOCK_BEGINS)) else {
            let line = self
                .decoder
                .record(chunk, (start, end), &mut self.slots, &mut batch.arena);
            let Front { preparer, slots, .. } = self;
            return preparer.prepare_element((&line, whole), slots, chunk, reading, batch);
        };
        let line = Line {
            start,
            end,
            after: end,
            outcome: Outcome::Record,
        };
        let mark = batch.arena.len();
        let verdict = match blocks.read(message, &mut batch.arena) {
            Ok(batches) if batches.iter().any(|events| events.rows > 0) => {
                let places = batches
                    .iter()
                    .flat_map(|events| (0..events.rows).map(move |row| (events, row)));
                for (place, made) in (0..).zip(places) {
                    let element = Some(place);
                    self.preparer
                        .prepare_made(Origin { record, element }, made, reading, batch);
                }
                return;
            }
            Ok(_) => Verdict::Empty,
            Err(Fault::Other) => Verdict::Invalid(Invalid::Definition, part::DEFINITION),
            Err(Fault::Malformed(reason)) => Verdict::Malformed(reason, 0),
        };
        batch.arena.truncate(mark);
        self.preparer.refuse((&line, whole), verdict, batch);
    }

    /// A row for each element of the record's list, or one for the record as a whole.
    fn explode(&mut self, line: &Line, chunk: &[u8], reading: Reading, batch: &mut Batch) {
        let Front {
            elements: Some(elements),
            preparer,
            slots,
            ..
        } = self
        else {
            return;
        };
        let record = batch.records() as u32;
        let whole = Origin { record, element: None };
        let first = match line.outcome {
            Outcome::Record => elements.first(chunk, slots),
            _ => return preparer.prepare_element((line, whole), slots, chunk, reading, batch),
        };
        let mut next = match first {
            List::First(at) => Some(at),
            List::Empty => return preparer.refuse((line, whole), Verdict::Empty, batch),
            List::Other => {
                return preparer.refuse((line, whole), Verdict::Invalid(Invalid::Type, part::EXPLODE), batch);
            }
        };
        for place in 0.. {
            let Some(at) = next else { return };
            next = elements.read(chunk, at, slots, &mut batch.arena);
            let origin = Origin {
                record,
                element: Some(place),
            };
            preparer.prepare_element((line, origin), slots, chunk, reading, batch);
        }
    }

    fn fill_chunk(&mut self, chunk: &Chunk, from: Place, now_us: i64, batch: &mut Batch) -> Place {
        match chunk {
            Chunk::Lines(bytes) => Place {
                at: self.fill((**bytes).as_ref(), from.at, now_us, batch),
                record: 0,
            },
            Chunk::Records(records) => {
                let record = self.fill_records(records, from.record, now_us, batch);
                Place {
                    at: records.start(record),
                    record,
                }
            }
        }
    }

    fn run(
        mut self,
        jobs: &Receiver<Job>,
        work: &SyncSender<Work>,
        spares: &Receiver<Batch>,
        failure: &Failure,
        spent: &Mutex<Spent>,
    ) {
        for job in jobs {
            let sent = match job {
                Job::Command(command) => work.send(Work::Command(command)).is_ok(),
                Job::Feed {
                    partition,
                    chunk,
                    now_us,
                } => self.feed((partition, chunk, now_us), work, spares, spent),
            };
            if !sent {
                fail(failure, CoreError::internal("the counting thread has ended"));
                return;
            }
        }
    }

    fn feed(
        &mut self,
        (partition, chunk, now_us): (usize, Chunk, i64),
        work: &SyncSender<Work>,
        spares: &Receiver<Batch>,
        spent: &Mutex<Spent>,
    ) -> bool {
        let chunk = Arc::new(chunk);
        let (mut from, end) = (Place::default(), chunk.end());
        while from != end {
            let before = cpu_ns();
            let mut batch = spares.try_recv().unwrap_or_default();
            batch.clear();
            let to = self.fill_chunk(&chunk, from, now_us, &mut batch);
            if let Ok(mut spent) = spent.lock() {
                spent.prepare_ns += cpu_ns() - before;
                spent.decode = self.decoder.stats();
            }
            let item = Work::Batch {
                partition,
                chunk: chunk.clone(),
                from,
                to,
                batch,
                now_us,
            };
            if work.send(item).is_err() {
                return false;
            }
            from = to;
        }
        true
    }
}

fn has_room(batch: &Batch) -> bool {
    batch.rows.len() < BATCH_ROWS && batch.arena.len() < ARENA_BYTES
}

/// The thread that owns the engine.
fn count(
    mut engine: Engine,
    work: &Receiver<Work>,
    counts: &SyncSender<Counts>,
    failure: &Failure,
    spent: &Mutex<Spent>,
) {
    for item in work {
        let before = cpu_ns();
        let is_batch = matches!(item, Work::Batch { .. });
        let result = match item {
            Work::Command(command) => folded(counts).and_then(|()| command(&mut engine)),
            Work::Batch {
                partition,
                chunk,
                from,
                to,
                batch,
                now_us,
            } => {
                let records = match &*chunk {
                    Chunk::Lines(_) => None,
                    Chunk::Records(records) => Some((records, from.record)),
                };
                let counted = engine.judge(&Input {
                    partition,
                    batch: &batch,
                    chunk: chunk.bytes(),
                    span: (from.at, to.at),
                    records,
                    now_us,
                });
                counted.and_then(|counted| {
                    let item = Counts::Batch { chunk, batch, counted };
                    counts.send(item).map_err(|_| fold_ended())
                })
            }
        };
        if let Ok(mut spent) = spent.lock() {
            let used = cpu_ns() - before;
            if is_batch {
                spent.count_ns += used
            } else {
                spent.commit_ns += used
            }
        }
        if let Err(error) = result {
            fail(failure, error);
            return;
        }
    }
}

/// Wait until everything that was counted is folded.
fn folded(counts: &SyncSender<Counts>) -> Result<()> {
    let (done, wait) = sync_channel(1);
    counts.send(Counts::Done(done)).map_err(|_| fold_ended())?;
    wait.recv().map_err(|_| fold_ended())
}

fn fold_ended() -> CoreError {
    CoreError::internal("the folding thread has ended")
}

/// The thread that folds.
fn fold_all(fold: &Mutex<Fold>, counts: &Receiver<Counts>, spare: &Sender<Batch>, spent: &Mutex<Spent>) {
    for item in counts {
        match item {
            Counts::Batch { chunk, batch, counted } => {
                let before = cpu_ns();
                let Ok(mut fold) = fold.lock() else { return };
                fold.add(&counted, Values::of(&batch, chunk.bytes()));
                let _ = spare.send(batch);
                if let Ok(mut spent) = spent.lock() {
                    spent.fold_ns += cpu_ns() - before;
                }
            }
            Counts::Done(done) => {
                let _ = done.send(());
            }
        }
    }
}
