//! Where the resources outside any compartment stand in the files of `shared/`: 24 bytes of memory a resource, so
//! that a patient's export reads the few lines it needs and its cost does not grow with the lake.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::fhir::head::{Plain, head};
use crate::fhir::json::without_mark;
use crate::ports::records::SharedLine;

/// A resource: the hash of `Type/id`, and where its line is in the decompressed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    hash: u64,
    pub(super) offset: u64,
    pub(super) length: u32,
    /// The number of the file.
    pub(super) file: u32,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct SharedIndex {
    /// Sorted by hash once it is [`SharedIndex::sorted`].
    entries: Vec<Entry>,
}

impl SharedIndex {
    /// Adds the line that stands at `offset` and has `length` bytes with its end; false when it is no resource.
    pub(super) fn add(&mut self, file: usize, offset: u64, length: usize, line: &[u8]) -> bool {
        let mut plain = Plain::default();
        let named =
            head(without_mark(line), &mut plain).ok().and_then(|head| Some((head.resource_type, head.id?)));
        let Some((resource_type, id)) = named else { return false };
        self.entries.push(Entry {
            hash: hash(&format!("{resource_type}/{id}")),
            offset,
            length: u32::try_from(length).unwrap_or(u32::MAX),
            file: u32::try_from(file).unwrap_or(u32::MAX),
        });
        true
    }

    pub(super) fn sorted(mut self) -> Self {
        self.entries.sort_unstable();
        self
    }

    /// Where lines of these references may be, in the order of files and offsets.
    pub(super) fn find<'r>(&self, references: &'r BTreeSet<String>) -> Vec<(Entry, &'r String)> {
        let mut wanted = Vec::new();
        for reference in references {
            let hash = hash(reference);
            let from = self.entries.partition_point(|entry| entry.hash < hash);
            let same = self.entries[from..].iter().take_while(|entry| entry.hash == hash);
            wanted.extend(same.map(|entry| (*entry, reference)));
        }
        wanted.sort_unstable_by_key(|(entry, _)| (entry.file, entry.offset));
        wanted
    }
}

/// Lines that were found, by reference.
#[derive(Debug, Default)]
pub(super) struct Taken(BTreeMap<String, SharedLine>);

impl Taken {
    /// Takes the line if it is the resource of this reference. Of duplicates the one that stands last wins, and the
    /// others are counted.
    pub(super) fn take(&mut self, reference: &str, mut line: Vec<u8>) {
        line.truncate(line.trim_ascii_end().len());
        line.drain(..line.len() - without_mark(&line).len());
        let mut plain = Plain::default();
        let is_it = head(&line, &mut plain)
            .is_ok_and(|head| reference.split_once('/') == head.id.map(|id| (head.resource_type, id)));
        if !is_it {
            return;
        }
        match self.0.get_mut(reference) {
            Some(known) => {
                known.line = line;
                known.duplicates += 1;
            }
            None => {
                let reference = reference.to_owned();
                self.0.insert(reference.clone(), SharedLine { reference, line, duplicates: 0 });
            }
        }
    }

    pub(super) fn lines(self) -> Vec<SharedLine> {
        self.0.into_values().collect()
    }
}

fn hash(reference: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    reference.hash(&mut hasher);
    hasher.finish()
}
