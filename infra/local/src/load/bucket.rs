//! `ehi load --into s3://…`: loads into a lake in a bucket.
//!
//! The loader sorts the input in a temporary directory on this machine, together with the existing records of the same patients from the
//! bucket, and uploads the resulting files. An input directory that is a lake is uploaded without changes, including its documents. The
//! memory does not depend on the size of the input, but the disk needs space for it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use aws::{files_at, records_at, sdk};
use domain::clock::SystemClock;
use domain::ports::files::Files;
use domain::ports::records::Records;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use indicatif::ProgressBar;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Handle;

use super::earlier::{Earlier, Show, Work, each_patient};
use super::{Loaded, Options, fill, private};
use crate::Failure;
use crate::home_files::forget;

/// The number of files that are transferred at the same time.
const AT_ONCE: usize = 16;
/// The number of bytes that are read at once.
const PIECE: usize = 256 * 1024;

/// Loads the inputs of the options into the bucket and prefix `url`.
pub(super) async fn load(
    options: &Options,
    url: &str,
    bar: &ProgressBar,
    stop: &Arc<AtomicBool>,
) -> Result<Loaded, Failure> {
    let sdk = sdk().await;
    let bucket = files_at(&sdk, url, Arc::new(SystemClock))?;
    let (lakes, others): (Vec<_>, Vec<_>) =
        options.inputs.iter().cloned().partition(|input| input.join("Patient").is_dir());
    let mut loaded = Loaded::default();
    if !others.is_empty() {
        let staging = private().tempdir()?;
        let earlier = InBucket {
            files: bucket.clone(),
            records: records_at(&sdk, url)?,
            into: staging.path().to_owned(),
            runtime: Handle::current(),
        };
        let (bar, stop) = (bar.clone(), stop.clone());
        let filled =
            tokio::task::spawn_blocking(move || fill(&others, &earlier.into, None, &bar, &stop, &earlier));
        loaded = filled.await.map_err(|error| Failure::new(error.to_string()))??;
        // If a fetched file is missing now, it was merged into another file. It is removed from the bucket.
        let before: BTreeSet<_> = std::fs::read_to_string(staging.path().join(FETCHED))
            .unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect();
        std::fs::remove_file(staging.path().join(FETCHED))?;
        let gone = before.into_iter().filter(|key| !staging.path().join(key).exists()).collect();
        upload(&bucket, url, staging, gone).await?;
    }
    if !lakes.is_empty() {
        // The index does not have the records that are uploaded without being read.
        forget(&*bucket).await?;
    }
    for lake in &lakes {
        for entry in std::fs::read_dir(lake.join("Patient"))? {
            loaded.patients += 1;
            loaded.changed.add(&entry?.file_name().to_string_lossy());
        }
        send(&bucket, lake).await?;
    }
    Ok(loaded)
}

/// Uploads the files of the staging directory, and removes the objects that it has no more. If this stops, resources may be in no record of
/// the bucket: those that move from a record that was uploaded to one that was not. So the directory is kept, from which the upload can be
/// completed.
async fn upload(
    bucket: &Arc<dyn Files>,
    url: &str,
    staging: TempDir,
    gone: Vec<String>,
) -> Result<(), Failure> {
    let sent = async {
        send(bucket, staging.path()).await?;
        for key in &gone {
            bucket.remove(key).await?;
        }
        Ok::<_, Failure>(())
    };
    let Err(failure) = sent.await else { return Ok(()) };
    let directory = staging.keep();
    let list = directory.join(GONE);
    std::fs::write(&list, gone.join("\n"))?;
    Err(Failure::new(format!(
        "{failure}; the upload is not complete: run 'ehi load {} --into {url}', remove the objects from the bucket that {} lists, and \
         then remove this directory",
        directory.display(),
        list.display()
    )))
}

/// A lake in a bucket.
struct InBucket {
    files: Arc<dyn Files>,
    records: Arc<dyn Records>,
    /// The staging directory.
    into: PathBuf,
    runtime: Handle,
}

impl Earlier for InBucket {
    fn fetch(&self, patients: &[String]) -> Result<(), Failure> {
        let prefixes = match patients {
            [] => vec!["shared/".to_owned()],
            patients => patients.iter().map(|patient| format!("Patient/{patient}/")).collect(),
        };
        self.runtime.block_on(async {
            let keys = keys_below(&*self.files, prefixes).await?;
            fetch(&*self.files, keys, &self.into).await
        })
    }

    fn fetch_groups(&self, groups: &[String]) -> Result<(), Failure> {
        let is_there = |group: &String| {
            let key = format!("Group/{group}.json");
            async move { Ok::<_, Failure>(self.files.size(&key).await?.map(|_| key)) }
        };
        self.runtime.block_on(async {
            let found = stream::iter(groups.iter().map(is_there)).buffer_unordered(AT_ONCE);
            let found: Vec<Option<String>> = found.try_collect().await?;
            fetch(&*self.files, found.into_iter().flatten().collect(), &self.into).await
        })
    }

