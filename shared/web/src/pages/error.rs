//! The error page: what happened, what the reader can do, and the request id that the log contains.

use askama::Template;
use domain::roles::Role;
use http::StatusCode;

use crate::pages::filters;
use crate::request_context;

#[derive(Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    title: String,
    what_to_do: String,
    /// The text of the error, which is always English.
    details: Option<String>,
    in_english: bool,
    request: Option<String>,
    link: &'static str,
    link_words: &'static str,
}

impl ErrorPage {
    pub fn new(status: StatusCode, text: &str, retry_after: Option<u64>) -> Self {
        let reader = request_context::reader();
        let words = reader.words();
        let status = status.as_u16();
        // Only the app can restart its request.
        let is_of_app =
            matches!(reader.path.as_str(), "/authorize-app" | "/patient-login" | "/auth/authorize");
        let (title, what_to_do) = match status {
            400 | 401 | 409 if is_of_app => ("error-app".to_owned(), "error-app-do".to_owned()),
            401 | 403 | 404 | 405 | 409 | 413 | 500 => {
                (format!("error-{status}"), format!("error-{status}-do"))
            }
            429 => ("error-429-some".to_owned(), "error-429-do".to_owned()),
            503 => ("error-503".to_owned(), "error-500-do".to_owned()),
            501.. => ("error-500".to_owned(), "error-500-do".to_owned()),
            _ => ("error-other".to_owned(), "error-other-do".to_owned()),
        };
        let title = match retry_after {
            Some(seconds) => words.text("error-429", &[("seconds", &words.number(seconds))]),
            None => words.text(&title, &[]),
        };
        let (link, link_words) = next_step(status, &reader.path);
        // For these statuses the text of the error repeats the title.
        let has_details = !matches!(status, 401 | 404 | 405 | 429 | 500..);
        Self {
            title,
            what_to_do: words.text(&what_to_do, &[]),
            details: has_details.then(|| text.to_owned()),
            in_english: words.language.tag() != "en",
            request: request_context::request_id(),
            link,
            link_words,
        }
    }
}

/// Returns the path of the page's link, and the key of its text.
fn next_step(status: u16, path: &str) -> (&'static str, &'static str) {
    let roles = request_context::current_roles();
    match status {
        // Other members of staff than reviewers may not see the list of exports.
        403 | 404 | 409 if path.starts_with("/staff") && !roles.has(Role::Reviewer) && !roles.is_empty() => {
            match roles.has(Role::Auditor) {
                true => ("/staff/audit", "audit-title"),
                false => ("/staff/settings", "settings-title"),
            }
        }
        401 | 403 if path.starts_with("/staff") => ("/staff/login", "sign-in"),
        404 | 409 if path.starts_with("/staff") => ("/staff", "back"),
        404 | 409 | 413 if path.starts_with("/my/") => ("/my", "my-copies"),
        _ => ("/", "home"),
    }
}
