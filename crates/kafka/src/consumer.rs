//! A thread that reads one topic into blocks of records, and the queue, bounded in bytes, that they wait in.
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use crossfoot_core::records::{ABSENT, Columns};

use crate::cloudevents;
use crate::librdkafka::{Client, Failure, Librdkafka, Message, PARTITION_EOF, Room, Wants};

/// Messages of one call, and how long it waits for them: what a lone message is held up at most.
const MESSAGES: usize = 10_000;
const WAIT_MS: i32 = 20;
/// A block is handed on when it has so many bytes; the call's end hands on all.
const BLOCK_BYTES: usize = 1 << 20;
/// What a record costs beside its bytes.
const COLUMN_BYTES: usize = 20;

/// How a topic is read.
#[derive(Clone, Debug)]
pub struct Settings {
    pub topic: String,
    /// librdkafka's, by their own names.
    pub client: Vec<(String, String)>,
    /// Bytes that may wait in the queue; then nothing more is read until some are taken.
    pub queue_bytes_max: usize,
    /// Whether headers may hold what belongs to a record: CloudEvents in binary mode become structured ones.
    pub cloudevents: bool,
}

/// Records of one partition, in order. A stamp is the broker's append time, absent where a record has none.
#[derive(Debug, Default)]
pub struct Block {
    pub partition: i32,
    pub bytes: Vec<u8>,
    pub columns: Columns,
}

/// What the thread hands over, in its order.
#[derive(Debug)]
pub enum Item {
    Block(Block),
    /// The partition's log ends here: what lies before it was handed over, or never will be.
    End {
        partition: i32,
        offset: u64,
    },
    /// Of a partition, or of the client as a whole.
    Failed {
        partition: Option<i32>,
        failure: Failure,
    },
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
    closing: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

pub struct Consumer {
    topic: String,
    client: Arc<Client>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Consumer {
    /// Load the library, make a client, start the thread. Nothing is read before `assign`.
    ///
    /// # Errors
    /// The library cannot be loaded, or it refuses a setting.
    pub fn open(library: &Path, settings: Settings) -> Result<Consumer, Failure> {
        let client = Arc::new(Client::open(Librdkafka::load(library)?, &settings.client)?);
        let shared = Arc::new(Shared::default());
        let (own, queue) = (client.clone(), shared.clone());
        let wants = Wants {
            timeout_ms: WAIT_MS,
            headers: settings.cloudevents,
        };
        let run = move || read(&own, &queue, settings.queue_bytes_max, wants);
        let thread = std::thread::Builder::new().name("crossfoot-kafka".into()).spawn(run);
        let thread = thread.map_err(|e| Failure {
            code: 0,
            name: String::new(),
            text: format!("cannot start a thread: {e}"),
        })?;
        Ok(Consumer {
            topic: settings.topic,
            client,
            shared,
            thread: Some(thread),
        })
    }

    /// Read further partitions, each from an offset on.
    ///
    /// # Errors
    /// The client has failed for good.
    pub fn assign(&self, offsets: &[(i32, i64)]) -> Result<(), Failure> {
        self.client.assign(&self.topic, offsets)
    }

    /// What waits, up to about so many bytes; if nothing does, what comes first within the time.
    pub fn take(&self, bytes_max: usize, wait: Duration) -> Vec<Item> {
        let Some(queue) = self.shared.lock() else {
            return vec![];
        };
        let waited = self
            .shared
            .changed
            .wait_timeout_while(queue, wait, |queue| queue.items.is_empty());
        let Ok((mut queue, _)) = waited else {
            return vec![];
        };
        let (mut items, mut bytes) = (vec![], 0);
        while bytes < bytes_max
            && let Some(item) = queue.items.pop_front()
        {
            bytes += item.size();
            items.push(item);
        }
        queue.bytes -= bytes;
        drop(queue);
        self.shared.changed.notify_all();
        items
    }

    /// Bytes that wait.
    pub fn queued_bytes(&self) -> usize {
        self.shared.lock().map_or(0, |queue| queue.bytes)
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        if let Some(mut queue) = self.shared.lock() {
            queue.closing = true;
        }
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> Option<MutexGuard<'_, Queue>> {
        self.queue.lock().ok()
    }

    /// Wait for room. False: the consumer is closing.
    fn has_room(&self, bytes_max: usize) -> bool {
        let full = |queue: &mut Queue| queue.bytes >= bytes_max && !queue.closing;
        let queue = self.lock().and_then(|queue| self.changed.wait_while(queue, full).ok());
        queue.is_some_and(|queue| !queue.closing)
    }

    fn put(&self, items: impl Iterator<Item = Item>) {
        if let Some(mut queue) = self.lock() {
            for item in items {
                queue.bytes += item.size();
                queue.items.push_back(item);
            }
        }
        self.changed.notify_all();
    }
}

impl Item {
    fn size(&self) -> usize {
        match self {
            Item::Block(block) => block.bytes.len() + block.columns.ends.len() * COLUMN_BYTES,
            Item::End { .. } | Item::Failed { .. } => 0,
        }
    }
}

/// The thread: read while there is room.
fn read(client: &Client, shared: &Shared, bytes_max: usize, wants: Wants) {
    let (mut room, mut gathered) = (Room::new(MESSAGES), Gathered::default());
    while shared.has_room(bytes_max) {
        client.consume(&mut room, wants, |message| gathered.add(&message));
        let failures = client.errors().into_iter().map(|failure| Item::Failed {
            partition: None,
            failure,
        });
        let mut items = gathered.take();
        items.extend(failures);
        if !items.is_empty() {
            shared.put(items.into_iter());
        }
    }
}

/// Messages on their way into blocks.
#[derive(Default)]
struct Gathered {
    open: BTreeMap<i32, Block>,
    done: Vec<Item>,
}

impl Gathered {
    fn add(&mut self, message: &Message<'_>) {
        let partition = message.partition;
        if let Some(failure) = &message.failure {
            self.close(partition);
            self.done.push(other(message, failure));
            return;
        }
        let block = self.open.entry(partition).or_default();
        cloudevents::append(&message.headers, message.payload, &mut block.bytes);
        block.columns.ends.push(block.bytes.len() as u32);
        block.columns.offsets.push(message.offset as u64);
        let stamp_us = message.appended_ms.map_or(ABSENT, |ms| ms.saturating_mul(1000));
        block.columns.stamps_us.push(stamp_us);
        if block.bytes.len() >= BLOCK_BYTES {
            self.close(partition);
        }
    }

