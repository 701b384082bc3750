//! Preparing for another place to count: records in, messages out.
use std::sync::Mutex;

use crossfoot_core::error::CoreError as Error;
use crossfoot_core::prepared::{self, Lineage, Output, State};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::columns::{RecordColumns, records_of};
use crate::{bad_json, raise};

/// The pure step of the service that prepares.
#[pyclass(module = "crossfoot._core", frozen)]
pub struct Preparation {
    inner: Mutex<prepared::Preparation>,
}

type Buffers<'py> = (
    Bound<'py, PyBytes>,
    Bound<'py, PyBytes>,
    Bound<'py, PyBytes>,
    Bound<'py, PyBytes>,
);
type Refused = (u64, Option<u32>, &'static str, &'static str, String, u32, u32);
type Prepared<'py> = (Buffers<'py>, Vec<Refused>, String);

#[pymethods]
impl Preparation {
    #[new]
    fn new(plan_json: &str, options_json: &str) -> PyResult<Self> {
        let options = serde_json::from_str(options_json).map_err(bad_json)?;
        let plan = serde_json::from_str(plan_json).map_err(bad_json)?;
        let inner = prepared::Preparation::new(plan, &options).map_err(raise)?;
        Ok(Preparation {
            inner: Mutex::new(inner),
        })
    }

    /// Prepare a block of records of a partition; the messages, what is refused, and a summary as JSON.
    fn prepare<'py>(
        slf: &Bound<'py, Self>,
        partition: String,
        origin: (String, i64, i64),
        data: PyBackedBytes,
        columns: RecordColumns,
        state: (Option<i64>, Option<i64>),
        now_us: i64,
    ) -> PyResult<Prepared<'py>> {
        let lineage = Lineage {
            name: partition,
            topic: origin.0,
            partition: origin.1,
            attempt: origin.2,
        };
        let state = State {
            last_t_us: state.0,
            joined_us: state.1,
        };
        let (py, preparation) = (slf.py(), slf.get());
        let output = py.detach(|| {
            let records = records_of(data, &columns)?;
            let mut inner = preparation
                .inner
                .lock()
                .map_err(|_| Error::internal("a thread that prepares has panicked"))?;
            inner.prepare(&lineage, &records, state, now_us)
        });
        handed(py, output.map_err(raise)?)
    }
}

fn handed(py: Python<'_>, output: Output) -> PyResult<Prepared<'_>> {
    let Output {
        messages,
        keys,
        refused,
        summary,
    } = output;
    let ends = |ends: &[u32]| PyBytes::new(py, bytemuck::cast_slice(ends));
    let buffers = (
        PyBytes::new(py, &messages.bytes),
        ends(&messages.ends),
        PyBytes::new(py, &keys.bytes),
        ends(&keys.ends),
    );
    let refused = refused
        .into_iter()
        .map(|r| (r.offset, r.element, r.account, r.reason, r.part, r.span.0, r.span.1))
        .collect();
    Ok((buffers, refused, serde_json::to_string(&summary).map_err(bad_json)?))
}
