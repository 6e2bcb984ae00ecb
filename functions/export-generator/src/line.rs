//! Processes one line: reads it, applies the filter, and writes it, holds it, or leaves it out. Lines of patients and
//! of `shared/` take the same path in every kind of export.

use domain::decision::Decision;
use domain::error::Result;
use domain::filter::{Filter, Judgement, Origin, Refusal, Resource, Verdict};
use domain::ledger::Reason;
use fhir::attachments::{LinkedAttachment, linked_attachments, mentioned};
use fhir::head::Plain;

use crate::associated::Associated;
use crate::documents::PatientDocuments;
use crate::keys::format_key;
use crate::tombstones::Tombstones;
use crate::unserved::without_documents;
use crate::versions::{Reads, TOO_MANY, Version, Versions};
use crate::writer::{ChunkWriter, UNREADABLE_LABEL};

/// One attempt at a chunk: the filter, the writer, the deletions and the Provenance.
pub(crate) struct ChunkExport<'a> {
    pub(crate) filter: &'a Filter<'a>,
    pub(crate) writer: ChunkWriter<'a>,
    pub(crate) tombstones: Tombstones,
    pub(crate) provenance: Associated,
    pub(crate) versions: Versions,
}

/// The filter's decision, and the values it is based on.
struct Judged<'r> {
    resource: &'r Resource<'r>,
    judgement: Judgement,
    /// The reference `Type/id`, if deletions or Provenance need it.
    key: Option<String>,
    is_deleted: bool,
    /// The attachments with URLs of a patient's resource, as it is exported.
    linked: Vec<LinkedAttachment>,
}

impl<'a> ChunkExport<'a> {
    pub(crate) fn new(filter: &'a Filter<'a>, writer: ChunkWriter<'a>, reads: Reads) -> Self {
        let (provenance, versions) = (Associated::new(filter), Versions::new(reads));
        Self { filter, writer, tombstones: Tombstones::default(), provenance, versions }
    }

    /// Processes one line; `None` is a line that is too long. `documents` are those of the patient whose record
    /// contains the line. Returns what is wrong with the line if it cannot be used.
    pub(crate) async fn line(
        &mut self,
        line: Option<&[u8]>,
        origin: Origin,
        mut documents: Option<&mut PatientDocuments<'_>>,
    ) -> Result<Option<String>> {
        let Some(line) = line else {
            return Ok(Some("the line is longer than 16 MiB".to_owned()));
        };
        let mut plain = Plain::default();
        let resource = match self.filter.read(line, &mut plain) {
            Ok(resource) => resource,
            Err(problem) => {
                self.hold_back_mentioned(line, documents);
                return Ok(Some(problem.to_string()));
            }
        };
        let refused = match self.versions.version(&resource) {
            Version::Current(refused) => refused,
            Version::Superseded(refused) => {
                self.supersede(&resource, refused, documents);
                return Ok(None);
            }
            Version::Repeated => return Ok(None),
            // Without labels that refuse access, at most too many versions are exported.
            Version::TooMany if documents.is_none() && !self.filter.refuses_by_label() => None,
            Version::TooMany => {
                self.hold_back_mentioned(resource.head.text, documents);
                return Ok(Some(TOO_MANY.to_owned()));
            }
        };
        let mut judged = self.judge(&resource, origin, documents.as_deref());
        if let Some(refused) = refused {
            judged.judgement = self.filter.refuse_versions(judged.judgement, refused);
        }
        if let Some(documents) = documents.as_deref_mut() {
            if resource.head.resource_type == "Binary" && !judged.is_deleted {
                let (text, id) = (resource.head.text, resource.head.id);
                let verdict = &judged.judgement.verdict;
                return documents.binary(text, id, verdict, self.filter, &mut self.writer).await;
            }
            self.record_documents(&mut judged, documents);
        }
        if judged.judgement.verdict == Verdict::Unreadable {
            return Ok(Some(UNREADABLE_LABEL.to_owned()));
        }
        self.writer.decided(judged.judgement.verdict.decision());
        self.put(line, judged, documents).await?;
        self.writer.flush_existing().await?;
        Ok(None)
    }

    /// Withholds the documents that an unusable line may refer to, if the filter withholds documents.
    fn hold_back_mentioned(&self, line: &[u8], documents: Option<&mut PatientDocuments<'_>>) {
        if let Some(documents) = documents.filter(|_| self.filter.withholds_documents()) {
            for target in mentioned(line) {
                documents.references.hold_back(target);
            }
        }
    }

    /// Counts an earlier version of a resource. Its documents are not exported because of it.
    fn supersede(
        &mut self,
        resource: &Resource<'_>,
        refused: Option<Refusal>,
        documents: Option<&mut PatientDocuments<'_>>,
    ) {
        self.writer.ledger().resources.duplicates += 1;
        let resource_type = resource.head.resource_type;
        let Some(documents) = documents.filter(|_| self.filter.limits_access()) else { return };
        let attachments = linked_attachments(resource.head.text, resource_type, self.writer.base_url());
        documents.references.record_decision(
            resource_type,
            &attachments,
            Decision::LeaveOut(Reason::Document),
        );
        if let Some(refused) = refused {
            self.refuse(resource, &attachments, refused, documents);
        }
    }

