//! Whose records an export has. Each entry of the audit trail has this itself, because an export is removed long before its entries
//! (45 CFR 164.528).

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::{Event, MAX_SHOWN};
use crate::ids::GroupId;
use crate::request::{Cohort, ExportRequest};

/// The records of an export whose request does not name each patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Population {
    /// The members that the group has when the export is planned.
    Group(GroupId),
    AllPatients,
    /// The records of all patients, and all resources that belong to no patient.
    System,
    /// This number of patients, each of whom is named by entries of the same actor about the same export, at most
    /// [`NAMED_FOR`] before.
    Named(u32),
}

/// The time after which the entries about an export with many patients name them again.
pub const NAMED_FOR: SignedDuration = SignedDuration::from_hours(1);

impl Population {
    /// Returns its name in AuditEvents: a reference for a group.
    pub fn name(&self) -> String {
        match self {
            Self::Group(group) => format!("Group/{group}"),
            Self::AllPatients => "all-patients".to_owned(),
            Self::System => "system".to_owned(),
            Self::Named(_) => "named-patients".to_owned(),
        }
    }
}

impl Event {
    /// Adds the patients or the population whose records an export has.
    #[must_use]
    pub fn of_request(self, request: &ExportRequest) -> Self {
        let exports_all = request.selection.as_ref().is_some_and(|selection| selection.all_shared);
        match &request.cohort {
            Cohort::Group(group) => self.of_group(group),
            Cohort::Everyone if exports_all => Self { population: Some(Population::System), ..self },
            Cohort::Everyone => Self { population: Some(Population::AllPatients), ..self },
            Cohort::Patients(patients) => match patients.as_slice() {
                [patient] => Self { patient: Some(patient.clone()), ..self },
                patients => Self { shown: patients.to_vec(), ..self },
            },
        }
    }

    /// Adds the group whose members' records an export has.
    #[must_use]
    pub fn of_group(self, group: &GroupId) -> Self {
        Self { population: Some(Population::Group(group.clone())), ..self }
    }

    /// Returns whether the event has more patients than one entry names, and is about an export.
    pub fn has_many(&self) -> bool {
        self.shown.len() > MAX_SHOWN && self.job.is_some()
    }

    /// Replaces the patients by their number. Other entries must name them: see [`Population::Named`].
    #[must_use]
    pub fn naming_nobody_again(self) -> Self {
        let count = u32::try_from(self.shown.len()).unwrap_or(u32::MAX);
        Self { shown: Vec::new(), population: Some(Population::Named(count)), ..self }
    }

    /// Returns the events to record: several if the event has more than [`MAX_SHOWN`] patients.
    pub fn entries(mut self) -> Vec<Self> {
        let shown = std::mem::take(&mut self.shown);
        let mut parts: Vec<_> =
            shown.chunks(MAX_SHOWN).map(|part| Self { shown: part.to_vec(), ..self.clone() }).collect();
        if parts.is_empty() {
            parts.push(self);
        }
        parts
    }
}
