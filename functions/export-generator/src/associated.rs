//! Exports the Provenance of a patient's resources, and AuditEvents about them. They are held until the whole patient is
//! read, because the resources that they are about may follow them in the record:
//!
//! - With `includeAssociatedData` (Bulk Data 3.0), Provenance is exported only with its targets.
//! - With the choices of a form, or if private topics are withheld, Provenance and AuditEvents about a withheld resource are
//!   withheld as well: their agents are the clinics and clinicians whose names can reveal what was withheld.

use std::collections::{HashMap, HashSet};

use domain::decision::Decision;
use domain::error::Result;
use domain::filter::{Filter, Origin, Refusal, Resource, Verdict};
use domain::ledger::Reason;
use domain::ports::files::Files;
use domain::selection::Provenance;
use fhir::head::{Plain, head};
use fhir::references::{parse, subject_values, target_values};

use crate::document_references::DocumentReferences;
use crate::provenance::recorded;
use crate::spool::{Held, Spool};
use crate::writer::{ChunkWriter, TOO_LONG};

/// The exported resources of one patient, and the lines that are held. It stays empty if no line is held.
pub(crate) struct Associated {
    /// Whether only Provenance of exported resources is exported.
    of_exported: bool,
    /// Whether Provenance and AuditEvents of withheld resources are withheld.
    not_of_withheld: bool,
    /// The references `Type/id`, about 80 bytes each.
    exported: HashSet<String>,
    held: Spool,
}

impl Associated {
    pub(crate) fn new(filter: &Filter<'_>) -> Self {
        Self {
            of_exported: filter.provenance() != Provenance::All,
            not_of_withheld: filter.withholds_documents(),
            exported: HashSet::new(),
            held: Spool::default(),
        }
    }

    /// Returns whether the references of exported resources are needed.
    pub(crate) fn needs_exported(&self) -> bool {
        self.of_exported
    }

    /// Returns whether a line with this verdict is held.
    pub(crate) fn holds(&self, resource_type: &str, verdict: &Verdict) -> bool {
        // The references of a line that was not chosen are followed as well.
        let is_of_withheld = self.not_of_withheld
            && matches!(resource_type, "Provenance" | "AuditEvent")
            && verdict.follows().is_some();
        is_of_withheld || (self.of_exported && is_exported_provenance(resource_type, verdict))
    }

    pub(crate) fn exported(&mut self, reference: &str) {
        if self.needs_exported() {
            self.exported.insert(reference.to_owned());
        }
    }

    pub(crate) async fn hold(&mut self, line: &[u8], key: String, files: &dyn Files) -> Result<()> {
        self.held.push(line, || key, files).await
    }

    /// Writes the held lines that the rules export. `references` are those of the whole patient, and `origin` is that of its lines.
    pub(crate) async fn write(
        &mut self,
        (filter, origin): (&Filter<'_>, Origin),
        references: &mut DocumentReferences<'_>,
        writer: &mut ChunkWriter<'_>,
    ) -> Result<()> {
        let exported = std::mem::take(&mut self.exported);
        if self.held.is_empty() {
            return Ok(());
        }
        let held = std::mem::take(&mut self.held).finish().await?;
        if self.not_of_withheld {
            withhold(&held, references, writer).await?;
        }
        let decider = Decider {
            filter,
            origin,
            references: self.not_of_withheld.then_some(&*references),
            exported: self.of_exported.then_some(&exported),
        };
        let latest = match filter.provenance() {
            Provenance::Latest => Some(decider.latest(&held, writer).await?),
            _ => None,
        };
        let (mut lines, mut number) = (held.lines(writer.files()).await?, 0);
        while let Some(line) = lines.next().await? {
            let Some(text) = line.text else {
                writer.unusable(TOO_LONG).await?;
                continue;
            };
            let is_latest = latest.as_ref().is_none_or(|latest| latest.contains(&number));
            number += 1;
            decider.write(text, is_latest, writer).await?;
        }
        held.remove(writer.files()).await
    }
}

fn is_exported_provenance(resource_type: &str, verdict: &Verdict) -> bool {
    resource_type == "Provenance" && verdict.decision() == Decision::Keep
}

/// Decides on the held lines of a patient.
struct Decider<'d, 'f> {
    filter: &'d Filter<'f>,
    origin: Origin,
    /// `None` if lines about withheld resources are not withheld.
    references: Option<&'d DocumentReferences<'d>>,
    /// The exported resources; `None` if Provenance is exported without its targets as well.
    exported: Option<&'d HashSet<String>>,
}

impl Decider<'_, '_> {
    /// Returns the exported resources that a Provenance has as its targets, if it may be exported.
    fn about(&self, resource: &Resource<'_>, verdict: &Verdict) -> Vec<String> {
        let (mut about, text) = (Vec::new(), resource.head.text);
        let Some(exported) = self.exported else { return about };
        if is_exported_provenance(resource.head.resource_type, verdict)
            && self.by_claims(text) == Decision::Keep
        {
            target_values(text, |target| {
                let named = parse(target).map(|reference| reference.text);
                about.extend(named.filter(|named| exported.contains(*named)).map(str::to_owned));
            });
        }
        about
    }

