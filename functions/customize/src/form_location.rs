//! The parameters of a form: its path, its patient, the receiver of the copy, and the key of its draft.

use domain::ids::{ClientId, JobId};
use settings::{Client, OWN_PAGES};
use url::form_urlencoded::Serializer;
use web::request_context;

/// A step of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Parts,
    Topics,
    Check,
}

impl Step {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Parts => "parts",
            Self::Topics => "topics",
            Self::Check => "check",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Parts, Self::Topics, Self::Check].into_iter().find(|step| step.name() == name)
    }

    /// Returns the number that the patient sees.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Parts => 1,
            Self::Topics => 2,
            Self::Check => 3,
        }
    }
}

/// Returns the path of a job's form.
pub(crate) fn path(job: &JobId) -> String {
    format!("/jobs/{job}/customize")
}

/// Returns the name of the receiver of the copy: the app, or the patient.
pub(crate) fn receiver(id: &ClientId, client: Option<&Client>) -> String {
    if id.as_str() == OWN_PAGES {
        return request_context::words().text("receiver-you", &[]);
    }
    client.and_then(|client| client.name.clone()).unwrap_or_else(|| id.to_string())
}

/// The URLs of a form, and what its pages show about it; see the [module](self).
#[derive(Debug, Clone)]
pub(crate) struct FormLocation {
    /// The path, relative to the public base URL.
    pub(crate) path: String,
    /// The query parameters of every URL of the form.
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) draft: String,
    /// The name of the patient.
    pub(crate) patient: String,
    /// Whether staff check the copy, and read the texts of the form.
    pub(crate) review: bool,
    /// The name of the app that receives the copy.
    pub(crate) receiver: String,
}

impl FormLocation {
    /// Returns the path and query of a step; `also` has additional parameters.
    pub(crate) fn step(&self, step: Step, also: &[(&str, &str)]) -> String {
        self.at(step.name(), also)
    }

    /// Returns the path and query with a value of `step`.
    pub(crate) fn at(&self, step: &str, also: &[(&str, &str)]) -> String {
        let mut query = Serializer::new(String::new());
        query.extend_pairs(self.query.iter().map(|(name, value)| (*name, value.as_str())));
        if step != Step::Parts.name() {
            query.append_pair("step", step);
        }
        query.extend_pairs(also);
        match query.finish() {
            query if query.is_empty() => self.path.clone(),
            query => format!("{}?{query}", self.path),
        }
    }
}
