//! Compares the versions of resources that are in several files outside the patients' records, for a system-level export: the files
//! of `shared/`, and the Group resources. Only the most recent version is exported, as in one file ([`crate::versions`]): by
//! `meta.lastUpdated`, and among equal times that of the last file, the Groups after `shared/`. If one version is refused by a
//! label, all of them are.
//!
//! Each of these files is exported by a chunk of its own, which does not read the others. So the plan reads all of them once, and
//! sorts the keys of their resources in bounded memory. It writes a list for each file with resources that other files have as
//! well. Nearly every lake has none, and then nothing is written. [`crate::elsewhere`] reads the lists.

use std::mem;

use domain::error::{Error, Result};
use domain::filter::{Filter, Resource};
use domain::lines::Lines;
use domain::ports::files::{FileWriter, Files, write_all};
use domain::ports::records::{Area, Records, read_whole};
use fhir::MAX_LINE;
use fhir::head::Plain;
use fhir::json::compact;
use storage::sorter::{Limits, Row, Sorter};

use crate::elsewhere::{Index, Listed, comparable_key, list_key};
use crate::versions::{changed, written_id};

/// A list is written when its buffer has this many bytes.
const FLUSH: usize = 512 * 1024;

/// A version of a resource. In sorted order, the versions of one resource are adjacent, and among them those of one file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    key: String,
    /// The number of the file.
    file: u32,
    /// `meta.lastUpdated` in microseconds.
    changed: i64,
    is_refused: bool,
}

impl Row for Found {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.key.len()
    }

    fn replaces(&self, before: &Self) -> bool {
        self == before
    }

    fn write(&self, buffer: &mut Vec<u8>) -> Result<()> {
        Ok(serde_json::to_writer(buffer, &(&self.key, self.file, self.changed, self.is_refused))?)
    }

    fn read(line: &[u8]) -> Result<Self> {
        let (key, file, changed, is_refused) = serde_json::from_slice(line)?;
        Ok(Self { key, file, changed, is_refused })
    }
}

/// An entry of the list of a file. In sorted order, the entries of one file are adjacent, in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    file: u32,
    listed: Listed,
}

impl Row for Entry {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.listed.key.len()
    }

    fn replaces(&self, before: &Self) -> bool {
        self == before
    }

    fn write(&self, buffer: &mut Vec<u8>) -> Result<()> {
        Ok(serde_json::to_writer(buffer, &(self.file, &self.listed))?)
    }

    fn read(line: &[u8]) -> Result<Self> {
        let (file, listed) = serde_json::from_slice(line)?;
        Ok(Self { file, listed })
    }
}

/// A file outside the patients' records.
pub(crate) type OutsideFile = (Area, String);

/// Compares the versions in these files, and writes the lists with this prefix. Returns `false` if no resource is in several files:
/// then nothing is written.
pub(crate) async fn compare(
    records: &dyn Records,
    files: &dyn Files,
    prefix: &str,
    filter: &Filter<'_>,
    outside: &[OutsideFile],
    limits: Limits,
) -> Result<bool> {
    let runs = runs_of_keys(prefix);
    let mut sorter = Sorter::new(files, &runs, limits);
    for (number, (area, name)) in outside.iter().enumerate() {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let read = match area {
            Area::Groups => read_group(records, filter, (number, name), &mut sorter).await,
            Area::Shared | Area::Deleted => {
                read_lines(records, filter, (number, *area, name), &mut sorter).await
            }
        };
        match read {
            // It is reported when the file is exported.
            Err(Error::Damaged(_) | Error::NotFound(_)) => {}
            read => read?,
        }
    }
    write_lists(files, prefix, sorter, outside, limits).await
}

/// Returns the prefix of the runs in which the versions are sorted.
fn runs_of_keys(prefix: &str) -> String {
    format!("{prefix}keys/")
}

/// Writes the lists of all files from their versions. Returns `false` if no resource is in several files.
async fn write_lists(
    files: &dyn Files,
    prefix: &str,
    sorter: Sorter<'_, Found>,
    outside: &[OutsideFile],
    limits: Limits,
) -> Result<bool> {
    let mut merged = sorter.finish().await?;
    let runs = format!("{prefix}entries/");
    let mut entries = Sorter::new(files, &runs, limits);
    let mut versions = Versions::default();
    while let Some(found) = merged.next().await? {
        if versions.key != found.key {
            versions.end(&mut entries).await?;
            versions.key.clone_from(&found.key);
        }
        versions.add(&found);
    }
    versions.end(&mut entries).await?;
    merged.remove().await?;
    let mut merged = entries.finish().await?;
    let mut lists = Lists::new(files, prefix, outside);
    while let Some(entry) = merged.next().await? {
        lists.write(&entry).await?;
    }
    let has_any = lists.finish().await?;
    merged.remove().await?;
    Ok(has_any)
}

