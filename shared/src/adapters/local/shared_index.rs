//! Where the resources outside any compartment stand in `shared/`: 24 bytes of memory a resource, so that a
//! patient's export reads the few lines it needs and its cost does not grow with the lake.

use std::collections::BTreeSet;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::Result;
use crate::fhir::MAX_LINE;
use crate::fhir::head::head;
use crate::ports::records::SharedLine;

use super::records::open;

/// A file of `shared/` as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SharedFile {
    path: PathBuf,
    compressed: bool,
    size: u64,
    modified: Option<SystemTime>,
}

pub(super) struct SharedIndex {
    files: Vec<SharedFile>,
    /// Sorted by hash.
    entries: Vec<Entry>,
}

/// A resource: the hash of `Type/id`, and where its line is in the decompressed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    hash: u64,
    offset: u64,
    length: u32,
    file: u32,
}

impl SharedIndex {
    /// The files of a directory in the order of their names; none when there is no such directory.
    pub(super) fn files(root: &Path) -> Result<Vec<SharedFile>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(root).into_iter().flatten() {
            let entry = entry?;
            let path = entry.path();
            let name = path.to_string_lossy();
            let compressed = name.ends_with(".ndjson.gz");
            if compressed || name.ends_with(".ndjson") {
                let metadata = entry.metadata()?;
                let modified = metadata.modified().ok();
                files.push(SharedFile { path: entry.path(), compressed, size: metadata.len(), modified });
            }
        }
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(files)
    }

    pub(super) fn is_of(&self, files: &[SharedFile]) -> bool {
        self.files == files
    }

    /// Reads all files once. Lines that are no resources are passed over and counted in the log.
    pub(super) fn build(files: Vec<SharedFile>) -> Result<Self> {
        let mut entries = Vec::new();
        for (number, file) in files.iter().enumerate() {
            let mut reader = BufReader::new(open(&file.path, file.compressed)?);
            let (mut line, mut offset, mut unusable) = (Vec::new(), 0, 0_u64);
            loop {
                line.clear();
                let length = reader.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', &mut line)?;
                if length == 0 {
                    break;
                }
                match head(line.trim_ascii()).ok().and_then(|head| Some((head.resource_type, head.id?))) {
                    Some((resource_type, id)) => entries.push(Entry {
                        hash: hash(&format!("{resource_type}/{id}")),
                        offset,
                        length: u32::try_from(length).unwrap_or(u32::MAX),
                        file: u32::try_from(number).unwrap_or(u32::MAX),
                    }),
                    None if line.trim_ascii().is_empty() => {}
                    None => unusable += 1,
                }
                offset += length as u64;
            }
            if unusable > 0 {
                tracing::warn!(lines = unusable, file = %file.path.display(), "lines that are no resources in shared records");
            }
        }
        entries.sort_unstable();
        Ok(Self { files, entries })
    }

    /// The lines of these references; of duplicates the one that stands last.
    pub(super) fn lines(&self, references: &BTreeSet<String>) -> Result<Vec<SharedLine>> {
        let mut wanted = Vec::new();
        for reference in references {
            let hash = hash(reference);
            let from = self.entries.partition_point(|entry| entry.hash < hash);
            let same = self.entries[from..].iter().take_while(|entry| entry.hash == hash);
            wanted.extend(same.map(|entry| (*entry, reference)));
        }
        wanted.sort_unstable_by_key(|(entry, _)| (entry.file, entry.offset));
        let mut found = Vec::with_capacity(wanted.len());
        for group in wanted.chunk_by(|(one, _), (other, _)| one.file == other.file) {
            let mut reader = LineReader::open(&self.files[group[0].0.file as usize])?;
            for (entry, reference) in group {
                let line = reader.read(entry)?;
                let is_it = head(&line).is_ok_and(|head| {
                    reference.split_once('/') == head.id.map(|id| (head.resource_type, id))
                });
                if is_it {
                    found.retain(|known: &SharedLine| known.reference != **reference);
                    found.push(SharedLine { reference: (*reference).clone(), line });
                }
            }
        }
        Ok(found)
    }
}

/// Reads lines at growing offsets of one file.
enum LineReader {
    Plain(File),
    Compressed { source: Box<dyn Read + Send>, at: u64 },
}

impl LineReader {
    fn open(file: &SharedFile) -> Result<Self> {
        if file.compressed {
            return Ok(Self::Compressed { source: open(&file.path, true)?, at: 0 });
        }
        Ok(Self::Plain(File::open(&file.path)?))
    }

    fn read(&mut self, entry: &Entry) -> Result<Vec<u8>> {
        let length = u64::from(entry.length);
        let mut line = Vec::with_capacity(entry.length as usize);
        match self {
            Self::Plain(file) => {
                file.seek(SeekFrom::Start(entry.offset))?;
                file.take(length).read_to_end(&mut line)?;
            }
            Self::Compressed { source, at } => {
                std::io::copy(&mut source.by_ref().take(entry.offset - *at), &mut std::io::sink())?;
                source.by_ref().take(length).read_to_end(&mut line)?;
                *at = entry.offset + length;
            }
        }
        line.truncate(line.trim_ascii_end().len());
        Ok(line)
    }
}

fn hash(reference: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    reference.hash(&mut hasher);
    hasher.finish()
}
