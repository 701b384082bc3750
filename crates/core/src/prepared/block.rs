//! One message holds many events: an Arrow stream of one batch, its buffers compressed.
use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, FixedSizeBinaryBuilder, Float64Builder, Int32Builder, Int64Builder,
    TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow_schema::{DataType, Field, Schema, TimeUnit};

use super::form::{self, BLOCK_EVENTS_MAX, Declared, HEADS, Kind};
use super::single::{put_plain, put_text};
use super::{Event, Lineage, Options};
use crate::batch::Value;
use crate::error::Result;
use crate::plan::{Plan, Type};
use crate::reader::arrow_error;

/// Bytes of an event's own columns.
const HEAD_BYTES: usize = 48;
/// What compression may add to bytes that it cannot make fewer, and the frame of a stream.
const ROOM: usize = 4 << 10;

/// Columns of numbers become as small as at the levels above, in two thirds of the time.
const ZSTD_LEVEL: i32 = 1;

/// The events of the block that is filled.
pub struct Block {
    fields: Vec<Field>,
    marks: Vec<(String, String)>,
    kinds: Vec<Type>,
    heads: Heads,
    columns: Vec<Column>,
    /// About how many bytes the values take, and may take.
    raw: usize,
    raw_max: usize,
    event_max: usize,
    events: usize,
    scratch: Vec<u8>,
}

struct Heads {
    id: FixedSizeBinaryBuilder,
    time: TimestampMicrosecondBuilder,
    received: TimestampMicrosecondBuilder,
    offset: Int64Builder,
    element: Int32Builder,
    attempt: Int32Builder,
}

enum Column {
    /// Bytes: that they are UTF-8 is checked once for all of a block.
    Text(BinaryBuilder),
    Int(Int64Builder),
    Boolean(BooleanBuilder),
    Float(Float64Builder),
}

impl Block {
    pub fn new(plan: &Plan, options: &Options) -> Block {
        let declared = form::declared(plan);
        let heads = HEADS.iter().map(|(name, kind)| {
            let nullable = *name == "element";
            Field::new(*name, data_type(*kind), nullable)
        });
        let room = plan.limits.record_bytes_max.saturating_sub(ROOM);
        Block {
            fields: heads.chain(declared.iter().map(field_of)).collect(),
            marks: vec![
                (form::FORM.0.into(), form::FORM.1.into()),
                (form::DEFINITION.into(), options.definition.clone()),
                (form::SOURCE.into(), options.source.clone()),
            ],
            kinds: plan.fields.iter().map(|field| field.kind).collect(),
            heads: Heads::new(),
            columns: declared.iter().map(|column| Column::new(column.kind)).collect(),
            raw: 0,
            raw_max: options.block_bytes.min(room / 2),
            event_max: room / 2,
            events: 0,
            scratch: vec![],
        }
    }

    pub fn is_empty(&self) -> bool {
        self.events == 0
    }

    /// Whether the event belongs into another block than those that are in this one.
    pub fn is_full_for(&self, bytes: usize) -> bool {
        self.events > 0 && (self.raw + bytes > self.raw_max || self.events == BLOCK_EVENTS_MAX)
    }

    /// About how many bytes an event's values take; none: so many that it travels by itself.
    pub fn room_for(&self, event: &Event<'_>) -> Option<usize> {
        let of = |(value, kind): (&Value, &Type)| match (value, kind) {
            // An escape takes six bytes at most.
            (Value::Text { len, .. }, Type::Any) => *len as usize * 6 + 6,
            (Value::Text { len, .. }, _) => *len as usize + 4,
            (_, Type::Any) => 24,
            _ => 8,
        };
        let bytes = HEAD_BYTES + event.values.iter().zip(&self.kinds).map(of).sum::<usize>();
        (bytes <= self.event_max).then_some(bytes)
    }

    /// Forget the events of a call that has failed.
    pub fn clear(&mut self) {
        self.heads.finish();
        self.columns.iter_mut().for_each(|column| drop(column.finish()));
        (self.raw, self.events) = (0, 0);
    }

    pub fn push(&mut self, lineage: &Lineage, event: &Event<'_>, bytes: usize) -> Result<()> {
        let Heads {
            id,
            time,
            received,
            offset,
            element,
            attempt,
        } = &mut self.heads;
        id.append_value(event.uuid.to_be_bytes()).map_err(arrow_error)?;
        time.append_value(event.event_us);
        received.append_value(event.received_us);
        offset.append_value(event.offset as i64);
        element.append_option(event.element.map(|place| place as i32));
        attempt.append_value(lineage.attempt as i32);
        for ((column, kind), value) in self.columns.iter_mut().zip(&self.kinds).zip(event.values) {
            let text = match value {
                Value::Text { in_arena, at, len } => Some(event.texts.of(*in_arena, *at, *len)),
                _ => None,
            };
            column.push(*kind, value, text, &mut self.scratch);
        }
        self.raw += bytes;
        self.events += 1;
        Ok(())
    }

