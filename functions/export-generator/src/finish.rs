//! Brings an export to its end when all chunks are recorded. Each stage is recorded before the next one starts:
//!
//! 1. Chunks join the files of references if there are many ([`crate::gather`]).
//! 2. The supporting chunk fetches referenced resources ([`crate::supporting`]). It runs in this task. If it ends early, its rest runs in
//!    another Finish task.
//! 3. A chunk lists the deletions again ([`crate::relist`]) if one of them may be of an exported resource.
//! 4. Chunks join small files ([`crate::merge`]) if the client asked for that.
//! 5. The manifest is written, and the job moves to its next state.
//!
//! A stage that was interrupted continues after its last chunk in the plan.

use domain::chunk::{Chunk, Covered, Progress, Purpose, Work};
use domain::error::{Error, Result};
use domain::ids::{ChunkId, JobId};
use domain::manifest::ExportTotals;
use domain::pack::Location;
use domain::ports::jobs::{Append, MAX_APPENDED, Plan};
use domain::ports::queue::{Deadline, TaskGroup};
use domain::ports::records::Area;
use domain::states::Running;
use domain::task::Task;
use platform::telemetry::{self, Metric};

use crate::Generator;
use crate::merge::Merges;
use crate::plan::WINDOW;
use crate::supporting::Followed;

/// The outcome of a walk over the chunk results.
#[derive(Default)]
struct Recorded {
    /// Files of references, up to the number that is read without gathering.
    references: Vec<Location>,
    has_many_references: bool,
    gathered: Vec<Location>,
    /// The number of chunks that gathered references.
    gathers: usize,
    /// Whether the supporting chunk, or a part of it, is done.
    has_supporting: bool,
    /// Whether a chunk lists deletions.
    has_deletions: bool,
    /// Whether a chunk has read a resource that another one may list as deleted.
    has_existing: bool,
    /// Whether all deletions are listed again.
    is_relisted: bool,
    merges: Merges,
    /// The index of the first chunk of the finish stages.
    collected: Option<u32>,
}

impl Recorded {
    /// Returns whether the deletions must be listed again. The manifest of a running export lists no deletions before that, because it
    /// cannot take them back.
    fn must_relist(&self, partial_manifests: bool) -> bool {
        self.has_deletions && !self.is_relisted && (self.has_existing || partial_manifests)
    }

    /// Returns the files that the supporting chunk reads.
    fn sources(&self) -> &[Location] {
        if self.has_many_references { &self.gathered } else { &self.references }
    }
}

fn concurrent_finish() -> Error {
    Error::conflict("another task finishes the export at the same time")
}

impl Generator {
    pub(crate) async fn finish(&self, id: &JobId, deadline: &dyn Deadline) -> Result<()> {
        let Some((running, stored)) = self.running(id).await? else { return Ok(()) };
        let mut progress = stored.progress;
        let group = &TaskGroup::of(&running.header);
        let Some(supporting) = self.left_to_finish(id, group, &progress).await? else { return Ok(()) };
        let mut recorded = self.recorded(id, progress.plan_end).await?;
        if recorded.has_many_references && !recorded.has_supporting && supporting.is_none() {
            let works = self.sizes.gather.works(recorded.collected.unwrap_or(progress.plan_end));
            if recorded.gathers < works.len() {
                // The last of these chunks runs Finish again.
                return self.append_stage(id, group, progress, &works[recorded.gathers..]).await;
            }
        }
        if supporting.is_some() || !recorded.has_supporting {
            match self.support(&running, supporting, &recorded, &mut progress, deadline).await? {
                Followed::All { has_existing } => recorded.has_existing |= has_existing,
                Followed::Part => return self.queue.send(group, &[Task::Finish { job: id.clone() }]).await,
                Followed::Elsewhere => return Ok(()),
            }
        }
        if recorded.must_relist(running.header.request.output.partial_manifests) {
            let work = Work::Relist { to: progress.plan_end, from: 0, runs: Vec::new() };
            return self.append_stage(id, group, progress, &[work]).await;
        }
        if let Some(least) = running.header.request.output.min_file_bytes {
            let works = self.plan_merges(&running, least, (progress.plan_end, recorded.is_relisted)).await?;
            if recorded.merges.len() < works.len() {
                return self.append_stage(id, group, progress, &works[recorded.merges.len()..]).await;
            }
        }
        let joined = (&recorded.merges, recorded.is_relisted);
        let summary = match self.write_manifest(&running, joined, &progress).await? {
            Ok(summary) => summary,
            // An export that does not account for everything never completes.
            Err(unbalanced) => {
                let ledger = &unbalanced.ledger;
                tracing::error!(job.id = %id, error = %unbalanced, %ledger, "the ledger does not balance");
                return Err(Error::Unbalanced(unbalanced.to_string()));
            }
        };
        self.complete(running, summary, stored.version).await
    }

    /// Runs the supporting chunk, or the rest of it, if it is needed. `open` is the chunk if it is planned already. Sets the progress after
    /// planning it.
    async fn support(
        &self,
        running: &Running,
        open: Option<Chunk>,
        recorded: &Recorded,
        progress: &mut Progress,
        deadline: &dyn Deadline,
    ) -> Result<Followed> {
        if open.is_none() && recorded.sources().is_empty() && !self.has_notices(running).await? {
            return Ok(Followed::All { has_existing: false });
        }
        let chunk = match open {
            Some(chunk) => chunk,
            None => {
                let chunk = Chunk::new(ChunkId::first(progress.plan_end), Work::Supporting, 0);
                let chunks = std::slice::from_ref(&chunk);
                let append = Append { at: progress.plan_end, chunks, plan: Plan::HasEnded };
                *progress =
                    self.jobs.append(&running.header.id, append).await?.ok_or_else(concurrent_finish)?;
                chunk
            }
        };
        self.run_supporting(running, &chunk, recorded.sources(), deadline).await
    }

