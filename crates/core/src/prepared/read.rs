//! Reading blocks. A message may be anything, so nothing is taken from it that was not checked: every length is held
//! against the bytes that there are, and against a limit before memory is asked for.
use arrow_ipc::{
    BodyCompression, CompressionType, Endianness, Field, Message, MessageHeader, Precision, RecordBatch, Schema,
    TimeUnit, Type as FieldType, root_as_message,
};
use zstd::bulk::Decompressor;

use super::form::{self, BLOCK_EVENTS_MAX, BLOCK_RAW_FACTOR, Declared, HEADS, Kind};
use crate::batch::{Invalid, Value};
use crate::error::{CoreError, Result};
use crate::number::{self, Number};
use crate::plan::{Plan, Type};
use crate::slot::Malformed;
use crate::time::{EARLIEST_US, LATEST_US};

/// Reads the blocks of one definition.
pub struct BlockReader {
    columns: Vec<Declared>,
    /// What the schema must say of the events.
    marks: Vec<(String, String)>,
    message_max: usize,
    raw_max: usize,
    decompressor: Decompressor<'static>,
}

/// Why a block is refused as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Malformed(Malformed),
    /// Its events are of another definition, or of another source.
    Other,
}

const DAMAGED: Fault = Fault::Malformed(Malformed::Syntax);
const TOO_LARGE: Fault = Fault::Malformed(Malformed::Size);

type Found<T> = std::result::Result<T, Fault>;

/// The events of a batch, column by column.
#[derive(Default)]
pub struct Events {
    pub rows: usize,
    columns: Vec<Column>,
}

#[derive(Default)]
struct Column {
    /// A bit for each row that has a value; empty: all have.
    valid: Vec<u8>,
    /// Values of one width, or bits; of texts, where each begins, and the last ends.
    values: Vec<u8>,
    /// Of texts: where they lie in the arena.
    at: u32,
}

impl BlockReader {
    /// # Errors
    /// There is no memory to decompress into.
    pub fn new(plan: &Plan) -> Result<BlockReader> {
        let heads = HEADS.iter().map(|(name, kind)| Declared {
            name: (*name).to_owned(),
            kind: *kind,
            scale: None,
        });
        let mark = |(path, text): &(usize, String)| {
            let name = plan.paths.get(*path).map(|path| path.join(".")).unwrap_or_default();
            (name, text.clone())
        };
        Ok(BlockReader {
            columns: heads.chain(form::declared(plan)).collect(),
            marks: plan.guard.iter().map(mark).collect(),
            message_max: plan.limits.record_bytes_max,
            raw_max: plan.limits.record_bytes_max.saturating_mul(BLOCK_RAW_FACTOR),
            decompressor: Decompressor::new().map_err(|e| CoreError::internal(format!("cannot decompress: {e}")))?,
        })
    }

    /// The events of a message. The contents of texts are appended to the arena.
    pub fn read(&mut self, message: &[u8], arena: &mut Vec<u8>) -> Found<Vec<Events>> {
        if message.len() > self.message_max {
            return Err(TOO_LARGE);
        }
        let (schema, _, mut rest) = next_message(message)?.ok_or(DAMAGED)?;
        self.check_schema(schema.header_as_schema().ok_or(DAMAGED)?)?;
        let (mut batches, mut raw, mut rows) = (vec![], self.raw_max, 0);
        while let Some((head, body, after)) = next_message(rest)? {
            if head.header_type() != MessageHeader::RecordBatch {
                return Err(DAMAGED);
            }
            let batch = head.header_as_record_batch().ok_or(DAMAGED)?;
            let events = self.batch(batch, body, &mut raw, arena)?;
            rows += events.rows;
            if rows > BLOCK_EVENTS_MAX {
                return Err(TOO_LARGE);
            }
            batches.push(events);
            rest = after;
        }
        Ok(batches)
    }

    fn check_schema(&self, schema: Schema<'_>) -> Found<()> {
        let said = |name: &str| {
            let found = schema
                .custom_metadata()
                .and_then(|all| all.iter().find(|pair| pair.key() == Some(name)));
            found.and_then(|pair| pair.value())
        };
        if said(form::FORM.0) != Some(form::FORM.1) || schema.endianness() != Endianness::Little {
            return Err(DAMAGED);
        }
        if self.marks.iter().any(|(name, text)| said(name) != Some(text)) {
            return Err(Fault::Other);
        }
        let fields = schema.fields().ok_or(DAMAGED)?;
        let same = fields.len() == self.columns.len() && fields.iter().zip(&self.columns).all(|(a, b)| fits(a, b));
        if same { Ok(()) } else { Err(DAMAGED) }
    }

