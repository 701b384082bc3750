//! A declared field: its expression or path, its default, the strict type check (semantics section 6).
use std::borrow::Cow;

use crate::batch::{Invalid, Value};
use crate::expression::{Node, Scalar, Source, evaluate};
use crate::number::{self, Number};
use crate::plan::{Field, Type};
use crate::slot::{Kind, Slot};

/// The raw values of one record.
#[derive(Clone, Copy)]
pub struct Raw<'a> {
    pub slots: &'a [Slot],
    pub chunk: &'a [u8],
    pub arena: &'a [u8],
}

impl<'a> Raw<'a> {
    /// The kind and the content of a wanted path.
    #[inline]
    pub fn get(&self, path: usize) -> (Kind, &'a [u8]) {
        self.slots.get(path).map_or((Kind::Missing, &[]), |slot| {
            (slot.kind, slot.bytes(self.chunk, self.arena))
        })
    }
}

impl<'a> Source<'a> for Raw<'a> {
    #[inline]
    fn path(&self, index: usize) -> Result<Scalar<'a>, Invalid> {
        let (kind, bytes) = self.get(index);
        Ok(match kind {
            Kind::Missing | Kind::Null => Scalar::Null,
            Kind::False => Scalar::Bool(false),
            Kind::True => Scalar::Bool(true),
            Kind::Number => number::number(bytes)?.into(),
            Kind::Text => Scalar::Text(Cow::Borrowed(text(bytes)?)),
            Kind::Nested => return Err(Invalid::Type),
        })
    }
    fn field(&self, _index: usize) -> Result<Scalar<'a>, Invalid> {
        Err(Invalid::Missing)
    }
}

/// The declared fields of one record.
#[derive(Clone, Copy)]
pub struct Declared<'a> {
    pub values: &'a [Value],
    pub fields: &'a [FieldReader],
    pub chunk: &'a [u8],
    pub arena: &'a [u8],
}

impl<'a> Declared<'a> {
    /// The content of a text value; empty for others.
    #[inline]
    pub fn bytes(&self, value: &Value) -> &'a [u8] {
        match *value {
            Value::Text { in_arena, at, len } => {
                let home = if in_arena { self.arena } else { self.chunk };
                home.get(at as usize..at as usize + len as usize).unwrap_or_default()
            }
            _ => &[],
        }
    }
}

impl<'a> Source<'a> for Declared<'a> {
    fn path(&self, _index: usize) -> Result<Scalar<'a>, Invalid> {
        Err(Invalid::Missing)
    }
    #[inline]
    fn field(&self, index: usize) -> Result<Scalar<'a>, Invalid> {
        let value = self.values.get(index).ok_or(Invalid::Missing)?;
        Ok(match *value {
            Value::Null => Scalar::Null,
            Value::Bool(value) => Scalar::Bool(value),
            Value::Int(value) => Scalar::Int(value),
            Value::Decimal(v) => Scalar::Dec {
                v,
                scale: self.fields.get(index).map_or(0, |field| field.scale),
            },
            Value::Float(value) => Scalar::Float(value),
            Value::Text { .. } => Scalar::Text(Cow::Borrowed(text(self.bytes(value))?)),
        })
    }
}

/// Decoders hand on valid UTF-8 only.
fn text(bytes: &[u8]) -> Result<&str, Invalid> {
    std::str::from_utf8(bytes).map_err(|_| Invalid::Type)
}

/// Where a field's value comes from.
enum Origin {
    /// A raw path alone: no expression is evaluated, and numbers are taken from their own digits.
    Path(usize),
    Expression(Node),
}

pub struct FieldReader {
    origin: Origin,
    pub kind: Type,
    scale: u32,
    untyped: bool,
    default: Option<Node>,
}

/// A value whose type was checked; the text of `Text` was put into the scratch buffer.
enum Checked {
    Null,
    Text,
    Other(Value),
}

impl FieldReader {
    pub fn new(field: &Field, untyped: bool) -> FieldReader {
        let origin = match &field.expression {
            Node::Path(path) => Origin::Path(*path),
            other => Origin::Expression(other.clone()),
        };
        FieldReader {
            origin,
            kind: field.kind,
            scale: field.scale,
            untyped,
            default: field.default.clone(),
        }
    }

