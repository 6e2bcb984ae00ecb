//! Finds the regular files of the inputs, sorted by name.

use std::path::{Path, PathBuf};

use storage::layout::{self, INDEX, PATIENTS, is_ndjson, uncompressed};

use super::report::{Kind, Notes};
use crate::Failure;

/// Directories with documents instead of records: the first in a lake, the second in an export.
const DOCUMENTS: [&str; 2] = [layout::DOCUMENTS, "attachments"];

/// Returns the files to read: the named files, and the files in named directories. Other files are recorded as problems.
pub(super) fn files(inputs: &[PathBuf], notes: &mut Notes) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for input in inputs {
        // A named input may be a symbolic link. Links inside directories are not followed.
        let metadata = std::fs::metadata(input).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Failure::new(format!("{} does not exist", input.display())),
            _ => Failure::of_path(input, &error),
        })?;
        if metadata.is_dir() {
            inside(input, &mut found, notes)?;
        } else if metadata.is_file() {
            found.push(input.clone());
        } else {
            unread(input, "neither a regular file nor a directory", notes);
        }
    }
    Ok(found)
}

fn inside(directory: &Path, found: &mut Vec<PathBuf>, notes: &mut Notes) -> Result<(), Failure> {
    let broken = |error: std::io::Error| Failure::of_path(directory, &error);
    let entries = std::fs::read_dir(directory).map_err(broken)?;
    let mut entries = entries.collect::<Result<Vec<_>, _>>().map_err(broken)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        // Hidden files belong to the system, or to a program that is still writing.
        if name.starts_with('.') {
            continue;
        }
        let kind = entry.file_type().map_err(broken)?;
        // A lake has an index of its patients, which is made again.
        if kind.is_dir() && name == INDEX && directory.join(PATIENTS).is_dir() {
            continue;
        }
        if kind.is_dir() && DOCUMENTS.contains(&name.as_str()) {
            notes.loaded.documents += std::fs::read_dir(&path).map_err(broken)?.count() as u64;
        } else if kind.is_dir() {
            inside(&path, found, notes)?;
        } else if !kind.is_file() {
            unread(&path, "not a regular file: links and pipes are not read", notes);
        } else if is_ndjson(&name) || is_json(&name) {
            found.push(path);
        } else {
            unread(
                &path,
                "not read: the loader reads only files whose names end in .ndjson, .json, .ndjson.gz or .json.gz",
                notes,
            );
        }
    }
    Ok(())
}

/// Returns whether a file in a directory is read as JSON, compressed once or not.
fn is_json(name: &str) -> bool {
    uncompressed(name).strip_suffix(".json").is_some()
}

fn unread(path: &Path, reason: &str, notes: &mut Notes) {
    notes.record(Kind::Problem, None, None, 1, || format!("{}: {reason}", path.display()));
}
