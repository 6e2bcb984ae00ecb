//! Authentication of callers: keys, tokens and passwords. This crate knows nothing of routes, responses or adapters.

pub mod address;
pub mod assertion;
pub mod attempts;
pub mod authorizations;
pub mod caller;
pub mod id_token;
pub mod jwks;
pub mod jwt;
pub mod keys;
pub mod passwords;
pub mod tokens;
pub mod verify;
