//! The output directory of an export. It belongs to one export: a note in it names the server, the request and the job. Therefore an
//! interrupted command can be resumed, a repeated command replaces its files, and another command is refused.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crypto::OsRandom;
use domain::clock::Random;
use serde::{Deserialize, Serialize};

use crate::{Failure, private};

/// The file name of the note.
const NOTE: &str = ".ehi-export.json";
/// The directory with the files of the last complete export, which is kept until the new one is complete.
const EARLIER: &str = ".earlier";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    /// The FHIR base URL, or the records of the built-in server.
    server: String,
    /// The operation and its parameters.
    request: String,
    /// The key that is sent with the kick-off, so that a repeated kick-off does not start a second job.
    idempotency_key: String,
    /// The URL of the job's status, if it is known.
    #[serde(default)]
    status: Option<String>,
    complete: bool,
    /// The files of the export, including those that are not downloaded yet. The paths are relative to the directory.
    #[serde(default)]
    files: BTreeSet<String>,
    /// The files of the last job, until all of them are moved or removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retired: Option<Retired>,
    /// The attachments that the server does not have. The paths are relative to the directory.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    missing: BTreeSet<String>,
    /// The URLs of attachments on other servers, which are not downloaded.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    elsewhere: BTreeSet<String>,
}

/// The files of a job that is replaced. They are in the note before the first of them is moved, so that an interrupted move is continued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Retired {
    files: BTreeSet<String>,
    /// Whether the files are a complete export, which is kept until the new one is complete.
    is_kept: bool,
}

impl Note {
    fn new(server: &str, request: &str) -> Self {
        Self {
            server: server.to_owned(),
            request: request.to_owned(),
            idempotency_key: OsRandom.secret(),
            status: None,
            complete: false,
            files: BTreeSet::new(),
            retired: None,
            missing: BTreeSet::new(),
            elsewhere: BTreeSet::new(),
        }
    }

    /// Returns whether the note has no job and no file.
    fn is_unused(&self) -> bool {
        self.status.is_none() && self.files.is_empty() && !self.complete
    }
}

/// A directory that belongs to one export.
#[derive(Debug)]
pub(crate) struct OutputDirectory {
    path: PathBuf,
    note: Note,
    /// Whether the files in the directory belong to the job in the note.
    resumed: bool,
}

