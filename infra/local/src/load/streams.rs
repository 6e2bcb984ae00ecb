//! The streams of a load: what is sorted by which key.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use foldhash::fast::FixedState;

use super::spill::Stream;
use crate::Failure;

/// The streams of a load, and what its workers share.
pub(super) struct Load<'l> {
    /// Where documents and patients of earlier loads are, if that can be seen from here.
    pub(super) lake: Option<PathBuf>,
    pub(super) stop: &'l AtomicBool,
    /// Resources that were read.
    pub(super) resources: AtomicU64,
    /// Resources by patient.
    pub(super) texts: Stream,
    /// Resources of nobody, by type and id.
    pub(super) shared: Stream,
    /// Of each resource that was read what decides whether it stays, by type and id.
    pub(super) versions: Stream,
    /// Patients that have anything, by their hash.
    pub(super) patients: Stream,
    /// References and attachments' Binaries, by what they refer to.
    pub(super) links: Stream,
    /// Resources that belong to whom others belong to (Provenance, Binary), by their number.
    pub(super) followers: Stream,
    /// What those follow, by type and id of it.
    pub(super) follows: Stream,
    /// What each `urn:` stands for, by the URN.
    pub(super) names: Stream,
}

/// Resources that refer to a `urn:`, which may be named later.
pub(super) struct Unnamed {
    /// By their number.
    pub(super) texts: Stream,
    /// By the URN.
    pub(super) uses: Stream,
}

impl Unnamed {
    pub(super) fn new(directory: &Path, round: &str, partitions: usize) -> Self {
        Self {
            texts: Stream::new(directory, &format!("unnamed-{round}"), partitions),
            uses: Stream::new(directory, &format!("uses-{round}"), partitions),
        }
    }
}

impl<'l> Load<'l> {
    pub(super) fn new(
        directory: &Path,
        partitions: usize,
        lake: Option<PathBuf>,
        stop: &'l AtomicBool,
    ) -> Self {
        let stream = |name: &str| Stream::new(directory, name, partitions);
        Self {
            lake,
            stop,
            resources: AtomicU64::new(0),
            texts: stream("texts"),
            // These are merged at the end, all open at once.
            shared: Stream::new(directory, "shared", partitions.min(MOST_OPEN)),
            versions: stream("versions"),
            patients: stream("patients"),
            links: stream("links"),
            followers: stream("followers"),
            follows: stream("follows"),
            names: stream("names"),
        }
    }

    /// Fails when the load was interrupted.
    pub(super) fn go_on(&self) -> Result<(), Failure> {
        match self.stop.load(Ordering::Relaxed) {
            true => Err(Failure::new("the load was interrupted: run it again to load everything")),
            false => Ok(()),
        }
    }
}

/// Files that are open at once in a merge.
const MOST_OPEN: usize = 128;

pub(super) fn hash(text: &[u8]) -> u64 {
    use std::hash::BuildHasher;
    FixedState::default().hash_one(text)
}
