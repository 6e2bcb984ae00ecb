//! Finish: all chunks are recorded. Fetches what they refer to, assembles the manifest into the store and moves the job on.

use std::collections::BTreeMap;

use shared::domain::chunk::{ChunkResult, OutputFile, Work};
use shared::domain::ids::{ChunkId, JobId};
use shared::domain::manifest::{Names, Summary, manifest_key};
use shared::domain::states::Running;
use shared::error::{Error, Result};
use shared::ports::files::FileWriter;
use shared::telemetry::{self, Metric};

use crate::Generator;

/// Chunks read at once.
const PAGE: usize = 200;
/// The manifest is written in pieces of this size.
const PIECE: usize = 64 * 1024;

/// What a walk over the recorded chunks found.
#[derive(Default)]
struct Recorded {
    open: bool,
    references: Vec<String>,
    supporting: Option<ChunkId>,
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
        if let Some(chunk) =
            recorded.supporting.or((!recorded.references.is_empty()).then(|| ChunkId::first(recorded.next)))
        {
            let done = self.jobs.chunk(id, chunk).await?.is_some_and(|stored| stored.result.is_some());
            if !done {
                self.run_supporting(&running, chunk, &recorded.references).await?;
            }
        }
        let summary = self.write_manifest(&running).await?;
        let now = self.clock.now();
        let (resources, bytes) = (summary.resources, summary.bytes);
        let (manifest, request_id) = (summary.manifest.clone(), running.core.request_id.clone());
        let finished = running.finish(summary, now, &self.settings.retention);
        let replaced = self.jobs.replace(&finished, stored.version).await;
        if matches!(replaced, Err(Error::Conflict(_))) {
            // Somebody was faster, or cancelled it: this manifest is nobody's. After any other error it may be the
            // job's all the same, when only the answer was lost.
            self.files.remove(&manifest).await?;
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

    async fn recorded(&self, id: &JobId) -> Result<Recorded> {
        let mut recorded = Recorded::default();
        let mut after = None;
        loop {
            let page = self.jobs.chunks(id, after, PAGE).await?;
            for stored in page.chunks {
                recorded.next = stored.chunk.id.index + 1;
                match (stored.chunk.work, stored.result) {
                    (Work::Supporting, _) => recorded.supporting = Some(stored.chunk.id),
                    (Work::Patients(_), Some(result)) => recorded.references.extend(result.references),
                    (Work::Patients(_), None) => recorded.open = true,
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(recorded),
            }
        }
    }

    /// Writes the manifest as the chunks come, page by page.
    async fn write_manifest(&self, running: &Running) -> Result<Summary> {
        let id = &running.core.id;
        let key = manifest_key(id, &self.ids.attempt());
        let mut manifest = ManifestWriter {
            writer: self.files.create(&key).await?,
            buffer: format!("{{\"transactionTime\":\"{}\",\"files\":[", running.transaction_time)
                .into_bytes(),
            names: Names::default(),
            summary: Summary {
                transaction_time: running.transaction_time,
                manifest: key,
                files: 0,
                resources: 0,
                bytes: 0,
                withheld: BTreeMap::new(),
            },
        };
        let mut after = None;
        loop {
            let page = self.jobs.chunks(id, after, PAGE).await?;
            for result in page.chunks.into_iter().filter_map(|stored| stored.result) {
                manifest.add(result).await?;
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return manifest.finish().await,
            }
        }
    }
}

struct ManifestWriter {
    writer: Box<dyn FileWriter>,
    buffer: Vec<u8>,
    names: Names,
    summary: Summary,
}

impl ManifestWriter {
    async fn add(&mut self, result: ChunkResult) -> Result<()> {
        for (category, count) in result.withheld {
            *self.summary.withheld.entry(category).or_default() += count;
        }
        for file in result.files {
            self.file(file)?;
        }
        if self.buffer.len() >= PIECE {
            self.buffer = self.writer.write(std::mem::take(&mut self.buffer)).await?;
        }
        Ok(())
    }

    fn file(&mut self, file: OutputFile) -> Result<()> {
        if self.summary.files > 0 {
            self.buffer.push(b',');
        }
        self.summary.files += 1;
        self.summary.bytes += file.size;
        if file.purpose.is_data() {
            self.summary.resources += file.count;
        }
        serde_json::to_writer(&mut self.buffer, &self.names.name(file))?;
        Ok(())
    }

    async fn finish(mut self) -> Result<Summary> {
        self.buffer.extend_from_slice(b"]}");
        self.writer.write(self.buffer).await?;
        self.writer.finish().await?;
        Ok(self.summary)
    }
}