/// Reads the versions in a file with lines.
async fn read_lines(
    records: &dyn Records,
    filter: &Filter<'_>,
    (number, area, name): (u32, Area, &str),
    sorter: &mut Sorter<'_, Found>,
) -> Result<()> {
    let mut lines = Lines::new(records.open_area(area, name).await?);
    while let Some(line) = lines.next().await? {
        let mut plain = Plain::default();
        let found = line.text.and_then(|text| found(filter, number, text, &mut plain));
        if let Some(found) = found {
            sorter.push(found).await?;
        }
    }
    Ok(())
}

/// Reads the version in the file of a Group.
async fn read_group(
    records: &dyn Records,
    filter: &Filter<'_>,
    (number, name): (u32, &str),
    sorter: &mut Sorter<'_, Found>,
) -> Result<()> {
    let reader = records.open_area(Area::Groups, name).await?;
    let mut text = read_whole(name, reader, MAX_LINE).await?;
    let mut plain = Plain::default();
    let found = compact(&mut text).then(|| found(filter, number, &text, &mut plain)).flatten();
    match found {
        Some(found) => sorter.push(found).await,
        None => Ok(()),
    }
}

/// Returns the version in a line; `None` if the line is no resource with an id.
fn found(filter: &Filter<'_>, file: u32, text: &[u8], plain: &mut Plain) -> Option<Found> {
    let resource: Resource<'_> = filter.read(text, plain).ok()?;
    let key = comparable_key(resource.head.resource_type, &written_id(&resource)?);
    let is_refused = filter.refusal_of_version(&resource).is_some();
    Some(Found { key, file, changed: changed(&resource), is_refused })
}

/// The versions of one resource.
#[derive(Default)]
struct Versions {
    key: String,
    /// The files, in order.
    files: Vec<u32>,
    /// The time of the most recent version, and its file.
    latest: Option<(i64, u32)>,
    is_refused: bool,
}

impl Versions {
    fn add(&mut self, found: &Found) {
        if self.files.last() != Some(&found.file) {
            self.files.push(found.file);
        }
        self.latest = self.latest.max(Some((found.changed, found.file)));
        self.is_refused |= found.is_refused;
    }

    /// Ends the resource. If it is in several files, adds it to their lists.
    async fn end(&mut self, entries: &mut Sorter<'_, Entry>) -> Result<()> {
        let Self { key, files, latest, is_refused } = mem::take(self);
        if files.len() < 2 {
            return Ok(());
        }
        for file in files {
            let is_latest = latest.is_some_and(|(_, latest)| latest == file);
            let listed = Listed { key: key.clone(), is_latest, is_refused };
            entries.push(Entry { file, listed }).await?;
        }
        Ok(())
    }
}

/// The lists that are being written.
struct Lists<'f> {
    files: &'f dyn Files,
    prefix: &'f str,
    outside: &'f [OutsideFile],
    index: Index,
    /// The file of the current list.
    file: Option<u32>,
    writer: Option<Box<dyn FileWriter>>,
    buffer: Vec<u8>,
}

impl<'f> Lists<'f> {
    fn new(files: &'f dyn Files, prefix: &'f str, outside: &'f [OutsideFile]) -> Self {
        let index = Index::default();
        Self { files, prefix, outside, index, file: None, writer: None, buffer: Vec::new() }
    }

    async fn write(&mut self, entry: &Entry) -> Result<()> {
        if self.file != Some(entry.file) {
            self.end().await?;
            let (area, name) =
                self.outside.get(entry.file as usize).ok_or_else(|| Error::internal("no such file"))?;
            let key = list_key(self.prefix, self.index.add(*area, name));
            (self.file, self.writer) = (Some(entry.file), Some(self.files.create(&key).await?));
        }
        serde_json::to_writer(&mut self.buffer, &entry.listed)?;
        self.buffer.push(b'\n');
        if self.buffer.len() >= FLUSH
            && let Some(writer) = &mut self.writer
        {
            self.buffer = writer.write(mem::take(&mut self.buffer)).await?;
        }
        Ok(())
    }

    /// Ends the current list.
    async fn end(&mut self) -> Result<()> {
        let Some(mut writer) = self.writer.take() else { return Ok(()) };
        writer.write(mem::take(&mut self.buffer)).await?;
        writer.finish().await
    }

    /// Writes the index. Returns `false` if there is no list.
    async fn finish(mut self) -> Result<bool> {
        self.end().await?;
        if self.index.is_empty() {
            return Ok(false);
        }
        write_all(self.files, &Index::key(self.prefix), serde_json::to_vec(&self.index)?).await?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
