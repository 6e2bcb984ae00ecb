//! A lock of the operating system on a file. It ends with the process that holds it, even if that is killed.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::Failure;

/// The maximum number of bytes of the holder's text that are read.
const MAX_TEXT: u64 = 300;

/// The lock of a file, until the value is dropped. The file has a text about the holder.
#[derive(Debug)]
pub(crate) struct FileLock {
    path: PathBuf,
    /// The open file holds the lock.
    _file: File,
    /// Why the file is not locked, if its file system has no locks.
    unsupported: Option<String>,
}

/// The result of an attempt to lock a file.
#[derive(Debug)]
pub(crate) enum Attempt {
    Locked(FileLock),
    /// Another process has locked the file. The text is that of the holder; it is empty if the holder has not written it yet.
    InUse(String),
}

impl FileLock {
    /// Creates the file with this mode if it does not exist, locks it without waiting, and writes the text about the holder.
    pub(crate) fn attempt(path: &Path, mode: u32, holder: &str) -> Result<Attempt, Failure> {
        loop {
            let broken = |error: std::io::Error| Failure::of_path(path, &error);
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(mode);
            let mut file = options.open(path).map_err(broken)?;
            let unsupported = match file.try_lock() {
                Ok(()) => None,
                Err(TryLockError::WouldBlock) => return Ok(Attempt::InUse(text_of(&mut file))),
                // The other errors are of file systems without locks.
                Err(TryLockError::Error(error)) => Some(error.to_string()),
            };
            if is_at(path, &file)? {
                // Only the owner of the file can change its mode, and has done so before.
                let _ = file.set_permissions(Permissions::from_mode(mode));
                file.set_len(0).and_then(|()| writeln!(file, "{holder}")).map_err(broken)?;
                return Ok(Attempt::Locked(Self { path: path.to_owned(), _file: file, unsupported }));
            }
        }
    }

    /// Returns why the file is not locked, if its file system has no locks.
    pub(crate) fn unsupported(&self) -> Option<&str> {
        self.unsupported.as_deref()
    }
}

impl Drop for FileLock {
    /// Removes the file while it is still locked, so that no other process can have locked it.
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Returns whether the open file is still at the path. If the last holder has removed it in the meantime, another process would lock a new
/// file.
fn is_at(path: &Path, file: &File) -> Result<bool, Failure> {
    let broken = |error: std::io::Error| Failure::of_path(path, &error);
    let opened = file.metadata().map_err(broken)?;
    match std::fs::metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (opened.dev(), opened.ino())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(broken(error)),
    }
}

/// Returns the text about the holder. It is shown on a terminal, and another user may have written it, so it has no control characters.
fn text_of(file: &mut File) -> String {
    let mut text = Vec::new();
    let _ = file.take(MAX_TEXT).read_to_end(&mut text);
    String::from_utf8_lossy(&text).trim().chars().filter(|letter| !letter.is_control()).collect()
}
