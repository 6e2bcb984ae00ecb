//! Files in a directory: a key is a path below it.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use domain::error::{Error, Result, Store};
use domain::ports::files::{ByteStream, FileWriter, Files, UploadForm, checked_key};
use futures_util::stream;
use jiff::SignedDuration;
use tempfile::TempDir;

use crate::{blocking, private};

/// How much of a file a stream holds.
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
        Ok(Box::new(Writer { path: self.path(key)?, file: None }))
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
        let file = blocking(Store::Files, move || {
            let mut file =
                File::open(path).map_err(|error| if is_missing(&error) { NO_FILE } else { error.into() })?;
            if range.start > 0 {
                file.seek(SeekFrom::Start(range.start))?;
            }
            Ok(file.take(range.end - range.start))
        })
        .await?;
        Ok(Box::pin(stream::try_unfold(file, |mut file| {
            // Made here, where it is dropped as well: memory that changes threads is given back late.
            let wanted = PIECE.min(file.limit());
            let mut piece = Vec::with_capacity(usize::try_from(wanted).unwrap_or_default() + 1);
            blocking(Store::Files, move || {
                Read::by_ref(&mut file).take(wanted).read_to_end(&mut piece)?;
                Ok((!piece.is_empty()).then(|| (Bytes::from(piece), file)))
            })
        })))
    }

    async fn link(&self, _: &str, _: SignedDuration, _: &str) -> Result<Option<String>> {
        Ok(None)
    }

    async fn upload_form(&self, _: &str, _: &str, _: u64, _: SignedDuration) -> Result<Option<UploadForm>> {
        Ok(None)
    }

    async fn remove(&self, key: &str) -> Result<()> {
        let path = self.path(key)?;
        blocking(Store::Files, move || ignore_missing(std::fs::remove_file(path))).await
    }

    async fn remove_prefix(&self, prefix: &str) -> Result<()> {
        let path = self.path(prefix)?;
        blocking(Store::Files, move || {
            // A worker may still be writing into it: once more then.
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

struct Writer {
    path: PathBuf,
    /// Created with the first bytes.
    file: Option<File>,
}

#[async_trait]
impl FileWriter for Writer {
    async fn write(&mut self, buffer: Vec<u8>) -> Result<Vec<u8>> {
        let file = self.file.take();
        let path = self.path.clone();
        let (file, buffer) = blocking(Store::Files, move || {
            let mut file = created(file, &path)?;
            let mut buffer = buffer;
            file.write_all(&buffer)?;
            buffer.clear();
            Ok((file, buffer))
        })
        .await?;
        self.file = Some(file);
        Ok(buffer)
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        blocking(Store::Files, move || {
            created(self.file, &self.path)?.sync_all()?;
            // The name must last as well as the bytes.
            if let Some(directory) = self.path.parent() {
                File::open(directory)?.sync_all()?;
            }
            Ok(())
        })
        .await
    }
}

fn created(file: Option<File>, path: &Path) -> Result<File> {
    if let Some(file) = file {
        return Ok(file);
    }
    if let Some(directory) = path.parent() {
        private::directory(directory)?;
    }
    Ok(private::file(path)?)
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
