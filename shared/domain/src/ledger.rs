//! The ledger of an export, which accounts for every resource that was read and every patient that was planned.
//!
//! Three equations hold for each chunk, and so for their sum:
//!
//! ```text
//! resources: read = written + left out + withheld + duplicates + problems
//! documents: found = written + left out + withheld + problems
//! patients:  planned = exported + absent + failed
//! ```
//!
//! A job whose ledger breaks one of them does not complete. Each attempt at a chunk has its own ledger, so a task that
//! is delivered twice counts nothing twice.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::sensitive::Sensitive;

/// Counters of one chunk, or their sum over a job. A counter that is missing in a row of an older version is zero.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ledger {
    pub patients: Patients,
    pub resources: Resources,
    pub documents: Documents,
    pub problems: Problems,
}

/// Counts of the documents in the patients' `files/`, by outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Documents {
    /// Files found in the record store.
    pub found: u64,
    /// Files in the output, as attachments or inside resources.
    pub written: u64,
    pub left_out: LeftOut,
    /// Documents of resources in a sensitive category that the patient did not authorize.
    pub withheld: BTreeMap<Sensitive, u64>,
    /// Files that could not be read.
    pub problems: u64,
}

/// Counts of the patients, by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Patients {
    pub planned: u64,
    /// Patients whose whole record was read.
    pub exported: u64,
    /// Patients without a record in the record store.
    pub absent: u64,
    /// Patients whose record could be read only in part. That part is exported, and the error files name the rest.
    pub failed: u64,
}

/// Counts of the resources, by outcome. A document in a patient's `files/` is not a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Resources {
    /// Resources read from the record store; a line that is not a resource counts as well.
    pub read: u64,
    /// Resources read that are in the output, as a line of a file or as an attachment.
    pub written: u64,
    /// The resources in `written` that are attachments (Binary).
    pub attachments: u64,
    pub left_out: LeftOut,
    /// Resources in a sensitive category that the patient did not authorize, and the Binaries that belong to them.
    pub withheld: BTreeMap<Sensitive, u64>,
    /// Resources that are not exported because a more recent version is in the record, or a later one in `shared/`.
    pub duplicates: u64,
    /// Resources that could not be used.
    pub problems: u64,
    /// Resources in the output that the export created. They were not read.
    pub made: u64,
}

/// Counts of the problems in the error files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Problems {
    /// Problems that are reported by an OperationOutcome.
    pub reported: u64,
    /// Problems over the limit of a chunk, which are only counted.
    pub unlisted: u64,
}

/// The reason why a resource is left out, other than a sensitive category that the patient did not authorize.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    /// `_type` does not include its type.
    Type,
    /// It did not change after `_since`, and nothing else excludes it.
    Since,
    /// It changed at or after `_until`, or after the export began.
    Until,
    /// It does not match any `_typeFilter` of its type.
    Filter,
    /// The form does not enable its group of the record.
    FormGroup,
    /// It is outside the dates that the form gives for its group.
    DateRange,
    /// It does not have a tag to which the token gives access.
    Tag,
    /// A constraint of the token's scopes excludes it.
    Scope,
    /// It was deleted within the time range of the export, and is listed as deleted.
    Deleted,
    /// It is a Provenance that `includeAssociatedData` does not include.
    Provenance,
    /// It is a Binary or a file that belongs to a resource that is not exported.
    Document,
    /// It is outside the compartments, and no exported resource refers to it.
    Unreferenced,
    /// Staff left it out when they reviewed the export.
    Staff,
}

impl Reason {
    pub const ALL: [Self; 13] = [
        Self::Type,
        Self::Since,
        Self::Until,
        Self::Filter,
        Self::FormGroup,
        Self::DateRange,
        Self::Tag,
        Self::Scope,
        Self::Deleted,
        Self::Provenance,
        Self::Document,
        Self::Unreferenced,
        Self::Staff,
    ];

