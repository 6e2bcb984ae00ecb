//! Lists the deletions of an export again, without the resources that other chunks have read: a resource in `deleted` must not be in
//! `output` as well (Bulk Data 3.0, `deleted`). A chunk knows only the deletions of its own patients, so a resource that moved from one
//! patient to another may be listed by the chunk of the first one and exported by that of the second one.
//!
//! This is a stage after all other chunks. It is needed only if a chunk has read a resource that may be listed as deleted; and for an export
//! whose manifest is read while it runs, because what it has listed cannot be taken back. It sorts the keys in bounded memory.

use domain::chunk::{Covered, Purpose, Work};
use domain::error::{Error, Result};
use domain::ids::JobId;
use domain::lines::{Lines, StreamReader};
use domain::pack::Location;
use domain::ports::files::Files;
use domain::ports::queue::Deadline;
use serde::Deserialize;
use storage::packs;
use storage::sorter::{Limits, Row, Sorter};

use crate::Generator;
use crate::plan::WINDOW;
use crate::writer::ChunkWriter;

/// The number of deletions that are written at once.
const AT_ONCE: usize = 10_000;

/// A key that is listed as deleted, or that a chunk has read. In sorted order, the latter comes first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    key: String,
    is_listed: bool,
}

impl Row for Key {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.key.len()
    }

    fn replaces(&self, before: &Self) -> bool {
        self == before
    }

    fn write(&self, buffer: &mut Vec<u8>) -> Result<()> {
        Ok(serde_json::to_writer(buffer, &(&self.key, self.is_listed))?)
    }

    fn read(line: &[u8]) -> Result<Self> {
        let (key, is_listed) = serde_json::from_slice(line)?;
        Ok(Self { key, is_listed })
    }
}

/// A Bundle of deletions.
#[derive(Deserialize)]
struct Bundle {
    entry: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    request: Request,
}

#[derive(Deserialize)]
struct Request {
    url: String,
}

/// Which chunks are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Relist<'w> {
    /// Those with smaller indexes are in the sorted files `runs`.
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) runs: &'w [String],
}

impl Generator {
    /// Writes the deletions that the chunks with indexes before `to` have listed. If the time is over before all of them are read, it writes
    /// nothing and returns the rest of the work.
    pub(crate) async fn relist(
        &self,
        id: &JobId,
        writer: &mut ChunkWriter<'_>,
        relist: Relist<'_>,
        deadline: &dyn Deadline,
    ) -> Result<Option<Work>> {
        let Relist { from, to, runs } = relist;
        let (files, prefix) = (&*self.files, writer.sort_prefix());
        let mut sorter = Sorter::resume(files, &prefix, Limits::default(), runs.to_vec());
        for from in (from..to).step_by(WINDOW as usize) {
            let end = to.min(from + WINDOW);
            let results = self.jobs.results(id, from..end).await?;
            for stored in
                results.into_iter().filter(|stored| !matches!(stored.covered, Covered::Merge { .. }))
            {
                for file in stored.result.files.iter().filter(|file| file.purpose == Purpose::Deleted) {
                    push_listed(files, &file.location(), &mut sorter).await?;
                }
                if let Some(existing) = &stored.result.existing {
                    push_existing(files, existing, &mut sorter).await?;
                }
            }
            // The last part writes, and has a whole invocation for that.
            if deadline.is_near(self.clock.now()) {
                return Ok(Some(Work::Relist { to, from: end, runs: sorter.pause().await? }));
            }
        }
        let mut merged = sorter.finish().await?;
        let (mut there, mut keys) = (None, Vec::new());
        while let Some(Key { key, is_listed }) = merged.next().await? {
            if !is_listed {
                there = Some(key);
            } else if there.as_ref() != Some(&key) {
                keys.push(key);
            }
            if keys.len() == AT_ONCE {
                writer.deleted(&keys).await?;
                keys.clear();
            }
        }
        writer.deleted(&keys).await?;
        // Another attempt at this part needs the files of earlier parts. They are removed with the export.
        if runs.is_empty() {
            merged.remove().await?;
        }
        Ok(None)
    }
}

/// Adds the keys of a file of Bundles.
async fn push_listed(files: &dyn Files, file: &Location, sorter: &mut Sorter<'_, Key>) -> Result<()> {
    let mut lines = Lines::new(Box::new(StreamReader(packs::open(files, file, None).await?)));
    while let Some(line) = lines.next().await? {
        let text = line.text.ok_or_else(|| Error::internal("a Bundle of deletions is too long"))?;
        let bundle: Bundle = serde_json::from_slice(text)?;
        for Entry { request: Request { url } } in bundle.entry {
            sorter.push(Key { key: url, is_listed: true }).await?;
        }
    }
    Ok(())
}

/// Adds the keys of a file of [`crate::existing`].
async fn push_existing(files: &dyn Files, file: &Location, sorter: &mut Sorter<'_, Key>) -> Result<()> {
    let mut lines = Lines::new(Box::new(StreamReader(packs::open(files, file, None).await?)));
    while let Some(line) = lines.next().await? {
        let key = line.text.and_then(|text| std::str::from_utf8(text).ok());
        let key = key.ok_or_else(|| Error::internal("a key of an existing resource is damaged"))?;
        sorter.push(Key { key: key.to_owned(), is_listed: false }).await?;
    }
    Ok(())
}
