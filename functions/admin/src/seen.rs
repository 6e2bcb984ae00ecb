//! The version of an export that the caller has seen: a decision about another version is refused.

use domain::error::{Error, Result};
use web::describe::{Kind, Parameter};
use web::extract::Form;

/// The field of the pages' forms.
pub(crate) const VERSION: Parameter =
    Parameter::field("version", "The version of the export that the page showed").of(Kind::Integer);

/// The error if the export was changed after its page was loaded and before the form was sent.
pub(crate) const STALE: &str = "the export was changed since its page was loaded: look at it again";

/// The version of a job that the caller has seen. The API does not name one: it changes the current version.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Seen {
    Any,
    Version(u64),
}

impl Seen {
    /// Reads the version in a page's form.
    pub(crate) fn of(form: &Form) -> Result<Self> {
        let version = form.get(VERSION.name).parse();
        version
            .map(Self::Version)
            .map_err(|_| Error::invalid("the form does not say which version it was made for"))
    }

    /// Refuses a change of a job that has another version.
    pub(crate) fn check(self, version: u64) -> Result<()> {
        match self {
            Self::Version(seen) if seen != version => Err(Error::conflict(STALE)),
            Self::Any | Self::Version(_) => Ok(()),
        }
    }
}
