//! Cuts the patients of a cohort into chunks: by stored bytes and by number.

use shared::domain::chunk::{Chunk, Strays, Work};
use shared::domain::ids::{ChunkId, PatientId};
use shared::ports::records::Entry;

use crate::cohort::Listed;

/// Patients in a chunk at most: their files are listed with few requests, and their ids stay far below the 400 kB of a
/// DynamoDB item.
const MAX_PATIENTS: usize = 1_000;

/// The chunk that is being filled.
pub(crate) struct Cut {
    most_bytes: u64,
    most_patients: usize,
    filled: Filled,
}

/// What goes into one chunk.
#[derive(Default)]
pub(crate) struct Filled {
    patients: Vec<PatientId>,
    /// Entries between them that are no patients.
    strays: Strays,
    bytes: u64,
}

impl Cut {
    pub(crate) fn new((most_bytes, most_patients): (u64, Option<usize>)) -> Self {
        let most_patients = most_patients.unwrap_or(MAX_PATIENTS).clamp(1, MAX_PATIENTS);
        Self { most_bytes, most_patients, filled: Filled::default() }
    }

    /// Adds the next entry; `None` is the end of the cohort. Returns a chunk that is full with that.
    pub(crate) fn add(&mut self, entry: Option<Entry>) -> Option<Filled> {
        match entry {
            None => {
                let filled = std::mem::take(&mut self.filled);
                (!filled.patients.is_empty() || !filled.strays.is_empty()).then_some(filled)
            }
            Some(Entry::Stray(name)) => {
                self.filled.strays.add(&name);
                None
            }
            Some(Entry::Patient(member)) => {
                let filled = &self.filled;
                let is_full = filled.bytes + member.bytes > self.most_bytes
                    || filled.patients.len() == self.most_patients;
                let full = (is_full && !filled.patients.is_empty()).then(|| std::mem::take(&mut self.filled));
                self.filled.bytes += member.bytes;
                self.filled.patients.push(member.patient);
                full
            }
        }
    }
}

impl Filled {
    pub(crate) fn chunk(self, id: ChunkId, cohort: &Listed) -> Chunk {
        let joined = match cohort {
            Listed::Patients { joined, .. } => {
                self.patients.iter().filter(|patient| joined.contains(*patient)).cloned().collect()
            }
            Listed::Everyone => Vec::new(),
        };
        Chunk { joined, strays: self.strays, ..Chunk::new(id, Work::Patients(self.patients), self.bytes) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::ports::records::Member;

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
            let mut chunks: Vec<Filled> = entries.iter().cloned().filter_map(|entry| cut.add(Some(entry))).collect();
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
            for chunk in &chunks {
                prop_assert!(chunk.patients.len() <= most_patients.max(1));
                prop_assert!(chunk.bytes <= most_bytes || chunk.patients.len() == 1);
            }
        }
    }
}
