//! Decides which exports are a patient's own copies, which the patient can see and download without an app.
//!
//! These are the exports that the patient requested, here or through an app with a token of the patient, and those that
//! staff started for the patient. An export that a clinician's app started with the patient in its context belongs to
//! the clinician, and a bulk export belongs to its service.

use crate::ids::PatientId;
use crate::job::JobHeader;

impl JobHeader {
    /// Returns whether the export is this patient's own copy.
    pub fn is_own_copy_of(&self, patient: &PatientId) -> bool {
        let is_about = self.patient.as_ref().is_some_and(|summary| summary.id == *patient);
        let is_owned = self.owner.patient.as_ref() == Some(patient);
        // This server gives a token with a patient only to apps to which the patient has consented.
        let has_asked = self.owner.issuer.is_none() || self.by_patient;
        is_about && is_owned && has_asked && self.request.selection.is_none()
    }
}

#[cfg(test)]
mod tests {
    use crate::ids::ClientId;
    use crate::job::{Owner, PatientSummary};
    use crate::selection::Selection;
    use crate::states::tests::in_review;

    use super::*;

    #[test]
    fn only_exports_that_the_patient_or_staff_started_are_the_patients() {
        let id = |id: &str| PatientId::parse(id).expect("an id");
        let header = |client: &str, issuer: Option<&str>, subject: &str| JobHeader {
            owner: Owner::new(
                ClientId::parse(client).expect("an id"),
                issuer.map(str::to_owned),
                Some(id("p1")),
                subject,
            ),
            patient: Some(PatientSummary::new(id("p1"), "A Name")),
            ..in_review().header
        };
        let issuer = Some("https://login.example.org");
        for (header, expected) in [
            (header("app", None, "Patient/p1"), true),
            (header(Owner::STAFF, None, "admin"), true),
            (header("ehr", issuer, "dr-who"), false),
            (JobHeader { by_patient: true, ..header("app", issuer, "u1") }, true),
        ] {
            assert_eq!(header.is_own_copy_of(&id("p1")), expected, "{:?}", header.owner);
            assert!(!header.is_own_copy_of(&id("p2")));
            let mut bulk = header.clone();
            bulk.request.selection = Some(Selection::default());
            assert!(!bulk.is_own_copy_of(&id("p1")));
            assert!(!JobHeader { patient: None, ..header }.is_own_copy_of(&id("p1")));
        }
    }
}
