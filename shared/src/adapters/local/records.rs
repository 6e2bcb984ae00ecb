//! The lake layout in a directory.

use std::collections::{BTreeSet, BinaryHeap};
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use flate2::read::MultiGzDecoder;

use super::blocking;
use super::shared_files::SharedFiles;
use crate::domain::ids::PatientId;
use crate::error::{Error, Result, Store};
use crate::ports::records::{Area, BLOCK, BlockReader, CohortPage, Member, Part, Parts, Records, Supporting};

pub(super) struct LocalRecords {
    root: PathBuf,
    /// Where the lines of `shared/` are; made when first asked for, and again when the files change.
    shared: Arc<Mutex<Option<Arc<SharedFiles>>>>,
}

impl LocalRecords {
    /// Refuses a directory that is none.
    pub(super) fn new(root: &Path) -> Result<Self> {
        if !root.is_dir() {
            return Err(Error::invalid(format!("the records directory {} does not exist", root.display())));
        }
        Ok(Self { root: root.to_owned(), shared: Arc::default() })
    }

    /// Reads a file of the lake.
    fn blocks(&self, file: &str) -> Blocks {
        let compressed = Path::new(file).extension().is_some_and(|extension| extension == "gz");
        let (path, file) = (self.root.join(file), file.to_owned());
        Blocks { path, file, compressed, source: None, next: Next::Read }
    }

    fn patient(&self, patient: &PatientId) -> PathBuf {
        self.root.join("Patient").join(patient.as_str())
    }
}

#[async_trait]
impl Records for LocalRecords {
    async fn member(&self, patient: &PatientId) -> Result<Option<Member>> {
        let (path, patient) = (self.patient(patient), patient.clone());
        blocking(Store::Records, move || {
            Ok(path.is_dir().then(|| parts_of(&path)).transpose()?.map(|parts| member(patient, &parts)))
        })
        .await
    }

    async fn members(&self, after: Option<&str>, count: usize) -> Result<CohortPage> {
        let root = self.root.join("Patient");
        let after = after.map(|after| format!("{after}/")).unwrap_or_default();
        blocking(Store::Records, move || {
            // One pass that keeps the first `count` names behind `after`: memory for a page, however
            // many patients there are.
            let mut first = BinaryHeap::with_capacity(count + 2);
            for entry in entries(&root)? {
                let entry = entry?;
                let Ok(name) = entry.file_name().into_string() else { continue };
                let prefix = format!("{name}/");
                if prefix > after && PatientId::parse(&name).is_ok() && entry.file_type()?.is_dir() {
                    first.push(prefix);
                    if first.len() > count + 1 {
                        first.pop();
                    }
                }
            }
            let mut names: Vec<_> = first
                .into_sorted_vec()
                .iter()
                .map(|prefix| prefix.trim_end_matches('/').to_owned())
                .collect();
            let more = names.len() > count;
            names.truncate(count);
            let next = names.last().filter(|_| more).cloned();
            let members = names.into_iter().filter_map(|name| PatientId::parse(&name).ok()).map(|patient| {
                let parts = parts_of(&root.join(patient.as_str()))?;
                Ok(member(patient, &parts))
            });
            Ok(CohortPage { members: members.collect::<Result<_>>()?, next })
        })
        .await
    }

    async fn parts(&self, patient: &PatientId) -> Result<Parts> {
        let path = self.patient(patient);
        blocking(Store::Records, move || parts_of(&path)).await
    }

    async fn open_records(&self, patient: &PatientId, part: &Part) -> Result<Box<dyn BlockReader>> {
        Ok(Box::new(self.blocks(&format!("Patient/{patient}/{}", part.name))))
    }

    async fn open_document(&self, patient: &PatientId, part: &Part) -> Result<Box<dyn BlockReader>> {
        let blocks = self.blocks(&format!("Patient/{patient}/files/{}", part.name));
        Ok(Box::new(Blocks { compressed: false, ..blocks }))
    }

    async fn area(&self, area: Area) -> Result<Vec<Part>> {
        let path = self.root.join(area.directory());
        blocking(Store::Records, move || files_in(&path, |name| area.has(name))).await
    }

    async fn open_area(&self, area: Area, name: &str) -> Result<Box<dyn BlockReader>> {
        let path = self.root.join(area.directory()).join(name);
        let exists = area.has(name) && !name.contains('/') && path.is_file();
        if !exists {
            return Err(Error::NotFound("there is no such file in the lake"));
        }
        Ok(Box::new(self.blocks(&format!("{}/{name}", area.directory()))))
    }

    async fn supporting(&self, references: &BTreeSet<String>) -> Result<Supporting> {
        let (root, cached) = (self.root.join("shared"), self.shared.clone());
        let references = references.clone();
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
            index.lines(&references)
        })
        .await
    }
}

fn member(patient: PatientId, parts: &Parts) -> Member {
    Member { patient, bytes: parts.records.iter().chain(&parts.documents).map(|part| part.bytes).sum() }
}

fn parts_of(path: &Path) -> Result<Parts> {
    let is_records = |name: &str| name.ends_with(".ndjson") || name.ends_with(".ndjson.gz");
    Ok(Parts { records: files_in(path, is_records)?, documents: files_in(&path.join("files"), |_| true)? })
}

/// The plain files of a directory in the order of their names; links are not followed.
fn files_in(path: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for entry in entries(path)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if wanted(&name) && entry.file_type()?.is_file() {
            parts.push(Part { name, bytes: entry.metadata()?.len() });
        }
    }
    parts.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(parts)
}

fn entries(path: &Path) -> Result<impl Iterator<Item = std::io::Result<std::fs::DirEntry>>> {
    match std::fs::read_dir(path) {
        Ok(entries) => Ok(Some(entries).into_iter().flatten()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None.into_iter().flatten()),
        Err(error) => Err(error.into()),
    }
}

/// Reads a file in blocks, off the async threads.
struct Blocks {
    path: PathBuf,
    /// Its path below the root of the lake.
    file: String,
    compressed: bool,
    source: Option<Box<dyn Read + Send>>,
    next: Next,
}

/// What the next read of a file gives.
enum Next {
    Read,
    /// The error that stopped the last one, behind the bytes that it had read.
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
        let (path, compressed) = (self.path.clone(), self.compressed);
        let (source, buffer, read) = blocking(Store::Records, move || {
            let mut source = match source {
                Some(source) => source,
                None => open(&path, compressed)?,
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

/// Opens a file of records, decompressed where its name says so.
pub(super) fn open(path: &Path, compressed: bool) -> Result<Box<dyn Read + Send>> {
    let file = File::open(path)?;
    if compressed {
        Ok(Box::new(MultiGzDecoder::new(BufReader::with_capacity(BLOCK / 4, file))))
    } else {
        Ok(Box::new(file))
    }
}
