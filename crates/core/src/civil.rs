//! Days of the proleptic Gregorian calendar, counted from 1970-01-01. No range ends inside the years of an i32.

/// The day of a date that exists.
#[inline]
pub fn day_of(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March here, so that a leap day is the last of its year.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

/// Year, month and day of the month.
pub fn date_of(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let (era, day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (after, month_number) = if month < 10 { (0, month + 3) } else { (1, month - 9) };
    (era * 400 + year + after, month_number, day - (153 * month + 2) / 5 + 1)
}

/// The number of days of a month; 0 where there is no such month.
#[inline]
pub fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::{Date, date};

    #[test]
    fn days_and_dates_agree_with_a_library() {
        let epoch = date(1970, 1, 1);
        let mut there = date(-1, 1, 1);
        while there < date(9999, 12, 1) {
            let day = i64::from((there - epoch).get_days());
            let (year, month, of_month) = (
                i64::from(there.year()),
                i64::from(there.month()),
                i64::from(there.day()),
            );
            assert_eq!(day_of(year, month, of_month), day);
            assert_eq!(date_of(day), (year, month, of_month));
            assert_eq!(month_days(year, month), i64::from(there.days_in_month()));
            there = there.checked_add(jiff::Span::new().days(17)).unwrap_or(Date::MAX);
        }
    }

    #[test]
    fn a_month_that_is_none_has_no_days() {
        assert_eq!((month_days(2000, 0), month_days(2000, 13)), (0, 0));
    }
}
