//! Count one batch: accept, dedup, fold. Owns everything that one epoch changes until it is committed.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::accept::{Clock, Least, Partition, Timely, least_t};
use crate::batch::{Batch, Row, Verdict};
use crate::dedup::{Entry as IdEntry, Memory, Query, Seen};
use crate::error::{CoreError, Kind, Result};
use crate::fold::{Counted, Fold, Values};
use crate::identity::Key;
use crate::ledger::{ACCOUNTS, Account, Ledger, RowKey, age_reason, invalid_reason, late_reason, malformed_reason};
use crate::plan::{Id, Plan};
use crate::side::{Entry as SideEntry, RAW_BYTES_MAX};
use crate::slot::Malformed;
use crate::store::journal::{self, Positions};

const MINUTE_US: i64 = 60_000_000;

/// The part of an epoch that is not in the fold.
#[derive(Default)]
pub struct Running {
    pub ledger: Ledger,
    pub side: Vec<journal::SideEntry>,
    pub ids: Vec<IdEntry>,
    /// Records consumed per partition; a partition that changed otherwise stands with 0.
    pub consumed: BTreeMap<u32, u64>,
}

/// The state that events meet, and what the running epoch has changed.
pub struct Counter {
    plan: Plan,
    key: Key,
    pub partitions: Vec<Partition>,
    pub clock: Clock,
    pub memory: Memory,
    fold: Arc<Mutex<Fold>>,
    pub running: Running,
    /// Records per account since the process started, uncommitted ones included.
    pub totals: [u64; ACCOUNTS.len()],
    pub now_us: i64,
    queries: Vec<Query>,
    query_rows: Vec<u32>,
    seen: Vec<Seen>,
    counted: Vec<Counted>,
}

/// A batch with the bytes it speaks of.
pub struct Input<'a> {
    pub partition: usize,
    pub batch: &'a Batch,
    pub chunk: &'a [u8],
    /// The part of the chunk that this batch consumed.
    pub span: (usize, usize),
    pub now_us: i64,
}

/// One record on its way into an account other than `counted`.
struct Refused<'a> {
    account: Account,
    reason: u8,
    part: u16,
    at: u32,
    t: Option<i64>,
    row: &'a Row,
    event: bool,
}

impl Counter {
    pub fn new(plan: Plan, memory: Memory) -> Result<Counter> {
        Ok(Counter {
            key: Key::of(&plan)?,
            fold: Arc::new(Mutex::new(Fold::new(&plan)?)),
            plan,
            partitions: vec![],
            clock: Clock::default(),
            memory,
            running: Running::default(),
            totals: [0; ACCOUNTS.len()],
            now_us: 0,
            queries: vec![],
            query_rows: vec![],
            seen: vec![],
            counted: vec![],
        })
    }

    /// Count the records of a chunk, in order.
    pub fn apply(&mut self, input: &Input<'_>) -> Result<()> {
        let counted = self.judge(input)?;
        lock(&self.fold)?.add(&counted, Values::of(input.batch, input.chunk));
        self.counted = counted;
        Ok(())
    }

    /// Where counted events are folded. Whoever folds on another thread is done before this one reads what was folded.
    pub fn folding(&self) -> Arc<Mutex<Fold>> {
        self.fold.clone()
    }

