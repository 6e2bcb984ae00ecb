//! Things that are good once or for a while: codes, refresh tokens, sessions, revoked tokens, failed log-ins.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Result;

/// What a grant is for. One key can stand in several kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum GrantKind {
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
    Place,
}

impl GrantKind {
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
            Self::Place => "place",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    pub value: Value,
    pub expires_at: Timestamp,
    pub version: u64,
}

impl Grant {
    /// The grant's value as the type it was stored from.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_value(self.value.clone())?)
    }
}

/// The store of grants. Keys are digests or ids, never secrets. An expired grant is as good as none.
#[async_trait]
pub trait Grants: Send + Sync {
    /// Stores a new grant; false, and nothing changed, when one is there that has not expired.
    async fn put(&self, kind: GrantKind, key: &str, value: Value, expires_at: Timestamp) -> Result<bool>;

    async fn get(&self, kind: GrantKind, key: &str) -> Result<Option<Grant>>;

    /// Replaces the grant if it is still at `version`; false when it is not.
    async fn replace(&self, kind: GrantKind, key: &str, grant: &Grant) -> Result<bool>;

    /// Takes the grant away; of two racing calls exactly one gets it.
    async fn take(&self, kind: GrantKind, key: &str) -> Result<Option<Grant>>;

    /// Removes what expired before now; answers how many.
    async fn sweep(&self) -> Result<u64>;
}
