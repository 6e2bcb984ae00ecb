//! `ehi load`: turns bulk NDJSON and FHIR Bundles into the lake layout, streaming.
//!
//! [`input`] reads resources one by one, [`scratch`] keeps them and where they belong on disk, so that memory
//! stays the same whatever comes in, and [`mod@write`] puts them where they belong.

#[cfg(feature = "s3")]
mod bucket;
mod input;
mod scratch;
mod write;

use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use self::input::{Found, read};
use self::scratch::{Priority, Scratch};
use crate::Failure;

#[derive(Args)]
pub struct Options {
    /// Files or directories: NDJSON or FHIR Bundles in JSON, gzip'ed or not
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// The records directory to fill, or s3://bucket/prefix; what it has already stays
    #[arg(long, value_name = "DIR")]
    pub into: PathBuf,
}

/// What a load came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    pub patients: u64,
    pub resources: u64,
    pub shared: u64,
    pub groups: u64,
    /// What could not be used: file, line and reason.
    pub problems: Vec<String>,
    /// Problems beyond those listed.
    pub more_problems: u64,
}

/// Problems listed; beyond that they are counted.
const MAX_PROBLEMS: usize = 1_000;

impl Loaded {
    fn problem(&mut self, file: &Path, line: u64, reason: &str) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(format!("{}:{line}: {reason}", file.display()));
        } else {
            self.more_problems += 1;
        }
    }
}

/// Loads and reports; an error when anything could not be used.
pub async fn run(options: &Options) -> Result<(), Failure> {
    let bar = progress();
    let loaded = match options.into.to_str().filter(|into| into.starts_with("s3:")) {
        Some(url) => into_bucket(options, url, &bar).await?,
        None => load(&options.inputs, &options.into, &bar)?,
    };
    bar.finish_and_clear();
    for problem in &loaded.problems {
        eprintln!("{problem}");
    }
    eprintln!(
        "Loaded {} resources of {} patients, {} shared resources and {} groups into {}",
        loaded.resources,
        loaded.patients,
        loaded.shared,
        loaded.groups,
        options.into.display()
    );
    match loaded.problems.len() as u64 + loaded.more_problems {
        0 => Ok(()),
        problems => {
            Err(Failure::new(format!("{problems} lines or entries could not be used; the rest is loaded")))
        }
    }
}

#[cfg(feature = "s3")]
async fn into_bucket(options: &Options, url: &str, bar: &ProgressBar) -> Result<Loaded, Failure> {
    bucket::load(options, &format!("s3://{}", url.trim_start_matches("s3:").trim_start_matches('/')), bar)
        .await
}

#[cfg(not(feature = "s3"))]
async fn into_bucket(_: &Options, _: &str, _: &ProgressBar) -> Result<Loaded, Failure> {
    Err(Failure::new("this build cannot write to a bucket: build it with --features s3"))
}

/// Loads the inputs into a records directory.
pub fn load(inputs: &[PathBuf], into: &Path, bar: &ProgressBar) -> Result<Loaded, Failure> {
    fill(inputs, into, bar, |_| Ok(()))
}

/// Loads the inputs into a records directory. `fetch` brings what another place has already of the same patients.
fn fill(
    inputs: &[PathBuf],
    into: &Path,
    bar: &ProgressBar,
    fetch: impl FnOnce(&Scratch) -> Result<(), Failure>,
) -> Result<Loaded, Failure> {
    let files = files(inputs)?;
    std::fs::create_dir_all(into)?;
    let mut scratch = Scratch::new(into)?;
    let mut loaded = Loaded::default();
    bar.set_length(files.iter().filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum());
    for file in &files {
        bar.set_message(file.file_name().unwrap_or_default().to_string_lossy().into_owned());
        take(file, Priority::Incoming, &mut scratch, &mut loaded, bar)?;
    }
    bar.set_message("sorting");
    scratch.settle()?;
    fetch(&scratch)?;
    // What is there already is read like an input that loses ties, so that loading twice changes nothing.
    let before = write::existing_files(into, &scratch)?;
    for file in &before {
        take(file, Priority::Existing, &mut scratch, &mut loaded, &ProgressBar::hidden())?;
    }
    if !before.is_empty() {
        scratch.settle()?;
    }
    bar.set_message("writing");
    write::write(&mut scratch, into, &before, &mut loaded)?;
    Ok(loaded)
}

/// Reads one file into the scratch.
fn take(
    file: &Path,
    priority: Priority,
    scratch: &mut Scratch,
    loaded: &mut Loaded,
    bar: &ProgressBar,
) -> Result<(), Failure> {
    let read = read(file, bar, &mut |line, found| {
        let problem = match found {
            Found::Resource { text, full_url } => scratch.add(text, full_url, priority)?,
            Found::Unusable(reason) => Some(reason),
        };
        if let Some(reason) = problem {
            loaded.problem(file, line, &reason);
        }
        Ok(())
    });
    match read {
        Err(Failure(reason)) if file.exists() && scratch.is_sound() => {
            loaded.problem(file, 0, &reason);
            Ok(())
        }
        done => done,
    }
}

/// The files behind the inputs: directories stand for what they hold, in the order of the names.
fn files(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for input in inputs {
        if input.is_dir() {
            let mut inside = std::fs::read_dir(input)?
                .map(|entry| Ok(entry?.path()))
                .collect::<Result<Vec<_>, Failure>>()?;
            inside.sort();
            let is_input = |path: &PathBuf| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                path.is_dir()
                    || [".ndjson", ".json", ".ndjson.gz", ".json.gz"].iter().any(|end| name.ends_with(end))
            };
            inside.retain(is_input);
            files.extend(self::files(&inside)?);
        } else if input.is_file() {
            files.push(input.clone());
        } else {
            return Err(Failure::new(format!("{} does not exist", input.display())));
        }
    }
    Ok(files)
}

fn progress() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
