//! Runs one chunk of an export and records what it wrote.

use std::collections::BTreeSet;

use domain::chunk::{Chunk, ChunkResult, Work, attempt_prefix};
use domain::error::{Error, Result};
use domain::filter::Filter;
use domain::ids::{ChunkId, JobId, PatientId};
use domain::ports::jobs::DoneChunk;
use domain::ports::queue::{Deadline, TaskGroup};
use domain::ports::records::{Area, Part};
use domain::states::Running;
use domain::task::Task;
use futures_util::StreamExt;
use platform::telemetry::{self, Metric};

use crate::elsewhere::ListsOfFiles;
use crate::line::ChunkExport;
use crate::merge::Merge;
use crate::reader::PatientReader;
use crate::relist::Relist;
use crate::tombstones::Tombstones;
use crate::versions::Reads;
use crate::watch::Watch;
use crate::writer::ChunkWriter;
use crate::{Generator, absent, area, patient, removed};

/// The outcome of collecting a chunk.
enum Collected {
    /// The chunk ends; this work is left for a new chunk if it ends early.
    Until(Option<Work>),
    /// The job does not need the chunk any more.
    Unwanted,
    /// A record has a resource several times, so each record must be read twice.
    Repeated,
}

/// A successful attempt at a chunk.
struct Attempted {
    /// The prefix of its files.
    prefix: String,
    result: ChunkResult,
    /// The work that is left for a new chunk.
    rest: Option<Work>,
}

/// Lists the deletions of patients whose records are read.
async fn list_deleted(export: &mut ChunkExport<'_>, patients: &[PatientId]) -> Result<()> {
    let deleted = export.tombstones.listed(patients, export.filter);
    export.writer.deleted(&deleted).await
}

impl Generator {
    pub(crate) async fn run_chunk(&self, id: &JobId, chunk: ChunkId, deadline: &dyn Deadline) -> Result<()> {
        let Some((running, stored)) = self.running(id).await? else { return Ok(()) };
        let group = &TaskGroup::of(&running.header);
        let known = self
            .jobs
            .chunk(id, chunk)
            .await?
            .ok_or(Error::Conflict("the chunk is not planned yet".to_owned()))?;
        if known.result.is_some() {
            return self.enqueue_next(id, group, chunk, stored.progress.all_done(), deadline).await;
        }
        if known.chunk.work.is_supporting() {
            // Finish fetches supporting resources when all references are known.
            return self.queue.send(group, &[Task::Finish { job: id.clone() }]).await;
        }
        let started = self.clock.now();
        let attempted = self.attempt(&running, &known.chunk, deadline).await?;
        let Some(Attempted { prefix, result, rest }) = attempted else { return Ok(()) };
        let rest = rest.map(|work| Chunk {
            new_members: known.chunk.new_members.clone(),
            ..Chunk::new(chunk.rest(), work, 0)
        });
        let done =
            DoneChunk { chunk: &known.chunk, result: &result, rest: rest.as_ref(), at: self.clock.now() };
        let finished = self.jobs.finish_chunk(id, done).await?;
        if !finished.recorded {
            // Another delivery recorded its attempt first: its files are the ones that are listed.
            self.files.remove_prefix(&prefix).await?;
        }
        let duration_ms = self.clock.elapsed(started);
        telemetry::metrics(&[(Metric::ChunkTime, duration_ms)]);
        tracing::info!(
            job.id = %id,
            request.id = running.header.request_id.as_deref().unwrap_or_default(),
            chunk.id = %chunk,
            bytes = result.bytes_read,
            duration_ms,
            recorded = finished.recorded,
            "chunk written"
        );
        self.enqueue_next(id, group, chunk, finished.progress.all_done(), deadline).await
    }

    /// Collects a chunk. Returns `None` if the job does not need it any more.
    async fn attempt(
        &self,
        running: &Running,
        chunk: &Chunk,
        deadline: &dyn Deadline,
    ) -> Result<Option<Attempted>> {
        let filter = Filter::of(running);
        for reads in [Reads::Once, Reads::Twice] {
            let attempt = self.random.attempt();
            let prefix = attempt_prefix(&running.header.id, chunk.id, &attempt);
            let writer = ChunkWriter::new(&*self.files, &self.settings, running, chunk.id, attempt);
            let mut export = ChunkExport::new(&filter, writer, reads);
            let finished = match self.collect(&mut export, running, chunk, deadline).await {
                Ok(Collected::Until(rest)) => export.writer.finish().await.map(|result| (result, rest)),
                Ok(Collected::Unwanted) => return self.files.remove_prefix(&prefix).await.map(|()| None),
                Ok(Collected::Repeated) => {
                    drop(export);
                    self.files.remove_prefix(&prefix).await?;
                    continue;
                }
                Err(error) => Err(error),
            };
            return match finished {
                Ok((result, rest)) => Ok(Some(Attempted { prefix, result, rest })),
                Err(error) => self.discard_attempt(&prefix, error).await.map(|()| None),
            };
        }
        Err(Error::conflict("a record was changed while its chunk was collected"))
    }

