//! What the outside must give us, as traits. Each says what every adapter must do, and
//! The crate `contract` holds every adapter to it with the same tests.

pub mod events;
pub mod expiring;
pub mod files;
pub mod jobs;
pub mod queue;
pub mod records;
