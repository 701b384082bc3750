//! Byte encodings shared by journal and segments: varints, length-prefixed bytes, and keys whose byte order is value order.
use crate::batch::Value;

/// The input ended before the value did, or held a byte that no encoder writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short;

pub fn put_u64(out: &mut Vec<u8>, mut v: u64) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

pub fn put_i64(out: &mut Vec<u8>, v: i64) {
    put_u64(out, ((v << 1) ^ (v >> 63)) as u64);
}

pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u64(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A cursor over encoded bytes.
#[derive(Clone)]
pub struct Take<'a>(pub &'a [u8]);

impl<'a> Take<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    #[inline]
    pub fn u8(&mut self) -> Result<u8, Short> {
        let (&first, rest) = self.0.split_first().ok_or(Short)?;
        self.0 = rest;
        Ok(first)
    }
    #[inline]
    pub fn u64(&mut self) -> Result<u64, Short> {
        match self.0 {
            [small, rest @ ..] if *small < 0x80 => {
                self.0 = rest;
                Ok(u64::from(*small))
            }
            _ => self.long_u64(),
        }
    }
    fn long_u64(&mut self) -> Result<u64, Short> {
        let mut v = 0u64;
        for shift in (0..70).step_by(7) {
            let b = self.u8()?;
            v |= u64::from(b & 0x7f).checked_shl(shift).unwrap_or(0);
            if b < 0x80 {
                return Ok(v);
            }
        }
        Err(Short)
    }
    #[inline]
    pub fn i64(&mut self) -> Result<i64, Short> {
        let v = self.u64()?;
        Ok((v >> 1) as i64 ^ -((v & 1) as i64))
    }
    #[inline]
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Short> {
        let (head, rest) = self.0.split_at_checked(n).ok_or(Short)?;
        self.0 = rest;
        Ok(head)
    }
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], Short> {
        let n = self.u64()?;
        self.take(usize::try_from(n).map_err(|_| Short)?)
    }
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(Short)?;
        self.0 = rest;
        Ok(*head)
    }
}

/// Order-preserving bytes of a signed integer.
pub fn order_i64(v: i64) -> [u8; 8] {
    ((v as u64) ^ (1 << 63)).to_be_bytes()
}

pub fn from_order_i64(b: [u8; 8]) -> i64 {
    (u64::from_be_bytes(b) ^ (1 << 63)) as i64
}

/// A dimension value inside a key, decoded.
#[derive(Clone, Debug, PartialEq)]
pub enum Dim {
    Null,
    Bool(bool),
    Int(i64),
    Decimal(i64),
    Float(f64),
    Text(String),
    /// Of the row for values beyond those that are kept.
    Other,
}

/// Stands in a key for every dimension of the row `(other)`; after all values.
pub const OTHER_DIM: u8 = 8;

mod tag {
    pub const NULL: u8 = 1;
    pub const FALSE: u8 = 2;
    pub const TRUE: u8 = 3;
    pub const INT: u8 = 4;
    pub const DECIMAL: u8 = 5;
    pub const FLOAT: u8 = 6;
    pub const TEXT: u8 = 7;
}

/// Append a dimension value so that the order of the bytes is the order of the values; self-delimiting. `text` holds the
/// content of a text value.
pub fn put_dim(out: &mut Vec<u8>, value: &Value, text: &[u8]) {
    match *value {
        Value::Null => out.push(tag::NULL),
        Value::Bool(false) => out.push(tag::FALSE),
        Value::Bool(true) => out.push(tag::TRUE),
        Value::Int(v) => {
            out.push(tag::INT);
            out.extend_from_slice(&order_i64(v));
        }
        Value::Decimal(v) => {
            out.push(tag::DECIMAL);
            out.extend_from_slice(&order_i64(v));
        }
        Value::Float(v) => {
            out.push(tag::FLOAT);
            let bits = v.to_bits() as i64;
            out.extend_from_slice(&order_i64(if bits < 0 { !bits ^ i64::MIN } else { bits }));
        }
        Value::Text { .. } => {
            out.push(tag::TEXT);
            for part in text.split_inclusive(|b| *b == 0) {
                out.extend_from_slice(part);
                if part.last() == Some(&0) {
                    out.push(0xff);
                }
            }
            out.extend_from_slice(&[0, 0]);
        }
    }
}

