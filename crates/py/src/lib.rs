//! The Python face of the counting core: conversions, registration and error mapping only.
mod columns;
mod kafka;
mod preparation;
mod raw;
mod shard;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use crossfoot_core::count;
use crossfoot_core::engine::{self, Options};
use crossfoot_core::error::{CoreError as Error, Kind};
use crossfoot_core::generate;
use crossfoot_core::reader;
use crossfoot_core::store::files::STEPS;
use crossfoot_core::store::tables::CellTable;
use crossfoot_core::workers::Pipeline;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use pyo3::{create_exception, intern};

use columns::{RecordColumns, recorded_of, records_of};

create_exception!(
    _core,
    CoreError,
    PyException,
    "An error of the core: `args` are kind, message, hint."
);

fn raise(error: Error) -> PyErr {
    let kind = match error.kind {
        Kind::Call => "call",
        Kind::Definition => "definition",
        Kind::Data => "data",
        Kind::Store => "store",
        Kind::Internal => "internal",
        Kind::Crash => "crash",
    };
    CoreError::new_err((kind, error.message, error.hint))
}

fn bad_json(error: serde_json::Error) -> PyErr {
    raise(Error::internal(format!(
        "an argument is not the expected JSON: {error}"
    )))
}

/// The writer of a store. One process at a time.
#[pyclass(module = "crossfoot._core", frozen)]
struct Engine {
    inner: Mutex<Inner>,
    /// Progress as of the last epoch that was begun beside counting.
    last: Arc<Mutex<serde_json::Value>>,
}

struct Inner {
    pipeline: Option<Pipeline>,
    numbers: HashMap<String, usize>,
}

impl Inner {
    fn pipeline(&self) -> Result<&Pipeline, Error> {
        self.pipeline
            .as_ref()
            .ok_or_else(|| Error::internal("the engine is closed"))
    }
    fn number(&self, partition: &str) -> Result<usize, Error> {
        let number = self.numbers.get(partition).copied();
        number.ok_or_else(|| Error::internal(format!("partition {partition} was never registered")))
    }
}

impl Engine {
    fn lock(&self) -> Result<MutexGuard<'_, Inner>, Error> {
        locked(&self.inner)
    }

    /// Run on the engine, after all data fed before, without the interpreter's lock.
    fn call<T: Send + 'static>(
        &self,
        py: Python<'_>,
        run: impl FnOnce(&mut engine::Engine) -> Result<T, Error> + Send + 'static,
    ) -> PyResult<T> {
        py.detach(|| self.lock()?.pipeline()?.call(run)).map_err(raise)
    }

    /// Let partitions join; afterwards they can be fed.
    fn join(
        &self,
        py: Python<'_>,
        run: impl FnOnce(&mut engine::Engine) -> Result<(), Error> + Send + 'static,
    ) -> PyResult<()> {
        let numbers = self.call(py, |engine| run(engine).map(|()| numbers_of(engine)))?;
        self.lock().map_err(raise)?.numbers = numbers;
        Ok(())
    }
}

#[pymethods]
impl Engine {
    #[new]
    fn new(py: Python<'_>, path: &str, plan_json: &str, options_json: &str) -> PyResult<Self> {
        let options: Options = serde_json::from_str(options_json).map_err(bad_json)?;
        py.detach(|| {
            let engine = engine::Engine::open(Path::new(path), plan_json, options)?;
            let numbers = numbers_of(&engine);
            Ok(Engine {
                last: Arc::new(Mutex::new(engine.progress())),
                inner: Mutex::new(Inner {
                    pipeline: Some(Pipeline::start(engine)?),
                    numbers,
                }),
            })
        })
        .map_err(raise)
    }

    /// Partitions by name, as JSON.
    fn partitions(&self, py: Python<'_>) -> PyResult<String> {
        self.call(py, |engine| {
            let named: serde_json::Map<String, serde_json::Value> = engine
                .counter
                .partitions
                .iter()
                .map(|p| (p.name.clone(), serde_json::json!(p)))
                .collect();
            Ok(serde_json::Value::Object(named).to_string())
        })
    }

    /// Register `[[name, identity], …]`.
    fn register(&self, py: Python<'_>, partitions_json: &str) -> PyResult<()> {
        let partitions: Vec<(String, String)> = serde_json::from_str(partitions_json).map_err(bad_json)?;
        self.join(py, move |engine| engine.register(&partitions))
    }

