//! Files in a directory. A key is a path below this directory.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Take, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use domain::error::{Error, Result, Store};
use domain::ports::files::{
    Announced, ByteStream, FilePart, FileWriter, Files, Joiner, Linked, UploadForm, checked_key,
};
use futures_util::stream;
use jiff::SignedDuration;
use tempfile::TempDir;

use crate::blocking::blocking;
use crate::private;

/// The maximum number of bytes of a file that a stream holds at once.
const PIECE: u64 = 256 * 1024;

pub(super) struct LocalFiles {
    root: PathBuf,
    /// Removes the directory when it is dropped.
    _temporary: Option<Arc<TempDir>>,
}

impl LocalFiles {
    pub(super) fn new(root: PathBuf) -> Result<Self> {
        private::directory(&root)?;
        Ok(Self { root, _temporary: None })
    }

    pub(super) fn temporary() -> Result<Self> {
        let directory = private::temporary()?;
        Ok(Self { root: directory.path().to_owned(), _temporary: Some(Arc::new(directory)) })
    }

    fn path(&self, key: &str) -> Result<PathBuf> {
        Ok(self.root.join(checked_key(key)?))
    }
}

const NO_FILE: Error = Error::NotFound("there is no such file");

#[async_trait]
impl Files for LocalFiles {
    async fn create(&self, key: &str) -> Result<Box<dyn FileWriter>> {
        Ok(Box::new(Writer { path: self.path(key)?, held: Vec::new(), file: None }))
    }

    async fn swap(&self, key: &str, known: Option<&[u8]>, bytes: Vec<u8>) -> Result<bool> {
        let (path, known) = (self.path(key)?, known.map(<[u8]>::to_vec));
        blocking(Store::Files, move || swap(&path, known.as_deref(), &bytes)).await
    }

    async fn size(&self, key: &str) -> Result<Option<u64>> {
        let path = self.path(key)?;
        blocking(Store::Files, move || match std::fs::metadata(path) {
            Ok(metadata) => Ok(metadata.is_file().then_some(metadata.len())),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error.into()),
        })
        .await
    }

    async fn open(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream> {
        let path = self.path(key)?;
        let range = range.unwrap_or(0..u64::MAX);
        let buffer = buffer_for(range.end - range.start);
        // The first piece is read when the file is opened, because most files have only one.
        let (first, rest) = blocking(Store::Files, move || {
            let mut file =
                File::open(path).map_err(|error| if is_missing(&error) { NO_FILE } else { error.into() })?;
            if range.start > 0 {
                file.seek(SeekFrom::Start(range.start))?;
            }
            piece(file.take(range.end - range.start), buffer)
        })
        .await?;
        Ok(Box::pin(stream::try_unfold((Some(first), rest), async |(ready, rest)| {
            let (next, rest) = match (ready, rest) {
                (Some(ready), rest) => (ready, rest),
                (None, Some(file)) => {
                    // Allocated on the thread that also frees it: the allocator reuses memory late if another thread
                    // frees it.
                    let buffer = buffer_for(file.limit());
                    blocking(Store::Files, move || piece(file, buffer)).await?
                }
                (None, None) => return Ok(None),
            };
            Ok((!next.is_empty()).then_some((next, (None, rest))))
        })))
    }

    async fn link(&self, _: &str, _: SignedDuration, _: Linked<'_>) -> Result<Option<String>> {
        Ok(None)
    }

    async fn upload_form(&self, _: &str, _: Announced<'_>) -> Result<Option<UploadForm>> {
        Ok(None)
    }

    async fn remove(&self, key: &str) -> Result<()> {
        let path = self.path(key)?;
        blocking(Store::Files, move || ignore_missing(std::fs::remove_file(path))).await
    }

    async fn remove_prefix(&self, prefix: &str) -> Result<()> {
        let path = self.path(prefix)?;
        blocking(Store::Files, move || {
            // A worker may still write into the directory, so removing it is retried.
            for _ in 0..3 {
                match std::fs::remove_dir_all(&path) {
                    Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {}
                    done => return ignore_missing(done),
                }
            }
            ignore_missing(std::fs::remove_dir_all(&path))
        })
        .await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let path = self.path(prefix)?;
        blocking(Store::Files, move || {
            let entries = match std::fs::read_dir(path) {
                Ok(entries) => entries,
                Err(error) if is_missing(&error) => return Ok(Vec::new()),
                Err(error) => return Err(error.into()),
            };
            let mut names = Vec::new();
            for entry in entries {
                let entry = entry?;
                let Ok(name) = entry.file_name().into_string() else { continue };
                names.push(if entry.file_type()?.is_dir() { name + "/" } else { name });
            }
            Ok(names)
        })
        .await
    }
}

