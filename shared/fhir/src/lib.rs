//! Reads and rewrites NDJSON lines of FHIR resources without building trees of them. The functions are pure: they take
//! bytes and return ranges of bytes.
//!
//! This crate knows nothing of jobs, storage, HTTP or async runtimes. In reading order: [`json`] and [`head`] check a line
//! and read the fields that every decision needs; [`references`], [`compartments`], [`belonging`], [`date`] and [`facts`] read more of it;
//! [`search`] compiles and evaluates `_typeFilter`; [`elements`], [`tags`] and [`attachments`] rewrite a line.

mod attachment_url;
pub mod attachments;
pub mod base;
pub mod belonging;
pub mod compartments;
pub mod date;
pub mod elements;
pub mod facts;
pub mod head;
pub mod ids;
pub mod inside;
pub mod json;
pub mod mandatory;
pub mod media_types;
mod names;
pub mod outcome;
pub mod references;
mod scan;
pub mod search;
pub mod spelling;
pub mod tags;
pub mod type_filter;
pub mod types;

use jiff::Timestamp;

/// Formats a time as a FHIR instant with milliseconds (FHIR R4, 2.24.0.1 instant).
pub fn instant(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// The content type of FHIR JSON.
pub const FHIR_JSON: &str = "application/fhir+json";
/// The content type of NDJSON lines of FHIR resources.
pub const FHIR_NDJSON: &str = "application/fhir+ndjson";
/// The length of the longest line that is read as a resource, in bytes.
pub const MAX_LINE: usize = 16 * 1024 * 1024;
