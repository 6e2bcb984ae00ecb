//! Plan: walks the cohort once, cuts it into chunks by bytes, and appends them to the plan of the export.
//!
//! The plan is a log that only grows at its end. Its last chunk says where to go on: behind its last patient, or behind
//! what it has beside the patients. So a plan that was cut off goes on where it was, and two of them at once cannot add
//! anything twice: whoever appends second is refused, and looks again.

use domain::chunk::{Chunk, Progress, Work};
use domain::error::{Error, Result};
use domain::ids::{ChunkId, JobId};
use domain::job::Job;
use domain::ports::jobs::{Append, MAX_APPENDED, Plan};
use domain::ports::queue::Deadline;
use domain::ports::records::Area;
use domain::request::{Cohort, ExportRequest, SizeClass};
use domain::task::Task;

use crate::Generator;
use crate::cohort::{ResolvedCohort, Walk};
use crate::cut::Cut;
use crate::watch::Watch;

/// How often a plan looks again because another one was faster.
const RACES: u32 = 20;
/// Indexes of chunks read at once.
pub(crate) const WINDOW: u32 = 64;

/// How a try at the plan ended.
enum Planned {
    Done,
    /// Another plan has appended meanwhile.
    Overtaken,
}

impl Generator {
    pub(crate) async fn plan(&self, id: &JobId, deadline: &dyn Deadline) -> Result<()> {
        for _ in 0..RACES {
            match self.plan_on(id, deadline).await? {
                Planned::Done => return Ok(()),
                Planned::Overtaken => {}
            }
        }
        Err(Error::conflict("the plan is being made by many at once"))
    }

    async fn plan_on(&self, id: &JobId, deadline: &dyn Deadline) -> Result<Planned> {
        let Some(stored) = self.jobs.get(id).await? else { return Ok(Planned::Done) };
        let (running, version) = match stored.job {
            Job::Queued(queued) => {
                let running = queued.begin(self.clock.now());
                let version = self.jobs.replace(&Job::Running(running.clone()), stored.version).await?;
                (running, version)
            }
            Job::Running(running) => (running, stored.version),
            _ => return Ok(Planned::Done),
        };
        let progress = stored.progress;
        // Before the first chunk, because every chunk reads them.
        if progress.plan_end == 0
            && !progress.plan_complete
            && !self.sort_deletions(&running, version).await?
        {
            return Ok(Planned::Overtaken);
        }
        let request = running.header.request;
        let size = request.size_class();
        if progress.plan_complete {
            return self.wake(id, size, &progress, deadline).await.map(|()| Planned::Done);
        }
        self.send_again(id, size, progress.plan_sent..progress.plan_end).await?;
        let last = match progress.plan_end.checked_sub(1) {
            Some(last) => {
                let stored = self.jobs.chunk(id, ChunkId::first(last)).await?;
                let stored =
                    stored.ok_or_else(|| Error::internal("the last chunk of the plan is not there"))?;
                Some(stored.chunk.work)
            }
            None => None,
        };
        let listed = self.resolve_cohort(&request).await?;
        let mut planner = Planner {
            generator: self,
            id,
            size,
            request: &request,
            at: progress.plan_end,
            chunks: Vec::new(),
            at_once: 1,
        };
        planner.run(listed, last.as_ref(), deadline).await
    }

    /// Sends everything that is open: a job that stands still has lost a message. The supporting chunk is Finish's.
    async fn wake(
        &self,
        id: &JobId,
        size: SizeClass,
        progress: &Progress,
        deadline: &dyn Deadline,
    ) -> Result<()> {
        if progress.all_done() {
            return self.all_done(id, size, deadline).await;
        }
        let mut from = 0;
        while from < progress.plan_end {
            let to = progress.plan_end.min(from + WINDOW);
            let chunks = self.jobs.chunks(id, from..to).await?;
            let open = chunks.iter().filter(|stored| stored.result.is_none());
            let task = |chunk: &Chunk| match chunk.work {
                Work::Supporting => Task::Finish { job: id.clone() },
                _ => Task::Chunk { job: id.clone(), chunk: chunk.id },
            };
            let tasks: Vec<_> = open.map(|stored| task(&stored.chunk)).collect();
            if !tasks.is_empty() {
                self.queue.send(size, &tasks).await?;
            }
            from = to;
        }
        Ok(())
    }

    /// Sends the tasks of chunks that were appended and perhaps not sent.
    pub(crate) async fn send_again(
        &self,
        id: &JobId,
        size: SizeClass,
        indexes: std::ops::Range<u32>,
    ) -> Result<()> {
        let task = |index| Task::Chunk { job: id.clone(), chunk: ChunkId::first(index) };
        let tasks: Vec<_> = indexes.map(task).collect();
        if tasks.is_empty() { Ok(()) } else { self.queue.send(size, &tasks).await }
    }

    /// All chunks are done. A short export ends right here; the end of a long one has the time of a task of its own.
    pub(crate) async fn all_done(&self, id: &JobId, size: SizeClass, deadline: &dyn Deadline) -> Result<()> {
        match size {
            SizeClass::Small if !deadline.is_near(self.clock.now()) => Box::pin(self.finish(id)).await,
            SizeClass::Small | SizeClass::Large => {
                self.queue.send(size, &[Task::Finish { job: id.clone() }]).await
            }
        }
    }

