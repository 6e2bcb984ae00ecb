//! The `ehi` program: the whole server in one process, and its tools.
//!
//! - [`command_line`] has the commands of the program and their options.
//! - [`server`] merges all routers and runs the workers and the cleanup; [`worker`] is the loop over the queue;
//!   [`defaults`] has the settings without a settings file; [`greeting`] is the text at the start.
//! - [`connections`] accepts and serves connections within limits; [`descriptors`] limits their number.
//! - [`allocator`] makes the allocator return memory.
//! - [`export`] is a client that runs all steps of an export, of one patient or in bulk, and verifies the files.
//! - [`audit`] verifies and exports the audit trail.
//! - [`client`] registers clients and makes their keys ([`service_key`]).
//! - [`index`] makes the index by which staff find patients; [`generation`] names what is made, and [`home_files`] are the files of the index of homes.
//! - [`load`] converts NDJSON and Bundles into the lake layout.
//! - [`file_lock`] lets only one process at a time write to a directory.
//! - [`mails`] sends the mails to patients.
//! - [`openapi`] describes the routes of all functions.
//! - [`sample`] writes seeded synthetic patients for load tests.
//!
//! # The crates of the workspace
//!
//! Each crate of `shared/` uses only the crates above it:
//!
//! - [`fhir`] reads and writes lines of FHIR resources; it knows nothing of exports;
//! - [`domain`] has the rules: jobs and their states, requests, the filter of resources, and the ports;
//! - [`crypto`] and `words`: keys and hashes; the messages of the pages;
//! - [`settings`] reads and checks the settings; `storage` is the common code of all stores;
//! - [`security`] verifies tokens, passwords and assertions;
//! - [`platform`] is the list of the ports that a host has, and starts and changes jobs through them;
//! - `mail` writes the mails to patients and sends them;
//! - `web` has the routes, extractors, responses and pages of the functions;
//! - `archive` makes the ZIP of a patient's copy;
//! - `aws` and [`local`] implement the ports;
//! - `contract` tests every implementation of the ports; no release contains it.
//!
//! The functions use them, and never each other: [`kick_off`] starts exports, [`customize`] is the patient's form,
//! [`export_generator`] does the work, [`status`] and [`download`] return the results, [`admin`] and [`my`] are the pages of staff
//! and patients, [`authorize`] is the authorization server, [`metadata`] describes the server, and [`cleanup`] removes what
//! has expired. `announce` exists only on AWS.
//!
//! `infra/docs/ARCHITECTURE.md` names the place of each behaviour.

pub mod allocator;
pub mod audit;
pub mod client;
pub mod command_line;
mod connections;
pub mod defaults;
pub mod descriptors;
pub mod export;
mod file_lock;
mod generation;
pub mod greeting;
mod home_files;
pub mod index;
pub mod load;
pub mod mails;
pub mod openapi;
mod private;
mod renewal;
pub mod sample;
pub mod server;
pub mod service_key;
pub mod worker;

/// An error of the program, as a text for people.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub String);

impl Failure {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns an error of a file or a directory.
    pub(crate) fn of_path(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self(format!("{}: {error}", path.display()))
    }
}

impl From<domain::error::Error> for Failure {
    fn from(error: domain::error::Error) -> Self {
        let causes = error.causes();
        if causes.is_empty() { Self(error.to_string()) } else { Self(format!("{error}: {causes}")) }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<settings::InvalidSettings> for Failure {
    fn from(error: settings::InvalidSettings) -> Self {
        Self(format!("the settings are not valid:\n{error}"))
    }
}
