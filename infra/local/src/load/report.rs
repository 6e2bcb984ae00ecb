//! The result of a load: counts, and notes with the files and lines of the first problems.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use domain::ids::PatientId;

/// The maximum number of problems that are listed. Further ones are only counted.
const MAX_PROBLEMS: usize = 1_000;
/// The maximum number of listed notes of each other kind.
const MAX_NAMED: usize = 100;

/// Notes of one kind: all are counted, and the first ones are listed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Noted {
    pub count: u64,
    pub named: Vec<String>,
}

/// The result of a load.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Patients that have a Patient resource.
    pub patients: u64,
    /// Resources of patients. A resource of two patients counts twice.
    pub resources: u64,
    pub shared: u64,
    pub groups: u64,
    /// The unusable input: file, line and reason.
    pub problems: Vec<String>,
    /// The number of problems that are not in `problems`.
    pub more_problems: u64,
    /// Resources that the inputs or the lake had more than once with the same content.
    pub repeated: u64,
    /// Resources of the lake that were replaced by a newer version.
    pub updated: u64,
    /// Resources that were not loaded, because another version of the same id was newer or was read later.
    pub replaced: Noted,
    /// References whose target was neither loaded nor found in the existing records of the same patients.
    pub unresolved: Noted,
    /// URLs of attachments that no export can serve.
    pub unserved: Noted,
    /// Binaries that belong to no patient, so that only system exports include them.
    pub unplaced: Noted,
    /// Resources that name a patient who was not found, so that the patient's record does not include them.
    pub unmatched: Noted,
    /// Resources in `shared/` that refer to a patient, but not in an element that makes them part of the patient's record.
    pub referring: Noted,
    /// Resources that are no longer in the record of a patient, because the new version belongs to others.
    pub moved: Noted,
    /// The number of patients whose records were read to make the index of homes, if it was missing.
    pub scanned: Option<u64>,
    /// Deletions in the input, which were not carried out.
    pub deletions: Noted,
    /// Patients that have resources, but no Patient resource.
    pub without_patient: Noted,
    /// Documents in the input, which were not loaded.
    pub documents: u64,
    pub changed: Changed,
}

/// The patients whose rows of the index are renewed, of whom a limited number is kept: those whose records were written, or all of them
/// after a load that was stopped.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changed {
    patients: HashSet<PatientId>,
    are_more: bool,
}

/// With more changed patients than this, the index is made again.
const MAX_CHANGED: usize = 100_000;

impl Changed {
    /// Adds a patient. An id that is no id of FHIR is no patient of a lake.
    pub(super) fn add(&mut self, id: &str) {
        self.are_more |= self.patients.len() >= MAX_CHANGED;
        if !self.are_more {
            self.patients.extend(PatientId::parse(id));
        }
    }

    /// Adds all patients of the lake.
    pub(super) fn add_all(&mut self) {
        self.are_more = true;
    }

    /// Returns the patients; `None` if there are more of them than were kept.
    pub fn patients(self) -> Option<HashSet<PatientId>> {
        (!self.are_more).then_some(self.patients)
    }
}

/// The maximum length of a text of the input in a note, in characters.
const MAX_SHOWN: usize = 200;

/// Returns the beginning of a text that is too long for a note.
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// The place where a resource was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The piece of the input, or [`Place::LAKE`] for existing records of the lake.
    pub(super) piece: u32,
    /// The line in that piece, from 1.
    pub(super) line: u32,
}

impl Place {
    pub(super) const LAKE: u32 = u32::MAX;

    pub(super) fn number(self) -> u64 {
        u64::from(self.piece) << 32 | u64::from(self.line)
    }

    pub(super) fn of(number: u64) -> Self {
        let half = |number: u64| u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default();
        Self { piece: half(number >> 32), line: half(number) }
    }
}

/// The kind of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Problem,
    Replaced,
    Unresolved,
    Unserved,
    Unplaced,
    Unmatched,
    Referring,
    Moved,
    Deletion,
    WithoutPatient,
}

impl Kind {
    fn limit(self) -> usize {
        if self == Self::Problem { MAX_PROBLEMS } else { MAX_NAMED }
    }
}

/// A text about a resource.
#[derive(Debug)]
struct Note {
    place: Option<Place>,
    text: String,
    /// The place of the version that replaced the resource. It is printed after the text.
    other: Option<Place>,
}

/// The notes of one worker.
#[derive(Debug, Default)]
pub(super) struct Notes {
    notes: BTreeMap<Kind, (u64, Vec<Note>)>,
    /// Counts without notes.
    pub(super) loaded: Loaded,
}

