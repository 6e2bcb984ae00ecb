//! The three dialects of the bulk routes: their status codes, URLs and manifests differ, and one table describes the
//! differences (contract, section 3). EHI exports use the first dialect under every base.

use fhir::base::Base;

use crate::ids::JobId;

/// A dialect; one row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Dialect {
    pub base: Base,
    /// The parts before and after the job's id in the path of its status.
    status: (&'static str, &'static str),
    pub running: InProgressStyle,
    /// The HTTP status of the response to a request that cancels an export.
    pub cancelled: u16,
    pub manifest: ManifestStyle,
    /// The types that are exported if the request has no `_type`; an empty list means all types.
    pub default_types: &'static [&'static str],
    /// Also checks the roles of the token: PATIENT may read their own record, ADMIN may read all records.
    pub roles: bool,
    /// Accepts kick-off values as Helix does: a date as `_since`, `patient/1` as a reference, `patient` at every level, and
    /// gigabytes if a memory size has no unit. Unknown parameters are reported; tuning numbers that are out of bounds are
    /// clamped and reported. The other dialects refuse them.
    pub tolerant: bool,
    /// The server claims to conform to Bulk Data under this base (`CapabilityStatement.instantiates`).
    pub claims_bulk_data: bool,
}

/// The form of the status of an export that is not finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InProgressStyle {
    /// 202, `X-Progress: 45% …`
    Percent,
    /// 202, `X-Progress: accepted`, then `in-progress`; the response with the manifest has `completed`
    Word,
    /// 200 with `{"status": "in_progress", "progress": 45, …}`; a failure is reported in the same form
    Json,
}

/// The form of the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManifestStyle {
    /// As in Bulk Data 3.0.
    Standard,
    /// Signed URLs that need no token, and `errors` as well as `error`.
    Signed,
    /// Files that need a token, each with a `count`; no members beyond the specification.
    Plain,
}

static DIALECTS: [Dialect; 3] = [
    Dialect {
        base: Base::Fhir,
        status: ("/jobs/", "/status"),
        running: InProgressStyle::Percent,
        cancelled: 202,
        manifest: ManifestStyle::Standard,
        default_types: &[],
        roles: false,
        tolerant: false,
        claims_bulk_data: true,
    },
    Dialect {
        base: Base::Release4,
        status: ("/4_0_0/$export/", ""),
        running: InProgressStyle::Word,
        cancelled: 202,
        manifest: ManifestStyle::Signed,
        default_types: &[],
        roles: false,
        tolerant: true,
        claims_bulk_data: true,
    },
    Dialect {
        base: Base::FhirRelease4,
        status: ("/fhir/r4/$export-status/", ""),
        running: InProgressStyle::Json,
        cancelled: 204,
        manifest: ManifestStyle::Plain,
        default_types: &["Consent", "DocumentReference", "Patient", "Provenance"],
        roles: true,
        tolerant: false,
        // The status of a running export is 200, and types are left out unless `_type` names them.
        claims_bulk_data: false,
    },
];

impl Dialect {
    pub fn all() -> &'static [Self] {
        &DIALECTS
    }

    /// Returns the dialect of bulk exports under a base.
    pub fn of(base: Base) -> &'static Self {
        DIALECTS.iter().find(|dialect| dialect.base == base).unwrap_or(&DIALECTS[0])
    }

    /// Returns the path of a job's status.
    pub fn status_path(&self, job: &JobId) -> String {
        format!("{}{job}{}", self.status.0, self.status.1)
    }
}
