//! File descriptors: the limit of this process, and the number of connections that it permits.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use settings::Limits;

/// The highest limit that is set, which is more than connections need.
const MAX_DESCRIPTORS: u64 = 1_048_576;

/// Raises the soft limit to the hard limit. If that fails, the limit does not change.
pub fn raise() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(MAX_DESCRIPTORS).min(MAX_DESCRIPTORS);
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(error = %error, "the limit of open files could not be raised");
        }
    }
}

/// Returns the maximum number of open connections: the number in the settings, reduced so that `reserved_descriptors` remain for records,
/// exported files and the database. Connections may always use a quarter of all descriptors.
pub fn connections(limits: &Limits) -> usize {
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(MAX_DESCRIPTORS);
    max_connections(limits, descriptors)
}

fn max_connections(limits: &Limits, descriptors: u64) -> usize {
    let left = descriptors.saturating_sub(limits.reserved_descriptors).max(descriptors / 4);
    usize::try_from(limits.connections.min(left)).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests;