impl Notes {
    /// Records a note that counts `count` times. The text is created only below the limit.
    pub(super) fn record(
        &mut self,
        kind: Kind,
        place: Option<Place>,
        other: Option<Place>,
        count: u64,
        text: impl FnOnce() -> String,
    ) {
        let (all, notes) = self.notes.entry(kind).or_default();
        *all += count;
        // Each worker stores as many notes as the final list has, so that none of the first ones is missing.
        if notes.len() < kind.limit() {
            notes.push(Note { place, text: text(), other });
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        for (kind, (count, notes)) in other.notes {
            let (all, known) = self.notes.entry(kind).or_default();
            *all += count;
            known.extend(notes);
        }
        let (loaded, more) = (&mut self.loaded, other.loaded);
        loaded.patients += more.patients;
        loaded.resources += more.resources;
        loaded.shared += more.shared;
        loaded.groups += more.groups;
        loaded.repeated += more.repeated;
        loaded.updated += more.updated;
        loaded.documents += more.documents;
    }

    /// Returns the result with the names of the places, which `name` returns. The lines of a file are known only after all inputs are read.
    pub(super) fn loaded(self, name: impl Fn(Place) -> String) -> Loaded {
        let mut loaded = self.loaded;
        for (kind, (count, mut notes)) in self.notes {
            notes.sort_by(|a, b| (a.place, &a.text).cmp(&(b.place, &b.text)));
            let named = |note: &Note| {
                let mut text = note.place.map(|place| name(place) + ": ").unwrap_or_default();
                text.push_str(&note.text);
                text.push_str(&note.other.map(&name).unwrap_or_default());
                text
            };
            let named: Vec<_> = notes.iter().take(kind.limit()).map(named).collect();
            let noted = Noted { count, named };
            match kind {
                Kind::Problem => {
                    loaded.more_problems = noted.count.saturating_sub(noted.named.len() as u64);
                    loaded.problems = noted.named;
                }
                Kind::Replaced => loaded.replaced = noted,
                Kind::Unresolved => loaded.unresolved = noted,
                Kind::Unserved => loaded.unserved = noted,
                Kind::Unplaced => loaded.unplaced = noted,
                Kind::Unmatched => loaded.unmatched = noted,
                Kind::Referring => loaded.referring = noted,
                Kind::Moved => loaded.moved = noted,
                Kind::Deletion => loaded.deletions = noted,
                Kind::WithoutPatient => loaded.without_patient = noted,
            }
        }
        loaded
    }
}

impl Noted {
    /// Prints the number of resources, what is wrong with them, and their names.
    fn print(&self, what: &str) {
        if self.count == 0 {
            return;
        }
        eprintln!("{} {what}:", self.count);
        self.named.iter().for_each(|named| eprintln!("  {named}"));
        let more = self.count.saturating_sub(self.named.len() as u64);
        if more > 0 && self.named.len() >= MAX_NAMED {
            eprintln!("  and more");
        }
    }
}

impl Loaded {
    /// Returns the number of lines, entries and files that could not be used.
    pub fn problem_count(&self) -> u64 {
        self.problems.len() as u64 + self.more_problems
    }

    /// Returns what was not done with the input; `None` if all of it was used.
    pub(super) fn fault(&self) -> Option<String> {
        let unused = match self.problem_count() {
            0 => None,
            count => Some(format!("{count} lines, entries or files could not be used")),
        };
        let not_deleted = match self.deletions.count {
            0 => None,
            count => Some(format!("{count} deletions were not carried out")),
        };
        let faults: Vec<_> = unused.into_iter().chain(not_deleted).collect();
        (!faults.is_empty()).then(|| format!("{}; the rest is loaded", faults.join(", ")))
    }

    /// Prints the result on standard error.
    pub(super) fn print(&self, into: &Path) {
        for problem in &self.problems {
            eprintln!("{problem}");
        }
        let kinds = [
            (&self.replaced, "resources were not loaded, because another version of the same id was"),
            (&self.unresolved, "references have no target among the loaded resources"),
            (&self.unserved, "URLs of attachments cannot be served by an export"),
            (
                &self.unplaced,
                "Binaries were written to shared/, where only system exports include them, because no attachment and no securityContext names a patient for them",
            ),
            (
                &self.unmatched,
                "resources name a patient who was not found. They are not in the record of this patient, and those without another patient are in shared/. Load the Patient with this identifier and then these resources again, or write 'Patient/ID' as their reference and load them again",
            ),
            (
                &self.referring,
                "resources in shared/ refer to a patient, but not in an element that makes them part of the patient's record (see infra/docs/records.md). The export of this patient has them only if resources of the patient refer to them",
            ),
            (
                &self.moved,
                "resources are no longer in the record of a patient, because their new version belongs to another one. If clients export this patient separately with _since, write a line for each of these resources to deleted/ of the records directory (see infra/docs/records.md)",
            ),
            (
                &self.deletions,
                "deletions were not carried out, because the loader does not delete. Remove the lines of these resources from Patient/ID/ and shared/ of the records directory, and write a line for each of them to deleted/ (see infra/docs/records.md)",
            ),
            (&self.without_patient, "patients have resources, but no Patient resource"),
        ];
        for (noted, what) in kinds {
            noted.print(what);
        }
        if let Some(patients) = self.scanned.filter(|patients| *patients > 0) {
            eprintln!(
                "The records of {patients} patients were read to make the index of homes, which was missing; the next load does not need this (see infra/docs/records.md)"
            );
        }
        if self.documents > 0 {
            eprintln!(
                "{} documents in directories 'files' and 'attachments' were not loaded: copy them to Patient/ID/files of the records directory",
                self.documents
            );
        }
        if self.repeated + self.updated > 0 {
            eprintln!(
                "{} resources were found more than once with the same content; {} existing resources were replaced by newer versions",
                self.repeated, self.updated
            );
        }
        self.print_totals(into);
    }

    fn print_totals(&self, into: &Path) {
        let others = match self.without_patient.count {
            0 => String::new(),
            count => format!(" (and of {count} without a Patient resource)"),
        };
        eprintln!(
            "Loaded {} resources of {} patients{others}, {} shared resources and {} groups into {}",
            self.resources,
            self.patients,
            self.shared,
            self.groups,
            into.display()
        );
    }
}
