//! Plans an export: walks the cohort once, cuts it into chunks by bytes, and appends them to the plan.
//!
//! The plan is an append-only log. Its last chunk says where to continue: after its last patient, or after its last
//! work outside the patients. So an interrupted plan continues where it ended. Two concurrent plans cannot append a
//! chunk twice: the second append is refused, and that task reads the plan again.

use domain::chunk::{Chunk, Progress, Work};
use domain::error::{Error, Result};
use domain::ids::{ChunkId, JobId};
use domain::job::Job;
use domain::ports::jobs::{Append, MAX_APPENDED, Plan};
use domain::ports::queue::{Deadline, TaskGroup};
use domain::ports::records::Area;
use domain::request::{Cohort, ExportRequest, SizeClass};
use domain::states::Running;
use domain::task::Task;

use crate::Generator;
use crate::cohort::{ResolvedCohort, Walk};
use crate::next_chunk::NextChunk;
use crate::watch::Watch;

/// The number of attempts to plan while other tasks append to the same plan.
const RACES: u32 = 20;
/// The number of chunk indexes that are read at once.
pub(crate) const WINDOW: u32 = 64;

/// The outcome of an attempt to plan.
enum Planned {
    Done,
    /// Another task has appended to the plan meanwhile.
    Overtaken,
    /// A record is too large for the workers of small exports.
    TooLarge,
}

impl Generator {
    pub(crate) async fn plan(&self, id: &JobId, deadline: &dyn Deadline) -> Result<()> {
        for _ in 0..RACES {
            match self.plan_on(id, deadline).await? {
                Planned::Done => return Ok(()),
                Planned::Overtaken => {}
                // The next attempt sends the chunks to the other workers.
                Planned::TooLarge => self.use_large_workers(id).await?,
            }
        }
        Err(Error::conflict("too many tasks plan the export at the same time"))
    }

    async fn plan_on(&self, id: &JobId, deadline: &dyn Deadline) -> Result<Planned> {
        let Some(stored) = self.jobs.get(id).await? else { return Ok(Planned::Done) };
        let (running, version) = match stored.job {
            Job::Queued(queued) => {
                let running = queued.begin(self.clock.now(), self.settings.records_delay);
                let version = self.jobs.replace(&Job::Running(running.clone()), stored.version).await?;
                (running, version)
            }
            Job::Running(running) => (running, stored.version),
            _ => return Ok(Planned::Done),
        };
        let progress = stored.progress;
        // Deletions are sorted before the first chunk, because every chunk reads them.
        if progress.plan_end == 0
            && !progress.plan_complete
            && !self.sort_deletions(&running, version).await?
        {
            return Ok(Planned::Overtaken);
        }
        let group = &TaskGroup::of(&running.header);
        let request = &running.header.request;
        if progress.plan_complete {
            return self.wake(id, group, &progress, deadline).await.map(|()| Planned::Done);
        }
        self.send_again(id, group, progress.plan_sent..progress.plan_end).await?;
        let last = match progress.plan_end.checked_sub(1) {
            Some(last) => {
                let stored = self.jobs.chunk(id, ChunkId::first(last)).await?;
                let stored =
                    stored.ok_or_else(|| Error::internal("the last chunk of the plan does not exist"))?;
                Some(stored.chunk.work)
            }
            None => None,
        };
        let listed = self.resolve_cohort(request).await?;
        let mut planner = Planner {
            generator: self,
            id,
            group,
            running: &running,
            at: progress.plan_end,
            chunks: Vec::new(),
            at_once: 1,
        };
        planner.run(listed, last.as_ref(), deadline).await
    }

