//! The audit trail: who did what, to whose record, from where, and with what result (45 CFR 164.312(b) and 164.528).
//!
//! An entry never contains record data, the name of a patient or a secret. Entries form chains: each one has the hash
//! of the entry before it, so that a changed or removed entry is detected. [`crate::ports::audit`] describes the store;
//! the crate `storage` makes and verifies the hashes.

mod population;

pub use self::population::{NAMED_FOR, Population};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{ClientId, JobId, PatientId};
use crate::job::Job;

/// The number of chains. Writers on different machines mostly use different chains, so that they rarely wait for each
/// other.
pub const SHARDS: u8 = 8;

/// The maximum length of a text that comes from outside, such as the subject of a token. Longer texts are cut.
const MAX_TEXT: usize = 255;

/// The maximum number of patients that an entry names in addition to the one whose record it concerns. An event with more
/// patients has several entries: see [`Event::entries`].
pub const MAX_SHOWN: usize = 50;

/// The person or program that acts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Actor {
    pub kind: ActorKind,
    /// The id of a patient or a client, the user name of a member of staff, or a word for an actor without an id. Never
    /// empty.
    pub id: String,
    /// The issuer of the token that names a member of staff or a client, if it is not this server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActorKind {
    Patient,
    Staff,
    /// An app or a backend service.
    Client,
    /// This server, or its operator.
    Server,
    /// A person who did not sign in.
    Unknown,
}

impl ActorKind {
    /// Returns the name in entries.
    pub fn name(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Staff => "staff",
            Self::Client => "client",
            Self::Server => "server",
            Self::Unknown => "unknown",
        }
    }
}

impl Actor {
    fn new(kind: ActorKind, id: &str) -> Self {
        let id = if id.is_empty() { "unknown" } else { id };
        Self { kind, id: shortened(id), issuer: None }
    }

    pub fn patient(id: &PatientId) -> Self {
        Self::new(ActorKind::Patient, id.as_str())
    }

    /// Returns a member of staff, by user name or by the subject of the token.
    pub fn staff(name: &str) -> Self {
        Self::new(ActorKind::Staff, name)
    }

    pub fn client(id: &ClientId) -> Self {
        Self::new(ActorKind::Client, id.as_str())
    }

    /// Returns this server, such as its cleanup.
    pub fn server() -> Self {
        Self::new(ActorKind::Server, "server")
    }

    /// Returns the operator of the server, who may change its settings.
    pub fn operator() -> Self {
        Self::new(ActorKind::Server, "operator")
    }

    /// Returns a person who did not sign in. The typed user name is not kept, because it may be a password.
    pub fn unknown() -> Self {
        Self::new(ActorKind::Unknown, "unknown")
    }

    /// Adds the issuer of the token that names the actor.
    #[must_use]
    pub fn of_issuer(self, issuer: Option<&str>) -> Self {
        Self { issuer: issuer.map(shortened), ..self }
    }
}

/// Defines the actions with their names in entries.
macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),+ $(,)?) => {
        /// The action of an event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Action {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)+
        }

        impl Action {
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Returns the name in entries.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

actions! {
    SignIn = "sign-in",
    SignInFailed = "sign-in-failed",
    SignOut = "sign-out",
    /// Staff looked at an export, or at a part of a record in it.
    RecordViewed = "record-viewed",
    ExportStarted = "export-started",
    /// The form of an export was sent.
    ChoicesSent = "choices-sent",
    /// A file of an export was downloaded. The object is the file.
    Download = "download",
    Approved = "approved",
    Rejected = "rejected",
    /// A resource or a document was left out of an export.
    Redacted = "redacted",
    Attached = "attached",
    Detached = "detached",
    Deleted = "deleted",
    /// A deletion was undone.
    Restored = "restored",
    ConsentGiven = "consent-given",
    ConsentDenied = "consent-denied",
    TokenIssued = "token-issued",
    TokenRefreshed = "token-refreshed",
    TokenRevoked = "token-revoked",
    /// A patient stopped the access of an app. The object is the app.
    AccessStopped = "access-stopped",
    /// A mail about an export was sent to its patient. The object is the kind of the mail.
    MailSent = "mail-sent",
    /// The server started with changed settings. The object is their digest.
    SettingsChanged = "settings-changed",
    /// The audit trail was read.
    AuditRead = "audit-read",
    /// A member of staff without the role for a route was refused. The object is the route.
    AccessRefused = "access-refused",
}

impl Action {
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.name() == name)
    }
}

