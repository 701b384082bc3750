//! Count one batch: accept, dedup, fold. Owns everything that one epoch changes until it is committed.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::accept::{Clock, Joined, Least, Partition, Stamped, Timely, least_t, recorded_stamp};
use crate::batch::{Row, Verdict};
use crate::dedup::{Entry as IdEntry, MOST_IDS, Memory, Query, Seen};
use crate::error::{CoreError, Kind, Result};
use crate::fold::{Counted, Fold, Values};
use crate::identity::Key;
use crate::input::{Input, Place, Source, crc32c, tail_of};
use crate::ledger::{ACCOUNTS, Account, Ledger, RowKey, age_reason, invalid_reason, late_reason, malformed_reason};
use crate::plan::{Id, Plan, Stamps};
use crate::side::{Entry as SideEntry, Raws};
use crate::slot::{Line, Malformed, Outcome};
use crate::store::frame::{self, Positions};

const MINUTE_US: i64 = 60_000_000;

/// The part of an epoch that is not in the fold.
#[derive(Default)]
pub struct Running {
    pub ledger: Ledger,
    pub side: Vec<frame::SideEntry>,
    pub ids: Vec<IdEntry>,
    /// Events of the records consumed per partition, at least one of each; a partition that changed otherwise stands with 0.
    pub consumed: BTreeMap<u32, u64>,
    /// Partitions of which only white space was read. That makes no epoch; the next one says how far they were read.
    pub blank: BTreeSet<u32>,
}

impl Running {
    fn consume(&mut self, partition: usize, events: u64) {
        if events > 0 {
            *self.consumed.entry(partition as u32).or_default() += events;
        } else {
            self.blank.insert(partition as u32);
        }
    }
}

/// The state that events meet, and what the running epoch has changed.
pub struct Counter {
    plan: Plan,
    stamps: Stamps,
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
    /// Of each query, its row, and its times where there are any.
    query_rows: Vec<(u32, Option<Stamped>)>,
    seen: Vec<Seen>,
    counted: Vec<Counted>,
    raws: Raws,
    /// The partition whose clock the records of all meet, where that is one of them (a shard); None: each has its own.
    pub own: Option<usize>,
    /// What is told of the times of records, where somebody asks for them.
    pub times: Option<Times>,
}

/// Of each partition, for every record since the last time it was taken, its t: what the partition's last t was when the
/// record was judged.
pub type Times = BTreeMap<usize, Vec<Option<i64>>>;

/// One record on its way into an account other than `counted`.
struct Refused<'a> {
    account: Account,
    reason: u8,
    part: u16,
    at: u32,
    stamped: Option<Stamped>,
    row: &'a Row,
    event: bool,
}

