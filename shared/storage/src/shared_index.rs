//! An index of the resources in the files of `shared/`. With 24 bytes of memory per resource, a patient's export reads only
//! the few lines that it needs, and its cost does not grow with the store. The index also has the targets of Provenance
//! resources, with 24 bytes per target and the id once, so that no line must be read to find the Provenance of a resource.

use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::hash::{DefaultHasher, Hash, Hasher};

use domain::error::Damage;
use domain::ports::records::{ProvenanceCounts, SharedLine, Supporting};
use domain::selector::Selector;
use fhir::belonging::{can_be_shared, may_belong_to_patient};
use fhir::compartments::can_have_patient;
use fhir::head::{Plain, head};
use fhir::json::{member, without_mark};
use fhir::references::{parse, target_values};

/// The problem of a line over [`fhir::MAX_LINE`].
pub const TOO_LONG: &str = "the line is longer than 16 MiB";
/// The maximum size of the earlier versions in one result, in bytes.
const MAX_EARLIER: usize = 64 * 1024 * 1024;

/// A resource: the hash of `Type/id`, and the place of its line in the decompressed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    hash: u64,
    pub offset: u64,
    pub length: u32,
    /// The number of the file.
    pub file: u32,
}

/// The index of the resources in `shared/`.
#[derive(Debug, Default)]
pub struct SharedIndex {
    /// Sorted by hash after [`SharedIndex::sorted`].
    entries: Vec<Entry>,
    /// Sorted by hash after [`SharedIndex::sorted`].
    targets: Vec<Target>,
    /// The ids of Provenance resources, one after the other.
    ids: String,
    provenance: ProvenanceCounts,
    /// The types of which patients' records have resources as well.
    types: BTreeSet<String>,
    /// The hashes of the resources that may belong to a patient. Sorted after [`SharedIndex::sorted`].
    of_patients: Vec<u64>,
    /// Provenance of which some targets belong to a patient unless they are in `shared/`.
    undecided: Vec<Undecided>,
}

/// A Provenance of which some targets are of types of patients' records.
#[derive(Debug)]
struct Undecided {
    id: String,
    /// The hashes of all targets, and of those that must be in `shared/`.
    targets: Vec<u64>,
    in_shared: Vec<u64>,
}

/// A target of a Provenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Target {
    /// The hash of the target's reference, `Type/id`.
    hash: u64,
    /// The start of the id of the Provenance in [`SharedIndex::ids`].
    id: usize,
    /// The length of the id.
    length: u8,
}

impl SharedIndex {
    /// Adds the line at `offset`, which has `length` bytes with its line end. Returns the problem of a line that is not a
    /// resource with an id.
    pub fn add(&mut self, file: usize, offset: u64, length: usize, line: &[u8]) -> Result<(), String> {
        let mut plain = Plain::default();
        let head = head(without_mark(line), &mut plain).map_err(|problem| problem.to_string())?;
        let id = head.id.ok_or("the resource has no id")?;
        let hash = hash(&format!("{}/{id}", head.resource_type));
        self.entries.push(Entry {
            hash,
            offset,
            length: u32::try_from(length).unwrap_or(u32::MAX),
            file: u32::try_from(file).unwrap_or(u32::MAX),
        });
        if head.resource_type == "Provenance" {
            self.add_provenance(head.text, id);
        } else if can_have_patient(head.resource_type) {
            if may_belong_to_patient(head.text, head.resource_type) {
                self.of_patients.push(hash);
            }
            if !self.types.contains(head.resource_type) {
                self.types.insert(head.resource_type.to_owned());
            }
        }
        Ok(())
    }

    /// Adds the targets of a Provenance. If a target is a resource of a patient, the Provenance is only counted: to
    /// find out whether that resource was exported is expensive, and other patients must not get the line.
    fn add_provenance(&mut self, text: &[u8], id: &str) {
        let About { targets, in_shared, is_of_patient } = About::of(text);
        if is_of_patient {
            self.provenance.of_patients += 1;
        } else if in_shared.is_empty() {
            self.add_targets(&targets, id);
        } else {
            self.undecided.push(Undecided { id: id.to_owned(), targets, in_shared });
        }
    }

    fn add_targets(&mut self, hashes: &[u64], id: &str) {
        if hashes.is_empty() {
            return;
        }
        self.provenance.of_shared += 1;
        // A FHIR id has at most 64 characters.
        let length = u8::try_from(id.len()).unwrap_or_default();
        let target = |hash: &u64| Target { hash: *hash, id: self.ids.len(), length };
        self.targets.extend(hashes.iter().map(target));
        self.ids.push_str(id);
    }

    /// Returns whether the resource with this hash may belong to a patient.
    fn is_of_patient(&self, hash: u64) -> bool {
        self.of_patients.binary_search(&hash).is_ok()
    }

    /// Returns whether the resource with this hash is in `shared/` and belongs to no patient.
    fn is_shared(&self, hash: u64) -> bool {
        let is_there = self.entries.binary_search_by_key(&hash, |entry| entry.hash).is_ok();
        is_there && !self.is_of_patient(hash)
    }

    /// Returns references to the Provenance resources that may have one of these resources as a target, each with that target.
    pub fn about(&self, references: &BTreeSet<String>) -> BTreeSet<(String, String)> {
        let mut found = BTreeSet::new();
        for reference in references.iter().filter(|_| !self.targets.is_empty()) {
            let hash = hash(reference);
            let from = self.targets.partition_point(|target| target.hash < hash);
            let same = self.targets[from..].iter().take_while(|target| target.hash == hash);
            let id = |target: &Target| &self.ids[target.id..target.id + usize::from(target.length)];
            found.extend(same.map(|target| (format!("Provenance/{}", id(target)), reference.clone())));
        }
        found
    }

