//! A job: the data that all its states share, and the enum over its states. The changes of state are in
//! [`super::states`].

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::email::EmailAddress;
use crate::ids::{ClientId, FileName, JobId, PatientId};
use crate::manifest::ExportTotals;
use crate::request::ExportRequest;
use crate::states::{AwaitingInput, Complete, Failed, Gone, InReview, Queued, Rejected, Running};

/// A job in one of its states. It is stored as one document and changed by compare-and-set on its version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Job {
    AwaitingInput(AwaitingInput),
    Queued(Queued),
    Running(Running),
    InReview(InReview),
    Complete(Complete),
    Rejected(Rejected),
    Failed(Failed),
    Cancelled(Gone),
    Expired(Gone),
}

/// The data that every state of a job has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobHeader {
    pub id: JobId,
    pub owner: Owner,
    /// The patient whose record is exported, for an export of one patient.
    pub patient: Option<PatientSummary>,
    pub request: ExportRequest,
    /// Staff must review the export before the client can download it.
    pub review: bool,
    pub created_at: Timestamp,
    /// The time of the last change, which is the last event in `history`.
    pub changed_at: Timestamp,
    pub history: Vec<AuditEvent>,
    /// The id in the log of the request that started the job.
    #[serde(default)]
    pub request_id: Option<String>,
    /// Whether the user of the token that started the export is its patient. Known only for tokens of other issuers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_patient: bool,
    /// The tag of the language in which the patient filled in the form; `None` if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The files that staff attached.
    pub attachments: Vec<Attachment>,
}

impl JobHeader {
    /// Returns the path and the query of an attachment's URL in the resources of the export.
    pub fn attachment_path(&self, name: &str) -> String {
        let path = format!("/jobs/{}/download/attachments/{name}", self.id);
        match &self.request.output.attachment_key {
            Some(key) => format!("{path}?key={}", key.as_str()),
            None => path,
        }
    }
}

/// The owner of a job: issuer, client, subject and patient. Only a token with the same four values gives access to the
/// job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    pub client: ClientId,
    /// The issuer of a token from another authorization server; `None` for a token of this server. A client id is unique
    /// only within its issuer.
    #[serde(default)]
    pub issuer: Option<String>,
    /// The patient of the token; `None` for a system's token.
    pub patient: Option<PatientId>,
    /// The user of the token (`sub`), unless the client or the patient already identifies the user: see [`Owner::new`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

impl Owner {
    /// The client that owns exports started by staff. No client can be registered with this id, so no token of this
    /// server has it.
    pub const STAFF: &str = "staff";

    /// Returns whether staff have started the export.
    pub fn is_staff(&self) -> bool {
        self.client.as_str() == Self::STAFF && self.issuer.is_none()
    }

    /// Returns the owner that a token identifies. A redundant subject is left out: that of a client that acts for
    /// itself, and that of the patient in a token of this server. So jobs that were stored before owners had subjects
    /// keep these owners. Other jobs of that time have no known user and no owner that a token could match.
    pub fn new(client: ClientId, issuer: Option<String>, patient: Option<PatientId>, subject: &str) -> Self {
        let is_client = subject == client.as_str();
        let is_patient = issuer.is_none()
            && patient
                .as_ref()
                .is_some_and(|patient| subject.strip_prefix("Patient/") == Some(patient.as_str()));
        let subject = (!is_client && !is_patient).then(|| subject.to_owned());
        Self { client, issuer, patient, subject }
    }

    /// Returns the owner as one text, by which stores find the owner's jobs. Only the last part, the subject, can
    /// contain spaces, so different owners have different keys.
    pub fn key(&self) -> String {
        match &self.subject {
            Some(subject) => format!("{} {subject}", self.account_key()),
            None => self.account_key(),
        }
    }

    /// Returns the owner without the subject, as one text. Limits on concurrent exports are counted per account, so
    /// that a client cannot multiply its limit by the number of its users.
    pub fn account_key(&self) -> String {
        let patient = self.patient.as_ref().map_or("", |patient| patient.as_str());
        format!("{} {patient} {}", self.client, self.issuer.as_deref().unwrap_or_default())
    }
}

/// The details by which staff know a patient. Jobs of earlier versions have only the id and the name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PatientSummary {
    pub id: PatientId,
    pub name: String,
    /// A FHIR date: a day, a month or a year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sex: Option<Sex>,
    /// At most [`MAX_IDENTIFIERS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<PatientIdentifier>,
    /// The patient's own address, for mails about the export. Known only if the server sends mails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailAddress>,
}

/// The maximum number of identifiers of a patient that are stored with a job.
pub const MAX_IDENTIFIERS: usize = 8;

impl PatientSummary {
    /// Returns a patient without other details.
    pub fn new(id: PatientId, name: impl Into<String>) -> Self {
        Self { id, name: name.into(), birth_date: None, sex: None, identifiers: Vec::new(), email: None }
    }
}

/// An identifier of a patient, such as the medical record number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatientIdentifier {
    /// The code of its type (HL7, table 0203), such as `MR`; otherwise the text of its type, which may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    pub value: String,
}

/// FHIR R4, AdministrativeGender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sex {
    Female,
    Male,
    Other,
    Unknown,
}

impl Sex {
    pub const ALL: [Self; 4] = [Self::Female, Self::Male, Self::Other, Self::Unknown];

