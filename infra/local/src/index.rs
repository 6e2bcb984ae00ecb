//! `ehi index`: makes the index by which staff find the patients of a lake. It reads the beginning of each record, in bounded
//! memory. `ehi load` renews the index at its end: only the rows of the patients whose records it has written, if there are
//! not too many.

use std::collections::HashSet;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use crypto::OsRandom;
use domain::clock::{Clock as _, Random as _, SystemClock};
use domain::error::Error;
use domain::ids::PatientId;
use domain::patient::findable;
use domain::patient_search::Findable;
use domain::ports::files::{Files, write_all};
use domain::ports::records::{Entry, Parts, Records};
use futures_util::stream::{self, StreamExt};
use indicatif::{ProgressBar, ProgressStyle};
use storage::layout::INDEX;
use storage::patient_index::{CURRENT, Current, IndexLine, Kept, PatientIndex, add, write};
use storage::sorter::{Limits, Sorter};

use crate::Failure;
use crate::server::Signals;

mod runs;

use self::runs::Runs;

#[derive(Args)]
pub struct Options {
    /// The records directory, or s3://bucket/prefix
    #[arg(value_name = "LAKE")]
    pub lake: String,
}

/// The number of patients whose files are listed at once.
const LISTED_AT_ONCE: usize = 500;
/// The maximum number of unreadable records. With more of them the index is not made.
const MAX_UNREADABLE: u64 = 1_000;
/// The number of records that are read at the same time.
const AT_ONCE: usize = 16;
/// The number of attempts of a renewal while other programs replace the index.
const TRIES: usize = 8;
/// The age after which the files of a generation that was never published are removed. No scan takes as long.
const ABANDONED_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// A run is one file on this machine, and its bytes are in memory.
const LIMITS: Limits = Limits { run: 64 * 1024 * 1024, fan_in: 64 };

/// Makes the index of a lake and prints how many patients it has.
///
/// # Errors
///
/// If the lake cannot be read or written. The index that was there before stays.
pub async fn run(options: Options) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let bar = progress();
    let lake = Lake::open(&options.lake).await?;
    let made = tokio::select! {
        made = lake.index_all(&bar) => made,
        // The temporary directory is removed with the future that is dropped.
        () = signals.received() => Err(Failure::new("interrupted: the index is as it was before")),
    };
    bar.finish_and_clear();
    let Current { patients, without_name, .. } = made?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{patients} patients are in the index, {without_name} of them without a name.")?;
    lake.say_unreadable();
    Ok(())
}

/// A lake whose index is made.
pub struct Lake {
    /// The name that the user gave.
    name: String,
    records: Arc<dyn Records>,
    files: Arc<dyn Files>,
    /// The root of a lake on this machine.
    directory: Option<PathBuf>,
    /// The number of patients whose records could not be read. They are found by their ids.
    unreadable: AtomicU64,
}

impl Lake {
    /// Opens a records directory, or `s3://bucket/prefix`.
    pub async fn open(name: &str) -> Result<Self, Failure> {
        match name.starts_with("s3:") {
            true => {
                in_bucket(&format!("s3://{}", name.trim_start_matches("s3:").trim_start_matches('/'))).await
            }
            false => Self::in_directory(Path::new(name)),
        }
    }

    /// A lake in a store of objects: its records, and the files below its root.
    pub fn over(name: &str, records: Arc<dyn Records>, files: Arc<dyn Files>) -> Self {
        Self { name: name.to_owned(), records, files, directory: None, unreadable: AtomicU64::new(0) }
    }

    fn in_directory(directory: &Path) -> Result<Self, Failure> {
        Ok(Self {
            name: directory.display().to_string(),
            records: local::records_at(directory)?,
            files: local::files_at(directory)?,
            directory: Some(directory.to_owned()),
            unreadable: AtomicU64::new(0),
        })
    }

    /// Prints the number of records that could not be read.
    pub fn say_unreadable(&self) {
        let unreadable = self.unreadable.load(Ordering::Relaxed);
        if unreadable > 0 {
            eprintln!(
                "The records of {unreadable} patients could not be read: the index has only their ids. Mend the files, then run 'ehi index {}'.",
                self.name
            );
        }
    }

    /// Renews the index after the records of these patients have changed. `None` stands for many patients.
    pub async fn renew(&self, changed: Option<HashSet<PatientId>>, bar: &ProgressBar) -> Result<(), Failure> {
        let renewed = match changed {
            Some(changed) if changed.is_empty() => return Ok(()),
            Some(changed) => self.index_changed(&changed, bar).await,
            None => self.index_all(bar).await,
        };
        renewed.map(|_| ()).map_err(|error| {
            Failure::new(format!(
                "the records are loaded, but the index of patients was not renewed: {error}; run 'ehi index {}'",
                self.name
            ))
        })
    }

