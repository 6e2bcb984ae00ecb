//! The lock of a records directory: one load at a time writes to it.
//!
//! The operating system keeps the lock of a file and releases it when the process ends, even if it is killed. So a lock that is found
//! belongs to a process that lives.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use domain::clock::{Clock as _, SystemClock};
use indicatif::ProgressBar;
use jiff::{Timestamp, Unit};

use crate::Failure;
use crate::file_lock::{Attempt, FileLock};

/// The file name of the lock.
const LOCK: &str = ".ehi-load.lock";

/// Creates the directory if it does not exist, and locks it until the returned value is dropped. Warns if its file system has no locks.
///
/// # Errors
///
/// Another load has locked the directory.
pub(super) fn lock(into: &Path, bar: &ProgressBar) -> Result<FileLock, Failure> {
    let of_path = |error: std::io::Error| Failure::of_path(into, &error);
    std::fs::create_dir_all(into).map_err(of_path)?;
    // Everyone who can write to the directory can load into it after a load of another user was killed.
    let mode = std::fs::metadata(into).map_err(of_path)?.permissions().mode() & 0o666;
    let since = seconds(SystemClock.now());
    let holder = format!("since {since}, process {} on {}", std::process::id(), host());
    match FileLock::attempt(&into.join(LOCK), mode, &holder)? {
        Attempt::Locked(lock) => {
            if let Some(reason) = lock.unsupported() {
                bar.suspend(|| eprintln!("{}", unlocked(into, reason)));
            }
            Ok(lock)
        }
        Attempt::InUse(holder) => Err(in_use(into, &holder)),
    }
}

fn unlocked(into: &Path, reason: &str) -> String {
    format!(
        "The file system of {} has no locks ({reason}): make sure that no other load into it runs, because two loads at the same time lose records.",
        into.display()
    )
}

fn in_use(into: &Path, holder: &str) -> Failure {
    let holder = if holder.is_empty() { "it has just begun" } else { holder };
    Failure::new(format!(
        "another load into {} is running ({holder}), and nothing was changed: wait until it has ended, and run this load again. The lock ends with the process of that load, also if it is killed",
        into.display()
    ))
}

/// Returns a time without fractions of a second.
pub(super) fn seconds(time: Timestamp) -> Timestamp {
    time.round(Unit::Second).unwrap_or(time)
}

/// Returns the name of this machine.
pub(super) fn host() -> String {
    let read = |path: &&str| {
        let name = std::fs::read_to_string(path).ok()?;
        Some(name.trim().to_owned()).filter(|name| !name.is_empty())
    };
    ["/proc/sys/kernel/hostname", "/etc/hostname"]
        .iter()
        .find_map(read)
        .unwrap_or_else(|| "this machine".to_owned())
}

#[cfg(test)]
mod tests;
