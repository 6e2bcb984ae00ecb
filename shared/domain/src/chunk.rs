//! A bounded piece of an export, and what one attempt at it produced.

use serde::{Deserialize, Serialize};

use crate::ids::{Attempt, ChunkId, FileName, JobId, PatientId};
use crate::ledger::Ledger;
use crate::pack::{IndexPlace, Location, Place};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    pub id: ChunkId,
    pub work: Work,
    /// Patients of these who joined the group after `_since`: all of their data is exported.
    #[serde(default, rename = "joined")]
    pub new_members: Vec<PatientId>,
    /// Entries of the record store that stand among these patients and are none.
    #[serde(default, skip_serializing_if = "Strays::is_empty")]
    pub strays: Strays,
    /// Stored bytes that the chunk reads, as the plan counted them.
    pub bytes: u64,
}

impl Chunk {
    pub fn new(id: ChunkId, work: Work, bytes: u64) -> Self {
        Self { id, work, new_members: Vec::new(), strays: Strays::default(), bytes }
    }

    /// Bytes that it adds to what is planned: the rest of a chunk was counted with the chunk that it was cut from.
    pub fn planned_bytes(&self) -> u64 {
        if self.id.part == 0 { self.bytes } else { 0 }
    }
}

/// Entries directly below `Patient/` that are no patient's directory, because their names are no FHIR ids or they are
/// files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strays {
    /// The first [`Strays::MAX_NAMED`] of them, each cut to [`Strays::MAX_CHARACTERS`].
    pub named: Vec<String>,
    /// How many more there are.
    pub more: u64,
}

impl Strays {
    pub const MAX_NAMED: usize = 100;
    pub const MAX_CHARACTERS: usize = 100;

    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    pub fn add(&mut self, name: &str) {
        match self.named.len() < Self::MAX_NAMED {
            true => self.named.push(name.chars().take(Self::MAX_CHARACTERS).collect()),
            false => self.more += 1,
        }
    }

    /// Adds those that were found behind these.
    pub fn append(&mut self, behind: Self) {
        for name in &behind.named {
            self.add(name);
        }
        self.more += behind.more;
    }
}

/// What a chunk collects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Work {
    /// The compartments of these patients.
    Patients(Vec<PatientId>),
    /// A file of resources outside any compartment, which a system export has whole.
    Shared(String),
    /// The Group resources.
    Groups,
    /// Members of the group who have no record here, as it refers to them, and how many more than are named; and what is
    /// wrong with the groups in it.
    Absent { members: Vec<String>, more: u64, problems: Vec<String> },
    /// What was deleted of patients who are gone themselves, and outside any compartment.
    Deleted,
    /// What the exported resources refer to outside any compartment, each once.
    Supporting,
    /// Joins small files of one type that the chunks from one to another wrote.
    Merge { purpose: Purpose, resource_type: String, from: ChunkId, to: ChunkId },
    /// Joins the references that the chunks with these indexes noted, from the first to before the second.
    Gather { from: u32, to: u32 },
}

impl Work {
    pub fn covered(&self) -> Covered {
        match self {
            Self::Patients(patients) => Covered::Patients(patients.len() as u64),
            Self::Absent { members, more, .. } => Covered::Patients(members.len() as u64 + more),
            Self::Shared(_) | Self::Groups | Self::Deleted => Covered::Areas,
            Self::Supporting => Covered::Supporting,
            Self::Merge { purpose, resource_type, from, to } => Covered::Merge {
                purpose: *purpose,
                resource_type: resource_type.clone(),
                from: *from,
                to: *to,
            },
            Self::Gather { .. } => Covered::Gather,
        }
    }
}

/// What a chunk was about, as the end of the export needs to know it: without the ids of its patients, which are most of
/// a chunk's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Covered {
    /// So many patients.
    Patients(u64),
    /// Resources outside any compartment.
    Areas,
    Supporting,
    Merge {
        purpose: Purpose,
        resource_type: String,
        from: ChunkId,
        to: ChunkId,
    },
    Gather,
}

/// What an attempt wrote, recorded when its chunk is finished. Files of other attempts are never listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkResult {
    pub attempt: Attempt,
    pub files: Vec<OutputFile>,
    /// What became of everything that the attempt read; `None` in rows of versions that did not count.
    #[serde(default)]
    pub ledger: Option<Ledger>,
    /// The file with the references to resources outside the compartments, one a line; `None` when there are
    /// none. A `~` before a reference says that only resources which were left out refer to it.
    #[serde(default)]
    pub references: Option<Location>,
    /// The index of the attachments in the attempt's pack; `None` when there are none, and in rows of versions without
    /// packs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachments: Option<IndexPlace>,
    /// Stored bytes read.
    pub bytes_read: u64,
}

