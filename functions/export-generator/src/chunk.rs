//! Chunk: runs one piece of an export and records what it wrote.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use domain::chunk::{Chunk, Work, attempt_prefix};
use domain::error::{Error, Result};
use domain::ids::{ChunkId, JobId, PatientId};
use domain::ports::queue::Deadline;
use domain::ports::records::{Area, Part, Parts, Records};
use domain::request::SizeClass;
use domain::selector::Selector;
use domain::states::Running;
use domain::task::Task;
use futures_util::stream::{self, Stream, StreamExt};
use platform::telemetry::{self, Metric};

use crate::Generator;
use crate::collect::{Block, Collector, PrefetchedPatient};
use crate::tombstones::Tombstones;
use crate::watch::Watch;

/// Patients whose files are opened before their turn. A bound on memory: a store may fetch half a megabyte of each file.
const PATIENTS_AHEAD: usize = 4;

/// How collecting a chunk ended.
enum Collected {
    /// Up to here; these patients are left for a new chunk.
    Until(Vec<PatientId>),
    /// The job does not want it any more.
    Unwanted,
}

/// Patients with their files, many found at once.
fn listed(
    records: Arc<dyn Records>,
    patients: &[PatientId],
) -> impl Stream<Item = Result<(PatientId, Parts)>> + Send {
    let left: VecDeque<_> = patients.iter().cloned().collect();
    let state = (records, left, VecDeque::new());
    stream::try_unfold(state, |(records, mut left, mut found)| async move {
        if found.is_empty() && !left.is_empty() {
            found.extend(records.parts_of(left.make_contiguous()).await?);
        }
        let next = found.pop_front().and_then(|parts| left.pop_front().map(|patient| (patient, parts)));
        Ok(next.map(|next| (next, (records, left, found))))
    })
}

