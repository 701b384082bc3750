//! What a Pub/Sub subscription hands over: an answer of its pull calls in protobuf's wire format, read without an object for
//! each message.
use crate::error::{CoreError, Result};
use crate::prepared::Strings;
use crate::wire::{Short, Take, put_bytes};

/// Ids and bytes of ids in one request: Pub/Sub takes 512 KiB.
const ACKS_MAX: usize = 1_000;
const ACK_BYTES_MAX: usize = 400 << 10;

/// Messages, and the ids by which they are acknowledged: fields of a request that does (field 2 of it).
#[derive(Default)]
pub struct Deliveries {
    pub acks: Vec<u8>,
    pub data: Strings,
}

const RECEIVED: u64 = field(1);
const ACK_ID: u64 = field(1);
const MESSAGE: u64 = field(2);
const DATA: u64 = field(1);
const ATTRIBUTES: u64 = field(2);
const NAME: u64 = field(1);
const TEXT: u64 = field(2);
const ACK_IDS: u8 = field(2) as u8;

/// The tag of a field that has a length.
const fn field(number: u64) -> u64 {
    number << 3 | 2
}

/// The messages of an answer, as many together as one request acknowledges. `with_attempt`: in front of its data the attempt at
/// which it was published, four bytes; 0: it does not say.
pub fn read(answer: &[u8], with_attempt: bool) -> Result<Vec<Deliveries>> {
    let mut found: Vec<Deliveries> = vec![];
    let of_answer = |Short| CoreError::internal("an answer of Pub/Sub is cut off");
    let mut fields = Take(answer);
    while let Some((tag, received)) = next(&mut fields).map_err(of_answer)? {
        if tag != RECEIVED {
            continue;
        }
        let is_full = |last: &Deliveries| last.data.ends.len() == ACKS_MAX || last.acks.len() >= ACK_BYTES_MAX;
        if found.last().is_none_or(is_full) {
            found.push(Deliveries::default());
        }
        if let Some(last) = found.last_mut() {
            last.add(received, with_attempt).map_err(of_answer)?;
            last.data.end()?;
        }
    }
    Ok(found)
}

impl Deliveries {
    fn add(&mut self, received: &[u8], with_attempt: bool) -> std::result::Result<(), Short> {
        let (ack_id, message) = (last(received, ACK_ID)?, last(received, MESSAGE)?);
        self.acks.push(ACK_IDS);
        put_bytes(&mut self.acks, ack_id);
        if with_attempt {
            self.data.bytes.extend_from_slice(&attempt(message)?.to_le_bytes());
        }
        self.data.bytes.extend_from_slice(last(message, DATA)?);
        Ok(())
    }
}

/// What a message's attribute says; 0 where that is no number of at most nine digits.
fn attempt(message: &[u8]) -> std::result::Result<u32, Short> {
    let mut fields = Take(message);
    while let Some((tag, entry)) = next(&mut fields)? {
        if tag == ATTRIBUTES && last(entry, NAME)? == b"attempt" {
            let text = last(entry, TEXT)?;
            let is_number = text.len() < 10 && text.iter().all(u8::is_ascii_digit);
            let number = std::str::from_utf8(text).ok().filter(|_| is_number);
            return Ok(number.and_then(|digits| digits.parse().ok()).unwrap_or(0));
        }
    }
    Ok(0)
}

/// The last field with a tag, as protobuf reads one that is there twice; nothing where there is none.
fn last(fields: &[u8], wanted: u64) -> std::result::Result<&[u8], Short> {
    let (mut fields, mut found) = (Take(fields), &[][..]);
    while let Some((tag, bytes)) = next(&mut fields)? {
        if tag == wanted {
            found = bytes;
        }
    }
    Ok(found)
}

/// The next field: its tag, and its bytes if it has a length.
fn next<'a>(fields: &mut Take<'a>) -> std::result::Result<Option<(u64, &'a [u8])>, Short> {
    if fields.is_empty() {
        return Ok(None);
    }
    let tag = fields.u64()?;
    let bytes = match tag & 7 {
        0 => fields.u64().map(|_| &[][..])?,
        1 => fields.take(8)?,
        2 => fields.bytes()?,
        5 => fields.take(4)?,
        _ => return Err(Short),
    };
    Ok(Some((tag, bytes)))
}
