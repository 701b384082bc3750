//! The only module that owns threads. One thread decodes and prepares, one accepts, removes copies and commits, one folds
//! what is counted; before a commit it is done. Commands travel through the same bounded queues as the data, so their order is the order of the calls.
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::batch::Batch;
use crate::decode::DecodeStats;
use crate::engine::Engine;
use crate::error::{CoreError, Result};
use crate::fold::{Counted, Fold, Values};
use crate::front::Front;
use crate::input::{Input, Source};
use crate::plan;
use crate::records::{Bytes, Records};

/// Chunks that may wait between two threads; with chunks of a MiB this bounds the memory in flight.
const QUEUE: usize = 4;
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
            prepare(front, &job_queue, &work, &spares, &f, &s)
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

    /// Run a command after everything that was fed before, and do not wait for it: an error is that of the next call.
    pub fn begin(&self, run: impl FnOnce(&mut Engine) -> Result<()> + Send + 'static) -> Result<()> {
        self.send(Job::Command(Box::new(run)))
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
    ns_of(rustix::time::ClockId::ThreadCPUTime)
}

/// A clock that only goes forward, to say how long something took.
pub fn elapsed_ns() -> u64 {
    ns_of(rustix::time::ClockId::Monotonic)
}

fn ns_of(clock: rustix::time::ClockId) -> u64 {
    let time = rustix::time::clock_gettime(clock);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The thread that decodes and prepares.
fn prepare(
    mut front: Front,
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
            } => prepare_chunk(&mut front, (partition, chunk, now_us), work, spares, spent),
        };
        if !sent {
            fail(failure, CoreError::internal("the counting thread has ended"));
            return;
        }
    }
}

fn prepare_chunk(
    front: &mut Front,
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
        let to = fill(front, &chunk, from, now_us, &mut batch);
        if let Ok(mut spent) = spent.lock() {
            spent.prepare_ns += cpu_ns() - before;
            spent.decode = front.stats();
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

fn fill(front: &mut Front, chunk: &Chunk, from: Place, now_us: i64, batch: &mut Batch) -> Place {
    match chunk {
        Chunk::Lines(bytes) => Place {
            at: front.fill((**bytes).as_ref(), from.at, now_us, batch),
            record: 0,
        },
        Chunk::Records(records) => {
            let record = front.fill_records(records, from.record, now_us, batch);
            Place {
                at: records.start(record),
                record,
            }
        }
    }
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
                let source = match &*chunk {
                    Chunk::Lines(_) => Source::Lines,
                    Chunk::Records(records) => Source::Records(records, from.record),
                };
                let counted = engine.judge(&Input {
                    partition,
                    batch: &batch,
                    chunk: chunk.bytes(),
                    span: (from.at, to.at),
                    source,
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
