//! How a request becomes typed values and an answer becomes bytes.

pub mod caller;
pub mod cors;
pub mod download;
pub mod extract;
pub mod host;
pub mod job_json;
pub mod links;
pub mod manifest;
pub mod notes;
pub mod respond;
pub mod session;
pub mod unique_json;