    async fn collect(
        &self,
        export: &mut ChunkExport<'_>,
        running: &Running,
        chunk: &Chunk,
        deadline: &dyn Deadline,
    ) -> Result<Collected> {
        let (records, writer) = (&*self.records, &mut export.writer);
        match &chunk.work {
            Work::Patients(patients) => {
                writer.begin_blocks();
                absent::strays(writer, &chunk.strays).await?;
                return self.collect_patients(export, running, patients, &chunk.new_members, deadline).await;
            }
            Work::Absent { members, more, problems } => {
                absent::members(writer, members, *more, problems).await?;
            }
            Work::Merge { purpose, resource_type, from, to } => {
                let merge = Merge { purpose: *purpose, resource_type, from: *from, to: *to };
                return self.merge(running, writer, merge, deadline).await.map(Collected::Until);
            }
            Work::Gather { from, to } => self.gather(&running.header.id, writer, *from..*to).await?,
            Work::Relist { to, from, runs } => {
                let relist = Relist { from: *from, to: *to, runs };
                return self.relist(&running.header.id, writer, relist, deadline).await.map(Collected::Until);
            }
            Work::Shared(name) => {
                let nobody = BTreeSet::from([None]);
                export.tombstones = self.tombstones(running, export.filter, &nobody).await?;
                let part = Part { name: name.clone(), bytes: chunk.bytes, changed: None };
                let lists = ListsOfFiles::open(&*self.files, running.shared_versions.as_deref()).await?;
                area::export(export, records, Area::Shared, &[part], &lists, &|| false).await?;
                if export.versions.is_repeated() {
                    return Ok(Collected::Repeated);
                }
                export.versions.check()?;
            }
            Work::Groups => return self.collect_groups(export, running, None, deadline).await,
            Work::GroupsAfter(last) => {
                return self.collect_groups(export, running, Some(last), deadline).await;
            }
            Work::Deleted => removed::export(records, running, export.filter, writer).await?,
            Work::Supporting | Work::Follow { .. } => {}
        }
        Ok(Collected::Until(None))
    }

    /// Exports the Groups after the one whose file has the name `last`.
    async fn collect_groups(
        &self,
        export: &mut ChunkExport<'_>,
        running: &Running,
        last: Option<&String>,
        deadline: &dyn Deadline,
    ) -> Result<Collected> {
        // The deletions of Groups are listed by another chunk: a Group that exists again must not be among them.
        export.tombstones = self.tombstones(running, export.filter, &BTreeSet::new()).await?;
        let mut parts = self.records.area(Area::Groups).await?;
        parts.retain(|part| last.is_none_or(|last| part.name > *last));
        let lists = ListsOfFiles::open(&*self.files, running.shared_versions.as_deref()).await?;
        let is_over = || deadline.is_near(self.clock.now());
        let done = area::export(export, &*self.records, Area::Groups, &parts, &lists, &is_over).await?;
        let rest = (done < parts.len()).then(|| Work::GroupsAfter(parts[done - 1].name.clone()));
        Ok(Collected::Until(rest))
    }

    /// Reads what was deleted of these patients; `None` stands for resources of no patient.
    async fn tombstones(
        &self,
        running: &Running,
        filter: &Filter<'_>,
        of: &BTreeSet<Option<&str>>,
    ) -> Result<Tombstones> {
        Tombstones::read(&*self.records, &*self.files, running, filter, of).await
    }

    async fn collect_patients(
        &self,
        export: &mut ChunkExport<'_>,
        running: &Running,
        patients: &[PatientId],
        new_members: &[PatientId],
        deadline: &dyn Deadline,
    ) -> Result<Collected> {
        let ours = patients.iter().map(|patient| Some(patient.as_str())).collect();
        export.tombstones = self.tombstones(running, export.filter, &ours).await?;
        let mut ahead = std::pin::pin!(PatientReader::ahead(&self.records, patients));
        let mut watch = Watch::new(self, &running.header.id);
        for (index, patient) in patients.iter().enumerate() {
            // A chunk must collect at least one patient: otherwise it would be repeated forever.
            if index > 0 && (deadline.is_near(self.clock.now()) || export.writer.is_crowded()) {
                list_deleted(export, &patients[..index]).await?;
                return Ok(Collected::Until(Some(Work::Patients(patients[index..].to_vec()))));
            }
            if index > 0 && !watch.is_wanted().await? {
                return Ok(Collected::Unwanted);
            }
            let reader = ahead.next().await.ok_or_else(|| Error::internal("each patient is opened"))??;
            patient::export(export, reader, new_members.contains(patient)).await?;
            if export.versions.is_repeated() {
                return Ok(Collected::Repeated);
            }
            if running.header.request.output.verbose {
                let (patients, bytes) = (index + 1, export.writer.bytes_read());
                tracing::info!(job.id = %running.header.id, patients, bytes, "patients collected so far");
            }
        }
        if export.writer.ledger().patients.absent > 0 {
            // If the record store cannot be listed, a missing patient proves nothing.
            self.records.members(None, 1).await?;
        }
        list_deleted(export, patients).await?;
        let wanted = self.jobs.is_running(&running.header.id).await?;
        Ok(if wanted { Collected::Until(None) } else { Collected::Unwanted })
    }

    /// Enqueues what follows a recorded chunk: the chunk for its remaining work, or Finish. Idempotent: every
    /// delivery sends it again, because it may have been lost.
    async fn enqueue_next(
        &self,
        id: &JobId,
        group: &TaskGroup,
        chunk: ChunkId,
        all_done: bool,
        deadline: &dyn Deadline,
    ) -> Result<()> {
        if all_done {
            return self.all_done(id, group, deadline).await;
        }
        let rest = self.jobs.chunk(id, chunk.rest()).await?.filter(|rest| rest.result.is_none());
        match rest {
            Some(rest) => {
                self.queue.send(group, &[Task::Chunk { job: id.clone(), chunk: rest.chunk.id }]).await
            }
            None => Ok(()),
        }
    }

    /// Removes the files of a failed attempt, which are never listed, and returns its error. Cleanup removes them if
    /// that fails.
    pub(crate) async fn discard_attempt(&self, prefix: &str, error: Error) -> Result<()> {
        if let Err(problem) = self.files.remove_prefix(prefix).await {
            tracing::warn!(error = %problem, cause = problem.causes(), "files of an attempt are left for cleanup");
        }
        Err(error)
    }
}
