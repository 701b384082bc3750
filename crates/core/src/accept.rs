//! The acceptance rule (semantics section 4): stamps, the clock that forgets, and watermarks.
use serde::{Deserialize, Serialize};

use crate::error::{CoreError, Result};
use crate::plan::Accept;

/// What the store keeps of one source partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    pub name: String,
    /// What the partition is, beside its name (a file's inode and first bytes).
    pub identity: String,
    /// Records consumed: the next record's ordinal.
    pub records: u64,
    /// Of a source with positions of its own: the first position that was consumed, and the next one. Else none.
    #[serde(default)]
    pub first_offset: Option<u64>,
    #[serde(default)]
    pub next_offset: Option<u64>,
    /// Positions that the source never handed out.
    #[serde(default)]
    pub gaps: u64,
    /// Events beyond one of each record.
    #[serde(default)]
    pub exploded: u64,
    /// Bytes consumed of the (decompressed) input.
    pub bytes: u64,
    /// Length and hash of the last bytes consumed.
    pub tail: (u64, u64),
    /// CRC-32C of all bytes consumed; none behind a line that its source did not keep.
    #[serde(default)]
    pub digest: Option<u32>,
    /// How its source was when it was read to its end (a file: inode, size and times).
    #[serde(default)]
    pub state: Option<String>,
    pub live: bool,
    pub last_t_us: Option<i64>,
    /// The clock when it joined a running store.
    pub joined_us: Option<i64>,
    /// Largest min(event time, received time) that passed the time rule.
    pub newest_us: Option<i64>,
}

/// The clock C, the bound G of what may be forgotten, and the watermark of the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    pub clock_us: Option<i64>,
    pub forgotten_us: Option<i64>,
    pub watermark_us: Option<i64>,
}

/// The time rule's judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timely {
    /// Goes on to deduplication.
    Yes,
    Future,
    TooLate(Late),
}

/// The times of a record that reached the time rule: when our side first stamped it (a), and its place in the order (t).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamped {
    pub received_us: i64,
    pub t_us: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Late {
    Lateness,
    Transport,
    Forgotten,
}

/// t = max(stamp, last t, J).
#[inline]
pub fn next_t(stamp_us: i64, last_t_us: Option<i64>, joined_us: Option<i64>) -> i64 {
    Some(stamp_us).max(last_t_us).max(joined_us).unwrap_or(stamp_us)
}

/// What stands for the stamp in a recount: the t that was recorded, which is not before the stamp of a record that had
/// reached the time rule. One that had not was recorded with the last t of then, and its stamp may be later.
#[inline]
pub fn recorded_stamp(stamp_us: i64, recorded_us: Option<i64>) -> i64 {
    recorded_us.map_or(stamp_us, |t_us| t_us.max(stamp_us))
}

/// J of a partition that joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// The clock at this moment.
    Now,
    /// In a recount: as it was recorded.
    Recorded(Option<i64>),
}

impl Joined {
    pub fn at(self, clock: &Clock) -> Option<i64> {
        match self {
            Joined::Now => clock.clock_us,
            Joined::Recorded(joined_us) => joined_us,
        }
    }
}

impl Partition {
    /// The t of a record with a stamp; last t moves there.
    #[inline]
    pub fn move_to(&mut self, stamp_us: i64) -> i64 {
        let t_us = next_t(stamp_us, self.last_t_us, self.joined_us);
        self.last_t_us = Some(t_us);
        t_us
    }

    /// The next position: of a source without positions of its own, the next record's ordinal.
    pub fn position(&self) -> u64 {
        self.next_offset.unwrap_or(self.records)
    }

    /// Records whose source numbers them itself were consumed: a position that was left out is a gap.
    pub fn consume(&mut self, offsets: &[u64]) -> Result<()> {
        for &offset in offsets {
            self.skip_to(offset)?;
            self.next_offset = Some(offset + 1);
        }
        Ok(())
    }

