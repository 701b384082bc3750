//! One error type for the whole core: what happened, and what the caller can do about it.
use std::fmt;

/// What the caller should do: fix the call, fix the definition, fix the data, repair the store, wait for who holds it,
/// report a fault of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Call,
    Definition,
    Data,
    Store,
    Held,
    Internal,
    /// A crash that a test asked for at a named durable step.
    Crash,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreError {
    pub kind: Kind,
    pub message: String,
    /// The next step; may be empty.
    pub hint: String,
}

pub type Result<T> = std::result::Result<T, CoreError>;

impl CoreError {
    pub fn new(kind: Kind, message: impl Into<String>, hint: impl Into<String>) -> Self {
        CoreError {
            kind,
            message: message.into(),
            hint: hint.into(),
        }
    }
    pub fn definition(message: impl Into<String>) -> Self {
        Self::new(Kind::Definition, message, "")
    }
    pub fn store(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Kind::Store, message, hint)
    }
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(
            Kind::Internal,
            message,
            "please report this with the store's `verify` output",
        )
    }
    /// An input/output error on a named file.
    pub fn io(what: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        let hint = match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded | std::io::ErrorKind::FileTooLarge => {
                "free some space and run again: everything committed so far is kept"
            }
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                "make the folder writable, or name another one with --store"
            }
            std::io::ErrorKind::AlreadyExists | std::io::ErrorKind::NotADirectory => "name a folder with --store",
            _ => "check the disk, then run again: everything committed so far is kept",
        };
        Self::store(format!("cannot {what} {}: {error}", path.display()), hint)
    }
}

impl fmt::Display for CoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CoreError {}

impl From<crate::wire::Short> for CoreError {
    fn from(_: crate::wire::Short) -> Self {
        CoreError::store(
            "damaged bytes: a value ends too early",
            "run `crossfoot verify`, then restore a backup or count again",
        )
    }
}
