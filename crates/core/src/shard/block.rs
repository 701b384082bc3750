//! A block on its way to a shard: rows of the pure step, each with its place. What is refused travels with its bytes, for
//! the side log; an event travels with its values, and with its bytes only where the time rule is going to refuse it.
use crate::batch::{Batch, Invalid, Row, Value, Verdict};
use crate::error::{CoreError, Kind, Result};
use crate::input::Place;
use crate::ledger::{invalid_reason, malformed_reason};
use crate::slot::Malformed;
use crate::wire::{Short, Take, put_bytes, put_i64, put_u64};

const MAGIC: [u8; 4] = *b"CFS1";
const CHECK_BYTES: usize = 4;

mod kind {
    pub const EVENT: u8 = 0;
    pub const FILTERED: u8 = 1;
    pub const EMPTY: u8 = 2;
    pub const INVALID: u8 = 3;
    pub const MALFORMED: u8 = 4;
    pub const HAS_ELEMENT: u8 = 0x10;
    pub const HAS_BYTES: u8 = 0x20;
    pub const VERDICT: u8 = 0x0f;
}

mod tag {
    pub const NULL: u8 = 0;
    pub const FALSE: u8 = 1;
    pub const TRUE: u8 = 2;
    pub const INT: u8 = 3;
    pub const DECIMAL: u8 = 4;
    pub const FLOAT: u8 = 5;
    pub const TEXT: u8 = 6;
}

/// Writes a block. `plan` stands for the plan whose rows it holds.
pub(super) struct Writer {
    bytes: Vec<u8>,
    last: u64,
}

/// A row with what it speaks of: its values, and the bytes of its record if they travel with it.
pub(super) struct Routed<'a> {
    pub row: &'a Row,
    pub place: Place,
    pub values: &'a [Value],
    pub chunk: &'a [u8],
    pub arena: &'a [u8],
    pub raw: Option<&'a [u8]>,
}

impl Writer {
    pub fn new(plan: u64, partition: &str) -> Writer {
        let mut bytes = MAGIC.to_vec();
        bytes.resize(MAGIC.len() + CHECK_BYTES, 0);
        bytes.extend_from_slice(&plan.to_le_bytes());
        put_bytes(&mut bytes, partition.as_bytes());
        Writer { bytes, last: 0 }
    }

    pub fn push(&mut self, routed: &Routed<'_>) {
        let Routed { row, place, raw, .. } = routed;
        let out = &mut self.bytes;
        let verdict = match row.verdict {
            Verdict::Event => kind::EVENT,
            Verdict::Filtered => kind::FILTERED,
            Verdict::Empty => kind::EMPTY,
            Verdict::Invalid(..) => kind::INVALID,
            Verdict::Malformed(..) => kind::MALFORMED,
        };
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        out.push(verdict | flag(place.element.is_some(), kind::HAS_ELEMENT) | flag(raw.is_some(), kind::HAS_BYTES));
        put_i64(out, place.position.wrapping_sub(self.last) as i64);
        self.last = place.position;
        place
            .element
            .iter()
            .for_each(|element| put_u64(out, u64::from(*element)));
        raw.iter().for_each(|raw| put_bytes(out, raw));
        match row.verdict {
            Verdict::Event => put_event(out, routed),
            Verdict::Invalid(reason, part) => {
                out.push(invalid_reason(reason));
                put_u64(out, u64::from(part));
            }
            Verdict::Malformed(reason, at) => {
                out.push(malformed_reason(reason));
                put_u64(out, u64::from(at));
            }
            Verdict::Filtered | Verdict::Empty => {}
        }
    }

    pub fn finish(mut self) -> Vec<u8> {
        let checked = self.bytes.get(MAGIC.len() + CHECK_BYTES..).unwrap_or_default();
        let check = crc32c::crc32c(checked).to_le_bytes();
        if let Some(place) = self.bytes.get_mut(MAGIC.len()..MAGIC.len() + CHECK_BYTES) {
            place.copy_from_slice(&check);
        }
        self.bytes
    }
}