    /// What lies before this position and was not handed out never will be. The first call says where counting begins.
    pub fn skip_to(&mut self, offset: u64) -> Result<()> {
        let next = self.next_offset.unwrap_or(offset);
        let gap = offset.checked_sub(next).ok_or_else(|| {
            let name = &self.name;
            CoreError::internal(format!("{name} goes on at position {next}, not {offset}"))
        })?;
        self.gaps += gap;
        self.first_offset.get_or_insert(offset);
        self.next_offset = Some(offset);
        Ok(())
    }

    /// Positions consumed = records + gaps.
    pub fn balances(&self) -> bool {
        match (self.first_offset, self.next_offset) {
            (Some(first), Some(next)) => next - first == self.records + self.gaps,
            _ => self.gaps == 0,
        }
    }

    /// Lower bound of the event times still expected here.
    fn watermark(&self, accept: &Accept) -> Option<i64> {
        let seen = self.newest_us.map(|e| e.saturating_sub(accept.out_of_order_us));
        let due = match (self.last_t_us, accept.lateness_us) {
            (Some(t), Some(lateness)) => Some(t.saturating_sub(lateness).saturating_sub(accept.transport_us)),
            _ => None,
        };
        seen.max(due)
    }
}

/// The least last t of some partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Least {
    /// There is no such partition.
    Nobody,
    /// One of them has no t yet, so nothing may move.
    Unknown,
    At(i64),
}

impl Least {
    /// With one more partition that is at `t`.
    pub fn and(self, t: i64) -> Least {
        match self {
            Least::Nobody => Least::At(t),
            Least::Unknown => Least::Unknown,
            Least::At(least) => Least::At(least.min(t)),
        }
    }
}

/// The least last t of the live partitions other than `except`.
pub fn least_t(partitions: &[Partition], except: Option<usize>) -> Least {
    let others = partitions
        .iter()
        .enumerate()
        .filter(|(number, p)| p.live && Some(*number) != except);
    others.fold(Least::Nobody, |least, (_, p)| {
        p.last_t_us.map_or(Least::Unknown, |t| least.and(t))
    })
}

impl Clock {
    /// Move C to at least the least last t of all live partitions, and G with it.
    #[inline]
    pub fn advance(&mut self, least: Least, accept: &Accept) {
        if let Least::At(t) = least {
            self.clock_us = self.clock_us.max(Some(t));
        }
        if let (Some(clock), Some(horizon)) = (self.clock_us, accept.horizon_us) {
            self.forgotten_us = self.forgotten_us.max(Some(clock.saturating_sub(horizon)));
        }
    }

    /// Judge an event's time by its stamps, after the clock has moved. Of ordered input a = t, so nothing is held up there.
    #[inline]
    pub fn judge(&self, event_us: i64, stamped: Stamped, accept: &Accept) -> Timely {
        let Stamped { received_us, t_us } = stamped;
        let late_us = received_us.saturating_sub(event_us);
        if event_us > received_us.saturating_add(accept.future_us) {
            Timely::Future
        } else if accept.lateness_us.is_some_and(|lateness| late_us > lateness) {
            Timely::TooLate(Late::Lateness)
        } else if t_us.saturating_sub(received_us) > accept.transport_us {
            Timely::TooLate(Late::Transport)
        } else if self.forgotten_us.is_some_and(|g| event_us < g) {
            Timely::TooLate(Late::Forgotten)
        } else {
            Timely::Yes
        }
    }

    /// Move the watermark of the whole to the least of the live partitions'.
    pub fn observe(&mut self, partitions: &[Partition], accept: &Accept) {
        let live = partitions.iter().filter(|p| p.live);
        let least = live.map(|p| p.watermark(accept)).min().flatten();
        let bound = match (least, self.clock_us) {
            (Some(least), Some(clock)) => Some(least.min(clock)),
            (least, _) => least,
        };
        self.watermark_us = self.watermark_us.max(bound);
    }
}
