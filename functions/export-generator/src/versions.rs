//! Finds the versions of one resource in a patient's record, or in a file outside the records. Only the most recent one is
//! exported (Bulk Data 3.0): by `meta.lastUpdated`, and among equal times the last line. Those in other files outside the
//! records are known from [`crate::elsewhere`].
//!
//! Nearly every record has each resource once, and is read once: a hash of 8 bytes is kept for each key. If a key
//! occurs again, an earlier version may be in the output already. The chunk is then collected again, and each of its
//! records is read twice: first to compare the versions, then to export.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use domain::error::{Error, Result};
use domain::filter::{Filter, Refusal, Resource};
use domain::lines::Lines;
use domain::ports::records::{Area, Records};
use fhir::head::Plain;
use fhir::json;
use foldhash::fast::RandomState;

use crate::elsewhere::{Elsewhere, Others};
use crate::keys::{key_hash, wide_hash};
use crate::reader::PatientReader;

/// The maximum number of resources in one record, or one file of `shared/`. Their hashes need 20 MB, and their versions 100 MB.
const MAX_RESOURCES: usize = 1_800_000;
/// The problem of a line after the first [`MAX_RESOURCES`].
pub(crate) const TOO_MANY: &str = "the record, or the file, has more than 1,800,000 resources, so this line cannot be compared with the others: divide it";

/// The number of times that a chunk reads each record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    Once,
    Twice,
}

/// A line, compared with the other lines of its key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// The most recent one. If access to a version is refused, it is refused to all of them.
    Current(Option<Refusal>),
    /// A more recent one exists.
    Superseded(Option<Refusal>),
    /// The key occurred before: the chunk must be collected again.
    Repeated,
    /// The record has too many resources.
    TooMany,
}

/// The most recent version of a resource that a record has several times.
struct Latest {
    /// `meta.lastUpdated` in microseconds.
    changed: i64,
    place: u64,
    is_repeated: bool,
    refusal: Option<Refusal>,
}

/// The resources of the record that is read, or of the file outside the records.
pub(crate) struct Versions {
    reads: Reads,
    limit: usize,
    /// The hashes of all keys so far.
    seen: HashSet<u64, RandomState>,
    /// The resources that occur several times, if the record is read twice.
    several: HashMap<(u64, u64), Latest, RandomState>,
    /// The number of them whose most recent version was exported.
    found: usize,
    /// The place of the current line in the record.
    place: u64,
    is_repeated: bool,
    /// The resources that other files have as well.
    elsewhere: Elsewhere,
}

impl Versions {
    pub(crate) fn new(reads: Reads) -> Self {
        Self {
            reads,
            limit: MAX_RESOURCES,
            seen: HashSet::default(),
            several: HashMap::default(),
            found: 0,
            place: 0,
            is_repeated: false,
            elsewhere: Elsewhere::default(),
        }
    }

    /// Begins the record of a patient.
    pub(crate) async fn begin(&mut self, filter: &Filter<'_>, reader: &mut PatientReader) -> Result<()> {
        (self.seen, self.several, self.found) = Default::default();
        if self.reads == Reads::Once {
            return Ok(());
        }
        for file in 0..reader.records().len() {
            match self.compare_file(filter, reader, file).await {
                // The damage is reported when the record is exported.
                Err(Error::Damaged(_)) => {}
                compared => compared?,
            }
        }
        self.keep_repeated();
        Ok(())
    }

    /// Begins a file of `shared/`. `elsewhere` are its resources that other files have as well.
    pub(crate) async fn begin_shared(
        &mut self,
        filter: &Filter<'_>,
        records: &dyn Records,
        name: &str,
        elsewhere: Elsewhere,
    ) -> Result<()> {
        self.elsewhere = elsewhere;
        if self.reads == Reads::Twice {
            let compared = match records.open_area(Area::Shared, name).await {
                Ok(reader) => self.compare_lines(filter, Lines::new(reader), 0).await,
                Err(error) => Err(error),
            };
            match compared {
                // It is reported when the file is exported.
                Err(Error::Damaged(_) | Error::NotFound(_)) => {}
                compared => compared?,
            }
            self.keep_repeated();
        }
        Ok(())
    }

    /// Begins the file of a Group, which has one resource.
    pub(crate) fn begin_group(&mut self, elsewhere: Elsewhere) {
        self.seen.clear();
        self.elsewhere = elsewhere;
    }

    fn keep_repeated(&mut self) {
        self.several.retain(|_, latest| latest.is_repeated);
        self.several.shrink_to_fit();
    }

