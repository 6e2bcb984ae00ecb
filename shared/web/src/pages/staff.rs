//! The sign-in page of staff.

use askama::Template;

use crate::pages::filters;

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
}
