//! Writes the resources to new files. They get the final names of the lake layout when all of them are complete: see [`Changes`].

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use domain::ports::records::Area;
use fhir::ids::{is_fhir_id, is_type_name};
use fhir::json;
use fhir::references::{parse, reference_values};
use fhir::spelling::plainly;
use storage::layout::{PATIENTS, is_ndjson};

use super::commit::Changes;
use super::divide::in_parts;
use super::losers::Losers;
use super::parallel::parallel;
use super::report::{Kind, Notes};
use super::spill::{Head, Run, Stream, Texts, Writer, put_resource};
use super::streams::{Load, hash};
use crate::Failure;

/// Returns the NDJSON files of a directory, without those of its subdirectories. Hidden files are not part of a lake.
pub(super) fn records_in(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let broken = |error: std::io::Error| Failure::of_path(directory, &error);
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(broken)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(broken)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_records = !name.starts_with('.') && is_ndjson(&name);
        if is_records && entry.file_type().map_err(broken)?.is_file() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Writes the records of the patients.
pub(super) fn patients(
    load: &Load<'_>,
    workers: usize,
    into: &Path,
    losers: &Losers,
    damaged: &BTreeSet<PathBuf>,
    changes: &Changes<'_>,
) -> Result<Notes, Failure> {
    let written = parallel(workers, load.texts.len(), Notes::default, |notes, index| {
        let streams = [&load.texts, &load.patients];
        in_parts(load, streams, index, load.sizes.sorted, &mut |[texts, patients], index| {
            load.check_interrupted()?;
            let mut texts = texts.texts(index)?;
            texts.sort(|number| losers.contains(number));
            let written = records(texts, into, notes, damaged, changes)?;
            remove_emptied(patients, index, into, &written, damaged, changes)
        })?;
        load.texts.remove(index);
        Ok(())
    })?;
    let mut notes = Notes::default();
    for more in written {
        notes.add(more);
    }
    Ok(notes)
}

/// Writes the records of a partition. Returns the hashes of their patients.
fn records(
    mut texts: Texts,
    into: &Path,
    notes: &mut Notes,
    damaged: &BTreeSet<PathBuf>,
    changes: &Changes<'_>,
) -> Result<HashSet<u64>, Failure> {
    let (mut current, mut written): (Option<Record>, _) = (None, HashSet::new());
    texts.each(|head, text| {
        if current.as_ref().is_none_or(|record| record.patient.as_bytes() != head.home) {
            close(current.take(), notes, damaged, changes)?;
            current = Some(Record::new(into, head.home, changes)?);
            written.insert(hash(head.home));
        }
        if let Some(record) = &mut current {
            record.has_patient |= head.resource_type == b"Patient" && head.id == head.home;
            record.resources += 1;
            record.file.line(text)?;
        }
        Ok(())
    })?;
    close(current, notes, damaged, changes)?;
    Ok(written)
}

/// Removes the records of patients in a partition whose resources are all in other records now. `written` are the others.
fn remove_emptied(
    patients: &Stream,
    index: usize,
    into: &Path,
    written: &HashSet<u64>,
    damaged: &BTreeSet<PathBuf>,
    changes: &Changes<'_>,
) -> Result<(), Failure> {
    let mut records = patients.records(index, 0)?;
    while let Some((_, mut fields)) = records.next()? {
        let patient = fields.text()?;
        let id = std::str::from_utf8(patient).ok().filter(|id| is_fhir_id(id));
        let Some(id) = id.filter(|_| !written.contains(&hash(patient))) else { continue };
        let directory = into.join(PATIENTS).join(id);
        let files = records_in(&directory)?;
        if files.is_empty() || files.iter().any(|file| damaged.contains(file)) {
            continue;
        }
        for file in files {
            changes.remove(&file)?;
        }
        changes.remove(&directory)?;
    }
    Ok(())
}

/// The records of one patient that are being written.
struct Record {
    patient: String,
    has_patient: bool,
    resources: u64,
    directory: PathBuf,
    file: Pending,
}

impl Record {
    fn new(into: &Path, patient: &[u8], changes: &Changes<'_>) -> Result<Self, Failure> {
        let patient = String::from_utf8_lossy(patient).into_owned();
        let directory = into.join(PATIENTS).join(&patient);
        let file = Pending::new(directory.join("records.ndjson"), changes)?;
        Ok(Self { patient, has_patient: false, resources: 0, directory, file })
    }
}

fn close(
    record: Option<Record>,
    notes: &mut Notes,
    damaged: &BTreeSet<PathBuf>,
    changes: &Changes<'_>,
) -> Result<(), Failure> {
    let Some(Record { patient, has_patient, resources, directory, file }) = record else { return Ok(()) };
    replace(&records_in(&directory)?, vec![file], damaged, changes)?;
    notes.loaded.resources += resources;
    if has_patient {
        notes.loaded.patients += 1;
    } else {
        notes.record(Kind::WithoutPatient, None, None, 1, || {
            format!("Patient/{patient}: {resources} resources")
        });
    }
    Ok(())
}

/// Lets the new files replace the old ones, whose contents they include. An old file that could not be used completely is kept under
/// another name.
fn replace(
    before: &[PathBuf],
    new: Vec<Pending>,
    damaged: &BTreeSet<PathBuf>,
    changes: &Changes<'_>,
) -> Result<(), Failure> {
    for path in before.iter().filter(|path| damaged.contains(*path)) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let next = new.iter().find(|new| new.path == *path).map(|new| &*new.new);
        changes.set_aside(path, &path.with_file_name(format!("{name}.damaged")), next)?;
    }
    let keep = |new: Pending| new.keep(changes);
    let written = new.into_iter().map(keep).collect::<Result<Vec<_>, Failure>>()?;
    for path in before.iter().filter(|path| !damaged.contains(*path) && !written.contains(path)) {
        changes.remove(path)?;
    }
    Ok(())
}