    /// Register `[[name, identity, J], …]` as they were recorded.
    fn rejoin(&self, py: Python<'_>, partitions_json: &str) -> PyResult<()> {
        let partitions: Vec<(String, String, Option<i64>)> = serde_json::from_str(partitions_json).map_err(bad_json)?;
        self.join(py, move |engine| engine.rejoin(partitions))
    }

    /// Queue whole lines of a partition; waits while the queue is full.
    fn feed(&self, py: Python<'_>, partition: &str, data: PyBackedBytes, now_us: i64) -> PyResult<()> {
        py.detach(|| {
            let inner = self.lock()?;
            inner.pipeline()?.feed(inner.number(partition)?, Box::new(data), now_us)
        })
        .map_err(raise)
    }

    /// Queue records of a partition: their bytes, and beside them ends (u32), offsets (u64), stamps and received times (i64,
    /// microseconds), little-endian; empty where there are none. Waits while the queue is full.
    fn feed_records(
        &self,
        py: Python<'_>,
        partition: &str,
        data: PyBackedBytes,
        columns: RecordColumns,
        now_us: i64,
    ) -> PyResult<()> {
        py.detach(|| {
            let records = records_of(data, &columns)?;
            let inner = self.lock()?;
            inner
                .pipeline()?
                .feed_records(inner.number(partition)?, records, now_us)
        })
        .map_err(raise)
    }

    /// Queue archived records of a partition; as `feed_records`, with the t that was recorded of each (i64), and whether they
    /// were lines.
    fn recount(
        &self,
        py: Python<'_>,
        partition: &str,
        data: PyBackedBytes,
        columns: RecordColumns,
        recorded: (PyBackedBytes, bool),
        now_us: i64,
    ) -> PyResult<()> {
        py.detach(|| {
            let records = recorded_of(data, &columns, &recorded)?;
            let inner = self.lock()?;
            inner
                .pipeline()?
                .feed_records(inner.number(partition)?, records, now_us)
        })
        .map_err(raise)
    }

    /// Everything before this position of a partition is behind: what was not handed out never will be.
    fn skip_to(&self, py: Python<'_>, partition: &str, offset: u64) -> PyResult<()> {
        let number = self.lock().and_then(|inner| inner.number(partition)).map_err(raise)?;
        self.call(py, move |engine| engine.counter.skip_to(number, offset))
    }

    /// Hand over what a Kafka reader has: up to about so many bytes, or what comes first within the time. What was handed
    /// over, as JSON.
    fn feed_kafka(
        &self,
        py: Python<'_>,
        reader: &kafka::KafkaReader,
        bytes_max: usize,
        wait_ms: u64,
        now_us: i64,
    ) -> PyResult<String> {
        py.detach(|| {
            let inner = self.lock()?;
            let pipeline = inner.pipeline()?;
            reader.drain(bytes_max, wait_ms, |partition, records| {
                pipeline.feed_records(inner.number(partition)?, records, now_us)
            })
        })
        .map_err(raise)
    }

    /// Account for a line over the size limit that was not kept.
    fn skip(&self, py: Python<'_>, partition: &str, length: u64, head: &[u8]) -> PyResult<()> {
        let number = self.lock().and_then(|inner| inner.number(partition)).map_err(raise)?;
        let head = head.to_vec();
        self.call(py, move |engine| engine.counter.skip(number, length, &head))
    }

