//! Where the patients' records come from: the lake layout (architecture, records).

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::{Damage, Error, Result};
use crate::ids::PatientId;

/// A patient and the stored bytes of their record.
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
    /// Hand this to the next call; `None` on the last page.
    pub next: Option<String>,
}

/// An entry directly below `Patient/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    Patient(Member),
    /// The name of an entry that is no patient's directory.
    Stray(String),
}

/// A walk through the entries below `Patient/`, which keeps a bounded number of them.
#[async_trait]
pub trait Entries: Send {
    async fn next(&mut self) -> Result<Option<Entry>>;
}

/// Whether a file of this name has lines of resources.
pub fn is_records(name: &str) -> bool {
    name.ends_with(".ndjson") || name.ends_with(".ndjson.gz")
}

/// A file of a patient's prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The file's name below `Patient/<id>/`.
    pub name: String,
    /// Stored bytes.
    pub bytes: u64,
    /// When the store says that it changed.
    pub changed: Option<Timestamp>,
}

/// A patient's prefix: lines of resources, and documents that are not FHIR.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Parts {
    pub records: Vec<Part>,
    pub documents: Vec<Part>,
}

/// What the lake holds beside the patients' compartments.
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
    /// The directory of the lake.
    pub fn directory(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Deleted => "deleted",
            Self::Groups => "Group",
        }
    }

    /// Whether a file of that directory belongs to it.
    pub fn has(self, name: &str) -> bool {
        match self {
            Self::Shared | Self::Deleted => is_records(name),
            Self::Groups => name.strip_suffix(".json").is_some_and(fhir::ids::is_fhir_id),
        }
    }
}

/// Bytes read one block after the other.
#[async_trait]
pub trait BlockReader: Send {
    /// Appends the next block to `buffer` and gives it back; an unchanged length means the end.
    /// [`Error::Damaged`] where the file is truncated or no gzip; the bytes before the damage come first.
    async fn read(&mut self, buffer: Vec<u8>) -> Result<Vec<u8>>;
}

/// How many bytes a [`BlockReader`] appends at most.
pub const BLOCK: usize = 256 * 1024;

/// The store of records. It is only read.
///
/// A lake that is not there is [`Error::Unavailable`], and never an empty one: without the directory `Patient/`, or in a
/// bucket without a key below it, nothing can be said of any patient.
#[async_trait]
pub trait Records: Send + Sync {
    /// One patient and the size of the record; `None` when there is no such patient.
    async fn member(&self, patient: &PatientId) -> Result<Option<Member>>;

    /// All patients in the order in which object stores list their prefixes (`<id>/`), `count` at a time, behind the
    /// patient `after`.
    async fn members(&self, after: Option<&str>, count: usize) -> Result<CohortPage>;

    /// All entries behind the patient `after`, in the order of [`Records::members`], and those that are no patient's
    /// directory among them. Names that begin with a dot, and objects without bytes, are passed over.
    fn entries(&self, after: Option<&PatientId>) -> Box<dyn Entries>;

    /// The files of a patient's prefix, in the order of their names; empty when there is no such patient. What is no
    /// regular file (a pipe, a link, a directory named so) and what has a name that the layout does not have are among
    /// them, and reading those is [`Error::Damaged`]; names that begin with a dot, and objects without bytes, are not.
    async fn parts(&self, patient: &PatientId) -> Result<Parts>;

    /// What [`Records::parts`] returns for the first of these patients, for one of them at least and for as many as the
    /// store finds at once. It takes the fewest requests when the patients stand in the order of [`Records::members`].
    async fn parts_of(&self, patients: &[PatientId]) -> Result<Vec<Parts>>;

    /// Opens a file of resource lines; compressed ones are decompressed.
    async fn open_records(&self, patient: &PatientId, part: &Part) -> Result<Box<dyn BlockReader>>;

    /// Opens a document as it is.
    async fn open_document(&self, patient: &PatientId, part: &Part) -> Result<Box<dyn BlockReader>>;

    /// The files of an area, in the order of their names; empty when there is none. What does not belong there is among
    /// them, as in [`Records::parts`].
    async fn area(&self, area: Area) -> Result<Vec<Part>>;

    /// Opens a file of an area by its name; compressed ones are decompressed. [`Error::NotFound`] when
    /// there is none.
    async fn open_area(&self, area: Area, name: &str) -> Result<Box<dyn BlockReader>>;

    /// The lines of `shared/` for these references (`Type/id`), in no order. References to what the
    /// store does not have are passed over. No call holds more than `references` asks for. Files that cannot be read
    /// to their end are named, and what stands before the damage is there. So are lines that are no resources.
    async fn supporting(&self, references: &BTreeSet<String>) -> Result<Supporting>;

    /// References (`Provenance/id`) to the Provenance in `shared/` that may be about one of these resources of `shared/`.
    /// The line decides: of duplicates another one may have been meant.
    async fn provenance(&self, targets: &BTreeSet<String>) -> Result<BTreeSet<String>>;
}

/// What [`Records::supporting`] found.
#[derive(Debug, Default)]
pub struct Supporting {
    pub lines: Vec<SharedLine>,
    /// Every damaged file of `shared/`, and of each file the first line that is no resource, at each call: what was asked
    /// for may have stood there.
    pub damaged: Vec<Damage>,
    /// At each call.
    pub provenance: ProvenanceCounts,
}

/// The lines of `shared/` that are Provenance, counted by what they are about.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct ProvenanceCounts {
    /// Only about resources outside any compartment: [`Records::provenance`] finds them.
    pub of_shared: u64,
    /// About a resource of a type that has a compartment, alone or among others.
    pub of_patients: u64,
}

/// A resource outside any patient's compartment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedLine {
    /// `Type/id`.
    pub reference: String,
    /// Of duplicates the one that stands last.
    pub line: Vec<u8>,
    /// How many lines of the same resource stand before it.
    pub duplicates: u64,
}

/// All of a file; [`Error::Damaged`] when it has more than `limit` bytes. `file` is its path below the root of the lake.
pub async fn read_whole(file: &str, mut reader: Box<dyn BlockReader>, limit: usize) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let before = all.len();
        all = reader.read(all).await?;
        if all.len() > limit {
            return Err(Error::damaged(file, format!("it has more than {limit} bytes")));
        }
        if all.len() == before {
            return Ok(all);
        }
    }
}
