//! Messages of the prepared form on their way into publish requests.
use std::sync::Mutex;

use crossfoot_core::prepared::publish::{self, Head};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::columns::{RecordColumns, records_of};
use crate::{locked, raise};

/// Frames the messages of one partition.
#[pyclass(module = "crossfoot._core", frozen)]
pub struct Framing {
    inner: Mutex<publish::Framing>,
}

type Framed<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>, Bound<'py, PyBytes>, Vec<u32>);

#[pymethods]
impl Framing {
    #[new]
    fn new(source: String, definition: String, topic: &str, partition: i64, bytes_max: usize) -> Self {
        let inner = publish::Framing::new(source, definition, (topic, partition), bytes_max);
        Framing {
            inner: Mutex::new(inner),
        }
    }

    /// The singles among some records; without `places` each at the offset that it says itself.
    fn singles<'py>(
        &self,
        py: Python<'py>,
        data: PyBackedBytes,
        columns: RecordColumns,
        places: bool,
    ) -> PyResult<Framed<'py>> {
        let framed = py.detach(|| {
            let records = records_of(data, &columns)?;
            locked(&self.inner)?.singles(&records, places)
        });
        let framed = framed.map_err(raise)?;
        Ok((
            PyBytes::new(py, &framed.frames.bytes),
            PyBytes::new(py, bytemuck::cast_slice(&framed.frames.ends)),
            PyBytes::new(py, bytemuck::cast_slice(&framed.offsets)),
            framed.rest,
        ))
    }

    /// One message, with its head: id, events, least and greatest time, whether it is a block; None where it is too long.
    fn one<'py>(
        &self,
        py: Python<'py>,
        value: &[u8],
        head: (String, usize, String, String, bool),
        offset: u64,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let (id, events, time_min, time_max, is_block) = &head;
        let head = Head {
            id,
            events: *events,
            time_min,
            time_max,
            is_block: *is_block,
        };
        let mut frame = vec![];
        let mut framing = locked(&self.inner).map_err(raise)?;
        let fits = framing.put(value, &head, offset, &mut frame);
        Ok(fits.then(|| PyBytes::new(py, &frame)))
    }
}