impl Generator {
    pub(crate) async fn run_chunk(&self, id: &JobId, chunk: ChunkId, deadline: &dyn Deadline) -> Result<()> {
        let Some((running, stored)) = self.running(id).await? else { return Ok(()) };
        let size = running.header.request.size_class();
        let known = self
            .jobs
            .chunk(id, chunk)
            .await?
            .ok_or(Error::Conflict("the chunk is not planned yet".to_owned()))?;
        if known.result.is_some() {
            return self.enqueue_next(id, size, chunk, stored.progress.all_done(), deadline).await;
        }
        if known.chunk.work == Work::Supporting {
            // What others refer to is fetched by Finish, when all of it is known.
            return self.queue.send(size, &[Task::Finish { job: id.clone() }]).await;
        }
        let attempt = self.random.attempt();
        let prefix = attempt_prefix(id, chunk, &attempt);
        let started = self.clock.now();
        let selection = running.header.request.selection.as_ref();
        let selector = selection.map(|selection| Selector::new(selection, running.transaction_time));
        let mut collector = Collector::new(self, &running, selector.as_ref(), chunk, attempt);
        let collected = self.collect(&mut collector, &running, &known.chunk, deadline).await;
        let rest = match collected {
            Ok(Collected::Until(rest)) => rest,
            Ok(Collected::Unwanted) => return self.files.remove_prefix(&prefix).await,
            Err(error) => return self.abandon(&prefix, error).await,
        };
        let result = match collector.finish().await {
            Ok(result) => result,
            Err(error) => return self.abandon(&prefix, error).await,
        };
        let rest = (!rest.is_empty()).then(|| Chunk {
            new_members: known.chunk.new_members.clone(),
            ..Chunk::new(chunk.rest(), Work::Patients(rest), 0)
        });
        let finished = self.jobs.finish_chunk(id, &known.chunk, &result, rest.as_ref()).await?;
        if !finished.recorded {
            // Another delivery was faster: its files are the ones that are listed.
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
        self.enqueue_next(id, size, chunk, finished.progress.all_done(), deadline).await
    }

    async fn collect(
        &self,
        collector: &mut Collector<'_>,
        running: &Running,
        chunk: &Chunk,
        deadline: &dyn Deadline,
    ) -> Result<Collected> {
        match (&chunk.work, collector.selector) {
            (Work::Patients(patients), _) => {
                collector.block = running.header.request.output.organize_by_patient.then(Block::default);
                collector.strays(&chunk.strays).await?;
                self.collect_patients(collector, running, patients, &chunk.new_members, deadline).await
            }
            (Work::Absent { members, more, problems }, _) => {
                collector.absent(members, *more, problems).await?;
                Ok(Collected::Until(Vec::new()))
            }
            (Work::Merge { purpose, resource_type, from, to }, _) => {
                self.merge(running, collector, (*purpose, resource_type), (*from, *to)).await?;
                Ok(Collected::Until(Vec::new()))
            }
            (Work::Gather { from, to }, _) => {
                self.gather(&running.header.id, collector, *from..*to).await?;
                Ok(Collected::Until(Vec::new()))
            }
            (Work::Shared(name), Some(selector)) => {
                if selector.selection().since.is_some() {
                    collector.tombstones =
                        Tombstones::read(&*self.records, selector, |of| of.is_none()).await?;
                }
                let part = Part { name: name.clone(), bytes: chunk.bytes, changed: None };
                collector.area(Area::Shared, &[part], selector).await?;
                Ok(Collected::Until(Vec::new()))
            }
            (Work::Groups, Some(selector)) => {
                let parts = self.records.area(Area::Groups).await?;
                collector.area(Area::Groups, &parts, selector).await?;
                Ok(Collected::Until(Vec::new()))
            }
            (Work::Deleted, Some(selector)) => {
                collector.write_unassigned_deletions(selector).await?;
                collector.write_deleted(None).await?;
                Ok(Collected::Until(Vec::new()))
            }
            (Work::Supporting | Work::Shared(_) | Work::Groups | Work::Deleted, _) => {
                Ok(Collected::Until(Vec::new()))
            }
        }
    }

    async fn collect_patients(
        &self,
        collector: &mut Collector<'_>,
        running: &Running,
        patients: &[PatientId],
        new_members: &[PatientId],
        deadline: &dyn Deadline,
    ) -> Result<Collected> {
        if let Some(selector) = collector.selector.filter(|selector| selector.selection().since.is_some()) {
            let ours: HashSet<&str> = patients.iter().map(PatientId::as_str).collect();
            let wanted = |of: Option<&str>| of.is_some_and(|of| ours.contains(of));
            collector.tombstones = Tombstones::read(&*self.records, selector, wanted).await?;
        }
        let records = self.records.clone();
        let listed = listed(self.records.clone(), patients);
        let ahead =
            listed.map(move |found| PrefetchedPatient::open(records.clone(), found)).buffered(PATIENTS_AHEAD);
        let mut ahead = std::pin::pin!(ahead);
        let mut watch = Watch::new(self, &running.header.id);
        for (index, patient) in patients.iter().enumerate() {
            // A chunk that stops before its first patient would come back for ever.
            if index > 0 && (deadline.is_near(self.clock.now()) || collector.outputs.is_crowded()) {
                return Ok(Collected::Until(patients[index..].to_vec()));
            }
            if index > 0 && !watch.is_wanted().await? {
                return Ok(Collected::Unwanted);
            }
            let opened = ahead.next().await.ok_or_else(|| Error::internal("each patient is opened"))??;
            collector.patient(patient, opened, new_members.contains(patient)).await?;
            if running.header.request.output.verbose {
                let (patients, bytes) = (index + 1, collector.bytes_read());
                tracing::info!(job.id = %running.header.id, patients, bytes, "patients collected so far");
            }
        }
        if collector.account.ledger.patients.absent > 0 {
            // A record store that cannot be listed says nothing about who is in it.
            self.records.members(None, 1).await?;
        }
        let wanted = self.jobs.is_running(&running.header.id).await?;
        Ok(if wanted { Collected::Until(Vec::new()) } else { Collected::Unwanted })
    }

    /// What comes after a recorded chunk: its rest, or the end. Said again at every delivery, in case it was lost.
    async fn enqueue_next(
        &self,
        id: &JobId,
        size: SizeClass,
        chunk: ChunkId,
        all_done: bool,
        deadline: &dyn Deadline,
    ) -> Result<()> {
        if all_done {
            return self.all_done(id, size, deadline).await;
        }
        let rest = self.jobs.chunk(id, chunk.rest()).await?.filter(|rest| rest.result.is_none());
        match rest {
            Some(rest) => {
                self.queue.send(size, &[Task::Chunk { job: id.clone(), chunk: rest.chunk.id }]).await
            }
            None => Ok(()),
        }
    }

    /// Nothing of a failed attempt is ever listed; what it wrote goes at once if that can be done.
    pub(crate) async fn abandon(&self, prefix: &str, error: Error) -> Result<()> {
        if let Err(problem) = self.files.remove_prefix(prefix).await {
            tracing::warn!(error = %problem, cause = problem.causes(), "files of an attempt are left for cleanup");
        }
        Err(error)
    }
}
