//! Finish: all chunks are recorded. Fetches what they refer to, assembles the manifest into the store and moves the job on.

use shared::domain::chunk::{OutputFile, Work};
use shared::domain::ids::{ChunkId, JobId};
use shared::domain::manifest::{Names, PAGE_FILES, StoredManifest, Summary, manifest_prefix};
use shared::domain::pack::Location;
use shared::domain::states::Running;
use shared::domain::task::Task;
use shared::error::{Error, Result};
use shared::exports::page_of;
use shared::ports::files::Files;
use shared::ports::records::Area;
use shared::telemetry::{self, Metric};

use crate::Generator;
use crate::balance::{Balance, Unbalanced};
use crate::merge::Merges;

/// Chunks read at once.
const PAGE: usize = 200;

/// What a walk over the recorded chunks found.
#[derive(Default)]
struct Recorded {
    open: bool,
    references: Vec<Location>,
    supporting: Option<ChunkId>,
    merges: Merges,
    next: u32,
}

impl Generator {
    pub(crate) async fn finish(&self, id: &JobId) -> Result<()> {
        let Some((running, stored)) = self.running(id).await? else { return Ok(()) };
        let recorded = self.recorded(id).await?;
        if recorded.open || !stored.progress.plan_complete {
            // Sent too early by a lost count; the last chunk sends it again.
            return Ok(());
        }
        let mut next = recorded.next;
        let wanted = recorded.supporting.is_some()
            || !recorded.references.is_empty()
            || self.has_notices(&running).await?;
        if let Some(chunk) = recorded.supporting.or(wanted.then(|| ChunkId::first(next))) {
            next = next.max(chunk.index + 1);
            let done = self.jobs.chunk(id, chunk).await?.is_some_and(|stored| stored.result.is_some());
            if !done {
                self.run_supporting(&running, chunk, &recorded.references).await?;
            }
        }
        if let Some(least) = running.core.request.output.min_file_bytes
            && recorded.merges.is_empty()
        {
            let merges = self.plan_merges(&running, least, next).await?;
            if !merges.is_empty() {
                self.jobs.add_chunks(id, &merges, true).await?;
                let tasks: Vec<_> =
                    merges.iter().map(|chunk| Task::Chunk { job: id.clone(), chunk: chunk.id }).collect();
                // The last of them sends this task again.
                return self.queue.send(running.core.request.size_class(), &tasks).await;
            }
        }
        let summary = match self.write_manifest(&running, &recorded.merges).await? {
            Ok(summary) => summary,
            // What does not account for everything is never shown as complete.
            Err(unbalanced) => {
                let ledger = &unbalanced.ledger;
                tracing::error!(job.id = %id, error = %unbalanced, %ledger, "the ledger does not balance");
                return Err(Error::Unbalanced(unbalanced.to_string()));
            }
        };
        let now = self.clock.now();
        let (resources, bytes) = (summary.resources, summary.bytes);
        let (manifest, request_id) = (summary.manifest.clone(), running.core.request_id.clone());
        let finished = running.finish(summary, now, &self.settings.retention);
        let replaced = self.jobs.replace(&finished, stored.version).await;
        if matches!(replaced, Err(Error::Conflict(_))) {
            // Somebody was faster, or cancelled it: this manifest is nobody's. After any other error it may be the
            // job's all the same, when only the answer was lost.
            self.files.remove_prefix(&manifest).await?;
        }
        replaced?;
        let request = request_id.as_deref().unwrap_or_default();
        tracing::info!(job.id = %id, request.id = request, resources, bytes, "export finished");
        telemetry::metrics(&[
            (Metric::ExportsFinished, 1),
            (Metric::Resources, resources),
            (Metric::Bytes, bytes),
        ]);
        Ok(())
    }

