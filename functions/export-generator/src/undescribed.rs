//! Documents that nothing of the record refers to: whether they are exported, and the DocumentReference that lists them.
//!
//! That DocumentReference stands for all of a patient's documents of this kind. It changed when one of them did, so that a
//! client that comes again with `_since` gets the new document, and no list from which the others are missing.

use domain::choices::Choices;
use domain::chunk::Purpose;
use domain::error::Result;
use domain::filter::Decision;
use domain::ledger::Reason;
use domain::selector::Verdict;
use fhir::attachments::{Target, document_reference};
use fhir::instant;

use crate::collect::Collector;
use crate::documents::{Kept, PatientDocuments};
use crate::inline::{Inlined, Line, put};
use crate::stored::Written;

/// What is decided on documents that nothing refers to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unreferenced {
    /// On Binaries.
    pub(crate) binaries: Decision,
    /// On files.
    pub(crate) files: Decision,
}

impl PatientDocuments<'_> {
    /// Decides on the documents that nothing refers to. `ignore_since` keeps them however long ago they changed.
    pub(crate) fn unreferenced(&self, collector: &Collector<'_>, ignore_since: bool) -> Unreferenced {
        let binaries = self.changed.iter().map(|(id, changed)| (Target::Binary(id.clone()), *changed));
        let files = self.parts.iter().map(|part| {
            let changed = part.changed.map(jiff::Timestamp::as_microsecond);
            (Target::File(part.name.clone()), changed)
        });
        let changes: Option<Vec<i64>> = binaries
            .chain(files)
            .filter(|(target, _)| !self.is_referred_to(target))
            .map(|(_, changed)| changed)
            .collect();
        // What does not say when it changed counts as changed.
        let changed = changes.and_then(|changes| changes.into_iter().max());
        let made = |chosen: fn(&Choices) -> bool| {
            if !collector.choices.is_none_or(chosen) {
                return Decision::LeaveOut(Reason::FormGroup);
            }
            let verdict = collector
                .selector
                .map(|selector| selector.judge_made("DocumentReference", changed, ignore_since));
            match verdict {
                Some(Verdict::LeaveOut(reason)) => Decision::LeaveOut(reason),
                Some(Verdict::Keep) | None => Decision::Keep,
            }
        };
        Unreferenced { binaries: made(Choices::keeps_medical_record), files: made(Choices::keeps_files) }
    }

    /// One DocumentReference for what nothing of the record describes. Clients that read nothing but DocumentReferences
    /// get there what other types refer to as well.
    pub(crate) async fn describe(
        &self,
        kept: &Kept,
        inlined: &mut Inlined,
        collector: &mut Collector<'_>,
    ) -> Result<()> {
        let described =
            if collector.one_document_per_file() { &self.claimed_by_documents } else { &self.claimed };
        let mut documents: Vec<(&Target, &Written)> =
            kept.iter().filter(|(target, _)| !described.contains(target)).collect();
        if documents.is_empty() {
            return Ok(());
        }
        documents.sort_by(|(_, one), (_, other)| one.document.url.cmp(&other.document.url));
        let id = format!("documents-{}", &crypto::fingerprint(self.patient.as_str())[..16]);
        let listed: Vec<_> = documents.iter().map(|(_, written)| written.document.clone()).collect();
        let mut resource = document_reference(
            &id,
            Some(self.patient.as_str()),
            "Documents of the record that are not FHIR resources",
            &instant(collector.transaction_time),
            &listed,
        );
        let mut room = Line::new(collector.inline_attachments_bytes(), resource.to_string().len());
        for (index, (target, written)) in documents.into_iter().enumerate() {
            match written.inline(&mut room, collector).await? {
                Some(data) => {
                    put(&mut resource["content"][index]["attachment"], data);
                    inlined.inside(target);
                }
                None => inlined.linked(target),
            }
        }
        let line = resource.to_string();
        collector.account.ledger.resources.made += 1;
        collector.emit(Purpose::Documents, "DocumentReference", line.as_bytes()).await
    }
}
