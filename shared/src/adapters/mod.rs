//! What implements the ports.

pub mod contract;
#[cfg(feature = "local")]
pub mod local;