    pub fn fold(&self) -> Result<MutexGuard<'_, Fold>> {
        lock(&self.fold)
    }

    /// Put each record of a chunk into its account, in order; the counted events are left to be folded.
    pub fn judge(&mut self, input: &Input<'_>) -> Result<Vec<Counted>> {
        let records = input.batch.rows.len() as u64;
        let first = self.partition(input.partition)?.records;
        self.now_us = self.now_us.max(input.now_us);
        self.queries.clear();
        self.query_rows.clear();
        self.accept(input, first)?;
        self.dedup(input, first)?;
        let (start, end) = input.span;
        let tail = input
            .chunk
            .get(start.max(end.saturating_sub(256))..end)
            .unwrap_or_default();
        let partition = self.partition_mut(input.partition)?;
        partition.records += records;
        partition.bytes += (end - start) as u64;
        partition.tail = (tail.len() as u64, tail_hash(tail));
        *self.running.consumed.entry(input.partition as u32).or_default() += records;
        if self.memory.len() as u64 > self.plan.limits.ids_max {
            let max = self.plan.limits.ids_max;
            return Err(CoreError::new(
                Kind::Data,
                format!("more remembered ids than limits.ids_max = {max}"),
                "raise it, or shorten accept.horizon; what was committed is kept",
            ));
        }
        Ok(std::mem::take(&mut self.counted))
    }

    /// A line over the size limit that its source did not keep.
    pub fn skip(&mut self, number: usize, length: u64, head: &[u8]) -> Result<()> {
        let ordinal = self.partition(number)?.records;
        let row = Row {
            uuid: 0,
            event_us: 0,
            stamp_us: 0,
            metrics: 0,
            start: 0,
            end: head.len() as u32,
            digest: 0,
            verdict: Verdict::Malformed(Malformed::Size, 0),
        };
        let refused = Refused {
            account: Account::Malformed,
            reason: malformed_reason(Malformed::Size),
            part: 0,
            at: 0,
            t: None,
            row: &row,
            event: false,
        };
        self.refuse(number, ordinal, head, length, &refused)?;
        let partition = self.partition_mut(number)?;
        partition.records += 1;
        partition.bytes += length;
        partition.tail = (0, 0);
        *self.running.consumed.entry(number as u32).or_default() += 1;
        Ok(())
    }

    /// Decide what needs no memory of ids; the others are left in `queries`.
    fn accept(&mut self, input: &Input<'_>, first: u64) -> Result<()> {
        let others = least_t(&self.partitions, Some(input.partition));
        let by_position = matches!(self.plan.id, Id::Position);
        for (i, row) in input.batch.rows.iter().enumerate() {
            let ordinal = first + i as u64;
            let refusal = match row.verdict {
                Verdict::Malformed(reason, at) => Some((Account::Malformed, malformed_reason(reason), 0, at)),
                Verdict::Filtered => Some((Account::Filtered, 0, 0, 0)),
                Verdict::Invalid(reason, part) => Some((Account::Invalid, invalid_reason(reason), part, 0)),
                Verdict::Event => None,
            };
            let mut row = *row;
            if let Some((account, reason, part, at)) = refusal {
                let refused = Refused {
                    account,
                    reason,
                    part,
                    at,
                    t: None,
                    row: &row,
                    event: false,
                };
                self.refuse(input.partition, ordinal, input.chunk, 0, &refused)?;
                continue;
            }
            if by_position {
                row.uuid = self.key.position(&self.partition(input.partition)?.name, ordinal);
            }
            let (account, reason, t) = match self.judge_time(input.partition, &row, others)? {
                Timely::Yes(t) => {
                    let entry = IdEntry {
                        uuid: row.uuid,
                        event_us: row.event_us,
                        digest: row.digest,
                    };
                    self.queries.push(Query {
                        entry,
                        t,
                        forgotten: self.clock.forgotten_us,
                    });
                    self.query_rows.push(i as u32);
                    continue;
                }
                Timely::Future(t) => (Account::Future, 0, t),
                Timely::TooLate(t, late) => (Account::TooLate, late_reason(late), t),
            };
            let refused = Refused {
                account,
                reason,
                part: 0,
                at: 0,
                t: Some(t),
                row: &row,
                event: true,
            };
            self.refuse(input.partition, ordinal, input.chunk, 0, &refused)?;
        }
        Ok(())
    }

    /// The time rule: move the partition's last t, C and G, then judge.
    fn judge_time(&mut self, number: usize, row: &Row, others: Least) -> Result<Timely> {
        let accept = &self.plan.accept;
        let stamped = self.plan.received.is_some();
        let partition = self.partitions.get_mut(number).ok_or_else(unknown_partition)?;
        let timely = if stamped {
            let t = Some(row.stamp_us)
                .max(partition.last_t_us)
                .max(partition.joined_us)
                .unwrap_or(row.stamp_us);
            partition.last_t_us = Some(t);
            self.clock.advance(others.and(t), accept);
            self.clock.judge(row.event_us, t, accept)
        } else {
            Timely::Yes(None)
        };
        if let Timely::Yes(t) = timely {
            let seen = t.map_or(row.event_us, |t| t.min(row.event_us));
            partition.newest_us = partition.newest_us.max(Some(seen));
        }
        Ok(timely)
    }

    /// Ask the memory for all events of the batch at once; the new ones are counted.
    fn dedup(&mut self, input: &Input<'_>, first: u64) -> Result<()> {
        self.counted.clear();
        let mut seen = std::mem::take(&mut self.seen);
        let queries = std::mem::take(&mut self.queries);
        let rows = std::mem::take(&mut self.query_rows);
        seen.clear();
        self.memory.judge(&queries, &mut seen);
        for ((query, &at), verdict) in queries.iter().zip(&rows).zip(&seen) {
            let Some(row) = input.batch.rows.get(at as usize) else {
                continue;
            };
            let row = Row {
                uuid: query.entry.uuid,
                ..*row
            };
            let (account, reason) = match verdict {
                Seen::New => (Account::Counted, 0),
                Seen::Duplicate => (Account::Duplicate, age_reason(query.t, row.event_us)),
                Seen::ConflictTime => (Account::Conflict, 0),
                Seen::ConflictContent => (Account::Conflict, 1),
            };
            if account == Account::Counted {
                self.running.ids.push(query.entry);
                self.counted.push(Counted {
                    event_us: row.event_us,
                    metrics: row.metrics,
                    row: at,
                });
            }
            let refused = Refused {
                account,
                reason,
                part: 0,
                at: 0,
                t: query.t,
                row: &row,
                event: true,
            };
            self.refuse(input.partition, first + u64::from(at), input.chunk, 0, &refused)?;
        }
        (self.seen, self.queries, self.query_rows) = (seen, queries, rows);
        Ok(())
    }

    /// Put a record into its account, and into the side log where that account is kept there.
    fn refuse(&mut self, number: usize, ordinal: u64, chunk: &[u8], length: u64, it: &Refused<'_>) -> Result<()> {
        let partition = self.partitions.get(number).ok_or_else(unknown_partition)?;
        let minute =
            it.t.or(partition.last_t_us)
                .map(|t| t.div_euclid(MINUTE_US).saturating_mul(MINUTE_US));
        let digest = match it.event {
            true => self.key.digest(it.row.uuid),
            false => self.key.position(&partition.name, ordinal),
        };
        let key = RowKey {
            partition: number as u32,
            minute_us: minute,
            account: it.account,
            reason: it.reason,
            part: it.part,
        };
        self.running.ledger.add(key, digest);
        if let Some(total) = self.totals.get_mut(it.account as usize) {
            *total += 1;
        }
        if !matches!(it.account, Account::Counted | Account::Duplicate | Account::Filtered) {
            let raw = chunk
                .get(it.row.start as usize..it.row.end as usize)
                .unwrap_or_default();
            let entry = SideEntry {
                partition: number as u32,
                record: ordinal,
                account: it.account,
                reason: it.reason,
                part: it.part,
                at: u64::from(it.at),
                event_us: it.event.then_some(it.row.event_us),
                received_us: if it.event { it.t } else { None },
                t_us: it.t,
                uuid: it.event.then_some(it.row.uuid),
                length: length.max(raw.len() as u64),
                raw: raw.get(..raw.len().min(RAW_BYTES_MAX)).unwrap_or_default().to_vec(),
            };
            self.running.side.push(entry.encode());
        }
        Ok(())
    }

    /// An idle partition says that its clock has reached t.
    pub fn heartbeat(&mut self, number: usize, t_us: i64) -> Result<()> {
        if self.plan.received.is_none() {
            return Ok(());
        }
        let others = least_t(&self.partitions, Some(number));
        let partition = self.partition_mut(number)?;
        let t = Some(t_us)
            .max(partition.last_t_us)
            .max(partition.joined_us)
            .unwrap_or(t_us);
        partition.last_t_us = Some(t);
        self.clock.advance(others.and(t), &self.plan.accept);
        self.running.consumed.entry(number as u32).or_default();
        Ok(())
    }

    /// A bounded partition is at its end.
    pub fn finish(&mut self, number: usize) -> Result<()> {
        self.clock.observe(&self.partitions, &self.plan.accept);
        self.partition_mut(number)?.live = false;
        self.clock.advance(least_t(&self.partitions, None), &self.plan.accept);
        self.running.consumed.entry(number as u32).or_default();
        Ok(())
    }

    /// A new partition, or a finished one again; J is the clock if the store has one.
    pub fn join(&mut self, name: &str, identity: &str) -> usize {
        let joined_us = self.clock.clock_us;
        let number = match self.partitions.iter().position(|p| p.name == name) {
            Some(number) => number,
            None => {
                self.partitions.push(Partition {
                    name: name.into(),
                    identity: identity.into(),
                    ..Partition::default()
                });
                self.partitions.len() - 1
            }
        };
        if let Some(partition) = self.partitions.get_mut(number) {
            partition.live = true;
            partition.joined_us = joined_us;
            partition.identity = identity.into();
        }
        self.running.consumed.entry(number as u32).or_default();
        number
    }

    /// Close the running epoch: checks the balance, moves the watermark, and says what the frame holds of positions.
    pub fn close(&mut self) -> Result<Positions> {
        self.running.ledger.settle();
        let records = self.running.ledger.records();
        for (partition, &consumed) in &self.running.consumed {
            let accounted = records.get(partition).copied().unwrap_or(0);
            if accounted != consumed {
                return Err(CoreError::internal(format!(
                    "the ledger does not balance: partition {partition} consumed {consumed} records and accounts for {accounted}"
                )));
            }
        }
        self.clock.observe(&self.partitions, &self.plan.accept);
        let changed = self.running.consumed.keys();
        let partitions = changed
            .filter_map(|&n| Some((n, self.partitions.get(n as usize)?.clone())))
            .collect();
        Ok(Positions {
            clock: self.clock,
            partitions,
            now_us: self.now_us,
        })
    }

    fn partition(&self, number: usize) -> Result<&Partition> {
        self.partitions.get(number).ok_or_else(unknown_partition)
    }
    fn partition_mut(&mut self, number: usize) -> Result<&mut Partition> {
        self.partitions.get_mut(number).ok_or_else(unknown_partition)
    }
}

pub fn lock(fold: &Mutex<Fold>) -> Result<MutexGuard<'_, Fold>> {
    fold.lock()
        .map_err(|_| CoreError::internal("a thread that folds has panicked"))
}

fn unknown_partition() -> CoreError {
    CoreError::internal("a partition that was never registered")
}

/// Hash of the last bytes of an input that were consumed, to see later whether the input was rewritten.
pub fn tail_hash(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}
