//! The HTTP code that the functions share: it converts requests to typed values, and results to responses. This crate knows
//! nothing of adapters.

pub mod assets;
pub mod audit;
pub mod audit_event;
pub mod caller;
pub mod capability;
pub mod conditional;
pub mod cors;
pub mod describe;
pub mod download;
pub mod ehi_slot;
pub mod exported;
pub mod extract;
pub mod host;
mod in_memory;
pub mod job_json;
pub mod manifest;
pub mod own_page;
pub mod pages;
pub mod patient_session;
pub mod ports;
pub mod receiver;
pub mod rejection;
pub mod request_context;
pub mod respond;
pub mod routes;
mod rules;
pub mod scope_words;
pub mod session;
pub mod site;
pub mod unique_json;
pub mod urls;
pub mod when_sent;

pub use self::respond::{ApiError, Result};
