//! The store of entries that expire: codes, refresh tokens, sessions, revoked tokens, failed sign-ins.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Result;

/// The kind of an entry. Entries of different kinds can have the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// An authorization request while the patient signs in and consents.
    Authorization,
    /// An authorization code.
    Code,
    /// A refresh token.
    Refresh,
    /// The tokens of one authorization. If the entry is missing, they are revoked.
    Family,
    /// An access token that was revoked before it expired, by `jti`.
    Revoked,
    PatientSession,
    /// The sign-in of a patient, by the key of its session. It remains when the session ends because it was not used.
    PatientSignIn,
    StaffSession,
    /// A session of a person who opened the link to a job's form.
    FormSession,
    /// The time at which a patient signed out everywhere, by the patient's id.
    SignOut,
    /// The authorizations that a patient has given to apps, by the patient's id.
    PatientApps,
    /// The unsent input of a patient in a form.
    Draft,
    /// The unsent input of a member of staff, while the member signs in again.
    KeptInput,
    /// Failed sign-ins, by user name.
    Failures,
    /// A file that a staff member's browser uploads directly to the store.
    Upload,
    /// A kick-off that a client can repeat, by its `Idempotency-Key`.
    Idempotency,
    /// The `jti` of a client's assertion, which can be used once.
    Assertion,
    /// One of the concurrent exports that a client may have.
    ExportSlot,
    /// The documents of an export that staff have opened, by digests.
    OpenedDocuments,
    /// The same, of the documents inside resources.
    OpenedInside,
}

impl EntryKind {
    /// Returns the name in stores.
    pub fn name(self) -> &'static str {
        match self {
            Self::Authorization => "authorization",
            Self::Code => "code",
            Self::Refresh => "refresh",
            Self::Family => "family",
            Self::Revoked => "revoked",
            Self::PatientSession => "patient-session",
            Self::PatientSignIn => "patient-sign-in",
            Self::StaffSession => "staff-session",
            Self::FormSession => "form-session",
            Self::SignOut => "sign-out",
            Self::PatientApps => "patient-apps",
            Self::Draft => "draft",
            Self::KeptInput => "kept-input",
            Self::Failures => "failures",
            Self::Upload => "upload",
            Self::Idempotency => "idempotency",
            Self::Assertion => "assertion",
            Self::ExportSlot => "place",
            Self::OpenedDocuments => "opened-documents",
            Self::OpenedInside => "opened-inside",
        }
    }
}

/// An entry as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpiringEntry {
    pub value: Value,
    pub expires_at: Timestamp,
    /// Counts the changes; a replace must name the version that it read.
    pub version: u64,
}

impl ExpiringEntry {
    /// Deserializes the value.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_value(self.value.clone())?)
    }
}

/// A store whose entries expire. Keys are digests or ids, never secrets. An expired entry counts as absent.
#[async_trait]
pub trait ExpiringStore: Send + Sync {
    /// Stores a new entry. Returns `false` and changes nothing if there is one that has not expired.
    async fn put(&self, kind: EntryKind, key: &str, value: Value, expires_at: Timestamp) -> Result<bool>;

    async fn get(&self, kind: EntryKind, key: &str) -> Result<Option<ExpiringEntry>>;

    /// Replaces the entry if its version is still that of `entry`; returns `false` if it is not.
    async fn replace(&self, kind: EntryKind, key: &str, entry: &ExpiringEntry) -> Result<bool>;

    /// Removes and returns the entry. If two calls race, exactly one gets it.
    async fn take(&self, kind: EntryKind, key: &str) -> Result<Option<ExpiringEntry>>;

    /// Removes all expired entries and returns their number.
    async fn sweep(&self) -> Result<u64>;
}
