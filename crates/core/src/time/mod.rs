//! Event times: a raw value becomes an instant in microseconds since the epoch, finer input floored.
mod iso;
mod pattern;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::batch::Invalid;
use crate::civil;
use crate::error::{CoreError, Result};
use crate::number::{self, Literal};
use crate::plan::{Plan, Time, Unit};
use crate::slot::Kind;
use crate::zones;

const SECOND_US: i64 = 1_000_000;
const DAY_S: i64 = 86_400;
/// The first microsecond of 0001-01-03 and the last of 9999-12-29.
pub const EARLIEST_US: i64 = -62_135_424_000 * SECOND_US;
pub const LATEST_US: i64 = 253_402_128_000 * SECOND_US - 1;

/// Reads one declared time.
pub struct TimeReader {
    form: Form,
    zone: Option<TimeZone>,
    untyped: bool,
}

enum Form {
    /// A number times this, or times ten to the power of that, is microseconds.
    Unit {
        factor: i64,
        power: i32,
    },
    Iso,
    Pattern(pattern::Pattern),
}

impl TimeReader {
    /// # Errors
    /// The pattern or the zone cannot be used.
    pub fn new(time: &Time, plan: &Plan) -> Result<TimeReader> {
        let form = match (time.unit, &time.pattern) {
            (Unit::S, _) => Form::Unit {
                factor: SECOND_US,
                power: 6,
            },
            (Unit::Ms, _) => Form::Unit { factor: 1000, power: 3 },
            (Unit::Us, _) => Form::Unit { factor: 1, power: 0 },
            (Unit::Ns, _) => Form::Unit { factor: 0, power: -3 },
            (Unit::Iso, _) => Form::Iso,
            (Unit::Pattern, Some(text)) => Form::Pattern(pattern::Pattern::new(text).map_err(CoreError::definition)?),
            (Unit::Pattern, None) => return Err(CoreError::definition("a time by a pattern, without the pattern")),
        };
        let zone = time.zone.as_deref().map(|name| zones::zone(plan, name)).transpose()?;
        Ok(TimeReader {
            form,
            zone,
            untyped: plan.input.untyped,
        })
    }

    /// The instant of a raw value.
    ///
    /// # Errors
    /// `Missing`, `Type` where it does not look like a time, `Range` where there is no such time (or before
    /// `EARLIEST_US`, after `LATEST_US`), `Zone` where it is local and no zone is declared.
    #[inline]
    pub fn read(&self, kind: Kind, bytes: &[u8]) -> std::result::Result<i64, Invalid> {
        let at_us = match (&self.form, kind) {
            (_, Kind::Missing | Kind::Null) => return Err(Invalid::Missing),
            (Form::Unit { factor, power }, Kind::Number) => scaled(bytes, *factor, *power)?,
            (Form::Unit { factor, power }, Kind::Text) if self.untyped && number::is_number(bytes) => {
                scaled(bytes, *factor, *power)?
            }
            (Form::Iso, Kind::Text) => self.instant(iso::read(bytes).ok_or(Invalid::Type)?)?,
            (Form::Pattern(pattern), Kind::Text) => self.instant(pattern.read(bytes).ok_or(Invalid::Type)?)?,
            _ => return Err(Invalid::Type),
        };
        if (EARLIEST_US..=LATEST_US).contains(&at_us) {
            Ok(at_us)
        } else {
            Err(Invalid::Range)
        }
    }

    #[inline]
    fn instant(&self, wall: Wall) -> std::result::Result<i64, Invalid> {
        let local_us = wall.local_us()?;
        let offset_s = match (wall.offset, &self.zone) {
            (Some(offset), _) => offset.seconds()?,
            (None, Some(zone)) => wall.offset_in(zone)?,
            (None, None) => return Err(Invalid::Zone),
        };
        Ok(local_us - offset_s * SECOND_US)
    }
}

#[inline]
fn scaled(literal: &[u8], factor: i64, power: i32) -> std::result::Result<i64, Invalid> {
    match number::plain(literal) {
        Some(value) if factor > 0 => value.checked_mul(factor).ok_or(Invalid::Range),
        Some(value) => Ok(value.div_euclid(1000)),
        None => Literal::parse(literal).floor(power),
    }
}

