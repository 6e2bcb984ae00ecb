//! Fetches the resources of `shared/` that an export of patients includes: Practitioner, Organization, Location,
//! Medication and so on, each once, by the rule in [`domain::filter`]. They are fetched in waves.

use std::collections::{BTreeSet, HashSet};

use domain::chunk::Chunk;
use domain::decision::Decision;
use domain::error::{Damage, Result};
use domain::filter::{Filter, Origin, Refusal, Verdict};
use domain::pack::Location;
use domain::ports::jobs::DoneChunk;
use domain::ports::records::{SharedLine, Supporting};
use domain::states::Running;
use fhir::head::Plain;

use crate::deleted_keys::DeletedKeys;
use crate::provenance::SharedProvenance;
use crate::unserved::without_documents;
use crate::walk::Walk;
use crate::withheld_targets::WithheldTargets;
use crate::writer::{ChunkWriter, UNREADABLE_LABEL};
use crate::{Generator, references, tombstones};

/// The number of resources that are fetched at once.
const BATCH: usize = 200;

impl Generator {
    /// Runs the supporting chunk of a job whose other chunks are done. `references` are the files with the references
    /// of those chunks. Returns whether other chunks may have listed an exported resource as deleted.
    pub(crate) async fn run_supporting(
        &self,
        running: &Running,
        chunk: &Chunk,
        references: &[Location],
    ) -> Result<bool> {
        let id = &running.header.id;
        let attempt = self.random.attempt();
        let prefix = domain::chunk::attempt_prefix(id, chunk.id, &attempt);
        let mut writer = ChunkWriter::new(&*self.files, &self.settings, running, chunk.id, attempt);
        let collected = match self.collect_supporting(running, references, &mut writer).await {
            Ok(()) => writer.finish().await,
            Err(error) => Err(error),
        };
        let result = match collected {
            Ok(result) => result,
            Err(error) => return self.discard_attempt(&prefix, error).await.map(|()| false),
        };
        let done = DoneChunk { chunk, result: &result, rest: None, at: self.clock.now() };
        if !self.jobs.finish_chunk(id, done).await?.recorded {
            self.files.remove_prefix(&prefix).await?;
        }
        Ok(result.existing.is_some())
    }

    /// Returns whether the job must report Provenance, although its resources refer to nothing in `shared/`.
    pub(crate) async fn has_misplaced_provenance(&self, running: &Running) -> Result<bool> {
        let provenance = SharedProvenance::new(&Filter::of(running));
        Ok(provenance.misplaced(&*self.records).await?.is_some())
    }

    /// Fetches the referenced resources, wave by wave.
    async fn collect_supporting(
        &self,
        running: &Running,
        sources: &[Location],
        writer: &mut ChunkWriter<'_>,
    ) -> Result<()> {
        let request = &running.header.request;
        for ignored in request.selection.iter().flat_map(|selection| &selection.ignored) {
            writer.notice("warning", "not-supported", ignored).await?;
        }
        let filter = Filter::of(running);
        let (deleted, problems) =
            tombstones::overview(&*self.records, &*self.files, running, &filter).await?;
        for text in problems {
            writer.problem("structure", &text).await?;
        }
        let at_once = request.output.supporting_batch_size.unwrap_or(BATCH);
        let mut wave = Wave {
            filter: &filter,
            provenance: SharedProvenance::new(&filter),
            withheld: WithheldTargets::default(),
            deleted,
            walk: Walk::new(self.records.supporting(&BTreeSet::new()).await?.types),
            damaged: Vec::new(),
        };
        let mentioned = references::read(&*self.files, sources, |name| wave.walk.follows(name)).await?;
        for (reference, mention) in mentioned {
            wave.walk.want_mentioned(&reference, mention);
        }
        loop {
            let batch = wave.walk.next(at_once);
            if batch.is_empty() {
                if wave.provenance.choose(&mut wave.walk) {
                    continue;
                }
                break;
            }
            let found = self.records.supporting(&batch).await?;
            wave.report(&batch, &found, writer).await?;
            wave.withheld.read(&*self.records, &filter, &found.lines, &wave.walk).await?;
            for found in found.lines {
                wave.resource(&found, writer).await?;
            }
            wave.provenance.look_up(&*self.records, &mut wave.walk).await?;
        }
        if let Some(text) = wave.provenance.misplaced(&*self.records).await? {
            writer.warning("business-rule", &text).await?;
        }
        for reason in wave.walk.passed_over() {
            writer.decided(Decision::LeaveOut(reason));
        }
        Ok(())
    }
}

/// Returns the problem of a resource of `shared/` that may belong to another patient.
fn belongs_to_patient(reference: &str) -> String {
    format!(
        "an exported resource refers to {reference}, which is in shared/ although it may belong to a patient, so it is not exported: put it into the directory of that patient"
    )
}

/// Returns the problem of a resource whose versions are too large to be compared.
fn too_many_versions(reference: &str) -> String {
    format!(
        "an exported resource refers to {reference}. Its versions in shared/ are together too large to compare their labels, so it is not exported: remove the earlier versions"
    )
}

