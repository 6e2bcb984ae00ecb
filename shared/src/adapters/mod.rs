//! What implements the ports.

#[cfg(feature = "aws")]
pub mod aws;
pub mod contract;
#[cfg(any(feature = "aws", feature = "local"))]
mod layout;
#[cfg(feature = "local")]
pub mod local;
#[cfg(any(feature = "aws", feature = "local"))]
mod shared_index;