/// What a text says of a date and a clock, in numbers that may not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wall {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
    /// None: the text does not say.
    offset: Option<Offset>,
}

/// An offset from UTC that may be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offset {
    west: bool,
    hours: i64,
    minutes: i64,
}

impl Offset {
    const UTC: Offset = Offset {
        west: false,
        hours: 0,
        minutes: 0,
    };

    #[inline]
    fn seconds(&self) -> std::result::Result<i64, Invalid> {
        if self.hours > 23 || self.minutes > 59 {
            return Err(Invalid::Range);
        }
        let seconds = self.hours * 3600 + self.minutes * 60;
        Ok(if self.west { -seconds } else { seconds })
    }
}

impl Default for Wall {
    fn default() -> Wall {
        Wall {
            year: 1970,
            month: 1,
            day: 1,
            hour: 0,
            minute: 0,
            second: 0,
            micros: 0,
            offset: None,
        }
    }
}

impl Wall {
    /// The digits as if they were UTC; `Range` where there is no such date or clock.
    #[inline]
    fn local_us(&self) -> std::result::Result<i64, Invalid> {
        let date = self.year >= 1 && self.day >= 1 && self.day <= civil::month_days(self.year, self.month);
        if !date || self.hour > 23 || self.minute > 59 || self.second > 59 {
            return Err(Invalid::Range);
        }
        let clock_s = self.hour * 3600 + self.minute * 60 + self.second;
        Ok((civil::day_of(self.year, self.month, self.day) * DAY_S + clock_s) * SECOND_US + self.micros)
    }

    /// The offset in force where the clocks show these digits: the one before a gap (the later instant) and before a
    /// fold (the earlier instant).
    fn offset_in(&self, zone: &TimeZone) -> std::result::Result<i64, Invalid> {
        let small = |value: i64| i8::try_from(value).map_err(|_| Invalid::Range);
        let year = i16::try_from(self.year).map_err(|_| Invalid::Range)?;
        let (month, day, hour) = (small(self.month)?, small(self.day)?, small(self.hour)?);
        let clock = DateTime::new(year, month, day, hour, small(self.minute)?, small(self.second)?, 0);
        let offset = match zone.to_ambiguous_timestamp(clock.map_err(|_| Invalid::Range)?).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Gap { before, .. } | AmbiguousOffset::Fold { before, .. } => before,
        };
        Ok(i64::from(offset.seconds()))
    }
}

/// Two digits.
#[inline]
fn two([a, b]: [u8; 2]) -> Option<i64> {
    let (a, b) = (a.wrapping_sub(b'0'), b.wrapping_sub(b'0'));
    (a <= 9 && b <= 9).then(|| i64::from(a) * 10 + i64::from(b))
}

/// Four digits.
#[inline]
fn four([a, b, c, d]: [u8; 4]) -> Option<i64> {
    Some(two([a, b])? * 100 + two([c, d])?)
}