    /// Returns the FHIR code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Female => "female",
            Self::Male => "male",
            Self::Other => "other",
            Self::Unknown => "unknown",
        }
    }
}

/// An entry in a job's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    pub at: Timestamp,
    /// A client, a member of staff, or `server`.
    #[serde(rename = "who")]
    pub actor: String,
    /// The action in the past tense, such as `approved`.
    #[serde(rename = "what")]
    pub action: String,
}

/// A file that staff attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    pub name: FileName,
    pub title: String,
    pub content_type: String,
    /// In bytes.
    pub size: u64,
    /// SHA-1, base64, as FHIR's `Attachment.hash` requires.
    pub hash: String,
    /// The key of the file in the store.
    pub key: String,
}

/// The state of a job without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobState {
    AwaitingInput,
    Queued,
    Running,
    InReview,
    Complete,
    Rejected,
    Failed,
    Cancelled,
    Expired,
}

impl JobState {
    pub const ALL: [Self; 9] = [
        Self::AwaitingInput,
        Self::Queued,
        Self::Running,
        Self::InReview,
        Self::Complete,
        Self::Rejected,
        Self::Failed,
        Self::Cancelled,
        Self::Expired,
    ];

    /// Returns the name in stores and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::AwaitingInput => "awaiting-input",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::InReview => "in-review",
            Self::Complete => "complete",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// Returns the state with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Returns the status in a job's JSON, with the names of SMART's ehi-server (contract, section 4).
    pub fn ehi_status(self) -> &'static str {
        match self {
            Self::AwaitingInput => "awaiting-input",
            Self::Queued | Self::Running => "requested",
            Self::InReview => "retrieved",
            Self::Complete => "approved",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Cancelled | Self::Expired => "gone",
        }
    }

    /// Returns the states that a status in a job's JSON stands for, except those of jobs that no longer exist for
    /// clients.
    pub fn with_ehi_status(status: &str) -> Vec<Self> {
        Self::ALL.into_iter().filter(|state| !state.is_gone() && state.ehi_status() == status).collect()
    }

    /// Returns whether the job no longer exists for clients, who get 404.
    pub fn is_gone(self) -> bool {
        matches!(self, Self::Cancelled | Self::Expired)
    }
}

impl Job {
    pub fn state(&self) -> JobState {
        match self {
            Self::AwaitingInput(_) => JobState::AwaitingInput,
            Self::Queued(_) => JobState::Queued,
            Self::Running(_) => JobState::Running,
            Self::InReview(_) => JobState::InReview,
            Self::Complete(_) => JobState::Complete,
            Self::Rejected(_) => JobState::Rejected,
            Self::Failed(_) => JobState::Failed,
            Self::Cancelled(_) => JobState::Cancelled,
            Self::Expired(_) => JobState::Expired,
        }
    }

    pub fn header(&self) -> &JobHeader {
        match self {
            Self::AwaitingInput(state) => &state.header,
            Self::Queued(state) => &state.header,
            Self::Running(state) => &state.header,
            Self::InReview(state) => &state.header,
            Self::Complete(state) => &state.header,
            Self::Rejected(state) => &state.header,
            Self::Failed(state) => &state.header,
            Self::Cancelled(state) | Self::Expired(state) => &state.header,
        }
    }

    pub(crate) fn header_mut(&mut self) -> &mut JobHeader {
        match self {
            Self::AwaitingInput(state) => &mut state.header,
            Self::Queued(state) => &mut state.header,
            Self::Running(state) => &mut state.header,
            Self::InReview(state) => &mut state.header,
            Self::Complete(state) => &mut state.header,
            Self::Rejected(state) => &mut state.header,
            Self::Failed(state) => &mut state.header,
            Self::Cancelled(state) | Self::Expired(state) => &mut state.header,
        }
    }

    pub(crate) fn into_header(self) -> JobHeader {
        match self {
            Self::AwaitingInput(state) => state.header,
            Self::Queued(state) => state.header,
            Self::Running(state) => state.header,
            Self::InReview(state) => state.header,
            Self::Complete(state) => state.header,
            Self::Rejected(state) => state.header,
            Self::Failed(state) => state.header,
            Self::Cancelled(state) | Self::Expired(state) => state.header,
        }
    }

    /// Returns the totals of an export whose files are written.
    pub fn summary(&self) -> Option<&ExportTotals> {
        match self {
            Self::Complete(complete) => Some(&complete.summary),
            Self::InReview(review) => Some(&review.summary),
            Self::AwaitingInput(_)
            | Self::Queued(_)
            | Self::Running(_)
            | Self::Rejected(_)
            | Self::Failed(_)
            | Self::Cancelled(_)
            | Self::Expired(_) => None,
        }
    }

    pub fn id(&self) -> &JobId {
        &self.header().id
    }

    /// Returns whether somebody still has to do something for this job: the patient, a worker or staff.
    pub fn is_unfinished(&self) -> bool {
        self.is_active() || matches!(self, Self::AwaitingInput(_) | Self::InReview(_))
    }

    /// Returns whether a worker may still write files of this job.
    pub fn is_active(&self) -> bool {
        matches!(self, Self::Queued(_) | Self::Running(_))
    }
}

#[cfg(test)]
mod tests;
