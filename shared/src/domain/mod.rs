//! Pure values and rules: no async, no input or output, no clock. `now` and ids are arguments.

pub mod access;
pub mod choices;
pub mod chunk;
pub mod dialect;
pub mod event;
pub mod filter;
pub mod ids;
pub mod job;
pub mod ledger;
pub mod manifest;
pub mod pack;
pub mod request;
pub mod retention;
pub mod scopes;
pub mod selection;
pub mod states;
pub mod task;
pub mod type_filter;
pub mod types;
