//! A message about a problem, for staff.

use crate::request_context;

/// A message about a problem.
pub struct Message {
    pub text: String,
    /// Whether the text is that of an error, which is always English.
    pub in_english: bool,
}

impl Message {
    pub fn of_catalogue(key: &str, values: &[(&str, &str)]) -> Self {
        Self { text: request_context::words().text(key, values), in_english: false }
    }
}