    /// The t of every record that was counted since this was asked last, where `times` was asked for: partition, i64 each,
    /// the least of all: none.
    fn times<'py>(&self, py: Python<'py>) -> PyResult<Vec<(String, Bound<'py, PyBytes>)>> {
        let taken = self.call(py, |engine| {
            let times = engine.counter.times.as_mut().map(std::mem::take).unwrap_or_default();
            let named = times.into_iter().filter_map(|(number, times)| {
                let name = engine.counter.partitions.get(number)?.name.clone();
                let times = times.iter().flat_map(|t_us| t_us.unwrap_or(i64::MIN).to_ne_bytes());
                Some((name, times.collect::<Vec<u8>>()))
            });
            Ok(named.collect::<Vec<_>>())
        })?;
        Ok(taken
            .into_iter()
            .map(|(name, times)| (name, PyBytes::new(py, &times)))
            .collect())
    }

    fn heartbeat(&self, py: Python<'_>, partition: &str, t_us: i64) -> PyResult<()> {
        let number = self.lock().and_then(|inner| inner.number(partition)).map_err(raise)?;
        self.call(py, move |engine| engine.counter.heartbeat(number, t_us))
    }

    fn finish(&self, py: Python<'_>, partition: &str, state: Option<String>) -> PyResult<()> {
        let number = self.lock().and_then(|inner| inner.number(partition)).map_err(raise)?;
        self.call(py, move |engine| engine.counter.finish(number, state))
    }

    /// Write one epoch; returns its number.
    fn commit(&self, py: Python<'_>) -> PyResult<u64> {
        self.call(py, engine::Engine::commit)
    }

    /// Let an epoch be written beside counting, and wait for nothing: an error is that of a later call. Returns progress, as
    /// JSON, as it was when the last such epoch was begun; its epoch is the newest one that existed then.
    fn commit_beside(&self, py: Python<'_>) -> PyResult<String> {
        let last = self.last.clone();
        py.detach(|| {
            self.lock()?.pipeline()?.begin(move |engine| {
                engine.commit_beside()?;
                *locked(&last)? = engine.progress();
                Ok(())
            })?;
            Ok(locked(&self.last)?.to_string())
        })
        .map_err(raise)
    }

    fn checkpoint(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, engine::Engine::checkpoint)
    }

    /// Totals since the engine was opened and times spent, as JSON.
    fn progress(&self, py: Python<'_>) -> PyResult<String> {
        let mut progress = self.call(py, |engine| Ok(engine.progress()))?;
        let spent = self
            .lock()
            .and_then(|inner| Ok(inner.pipeline()?.spent()))
            .map_err(raise)?;
        let spent = serde_json::json!({
            "prepare_ns": spent.prepare_ns, "count_ns": spent.count_ns, "fold_ns": spent.fold_ns,
            "commit_ns": spent.commit_ns, "fast": spent.decode.fast, "general": spent.decode.general,
        });
        if let Some(map) = progress.as_object_mut() {
            map.insert("spent".into(), spent);
        }
        Ok(progress.to_string())
    }

    /// Checkpoint and release the store. What was not committed is forgotten.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let pipeline = self.lock().map_err(raise)?.pipeline.take();
        py.detach(|| match pipeline {
            Some(pipeline) => pipeline.call(engine::Engine::checkpoint),
            None => Ok(()),
        })
        .map_err(raise)
    }

    /// Let go of the store as a crash would: no checkpoint.
    fn abandon(&self, py: Python<'_>) -> PyResult<()> {
        let pipeline = self.lock().map_err(raise)?.pipeline.take();
        py.detach(|| drop(pipeline));
        Ok(())
    }
}

fn locked<T>(place: &Mutex<T>) -> Result<MutexGuard<'_, T>, Error> {
    place
        .lock()
        .map_err(|_| Error::internal("a thread of the engine has panicked"))
}

fn numbers_of(engine: &engine::Engine) -> HashMap<String, usize> {
    engine
        .counter
        .partitions
        .iter()
        .enumerate()
        .map(|(n, p)| (p.name.clone(), n))
        .collect()
}

/// One committed epoch of a store, read without a lock; `refresh` goes on to the newest.
#[pyclass(module = "crossfoot._core", frozen)]
struct Reader {
    inner: Mutex<reader::Reader>,
}

impl Reader {
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        run: impl FnOnce(&mut reader::Reader) -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        py.detach(|| {
            let mut reader = self
                .inner
                .lock()
                .map_err(|_| Error::internal("a thread of the reader has panicked"))?;
            run(&mut reader)
        })
        .map_err(raise)
    }
}

#[pymethods]
impl Reader {
    /// `since` is a mark, (epoch, file): `changed` tells what has changed since.
    #[new]
    #[pyo3(signature = (path, since=None))]
    fn new(py: Python<'_>, path: &str, since: Option<(u64, u64)>) -> PyResult<Self> {
        let open = || match since {
            Some((epoch, file)) => reader::Reader::open_since(Path::new(path), reader::Mark { epoch, file }),
            None => reader::Reader::open(Path::new(path)),
        };
        let reader = py.detach(open).map_err(raise)?;
        Ok(Reader {
            inner: Mutex::new(reader),
        })
    }

