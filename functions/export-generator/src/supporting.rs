//! Fetches the resources of `shared/` that an export of patients includes: Practitioner, Organization, Location,
//! Medication and so on, each once, by the rule in [`domain::filter`]. They are fetched in waves.
//!
//! The references are divided into shards ([`crate::walk::shards`]). When the time of an invocation ends, it writes a checkpoint, and the
//! rest of the work becomes a chunk that continues there. So each invocation has bounded time and memory, and what it exported is recorded
//! with its part of the chunk, once.

use std::collections::{BTreeSet, HashSet};

use domain::chunk::{Chunk, ChunkResult, Work};
use domain::decision::Decision;
use domain::error::Result;
use domain::filter::{Filter, Origin, Refusal, Verdict};
use domain::pack::Location;
use domain::ports::jobs::{DoneChunk, Finished};
use domain::ports::queue::Deadline;
use domain::ports::records::{SharedLine, Supporting};
use domain::states::Running;
use fhir::head::Plain;

use crate::deleted_keys::DeletedKeys;
use crate::provenance::{self, SharedProvenance};
use crate::unserved::without_documents;
use crate::walk::shards::{Checkpoint, Shards, Step};
use crate::walk::{PassedOver, Walk};
use crate::withheld_targets::WithheldTargets;
use crate::writer::{ChunkWriter, UNREADABLE_LABEL};
use crate::{Generator, tombstones};

/// The number of resources that are fetched at once.
const BATCH: usize = 200;

/// The outcome of an invocation of the supporting chunk.
pub(crate) enum Followed {
    /// All references were followed. The flag says whether other chunks may have listed an exported resource as deleted.
    All { has_existing: bool },
    /// The rest is a chunk of its own.
    Part,
    /// Another task has recorded the same chunk, and goes on.
    Elsewhere,
}

impl Generator {
    /// Runs the supporting chunk of a job whose other chunks are done, or the rest of it. `sources` are the files with the references of
    /// those chunks.
    pub(crate) async fn run_supporting(
        &self,
        running: &Running,
        chunk: &Chunk,
        sources: &[Location],
        deadline: &dyn Deadline,
    ) -> Result<Followed> {
        let id = &running.header.id;
        let attempt = self.random.attempt();
        let prefix = domain::chunk::attempt_prefix(id, chunk.id, &attempt);
        let mut writer = ChunkWriter::new(&*self.files, &self.settings, running, chunk.id, attempt);
        let collected = match self.follow(running, chunk, sources, &mut writer, deadline).await {
            Ok(rest) => writer.finish().await.map(|result| (result, rest)),
            Err(error) => Err(error),
        };
        let (result, rest) = match collected {
            Ok(collected) => collected,
            Err(error) => return self.discard_attempt(&prefix, error).await.map(|()| Followed::Elsewhere),
        };
        let rest = rest.map(|from| Chunk::new(chunk.id.rest(), Work::Follow { from }, 0));
        let done = DoneChunk { chunk, result: &result, rest: rest.as_ref(), at: self.clock.now() };
        let Finished { recorded, .. } = self.jobs.finish_chunk(id, done).await?;
        if !recorded {
            self.files.remove_prefix(&prefix).await?;
            return Ok(Followed::Elsewhere);
        }
        let ChunkResult { existing, .. } = result;
        Ok(if rest.is_some() { Followed::Part } else { Followed::All { has_existing: existing.is_some() } })
    }

    /// Returns whether the job must report Provenance, although its resources refer to nothing in `shared/`.
    pub(crate) async fn has_misplaced_provenance(&self, running: &Running) -> Result<bool> {
        if !provenance::is_wanted(&Filter::of(running)) {
            return Ok(false);
        }
        let counts = self.records.supporting(&BTreeSet::new()).await?.provenance;
        Ok(provenance::misplaced(counts).is_some())
    }

    /// Fetches the referenced resources, wave by wave. Returns the key of the checkpoint at which the next invocation continues; `None` if
    /// all references were followed.
    async fn follow(
        &self,
        running: &Running,
        chunk: &Chunk,
        sources: &[Location],
        writer: &mut ChunkWriter<'_>,
        deadline: &dyn Deadline,
    ) -> Result<Option<String>> {
        let filter = Filter::of(running);
        let (deleted, problems) =
            tombstones::overview(&*self.records, &*self.files, running, &filter).await?;
        let checkpoint = match &chunk.work {
            Work::Follow { from } => Checkpoint::read(&*self.files, from).await?,
            _ => {
                report_request(running, problems, writer).await?;
                Checkpoint::beginning(sources)
            }
        };
        let at_once = running.header.request.output.supporting_batch_size.unwrap_or(BATCH);
        let Supporting { types, provenance, .. } = self.records.supporting(&BTreeSet::new()).await?;
        let mut wave = Wave {
            filter: &filter,
            provenance: SharedProvenance::new(&filter, provenance),
            withheld: WithheldTargets::new(self.sizes.targets),
            deleted,
            damaged: checkpoint.damaged.iter().cloned().collect(),
            at_once,
        };
        let prefix = writer.shards_prefix();
        let mut shards = Shards::open(&*self.files, prefix, self.sizes.shards, checkpoint, types).await?;
        loop {
            match shards.next(wave.at_once.min(at_once)).await? {
                Step::Read => {}
                Step::Fetch(batch) => self.fetch(&batch, &mut wave, &mut shards.walk, writer).await?,
                Step::Done => break,
            }
            shards.bound().await?;
            if deadline.is_near(self.clock.now()) {
                let damaged = wave.damaged.into_iter().collect();
                return shards.checkpoint(damaged).await.map(Some);
            }
        }
        if let Some(text) = wave.provenance.misplaced() {
            writer.warning("business-rule", &text).await?;
        }
        count_passed_over(shards.walk.passed_over(), writer);
        Ok(None)
    }

