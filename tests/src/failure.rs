//! The error type of tests that use `?`: it has the error and the line where it occurred.

use std::error::Error;
use std::fmt;
use std::panic::Location;

/// The result of a test, or of a part of one.
pub type Result<T = ()> = std::result::Result<T, Failure>;

/// See the [module](self).
pub struct Failure {
    error: Box<dyn Error>,
    at: &'static Location<'static>,
}

impl<E: Error + 'static> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Self {
        Self { error: error.into(), at: Location::caller() }
    }
}

/// Prints the error of a failed test with its causes, which `Display` of the project's errors omits.
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
