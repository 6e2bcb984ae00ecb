//! A lock of the operating system on a file. It ends with the process that holds it, even if that is killed.

use std::fs::{File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, OFlags, flock};

use crate::Failure;

/// The maximum number of bytes of the holder's text that are read.
const MAX_TEXT: u64 = 300;

/// The lock of a file, until the value is dropped. The file has a text about the holder.
#[derive(Debug)]
pub(crate) struct FileLock {
    path: PathBuf,
    /// The open file, which holds the lock; `None` if it cannot be created.
    file: Option<File>,
    is_shared: bool,
    /// Why the file is not locked, although another process might lock it.
    unlocked: Option<String>,
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
        Self::lock(path, mode, holder, false).map_err(|error| Failure::of_path(path, &error))
    }

    /// Locks the file in the same way against [`FileLock::attempt`] only: several processes can do this at the same time. If this process
    /// cannot create the file, there is no lock.
    pub(crate) fn attempt_shared(path: &Path, mode: u32, holder: &str) -> Result<Attempt, Failure> {
        let mut attempt = Self::lock(path, mode, holder, true);
        if let Ok(Attempt::InUse(_)) = attempt {
            // The last of the others may just be removing the file.
            std::thread::sleep(Duration::from_millis(20));
            attempt = Self::lock(path, mode, holder, true);
        }
        attempt.map_err(|error| Failure::of_path(path, &error))
    }

    fn lock(path: &Path, mode: u32, holder: &str, is_shared: bool) -> std::io::Result<Attempt> {
        let locked =
            |file, unlocked| Attempt::Locked(Self { path: path.to_owned(), file, is_shared, unlocked });
        loop {
            let mut file = match open(path, mode, is_shared) {
                Ok(Some(file)) => file,
                Ok(None) => continue,
                // Nobody can lock a file of a file system that is read-only.
                Err(error) if is_shared && error.kind() == ErrorKind::ReadOnlyFilesystem => {
                    return Ok(locked(None, None));
                }
                Err(error) if is_shared && error.kind() == ErrorKind::PermissionDenied => {
                    return Ok(locked(None, Some(error.to_string())));
                }
                Err(error) => return Err(error),
            };
            let tried = if is_shared { file.try_lock_shared() } else { file.try_lock() };
            let unlocked = match tried {
                Ok(()) => None,
                Err(TryLockError::WouldBlock) => return Ok(Attempt::InUse(text_of(&mut file))),
                // The other errors are of file systems without locks.
                Err(TryLockError::Error(error)) => Some(error.to_string()),
            };
            if is_at(path, &file)? {
                match file.set_len(0).and_then(|()| writeln!(file, "{holder}")) {
                    // This process may have opened the file only for reading.
                    Err(error) if !is_shared => return Err(error),
                    _ => return Ok(locked(Some(file), unlocked)),
                }
            }
        }
    }

    /// Returns why the file is not locked, although another process might lock it: its file system has no locks, or this process must not
    /// create files there.
    pub(crate) fn unlocked(&self) -> Option<&str> {
        self.unlocked.as_deref()
    }
}

impl Drop for FileLock {
    /// Removes the file while it is still locked, so that no other process can have locked it.
    fn drop(&mut self) {
        let Some(file) = &self.file else { return };
        // The last process that reads removes the file. It has the only lock then.
        if self.is_shared && flock(file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return;
        }
        // If somebody removed the file, the one at its path belongs to another process.
        if !is_at(&self.path, file).unwrap_or(false) {
            return;
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Opens a lock file, which is created with this mode if it does not exist. Returns `None` if the last holder removes it meanwhile. A shared
/// lock needs no permission to write to an existing file.
///
/// Another user may be able to write to the directory, so a file that is also elsewhere is not changed.
fn open(path: &Path, mode: u32, is_shared: bool) -> std::io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    match options.clone().create_new(true).mode(mode).open(path) {
        Ok(file) => {
            // The mode does not depend on the mask of this process. Some file systems have no modes.
            let _ = file.set_permissions(Permissions::from_mode(mode));
            return Ok(Some(file));
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let Some(found) = unless_missing(std::fs::symlink_metadata(path))? else { return Ok(None) };
    check(&found)?;
    let opened = match options.open(path) {
        Err(error)
            if is_shared
                && matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) =>
        {
            options.write(false).open(path)
        }
        opened => opened,
    };
    let Some(file) = unless_missing(opened)? else { return Ok(None) };
    check(&file.metadata()?)?;
    Ok(Some(file))
}

fn unless_missing<T>(found: std::io::Result<T>) -> std::io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

/// Refuses a file that has another name, or is not a regular file. A file that was removed has no name.
fn check(found: &Metadata) -> std::io::Result<()> {
    if found.is_file() && found.nlink() <= 1 {
        return Ok(());
    }
    Err(std::io::Error::other(
        "this is the name of a lock, but it is a link, has a second name or is not a regular file, so nothing was changed: find out who created it, and remove it",
    ))
}

/// Returns whether the open file is still at the path. If the last holder has removed it in the meantime, another process would lock a new
/// file.
fn is_at(path: &Path, file: &File) -> std::io::Result<bool> {
    let (opened, found) = (file.metadata()?, unless_missing(std::fs::symlink_metadata(path))?);
    Ok(found.is_some_and(|found| (found.dev(), found.ino()) == (opened.dev(), opened.ino())))
}

/// Returns the text about the holder. It is shown on a terminal, and another user may have written it, so it has no control characters.
fn text_of(file: &mut File) -> String {
    let mut text = Vec::new();
    let _ = file.take(MAX_TEXT).read_to_end(&mut text);
    String::from_utf8_lossy(&text).trim().chars().filter(|letter| !letter.is_control()).collect()
}

#[cfg(test)]
mod tests;
