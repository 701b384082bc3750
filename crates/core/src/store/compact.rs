//! Several segments become one: values under equal keys are added up, and windows that retention no longer keeps become
//! totals of their table.
use std::collections::BTreeMap;

use crate::error::{CoreError, Result};
use crate::plan::Plan;
use crate::wire::{Take, put_u64};

use super::segment::{Segment, Size, Writer, merge};
use super::tables::{EXPIRED, Tables, first_key};

/// Write the merged rows.
pub fn compact(
    plan: &Plan,
    tables: &mut Tables,
    watermark_us: Option<i64>,
    segments: &[Segment],
    mut writer: Writer,
) -> Result<Size> {
    let segments: Vec<&Segment> = segments.iter().collect();
    let mut expired = BTreeMap::<u16, u64>::new();
    let mut out = vec![];
    merge(&segments, &[], Some(&first_key(EXPIRED)), |key, values| {
        if let Some((table, true)) = tables.expired(plan, key, watermark_us) {
            *expired.entry(table).or_default() += events(values)?;
            return Ok(());
        }
        tables.combine(key, values, &mut out)?;
        writer.push(key, &out)
    })?;
    merge(&segments, &first_key(EXPIRED), None, |key, values| {
        let table = u16::from_be_bytes(*key.last_chunk().unwrap_or(&[0; 2]));
        *expired.entry(table).or_default() += events(values)?;
        Ok(())
    })?;
    for (table, events) in expired {
        let key = [first_key(EXPIRED), table.to_be_bytes()].concat();
        out.clear();
        put_u64(&mut out, events);
        writer.push(&key, &out)?;
    }
    writer.finish()
}

/// The sum of the numbers that the values begin with: the events of cells and totals.
fn events(values: &[&[u8]]) -> Result<u64> {
    values
        .iter()
        .try_fold(0, |sum, value| Ok::<u64, CoreError>(sum + Take(value).u64()?))
}
