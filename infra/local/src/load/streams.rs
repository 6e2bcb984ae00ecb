//! The streams of a load, and the keys by which they are partitioned.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use foldhash::fast::FixedState;

use super::sizes::Sizes;
use super::spill::Stream;
use crate::Failure;

/// The streams of a load, and the other values that its workers share.
pub(super) struct Load<'l> {
    /// The directory with documents and patients of earlier loads, if it is on this machine.
    pub(super) lake: Option<PathBuf>,
    pub(super) stop: &'l AtomicBool,
    pub(super) sizes: Sizes,
    /// The number of resources that were read.
    pub(super) resources: AtomicU64,
    /// Resources, by patient.
    pub(super) texts: Stream,
    /// Shared resources, which belong to no patient, by id.
    pub(super) shared: Stream,
    /// The values that determine which version of a resource is kept, by type and id.
    pub(super) versions: Stream,
    /// The ids of patients that have resources, by the id.
    pub(super) patients: Stream,
    /// The rows of the index of homes: the patients of resources, by the hash that the index has.
    pub(super) homes: Stream,
    /// References and Binaries of attachments, by their target.
    pub(super) links: Stream,
    /// Resources that belong to the patients of other resources (Provenance, Binary), by their number.
    pub(super) followers: Stream,
    /// The relations of these resources to the other ones, by type and id of the other resource.
    pub(super) follows: Stream,
    /// The resource to which each `urn:` refers, by the URN.
    pub(super) names: Stream,
    /// The versions of the Patients with their identifiers, by the id of the patient.
    pub(super) identities: Stream,
    /// Resources that name a patient by an identifier, by their number.
    pub(super) waiting: Stream,
    /// These identifiers, by the identifier.
    pub(super) wanted: Stream,
    /// Resources that name a patient who was not found, by their number.
    pub(super) unmatched: Stream,
}

/// Resources that refer to a `urn:`, which a later resource may define.
pub(super) struct Unnamed {
    /// The resources, by their number.
    pub(super) texts: Stream,
    /// The URNs that they use, by the URN.
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
        sizes: Sizes,
    ) -> Self {
        let stream = |name: &str| Stream::new(directory, name, partitions);
        Self {
            lake,
            stop,
            sizes,
            resources: AtomicU64::new(0),
            texts: stream("texts"),
            // These partitions are merged at the end, when all of them are open at once.
            shared: Stream::new(directory, "shared", partitions.min(MAX_OPEN)),
            versions: stream("versions"),
            patients: stream("patients"),
            homes: stream("homes"),
            links: stream("links"),
            followers: stream("followers"),
            follows: stream("follows"),
            names: stream("names"),
            identities: stream("identities"),
            waiting: stream("waiting"),
            wanted: stream("wanted"),
            unmatched: stream("unmatched"),
        }
    }

    /// Returns an error if the load was interrupted.
    pub(super) fn check_interrupted(&self) -> Result<(), Failure> {
        match self.stop.load(Ordering::Relaxed) {
            true => Err(Failure::new("the load was interrupted: run it again to load everything")),
            false => Ok(()),
        }
    }
}

/// The maximum number of open files in a merge.
const MAX_OPEN: usize = 128;

pub(super) fn hash(text: &[u8]) -> u64 {
    use std::hash::BuildHasher;
    FixedState::default().hash_one(text)
}
