//! The mark of a lake whose index of patients must be renewed.
//!
//! A load sets the mark before it changes the first record, and the renewal of the index removes it. If the load is stopped between them,
//! the next load finds the mark and renews the whole index, because it is unknown which records the stopped load has changed.

use domain::error::{Error, Result};
use domain::ports::files::{Files, read_all};
use storage::layout::INDEX;

use crate::generation::generation;

/// The maximum number of bytes of the file.
const MAX_BYTES: usize = 1024;

/// Returns the directory of the mark in a lake.
pub(crate) fn directory() -> String {
    format!("{INDEX}/renewal")
}

fn key() -> String {
    format!("{}/needed", directory())
}

/// Marks that records will be changed. Each load writes another text.
pub(crate) async fn set(files: &dyn Files) -> Result<()> {
    let mut writer = files.create(&key()).await?;
    writer.write(generation().0.into_bytes()).await?;
    writer.finish().await
}

/// Returns the text of the mark; `None` if the index is up to date.
pub(crate) async fn mark(files: &dyn Files) -> Result<Option<Vec<u8>>> {
    match read_all(files, &key(), MAX_BYTES).await {
        Ok(text) => Ok(Some(text)),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes the mark that was there when a renewal began. If a load has set another one meanwhile, that one stays.
pub(crate) async fn remove(files: &dyn Files, before: Option<&[u8]>) -> Result<()> {
    if before.is_some() && mark(files).await?.as_deref() == before {
        files.remove(&key()).await?;
    }
    Ok(())
}