/// The result of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Success,
    /// The server did not allow it.
    Refused,
    /// The action was allowed, but failed.
    Failed,
}

impl Outcome {
    pub const ALL: [Self; 3] = [Self::Success, Self::Refused, Self::Failed];

    /// Returns the name in entries.
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }
}

/// The origin of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The address of the client, if the host knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The id of the request, which is in the log as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
}

/// An event to record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub actor: Actor,
    pub action: Action,
    pub outcome: Outcome,
    /// The patient whose record the event concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient: Option<PatientId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// What else the event concerns: the name of an exported file, a client, or a digest. Never the name of an
    /// attachment, because attachments are often named after patients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The patients whose details a list showed, or whose records an export has if its request names several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<PatientId>,
    /// Whose records an export has whose request does not name each patient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub population: Option<Population>,
    pub origin: Origin,
}

impl Event {
    /// Returns the event of an action that succeeds.
    pub fn new(actor: Actor, action: Action) -> Self {
        Self {
            actor,
            action,
            outcome: Outcome::Success,
            patient: None,
            job: None,
            object: None,
            shown: Vec::new(),
            population: None,
            origin: Origin::default(),
        }
    }

    /// Adds the job, and whose records it exports.
    #[must_use]
    pub fn of(self, job: &Job) -> Self {
        self.of_job_alone(job).of_request(&job.header().request)
    }

    /// Adds the job and its patient, but not whose records a bulk export has.
    #[must_use]
    pub fn of_job_alone(self, job: &Job) -> Self {
        let patient = job.header().patient.as_ref().map(|patient| patient.id.clone());
        Self { patient: patient.or(self.patient), job: Some(job.id().clone()), ..self }
    }

    #[must_use]
    pub fn of_job(self, job: &JobId) -> Self {
        Self { job: Some(job.clone()), ..self }
    }

    #[must_use]
    pub fn of_patient(self, patient: &PatientId) -> Self {
        Self { patient: Some(patient.clone()), ..self }
    }

    /// Adds what else the event concerns; see [`Event::object`].
    #[must_use]
    pub fn about(self, object: &str) -> Self {
        Self { object: Some(shortened(object)), ..self }
    }

    /// Adds the patients whose details a list showed.
    #[must_use]
    pub fn showing(self, patients: impl Iterator<Item = PatientId>) -> Self {
        Self { shown: patients.collect(), ..self }
    }

    /// Returns whether the event concerns the record of a patient, or shows the patient among others.
    pub fn names(&self, patient: &PatientId) -> bool {
        self.patient.as_ref() == Some(patient) || self.shown.contains(patient)
    }

    #[must_use]
    pub fn with(self, outcome: Outcome) -> Self {
        Self { outcome, ..self }
    }
}

fn shortened(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_TEXT)].to_owned()
}

/// The reference to the previous entry of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// The SHA-256 of the entry, hexadecimal.
    pub hash: String,
    /// The end of the entry's retention. Afterwards it may be missing.
    pub kept_until: Timestamp,
}

/// An entry of the audit trail. Its canonical form is its JSON as `serde_json` writes it, with the fields in this
/// order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    pub shard: u8,
    /// Counts from 1 in each shard, without gaps.
    pub sequence: u64,
    /// The previous entry; `None` for the first one of a shard.
    pub previous: Option<Link>,
    /// In whole milliseconds.
    pub at: Timestamp,
    /// Never before that of the previous entry, so that entries expire in order.
    pub kept_until: Timestamp,
    pub event: Event,
}

impl Entry {
    /// Returns the position of the entry in lists. Positions sort by time, and are unique.
    pub fn position(&self) -> String {
        format!("{}.{}.{:012}", position_of(self.at), self.shard, self.sequence)
    }
}

/// Returns the common prefix of the positions of all entries of a time.
pub fn position_of(at: Timestamp) -> String {
    format!("{:013}", at.as_millisecond())
}

/// Returns whether a text is the position of an entry.
pub fn is_position(text: &str) -> bool {
    let mut parts = text.split('.');
    let digits = |part: Option<&str>, length: usize| {
        part.is_some_and(|part| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    digits(parts.next(), 13) && digits(parts.next(), 1) && digits(parts.next(), 12) && parts.next().is_none()
}

#[cfg(test)]
mod tests;
