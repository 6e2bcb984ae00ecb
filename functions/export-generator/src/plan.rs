//! Plan: walks the cohort page by page and cuts it into chunks by bytes.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use shared::domain::chunk::{Chunk, Strays, Work};
use shared::domain::ids::{ChunkId, JobId, PatientId};
use shared::domain::job::Job;
use shared::domain::request::{Cohort, ExportRequest, OutputOptions, SizeClass};
use shared::domain::task::Task;
use shared::error::{Error, Result};
use shared::fhir;
use shared::ports::jobs::StoredChunk;
use shared::ports::queue::Deadline;
use shared::ports::records::{Area, CohortPage, Member};

use crate::Generator;

/// Patients asked for at once.
const PAGE: usize = 5_000;
/// Patients of a list looked up for one page, and at the same time.
const LISTED_PAGE: usize = 500;
const MEMBERS_AT_ONCE: usize = 16;
/// Patients in a chunk at most, so that its row stays small (a DynamoDB item has at most 400 kB).
const MAX_PATIENTS: usize = 2_000;
/// Members of a group without a record who are named, and the characters of each; beyond that they are counted.
const MAX_NAMED: usize = 1_000;
const MAX_NAME: usize = 100;
/// Groups in a group that cannot be read and are named.
const MAX_NAMED_GROUPS: usize = 100;
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
        let listed = self.listed(&request).await?;
        let (mut next, mut after) = (planned.next, planned.last);
        for _ in 0..CHUNKS_A_TASK {
            let cut = self.cut(&listed, &request.output, after.as_ref()).await?;
            let is_last = cut.as_ref().is_none_or(|cut| cut.is_last);
            let mut chunks: Vec<_> = cut.map(|cut| cut.chunk(next, &listed)).into_iter().collect();
            next += 1;
            if is_last {
                chunks.extend(self.beside(&request, &listed, next).await?);
            }
            let progress = self.jobs.add_chunks(id, &chunks, is_last).await?;
            let tasks: Vec<_> =
                chunks.iter().map(|chunk| Task::Chunk { job: id.clone(), chunk: chunk.id }).collect();
            self.queue.send(size, &tasks).await?;
            if progress.plan_complete {
                return self.finish_if_done(id, size, progress.all_done()).await;
            }
            // Another plan may have cut this chunk otherwise, from a lake that has changed since. Go on behind that one.
            let Some(first) = chunks.first() else { continue };
            after = self.jobs.chunk(id, first.id).await?.as_ref().and_then(last_patient);
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
            let open = page
                .chunks
                .iter()
                .filter(|stored| stored.result.is_none() && stored.chunk.work != Work::Supporting);
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

    /// Who is in the cohort; of a group, as it is now.
    async fn listed(&self, request: &ExportRequest) -> Result<Listed> {
        match &request.cohort {
            Cohort::Everyone => Ok(Listed::Everyone),
            Cohort::Patients(patients) => {
                let patients = patients.clone();
                Ok(Listed::Patients { patients, joined: BTreeSet::new(), absent: None })
            }
            Cohort::Group(group) => {
                let (now, own) = (self.clock.now(), self.settings.own_bases());
                let members = fhir::group::members(&*self.records, group, now, &own).await?;
                let members = members.ok_or(Error::NotFound("the group is no longer in the record store"))?;
                let since = request.selection.as_ref().and_then(|selection| selection.since);
                let joined = match since.filter(|_| self.settings.whole_record_of_new_members) {
                    Some(since) => members
                        .patients
                        .iter()
                        .filter(|(_, joined)| joined.is_some_and(|joined| joined > since))
                        .map(|(patient, _)| patient.clone())
                        .collect(),
                    None => BTreeSet::new(),
                };
                let absent = absent(members.unknown, members.problems);
                Ok(Listed::Patients { patients: members.patients.into_keys().collect(), joined, absent })
            }
        }
    }

    /// What is exported beside the patients: for a system export everything outside their compartments, and what was
    /// deleted of patients who are gone.
    async fn beside(&self, request: &ExportRequest, listed: &Listed, next: u32) -> Result<Vec<Chunk>> {
        let Some(selection) = &request.selection else { return Ok(Vec::new()) };
        let mut works = Vec::new();
        if let Listed::Patients { absent: Some(absent), .. } = listed {
            works.push((absent.clone(), 0));
        }
        if selection.all_shared {
            let shared = self.records.area(Area::Shared).await?;
            works.extend(shared.into_iter().map(|part| (Work::Shared(part.name), part.bytes)));
            if selection.wants("Group") {
                works.push((Work::Groups, 0));
            }
        }
        // Lists and groups name patients who are gone; a cohort of everybody does not.
        if selection.since.is_some() && request.cohort == Cohort::Everyone {
            works.push((Work::Deleted, 0));
        }
        let chunks = (next..).zip(works);
        Ok(chunks.map(|(index, (work, bytes))| Chunk::new(ChunkId::first(index), work, bytes)).collect())
    }

    /// The next chunk's worth of patients behind `after`; `None` when there are no more.
    async fn cut(
        &self,
        cohort: &Listed,
        output: &OutputOptions,
        after: Option<&PatientId>,
    ) -> Result<Option<Cut>> {
        let most = output.patients_per_chunk.unwrap_or(MAX_PATIENTS).min(MAX_PATIENTS);
        let mut cut = Cut { patients: Vec::new(), strays: Strays::default(), bytes: 0, is_last: false };
        let mut has_strays = false;
        let mut cursor = after.map(ToString::to_string);
        loop {
            let page = self.page(cohort, cursor.as_deref()).await?;
            has_strays |= page.has_strays;
            for member in page.members {
                let full = cut.bytes + member.bytes > self.settings.chunk_bytes || cut.patients.len() == most;
                if full && !cut.patients.is_empty() {
                    if has_strays {
                        let last = cut.patients.last().map(PatientId::as_str);
                        cut.strays = self.records.strays(after.map(PatientId::as_str), last).await?;
                    }
                    return Ok(Some(cut));
                }
                cut.bytes += member.bytes;
                cut.patients.push(member.patient);
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => {
                    cut.is_last = true;
                    if has_strays {
                        cut.strays = self.records.strays(after.map(PatientId::as_str), None).await?;
                    }
                    return Ok((!cut.patients.is_empty() || !cut.strays.is_empty()).then_some(cut));
                }
            }
        }
    }

    /// The members of the cohort behind `after`, in the order of their ids.
    async fn page(&self, cohort: &Listed, after: Option<&str>) -> Result<CohortPage> {
        match cohort {
            Listed::Everyone => self.records.members(after, PAGE).await,
            Listed::Patients { patients, .. } => {
                let from =
                    patients.partition_point(|patient| after.is_some_and(|after| patient.as_str() <= after));
                let behind = &patients[from..];
                let page = &behind[..behind.len().min(LISTED_PAGE)];
                let members = stream::iter(page.iter().cloned())
                    .map(|patient| async {
                        // A patient who is gone since the kick-off: the chunk says so.
                        let known = self.records.member(&patient).await?;
                        Ok::<_, Error>(known.unwrap_or(Member { patient, bytes: 0 }))
                    })
                    .buffered(MEMBERS_AT_ONCE)
                    .try_collect::<Vec<_>>()
                    .await?;
                let next = page.last().filter(|_| behind.len() > page.len()).map(ToString::to_string);
                Ok(CohortPage { members, has_strays: false, next })
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

/// A cohort whose members are known.
enum Listed {
    Everyone,
    /// In the order of their ids; those who joined after `_since` give all of their data.
    Patients {
        patients: Vec<PatientId>,
        joined: BTreeSet<PatientId>,
        /// Members of a group who are no patients of this server.
        absent: Option<Work>,
    },
}

/// The chunk that names them; its row stays below the 400 kB of a DynamoDB item.
fn absent(unknown: BTreeSet<String>, mut problems: Vec<String>) -> Option<Work> {
    if unknown.is_empty() && problems.is_empty() {
        return None;
    }
    let more = unknown.len().saturating_sub(MAX_NAMED) as u64;
    let shortened = |text: String| text.chars().take(MAX_NAME).collect();
    let members = unknown.into_iter().take(MAX_NAMED).map(shortened).collect();
    problems.truncate(MAX_NAMED_GROUPS);
    Some(Work::Absent { members, more, problems })
}

impl Cut {
    fn chunk(self, index: u32, cohort: &Listed) -> Chunk {
        let joined = match cohort {
            Listed::Patients { joined, .. } => {
                self.patients.iter().filter(|patient| joined.contains(*patient)).cloned().collect()
            }
            Listed::Everyone => Vec::new(),
        };
        Chunk {
            joined,
            strays: self.strays,
            ..Chunk::new(ChunkId::first(index), Work::Patients(self.patients), self.bytes)
        }
    }
}

struct Cut {
    patients: Vec<PatientId>,
    /// Entries between them that are no patients.
    strays: Strays,
    bytes: u64,
    is_last: bool,
}

fn last_patient(stored: &StoredChunk) -> Option<PatientId> {
    match &stored.chunk.work {
        Work::Patients(patients) => patients.last().cloned(),
        Work::Absent { .. }
        | Work::Shared(_)
        | Work::Groups
        | Work::Deleted
        | Work::Supporting
        | Work::Merge { .. } => None,
    }
}