    fn judge<'r>(
        &mut self,
        resource: &'r Resource<'r>,
        origin: Origin,
        documents: Option<&PatientDocuments<'_>>,
    ) -> Judged<'r> {
        let (text, resource_type) = (resource.head.text, resource.head.resource_type);
        let linked =
            documents.map_or(Vec::new(), |_| linked_attachments(text, resource_type, self.writer.base_url()));
        let of = documents.map(PatientDocuments::patient);
        // The key is made only if it is needed.
        let is_looked_for = !self.tombstones.is_empty() || self.provenance.needs_exported();
        let key = resource.head.id.filter(|_| is_looked_for).map(|id| format_key(resource_type, id));
        let is_deleted =
            key.as_deref().is_some_and(|key| self.tombstones.covers(of, key, resource.changed()));
        if let Some(key) = key.as_deref().filter(|_| !is_deleted)
            && self.tombstones.may_be_listed_elsewhere(key)
        {
            self.writer.exists(key);
        }
        let mut judgement = match is_deleted {
            true => self.filter.leave_out(resource, Reason::Deleted),
            false => self.filter.judge(resource, origin),
        };
        if let (Some(documents), Verdict::PassOver(Reason::Since)) = (documents, &judgement.verdict)
            && documents.references.have_changed(&linked, self.filter)
        {
            judgement = self.filter.judge(resource, Origin::Patient { ignore_since: true });
        }
        Judged { resource, judgement, key, is_deleted, linked }
    }

    /// Records the decision on a resource for the documents that it refers to. Elements that `_elements` removes do not
    /// count.
    fn record_documents(&self, judged: &mut Judged<'_>, documents: &mut PatientDocuments<'_>) {
        let Judged { resource, judgement, linked: attachments, .. } = judged;
        let (resource_type, references) = (resource.head.resource_type, &mut documents.references);
        if let Verdict::Subset(subset) = &judgement.verdict {
            references.record_decision(resource_type, attachments, Decision::LeaveOut(Reason::Document));
            *attachments = linked_attachments(subset, resource_type, self.writer.base_url());
        }
        references.record_decision(resource_type, attachments, judgement.verdict.decision());
        if let Some(refusal) = judgement.refusal {
            self.refuse(resource, attachments, refusal, documents);
        }
    }

    /// Records a resource to which access is refused, for the documents that it refers to.
    fn refuse(
        &self,
        resource: &Resource<'_>,
        attachments: &[LinkedAttachment],
        refusal: Refusal,
        documents: &mut PatientDocuments<'_>,
    ) {
        let (head, withholds) = (&resource.head, self.filter.withholds_documents());
        let held = if withholds { attachments } else { &[] };
        documents.references.refuse(head.resource_type, head.id, held, refusal);
        if withholds {
            // It may also refer to documents elsewhere than in an attachment, such as `Communication.payload`.
            documents.references.refuse_mentioned(mentioned(head.text), refusal);
        }
    }

    /// Writes or holds a resource, and notes its references.
    async fn put(
        &mut self,
        line: &[u8],
        judged: Judged<'_>,
        documents: Option<&mut PatientDocuments<'_>>,
    ) -> Result<()> {
        let Judged { resource, judgement: Judgement { verdict, .. }, key, linked, .. } = judged;
        let head = &resource.head;
        // For `shared/`, it is not known yet what other chunks export: one Provenance too many is better than one lost.
        if documents.is_some() && self.provenance.holds(head.resource_type, &verdict) {
            let (key, files) = (self.writer.spool_key("provenance"), self.writer.files());
            return self.provenance.hold(line, key, files).await;
        }
        if let Some(by) = verdict.follows().filter(|_| self.filter.follows_references()) {
            self.writer.collect_references(head.text, by);
            if self.writer.has_many_references() {
                self.writer.settle_references(&self.versions).await?;
            }
        }
        let Some(line) = verdict.exported(line) else { return Ok(()) };
        if let Some(days) = resource.days() {
            self.writer.dated(head.resource_type, days);
        }
        if let Some(key) = &key {
            self.provenance.exported(key);
        }
        let Some(documents) = documents else {
            let id = head.id.unwrap_or_default();
            let (line, unserved) = without_documents(&line, head.resource_type, id, self.writer.base_url());
            for text in unserved {
                self.writer.problem("not-found", &text).await?;
            }
            return self.writer.resource(head.resource_type, &line).await;
        };
        if linked.iter().all(LinkedAttachment::is_elsewhere) {
            self.writer.resource(head.resource_type, &line).await
        } else {
            // Its URLs are known only when the whole patient is read.
            documents.spool(&line, &self.writer).await
        }
    }
}