/// Writes the shared resources: sorts their partitions, and merges them.
pub(super) fn shared(
    load: &Load<'_>,
    workers: usize,
    into: &Path,
    losers: &Losers,
    damaged: &BTreeSet<PathBuf>,
    (runs, changes): (&Stream, &Changes<'_>),
) -> Result<Notes, Failure> {
    let mut notes = Notes::default();
    let sorted = parallel(
        workers,
        load.shared.len(),
        || (Writer::new(runs), Notes::default()),
        |(writer, notes), index| {
            load.check_interrupted()?;
            let mut texts = load.shared.texts(index)?;
            texts.sort(|number| losers.contains(number));
            // Each partition becomes the run with the same number.
            let run = index as u64;
            texts.each(|head, text| {
                note_referring(&head, text, notes);
                writer.push(run, |buffer| put_resource(buffer, &head, text))
            })?;
            load.shared.remove(index);
            Ok(())
        },
    )?;
    for (writer, more) in sorted {
        writer.finish()?;
        notes.add(more);
    }
    let mut files = Vec::new();
    let mut current: Option<(Vec<u8>, Pending)> = None;
    merge(runs, |resource_type, id, text| {
        load.check_interrupted()?;
        if resource_type == "Group" && is_fhir_id(id) {
            let mut group =
                Pending::new(into.join(Area::Groups.directory()).join(format!("{id}.json")), changes)?;
            group.line(text)?;
            notes.loaded.groups += 1;
            return group.keep(changes).map(|_| ());
        }
        if !is_type_name(resource_type) {
            return Ok(());
        }
        if current.as_ref().is_none_or(|(of, _)| of != resource_type.as_bytes()) {
            files.extend(current.take().map(|(_, pending)| pending));
            let path = into.join(Area::Shared.directory()).join(format!("{resource_type}.ndjson"));
            current = Some((resource_type.as_bytes().to_owned(), Pending::new(path, changes)?));
        }
        if let Some((_, pending)) = &mut current {
            pending.line(text)?;
            notes.loaded.shared += 1;
        }
        Ok(())
    })?;
    files.extend(current.map(|(_, pending)| pending));
    replace(&records_in(&into.join(Area::Shared.directory()))?, files, damaged, changes)?;
    Ok(notes)
}

/// Records a resource of `shared/` that refers to a patient. Groups are not in `shared/`.
fn note_referring(head: &Head<'_>, text: &[u8], notes: &mut Notes) {
    if head.resource_type == b"Group" {
        return;
    }
    let (text, mut patient) = (plainly(text), None);
    reference_values(&text, |value| {
        if patient.is_none()
            && let Some(value) = json::string(&text, value)
            && let Some(reference) = parse(&value)
            && reference.resource_type == "Patient"
        {
            patient = Some(reference.text.to_owned());
        }
    });
    if let Some(patient) = patient {
        let name = |bytes| String::from_utf8_lossy(bytes).into_owned();
        notes.record(Kind::Referring, None, None, 1, || {
            format!("{}/{}: {patient}", name(head.resource_type), name(head.id))
        });
    }
}

/// Merges sorted runs, and passes the type, the id and the text of each resource to `show`.
fn merge(
    runs: &Stream,
    mut show: impl FnMut(&str, &str, &[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut open = Vec::new();
    for index in (0..runs.len()).filter(|index| runs.bytes(*index) > 0) {
        open.push(runs.run(index)?);
    }
    let key = |run: &Run| {
        let next = run.next.as_ref()?;
        Some((next.resource_type.clone(), next.id.clone()))
    };
    let mut order: BinaryHeap<_> =
        open.iter().enumerate().filter_map(|(index, run)| Some(Reverse((key(run)?, index)))).collect();
    while let Some(Reverse((_, index))) = order.pop() {
        let run = &mut open[index];
        if let Some(next) = &run.next {
            let (resource_type, id) =
                (String::from_utf8_lossy(&next.resource_type), String::from_utf8_lossy(&next.id));
            show(&resource_type, &id, &next.text)?;
        }
        run.advance()?;
        order.extend(key(run).map(|key| Reverse((key, index))));
    }
    Ok(())
}

/// A new file, and the path that it gets.
struct Pending {
    path: PathBuf,
    new: PathBuf,
    file: BufWriter<File>,
}

impl Pending {
    fn new(path: PathBuf, changes: &Changes<'_>) -> Result<Self, Failure> {
        let new = changes.new_file()?;
        let file = File::create(&new).map_err(|error| Failure::of_path(&new, &error))?;
        Ok(Self { path, new, file: BufWriter::with_capacity(128 * 1024, file) })
    }

    fn line(&mut self, text: &[u8]) -> Result<(), Failure> {
        let written = self.file.write_all(text).and_then(|()| self.file.write_all(b"\n"));
        written.map_err(|error| Failure::of_path(&self.new, &error))
    }

    /// Ends the file. It gets its path with the other changes.
    fn keep(mut self, changes: &Changes<'_>) -> Result<PathBuf, Failure> {
        let flushed = self.file.flush();
        flushed.map_err(|error| Failure::of_path(&self.new, &error))?;
        changes.place(&self.new, &self.path)?;
        Ok(self.path)
    }
}
