//! The owner of a job, who may read it.

use serde::{Deserialize, Serialize};

use crate::ids::{ClientId, PatientId};

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

#[cfg(test)]
mod tests;
