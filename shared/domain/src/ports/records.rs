//! The port for the store of patient records (`infra/docs/records.md`).

use std::collections::BTreeSet;
use std::ops::Range;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::{Damage, Error, Result};
use crate::ids::PatientId;

/// A patient and the number of stored bytes of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub patient: PatientId,
    pub bytes: u64,
}

impl Member {
    pub fn of(patient: PatientId, parts: &Parts) -> Self {
        Self { patient, bytes: parts.records.iter().chain(&parts.documents).map(|part| part.bytes).sum() }
    }
}

#[derive(Debug)]
pub struct CohortPage {
    pub members: Vec<Member>,
    /// `after` of the next call; `None` on the last page.
    pub next: Option<String>,
}

/// An entry directly below `Patient/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    Patient(Member),
    /// The name of an entry that is not a patient's directory.
    Stray(String),
}

/// An iterator over the entries below `Patient/`, which keeps a bounded number of them in memory.
#[async_trait]
pub trait Entries: Send {
    async fn next(&mut self) -> Result<Option<Entry>>;
}

/// A file of a patient's record or of an [`Area`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The file's name below `Patient/<id>/`, or below the directory of the area.
    pub name: String,
    /// The number of stored bytes.
    pub bytes: u64,
    /// The time of the last change, if the store has it.
    pub changed: Option<Timestamp>,
}

/// The files of a patient's record: NDJSON files, and documents that are not FHIR resources.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Parts {
    pub records: Vec<Part>,
    pub documents: Vec<Part>,
}

/// A directory of the store outside the patients' records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    /// `shared/*.ndjson[.gz]`
    Shared,
    /// `deleted/*.ndjson[.gz]`
    Deleted,
    /// `Group/<id>.json`
    Groups,
}

impl Area {
    /// Returns the name of the directory.
    pub const fn directory(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Deleted => "deleted",
            Self::Groups => "Group",
        }
    }
}

/// Reads a file block by block.
#[async_trait]
pub trait BlockReader: Send {
    /// Appends the next block to `buffer` and returns it; an unchanged length means the end. Returns [`Error::Damaged`] if
    /// the file is truncated or not gzip, after all bytes before the damage.
    async fn read(&mut self, buffer: Vec<u8>) -> Result<Vec<u8>>;
}

/// The maximum number of bytes that a [`BlockReader`] appends at once.
pub const BLOCK: usize = 256 * 1024;

/// The store of records. It is only read.
///
/// A store without the directory `Patient/`, or a bucket without a key below it, is [`Error::Unavailable`] and not an empty
/// store, because nothing is known about any patient.
#[async_trait]
pub trait Records: Send + Sync {
    /// Returns one patient and the size of the record; `None` if there is no such patient.
    async fn member(&self, patient: &PatientId) -> Result<Option<Member>>;

    /// Returns at most `count` patients after the patient `after`, in the order in which object stores list their prefixes (`<id>/`).
    async fn members(&self, after: Option<&str>, count: usize) -> Result<CohortPage>;

    /// Returns all entries after the patient `after`, in the order of [`Records::members`], including those that are
    /// not a patient's directory. Names that begin with a dot and objects without bytes are skipped.
    fn entries(&self, after: Option<&PatientId>) -> Box<dyn Entries>;

    /// Returns the files of a patient's record, in the order of their names; empty if there is no such patient. They
    /// include entries that are not regular files (a pipe, a link, a directory with the name of a file) and names that
    /// the layout does not have; reading those returns [`Error::Damaged`]. Names that begin with a dot and objects
    /// without bytes are skipped.
    async fn parts(&self, patient: &PatientId) -> Result<Parts>;

    /// Returns the results of [`Records::parts`] for the first of these patients: for at least one, and for as many as
    /// the store finds at once. It needs the fewest requests if the patients are in the order of [`Records::members`].
    async fn parts_of(&self, patients: &[PatientId]) -> Result<Vec<Parts>>;

    /// Opens an NDJSON file; compressed files are decompressed.
    async fn open_records(&self, patient: &PatientId, part: &Part) -> Result<Box<dyn BlockReader>>;

    /// Opens a document without changing its bytes.
    async fn open_document(&self, patient: &PatientId, part: &Part) -> Result<Box<dyn BlockReader>>;

    /// Returns the files of an area, in the order of their names; empty if there are none. They include entries that do
    /// not belong there, as in [`Records::parts`].
    async fn area(&self, area: Area) -> Result<Vec<Part>>;

    /// Returns the first `count` files that belong to an area and whose names are not before `first`, in the order of their
    /// names. An object store lists only these.
    async fn area_from(&self, area: Area, first: &str, count: usize) -> Result<Vec<Part>>;

