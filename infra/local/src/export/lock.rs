//! The lock of an output directory. Two runs at the same time, such as two of a nightly job, would write the same files.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::{Failure, private};

/// The file name of the lock.
const LOCK: &str = ".ehi-export.lock";

/// The lock of a directory, until the value is dropped. The operating system releases it when the process ends, even if it is killed.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    path: PathBuf,
    /// The open file holds the lock.
    _file: File,
}

impl DirectoryLock {
    /// Creates the directory if it does not exist, and locks it.
    ///
    /// # Errors
    ///
    /// Another run has locked the directory.
    pub(crate) fn acquire(directory: &Path) -> Result<Self, Failure> {
        private::create_directory(directory)?;
        let path = directory.join(LOCK);
        loop {
            let broken = |error: std::io::Error| Failure::of_path(&path, &error);
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(private::FILE_MODE);
            let mut file = options.open(&path).map_err(broken)?;
            // Other errors are of file systems without locks. An export to them is possible nevertheless.
            if let Err(TryLockError::WouldBlock) = file.try_lock() {
                return Err(in_use(directory, &mut file));
            }
            if is_at(&path, &file)? {
                file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(broken)?;
                return Ok(Self { path, _file: file });
            }
        }
    }
}

impl Drop for DirectoryLock {
    /// Removes the file while it is still locked, so that no other run can have locked it.
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Returns whether the open file is still at the path. If the last run has removed it in the meantime, another run would lock a new file.
fn is_at(path: &Path, file: &File) -> Result<bool, Failure> {
    let broken = |error: std::io::Error| Failure::of_path(path, &error);
    let opened = file.metadata().map_err(broken)?;
    match std::fs::metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (opened.dev(), opened.ino())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(broken(error)),
    }
}

fn in_use(directory: &Path, file: &mut File) -> Failure {
    let mut owner = String::new();
    let _ = file.read_to_string(&mut owner);
    Failure::new(format!(
        "{} is in use by another export (process {}): wait until it has ended, or choose another directory",
        directory.display(),
        owner.trim()
    ))
}
