//! Values that the checks of requests share with the pages that explain them. This module depends on no other one.

use jiff::SignedDuration;

/// The maximum size of a JSON or form body in bytes.
pub const MAX_BODY: usize = 100 * 1024;

/// The lifetime of a session after its last use.
pub const LIFETIME: SignedDuration = SignedDuration::from_mins(10);

/// The error for a request that another site sends with the cookies of its visitor.
pub(crate) const OTHER_ORIGIN: &str = "requests from that origin cannot change anything";
