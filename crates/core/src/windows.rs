//! Windows of event time. Minutes and hours are aligned in UTC; a day, week or month of a zone runs from the first instant
//! whose local date is at least its first date to the first instant of the next one. Edges come from the TZif files that the
//! plan carries, so every engine that shares the plan has the same edges.
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::error::{CoreError, Result};
use crate::plan::{Grain, GrainUnit, Plan};

const SECOND_US: i64 = 1_000_000;
const DAY_S: i64 = 86_400;
/// No zone is further from UTC than this.
const FAR_S: i64 = 26 * 3_600;
const CACHE: usize = 256;

/// The windows of a list of grains.
#[derive(Clone)]
pub struct Calendar {
    grains: Vec<Windows>,
    atoms: Cache,
}

/// One grain's windows.
#[derive(Clone)]
struct Windows {
    rule: Rule,
    zone: Option<TimeZone>,
    cache: Cache,
}

#[derive(Clone, Copy)]
enum Rule {
    /// Length in microseconds.
    Fixed(i64),
    Days(Period),
    All,
}

#[derive(Clone, Copy)]
enum Period {
    Day,
    Week,
    Month,
}

/// Recently used intervals, by the minute of the instant that was asked for.
#[derive(Clone)]
struct Cache(Vec<(i64, i64)>);

impl Cache {
    fn new() -> Cache {
        Cache(vec![(0, 0); CACHE])
    }
    #[inline]
    fn get(&self, at_us: i64) -> Option<(i64, i64)> {
        self.0.get(Self::place(at_us)).copied().filter(|(start, end)| *start <= at_us && at_us < *end)
    }
    fn put(&mut self, at_us: i64, window: (i64, i64)) {
        if let Some(place) = self.0.get_mut(Self::place(at_us)) {
            *place = window;
        }
    }
    #[inline]
    fn place(at_us: i64) -> usize {
        at_us.div_euclid(60 * SECOND_US) as usize % CACHE
    }
}

impl Calendar {
    pub fn new(grains: &[Grain], plan: &Plan) -> Result<Calendar> {
        let grains = grains.iter().map(|g| Windows::new(g, plan)).collect::<Result<Vec<_>>>()?;
        Ok(Calendar { grains, atoms: Cache::new() })
    }

    /// Start and end of the window of grain number `grain` that holds an instant; `all` is the whole range of i64.
    #[inline]
    pub fn window_of(&mut self, grain: usize, at_us: i64) -> (i64, i64) {
        self.grains.get_mut(grain).map_or((i64::MIN, i64::MAX), |g| g.window_of(at_us))
    }

    /// The interval around an instant in which no grain has an edge.
    #[inline]
    pub fn atom_of(&mut self, at_us: i64) -> (i64, i64) {
        if let Some(atom) = self.atoms.get(at_us) {
            return atom;
        }
        let (mut start, mut end) = (i64::MIN, i64::MAX);
        for grain in &mut self.grains {
            let window = grain.window_of(at_us);
            start = start.max(window.0);
            end = end.min(window.1);
        }
        self.atoms.put(at_us, (start, end));
        (start, end)
    }
}

impl Windows {
    fn new(grain: &Grain, plan: &Plan) -> Result<Windows> {
        let rule = match grain.unit {
            GrainUnit::Minute => Rule::Fixed(grain.n * 60 * SECOND_US),
            GrainUnit::Hour => Rule::Fixed(grain.n * 3_600 * SECOND_US),
            GrainUnit::Day => Rule::Days(Period::Day),
            GrainUnit::Week => Rule::Days(Period::Week),
            GrainUnit::Month => Rule::Days(Period::Month),
            GrainUnit::All => Rule::All,
        };
        if matches!(rule, Rule::Fixed(length) if length <= 0) {
            return Err(CoreError::definition(format!("a grain without length: {}", grain.name)));
        }
        let zone = grain.zone.as_ref().map(|name| zone(plan, name)).transpose()?;
        Ok(Windows { rule, zone, cache: Cache::new() })
    }

    #[inline]
    fn window_of(&mut self, at_us: i64) -> (i64, i64) {
        match self.rule {
            Rule::Fixed(length) => {
                let start = at_us.div_euclid(length).saturating_mul(length);
                (start, start.saturating_add(length))
            }
            Rule::All => (i64::MIN, i64::MAX),
            Rule::Days(period) => match self.cache.get(at_us) {
                Some(window) => window,
                None => {
                    let window = self.period_of(period, at_us);
                    self.cache.put(at_us, window);
                    window
                }
            },
        }
    }

    fn period_of(&self, period: Period, at_us: i64) -> (i64, i64) {
        let at_s = at_us.div_euclid(SECOND_US);
        let local_day = (at_s + self.offset_s(at_s)).div_euclid(DAY_S);
        let mut number = period.of_day(local_day) + 1;
        while self.edge_s(period.first_day(number)) > at_s {
            number -= 1;
        }
        let edge = |n: i64| self.edge_s(period.first_day(n)).saturating_mul(SECOND_US);
        (edge(number), edge(number + 1))
    }

