//! The lock of a records directory: one load at a time writes to it, and meanwhile no load reads it as its input.
//!
//! The operating system keeps the lock of a file and releases it when the process ends, even if it is killed. So a lock that is found
//! belongs to a process that lives.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use domain::clock::{Clock as _, SystemClock};
use indicatif::ProgressBar;
use jiff::{Timestamp, Unit};
use storage::layout::PATIENTS;

use super::commit;
use crate::Failure;
use crate::file_lock::{Attempt, FileLock};

/// The file name of the lock.
const LOCK: &str = ".ehi-load.lock";
/// The beginning of the text in the lock of a load that reads the directory.
const READS: &str = "reads, ";

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
    match FileLock::attempt(&into.join(LOCK), mode, &this_load())? {
        Attempt::Locked(lock) => {
            if let Some(reason) = lock.unlocked() {
                bar.suspend(|| eprintln!("{}", unlocked(into, reason)));
            }
            Ok(lock)
        }
        Attempt::InUse(holder) => Err(in_use(into, &holder)),
    }
}

/// Locks the inputs that are records directories, until the returned values are dropped: no load changes them, but other loads can read them.
/// `into` is the directory that this load has locked. Warns of an input that cannot be locked, except if its file system is read-only.
///
/// # Errors
///
/// A load into one of the inputs is running, or was stopped before it had made all of its changes.
pub(super) fn lock_inputs(
    inputs: &[PathBuf],
    into: Option<&Path>,
    bar: &ProgressBar,
) -> Result<Vec<FileLock>, Failure> {
    let own = into.and_then(|into| std::fs::metadata(into).ok()).map(|found| (found.dev(), found.ino()));
    let mut locks = Vec::new();
    for input in inputs {
        let lock = input.join(LOCK);
        // The first load into a directory makes it a lake at its end.
        let is_lake = input.join(PATIENTS).is_dir()
            || std::fs::symlink_metadata(&lock).is_ok()
            || (input.is_dir() && commit::has_pending(input)?);
        if !is_lake {
            continue;
        }
        let found = std::fs::metadata(input).map_err(|error| Failure::of_path(input, &error))?;
        if own == Some((found.dev(), found.ino())) {
            continue;
        }
        let mode = found.permissions().mode() & 0o666;
        match FileLock::attempt_shared(&lock, mode, &format!("{READS}{}", this_load()))? {
            Attempt::Locked(lock) => {
                if let Some(reason) = lock.unlocked() {
                    bar.suspend(|| eprintln!("{}", unlocked_input(input, reason)));
                }
                locks.push(lock);
            }
            Attempt::InUse(holder) => return Err(in_use(input, &holder)),
        }
        if commit::has_pending(input)? {
            return Err(Failure::new(format!(
                "a load into {} was stopped before it had made all of its changes, and nothing was read: load into it again, which completes them",
                input.display()
            )));
        }
    }
    Ok(locks)
}

/// Returns the text in the lock of this load.
fn this_load() -> String {
    format!("since {}, process {} on {}", seconds(SystemClock.now()), std::process::id(), host())
}

fn unlocked(into: &Path, reason: &str) -> String {
    format!(
        "The file system of {} has no locks ({reason}): make sure that no other load into it runs, because two loads at the same time lose records.",
        into.display()
    )
}

fn unlocked_input(input: &Path, reason: &str) -> String {
    format!(
        "{} cannot be locked while it is read ({reason}): make sure that no load into it runs, because this load would read a part of the changes.",
        input.display()
    )
}

fn in_use(lake: &Path, holder: &str) -> Failure {
    let (load, holder) = match holder.strip_prefix(READS) {
        Some(holder) => ("that reads", holder),
        None => ("into", holder),
    };
    let holder = if holder.is_empty() { "it has just begun" } else { holder };
    Failure::new(format!(
        "another load {load} {} is running ({holder}), and nothing was changed: wait until it has ended, and run this load again. The lock ends with the process of that load, also if it is killed",
        lake.display()
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