    async fn compare_file(
        &mut self,
        filter: &Filter<'_>,
        reader: &mut PatientReader,
        file: usize,
    ) -> Result<()> {
        let lines = reader.lines(file).await?;
        self.compare_lines(filter, lines, file).await
    }

    async fn compare_lines(&mut self, filter: &Filter<'_>, mut lines: Lines, file: usize) -> Result<()> {
        while let Some(line) = lines.next().await? {
            self.move_to(file, line.number);
            let mut plain = Plain::default();
            if let Some(Ok(resource)) = line.text.map(|text| filter.read(text, &mut plain)) {
                self.compare(filter, &resource);
            }
        }
        Ok(())
    }

    /// Compares a line with the earlier lines of its key.
    fn compare(&mut self, filter: &Filter<'_>, resource: &Resource<'_>) {
        let Some(id) = written_id(resource) else { return };
        let key = wide_hash(resource.head.resource_type, &id);
        let (changed, refusal) = (changed(resource), filter.refusal_of_version(resource));
        if let Some(latest) = self.several.get_mut(&key) {
            latest.is_repeated = true;
            latest.refusal = latest.refusal.or(refusal);
            if changed >= latest.changed {
                (latest.changed, latest.place) = (changed, self.place);
            }
        } else if self.several.len() < self.limit {
            self.several.insert(key, Latest { changed, place: self.place, is_repeated: false, refusal });
        }
    }

    /// Moves to a line of the record.
    pub(crate) fn move_to(&mut self, file: usize, line: u64) {
        self.place = ((file as u64) << 40) | line;
    }

    /// Compares the current line with the other lines of its key, also in other files.
    pub(crate) fn version(&mut self, resource: &Resource<'_>) -> Version {
        let Some(id) = written_id(resource) else { return Version::Current(None) };
        let version = self.version_here(resource, &id);
        match (self.elsewhere.find(resource.head.resource_type, &id), version) {
            (Others::Unknown, _) => Version::TooMany,
            (Others::Earlier(refused), Version::Current(here)) => Version::Current(here.or(refused)),
            (Others::Later(refused), Version::Current(here))
            | (Others::Earlier(refused) | Others::Later(refused), Version::Superseded(here)) => {
                Version::Superseded(here.or(refused))
            }
            (_, version) => version,
        }
    }

    /// Compares the current line with the other lines of its key in the record, or in the file.
    fn version_here(&mut self, resource: &Resource<'_>, id: &str) -> Version {
        let hash = key_hash(resource.head.resource_type, id);
        if !self.several.is_empty()
            && let Some(latest) = self.several.get(&wide_hash(resource.head.resource_type, id))
        {
            self.seen.insert(hash);
            if (latest.place, latest.changed) != (self.place, changed(resource)) {
                return Version::Superseded(latest.refusal);
            }
            self.found += 1;
            return Version::Current(latest.refusal);
        }
        if self.seen.len() < self.limit && self.seen.insert(hash) {
            return Version::Current(None);
        }
        if self.seen.contains(&hash) {
            self.is_repeated = true;
            return Version::Repeated;
        }
        Version::TooMany
    }

    /// Returns whether the record has a resource whose key has this hash, as far as it is read.
    pub(crate) fn has(&self, hash: u64) -> bool {
        self.seen.contains(&hash)
    }

    /// Returns whether a line was [`Version::Repeated`].
    pub(crate) fn is_repeated(&self) -> bool {
        self.is_repeated
    }

    /// Returns [`Error::Conflict`], so that the chunk is collected again, if the record has changed after the versions
    /// were compared.
    pub(crate) fn check(&self) -> Result<()> {
        match self.found == self.several.len() {
            true => Ok(()),
            false => Err(Error::conflict("a record was changed while its chunk was collected")),
        }
    }
}

/// Returns the id of a resource. If it is not a FHIR id, such as `"a_b"`, it is returned as it is written.
pub(crate) fn written_id<'r>(resource: &Resource<'r>) -> Option<Cow<'r, str>> {
    let head = &resource.head;
    if let Some(id) = head.id {
        return Some(Cow::Borrowed(id));
    }
    let written = json::member(head.text, 0..head.text.len(), b"id")?;
    Some(String::from_utf8_lossy(&head.text[written]))
}

/// Returns when a version changed, in microseconds. One without a time is earlier than all others.
pub(crate) fn changed(resource: &Resource<'_>) -> i64 {
    resource.changed().unwrap_or(i64::MIN)
}
