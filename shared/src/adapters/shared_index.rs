//! Where the resources outside any compartment stand in the files of `shared/`: 24 bytes of memory a resource, so
//! that a patient's export reads the few lines it needs and its cost does not grow with the lake.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::error::Damage;
use crate::fhir::head::{Plain, head};
use crate::fhir::json::without_mark;
use crate::ports::records::SharedLine;

pub(super) const TOO_LONG: &str = "the line is longer than 16 MiB";

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
    /// Adds the line that stands at `offset` and has `length` bytes with its end. Returns what is wrong with it where it
    /// is no resource with an id.
    pub(super) fn add(&mut self, file: usize, offset: u64, length: usize, line: &[u8]) -> Result<(), String> {
        let mut plain = Plain::default();
        let head = head(without_mark(line), &mut plain).map_err(|problem| problem.to_string())?;
        let id = head.id.ok_or("the resource has no id")?;
        self.entries.push(Entry {
            hash: hash(&format!("{}/{id}", head.resource_type)),
            offset,
            length: u32::try_from(length).unwrap_or(u32::MAX),
            file: u32::try_from(file).unwrap_or(u32::MAX),
        });
        Ok(())
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

/// Lines of one file that are no resources. The first is named, the others are counted.
#[derive(Debug, Default)]
pub(super) struct Unusable {
    first: Option<(u64, String)>,
    more: u64,
}

impl Unusable {
    pub(super) fn add(&mut self, line: u64, problem: String) {
        match self.first {
            Some(_) => self.more += 1,
            None => self.first = Some((line, problem)),
        }
    }

    /// What is said of the file; `None` when all of its lines are resources.
    pub(super) fn damage(self, file: &str) -> Option<Damage> {
        let (line, problem) = self.first?;
        let more = match self.more {
            0 => String::new(),
            1 => "; another line of the file cannot be read either".to_owned(),
            more => format!("; {more} more lines of the file cannot be read"),
        };
        Some(Damage { file: format!("{file} line {line}"), problem: problem + &more })
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
