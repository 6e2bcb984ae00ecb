//! Plan: walks the cohort page by page and cuts it into chunks by bytes.

use shared::domain::chunk::{Chunk, Work};
use shared::domain::ids::{ChunkId, JobId, PatientId};
use shared::domain::job::Job;
use shared::domain::request::{Cohort, SizeClass};
use shared::domain::task::Task;
use shared::error::Result;
use shared::ports::jobs::StoredChunk;
use shared::ports::queue::Deadline;
use shared::ports::records::{CohortPage, Member};

use crate::Generator;

/// Patients asked for at once.
const PAGE: usize = 5_000;
/// Patients in a chunk at most, so that its row stays small (a DynamoDB item has at most 400 kB).
const MAX_PATIENTS: usize = 2_000;
/// Chunks cut by one task, which then sends itself on.
const CHUNKS_A_TASK: usize = 100;

impl Generator {
    pub(crate) async fn plan(&self, id: &JobId, deadline: &dyn Deadline) -> Result<()> {
        let Some(stored) = self.jobs.get(id).await? else { return Ok(()) };
        let size = stored.job.core().request.size_class();
        let request = match stored.job {
            Job::Queued(queued) => {
                let running = queued.begin(self.clock.now());
                let request = running.core.request.clone();
                self.jobs.replace(&Job::Running(running), stored.version).await?;
                request
            }
            Job::Running(running) => running.core.request,
            _ => return Ok(()),
        };
        // What is stored counts: a plan that was cut off goes on behind its last chunk.
        let planned = self.resend_open_chunks(id, size).await?;
        if stored.progress.plan_complete {
            return self.finish_if_done(id, size, !planned.any_open).await;
        }
        let (mut next, mut after) = (planned.next, planned.last);
        for _ in 0..CHUNKS_A_TASK {
            let Some(cut) = self.cut(&request.cohort, after.as_ref()).await? else {
                let progress = self.jobs.add_chunks(id, &[], true).await?;
                return self.finish_if_done(id, size, progress.all_done()).await;
            };
            let chunk =
                Chunk { id: ChunkId::first(next), work: Work::Patients(cut.patients), bytes: cut.bytes };
            let progress = self.jobs.add_chunks(id, std::slice::from_ref(&chunk), cut.is_last).await?;
            self.queue.send(size, &[Task::Chunk { job: id.clone(), chunk: chunk.id }]).await?;
            // Another plan may have cut this chunk otherwise, from a lake that has changed since. Go on behind that one.
            let stored = self.jobs.chunk(id, chunk.id).await?;
            let same = stored.as_ref().is_some_and(|stored| stored.chunk == chunk);
            if progress.plan_complete && same {
                return Ok(());
            }
            after = stored.as_ref().and_then(last_patient);
            next += 1;
            if deadline.is_near(self.clock.now()) {
                break;
            }
        }
        self.queue.send(size, &[Task::Plan { job: id.clone() }]).await
    }

    async fn finish_if_done(&self, id: &JobId, size: SizeClass, done: bool) -> Result<()> {
        if done { self.queue.send(size, &[Task::Finish { job: id.clone() }]).await } else { Ok(()) }
    }

    /// Sends the chunks that are stored and open again. What is fetched at the end is Finish's, open or not.
    async fn resend_open_chunks(&self, id: &JobId, size: SizeClass) -> Result<Planned> {
        let mut planned = Planned::default();
        let mut after = None;
        loop {
            let page = self.jobs.chunks(id, after, 500).await?;
            let of_patients = |stored: &&StoredChunk| matches!(stored.chunk.work, Work::Patients(_));
            let open = page.chunks.iter().filter(of_patients).filter(|stored| stored.result.is_none());
            let tasks: Vec<_> =
                open.map(|stored| Task::Chunk { job: id.clone(), chunk: stored.chunk.id }).collect();
            if !tasks.is_empty() {
                planned.any_open = true;
                self.queue.send(size, &tasks).await?;
            }
            for stored in &page.chunks {
                planned.next = stored.chunk.id.index + 1;
                planned.last = last_patient(stored).or(planned.last);
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(planned),
            }
        }
    }

    /// The next chunk's worth of patients behind `after`; `None` when there are no more.
    async fn cut(&self, cohort: &Cohort, after: Option<&PatientId>) -> Result<Option<Cut>> {
        let mut cut = Cut { patients: Vec::new(), bytes: 0, is_last: false };
        let mut cursor = after.map(ToString::to_string);
        loop {
            let page = self.page(cohort, cursor.as_deref()).await?;
            for member in page.members {
                let full = cut.bytes + member.bytes > self.settings.chunk_bytes
                    || cut.patients.len() == MAX_PATIENTS;
                if full && !cut.patients.is_empty() {
                    return Ok(Some(cut));
                }
                cut.bytes += member.bytes;
                cut.patients.push(member.patient);
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => {
                    cut.is_last = true;
                    return Ok((!cut.patients.is_empty()).then_some(cut));
                }
            }
        }
    }

    /// The members of the cohort behind `after`, in the order of their ids.
    async fn page(&self, cohort: &Cohort, after: Option<&str>) -> Result<CohortPage> {
        match cohort {
            Cohort::Everyone => self.records.members(after, PAGE).await,
            Cohort::Patients(patients) => {
                let behind =
                    patients.iter().filter(|patient| after.is_none_or(|after| patient.as_str() > after));
                let mut members = Vec::new();
                for patient in behind.clone().take(PAGE) {
                    // A patient who is gone since the kick-off: the chunk says so.
                    let known = self.records.member(patient).await?;
                    members.push(known.unwrap_or_else(|| Member { patient: patient.clone(), bytes: 0 }));
                }
                let next =
                    members.last().filter(|_| behind.count() > PAGE).map(|member| member.patient.to_string());
                Ok(CohortPage { members, next })
            }
        }
    }
}

/// What earlier plans stored.
#[derive(Default)]
struct Planned {
    /// The index of the next chunk.
    next: u32,
    /// The last patient of the last chunk.
    last: Option<PatientId>,
    any_open: bool,
}

struct Cut {
    patients: Vec<PatientId>,
    bytes: u64,
    is_last: bool,
}

fn last_patient(stored: &StoredChunk) -> Option<PatientId> {
    match &stored.chunk.work {
        Work::Patients(patients) => patients.last().cloned(),
        Work::Supporting => None,
    }
}
