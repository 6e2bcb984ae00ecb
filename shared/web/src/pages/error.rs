//! The error page: what happened, what the reader can do, and the request id that the log contains.

use askama::Template;
use domain::error::Error;
use domain::roles::Role;
use http::StatusCode;
use url::form_urlencoded::{self, Serializer};

use crate::pages::filters;
use crate::request_context;
use crate::rules::{MAX_BODY, OTHER_ORIGIN};
use crate::site::Reader;

/// The number of seconds after which a refused request may succeed.
#[derive(Debug, Clone, Copy)]
pub enum Wait {
    /// There were too many attempts.
    Attempts(u64),
    /// There are too many unfinished exports.
    Exports(u64),
}

impl Wait {
    pub fn of(error: &Error) -> Option<Self> {
        match error {
            Error::Throttled { retry_after } => Some(Self::Attempts(*retry_after)),
            Error::TooMany { retry_after, .. } => Some(Self::Exports(*retry_after)),
            _ => None,
        }
    }

    fn seconds(self) -> u64 {
        match self {
            Self::Attempts(seconds) | Self::Exports(seconds) => seconds,
        }
    }
}

#[derive(Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    title: String,
    what_to_do: String,
    /// The text of the error, which is always English.
    details: Option<String>,
    in_english: bool,
    request: Option<String>,
    link: String,
    link_words: &'static str,
    /// The path of another page that helps, and the key of its text.
    also: Option<(&'static str, &'static str)>,
}

impl ErrorPage {
    pub fn new(status: StatusCode, text: &str, wait: Option<Wait>) -> Self {
        let reader = request_context::reader();
        let words = reader.words();
        let status = status.as_u16();
        let (title, what_to_do) = match wait {
            Some(Wait::Attempts(_)) => ("error-429".to_owned(), "error-429-do".to_owned()),
            Some(Wait::Exports(_)) => ("error-exports".to_owned(), "error-exports-do".to_owned()),
            None => messages(status, text, &reader),
        };
        let seconds = wait.map(Wait::seconds).unwrap_or_default();
        let (time, seconds) = (words.wait(seconds), words.number(seconds));
        let (link, link_words) = next_step(status, &reader);
        // The patient can cancel a copy there.
        let has_copies = matches!(wait, Some(Wait::Exports(_)));
        let also = (has_copies && is_form(&reader.path)).then_some(("/my", "my-copies"));
        // For these statuses the text of the error repeats the title.
        let has_details = !matches!(status, 401 | 404 | 405 | 429 | 500..);
        // The details are for developers, and only in English. Patients need not read another language.
        let in_english = words.language.tag() != "en";
        let has_details = has_details && !(in_english && is_of_patients(&reader.path));
        let size = words.size(MAX_BODY as u64);
        Self {
            title: words.text(&title, &[("seconds", &seconds)]),
            what_to_do: words.text(&what_to_do, &[("size", &size), ("time", &time)]),
            details: has_details.then(|| text.to_owned()),
            in_english,
            request: request_context::request_id(),
            link,
            link_words,
            also,
        }
    }

    /// Returns the page for a form of which nothing was kept. It leads to the copies instead of the form.
    pub fn of_unkept_form(self) -> Self {
        match self.link_words {
            "back-to-form" => Self {
                what_to_do: request_context::words().text("error-unkept-do", &[]),
                link: "/my".to_owned(),
                link_words: "my-copies",
                also: None,
                ..self
            },
            _ => self,
        }
    }
}

/// Returns whether a path is the one of a page for patients.
fn is_of_patients(path: &str) -> bool {
    matches!(path, "/my" | "/patient-login" | "/patient-logout" | "/authorize-app" | "/auth/authorize")
        || path.starts_with("/my/")
        || path.starts_with("/jobs/")
        || is_form(path)
}

/// Returns whether a path is the one of a patient's form.
fn is_form(path: &str) -> bool {
    path.ends_with("/customize")
}

/// Returns the keys of the title, and of what the reader can do.
fn messages(status: u16, text: &str, reader: &Reader) -> (String, String) {
    // Only the app can restart its request.
    let is_of_app = matches!(reader.path.as_str(), "/authorize-app" | "/patient-login" | "/auth/authorize");
    let name = match status {
        400 if reader.path == "/auth/authorize" => "error-app-wrong".to_owned(),
        400 | 401 | 409 if is_of_app => "error-app".to_owned(),
        403 if text == OTHER_ORIGIN => "error-origin".to_owned(),
        403 if !request_context::current_roles().is_empty() => {
            return ("error-403".to_owned(), "error-403-staff-do".to_owned());
        }
        // Only forms have a body. The response to another request can be too large.
        413 if reader.here.is_some() => "error-413-get".to_owned(),
        401 | 403 | 404 | 405 | 409 | 413 | 500 => format!("error-{status}"),
        503 => return ("error-503".to_owned(), "error-500-do".to_owned()),
        501.. => "error-500".to_owned(),
        _ => "error-other".to_owned(),
    };
    let what_to_do = format!("{name}-do");
    (name, what_to_do)
}

/// Returns the path of the page's link, and the key of its text.
fn next_step(status: u16, reader: &Reader) -> (String, &'static str) {
    let roles = request_context::current_roles();
    let path = reader.path.as_str();
    let (link, words) = match status {
        429 if is_form(path) => return (last_step(&reader.address), "back-to-form"),
        // Other members of staff than reviewers may not see the list of exports.
        403 | 404 | 409 if path.starts_with("/staff") && !roles.has(Role::Reviewer) && !roles.is_empty() => {
            match roles.has(Role::Auditor) {
                true => ("/staff/audit", "audit-title"),
                false => ("/staff/settings", "settings-title"),
            }
        }
        401 | 403 if path.starts_with("/staff") && roles.is_empty() => ("/staff/login", "sign-in"),
        413 if matches!(path, "/patient-login" | "/staff/login") => (path, "sign-in"),
        // The form has what was saved before.
        413 | 500.. if is_form(path) => (reader.address.as_str(), "back-to-form"),
        413 if path.starts_with("/staff/jobs/") => (export_page(path), "back"),
        403 | 404 | 409 | 413 if path.starts_with("/staff") => ("/staff", "back"),
        403 | 404 | 409 | 413 if path.starts_with("/my/") => ("/my", "my-copies"),
        _ => ("/", "home"),
    };
    (link.to_owned(), words)
}

/// Returns the address of the last step of a patient's form, from an address of this form.
fn last_step(form: &str) -> String {
    const OF_STEP: [&str; 3] = ["step", "show", "redirect"];
    let (path, query) = form.split_once('?').unwrap_or((form, ""));
    let others = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| !OF_STEP.contains(&&**name));
    let query = Serializer::new(String::new()).extend_pairs(others).append_pair("step", "check").finish();
    format!("{path}?{query}")
}

/// Returns the path of the page of an export, from the path of something on it.
fn export_page(path: &str) -> &str {
    path.match_indices('/').nth(3).map_or(path, |(end, _)| &path[..end])
}
