//! Local times, by the rules of zones that a plan brings along.
#![allow(clippy::unwrap_used, reason = "a test may stop")]

use crossfoot_core::batch::Invalid;
use crossfoot_core::slot::Kind;
use crossfoot_core::time::TimeReader;
use serde_json::json;

mod prepare_support;
use prepare_support::{plan, zones};

fn read(zone: &str, text: &str) -> Result<i64, Invalid> {
    let mut plan = plan(json!({"zones": zones(&[zone])}));
    plan.time.unit = crossfoot_core::plan::Unit::Iso;
    plan.time.zone = Some(zone.into());
    TimeReader::new(&plan.time, &plan)
        .unwrap()
        .read(Kind::Text, text.as_bytes())
}

fn utc(text: &str) -> Result<i64, Invalid> {
    Ok(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
}

#[test]
fn in_a_gap_the_later_instant_is_meant() {
    assert_eq!(read("Europe/Paris", "2015-03-29T02:30"), utc("2015-03-29T01:30:00Z"));
    assert_eq!(
        read("Europe/Paris", "2015-03-29T01:59:59.999999"),
        utc("2015-03-29T00:59:59.999999Z")
    );
    assert_eq!(read("Europe/Paris", "2015-03-29T03:00"), utc("2015-03-29T01:00:00Z"));
}

#[test]
fn in_a_fold_the_earlier_instant_is_meant() {
    assert_eq!(read("Europe/Paris", "2015-10-25T02:30"), utc("2015-10-25T00:30:00Z"));
    assert_eq!(read("Europe/Paris", "2015-10-25T03:00"), utc("2015-10-25T02:00:00Z"));
}

#[test]
fn a_date_alone_is_local_midnight() {
    assert_eq!(read("America/Los_Angeles", "2026-07-01"), utc("2026-07-01T07:00:00Z"));
    assert_eq!(read("America/Sao_Paulo", "2018-11-04"), utc("2018-11-04T03:00:00Z"));
}

#[test]
fn a_day_that_a_zone_skipped_is_a_gap() {
    assert_eq!(read("Pacific/Apia", "2011-12-30T12:00"), utc("2011-12-30T22:00:00Z"));
}

#[test]
fn before_zones_the_local_mean_time_holds() {
    assert_eq!(read("Europe/Paris", "1800-01-01T00:00"), utc("1799-12-31T23:50:39Z"));
}

#[test]
fn an_offset_in_the_text_is_stronger_than_the_zone() {
    assert_eq!(read("Europe/Paris", "2015-07-01T00:00Z"), utc("2015-07-01T00:00:00Z"));
}

#[test]
fn a_zone_that_the_plan_does_not_bring_is_refused() {
    let mut plan = plan(json!({}));
    plan.time.zone = Some("Europe/Paris".into());
    assert!(TimeReader::new(&plan.time, &plan).is_err());
}