    fn batch(&mut self, batch: RecordBatch<'_>, body: &[u8], raw: &mut usize, arena: &mut Vec<u8>) -> Found<Events> {
        let rows = usize::try_from(batch.length()).map_err(|_| DAMAGED)?;
        if rows > BLOCK_EVENTS_MAX {
            return Err(TOO_LARGE);
        }
        let (nodes, buffers) = (batch.nodes().ok_or(DAMAGED)?, batch.buffers().ok_or(DAMAGED)?);
        let spans = buffers
            .iter()
            .map(|buffer| (buffer.offset(), buffer.length()))
            .collect();
        let mut source = Buffers {
            body,
            spans,
            next: 0,
            is_compressed: is_compressed(batch.compression())?,
            raw,
            decompressor: &mut self.decompressor,
        };
        if nodes.len() != self.columns.len() {
            return Err(DAMAGED);
        }
        let mut columns = Vec::with_capacity(nodes.len());
        for (node, column) in nodes.iter().zip(&self.columns) {
            if node.length() != batch.length() {
                return Err(DAMAGED);
            }
            columns.push(source.column(column.kind, rows, node.null_count(), arena)?);
        }
        if source.next != source.spans.len() {
            return Err(DAMAGED);
        }
        Ok(Events { rows, columns })
    }
}

/// The buffers of a batch, in their order.
struct Buffers<'a> {
    body: &'a [u8],
    spans: Vec<(i64, i64)>,
    next: usize,
    is_compressed: bool,
    /// Bytes that the block may still take without compression.
    raw: &'a mut usize,
    decompressor: &'a mut Decompressor<'static>,
}

impl Buffers<'_> {
    fn column(&mut self, kind: Kind, rows: usize, nulls: i64, arena: &mut Vec<u8>) -> Found<Column> {
        let nulls = usize::try_from(nulls)
            .ok()
            .filter(|nulls| *nulls <= rows)
            .ok_or(DAMAGED)?;
        let valid = self.take()?;
        let valid = if nulls == 0 { vec![] } else { valid };
        let bits = rows.div_ceil(8);
        if nulls > 0 && (valid.len() < bits || ones(&valid, rows) != rows - nulls) {
            return Err(DAMAGED);
        }
        let values = self.take()?;
        let mut column = Column { valid, values, at: 0 };
        if kind == Kind::Text {
            let texts = self.take()?;
            column.check_texts(&texts, rows)?;
            column.at = u32::try_from(arena.len()).map_err(|_| TOO_LARGE)?;
            arena.extend_from_slice(&texts);
            return Ok(column);
        }
        let bytes = match kind {
            Kind::Boolean => bits,
            Kind::Uuid => rows * 16,
            Kind::Int32 => rows * 4,
            _ => rows * 8,
        };
        if column.values.len() < bytes {
            return Err(DAMAGED);
        }
        Ok(column)
    }

    /// The next buffer, decompressed.
    fn take(&mut self) -> Found<Vec<u8>> {
        let &(at, length) = self.spans.get(self.next).ok_or(DAMAGED)?;
        self.next += 1;
        let (at, length) = (usize::try_from(at).ok(), usize::try_from(length).ok());
        let (at, length) = at.zip(length).ok_or(DAMAGED)?;
        let end = at.checked_add(length).ok_or(DAMAGED)?;
        let bytes = self.body.get(at..end).ok_or(DAMAGED)?;
        if !self.is_compressed || bytes.is_empty() {
            return self.plain(bytes);
        }
        let (head, packed) = bytes.split_first_chunk::<8>().ok_or(DAMAGED)?;
        let length = match i64::from_le_bytes(*head) {
            -1 => return self.plain(packed),
            length => usize::try_from(length).map_err(|_| DAMAGED)?,
        };
        self.spend(length)?;
        let found = self.decompressor.decompress(packed, length).map_err(|_| DAMAGED)?;
        if found.len() == length { Ok(found) } else { Err(DAMAGED) }
    }

    fn plain(&mut self, bytes: &[u8]) -> Found<Vec<u8>> {
        self.spend(bytes.len())?;
        Ok(bytes.to_vec())
    }

    fn spend(&mut self, bytes: usize) -> Found<()> {
        *self.raw = self.raw.checked_sub(bytes).ok_or(TOO_LARGE)?;
        Ok(())
    }
}