    /// Returns the key in JSON.
    pub fn key(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Since => "since",
            Self::Until => "until",
            Self::Filter => "filter",
            Self::FormGroup => "formGroup",
            Self::DateRange => "dateRange",
            Self::Tag => "tag",
            Self::Scope => "scope",
            Self::Deleted => "deleted",
            Self::Provenance => "provenance",
            Self::Document => "document",
            Self::Unreferenced => "unreferenced",
            Self::Staff => "staff",
        }
    }
}

/// Counts of the resources left out, by reason. They are an array, so that counting is one addition; the JSON has only
/// the reasons that occur.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<Reason, u64>", into = "BTreeMap<Reason, u64>")]
pub struct LeftOut([u64; Reason::ALL.len()]);

impl LeftOut {
    pub fn add(&mut self, reason: Reason, count: u64) {
        self.0[reason as usize] += count;
    }

    fn add_all(&mut self, other: &Self) {
        for (reason, count) in other.iter() {
            self.add(reason, count);
        }
    }

    pub fn get(&self, reason: Reason) -> u64 {
        self.0[reason as usize]
    }

    /// Returns the reasons that occur, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }

    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl From<BTreeMap<Reason, u64>> for LeftOut {
    fn from(counts: BTreeMap<Reason, u64>) -> Self {
        let mut left_out = Self::default();
        for (reason, count) in counts {
            left_out.add(reason, count);
        }
        left_out
    }
}

impl From<LeftOut> for BTreeMap<Reason, u64> {
    fn from(left_out: LeftOut) -> Self {
        left_out.iter().collect()
    }
}

/// An equation that does not hold for a ledger, with both of its sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{expected} {what}, {found} accounted for")]
pub struct Imbalance {
    pub what: &'static str,
    pub expected: u64,
    pub found: u64,
}

impl Imbalance {
    /// Returns an error unless both sides are equal.
    pub fn check(what: &'static str, expected: u64, found: u64) -> Result<(), Self> {
        if expected == found { Ok(()) } else { Err(Self { what, expected, found }) }
    }
}

impl Ledger {
    /// Checks the three equations.
    pub fn check(&self) -> Result<(), Imbalance> {
        let Resources { read, written, left_out, withheld, duplicates, problems, .. } = &self.resources;
        let found = written + left_out.total() + withheld.values().sum::<u64>() + duplicates + problems;
        Imbalance::check("resources read", *read, found)?;
        let Documents { found, written, left_out, withheld, problems } = &self.documents;
        let accounted = written + left_out.total() + withheld.values().sum::<u64>() + problems;
        Imbalance::check("documents found", *found, accounted)?;
        let Patients { planned, exported, absent, failed } = self.patients;
        Imbalance::check("patients planned", planned, exported + absent + failed)
    }

    /// Adds the counters of another chunk.
    pub fn add(&mut self, other: &Self) {
        let Self { patients, resources, documents, problems } = other;
        self.patients.planned += patients.planned;
        self.patients.exported += patients.exported;
        self.patients.absent += patients.absent;
        self.patients.failed += patients.failed;
        self.resources.read += resources.read;
        self.resources.written += resources.written;
        self.resources.attachments += resources.attachments;
        self.resources.left_out.add_all(&resources.left_out);
        add_withheld(&mut self.resources.withheld, &resources.withheld);
        self.resources.duplicates += resources.duplicates;
        self.resources.problems += resources.problems;
        self.resources.made += resources.made;
        self.documents.found += documents.found;
        self.documents.written += documents.written;
        self.documents.left_out.add_all(&documents.left_out);
        add_withheld(&mut self.documents.withheld, &documents.withheld);
        self.documents.problems += documents.problems;
        self.problems.reported += problems.reported;
        self.problems.unlisted += problems.unlisted;
    }

    /// Returns the number of lines in the output files: resources that were written as lines, and those that the export
    /// created.
    pub fn lines(&self) -> u64 {
        (self.resources.written + self.resources.made).saturating_sub(self.resources.attachments)
    }
}

fn add_withheld(sum: &mut BTreeMap<Sensitive, u64>, more: &BTreeMap<Sensitive, u64>) {
    for (category, count) in more {
        *sum.entry(*category).or_default() += count;
    }
}

impl fmt::Display for Ledger {
    /// Formats the counters as JSON for the log.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests;
