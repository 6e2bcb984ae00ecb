//! The lock of an output directory. Two runs at the same time, such as two of a nightly job, would write the same files.

use std::path::Path;

use crate::file_lock::{Attempt, FileLock};
use crate::{Failure, private};

/// The file name of the lock.
const LOCK: &str = ".ehi-export.lock";

/// Creates the directory if it does not exist, and locks it until the returned value is dropped. A file system without locks is accepted.
///
/// # Errors
///
/// Another run has locked the directory.
pub(crate) fn lock(directory: &Path) -> Result<FileLock, Failure> {
    private::create_directory(directory)?;
    let process = std::process::id().to_string();
    match FileLock::attempt(&directory.join(LOCK), private::FILE_MODE, &process)? {
        Attempt::Locked(lock) => Ok(lock),
        Attempt::InUse(process) => Err(Failure::new(format!(
            "{} is in use by another export (process {process}): wait until it has ended, or choose another directory",
            directory.display()
        ))),
    }
}
