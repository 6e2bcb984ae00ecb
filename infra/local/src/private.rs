//! Files and directories that only their owner may read, because they contain patients' records.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::Failure;

/// The mode of a file that only its owner may read and write.
pub(crate) const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

/// Creates a directory and its missing parents with mode 0700. An existing directory keeps its mode.
pub(crate) fn create_directory(path: &Path) -> Result<(), Failure> {
    let made = DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path);
    made.map_err(|error| Failure::of_path(path, &error))
}

/// Creates a file with mode 0600, or empties an existing one.
pub(crate) fn create(path: &Path) -> Result<File, Failure> {
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(path);
    opened.map_err(|error| Failure::of_path(path, &error))
}

/// Opens a file with mode 0600 to write at its end, or empties it. Creates a missing one.
pub(crate) fn open(path: &Path, is_continued: bool) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).append(is_continued).truncate(!is_continued).mode(FILE_MODE);
    options.open(path).map_err(|error| Failure::of_path(path, &error))
}

/// Replaces a file atomically: writes the content under another name, and then renames it.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let temporary = path.with_extension("new");
    let mut file = create(&temporary)?;
    let written = file.write_all(content).and_then(|()| std::fs::rename(&temporary, path));
    written.map_err(|error| Failure::of_path(path, &error))
}
