//! One message is one event: CloudEvents in their structured JSON form, without spaces.
use std::io::Write;

use super::{Event, Lineage, Options};
use crate::batch::Value;
use crate::civil::date_of;
use crate::error::{CoreError, Result};
use crate::plan::Plan;

const DAY_US: i64 = 86_400_000_000;

/// The parts of a message that are the same in all events of a definition.
pub struct Single {
    source: Vec<u8>,
    definition: Vec<u8>,
    /// Of each field its name, quoted, with what stands before it and behind it; and its scale.
    fields: Vec<(Vec<u8>, u32)>,
}

impl Single {
    pub fn new(plan: &Plan, options: &Options) -> Result<Single> {
        let field = |(place, field): (usize, &crate::plan::Field)| {
            let before: &[u8] = if place == 0 { b"" } else { b"," };
            let name = [before, &quoted(&field.name)?, b":"].concat();
            Ok((name, field.scale))
        };
        Ok(Single {
            source: quoted(&options.source)?,
            definition: quoted(&options.definition)?,
            fields: plan.fields.iter().enumerate().map(field).collect::<Result<_>>()?,
        })
    }

    pub fn write(&self, lineage: &Lineage, event: &Event<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"specversion\":\"1.0\",\"id\":\"");
        put_uuid(event.uuid, out);
        out.extend_from_slice(b"\",\"source\":");
        out.extend_from_slice(&self.source);
        out.extend_from_slice(b",\"type\":\"crossfoot.prepared\",\"time\":\"");
        put_time(event.event_us, out);
        out.extend_from_slice(b"\",\"received\":\"");
        put_time(event.received_us, out);
        out.extend_from_slice(b"\",\"definition\":");
        out.extend_from_slice(&self.definition);
        out.extend_from_slice(b",\"topic\":");
        put_text(lineage.topic.as_bytes(), out);
        let _ = write!(
            out,
            ",\"partition\":{},\"offset\":\"{}\"",
            lineage.partition, event.offset
        );
        if let Some(element) = event.element {
            let _ = write!(out, ",\"element\":{element}");
        }
        let _ = write!(
            out,
            ",\"attempt\":{},\"datacontenttype\":\"application/json\",\"data\":{{",
            lineage.attempt
        );
        for ((name, scale), value) in self.fields.iter().zip(event.values) {
            out.extend_from_slice(name);
            match *value {
                Value::Text { in_arena, at, len } => put_text(event.texts.of(in_arena, at, len), out),
                _ => put_plain(value, *scale, out),
            }
        }
        out.extend_from_slice(b"}}");
    }
}

fn quoted(text: &str) -> Result<Vec<u8>> {
    serde_json::to_vec(text).map_err(|e| CoreError::internal(e.to_string()))
}

/// A text, in UTF-8, as JSON. Writing into memory does not fail.
pub fn put_text(text: &[u8], out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(out, std::str::from_utf8(text).unwrap_or_default());
}

/// A value that is no text as JSON: a decimal with all its digits, a float as the shortest literal that reads back equal.
pub fn put_plain(value: &Value, scale: u32, out: &mut Vec<u8>) {
    match *value {
        Value::Null | Value::Text { .. } => out.extend_from_slice(b"null"),
        Value::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Value::Int(value) => {
            let _ = write!(out, "{value}");
        }
        Value::Decimal(value) => put_decimal(value, scale, out),
        Value::Float(value) => {
            let _ = serde_json::to_writer(out, &value);
        }
    }
}

fn put_decimal(value: i64, scale: u32, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    let power = 10u64.pow(scale);
    let (whole, rest) = (value.unsigned_abs() / power, value.unsigned_abs() % power);
    let _ = match scale {
        0 => write!(out, "{whole}"),
        _ => write!(out, "{whole}.{rest:0width$}", width = scale as usize),
    };
}

/// The 36 characters of a uuid.
pub fn put_uuid(uuid: u128, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (place, byte) in uuid.to_be_bytes().into_iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        for digit in [byte >> 4, byte & 15] {
            out.push(DIGITS.get(digit as usize).copied().unwrap_or(b'0'));
        }
    }
}

/// An instant of the years 1 to 9999, with all six digits of its microseconds.
fn put_time(at_us: i64, out: &mut Vec<u8>) {
    let (day, rest) = (at_us.div_euclid(DAY_US), at_us.rem_euclid(DAY_US));
    let (year, month, day) = date_of(day);
    let (second, micros) = (rest / 1_000_000, rest % 1_000_000);
    let clock = [second / 3600, second / 60 % 60, second % 60];
    put_digits(year, 4, out);
    for (before, number) in [b'-', b'-', b'T', b':', b':']
        .into_iter()
        .zip([month, day].into_iter().chain(clock))
    {
        out.push(before);
        put_digits(number, 2, out);
    }
    out.push(b'.');
    put_digits(micros, 6, out);
    out.push(b'Z');
}

fn put_digits(mut number: i64, digits: usize, out: &mut Vec<u8>) {
    let at = out.len();
    out.resize(at + digits, b'0');
    for place in out.iter_mut().skip(at).rev() {
        *place = b'0' + (number % 10) as u8;
        number /= 10;
    }
}
