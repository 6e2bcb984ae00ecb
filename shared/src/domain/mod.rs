//! Pure values and rules: no async, no input or output, no clock. `now` and ids are arguments.

pub mod choices;
pub mod chunk;
pub mod filter;
pub mod ids;
pub mod job;
pub mod manifest;
pub mod request;
pub mod retention;
pub mod scopes;
pub mod states;
pub mod task;