    /// Epoch, plan, clocks and partitions, as JSON.
    fn meta(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |reader| Ok(reader.meta()))
    }

    /// Answer a request (JSON) with an Arrow IPC stream.
    fn scan<'py>(&self, py: Python<'py>, request_json: &str) -> PyResult<Bound<'py, PyBytes>> {
        let request = serde_json::from_str(request_json).map_err(bad_json)?;
        Ok(PyBytes::new(py, &self.with(py, |reader| reader.scan(&request))?))
    }

    /// Go on to the newest epoch; whether anything is new.
    fn refresh(&self, py: Python<'_>) -> PyResult<bool> {
        self.with(py, reader::Reader::refresh)
    }

    /// The next cells of one stored table that have changed since the reader's mark, at most `limit`, behind those of a call
    /// before: an Arrow IPC stream, and what is given as `after` to go on. None: there are no more.
    #[pyo3(signature = (metric, dimension_set, grain, limit, after=None))]
    fn changed<'py>(
        &self,
        py: Python<'py>,
        metric: usize,
        dimension_set: usize,
        grain: usize,
        limit: usize,
        after: Option<&[u8]>,
    ) -> PyResult<Option<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)>> {
        let table = CellTable {
            metric,
            set: dimension_set,
            grain,
        };
        let found = self.with(py, |reader| reader.changed(table, after, limit))?;
        Ok(found.map(|(cells, last)| (PyBytes::new(py, &cells), PyBytes::new(py, &last))))
    }

    /// As `changed`, with partial values: what `scan_partials` adds up.
    #[pyo3(signature = (metric, dimension_set, grain, limit, after=None))]
    fn changed_partials<'py>(
        &self,
        py: Python<'py>,
        metric: usize,
        dimension_set: usize,
        grain: usize,
        limit: usize,
        after: Option<&[u8]>,
    ) -> PyResult<Option<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)>> {
        let table = CellTable {
            metric,
            set: dimension_set,
            grain,
        };
        let found = self.with(py, |reader| reader.changed_partials(table, after, limit))?;
        Ok(found.map(|(cells, last)| (PyBytes::new(py, &cells), PyBytes::new(py, &last))))
    }

    /// All that has changed was taken: `changed` tells from here on what changes after.
    fn taken(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, |reader| {
            reader.taken();
            Ok(())
        })
    }

    /// Events of one stored table that retention has removed.
    fn expired(&self, py: Python<'_>, metric: usize, dimension_set: usize, grain: usize) -> PyResult<u64> {
        self.with(py, |reader| {
            Ok(reader
                .events(CellTable {
                    metric,
                    set: dimension_set,
                    grain,
                })?
                .1)
        })
    }

    /// The ledger without its minutes, as JSON: `[[partition, account, reason, part, records], …]`.
    fn accounts(&self, py: Python<'_>) -> PyResult<String> {
        self.with(
            py,
            |reader| Ok(serde_json::json!(reader::accounts(reader)?).to_string()),
        )
    }

    /// The kept windows of one stored table with their events, as JSON: `[[start in microseconds, events], …]`, in order.
    fn windows(&self, py: Python<'_>, metric: usize, dimension_set: usize, grain: usize) -> PyResult<String> {
        let table = CellTable {
            metric,
            set: dimension_set,
            grain,
        };
        self.with(py, |reader| {
            let windows: Vec<(i64, u64)> = reader.windows(table)?.into_iter().collect();
            Ok(serde_json::json!(windows).to_string())
        })
    }

    fn ledger<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(
            py,
            &self.with(py, |reader| reader::ledger_stream(reader))?,
        ))
    }

    fn side_log<'py>(&self, py: Python<'py>, limit: usize) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(
            py,
            &self.with(py, |reader| reader::side_stream(reader, limit))?,
        ))
    }

    /// Read everything again and check it; the findings as JSON.
    fn verify(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, reader::Reader::verify)
    }
}

/// Seeded events of the engagement kind, as blocks of JSON lines.
#[pyclass(module = "crossfoot._core", frozen)]
struct Generator {
    inner: Mutex<generate::Generator>,
}

