//! The last step of a load: the new files get their final names, and the old ones are removed.
//!
//! All new files are complete before the first change of the lake. A load that fails or is interrupted before that changes no record. If
//! the program is stopped between two changes, resources that move from one record to another could be in neither of them. So the changes
//! are first written to a list, and the next load completes the list of a load that was stopped.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::Failure;

/// The beginning of the name of a load's temporary directory.
pub(super) const TEMPORARY: &str = ".load-";
/// The complete list of changes, in the temporary directory of a load.
const LIST: &str = "changes";
/// The number of new files in one directory.
const FILES_EACH: u64 = 4_096;

/// The changes that a load will make. Paths cannot contain a NUL byte, so it separates them in the list.
pub(super) struct Changes<'l> {
    /// The temporary directory of the load.
    directory: &'l Path,
    /// The number of new files.
    files: AtomicU64,
    list: Mutex<BufWriter<File>>,
    /// Whether the new files must survive a power cut, because the next load would complete the list.
    is_durable: bool,
}

impl<'l> Changes<'l> {
    pub(super) fn new(directory: &'l Path, is_durable: bool) -> Result<Self, Failure> {
        let path = directory.join("changes.part");
        let list = File::create(&path).map_err(|error| Failure::of_path(&path, &error))?;
        Ok(Self { directory, files: AtomicU64::new(0), list: Mutex::new(BufWriter::new(list)), is_durable })
    }

    /// Returns the path of the next new file, in an existing directory.
    pub(super) fn new_file(&self) -> Result<PathBuf, Failure> {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        let directory = self.directory.join(format!("new-{}", number / FILES_EACH));
        std::fs::create_dir_all(&directory).map_err(|error| Failure::of_path(&directory, &error))?;
        Ok(directory.join(number.to_string()))
    }

    /// Gives a new file its final name, and replaces the file that has this name.
    pub(super) fn place(&self, new: &Path, path: &Path) -> Result<(), Failure> {
        self.push([new, path, Path::new("")])
    }

    /// Gives a file of the lake another name. `before` is the new file that gets its name, if there is one: when that is in its place,
    /// the name belongs to the new file.
    pub(super) fn set_aside(&self, path: &Path, name: &Path, before: Option<&Path>) -> Result<(), Failure> {
        self.push([path, name, before.unwrap_or(Path::new(""))])
    }

    /// Removes a file of the lake, or a directory if it is empty then.
    pub(super) fn remove(&self, path: &Path) -> Result<(), Failure> {
        self.push([path, Path::new(""), Path::new("")])
    }

    fn push(&self, paths: [&Path; 3]) -> Result<(), Failure> {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        for path in paths {
            let written = list.write_all(path.as_os_str().as_bytes()).and_then(|()| list.write_all(&[0]));
            written.map_err(|error| Failure::of_path(path, &error))?;
        }
        Ok(())
    }

    /// Makes the changes.
    pub(super) fn make(self) -> Result<(), Failure> {
        self.make_after(sync_file_system)
    }

    /// Makes the changes after `sync` has written the file system of a directory to the disk.
    fn make_after(self, sync: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<(), Failure> {
        let (part, path) = (self.directory.join("changes.part"), self.directory.join(LIST));
        let list = self.list.into_inner().unwrap_or_else(PoisonError::into_inner);
        let complete = || {
            drop(list.into_inner().map_err(std::io::IntoInnerError::into_error)?);
            if self.is_durable {
                sync(self.directory)?;
            }
            std::fs::rename(&part, &path)?;
            if self.is_durable { File::open(self.directory)?.sync_all() } else { Ok(()) }
        };
        complete().map_err(|error| Failure::of_path(&path, &error))?;
        make(&path)
    }
}

/// Writes all files of the file system of a directory to the disk. There can be a new file for each patient, and one such call takes less
/// time than one for each file.
fn sync_file_system(directory: &Path) -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(File::open(directory)?)?;
    #[cfg(not(target_os = "linux"))]
    {
        let _ = directory;
        rustix::fs::sync();
    }
    Ok(())
}

/// Returns whether the list of changes in a temporary directory is complete, so that the next load makes them.
pub(super) fn is_listed(directory: &Path) -> bool {
    directory.join(LIST).is_file()
}

/// Completes the changes of loads that were stopped. Returns their number.
pub(super) fn complete(into: &Path) -> Result<u64, Failure> {
    let entries = match std::fs::read_dir(into) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        entries => entries.map_err(|error| Failure::of_path(into, &error))?,
    };
    let mut completed = 0;
    for entry in entries {
        let entry = entry.map_err(|error| Failure::of_path(into, &error))?;
        let directory = entry.path();
        if is_pending(&directory)? {
            make(&directory.join(LIST))?;
            std::fs::remove_dir_all(&directory).map_err(|error| Failure::of_path(&directory, &error))?;
            completed += 1;
        }
    }
    Ok(completed)
}

/// Returns whether a load into this directory was stopped before it had made all of its changes.
pub(super) fn has_pending(lake: &Path) -> Result<bool, Failure> {
    let entries = std::fs::read_dir(lake).map_err(|error| Failure::of_path(lake, &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| Failure::of_path(lake, &error))?;
        if is_pending(&entry.path())? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns whether this is the directory of a load that has a list of changes. A directory of another user that cannot be read is an error,
/// because it may have one.
fn is_pending(directory: &Path) -> Result<bool, Failure> {
    let is_temporary =
        directory.file_name().is_some_and(|name| name.as_bytes().starts_with(TEMPORARY.as_bytes()));
    if !is_temporary {
        return Ok(false);
    }
    let list = directory.join(LIST);
    match std::fs::symlink_metadata(&list) {
        Ok(found) => Ok(found.is_file()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(Failure::of_path(&list, &error)),
    }
}

/// Makes the changes of a list. A change that was made before is skipped.
fn make(list: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::of_path(list, &error);
    let mut changes = BufReader::new(File::open(list).map_err(failed)?);
    let mut next = || -> std::io::Result<Option<PathBuf>> {
        let mut path = Vec::new();
        let read = changes.read_until(0, &mut path)?;
        path.pop();
        Ok((read > 0).then(|| PathBuf::from(std::ffi::OsString::from_vec(path))))
    };
    while let (Some(from), Some(to), Some(before)) =
        (next().map_err(failed)?, next().map_err(failed)?, next().map_err(failed)?)
    {
        let named = if to == Path::new("") { &from } else { &to };
        change(&from, &to, &before).map_err(|error| Failure::of_path(named, &error))?;
    }
    Ok(())
}

fn change(from: &Path, to: &Path, before: &Path) -> std::io::Result<()> {
    let none = Path::new("");
    if to == none {
        return match std::fs::remove_file(from) {
            // The directory stays if it has documents.
            Err(_) if from.is_dir() => std::fs::remove_dir(from).or(Ok(())),
            removed => unless_missing(removed),
        };
    }
    if before != none && !before.exists() {
        return Ok(());
    }
    if let Some(directory) = to.parent() {
        std::fs::create_dir_all(directory)?;
    }
    unless_missing(std::fs::rename(from, to))
}

fn unless_missing(done: std::io::Result<()>) -> std::io::Result<()> {
    match done {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests;
