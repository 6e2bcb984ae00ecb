//! The files of the index of homes in a lake, which [`load`](crate::load) writes.

use domain::ports::files::Files;
use storage::layout::INDEX;

use crate::Failure;

/// The empty file that marks a complete index.
pub(crate) const COMPLETE: &str = "complete-";
/// A file of rows.
pub(crate) const ROWS: &str = "rows-";

/// Returns the directory of the index in a lake.
pub(crate) fn directory() -> String {
    format!("{INDEX}/homes/")
}

/// Returns whether there are rows for all resources of the records.
pub(crate) fn is_complete(names: &[String]) -> bool {
    names.iter().any(|name| name.starts_with(COMPLETE))
}

/// Makes the index incomplete, because another program may have written records. The next load makes it again.
pub(crate) async fn forget(files: &dyn Files) -> Result<(), Failure> {
    for name in names(files).await?.iter().filter(|name| name.starts_with(COMPLETE)) {
        files.remove(&format!("{}{name}", directory())).await?;
    }
    Ok(())
}

/// Returns the names of the files of the index.
pub(crate) async fn names(files: &dyn Files) -> Result<Vec<String>, Failure> {
    let mut names = files.list(&directory()).await?;
    names.retain(|name| name.starts_with(COMPLETE) || name.starts_with(ROWS));
    names.sort();
    Ok(names)
}
