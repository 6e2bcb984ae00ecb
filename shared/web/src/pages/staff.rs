//! The sign-in page of staff.

use askama::Template;

use crate::pages::filters;

#[derive(Template)]
#[template(path = "staff_login.html")]
pub struct StaffLoginPage {
    /// The name that the user typed in the last attempt.
    pub username: String,
    pub error: Option<String>,
}
