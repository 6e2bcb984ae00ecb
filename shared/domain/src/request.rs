//! The request for an export: the patients, the base URL, the choices or the selection, and the options of the output.

use std::fmt;

pub use fhir::base::Base;
use serde::{Deserialize, Serialize};

use crate::choices::Choices;
use crate::clock::Random;
use crate::dialect::{Dialect, ManifestStyle};
use crate::ids::{GroupId, PatientId};
use crate::selection::Selection;
use crate::sensitive::Sensitive;

/// A shortcut of the sandbox, which is a path before the base: the export needs no review, or no form.
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

/// The patients whose records an export includes. The export of one patient is a cohort of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cohort {
    /// Sorted by id, each once: see [`Cohort::of`].
    Patients(Vec<PatientId>),
    Everyone,
    /// The active members of a group and of the groups inside it, which are read when the export is planned.
    Group(GroupId),
}

impl Cohort {
    /// Returns the cohort of these patients, sorted and without duplicates.
    pub fn of(mut patients: Vec<PatientId>) -> Self {
        patients.sort();
        patients.dedup();
        Self::Patients(patients)
    }
}

/// The size of the worker that an export needs. Each class has its own queue, so that the export of one patient never
/// waits for the export of a population.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SizeClass {
    Small,
    Large,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportRequest {
    /// The absolute URL of the kick-off, which the manifest repeats.
    pub url: String,
    pub base: Base,
    pub cohort: Cohort,
    /// The members of the group whose export a person confirmed, as the digest of [`Members::lines`]. The export fails if the
    /// group has other members when it is planned.
    ///
    /// [`Members::lines`]: crate::group::Members::lines
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_members: Option<String>,
    /// The form's choices; `None` means that everything is exported.
    pub choices: Option<Choices>,
    /// Who gets the copy, as staff typed it who started the export; `None` for other exports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver: Option<String>,
    /// The selection of a bulk export; `None` for an EHI export.
    #[serde(default)]
    pub selection: Option<Selection>,
    #[serde(default)]
    pub output: OutputOptions,
}

impl ExportRequest {
    /// Returns the size class: that of the output options, or else small for one patient and large for more.
    pub fn size_class(&self) -> SizeClass {
        self.output.size.unwrap_or(match &self.cohort {
            Cohort::Patients(patients) if patients.len() <= 1 => SizeClass::Small,
            Cohort::Patients(_) | Cohort::Everyone | Cohort::Group(_) => SizeClass::Large,
        })
    }

    /// Returns whether the export carries the notice of 42 CFR 2.32: records about alcohol or drugs are authorized, or it is an
    /// EHI export without choices, which leaves no topic out. A bulk export has no authorizations.
    pub fn needs_part_2_notice(&self) -> bool {
        let authorizes = |choices: &Choices| choices.authorizes(Sensitive::AlcoholAndDrug);
        self.selection.is_none() && self.choices.as_ref().is_none_or(authorizes)
    }

    /// Returns the dialect of its status and its manifest.
    pub fn dialect(&self) -> &'static Dialect {
        Dialect::of(if self.selection.is_some() { self.base } else { Base::Fhir })
    }

    /// Returns whether the dialect requires signed URLs in the manifest.
    pub fn has_signed_manifest(&self) -> bool {
        self.dialect().manifest == ManifestStyle::Signed
    }
}

/// Options for the files and the work of an export, which a registered client's settings or a request set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OutputOptions {
    /// Each DocumentReference is in a separate file, for clients that read such a file as one JSON document.
    pub one_document_per_file: bool,
    /// Attachments of the record with at most this many bytes are included in the resources as `data`.
    pub inline_attachments_bytes: u64,
    /// `organizeOutputBy=Patient`: a file has one block per patient, each with a header.
    #[serde(rename = "byPatient")]
    pub organize_by_patient: bool,
    /// `allowPartialManifests`: the manifest has pages, which are available while the export is running.
    pub partial_manifests: bool,
    /// `_maximumFileSize`: a file is larger only if it has a single line, or a single block, that is larger.
    pub max_file_bytes: Option<u64>,
    /// `_minimumFileSize`: files of several chunks are joined until they have at least this many bytes.
    pub min_file_bytes: Option<u64>,
    /// `patientReferenceBatchSize`: the number of patients per chunk.
    pub patients_per_chunk: Option<usize>,
    /// `fetchResourceBatchSize`: the number of resources outside the compartments that are read at once.
    #[serde(rename = "resourcesARead")]
    pub supporting_batch_size: Option<usize>,
    /// `uploadPartSize`: the size of each part of an upload.
    #[serde(rename = "partBytes")]
    pub upload_part_bytes: Option<usize>,
    /// The size class that the client requested instead of that of the cohort.
    pub size: Option<SizeClass>,
    /// `ttlSecondsAfterFinished`: the retention after the export is finished.
    pub retention_seconds: Option<i64>,
    /// `separate-export-status`: the HTTP status is 200, and the header `X-Export-Status` has the status of the export.
    pub separate_status: bool,
    /// `loglevel=debug`: the workers log more details.
    pub verbose: bool,
    /// The manifest has the format of Bulk Data 4.0, for which the client is registered.
    #[serde(rename = "stu4")]
    pub manifest_v4: bool,
    /// Gives access to the export's attachments without a token; `None` if they need one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attachment_key: Option<AttachmentKey>,
    /// The length of the server's URL at the kick-off, from which the bounds of the parts of a manifest's page follow
    /// ([`crate::manifest::part_end`]). `None` if the host does not limit responses, and in rows that an earlier version wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest_url_bytes: Option<u32>,
}

/// The secret in the URLs of an export's attachments. It is random and not derived from the server's keys, so that workers can
/// write it without them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentKey(String);

impl AttachmentKey {
    pub fn new(random: &dyn Random) -> Self {
        Self(random.secret())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AttachmentKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AttachmentKey")
    }
}