    /// Makes the index of all patients.
    ///
    /// # Errors
    ///
    /// If the records cannot be read, or another program has replaced the index meanwhile.
    pub async fn index_all(&self, bar: &ProgressBar) -> Result<Current, Failure> {
        self.scan(bar).await?.ok_or_else(|| {
            Failure::new(
                "another program has replaced the index during the scan, and the scan may not have what it added, so \
                 its index stays; run 'ehi index' again while no other 'ehi load' or 'ehi index' runs",
            )
        })
    }

    /// Makes the index of all patients; `None` if another program has replaced the index meanwhile.
    async fn scan(&self, bar: &ProgressBar) -> Result<Option<Current>, Failure> {
        bar.set_message("indexing patients");
        let (runs, before) = (Runs::new(self.directory.as_deref())?, self.current().await?);
        let generation = generation();
        let mut sorter = Sorter::new(&*runs.files, Runs::PREFIX, LIMITS);
        let mut entries = self.records.entries(None);
        let mut patients = Vec::new();
        loop {
            let entry = entries.next().await?;
            let is_last = entry.is_none();
            if let Some(Entry::Patient(member)) = entry {
                patients.push(member.patient);
            }
            if patients.len() == LISTED_AT_ONCE || is_last {
                self.read(&patients, &mut sorter).await?;
                bar.set_message(format!(
                    "indexing patients: {}",
                    patients.last().map_or("", PatientId::as_str)
                ));
                patients.clear();
            }
            if is_last {
                break;
            }
        }
        let mut rows = sorter.finish().await?;
        let made = write(&*self.files, generation, &mut rows, None).await?;
        self.publish(made, before).await
    }