    /// Seconds to add to UTC.
    fn offset_s(&self, at_s: i64) -> i64 {
        self.zone.as_ref().map_or(0, |zone| i64::from(zone.to_offset(timestamp(at_s)).seconds()))
    }

    /// The first instant whose local date is at least day number `day` (days since 1970-01-01), in seconds.
    fn edge_s(&self, day: i64) -> i64 {
        let midnight = day * DAY_S;
        let Some(zone) = &self.zone else { return midnight };
        let mut start = midnight - FAR_S;
        let mut offset = self.offset_s(start);
        for transition in zone.following(timestamp(start)) {
            let end = transition.timestamp().as_second();
            let candidate = start.max(midnight - offset);
            if candidate < end {
                return candidate;
            }
            (start, offset) = (end, i64::from(transition.offset().seconds()));
            if start > midnight + FAR_S {
                break;
            }
        }
        start.max(midnight - offset)
    }
}

impl Period {
    /// The number of the period that holds a day.
    fn of_day(self, day: i64) -> i64 {
        match self {
            Period::Day => day,
            // 1970-01-01 was a Thursday; week 0 began on Monday, 1969-12-29.
            Period::Week => (day + 3).div_euclid(7),
            Period::Month => month_of_day(day),
        }
    }
    fn first_day(self, number: i64) -> i64 {
        match self {
            Period::Day => number,
            Period::Week => number * 7 - 3,
            Period::Month => first_day_of_month(number),
        }
    }
}

/// Months since year 0 of the proleptic Gregorian calendar, by days since 1970-01-01. (Years are counted from March, so that
/// the leap day is the last of its year.)
fn month_of_day(day: i64) -> i64 {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    (year_of_era + era * 400) * 12 + month_from_march + 2
}

fn first_day_of_month(month: i64) -> i64 {
    let from_march = month - 2;
    let (year, month) = (from_march.div_euclid(12), from_march.rem_euclid(12));
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn timestamp(at_s: i64) -> Timestamp {
    let bounded = at_s.clamp(Timestamp::MIN.as_second() + 1, Timestamp::MAX.as_second() - 1);
    Timestamp::from_second(bounded).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A zone of the plan.
pub fn zone(plan: &Plan, name: &str) -> Result<TimeZone> {
    let text = plan.zones.get(name).ok_or_else(|| CoreError::definition(format!("the plan does not carry the zone {name}")))?;
    let bytes = base64(text).ok_or_else(|| CoreError::definition(format!("the zone {name} is not base64")))?;
    TimeZone::tzif(name, &bytes).map_err(|e| CoreError::definition(format!("the zone {name} cannot be read: {e}")))
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut held) = (0u32, 0u32);
    for byte in text.trim_end_matches('=').bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn utc(unit: GrainUnit) -> Windows {
        let rule = match unit {
            GrainUnit::Week => Period::Week,
            GrainUnit::Month => Period::Month,
            _ => Period::Day,
        };
        Windows { rule: Rule::Days(rule), zone: None, cache: Cache::new() }
    }
    fn days(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second() / DAY_S
    }
    fn at(day: i64) -> i64 {
        day * DAY_S * SECOND_US
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_their_first() {
        let sunday = at(days("2026-11-22T00:00:00Z")) + 5;
        let week = (at(days("2026-11-16T00:00:00Z")), at(days("2026-11-23T00:00:00Z")));
        assert_eq!(utc(GrainUnit::Week).window_of(sunday), week);
        let february = (at(days("2024-02-01T00:00:00Z")), at(days("2024-03-01T00:00:00Z")));
        assert_eq!(utc(GrainUnit::Month).window_of(at(days("2024-02-29T00:00:00Z")) + 1), february);
    }

    #[test]
    fn base64_of_all_lengths() {
        assert_eq!(base64("").as_deref(), Some(&b""[..]));
        assert_eq!(base64("TQ==").as_deref(), Some(&b"M"[..]));
        assert_eq!(base64("TWE=").as_deref(), Some(&b"Ma"[..]));
        assert_eq!(base64("TWFu").as_deref(), Some(&b"Man"[..]));
        assert_eq!(base64("T!"), None);
    }

    proptest! {
        #[test]
        fn months_go_there_and_back(month in 12i64..120_000) {
            let first = first_day_of_month(month);
            prop_assert_eq!(month_of_day(first), month);
            prop_assert_eq!(month_of_day(first - 1), month - 1);
        }

        #[test]
        fn an_instant_lies_in_its_window(at_us in -62_135_000_000_000_000i64..253_402_000_000_000_000) {
            for unit in [GrainUnit::Day, GrainUnit::Week, GrainUnit::Month] {
                let (start, end) = utc(unit).window_of(at_us);
                prop_assert!(start <= at_us && at_us < end);
                prop_assert_eq!(utc(unit).window_of(start), (start, end));
            }
        }
    }
}