    /// Moves the job to its next state after its manifest is written.
    async fn complete(&self, running: Running, summary: ExportTotals, version: u64) -> Result<()> {
        let (id, now) = (running.header.id.clone(), self.clock.now());
        let (resources, bytes) = (summary.resources, summary.bytes);
        let (manifest, request_id) = (summary.manifest.clone(), running.header.request_id.clone());
        let helpers = [running.sorted_deletions.clone(), running.shared_versions.clone()];
        let finished = running.finish(summary, now, &self.settings.retention);
        let replaced = self.jobs.replace(&finished, version).await;
        if matches!(replaced, Err(Error::Conflict(_))) {
            // Another task completed the job or it was cancelled, so no job has this manifest. After any other error
            // the job may have it, because only the response may be lost.
            self.files.remove_prefix(&manifest).await?;
        }
        replaced?;
        for prefix in helpers.into_iter().flatten() {
            self.remove_helpers(&prefix).await;
        }
        let request = request_id.as_deref().unwrap_or_default();
        tracing::info!(job.id = %id, request.id = request, resources, bytes, "export finished");
        telemetry::metrics(&[
            (Metric::ExportsFinished, 1),
            (Metric::Resources, resources),
            (Metric::Bytes, bytes),
        ]);
        Ok(())
    }

    /// Returns the supporting chunk if it is the only open one, and `None` if other chunks are open.
    async fn left_to_finish(
        &self,
        id: &JobId,
        group: &TaskGroup,
        progress: &Progress,
    ) -> Result<Option<Option<Chunk>>> {
        let open = progress.chunks_planned.saturating_sub(progress.chunks_done);
        if !progress.plan_complete || open == 0 {
            return Ok(progress.plan_complete.then_some(None));
        }
        if open == 1 {
            let last = progress.plan_end.saturating_sub(1)..progress.plan_end;
            let parts = self.jobs.chunks(id, last).await?.into_iter();
            let mut left =
                parts.filter(|stored| stored.chunk.work.is_supporting() && stored.result.is_none());
            if let Some(stored) = left.next() {
                return Ok(Some(Some(stored.chunk)));
            }
        }
        // The last chunk of a stage runs Finish again. An interrupted stage may not have sent all its chunks.
        self.send_again(id, group, progress.plan_sent..progress.plan_end).await?;
        Ok(None)
    }

    /// Appends the chunks of a finish stage and sends them.
    async fn append_stage(
        &self,
        id: &JobId,
        group: &TaskGroup,
        mut progress: Progress,
        works: &[Work],
    ) -> Result<()> {
        for works in works.chunks(MAX_APPENDED) {
            let at = progress.plan_end;
            let chunks =
                (at..).zip(works).map(|(index, work)| Chunk::new(ChunkId::first(index), work.clone(), 0));
            let chunks: Vec<_> = chunks.collect();
            let append = Append { at, chunks: &chunks, plan: Plan::HasEnded };
            progress = self.jobs.append(id, append).await?.ok_or_else(concurrent_finish)?;
            self.send_again(id, group, at..progress.plan_end).await?;
        }
        Ok(())
    }

    /// Returns whether the supporting chunk must report something that no other chunk reports.
    async fn has_notices(&self, running: &Running) -> Result<bool> {
        if running.sorted_deletions.is_some() {
            return Ok(true);
        }
        if let Some(selection) = &running.header.request.selection
            && (!selection.ignored.is_empty()
                || (selection.since.is_some() && !self.records.area(Area::Deleted).await?.is_empty()))
        {
            return Ok(true);
        }
        // Misplaced Provenance is reported even if nothing refers to `shared/`.
        self.has_misplaced_provenance(running).await
    }

    async fn recorded(&self, id: &JobId, end: u32) -> Result<Recorded> {
        let mut recorded = Recorded::default();
        for from in (0..end).step_by(WINDOW as usize) {
            for stored in self.jobs.results(id, from..end.min(from + WINDOW)).await? {
                if stored.chunk.part == 0 {
                    recorded.merges.add_merge(&stored.covered);
                }
                recorded.has_existing |= stored.result.existing.is_some();
                recorded.has_deletions |=
                    stored.result.files.iter().any(|file| file.purpose == Purpose::Deleted);
                let references = stored.result.references;
                match stored.covered {
                    Covered::Patients(_) | Covered::Areas => {
                        let is_full = recorded.references.len() == self.sizes.gather.files as usize;
                        if is_full && references.is_some() {
                            recorded.has_many_references = true;
                        } else {
                            recorded.references.extend(references);
                        }
                        continue;
                    }
                    Covered::Gather => {
                        recorded.gathers += 1;
                        recorded.gathered.extend(references);
                    }
                    Covered::Supporting => recorded.has_supporting = true,
                    Covered::Relist => recorded.is_relisted = true,
                    Covered::Merge { .. } => {}
                }
                recorded.collected.get_or_insert(stored.chunk.index);
            }
        }
        Ok(recorded)
    }
}
