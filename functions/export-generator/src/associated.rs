//! Exports the Provenance of a patient's resources, and AuditEvents about them. They are held until the whole patient is
//! read, because the resources that they are about may follow them in the record:
//!
//! - With `includeAssociatedData` (Bulk Data 3.0), Provenance is exported only with its targets.
//! - With the choices of a form, Provenance and AuditEvents about a withheld resource are withheld as well: their agents are
//!   the clinics and clinicians whose names can reveal what was withheld.

use std::collections::{HashMap, HashSet};

use domain::decision::Decision;
use domain::error::Result;
use domain::filter::{Filter, Origin, Refusal, Verdict};
use domain::ledger::Reason;
use domain::ports::files::Files;
use domain::selection::Provenance;
use fhir::head::{Plain, head};
use fhir::references::{parse, subject_values, target_values};
use fhir::spelling::plainly;

use crate::claims::Claims;
use crate::provenance::recorded;
use crate::spool::{Held, Spool};
use crate::writer::{ChunkWriter, TOO_LONG};

/// The exported resources of one patient, and the lines that are held. It stays empty if no line is held.
#[derive(Default)]
pub(crate) struct Associated {
    rule: Rule,
    /// The references `Type/id`, about 80 bytes each.
    exported: HashSet<String>,
    held: Spool,
}

/// The rule by which a held line is exported.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// No line is held.
    #[default]
    Every,
    /// Provenance of exported resources.
    OfExported,
    /// Provenance and AuditEvents of resources that are not withheld.
    NotOfWithheld,
}

impl Associated {
    pub(crate) fn new(filter: &Filter<'_>) -> Self {
        let rule = match filter {
            _ if filter.provenance() != Provenance::All => Rule::OfExported,
            _ if filter.withholds_documents() => Rule::NotOfWithheld,
            _ => Rule::Every,
        };
        Self { rule, ..Self::default() }
    }

    /// Returns whether the references of exported resources are needed.
    pub(crate) fn needs_exported(&self) -> bool {
        self.rule == Rule::OfExported
    }

    /// Returns whether a line with this verdict is held.
    pub(crate) fn holds(&self, resource_type: &str, verdict: &Verdict) -> bool {
        match self.rule {
            Rule::Every => false,
            Rule::OfExported => resource_type == "Provenance" && verdict.decision() == Decision::Keep,
            // The references of a line that was not chosen are followed as well.
            Rule::NotOfWithheld => {
                matches!(resource_type, "Provenance" | "AuditEvent") && verdict.follows().is_some()
            }
        }
    }

    pub(crate) fn exported(&mut self, reference: &str) {
        if self.needs_exported() {
            self.exported.insert(reference.to_owned());
        }
    }

    pub(crate) async fn hold(&mut self, line: &[u8], key: String, files: &dyn Files) -> Result<()> {
        self.held.push(line, || key, files).await
    }

    /// Writes the held lines that the rule exports. `claims` are those of the whole patient.
    pub(crate) async fn write(
        &mut self,
        filter: &Filter<'_>,
        claims: &mut Claims<'_>,
        writer: &mut ChunkWriter<'_>,
    ) -> Result<()> {
        let exported = std::mem::take(&mut self.exported);
        if self.held.is_empty() {
            return Ok(());
        }
        let held = std::mem::take(&mut self.held).finish().await?;
        if self.rule == Rule::NotOfWithheld {
            withhold(&held, claims, writer).await?;
        }
        let latest = match filter.provenance() {
            Provenance::Latest => Some(latest(&held, &exported, writer).await?),
            _ => None,
        };
        let (mut lines, mut number) = (held.lines(writer.files()).await?, 0);
        while let Some(line) = lines.next().await? {
            let Some(text) = line.text else {
                writer.unusable(TOO_LONG).await?;
                continue;
            };
            let decision = match (self.rule, &latest) {
                (Rule::NotOfWithheld, _) => decide(&plainly(text), claims),
                (_, Some(latest)) if latest.contains(&number) => Decision::Keep,
                (_, None) if !about(&plainly(text), &exported).is_empty() => Decision::Keep,
                _ => Decision::LeaveOut(Reason::Provenance),
            };
            number += 1;
            write_line(text, decision, filter, writer).await?;
        }
        held.remove(writer.files()).await
    }
}

/// Withholds the lines about withheld resources: also a Provenance of a withheld Provenance, in any order.
async fn withhold(held: &Held, claims: &mut Claims<'_>, writer: &ChunkWriter<'_>) -> Result<()> {
    let mut has_changed = true;
    while std::mem::take(&mut has_changed) {
        let mut lines = held.lines(writer.files()).await?;
        while let Some(line) = lines.next().await? {
            let mut plain = Plain::default();
            let Some(Ok(head)) = line.text.map(|text| head(text, &mut plain)) else { continue };
            let category = match decide(head.text, claims) {
                Decision::Keep => continue,
                Decision::Withhold(category) => Some(category),
                _ => None,
            };
            has_changed |= claims.refuse_more(head.resource_type, head.id, Refusal { category });
        }
    }
    Ok(())
}

/// Returns the numbers of the lines with the latest Provenance of each target. The lines are not kept in memory, because
/// some systems record one for every change of every resource.
async fn latest(held: &Held, exported: &HashSet<String>, writer: &ChunkWriter<'_>) -> Result<HashSet<usize>> {
    let mut latest = HashMap::new();
    let (mut lines, mut number) = (held.lines(writer.files()).await?, 0);
    while let Some(line) = lines.next().await? {
        let Some(text) = line.text else { continue };
        let plain = plainly(text);
        let found = (recorded(&plain), number);
        for target in about(&plain, exported) {
            let known = latest.entry(target).or_insert(found);
            if known.0 < found.0 {
                *known = found;
            }
        }
        number += 1;
    }
    Ok(latest.into_values().map(|(_, number)| number).collect())
}

/// Returns the exported resources that a Provenance has as its targets.
fn about(text: &[u8], exported: &HashSet<String>) -> Vec<String> {
    let mut about = Vec::new();
    target_values(text, |target| {
        let named = parse(target).map(|reference| reference.text);
        about.extend(named.filter(|named| exported.contains(*named)).map(str::to_owned));
    });
    about
}

/// Decides by the form's choices on a Provenance or an AuditEvent.
fn decide(text: &[u8], claims: &Claims<'_>) -> Decision {
    let mut decision = Decision::Keep;
    subject_values(text, |subject| {
        let Some(Refusal { category }) = parse(subject).and_then(|reference| claims.refusal(reference))
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

/// Writes a held line if it is exported. Its references are followed as if it had not been held.
async fn write_line(
    line: &[u8],
    decision: Decision,
    filter: &Filter<'_>,
    writer: &mut ChunkWriter<'_>,
) -> Result<()> {
    let mut plain = Plain::default();
    // The filter has judged the line before. It judges it again, to remove what `_elements` does not name.
    let Ok(resource) = filter.read(line, &mut plain) else { return Ok(()) };
    let verdict = filter.judge(&resource, Origin::Patient { ignore_since: true }).verdict;
    if decision != Decision::Keep {
        if verdict.decision() == Decision::Keep {
            writer.decided(decision);
        }
        return Ok(());
    }
    if let Some(by) = verdict.follows().filter(|_| filter.follows_references()) {
        writer.collect_references(resource.head.text, by);
    }
    let Some(line) = verdict.exported(line) else { return Ok(()) };
    if let Some(days) = resource.days() {
        writer.dated(resource.head.resource_type, days);
    }
    writer.resource(resource.head.resource_type, &line).await
}
