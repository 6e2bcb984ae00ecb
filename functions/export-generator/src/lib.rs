//! The export engine: a queue worker that plans, collects, writes and finishes.
//!
//! - [`plan`] walks the cohort ([`cohort`]), cuts it into chunks by bytes ([`next_chunk`]) and appends them to the plan. If a record is large, it
//!   moves the export to other workers ([`size`]).
//! - [`chunk`] runs one chunk: [`reader`] reads a [`patient`], [`domain::filter`] decides on each [`mod@line`], and
//!   [`writer`] writes. [`documents`] handles what is not NDJSON, [`area`] exports what is outside the patients' records,
//!   and [`supporting`] fetches the resources that the others refer to, with a [`walk`] in bounded memory.
//! - [`versions`] finds the versions of one resource in a record, or in a file outside the records. The plan has
//!   [`compared`] those of several such files ([`shared_versions`]), and a chunk reads which of them are [`elsewhere`].
//! - [`outputs`] writes a stream per type, [`pack`] the small files of an attempt as one object, and [`stored`] documents.
//! - [`deletions`] reads what was deleted, for exports with `_since`. If there are many deletions, they are [`sorted`]
//!   by patient, so that a chunk reads only the [`tombstones`] of its own patients. [`removed`] lists those of removed
//!   patients. A chunk finds with [`deleted_keys`] which of its resources others may list, and notes the [`existing`] ones;
//!   then [`relist`] lists the deletions again.
//! - [`finish`] brings the export to its end in stages, and assembles the manifest; [`gather`] and [`merge`] are stages
//!   that many workers run concurrently.
//! - [`budget`] records failed tasks, and fails their jobs.
//! - [`mod@zip`] makes the ZIP of a patient's copy that is too large to be made during a request.
//!
//! Every task may run twice and may be interrupted anywhere. Only attempts that the job store recorded are listed:
//! files carry their attempt in their keys.

mod absent;
mod account;
mod area;
mod associated;
mod balance;
mod binary;
mod block;
mod budget;
mod chunk;
mod cohort;
mod compared;
mod deleted_keys;
mod deletions;
mod document_references;
mod documents;
mod elsewhere;
mod existing;
mod finish;
mod gather;
mod inline;
mod keys;
mod line;
mod linked;
mod manifest;
mod mentions;
mod merge;
mod next_chunk;
mod outputs;
mod pack;
mod patient;
mod plan;
mod presort;
mod provenance;
mod reader;
mod references;
mod relist;
mod removed;
mod shared_versions;
mod size;
mod sorted;
mod sorter;
mod spool;
mod stored;
mod supporting;
mod tombstones;
mod undescribed;
mod unserved;
mod versions;
mod walk;
mod watch;
mod withheld_targets;
mod writer;
mod zip;

use std::sync::Arc;

pub use archive::Limits;
use async_trait::async_trait;
use domain::clock::{Clock, Random};
use domain::error::{Error, Kind, Result};
use domain::ids::JobId;
use domain::job::Job;
use domain::ports::files::{Files, Joiner};
use domain::ports::jobs::{Jobs, StoredJob};
use domain::ports::queue::{Deadline, Delivery, Queue, Settled, Worker};
use domain::ports::records::Records;
use domain::states::Running;
use domain::task::Task;
use platform::Platform;
use settings::Settings;

pub use self::gather::GatherSizes;
pub use self::walk::shards::ShardSizes;
pub use self::withheld_targets::TargetSizes;
use self::zip::ZipTask;

/// Returns the worker of a platform.
pub fn worker(platform: &(impl Platform + ?Sized)) -> Result<Arc<dyn Worker>> {
    worker_with(platform, Sizes::default())
}

/// The sizes of the parts in which a worker does its work. Tests use small ones.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sizes {
    /// The stages of a ZIP.
    pub zip: Limits,
    pub gather: GatherSizes,
    pub shards: ShardSizes,
    pub targets: TargetSizes,
}

impl From<Limits> for Sizes {
    fn from(zip: Limits) -> Self {
        Self { zip, ..Self::default() }
    }
}

/// Returns a worker that does its work in parts of these sizes.
pub fn worker_with(platform: &(impl Platform + ?Sized), sizes: impl Into<Sizes>) -> Result<Arc<dyn Worker>> {
    Ok(Arc::new(Generator {
        jobs: platform.jobs()?,
        queue: platform.queue()?,
        files: platform.files()?,
        joiner: platform.joiner()?,
        records: platform.records()?,
        clock: platform.clock(),
        random: platform.random(),
        settings: platform.settings(),
        sizes: sizes.into(),
    }))
}

pub(crate) struct Generator {
    jobs: Arc<dyn Jobs>,
    queue: Arc<dyn Queue>,
    files: Arc<dyn Files>,
    joiner: Arc<dyn Joiner>,
    records: Arc<dyn Records>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    settings: Arc<Settings>,
    sizes: Sizes,
}

#[async_trait]
impl Worker for Generator {
    async fn handle(&self, task: &Task, deadline: &dyn Deadline) -> Result<()> {
        match task {
            Task::Plan { job } => self.plan(job, deadline).await,
            Task::Chunk { job, chunk } => self.run_chunk(job, *chunk, deadline).await,
            Task::Finish { job } => self.finish(job, deadline).await,
            Task::Zip { job, language, run } => self.zip(ZipTask { job, language, run }, deadline).await,
        }
    }

    async fn admit(&self, delivery: &Delivery) -> Option<Settled> {
        match &delivery.task {
            Task::Zip { job, language, run } => {
                self.count_zip(ZipTask { job, language, run }, delivery).await
            }
            _ => self.count_delivery(delivery).await,
        }
    }

    async fn settle(&self, delivery: &Delivery, handled: Result<()>) -> Settled {
        match (handled, &delivery.task) {
            // Each stage clears the failures.
            (Ok(()), Task::Zip { .. }) => Settled::Done,
            (Ok(()), _) => self.succeeded(delivery).await,
            (Err(error), Task::Zip { job, language, run }) => {
                self.zip_failed(ZipTask { job, language, run }, delivery, &error).await
            }
            (Err(error), _) => self.failed(delivery, &error).await,
        }
    }

    async fn bury(&self, task: &Task, diagnostics: &str) -> Result<()> {
        let reason = Error::internal("the task reached its maximum number of deliveries");
        let buried = match task {
            Task::Zip { job, language, run } => {
                self.bury_zip(ZipTask { job, language, run }, &reason, diagnostics).await
            }
            _ => self.fail_job(task, &reason, None, diagnostics).await,
        };
        match buried {
            // A dead letter that cannot be handled must not block the others.
            Err(error) if matches!(error.kind(), Kind::Defect | Kind::Newer) => {
                tracing::error!(job.id = %task.job(), error = %error, cause = error.causes(), "a dead letter is dropped, because its job cannot be read");
                Ok(())
            }
            done => done,
        }
    }
}

impl Generator {
    /// Returns the job if it is running, with its version and progress.
    async fn running(&self, id: &JobId) -> Result<Option<(Running, StoredJob)>> {
        let Some(stored) = self.jobs.get(id).await? else { return Ok(None) };
        match &stored.job {
            Job::Running(running) => Ok(Some((running.clone(), stored))),
            _ => Ok(None),
        }
    }
}