    /// Fetches resources, and decides on them.
    async fn fetch(
        &self,
        batch: &BTreeSet<String>,
        wave: &mut Wave<'_>,
        walk: &mut Walk,
        writer: &mut ChunkWriter<'_>,
    ) -> Result<()> {
        let found = self.records.supporting(batch).await?;
        wave.report(batch, &found, walk, writer).await?;
        let count = wave.withheld.read(&*self.records, wave.filter, &found.lines, walk).await?;
        let (lines, rest) = found.lines.split_at(count);
        for found in lines {
            wave.resource(found, walk, writer).await?;
        }
        for found in rest {
            walk.put_back(&found.reference);
        }
        // The next step fetches about as many as can be read.
        wave.at_once = if rest.is_empty() { wave.at_once.saturating_mul(2) } else { count.max(1) };
        wave.provenance.look_up(&*self.records, walk).await
    }
}

/// Reports what is wrong with the request and with the lists of deletions, once for the export.
async fn report_request(
    running: &Running,
    problems: Vec<String>,
    writer: &mut ChunkWriter<'_>,
) -> Result<()> {
    for ignored in running.header.request.selection.iter().flat_map(|selection| &selection.ignored) {
        writer.notice("warning", "not-supported", ignored).await?;
    }
    for text in problems {
        writer.problem("structure", &text).await?;
    }
    Ok(())
}

/// Counts the resources that stay passed over. They are counted at the end, because a later wave may export them.
fn count_passed_over(passed_over: &PassedOver, writer: &mut ChunkWriter<'_>) {
    let resources = &mut writer.ledger().resources;
    for (reason, count) in &passed_over.by_reason {
        resources.read += count;
        resources.left_out.add(*reason, *count);
    }
    resources.read += passed_over.duplicates;
    resources.duplicates += passed_over.duplicates;
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

/// The state while references are followed, besides the [`Walk`].
struct Wave<'f> {
    filter: &'f Filter<'f>,
    provenance: SharedProvenance,
    withheld: WithheldTargets,
    /// The deletions that the chunks of patients may have listed.
    deleted: DeletedKeys,
    /// The damaged files that were already reported, each with its problem.
    damaged: BTreeSet<(String, String)>,
    /// The number of resources that the next step fetches, if no more are allowed.
    at_once: usize,
}

impl Wave<'_> {
    /// Reports missing resources, and damage that may be the reason.
    async fn report(
        &mut self,
        batch: &BTreeSet<String>,
        found: &Supporting,
        walk: &Walk,
        writer: &mut ChunkWriter<'_>,
    ) -> Result<()> {
        for damage in &found.damaged {
            // Every call returns all damage that is known.
            if self.damaged.insert((damage.file.clone(), damage.problem.clone())) {
                writer.problem("structure", &damage.to_string()).await?;
            }
        }
        let there: HashSet<&str> = found.lines.iter().map(|line| line.reference.as_str()).collect();
        for missing in batch.iter().filter(|reference| !there.contains(reference.as_str())) {
            if walk.is_missed(missing) && self.filter.wants(missing) {
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
    async fn resource(
        &mut self,
        found: &SharedLine,
        walk: &mut Walk,
        writer: &mut ChunkWriter<'_>,
    ) -> Result<()> {
        let verdict = match self.verdict(found, walk) {
            Ok(Some(verdict)) => verdict,
            // Passed-over resources are counted at the end.
            Ok(None) => return Ok(()),
            Err(problem) => {
                walk.settle(found, &Verdict::Unreadable);
                count_read(found, writer);
                return writer.unusable(&problem).await;
            }
        };
        walk.settle(found, &verdict);
        self.provenance.follow(&found.reference, &verdict);
        if let Verdict::PassOver(_) = verdict {
            return Ok(());
        }
        count_read(found, writer);
        writer.decided(verdict.decision());
        let Some(line) = verdict.exported(&found.line) else { return Ok(()) };
        if self.deleted.may_have(&found.reference) {
            writer.exists(&found.reference);
        }
        write(&found.reference, &line, writer).await
    }

    /// Returns the verdict on a resource; `None` if no verdict is needed now, and an error for a problem that is reported.
    fn verdict(&self, found: &SharedLine, walk: &mut Walk) -> Result<Option<Verdict>, String> {
        let Some(by) = walk.referred_by(&found.reference) else {
            self.provenance.compare(found, walk);
            return Ok(None);
        };
        let mut plain = Plain::default();
        let resource = self
            .filter
            .read(&found.line, &mut plain)
            .map_err(|problem| format!("{}: {problem}", found.reference))?;
        if !found.is_whole && self.filter.refuses_by_label() {
            return Err(too_many_versions(&found.reference));
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
            return Err(belongs_to_patient(&found.reference));
        }
        verdict = self.withheld.verdict(found, verdict);
        if !self.provenance.is_asked_for(&verdict, found, by, walk) {
            walk.set_aside(found);
            return Ok(None);
        }
        match self.withheld.problem(&found.reference).filter(|_| verdict.follows().is_some()) {
            Some(problem) => Err(problem),
            None if verdict == Verdict::Unreadable => Err(format!("{}: {UNREADABLE_LABEL}", found.reference)),
            None => Ok(Some(verdict)),
        }
    }
}

/// Counts a resource on which the decision is final, with its other versions.
fn count_read(found: &SharedLine, writer: &mut ChunkWriter<'_>) {
    let resources = &mut writer.ledger().resources;
    resources.read += 1 + found.duplicates;
    resources.duplicates += found.duplicates;
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
