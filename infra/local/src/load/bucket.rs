//! `ehi load --into s3://…`: loads into a lake in a bucket.
//!
//! The loader sorts the input in a temporary directory on this machine, together with the existing records of the same patients from the
//! bucket, and [uploads](transfer) the resulting files. An input directory that is a lake is uploaded without changes, including its
//! documents. The memory does not depend on the size of the input, but the disk needs space for it.
//!
//! A bucket has no renames, so objects are replaced one after the other. Resources can move from one object to another. Therefore the
//! new versions of existing objects are first stored in the bucket as a [journal], and the next load completes the journal of a load that
//! was stopped. A [lease](super::lease) lets one load at a time change a bucket.

use std::future::ready;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use domain::ports::files::Files;
use domain::ports::records::{Area, Records};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use indicatif::ProgressBar;
use storage::layout::{PATIENTS, area_prefix, patient_prefix};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use self::fetched::Fetched;
use self::journal::Journal;
use self::transfer::{AT_ONCE, fetch, key_stream, keys, keys_below, send};
use super::earlier::{Earlier, Show, Work, each_patient};
use super::fill::{fill, private};
use super::lease::Lease;
use super::lock::lock_inputs;
use super::report::Loaded;
use super::sizes::Sizes;
use crate::Failure;
use crate::home_files::forget;
use crate::renewal;

mod fetched;
mod journal;
mod transfer;

/// A lake in a store of objects.
pub struct Bucket {
    pub files: Arc<dyn Files>,
    pub records: Arc<dyn Records>,
}

impl Bucket {
    /// Opens `s3://bucket/prefix`.
    ///
    /// # Errors
    ///
    /// The URL is not valid, or this build has no S3.
    #[cfg(feature = "s3")]
    pub async fn open(url: &str) -> Result<Self, Failure> {
        let sdk = aws::sdk().await;
        let clock = Arc::new(domain::clock::SystemClock);
        Ok(Self { files: aws::files_at(&sdk, url, clock)?, records: aws::records_at(&sdk, url)? })
    }

    #[cfg(not(feature = "s3"))]
    #[expect(clippy::unused_async, reason = "it is async with the feature s3")]
    pub async fn open(_: &str) -> Result<Self, Failure> {
        Err(Failure::new("this build cannot write to a bucket: build it with --features s3"))
    }
}

/// Loads the inputs into a bucket, whose lock this load holds.
///
/// # Errors
///
/// The input or the bucket cannot be read, the upload failed, or the lock is lost.
pub async fn load_into_bucket(
    inputs: &[PathBuf],
    (bucket, lease): (&Bucket, &Lease),
    bar: &ProgressBar,
    stop: &Arc<AtomicBool>,
    sizes: Sizes,
) -> Result<Loaded, Failure> {
    let _locks = lock_inputs(inputs, None, bar)?;
    let must_renew = lease.during(complete_earlier(bucket, bar)).await?;
    let (lakes, others): (Vec<_>, Vec<_>) =
        inputs.iter().cloned().partition(|input| input.join(PATIENTS).is_dir());
    let mut loaded = Loaded::default();
    if !others.is_empty() {
        let staging = private().tempdir()?;
        let earlier = InBucket {
            files: bucket.files.clone(),
            records: bucket.records.clone(),
            into: staging.path().to_owned(),
            runtime: Handle::current(),
        };
        let (bar, told) = (bar.clone(), stop.clone());
        let filling = tokio::task::spawn_blocking(move || {
            fill(&others, &earlier.into, None, &bar, &told, &earlier, sizes)
        });
        loaded = lease.during_blocking(filling, stop).await?;
        let fetched = lease.during_blocking(compare(staging.path()), stop).await?;
        lease.during(upload(bucket, lease, staging.path(), &fetched)).await?;
    }
    if must_renew {
        loaded.changed.add_all();
    }
    if !lakes.is_empty() {
        lease.during(mark_unread(bucket, lease)).await?;
    }
    for lake in lakes {
        loaded = lease.during_blocking(list(&lake, loaded), stop).await?;
        let sent = async {
            lease.confirm().await?;
            send(&bucket.files, &lake, key_stream(&lake), "").await
        };
        lease.during(sent).await?;
    }
    Ok(loaded)
}

