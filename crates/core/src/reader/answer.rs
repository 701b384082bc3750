//! Arrow columns of answers.
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, Decimal128Builder, StringBuilder};
use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, TimestampMicrosecondArray, UInt32Array, UInt64Array,
};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{Field, Schema};

use super::{Reader, account_name, part_name, reason_name};
use crate::accept::Partition;
use crate::error::{CoreError, Result};
use crate::ledger::{RowKey, RowValue};
use crate::measure::Shown;
use crate::number::quotient;
use crate::plan::{Measure, MeasureKind, Plan, Type};
use crate::side;
use crate::wire::Dim;

/// The column that tells the row `(other)`; no dimension or measure can have this name.
const OTHER: &str = "(other)";

/// A named column, with metadata for the reader of the answer.
pub struct Column {
    pub name: String,
    pub array: ArrayRef,
    pub note: Option<(&'static str, String)>,
}

pub(super) fn column(name: &str, array: ArrayRef) -> Column {
    Column {
        name: name.into(),
        array,
        note: None,
    }
}

pub fn arrow_error(error: arrow_schema::ArrowError) -> CoreError {
    CoreError::internal(format!("cannot make an Arrow table: {error}"))
}

/// One record batch as an Arrow IPC stream.
pub fn stream(columns: Vec<Column>) -> Result<Vec<u8>> {
    let field = |c: &Column| {
        let field = Field::new(&c.name, c.array.data_type().clone(), true);
        match &c.note {
            Some((key, value)) => field.with_metadata(HashMap::from([((*key).to_string(), value.clone())])),
            None => field,
        }
    };
    let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    let arrays: Vec<ArrayRef> = columns.into_iter().map(|c| c.array).collect();
    let batch = RecordBatch::try_new(schema.clone(), arrays).map_err(arrow_error)?;
    let mut writer = StreamWriter::try_new(vec![], &schema).map_err(arrow_error)?;
    writer.write(&batch).map_err(arrow_error)?;
    writer.into_inner().map_err(arrow_error)
}

pub fn times(name: &str, values: Vec<Option<i64>>) -> Column {
    column(
        name,
        Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC")),
    )
}

fn texts<'a>(name: &str, values: impl Iterator<Item = Option<&'a str>>) -> Column {
    let mut builder = StringBuilder::new();
    values.for_each(|v| builder.append_option(v));
    column(name, Arc::new(builder.finish()))
}

fn decimals(name: &str, values: impl Iterator<Item = Option<i128>>, scale: u32) -> Result<Column> {
    let mut builder = Decimal128Builder::new()
        .with_precision_and_scale(38, scale as i8)
        .map_err(arrow_error)?;
    values.for_each(|v| builder.append_option(v));
    Ok(column(name, Arc::new(builder.finish())))
}

/// A dimension's values. A field without a declared type that holds several kinds becomes JSON text, and says so.
pub fn dimension(name: &str, kind: Type, scale: u32, dims: &[Dim]) -> Result<Column> {
    let kinds = |is: fn(&Dim) -> bool| dims.iter().all(|d| matches!(d, Dim::Null | Dim::Other) || is(d));
    let kind = match kind {
        Type::Any if kinds(|d| matches!(d, Dim::Text(_))) => Type::Text,
        Type::Any if kinds(|d| matches!(d, Dim::Int(_))) => Type::Integer,
        Type::Any if kinds(|d| matches!(d, Dim::Bool(_))) => Type::Boolean,
        other => other,
    };
    let number = |d: &Dim| match d {
        Dim::Int(v) | Dim::Decimal(v) => Some(*v),
        _ => None,
    };
    Ok(match kind {
        Type::Text => texts(
            name,
            dims.iter()
                .map(|d| if let Dim::Text(t) = d { Some(t.as_str()) } else { None }),
        ),
        Type::Integer => column(name, Arc::new(dims.iter().map(number).collect::<Int64Array>())),
        Type::Decimal => decimals(name, dims.iter().map(|d| number(d).map(i128::from)), scale)?,
        Type::Float => {
            let float = |d: &Dim| if let Dim::Float(v) = d { Some(*v) } else { None };
            column(name, Arc::new(dims.iter().map(float).collect::<Float64Array>()))
        }
        Type::Boolean => {
            let boolean = |d: &Dim| if let Dim::Bool(v) = d { Some(*v) } else { None };
            column(name, Arc::new(dims.iter().map(boolean).collect::<BooleanArray>()))
        }
        Type::Any => {
            let json: Vec<Option<String>> = dims.iter().map(json_text).collect();
            Column {
                note: Some(("crossfoot", "json".into())),
                ..texts(name, json.iter().map(|t| t.as_deref()))
            }
        }
    })
}