    /// Sorts the index. This is required before [`SharedIndex::find`] and [`SharedIndex::about`].
    pub fn sorted(mut self) -> Self {
        self.entries.sort_unstable();
        self.of_patients.sort_unstable();
        for Undecided { id, targets, in_shared } in std::mem::take(&mut self.undecided) {
            match in_shared.iter().all(|target| self.is_shared(*target)) {
                true => self.add_targets(&targets, &id),
                false => self.provenance.of_patients += 1,
            }
        }
        self.targets.sort_unstable();
        self
    }

    /// Returns the places where lines of these references may be, in the order of files and offsets.
    pub fn find<'r>(&self, references: &'r BTreeSet<String>) -> Vec<(Entry, &'r String)> {
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

/// The resources that a Provenance is about.
#[derive(Default)]
struct About {
    /// The hashes of all targets.
    targets: Vec<u64>,
    /// The hashes of those that belong to a patient unless they are in `shared/`.
    in_shared: Vec<u64>,
    /// Whether a target certainly belongs to a patient.
    is_of_patient: bool,
}

impl About {
    fn of(text: &[u8]) -> Self {
        let mut about = Self::default();
        target_values(text, |target| {
            let Some(reference) = parse(target) else { return };
            let hash = hash(reference.text);
            about.targets.push(hash);
            if !can_be_shared(reference.resource_type) {
                about.is_of_patient = true;
            } else if can_have_patient(reference.resource_type) {
                about.in_shared.push(hash);
            }
        });
        about
    }
}

/// The lines of one file that are not resources. The first one is named, and the others are counted.
#[derive(Debug, Default)]
pub struct Unusable {
    first: Option<(u64, String)>,
    more: u64,
}

impl Unusable {
    pub fn add(&mut self, line: u64, problem: String) {
        match self.first {
            Some(_) => self.more += 1,
            None => self.first = Some((line, problem)),
        }
    }

    /// Returns the damage that is reported for the file; `None` if all of its lines are resources.
    pub fn damage(self, file: &str) -> Option<Damage> {
        let (line, problem) = self.first?;
        let more = match self.more {
            0 => String::new(),
            1 => "; another line of the file cannot be read either".to_owned(),
            more => format!("; {more} more lines of the file cannot be read"),
        };
        Some(Damage { file: format!("{file} line {line}"), problem: problem + &more })
    }
}

/// The lines that were found, by reference.
#[derive(Debug)]
pub struct Taken<'i> {
    index: &'i SharedIndex,
    /// The lines, and when each changed, in microseconds.
    lines: BTreeMap<String, (i64, SharedLine)>,
    /// The number of bytes that earlier versions may still have.
    room: usize,
}

impl<'i> Taken<'i> {
    pub fn new(index: &'i SharedIndex) -> Self {
        Self { index, lines: BTreeMap::new(), room: MAX_EARLIER }
    }

    /// Keeps the line if it is the resource of this reference. If there are several, the most recent one is the resource, and the others
    /// are its earlier versions.
    pub fn add_line(&mut self, reference: &str, mut line: Vec<u8>) {
        line.truncate(line.trim_ascii_end().len());
        line.drain(..line.len() - without_mark(&line).len());
        let mut plain = Plain::default();
        let Ok(head) = head(&line, &mut plain) else { return };
        if reference.split_once('/') != head.id.map(|id| (head.resource_type, id)) {
            return;
        }
        let is_of_patient = match head.resource_type {
            "Provenance" => {
                let about = About::of(head.text);
                about.is_of_patient || !about.in_shared.iter().all(|target| self.index.is_shared(*target))
            }
            _ => self.index.is_of_patient(hash(reference)),
        };
        let meta = member(head.text, 0..head.text.len(), b"meta");
        // A version without a time is earlier than all others.
        let changed = meta.and_then(|meta| Selector::last_updated(head.text, meta)).unwrap_or(i64::MIN);
        match self.lines.entry(reference.to_owned()) {
            btree_map::Entry::Vacant(place) => {
                let (reference, earlier) = (reference.to_owned(), Vec::new());
                let taken =
                    SharedLine { reference, line, duplicates: 0, earlier, is_whole: true, is_of_patient };
                place.insert((changed, taken));
            }
            btree_map::Entry::Occupied(mut place) => {
                let (latest, known) = place.get_mut();
                known.duplicates += 1;
                known.is_of_patient |= is_of_patient;
                if changed >= *latest {
                    *latest = changed;
                    std::mem::swap(&mut known.line, &mut line);
                }
                match self.room.checked_sub(line.len()) {
                    Some(room) => {
                        self.room = room;
                        known.earlier.push(line);
                    }
                    None => known.is_whole = false,
                }
            }
        }
    }

    /// Returns the result for the store whose damaged files these are.
    pub fn supporting(self, damaged: Vec<Damage>) -> Supporting {
        let Self { index, lines, .. } = self;
        Supporting {
            lines: lines.into_values().map(|(_, line)| line).collect(),
            damaged,
            provenance: index.provenance,
            types: index.types.clone(),
        }
    }
}

fn hash(reference: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    reference.hash(&mut hasher);
    hasher.finish()
}
