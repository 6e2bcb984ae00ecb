//! Resources of `shared/` that an export of patients takes along: Practitioner, Organization, Location, Medication and
//! so on, each once.
//!
//! One rule for EHI exports and for bulk exports of patients and groups (contract, sections 1 and 2):
//!
//! 1. A resource of `shared/` is exported when an exported resource refers to it and the filter lets it through:
//!    `_type`, `_typeFilter`, tags, scopes and `_until`, or the choices of the form. `_since` does not matter: what is
//!    exported must not refer to what the client never got.
//! 2. It is also exported when only resources refer to it that *`_since` alone* left out, if it changed since then
//!    itself. A practitioner who moved is part of tonight's update, whether or not an encounter changed. What does not
//!    say when it changed counts as changed, as everywhere.
//! 3. In an EHI export Practitioner and Organization are exported *always*: also when only resources refer to them that
//!    a choice of the form left out. It does not mean those of the whole lake, which do not belong to the patient's
//!    record; and nothing follows from what is withheld, or would be if it had been chosen, because the name of a clinic
//!    can say what was withheld.
//! 4. References are those of the resource as it is stored, before `_elements` cuts it. They are followed from exported
//!    resources, and, for the second and third case only, from those that were left out as said there. Nothing is
//!    followed from a resource that is not exported for another reason: with `_type=Observation,Organization` the
//!    organization of a practitioner is not exported.
//!
//! 5. Provenance of `shared/` is exported with the resource of `shared/` that it is about, where the filter lets it
//!    through: with `_since` whatever its age, as the resource itself. Of what `_since` alone left out Provenance goes
//!    that changed since then, where all Provenance is asked for (no `includeAssociatedData`); otherwise none, because
//!    what it is about is not exported. With `LatestProvenanceResources` the one goes that was recorded last, for each
//!    exported resource, among those that the filter lets through. Provenance about what a choice of the form left out
//!    is not exported. What a Provenance is about does not come because of it: who wrote it does.
//! 6. Provenance of `shared/` that names a patient's resource, alone or among others, is not exported. Nobody knows at
//!    the end of an export of ten million patients which of their resources were exported, and the Provenance would tell
//!    one patient of another. How many there are is reported, because they belong in the patients' directories.
//!
//! The result does not depend on the order in which references are followed: what was left out at first is looked at
//! again when an exported resource turns out to refer to it.

use std::borrow::Cow;
use std::collections::HashSet;

use domain::choices::{Choices, Sensitive};
use domain::chunk::{Chunk, ChunkResult, Purpose};
use domain::error::Result;
use domain::filter::Decision;
use domain::ledger::Reason;
use domain::pack::Location;
use domain::selector::{Selector, Verdict};
use domain::states::Running;
use fhir::facts::Facts;
use fhir::head::{NotAResource, Plain, head, head_and_facts, head_and_members};
use fhir::outcome::outcome as problem;

use crate::Generator;
use crate::account::Account;
use crate::collect::UNREADABLE_LABEL;
use crate::outputs::Outputs;
use crate::provenance::OfShared;
use crate::references::{self, ReferredBy};
use crate::unserved::without_documents;
use crate::walk::Walk;

/// Resources fetched at once.
const BATCH: usize = 200;

/// What becomes of a resource of `shared/`.
pub(crate) enum Outcome<'l> {
    /// It is exported, as this line.
    Export {
        resource_type: &'l str,
        line: Cow<'l, [u8]>,
    },
    /// It is left out, but what it refers to may be exported.
    PassOver(Reason),
    /// It is a Provenance that goes along with nothing that is exported, as far as is known.
    NotAskedFor,
    LeaveOut(Reason),
    Withhold(Sensitive),
    /// It has a label that cannot be read.
    Unreadable,
}