#[async_trait]
impl Joiner for LocalFiles {
    async fn join(&self, key: &str, parts: &[FilePart]) -> Result<()> {
        let path = self.path(key)?;
        let parts = parts.iter().map(|part| self.path(&part.key)).collect::<Result<Vec<_>>>()?;
        blocking(Store::Files, move || joined(&path, &parts)).await
    }
}

/// Writes the files one after the other into a new file, which then gets the name. Each call has a new file of its own, because two
/// workers may join the same files at once.
fn joined(path: &Path, parts: &[PathBuf]) -> Result<()> {
    let directory = path.parent().ok_or_else(|| Error::internal("a storage key has no directory"))?;
    let mut directories = private::directory_to_sync(directory)?;
    directories.push(directory.to_owned());
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(directory)?;
    for part in parts {
        std::io::copy(&mut File::open(part)?, file.as_file_mut())?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|problem| problem.error)?;
    for directory in directories {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

/// Returns a buffer for the next piece of a file that has `left` bytes left.
fn buffer_for(left: u64) -> Vec<u8> {
    Vec::with_capacity(usize::try_from(PIECE.min(left)).unwrap_or_default() + 1)
}

/// Reads the next piece of a file. Returns the file as well if there may be more pieces.
fn piece(mut file: Take<File>, mut buffer: Vec<u8>) -> Result<(Bytes, Option<Take<File>>)> {
    let wanted = PIECE.min(file.limit());
    let read = Read::by_ref(&mut file).take(wanted).read_to_end(&mut buffer)?;
    let has_more = read as u64 == wanted && file.limit() > 0;
    Ok((buffer.into(), has_more.then_some(file)))
}

struct Writer {
    path: PathBuf,
    /// The first bytes, which are written together with the next ones or at the end. So a small file needs only one call on
    /// a blocking thread.
    held: Vec<u8>,
    /// The file, created with the first bytes that are not held.
    file: Option<Created>,
}

/// The maximum number of bytes that a writer holds.
const MAX_HELD: usize = 512 * 1024;

#[async_trait]
impl FileWriter for Writer {
    async fn write(&mut self, mut buffer: Vec<u8>) -> Result<Vec<u8>> {
        if self.file.is_none() && self.held.is_empty() && buffer.len() <= MAX_HELD {
            self.held = std::mem::take(&mut buffer);
            return Ok(buffer);
        }
        let (held, file) = (std::mem::take(&mut self.held), self.file.take());
        let path = self.path.clone();
        let (file, buffer) = blocking(Store::Files, move || {
            let mut created = created(file, &path)?;
            created.file.write_all(&held)?;
            created.file.write_all(&buffer)?;
            buffer.clear();
            Ok((created, buffer))
        })
        .await?;
        self.file = Some(file);
        Ok(buffer)
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        blocking(Store::Files, move || {
            let Created { mut file, directories } = created(self.file, &self.path)?;
            file.write_all(&self.held)?;
            file.sync_all()?;
            // The directory entries must survive a power cut as well as the bytes.
            for directory in directories {
                File::open(directory)?.sync_all()?;
            }
            Ok(())
        })
        .await
    }
}

/// A file that is being written, and the directories that have a new entry because of it.
struct Created {
    file: File,
    directories: Vec<PathBuf>,
}

fn created(known: Option<Created>, path: &Path) -> Result<Created> {
    if let Some(created) = known {
        return Ok(created);
    }
    let mut directories = Vec::new();
    if let Some(directory) = path.parent() {
        directories = private::directory_to_sync(directory)?;
        directories.push(directory.to_owned());
    }
    Ok(Created { file: private::file(path)?, directories })
}

/// Replaces a file if it has this content. The directory is locked meanwhile, so that one process at a time does so. The
/// file has the mode of its directory.
fn swap(path: &Path, known: Option<&[u8]>, bytes: &[u8]) -> Result<bool> {
    let directory = path.parent().ok_or_else(|| Error::internal("a storage key has no directory"))?;
    for parent in private::directory_to_sync(directory)? {
        File::open(parent)?.sync_all()?;
    }
    let locked = File::open(directory)?;
    match locked.lock() {
        // Some network file systems have no locks.
        Err(error) if error.kind() != ErrorKind::Unsupported => return Err(error.into()),
        _ => {}
    }
    let content = match std::fs::read(path) {
        Err(error) if is_missing(&error) => None,
        read => Some(read?),
    };
    if content.as_deref() != known {
        return Ok(false);
    }
    private::replace_like_directory(path, directory, bytes)?;
    Ok(true)
}

fn ignore_missing(done: std::io::Result<()>) -> Result<()> {
    match done {
        Err(error) if !is_missing(&error) => Err(error.into()),
        _ => Ok(()),
    }
}

fn is_missing(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
