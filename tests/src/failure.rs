//! What a test returns with `?`: the error, and the line that met it.

use std::error::Error;
use std::fmt;
use std::panic::Location;

/// Of a test, or of a part of one.
pub type Result<T = ()> = std::result::Result<T, Failure>;

/// See the [module](self).
pub struct Failure {
    error: Box<dyn Error>,
    at: &'static Location<'static>,
}

impl Failure {
    /// Something is not there.
    #[track_caller]
    pub fn missing(what: &str) -> Self {
        Self { error: format!("there is no {what}").into(), at: Location::caller() }
    }
}

impl<E: Error + 'static> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Self {
        Self { error: error.into(), at: Location::caller() }
    }
}

/// What a test that failed prints: with the causes, which `Display` of our own errors keeps to itself.
impl fmt::Debug for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.at, self.error)?;
        let mut cause = self.error.source();
        while let Some(error) = cause {
            write!(formatter, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// What must be there.
pub trait Present<T> {
    /// The value, or a failure that names what is missing.
    fn present(self, what: &str) -> Result<T>;
}

impl<T> Present<T> for Option<T> {
    #[track_caller]
    fn present(self, what: &str) -> Result<T> {
        match self {
            Some(value) => Ok(value),
            None => Err(Failure::missing(what)),
        }
    }
}