    /// Returns at most the first `bytes` bytes of a file of an area that was listed; compressed files are decompressed.
    /// Returns [`Error::NotFound`] if the file was removed since.
    async fn area_head(&self, area: Area, name: &str, bytes: usize) -> Result<Vec<u8>> {
        first_bytes(self.open_area(area, name).await?, bytes).await
    }

    /// Opens a file of an area by its name; compressed files are decompressed. Returns [`Error::NotFound`] if there is no
    /// such file.
    async fn open_area(&self, area: Area, name: &str) -> Result<Box<dyn BlockReader>>;

    /// Returns the bytes of a file of the index of patients, `index/<file>`, or a range of them, which can end after the end of the file.
    /// `None` if there is no such file. The caller knows that the range, or the file, is small.
    async fn index(&self, file: &str, range: Option<Range<u64>>) -> Result<Option<Vec<u8>>>;

    /// Returns the lines of `shared/` for these references (`Type/id`), in any order. References to resources that the
    /// store does not have are skipped. Memory is bounded by the lines of these references. Damaged files are named in
    /// [`Supporting::damaged`], and the lines before the damage are returned; lines that are not resources are named
    /// too.
    ///
    /// A call without references sees the current files. The other calls, and [`Records::provenance`], may not know files that were added
    /// since the last call without references, so that an object store lists `shared/` once and not for each call. Lines of a file that was
    /// replaced or removed since are never returned.
    async fn supporting(&self, references: &BTreeSet<String>) -> Result<Supporting>;

    /// Returns references (`Provenance/id`) to Provenance resources in `shared/` that may have one of these resources of `shared/` as a
    /// target, each with that target. The caller must check the line of the Provenance, because the target may be that of an earlier
    /// duplicate.
    async fn provenance(&self, targets: &BTreeSet<String>) -> Result<BTreeSet<(String, String)>>;
}

/// The result of [`Records::supporting`].
#[derive(Debug, Default)]
pub struct Supporting {
    pub lines: Vec<SharedLine>,
    /// Every damaged file of `shared/`, and the first line of each file that is not a resource. Every call returns all of
    /// them, because the requested resources may have been there.
    pub damaged: Vec<Damage>,
    /// The counts of all of `shared/`, which every call returns.
    pub provenance: ProvenanceCounts,
    /// The types in `shared/` of which patients' records have resources as well, such as Device. Every call returns all
    /// of them.
    pub types: BTreeSet<String>,
}

/// Counts of the Provenance lines in `shared/`, by their targets.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct ProvenanceCounts {
    /// No target is a resource of a patient. [`Records::provenance`] finds these lines.
    pub of_shared: u64,
    /// At least one target is a resource of a patient: of a type of patients' records, and either not in `shared/` or
    /// there although it may belong to a patient.
    pub of_patients: u64,
}

/// A resource of `shared/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedLine {
    /// `Type/id`.
    pub reference: String,
    /// The line of the resource. If there are several, it is the most recent one: by `meta.lastUpdated`, and among equal times the last.
    pub line: Vec<u8>,
    /// The number of other lines with the same reference.
    pub duplicates: u64,
    /// These other lines.
    pub earlier: Vec<Vec<u8>>,
    /// Whether `earlier` has all of them; otherwise they are too large.
    pub is_whole: bool,
    /// Whether the resource may belong to a patient ([`fhir::belonging`]), or is Provenance about such a resource or
    /// about a resource of a record.
    pub is_of_patient: bool,
}

/// Reads at most the first `limit` bytes of a file.
pub async fn first_bytes(mut reader: Box<dyn BlockReader>, limit: usize) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    while head.len() < limit {
        let before = head.len();
        head = reader.read(head).await?;
        if head.len() == before {
            break;
        }
    }
    head.truncate(limit);
    Ok(head)
}

/// Reads a whole file. Returns [`Error::Damaged`] if it has more than `limit` bytes. `file` is its path below the root of
/// the store.
pub async fn read_whole(file: &str, reader: Box<dyn BlockReader>, limit: usize) -> Result<Vec<u8>> {
    let read = read_up_to(reader, limit).await?;
    read.ok_or_else(|| Error::damaged(file, format!("it has more than {limit} bytes")))
}

/// Reads a whole small file; returns `None` if it has more than `limit` bytes.
pub async fn read_up_to(mut reader: Box<dyn BlockReader>, limit: usize) -> Result<Option<Vec<u8>>> {
    let mut all = Vec::new();
    loop {
        let before = all.len();
        all = reader.read(all).await?;
        if all.len() > limit {
            return Ok(None);
        }
        if all.len() == before {
            return Ok(Some(all));
        }
    }
}