impl<'a> Refused<'a> {
    /// What the pure step has decided already.
    #[inline]
    fn early(row: &'a Row) -> Option<Refused<'a>> {
        let (account, reason, part, at) = match row.verdict {
            Verdict::Malformed(reason, at) => (Account::Malformed, malformed_reason(reason), 0, at),
            Verdict::Filtered => (Account::Filtered, 0, 0, 0),
            Verdict::Empty => (Account::Filtered, 1, 0, 0),
            Verdict::Invalid(reason, part) => (Account::Invalid, invalid_reason(reason), part, 0),
            Verdict::Event => return None,
        };
        Some(Refused {
            account,
            reason,
            part,
            at,
            stamped: None,
            row,
            event: false,
        })
    }

    fn event(account: Account, reason: u8, stamped: Option<Stamped>, row: &'a Row) -> Refused<'a> {
        Refused {
            account,
            reason,
            part: 0,
            at: 0,
            stamped,
            row,
            event: true,
        }
    }
}

impl Counter {
    pub fn new(plan: Plan, memory: Memory) -> Result<Counter> {
        Ok(Counter {
            key: Key::of(&plan)?,
            fold: Arc::new(Mutex::new(Fold::new(&plan)?)),
            stamps: plan.stamps(),
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
            raws: Raws::default(),
            own: None,
            times: None,
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
        let (events, records) = (input.batch.rows.len() as u64, input.batch.records() as u64);
        let next = self.partition(input.partition)?.position();
        self.now_us = self.now_us.max(input.now_us);
        self.queries.clear();
        self.query_rows.clear();
        self.raws.clear();
        self.accept(input, next)?;
        self.dedup(input, next)?;
        let (start, end) = input.span;
        let bytes = input.chunk.get(start..end).unwrap_or_default();
        let lines = if matches!(input.source, Source::Lines) {
            bytes
        } else {
            &[]
        };
        let partition = self.partition_mut(input.partition)?;
        match input.offsets() {
            Some(offsets) => partition.consume(offsets)?,
            None => partition.digest = partition.digest.map(|digest| crc32c(bytes, digest)),
        }
        partition.records += records;
        partition.exploded += events - records;
        partition.bytes += (end - start) as u64;
        partition.tail = tail_of(lines);
        self.running.consume(input.partition, events);
        let max = self.plan.limits.ids_max.min(MOST_IDS);
        if self.memory.len() as u64 > max {
            return Err(CoreError::new(
                Kind::Data,
                format!("more remembered ids than limits.ids_max = {max}"),
                "raise it, or shorten accept.horizon; what was committed is kept",
            ));
        }
        Ok(std::mem::take(&mut self.counted))
    }

    /// A line over the size limit that its source did not keep; with an empty head it was white space, which is no record.
    pub fn skip(&mut self, number: usize, length: u64, head: &[u8]) -> Result<()> {
        let place = Place {
            position: self.partition(number)?.records,
            element: None,
        };
        let line = Line {
            start: 0,
            end: head.len(),
            after: head.len(),
            outcome: Outcome::Malformed(Malformed::Size, 0),
        };
        let row = Row {
            verdict: Verdict::Malformed(Malformed::Size, 0),
            ..Row::of(&line)
        };
        let records = u64::from(!head.is_empty());
        if let Some(refused) = Refused::early(&row).filter(|_| records > 0) {
            self.refuse(number, place, head, length, &refused)?;
            let last_t_us = self.partition(number)?.last_t_us;
            self.tell_time(number, self.timed(number), last_t_us);
        }
        let partition = self.partition_mut(number)?;
        partition.records += records;
        partition.bytes += length;
        partition.tail = (0, 0);
        partition.digest = None;
        self.running.consume(number, records);
        Ok(())
    }

    /// The running epoch is one, also if nothing is counted in it: in a recount, where one was made.
    pub fn pass_epoch(&mut self) {
        self.running.consumed.entry(0).or_default();
    }

    /// Decide what needs no memory of ids; the others are left in `queries`.
    fn accept(&mut self, input: &Input<'_>, next: u64) -> Result<()> {
        let others = least_t(&self.partitions, Some(self.clock_of(input.partition)));
        let before = self.timed(input.partition);
        for (i, row) in input.batch.rows.iter().enumerate() {
            self.accept_row(input, input.place(next, i), (i, *row), others)?;
            if self.times.is_some() {
                let last_t_us = self.partition(input.partition)?.last_t_us;
                self.tell_time(
                    input.partition,
                    before + input.batch.origin(i).record as usize,
                    last_t_us,
                );
            }
        }
        Ok(())
    }

    fn accept_row(&mut self, input: &Input<'_>, place: Place, (i, mut row): (usize, Row), others: Least) -> Result<()> {
        if let Some(refused) = Refused::early(&row) {
            return self.refuse(input.partition, place, input.chunk, 0, &refused);
        }
        if matches!(self.plan.id, Id::Position) {
            row.uuid = self.position_uuid(input.partition, place)?;
        }
        let stamped = self.stamp(input, i, row.stamp_us, others)?;
        let (account, reason) = match self.judge_time(input.partition, &row, stamped)? {
            Timely::Yes => {
                self.ask(&row, i, stamped);
                return Ok(());
            }
            Timely::Future => (Account::Future, 0),
            Timely::TooLate(late) => (Account::TooLate, late_reason(late)),
        };
        let refused = Refused::event(account, reason, stamped, &row);
        self.refuse(input.partition, place, input.chunk, 0, &refused)
    }

    /// Of how many records of a partition the times are told.
    fn timed(&self, partition: usize) -> usize {
        let times = self.times.as_ref().and_then(|times| times.get(&partition));
        times.map_or(0, Vec::len)
    }

    /// The t of a record; of one that is several events, that of the last.
    fn tell_time(&mut self, partition: usize, record: usize, t_us: Option<i64>) {
        if let Some(times) = &mut self.times {
            let times = times.entry(partition).or_default();
            times.truncate(record);
            times.push(t_us);
        }
    }

    /// What stands for an event that is known by its place only.
    fn position_uuid(&self, partition: usize, place: Place) -> Result<u128> {
        let uuid = self.key.position(&self.partition(partition)?.name, place.position);
        Ok(place.element.map_or(uuid, |element| self.key.element(uuid, element)))
    }

    /// What goes on to the memory of ids.
    #[inline]
    fn ask(&mut self, row: &Row, at: usize, stamped: Option<Stamped>) {
        let entry = IdEntry {
            uuid: row.uuid,
            event_us: row.event_us,
            digest: row.digest,
        };
        self.queries.push(Query {
            entry,
            t: stamped.map(|s| s.t_us),
            forgotten: self.clock.forgotten_us,
        });
        self.query_rows.push((at as u32, stamped));
    }

    /// Move the partition's last t, and C and G with it. None: the input has no stamps.
    #[inline]
    fn stamp(&mut self, input: &Input<'_>, row: usize, received_us: i64, others: Least) -> Result<Option<Stamped>> {
        let stamp_us = match (self.stamps, input.source) {
            (Stamps::None, _) => return Ok(None),
            (Stamps::Carried, Source::Routed(_, stamp_us)) => stamp_us,
            (Stamps::Carried, Source::Records(records, first)) => {
                records.stamps(first + input.batch.origin(row).record as usize).stamp_us
            }
            _ => received_us,
        };
        let stamp_us = recorded_stamp(stamp_us, input.recorded(row));
        let t_us = self.partition_mut(self.clock_of(input.partition))?.move_to(stamp_us);
        self.clock.advance(others.and(t_us), &self.plan.accept);
        let carried = self.stamps == Stamps::Carried;
        Ok(Some(Stamped {
            received_us: if carried { received_us } else { t_us },
            t_us,
        }))
    }

    /// The time rule, and what it lets pass for the watermark.
    #[inline]
    fn judge_time(&mut self, number: usize, row: &Row, stamped: Option<Stamped>) -> Result<Timely> {
        let timely = stamped.map_or(Timely::Yes, |s| self.clock.judge(row.event_us, s, &self.plan.accept));
        if timely == Timely::Yes {
            let seen = stamped.map_or(row.event_us, |s| s.received_us.min(row.event_us));
            let partition = self.partition_mut(self.clock_of(number))?;
            partition.newest_us = partition.newest_us.max(Some(seen));
        }
        Ok(timely)
    }

    /// Ask the memory for all events of the batch at once; the new ones are counted.
    fn dedup(&mut self, input: &Input<'_>, next: u64) -> Result<()> {
        self.counted.clear();
        let mut seen = std::mem::take(&mut self.seen);
        let queries = std::mem::take(&mut self.queries);
        let rows = std::mem::take(&mut self.query_rows);
        seen.clear();
        self.memory.judge(&queries, &mut seen);
        for ((query, &(at, stamped)), verdict) in queries.iter().zip(&rows).zip(&seen) {
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
            let refused = Refused::event(account, reason, stamped, &row);
            let place = input.place(next, at as usize);
            self.refuse(input.partition, place, input.chunk, 0, &refused)?;
        }
        (self.seen, self.queries, self.query_rows) = (seen, queries, rows);
        Ok(())
    }

    /// Put a record into its account, and into the side log where that account is kept there.
    fn refuse(&mut self, number: usize, place: Place, chunk: &[u8], length: u64, it: &Refused<'_>) -> Result<()> {
        let last_t_us = self.partition(self.clock_of(number))?.last_t_us;
        let t_us = it.stamped.map(|s| s.t_us);
        let minute = t_us
            .or(last_t_us)
            .map(|t| t.div_euclid(MINUTE_US).saturating_mul(MINUTE_US));
        let digest = match it.event {
            true => self.key.digest(it.row.uuid),
            false => self.position_uuid(number, place)?,
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
            let kept = self.raws.keep(place.position, place.element, &mut self.running.side)?;
            let entry = SideEntry {
                partition: number as u32,
                record: place.position,
                element: place.element,
                account: it.account,
                reason: it.reason,
                part: it.part,
                at: u64::from(it.at),
                event_us: it.event.then_some(it.row.event_us),
                received_us: it.stamped.map(|s| s.received_us),
                t_us,
                uuid: it.event.then_some(it.row.uuid),
                length: length.max(raw.len() as u64),
                raw: raw.get(..raw.len().min(kept)).unwrap_or_default().to_vec(),
            };
            self.running.side.push(entry.encode());
        }
        Ok(())
    }

    /// The source says that everything before this position is behind: what was not handed out never will be.
    pub fn skip_to(&mut self, number: usize, offset: u64) -> Result<()> {
        let partition = self.partition_mut(number)?;
        if partition.next_offset != Some(offset) {
            partition.skip_to(offset)?;
            self.running.consumed.entry(number as u32).or_default();
        }
        Ok(())
    }

    /// An idle partition says that its clock has reached t.
    pub fn heartbeat(&mut self, number: usize, t_us: i64) -> Result<()> {
        if self.stamps == Stamps::None {
            return Ok(());
        }
        let others = least_t(&self.partitions, Some(number));
        let partition = self.partition_mut(number)?;
        let t = partition.move_to(t_us);
        self.clock.advance(others.and(t), &self.plan.accept);
        self.running.consumed.entry(number as u32).or_default();
        Ok(())
    }

    /// A bounded partition is at its end; `state` says how its source was then.
    pub fn finish(&mut self, number: usize, state: Option<String>) -> Result<()> {
        self.clock.observe(&self.partitions, &self.plan.accept);
        let partition = self.partition_mut(number)?;
        partition.live = false;
        partition.state = state;
        self.clock.advance(least_t(&self.partitions, None), &self.plan.accept);
        self.running.consumed.entry(number as u32).or_default();
        Ok(())
    }

    /// A new partition, or a finished one again.
    pub fn join(&mut self, name: &str, identity: &str, joined: Joined) -> usize {
        let joined_us = joined.at(&self.clock);
        let number = match self.partitions.iter().position(|p| p.name == name) {
            Some(number) => number,
            None => {
                self.partitions.push(Partition {
                    name: name.into(),
                    identity: identity.into(),
                    digest: Some(0),
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
            let partition = self.partition(*partition as usize)?;
            if !partition.balances() {
                let Partition {
                    name,
                    first_offset,
                    next_offset,
                    records,
                    gaps,
                    ..
                } = partition;
                return Err(CoreError::internal(format!(
                    "the positions of {name} do not balance: {first_offset:?} to {next_offset:?} are not {records} records and {gaps} gaps"
                )));
            }
        }
        self.clock.observe(&self.partitions, &self.plan.accept);
        let Running { consumed, blank, .. } = &self.running;
        let changed: BTreeSet<u32> = consumed.keys().chain(blank).copied().collect();
        let partitions = changed
            .into_iter()
            .filter_map(|n| Some((n, self.partitions.get(n as usize)?.clone())))
            .collect();
        Ok(Positions {
            clock: self.clock,
            partitions,
            now_us: self.now_us,
        })
    }

    /// The partition whose clock the records of a partition meet.
    #[inline]
    fn clock_of(&self, partition: usize) -> usize {
        self.own.unwrap_or(partition)
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
