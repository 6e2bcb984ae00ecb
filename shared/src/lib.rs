//! What every function of the export server shares, in reading order:
//!
//! 1. [`domain`]: pure values and rules. Jobs and their states, requests, choices, chunks, scopes.
//! 2. [`ports`]: what the outside must give us, as traits: jobs, queue, files, records, grants.
//! 3. [`platform`]: the one list of those ports; [`adapters`] implement it.
//! 4. [`fhir`]: reading records line by line, and the few resources we write.
//! 5. [`http`] and [`pages`]: how a request becomes typed values and an answer becomes bytes.
//! 6. [`security`]: signing keys, tokens, passwords.
//! 7. [`exports`]: starting and changing jobs through the ports, as several functions do.
//! 8. [`packs`]: reading the files of a recorded chunk; [`hidden`]: what keeps a task from other workers; [`retries`]:
//!    what follows from a task that failed.
//! 9. [`config`], [`clock`], [`error`], [`telemetry`], [`lambda`]: around it all.

pub mod adapters;
pub mod bounded;
pub mod clock;
mod compressed;
pub mod config;
pub mod domain;
pub mod error;
pub mod exports;
pub mod fhir;
pub mod hidden;
pub mod http;
#[cfg(feature = "aws")]
pub mod lambda;
pub mod packs;
pub mod pages;
pub mod places;
pub mod platform;
pub mod ports;
pub mod retries;
pub mod security;
pub mod telemetry;
