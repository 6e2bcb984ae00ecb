//! Starts and changes jobs through the ports, for several functions.

use std::time::Duration;

use domain::chunk::{OutputFile, Purpose, Work, job_prefix};
use domain::clock::{Clock, Random};
use domain::error::{Error, NO_JOB, Result};
use domain::header::{HistoryEntry, JobHeader};
use domain::ids::{ChunkId, JobId, PatientId};
use domain::job::Job;
use domain::manifest::{NamedFile, Names, PARTIAL_PAGE_CHUNKS};
use domain::owner::Owner;
use domain::patient::{summary, summary_for_mails};
use domain::patient_summary::PatientSummary;
use domain::ports::files::Files;
use domain::ports::jobs::{Jobs, StoredJob};
use domain::ports::queue::{Queue, TaskGroup};
use domain::ports::records::Records;
use domain::request::{AttachmentKey, ExportRequest};
use domain::states::{AwaitingInput, Queued};
use domain::task::Task;
use jiff::{SignedDuration, Timestamp};
use settings::Settings;

use crate::telemetry::{self, Metric};

/// The longest time for which a request waits until the files of an export are removed. Lambda ends a request after 20 seconds.
const REMOVAL: Duration = Duration::from_secs(5);

/// The parts of a new job.
#[derive(Debug)]
pub struct NewExport {
    /// The id, if a repeated request must find the job by it; `None` makes a new id.
    pub id: Option<JobId>,
    pub owner: Owner,
    pub patient: Option<PatientSummary>,
    pub request: ExportRequest,
    /// Whether the patient must fill in the form first.
    pub form: bool,
    /// Whether staff review the export before the client gets it.
    pub review: bool,
    /// The id of the request that starts the export.
    pub request_id: Option<String>,
    /// See [`JobHeader::by_patient`].
    pub by_patient: bool,
    /// See [`JobHeader::language`].
    pub language: Option<String>,
}

/// Returns the details of a patient for a new job; `None` if there is no such patient. The address for mails is among
/// them only if the server sends mails.
pub async fn patient_of_job(
    records: &dyn Records,
    patient: &PatientId,
    settings: &Settings,
    now: Timestamp,
) -> Result<Option<PatientSummary>> {
    match &settings.mail {
        Some(_) => summary_for_mails(records, patient, now).await,
        None => summary(records, patient).await,
    }
}

/// Creates a job for its client. It begins at once if it needs no form.
pub async fn start(
    new: NewExport,
    jobs: &dyn Jobs,
    queue: &dyn Queue,
    sources: (&dyn Clock, &dyn Random),
    settings: &Settings,
) -> Result<Job> {
    let client = new.owner.client.to_string();
    start_as(new, (&client, "asked for an export"), jobs, queue, sources, settings).await
}

