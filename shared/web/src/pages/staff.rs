//! The sign-in page of staff.

use askama::Template;

use crate::pages::filters;
use crate::request_context;

/// The key of the message that the name or the password is wrong.
pub const SIGN_IN_WRONG: &str = "sign-in-wrong";
/// The keys of the messages about a form that arrived after the end of the session.
const AGAIN: [&str; 3] = ["staff-signed-out", "staff-signed-out-kept", "staff-signed-out-files"];

#[derive(Default, Template)]
#[template(path = "staff_login.html")]
pub struct StaffLoginPage {
    /// The path and query of the page that follows; empty for the first page of the member of staff.
    pub next: String,
    /// What was typed there, as a urlencoded form; empty if nothing was.
    pub kept: String,
    /// The key of the message about a form that arrived after the end of the session.
    pub again: Option<&'static str>,
    /// The name that the user typed in the last attempt.
    pub username: String,
    pub error: Option<String>,
    /// Whether the error is [`SIGN_IN_WRONG`].
    pub is_wrong: bool,
}

impl StaffLoginPage {
    /// Returns the page with a message that it had before, in another language. `said` is the key of the message.
    #[must_use]
    pub fn saying(self, said: &str) -> Self {
        let is_wrong = said == SIGN_IN_WRONG;
        let error = is_wrong.then(|| request_context::words().text(SIGN_IN_WRONG, &[]));
        Self { again: AGAIN.into_iter().find(|key| *key == said), error, is_wrong, ..self }
    }

    /// Returns the key of the message that the page has in every language.
    fn said(&self) -> Option<&'static str> {
        self.again.or_else(|| self.is_wrong.then_some(SIGN_IN_WRONG))
    }
}
