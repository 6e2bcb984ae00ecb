//! The `Error` of the whole server. Its variants are named after what the caller can do about them.
//!
//! `Display` is public and tells the caller what to do. The cause is in `source()` and is only logged. The code that
//! renders responses maps an error to an HTTP status.

use std::error::Error as StdError;

use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

pub type Result<T, E = Error> = std::result::Result<T, E>;

type Cause = Box<dyn StdError + Send + Sync>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A parameter, body or header is wrong; the text names it.
    #[error("{0}")]
    Invalid(String),
    /// The request needs something that the server does not support; the text names it.
    #[error("{0}")]
    NotSupported(String),
    /// The request has no token, or one that is not valid.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// The token does not allow the request.
    #[error("{0}")]
    Forbidden(String),
    /// The resource does not exist, or belongs to another owner.
    #[error("{0}")]
    NotFound(&'static str),
    /// The route does not have the HTTP method.
    #[error("this URL does not accept this HTTP method")]
    MethodNotAllowed,
    /// The state of the job does not allow the change, or another request changed it first.
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    TooLarge(String),
    #[error("{0}")]
    UnsupportedMediaType(String),
    /// The server does not have the requested representation; the text names those that it has.
    #[error("{0}")]
    NotAcceptable(String),
    /// The Range header requests bytes that the file does not have.
    #[error("the requested range is outside the file, which has {size} bytes")]
    RangeNotSatisfiable { size: u64 },
    /// Too many attempts failed; `retry_after` is in seconds.
    #[error("too many attempts; try again in {retry_after} seconds")]
    Throttled { retry_after: u64 },
    /// The client has reached its limit of concurrent exports; the text says what to do. `retry_after` is the number of
    /// seconds after which there may be room for another one.
    #[error("{text}")]
    TooMany { text: String, retry_after: u64 },
    /// The key was used for another request.
    #[error("{0}")]
    Reused(&'static str),
    /// Something cannot be left out of an export; the text is a sentence about the refusal.
    #[error("{text}")]
    NotLeftOut { refusal: Refusal, text: String },
    /// The client has deleted this rejected export, which no longer exists for the client. The text has the reason.
    #[error("{0}")]
    Dismissed(String),
    /// A stored file is damaged: it is truncated, not gzip or not FHIR. It is reported by its name, and the export
    /// continues.
    #[error("{0}")]
    Damaged(Damage),
    /// The ledger of an export does not balance, so that the export must not complete; the text names the chunk.
    #[error("{0}")]
    Unbalanced(String),
    /// The store has no room left. Trying again does not help.
    #[error("the server has no room left to write the export")]
    StorageFull(#[source] Cause),
    /// A service that the server depends on did not respond. Trying again may help.
    #[error("the server cannot respond now; try again later")]
    Unavailable(#[source] Cause),
    /// A newer version of this server wrote a row or a task, which this version cannot read. Trying again helps when a worker of the
    /// newer version does it, or after the update.
    #[error("a newer version of the server wrote this, and only that version can read it")]
    Newer(#[source] Cause),
    /// A fault of this server. The cause is logged, never shown.
    #[error("something went wrong on the server; it has been logged")]
    Internal(#[source] Cause),
}

/// The message for an invalid token. It does not reveal the reason.
pub const INVALID_TOKEN: &str =
    "the access token is not valid for this server, has expired or was revoked; get a new one";

pub const NO_FILE: Error = Error::NotFound("there is no such file");
pub const NO_GROUP: Error = Error::NotFound("there is no such group");
pub const NO_JOB: Error = Error::NotFound("there is no such job");
pub const NO_PATIENT: Error = Error::NotFound("there is no such patient");

/// A file of the record store that cannot be read, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file} cannot be read: {problem}")]
pub struct Damage {
    /// The file's path below the root of the record store, such as `Patient/ann/records.ndjson.gz`, with the line if only
    /// that cannot be read, such as `shared/all.ndjson line 3`.
    pub file: String,
    pub problem: String,
}

/// A store that the server depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Store {
    /// The patients' records.
    Records,
    /// The exported files.
    Files,
    /// Jobs and all other data that is stored in rows.
    Database,
    Queue,
}

impl Store {
    pub fn name(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Files => "files",
            Self::Database => "database",
            Self::Queue => "queue",
        }
    }
}

/// The cause of an [`Error::Unavailable`] if the store that did not respond is known.
#[derive(Debug, thiserror::Error)]
#[error("{}", .store.name())]
struct Outage {
    store: Store,
    #[source]
    cause: Cause,
}

/// The kind of an error that made a task fail. [`crate::retries`] decides what happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Another worker changed the same thing at the same time. The task is tried again at once.
    Contended,
    /// A store does not respond. The task is tried again until `outage_hours` are over.
    Unavailable,
    /// A newer version of this server wrote what the task needs. The task is tried again, and nothing is removed.
    Newer,
    /// A fault of this server. The task is tried three times; then the job fails, and its text has the request id.
    Defect,
    /// A stored file cannot be read. The export reports the file and continues; if it cannot continue, the job fails, and
    /// its text names the file.
    Damaged,
    /// Trying again does not help. The job fails with the text of the error.
    Refused,
}

impl Error {
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self::Internal(cause.into())
    }

    pub fn unavailable(cause: impl Into<Cause>) -> Self {
        Self::Unavailable(cause.into())
    }

    pub fn invalid(text: impl Into<String>) -> Self {
        Self::Invalid(text.into())
    }

    pub fn conflict(text: impl Into<String>) -> Self {
        Self::Conflict(text.into())
    }

    /// Returns the error for an unreadable file of the record store; `file` is its path below the root of the store.
    pub fn damaged(file: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Damaged(Damage { file: file.into(), problem: problem.into() })
    }

    /// Returns the error for a failure to read a compressed file: [`Error::Damaged`] if its bytes are at fault, and
    /// otherwise the error for any other failure of the store.
    pub fn decompressing(file: &str, error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Self::damaged(file, "the gzip data ends early"),
            std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData => {
                Self::damaged(file, "it is not a gzip file, or its gzip data is damaged")
            }
            _ => error.into(),
        }
    }

    /// Returns the error for a stored row or task that cannot be read: [`Error::Newer`] if it has a variant that this version does not
    /// know, such as a kind of work.
    pub fn reading(error: serde_json::Error) -> Self {
        // serde has no kind of error for this. A test checks the text.
        if error.to_string().starts_with("unknown variant") {
            Self::Newer(error.into())
        } else {
            Self::internal(error)
        }
    }

    /// Adds the store that did not respond to an [`Error::Unavailable`] that names none.
    pub fn of_store(self, store: Store) -> Self {
        match self {
            Self::Unavailable(cause) if !cause.is::<Outage>() => {
                Self::Unavailable(Box::new(Outage { store, cause }))
            }
            other => other,
        }
    }

    /// Returns the store that did not respond, if it is known.
    pub fn store(&self) -> Option<Store> {
        match self {
            Self::Unavailable(cause) => cause.downcast_ref::<Outage>().map(|outage| outage.store),
            _ => None,
        }
    }

    /// Returns why something cannot be left out of an export, if that is the error.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::NotLeftOut { refusal, .. } => Some(*refusal),
            _ => None,
        }
    }

    /// Returns the kind of the error for a worker whose task failed by it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Conflict(_) => Kind::Contended,
            Self::Unavailable(_) | Self::Throttled { .. } => Kind::Unavailable,
            Self::Newer(_) => Kind::Newer,
            Self::Internal(_) => Kind::Defect,
            Self::Damaged(_) => Kind::Damaged,
            Self::Invalid(_)
            | Self::NotSupported(_)
            | Self::Unauthorized(_)
            | Self::Forbidden(_)
            | Self::NotFound(_)
            | Self::MethodNotAllowed
            | Self::TooLarge(_)
            | Self::UnsupportedMediaType(_)
            | Self::NotAcceptable(_)
            | Self::RangeNotSatisfiable { .. }
            | Self::TooMany { .. }
            | Self::Reused(_)
            | Self::NotLeftOut { .. }
            | Self::Dismissed(_)
            | Self::Unbalanced(_)
            | Self::StorageFull(_) => Kind::Refused,
        }
    }

    /// Returns the code of the issue in the OperationOutcome (FHIR R4, IssueType).
    pub fn issue_code(&self) -> &'static str {
        match self {
            Self::NotLeftOut { refusal, .. } if refusal.is_by_size() => "too-long",
            Self::Invalid(_) | Self::RangeNotSatisfiable { .. } | Self::NotLeftOut { .. } => "invalid",
            Self::NotSupported(_)
            | Self::MethodNotAllowed
            | Self::UnsupportedMediaType(_)
            | Self::NotAcceptable(_) => "not-supported",
            Self::Unauthorized(_) => "login",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound(_) | Self::Dismissed(_) => "not-found",
            Self::Conflict(_) => "conflict",
            Self::TooLarge(_) => "too-long",
            Self::Throttled { .. } | Self::TooMany { .. } => "throttled",
            Self::Reused(_) => "business-rule",
            Self::StorageFull(_) => "no-store",
            Self::Damaged(_) => "structure",
            Self::Unavailable(_) | Self::Newer(_) => "transient",
            Self::Unbalanced(_) | Self::Internal(_) => "exception",
        }
    }

    /// Returns the causes for the log, the innermost last.
    pub fn causes(&self) -> String {
        let mut text = String::new();
        let mut cause = self.source();
        while let Some(error) = cause {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

impl From<std::io::Error> for Error {
    /// Unwraps an [`Error`] that a stream of this server wrapped. Any other I/O error is a failure of a store.
    fn from(error: std::io::Error) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(wrapped) => return wrapped,
            Err(error) => error,
        };
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Self::StorageFull(error.into())
            }
            _ => Self::Unavailable(error.into()),
        }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(error)
    }
}

#[cfg(test)]
mod tests;