    /// Put the value into its place, which is null before. Texts that are not in the record as they are go to the arena.
    ///
    /// # Errors
    /// Why the record has no value of the declared type.
    #[inline]
    pub fn read(
        &self,
        (slots, chunk): (&[Slot], &[u8]),
        arena: &mut Vec<u8>,
        scratch: &mut Vec<u8>,
        place: &mut Value,
    ) -> Result<(), Invalid> {
        match &self.origin {
            Origin::Path(path) => {
                if let Some(slot) = slots.get(*path) {
                    self.direct(slot, slot.bytes(chunk, arena), place)?;
                }
            }
            Origin::Expression(node) => {
                let found = self.check(evaluate(node, &Raw { slots, chunk, arena })?, scratch)?;
                *place = keep(found, arena, scratch);
            }
        }
        match (&self.default, &*place) {
            (Some(default), Value::Null) => {
                let nothing = Raw {
                    slots: &[],
                    chunk,
                    arena: &[],
                };
                let found = self.check(evaluate(default, &nothing)?, scratch)?;
                *place = keep(found, arena, scratch);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The value of a path alone. It is written where it will be read: a copy of a text's span that was just written
    /// in parts would wait for each of them.
    #[inline]
    fn direct(&self, slot: &Slot, bytes: &[u8], place: &mut Value) -> Result<(), Invalid> {
        match slot.kind {
            Kind::Missing | Kind::Null => {}
            Kind::Text if matches!(self.kind, Type::Text | Type::Any) => {
                *place = Value::Text {
                    in_arena: slot.in_arena,
                    at: slot.at,
                    len: slot.len,
                };
            }
            Kind::Text => *place = self.of_text(bytes)?,
            Kind::Number => *place = self.of_number(bytes)?,
            Kind::False | Kind::True if matches!(self.kind, Type::Boolean | Type::Any) => {
                *place = Value::Bool(slot.kind == Kind::True);
            }
            Kind::False | Kind::True | Kind::Nested => return Err(Invalid::Type),
        }
        Ok(())
    }

    #[inline]
    fn of_number(&self, literal: &[u8]) -> Result<Value, Invalid> {
        match self.kind {
            Type::Integer => number::integer(literal).map(Value::Int),
            Type::Decimal => number::decimal(literal, self.scale).map(Value::Decimal),
            Type::Float => number::float(literal).map(Value::Float),
            Type::Any | Type::Text | Type::Boolean => match number::number(literal)? {
                Number::Int(value) if self.kind == Type::Any => Ok(Value::Int(value)),
                _ => Err(Invalid::Type),
            },
        }
    }

    /// A text that stands for another type: for a decimal always, for others where the format knows only texts.
    fn of_text(&self, text: &[u8]) -> Result<Value, Invalid> {
        match self.kind {
            Type::Decimal if number::is_number(text) => self.of_number(text),
            Type::Float if self.untyped && number::is_number(text) => self.of_number(text),
            Type::Integer if self.untyped && number::is_integer(text) => self.of_number(text),
            Type::Boolean if self.untyped && (text == b"true" || text == b"false") => Ok(Value::Bool(text == b"true")),
            _ => Err(Invalid::Type),
        }
    }

    /// The strict type check of what an expression gave.
    fn check(&self, value: Scalar<'_>, scratch: &mut Vec<u8>) -> Result<Checked, Invalid> {
        let other = match (self.kind, value) {
            (_, Scalar::Null) => return Ok(Checked::Null),
            (Type::Any | Type::Text, Scalar::Text(text)) => {
                scratch.clear();
                scratch.extend_from_slice(text.as_bytes());
                return Ok(Checked::Text);
            }
            (Type::Any | Type::Boolean, Scalar::Bool(value)) => Value::Bool(value),
            (Type::Any | Type::Integer, Scalar::Int(value)) => Value::Int(value),
            (Type::Integer, Scalar::Dec { v, scale }) if v % 10i64.pow(scale) == 0 => Value::Int(v / 10i64.pow(scale)),
            (Type::Decimal, Scalar::Int(value)) => Value::Decimal(number::rescale(value, 0, self.scale)?),
            (Type::Decimal, Scalar::Dec { v, scale }) => Value::Decimal(number::rescale(v, scale, self.scale)?),
            (Type::Float, Scalar::Int(value)) => Value::Float(value as f64),
            (Type::Float, Scalar::Dec { v, scale }) => Value::Float(number::decimal_to_float(v, scale)),
            (Type::Float, Scalar::Float(value)) => Value::Float(value),
            _ => return Err(Invalid::Type),
        };
        Ok(Checked::Other(other))
    }
}

fn keep(found: Checked, arena: &mut Vec<u8>, scratch: &[u8]) -> Value {
    match found {
        Checked::Null => Value::Null,
        Checked::Other(value) => value,
        Checked::Text => {
            let (at, len) = (arena.len() as u32, scratch.len() as u32);
            arena.extend_from_slice(scratch);
            Value::Text {
                in_arena: true,
                at,
                len,
            }
        }
    }
}
