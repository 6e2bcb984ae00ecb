//! Entries that are good once or for a while: codes, refresh tokens, sessions, revoked tokens, failed log-ins.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Result;

/// What an entry is for. The same key can be used in several kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// An authorization request while the patient signs in and consents.
    Authorization,
    /// An authorization code.
    Code,
    /// A refresh token.
    Refresh,
    /// The tokens that came from one authorization; without it they are revoked.
    Family,
    /// An access token that was revoked before it expired, by `jti`.
    Revoked,
    PatientSession,
    StaffSession,
    /// Log-ins that failed, by user name.
    Failures,
    /// A file that staff send to the store themselves.
    Upload,
    /// A kick-off that a client may repeat, by its `Idempotency-Key`.
    Idempotency,
    /// The `jti` of a client's assertion, which is good once.
    Assertion,
    /// One of the exports that a client may have under way.
    ExportSlot,
}

impl EntryKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Authorization => "authorization",
            Self::Code => "code",
            Self::Refresh => "refresh",
            Self::Family => "family",
            Self::Revoked => "revoked",
            Self::PatientSession => "patient-session",
            Self::StaffSession => "staff-session",
            Self::Failures => "failures",
            Self::Upload => "upload",
            Self::Idempotency => "idempotency",
            Self::Assertion => "assertion",
            Self::ExportSlot => "place",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct ExpiringEntry {
    pub value: Value,
    pub expires_at: Timestamp,
    pub version: u64,
}

impl ExpiringEntry {
    /// The value as the type that it was stored from.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_value(self.value.clone())?)
    }
}

/// A store whose entries expire. Keys are digests or ids, never secrets. An expired entry counts as absent.
#[async_trait]
pub trait ExpiringStore: Send + Sync {
    /// Stores a new entry. Returns `false`, and changes nothing, when there is one that has not expired.
    async fn put(&self, kind: EntryKind, key: &str, value: Value, expires_at: Timestamp) -> Result<bool>;

    async fn get(&self, kind: EntryKind, key: &str) -> Result<Option<ExpiringEntry>>;

    /// Replaces the entry if it is still at `version`; returns `false` when it is not.
    async fn replace(&self, kind: EntryKind, key: &str, entry: &ExpiringEntry) -> Result<bool>;

    /// Removes and returns the entry; of two racing calls exactly one gets it.
    async fn take(&self, kind: EntryKind, key: &str) -> Result<Option<ExpiringEntry>>;

    /// Removes all expired entries; returns how many.
    async fn sweep(&self) -> Result<u64>;
}
