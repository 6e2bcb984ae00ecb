//! A chunk is a bounded part of an export's work. This module has its description, its result and the progress of the
//! export.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::dated::DaysByType;
use crate::ids::{Attempt, ChunkId, FileName, JobId, PatientId};
pub use crate::keys::{attempt_prefix, job_prefix};
use crate::ledger::Ledger;
use crate::pack::{IndexPlace, Location, PackRange};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    pub id: ChunkId,
    pub work: Work,
    /// Patients of the chunk who joined the group after `_since`: all of their data is exported.
    #[serde(default, rename = "joined")]
    pub new_members: Vec<PatientId>,
    /// Entries between these patients in the record store that are not patients.
    #[serde(default, skip_serializing_if = "Strays::is_empty")]
    pub strays: Strays,
    /// Stored bytes that the chunk reads, as the plan counted them.
    pub bytes: u64,
}

impl Chunk {
    pub fn new(id: ChunkId, work: Work, bytes: u64) -> Self {
        Self { id, work, new_members: Vec::new(), strays: Strays::default(), bytes }
    }

    /// Returns the bytes that the chunk adds to the planned bytes. A chunk for the remaining patients of another one
    /// adds none, because the other one counted them.
    pub fn planned_bytes(&self) -> u64 {
        if self.id.part == 0 { self.bytes } else { 0 }
    }
}

/// Entries directly below `Patient/` that are not the directory of a patient, because their names are not FHIR ids or
/// because they are files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strays {
    /// The first [`Strays::MAX_NAMED`] of them, each cut to [`Strays::MAX_CHARACTERS`].
    pub named: Vec<String>,
    /// The number of further entries.
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

    /// Adds the entries that were found after these.
    pub fn append(&mut self, later: Self) {
        for name in &later.named {
            self.add(name);
        }
        self.more += later.more;
    }
}

/// The work of a chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Work {
    /// The compartments of these patients.
    Patients(Vec<PatientId>),
    /// A file of resources outside any compartment, all of which a system export includes.
    Shared(String),
    /// The Group resources.
    Groups,
    /// The rest of [`Work::Groups`]: those whose files have names after this one.
    GroupsAfter(String),
    /// Members of the group who have no record on this server. `members` are references as the group has them, `more`
    /// is the number of further ones, and `problems` are those of nested groups.
    Absent { members: Vec<String>, more: u64, problems: Vec<String> },
    /// The deletions of patients who no longer have a record, and of resources outside any compartment.
    Deleted,
    /// The resources outside any compartment to which exported resources refer, each once.
    Supporting,
    /// The rest of [`Work::Supporting`], which continues at the checkpoint with this key.
    Follow { from: String },
    /// Joins the small files of one type that the chunks `from` to `to` wrote.
    Merge { purpose: Purpose, resource_type: String, from: ChunkId, to: ChunkId },
    /// Joins the references that the chunks with the indexes `from..to` collected.
    Gather { from: u32, to: u32 },
    /// Lists the deletions of the chunks with indexes before `to` again, without the resources that other chunks have read. The chunks
    /// with indexes before `from` were read by its first part, into the sorted files with the keys `runs`.
    Relist {
        to: u32,
        #[serde(default, skip_serializing_if = "is_zero")]
        from: u32,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        runs: Vec<String>,
    },
}

impl Work {
    pub fn covered(&self) -> Covered {
        match self {
            Self::Patients(patients) => Covered::Patients(patients.len() as u64),
            Self::Absent { members, more, .. } => Covered::Patients(members.len() as u64 + more),
            Self::Shared(_) | Self::Groups | Self::GroupsAfter(_) | Self::Deleted => Covered::Areas,
            Self::Supporting | Self::Follow { .. } => Covered::Supporting,
            Self::Merge { purpose, resource_type, from, to } => Covered::Merge {
                purpose: *purpose,
                resource_type: resource_type.clone(),
                from: *from,
                to: *to,
            },
            Self::Gather { .. } => Covered::Gather,
            Self::Relist { .. } => Covered::Relist,
        }
    }

