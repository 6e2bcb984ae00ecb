//! Fetches objects from a bucket, and uploads files.

use std::fs::{DirEntry, ReadDir};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::ports::files::Files;
use domain::ports::records::Area;
use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use storage::layout::{PATIENTS, is_ndjson};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::fetched::{self, Digest};
use crate::Failure;

/// The number of files that are transferred at the same time.
pub(super) const AT_ONCE: usize = 16;
/// The number of bytes that are read at once.
const PIECE: usize = 256 * 1024;
/// The number of keys that are read before they are needed.
const KEYS_AHEAD: usize = 256;
/// The directories of a lake that are uploaded.
static PARTS: [&str; 4] =
    [PATIENTS, Area::Groups.directory(), Area::Shared.directory(), Area::Deleted.directory()];

/// Returns the keys of the NDJSON files below these prefixes.
pub(super) async fn keys_below(bucket: &dyn Files, prefixes: Vec<String>) -> Result<Vec<String>, Failure> {
    let list = |prefix: String| async move {
        let mut keys = Vec::new();
        for name in bucket.list(&prefix).await? {
            if name.contains('\n') {
                return Err(Failure::new(format!(
                    "{prefix} has an object with a line break in its name: rename it"
                )));
            }
            if is_ndjson(&name) {
                keys.push(format!("{prefix}{name}"));
            }
        }
        Ok(keys)
    };
    stream::iter(prefixes).map(list).buffer_unordered(AT_ONCE).try_concat().await
}

/// Fetches objects from the bucket into the staging directory.
pub(super) async fn fetch(bucket: &dyn Files, keys: Vec<String>, into: &Path) -> Result<(), Failure> {
    let get = |key: String| {
        let path = into.join(&key);
        async move {
            if let Some(directory) = path.parent() {
                tokio::fs::create_dir_all(directory).await?;
            }
            let (mut file, mut digest) = (tokio::fs::File::create(path).await?, Digest::new());
            let mut bytes = bucket.open(&key, None).await?;
            while let Some(piece) = bytes.next().await {
                let piece = piece?;
                digest.add(&piece);
                file.write_all(&piece).await?;
            }
            file.flush().await?;
            Ok::<_, Failure>((digest.finish(), key))
        }
    };
    let objects: Vec<_> =
        stream::iter(keys.into_iter().map(get)).buffer_unordered(AT_ONCE).try_collect().await?;
    fetched::add(into, &objects)
}

/// Uploads files of a lake to their keys below a prefix of the bucket.
pub(super) async fn send(
    bucket: &Arc<dyn Files>,
    lake: &Path,
    keys: impl Stream<Item = Result<String, Failure>>,
    prefix: &str,
) -> Result<(), Failure> {
    let put = |key: Result<String, Failure>| async move {
        let key = key?;
        send_file(bucket, &lake.join(&key), &format!("{prefix}{key}")).await
    };
    keys.map(put).buffer_unordered(AT_ONCE).try_collect().await
}

/// Uploads a file.
pub(super) async fn send_file(bucket: &Arc<dyn Files>, path: &Path, key: &str) -> Result<(), Failure> {
    let mut file = tokio::fs::File::open(path).await?;
    let mut writer = bucket.create(key).await?;
    let mut buffer = Vec::with_capacity(PIECE);
    while (&mut file).take(PIECE as u64).read_to_end(&mut buffer).await? > 0 {
        buffer = writer.write(buffer).await?;
    }
    Ok(writer.finish().await?)
}

/// Returns the keys of the files of a lake. Hidden files are not part of a lake. A file that cannot be uploaded is an error.
pub(super) fn keys(lake: &Path) -> Keys<'_> {
    Keys { lake, parts: PARTS.iter(), open: Vec::new() }
}

/// Returns the keys of the files of a lake, whose directories are read on another thread. A large lake takes minutes, in which the lock of
/// the bucket is renewed.
pub(super) fn key_stream(lake: &Path) -> impl Stream<Item = Result<String, Failure>> + use<> {
    let (sender, receiver) = mpsc::channel(KEYS_AHEAD);
    let lake = lake.to_owned();
    let reading = tokio::task::spawn_blocking(move || {
        for key in keys(&lake) {
            // Nobody needs the keys any more if the upload has failed.
            if sender.blocking_send(key).is_err() {
                return;
            }
        }
    });
    stream::unfold((receiver, Some(reading)), |(mut receiver, mut reading)| async move {
        if let Some(key) = receiver.recv().await {
            return Some((key, (receiver, reading)));
        }
        // The keys are not complete if the thread has failed.
        let failed = reading.take()?.await.err()?;
        Some((Err(Failure::new(failed.to_string())), (receiver, None)))
    })
}

/// An iterator over the keys of the files of a lake.
pub(super) struct Keys<'l> {
    lake: &'l Path,
    parts: std::slice::Iter<'static, &'static str>,
    /// The directories that are being read.
    open: Vec<(PathBuf, ReadDir)>,
}

impl Iterator for Keys<'_> {
    type Item = Result<String, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((directory, entries)) = self.open.last_mut() else {
                let directory = self.lake.join(self.parts.next()?);
                match directory.try_exists() {
                    Ok(false) => continue,
                    Ok(true) => {}
                    Err(error) => return Some(Err(Failure::of_path(&directory, &error))),
                }
                if let Err(failure) = self.begin(directory) {
                    return Some(Err(failure));
                }
                continue;
            };
            let found = match entries.next() {
                None => {
                    self.open.pop();
                    continue;
                }
                Some(Err(error)) => Err(Failure::of_path(directory, &error)),
                Some(Ok(entry)) => self.key(&entry),
            };
            if let Some(found) = found.transpose() {
                return Some(found);
            }
        }
    }
}

impl Keys<'_> {
    fn begin(&mut self, directory: PathBuf) -> Result<(), Failure> {
        let entries = std::fs::read_dir(&directory).map_err(|error| Failure::of_path(&directory, &error))?;
        self.open.push((directory, entries));
        Ok(())
    }

    /// Returns the key of a file; `None` for a hidden one, and for a directory, which is read next.
    fn key(&mut self, entry: &DirEntry) -> Result<Option<String>, Failure> {
        if entry.file_name().to_string_lossy().starts_with('.') {
            return Ok(None);
        }
        let path = entry.path();
        let below = path.strip_prefix(self.lake).unwrap_or(&path);
        match (entry.file_type().map_err(|error| Failure::of_path(&path, &error))?, below.to_str()) {
            (kind, _) if kind.is_dir() => self.begin(path).map(|()| None),
            (kind, Some(key)) if kind.is_file() => Ok(Some(key.to_owned())),
            (kind, None) if kind.is_file() => {
                Err(Failure::new(format!("the name of {} is not UTF-8: rename it", path.display())))
            }
            _ => Err(Failure::new(format!(
                "{} is a link or not a regular file: replace it with a regular file, or remove it",
                path.display()
            ))),
        }
    }
}

#[cfg(test)]
mod tests;
