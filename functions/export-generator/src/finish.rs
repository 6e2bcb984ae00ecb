//! Finish: all chunks are recorded. Brings the export to its end in stages, each of which is recorded before the next one:
//!
//! 1. Many files of references are joined by chunks of their own ([`crate::gather`]).
//! 2. The supporting chunk fetches what the others refer to. It is run here.
//! 3. Small files are joined by chunks of their own ([`crate::merge`]), where the client asked for that.
//! 4. The manifest is written, and the job moves on.
//!
//! A stage that was cut off goes on where its chunks in the plan end.

use domain::chunk::{Chunk, Covered, Progress, Work};
use domain::error::{Error, Result};
use domain::ids::{ChunkId, JobId};
use domain::manifest::ExportTotals;
use domain::pack::Location;
use domain::ports::jobs::{Append, MAX_APPENDED, Plan};
use domain::ports::records::Area;
use domain::request::SizeClass;
use domain::states::Running;
use platform::telemetry::{self, Metric};

use crate::merge::Merges;
use crate::plan::WINDOW;
use crate::{Generator, gather};

/// What a walk over the results found.
#[derive(Default)]
struct Recorded {
    /// Files with references, up to the number that is read without gathering them.
    references: Vec<Location>,
    has_many_references: bool,
    gathered: Vec<Location>,
    /// Chunks that gathered.
    gathers: usize,
    has_supporting: bool,
    merges: Merges,
    /// The index of the first chunk that belongs to a stage of the end.
    collected: Option<u32>,
}

impl Recorded {
    /// The files that the supporting chunk reads.
    fn sources(&self) -> &[Location] {
        if self.has_many_references { &self.gathered } else { &self.references }
    }
}

fn overtaken() -> Error {
    Error::conflict("the end of the export is made by another task at the same time")
}

impl Generator {
    pub(crate) async fn finish(&self, id: &JobId) -> Result<()> {
        let Some((running, stored)) = self.running(id).await? else { return Ok(()) };
        let mut progress = stored.progress;
        let size = running.header.request.size_class();
        let Some(supporting) = self.left_to_finish(id, size, &progress).await? else { return Ok(()) };
        let recorded = self.recorded(id, progress.plan_end).await?;
        if recorded.has_many_references && !recorded.has_supporting && supporting.is_none() {
            let works = gather::works(recorded.collected.unwrap_or(progress.plan_end));
            if recorded.gathers < works.len() {
                // The last of them calls this again.
                return self.append_stage(id, size, progress, &works[recorded.gathers..]).await;
            }
        }
        if !recorded.has_supporting {
            let wanted =
                supporting.is_some() || !recorded.sources().is_empty() || self.has_notices(&running).await?;
            if wanted {
                let chunk = match supporting {
                    Some(chunk) => chunk,
                    None => {
                        let chunk = Chunk::new(ChunkId::first(progress.plan_end), Work::Supporting, 0);
                        let chunks = std::slice::from_ref(&chunk);
                        let append = Append { at: progress.plan_end, chunks, plan: Plan::HasEnded };
                        progress = self.jobs.append(id, append).await?.ok_or_else(overtaken)?;
                        chunk
                    }
                };
                self.run_supporting(&running, &chunk, recorded.sources()).await?;
            }
        }
        if let Some(least) = running.header.request.output.min_file_bytes {
            let works = self.plan_merges(&running, least, progress.plan_end).await?;
            if recorded.merges.len() < works.len() {
                return self.append_stage(id, size, progress, &works[recorded.merges.len()..]).await;
            }
        }
        let summary = match self.write_manifest(&running, &recorded.merges, &progress).await? {
            Ok(summary) => summary,
            // What does not account for everything is never shown as complete.
            Err(unbalanced) => {
                let ledger = &unbalanced.ledger;
                tracing::error!(job.id = %id, error = %unbalanced, %ledger, "the ledger does not balance");
                return Err(Error::Unbalanced(unbalanced.to_string()));
            }
        };
        self.complete(running, summary, stored.version).await
    }