    /// Returns whether the work follows the references of the other chunks, which only Finish does.
    pub fn is_supporting(&self) -> bool {
        matches!(self, Self::Supporting | Self::Follow { .. })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The work of a chunk without the ids of its patients, which are most of a chunk's row. It is enough to finish an
/// export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Covered {
    /// The number of patients.
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
    /// The deletions of all other chunks.
    Relist,
}

/// The result of the attempt that finished a chunk. The files of other attempts are never listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkResult {
    pub attempt: Attempt,
    pub files: Vec<OutputFile>,
    /// Accounts for everything that the attempt read; `None` in rows of versions without ledgers.
    #[serde(default)]
    pub ledger: Option<Ledger>,
    /// The file with the references to resources outside the compartments, one per line; `None` if there are none. A `~`
    /// before a reference means that only resources that were left out refer to it.
    #[serde(default)]
    pub references: Option<Location>,
    /// The file with the keys of resources that the attempt has read, and that other chunks may list as deleted, one per line;
    /// `None` if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing: Option<Location>,
    /// The index of the attachments in the attempt's pack; `None` if there are none, and in rows of versions without
    /// packs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachments: Option<IndexPlace>,
    /// The days of the resources that the attempt exported. Empty if the filter of the export reads no dates, and in
    /// rows of versions that did not record them.
    #[serde(default, skip_serializing_if = "DaysByType::is_empty")]
    pub days: DaysByType,
    /// Stored bytes read.
    pub bytes_read: u64,
}

impl ChunkResult {
    /// Returns the number of exported resources in its files.
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
    /// The place of the file in the object; `None` if it is the whole object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<PackRange>,
    /// The number of resources, which is the number of lines.
    pub count: u64,
    /// Uncompressed bytes.
    pub size: u64,
    /// SHA-256 of the uncompressed bytes, hexadecimal.
    pub sha256: String,
}

impl OutputFile {
    /// Returns the location of the file in the store.
    pub fn location(&self) -> Location {
        Location { key: self.key.clone(), place: self.place }
    }
}

/// The purpose of a file, which decides in which list of the manifest it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Purpose {
    Output,
    /// DocumentReferences that the export creates for documents that have none.
    Documents,
    /// One block per patient with resources of all types (`organizeOutputBy`).
    Blocks,
    /// Transaction Bundles of deletions.
    Deleted,
    Error,
}

/// The name of a record's attachment in URLs: its chunk and attempt, then its name in the record. The chunk and the
/// attempt make the name unique and locate the attachment without a search.
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

    /// Returns the key of an attachment that is not in the pack of its attempt.
    pub fn key(&self, job: &JobId) -> String {
        format!("{}attachments/{}", attempt_prefix(job, self.chunk, &self.attempt), self.name)
    }
}

/// The progress of an export. It is stored separately from the job, so that finishing a chunk never conflicts with a
/// change of state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    pub chunks_planned: u32,
    pub chunks_done: u32,
    /// The plan has added its last chunk.
    pub plan_complete: bool,
    /// The end of the plan: the index of its next chunk.
    #[serde(default)]
    pub plan_end: u32,
    /// All chunks with smaller indexes were sent to workers. Later ones may not have been sent.
    #[serde(default)]
    pub plan_sent: u32,
    pub bytes_planned: u64,
    pub bytes_done: u64,
    pub resources: u64,
    /// The time at which a chunk was last finished; `None` if none is.
    #[serde(default)]
    pub last_done_at: Option<Timestamp>,
}

impl Progress {
    pub fn all_done(&self) -> bool {
        self.plan_complete && self.chunks_done == self.chunks_planned
    }

    /// Returns the whole percent of the planned bytes: 0 until the plan is complete, and at most 99, because the
    /// manifest must still be written.
    pub fn percent(&self) -> u8 {
        if !self.plan_complete {
            // The planned bytes still grow, so a percentage could decrease.
            return 0;
        }
        let bytes = self.bytes_done.saturating_mul(100).checked_div(self.bytes_planned).unwrap_or_default();
        u8::try_from(bytes.min(99)).unwrap_or(99)
    }
}

impl Purpose {
    /// Returns whether the lines are exported resources and not notices about the export.
    pub fn is_data(self) -> bool {
        match self {
            Self::Output | Self::Documents | Self::Blocks => true,
            Self::Deleted | Self::Error => false,
        }
    }

    /// Returns the part of a file's name after the type.
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

#[cfg(test)]
mod tests;
