//! Reads the index of patients in a directory, and replaces it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use domain::error::{Result, Store};
use domain::ports::files::checked_key;
use storage::layout::INDEX;

use crate::blocking::blocking;
use crate::lake::is_missing;

/// See [`Records::index`](domain::ports::records::Records::index).
pub(super) async fn read(root: &Path, file: &str, range: Option<Range<u64>>) -> Result<Option<Vec<u8>>> {
    let path = root.join(checked_key(&format!("{INDEX}/{file}"))?);
    blocking(Store::Records, move || {
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let range = range.unwrap_or(0..u64::MAX);
        file.seek(SeekFrom::Start(range.start))?;
        let mut bytes = Vec::new();
        file.take(range.end.saturating_sub(range.start)).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    })
    .await
}
