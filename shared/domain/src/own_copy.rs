//! Which exports a patient sees without an app, and what the patient may do with them.
//!
//! A patient's own copies can be downloaded. These are the exports that the patient asked for, here or through an app with a token of the
//! patient, and those that staff started for the patient. An export that a clinician's app started with the patient in its context belongs
//! to the clinician. If it has choices of the form, the form has promised that the patient can take the permission back, so the patient
//! sees it and may end it, but may not download it. Bulk exports belong to the services that started them.

use crate::header::JobHeader;
use crate::ids::PatientId;

impl JobHeader {
    /// Returns whether the export is a copy of this patient's own, which the patient may download.
    pub fn is_own_copy_of(&self, patient: &PatientId) -> bool {
        // This server gives a token with a patient only to apps to which the patient has agreed.
        self.is_of_token_of(patient) && (self.owner.issuer.is_none() || self.by_patient)
    }

    /// Returns whether the patient sees the export, and may cancel or delete it and take back the permission for it.
    pub fn may_be_ended_by(&self, patient: &PatientId) -> bool {
        self.is_own_copy_of(patient) || (self.is_of_token_of(patient) && self.request.choices.is_some())
    }

    /// Returns whether the export is about this patient and was started with this patient in the token.
    fn is_of_token_of(&self, patient: &PatientId) -> bool {
        let is_about = self.patient.as_ref().is_some_and(|summary| summary.id == *patient);
        is_about && self.owner.patient.as_ref() == Some(patient) && self.request.selection.is_none()
    }
}

#[cfg(test)]
mod tests;
