//! Starting and changing jobs through the ports, as several functions do.

use domain::chunk::job_prefix;
use domain::clock::{Clock, Random};
use domain::error::{Error, NO_JOB, Result};
use domain::ids::{ChunkId, JobId};
use domain::job::{AuditEvent, Job, JobHeader, Owner, PatientSummary};
use domain::manifest::{NamedFile, Names, PARTIAL_PAGE_CHUNKS};
use domain::ports::files::Files;
use domain::ports::jobs::{Jobs, StoredJob};
use domain::ports::queue::Queue;
use domain::request::ExportRequest;
use domain::states::{AwaitingInput, Queued};
use domain::task::Task;
use jiff::Timestamp;

use crate::telemetry::{self, Metric};

/// What a new job is made of.
#[derive(Debug)]
pub struct NewExport {
    /// Made before, where a repeated request must find it; a new one when not given.
    pub id: Option<JobId>,
    pub owner: Owner,
    pub patient: Option<PatientSummary>,
    pub request: ExportRequest,
    /// The patient fills in the form first.
    pub form: bool,
    /// Staff look at it before the client gets it.
    pub review: bool,
    /// The id of the request that asks for it.
    pub request_id: Option<String>,
}

/// Creates a job; what needs no form begins at once.
pub async fn start(
    new: NewExport,
    jobs: &dyn Jobs,
    queue: &dyn Queue,
    (clock, random): (&dyn Clock, &dyn Random),
) -> Result<Job> {
    let now = clock.now();
    let header = JobHeader {
        id: new.id.unwrap_or_else(|| random.job(now)),
        history: vec![AuditEvent {
            at: now,
            actor: new.owner.client.to_string(),
            action: "asked for an export".to_owned(),
        }],
        owner: new.owner,
        patient: new.patient,
        request: new.request,
        review: new.review,
        created_at: now,
        changed_at: now,
        request_id: new.request_id,
        attachments: Vec::new(),
    };
    let job =
        if new.form { Job::AwaitingInput(AwaitingInput { header }) } else { Job::Queued(Queued { header }) };
    jobs.create(&job).await?;
    let (request, client) =
        (job.header().request_id.as_deref().unwrap_or_default(), &job.header().owner.client);
    tracing::info!(job.id = %job.id(), request.id = request, client.id = %client, "export started");
    telemetry::metrics(&[(Metric::ExportsStarted, 1)]);
    resume(&job, queue).await?;
    Ok(job)
}

/// Tells the workers of a job that waits for them. Said again after a loss, by cleanup or at a restart; every
/// task is idempotent, so that saying it too often does no harm.
pub async fn resume(job: &Job, queue: &dyn Queue) -> Result<()> {
    if !job.is_active() {
        return Ok(());
    }
    queue.send(job.header().request.size_class(), &[Task::Plan { job: job.id().clone() }]).await
}

/// Changes a job by compare-and-set: reads, decides, writes, and decides anew when somebody else was faster.
pub async fn change(
    jobs: &dyn Jobs,
    id: &JobId,
    mut decide: impl FnMut(Job) -> Result<Job>,
) -> Result<StoredJob> {
    for _ in 0..20 {
        let stored = jobs.get(id).await?.filter(|stored| !stored.job.state().is_gone()).ok_or(NO_JOB)?;
        let progress = stored.progress;
        let changed = decide(stored.job)?;
        match jobs.replace(&changed, stored.version).await {
            Ok(version) => return Ok(StoredJob { job: changed, version, progress }),
            Err(Error::Conflict(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::conflict("the job is being changed by many at once; try again"))
}

/// Cancels a job and removes its files. Workers see the state at the next patient; what they still write
/// until then, cleanup removes.
pub async fn cancel(jobs: &dyn Jobs, files: &dyn Files, id: &JobId, who: &str, now: Timestamp) -> Result<()> {
    change(jobs, id, |job| Ok(Job::Cancelled(job.cancel(who, now)?))).await?;
    files.remove_prefix(&job_prefix(id)).await
}

/// A client deletes its job. One that staff rejected has no files any more, and stays on their list.
pub async fn withdraw(
    jobs: &dyn Jobs,
    files: &dyn Files,
    id: &JobId,
    client: &str,
    now: Timestamp,
) -> Result<()> {
    let withdrawn = change(jobs, id, |job| match job {
        Job::Rejected(rejected) => Ok(Job::Rejected(rejected.dismiss(client, now))),
        job => Ok(Job::Cancelled(job.cancel(client, now)?)),
    })
    .await?;
    match withdrawn.job {
        Job::Rejected(_) => Ok(()),
        _ => files.remove_prefix(&job_prefix(id)).await,
    }
}

/// The page of a running export's manifest that the files of a chunk are on.
pub fn page_of(chunk: ChunkId) -> u32 {
    chunk.index / PARTIAL_PAGE_CHUNKS
}

/// The files of a page of a running export, named as they always will be; `None` until all of its chunks are done
/// (Bulk Data 3.0, `allowPartialManifests`).
pub async fn running_page(stored: &StoredJob, jobs: &dyn Jobs, page: u32) -> Result<Option<Vec<NamedFile>>> {
    let from = page.saturating_mul(PARTIAL_PAGE_CHUNKS);
    let indexes = from..from.saturating_add(PARTIAL_PAGE_CHUNKS);
    // More chunks of this page may be planned, or be added at the end.
    if stored.progress.plan_end <= indexes.end {
        return Ok(None);
    }
    let mut names = Names::of_page(page);
    let mut files = Vec::new();
    for chunk in jobs.chunks(stored.job.id(), indexes).await? {
        let Some(result) = chunk.result else { return Ok(None) };
        files.extend(result.files.into_iter().map(|file| names.name(file)));
    }
    Ok(Some(files))
}