fn put_event(out: &mut Vec<u8>, routed: &Routed<'_>) {
    let row = routed.row;
    out.extend_from_slice(&row.uuid.to_le_bytes());
    out.extend_from_slice(&row.event_us.to_le_bytes());
    out.extend_from_slice(&row.stamp_us.to_le_bytes());
    out.extend_from_slice(&row.digest.to_le_bytes());
    put_u64(out, row.metrics);
    for value in routed.values {
        match *value {
            Value::Null => out.push(tag::NULL),
            Value::Bool(value) => out.push(if value { tag::TRUE } else { tag::FALSE }),
            Value::Int(value) => {
                out.push(tag::INT);
                put_i64(out, value);
            }
            Value::Decimal(value) => {
                out.push(tag::DECIMAL);
                put_i64(out, value);
            }
            Value::Float(value) => {
                out.push(tag::FLOAT);
                out.extend_from_slice(&value.to_bits().to_le_bytes());
            }
            Value::Text { in_arena, at, len } => {
                let home = if in_arena { routed.arena } else { routed.chunk };
                let text = home.get(at as usize..at as usize + len as usize);
                out.push(tag::TEXT);
                put_bytes(out, text.unwrap_or_default());
            }
        }
    }
}

/// The rows of a block; spans and texts are of its bytes.
#[derive(Default)]
pub(super) struct Rows {
    pub partition: String,
    pub batch: Batch,
    pub places: Vec<Place>,
}

impl Rows {
    /// Read a block of a plan with so many fields, in the place of what was read before.
    ///
    /// # Errors
    /// The block is damaged, or of another plan.
    pub fn read(&mut self, block: &[u8], plan: u64, fields: usize) -> Result<()> {
        self.batch.clear();
        self.places.clear();
        let mut take = Take(block);
        let (magic, check) = (take.array().ok(), take.array().ok());
        if magic != Some(MAGIC)
            || check != Some(crc32c::crc32c(take.0).to_le_bytes())
            || block.len() > u32::MAX as usize
        {
            return Err(CoreError::new(
                Kind::Data,
                "a block on its way to a shard is damaged",
                "nothing of it was counted: hand over the block as the splitter made it",
            ));
        }
        if u64::from_le_bytes(take.array()?) != plan {
            return Err(CoreError::new(
                Kind::Data,
                "a block on its way to a shard is of another definition",
                "split and count with one definition: finish the run of the old one before the new one starts",
            ));
        }
        self.partition = String::from_utf8_lossy(take.bytes()?).into_owned();
        let (mut take, mut last) = (Cursor { take, of: block }, 0);
        while !take.take.is_empty() {
            let place = self.row(&mut take, last, fields)?;
            last = place.position;
            self.places.push(place);
        }
        Ok(())
    }

    fn row(&mut self, cursor: &mut Cursor<'_>, last: u64, fields: usize) -> Result<Place> {
        let take = &mut cursor.take;
        let kind = take.u8()?;
        let position = last.wrapping_add(take.i64()? as u64);
        let element = match kind & kind::HAS_ELEMENT {
            0 => None,
            _ => Some(u32::try_from(take.u64()?).map_err(|_| Short)?),
        };
        let mut row = Row::default();
        if kind & kind::HAS_BYTES != 0 {
            let length = cursor.take.bytes()?.len();
            row.end = cursor.at();
            row.start = row.end - length as u32;
        }
        let take = &mut cursor.take;
        row.verdict = match kind & kind::VERDICT {
            kind::EVENT => Verdict::Event,
            kind::FILTERED => Verdict::Filtered,
            kind::EMPTY => Verdict::Empty,
            kind::INVALID => {
                let reason = Invalid::ALL.get(usize::from(take.u8()?)).copied().ok_or(Short)?;
                Verdict::Invalid(reason, u16::try_from(take.u64()?).map_err(|_| Short)?)
            }
            kind::MALFORMED => {
                let reason = Malformed::ALL.get(usize::from(take.u8()?)).copied().ok_or(Short)?;
                Verdict::Malformed(reason, u32::try_from(take.u64()?).map_err(|_| Short)?)
            }
            _ => return Err(Short.into()),
        };
        if row.verdict == Verdict::Event {
            self.event(&mut row, cursor, fields)?;
        } else {
            self.batch.values.resize(self.batch.values.len() + fields, Value::Null);
        }
        self.batch.rows.push(row);
        Ok(Place { position, element })
    }

