//! The ports: traits for the services that the server needs. The documentation of a trait describes what every adapter
//! must do, and the crate `contract` tests every adapter with the same tests.

pub mod audit;
pub mod events;
pub mod expiring;
pub mod files;
pub mod jobs;
pub mod mail;
pub mod queue;
pub mod records;
