//! The new versions of existing objects, which are stored in the bucket before the first object is replaced.
//!
//! `index/loads/<generation>/changes` lists the changes, and `index/loads/<generation>/new/<key>` has the new content of an object. The
//! list is written last, so a journal with a list is complete, and it is removed first. The next load makes the changes of each complete
//! journal that were not made. The list has the digest of the content that each object had before, so that an object that somebody has
//! changed since then is not overwritten: the next load stops there, and names it. A journal without a list is of a load that is running, or
//! of one that was stopped before it changed an object; an old one is removed.

use std::path::Path;
use std::sync::Arc;

use domain::clock::{Clock as _, SystemClock};
use domain::error::{Error, Result};
use domain::lines::{Lines, StreamReader};
use domain::ports::files::Files;
use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use storage::layout::INDEX;

use super::fetched::{CHANGES, DIGITS, Digest};
use super::transfer::{AT_ONCE, send, send_file};
use crate::Failure;
use crate::generation::{generation, is_abandoned};

/// The list of the changes, with the lines of [`CHANGES`].
const LIST: &str = "changes";
/// The number of lines of the list that are read together.
const TOGETHER: usize = 1_000;

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
    /// Stores the new versions of these objects and the list of the changes, which are files of the staging directory.
    pub(super) async fn write(
        bucket: &'b Arc<dyn Files>,
        staging: &Path,
        replaced: impl Stream<Item = Result<String, Failure>>,
    ) -> Result<Self, Failure> {
        let prefix = format!("{}{}/", directory(), generation().0);
        send(bucket, staging, replaced, &new(&prefix)).await?;
        send_file(bucket, &staging.join(CHANGES), &format!("{prefix}{LIST}")).await?;
        Ok(Self { bucket, prefix })
    }

    /// Makes the changes that were not made, in the order of the list: a resource may be in an object that is removed and in one that gets a
    /// new content.
    async fn make(&self) -> Result<(), Failure> {
        let list = self.bucket.open(&format!("{}{LIST}", self.prefix), None).await?;
        let mut lines = Lines::new(Box::new(StreamReader(list)));
        loop {
            let (mut replaced, mut gone) = (Vec::new(), Vec::new());
            while replaced.len() + gone.len() < TOGETHER
                && let Some(line) = lines.next().await?
            {
                let line = line.text.and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default();
                let Some((kind, (digest, key))) = line
                    .split_at_checked(1)
                    .and_then(|(kind, rest)| Some((kind, rest.split_at_checked(DIGITS)?)))
                    .filter(|(kind, (digest, _))| {
                        ["+", "-"].contains(kind) && digest.bytes().all(|digit| digit.is_ascii_hexdigit())
                    })
                else {
                    return Err(self.damaged());
                };
                let changes = if kind == "+" { &mut replaced } else { &mut gone };
                changes.push((digest.to_owned(), key.to_owned()));
            }
            if replaced.is_empty() && gone.is_empty() {
                return Ok(());
            }
            let copied = replaced.iter().map(|(before, key)| self.replace(key, before));
            stream::iter(copied).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
            let removed = gone.iter().map(|(before, key)| self.remove_object(key, before));
            stream::iter(removed).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        }
    }

    fn damaged(&self) -> Failure {
        Failure::new(format!(
            "the list of changes {}{LIST} of a load that was stopped cannot be read: remove it, and load the input of that load again",
            self.prefix
        ))
    }

    /// Gives an object its new content, if it has the one with the digest `before`.
    async fn replace(&self, key: &str, before: &str) -> Result<(), Failure> {
        let found = digest_of(self.bucket, key).await?;
        if found.as_deref() == Some(before) {
            return Ok(self.copy(key).await?);
        }
        match digest_of(self.bucket, &format!("{}{key}", new(&self.prefix))).await? {
            new if new.is_none() || new == found => Ok(()),
            _ => Err(self.changed(key)),
        }
    }

    /// Removes an object, if it has the content with the digest `before`.
    async fn remove_object(&self, key: &str, before: &str) -> Result<(), Failure> {
        match digest_of(self.bucket, key).await? {
            None => Ok(()),
            Some(found) if found == before => Ok(self.bucket.remove(key).await?),
            Some(_) => Err(self.changed(key)),
        }
    }

    /// Returns the failure for an object that another program has changed since the load was stopped.
    fn changed(&self, key: &str) -> Failure {
        let prefix = &self.prefix;
        Failure::new(format!(
            "{key} was changed after a load was stopped, so the changes of that load cannot be completed: copy {prefix}new/ to this \
             machine, remove {prefix}{LIST}, and load the directories of the copy (Patient, shared, Group) as separate inputs"
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

/// Returns the digest of the content of an object; `None` if there is no such object.
async fn digest_of(bucket: &Arc<dyn Files>, key: &str) -> Result<Option<String>> {
    let mut bytes = match bucket.open(key, None).await {
        Err(Error::NotFound(_)) => return Ok(None),
        bytes => bytes?,
    };
    let mut digest = Digest::new();
    while let Some(piece) = bytes.next().await {
        digest.add(&piece?);
    }
    Ok(Some(digest.finish()))
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
