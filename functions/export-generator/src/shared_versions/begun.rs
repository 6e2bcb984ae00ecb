//! A comparison of versions that takes longer than an invocation: what is read, and when it stops.

use std::collections::HashSet;

use domain::error::Result;
use domain::ports::files::{Files, read_all, write_all};
use domain::ports::queue::Deadline;
use domain::ports::records::Area;
use serde::{Deserialize, Serialize};

use crate::Generator;
use crate::watch::Watch;

/// The maximum size of the stored state in bytes: it has room for the names of some hundred thousand files.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// A file outside the patients' records.
pub(crate) type OutsideFile = (Area, String);

/// The outcome of an attempt to compare.
pub(crate) enum Compared {
    /// The lists are written.
    Listed,
    /// No resource is in several files, and nothing is written.
    Nothing,
    /// The time is over. The next invocation continues.
    Paused(Begun),
    /// The export has ended.
    Unwanted,
}

/// The progress of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Begun {
    /// Whether each file is that of a Group, and its name.
    files: Vec<(bool, String)>,
    /// The number of files that were read.
    pub(crate) done: usize,
    /// The number of lines that were read of the next file.
    pub(crate) lines: u64,
    /// The keys of the sorted files with the versions.
    pub(crate) runs: Vec<String>,
}

impl Begun {
    pub(crate) fn of(outside: &[OutsideFile]) -> Self {
        let files = outside.iter().map(|(area, name)| (*area == Area::Groups, name.clone())).collect();
        Self { files, done: 0, lines: 0, runs: Vec::new() }
    }

    pub(crate) async fn load(files: &dyn Files, key: &str) -> Result<Self> {
        Ok(serde_json::from_slice(&read_all(files, key, MAX_BYTES).await?)?)
    }

    pub(crate) async fn save(&self, files: &dyn Files, key: &str) -> Result<()> {
        write_all(files, key, serde_json::to_vec(self)?).await
    }

    /// Continues with the files that exist now. Returns `false` if one of these files was removed: its resources may be in others now.
    pub(crate) fn has_only(&mut self, outside: &[OutsideFile]) -> bool {
        let now = Self::of(outside).files;
        let (known, there): (HashSet<_>, HashSet<_>) =
            (self.files.iter().cloned().collect(), now.iter().collect());
        if !self.files.iter().all(|file| there.contains(file)) {
            return false;
        }
        self.files.extend(now.iter().filter(|file| !known.contains(*file)).cloned());
        true
    }

    pub(crate) fn files(&self) -> Vec<OutsideFile> {
        self.files.iter().map(outside).collect()
    }

    pub(crate) fn next_file(&self) -> Option<OutsideFile> {
        self.files.get(self.done).map(outside)
    }

    /// Returns the names of the next Groups, up to the next file that is not a Group.
    pub(crate) fn next_groups(&self, limit: usize) -> Vec<String> {
        let left = self.files.iter().skip(self.done).take(limit);
        left.take_while(|(is_group, _)| *is_group).map(|(_, name)| name.clone()).collect()
    }

    /// Returns the number of a file, counted from the next one.
    pub(crate) fn number(&self, after_next: usize) -> u32 {
        u32::try_from(self.done + after_next).unwrap_or(u32::MAX)
    }

    pub(crate) fn end_file(&mut self) {
        (self.done, self.lines) = (self.done + 1, 0);
    }
}

fn outside((is_group, name): &(bool, String)) -> OutsideFile {
    (if *is_group { Area::Groups } else { Area::Shared }, name.clone())
}

/// Why a comparison stops before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Deadline,
    /// The export was cancelled.
    Unwanted,
}

/// Decides when a comparison stops.
pub(crate) struct Pace<'p> {
    pub(crate) generator: &'p Generator,
    pub(crate) deadline: &'p dyn Deadline,
    pub(crate) watch: Watch<'p>,
}

impl Pace<'_> {
    pub(crate) async fn stops(&mut self) -> Result<Option<Stop>> {
        if !self.watch.is_wanted().await? {
            return Ok(Some(Stop::Unwanted));
        }
        Ok(self.deadline.is_near(self.generator.clock.now()).then_some(Stop::Deadline))
    }
}
