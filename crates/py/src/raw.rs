//! Rows of raw records, and the ids of counted events, for the feeds of a warehouse.
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use crossfoot_core::error::CoreError as Error;
use crossfoot_core::raw::{self, Made, without_attempts};
use crossfoot_core::reader::counted;
use crossfoot_core::records::Records;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::columns::{RecordColumns, columns_of};
use crate::{bad_json, raise};

/// The pure step, and a row of what it says of each record.
#[pyclass(module = "crossfoot._core", frozen)]
pub struct RawRows {
    inner: Mutex<raw::RawRows>,
}

impl RawRows {
    fn lock(&self) -> Result<MutexGuard<'_, raw::RawRows>, Error> {
        self.inner
            .lock()
            .map_err(|_| Error::internal("a thread that makes rows has panicked"))
    }
}

type Rows<'py> = (Bound<'py, PyBytes>, u64);

fn handed(py: Python<'_>, made: Result<Made, Error>) -> PyResult<Rows<'_>> {
    let Made { stream, records } = made.map_err(raise)?;
    Ok((PyBytes::new(py, &stream), records))
}

#[pymethods]
impl RawRows {
    #[new]
    fn new(plan_json: &str) -> PyResult<Self> {
        let plan = serde_json::from_str(plan_json).map_err(bad_json)?;
        let inner = Mutex::new(raw::RawRows::new(plan).map_err(raise)?);
        Ok(RawRows { inner })
    }

    /// Rows of whole lines, and how many records they are; `first` is the ordinal of the first.
    fn lines<'py>(
        slf: &Bound<'py, Self>,
        partition: String,
        data: PyBackedBytes,
        first: u64,
        now_us: i64,
    ) -> PyResult<Rows<'py>> {
        let (py, rows) = (slf.py(), slf.get());
        handed(py, py.detach(|| rows.lock()?.lines(&partition, &data, first, now_us)))
    }

    /// Rows of a block of records. `has_attempts`: each record begins with its publish attempt, four bytes.
    fn records<'py>(
        slf: &Bound<'py, Self>,
        partition: String,
        data: PyBackedBytes,
        columns: RecordColumns,
        has_attempts: bool,
        now_us: i64,
    ) -> PyResult<Rows<'py>> {
        let (py, rows) = (slf.py(), slf.get());
        let made = py.detach(|| {
            let columns = columns_of(&columns)?;
            let (records, attempts) = if has_attempts {
                let (data, columns, attempts) = without_attempts(&data, columns)?;
                (Records::new(Box::new(data), columns)?, attempts)
            } else {
                (Records::new(Box::new(data), columns)?, vec![])
            };
            rows.lock()?.records(&partition, &records, &attempts, now_us)
        });
        handed(py, made)
    }

    /// The row of a line that its source did not keep.
    fn long_line<'py>(slf: &Bound<'py, Self>, position: u64) -> PyResult<Rows<'py>> {
        let (py, rows) = (slf.py(), slf.get());
        handed(py, py.detach(|| rows.lock()?.long_line(position)))
    }
}

/// The ids that a store has counted after a mark (JSON), at most about `rows_max`: an Arrow stream, the mark behind them,
/// and whether there are more.
#[pyfunction]
pub fn counted_since<'py>(
    py: Python<'py>,
    path: &str,
    mark_json: &str,
    rows_max: usize,
) -> PyResult<(Bound<'py, PyBytes>, String, bool)> {
    let mark = serde_json::from_str(mark_json).map_err(bad_json)?;
    let found = py.detach(|| counted(Path::new(path), &mark, rows_max)).map_err(raise)?;
    let mark = serde_json::to_string(&found.mark).map_err(bad_json)?;
    Ok((PyBytes::new(py, &found.stream), mark, found.has_more))
}
