//! `ehi load`: converts bulk NDJSON and FHIR Bundles into the lake layout, on all cores and in bounded memory.
//!
//! [`fill`](mod@fill) has the steps:
//!
//! - [`files`] finds the files, and [`input`] reads them in pieces: the [`objects`] of each piece, and what is [`found`] there.
//! - [`mod@sort`] reads each resource once ([`arriving`], [`belongs`]) and appends it to a partition on disk ([`spill`], [`streams`]),
//!   by a hash of its patient.
//! - [`matching`] finds the patients whom resources name by an identifier ([`mention`], [`identities`]), also in the lake as it was
//!   ([`earlier`]).
//! - [`homes`] finds the records of the lake that have earlier versions, and [`existing`] reads them.
//! - [`settle`] makes the decisions that need all resources: which of the [`versions`] of a resource are the [`losers`], and the
//!   patients of a Binary ([`follows`]).
//! - [`mod@write`] sorts the partitions one by one and writes new files, [`commit`] gives them their names in the lake, and [`report`] prints
//!   the result.
//!
//! One load at a time changes a lake, which is [`held`] for it: by the [`mod@lock`] of a directory, or by the [`lease`] of a bucket.
//!
//! The loader needs one bit of memory for each resource, eight bytes for each patient and each identifier by which a patient is named,
//! and for each worker one partition, or a part of one that is too large ([`mod@divide`], [`Sizes`]).

mod arriving;
mod belongs;
mod bucket;
mod commit;
mod divide;
mod earlier;
mod existing;
mod files;
mod fill;
mod follows;
mod found;
mod held;
mod homes;
mod identities;
mod input;
mod lease;
mod links;
mod lock;
mod losers;
mod matching;
mod mention;
mod objects;
mod parallel;
mod read;
mod report;
mod settle;
mod sizes;
mod sort;
mod spill;
mod streams;
mod versions;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use storage::layout::PATIENTS;

pub use self::bucket::{Bucket, load_into_bucket};
use self::earlier::Directory;
use self::fill::fill;
use self::held::Held;
pub use self::lease::{Lease, Times};
use self::lock::lock;
pub use self::report::{Changed, Loaded, Noted};
pub use self::sizes::Sizes;
use crate::Failure;
use crate::index::Lake;
use crate::server::Signals;

#[derive(Args)]
#[command(
    after_help = "Exit status: 0 if everything was loaded (the report lists replaced versions, unresolved references and patients who were not found), 1 if some input could not be used, if it has deletions, which are not carried out, or if the load failed, 2 if the command line is not valid."
)]
pub struct Options {
    /// Files or directories with NDJSON or FHIR Bundles in JSON, compressed with gzip or not
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// The records directory to fill, or s3://bucket/prefix; existing records are kept
    #[arg(long, value_name = "DIR")]
    pub into: PathBuf,
}

/// Loads the inputs and prints a report.
///
/// # Errors
///
/// Some input could not be used or has deletions, although the rest was loaded, the load failed, or another load into this lake is running.
pub async fn run(options: Options) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let bar = progress();
    let held = tokio::select! {
        held = Held::lock(&options.into, &bar) => held,
        () = signals.received() => Err(Failure::new("interrupted: nothing was changed")),
    };
    let held = held.inspect_err(|_| bar.finish_and_clear())?;
    let done = Box::pin(load_and_index(options, &held, &bar, &mut signals)).await;
    held.release().await;
    done
}

async fn load_and_index(
    options: Options,
    held: &Held,
    bar: &ProgressBar,
    signals: &mut Signals,
) -> Result<(), Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let into = options.into.clone();
    let mut loading = Box::pin(held.load(options.inputs, options.into, bar.clone(), stop.clone()));
    let loaded = tokio::select! {
        loaded = &mut loading => loaded,
        () = signals.received() => {
            // The temporary directory contains records, so it is removed before the program ends.
            stop.store(true, Ordering::Relaxed);
            loading.await
        }
    };
    let mut loaded = match loaded {
        Ok(loaded) => loaded,
        Err(failure) => {
            bar.finish_and_clear();
            return Err(failed(&failure, &into));
        }
    };
    let changed = std::mem::take(&mut loaded.changed).patients();
    let indexing = Box::pin(held.during(async {
        let lake = Lake::open(&into.to_string_lossy()).await?;
        lake.renew(changed, bar).await?;
        bar.suspend(|| lake.say_omissions());
        Ok(())
    }));
    let indexed = tokio::select! {
        indexed = indexing => indexed,
        // The temporary directory of the index is removed with the future that is dropped.
        () = signals.received() => Err(Failure::new(format!(
            "interrupted: the records are loaded, but the index of patients was not renewed; run 'ehi index --keep-homes {}'",
            into.display()
        ))),
    };
    bar.finish_and_clear();
    loaded.print(&into);
    indexed?;
    match loaded.fault() {
        None => Ok(()),
        Some(fault) => Err(Failure::new(fault)),
    }
}

/// Returns the failure of a load that was interrupted or failed. Records that it has written are not in the index.
fn failed(failure: &Failure, into: &Path) -> Failure {
    let has_records = into.to_string_lossy().starts_with("s3:") || into.join(PATIENTS).is_dir();
    match has_records {
        true => Failure::new(format!(
            "{failure}; patients whose records were already written may be missing in the index: run 'ehi index --keep-homes {}'",
            into.display()
        )),
        false => Failure::new(failure.to_string()),
    }
}

/// Loads the inputs into a records directory.
pub fn load(inputs: &[PathBuf], into: &Path, bar: &ProgressBar) -> Result<Loaded, Failure> {
    load_within(inputs, into, bar, Sizes::default())
}

/// Loads the inputs into a records directory, in memory that these sizes bound.
///
/// # Errors
///
/// The load failed, or another load into this directory is running.
pub fn load_within(
    inputs: &[PathBuf],
    into: &Path,
    bar: &ProgressBar,
    sizes: Sizes,
) -> Result<Loaded, Failure> {
    let _lock = lock(into, bar)?;
    fill(inputs, into, Some(into.to_owned()), bar, &AtomicBool::new(false), &Directory(into), sizes)
}

fn progress() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