impl Column {
    /// Each text lies in `texts`, behind the one before it, and is UTF-8.
    fn check_texts(&self, texts: &[u8], rows: usize) -> Found<()> {
        if rows == 0 {
            return Ok(());
        }
        let first = self.start(0).ok_or(DAMAGED)?;
        let last = self.start(rows).ok_or(DAMAGED)?;
        let used = texts.get(first as usize..last as usize).ok_or(DAMAGED)?;
        let used = std::str::from_utf8(used).map_err(|_| DAMAGED)?;
        let mut before = first;
        for row in 1..=rows {
            let at = self.start(row).filter(|at| *at >= before).ok_or(DAMAGED)?;
            if !used.is_char_boundary((at - first) as usize) {
                return Err(DAMAGED);
            }
            before = at;
        }
        Ok(())
    }

    #[inline]
    fn fixed<const N: usize>(&self, row: usize) -> Option<[u8; N]> {
        self.values.get(row * N..)?.first_chunk().copied()
    }

    #[inline]
    fn start(&self, row: usize) -> Option<u32> {
        self.fixed(row).map(u32::from_le_bytes)
    }

    #[inline]
    fn is_valid(&self, row: usize) -> bool {
        self.valid.is_empty() || bit(&self.valid, row)
    }

    /// Where a text lies in the arena.
    #[inline]
    fn text(&self, row: usize) -> Option<(u32, u32)> {
        let (start, end) = (self.start(row)?, self.start(row + 1)?);
        Some((self.at + start, end - start))
    }
}

impl Events {
    fn head(&self, place: usize, row: usize) -> std::result::Result<&Column, Invalid> {
        let column = self.columns.get(place).filter(|column| column.is_valid(row));
        column.ok_or(Invalid::Missing)
    }

    pub fn uuid(&self, row: usize) -> std::result::Result<u128, Invalid> {
        let bytes = self.head(0, row)?.fixed(row).ok_or(Invalid::Missing)?;
        Ok(u128::from_be_bytes(bytes))
    }

    pub fn event_us(&self, row: usize) -> std::result::Result<i64, Invalid> {
        self.instant(1, row)
    }

    pub fn received_us(&self, row: usize) -> std::result::Result<i64, Invalid> {
        self.instant(2, row)
    }

    fn instant(&self, place: usize, row: usize) -> std::result::Result<i64, Invalid> {
        let at_us = i64::from_le_bytes(self.head(place, row)?.fixed(row).ok_or(Invalid::Missing)?);
        let exists = (EARLIEST_US..=LATEST_US).contains(&at_us);
        if exists { Ok(at_us) } else { Err(Invalid::Range) }
    }

    /// Put the value of a declared field into its place, which is null before: where it is read, for a copy of a value that was
    /// just written in parts would wait for each of them. A text that stands in the arena as a JSON literal is appended to it
    /// as it is meant.
    #[inline]
    pub fn put(
        &self,
        field: usize,
        kind: Type,
        row: usize,
        arena: &mut Vec<u8>,
        place: &mut Value,
    ) -> std::result::Result<(), Invalid> {
        let column = self.columns.get(HEADS.len() + field).ok_or(Invalid::Missing)?;
        if !column.is_valid(row) {
            return Ok(());
        }
        let word = || column.fixed(row).ok_or(Invalid::Missing);
        match kind {
            Type::Integer => *place = Value::Int(i64::from_le_bytes(word()?)),
            Type::Decimal => *place = Value::Decimal(i64::from_le_bytes(word()?)),
            Type::Float => *place = Value::Float(number::finite(f64::from_le_bytes(word()?))?),
            Type::Boolean => *place = Value::Bool(bit(&column.values, row)),
            Type::Text | Type::Any => {
                let (at, len) = column.text(row).ok_or(Invalid::Missing)?;
                *place = Value::Text {
                    in_arena: true,
                    at,
                    len,
                };
                if kind == Type::Any {
                    *place = literal(at, len, arena)?;
                }
            }
        }
        Ok(())
    }
}

