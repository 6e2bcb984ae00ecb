//! `ehi index`: makes the index by which staff find the patients of a lake. It reads the beginning of each record, in bounded
//! memory. `ehi load` renews the index at its end: only the rows of the patients whose records it has written, if there are
//! not too many.

use std::collections::HashSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
#[cfg(feature = "s3")]
use domain::clock::SystemClock;
use domain::ids::PatientId;
use domain::patient::findable;
use domain::patient_search::{Beyond, Findable, MAX_IDENTIFIERS, MAX_WORDS};
use domain::ports::files::Files;
use domain::ports::records::{Entry, Parts, Records};
use futures_util::stream::{self, StreamExt};
use indicatif::{ProgressBar, ProgressStyle};
use storage::patient_index::{Current, Kept, add, write};
use storage::sorter::{Limits, PlainRow, Sorter};

use crate::Failure;
use crate::generation::generation;
use crate::home_files::forget;
use crate::renewal;
use crate::server::Signals;

mod publish;
mod runs;

use self::publish::Before;
use self::runs::Runs;

#[derive(Args)]
pub struct Options {
    /// The records directory, or s3://bucket/prefix
    #[arg(value_name = "LAKE")]
    pub lake: String,
    /// Keep the index of homes: no other program than `ehi load` has written records
    #[arg(long)]
    pub keep_homes: bool,
}

/// The number of patients whose files are listed at once.
const LISTED_AT_ONCE: usize = 500;
/// The maximum number of unreadable records. With more of them the index is not made.
const MAX_UNREADABLE: u64 = 1_000;
/// The number of records that are read at the same time.
const AT_ONCE: usize = 16;
/// The number of attempts of a renewal while other programs replace the index.
const TRIES: usize = 8;
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
    if !options.keep_homes {
        // Another program may have written records, whose resources are not in the index of homes.
        forget(&*lake.files).await?;
    }
    let made = tokio::select! {
        made = lake.index_all(&bar) => made,
        // The temporary directory is removed with the future that is dropped.
        () = signals.received() => Err(Failure::new("interrupted: the index of patients is as it was before")),
    };
    bar.finish_and_clear();
    let Current { patients, without_name, .. } = made?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{patients} patients are in the index, {without_name} of them without a name.")?;
    lake.say_omissions();
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
    /// Words and identifiers of the records that were read, by which their patients are not found.
    beyond: Mutex<Beyond>,
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

    /// Describes a lake in a store of objects: its records, and the files below its root.
    pub fn over(name: &str, records: Arc<dyn Records>, files: Arc<dyn Files>) -> Self {
        Self {
            name: name.to_owned(),
            records,
            files,
            directory: None,
            unreadable: AtomicU64::new(0),
            beyond: Mutex::default(),
        }
    }

    fn in_directory(directory: &Path) -> Result<Self, Failure> {
        Ok(Self {
            name: directory.display().to_string(),
            records: local::records_at(directory)?,
            files: local::files_at(directory)?,
            directory: Some(directory.to_owned()),
            unreadable: AtomicU64::new(0),
            beyond: Mutex::default(),
        })
    }

    /// Prints what the index does not have: the number of records that could not be read, and of words and identifiers beyond
    /// the limits.
    pub fn say_omissions(&self) {
        let unreadable = self.unreadable.load(Ordering::Relaxed);
        if unreadable > 0 {
            eprintln!(
                "The records of {unreadable} patients could not be read: the index has only their ids. Mend the files, then run 'ehi index {}'.",
                self.name
            );
        }
        let Beyond { words, identifiers } = *self.beyond.lock().unwrap_or_else(PoisonError::into_inner);
        if words + identifiers > 0 {
            eprintln!(
                "{identifiers} identifiers and {words} words of names are not in the index, which has up to {MAX_IDENTIFIERS} identifiers \
                 of up to 100 characters and {MAX_WORDS} words of each patient: these patients are found by the others, and by their ids."
            );
        }
    }

    /// Renews the index after the records of these patients have changed. `None` stands for many patients.
    pub async fn renew(&self, changed: Option<HashSet<PatientId>>, bar: &ProgressBar) -> Result<(), Failure> {
        let renewed = match changed {
            Some(changed) if changed.is_empty() => self.unmarking(async { Ok(()) }).await,
            Some(changed) => self.unmarking(self.index_changed(&changed, bar)).await.map(|_| ()),
            None => self.index_all(bar).await.map(|_| ()),
        };
        renewed.map_err(|error| {
            Failure::new(format!(
                "the records are loaded, but the index of patients was not renewed: {error}; run 'ehi index --keep-homes {}'",
                self.name
            ))
        })
    }

    /// Renews the index, and then removes the mark that a renewal is necessary.
    async fn unmarking<T>(&self, renewal: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let mark = renewal::mark(&*self.files).await?;
        let renewed = renewal.await?;
        renewal::remove(&*self.files, mark.as_deref()).await?;
        Ok(renewed)
    }

    /// Makes the index of all patients.
    ///
    /// # Errors
    ///
    /// If the records cannot be read, or another program has replaced the index meanwhile.
    pub async fn index_all(&self, bar: &ProgressBar) -> Result<Current, Failure> {
        let made = async {
            self.scan(bar).await?.ok_or_else(|| {
                Failure::new(
                    "another program has replaced the index during the scan, and the scan may not have what it added, so \
                     its index stays; run 'ehi index' again while no other 'ehi load' or 'ehi index' runs",
                )
            })
        };
        self.unmarking(made).await
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
        self.publish(made, &before).await
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
            let made = match &before.index {
                Some(index) if !index.is_of_earlier_version() => {
                    self.index_changed_in(&before, index, changed).await
                }
                // There is no index, it is damaged, or an earlier version made its other rows, which would not change.
                _ => self.scan(bar).await,
            };
            match made {
                Ok(Some(made)) => return Ok(made),
                Ok(None) => {}
                // The files of an index that was replaced twice are removed.
                Err(_) if self.current().await? != before => {}
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::new(format!("other programs have replaced the index {TRIES} times meanwhile")))
    }

    /// Replaces the rows of these patients in an index; `None` if it is not the current one any more.
    async fn index_changed_in(
        &self,
        before: &Before,
        index: &Current,
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
        let kept = Kept::open(&*self.files, index, changed).await?;
        let mut rows = sorter.finish().await?;
        let made = write(&*self.files, generation, &mut rows, Some(kept)).await?;
        self.publish(made.renewing(index), before).await
    }

    /// Adds the rows of these patients.
    async fn read(
        &self,
        mut patients: &[PatientId],
        sorter: &mut Sorter<'_, PlainRow>,
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
                        Some((Findable::unnamed(patient.clone()), Beyond::default()))
                    }
                };
                if let Some((patient, beyond)) = read {
                    *self.beyond.lock().unwrap_or_else(PoisonError::into_inner) += beyond;
                    add(sorter, &patient).await?;
                }
            }
            patients = rest;
        }
        Ok(())
    }
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

fn progress() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    bar.set_style(
        ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    bar
}