impl OutputDirectory {
    /// Opens the directory for a request to a server, and creates it if it does not exist.
    ///
    /// # Errors
    ///
    /// The directory has the export of another request, or files that do not belong to an export.
    pub(crate) fn open(path: &Path, server: &str, request: &str) -> Result<Self, Failure> {
        private::create_directory(path)?;
        let found = match std::fs::read_to_string(path.join(NOTE)) {
            Ok(text) => Some(serde_json::from_str::<Note>(&text).map_err(|error| {
                Failure::new(format!("{}: {error}: choose another directory", path.join(NOTE).display()))
            })?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(Failure::of_path(&path.join(NOTE), &error)),
        };
        let note = match found {
            Some(note) if note.server == server && note.request == request => note,
            // A refused request leaves no files, so a corrected request may replace it.
            Some(note) if note.is_unused() && !path.join(EARLIER).exists() => Note::new(server, request),
            Some(note) => {
                let state = if note.complete { "complete" } else { "not complete" };
                let job = note.status.map(|status| format!(", job {status}")).unwrap_or_default();
                return Err(Failure::new(format!(
                    "{} holds another export ({} of {}, {state}{job}): choose another directory",
                    path.display(),
                    note.request,
                    note.server
                )));
            }
            None if holds_files(path)? => {
                return Err(Failure::new(format!(
                    "{} has files that do not belong to an export: choose a new or an empty directory",
                    path.display()
                )));
            }
            None => Note::new(server, request),
        };
        let mut directory = Self { path: path.to_owned(), note, resumed: false };
        directory.retire()?;
        Ok(directory)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the URL of the status of a job that an earlier run started and did not finish.
    pub(crate) fn unfinished_job(&self) -> Option<&str> {
        self.note.status.as_deref().filter(|_| !self.note.complete)
    }

    /// Removes an unfinished job from the note, because the job no longer exists.
    pub(crate) fn forget_job(&mut self) {
        if !self.note.complete {
            self.note.status = None;
            self.note.idempotency_key = OsRandom.secret();
        }
    }

    /// Resumes the unfinished job and keeps its files.
    pub(crate) fn resume(&mut self) {
        self.resumed = true;
    }

    /// Returns whether the files of the unfinished job are known, because the server has returned its manifest.
    pub(crate) fn has_files(&self) -> bool {
        !self.note.complete && !self.note.files.is_empty()
    }

    /// Returns whether the files in the directory belong to the job that is downloaded.
    pub(crate) fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// Removes the job from the note and stores the note, because the job has ended without an export. The next run starts a new job, and
    /// all files stay until the server has accepted it.
    pub(crate) fn job_ended(&mut self) -> Result<(), Failure> {
        self.forget_job();
        self.save()
    }

    /// Prepares the directory for a kick-off. All files stay until the server has accepted it.
    ///
    /// Returns the key to send with the kick-off. If the response to the last kick-off was not received, the key is the same again.
    pub(crate) fn begin(&mut self) -> Result<String, Failure> {
        if self.note.status.take().is_some() {
            self.note.idempotency_key = OsRandom.secret();
        }
        self.resumed = false;
        self.save()?;
        Ok(self.note.idempotency_key.clone())
    }

    /// Stores the new job in the note, so that the next run of the same command resumes it. The files of a complete export are moved to a
    /// subdirectory until the new export is complete. The files of an unfinished job are removed.
    pub(crate) fn begun(&mut self, status_url: &str) -> Result<(), Failure> {
        let files = self.note.files.clone();
        let is_kept = self.note.complete && !files.is_empty();
        if is_kept && !self.is_partly_moved() {
            remove_directory(&self.path.join(EARLIER))?;
        }
        self.note.status = Some(status_url.to_owned());
        self.note.complete = false;
        self.note.files.clear();
        self.note.missing.clear();
        self.note.elsewhere.clear();
        self.note.retired = (!files.is_empty()).then_some(Retired { files, is_kept });
        self.save()?;
        self.retire()
    }

    /// Returns whether the subdirectory has a file of the last export that is not in its place. Earlier versions of this program did not
    /// note a move before they started it.
    fn is_partly_moved(&self) -> bool {
        let earlier = self.path.join(EARLIER);
        self.note.files.iter().any(|name| !self.path.join(name).exists() && earlier.join(name).exists())
    }

    /// Moves or removes the files of the last job that the note names. Continues where an interrupted run stopped.
    fn retire(&mut self) -> Result<(), Failure> {
        let Some(retired) = self.note.retired.clone() else { return Ok(()) };
        let earlier = self.path.join(EARLIER);
        let mut changed = BTreeSet::new();
        for name in &retired.files {
            let from = self.path.join(name);
            for helper in [part_of(&from), tag_of(&from)] {
                remove_file(&helper)?;
            }
            if !retired.is_kept {
                remove_file(&from)?;
            } else if from.exists() {
                let to = earlier.join(name);
                let parent = to.parent().unwrap_or(&earlier).to_owned();
                private::create_directory(&parent)?;
                std::fs::rename(&from, &to).map_err(|error| Failure::of_path(&from, &error))?;
                changed.insert(parent);
            }
        }
        for directory in &changed {
            sync_directory(directory);
        }
        self.note.retired = None;
        self.save()
    }

    /// Adds the files that will be downloaded to the note.
    ///
    /// # Errors
    ///
    /// A file with one of the names exists and does not belong to the export.
    pub(crate) fn expect_files(&mut self, names: impl IntoIterator<Item = String>) -> Result<(), Failure> {
        for name in names {
            let path = self.path.join(&name);
            if !self.note.files.contains(&name) && path.exists() {
                return Err(Failure::new(format!(
                    "{} exists and is not a file of this export: move it, then run the command again",
                    path.display()
                )));
            }
            self.note.files.insert(name);
        }
        self.save()
    }

    /// Stores the names of the attachments that the server does not have, and the URLs of those on other servers.
    pub(crate) fn set_missing(
        &mut self,
        names: BTreeSet<String>,
        elsewhere: BTreeSet<String>,
    ) -> Result<(), Failure> {
        (self.note.missing, self.note.elsewhere) = (names, elsewhere);
        self.save()
    }

    /// Marks the export as complete, and removes the files of the previous one.
    pub(crate) fn complete(&mut self) -> Result<(), Failure> {
        self.note.complete = true;
        self.save()?;
        remove_directory(&self.path.join(EARLIER))
    }

    /// Replaces the note atomically and durably.
    fn save(&self) -> Result<(), Failure> {
        let text =
            serde_json::to_string_pretty(&self.note).map_err(|error| Failure::new(error.to_string()))?;
        let path = self.path.join(NOTE);
        let temporary = path.with_extension("new");
        let mut file = private::create(&temporary)?;
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        let renamed = written.and_then(|()| std::fs::rename(&temporary, &path));
        renamed.map_err(|error| Failure::of_path(&path, &error))?;
        sync_directory(&self.path);
        Ok(())
    }
}

/// Returns the path of a file that is not downloaded completely or not verified yet.
pub(crate) fn part_of(path: &Path) -> PathBuf {
    with_suffix(path, "part")
}

/// Returns the path of the ETag of a partial file. A download is resumed only if the ETag is the same.
pub(crate) fn tag_of(path: &Path) -> PathBuf {
    with_suffix(path, "tag")
}

fn with_suffix(path: &Path, extension: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{name}.{extension}"))
}

/// Returns whether a directory has files that are not hidden.
fn holds_files(path: &Path) -> Result<bool, Failure> {
    let entries = std::fs::read_dir(path).map_err(|error| Failure::of_path(path, &error))?;
    for entry in entries {
        let name = entry.map_err(|error| Failure::of_path(path, &error))?.file_name();
        if !name.to_string_lossy().starts_with('.') {
            return Ok(true);
        }
    }
    Ok(false)
}

fn remove_file(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::of_path(path, &error)),
        _ => Ok(()),
    }
}

fn remove_directory(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::of_path(path, &error)),
        _ => Ok(()),
    }
}

/// Makes changed names in a directory durable. Some file systems cannot sync a directory; the error is ignored.
fn sync_directory(path: &Path) {
    let _ = File::open(path).and_then(|directory| directory.sync_all());
}

#[cfg(test)]
mod tests;
