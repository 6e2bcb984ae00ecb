//! The files of the index of homes. They never change: a load adds a file, and merges files of similar sizes.
//!
//! The last line of a file marks its end. A file without it is being written, or the load that wrote it was stopped before it changed a
//! record, so nobody needs its rows.

use std::ops::Range;

use domain::clock::{Clock as _, SystemClock};
use domain::error::{Error, NO_FILE, Result};
use domain::ports::files::Files;
use futures_util::stream::StreamExt;
use storage::sorter::{Limits, Merged, PlainRow};

use super::row::patient_of;
use crate::Failure;
use crate::generation::{generation, is_abandoned};
use crate::home_files::{COMPLETE, SORTED, directory, names};
use crate::load::streams::Load;

/// The limits of the sorted runs from which a file is made.
pub(super) const LIMITS: Limits = Limits { run: 64 * 1024 * 1024, fan_in: 64 };
/// The last line of a file. It is greater than each row.
const END: &[u8] = b"~";
/// The file is written when the buffer has this many bytes.
const FLUSH: usize = 512 * 1024;

/// A complete file of sorted rows.
#[derive(Debug)]
pub(super) struct RowsFile {
    pub(super) key: String,
    /// The number of bytes of its rows.
    pub(super) bytes: u64,
}

/// The files of an index.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) files: Vec<RowsFile>,
    /// The names of the files without an end.
    unfinished: Vec<String>,
}

/// Lists the files of the index. Returns [`Error::NotFound`] if another load has merged some of them meanwhile.
pub(super) async fn list(files: &dyn Files) -> Result<Listed> {
    let mut listed = Listed::default();
    for name in names(files).await? {
        if name.starts_with(COMPLETE) {
            continue;
        }
        let key = format!("{}{name}", directory());
        match rows_of(files, &key, name.starts_with(SORTED)).await? {
            Some(bytes) => listed.files.push(RowsFile { key, bytes }),
            None => listed.unfinished.push(name),
        }
    }
    Ok(listed)
}

/// Returns the number of bytes of the rows in a file; `None` if it is not complete.
async fn rows_of(files: &dyn Files, key: &str, has_end: bool) -> Result<Option<u64>> {
    let size = files.size(key).await?.ok_or(NO_FILE)?;
    let end: &[u8] = if has_end { b"~\n" } else { b"\n" };
    let Some(begin) = size.checked_sub(end.len() as u64) else { return Ok(None) };
    let is_complete = read(files, key, begin..size).await? == end;
    Ok(is_complete.then_some(if has_end { begin } else { size }))
}

/// Reads a range of a file.
pub(super) async fn read(files: &dyn Files, key: &str, range: Range<u64>) -> Result<Vec<u8>> {
    let (mut bytes, mut pieces) = (Vec::new(), files.open(key, Some(range)).await?);
    while let Some(piece) = pieces.next().await {
        bytes.extend_from_slice(&piece?);
    }
    Ok(bytes)
}

pub(super) fn damaged() -> Error {
    Error::damaged(
        "the index of homes",
        "it is damaged: remove the directory index/homes of the lake, then run the load again",
    )
}

pub(super) async fn mark_complete(files: &dyn Files) -> Result<()> {
    let writer = files.create(&format!("{}{COMPLETE}{}", directory(), generation().0)).await?;
    writer.finish().await
}

/// Writes a file of rows.
pub(super) async fn write(
    load: &Load<'_>,
    files: &dyn Files,
    rows: &mut Merged<'_, PlainRow>,
) -> Result<(), Failure> {
    let key = format!("{}{SORTED}{}", directory(), generation().0);
    let written = write_to(load, files, &key, rows).await;
    if written.is_err() {
        // What is left of it is removed later.
        let _ = files.remove(&key).await;
    }
    written
}

async fn write_to(
    load: &Load<'_>,
    files: &dyn Files,
    key: &str,
    rows: &mut Merged<'_, PlainRow>,
) -> Result<(), Failure> {
    let (mut writer, mut buffer) = (files.create(key).await?, Vec::new());
    while let Some(PlainRow(row)) = rows.next().await? {
        // A file that is merged has an end.
        if row == END {
            continue;
        }
        patient_of(&row).ok_or_else(damaged)?;
        buffer.extend_from_slice(&row);
        buffer.push(b'\n');
        if buffer.len() >= FLUSH {
            load.check_interrupted()?;
            buffer = writer.write(buffer).await?;
        }
    }
    buffer.extend_from_slice(END);
    buffer.push(b'\n');
    writer.write(buffer).await?;
    Ok(writer.finish().await?)
}

/// Merges files of similar sizes if there are many of them, or all files.
pub(super) async fn merge(load: &Load<'_>, files: &dyn Files, all: bool) -> Result<(), Failure> {
    let Listed { files: mut found, unfinished } = match list(files).await {
        // Another load merges them.
        Err(Error::NotFound(_)) => return Ok(()),
        listed => listed?,
    };
    for name in unfinished {
        let generation = name.split_once('-').map_or("", |(_, generation)| generation);
        if is_abandoned(generation, SystemClock.now()) {
            files.remove(&format!("{}{name}", directory())).await?;
        }
    }
    found.sort_by_key(|file| file.bytes);
    let bytes: Vec<_> = found.iter().map(|file| file.bytes).collect();
    let count = if all { found.len() } else { to_merge(&bytes, load.sizes.files, load.sizes.small_file) };
    if count < 2 {
        return Ok(());
    }
    let keys = found.into_iter().take(count).map(|file| file.key).collect();
    let mut rows = match Merged::open(files, keys).await {
        Err(Error::NotFound(_)) => return Ok(()),
        rows => rows?,
    };
    write(load, files, &mut rows).await?;
    Ok(rows.remove().await?)
}

/// Returns how many of the smallest files are merged. `ascending` are their sizes. A file that is larger than all smaller ones together is
/// not merged with them. So a load with few rows does not write all rows again, and the number of files grows with the logarithm of their
/// size only.
fn to_merge(ascending: &[u64], few: usize, small: u64) -> usize {
    if ascending.len() <= few {
        return 0;
    }
    let (mut count, mut before) = (0, 0_u64);
    for (index, bytes) in ascending.iter().enumerate() {
        let bytes = (*bytes).max(small);
        if bytes <= before {
            count = index + 1;
        }
        before = before.saturating_add(bytes);
    }
    count
}

#[cfg(test)]
mod tests;
