//! One `Error` for the whole server, named by what the caller may do about it.
//!
//! `Display` is public and says what to do; the cause is in `source()` and goes to the log only.
//! Which HTTP status an error becomes is decided where responses are made.

use std::error::Error as StdError;

use serde::{Deserialize, Serialize};

pub type Result<T, E = Error> = std::result::Result<T, E>;

type Cause = Box<dyn StdError + Send + Sync>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A parameter, body or header is wrong; the text names it.
    #[error("{0}")]
    Invalid(String),
    /// Something the server does not offer was asked for; the text names it.
    #[error("{0}")]
    NotSupported(String),
    /// No token, or one that does not hold.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// The token does not allow it.
    #[error("{0}")]
    Forbidden(String),
    /// There is no such thing, or it is not yours.
    #[error("{0}")]
    NotFound(&'static str),
    /// HTTP method that the route does not have.
    #[error("this address does not take that method")]
    MethodNotAllowed,
    /// The state of the job does not allow it, or somebody else was faster.
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    TooLarge(String),
    #[error("{0}")]
    UnsupportedMediaType(String),
    /// A representation was asked for that the server does not have; the text names those that it has.
    #[error("{0}")]
    NotAcceptable(String),
    /// The Range header asks for bytes that the file does not have.
    #[error("the file has {size} bytes; the range asked for lies outside")]
    RangeNotSatisfiable { size: u64 },
    #[error("too many attempts; try again in {retry_after} seconds")]
    Throttled { retry_after: u64 },
    /// The client has as much under way as it may have; the text says what to do.
    #[error("{0}")]
    TooMany(String),
    /// A key that was used for another request.
    #[error("{0}")]
    Reused(&'static str),
    /// A rejected export that its client has deleted: it is gone for the client, who is told why.
    #[error("{0}")]
    Dismissed(String),
    /// A stored file is not what it should be: truncated, no gzip, not FHIR. Reported by its name; the rest goes on.
    #[error("{0}")]
    Damaged(Damage),
    /// The ledger of an export does not balance, so it must not complete; the text names the chunk.
    #[error("{0}")]
    Unbalanced(String),
    /// The store has no room left. Trying again does not help.
    #[error("the server has no room left to write the export")]
    StorageFull(#[source] Cause),
    /// Something we depend on did not respond; trying again may help.
    #[error("the server cannot answer now; try again")]
    Unavailable(#[source] Cause),
    /// Ours.
    #[error("something went wrong on the server; it has been logged")]
    Internal(#[source] Cause),
}

/// A token that was sent and does not hold; which of these it is nobody is told.
pub const INVALID_TOKEN: &str =
    "the access token is not of this server, has expired or was revoked; get a new one";

pub const NO_FILE: Error = Error::NotFound("there is no such file");
pub const NO_GROUP: Error = Error::NotFound("there is no such group");
pub const NO_JOB: Error = Error::NotFound("there is no such job");
pub const NO_PATIENT: Error = Error::NotFound("there is no such patient");

/// A file of the record store that cannot be read, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file} cannot be read: {problem}")]
pub struct Damage {
    /// The file's path below the root of the lake, such as `Patient/ann/records.ndjson.gz`; where a line of it is meant,
    /// that as well, such as `shared/all.ndjson line 3`.
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
    /// Jobs and everything else that is kept in rows.
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

/// The cause of an [`Error::Unavailable`] where it is known which store it was.
#[derive(Debug, thiserror::Error)]
#[error("{}", .store.name())]
struct Outage {
    store: Store,
    #[source]
    cause: Cause,
}

/// What a worker does about a task that failed. [`crate::retries`] decides what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Somebody else changed the same thing at the same time: tried again at once.
    Contended,
    /// A store does not respond: tried again for as long as `outage_hours` says.
    Unavailable,
    /// A fault of this server: tried three times, then the job fails and its text has the request id.
    Defect,
    /// A stored file cannot be read. The engine reports the file and goes on; where it cannot go on, the job fails and
    /// its text names the file.
    Damaged,
    /// Trying again does not help: the job fails with the text of the error.
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

    /// A file of the record store that cannot be read; `file` is its path below the root of the lake.
    pub fn damaged(file: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Damaged(Damage { file: file.into(), problem: problem.into() })
    }

    /// A failure to read a compressed file: [`Error::Damaged`] where its bytes are at fault, otherwise what any other
    /// failure of the store is.
    pub fn decompressing(file: &str, error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Self::damaged(file, "the gzip data ends early"),
            std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData => {
                Self::damaged(file, "it is no gzip file, or its gzip data is damaged")
            }
            _ => error.into(),
        }
    }

    /// The same error, which says that it was this store that did not respond.
    pub fn of_store(self, store: Store) -> Self {
        match self {
            Self::Unavailable(cause) if !cause.is::<Outage>() => {
                Self::Unavailable(Box::new(Outage { store, cause }))
            }
            other => other,
        }
    }

    /// The store that did not respond, where that is known.
    pub fn store(&self) -> Option<Store> {
        match self {
            Self::Unavailable(cause) => cause.downcast_ref::<Outage>().map(|outage| outage.store),
            _ => None,
        }
    }

    /// What a worker does about it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Conflict(_) => Kind::Contended,
            Self::Unavailable(_) | Self::Throttled { .. } => Kind::Unavailable,
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
            | Self::TooMany(_)
            | Self::Reused(_)
            | Self::Dismissed(_)
            | Self::Unbalanced(_)
            | Self::StorageFull(_) => Kind::Refused,
        }
    }

    /// The code of the OperationOutcome issue (FHIR IssueType).
    pub fn issue_code(&self) -> &'static str {
        match self {
            Self::Invalid(_) | Self::RangeNotSatisfiable { .. } => "invalid",
            Self::NotSupported(_)
            | Self::MethodNotAllowed
            | Self::UnsupportedMediaType(_)
            | Self::NotAcceptable(_) => "not-supported",
            Self::Unauthorized(_) => "login",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound(_) | Self::Dismissed(_) => "not-found",
            Self::Conflict(_) => "conflict",
            Self::TooLarge(_) => "too-long",
            Self::Throttled { .. } | Self::TooMany(_) => "throttled",
            Self::Reused(_) => "business-rule",
            Self::StorageFull(_) => "no-store",
            Self::Damaged(_) => "structure",
            Self::Unavailable(_) => "transient",
            Self::Unbalanced(_) | Self::Internal(_) => "exception",
        }
    }

    /// The causes, innermost last, for the log.
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
    /// What one of our own streams wrapped comes out as it went in.
    fn from(error: std::io::Error) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(ours) => return ours,
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
mod tests {
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn what_a_stream_wraps_comes_out_as_it_went_in() {
        let wrapped = std::io::Error::other(Error::damaged("Patient/ann/a.ndjson.gz", "it ends early"));
        assert_eq!(Error::from(wrapped).kind(), Kind::Damaged);
        let wrapped = std::io::Error::other(Error::unavailable("gone").of_store(Store::Records));
        assert_eq!(Error::decompressing("a.gz", wrapped).store(), Some(Store::Records));
    }

    #[test]
    fn a_read_that_fails_is_damage_only_where_the_bytes_are_at_fault() {
        for (kind, expected) in [
            (ErrorKind::UnexpectedEof, Kind::Damaged),
            (ErrorKind::InvalidInput, Kind::Damaged),
            (ErrorKind::InvalidData, Kind::Damaged),
            (ErrorKind::NotFound, Kind::Unavailable),
            (ErrorKind::PermissionDenied, Kind::Unavailable),
            (ErrorKind::TimedOut, Kind::Unavailable),
            (ErrorKind::StorageFull, Kind::Refused),
        ] {
            assert_eq!(Error::decompressing("a.gz", kind.into()).kind(), expected, "{kind}");
        }
    }

    #[test]
    fn the_store_that_was_named_first_stays() {
        let error = Error::unavailable("no route").of_store(Store::Files).of_store(Store::Database);
        assert_eq!((error.store(), error.causes().as_str()), (Some(Store::Files), "files: no route"));
        assert_eq!(Error::internal("ours").of_store(Store::Files).store(), None);
    }
}