impl ChunkResult {
    /// Resources of the export in its files.
    pub fn resources(&self) -> u64 {
        self.files.iter().filter(|file| file.purpose.is_data()).map(|file| file.count).sum()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputFile {
    pub purpose: Purpose,
    /// The type of every resource in the file.
    #[serde(rename = "type")]
    pub resource_type: String,
    /// The key of the object in the store that holds the file.
    pub key: String,
    /// Where the file stands in it; `None` where it is the whole object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Resources, that is lines.
    pub count: u64,
    /// Uncompressed bytes.
    pub size: u64,
    /// SHA-256 of the uncompressed bytes, hexadecimal.
    pub sha256: String,
}

impl OutputFile {
    /// Where the file is in the store.
    pub fn location(&self) -> Location {
        Location { key: self.key.clone(), place: self.place }
    }
}

/// Which list of the manifest a file goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Purpose {
    Output,
    /// DocumentReferences made by the export for documents that have none.
    Documents,
    /// Blocks of a patient each, of all types (`organizeOutputBy`).
    Blocks,
    /// Transaction Bundles of what was deleted.
    Deleted,
    Error,
}

/// The prefix of everything an export writes.
pub fn job_prefix(job: &JobId) -> String {
    format!("exports/{job}/")
}

/// The prefix of one attempt's files: `exports/{job}/{chunk}-{attempt}/`.
pub fn attempt_prefix(job: &JobId, chunk: ChunkId, attempt: &Attempt) -> String {
    format!("exports/{job}/{chunk}-{attempt}/")
}

/// How an attachment that the engine wrote is called in URLs: its chunk and attempt, so that the
/// attempt is known without a search and no two names collide, then the name it had in the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordAttachment {
    pub chunk: ChunkId,
    pub attempt: Attempt,
    pub name: FileName,
}

impl RecordAttachment {
    pub fn parse(file: &str) -> Option<Self> {
        let mut parts = file.splitn(3, '-');
        let chunk = ChunkId::parse(parts.next()?).ok()?;
        let attempt = Attempt::parse(parts.next()?).ok()?;
        let name = FileName::parse(parts.next()?).ok()?;
        Some(Self { chunk, attempt, name })
    }

    pub fn url_name(&self) -> String {
        format!("{}-{}-{}", self.chunk, self.attempt, self.name)
    }

    /// The key of one that is not in the pack of its attempt.
    pub fn key(&self, job: &JobId) -> String {
        format!("{}attachments/{}", attempt_prefix(job, self.chunk, &self.attempt), self.name)
    }
}

/// How far an export is: kept beside the job, so that finishing a chunk never conflicts with a change of state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    pub chunks_planned: u32,
    pub chunks_done: u32,
    /// The plan has added its last chunk.
    pub plan_complete: bool,
    /// The index of the next chunk: the plan has all indexes before it.
    #[serde(default)]
    pub plan_end: u32,
    /// The chunks with smaller indexes were sent to workers; those from here on perhaps not.
    #[serde(default)]
    pub plan_sent: u32,
    pub bytes_planned: u64,
    pub bytes_done: u64,
    pub resources: u64,
}

impl Progress {
    pub fn all_done(&self) -> bool {
        self.plan_complete && self.chunks_done == self.chunks_planned
    }

    /// Whole percent of the bytes planned, at most 99: it is not over before the manifest is written.
    pub fn percent(&self) -> u8 {
        if !self.plan_complete {
            // What is planned still grows: a percentage would go back.
            return 0;
        }
        let bytes = self.bytes_done.saturating_mul(100).checked_div(self.bytes_planned).unwrap_or_default();
        u8::try_from(bytes.min(99)).unwrap_or(99)
    }
}

impl Purpose {
    /// Whether the lines are resources of the export, not notices about it.
    pub fn is_data(self) -> bool {
        match self {
            Self::Output | Self::Documents | Self::Blocks => true,
            Self::Deleted | Self::Error => false,
        }
    }

    /// What stands in the names of its files behind the type.
    pub fn marker(self) -> &'static str {
        match self {
            Self::Output => "",
            Self::Documents => ".documents",
            Self::Blocks => ".blocks",
            Self::Deleted => ".deleted",
            Self::Error => ".errors",
        }
    }
}
