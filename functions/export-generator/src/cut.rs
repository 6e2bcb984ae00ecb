//! Cuts the patients of a cohort into chunks by stored bytes and by number.

use domain::chunk::{Chunk, Strays, Work};
use domain::ids::{ChunkId, PatientId};
use domain::ports::records::Entry;

use crate::cohort::ResolvedCohort;

/// The maximum number of patients in a chunk: their files are listed with few requests, and their ids stay far below
/// the 400 kB limit of a DynamoDB item.
const MAX_PATIENTS: usize = 1_000;

/// The chunk that is being filled.
pub(crate) struct Cut {
    most_bytes: u64,
    most_patients: usize,
    filled: Filled,
    /// Entries after the last patient that are not patients. They are added with the next patient, or form a chunk at
    /// the end. A plan that continues after a chunk's last patient finds them again.
    strays: Strays,
}

/// The content of one chunk.
#[derive(Default)]
pub(crate) struct Filled {
    patients: Vec<PatientId>,
    /// Entries between the patients that are not patients.
    strays: Strays,
    bytes: u64,
}

impl Cut {
    pub(crate) fn new((most_bytes, most_patients): (u64, Option<usize>)) -> Self {
        let most_patients = most_patients.unwrap_or(MAX_PATIENTS).clamp(1, MAX_PATIENTS);
        Self { most_bytes, most_patients, filled: Filled::default(), strays: Strays::default() }
    }

    /// Adds the next entry; `None` is the end of the cohort. Returns the chunks that are complete: at most one, or up
    /// to two at the end, the last with the entries after all patients.
    pub(crate) fn add(&mut self, entry: Option<Entry>) -> Vec<Filled> {
        match entry {
            None => {
                let strays = Filled { strays: std::mem::take(&mut self.strays), ..Filled::default() };
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

impl Filled {
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
mod tests {
    use domain::ports::records::Member;
    use proptest::prelude::*;

    use super::*;

    fn entry(number: usize, bytes: u64, is_stray: bool) -> Entry {
        if is_stray {
            return Entry::Stray(format!("stray {number}"));
        }
        Entry::Patient(Member { patient: PatientId::parse(&format!("p{number}")).expect("an id"), bytes })
    }

    proptest! {
        #[test]
        fn every_entry_is_in_one_chunk_and_no_chunk_is_too_large(
            entries in prop::collection::vec((0_u64..50, prop::bool::weighted(0.2)), 0..60),
            most_bytes in 0_u64..100,
            most_patients in 0_usize..8,
        ) {
            let entries: Vec<_> =
                entries.iter().enumerate().map(|(number, (bytes, is_stray))| entry(number, *bytes, *is_stray)).collect();
            let mut cut = Cut::new((most_bytes, Some(most_patients)));
            let mut chunks: Vec<Filled> = entries.iter().cloned().flat_map(|entry| cut.add(Some(entry))).collect();
            chunks.extend(cut.add(None));
            let patients = chunks.iter().flat_map(|chunk| &chunk.patients).map(PatientId::as_str);
            let expected = entries.iter().filter_map(|entry| match entry {
                Entry::Patient(member) => Some(member.patient.as_str()),
                Entry::Stray(_) => None,
            });
            prop_assert!(patients.eq(expected));
            let strays: Vec<_> = chunks.iter().flat_map(|chunk| chunk.strays.named.clone()).collect();
            let expected: Vec<_> = entries.iter().filter_map(|entry| match entry {
                Entry::Stray(name) => Some(name.clone()),
                Entry::Patient(_) => None,
            }).collect();
            prop_assert_eq!(strays, expected);
            // A plan that continues after the last patient of a chunk finds the same further chunks, and nothing twice.
            if let Some((first, others)) = chunks.split_first()
                && let Some(last) = first.patients.last()
            {
                let behind = entries.iter().skip_while(|entry| !matches!(entry, Entry::Patient(member) if member.patient == *last)).skip(1);
                let mut cut = Cut::new((most_bytes, Some(most_patients)));
                let mut again: Vec<Filled> = behind.cloned().flat_map(|entry| cut.add(Some(entry))).collect();
                again.extend(cut.add(None));
                let contents = |chunks: &[Filled]| -> Vec<_> {
                    chunks.iter().map(|chunk| (chunk.patients.clone(), chunk.strays.clone())).collect()
                };
                prop_assert_eq!(contents(&again), contents(others));
            }
            for chunk in &chunks {
                prop_assert!(chunk.patients.len() <= most_patients.max(1));
                prop_assert!(chunk.bytes <= most_bytes || chunk.patients.len() <= 1);
            }
        }
    }
}
