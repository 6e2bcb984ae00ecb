//! The new versions of existing objects, which are stored in the bucket before the first object is replaced.
//!
//! `index/loads/<generation>/changes` lists the changes, and `index/loads/<generation>/new/<key>` has the new content of an object. The
//! list is written last, so a journal with a list is complete, and it is removed first. The next load makes the changes of each complete
//! journal again, which has the same result. A journal without a list is of a load that is running, or of one that was stopped before it
//! changed an object; an old one is removed.

use std::path::Path;
use std::sync::Arc;

use domain::clock::{Clock as _, SystemClock};
use domain::error::{Error, Result};
use domain::lines::{Lines, StreamReader};
use domain::ports::files::Files;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use storage::layout::INDEX;

use super::transfer::{AT_ONCE, send};
use crate::Failure;
use crate::generation::{generation, is_abandoned};

/// The list of the changes. A line has the key of an object, after `+` if it gets a new content, and after `-` if it is removed.
const LIST: &str = "changes";
/// The number of lines of the list that are read together.
const TOGETHER: usize = 1_000;
/// The list is written when its buffer has this many bytes.
const FLUSH: usize = 256 * 1024;

/// Returns the directory of the journals.
fn directory() -> String {
    format!("{INDEX}/loads/")
}

/// The complete journal of a load.
pub(super) struct Journal<'b> {
    bucket: &'b Arc<dyn Files>,
    /// Its directory.
    prefix: String,
}

impl<'b> Journal<'b> {
    /// Stores the new versions of these objects, which are files of the staging directory, and the list of the changes.
    pub(super) async fn write<I: Iterator<Item = Result<String, Failure>>>(
        bucket: &'b Arc<dyn Files>,
        staging: &Path,
        replaced: impl Fn() -> I,
        gone: &[String],
    ) -> Result<Self, Failure> {
        let prefix = format!("{}{}/", directory(), generation().0);
        send(bucket, staging, replaced(), &new(&prefix)).await?;
        let mut writer = bucket.create(&format!("{prefix}{LIST}")).await?;
        let mut buffer = Vec::new();
        let removed = gone.iter().map(|key| Ok(format!("-{key}\n")));
        for line in replaced().map(|key| Ok::<_, Failure>(format!("+{}\n", key?))).chain(removed) {
            buffer.extend_from_slice(line?.as_bytes());
            if buffer.len() >= FLUSH {
                buffer = writer.write(buffer).await?;
            }
        }
        writer.write(buffer).await?;
        writer.finish().await?;
        Ok(Self { bucket, prefix })
    }

    /// Makes the changes, in the order of the list: a resource may be in an object that is removed and in one that gets a new content.
    async fn make(&self) -> Result<(), Failure> {
        let list = self.bucket.open(&format!("{}{LIST}", self.prefix), None).await?;
        let mut lines = Lines::new(Box::new(StreamReader(list)));
        loop {
            let (mut replaced, mut gone) = (Vec::new(), Vec::new());
            while replaced.len() + gone.len() < TOGETHER
                && let Some(line) = lines.next().await?
            {
                let line = line.text.and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default();
                match (line.strip_prefix('+'), line.strip_prefix('-')) {
                    (Some(key), _) => replaced.push(key.to_owned()),
                    (_, Some(key)) => gone.push(key.to_owned()),
                    _ => return Err(self.damaged()),
                }
            }
            if replaced.is_empty() && gone.is_empty() {
                return Ok(());
            }
            let copied = replaced.iter().map(|key| self.copy(key));
            stream::iter(copied).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
            for key in gone {
                self.bucket.remove(&key).await?;
            }
        }
    }

    fn damaged(&self) -> Failure {
        Failure::new(format!(
            "the list of changes {}{LIST} of a load that was stopped cannot be read: remove it, and load the input of that load again",
            self.prefix
        ))
    }

    /// Gives an object its new content.
    async fn copy(&self, key: &str) -> Result<()> {
        let mut bytes = match self.bucket.open(&format!("{}{key}", new(&self.prefix)), None).await {
            // Another load has completed the journal meanwhile.
            Err(Error::NotFound(_)) => return Ok(()),
            bytes => bytes?,
        };
        let mut writer = self.bucket.create(key).await?;
        while let Some(piece) = bytes.next().await {
            writer.write(piece?.to_vec()).await?;
        }
        writer.finish().await
    }

    /// Removes the journal of changes that were made.
    pub(super) async fn remove(self) -> Result<(), Failure> {
        self.bucket.remove(&format!("{}{LIST}", self.prefix)).await?;
        Ok(self.bucket.remove_prefix(&self.prefix).await?)
    }
}

/// Returns the prefix of the new contents.
fn new(journal: &str) -> String {
    format!("{journal}new/")
}

/// Completes the uploads of loads that were stopped. Returns their number.
pub(super) async fn complete(bucket: &Arc<dyn Files>) -> Result<u64, Failure> {
    let mut completed = 0;
    for entry in bucket.list(&directory()).await? {
        let Some(generation) = entry.strip_suffix('/') else { continue };
        let journal = Journal { bucket, prefix: format!("{}{entry}", directory()) };
        if bucket.size(&format!("{}{LIST}", journal.prefix)).await?.is_some() {
            journal.make().await?;
            journal.remove().await?;
            completed += 1;
        } else if is_abandoned(generation, SystemClock.now()) {
            bucket.remove_prefix(&journal.prefix).await?;
        }
    }
    Ok(completed)
}
