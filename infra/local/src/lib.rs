//! The `ehi` program: the whole server in one process, and what goes with it.
//!
//! - [`server`]: all routers merged, the worker and the cleanup; [`worker`]: the queue's loop; [`defaults`]:
//!   the settings of a machine that was given none; [`greeting`]: what it says at the start.
//! - [`connections`]: accepts and serves them, within limits; [`descriptors`]: how many there may be.
//! - [`allocator`]: gives memory back.
//! - [`export`]: a client that goes the whole way of an export, a patient's or a bulk one, and verifies it.
//! - [`client`]: registers clients and makes their keys.
//! - [`load`]: turns what people have into the lake layout.
//! - [`openapi`]: describes the routes of all functions.
//! - [`sample`]: seeded synthetic patients for load tests.

pub mod allocator;
pub mod client;
mod connections;
pub mod defaults;
pub mod descriptors;
pub mod export;
pub mod greeting;
pub mod load;
pub mod openapi;
mod private;
pub mod sample;
pub mod server;
pub mod worker;

/// What went wrong, in one line for people.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub String);

impl Failure {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What went wrong with a file or a directory.
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
        Self(format!("the settings are wrong:\n{error}"))
    }
}
