//! Where the parts of an event are read: in the slots of a decoded record, or in a row of a block.
use super::field::{FieldReader, Raw};
use super::{Identity, Stamp};
use crate::batch::{Invalid, Value, part};
use crate::identity::{self, Form, Key};
use crate::prepared::Events;
use crate::slot::{Kind, Slot};

type Found<T> = Result<T, Invalid>;

/// What the rules ask of a record. `arena` is where texts may lie.
pub trait Given {
    /// Whether the texts stand at their paths.
    fn is_of(&self, guard: &[(usize, String)], arena: &[u8]) -> bool;

    /// Put a declared field's value into its place, which is null before.
    fn field(
        &self,
        field: (usize, &FieldReader),
        arena: &mut Vec<u8>,
        scratch: &mut Vec<u8>,
        place: &mut Value,
    ) -> Found<()>;

    fn time(&self, stamp: &Stamp, arena: &[u8]) -> Found<i64>;

    /// 0 where the id is the position.
    fn uuid(&self, id: &Identity, key: &Key, scratch: &mut Vec<u8>, arena: &[u8]) -> Found<u128>;
}

/// A decoded record.
pub struct Slots<'a> {
    pub slots: &'a [Slot],
    pub chunk: &'a [u8],
}

impl<'a> Slots<'a> {
    fn raw(&self, arena: &'a [u8]) -> Raw<'a> {
        Raw {
            slots: self.slots,
            chunk: self.chunk,
            arena,
        }
    }
}

impl Given for Slots<'_> {
    #[inline]
    fn is_of(&self, guard: &[(usize, String)], arena: &[u8]) -> bool {
        let raw = self.raw(arena);
        let stands = |(path, text): &(usize, String)| raw.get(*path) == (Kind::Text, text.as_bytes());
        guard.iter().all(stands)
    }

    #[inline]
    fn field(
        &self,
        (_, field): (usize, &FieldReader),
        arena: &mut Vec<u8>,
        scratch: &mut Vec<u8>,
        place: &mut Value,
    ) -> Found<()> {
        field.read((self.slots, self.chunk), arena, scratch, place)
    }

    #[inline]
    fn time(&self, stamp: &Stamp, arena: &[u8]) -> Found<i64> {
        let (kind, bytes) = self.raw(arena).get(stamp.path);
        stamp.reader.read(kind, bytes)
    }

    #[inline]
    fn uuid(&self, id: &Identity, key: &Key, scratch: &mut Vec<u8>, arena: &[u8]) -> Found<u128> {
        let raw = self.raw(arena);
        let (form, paths) = match id {
            Identity::Values { form, paths } => (form, paths),
            Identity::Made(path) => return made(raw.get(*path)),
            Identity::Position => return Ok(0),
        };
        if let (Form::Fields, [path]) = (form, paths.as_slice())
            && let (Kind::Text, bytes) = raw.get(*path)
            && let Some(uuid) = identity::uuid(bytes)
        {
            return Ok(uuid);
        }
        identity::start(scratch, *form, paths.len() as u32);
        for path in paths {
            let (kind, bytes) = raw.get(*path);
            identity::put_raw(scratch, *form, kind, bytes)?;
        }
        Ok(key.hash(scratch))
    }
}

fn made((kind, bytes): (Kind, &[u8])) -> Found<u128> {
    match kind {
        Kind::Missing | Kind::Null => Err(Invalid::Missing),
        Kind::Text => identity::uuid(bytes).ok_or(Invalid::Type),
        _ => Err(Invalid::Type),
    }
}

/// An event of a block, whose schema has said already whose it is.
pub struct Made<'a> {
    pub events: &'a Events,
    pub number: usize,
}

impl Given for Made<'_> {
    fn is_of(&self, _guard: &[(usize, String)], _arena: &[u8]) -> bool {
        true
    }

    #[inline]
    fn field(
        &self,
        (number, field): (usize, &FieldReader),
        arena: &mut Vec<u8>,
        _scratch: &mut Vec<u8>,
        place: &mut Value,
    ) -> Found<()> {
        self.events.put(number, field.kind, self.number, arena, place)
    }

    fn time(&self, stamp: &Stamp, _arena: &[u8]) -> Found<i64> {
        match stamp.part {
            part::TIME => self.events.event_us(self.number),
            _ => self.events.received_us(self.number),
        }
    }

    fn uuid(&self, _id: &Identity, _key: &Key, _scratch: &mut Vec<u8>, _arena: &[u8]) -> Found<u128> {
        self.events.uuid(self.number)
    }
}
