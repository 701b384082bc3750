//! Windows of event time: for each grain of a list, the half-open interval that an instant belongs to.
//!
//! A day of a zone begins at the first instant whose local date is that day or later, so it may have 23, 24 or 25 hours,
//! or none. An instant belongs to the last day that has begun.
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::civil;
use crate::error::{CoreError, Result};
use crate::plan::{Grain, GrainUnit, Plan};
use crate::time::{EARLIEST_US, LATEST_US};
use crate::zones;

const SECOND_US: i64 = 1_000_000;
const MINUTE_US: i64 = 60 * SECOND_US;
const DAY_S: i64 = 86_400;
const DAY_US: i64 = DAY_S * SECOND_US;
/// No zone is further from UTC than this.
const FAR_S: i64 = 26 * 3600;
/// Instants are taken to be no further away than this; arithmetic on them cannot overflow.
const FAR_US: i64 = i64::MAX / 2;
/// 1969-12-29.
const FIRST_MONDAY: i64 = -3;
/// Zones change no more beyond these, as they do for the other engines.
const EARLIEST_S: i64 = EARLIEST_US / SECOND_US;
const LATEST_S: i64 = (LATEST_US + 1) / SECOND_US - DAY_S;

/// [start, end) in microseconds.
pub type Window = (i64, i64);

/// The windows of a list of grains.
pub struct Calendar {
    rules: Vec<Rule>,
    atoms: Cache,
}

enum Rule {
    All,
    /// Windows of one length; one of them begins at `first_us`.
    Fixed {
        length_us: i64,
        first_us: i64,
    },
    /// Months of UTC, and days, weeks and months of a zone.
    Dates {
        dates: Dates,
        cache: Cache,
    },
}

struct Dates {
    unit: GrainUnit,
    zone: Option<TimeZone>,
}

impl Calendar {
    /// # Errors
    /// A grain of no length, or a zone that the plan does not bring along.
    pub fn new(grains: &[Grain], plan: &Plan) -> Result<Calendar> {
        let rules = grains
            .iter()
            .map(|grain| Rule::new(grain, plan))
            .collect::<Result<Vec<_>>>()?;
        let shortest = rules.iter().map(Rule::length_us).min().unwrap_or(DAY_US);
        Ok(Calendar {
            rules,
            atoms: Cache::new(shortest),
        })
    }

    /// The window of the grain at `index`; all of time for `all`.
    pub fn window_of(&mut self, index: usize, event_us: i64) -> Window {
        self.rules
            .get_mut(index)
            .map_or((i64::MIN, i64::MAX), |rule| rule.window_of(event_us))
    }

    /// The intersection of the windows of all grains.
    #[inline]
    pub fn atom_of(&mut self, event_us: i64) -> Window {
        let Calendar { rules, atoms } = self;
        atoms.get_or(event_us, || {
            let whole = (i64::MIN, i64::MAX);
            rules.iter_mut().fold(whole, |(start, end), rule| {
                let window = rule.window_of(event_us);
                (start.max(window.0), end.min(window.1))
            })
        })
    }
}

impl Rule {
    fn new(grain: &Grain, plan: &Plan) -> Result<Rule> {
        let fixed = |length_us: Option<i64>, first_us| match length_us {
            Some(length_us) if length_us > 0 => Ok(Rule::Fixed { length_us, first_us }),
            _ => Err(CoreError::definition(format!("a grain of no length: {}", grain.name))),
        };
        match (grain.unit, &grain.zone) {
            (GrainUnit::All, _) => Ok(Rule::All),
            (GrainUnit::Minute, _) => fixed(grain.n.checked_mul(MINUTE_US), 0),
            (GrainUnit::Hour, _) => fixed(grain.n.checked_mul(60 * MINUTE_US), 0),
            (GrainUnit::Day, None) => fixed(Some(DAY_US), 0),
            (GrainUnit::Week, None) => fixed(Some(7 * DAY_US), FIRST_MONDAY * DAY_US),
            (unit, zone) => {
                let zone = zone.as_deref().map(|name| zones::zone(plan, name)).transpose()?;
                Ok(Rule::Dates {
                    dates: Dates { unit, zone },
                    cache: Cache::new(DAY_US),
                })
            }
        }
    }

