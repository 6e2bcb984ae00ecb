//! The header of a job: the data that all its states share.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{FileName, JobId};
use crate::owner::Owner;
use crate::patient_summary::PatientSummary;
use crate::request::ExportRequest;

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
    pub history: Vec<HistoryEntry>,
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

/// An entry in a job's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    pub at: Timestamp,
    /// A client, a member of staff, `server`, [`Self::PATIENT`] or [`Self::LINK_HOLDER`].
    #[serde(rename = "who")]
    pub actor: String,
    /// The action in the past tense, such as `approved`.
    #[serde(rename = "what")]
    pub action: String,
}

impl HistoryEntry {
    /// The actor if the patient is signed in.
    pub const PATIENT: &str = "the patient";
    /// The actor if the caller has the link to the form, which is for the patient. The server does not know who opens it.
    pub const LINK_HOLDER: &str = "the patient, by the link";

    /// Returns whether the patient acts. Earlier versions stored [`Self::PATIENT`] for apps as well.
    pub fn is_by_patient(&self) -> bool {
        matches!(self.actor.as_str(), Self::PATIENT | Self::LINK_HOLDER)
    }
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