/// Who decides on resources of `shared/`.
pub(crate) enum Filter<'f> {
    Everything,
    Choices(&'f Choices),
    Selection(Selector<'f>),
}

impl<'f> Filter<'f> {
    pub(crate) fn of(running: &'f Running) -> Self {
        let request = &running.header.request;
        match (&request.selection, &request.choices) {
            (Some(selection), _) => Self::Selection(Selector::new(selection, running.transaction_time)),
            (None, Some(choices)) => Self::Choices(choices),
            (None, None) => Self::Everything,
        }
    }

    /// Whether resources of the type of a reference may be exported.
    pub(crate) fn wants(&self, reference: &str) -> bool {
        match self {
            Self::Everything | Self::Choices(_) => true,
            Self::Selection(selector) => {
                reference.split('/').next().is_some_and(|name| selector.selection().wants(name))
            }
        }
    }

    /// Decides on a line.
    fn judge<'l>(
        &self,
        line: &'l [u8],
        plain: &'l mut Plain,
        by: ReferredBy,
    ) -> Result<Outcome<'l>, NotAResource> {
        match self {
            Self::Everything => {
                let head = head(line, plain)?;
                Ok(Outcome::Export { resource_type: head.resource_type, line: line.into() })
            }
            Self::Choices(choices) => {
                let (head, facts) = head_and_facts(line, plain)?;
                Ok(match decide(choices, &facts, by) {
                    Decision::Keep => {
                        Outcome::Export { resource_type: head.resource_type, line: line.into() }
                    }
                    Decision::Withhold(category) => Outcome::Withhold(category),
                    Decision::Unreadable => Outcome::Unreadable,
                    Decision::LeaveOut(reason) if is_passed_over(choices, &facts) => {
                        Outcome::PassOver(reason)
                    }
                    Decision::LeaveOut(reason) => Outcome::LeaveOut(reason),
                })
            }
            Self::Selection(selector) => {
                let (head, members) = head_and_members(line, plain)?;
                let resource_type = head.resource_type;
                let ignore_since = by == ReferredBy::Exported;
                Ok(match selector.judge(head.text, resource_type, &members, ignore_since) {
                    Verdict::Keep => {
                        let cut = selector.cut(head.text, resource_type, &members);
                        let line = cut.map_or(Cow::Borrowed(line), Cow::Owned);
                        Outcome::Export { resource_type, line }
                    }
                    Verdict::LeaveOut(Reason::Since) => Outcome::PassOver(Reason::Since),
                    Verdict::LeaveOut(reason) => Outcome::LeaveOut(reason),
                })
            }
        }
    }
}

fn decide(choices: &Choices, facts: &Facts<'_>, by: ReferredBy) -> Decision {
    match by {
        ReferredBy::LeftOut if !Choices::always_keep(facts.resource_type) => {
            Decision::LeaveOut(Reason::Unreferenced)
        }
        ReferredBy::LeftOut | ReferredBy::Exported => choices.decide(facts),
    }
}

/// Whether what a resource refers to may be exported although a choice of the form left the resource out: unless it
/// would have been withheld otherwise.
pub(crate) fn is_passed_over(choices: &Choices, facts: &Facts<'_>) -> bool {
    choices.unless_sensitive(facts) == Decision::Keep
}

impl Generator {
    /// Runs the supporting chunk of a job whose other chunks are done. `references` are the files with what those refer to.
    pub(crate) async fn run_supporting(
        &self,
        running: &Running,
        chunk: &Chunk,
        references: &[Location],
    ) -> Result<()> {
        let id = &running.header.id;
        let attempt = self.random.attempt();
        let prefix = domain::chunk::attempt_prefix(id, chunk.id, &attempt);
        let mut outputs = Outputs::new(&*self.files, prefix.clone(), &running.header.request.output);
        let collected = match self.collect_supporting(running, references, &mut outputs).await {
            Ok(account) => account.finish(outputs).await,
            Err(error) => Err(error),
        };
        let (written, ledger) = match collected {
            Ok(collected) => collected,
            Err(error) => return self.abandon(&prefix, error).await,
        };
        let result = ChunkResult {
            attempt,
            files: written.files,
            ledger: Some(ledger),
            references: None,
            attachments: written.attachments,
            bytes_read: 0,
        };
        if !self.jobs.finish_chunk(id, chunk, &result, None).await?.recorded {
            self.files.remove_prefix(&prefix).await?;
        }
        Ok(())
    }

