//! Records as Python hands them over: their bytes, and columns of numbers beside them.
use crossfoot_core::error::CoreError as Error;
use crossfoot_core::records::{Columns, Records};
use pyo3::pybacked::PyBackedBytes;

/// Ends, offsets, stamps, received times.
pub type RecordColumns = (PyBackedBytes, PyBackedBytes, PyBackedBytes, PyBackedBytes);

pub fn records_of(data: PyBackedBytes, columns: &RecordColumns) -> Result<Records, Error> {
    Records::new(Box::new(data), columns_of(columns)?)
}

/// Of an archive: with the t that was recorded of each, and whether they were lines.
pub fn recorded_of(
    data: PyBackedBytes,
    columns: &RecordColumns,
    (recorded, are_lines): &(PyBackedBytes, bool),
) -> Result<Records, Error> {
    let columns = Columns {
        recorded_us: numbers(recorded)?,
        are_lines: *are_lines,
        ..columns_of(columns)?
    };
    Records::new(Box::new(data), columns)
}

pub fn columns_of((ends, offsets, stamps, received): &RecordColumns) -> Result<Columns, Error> {
    Ok(Columns {
        ends: numbers(ends)?,
        offsets: numbers(offsets)?,
        stamps_us: numbers(stamps)?,
        received_us: numbers(received)?,
        ..Columns::default()
    })
}

/// A column of numbers, aligned.
fn numbers<T: bytemuck::Pod>(bytes: &[u8]) -> Result<Vec<T>, Error> {
    if !bytes.len().is_multiple_of(size_of::<T>()) {
        return Err(Error::internal("a column is cut off"));
    }
    Ok(bytemuck::pod_collect_to_vec(bytes))
}
