//! Reads the files of `shared/` in a directory, and single lines of them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use domain::error::{Damage, Error, Result};
use domain::ports::records::{Area, Supporting};
use fhir::MAX_LINE;
use fhir::json::without_mark;
use storage::layout::{Directory, is_gzip};
use storage::shared_index::{Entry, SharedIndex, TOO_LONG, Taken, Unusable};

use crate::lake::{entries, open};

/// A file of `shared/`, with its size and time, by which a later change is detected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SharedFile {
    path: PathBuf,
    /// The path below the root of the lake.
    name: String,
    compressed: bool,
    size: u64,
    modified: Option<SystemTime>,
}

/// The files of `shared/`, and the index of their lines.
pub(super) struct SharedFiles {
    files: Vec<SharedFile>,
    index: SharedIndex,
    damaged: Vec<Damage>,
}

impl SharedFiles {
    /// Returns the files of `shared/` in the order of their names. If the directory is missing but the lake is not,
    /// there are none. Entries that are not regular files, or whose names the layout does not have, are included and
    /// reported as damaged.
    pub(super) fn files(root: &Path) -> Result<Vec<SharedFile>> {
        let mut files = Vec::new();
        for entry in entries(root, &root.join(Area::Shared.directory()))? {
            let entry = entry?;
            let (name, metadata) = (entry.file_name().to_string_lossy().into_owned(), entry.metadata()?);
            let (size, modified) = (metadata.len(), metadata.modified().ok());
            if Directory::Area(Area::Shared).lists(&name, metadata.is_file() && size == 0) {
                let compressed = is_gzip(&name);
                let name = format!("{}/{name}", Area::Shared.directory());
                files.push(SharedFile { path: entry.path(), name, compressed, size, modified });
            }
        }
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(files)
    }

    /// Returns whether the index was built from exactly these files.
    pub(super) fn is_of(&self, files: &[SharedFile]) -> bool {
        self.files == files
    }

    /// Reads all files once, each up to its end or its first damage. Lines that are not resources are skipped and
    /// reported as damaged.
    pub(super) fn build(files: Vec<SharedFile>) -> Result<Self> {
        let (mut index, mut damaged) = (SharedIndex::default(), Vec::new());
        for (number, file) in files.iter().enumerate() {
            let mut unusable = Unusable::default();
            let read = read(number, file, &mut index, &mut unusable);
            damaged.extend(unusable.damage(&file.name));
            match read {
                Err(Error::Damaged(damage)) => damaged.push(damage),
                read => read?,
            }
        }
        Ok(Self { files, index: index.sorted(), damaged })
    }

    /// Returns the lines of these references. If there are duplicates, the last one is used.
    pub(super) fn lines(&self, references: &BTreeSet<String>) -> Result<Supporting> {
        let mut found = Taken::new(&self.index);
        for group in self.index.find(references).chunk_by(|(one, _), (other, _)| one.file == other.file) {
            let mut reader = LineReader::open(&self.files[group[0].0.file as usize])?;
            for (entry, reference) in group {
                found.add_line(reference, reader.read(entry)?);
            }
        }
        Ok(found.supporting(self.damaged.clone()))
    }

    /// Returns references to the Provenance resources that may have one of these resources as a target, each with that target.
    pub(super) fn about(&self, references: &BTreeSet<String>) -> BTreeSet<(String, String)> {
        self.index.about(references)
    }
}

/// Adds the lines of a file to the index. Returns [`Error::Damaged`] if the file cannot be read to its end.
fn read(number: usize, file: &SharedFile, index: &mut SharedIndex, unusable: &mut Unusable) -> Result<()> {
    let name = file.name.rsplit('/').next().unwrap_or_default();
    Directory::Area(Area::Shared).check(name, &file.name)?;
    let mut reader = BufReader::new(open(&file.path, &file.name, file.compressed)?);
    let (mut line, mut offset, mut at) = (Vec::new(), 0, 1);
    // Whether the next bytes belong to a line that is too long.
    let mut is_rest = false;
    loop {
        line.clear();
        let length = match reader.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', &mut line) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if file.compressed => return Err(Error::decompressing(&file.name, error)),
            Err(error) => return Err(error.into()),
        };
        let (text, is_whole) =
            (without_mark(&line).trim_ascii(), line.ends_with(b"\n") || length <= MAX_LINE);
        let added = match text {
            _ if is_rest => Ok(()),
            [] if is_whole => Ok(()),
            _ if !is_whole => Err(TOO_LONG.to_owned()),
            text => index.add(number, offset, length, text),
        };
        if let Err(problem) = added {
            unusable.add(at, problem);
        }
        is_rest = !is_whole;
        at += u64::from(is_whole);
        offset += length as u64;
    }
}

/// Reads lines of one file, in ascending order of their offsets.
enum LineReader {
    Plain(File),
    Compressed { source: Box<dyn Read + Send>, at: u64 },
}

impl LineReader {
    fn open(file: &SharedFile) -> Result<Self> {
        if file.compressed {
            return Ok(Self::Compressed { source: open(&file.path, &file.name, true)?, at: 0 });
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
        Ok(line)
    }
}