/// Creates a job. Its history starts with this actor and action. The attachments get a key if the URLs of the manifest are signed, because
/// the client needs no token for them either (Bulk Data, attachments). If the host limits responses, the length of the server's URL is
/// recorded, so that the parts of the manifest's pages do not change with the settings.
pub async fn start_as(
    new: NewExport,
    (actor, action): (&str, &str),
    jobs: &dyn Jobs,
    queue: &dyn Queue,
    (clock, random): (&dyn Clock, &dyn Random),
    settings: &Settings,
) -> Result<Job> {
    let now = clock.now();
    let mut request = new.request;
    // A client of another issuer is not the registered client of the same id.
    let client = settings.client(new.owner.client.as_str()).filter(|_| new.owner.issuer.is_none());
    if request.has_signed_manifest() || client.is_some_and(|client| client.signed_urls) {
        request.output.attachment_key = Some(AttachmentKey::new(random));
    }
    if settings.has_limited_responses() {
        request.output.manifest_url_bytes = u32::try_from(settings.base_url.len()).ok();
    }
    let header = JobHeader {
        id: new.id.unwrap_or_else(|| random.job(now)),
        history: vec![HistoryEntry { at: now, actor: actor.to_owned(), action: action.to_owned() }],
        owner: new.owner,
        patient: new.patient,
        request,
        review: new.review,
        created_at: now,
        changed_at: now,
        request_id: new.request_id,
        by_patient: new.by_patient,
        language: new.language,
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

/// Enqueues the task of a job that waits for workers. Idempotent: cleanup and start-up send it again if it was lost.
pub async fn resume(job: &Job, queue: &dyn Queue) -> Result<()> {
    if !job.is_active() {
        return Ok(());
    }
    queue.send(&TaskGroup::of(job.header()), &[Task::Plan { job: job.id().clone() }]).await
}

/// Changes a job by compare-and-set: reads, decides and writes, and starts again if another call changed the job meanwhile.
pub async fn change(
    jobs: &dyn Jobs,
    id: &JobId,
    mut decide: impl FnMut(Job) -> Result<Job>,
) -> Result<StoredJob> {
    change_stored(jobs, id, |stored| decide(stored.job)).await
}

/// Like [`change`], but the decision also gets the version of the job.
pub async fn change_stored(
    jobs: &dyn Jobs,
    id: &JobId,
    mut decide: impl FnMut(StoredJob) -> Result<Job>,
) -> Result<StoredJob> {
    change_any(jobs, id, |stored| if stored.job.state().is_gone() { Err(NO_JOB) } else { decide(stored) })
        .await
}

/// Like [`change_stored`], but the job may be deleted, because staff may still be able to restore it.
pub async fn change_any(
    jobs: &dyn Jobs,
    id: &JobId,
    mut decide: impl FnMut(StoredJob) -> Result<Job>,
) -> Result<StoredJob> {
    for _ in 0..20 {
        let stored = jobs.get(id).await?.ok_or(NO_JOB)?;
        let (version, progress) = (stored.version, stored.progress);
        let changed = decide(stored)?;
        match jobs.replace(&changed, version).await {
            Ok(version) => return Ok(StoredJob { job: changed, version, progress }),
            Err(Error::Conflict(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::conflict("too many requests change the job at the same time; try again"))
}

/// Cancels a job and removes its files. Workers check the state before each patient. Cleanup removes the files that
/// they write until then.
pub async fn cancel(
    jobs: &dyn Jobs,
    files: &dyn Files,
    id: &JobId,
    actor: &str,
    now: Timestamp,
) -> Result<()> {
    change(jobs, id, |job| Ok(Job::Cancelled(job.cancel(actor, now)?))).await?;
    remove_files(files, id).await;
    Ok(())
}

/// Removes the files of a job that has ended. What cannot be removed now, or in a few seconds, is left for cleanup, which removes
/// the files of all ended jobs: the job has ended, so the caller's request is fulfilled.
pub async fn remove_files(files: &dyn Files, id: &JobId) {
    match tokio::time::timeout(REMOVAL, files.remove_prefix(&job_prefix(id))).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(job.id = %id, error = %error, cause = error.causes(), "files of an ended export are left for cleanup");
        }
        Err(_) => {
            tracing::info!(job.id = %id, "an ended export has many files; cleanup removes the rest of them");
        }
    }
}

/// Deletes a job for staff, who can restore it within the time of the settings. Its files are kept until then.
pub async fn delete(
    jobs: &dyn Jobs,
    files: &dyn Files,
    stored: StoredJob,
    actor: &str,
    (now, undo): (Timestamp, SignedDuration),
) -> Result<()> {
    let id = stored.job.id().clone();
    let gone = stored.job.delete(actor, now, undo)?;
    let is_kept = gone.undo.is_some();
    jobs.replace(&Job::Cancelled(gone), stored.version).await?;
    if !is_kept {
        remove_files(files, &id).await;
    }
    Ok(())
}

/// Restores a job that staff deleted. Returns [`NO_JOB`] if there is none, or if the time to undo is over.
pub async fn restore(jobs: &dyn Jobs, id: &JobId, actor: &str, now: Timestamp) -> Result<()> {
    let stored = jobs.get(id).await?.ok_or(NO_JOB)?;
    let Job::Cancelled(gone) = stored.job else { return Err(NO_JOB) };
    let job = gone.restore(actor, now).ok_or(NO_JOB)?;
    jobs.replace(&job, stored.version).await.map(|_| ())
}

/// Deletes a job for its client. A job that staff rejected has no files any more, and stays in the list of staff. A job that staff
/// deleted can no longer be restored.
pub async fn withdraw(
    jobs: &dyn Jobs,
    files: &dyn Files,
    id: &JobId,
    client: &str,
    now: Timestamp,
) -> Result<()> {
    let withdrawn = change_any(jobs, id, |stored| match stored.job {
        Job::Rejected(rejected) => Ok(Job::Rejected(rejected.dismiss(client, now))),
        // Another request may have deleted the job at the same time.
        Job::Cancelled(gone) if gone.restorable(now).is_none() => Err(NO_JOB),
        Job::Expired(_) => Err(NO_JOB),
        job @ Job::Cancelled(_) => Ok(Job::Cancelled(job.delete_for_good(client, now)?)),
        job => Ok(Job::Cancelled(job.cancel(client, now)?)),
    })
    .await?;
    if !matches!(withdrawn.job, Job::Rejected(_)) {
        remove_files(files, id).await;
    }
    Ok(())
}

/// Returns the page of a running export's manifest that lists the files of a chunk.
pub fn page_of(chunk: ChunkId) -> u32 {
    chunk.index / PARTIAL_PAGE_CHUNKS
}

/// Returns the files of a page of a running export, under their final names. Returns `None` until all of its chunks are
/// done (Bulk Data 3.0, `allowPartialManifests`).
pub async fn running_page(stored: &StoredJob, jobs: &dyn Jobs, page: u32) -> Result<Option<Vec<NamedFile>>> {
    let from = page.saturating_mul(PARTIAL_PAGE_CHUNKS);
    let indexes = from..from.saturating_add(PARTIAL_PAGE_CHUNKS);
    // More chunks of this page may be planned, or added at the end.
    if stored.progress.plan_end <= indexes.end {
        return Ok(None);
    }
    let mut names = Names::of_page(page);
    let mut files = Vec::new();
    for chunk in jobs.chunks(stored.job.id(), indexes).await? {
        let Some(result) = chunk.result else { return Ok(None) };
        // Deletions are listed at the end, when it is known that no chunk exports one of these resources.
        let is_listed = |file: &OutputFile| {
            file.purpose != Purpose::Deleted || matches!(chunk.chunk.work, Work::Relist { .. })
        };
        files.extend(result.files.into_iter().filter(is_listed).map(|file| names.name(file)));
    }
    Ok(Some(files))
}