    /// Sends all open chunks: a job without progress has lost a message. Finish runs the supporting chunk.
    async fn wake(
        &self,
        id: &JobId,
        group: &TaskGroup,
        progress: &Progress,
        deadline: &dyn Deadline,
    ) -> Result<()> {
        if progress.all_done() {
            return self.all_done(id, group, deadline).await;
        }
        let mut from = 0;
        while from < progress.plan_end {
            let to = progress.plan_end.min(from + WINDOW);
            let chunks = self.jobs.chunks(id, from..to).await?;
            let open = chunks.iter().filter(|stored| stored.result.is_none());
            let task = |chunk: &Chunk| match chunk.work.is_supporting() {
                true => Task::Finish { job: id.clone() },
                false => Task::Chunk { job: id.clone(), chunk: chunk.id },
            };
            let tasks: Vec<_> = open.map(|stored| task(&stored.chunk)).collect();
            if !tasks.is_empty() {
                self.queue.send(group, &tasks).await?;
            }
            from = to;
        }
        Ok(())
    }

    /// Sends the tasks of chunks that were appended, and perhaps not sent yet.
    pub(crate) async fn send_again(
        &self,
        id: &JobId,
        group: &TaskGroup,
        indexes: std::ops::Range<u32>,
    ) -> Result<()> {
        let task = |index| Task::Chunk { job: id.clone(), chunk: ChunkId::first(index) };
        let tasks: Vec<_> = indexes.map(task).collect();
        if tasks.is_empty() { Ok(()) } else { self.queue.send(group, &tasks).await }
    }

    /// Runs Finish for a short export at once. A long one gets a task for it, with the full time of a task.
    pub(crate) async fn all_done(
        &self,
        id: &JobId,
        group: &TaskGroup,
        deadline: &dyn Deadline,
    ) -> Result<()> {
        match group.size {
            SizeClass::Small if !deadline.is_near(self.clock.now()) => {
                Box::pin(self.finish(id, deadline)).await
            }
            SizeClass::Small | SizeClass::Large => {
                self.queue.send(group, &[Task::Finish { job: id.clone() }]).await
            }
        }
    }

    /// Returns the work outside the patients, in a stable order: the absent members of a group; for a system-level
    /// export, the resources outside the compartments; and the deletions of removed patients.
    async fn system_chunks(
        &self,
        request: &ExportRequest,
        listed: &ResolvedCohort,
    ) -> Result<Vec<(Work, u64)>> {
        let mut works = Vec::new();
        if let ResolvedCohort::Patients { absent: Some(absent), .. } = listed {
            works.push((absent.clone(), 0));
        }
        let Some(selection) = &request.selection else { return Ok(works) };
        if selection.all_shared {
            let shared = self.records.area(Area::Shared).await?;
            works.extend(shared.into_iter().map(|part| (Work::Shared(part.name), part.bytes)));
            if selection.wants("Group") {
                works.push((Work::Groups, 0));
            }
        }
        // Lists and groups still name removed patients; a cohort of all patients does not.
        if selection.since.is_some() && request.cohort == Cohort::Everyone {
            works.push((Work::Deleted, 0));
        }
        Ok(works)
    }
}

/// Chunk ids have six digits, and are sorted as text.
const MAX_CHUNKS: usize = 999_999;

