//! Kafka partitions as blocks of records, ready for the core: read through librdkafka, without an object per message.
//!
//! `librdkafka` is the reviewed border to the C library, which is loaded when it is used. `consumer` owns the thread that
//! reads and the queue, bounded in bytes, that it fills; `cloudevents` makes one record of headers and value.
pub mod cloudevents;
pub mod consumer;
pub mod librdkafka;
