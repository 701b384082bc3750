//! What reads a store: one committed epoch of it, and rows with partial values from elsewhere.
use std::path::Path;
use std::sync::Mutex;

use crossfoot_core::error::CoreError as Error;
use crossfoot_core::reader;
use crossfoot_core::store::tables::CellTable;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::{bad_json, locked, raise};

/// Changed cells (an Arrow IPC stream), and the last of them.
type Next<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>);

/// One committed epoch of a store, read without a lock; `refresh` goes on to the newest.
#[pyclass(module = "crossfoot._core", frozen)]
pub struct Reader {
    inner: Mutex<reader::Reader>,
}

impl Reader {
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        run: impl FnOnce(&mut reader::Reader) -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        py.detach(|| run(&mut *locked(&self.inner)?)).map_err(raise)
    }

    fn next_of<'py>(
        &self,
        py: Python<'py>,
        run: impl FnOnce(&mut reader::Reader) -> Result<Option<(Vec<u8>, Vec<u8>)>, Error> + Send,
    ) -> PyResult<Option<Next<'py>>> {
        let found = self.with(py, run)?;
        Ok(found.map(|(cells, last)| (PyBytes::new(py, &cells), PyBytes::new(py, &last))))
    }
}

fn table(metric: usize, set: usize, grain: usize) -> CellTable {
    CellTable { metric, set, grain }
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
    ) -> PyResult<Option<Next<'py>>> {
        self.next_of(py, |reader| {
            reader.changed(table(metric, dimension_set, grain), after, limit)
        })
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
    ) -> PyResult<Option<Next<'py>>> {
        self.next_of(py, |reader| {
            reader.changed_partials(table(metric, dimension_set, grain), after, limit)
        })
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
        self.with(py, |reader| Ok(reader.events(table(metric, dimension_set, grain))?.1))
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
        self.with(py, |reader| {
            let windows: Vec<(i64, u64)> = reader
                .windows(table(metric, dimension_set, grain))?
                .into_iter()
                .collect();
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

/// Answer a request (JSON) from rows with partial values (an Arrow IPC stream), as `Reader.scan` would.
#[pyfunction]
#[pyo3(signature = (plan_json, request_json, rows, watermark_us=None))]
pub fn scan_partials<'py>(
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
pub fn scan_prefix<'py>(py: Python<'py>, plan_json: &str, request_json: &str) -> PyResult<(Bound<'py, PyBytes>, bool)> {
    let request = serde_json::from_str(request_json).map_err(bad_json)?;
    let (prefix, is_whole) = reader::scan_prefix(plan_json, &request).map_err(raise)?;
    Ok((PyBytes::new(py, &prefix), is_whole))
}
