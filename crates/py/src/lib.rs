//! The Python face of the counting core: conversions, registration and error mapping only.
mod columns;
mod engine;
mod kafka;
mod preparation;
mod publish;
mod raw;
mod reader;
mod shard;

use std::sync::{Mutex, MutexGuard};

use crossfoot_core::error::{CoreError as Error, Kind};
use crossfoot_core::generate;
use crossfoot_core::input;
use crossfoot_core::store::files::STEPS;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use pyo3::{create_exception, intern};

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
        Kind::Held => "held",
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

fn locked<T>(place: &Mutex<T>) -> Result<MutexGuard<'_, T>, Error> {
    place
        .lock()
        .map_err(|_| Error::internal("a thread that held this has panicked"))
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
            let mut generator = locked(&self.inner)?;
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

/// Messages of an answer, as often as one request acknowledges them: how many, their ids, their data, where each ends.
type Deliveries<'py> = (usize, Bound<'py, PyBytes>, Bound<'py, PyBytes>, Bound<'py, PyBytes>);

/// The messages that an answer of Pub/Sub hands over.
#[pyfunction]
fn deliveries<'py>(py: Python<'py>, answer: &[u8], with_attempt: bool) -> PyResult<Vec<Deliveries<'py>>> {
    let found = py
        .detach(|| crossfoot_core::deliveries::read(answer, with_attempt))
        .map_err(raise)?;
    let taken = |one: crossfoot_core::deliveries::Deliveries| {
        (
            one.data.ends.len(),
            PyBytes::new(py, &one.acks),
            PyBytes::new(py, &one.data.bytes),
            PyBytes::new(py, bytemuck::cast_slice(&one.data.ends)),
        )
    };
    Ok(found.into_iter().map(taken).collect())
}

/// The named durable steps of a commit and a checkpoint, in order.
#[pyfunction]
fn durable_steps() -> Vec<&'static str> {
    STEPS.to_vec()
}

/// The digest of an input's bytes, as the store keeps it, gone on with behind what comes before them.
#[pyfunction]
fn crc32c(data: &[u8], before: u32) -> u32 {
    input::crc32c(data, before)
}

/// Hash of the last bytes of an input, as the store keeps it.
#[pyfunction]
fn tail_hash(data: &[u8]) -> u64 {
    input::tail_hash(data)
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
    module.add_class::<engine::Engine>()?;
    module.add_class::<reader::Reader>()?;
    module.add_class::<Generator>()?;
    module.add_class::<kafka::KafkaReader>()?;
    module.add_class::<preparation::Preparation>()?;
    module.add_class::<publish::Framing>()?;
    module.add_class::<raw::RawRows>()?;
    module.add_class::<shard::Shard>()?;
    module.add_class::<shard::Splitter>()?;
    module.add_function(wrap_pyfunction!(raw::counted_since, module)?)?;
    module.add_function(wrap_pyfunction!(arrow_to_json_lines, module)?)?;
    module.add_function(wrap_pyfunction!(reader::scan_partials, module)?)?;
    module.add_function(wrap_pyfunction!(reader::scan_prefix, module)?)?;
    module.add_function(wrap_pyfunction!(deliveries, module)?)?;
    module.add_function(wrap_pyfunction!(durable_steps, module)?)?;
    module.add_function(wrap_pyfunction!(crc32c, module)?)?;
    module.add_function(wrap_pyfunction!(tail_hash, module)?)?;
    module.add_function(wrap_pyfunction!(evaluate, module)?)
}
