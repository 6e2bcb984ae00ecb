//! Records in a directory that has the lake layout.

use std::collections::BTreeSet;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use domain::error::{Error, Result, Store};
use domain::ids::PatientId;
use domain::ports::records::{
    Area, BLOCK, BlockReader, CohortPage, Entries, Member, Part, Parts, Records, Supporting,
};
use storage::layout::{DOCUMENTS, Directory, INDEX, PATIENTS, is_gzip, patient_prefix};

use crate::blocking::blocking;
use crate::index;
use crate::lake::{check_lake, files_in, is_missing, open, parts_of};
use crate::listing::{LocalEntries, patients};
use crate::shared_files::SharedFiles;

/// The number of patients' directories that one call on a blocking thread reads.
const LISTED_AT_ONCE: usize = 8;

pub(super) struct LocalRecords {
    root: PathBuf,
    /// The index of the lines of `shared/`. It is built when it is first needed, and again when the files have changed.
    shared: Arc<Mutex<Option<Arc<SharedFiles>>>>,
}

impl LocalRecords {
    /// Refuses a path that is not a directory. Only warns if there is no directory `Patient`, because records may be
    /// loaded while the server runs. Also warns about entries that are never read.
    pub(super) fn new(root: &Path) -> Result<Self> {
        if !root.is_dir() {
            return Err(Error::invalid(format!("the records directory {} does not exist", root.display())));
        }
        if !root.join(PATIENTS).is_dir() {
            tracing::warn!(records = %root.display(), "the records directory has no directory 'Patient': every export waits until there is one; 'ehi load INPUT --into DIR' creates it");
        }
        let unread = unread_entries(root);
        if !unread.is_empty() {
            let more = unread.len().saturating_sub(MAX_NAMED);
            let named = unread[..unread.len() - more].join(", ");
            tracing::warn!(records = %root.display(), named, more, "the records directory has files or directories that are never exported: load their contents with 'ehi load INPUT --into DIR'");
        }
        Ok(Self { root: root.to_owned(), shared: Arc::default() })
    }

    /// Returns a reader of a file; `file` is its path below the root of the lake.
    fn blocks(&self, file: &str) -> Blocks {
        let compressed = is_gzip(file);
        let (path, file) = (self.root.join(file), file.to_owned());
        Blocks { path, file, compressed, source: None, next: Next::Read }
    }

    fn patient(&self, patient: &PatientId) -> PathBuf {
        self.root.join(PATIENTS).join(patient.as_str())
    }

    /// Runs `read` with the index of the current files of `shared/`.
    async fn with_shared_files<T: Send + 'static>(
        &self,
        read: impl FnOnce(&SharedFiles) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (root, cached) = (self.root.clone(), self.shared.clone());
        blocking(Store::Records, move || {
            let known = cached.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let files = SharedFiles::files(&root)?;
            let index = match known.filter(|index| index.is_of(&files)) {
                Some(index) => index,
                None => {
                    let index = Arc::new(SharedFiles::build(files)?);
                    *cached.lock().unwrap_or_else(PoisonError::into_inner) = Some(index.clone());
                    index
                }
            };
            read(&index)
        })
        .await
    }
}

#[async_trait]
impl Records for LocalRecords {
    async fn member(&self, patient: &PatientId) -> Result<Option<Member>> {
        let (root, path, patient) = (self.root.clone(), self.patient(patient), patient.clone());
        blocking(Store::Records, move || match std::fs::metadata(&path) {
            Ok(found) if found.is_dir() => Ok(Some(Member::of(patient, &parts_of(&root, &path)?))),
            Ok(_) => Ok(None),
            Err(error) if is_missing(&error) => check_lake(&root).map(|()| None),
            Err(error) => Err(error.into()),
        })
        .await
    }

    async fn members(&self, after: Option<&str>, count: usize) -> Result<CohortPage> {
        let (root, after) = (self.root.clone(), after.map(str::to_owned));
        blocking(Store::Records, move || {
            let (members, more) = patients(&root, after.as_deref(), count)?;
            let next = members.last().filter(|_| more).map(|last| last.patient.to_string());
            Ok(CohortPage { members, next })
        })
        .await
    }

    fn entries(&self, after: Option<&PatientId>) -> Box<dyn Entries> {
        Box::new(LocalEntries::new(&self.root, after))
    }

    async fn parts(&self, patient: &PatientId) -> Result<Parts> {
        let (root, path) = (self.root.clone(), self.patient(patient));
        blocking(Store::Records, move || parts_of(&root, &path)).await
    }

    async fn parts_of(&self, patients: &[PatientId]) -> Result<Vec<Parts>> {
        let paths: Vec<_> =
            patients.iter().take(LISTED_AT_ONCE).map(|patient| self.patient(patient)).collect();
        let root = self.root.clone();
        blocking(Store::Records, move || paths.iter().map(|path| parts_of(&root, path)).collect()).await
    }