/// Which rows are those of values beyond the kept ones; their dimensions are null, and other rows' may be null too.
pub fn others(dims: &[Dim]) -> Column {
    let is_other = dims.iter().map(|dim| Some(*dim == Dim::Other));
    column(OTHER, Arc::new(is_other.collect::<BooleanArray>()))
}

fn json_text(dim: &Dim) -> Option<String> {
    match dim {
        Dim::Text(t) => serde_json::to_string(t).ok(),
        Dim::Int(v) | Dim::Decimal(v) => Some(v.to_string()),
        Dim::Float(v) => Some(v.to_string()),
        Dim::Bool(v) => Some(v.to_string()),
        Dim::Null | Dim::Other => None,
    }
}

/// A measure's values. `distinct` that is an estimate in some row says so.
pub fn measure(declared: &Measure, kind: Type, scale: u32, shown: &[Shown]) -> Result<Column> {
    let name = declared.name.as_str();
    let whole = |s: &Shown| match s {
        Shown::Count(n) | Shown::Distinct(n, _) => Some(i128::from(*n)),
        Shown::Sum(v) => Some(*v),
        Shown::Int(v) => Some(i128::from(*v)),
        _ => None,
    };
    let float = |s: &Shown| if let Shown::Float(v) = s { Some(*v) } else { None };
    let is_decimal = kind == Type::Decimal && !matches!(declared.kind, MeasureKind::Count | MeasureKind::Distinct);
    let power = if is_decimal { 10u128.pow(scale) } else { 1 };
    let mean = |s: &Shown| match s {
        Shown::Mean(sum, n) => Some(quotient(*sum, u128::from(*n) * power)),
        _ => None,
    };
    let floats =
        |of: &dyn Fn(&Shown) -> Option<f64>| -> ArrayRef { Arc::new(shown.iter().map(of).collect::<Float64Array>()) };
    match declared.kind {
        MeasureKind::Mean => return Ok(column(name, floats(&mean))),
        MeasureKind::Min | MeasureKind::Max | MeasureKind::Quantile if kind == Type::Float => {
            return Ok(column(name, floats(&float)));
        }
        _ => {}
    }
    let values: Vec<Option<i128>> = shown.iter().map(whole).collect();
    let small: Option<Vec<Option<i64>>> = values.iter().map(|v| v.map(i64::try_from).transpose().ok()).collect();
    let mut made = match small {
        Some(small) if !is_decimal => column(name, Arc::new(Int64Array::from(small))),
        _ => decimals(name, values.into_iter(), if is_decimal { scale } else { 0 })?,
    };
    if shown.iter().any(|s| matches!(s, Shown::Distinct(_, false))) {
        made.note = Some(("crossfoot", "estimate".into()));
    }
    Ok(made)
}

pub fn events(events: &[u64]) -> Column {
    column(
        "__events",
        Arc::new(events.iter().copied().map(Some).collect::<UInt64Array>()),
    )
}

/// The ledger as a table: partition, minute, account, reason, part, records, digest (hex).
pub fn ledger_stream(reader: &Reader) -> Result<Vec<u8>> {
    ledger_table(&reader.ledger()?.rows, &reader.partitions, &reader.plan)
}

/// Some rows of a ledger, as `ledger_stream` has all of them.
pub(crate) fn ledger_table(
    ledger: &BTreeMap<RowKey, RowValue>,
    partitions: &[Partition],
    plan: &Plan,
) -> Result<Vec<u8>> {
    let rows: Vec<_> = ledger.iter().collect();
    let partition = |n: u32| partitions.get(n as usize).map(|p| p.name.as_str());
    let digests: Vec<String> = rows.iter().map(|(_, v)| format!("{:032x}", v.digest)).collect();
    stream(vec![
        texts("partition", rows.iter().map(|(k, _)| partition(k.partition))),
        times("minute", rows.iter().map(|(k, _)| k.minute_us).collect()),
        texts("account", rows.iter().map(|(k, _)| Some(account_name(k)))),
        texts("reason", rows.iter().map(|(k, _)| Some(reason_name(k)))),
        texts("part", rows.iter().map(|(k, _)| Some(part_name(plan, k)))),
        column(
            "records",
            Arc::new(rows.iter().map(|(_, v)| Some(v.records)).collect::<UInt64Array>()),
        ),
        texts("digest", digests.iter().map(|d| Some(d.as_str()))),
    ])
}

