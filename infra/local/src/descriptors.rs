//! File descriptors: how many this process may have, and how many of them are for connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use settings::Limits;

/// More than any table of connections needs.
const MOST: u64 = 1_048_576;

/// Raises the soft limit as far as the hard one allows. What cannot be raised is left as it is.
pub fn raise() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(MOST).min(MOST);
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(error = %error, "the limit of open files stays as it is");
        }
    }
}

/// Connections that may be open at once: what the settings say, and always so few that `reserved_descriptors` are left
/// for records, exported files and the database. Where there are hardly more than those, a quarter.
pub fn connections(limits: &Limits) -> usize {
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(MOST);
    room(limits, descriptors)
}

fn room(limits: &Limits, descriptors: u64) -> usize {
    let left = descriptors.saturating_sub(limits.reserved_descriptors).max(descriptors / 4);
    usize::try_from(limits.connections.min(left)).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_files() {
        let limits = Limits::default();
        for (descriptors, connections) in
            [(1_024, 768), (256, 64), (300, 75), (4, 1), (65_536, 10_000), (1_048_576, 10_000)]
        {
            assert_eq!(room(&limits, descriptors), connections, "{descriptors}");
        }
    }
}