    fn by_claims(&self, text: &[u8]) -> Decision {
        self.references.map_or(Decision::Keep, |references| decide(text, references))
    }

    /// Returns the numbers of the lines with the latest Provenance of each target. The lines are not kept in memory, because
    /// some systems record one for every change of every resource.
    async fn latest(&self, held: &Held, writer: &ChunkWriter<'_>) -> Result<HashSet<usize>> {
        let mut latest = HashMap::new();
        let (mut lines, mut number) = (held.lines(writer.files()).await?, 0);
        while let Some(line) = lines.next().await? {
            let Some(text) = line.text else { continue };
            let mut plain = Plain::default();
            if let Ok(resource) = self.filter.read(text, &mut plain) {
                let verdict = self.filter.judge(&resource, self.origin).verdict;
                let found = (recorded(resource.head.text), number);
                for target in self.about(&resource, &verdict) {
                    let known = latest.entry(target).or_insert(found);
                    if known.0 < found.0 {
                        *known = found;
                    }
                }
            }
            number += 1;
        }
        Ok(latest.into_values().map(|(_, number)| number).collect())
    }

    /// Writes a held line if it is exported. Its references are followed as if it had not been held.
    async fn write(&self, line: &[u8], is_latest: bool, writer: &mut ChunkWriter<'_>) -> Result<()> {
        let mut plain = Plain::default();
        // The filter has judged the line before. It judges it again, to remove what `_elements` does not name.
        let Ok(resource) = self.filter.read(line, &mut plain) else { return Ok(()) };
        let verdict = self.filter.judge(&resource, self.origin).verdict;
        let (text, resource_type) = (resource.head.text, resource.head.resource_type);
        let needs_target = self.exported.is_some() && is_exported_provenance(resource_type, &verdict);
        let lacks_target = needs_target && (!is_latest || self.about(&resource, &verdict).is_empty());
        let decision = match self.by_claims(text) {
            Decision::Keep if lacks_target => Decision::LeaveOut(Reason::Provenance),
            decision => decision,
        };
        if decision != Decision::Keep {
            // A line that was not chosen is counted already.
            if verdict.decision() == Decision::Keep {
                writer.decided(decision);
            }
            return Ok(());
        }
        if let Some(by) = verdict.follows().filter(|_| self.filter.follows_references()) {
            writer.collect_references(text, by);
        }
        let Some(line) = verdict.exported(line) else { return Ok(()) };
        if let Some(days) = resource.days() {
            writer.dated(resource_type, days);
        }
        writer.resource(resource_type, &line).await
    }
}

/// Withholds the lines about withheld resources: also a Provenance of a withheld Provenance, in any order.
async fn withhold(
    held: &Held,
    references: &mut DocumentReferences<'_>,
    writer: &ChunkWriter<'_>,
) -> Result<()> {
    let mut has_changed = true;
    while std::mem::take(&mut has_changed) {
        let mut lines = held.lines(writer.files()).await?;
        while let Some(line) = lines.next().await? {
            let mut plain = Plain::default();
            let Some(Ok(head)) = line.text.map(|text| head(text, &mut plain)) else { continue };
            let category = match decide(head.text, references) {
                Decision::Keep => continue,
                Decision::Withhold(category) => Some(category),
                _ => None,
            };
            has_changed |= references.refuse_more(head.resource_type, head.id, Refusal { category });
        }
    }
    Ok(())
}

/// Decides by the withheld resources on a Provenance or an AuditEvent.
fn decide(text: &[u8], references: &DocumentReferences<'_>) -> Decision {
    let mut decision = Decision::Keep;
    subject_values(text, |subject| {
        let Some(Refusal { category }) = parse(subject).and_then(|reference| references.refusal(reference))
        else {
            return;
        };
        match category {
            Some(category) => decision = Decision::Withhold(category),
            None if decision == Decision::Keep => decision = Decision::LeaveOut(Reason::Provenance),
            None => {}
        }
    });
    decision
}