/// Microseconds of the digits after a point; finer ones are cut off.
#[inline]
fn micros(digits: &[u8]) -> i64 {
    let six = digits.iter().copied().chain(std::iter::repeat(b'0')).take(6);
    six.fold(0, |sum, digit| sum * 10 + i64::from(digit & 0x0f))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(form: Form, untyped: bool) -> TimeReader {
        TimeReader {
            form,
            zone: None,
            untyped,
        }
    }

    fn unit(factor: i64, power: i32) -> TimeReader {
        reader(Form::Unit { factor, power }, false)
    }

    fn iso(text: &str) -> std::result::Result<i64, Invalid> {
        reader(Form::Iso, false).read(Kind::Text, text.as_bytes())
    }

    #[test]
    fn numbers_are_exact_and_floored() {
        let (s, ns) = (unit(SECOND_US, 6), unit(0, -3));
        assert_eq!(s.read(Kind::Number, b"1443.5"), Ok(1_443_500_000));
        assert_eq!(s.read(Kind::Number, b"1.4435e3"), Ok(1_443_500_000));
        assert_eq!(
            unit(1000, 3).read(Kind::Number, b"1442018818771"),
            Ok(1_442_018_818_771_000)
        );
        assert_eq!(ns.read(Kind::Number, b"1999"), Ok(1));
        assert_eq!(ns.read(Kind::Number, b"-1"), Ok(-1));
        assert_eq!(ns.read(Kind::Number, b"-1.5"), Ok(-1));
    }

    #[test]
    fn the_first_and_the_last_instant_are_in_range() {
        let us = unit(1, 0);
        let read = |at_us: i64| us.read(Kind::Number, at_us.to_string().as_bytes());
        assert_eq!(iso("0001-01-03T00:00:00Z"), Ok(EARLIEST_US));
        assert_eq!(iso("9999-12-29T23:59:59.999999Z"), Ok(LATEST_US));
        assert_eq!((read(EARLIEST_US), read(LATEST_US)), (Ok(EARLIEST_US), Ok(LATEST_US)));
        assert_eq!(
            (read(EARLIEST_US - 1), read(LATEST_US + 1)),
            (Err(Invalid::Range), Err(Invalid::Range))
        );
        assert_eq!(
            unit(SECOND_US, 6).read(Kind::Number, b"999999999999999999"),
            Err(Invalid::Range)
        );
    }

    #[test]
    fn texts_are_numbers_only_where_all_is_text() {
        assert_eq!(unit(1, 0).read(Kind::Text, b"5"), Err(Invalid::Type));
        let form = || Form::Unit {
            factor: SECOND_US,
            power: 6,
        };
        assert_eq!(reader(form(), true).read(Kind::Text, b"5.5"), Ok(5_500_000));
        assert_eq!(reader(form(), true).read(Kind::Text, b"05"), Err(Invalid::Type));
    }

    #[test]
    fn other_kinds_of_values_are_no_times() {
        assert_eq!(iso("x"), Err(Invalid::Type));
        assert_eq!(reader(Form::Iso, true).read(Kind::Number, b"5"), Err(Invalid::Type));
        assert_eq!(unit(1, 0).read(Kind::Null, b""), Err(Invalid::Missing));
        assert_eq!(unit(1, 0).read(Kind::Nested, b""), Err(Invalid::Type));
    }

    #[test]
    fn dates_and_clocks_that_do_not_exist_are_out_of_range() {
        for text in [
            "2015-02-29T00:00Z",
            "2015-13-01T00:00Z",
            "2015-00-01T00:00Z",
            "2015-01-00T00:00Z",
            "2015-01-01T24:00Z",
            "2015-01-01T00:60Z",
            "2016-12-31T23:59:60Z",
            "0000-05-05T00:00Z",
            "2015-01-01T00:00+24:00",
            "2015-01-01T00:00+00:60",
            "2015-02-29",
        ] {
            assert_eq!(iso(text), Err(Invalid::Range), "{text}");
        }
    }

    #[test]
    fn offsets_are_taken_off() {
        assert_eq!(iso("1970-01-01T01:00:00.0000019+01:00"), Ok(1));
        assert_eq!(iso("1969-12-31T16:00-08"), Ok(0));
        assert_eq!(iso("1969-12-31T23:59:59.9999999Z"), Ok(-1));
    }

    #[test]
    fn a_local_time_needs_a_zone() {
        assert_eq!(iso("2015-01-01T00:00:00"), Err(Invalid::Zone));
        assert_eq!(iso("2015-01-01"), Err(Invalid::Zone));
    }

    #[test]
    fn a_gap_takes_the_later_and_a_fold_the_earlier_instant() {
        let zone = TimeZone::posix("EST5EDT,M3.2.0,M11.1.0").ok();
        let reader = TimeReader {
            form: Form::Iso,
            zone,
            untyped: false,
        };
        let read = |text: &str| reader.read(Kind::Text, text.as_bytes());
        assert_eq!(read("2015-03-08T02:30"), iso("2015-03-08T07:30Z"));
        assert_eq!(read("2015-11-01T01:30"), iso("2015-11-01T05:30Z"));
        assert_eq!(read("2015-07-01"), iso("2015-07-01T04:00Z"));
        assert_eq!(read("2015-07-01T00:00Z"), iso("2015-07-01T00:00Z"));
    }
}
