//! Compares the versions of resources that are in several files outside the patients' records, for a system-level export: the files
//! of `shared/`, and the Group resources. Only the most recent version is exported, as in one file ([`crate::versions`]): by
//! `meta.lastUpdated`, and among equal times that of the last file, the Groups after `shared/`. If one version is refused by a
//! label, all of them are.
//!
//! Each of these files is exported by a chunk of its own, which does not read the others. So the plan reads all of them once, and
//! sorts the keys of their resources in bounded memory. It writes a list for each file with resources that other files have as
//! well. Nearly every lake has none, and then nothing is written. [`crate::elsewhere`] reads the lists. If the time of an invocation is
//! over, the next one continues with what is [`begun`].

pub(crate) mod begun;

use std::mem;

use domain::error::{Error, Result};
use domain::filter::{Filter, Resource};
use domain::lines::Lines;
use domain::ports::files::{FileWriter, Files, write_all};
use domain::ports::records::{Area, Records, read_whole};
use fhir::MAX_LINE;
use fhir::head::Plain;
use fhir::json::compact;
use futures_util::future::join_all;
use storage::sorter::{Limits, Row, Sorter};

use self::begun::{Begun, Compared, OutsideFile, Pace, Stop};
use crate::elsewhere::{Index, Listed, comparable_key, list_key};
use crate::versions::{changed, written_id};

/// A list is written when its buffer has this many bytes.
const FLUSH: usize = 512 * 1024;
/// The number of lines after which the time is checked again.
const LINES: u64 = 1_000;
/// The number of Groups that are read at once, each of which is one line.
const GROUPS: usize = 8;

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

/// Compares the versions in files outside the patients' records.
pub(crate) struct Comparison<'c> {
    pub(crate) records: &'c dyn Records,
    pub(crate) files: &'c dyn Files,
    /// The prefix of the lists that are written.
    pub(crate) prefix: &'c str,
    pub(crate) filter: &'c Filter<'c>,
    pub(crate) limits: Limits,
}

impl Comparison<'_> {
    /// Reads the files that are left, and writes the lists.
    pub(crate) async fn run(&self, mut begun: Begun, pace: &mut Pace<'_>) -> Result<Compared> {
        let runs = runs_of_keys(self.prefix);
        let mut sorter = Sorter::resume(self.files, &runs, self.limits, mem::take(&mut begun.runs));
        let mut stopped = None;
        while stopped.is_none()
            && let Some((area, name)) = begun.next_file()
        {
            let read = match area {
                Area::Groups => self.read_groups(&mut begun, &mut sorter).await.map(|()| None),
                Area::Shared | Area::Deleted => {
                    self.read_lines((area, &name), &mut begun, &mut sorter, pace).await
                }
            };
            stopped = match read {
                Ok(None) => pace.stops().await?,
                Ok(stopped) => stopped,
                // It is reported when the file is exported.
                Err(Error::Damaged(_) | Error::NotFound(_)) => {
                    begun.end_file();
                    pace.stops().await?
                }
                Err(error) => return Err(error),
            };
        }
        match stopped {
            Some(Stop::Unwanted) => Ok(Compared::Unwanted),
            Some(Stop::Deadline) => {
                begun.runs = sorter.pause().await?;
                Ok(Compared::Paused(begun))
            }
            None => {
                let outside = begun.files();
                match write_lists(self.files, self.prefix, sorter, &outside, self.limits).await? {
                    true => Ok(Compared::Listed),
                    false => Ok(Compared::Nothing),
                }
            }
        }
    }

    /// Reads the versions in a file with lines. Returns why it stopped before the end.
    async fn read_lines(
        &self,
        (area, name): (Area, &str),
        begun: &mut Begun,
        sorter: &mut Sorter<'_, Found>,
        pace: &mut Pace<'_>,
    ) -> Result<Option<Stop>> {
        let mut lines = Lines::new(self.records.open_area(area, name).await?);
        let (number, before) = (begun.number(0), begun.lines);
        let mut read = 0;
        while let Some(line) = lines.next().await? {
            read += 1;
            // An earlier invocation has read it.
            if read <= before {
                continue;
            }
            let mut plain = Plain::default();
            let found = line.text.and_then(|text| found(self.filter, number, text, &mut plain));
            if let Some(found) = found {
                sorter.push(found).await?;
            }
            if read % LINES == 0
                && let Some(stop) = pace.stops().await?
            {
                begun.lines = read;
                return Ok(Some(stop));
            }
        }
        begun.end_file();
        Ok(None)
    }

    /// Reads the versions in the files of the next Groups.
    async fn read_groups(&self, begun: &mut Begun, sorter: &mut Sorter<'_, Found>) -> Result<()> {
        let names = begun.next_groups(GROUPS);
        let texts = join_all(names.iter().map(|name| self.group(name))).await;
        for (at, text) in texts.into_iter().enumerate() {
            let mut text = match text {
                Err(Error::Damaged(_) | Error::NotFound(_)) => continue,
                text => text?,
            };
            let mut plain = Plain::default();
            let number = begun.number(at);
            let found = compact(&mut text).then(|| found(self.filter, number, &text, &mut plain)).flatten();
            if let Some(found) = found {
                sorter.push(found).await?;
            }
        }
        begun.done += names.len();
        Ok(())
    }

    async fn group(&self, name: &str) -> Result<Vec<u8>> {
        let reader = self.records.open_area(Area::Groups, name).await?;
        read_whole(name, reader, MAX_LINE).await
    }
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

/// Returns the version in a line; `None` if the line is no resource with an id, or of a type that is not exported.
fn found(filter: &Filter<'_>, file: u32, text: &[u8], plain: &mut Plain) -> Option<Found> {
    let resource: Resource<'_> = filter.read(text, plain).ok()?;
    if !filter.wants(resource.head.resource_type) {
        return None;
    }
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
