//! The three ways in which the bulk routes speak: one engine, one table (contract, section 3). EHI exports speak the
//! first under every base.

use crate::ids::JobId;
use crate::request::Base;

/// A way to speak; one row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Dialect {
    pub base: Base,
    /// What stands before and behind the job's id in the URL of its status.
    status: (&'static str, &'static str),
    pub running: InProgressStyle,
    /// The status of a request that cancels.
    pub cancelled: u16,
    pub manifest: ManifestStyle,
    /// What is exported when `_type` says nothing; none means everything.
    pub default_types: &'static [&'static str],
    /// Roles of the token decide as well: PATIENT reads the own record, ADMIN everything.
    pub roles: bool,
    /// Takes kick-off values as Helix does: a date as `_since`, `patient/1` as a reference, `patient` at every level,
    /// gigabytes where memory has no unit. Parameters that are not known are reported, and numbers that tune the work
    /// and are out of bounds are clamped and reported, where the others refuse.
    pub tolerant: bool,
    /// The server claims to conform to Bulk Data under this base (`CapabilityStatement.instantiates`).
    pub claims_bulk_data: bool,
}

/// What the status of an export that is not over looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InProgressStyle {
    /// 202, `X-Progress: 45% …`
    Percent,
    /// 202, `X-Progress: accepted`, then `in-progress`; `completed` beside the manifest
    Word,
    /// 200 with `{"status": "in_progress", "progress": 45, …}`, as a failure is
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManifestStyle {
    /// As Bulk Data 3.0 has it.
    Standard,
    /// Signed URLs without a token, `errors` as well as `error`.
    Signed,
    /// `count` and a token, nothing beyond the specification.
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
        // Its status of a running export is 200, and it leaves types out unless `_type` names them.
        claims_bulk_data: false,
    },
];

impl Dialect {
    pub fn all() -> &'static [Self] {
        &DIALECTS
    }

    /// How bulk exports of a base speak.
    pub fn of(base: Base) -> &'static Self {
        DIALECTS.iter().find(|dialect| dialect.base == base).unwrap_or(&DIALECTS[0])
    }

    /// The path of a job's status.
    pub fn status_path(&self, job: &JobId) -> String {
        format!("{}{job}{}", self.status.0, self.status.1)
    }
}