/// Completes the upload of a load that was stopped. Returns whether the whole index of patients must be renewed, because a load was stopped
/// before it had renewed it.
async fn complete_earlier(bucket: &Bucket, bar: &ProgressBar) -> Result<bool, Failure> {
    let completed = journal::complete(&bucket.files).await?;
    if completed > 0 {
        bar.println("A load was stopped during its upload: the upload was completed now.");
    }
    Ok(completed > 0 || renewal::mark(&*bucket.files).await?.is_some())
}

/// Marks that records will be uploaded without being read.
async fn mark_unread(bucket: &Bucket, lease: &Lease) -> Result<(), Failure> {
    lease.confirm().await?;
    // The index does not have the resources of these records.
    forget(&*bucket.files).await?;
    Ok(renewal::set(&*bucket.files).await?)
}

/// Adds the patients of an input that is a lake. A file that cannot be uploaded is an error before the upload begins, so that no file is
/// missing without a message.
fn list(lake: &Path, mut loaded: Loaded) -> JoinHandle<Result<Loaded, Failure>> {
    let lake = lake.to_owned();
    // A large lake takes minutes, in which the lock is renewed.
    tokio::task::spawn_blocking(move || {
        for entry in std::fs::read_dir(lake.join(PATIENTS))? {
            loaded.patients += 1;
            loaded.changed.add(&entry?.file_name().to_string_lossy());
        }
        keys(&lake).try_for_each(|key| key.map(|_| ()))?;
        Ok(loaded)
    })
}

/// Compares the staging directory with what was fetched, on another thread for the same reason.
fn compare(staging: &Path) -> JoinHandle<Result<Fetched, Failure>> {
    let staging = staging.to_owned();
    tokio::task::spawn_blocking(move || {
        keys(&staging).try_for_each(|key| key.map(|_| ()))?;
        fetched::compare(&staging)
    })
}

/// Uploads the files of the staging directory: first those that the bucket does not have, then the new versions of the others. Removes the
/// objects that are not in the directory any more.
async fn upload(bucket: &Bucket, lease: &Lease, staging: &Path, fetched: &Fetched) -> Result<(), Failure> {
    let bucket = &bucket.files;
    lease.confirm().await?;
    renewal::set(&**bucket).await?;
    let new = |key: &Result<String, Failure>| ready(key.as_ref().map_or(true, |key| !fetched.replaces(key)));
    let replaced =
        |key: &Result<String, Failure>| ready(key.as_ref().map_or(true, |key| fetched.replaces(key)));
    let unchanged = |failure: Failure| {
        Failure::new(format!("{failure}; no existing record was changed: run the load again"))
    };
    send(bucket, staging, key_stream(staging).filter(new), "").await.map_err(unchanged)?;
    if fetched.is_same() {
        return Ok(());
    }
    let gone = &fetched.gone;
    let journal = Journal::write(bucket, staging, key_stream(staging).filter(replaced));
    let journal = journal.await.map_err(unchanged)?;
    let sent = async {
        lease.confirm().await?;
        send(bucket, staging, key_stream(staging).filter(replaced), "").await?;
        for key in gone {
            bucket.remove(key).await?;
        }
        journal.remove().await
    };
    sent.await.map_err(|failure| {
        Failure::new(format!(
            "{failure}; the upload is not complete, and the next load into this bucket completes it before it begins"
        ))
    })
}

/// The lake of a bucket as it was before the load.
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
            [] => vec![area_prefix(Area::Shared)],
            patients => patients.iter().map(patient_prefix).collect(),
        };
        self.runtime.block_on(async {
            let keys = keys_below(&*self.files, prefixes).await?;
            fetch(&*self.files, keys, &self.into).await
        })
    }

    fn fetch_groups(&self, groups: &[String]) -> Result<(), Failure> {
        let is_there = |group: &String| {
            let key = format!("{}{group}.json", area_prefix(Area::Groups));
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
                Err(_) if self.files.list(&format!("{PATIENTS}/")).await?.is_empty() => None,
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
                Err(_) if self.files.list(&format!("{PATIENTS}/")).await?.is_empty() => Ok(()),
                Err(error) => Err(error.into()),
            }
        };
        self.runtime.block_on(read)
    }
}