    /// Replaces the rows of these patients in the index. Begins again from the new index if another program has replaced it
    /// meanwhile.
    async fn index_changed(
        &self,
        changed: &HashSet<PatientId>,
        bar: &ProgressBar,
    ) -> Result<Current, Failure> {
        for _ in 0..TRIES {
            let before = self.current().await?;
            let made = match &before {
                Some(before) => self.index_changed_in(before, changed).await,
                // There is none, or it is damaged.
                None => self.scan(bar).await,
            };
            match made {
                Ok(Some(made)) => return Ok(made),
                Ok(None) => {}
                // The files of an index that was replaced twice are removed.
                Err(_) if !self.is_current(before.as_ref()).await? => {}
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::new(format!("other programs have replaced the index {TRIES} times meanwhile")))
    }

    /// Replaces the rows of these patients in an index; `None` if it is not the current one any more.
    async fn index_changed_in(
        &self,
        before: &Current,
        changed: &HashSet<PatientId>,
    ) -> Result<Option<Current>, Failure> {
        let (runs, generation) = (Runs::new(self.directory.as_deref())?, generation());
        let mut sorter = Sorter::new(&*runs.files, Runs::PREFIX, LIMITS);
        // They are listed in this order.
        let mut patients: Vec<_> = changed.iter().cloned().collect();
        patients.sort_by_key(|patient| format!("{patient}/"));
        for some in patients.chunks(LISTED_AT_ONCE) {
            self.read(some, &mut sorter).await?;
        }
        let kept = Kept::open(&*self.files, before, changed).await?;
        let mut rows = sorter.finish().await?;
        let made = write(&*self.files, generation, &mut rows, Some(kept)).await?;
        self.publish(made.renewing(before), Some(before.clone())).await
    }

    /// Adds the rows of these patients.
    async fn read(
        &self,
        mut patients: &[PatientId],
        sorter: &mut Sorter<'_, IndexLine>,
    ) -> Result<(), Failure> {
        while !patients.is_empty() {
            let parts = match self.records.parts_of(patients).await {
                Ok(parts) => parts,
                // A file can have been removed while they were listed.
                Err(_) => self.records.parts_of(patients).await?,
            };
            let (some, rest) = patients.split_at(parts.len());
            let records = &self.records;
            // Without any file there is no such patient.
            let present = some.iter().zip(&parts).filter(|(_, parts)| **parts != Parts::default());
            let read = present.map(|(patient, parts)| async move {
                (patient, findable(&**records, patient, &parts.records).await)
            });
            let mut read = stream::iter(read).buffered(AT_ONCE);
            while let Some((patient, read)) = read.next().await {
                let read = match read {
                    Ok(read) => read,
                    // If there are many, it is not the records that are at fault.
                    Err(error) if self.unreadable.load(Ordering::Relaxed) >= MAX_UNREADABLE => {
                        return Err(error.into());
                    }
                    Err(error) => {
                        tracing::warn!(error = %error, cause = error.causes(), "a record cannot be read");
                        self.unreadable.fetch_add(1, Ordering::Relaxed);
                        Some(Findable::unnamed(patient.clone()))
                    }
                };
                if let Some(patient) = read {
                    add(sorter, &patient).await?;
                }
            }
            patients = rest;
        }
        Ok(())
    }

    async fn current(&self) -> Result<Option<Current>, Failure> {
        match PatientIndex::open(&*self.records).await {
            Ok(index) => Ok(index.map(|index| index.current().clone())),
            Err(Error::Damaged(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns whether this index is still the current one.
    async fn is_current(&self, before: Option<&Current>) -> Result<bool, Failure> {
        let now = self.current().await?;
        Ok(now.as_ref().map(|now| &now.generation) == before.map(|before| &before.generation))
    }

    /// Makes an index the current one, if the one from which it was begun is still the current one; otherwise removes it and
    /// returns `None`. The one before it stays until the next time, because searches may still read it.
    async fn publish(&self, mut made: Current, before: Option<Current>) -> Result<Option<Current>, Failure> {
        made.replaced = before.as_ref().map(|before| before.generation.clone());
        let _lock = self.lock().await?;
        if !self.is_current(before.as_ref()).await? {
            self.files.remove_prefix(&format!("{INDEX}/{}/", made.generation)).await?;
            return Ok(None);
        }
        for (key, bytes) in made.files() {
            if self.files.size(&key).await? != Some(bytes) {
                return Err(Failure::new(format!("{key} is not as it was written; run 'ehi index' again")));
            }
        }
        self.replace_current(&made).await?;
        // In a bucket, another program can have replaced it at the same time.
        if !self.is_current(Some(&made)).await? {
            return Ok(None);
        }
        for entry in self.files.list(&format!("{INDEX}/")).await? {
            let Some(generation) = entry.strip_suffix('/') else { continue };
            let is_before = before.as_ref().is_some_and(|before| before.generation == generation);
            let is_earlier =
                before.as_ref().and_then(|before| before.replaced.as_deref()) == Some(generation);
            let is_abandoned = begun(generation)
                .is_some_and(|begun| begun < made.made.as_millisecond().saturating_sub(ABANDONED_MS));
            // Another program may write any other one.
            if !is_before && (is_earlier || is_abandoned) {
                self.files.remove_prefix(&format!("{INDEX}/{entry}")).await?;
            }
        }
        Ok(Some(made))
    }

    /// On this machine, lets one program at a time replace the index. It is unlocked when the file is dropped.
    async fn lock(&self) -> Result<Option<std::fs::File>, Failure> {
        let Some(index) = self.directory.as_ref().map(|directory| directory.join(INDEX)) else {
            return Ok(None);
        };
        let path = index.clone();
        let locked = tokio::task::spawn_blocking(move || {
            let file = std::fs::File::open(path)?;
            match file.lock() {
                // Some network file systems have no locks.
                Err(error) if error.kind() != std::io::ErrorKind::Unsupported => Err(error),
                _ => Ok(file),
            }
        });
        let locked = locked.await.map_err(|error| Failure::new(error.to_string()))?;
        locked.map(Some).map_err(|error| Failure::of_path(&index, &error))
    }

    async fn replace_current(&self, made: &Current) -> Result<(), Failure> {
        let mut text = serde_json::to_vec_pretty(made).map_err(|error| Failure::new(error.to_string()))?;
        text.push(b'\n');
        let Some(directory) = &self.directory else {
            return Ok(write_all(&*self.files, &format!("{INDEX}/{CURRENT}"), text).await?);
        };
        let index = directory.join(INDEX);
        let replaced = replace_in(directory, &index, made, &text);
        replaced.map_err(|error| Failure::of_path(&index, &error))
    }
}

/// Gives the files the modes of the lake, so that whoever can read its records can read the index as well, and replaces
/// `current.json`.
fn replace_in(lake: &Path, index: &Path, made: &Current, text: &[u8]) -> std::io::Result<()> {
    let mode = std::fs::metadata(lake)?.permissions().mode();
    let set = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode));
    set(index, mode & 0o777)?;
    set(&index.join(&made.generation), mode & 0o777)?;
    for (key, _) in made.files() {
        set(&lake.join(key), mode & 0o666)?;
    }
    let mut current = tempfile::Builder::new().prefix(".current-").tempfile_in(index)?;
    current.write_all(text)?;
    set(current.path(), mode & 0o666)?;
    current.as_file().sync_all()?;
    current.persist(index.join(CURRENT))?;
    Ok(())
}

#[cfg(feature = "s3")]
async fn in_bucket(url: &str) -> Result<Lake, Failure> {
    let sdk = aws::sdk().await;
    Ok(Lake::over(url, aws::records_at(&sdk, url)?, aws::files_at(&sdk, url, Arc::new(SystemClock))?))
}

#[cfg(not(feature = "s3"))]
#[expect(clippy::unused_async, reason = "it is async with the feature s3")]
async fn in_bucket(_: &str) -> Result<Lake, Failure> {
    Err(Failure::new("this build cannot read a bucket: build it with --features s3"))
}

/// The name of a new generation, and its time. Later ones have later names.
fn generation() -> (String, jiff::Timestamp) {
    let now = SystemClock.now();
    let attempt: String =
        OsRandom.attempt().to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    (format!("{:013}-{attempt}", now.as_millisecond()), now)
}

/// When a generation was begun, in milliseconds.
fn begun(generation: &str) -> Option<i64> {
    generation.split('-').next()?.parse().ok()
}

fn progress() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    bar.set_style(
        ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    bar
}