    /// Whether the supporting chunk has something to report that no other chunk does.
    async fn has_notices(&self, running: &Running) -> Result<bool> {
        if let Some(selection) = &running.core.request.selection
            && (!selection.ignored.is_empty()
                || (selection.since.is_some() && !self.records.area(Area::Deleted).await?.is_empty()))
        {
            return Ok(true);
        }
        // Also where nothing refers to `shared/`: what is misplaced there does not depend on that.
        self.has_misplaced_provenance(running).await
    }

    async fn recorded(&self, id: &JobId) -> Result<Recorded> {
        let mut recorded = Recorded::default();
        let mut after = None;
        loop {
            let page = self.jobs.chunks(id, after, PAGE).await?;
            for stored in page.chunks {
                recorded.next = stored.chunk.id.index + 1;
                recorded.merges.note(&stored.chunk.work);
                match (stored.chunk.work, stored.result) {
                    (Work::Supporting, _) => recorded.supporting = Some(stored.chunk.id),
                    (_, Some(result)) => recorded.references.extend(result.references),
                    (_, None) => recorded.open = true,
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(recorded),
            }
        }
    }

    /// Writes the manifest page by page, as the chunks come.
    async fn write_manifest(
        &self,
        running: &Running,
        merges: &Merges,
    ) -> Result<Result<Summary, Unbalanced>> {
        let id = &running.core.id;
        let output = &running.core.request.output;
        let least = output.min_file_bytes.unwrap_or_default();
        let mut manifest = ManifestWriter {
            files: &*self.files,
            page: StoredManifest { transaction_time: running.transaction_time, files: Vec::new() },
            names: Names::default(),
            summary: Summary {
                transaction_time: running.transaction_time,
                manifest: manifest_prefix(id, &self.ids.attempt()),
                pages: 0,
                files: 0,
                resources: 0,
                bytes: 0,
                withheld: [].into(),
                ledger: None,
            },
        };
        let mut balance = Balance::new();
        let mut after = None;
        loop {
            let page = self.jobs.chunks(id, after, PAGE).await?;
            for stored in page.chunks {
                let chunk = stored.chunk.id;
                let is_over = match output.partial_manifests {
                    true => page_of(chunk) > manifest.summary.pages,
                    false => manifest.page.files.len() as u64 >= PAGE_FILES,
                };
                if is_over {
                    manifest.end_page().await?;
                }
                let result = stored.result.ok_or_else(|| Error::conflict("a chunk is open again"))?;
                if let Err(unbalanced) = balance.add(chunk, &stored.chunk.work, &result) {
                    return Ok(Err(unbalanced));
                }
                let files = result.files.into_iter().filter(|file| !merges.has(chunk, file, least));
                files.for_each(|file| manifest.file(file));
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        manifest.end_page().await?;
        let mut summary = manifest.summary;
        summary.ledger = match balance.finish(summary.resources) {
            Ok(ledger) => ledger,
            Err(unbalanced) => return Ok(Err(unbalanced)),
        };
        summary.withheld =
            summary.ledger.as_ref().map(|ledger| ledger.resources.withheld.clone()).unwrap_or_default();
        Ok(Ok(summary))
    }
}

struct ManifestWriter<'f> {
    files: &'f dyn Files,
    page: StoredManifest,
    names: Names,
    summary: Summary,
}

impl ManifestWriter<'_> {
    fn file(&mut self, file: OutputFile) {
        self.summary.files += 1;
        self.summary.bytes += file.size;
        if file.purpose.is_data() {
            self.summary.resources += file.count;
        }
        self.page.files.push(self.names.name(file));
    }

    async fn end_page(&mut self) -> Result<()> {
        let mut writer = self.files.create(&self.summary.page_key(self.summary.pages)).await?;
        writer.write(serde_json::to_vec(&self.page)?).await?;
        writer.finish().await?;
        self.page.files.clear();
        self.summary.pages += 1;
        self.names = Names::of_page(self.summary.pages);
        Ok(())
    }
}
