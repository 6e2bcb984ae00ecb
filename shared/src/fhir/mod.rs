//! FHIR as this server needs it: lines of resources read without building trees of them, and the few
//! resources that it writes itself.

mod attachment_url;
pub mod attachments;
pub mod capability;
pub mod choices;
pub mod compartments;
pub mod date;
pub mod elements;
pub mod group;
pub mod head;
pub mod json;
pub mod mandatory;
pub mod media_types;
mod names;
pub mod ndjson;
pub mod outcome;
pub mod patient;
pub mod references;
mod scan;
pub mod search;
pub mod select;
pub mod spelling;
pub mod tags;

use jiff::Timestamp;

pub use crate::domain::types;

/// A FHIR instant with milliseconds (FHIR R4, 2.24.0.1 instant).
pub fn instant(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// The content type of FHIR JSON.
pub const FHIR_JSON: &str = "application/fhir+json";
/// The content type of lines of FHIR JSON.
pub const FHIR_NDJSON: &str = "application/fhir+ndjson";
/// The longest line that is read as a resource.
pub const MAX_LINE: usize = 16 * 1024 * 1024;
