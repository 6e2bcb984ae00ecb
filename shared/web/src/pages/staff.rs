//! The sign-in page of staff.

use askama::Template;

use crate::pages::filters;

#[derive(Template)]
#[template(path = "staff_login.html")]
pub struct StaffLoginPage {
    pub error: Option<String>,
}