    fn run(&self, work: Work<'_>) -> Result<(), Failure> {
        self.runtime.block_on(async {
            let records = match self.records.members(None, 1).await {
                Ok(page) if page.members.is_empty() => None,
                Ok(_) => Some(self.records.clone()),
                // The port refuses a lake without patients.
                Err(_) if self.files.list("Patient/").await?.is_empty() => None,
                Err(error) => return Err(error.into()),
            };
            work(records, self.files.clone()).await
        })
    }

    fn share(&self, _: &str) -> Result<(), Failure> {
        Ok(())
    }

    fn each_patient(&self, show: Show<'_>) -> Result<(), Failure> {
        let read = async {
            match self.records.members(None, 1).await {
                Ok(_) => each_patient(&*self.records, show).await,
                // The port refuses a lake without patients, but the first load begins with one.
                Err(_) if self.files.list("Patient/").await?.is_empty() => Ok(()),
                Err(error) => Err(error.into()),
            }
        };
        self.runtime.block_on(read)
    }
}

/// The name of the file in a staging directory that lists the keys of objects to remove.
const GONE: &str = "removed.txt";
/// The name of the file in the staging directory that lists the fetched keys.
const FETCHED: &str = "fetched.txt";

/// Returns the keys of the NDJSON files below these prefixes.
async fn keys_below(bucket: &dyn Files, prefixes: Vec<String>) -> Result<Vec<String>, Failure> {
    let list = |prefix: String| async move {
        let names = bucket.list(&prefix).await?;
        let records = |name: &String| name.trim_end_matches(".gz").ends_with(".ndjson");
        Ok::<_, Failure>(
            names.into_iter().filter(records).map(|name| format!("{prefix}{name}")).collect::<Vec<_>>(),
        )
    };
    stream::iter(prefixes).map(list).buffer_unordered(AT_ONCE).try_concat().await
}

/// Fetches files from the bucket.
async fn fetch(bucket: &dyn Files, keys: Vec<String>, into: &Path) -> Result<(), Failure> {
    let get = |key: &String| {
        let (key, path) = (key.clone(), into.join(key));
        async move {
            if let Some(directory) = path.parent() {
                tokio::fs::create_dir_all(directory).await?;
            }
            let mut file = tokio::fs::File::create(path).await?;
            let mut bytes = bucket.open(&key, None).await?;
            while let Some(piece) = bytes.next().await {
                file.write_all(&piece?).await?;
            }
            Ok::<_, Failure>(file.flush().await?)
        }
    };
    stream::iter(keys.iter().map(get)).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    let mut list = tokio::fs::OpenOptions::new().create(true).append(true).open(into.join(FETCHED)).await?;
    for key in keys {
        list.write_all(format!("{key}\n").as_bytes()).await?;
    }
    Ok(list.flush().await?)
}

/// Uploads every file of a lake.
async fn send(bucket: &Arc<dyn Files>, lake: &Path) -> Result<(), Failure> {
    let mut paths = Vec::new();
    for part in ["Patient", "Group", "shared", "deleted"] {
        let directory = lake.join(part);
        if directory.try_exists().map_err(|error| Failure::of_path(&directory, &error))? {
            walk(&directory, &mut paths)?;
        }
    }
    let put = |path: PathBuf| {
        let bucket = bucket.clone();
        async move {
            let key = path.strip_prefix(lake).unwrap_or(&path).to_string_lossy().into_owned();
            let mut file = tokio::fs::File::open(&path).await?;
            let mut writer = bucket.create(&key).await?;
            let mut buffer = Vec::with_capacity(PIECE);
            while (&mut file).take(PIECE as u64).read_to_end(&mut buffer).await? > 0 {
                buffer = writer.write(buffer).await?;
            }
            Ok::<_, Failure>(writer.finish().await?)
        }
    };
    stream::iter(paths.into_iter().map(put)).buffer_unordered(AT_ONCE).try_collect().await
}

/// Collects the regular files below a directory. Hidden files are not part of a lake. A file that cannot be uploaded is an error before the
/// upload begins, so that no file is missing in the bucket without a message.
fn walk(directory: &Path, paths: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let unreadable = |error: std::io::Error| Failure::of_path(directory, &error);
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let path = entry.path();
        match entry.file_type().map_err(unreadable)? {
            kind if kind.is_dir() => walk(&path, paths)?,
            kind if kind.is_file() && path.to_str().is_some() => paths.push(path),
            kind if kind.is_file() => {
                return Err(Failure::new(format!("the name of {} is not UTF-8: rename it", path.display())));
            }
            _ => {
                return Err(Failure::new(format!(
                    "{} is a link or not a regular file: replace it with a regular file, or remove it",
                    path.display()
                )));
            }
        }
    }
    Ok(())
}
