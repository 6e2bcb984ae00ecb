//! Files and directories that only their owner can read: their modes are 0600 and 0700, whatever the umask of the
//! process.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Creates a directory and its missing parents. An existing directory keeps its mode.
pub(super) fn directory(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Creates a directory and its missing parents. Returns the directories whose new entries must be synced to survive a power
/// cut.
pub(super) fn directory_to_sync(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let missing = path.ancestors().take_while(|ancestor| !ancestor.is_dir());
    let parents = missing.filter_map(Path::parent).map(Path::to_owned).collect();
    directory(path)?;
    Ok(parents)
}

/// Opens a file for writing. Creates it, or empties an existing one.
pub(super) fn file(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Opens a file for reading and writing, and creates it if it is missing.
pub(super) fn kept_file(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Creates a directory that is removed when the returned value is dropped.
pub(super) fn temporary() -> std::io::Result<TempDir> {
    tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir()
}

/// Sets the mode of a file or directory that other users can access, because earlier versions of this program created
/// such files. Does nothing if the path does not exist.
pub(super) fn restrict(path: &Path, mode: u32) -> std::io::Result<()> {
    match std::fs::metadata(path) {
        Ok(found) if found.permissions().mode() & 0o077 != 0 => {
            std::fs::set_permissions(path, Permissions::from_mode(mode))
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Replaces a file atomically and durably. The new file can be read by those who can read its directory.
pub(super) fn replace_like_directory(path: &Path, directory: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(directory)?;
    file.write_all(bytes)?;
    let mode = std::fs::metadata(directory)?.permissions().mode() & 0o666;
    std::fs::set_permissions(file.path(), Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(directory)?.sync_all()
}

/// Replaces a file atomically and durably: after a power cut the file has either its old or its new content.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = file(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}
