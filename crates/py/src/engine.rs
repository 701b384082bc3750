//! The writer of a store: what Python calls is done on the engine's own threads, behind all that was fed before.
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use crossfoot_core::engine::{self, Options};
use crossfoot_core::error::CoreError as Error;
use crossfoot_core::workers::Pipeline;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::columns::{RecordColumns, recorded_of, records_of};
use crate::{bad_json, locked, raise};

/// The writer of a store. One process at a time.
#[pyclass(module = "crossfoot._core", frozen)]
pub struct Engine {
    inner: Mutex<Inner>,
    told: engine::Told,
}

/// A part of bytes that Python holds.
struct Part {
    data: PyBackedBytes,
    span: Range<usize>,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        self.data.get(self.span.clone()).unwrap_or_default()
    }
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
                told: engine.told.clone(),
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

    /// Queue whole lines of a partition, those bytes of the data; waits while the queue is full.
    fn feed(
        &self,
        py: Python<'_>,
        partition: &str,
        data: PyBackedBytes,
        span: (usize, usize),
        now_us: i64,
    ) -> PyResult<()> {
        py.detach(|| {
            let inner = self.lock()?;
            let part = Box::new(Part {
                data,
                span: span.0..span.1,
            });
            inner.pipeline()?.feed(inner.number(partition)?, part, now_us)
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

    /// Account for a line over the size limit that was not kept.
    fn skip(&self, py: Python<'_>, partition: &str, length: u64, head: &[u8]) -> PyResult<()> {
        let number = self.lock().and_then(|inner| inner.number(partition)).map_err(raise)?;
        let head = head.to_vec();
        self.call(py, move |engine| engine.counter.skip(number, length, &head))
    }

    /// The running epoch is one, also if nothing is counted in it. A partition has to be known.
    fn pass_epoch(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, |engine| {
            engine.counter.pass_epoch();
            Ok(())
        })
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

    /// Let an epoch be written beside counting, and wait for nothing: an error is that of a later call. `number` is told once
    /// it exists.
    fn commit_beside(&self, py: Python<'_>, number: u64) -> PyResult<()> {
        py.detach(|| {
            self.lock()?
                .pipeline()?
                .begin(move |engine| engine.commit_beside(number))
        })
        .map_err(raise)
    }

    /// The newest epoch that exists of those that were begun beside counting: its number, and progress as of it, as JSON.
    fn told(&self) -> PyResult<(u64, String)> {
        let (number, progress) = self.told.newest().map_err(raise)?;
        Ok((number, progress.to_string()))
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

    /// Commit what was fed, write a checkpoint, and release the store.
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

fn numbers_of(engine: &engine::Engine) -> HashMap<String, usize> {
    engine
        .counter
        .partitions
        .iter()
        .enumerate()
        .map(|(n, p)| (p.name.clone(), n))
        .collect()
}