    /// What was gathered of a partition is a block.
    fn close(&mut self, partition: i32) {
        if let Some(block) = self.open.remove(&partition) {
            self.done.push(Item::Block(Block { partition, ..block }));
        }
    }

    fn take(&mut self) -> Vec<Item> {
        while let Some((&partition, _)) = self.open.first_key_value() {
            self.close(partition);
        }
        std::mem::take(&mut self.done)
    }
}

fn other(message: &Message<'_>, failure: &Failure) -> Item {
    match (failure.code, u64::try_from(message.offset)) {
        (PARTITION_EOF, Ok(offset)) => Item::End {
            partition: message.partition,
            offset,
        },
        _ => Item::Failed {
            partition: (message.partition >= 0).then_some(message.partition),
            failure: failure.clone(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(partition: i32, offset: i64, payload: &[u8]) -> Message<'_> {
        Message {
            partition,
            offset,
            payload,
            headers: vec![],
            appended_ms: Some(offset),
            failure: None,
        }
    }

    fn blocks(gathered: &mut Gathered) -> Vec<(i32, Vec<u8>, Vec<u64>)> {
        let block = |item| match item {
            Item::Block(block) => Some((block.partition, block.bytes, block.columns.offsets)),
            _ => None,
        };
        gathered.take().into_iter().filter_map(block).collect()
    }

    #[test]
    fn messages_become_a_block_for_each_partition() {
        let mut gathered = Gathered::default();
        for (partition, offset, data) in [(1, 5, "a"), (0, 7, "b"), (1, 6, "c")] {
            gathered.add(&message(partition, offset, data.as_bytes()));
        }
        assert_eq!(
            blocks(&mut gathered),
            [(0, b"b".to_vec(), vec![7]), (1, b"ac".to_vec(), vec![5, 6])]
        );
        assert!(gathered.take().is_empty());
    }

    #[test]
    fn a_block_does_not_grow_without_end() {
        let mut gathered = Gathered::default();
        let large = vec![b'x'; BLOCK_BYTES];
        (0..3).for_each(|offset| gathered.add(&message(0, offset, &large)));
        assert_eq!(blocks(&mut gathered).len(), 3);
    }

    #[test]
    fn the_end_of_a_log_comes_after_what_lies_before_it() {
        let mut gathered = Gathered::default();
        gathered.add(&message(0, 4, b"a"));
        let failure = Failure {
            code: PARTITION_EOF,
            name: String::new(),
            text: String::new(),
        };
        gathered.add(&Message {
            failure: Some(failure),
            ..message(0, 6, b"")
        });
        let items = gathered.take();
        assert!(matches!(
            items.as_slice(),
            [
                Item::Block(_),
                Item::End {
                    partition: 0,
                    offset: 6
                }
            ]
        ));
    }

    #[test]
    fn a_record_without_append_time_has_no_stamp() {
        let mut gathered = Gathered::default();
        gathered.add(&Message {
            appended_ms: None,
            ..message(0, 0, b"a")
        });
        let items = gathered.take();
        assert!(matches!(items.as_slice(), [Item::Block(block)] if block.columns.stamps_us == [ABSENT]));
    }
}