#[pymethods]
impl Generator {
    #[new]
    fn new(workload_json: &str) -> PyResult<Self> {
        let workload = serde_json::from_str(workload_json).map_err(bad_json)?;
        Ok(Generator {
            inner: Mutex::new(generate::Generator::new(workload)),
        })
    }

    /// The next `lines` lines.
    fn block<'py>(&self, py: Python<'py>, lines: usize) -> PyResult<Bound<'py, PyBytes>> {
        let block = py.detach(|| {
            let mut generator = self
                .inner
                .lock()
                .map_err(|_| Error::internal("a thread of the generator has panicked"))?;
            Ok(generator.block(lines))
        });
        Ok(PyBytes::new(py, &block.map_err(raise)?))
    }
}

/// Rows of an Arrow IPC stream as JSON lines.
#[pyfunction]
fn arrow_to_json_lines<'py>(py: Python<'py>, ipc: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let lines = py
        .detach(|| crossfoot_core::convert::arrow_to_json_lines(ipc))
        .map_err(raise)?;
    Ok(PyBytes::new(py, &lines))
}

/// Answer a request (JSON) from rows with partial values (an Arrow IPC stream), as `Reader.scan` would.
#[pyfunction]
#[pyo3(signature = (plan_json, request_json, rows, watermark_us=None))]
fn scan_partials<'py>(
    py: Python<'py>,
    plan_json: &str,
    request_json: &str,
    rows: PyBackedBytes,
    watermark_us: Option<i64>,
) -> PyResult<Bound<'py, PyBytes>> {
    let request = serde_json::from_str(request_json).map_err(bad_json)?;
    let answer = py.detach(|| reader::scan_partials(plan_json, &request, watermark_us, &rows));
    Ok(PyBytes::new(py, &answer.map_err(raise)?))
}

/// How the groups begin that can be part of the answer to a request, and whether that is the whole of the only one.
#[pyfunction]
fn scan_prefix<'py>(py: Python<'py>, plan_json: &str, request_json: &str) -> PyResult<(Bound<'py, PyBytes>, bool)> {
    let request = serde_json::from_str(request_json).map_err(bad_json)?;
    let (prefix, is_whole) = reader::scan_prefix(plan_json, &request).map_err(raise)?;
    Ok((PyBytes::new(py, &prefix), is_whole))
}

/// The named durable steps of a commit and a checkpoint, in order.
#[pyfunction]
fn durable_steps() -> Vec<&'static str> {
    STEPS.to_vec()
}

/// The digest of an input's bytes, as the store keeps it, gone on with behind what comes before them.
#[pyfunction]
fn crc32c(data: &[u8], before: u32) -> u32 {
    count::crc32c(data, before)
}

/// Hash of the last bytes of an input, as the store keeps it.
#[pyfunction]
fn tail_hash(data: &[u8]) -> u64 {
    count::tail_hash(data)
}

/// Evaluate an expression over rows, for the test that all evaluators agree.
#[pyfunction]
fn evaluate(py: Python<'_>, node_json: &str, rows_json: &str) -> PyResult<String> {
    py.detach(|| crossfoot_core::expression::evaluate_json(node_json, rows_json))
        .map_err(|message| raise(Error::definition(message)))
}

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add(intern!(module.py(), "__version__"), env!("CARGO_PKG_VERSION"))?;
    module.add("CoreError", module.py().get_type::<CoreError>())?;
    module.add_class::<Engine>()?;
    module.add_class::<Reader>()?;
    module.add_class::<Generator>()?;
    module.add_class::<kafka::KafkaReader>()?;
    module.add_class::<preparation::Preparation>()?;
    module.add_class::<raw::RawRows>()?;
    module.add_class::<shard::Shard>()?;
    module.add_class::<shard::Splitter>()?;
    module.add_function(wrap_pyfunction!(raw::counted_since, module)?)?;
    module.add_function(wrap_pyfunction!(arrow_to_json_lines, module)?)?;
    module.add_function(wrap_pyfunction!(scan_partials, module)?)?;
    module.add_function(wrap_pyfunction!(scan_prefix, module)?)?;
    module.add_function(wrap_pyfunction!(durable_steps, module)?)?;
    module.add_function(wrap_pyfunction!(crc32c, module)?)?;
    module.add_function(wrap_pyfunction!(tail_hash, module)?)?;
    module.add_function(wrap_pyfunction!(evaluate, module)?)
}