/// The state while references are followed.
struct Wave<'f> {
    filter: &'f Filter<'f>,
    provenance: SharedProvenance,
    withheld: WithheldTargets,
    /// The deletions that the chunks of patients may have listed.
    deleted: DeletedKeys,
    walk: Walk,
    /// Damage that was already reported.
    damaged: Vec<Damage>,
}

impl Wave<'_> {
    /// Reports missing resources, and damage that may be the reason.
    async fn report(
        &mut self,
        batch: &BTreeSet<String>,
        found: &Supporting,
        writer: &mut ChunkWriter<'_>,
    ) -> Result<()> {
        self.provenance.set_counts(found.provenance);
        for damage in &found.damaged {
            // Every call returns all damage that is known.
            if !self.damaged.contains(damage) {
                writer.problem("structure", &damage.to_string()).await?;
                self.damaged.push(damage.clone());
            }
        }
        let there: HashSet<&str> = found.lines.iter().map(|line| line.reference.as_str()).collect();
        for missing in batch.iter().filter(|reference| !there.contains(reference.as_str())) {
            if self.walk.is_missed(missing) && self.filter.wants(missing) {
                let text =
                    format!("an exported resource refers to {missing}, which is not in the record store");
                writer.problem("not-found", &text).await?;
            }
        }
        Ok(())
    }

    /// Returns the refusal of access to an earlier version, which refuses access to the resource.
    fn refusal_of_earlier(&self, found: &SharedLine) -> Option<Refusal> {
        found.earlier.iter().find_map(|line| {
            let mut plain = Plain::default();
            let version = self.filter.read(line, &mut plain).ok()?;
            self.filter.refusal_of_version(&version)
        })
    }

    /// Decides on a resource, writes it, and notes its references.
    async fn resource(&mut self, found: &SharedLine, writer: &mut ChunkWriter<'_>) -> Result<()> {
        let Some(by) = self.walk.referred_by(&found.reference) else { return Ok(()) };
        if !self.walk.was_passed_over(&found.reference) {
            let resources = &mut writer.ledger().resources;
            resources.read += 1 + found.duplicates;
            resources.duplicates += found.duplicates;
        }
        let mut plain = Plain::default();
        let resource = match self.filter.read(&found.line, &mut plain) {
            Ok(resource) => resource,
            Err(problem) => return writer.unusable(&format!("{}: {problem}", found.reference)).await,
        };
        if !found.is_whole && self.filter.refuses_by_label() {
            self.walk.settle(found, &Verdict::Unreadable);
            return writer.unusable(&too_many_versions(&found.reference)).await;
        }
        let judgement = self.filter.judge(&resource, Origin::Shared(by));
        let mut verdict = match self.refusal_of_earlier(found) {
            Some(refused) => self.filter.refuse_versions(judgement, refused).verdict,
            None => judgement.verdict,
        };
        let is_of_other = found.is_of_patient && resource.head.resource_type != "Provenance";
        if let (true, Verdict::PassOver(reason)) = (is_of_other, &verdict) {
            verdict = Verdict::LeaveOut(*reason);
        } else if is_of_other && verdict.decision() == Decision::Keep {
            self.walk.settle(found, &Verdict::Unreadable);
            return writer.unusable(&belongs_to_patient(&found.reference)).await;
        }
        verdict = self.withheld.verdict(found, verdict);
        if !self.provenance.is_asked_for(&verdict, found, by, &self.walk) {
            self.walk.set_aside(&found.reference);
            return Ok(());
        }
        if let Some(problem) = self.withheld.problem(&found.reference).filter(|_| verdict.follows().is_some())
        {
            self.walk.settle(found, &Verdict::Unreadable);
            return writer.unusable(&problem).await;
        }
        self.walk.settle(found, &verdict);
        self.provenance.follow(&found.reference, &verdict);
        match &verdict {
            Verdict::Unreadable => {
                return writer.unusable(&format!("{}: {UNREADABLE_LABEL}", found.reference)).await;
            }
            // Passed-over resources are counted at the end, because a later wave may export them.
            Verdict::PassOver(_) => return Ok(()),
            verdict => writer.decided(verdict.decision()),
        }
        let Some(line) = verdict.exported(&found.line) else { return Ok(()) };
        if self.deleted.may_have(&found.reference) {
            writer.exists(&found.reference);
        }
        write(&found.reference, &line, writer).await
    }
}

/// Writes a resource without the documents that only its own record store has.
async fn write(reference: &str, line: &[u8], writer: &mut ChunkWriter<'_>) -> Result<()> {
    let (resource_type, id) = reference.split_once('/').unwrap_or((reference, ""));
    let (line, unserved) = without_documents(line, resource_type, id, writer.base_url());
    for text in unserved {
        writer.problem("not-found", &text).await?;
    }
    writer.flush_existing().await?;
    writer.resource(resource_type, &line).await
}
