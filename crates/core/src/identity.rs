//! Identity: 128-bit uuids of events, digests of the ledger, and digests of contents. All are keyed with the namespace's
//! key, so that nobody outside can make two of them meet.
use crate::batch::{Invalid, Value};
use crate::bits::{mix, split};
use crate::error::{CoreError, Result};
use crate::number::Literal;
use crate::plan::Plan;
use crate::sip::Sip;
use crate::slot::Kind;

mod tag {
    pub const NULL: u8 = 0;
    pub const FALSE: u8 = 1;
    pub const TRUE: u8 = 2;
    pub const NUMBER: u8 = 3;
    pub const TEXT: u8 = 4;
    // Only inside digests that never leave the core.
    pub const INTEGER: u8 = 5;
    pub const DECIMAL: u8 = 6;
    pub const FLOAT: u8 = 7;
}

/// What an identity is made of; the first byte of its encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Form {
    Fields = b'i',
    Fingerprint = b'f',
    Position = b'p',
}

/// The namespace's key.
#[derive(Clone, Debug)]
pub struct Key {
    sip: Sip,
    /// For contents.
    seed: u64,
    salt: u64,
}

impl Key {
    /// # Errors
    /// The plan's key is not 32 hex digits.
    pub fn of(plan: &Plan) -> Result<Key> {
        let key = u128::from_str_radix(&plan.key, 16)
            .ok()
            .filter(|_| plan.key.len() == 32);
        let key =
            key.ok_or_else(|| CoreError::definition(format!("the plan's key is not 32 hex digits: {}", plan.key)))?;
        Ok(Key::new(key.to_be_bytes()))
    }

    pub fn new(key: [u8; 16]) -> Key {
        let sip = Sip::new(key);
        let (seed, salt) = split(sip.hash(b"contents"));
        Key { sip, seed, salt }
    }

    /// The keyed 128-bit hash of an encoding.
    #[inline]
    pub fn hash(&self, encoding: &[u8]) -> u128 {
        self.sip.hash(encoding)
    }

    /// The uuid of a record that is known by its place, and its digest in the ledger where it has no uuid.
    pub fn position(&self, partition: &str, record: u64) -> u128 {
        let mut encoding = Vec::with_capacity(64);
        start(&mut encoding, Form::Position, 2);
        put_text(&mut encoding, partition.as_bytes());
        put_number(&mut encoding, &Literal::parse(record.to_string().as_bytes()));
        self.hash(&encoding)
    }

    /// The uuid of an element without an id of its own, from that of its record and its place in the list.
    pub fn element(&self, uuid: u128, place: u32) -> u128 {
        let mut encoding = Vec::with_capacity(21);
        encoding.push(b'x');
        encoding.extend_from_slice(&uuid.to_be_bytes());
        encoding.extend_from_slice(&place.to_be_bytes());
        self.hash(&encoding)
    }

    /// A record's digest in the ledger, by its uuid.
    #[inline]
    pub fn digest(&self, uuid: u128) -> u128 {
        let mut encoding = [b'u'; 17];
        if let Some((_, bytes)) = encoding.split_first_mut() {
            bytes.copy_from_slice(&uuid.to_be_bytes());
        }
        self.hash(&encoding)
    }

    /// What stands for a value where distinct values are counted: its type in the upper four bits, then its hash if it is a
    /// text, its eight bytes otherwise. `text` is the content of a text value.
    #[inline]
    pub fn member(&self, value: &Value, text: &[u8]) -> u128 {
        let (tag, bytes) = fixed(value);
        let content = match tag {
            tag::TEXT => self.hash(text) >> 4,
            _ => u128::from(u64::from_le_bytes(bytes)),
        };
        u128::from(tag) << 124 | content
    }

    /// The digest of declared values, each with its content where it is a text. It never leaves the store.
    #[inline]
    pub fn content<'a>(&self, values: impl Iterator<Item = (&'a Value, &'a [u8])>) -> u32 {
        let digest = values.fold(self.seed, |digest, (value, text)| {
            let (tag, bytes) = fixed(value);
            let word = match tag {
                tag::TEXT => xxhash_rust::xxh3::xxh3_64_with_seed(text, self.seed),
                _ => u64::from_le_bytes(bytes),
            };
            mix(digest ^ word, self.salt ^ u64::from(tag))
        });
        mix(digest, self.salt) as u32
    }
}

/// A value's type and its 8 bytes; a text has its length there.
#[inline]
fn fixed(value: &Value) -> (u8, [u8; 8]) {
    match *value {
        Value::Null => (tag::NULL, [0; 8]),
        Value::Bool(value) => (if value { tag::TRUE } else { tag::FALSE }, [0; 8]),
        Value::Int(value) => (tag::INTEGER, value.to_le_bytes()),
        Value::Decimal(value) => (tag::DECIMAL, value.to_le_bytes()),
        Value::Float(value) => (tag::FLOAT, value.to_bits().to_le_bytes()),
        Value::Text { len, .. } => (tag::TEXT, u64::from(len).to_le_bytes()),
    }
}