    /// Whether there is Provenance to report of a job whose resources refer to nothing in `shared/`.
    pub(crate) async fn has_misplaced_provenance(&self, running: &Running) -> Result<bool> {
        let provenance = OfShared::new(&Filter::of(running));
        Ok(provenance.misplaced(&*self.records).await?.is_some())
    }

    /// Fetches what is referred to, wave by wave.
    async fn collect_supporting(
        &self,
        running: &Running,
        sources: &[Location],
        outputs: &mut Outputs<'_>,
    ) -> Result<Account> {
        let mut account = Account::default();
        let request = &running.header.request;
        for ignored in request.selection.iter().flat_map(|selection| &selection.ignored) {
            let line = problem("warning", "not-supported", ignored).to_string();
            outputs.write(Purpose::Error, "OperationOutcome", line.as_bytes()).await?;
        }
        for text in self.tombstone_problems(running).await? {
            account.problem(outputs, "structure", &text).await?;
        }
        let filter = Filter::of(running);
        let at_once = request.output.supporting_batch_size.unwrap_or(BATCH);
        let mut provenance = OfShared::new(&filter);
        let mut walk = Walk::default();
        for (reference, by) in references::read(&*self.files, sources).await? {
            walk.want(&reference, by);
        }
        let mut damaged = Vec::new();
        loop {
            let batch = walk.next(at_once);
            if batch.is_empty() {
                if provenance.choose(&mut walk) {
                    continue;
                }
                if let Some(text) = provenance.misplaced(&*self.records).await? {
                    account.warning(outputs, "business-rule", &text).await?;
                }
                walk.end(&mut account);
                return Ok(account);
            }
            let found = self.records.supporting(&batch).await?;
            provenance.see(found.provenance);
            for damage in found.damaged {
                // Every call names all of them.
                if !damaged.contains(&damage) {
                    account.problem(outputs, "structure", &damage.to_string()).await?;
                    damaged.push(damage);
                }
            }
            let there: HashSet<&str> = found.lines.iter().map(|line| line.reference.as_str()).collect();
            for missing in batch.iter().filter(|reference| !there.contains(reference.as_str())) {
                if walk.referred_by(missing) == Some(ReferredBy::Exported) && filter.wants(missing) {
                    let text =
                        format!("an exported resource refers to {missing}, which is not in the record store");
                    account.problem(outputs, "not-found", &text).await?;
                }
            }
            for found in found.lines {
                let Some(by) = walk.referred_by(&found.reference) else { continue };
                if !walk.was_passed_over(&found.reference) {
                    account.ledger.resources.read += 1 + found.duplicates;
                    account.ledger.resources.duplicates += found.duplicates;
                }
                let mut plain = Plain::default();
                let outcome = match filter.judge(&found.line, &mut plain, by) {
                    Ok(outcome) => provenance.narrow(outcome, &found, by, &walk),
                    Err(problem) => {
                        let text = format!("{}: {problem}", found.reference);
                        account.unusable(outputs, "structure", &text).await?;
                        continue;
                    }
                };
                walk.settle(&found, &outcome);
                provenance.follow(&found.reference, &outcome);
                match outcome {
                    Outcome::Export { resource_type, line } => {
                        let id = found.reference.rsplit('/').next().unwrap_or_default();
                        let base_url = &self.settings.base_url;
                        let (line, unserved) = without_documents(&line, resource_type, id, base_url);
                        for text in unserved {
                            account.problem(outputs, "not-found", &text).await?;
                        }
                        outputs.write(Purpose::Output, resource_type, &line).await?;
                    }
                    Outcome::Unreadable => {
                        let text = format!("{}: {UNREADABLE_LABEL}", found.reference);
                        account.unusable(outputs, "structure", &text).await?;
                    }
                    Outcome::Withhold(category) => account.decided(Decision::Withhold(category)),
                    Outcome::LeaveOut(reason) => account.decided(Decision::LeaveOut(reason)),
                    // Counted at the end, when nothing can change it.
                    Outcome::PassOver(_) | Outcome::NotAskedFor => {}
                }
            }
            provenance.want(&*self.records, &mut walk).await?;
        }
    }
}