    async fn open_records(&self, patient: &PatientId, part: &Part) -> Result<Box<dyn BlockReader>> {
        let file = format!("{}{}", patient_prefix(patient), part.name);
        Directory::Record.check(&part.name, &file)?;
        Ok(Box::new(self.blocks(&file)))
    }

    async fn open_document(&self, patient: &PatientId, part: &Part) -> Result<Box<dyn BlockReader>> {
        let file = format!("{}{DOCUMENTS}/{}", patient_prefix(patient), part.name);
        Directory::Documents.check(&part.name, &file)?;
        let blocks = self.blocks(&file);
        Ok(Box::new(Blocks { compressed: false, ..blocks }))
    }

    async fn area(&self, area: Area) -> Result<Vec<Part>> {
        let (root, path) = (self.root.clone(), self.root.join(area.directory()));
        blocking(Store::Records, move || files_in(&root, &path, Directory::Area(area))).await
    }

    async fn area_from(&self, area: Area, first: &str, count: usize) -> Result<Vec<Part>> {
        let mut parts = self.area(area).await?;
        parts.retain(|part| Directory::Area(area).has(&part.name) && part.name.as_str() >= first);
        parts.truncate(count);
        Ok(parts)
    }

    async fn open_area(&self, area: Area, name: &str) -> Result<Box<dyn BlockReader>> {
        const NO_FILE: Error = Error::NotFound("there is no such file in the lake");
        let file = format!("{}/{name}", area.directory());
        Directory::Area(area).check(name, &file)?;
        let (root, path) = (self.root.clone(), self.root.join(area.directory()).join(name));
        blocking(Store::Records, move || match std::fs::symlink_metadata(&path) {
            Ok(_) => Ok(()),
            Err(error) if is_missing(&error) => check_lake(&root).and(Err(NO_FILE)),
            Err(error) => Err(error.into()),
        })
        .await?;
        Ok(Box::new(self.blocks(&file)))
    }

    async fn index(&self, file: &str, range: Option<Range<u64>>) -> Result<Option<Vec<u8>>> {
        index::read(&self.root, file, range).await
    }

    async fn supporting(&self, references: &BTreeSet<String>) -> Result<Supporting> {
        let references = references.clone();
        self.with_shared_files(move |shared| shared.lines(&references)).await
    }

    async fn provenance(&self, targets: &BTreeSet<String>) -> Result<BTreeSet<(String, String)>> {
        let targets = targets.clone();
        self.with_shared_files(move |shared| Ok(shared.about(&targets))).await
    }
}

/// The maximum number of entries that a warning names.
const MAX_NAMED: usize = 10;

/// Returns the names of the entries of the records directory that are never read, in order.
fn unread_entries(root: &Path) -> Vec<String> {
    let areas = [Area::Shared, Area::Groups, Area::Deleted].map(Area::directory);
    let known = [&areas[..], &[PATIENTS, INDEX]].concat();
    let names = std::fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    let is_unread = |name: &String| !name.starts_with('.') && !known.contains(&name.as_str());
    let mut unread: Vec<_> = names.filter(is_unread).collect();
    unread.sort_unstable();
    unread
}

/// Reads a file in blocks, outside the async threads.
struct Blocks {
    path: PathBuf,
    /// The path below the root of the lake.
    file: String,
    compressed: bool,
    source: Option<Box<dyn Read + Send>>,
    next: Next,
}

/// The result of the next read of a file.
enum Next {
    Read,
    /// The error that ended the last read. It is returned after the bytes that were read before it.
    Fail(Error),
    End,
}

#[async_trait]
impl BlockReader for Blocks {
    async fn read(&mut self, mut buffer: Vec<u8>) -> Result<Vec<u8>> {
        match std::mem::replace(&mut self.next, Next::End) {
            Next::Read => {}
            Next::Fail(error) => return Err(error),
            Next::End => return Ok(buffer),
        }
        buffer.reserve(BLOCK + 1);
        let before = buffer.len();
        let source = self.source.take();
        let (path, file, compressed) = (self.path.clone(), self.file.clone(), self.compressed);
        let (source, buffer, read) = blocking(Store::Records, move || {
            let mut source = match source {
                Some(source) => source,
                None => open(&path, &file, compressed)?,
            };
            let read = source.by_ref().take(BLOCK as u64).read_to_end(&mut buffer);
            Ok((source, buffer, read))
        })
        .await?;
        self.source = Some(source);
        let error = match read {
            Ok(read) => {
                self.next = if read == BLOCK { Next::Read } else { Next::End };
                return Ok(buffer);
            }
            Err(error) if self.compressed => Error::decompressing(&self.file, error),
            Err(error) => error.into(),
        };
        if buffer.len() == before {
            return Err(error);
        }
        self.next = Next::Fail(error);
        Ok(buffer)
    }
}

#[cfg(test)]
mod tests;