    /// Write the block's message, and begin a new one.
    pub fn write(&mut self, lineage: &Lineage, out: &mut Vec<u8>) -> Result<()> {
        let mut marks: HashMap<String, String> = self.marks.iter().cloned().collect();
        marks.insert("topic".into(), lineage.topic.clone());
        marks.insert("partition".into(), lineage.partition.to_string());
        let schema = Arc::new(Schema::new_with_metadata(self.fields.clone(), marks));
        let columns = self.columns.iter_mut().map(Column::finish);
        let arrays = self
            .heads
            .finish()
            .into_iter()
            .map(Ok)
            .chain(columns)
            .collect::<Result<_>>()?;
        let batch = RecordBatch::try_new(schema.clone(), arrays).map_err(arrow_error)?;
        let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD));
        let options = options.and_then(|options| options.try_with_compression_level(Some(ZSTD_LEVEL)));
        let options = options.map_err(arrow_error)?;
        let mut writer = StreamWriter::try_new_with_options(out, &schema, options).map_err(arrow_error)?;
        writer.write(&batch).map_err(arrow_error)?;
        writer.finish().map_err(arrow_error)?;
        (self.raw, self.events) = (0, 0);
        Ok(())
    }
}

impl Heads {
    fn new() -> Heads {
        Heads {
            id: FixedSizeBinaryBuilder::new(16),
            time: TimestampMicrosecondBuilder::new(),
            received: TimestampMicrosecondBuilder::new(),
            offset: Int64Builder::new(),
            element: Int32Builder::new(),
            attempt: Int32Builder::new(),
        }
    }

    fn finish(&mut self) -> [ArrayRef; 6] {
        [
            Arc::new(self.id.finish()),
            Arc::new(self.time.finish().with_timezone("UTC")),
            Arc::new(self.received.finish().with_timezone("UTC")),
            Arc::new(self.offset.finish()),
            Arc::new(self.element.finish()),
            Arc::new(self.attempt.finish()),
        ]
    }
}

impl Column {
    fn new(kind: Kind) -> Column {
        match kind {
            Kind::Boolean => Column::Boolean(BooleanBuilder::new()),
            Kind::Float => Column::Float(Float64Builder::new()),
            Kind::Int64 => Column::Int(Int64Builder::new()),
            _ => Column::Text(BinaryBuilder::new()),
        }
    }

    fn push(&mut self, kind: Type, value: &Value, text: Option<&[u8]>, scratch: &mut Vec<u8>) {
        match (self, value) {
            (Column::Text(column), Value::Null) => column.append_null(),
            (Column::Text(column), value) if kind == Type::Any => {
                scratch.clear();
                match text {
                    Some(text) => put_text(text, scratch),
                    None => put_plain(value, 0, scratch),
                }
                column.append_value(&scratch);
            }
            (Column::Text(column), _) => column.append_option(text),
            (Column::Int(column), Value::Int(value) | Value::Decimal(value)) => column.append_value(*value),
            (Column::Int(column), _) => column.append_null(),
            (Column::Boolean(column), Value::Bool(value)) => column.append_value(*value),
            (Column::Boolean(column), _) => column.append_null(),
            (Column::Float(column), Value::Float(value)) => column.append_value(*value),
            (Column::Float(column), _) => column.append_null(),
        }
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        Ok(match self {
            Column::Text(column) => Arc::new(StringArray::try_from_binary(column.finish()).map_err(arrow_error)?),
            Column::Int(column) => Arc::new(column.finish()),
            Column::Boolean(column) => Arc::new(column.finish()),
            Column::Float(column) => Arc::new(column.finish()),
        })
    }
}

fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Uuid => DataType::FixedSizeBinary(16),
        Kind::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Kind::Int64 => DataType::Int64,
        Kind::Int32 => DataType::Int32,
        Kind::Text => DataType::Utf8,
        Kind::Boolean => DataType::Boolean,
        Kind::Float => DataType::Float64,
    }
}

fn field_of(column: &Declared) -> Field {
    let field = Field::new(&column.name, data_type(column.kind), true);
    match column.scale {
        Some(scale) => field.with_metadata(HashMap::from([(form::SCALE.into(), scale.to_string())])),
        None => field,
    }
}
