//! Puts the resources where the lake layout wants them. Each file appears whole or not at all.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use shared::domain::ids::{PatientId, is_fhir_id, is_type_name};
use shared::fhir::json;
use shared::fhir::references::reference_values;
use shared::fhir::spelling::plainly;

use super::scratch::Scratch;
use super::{Loaded, files};
use crate::Failure;

/// What a lake has already of the patients that are loaded, and of what they share.
pub(super) fn existing_files(into: &Path, scratch: &Scratch) -> Result<Vec<PathBuf>, Failure> {
    let is_records = |path: &PathBuf| path.to_string_lossy().trim_end_matches(".gz").ends_with(".ndjson");
    let mut existing = Vec::new();
    let shared = into.join("shared");
    if shared.is_dir() {
        existing.extend(files(&[shared])?.into_iter().filter(is_records));
    }
    scratch.patients(|patient| {
        let directory = into.join("Patient").join(patient);
        if PatientId::parse(patient).is_ok() && directory.is_dir() {
            for entry in std::fs::read_dir(directory)? {
                let path = entry?.path();
                if path.is_file() && is_records(&path) {
                    existing.push(path);
                }
            }
        }
        Ok(())
    })?;
    Ok(existing)
}

/// Writes everything, then removes the files whose content went into others.
pub(super) fn write(
    scratch: &mut Scratch,
    into: &Path,
    before: &[PathBuf],
    loaded: &mut Loaded,
) -> Result<(), Failure> {
    let mut lines = Lines { scratch, resolved: HashMap::new() };
    let mut written = Vec::new();
    let mut current: Option<(String, Pending)> = None;
    scratch.of_patients(|patient, _, text| {
        if PatientId::parse(patient).is_err() {
            loaded.problem(into, 0, &format!("a resource of the patient '{patient}', which is no id"));
            return Ok(());
        }
        if current.as_ref().is_none_or(|(of, _)| of != patient) {
            written.extend(close(&mut current)?);
            let path = into.join("Patient").join(patient).join("records.ndjson");
            current = Some((patient.to_owned(), Pending::new(path)?));
            loaded.patients += 1;
        }
        if let Some((_, pending)) = &mut current {
            lines.write(text, pending)?;
            loaded.resources += 1;
        }
        Ok(())
    })?;
    written.extend(close(&mut current)?);
    scratch.of_nobody(|id, resource_type, text| {
        if resource_type == "Group" && is_fhir_id(id) {
            let mut pending = Pending::new(into.join("Group").join(format!("{id}.json")))?;
            lines.write(text, &mut pending)?;
            written.push(pending.keep()?);
            loaded.groups += 1;
            return Ok(());
        }
        if !is_type_name(resource_type) {
            return Ok(());
        }
        if current.as_ref().is_none_or(|(of, _)| of != resource_type) {
            written.extend(close(&mut current)?);
            let path = into.join("shared").join(format!("{resource_type}.ndjson"));
            current = Some((resource_type.to_owned(), Pending::new(path)?));
        }
        if let Some((_, pending)) = &mut current {
            lines.write(text, pending)?;
            loaded.shared += 1;
        }
        Ok(())
    })?;
    written.extend(close(&mut current)?);
    for file in before.iter().filter(|file| !written.contains(file)) {
        std::fs::remove_file(file)?;
    }
    Ok(())
}

fn close(current: &mut Option<(String, Pending)>) -> Result<Option<PathBuf>, Failure> {
    current.take().map(|(_, pending)| pending.keep()).transpose()
}

/// Writes lines with their `urn:` references as `Type/id`.
struct Lines<'s> {
    scratch: &'s Scratch,
    /// The last few thousand that were looked up: patients repeat the same ones.
    resolved: HashMap<String, Option<String>>,
}

impl Lines<'_> {
    fn write(&mut self, line: &[u8], pending: &mut Pending) -> Result<(), Failure> {
        let text = plainly(line);
        let mut urns = Vec::new();
        reference_values(&text, |value| {
            if text[value.clone()].starts_with(b"\"urn:") {
                urns.push(value);
            }
        });
        let mut copied = 0;
        for value in urns {
            let Some(urn) = json::string(&text, value.clone()) else { continue };
            if let Some(target) = self.resolve(urn.into_owned())? {
                pending.file.write_all(&text[copied..=value.start])?;
                pending.file.write_all(target.as_bytes())?;
                copied = value.end - 1;
            }
        }
        // Where nothing is replaced, every byte stays.
        pending.file.write_all(if copied == 0 { line } else { &text[copied..] })?;
        Ok(pending.file.write_all(b"\n")?)
    }

    fn resolve(&mut self, urn: String) -> Result<Option<String>, Failure> {
        if let Some(known) = self.resolved.get(&urn) {
            return Ok(known.clone());
        }
        if self.resolved.len() >= 10_000 {
            self.resolved.clear();
        }
        let target = self.scratch.resolve(&urn)?;
        self.resolved.insert(urn, target.clone());
        Ok(target)
    }
}

/// A file that gets its name when it is complete.
struct Pending {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Pending {
    fn new(path: PathBuf) -> Result<Self, Failure> {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        let file = File::create(path.with_extension("part"))?;
        Ok(Self { path, file: BufWriter::with_capacity(128 * 1024, file) })
    }

    fn keep(self) -> Result<PathBuf, Failure> {
        self.file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        std::fs::rename(self.path.with_extension("part"), &self.path)?;
        Ok(self.path)
    }
}