    /// What is exported beside the patients, in an order that stays: for a system export everything outside their
    /// compartments, and what was deleted of patients who are gone.
    async fn system_chunks(
        &self,
        request: &ExportRequest,
        listed: &ResolvedCohort,
    ) -> Result<Vec<(Work, u64)>> {
        let Some(selection) = &request.selection else { return Ok(Vec::new()) };
        let mut works = Vec::new();
        if let ResolvedCohort::Patients { absent: Some(absent), .. } = listed {
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
        Ok(works)
    }
}

/// The ids of chunks have six digits, and are read in the order of their texts.
const MAX_CHUNKS: usize = 999_999;

/// One try at the plan of an export.
struct Planner<'p> {
    generator: &'p Generator,
    id: &'p JobId,
    size: SizeClass,
    request: &'p ExportRequest,
    /// Where the plan ends.
    at: u32,
    /// Chunks that are cut and not appended yet.
    chunks: Vec<Chunk>,
    /// How many are appended at once: the first goes to a worker at once, and the more there are, the fewer transactions.
    at_once: usize,
}

impl Planner<'_> {
    async fn run(
        &mut self,
        listed: ResolvedCohort,
        last: Option<&Work>,
        deadline: &dyn Deadline,
    ) -> Result<Planned> {
        let generator = self.generator;
        let mut watch = Watch::new(generator, self.id);
        // What stands behind the last patient ends the patients as well.
        let after = match last {
            None => Some(None),
            Some(Work::Patients(patients)) => patients.last().map(Some),
            Some(_) => None,
        };
        if let Some(after) = after {
            let mut walk = Walk::of(&listed, after, &*generator.records);
            let limits = (generator.settings.chunk_bytes, self.request.output.patients_per_chunk);
            let mut cut = Cut::new(limits);
            loop {
                let entry = walk.next(&*generator.records).await?;
                let is_last = entry.is_none();
                for full in cut.add(entry) {
                    if self.chunks.len() == MAX_APPENDED && self.append(Plan::Continues).await?.is_none() {
                        return Ok(Planned::Overtaken);
                    }
                    self.chunks.push(full.chunk(self.next_id(), &listed));
                }
                if is_last {
                    break;
                }
                if self.chunks.len() >= self.at_once {
                    if self.append(Plan::Continues).await?.is_none() {
                        return Ok(Planned::Overtaken);
                    }
                    if !watch.is_wanted().await? {
                        return Ok(Planned::Done);
                    }
                    if deadline.is_near(generator.clock.now()) {
                        let task = Task::Plan { job: self.id.clone() };
                        return generator.queue.send(self.size, &[task]).await.map(|()| Planned::Done);
                    }
                }
            }
        }
        self.end(&listed, last, deadline).await
    }

    /// Appends what is exported beside the patients, behind what the plan has of it, and ends the plan.
    async fn end(
        &mut self,
        listed: &ResolvedCohort,
        last: Option<&Work>,
        deadline: &dyn Deadline,
    ) -> Result<Planned> {
        let beside = self.generator.system_chunks(self.request, listed).await?;
        for (work, bytes) in
            beside.into_iter().filter(|(work, _)| last.is_none_or(|last| is_behind(work, last)))
        {
            if self.chunks.len() == MAX_APPENDED && self.append(Plan::Continues).await?.is_none() {
                return Ok(Planned::Overtaken);
            }
            self.chunks.push(Chunk::new(self.next_id(), work, bytes));
        }
        if self.size == SizeClass::Small && self.at == 0 && self.chunks.len() == 1 {
            // Nobody else is needed for a single chunk.
            let Some(_) = self.append_unsent(Plan::Ends).await? else { return Ok(Planned::Overtaken) };
            let chunk = ChunkId::first(0);
            Box::pin(self.generator.run_chunk(self.id, chunk, deadline)).await?;
            return Ok(Planned::Done);
        }
        let Some(progress) = self.append(Plan::Ends).await? else { return Ok(Planned::Overtaken) };
        if progress.all_done() {
            self.generator.all_done(self.id, self.size, deadline).await?;
        }
        Ok(Planned::Done)
    }

    fn next_id(&self) -> ChunkId {
        ChunkId::first(self.at + u32::try_from(self.chunks.len()).unwrap_or(u32::MAX))
    }

    /// Appends the chunks that are cut and sends them; `None` when another plan was faster.
    async fn append(&mut self, plan: Plan) -> Result<Option<Progress>> {
        let from = self.at;
        let progress = self.append_unsent(plan).await?;
        if progress.is_some() {
            self.generator.send_again(self.id, self.size, from..self.at).await?;
            self.at_once = (self.at_once * 2).min(MAX_APPENDED);
        }
        Ok(progress)
    }

    async fn append_unsent(&mut self, plan: Plan) -> Result<Option<Progress>> {
        if self.at as usize + self.chunks.len() > MAX_CHUNKS {
            return Err(Error::TooLarge(
                "the export would have more than 999,999 chunks; ask for more patients a file, or raise chunk_bytes"
                    .to_owned(),
            ));
        }
        let append = Append { at: self.at, chunks: &self.chunks, plan };
        let progress = self.generator.jobs.append(self.id, append).await?;
        if progress.is_some() {
            // Not where the plan ends by now: another plan may have gone on behind these chunks, and then this one is overtaken.
            self.at = self.next_id().index;
            self.chunks.clear();
        }
        Ok(progress)
    }
}

/// Whether a work beside the patients stands behind the last one that the plan has.
fn is_behind(work: &Work, last: &Work) -> bool {
    fn place(work: &Work) -> (u8, &str) {
        match work {
            Work::Patients(_) => (0, ""),
            Work::Absent { .. } => (1, ""),
            Work::Shared(name) => (2, name),
            Work::Groups => (3, ""),
            Work::Deleted => (4, ""),
            Work::Supporting | Work::Gather { .. } | Work::Merge { .. } => (5, ""),
        }
    }
    place(work) > place(last)
}
