//! The ledger: every record in exactly one account, per partition and minute, with an order-free digest of its members.
use std::collections::BTreeMap;

use crate::accept::Late;
use crate::batch::Invalid;
use crate::error::{CoreError, Result};
use crate::slot::Malformed;
use crate::wire::{Take, put_u64};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Account {
    Counted,
    Duplicate,
    Conflict,
    Filtered,
    Future,
    TooLate,
    Invalid,
    Malformed,
}

pub const ACCOUNTS: [(Account, &str); 8] = [
    (Account::Counted, "counted"),
    (Account::Duplicate, "duplicate"),
    (Account::Conflict, "conflict"),
    (Account::Filtered, "filtered"),
    (Account::Future, "future"),
    (Account::TooLate, "too_late"),
    (Account::Invalid, "invalid"),
    (Account::Malformed, "malformed"),
];

/// Reason codes by account; a reason's number is its place here.
pub fn reasons(account: Account) -> &'static [&'static str] {
    match account {
        Account::Counted | Account::Future => &[""],
        Account::Filtered => &["", "empty"],
        Account::Duplicate => &["under_1s", "under_1m", "under_1h", "under_1d", "over_1d", "unknown"],
        Account::Conflict => &["time", "content"],
        Account::TooLate => &["lateness", "transport", "forgotten"],
        Account::Invalid => &["missing", "type", "range", "stamp", "zone", "definition"],
        Account::Malformed => &["syntax", "utf8", "not_object", "size", "depth", "members"],
    }
}

pub fn invalid_reason(reason: Invalid) -> u8 {
    reason as u8
}

pub fn late_reason(late: Late) -> u8 {
    late as u8
}

pub fn malformed_reason(reason: Malformed) -> u8 {
    reason as u8
}

/// The age class of a copy: stamp minus event time.
#[inline]
pub fn age_reason(t: Option<i64>, event_us: i64) -> u8 {
    const SECOND: i64 = 1_000_000;
    let Some(t) = t else { return 5 };
    match t.saturating_sub(event_us) {
        age if age < SECOND => 0,
        age if age < 60 * SECOND => 1,
        age if age < 3_600 * SECOND => 2,
        age if age < 86_400 * SECOND => 3,
        _ => 4,
    }
}

/// A ledger row's key. `part` is meaningful for `invalid` only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowKey {
    pub partition: u32,
    /// Start of the minute of t, microseconds; None: no stamp yet.
    pub minute_us: Option<i64>,
    pub account: Account,
    pub reason: u8,
    pub part: u16,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowValue {
    pub records: u64,
    pub digest: u128,
}

/// Rows that add up: those of one epoch, or of many.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub rows: BTreeMap<RowKey, RowValue>,
    /// The running row of each account, so that most records touch no map.
    last: [Option<(RowKey, RowValue)>; ACCOUNTS.len()],
}

impl Ledger {
    /// Put one record into its account.
    #[inline]
    pub fn add(&mut self, key: RowKey, digest: u128) {
        let Some(place) = self.last.get_mut(key.account as usize) else {
            return;
        };
        match place {
            Some((last, value)) if *last == key => {
                value.records += 1;
                value.digest = value.digest.wrapping_add(digest);
            }
            _ => {
                if let Some((key, value)) = place.replace((key, RowValue { records: 1, digest })) {
                    self.merge(key, value);
                }
            }
        }
    }

    /// Bring the running rows home; needed before `rows` is read.
    pub fn settle(&mut self) {
        for (key, value) in std::mem::take(&mut self.last).into_iter().flatten() {
            self.merge(key, value);
        }
    }

    pub fn merge(&mut self, key: RowKey, value: RowValue) {
        let row = self.rows.entry(key).or_default();
        row.records += value.records;
        row.digest = row.digest.wrapping_add(value.digest);
    }

    /// Entries per partition: a record that is several events stands as often.
    pub fn records(&self) -> BTreeMap<u32, u64> {
        let mut sums = BTreeMap::new();
        for (key, value) in &self.rows {
            *sums.entry(key.partition).or_default() += value.records;
        }
        sums
    }
}

impl RowKey {
    /// Bytes whose order is the rows' order.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.partition.to_be_bytes());
        out.push(u8::from(self.minute_us.is_some()));
        out.extend_from_slice(&crate::wire::order_i64(self.minute_us.unwrap_or(0)));
        out.push(self.account as u8);
        out.push(self.reason);
        out.extend_from_slice(&self.part.to_be_bytes());
    }

    pub fn decode(take: &mut Take<'_>) -> Result<RowKey> {
        let partition = u32::from_be_bytes(take.array()?);
        let some = take.u8()? == 1;
        let minute = crate::wire::from_order_i64(take.array()?);
        let number = take.u8()?;
        let account = ACCOUNTS.get(number as usize).map(|(a, _)| *a);
        let account = account.ok_or_else(|| {
            CoreError::store(format!("a ledger row names account {number}"), "run `crossfoot verify`")
        })?;
        let (reason, part) = (take.u8()?, u16::from_be_bytes(take.array()?));
        Ok(RowKey {
            partition,
            minute_us: some.then_some(minute),
            account,
            reason,
            part,
        })
    }
}

impl RowValue {
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_u64(out, self.records);
        out.extend_from_slice(&self.digest.to_le_bytes());
    }
    pub fn decode(take: &mut Take<'_>) -> Result<RowValue> {
        Ok(RowValue {
            records: take.u64()?,
            digest: u128::from_le_bytes(take.array()?),
        })
    }
}
