//! A lake that is locked for a load, from before the first record is read until the index of patients is renewed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use indicatif::ProgressBar;

use super::bucket::{Bucket, load_into_bucket};
use super::earlier::Directory;
use super::fill::fill;
use super::lease::{Lease, Times};
use super::lock::lock;
use super::report::Loaded;
use super::sizes::Sizes;
use crate::Failure;
use crate::file_lock::FileLock;

pub(super) enum Held {
    Directory(FileLock),
    Bucket(Box<(Bucket, Lease)>),
}

impl Held {
    /// Locks a records directory, or `s3://bucket/prefix`.
    ///
    /// # Errors
    ///
    /// Another load holds the lock, or the lake cannot be reached.
    pub(super) async fn lock(into: &Path, bar: &ProgressBar) -> Result<Self, Failure> {
        let Some(url) = into.to_str().filter(|into| into.starts_with("s3:")) else {
            return Ok(Self::Directory(lock(into, bar)?));
        };
        let url = format!("s3://{}", url.trim_start_matches("s3:").trim_start_matches('/'));
        let bucket = Bucket::open(&url).await?;
        let lease = Lease::acquire(bucket.files.clone(), Times::default(), bar).await?;
        Ok(Self::Bucket(Box::new((bucket, lease))))
    }

    /// Loads the inputs. `into` is the lake.
    pub(super) async fn load(
        &self,
        inputs: Vec<PathBuf>,
        into: PathBuf,
        bar: ProgressBar,
        stop: Arc<AtomicBool>,
    ) -> Result<Loaded, Failure> {
        if let Self::Bucket(held) = self {
            let (bucket, lease) = &**held;
            return load_into_bucket(&inputs, (bucket, lease), &bar, &stop, Sizes::default()).await;
        }
        let done = tokio::task::spawn_blocking(move || {
            fill(&inputs, &into, Some(into.clone()), &bar, &stop, &Directory(&into), Sizes::default())
        });
        done.await.map_err(|error| Failure::new(error.to_string()))?
    }

    /// Does work while the lake is locked.
    pub(super) async fn during<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        match self {
            Self::Directory(_) => work.await,
            Self::Bucket(held) => {
                let lease = &held.1;
                let confirmed = async {
                    lease.confirm().await?;
                    work.await
                };
                lease.during(confirmed).await
            }
        }
    }

    /// Ends the lock.
    pub(super) async fn release(self) {
        match self {
            Self::Directory(lock) => drop(lock),
            Self::Bucket(held) => held.1.release().await,
        }
    }
}
