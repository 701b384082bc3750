//! Where a prepared event comes from, as its message says: the topic, partition and offset of the record that it was.
use arrow_array::{Array, Int32Array, Int64Array};
use arrow_ipc::reader::StreamReader;
use serde::Deserialize;

use crate::plan::{InputKind, Plan};
use crate::prepared::BLOCK_BEGINS;

/// Reads the lineage of the events of prepared messages.
pub struct Lineages;

/// Of one event; what is not said is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin<'a> {
    pub source: Option<&'a str>,
    pub partition: Option<i64>,
    pub position: Option<i64>,
    pub attempt: Option<i32>,
}

/// Of the events of one message.
#[derive(Debug, Default)]
pub struct Origins {
    source: Option<String>,
    partition: Option<i64>,
    events: Vec<(Option<i64>, Option<i32>)>,
}

#[derive(Deserialize)]
struct Single {
    topic: Option<String>,
    partition: Option<i64>,
    offset: Option<String>,
    attempt: Option<i32>,
}

impl Lineages {
    /// None: the records are no prepared events.
    pub fn of(plan: &Plan) -> Option<Lineages> {
        matches!(plan.input.kind, InputKind::Prepared).then_some(Lineages)
    }

    pub fn read(&mut self, message: &[u8]) -> Origins {
        match message.first() {
            Some(&BLOCK_BEGINS) => block(message).unwrap_or_default(),
            _ => single(message).unwrap_or_default(),
        }
    }
}

impl Origins {
    /// Of the event at a place of a block, or of the only one.
    pub fn at(&self, element: Option<u32>) -> Origin<'_> {
        let (position, attempt) = self
            .events
            .get(element.unwrap_or(0) as usize)
            .copied()
            .unwrap_or_default();
        Origin {
            source: self.source.as_deref(),
            partition: self.partition,
            position,
            attempt,
        }
    }
}

fn single(message: &[u8]) -> Option<Origins> {
    let said: Single = serde_json::from_slice(message).ok()?;
    let position = said.offset.and_then(|text| text.parse().ok());
    Some(Origins {
        source: said.topic,
        partition: said.partition,
        events: vec![(position, said.attempt)],
    })
}

fn block(message: &[u8]) -> Option<Origins> {
    let reader = StreamReader::try_new(message, None).ok()?;
    let schema = reader.schema();
    let said = |name: &str| schema.metadata().get(name).cloned();
    let mut origins = Origins {
        source: said("topic"),
        partition: said("partition").and_then(|text| text.parse().ok()),
        events: vec![],
    };
    for batch in reader {
        let batch = batch.ok()?;
        let offsets = batch.column_by_name("offset")?.as_any().downcast_ref::<Int64Array>()?;
        let attempts = batch.column_by_name("attempt")?.as_any().downcast_ref::<Int32Array>()?;
        origins.events.extend(offsets.iter().zip(attempts.iter()));
    }
    Some(origins)
}
