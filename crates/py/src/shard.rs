//! Shards: blocks in, what a commit has changed out.
use std::sync::Mutex;

use crossfoot_core::error::CoreError as Error;
use crossfoot_core::prepared::State;
use crossfoot_core::shard::{self, Delta, Slice, Split};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict};

use crate::columns::{RecordColumns, records_of};
use crate::{locked, raise};

/// Splits what sources hand over by the shard that counts it.
#[pyclass(module = "crossfoot._core", frozen)]
pub struct Splitter {
    inner: Mutex<shard::Splitter>,
}

/// Blocks by shard, last t, records, entries of the ledgers, the largest received time.
type SplitParts<'py> = (Bound<'py, PyDict>, Option<i64>, u64, u64, Option<i64>);

#[pymethods]
impl Splitter {
    #[new]
    fn new(plan_json: &str, shards: u32) -> PyResult<Self> {
        let inner = shard::Splitter::new(plan_json, shards).map_err(raise)?;
        Ok(Splitter {
            inner: Mutex::new(inner),
        })
    }

    /// Split records whose source gives positions. `state`: the partition's last t and J.
    fn records<'py>(
        &self,
        py: Python<'py>,
        partition: &str,
        data: PyBackedBytes,
        columns: RecordColumns,
        state: (Option<i64>, Option<i64>),
        now_us: i64,
    ) -> PyResult<SplitParts<'py>> {
        let split = py.detach(|| {
            let records = records_of(data, &columns)?;
            locked(&self.inner)?.records(partition, &records, state_of(state), now_us)
        });
        handed(py, split.map_err(raise)?)
    }

    /// Split whole lines; `first` is the ordinal of the first record among them.
    fn lines<'py>(
        &self,
        py: Python<'py>,
        partition: &str,
        data: PyBackedBytes,
        first: u64,
        state: (Option<i64>, Option<i64>),
        now_us: i64,
    ) -> PyResult<SplitParts<'py>> {
        let split = py.detach(|| locked(&self.inner)?.lines(partition, &data, first, state_of(state), now_us));
        handed(py, split.map_err(raise)?)
    }
}

fn state_of((last_t_us, joined_us): (Option<i64>, Option<i64>)) -> State {
    State { last_t_us, joined_us }
}

fn handed(py: Python<'_>, split: Split) -> PyResult<SplitParts<'_>> {
    let blocks = PyDict::new(py);
    for (number, block) in &split.blocks {
        blocks.set_item(number, PyBytes::new(py, block))?;
    }
    Ok((blocks, split.last_t_us, split.records, split.events, split.received_us))
}

/// One slice of all ids, counted in one place.
#[pyclass(module = "crossfoot._core", frozen)]
pub struct Shard {
    inner: Mutex<shard::Shard>,
}

/// Sequence, ids by the end of their bucket, cells, whether they were compacted, head, freed buckets.
type DeltaParts<'py> = (
    u64,
    Bound<'py, PyDict>,
    Bound<'py, PyBytes>,
    bool,
    Bound<'py, PyBytes>,
    Vec<i64>,
);

impl Shard {
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        run: impl FnOnce(&mut shard::Shard) -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        py.detach(|| run(&mut *locked(&self.inner)?)).map_err(raise)
    }
}

#[pymethods]
impl Shard {
    #[new]
    fn new(plan_json: &str, number: u32, shards: u32) -> PyResult<Self> {
        let inner = shard::Shard::new(plan_json, Slice { number, shards }).map_err(raise)?;
        Ok(Shard {
            inner: Mutex::new(inner),
        })
    }

    /// The shard as its last commit left it: head, ids as (end of the bucket, bytes), cells.
    #[staticmethod]
    fn load(
        py: Python<'_>,
        plan_json: &str,
        place: (u32, u32),
        head: PyBackedBytes,
        ids: Vec<(i64, PyBackedBytes)>,
        cells: PyBackedBytes,
    ) -> PyResult<Self> {
        let (number, shards) = place;
        let load = || shard::Shard::load(plan_json, Slice { number, shards }, &head, &ids, &cells);
        Ok(Shard {
            inner: Mutex::new(py.detach(load).map_err(raise)?),
        })
    }

    fn apply(&self, py: Python<'_>, block: PyBackedBytes, stamp_us: i64) -> PyResult<()> {
        self.with(py, |shard| shard.apply(&block, stamp_us))
    }

    fn heartbeat(&self, py: Python<'_>, stamp_us: i64) -> PyResult<()> {
        self.with(py, |shard| shard.heartbeat(stamp_us))
    }

    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, shard::Shard::finish)
    }

    fn commit<'py>(&self, py: Python<'py>) -> PyResult<DeltaParts<'py>> {
        let delta = self.with(py, shard::Shard::commit)?;
        let Delta {
            sequence,
            ids,
            cells,
            compacted,
            head,
            freed,
        } = delta;
        let by_bucket = PyDict::new(py);
        for (end_us, bytes) in &ids {
            by_bucket.set_item(end_us, PyBytes::new(py, bytes))?;
        }
        let (cells, head) = (PyBytes::new(py, &cells), PyBytes::new(py, &head));
        Ok((sequence, by_bucket, cells, compacted, head, freed))
    }

    /// Metric, set and grain of each stored table.
    fn tables(&self, py: Python<'_>) -> PyResult<Vec<(usize, usize, usize)>> {
        self.with(py, |shard| {
            Ok(shard.tables().map(|t| (t.metric, t.set, t.grain)).collect())
        })
    }

    /// The partial values of a table's cells that commits after one have changed, as an Arrow IPC stream. None: there are none.
    fn partials<'py>(&self, py: Python<'py>, table: usize, after: u64) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let found = self.with(py, |shard| shard.partials(table, after))?;
        Ok(found.map(|stream| PyBytes::new(py, &stream)))
    }

    /// The rows of the ledger that the last commit has touched, as an Arrow IPC stream.
    fn ledger<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.with(py, |shard| shard.ledger())?))
    }

    /// What the last commit has put into the side log, as an Arrow IPC stream.
    fn side_log<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.with(py, |shard| shard.side())?))
    }

    /// All accounts without their minutes, as JSON.
    fn accounts(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |shard| Ok(shard.accounts()))
    }

    /// Sequence, plan, clocks and partitions as of the last commit, as JSON.
    fn meta(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |shard| shard.meta())
    }

    fn is_at(&self, py: Python<'_>, head: PyBackedBytes) -> PyResult<bool> {
        self.with(py, |shard| shard.is_at(&head))
    }

    fn sequence(&self, py: Python<'_>) -> PyResult<u64> {
        self.with(py, |shard| Ok(shard.sequence()))
    }
}