    /// Moves the job on, when its manifest is written.
    async fn complete(&self, running: Running, summary: ExportTotals, version: u64) -> Result<()> {
        let (id, now) = (running.header.id.clone(), self.clock.now());
        let (resources, bytes) = (summary.resources, summary.bytes);
        let (manifest, request_id) = (summary.manifest.clone(), running.header.request_id.clone());
        let sorted_deletions = running.sorted_deletions.clone();
        let finished = running.finish(summary, now, &self.settings.retention);
        let replaced = self.jobs.replace(&finished, version).await;
        if matches!(replaced, Err(Error::Conflict(_))) {
            // Somebody was faster, or cancelled it: this manifest is nobody's. After any other error it may be the
            // job's all the same, when only the response was lost.
            self.files.remove_prefix(&manifest).await?;
        }
        replaced?;
        self.remove_sorted_deletions(sorted_deletions.as_deref()).await;
        let request = request_id.as_deref().unwrap_or_default();
        tracing::info!(job.id = %id, request.id = request, resources, bytes, "export finished");
        telemetry::metrics(&[
            (Metric::ExportsFinished, 1),
            (Metric::Resources, resources),
            (Metric::Bytes, bytes),
        ]);
        Ok(())
    }

    /// Whether all chunks are done that Finish does not do itself. Returns the supporting chunk where that is open, and
    /// `None` where others are.
    async fn left_to_finish(
        &self,
        id: &JobId,
        size: SizeClass,
        progress: &Progress,
    ) -> Result<Option<Option<Chunk>>> {
        let open = progress.chunks_planned.saturating_sub(progress.chunks_done);
        if !progress.plan_complete || open == 0 {
            return Ok(progress.plan_complete.then_some(None));
        }
        if open == 1 {
            let last = ChunkId::first(progress.plan_end.saturating_sub(1));
            let last = self.jobs.chunk(id, last).await?;
            let is_left = |stored: &domain::ports::jobs::StoredChunk| {
                stored.chunk.work == Work::Supporting && stored.result.is_none()
            };
            if let Some(stored) = last.filter(is_left) {
                return Ok(Some(Some(stored.chunk)));
            }
        }
        // The last chunk of a stage calls Finish again; those of a stage that was cut off may not have been sent.
        self.send_again(id, size, progress.plan_sent..progress.plan_end).await?;
        Ok(None)
    }

    /// Appends chunks of a stage of the end, and sends them.
    async fn append_stage(
        &self,
        id: &JobId,
        size: SizeClass,
        mut progress: Progress,
        works: &[Work],
    ) -> Result<()> {
        for works in works.chunks(MAX_APPENDED) {
            let at = progress.plan_end;
            let chunks =
                (at..).zip(works).map(|(index, work)| Chunk::new(ChunkId::first(index), work.clone(), 0));
            let chunks: Vec<_> = chunks.collect();
            let append = Append { at, chunks: &chunks, plan: Plan::HasEnded };
            progress = self.jobs.append(id, append).await?.ok_or_else(overtaken)?;
            self.send_again(id, size, at..progress.plan_end).await?;
        }
        Ok(())
    }

    /// Whether the supporting chunk has something to report that no other chunk does.
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
        // Also where nothing refers to `shared/`: what is misplaced there does not depend on that.
        self.has_misplaced_provenance(running).await
    }

    async fn recorded(&self, id: &JobId, end: u32) -> Result<Recorded> {
        let mut recorded = Recorded::default();
        for from in (0..end).step_by(WINDOW as usize) {
            for stored in self.jobs.results(id, from..end.min(from + WINDOW)).await? {
                recorded.merges.note(&stored.covered);
                let references = stored.result.references;
                match stored.covered {
                    Covered::Patients(_) | Covered::Areas => {
                        if recorded.references.len() == gather::AT_ONCE as usize && references.is_some() {
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
                    Covered::Merge { .. } => {}
                }
                recorded.collected.get_or_insert(stored.chunk.index);
            }
        }
        Ok(recorded)
    }
}