    fn event(&mut self, row: &mut Row, cursor: &mut Cursor<'_>, fields: usize) -> Result<()> {
        let take = &mut cursor.take;
        row.uuid = u128::from_le_bytes(take.array()?);
        row.event_us = i64::from_le_bytes(take.array()?);
        row.stamp_us = i64::from_le_bytes(take.array()?);
        row.digest = u32::from_le_bytes(take.array()?);
        row.metrics = take.u64()?;
        for _ in 0..fields {
            let value = cursor.value()?;
            self.batch.values.push(value);
        }
        Ok(())
    }
}

/// Where reading stands in a block.
struct Cursor<'a> {
    take: Take<'a>,
    of: &'a [u8],
}

impl Cursor<'_> {
    fn at(&self) -> u32 {
        (self.of.len() - self.take.0.len()) as u32
    }

    #[inline]
    fn value(&mut self) -> Result<Value> {
        let take = &mut self.take;
        Ok(match take.u8()? {
            tag::NULL => Value::Null,
            tag::FALSE => Value::Bool(false),
            tag::TRUE => Value::Bool(true),
            tag::INT => Value::Int(take.i64()?),
            tag::DECIMAL => Value::Decimal(take.i64()?),
            tag::FLOAT => Value::Float(f64::from_bits(u64::from_le_bytes(take.array()?))),
            tag::TEXT => {
                let len = take.bytes()?.len() as u32;
                Value::Text {
                    in_arena: false,
                    at: self.at() - len,
                    len,
                }
            }
            _ => return Err(Short.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: &[u8] = b"ab";
    const VERDICTS: [Verdict; 4] = [
        Verdict::Event,
        Verdict::Filtered,
        Verdict::Invalid(Invalid::Zone, 9),
        Verdict::Malformed(Malformed::Depth, 77),
    ];
    const VALUES: [Value; 6] = [
        Value::Null,
        Value::Bool(true),
        Value::Int(-5),
        Value::Decimal(1 << 40),
        Value::Float(0.5),
        Value::Text {
            in_arena: true,
            at: 1,
            len: 2,
        },
    ];

    fn written() -> Vec<u8> {
        let mut writer = Writer::new(7, "p/0");
        for (number, verdict) in (0..).zip(VERDICTS) {
            let row = Row {
                uuid: 3 << 100,
                event_us: -1,
                stamp_us: 4,
                verdict,
                ..Row::default()
            };
            writer.push(&Routed {
                row: &row,
                place: Place {
                    position: 10 - number,
                    element: (number == 1).then_some(2),
                },
                values: &VALUES,
                chunk: CHUNK,
                arena: b"xyz",
                raw: (number == 3).then_some(CHUNK),
            });
        }
        writer.finish()
    }

    #[test]
    fn what_is_written_is_read() {
        let (block, mut read) = (written(), Rows::default());
        read.read(&block, 7, VALUES.len()).unwrap();
        let rows = &read.batch.rows;
        assert_eq!(read.partition, "p/0");
        assert!(rows.iter().map(|row| row.verdict).eq(VERDICTS));
        assert!(read.places.iter().map(|place| place.position).eq([10, 9, 8, 7]));
        assert_eq!(read.places[1].element, Some(2));
        assert_eq!((rows[0].uuid, rows[0].event_us, rows[0].stamp_us), (3 << 100, -1, 4));
        assert_eq!(&block[rows[3].start as usize..rows[3].end as usize], CHUNK);
        assert_eq!(read.batch.values[..5], VALUES[..5]);
        let Value::Text { at, len, .. } = read.batch.values[5] else {
            panic!("no text")
        };
        assert_eq!(&block[at as usize..(at + len) as usize], b"yz");
    }

    #[test]
    fn damage_and_another_plan_are_noticed() {
        let (mut block, mut read) = (written(), Rows::default());
        let error = read.read(&block, 8, VALUES.len()).unwrap_err();
        assert!(error.message.contains("another definition"), "{}", error.message);
        block.pop();
        let error = read.read(&block, 7, VALUES.len()).unwrap_err();
        assert!(error.message.contains("damaged"), "{}", error.message);
    }
}
