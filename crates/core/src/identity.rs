//! Identity: the keyed 128-bit hash, the typed encoding of ids, and the digests that the ledger adds up.
use siphasher::sip128::SipHasher24;

use crate::batch::Value;
use crate::error::{CoreError, Result};
use crate::plan::Plan;

/// The namespace's key: every engine that shares it makes the same uuids and digests.
#[derive(Clone, Debug)]
pub struct Key {
    sip: SipHasher24,
    bytes: [u8; 16],
}

/// What an encoding stands for; its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Fields = b'i',
    Fingerprint = b'f',
    Position = b'p',
}

/// The typed, length-prefixed encoding of a list of values; equal bytes mean equal ids.
#[derive(Default)]
pub struct Encoding(Vec<u8>);

impl Encoding {
    pub fn begin(&mut self, kind: Kind, values: usize) {
        self.0.clear();
        self.0.push(kind as u8);
        self.0.extend_from_slice(&(values as u32).to_le_bytes());
    }
    /// Null or missing.
    pub fn null(&mut self) {
        self.0.push(0);
    }
    pub fn boolean(&mut self, v: bool) {
        self.0.push(1 + u8::from(v));
    }
    /// The canonical text of a number (`number`).
    pub fn number(&mut self, canonical: &[u8]) {
        self.counted(3, canonical);
    }
    pub fn text(&mut self, bytes: &[u8]) {
        self.counted(4, bytes);
    }
    fn counted(&mut self, tag: u8, bytes: &[u8]) {
        self.0.push(tag);
        self.0.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.0.extend_from_slice(bytes);
    }
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Key {
    pub fn new(bytes: [u8; 16]) -> Key {
        Key { sip: SipHasher24::new_with_key(&bytes), bytes }
    }

    pub fn of(plan: &Plan) -> Result<Key> {
        let wrong = || CoreError::definition("the plan's key is not 32 hex digits");
        let value = u128::from_str_radix(&plan.key, 16).map_err(|_| wrong())?;
        if plan.key.len() == 32 { Ok(Key::new(value.to_be_bytes())) } else { Err(wrong()) }
    }

    /// SipHash-2-4 with 128 bits; its first word in the low half.
    #[inline]
    pub fn hash(&self, bytes: &[u8]) -> u128 {
        let h = self.sip.hash(bytes);
        u128::from(h.h1) | u128::from(h.h2) << 64
    }

    /// What a record with this uuid adds to its account's digest.
    #[inline]
    pub fn digest(&self, uuid: u128) -> u128 {
        let mut bytes = [b'u'; 17];
        if let Some(place) = bytes.last_chunk_mut::<16>() {
            *place = uuid.to_be_bytes();
        }
        self.hash(&bytes)
    }

    /// The hash of a position: its uuid where the id is the position, its digest where a record has no uuid.
    pub fn position(&self, partition: &str, ordinal: u64) -> u128 {
        let mut encoding = Encoding::default();
        encoding.begin(Kind::Position, 2);
        encoding.text(partition.as_bytes());
        let (mut digits, mut exponent) = (ordinal, 0);
        while digits != 0 && digits % 10 == 0 {
            (digits, exponent) = (digits / 10, exponent + 1);
        }
        encoding.number(format!("{digits}e{exponent}").as_bytes());
        self.hash(encoding.bytes())
    }

    /// A member of a distinct count: numbers stand for themselves, texts for their hash, apart by the top four bits.
    #[inline]
    pub fn member(&self, value: &Value, text: &[u8]) -> u128 {
        let tagged = |tag: u128, v: u64| tag << 124 | u128::from(v);
        match *value {
            Value::Null => 0,
            Value::Bool(v) => tagged(1, u64::from(v)),
            Value::Int(v) => tagged(2, v as u64),
            Value::Decimal(v) => tagged(3, v as u64),
            Value::Float(v) => tagged(4, v.to_bits()),
            Value::Text { .. } => 15 << 124 | self.hash(text) >> 4,
        }
    }

    /// Seed of the content digest, which never leaves the core.
    pub fn seed(&self) -> u64 {
        u64::from_le_bytes(*self.bytes.first_chunk().unwrap_or(&[0; 8]))
    }
}

/// The 128 bits of a 36-character lower-case UUID text.
#[inline]
pub fn uuid_text(text: &[u8]) -> Option<u128> {
    let text: &[u8; 36] = text.try_into().ok()?;
    let mut value = 0u128;
    for (at, &byte) in text.iter().enumerate() {
        if matches!(at, 8 | 13 | 18 | 23) {
            if byte != b'-' {
                return None;
            }
            continue;
        }
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        value = value << 4 | u128::from(digit);
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_agrees_with_the_published_vectors() {
        let key = Key::new(std::array::from_fn(|i| i as u8));
        let expected = [0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93];
        assert_eq!(key.hash(b"").to_le_bytes(), expected);
    }

    #[test]
    fn only_the_lower_case_form_of_36_characters_is_a_uuid() {
        let text = b"00112233-4455-6677-8899-aabbccddeeff";
        assert_eq!(uuid_text(text), Some(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff));
        assert_eq!(uuid_text(&text.to_ascii_uppercase()), None);
        assert_eq!(uuid_text(b"00112233445566778899aabbccddeeff"), None);
        assert_eq!(uuid_text(b"001122334455-6677-8899-aabbccddeeff0"), None);
    }

    #[test]
    fn the_ordinal_ten_has_its_zero_in_the_exponent() {
        let key = Key::new([7; 16]);
        let mut encoding = Encoding::default();
        encoding.begin(Kind::Position, 2);
        encoding.text(b"a");
        encoding.number(b"1e1");
        assert_eq!(key.position("a", 10), key.hash(encoding.bytes()));
        encoding.begin(Kind::Position, 2);
        encoding.text(b"a");
        encoding.number(b"0e0");
        assert_eq!(key.position("a", 0), key.hash(encoding.bytes()));
    }
}
