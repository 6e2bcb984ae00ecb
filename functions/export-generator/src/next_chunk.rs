//! Cuts the patients of a cohort into chunks by stored bytes and by number.

use domain::chunk::{Chunk, Strays, Work};
use domain::ids::{ChunkId, PatientId};
use domain::ports::records::Entry;

use crate::cohort::ResolvedCohort;

/// The maximum number of patients in a chunk: their files are listed with few requests, and their ids stay far below
/// the 400 kB limit of a DynamoDB item.
const MAX_PATIENTS: usize = 1_000;

/// The chunk that is being filled.
pub(crate) struct NextChunk {
    most_bytes: u64,
    most_patients: usize,
    filled: ChunkContent,
    /// Entries after the last patient that are not patients. They are added with the next patient, or form a chunk at
    /// the end. A plan that continues after a chunk's last patient finds them again.
    strays: Strays,
}

/// The content of one chunk.
#[derive(Default)]
pub(crate) struct ChunkContent {
    patients: Vec<PatientId>,
    /// Entries between the patients that are not patients.
    strays: Strays,
    bytes: u64,
}

impl NextChunk {
    pub(crate) fn new((most_bytes, most_patients): (u64, Option<usize>)) -> Self {
        let most_patients = most_patients.unwrap_or(MAX_PATIENTS).clamp(1, MAX_PATIENTS);
        Self { most_bytes, most_patients, filled: ChunkContent::default(), strays: Strays::default() }
    }

    /// Adds the next entry; `None` is the end of the cohort. Returns the chunks that are complete: at most one, or up
    /// to two at the end, the last with the entries after all patients.
    pub(crate) fn add(&mut self, entry: Option<Entry>) -> Vec<ChunkContent> {
        match entry {
            None => {
                let strays =
                    ChunkContent { strays: std::mem::take(&mut self.strays), ..ChunkContent::default() };
                let left = [std::mem::take(&mut self.filled), strays];
                left.into_iter().filter(|filled| !filled.is_empty()).collect()
            }
            Some(Entry::Stray(name)) => {
                self.strays.add(&name);
                Vec::new()
            }
            Some(Entry::Patient(member)) => {
                let filled = &self.filled;
                let is_full = filled.bytes + member.bytes > self.most_bytes
                    || filled.patients.len() == self.most_patients;
                let full = (is_full && !filled.patients.is_empty()).then(|| std::mem::take(&mut self.filled));
                self.filled.strays.append(std::mem::take(&mut self.strays));
                self.filled.bytes += member.bytes;
                self.filled.patients.push(member.patient);
                full.into_iter().collect()
            }
        }
    }
}

impl ChunkContent {
    /// Returns whether it is one record of more than `limit` stored bytes. A chunk of several patients can end after any of them.
    pub(crate) fn is_record_above(&self, limit: u64) -> bool {
        self.patients.len() == 1 && self.bytes > limit
    }

    fn is_empty(&self) -> bool {
        self.patients.is_empty() && self.strays.is_empty()
    }

    pub(crate) fn chunk(self, id: ChunkId, cohort: &ResolvedCohort) -> Chunk {
        let new_members = match cohort {
            ResolvedCohort::Patients { new_members, .. } => {
                self.patients.iter().filter(|patient| new_members.contains(*patient)).cloned().collect()
            }
            ResolvedCohort::Everyone => Vec::new(),
        };
        Chunk {
            new_members,
            strays: self.strays,
            ..Chunk::new(id, Work::Patients(self.patients), self.bytes)
        }
    }
}

#[cfg(test)]
mod tests;
