//! What both ends of a block agree on: its columns, its marks, its limits.
use crate::plan::{Plan, Type};

/// A single begins with a brace, a block with the first byte of an Arrow stream.
pub const BLOCK_BEGINS: u8 = 0xff;
/// Events of a block; one of more is malformed.
pub const BLOCK_EVENTS_MAX: usize = 1 << 16;
/// The values of a block take at most this many times `limits.record_bytes_max` without compression; else it is malformed.
pub const BLOCK_RAW_FACTOR: usize = 16;
/// The decimal places of a column of decimals stand in its field's metadata under this key.
pub const SCALE: &str = "scale";
/// Marks in the schema's metadata.
pub const FORM: (&str, &str) = ("crossfoot.form", "prepared");
pub const DEFINITION: &str = "definition";
pub const SOURCE: &str = "source";

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Uuid,
    Instant,
    Int64,
    Int32,
    Text,
    Boolean,
    Float,
}

/// Of each event, before its fields.
pub const HEADS: [(&str, Kind); 6] = [
    ("id", Kind::Uuid),
    ("time", Kind::Instant),
    ("received", Kind::Instant),
    ("offset", Kind::Int64),
    ("element", Kind::Int32),
    ("attempt", Kind::Int32),
];

/// The column of a declared field, and the scale that is said of it.
#[derive(Clone, Debug)]
pub struct Declared {
    pub name: String,
    pub kind: Kind,
    pub scale: Option<u32>,
}

/// The columns of a definition's fields, in declared order.
pub fn declared(plan: &Plan) -> Vec<Declared> {
    let column = |field: &crate::plan::Field| Declared {
        name: format!("data.{}", field.name),
        kind: match field.kind {
            Type::Text | Type::Any => Kind::Text,
            Type::Integer | Type::Decimal => Kind::Int64,
            Type::Boolean => Kind::Boolean,
            Type::Float => Kind::Float,
        },
        scale: (field.kind == Type::Decimal).then_some(field.scale),
    };
    plan.fields.iter().map(column).collect()
}