/// Partition, account, reason, part, records.
pub type AccountRow<'a> = (&'a str, &'a str, &'a str, &'a str, u64);

/// The ledger without its minutes.
pub fn accounts(reader: &Reader) -> Result<Vec<AccountRow<'_>>> {
    Ok(account_rows(&reader.ledger()?.rows, &reader.partitions, &reader.plan))
}

/// The rows of a ledger without their minutes.
pub(crate) fn account_rows<'a>(
    ledger: &BTreeMap<RowKey, RowValue>,
    partitions: &'a [Partition],
    plan: &'a Plan,
) -> Vec<AccountRow<'a>> {
    let mut sums = BTreeMap::new();
    for (key, value) in ledger {
        let partition = partitions.get(key.partition as usize).map_or("", |p| p.name.as_str());
        let row = (partition, account_name(key), reason_name(key), part_name(plan, key));
        *sums.entry(row).or_insert(0) += value.records;
    }
    let rows = sums.into_iter();
    rows.map(|((partition, account, reason, part), records)| (partition, account, reason, part, records))
        .collect()
}

/// The same with the digest of the members, in hex.
pub(crate) fn totals_of<'a>(
    ledger: &BTreeMap<RowKey, RowValue>,
    partitions: &'a [Partition],
    plan: &'a Plan,
) -> Vec<(AccountRow<'a>, String)> {
    let mut digests = BTreeMap::new();
    for (key, value) in ledger {
        let partition = partitions.get(key.partition as usize).map_or("", |p| p.name.as_str());
        let row = (partition, account_name(key), reason_name(key), part_name(plan, key));
        let digest: &mut u128 = digests.entry(row).or_insert(0);
        *digest = digest.wrapping_add(value.digest);
    }
    let rows = account_rows(ledger, partitions, plan).into_iter();
    rows.zip(digests.values().map(|digest| format!("{digest:032x}")))
        .collect()
}

/// The side log as a table; `raw` holds the record's bytes (its beginning, where it was long).
pub fn side_stream(reader: &Reader, limit: usize) -> Result<Vec<u8>> {
    side_table(&reader.side(limit)?, &reader.partitions, &reader.plan)
}

/// Some entries of a side log, as `side_stream` has them.
pub(crate) fn side_table(entries: &[side::Entry], partitions: &[Partition], plan: &Plan) -> Result<Vec<u8>> {
    let rows: Vec<_> = entries.iter().map(|e| e.row(None)).collect();
    let partition = |n: u32| partitions.get(n as usize).map(|p| p.name.as_str());
    let uuids: Vec<Option<String>> = entries.iter().map(|e| e.uuid.map(|u| format!("{u:032x}"))).collect();
    let mut raw = BinaryBuilder::new();
    entries.iter().for_each(|e| raw.append_value(&e.raw));
    let numbers =
        |pick: fn(&side::Entry) -> u64| Arc::new(entries.iter().map(|e| Some(pick(e))).collect::<UInt64Array>());
    stream(vec![
        texts("partition", entries.iter().map(|e| partition(e.partition))),
        column("record", numbers(|e| e.record)),
        column(
            "element",
            Arc::new(entries.iter().map(|e| e.element).collect::<UInt32Array>()),
        ),
        texts("account", rows.iter().map(|r| Some(account_name(r)))),
        texts("reason", rows.iter().map(|r| Some(reason_name(r)))),
        texts("part", rows.iter().map(|r| Some(part_name(plan, r)))),
        column("at", numbers(|e| e.at)),
        times("event_time", entries.iter().map(|e| e.event_us).collect()),
        times("received_time", entries.iter().map(|e| e.received_us).collect()),
        times("t", entries.iter().map(|e| e.t_us).collect()),
        texts("uuid", uuids.iter().map(|u| u.as_deref())),
        column("length", numbers(|e| e.length)),
        column("raw", Arc::new(raw.finish())),
    ])
}
