//! What was asked: whose records, under which base URL, with which choices, written how.

pub use fhir::base::Base;
use serde::{Deserialize, Serialize};

use crate::choices::Choices;
use crate::dialect::Dialect;
use crate::ids::{GroupId, PatientId};
use crate::selection::Selection;

/// The sandbox's shortcuts, spelt before the base: without review, without form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SandboxShortcut {
    pub path: &'static str,
    pub auto_approve: bool,
    pub no_form: bool,
}

impl SandboxShortcut {
    pub const NONE: Self = Self { path: "", auto_approve: false, no_form: false };
    pub const ALL: [Self; 5] = [
        Self::NONE,
        Self { path: "/auto-approve", auto_approve: true, no_form: false },
        Self { path: "/no-form", auto_approve: false, no_form: true },
        Self { path: "/auto-approve/no-form", auto_approve: true, no_form: true },
        Self { path: "/no-form/auto-approve", auto_approve: true, no_form: true },
    ];
}

/// Whose records an export collects. A patient's own export is a cohort of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cohort {
    /// In the order of their ids, each once: see [`Cohort::of`].
    Patients(Vec<PatientId>),
    Everyone,
    /// The active members of a group, and of the groups in it; read when the export is planned.
    Group(GroupId),
}

impl Cohort {
    pub fn of(mut patients: Vec<PatientId>) -> Self {
        patients.sort();
        patients.dedup();
        Self::Patients(patients)
    }
}

/// How large a worker an export needs; each class has a queue of its own, so that one person's export never
/// waits behind a population's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SizeClass {
    Small,
    Large,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportRequest {
    /// The absolute URL of the kick-off, as the manifest repeats it.
    pub url: String,
    pub base: Base,
    pub cohort: Cohort,
    /// The form's choices; without them everything is exported.
    pub choices: Option<Choices>,
    /// What a bulk export takes; none for an EHI export.
    #[serde(default)]
    pub selection: Option<Selection>,
    #[serde(default)]
    pub output: OutputOptions,
}

impl ExportRequest {
    /// One patient is small, a population is large.
    pub fn size_class(&self) -> SizeClass {
        self.output.size.unwrap_or(match &self.cohort {
            Cohort::Patients(patients) if patients.len() <= 1 => SizeClass::Small,
            Cohort::Patients(_) | Cohort::Everyone | Cohort::Group(_) => SizeClass::Large,
        })
    }

    /// How its status and its manifest speak.
    pub fn dialect(&self) -> &'static Dialect {
        Dialect::of(if self.selection.is_some() { self.base } else { Base::Fhir })
    }
}

/// How the files are cut and the work is done, where a registered client or a request needs it its own way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OutputOptions {
    /// Each DocumentReference in a file of its own, for clients that read such a file as one JSON document.
    pub one_document_per_file: bool,
    /// Attachments of the record up to this many bytes stand in the resources as `data`.
    pub inline_attachments_bytes: u64,
    /// `organizeOutputBy=Patient`: one block after the other, each with a header.
    #[serde(rename = "byPatient")]
    pub organize_by_patient: bool,
    /// `allowPartialManifests`: pages of the manifest while the export is running.
    pub partial_manifests: bool,
    /// `_maximumFileSize`: only a single line, or a single block, that is larger itself makes a larger file.
    pub max_file_bytes: Option<u64>,
    /// `_minimumFileSize`: files of several chunks are joined until they have so many bytes.
    pub min_file_bytes: Option<u64>,
    /// `patientReferenceBatchSize`
    pub patients_per_chunk: Option<usize>,
    /// `fetchResourceBatchSize`: resources outside the compartments that are read at once.
    #[serde(rename = "resourcesARead")]
    pub supporting_batch_size: Option<usize>,
    /// `uploadPartSize`: bytes of each part of an upload.
    #[serde(rename = "partBytes")]
    pub upload_part_bytes: Option<usize>,
    /// The client asked for another worker than the cohort would get.
    pub size: Option<SizeClass>,
    /// `ttlSecondsAfterFinished`
    pub retention_seconds: Option<i64>,
    /// `separate-export-status`: the status is 200, and `X-Export-Status` says how the export is.
    pub separate_status: bool,
    /// `loglevel=debug`: what the workers do is logged at length.
    pub verbose: bool,
    /// The manifest in the shape of Bulk Data 4.0, which the client is registered for.
    #[serde(rename = "stu4")]
    pub manifest_v4: bool,
}