/// What a JSON literal in the arena means: a text, a whole number, true, false or null.
fn literal(at: u32, len: u32, arena: &mut Vec<u8>) -> std::result::Result<Value, Invalid> {
    let bytes = arena.get(at as usize..at as usize + len as usize).unwrap_or_default();
    match bytes {
        b"null" => Ok(Value::Null),
        b"true" => Ok(Value::Bool(true)),
        b"false" => Ok(Value::Bool(false)),
        [b'"', .., b'"'] => {
            let text: String = serde_json::from_slice(bytes).map_err(|_| Invalid::Type)?;
            let at = arena.len() as u32;
            arena.extend_from_slice(text.as_bytes());
            Ok(Value::Text {
                in_arena: true,
                at,
                len: text.len() as u32,
            })
        }
        _ if number::is_number(bytes) => match number::number(bytes)? {
            Number::Int(value) => Ok(Value::Int(value)),
            _ => Err(Invalid::Type),
        },
        _ => Err(Invalid::Type),
    }
}

type Part<'a> = (Message<'a>, &'a [u8], &'a [u8]);

/// The message that begins here: its head, its body, and what follows it. None: the stream says that it has ended.
fn next_message(bytes: &[u8]) -> Found<Option<Part<'_>>> {
    let (marker, rest) = bytes.split_first_chunk::<4>().ok_or(DAMAGED)?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(DAMAGED)?;
    if *marker != [0xff; 4] {
        return Err(DAMAGED);
    }
    let length = usize::try_from(i32::from_le_bytes(*length)).map_err(|_| DAMAGED)?;
    if length == 0 {
        return if rest.is_empty() { Ok(None) } else { Err(DAMAGED) };
    }
    let (head, rest) = rest.split_at_checked(length).ok_or(DAMAGED)?;
    let head = root_as_message(head).map_err(|_| DAMAGED)?;
    let body = usize::try_from(head.bodyLength()).map_err(|_| DAMAGED)?;
    let (body, rest) = rest.split_at_checked(body).ok_or(DAMAGED)?;
    Ok(Some((head, body, rest)))
}

fn is_compressed(compression: Option<BodyCompression<'_>>) -> Found<bool> {
    match compression.map(|compression| compression.codec()) {
        None => Ok(false),
        Some(CompressionType::ZSTD) => Ok(true),
        Some(_) => Err(DAMAGED),
    }
}

/// Whether a field of a schema is the column.
fn fits(field: Field<'_>, column: &Declared) -> bool {
    let of_kind = match column.kind {
        Kind::Uuid => field
            .type_as_fixed_size_binary()
            .is_some_and(|kind| kind.byteWidth() == 16),
        Kind::Instant => field
            .type_as_timestamp()
            .is_some_and(|kind| kind.unit() == TimeUnit::MICROSECOND && kind.timezone() == Some("UTC")),
        Kind::Int64 => field
            .type_as_int()
            .is_some_and(|kind| kind.bitWidth() == 64 && kind.is_signed()),
        Kind::Int32 => field
            .type_as_int()
            .is_some_and(|kind| kind.bitWidth() == 32 && kind.is_signed()),
        Kind::Text => field.type_type() == FieldType::Utf8,
        Kind::Boolean => field.type_type() == FieldType::Bool,
        Kind::Float => field
            .type_as_floating_point()
            .is_some_and(|kind| kind.precision() == Precision::DOUBLE),
    };
    let scale = field
        .custom_metadata()
        .and_then(|all| all.iter().find(|pair| pair.key() == Some(form::SCALE)));
    let scale = scale.and_then(|pair| pair.value());
    of_kind
        && field.name() == Some(&column.name)
        && field.dictionary().is_none()
        && scale.map(str::to_owned) == column.scale.map(|scale| scale.to_string())
}

#[inline]
fn bit(bits: &[u8], at: usize) -> bool {
    bits.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1)
}

fn ones(bits: &[u8], count: usize) -> usize {
    let (whole, rest) = (count / 8, count % 8);
    let full: u32 = bits.iter().take(whole).map(|byte| byte.count_ones()).sum();
    let last = bits
        .get(whole)
        .map_or(0, |byte| (byte & ((1u16 << rest) - 1) as u8).count_ones());
    (full + last) as usize
}
