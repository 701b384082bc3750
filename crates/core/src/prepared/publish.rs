//! Messages of the prepared form as Pub/Sub's publish request holds them, in protobuf's wire format: field 2 of the request, in
//! which `data` is field 1, and field 2 a map of attributes. Each says that it is sent for the first time.
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Strings;
use crate::error::Result;
use crate::records::Records;
use crate::wire::{put_bytes, put_u64};

const FIELD_1: u8 = 0x0a;
const FIELD_2: u8 = 0x12;
const UUID: &[u8] = b"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
const TIME: &[u8] = b"dddd-dd-ddTdd:dd:dd.ddddddZ";

/// What a message says of itself; times and the offset of its first event as texts.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    pub id: &'a str,
    pub events: usize,
    pub time_min: &'a str,
    pub time_max: &'a str,
    pub is_block: bool,
}

/// Frames the messages of one partition.
pub struct Framing {
    source: String,
    definition: String,
    /// The attributes that all of them have.
    about: Vec<u8>,
    /// The attribute of the first attempt.
    attempt: Vec<u8>,
    bytes_max: usize,
    message: Vec<u8>,
}

/// Messages one behind the other, the offset of each, and which records are none that is known at once.
#[derive(Default)]
pub struct Framed {
    pub frames: Strings,
    pub offsets: Vec<u64>,
    pub rest: Vec<u32>,
}

/// A single as it is written; what is written otherwise is looked at by a reader that takes its time.
#[derive(Deserialize)]
struct Single<'a> {
    specversion: &'a str,
    id: &'a str,
    source: &'a str,
    r#type: &'a str,
    time: &'a str,
    received: &'a str,
    definition: &'a str,
    #[serde(rename = "topic")]
    _topic: &'a str,
    #[serde(rename = "partition")]
    _partition: i64,
    offset: &'a str,
    #[serde(rename = "attempt")]
    _attempt: i64,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl Framing {
    /// `source` and `definition`: what each message must say. None of `bytes_max` bytes is framed.
    pub fn new(source: String, definition: String, (topic, partition): (&str, i64), bytes_max: usize) -> Framing {
        let (mut about, mut attempt) = (vec![], vec![]);
        let partition = partition.to_string();
        for (name, text) in [
            ("definition", definition.as_str()),
            ("source", &source),
            ("topic", topic),
            ("partition", &partition),
        ] {
            put_attribute(name, text, &mut about);
        }
        put_attribute("attempt", "1", &mut attempt);
        Framing {
            source,
            definition,
            about,
            attempt,
            bytes_max,
            message: vec![],
        }
    }

    /// The singles among some records. Without `places` each stands at the offset that it says itself.
    pub fn singles(&mut self, records: &Records, places: bool) -> Result<Framed> {
        let mut framed = Framed::default();
        for record in 0..records.len() {
            let (start, end) = records.span(record);
            let value = records.bytes().get(start..end).unwrap_or_default();
            let place = places.then(|| records.offset(record));
            match self.single(value, place, &mut framed.frames.bytes) {
                Some(offset) => {
                    framed.frames.end()?;
                    framed.offsets.push(offset);
                }
                None => framed.rest.push(record as u32),
            }
        }
        Ok(framed)
    }

    fn single(&mut self, value: &[u8], place: Option<u64>, out: &mut Vec<u8>) -> Option<u64> {
        let said: Single<'_> = serde_json::from_slice(value).ok()?;
        let is_one = said.specversion == "1.0"
            && said.r#type == "crossfoot.prepared"
            && said.source == self.source
            && said.definition == self.definition
            && has_form(said.id, UUID)
            && has_form(said.time, TIME)
            && has_form(said.received, TIME)
            && said.data.get().starts_with('{');
        let offset = place.or_else(|| said.offset.parse().ok())?;
        let head = Head {
            id: said.id,
            events: 1,
            time_min: said.time,
            time_max: said.time,
            is_block: false,
        };
        (is_one && self.put(value, &head, offset, out)).then_some(offset)
    }

    /// Append a message; false where it is too long.
    pub fn put(&mut self, value: &[u8], head: &Head<'_>, offset: u64, out: &mut Vec<u8>) -> bool {
        let mut message = std::mem::take(&mut self.message);
        message.clear();
        put_field(FIELD_1, value, &mut message);
        message.extend_from_slice(&self.about);
        put_attribute("form", if head.is_block { "block" } else { "single" }, &mut message);
        put_attribute("events", &head.events.to_string(), &mut message);
        put_attribute("id", head.id, &mut message);
        put_attribute("time_min", head.time_min, &mut message);
        put_attribute("time_max", head.time_max, &mut message);
        put_attribute("offset", &offset.to_string(), &mut message);
        message.extend_from_slice(&self.attempt);
        let fits = message.len() < self.bytes_max;
        if fits {
            put_field(FIELD_2, &message, out);
        }
        self.message = message;
        fits
    }
}

/// Whether a text is written like a form: x stands for a hexadecimal digit in lower case, d for a digit.
fn has_form(text: &str, form: &[u8]) -> bool {
    let fits = |(byte, like): (u8, &u8)| match *like {
        b'x' => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        b'd' => byte.is_ascii_digit(),
        other => byte == other,
    };
    text.len() == form.len() && text.bytes().zip(form).all(fits)
}

fn put_attribute(name: &str, text: &str, out: &mut Vec<u8>) {
    let field = |text: &str| text.len() as u64 + bytes_of_length(text.len());
    out.push(FIELD_2);
    put_u64(out, 2 + field(name) + field(text));
    put_field(FIELD_1, name.as_bytes(), out);
    put_field(FIELD_2, text.as_bytes(), out);
}

fn put_field(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    put_bytes(out, bytes);
}

/// Bytes that a length takes: seven bits in each.
fn bytes_of_length(length: usize) -> u64 {
    u64::from((length | 1).ilog2()) / 7 + 1
}
