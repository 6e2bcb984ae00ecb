//! The files and directories of a lake.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use domain::error::{Error, Result};
use domain::ports::records::{BLOCK, Part, Parts};
use flate2::read::MultiGzDecoder;
use jiff::Timestamp;
use storage::layout::{DOCUMENTS, Directory, PATIENTS};

/// Returns the files of a patient, whose directory is `path`.
pub(super) fn parts_of(root: &Path, path: &Path) -> Result<Parts> {
    let mut records = files_in(root, path, Directory::Record)?;
    let files = path.join(DOCUMENTS);
    if files.is_dir() {
        records.retain(|part| part.name != DOCUMENTS);
    }
    Ok(Parts { records, documents: files_in(root, &files, Directory::Documents)? })
}

/// Returns the entries of a directory that are listed, in the order of their names. An entry that is not a regular file
/// has 0 bytes here, and reading it returns [`Error::Damaged`]. So an export names it, and never waits for it.
pub(super) fn files_in(root: &Path, path: &Path, directory: Directory) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for entry in entries(root, path)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let found = entry.metadata()?;
        if directory.lists(&name, found.is_file() && found.len() == 0) {
            let bytes = if found.is_file() { found.len() } else { 0 };
            parts.push(Part { name, bytes, changed: changed(&found) });
        }
    }
    parts.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(parts)
}

/// Returns the entries of a directory. If the directory is missing but the lake is not, there are none.
pub(super) fn entries(
    root: &Path,
    path: &Path,
) -> Result<impl Iterator<Item = std::io::Result<std::fs::DirEntry>> + use<>> {
    match std::fs::read_dir(path) {
        Ok(entries) => Ok(Some(entries).into_iter().flatten()),
        Err(error) if is_missing(&error) => check_lake(root).map(|()| None.into_iter().flatten()),
        Err(error) => Err(error.into()),
    }
}

/// Returns [`Error::Unavailable`] if the lake has no directory `Patient`. Such a lake is not mounted or was moved, which
/// is not the same as an empty lake.
pub(super) fn check_lake(root: &Path) -> Result<()> {
    match std::fs::metadata(root.join(PATIENTS)) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(Error::unavailable("'Patient' in the records directory is not a directory")),
        Err(error) if is_missing(&error) => {
            Err(Error::unavailable(format!("{} has no directory 'Patient'", root.display())))
        }
        Err(error) => Err(error.into()),
    }
}

/// Returns whether an entry is a directory or a symbolic link to one. (A symbolic link to a file is not read.)
pub(super) fn is_directory(entry: &std::fs::DirEntry) -> Result<bool> {
    let kind = entry.file_type()?;
    Ok(kind.is_dir() || kind.is_symlink() && entry.path().is_dir())
}

/// Returns when a file was written or moved to its place, whichever is later. A copy may keep the modification time of
/// its original, so the modification time alone is not enough.
fn changed(found: &std::fs::Metadata) -> Option<Timestamp> {
    let moved = Timestamp::new(found.ctime(), i32::try_from(found.ctime_nsec()).ok()?).ok()?;
    let written = found.modified().ok().and_then(|at| Timestamp::try_from(at).ok());
    Some(written.map_or(moved, |written| written.max(moved)))
}

/// Returns whether an entry is a regular file without bytes.
pub(super) fn is_empty(entry: &std::fs::DirEntry) -> Result<bool> {
    Ok(entry.file_type()?.is_file() && entry.metadata()?.len() == 0)
}

pub(super) fn is_missing(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Opens a file, and decompresses it if `compressed` is set. `file` is its path below the root of the lake. Returns
/// [`Error::Damaged`] if it is not a regular file, because reading a pipe could wait forever.
pub(super) fn open(path: &Path, file: &str, compressed: bool) -> Result<Box<dyn Read + Send>> {
    let kind = std::fs::symlink_metadata(path)?.file_type();
    if !kind.is_file() {
        let what = match kind {
            kind if kind.is_dir() => "a directory",
            kind if kind.is_symlink() => "a symbolic link",
            _ => "a pipe, socket or device",
        };
        return Err(Error::damaged(file, format!("it is {what}, and only regular files are read")));
    }
    let source = File::open(path)?;
    if compressed {
        Ok(Box::new(MultiGzDecoder::new(BufReader::with_capacity(BLOCK / 4, source))))
    } else {
        Ok(Box::new(source))
    }
}
