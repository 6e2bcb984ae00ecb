//! The state directory of a server: its lock and its keys.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use domain::clock::Random;
use domain::error::{Error, Result};
use security::keys::{Keys, StoredKeys};

use crate::private;

/// Creates the state directory if it is missing, and locks it for this process.
pub(super) fn open(state: &Path) -> Result<File> {
    let named =
        |error: std::io::Error| Error::invalid(format!("the state directory {}: {error}", state.display()));
    private::directory(state).map_err(named)?;
    for (name, mode) in [
        ("files", 0o700),
        ("state.sqlite", 0o600),
        ("state.sqlite-wal", 0o600),
        ("state.sqlite-shm", 0o600),
        ("keys.json", 0o600),
    ] {
        private::restrict(&state.join(name), mode).map_err(named)?;
    }
    lock(state)
}

/// Locks the directory until the returned file is closed. The operating system releases the lock when the process ends,
/// even if it is killed.
fn lock(state: &Path) -> Result<File> {
    let mut file = private::kept_file(&state.join("lock"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            file.read_to_string(&mut owner)?;
            return Err(Error::invalid(format!(
                "the state directory {} is in use by process {}; stop that process, or use another --state",
                state.display(),
                owner.trim()
            )));
        }
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{}", std::process::id())?;
    Ok(file)
}

/// Reads the keys. Returns `None` if there are none yet.
pub(super) fn read_keys(path: &Path) -> Result<Option<Keys>> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::invalid(format!("cannot read {}: {error}", path.display()))),
    };
    let keys = serde_json::from_slice::<StoredKeys>(&text).ok().and_then(|stored| Keys::new(&stored).ok());
    keys.map(Some).ok_or_else(|| {
        Error::invalid(format!(
            "{} is empty or damaged: restore it from a backup, or delete it; the server then makes new keys, and all tokens and sessions of the old keys end",
            path.display()
        ))
    })
}

/// Reads the keys, or generates and stores them if there are none.
pub(super) fn keys(path: &Path, random: &dyn Random) -> Result<Keys> {
    if let Some(keys) = read_keys(path)? {
        return Ok(keys);
    }
    let stored = StoredKeys::generate(random)?;
    private::replace(path, &serde_json::to_vec(&stored)?)?;
    Keys::new(&stored)
}

#[cfg(test)]
mod tests;