/// Begin the encoding of an identity of `count` values.
#[inline]
pub fn start(out: &mut Vec<u8>, form: Form, count: u32) {
    out.clear();
    out.push(form as u8);
    out.extend_from_slice(&count.to_le_bytes());
}

/// Append one raw value of an identity.
///
/// # Errors
/// In `Fields`: `Missing` where there is none, `Type` where it is a number that is not whole. In both: `Type` where it
/// is an object or an array.
#[inline]
pub fn put_raw(out: &mut Vec<u8>, form: Form, kind: Kind, bytes: &[u8]) -> std::result::Result<(), Invalid> {
    match kind {
        Kind::Text => put_text(out, bytes),
        Kind::Number => {
            let literal = Literal::parse(bytes);
            if form == Form::Fields && !literal.integral() {
                return Err(Invalid::Type);
            }
            put_number(out, &literal);
        }
        Kind::Missing | Kind::Null if form == Form::Fields => return Err(Invalid::Missing),
        Kind::Missing | Kind::Null => out.push(tag::NULL),
        Kind::False => out.push(tag::FALSE),
        Kind::True => out.push(tag::TRUE),
        Kind::Nested => return Err(Invalid::Type),
    }
    Ok(())
}

fn put_text(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(tag::TEXT);
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn put_number(out: &mut Vec<u8>, literal: &Literal<'_>) {
    out.extend_from_slice(&[tag::NUMBER, 0, 0, 0, 0]);
    let at = out.len();
    literal.write_canonical(out);
    let len = (out.len() - at) as u32;
    if let Some(place) = out.get_mut(at - 4..at) {
        place.copy_from_slice(&len.to_le_bytes());
    }
}

/// The 128 bits that a 36-character lower-case UUID text names.
#[inline]
pub fn uuid(text: &[u8]) -> Option<u128> {
    let text: &[u8; 36] = text.try_into().ok()?;
    let [a0, a1, a2, a3, a4, a5, a6, a7, b'-', rest @ ..] = text else {
        return None;
    };
    let [b0, b1, b2, b3, b'-', c0, c1, c2, c3, b'-', rest @ ..] = rest else {
        return None;
    };
    let [d0, d1, d2, d3, b'-', e0, e1, e2, e3, rest @ ..] = rest else {
        return None;
    };
    let first = hex([*a0, *a1, *a2, *a3, *a4, *a5, *a6, *a7])?;
    let second = hex([*b0, *b1, *b2, *b3, *c0, *c1, *c2, *c3])?;
    let third = hex([*d0, *d1, *d2, *d3, *e0, *e1, *e2, *e3])?;
    Some(u128::from(first) << 96 | u128::from(second) << 64 | u128::from(third) << 32 | u128::from(hex(*rest)?))
}

/// Eight lower-case hex digits at once.
#[inline]
fn hex(text: [u8; 8]) -> Option<u32> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let text = u64::from_be_bytes(text);
    // Letters a to f are 0x61 to 0x66, digits 0x30 to 0x39.
    let letters = text >> 6 & ONES;
    let low = text & (ONES * 0x0f);
    let kinds = text & (ONES * 0xf0) == ONES * 0x30 + letters * 0x30;
    let digits_over = (low + ONES * 6) & !(letters << 4) & (ONES * 0x10);
    let letters_over = ((low + ONES * 9) | !(low + ONES * 15)) & (letters << 4);
    if !kinds || digits_over | letters_over != 0 {
        return None;
    }
    let nibbles = low + letters * 9;
    let bytes = (nibbles | nibbles >> 4) & 0x00ff_00ff_00ff_00ff;
    let pairs = (bytes | bytes >> 8) & 0x0000_ffff_0000_ffff;
    Some((pairs | pairs >> 16) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::new(*b"0123456789abcdef")
    }

    fn fields(values: &[(Kind, &str)], form: Form) -> std::result::Result<Vec<u8>, Invalid> {
        let mut out = vec![];
        start(&mut out, form, values.len() as u32);
        for (kind, text) in values {
            put_raw(&mut out, form, *kind, text.as_bytes())?;
        }
        Ok(out)
    }

    #[test]
    fn an_identity_is_encoded_with_types_and_lengths() {
        let encoding = fields(
            &[(Kind::Text, "ab"), (Kind::Number, "100"), (Kind::True, "")],
            Form::Fields,
        );
        assert_eq!(encoding.unwrap(), b"i\x03\0\0\0\x04\x02\0\0\0ab\x03\x03\0\0\x001e2\x02");
    }

    #[test]
    fn a_position_is_encoded_with_name_and_ordinal() {
        let encoding = b"p\x02\0\0\0\x04\x01\0\0\0a\x03\x04\0\0\x0012e1";
        assert_eq!(key().position("a", 120), key().hash(encoding));
    }

    #[test]
    fn a_number_and_its_text_are_two_ids() {
        let one = fields(&[(Kind::Number, "1")], Form::Fields);
        assert_ne!(one, fields(&[(Kind::Text, "1")], Form::Fields));
        assert_eq!(one, fields(&[(Kind::Number, "1.0")], Form::Fields));
        assert_eq!(one, fields(&[(Kind::Number, "10e-1")], Form::Fields));
    }

    #[test]
    fn an_id_is_present_and_whole() {
        assert_eq!(fields(&[(Kind::Null, "")], Form::Fields), Err(Invalid::Missing));
        assert_eq!(fields(&[(Kind::Missing, "")], Form::Fields), Err(Invalid::Missing));
        assert_eq!(fields(&[(Kind::Number, "1.5")], Form::Fields), Err(Invalid::Type));
        assert_eq!(fields(&[(Kind::Nested, "")], Form::Fields), Err(Invalid::Type));
    }

    #[test]
    fn a_fingerprint_takes_nulls_and_any_number() {
        let encoding = fields(
            &[(Kind::Null, ""), (Kind::Number, "1.50"), (Kind::Missing, "")],
            Form::Fingerprint,
        );
        assert_eq!(encoding.unwrap(), b"f\x03\0\0\0\0\x03\x05\0\0\x0015e-1\0");
        assert_eq!(fields(&[(Kind::Nested, "")], Form::Fingerprint), Err(Invalid::Type));
    }

    #[test]
    fn a_lower_case_uuid_is_its_own_128_bits() {
        let text = b"0190163d-8694-739b-aea5-966c26f8ad91";
        assert_eq!(uuid(text), Some(0x0190_163d_8694_739b_aea5_966c_26f8_ad91));
    }

    #[test]
    fn every_other_byte_in_a_uuid_makes_it_a_text() {
        let text = b"0190163d-8694-739b-aea5-966c26f8ad91";
        for at in 0..36 {
            for byte in 0..=255u8 {
                let mut other = *text;
                other[at] = byte;
                let is_hex = matches!(byte, b'0'..=b'9' | b'a'..=b'f');
                let dash = matches!(at, 8 | 13 | 18 | 23);
                assert_eq!(
                    uuid(&other).is_some(),
                    if dash { byte == b'-' } else { is_hex },
                    "{at} {byte}"
                );
            }
        }
    }

    #[test]
    fn a_ledger_digest_is_of_the_uuid_big_endian() {
        let mut encoding = b"u".to_vec();
        encoding.extend([0; 15]);
        encoding.push(7);
        assert_eq!(key().digest(7), key().hash(&encoding));
    }

    #[test]
    fn contents_that_differ_have_other_digests() {
        let digest =
            |values: &[(Value, &str)]| key().content(values.iter().map(|(value, text)| (value, text.as_bytes())));
        let text = |len| Value::Text {
            in_arena: false,
            at: 0,
            len,
        };
        assert_ne!(digest(&[(Value::Int(1), "")]), digest(&[(Value::Decimal(1), "")]));
        assert_ne!(digest(&[(Value::Null, "")]), digest(&[(Value::Bool(false), "")]));
        assert_ne!(
            digest(&[(Value::Int(0), ""), (Value::Int(1), "")]),
            digest(&[(Value::Int(0), ""), (Value::Int(2), "")])
        );
        assert_ne!(
            digest(&[(Value::Int(1), ""), (Value::Int(2), "")]),
            digest(&[(Value::Int(2), ""), (Value::Int(1), "")])
        );
        assert_ne!(
            digest(&[(text(2), "ab"), (text(1), "c")]),
            digest(&[(text(1), "a"), (text(2), "bc")])
        );
        let moved = Value::Text {
            in_arena: true,
            at: 9,
            len: 2,
        };
        assert_eq!(digest(&[(text(2), "ab")]), digest(&[(moved, "ab")]));
    }

    #[test]
    fn members_are_told_apart_by_type_and_value() {
        let text = Value::Text {
            in_arena: false,
            at: 0,
            len: 1,
        };
        let values = [
            (Value::Int(1), ""),
            (Value::Bool(true), ""),
            (text, "1"),
            (Value::Int(2), ""),
        ];
        let members: std::collections::BTreeSet<u128> = values
            .iter()
            .map(|(value, text)| key().member(value, text.as_bytes()))
            .collect();
        assert_eq!(members.len(), 4);
    }
}