/// One attempt to plan an export.
struct Planner<'p> {
    generator: &'p Generator,
    id: &'p JobId,
    group: &'p TaskGroup,
    running: &'p Running,
    /// The end of the plan, as an index.
    at: u32,
    /// Chunks that are cut and not appended yet.
    chunks: Vec<Chunk>,
    /// The number of chunks that are appended at once: one at first, so that a worker starts soon; then more, to save
    /// transactions.
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
        // A chunk outside the patients as the last one means that all patients are planned.
        let after = match last {
            None => Some(None),
            Some(Work::Patients(patients)) => patients.last().map(Some),
            Some(_) => None,
        };
        if let Some(after) = after {
            let mut walk = Walk::of(&listed, after, &*generator.records);
            let limits =
                (generator.settings.chunk_bytes, self.running.header.request.output.patients_per_chunk);
            let mut next_chunk = NextChunk::new(limits);
            loop {
                let entry = walk.next(&*generator.records).await?;
                let is_last = entry.is_none();
                for full in next_chunk.add(entry) {
                    let limit = generator.settings.large_record_bytes;
                    if self.group.size == SizeClass::Small && full.is_record_above(limit) {
                        return Ok(Planned::TooLarge);
                    }
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
                        return generator.queue.send(self.group, &[task]).await.map(|()| Planned::Done);
                    }
                }
            }
        }
        self.end(&listed, last, deadline).await
    }

    /// Appends the remaining work outside the patients, and ends the plan.
    async fn end(
        &mut self,
        listed: &ResolvedCohort,
        last: Option<&Work>,
        deadline: &dyn Deadline,
    ) -> Result<Planned> {
        let outside = self.generator.system_chunks(&self.running.header.request, listed).await?;
        // The chunks of these files need the comparison, and an interrupted plan has made it before it appended the first of them.
        let is_begun =
            last.is_some_and(|last| matches!(last, Work::Shared(_) | Work::Groups | Work::Deleted));
        if !is_begun {
            let compares = outside.iter().any(|(work, _)| matches!(work, Work::Shared(_) | Work::Groups));
            // Workers export the patients meanwhile, because the comparison can take several invocations.
            if compares && !self.chunks.is_empty() && self.append(Plan::Continues).await?.is_none() {
                return Ok(Planned::Overtaken);
            }
            if !self.generator.compare_outside(self.running, &outside, deadline).await? {
                let task = Task::Plan { job: self.id.clone() };
                return self.generator.queue.send(self.group, &[task]).await.map(|()| Planned::Done);
            }
        }
        for (work, bytes) in
            outside.into_iter().filter(|(work, _)| last.is_none_or(|last| is_behind(work, last)))
        {
            if self.chunks.len() == MAX_APPENDED && self.append(Plan::Continues).await?.is_none() {
                return Ok(Planned::Overtaken);
            }
            self.chunks.push(Chunk::new(self.next_id(), work, bytes));
        }
        if self.group.size == SizeClass::Small && self.at == 0 && self.chunks.len() == 1 {
            // A single chunk runs in this task.
            let Some(_) = self.append_unsent(Plan::Ends).await? else { return Ok(Planned::Overtaken) };
            let chunk = ChunkId::first(0);
            Box::pin(self.generator.run_chunk(self.id, chunk, deadline)).await?;
            return Ok(Planned::Done);
        }
        let Some(progress) = self.append(Plan::Ends).await? else { return Ok(Planned::Overtaken) };
        if progress.all_done() {
            self.generator.all_done(self.id, self.group, deadline).await?;
        }
        Ok(Planned::Done)
    }

    fn next_id(&self) -> ChunkId {
        ChunkId::first(self.at + u32::try_from(self.chunks.len()).unwrap_or(u32::MAX))
    }

    /// Appends the chunks that are cut, and sends them. Returns `None` if another task appended first.
    async fn append(&mut self, plan: Plan) -> Result<Option<Progress>> {
        let from = self.at;
        let progress = self.append_unsent(plan).await?;
        if progress.is_some() {
            self.generator.send_again(self.id, self.group, from..self.at).await?;
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
            // Not `progress.plan_end`: if another task has appended after these chunks, this one is overtaken.
            self.at = self.next_id().index;
            self.chunks.clear();
        }
        Ok(progress)
    }
}

/// Returns whether a work outside the patients comes after the last one in the plan.
fn is_behind(work: &Work, last: &Work) -> bool {
    fn place(work: &Work) -> (u8, &str) {
        match work {
            Work::Patients(_) => (0, ""),
            Work::Absent { .. } => (1, ""),
            Work::Shared(name) => (2, name),
            Work::Groups | Work::GroupsAfter(_) => (3, ""),
            Work::Deleted => (4, ""),
            Work::Supporting
            | Work::Follow { .. }
            | Work::Gather { .. }
            | Work::Merge { .. }
            | Work::Relist { .. } => (5, ""),
        }
    }
    place(work) > place(last)
}