    /// About how long its windows are.
    fn length_us(&self) -> i64 {
        match self {
            Rule::Fixed { length_us, .. } => *length_us,
            Rule::Dates { .. } => DAY_US,
            Rule::All => i64::MAX,
        }
    }

    #[inline]
    fn window_of(&mut self, event_us: i64) -> Window {
        let near_us = event_us.clamp(-FAR_US, FAR_US);
        match self {
            Rule::All => (i64::MIN, i64::MAX),
            Rule::Fixed { length_us, first_us } => {
                let start = near_us - (near_us - *first_us).rem_euclid(*length_us);
                (start, start.saturating_add(*length_us))
            }
            Rule::Dates { dates, cache } => cache.get_or(near_us, || dates.window_of(near_us)),
        }
    }
}

impl Dates {
    fn window_of(&self, event_us: i64) -> Window {
        let (first, following) = self.days(self.day_of(event_us));
        (self.edge_us(first), self.edge_us(following))
    }

    /// The first day of the day, week or month that holds a day, and the first day of the next one.
    fn days(&self, day: i64) -> (i64, i64) {
        match self.unit {
            GrainUnit::Month => {
                let (year, month, _) = civil::date_of(day);
                let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
                (civil::day_of(year, month, 1), civil::day_of(next_year, next_month, 1))
            }
            GrainUnit::Week => {
                let monday = day - (day - FIRST_MONDAY).rem_euclid(7);
                (monday, monday + 7)
            }
            _ => (day, day + 1),
        }
    }

    /// The last day that has begun: the local date, or a later one where the clocks went back over midnight.
    fn day_of(&self, event_us: i64) -> i64 {
        let at_s = event_us.div_euclid(SECOND_US);
        let mut day = (at_s + self.offset_s(at_s)).div_euclid(DAY_S);
        while self.edge_us(day + 1) <= event_us {
            day += 1;
        }
        day
    }

    /// The first instant whose local date is `day` or later.
    fn edge_us(&self, day: i64) -> i64 {
        let midnight_s = day * DAY_S;
        let Some(zone) = &self.zone else {
            return midnight_s * SECOND_US;
        };
        let mut at_s = midnight_s - FAR_S;
        loop {
            let edge_s = at_s.max(midnight_s - self.offset_s(at_s));
            match following_s(zone, at_s) {
                Some(change_s) if change_s <= edge_s => at_s = change_s,
                _ => return edge_s * SECOND_US,
            }
        }
    }

    /// Seconds to add to UTC at an instant.
    fn offset_s(&self, at_s: i64) -> i64 {
        self.zone
            .as_ref()
            .map_or(0, |zone| i64::from(zone.to_offset(timestamp(at_s)).seconds()))
    }
}

fn timestamp(at_s: i64) -> Timestamp {
    Timestamp::from_second(at_s.clamp(EARLIEST_S, LATEST_S)).unwrap_or_default()
}

/// The next instant at which a zone's rules change.
fn following_s(zone: &TimeZone, at_s: i64) -> Option<i64> {
    let next = zone.following(timestamp(at_s)).next()?.timestamp().as_second();
    (next > at_s && next <= LATEST_S).then_some(next)
}

/// The windows that were asked for last: most events fall into few.
struct Cache {
    last: Window,
    slots: Vec<Window>,
    /// Instants that differ only in this many lowest bits share a slot.
    shift: u32,
}

impl Cache {
    const SLOTS: usize = 1024;

    fn new(length_us: i64) -> Cache {
        // Slots are shorter than windows, so that few of them lie across an edge.
        let shift = length_us.clamp(SECOND_US, 60 * MINUTE_US).ilog2();
        Cache {
            last: (0, 0),
            slots: vec![(0, 0); Cache::SLOTS],
            shift,
        }
    }

    #[inline]
    fn get_or(&mut self, at_us: i64, find: impl FnOnce() -> Window) -> Window {
        if at_us < self.last.0 || at_us >= self.last.1 {
            let slot = (at_us >> self.shift) as usize & (Cache::SLOTS - 1);
            self.last = match self.slots.get_mut(slot) {
                Some(&mut known) if (known.0..known.1).contains(&at_us) => known,
                Some(place) => {
                    *place = find();
                    *place
                }
                None => find(),
            };
        }
        self.last
    }
}
