//! The side log: records that could not be counted, with their reason and their bytes, so that they can be replayed.
use std::collections::HashMap;

use crate::error::Result;
use crate::ledger::{ACCOUNTS, Account, RowKey};
use crate::store::frame::SideEntry;
use crate::wire::{Short, Take, put_bytes, put_i64, put_u64};

/// A record's bytes are kept up to this many, however many of its events are refused.
pub const RAW_BYTES_MAX: usize = 64 << 10;

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub partition: u32,
    pub record: u64,
    /// The place in the list of a record that is several events.
    pub element: Option<u32>,
    pub account: Account,
    pub reason: u8,
    pub part: u16,
    /// Byte inside the record where the fault was noticed (malformed).
    pub at: u64,
    pub event_us: Option<i64>,
    pub received_us: Option<i64>,
    pub t_us: Option<i64>,
    pub uuid: Option<u128>,
    /// The record's length; `raw` may hold only its beginning.
    pub length: u64,
    pub raw: Vec<u8>,
}

impl Entry {
    pub fn encode(&self) -> (Vec<u8>, Vec<u8>) {
        let mut key = self.partition.to_be_bytes().to_vec();
        key.extend_from_slice(&self.record.to_be_bytes());
        key.extend(self.element.iter().flat_map(|element| element.to_be_bytes()));
        let mut out = vec![self.account as u8, self.reason];
        out.extend_from_slice(&self.part.to_be_bytes());
        put_u64(&mut out, self.at);
        for time in [self.event_us, self.received_us, self.t_us] {
            out.push(u8::from(time.is_some()));
            put_i64(&mut out, time.unwrap_or(0));
        }
        out.push(u8::from(self.uuid.is_some()));
        out.extend_from_slice(&self.uuid.unwrap_or(0).to_be_bytes());
        put_u64(&mut out, self.length);
        put_bytes(&mut out, &self.raw);
        (key, out)
    }

    pub fn decode(key: &[u8], value: &[u8]) -> Result<Entry> {
        let (mut key, mut take) = (Take(key), Take(value));
        let (partition, record) = (u32::from_be_bytes(key.array()?), u64::from_be_bytes(key.array()?));
        let element = match key.0 {
            [] => None,
            _ => Some(u32::from_be_bytes(key.array()?)),
        };
        let account = ACCOUNTS.get(take.u8()? as usize).map(|a| a.0).ok_or(Short)?;
        let (reason, part, at) = (take.u8()?, u16::from_be_bytes(take.array()?), take.u64()?);
        let mut time = || -> Result<Option<i64>> {
            let some = take.u8()? == 1;
            let value = take.i64()?;
            Ok(some.then_some(value))
        };
        let (event_us, received_us, t_us) = (time()?, time()?, time()?);
        let some = take.u8()? == 1;
        let uuid = some.then_some(u128::from_be_bytes(take.array()?));
        let (length, raw) = (take.u64()?, take.bytes()?.to_vec());
        Ok(Entry {
            partition,
            record,
            element,
            account,
            reason,
            part,
            at,
            event_us,
            received_us,
            t_us,
            uuid,
            length,
            raw,
        })
    }

    /// The ledger row this entry belongs to.
    pub fn row(&self, minute_us: Option<i64>) -> RowKey {
        RowKey {
            partition: self.partition,
            minute_us,
            account: self.account,
            reason: self.reason,
            part: self.part,
        }
    }
}

/// Where the bytes of the records of one batch are kept: with the first of a record's events that are refused, since they
/// are the same for all of them. The time rule refuses before the memory of ids does, so an earlier one may come later.
#[derive(Default)]
pub struct Raws(HashMap<u64, (u32, usize)>);

impl Raws {
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// How many bytes of its record the next entry of `side` keeps. What an event behind it kept is let go.
    pub fn keep(&mut self, record: u64, element: Option<u32>, side: &mut [SideEntry]) -> Result<usize> {
        let Some(element) = element else {
            return Ok(RAW_BYTES_MAX);
        };
        let here = (element, side.len());
        match self.0.insert(record, here) {
            Some((first, at)) if first < element => {
                self.0.insert(record, (first, at));
                return Ok(0);
            }
            Some((_, at)) => side.get_mut(at).map_or(Ok(()), without_raw)?,
            None => {}
        }
        Ok(RAW_BYTES_MAX)
    }
}

/// An entry without the bytes of its record.
fn without_raw(entry: &mut SideEntry) -> Result<()> {
    let kept = Entry::decode(&entry.0, &entry.1)?;
    *entry = Entry { raw: vec![], ..kept }.encode();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(element: u32, kept: usize) -> Entry {
        Entry {
            partition: 0,
            record: 300,
            element: Some(element),
            account: Account::TooLate,
            reason: 0,
            part: 0,
            at: 0,
            event_us: Some(1_679_783_400_000_000),
            received_us: None,
            t_us: Some(-1),
            uuid: Some(7),
            length: 5,
            raw: vec![b'x'; kept],
        }
    }

    #[test]
    fn the_bytes_of_a_record_stand_with_the_first_of_its_events_that_is_refused() -> Result<()> {
        let (mut raws, mut side) = (Raws::default(), vec![]);
        for element in [2, 1, 3] {
            let kept = raws.keep(300, Some(element), &mut side)?.min(5);
            side.push(entry(element, kept).encode());
        }
        let found: Result<Vec<Entry>> = side.iter().map(|(key, value)| Entry::decode(key, value)).collect();
        assert_eq!(found?, [entry(2, 0), entry(1, 5), entry(3, 0)]);
        Ok(())
    }
}
