//! A Kafka reader for Python: it is told what to read, and hands over to the engine.
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use crossfoot_core::error::{CoreError as Error, Kind};
use crossfoot_core::records::ABSENT;
use crossfoot_kafka::consumer::{Block, Consumer, Item, Settings};
use crossfoot_kafka::librdkafka::Failure;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde::{Deserialize, Serialize};

use crate::{bad_json, raise};

/// What a reader is opened with.
#[derive(Deserialize)]
struct Options {
    library: String,
    topic: String,
    settings: Vec<(String, String)>,
    queue_bytes_max: usize,
    cloudevents: bool,
}

/// Reads partitions of one topic, on a thread of its own, as far as its queue has room.
#[pyclass(module = "crossfoot._core", frozen)]
pub struct KafkaReader {
    inner: Mutex<Inner>,
}

struct Inner {
    consumer: Option<Consumer>,
    /// The engine's names of the partitions.
    names: BTreeMap<i32, String>,
}

/// How far a partition was handed over.
#[derive(Default, Serialize)]
struct Handed {
    records: u64,
    next: u64,
    /// Of the newest record that has an append time.
    stamp_us: Option<i64>,
    /// Where the log ends, if nothing came after that was seen.
    end: Option<u64>,
}

#[derive(Serialize)]
struct Failed {
    partition: Option<i32>,
    code: i32,
    name: String,
    text: String,
}

#[derive(Default, Serialize)]
struct Drained {
    bytes: usize,
    queued_bytes: usize,
    partitions: BTreeMap<i32, Handed>,
    failures: Vec<Failed>,
}

/// What librdkafka refuses, in its own words: a setting, or a call.
fn refused(failure: Failure) -> Error {
    let hint = "librdkafka says so; its settings are passed on by their own names";
    Error::new(Kind::Definition, failure.text, hint)
}

impl KafkaReader {
    fn lock(&self) -> Result<MutexGuard<'_, Inner>, Error> {
        self.inner
            .lock()
            .map_err(|_| Error::internal("a thread of the reader has panicked"))
    }

    fn hand_over(
        &self,
        bytes_max: usize,
        wait_ms: u64,
        mut each: impl FnMut(&str, Block) -> Result<(), Error>,
    ) -> Result<String, Error> {
        let inner = self.lock()?;
        let consumer = inner.consumer()?;
        let mut drained = Drained::default();
        for item in consumer.take(bytes_max, Duration::from_millis(wait_ms)) {
            match item {
                Item::Block(block) => {
                    let name = inner.names.get(&block.partition);
                    let name = name.ok_or_else(|| Error::internal("a partition that was never assigned"))?;
                    drained.count(&block);
                    each(name, block)?;
                }
                Item::End { partition, offset } => drained.partitions.entry(partition).or_default().end = Some(offset),
                Item::Failed { partition, failure } => drained.failures.push(Failed {
                    partition,
                    code: failure.code,
                    name: failure.name,
                    text: failure.text,
                }),
            }
        }
        drained.queued_bytes = consumer.queued_bytes();
        serde_json::to_string(&drained).map_err(|e| Error::internal(e.to_string()))
    }
}

/// A block for Python.
type Taken<'py> = (i32, Bound<'py, PyBytes>, [Bound<'py, PyBytes>; 3]);

fn taken<'py>(py: Python<'py>, block: &Block) -> Taken<'py> {
    let columns = &block.columns;
    let offsets: Vec<u8> = columns.offsets.iter().flat_map(|n| n.to_ne_bytes()).collect();
    let ends: Vec<u8> = columns.ends.iter().flat_map(|n| n.to_ne_bytes()).collect();
    let stamps: Vec<u8> = columns.stamps_us.iter().flat_map(|n| n.to_ne_bytes()).collect();
    let columns = [&ends, &offsets, &stamps].map(|column| PyBytes::new(py, column));
    (block.partition, PyBytes::new(py, &block.bytes), columns)
}

impl Drained {
    fn count(&mut self, block: &Block) {
        let handed = self.partitions.entry(block.partition).or_default();
        handed.records += block.columns.offsets.len() as u64;
        handed.next = block.columns.offsets.last().map_or(handed.next, |last| last + 1);
        handed.end = None;
        let stamp = block.columns.stamps_us.iter().rev().find(|us| **us != ABSENT);
        handed.stamp_us = stamp.copied().or(handed.stamp_us);
        self.bytes += block.bytes.len();
    }
}

impl Inner {
    fn consumer(&self) -> Result<&Consumer, Error> {
        let open = self.consumer.as_ref();
        open.ok_or_else(|| Error::internal("the reader is closed"))
    }
}

#[pymethods]
impl KafkaReader {
    /// Open with options (JSON): `library`, `topic`, `settings` as pairs, `queue_bytes_max`,
    /// `cloudevents`. Nothing is read yet.
    #[new]
    fn new(py: Python<'_>, options_json: &str) -> PyResult<Self> {
        let options: Options = serde_json::from_str(options_json).map_err(bad_json)?;
        let settings = Settings {
            topic: options.topic,
            client: options.settings,
            queue_bytes_max: options.queue_bytes_max,
            cloudevents: options.cloudevents,
        };
        let open = || Consumer::open(Path::new(&options.library), settings).map_err(refused);
        let consumer = py.detach(open).map_err(raise)?;
        Ok(KafkaReader {
            inner: Mutex::new(Inner {
                consumer: Some(consumer),
                names: BTreeMap::new(),
            }),
        })
    }

    /// Read further partitions: `[[partition, offset, name in the store], …]`.
    fn assign(&self, py: Python<'_>, partitions_json: &str) -> PyResult<()> {
        let partitions: Vec<(i32, i64, String)> = serde_json::from_str(partitions_json).map_err(bad_json)?;
        py.detach(|| {
            let mut inner = self.lock()?;
            let offsets: Vec<(i32, i64)> = partitions.iter().map(|(p, offset, _)| (*p, *offset)).collect();
            inner.consumer()?.assign(&offsets).map_err(refused)?;
            inner.names.extend(partitions.into_iter().map(|(p, _, name)| (p, name)));
            Ok(())
        })
        .map_err(raise)
    }

    /// What waits, or what comes first within the time: how far each partition was handed over (JSON), and the blocks
    /// of records: `(partition, bytes, (ends u32, offsets u64, stamps i64))`, least stamp: none.
    fn take<'py>(&self, py: Python<'py>, bytes_max: usize, wait_ms: u64) -> PyResult<(String, Vec<Taken<'py>>)> {
        let mut blocks = vec![];
        let keep = |_: &str, block| {
            blocks.push(block);
            Ok(())
        };
        let handed = py.detach(|| self.hand_over(bytes_max, wait_ms, keep)).map_err(raise)?;
        Ok((handed, blocks.iter().map(|block| taken(py, block)).collect()))
    }

    /// The name of a partition that was assigned.
    fn name(&self, partition: i32) -> PyResult<String> {
        let name = self.lock().map_err(raise)?.names.get(&partition).cloned();
        name.ok_or_else(|| raise(Error::internal("a partition that was never assigned")))
    }

    /// Stop reading; what waits is forgotten.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let consumer = self.lock().map_err(raise)?.consumer.take();
        py.detach(|| drop(consumer));
        Ok(())
    }
}
