//! The counting core of Crossfoot, in plain Rust: no Python, and no clock that events meet.
//!
//! The way of a record: `decode` finds the wanted values, `prepare` makes an event or a reason (with `number`, `time`,
//! `expression`, `identity`), `count` accepts (`accept`), removes copies (`dedup`) and folds (`fold`, `measure`), `engine`
//! commits epochs to the `store`, `reader` answers from it. `prepared` writes events for another place to count, `deliveries`
//! reads how Pub/Sub hands them over; `shard` counts a slice of all ids, and hands out what changed. `workers` is the only
//! module that owns threads.

pub mod accept;
pub mod batch;
mod bits;
pub mod civil;
pub mod convert;
pub mod count;
pub mod decode;
pub mod dedup;
pub mod deliveries;
pub mod engine;
pub mod error;
pub mod expression;
pub mod fold;
pub mod front;
pub mod generate;
pub mod identity;
pub mod input;
pub mod intern;
mod kept;
mod ledger;
mod machine;
pub mod measure;
mod members;
pub mod number;
mod objects;
pub mod pending;
pub mod plan;
pub mod prepare;
pub mod prepared;
pub mod raw;
pub mod reader;
pub mod records;
pub mod rows;
pub mod shard;
pub mod side;
mod sip;
mod sketch;
pub mod slot;
pub mod store;
pub mod time;
pub mod windows;
pub mod wire;
pub mod workers;
pub mod zones;
