//! Arrow tables (CSV, Parquet) as JSON lines: one way into the core for every format.
use arrow_ipc::reader::StreamReader;
use arrow_json::LineDelimitedWriter;

use crate::error::{CoreError, Kind, Result};

/// The rows of an Arrow IPC stream as JSON lines; null columns are left out.
pub fn arrow_to_json_lines(ipc: &[u8]) -> Result<Vec<u8>> {
    let fail =
        |e: arrow_schema::ArrowError| CoreError::new(Kind::Data, format!("cannot read an Arrow stream: {e}"), "");
    let reader = StreamReader::try_new(ipc, None).map_err(fail)?;
    let mut writer = LineDelimitedWriter::new(Vec::with_capacity(ipc.len()));
    for batch in reader {
        writer.write(&batch.map_err(fail)?).map_err(fail)?;
    }
    writer.finish().map_err(fail)?;
    Ok(writer.into_inner())
}
