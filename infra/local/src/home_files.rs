//! The names of the files of the index of homes in a lake, which [`load`](crate::load) writes.

use domain::error::Result;
use domain::ports::files::Files;
use storage::layout::INDEX;

/// The empty file that marks a complete index.
pub(crate) const COMPLETE: &str = "complete-";
/// A file of sorted rows.
pub(crate) const SORTED: &str = "sorted-";
/// A file of sorted rows that an earlier version of the program wrote. It has no line that marks its end.
pub(crate) const ROWS: &str = "rows-";

/// Returns the directory of the index in a lake.
pub(crate) fn directory() -> String {
    format!("{INDEX}/homes/")
}

/// Makes the index incomplete, because another program may have written records. The next load makes it again.
pub(crate) async fn forget(files: &dyn Files) -> Result<()> {
    for name in names(files).await?.iter().filter(|name| name.starts_with(COMPLETE)) {
        files.remove(&format!("{}{name}", directory())).await?;
    }
    Ok(())
}

/// Returns whether there are rows for all resources of the records.
pub(crate) async fn is_complete(files: &dyn Files) -> Result<bool> {
    Ok(names(files).await?.iter().any(|name| name.starts_with(COMPLETE)))
}

/// Returns the names of the files of the index.
pub(crate) async fn names(files: &dyn Files) -> Result<Vec<String>> {
    let mut names = files.list(&directory()).await?;
    names.retain(|name| [COMPLETE, SORTED, ROWS].iter().any(|kind| name.starts_with(kind)));
    names.sort();
    Ok(names)
}
