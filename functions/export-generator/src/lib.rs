//! The export engine: a queue worker that plans, collects, writes and finishes.
//!
//! - [`plan`] walks the cohort ([`cohort`]), cuts it into chunks by bytes ([`cut`]) and appends them to the plan.
//! - [`chunk`] runs one chunk: [`reader`] reads a [`patient`], [`domain::filter`] decides on each [`mod@line`], and
//!   [`writer`] writes. [`versions`] finds the versions of one resource in a record. [`documents`] handles what is not NDJSON, [`area`] exports what is outside the patients'
//!   records, and [`supporting`] fetches the resources that the others refer to.
//! - [`outputs`] writes a stream per type, [`pack`] the small files of an attempt as one object, and [`stored`] documents.
//! - [`deletions`] reads what was deleted, for exports with `_since`. If there are many deletions, they are [`sorted`]
//!   by patient, so that a chunk reads only the [`tombstones`] of its own patients. [`removed`] lists those of removed
//!   patients.
//! - [`finish`] brings the export to its end in stages, and assembles the manifest; [`gather`] and [`merge`] are stages
//!   that many workers run concurrently.
//! - [`budget`] records failed tasks, and fails their jobs.
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
mod claims;
mod cohort;
mod cut;
mod deletions;
mod documents;
mod finish;
mod gather;
mod inline;
mod keys;
mod line;
mod linked;
mod manifest;
mod mentions;
mod merge;
mod outputs;
mod pack;
mod patient;
mod plan;
mod presort;
mod provenance;
mod reader;
mod references;
mod removed;
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
mod writer;

use std::sync::Arc;

use async_trait::async_trait;
use domain::clock::{Clock, Random};
use domain::error::{Error, Kind, Result};
use domain::ids::JobId;
use domain::job::Job;
use domain::ports::files::Files;
use domain::ports::jobs::{Jobs, StoredJob};
use domain::ports::queue::{Deadline, Delivery, Queue, Settled, Worker};
use domain::ports::records::Records;
use domain::states::Running;
use domain::task::Task;
use platform::Platform;
use settings::Settings;

/// Returns the worker of a platform.
pub fn worker(platform: &(impl Platform + ?Sized)) -> Result<Arc<dyn Worker>> {
    Ok(Arc::new(Generator {
        jobs: platform.jobs()?,
        queue: platform.queue()?,
        files: platform.files()?,
        records: platform.records()?,
        clock: platform.clock(),
        random: platform.random(),
        settings: platform.settings(),
    }))
}

pub(crate) struct Generator {
    jobs: Arc<dyn Jobs>,
    queue: Arc<dyn Queue>,
    files: Arc<dyn Files>,
    records: Arc<dyn Records>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    settings: Arc<Settings>,
}

#[async_trait]
impl Worker for Generator {
    async fn handle(&self, task: &Task, deadline: &dyn Deadline) -> Result<()> {
        match task {
            Task::Plan { job } => self.plan(job, deadline).await,
            Task::Chunk { job, chunk } => self.run_chunk(job, *chunk, deadline).await,
            Task::Finish { job } => self.finish(job).await,
        }
    }

    async fn admit(&self, delivery: &Delivery) -> Option<Settled> {
        self.count_delivery(delivery).await
    }

    async fn settle(&self, delivery: &Delivery, handled: Result<()>) -> Settled {
        match handled {
            Ok(()) => self.succeeded(delivery).await,
            Err(error) => self.failed(delivery, &error).await,
        }
    }

    async fn bury(&self, task: &Task, diagnostics: &str) -> Result<()> {
        let reason = Error::internal("the task reached its maximum number of deliveries");
        match self.fail_job(task, &reason, None, diagnostics).await {
            // A dead letter that cannot be handled must not block the others.
            Err(error) if error.kind() == Kind::Defect => {
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
