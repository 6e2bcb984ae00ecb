//! Where the patients' records come from: the lake layout (architecture, records).

use std::collections::BTreeSet;

use async_trait::async_trait;

use crate::domain::ids::PatientId;
use crate::error::Result;

/// A patient and the stored bytes of their record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub patient: PatientId,
    pub bytes: u64,
}

#[derive(Debug)]
pub struct CohortPage {
    pub members: Vec<Member>,
    /// Hand this to the next call; `None` on the last page.
    pub next: Option<String>,
}

/// A file of a patient's prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The file's name below `Patient/<id>/`.
    pub name: String,
    /// Stored bytes.
    pub bytes: u64,
}

/// A patient's prefix: lines of resources, and documents that are not FHIR.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Parts {
    pub records: Vec<Part>,
    pub documents: Vec<Part>,
}

/// Bytes read one block after the other.
#[async_trait]
pub trait BlockReader: Send {
    /// Appends the next block to `buffer` and gives it back; an unchanged length means the end.
    async fn read(&mut self, buffer: Vec<u8>) -> Result<Vec<u8>>;
}

/// How many bytes a [`BlockReader`] appends at most.
pub const BLOCK: usize = 256 * 1024;

/// The store of records. It is only read.
#[async_trait]
pub trait Records: Send + Sync {
    /// One patient and the size of the record; `None` when there is no such patient.
    async fn member(&self, patient: &PatientId) -> Result<Option<Member>>;

    /// All patients in the order in which object stores list their prefixes (`<id>/`), `count` at a time, behind the
    /// patient `after`.
    async fn members(&self, after: Option<&str>, count: usize) -> Result<CohortPage>;

    /// The files of a patient's prefix, in the order of their names; empty when there is no such patient.
    async fn parts(&self, patient: &PatientId) -> Result<Parts>;

    /// Opens a file of resource lines; compressed ones are decompressed.
    async fn open_records(&self, patient: &PatientId, part: &Part) -> Result<Box<dyn BlockReader>>;

    /// Opens a document as it is.
    async fn open_document(&self, patient: &PatientId, part: &Part) -> Result<Box<dyn BlockReader>>;

    /// The lines of `shared/` for these references (`Type/id`), in no order. References to what the
    /// store does not have are passed over. No call holds more than `references` asks for.
    async fn supporting(&self, references: &BTreeSet<String>) -> Result<Vec<SharedLine>>;
}

/// A resource outside any patient's compartment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedLine {
    /// `Type/id`.
    pub reference: String,
    pub line: Vec<u8>,
}
