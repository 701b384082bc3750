//! The store on disk: a manifest (what the last checkpoint holds), segments, id files, and the journal of epochs since.
//!
//! One process writes, under a lock; any number read without one. A reader takes the manifest and the journal up to the
//! length that HEAD says is synced: one epoch, whole.
pub mod compact;
pub mod compare;
pub mod files;
pub mod frame;
pub mod ids;
pub mod journal;
mod output;
pub mod segment;
pub mod tables;
