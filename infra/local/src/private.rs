//! Files and directories that only their owner may read: they hold patients' records.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::Failure;

/// Mode of a file for its owner only.
pub(crate) const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

/// Makes a directory and those above it, mode 0700. One that exists keeps its mode.
pub(crate) fn create_directory(path: &Path) -> Result<(), Failure> {
    let made = DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path);
    made.map_err(|error| Failure::of_path(path, &error))
}

/// Makes or empties a file, mode 0600.
pub(crate) fn create(path: &Path) -> Result<File, Failure> {
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(path);
    opened.map_err(|error| Failure::of_path(path, &error))
}

/// Writes a whole file under another name first, so that it is never half there.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let beside = path.with_extension("new");
    let mut file = create(&beside)?;
    let written = file.write_all(content).and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|error| Failure::of_path(path, &error))
}
