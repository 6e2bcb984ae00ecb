//! Writes the manifest of an export into the store, page by page, and sums what its chunks account for.

use domain::chunk::{OutputFile, Progress};
use domain::error::{Error, Result};
use domain::manifest::{ExportTotals, Names, PAGE_FILES, StoredManifest, manifest_prefix};
use domain::ports::files::Files;
use domain::states::Running;
use platform::exports::page_of;

use crate::Generator;
use crate::balance::{Balance, Unbalanced};
use crate::merge::{Merges, is_last_list};
use crate::plan::WINDOW;

impl Generator {
    /// Writes the manifest while the chunks are read.
    pub(crate) async fn write_manifest(
        &self,
        running: &Running,
        (merges, is_relisted): (&Merges, bool),
        progress: &Progress,
    ) -> Result<Result<ExportTotals, Unbalanced>> {
        let id = &running.header.id;
        let output = &running.header.request.output;
        let least = output.min_file_bytes.unwrap_or_default();
        let mut manifest = ManifestWriter {
            files: &*self.files,
            page: StoredManifest { transaction_time: running.transaction_time, files: Vec::new() },
            names: Names::default(),
            summary: ExportTotals::new(running.transaction_time, manifest_prefix(id, &self.random.attempt())),
        };
        let mut balance = Balance::new();
        let mut chunks = 0;
        for from in (0..progress.plan_end).step_by(WINDOW as usize) {
            let results = self.jobs.results(id, from..progress.plan_end.min(from + WINDOW)).await?;
            for stored in results {
                let chunk = stored.chunk;
                chunks += 1;
                let is_over = match output.partial_manifests {
                    true => page_of(chunk) > manifest.summary.pages,
                    false => manifest.page.files.len() as u64 >= PAGE_FILES,
                };
                if is_over {
                    manifest.end_page().await?;
                }
                if let Err(unbalanced) = balance.add(chunk, &stored.covered, &stored.result) {
                    return Ok(Err(unbalanced));
                }
                let files = stored.result.files.into_iter();
                let files = files.filter(|file| !is_relisted || is_last_list(&stored.covered, file));
                files.filter(|file| !merges.has(chunk, file, least)).for_each(|file| manifest.file(file));
            }
        }
        if chunks != progress.chunks_planned {
            let planned = progress.chunks_planned;
            return Err(Error::conflict(format!("{chunks} of {planned} chunks have a result")));
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
    summary: ExportTotals,
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