/// The bytes of the next dimension value, without decoding it.
pub fn skip_dim<'a>(take: &mut Take<'a>) -> Result<&'a [u8], Short> {
    let all = take.0;
    match take.u8()? {
        tag::NULL | tag::FALSE | tag::TRUE | OTHER_DIM => {}
        tag::INT | tag::DECIMAL | tag::FLOAT => {
            take.take(8)?;
        }
        tag::TEXT => loop {
            let at = memchr::memchr(0, take.0).ok_or(Short)?;
            take.take(at + 1)?;
            if take.u8()? == 0 {
                break;
            }
        },
        _ => return Err(Short),
    }
    all.get(..all.len() - take.0.len()).ok_or(Short)
}

pub fn take_dim(take: &mut Take<'_>) -> Result<Dim, Short> {
    let mut one = Take(skip_dim(take)?);
    Ok(match one.u8()? {
        tag::NULL => Dim::Null,
        OTHER_DIM => Dim::Other,
        tag::FALSE => Dim::Bool(false),
        tag::TRUE => Dim::Bool(true),
        tag::INT => Dim::Int(from_order_i64(one.array()?)),
        tag::DECIMAL => Dim::Decimal(from_order_i64(one.array()?)),
        tag::FLOAT => {
            let bits = from_order_i64(one.array()?);
            Dim::Float(f64::from_bits(
                (if bits < 0 { !(bits ^ i64::MIN) } else { bits }) as u64,
            ))
        }
        _ => {
            let body = one.0.get(..one.0.len().saturating_sub(2)).ok_or(Short)?;
            let mut text = Vec::with_capacity(body.len());
            let mut escaped = false;
            for &b in body {
                if !(escaped && b == 0xff) {
                    text.push(b);
                }
                escaped = b == 0;
            }
            Dim::Text(String::from_utf8(text).map_err(|_| Short)?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(value: Value, text: &[u8]) -> Vec<u8> {
        let mut out = vec![];
        put_dim(&mut out, &value, text);
        out
    }
    const TEXT: Value = Value::Text {
        in_arena: false,
        at: 0,
        len: 0,
    };

    proptest! {
        #[test]
        fn varints_come_back(v: u64, i: i64) {
            let mut out = vec![];
            put_u64(&mut out, v);
            put_i64(&mut out, i);
            let mut take = Take(&out);
            prop_assert_eq!((take.u64(), take.i64(), take.is_empty()), (Ok(v), Ok(i), true));
        }
        #[test]
        fn texts_come_back_and_keep_their_order(a: String, b: String) {
            let (ka, kb) = (key(TEXT, a.as_bytes()), key(TEXT, b.as_bytes()));
            prop_assert_eq!(take_dim(&mut Take(&ka)), Ok(Dim::Text(a.clone())));
            prop_assert_eq!(ka.cmp(&kb), a.as_bytes().cmp(b.as_bytes()));
        }
        #[test]
        fn texts_with_zero_bytes_come_back(a in "[\u{0}\u{1}\u{ff}a]{0,6}", b in "[\u{0}\u{1}\u{ff}a]{0,6}") {
            let (ka, kb) = (key(TEXT, a.as_bytes()), key(TEXT, b.as_bytes()));
            prop_assert_eq!(take_dim(&mut Take(&ka)), Ok(Dim::Text(a.clone())));
            prop_assert_eq!(ka.cmp(&kb), a.as_bytes().cmp(b.as_bytes()));
        }
        #[test]
        fn numbers_keep_their_order(a: i64, b: i64, x in -1e300f64..1e300, y in -1e300f64..1e300) {
            prop_assert_eq!(key(Value::Int(a), b"").cmp(&key(Value::Int(b), b"")), a.cmp(&b));
            prop_assert_eq!(key(Value::Float(x), b"").cmp(&key(Value::Float(y), b"")), x.total_cmp(&y));
            prop_assert_eq!(take_dim(&mut Take(&key(Value::Float(x), b""))), Ok(Dim::Float(x)));
        }
    }
}
