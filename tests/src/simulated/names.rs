//! The names of the tables and buckets of the account.

pub const JOBS_TABLE: &str = "jobs";
pub const GRANTS_TABLE: &str = "grants";
pub const AUDIT_TABLE: &str = "audit";
pub const LAKE_BUCKET: &str = "the-lake";
pub const FILES_BUCKET: &str = "the-files";
