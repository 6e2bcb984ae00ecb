//! Collects the resources of patients: reads, filters, and hands each line to its stream.

use std::collections::HashSet;
use std::sync::Arc;

use domain::choices::Choices;
use domain::chunk::{ChunkResult, Purpose, Strays, attempt_prefix};
use domain::error::{Error, Result};
use domain::filter::Decision;
use domain::ids::{Attempt, ChunkId, JobId, PatientId};
use domain::lines::{Line, Lines};
use domain::ports::records::{Area, BlockReader, Part, Parts, Records, read_whole};
use domain::selection::Provenance;
use domain::selector::Selector;
use domain::states::Running;
use fhir::MAX_LINE;
use fhir::attachments::{LinkedAttachment, has_attachments, linked_attachments, mentioned};
use fhir::facts::Facts;
use fhir::head::{Head, NotAResource, Plain, head, head_and_facts};
use fhir::json::compact;
use futures_util::future::join_all;
use jiff::Timestamp;

use crate::Generator;
use crate::account::Account;
use crate::documents::PatientDocuments;
use crate::outputs::Outputs;
use crate::provenance::Associated;
use crate::references::{ReferenceSet, ReferredBy};
use crate::spool::Spool;
use crate::supporting::is_passed_over;
use crate::tombstones::Tombstones;

/// Why a resource is withheld whose label nobody can read.
pub(crate) const UNREADABLE_LABEL: &str =
    "a security label of the resource cannot be read, so the resource is withheld: correct its meta.security";

/// Files of one patient that are opened before their turn.
const OPENED_AHEAD: usize = 4;

/// A patient whose turn has not come yet, so that a store far away is never waited for: what there is of the record,
/// and its first files, opened.
pub(crate) struct PrefetchedPatient {
    parts: Parts,
    readers: Vec<Result<Box<dyn BlockReader>>>,
}

/// Turns [`Error::NotFound`] into [`Error::Conflict`], so that the chunk is collected again: a file that was listed has been
/// removed since.
pub(crate) fn still_there<T>(opened: Result<T>) -> Result<T> {
    opened.map_err(|error| match error {
        Error::NotFound(_) => Error::conflict("a file of a record was removed while its chunk was collected"),
        error => error,
    })
}

impl PrefetchedPatient {
    pub(crate) async fn open(records: Arc<dyn Records>, found: Result<(PatientId, Parts)>) -> Result<Self> {
        let (patient, parts) = found?;
        let first = parts.records.iter().take(OPENED_AHEAD);
        let readers = join_all(first.map(|part| records.open_records(&patient, part))).await;
        Ok(Self { parts, readers })
    }
}

/// A patient's block, until it is written: the Patient, and what comes behind it.
#[derive(Default)]
pub(crate) struct Block {
    pub(crate) patient: Option<Vec<u8>>,
    pub(crate) lines: Spool,
}

/// Collects for one attempt at one chunk.
pub(crate) struct Collector<'a> {
    pub(crate) generator: &'a Generator,
    pub(crate) job: &'a JobId,
    pub(crate) chunk: ChunkId,
    pub(crate) attempt: Attempt,
    pub(crate) transaction_time: Timestamp,
    pub(crate) choices: Option<&'a Choices>,
    /// Of a bulk export.
    pub(crate) selector: Option<&'a Selector<'a>>,
    pub(crate) outputs: Outputs<'a>,
    pub(crate) tombstones: Tombstones,
    pub(crate) provenance: Associated,
    /// Of patients, where the output is organized by patient. What belongs to nobody has files of its own.
    pub(crate) block: Option<Block>,
    /// Names of attachments that this chunk has given away.
    pub(crate) names: HashSet<String>,
    /// Bytes of documents that wait in memory.
    pub(crate) held_bytes: usize,
    pub(crate) prefix: String,
    pub(crate) account: Account,
    pub(crate) references: ReferenceSet<'a>,
    bytes_read: u64,
}

impl<'a> Collector<'a> {
    pub(crate) fn new(
        generator: &'a Generator,
        running: &'a Running,
        selector: Option<&'a Selector<'a>>,
        chunk: ChunkId,
        attempt: Attempt,
    ) -> Self {
        let header = &running.header;
        let associates = selector.is_some_and(|selector| selector.selection().provenance != Provenance::All);
        let prefix = attempt_prefix(&header.id, chunk, &attempt);
        Self {
            generator,
            job: &header.id,
            chunk,
            attempt,
            transaction_time: running.transaction_time,
            choices: header.request.choices.as_ref(),
            selector,
            outputs: Outputs::new(&*generator.files, prefix.clone(), &header.request.output),
            tombstones: Tombstones::default(),
            provenance: Associated::new(associates),
            block: None,
            names: HashSet::new(),
            held_bytes: 0,
            prefix: prefix.clone(),
            account: Account::default(),
            references: ReferenceSet::new(&*generator.files, prefix),
            bytes_read: 0,
        }
    }

    /// Collects one patient's compartment and documents.
    pub(crate) async fn patient(
        &mut self,
        patient: &PatientId,
        opened: PrefetchedPatient,
        ignore_since: bool,
    ) -> Result<()> {
        let records = &self.generator.records;
        let PrefetchedPatient { parts, readers } = opened;
        let mut readers = readers.into_iter();
        let is_absent = parts.records.is_empty() && parts.documents.is_empty();
        if is_absent && !self.tombstones.has_patient(patient) {
            self.error("not-found", &format!("Patient/{patient} is no longer in the record store")).await?;
        }
        let mut documents = PatientDocuments::new(patient, &parts.documents);
        let mut is_whole = true;
        for part in &parts.records {
            let reader = match readers.next() {
                Some(reader) => reader,
                None => records.open_records(patient, part).await,
            };
            let reader = still_there(reader);
            let file = format!("Patient/{patient}/{}", part.name);
            let read = match reader {
                Ok(reader) => self.records_file(reader, &file, &mut documents, ignore_since).await,
                Err(error) => Err(error),
            };
            is_whole &= self.unless_damaged(read).await?;
            self.bytes_read += part.bytes;
        }
        self.bytes_read += parts.documents.iter().map(|part| part.bytes).sum::<u64>();
        is_whole &= documents.finish(self, ignore_since).await?;
        let patients = &mut self.account.ledger.patients;
        patients.planned += 1;
        match (is_absent, is_whole) {
            (true, _) => patients.absent += 1,
            (false, true) => patients.exported += 1,
            (false, false) => patients.failed += 1,
        }
        if let Some(selector) = self.selector
            && self.provenance.is_wanted()
        {
            self.write_relevant_provenance(selector.selection().provenance).await?;
        }
        self.end_block(patient).await?;
        self.write_deleted(Some(patient)).await
    }

    /// Collects the lines of one file of a patient's record. `file` is its path below the root of the lake.
    async fn records_file(
        &mut self,
        reader: Box<dyn BlockReader>,
        file: &str,
        documents: &mut PatientDocuments<'_>,
        ignore_since: bool,
    ) -> Result<()> {
        let mut lines = Lines::new(reader);
        while let Some(line) = lines.next().await? {
            self.account.ledger.resources.read += 1;
            if let Some(problem) = self.line(line, documents, ignore_since).await? {
                self.unusable(&format!("{file} line {}: {problem}", line.number)).await?;
            }
        }
        Ok(())
    }

    /// Reports a file that is damaged, and returns whether it is not. What stands before the damage was read; what
    /// stands behind it nobody can count.
    pub(crate) async fn unless_damaged(&mut self, read: Result<()>) -> Result<bool> {
        match read {
            Ok(()) => Ok(true),
            Err(Error::Damaged(damage)) => {
                let text = format!("{damage}; what stands before the damage, if anything, is exported");
                self.error("structure", &text).await.map(|()| false)
            }
            Err(error) => Err(error),
        }
    }

    /// Names members of a group who have no record here; `more` are only counted.
    pub(crate) async fn absent(&mut self, members: &[String], more: u64, problems: &[String]) -> Result<()> {
        for problem in problems {
            self.error("not-found", problem).await?;
        }
        for member in members {
            let text = format!("the group has the member '{member}', who has no record on this server");
            self.error("not-found", &text).await?;
        }
        let ledger = &mut self.account.ledger;
        ledger.patients.planned += members.len() as u64 + more;
        ledger.patients.absent += members.len() as u64 + more;
        ledger.problems.unlisted += more;
        Ok(())
    }

    /// Names what stands among the patients and is none.
    pub(crate) async fn strays(&mut self, strays: &Strays) -> Result<()> {
        for name in &strays.named {
            let text = format!(
                "Patient/{name} is not exported: records of a patient stand in a directory whose name is the patient's id \
                 (1 to 64 letters, digits, '-' and '.')"
            );
            self.error("structure", &text).await?;
        }
        self.account.ledger.problems.unlisted += strays.more;
        Ok(())
    }

    /// Whether access to some resources may be refused: by a form's choices, or by types, tags and constraints of the
    /// token.
    pub(crate) fn withholds(&self) -> bool {
        let limits = |selector: &Selector<'_>| {
            let selection = selector.selection();
            selection.granted.is_some()
                || selection.tags.is_some()
                || !selection.constraint_filters.is_empty()
        };
        self.choices.is_some() || self.selector.is_some_and(limits)
    }

    /// Collects a file of `shared/`, or the Group resources.
    pub(crate) async fn area(&mut self, area: Area, parts: &[Part], selector: &Selector<'_>) -> Result<()> {
        for part in parts {
            let read = match area {
                Area::Groups => self.group_file(part, selector).await,
                Area::Shared | Area::Deleted => self.area_file(area, part, selector).await,
            };
            match read {
                // It was there when the export was planned.
                Err(Error::NotFound(_)) => {
                    let text = format!("{}/{} is no longer in the record store", area.directory(), part.name);
                    self.error("not-found", &text).await?;
                }
                read => {
                    self.unless_damaged(read).await?;
                }
            }
            self.bytes_read += part.bytes;
        }
        Ok(())
    }

    async fn area_file(&mut self, area: Area, part: &Part, selector: &Selector<'_>) -> Result<()> {
        let mut lines = Lines::new(self.generator.records.open_area(area, &part.name).await?);
        while let Some(line) = lines.next().await? {
            self.area_line(area, part, line.number, line.text.unwrap_or_default(), selector).await?;
        }
        Ok(())
    }

    /// Collects a Group resource: a file, which need not be one line.
    async fn group_file(&mut self, part: &Part, selector: &Selector<'_>) -> Result<()> {
        let reader = self.generator.records.open_area(Area::Groups, &part.name).await?;
        let file = format!("{}/{}", Area::Groups.directory(), part.name);
        let problem = match read_whole(&file, reader, MAX_LINE).await {
            Ok(mut text) => {
                if compact(&mut text) {
                    return self.area_line(Area::Groups, part, 1, &text, selector).await;
                }
                format!("{file} is not JSON")
            }
            Err(Error::Damaged(damage)) => damage.to_string(),
            Err(error) => return Err(error),
        };
        self.account.ledger.resources.read += 1;
        self.unusable(&problem).await
    }

    async fn area_line(
        &mut self,
        area: Area,
        part: &Part,
        number: u64,
        text: &[u8],
        selector: &Selector<'_>,
    ) -> Result<()> {
        self.account.ledger.resources.read += 1;
        match self.select_line(text, selector, None, false).await? {
            Some(problem) => {
                let place = format!("{}/{} line {number}: {problem}", area.directory(), part.name);
                self.unusable(&place).await
            }
            None => Ok(()),
        }
    }

    /// The attachments of a line that have URLs.
    pub(crate) fn linked(&self, line: &[u8], resource_type: &str) -> Vec<LinkedAttachment> {
        if has_attachments(resource_type) {
            linked_attachments(line, resource_type, self.base_url())
        } else {
            Vec::new()
        }
    }

    /// Whether the client reads DocumentReferences one by one, and finds documents through them only.
    pub(crate) fn one_document_per_file(&self) -> bool {
        self.outputs.options().one_document_per_file
    }

    /// Attachments up to this many bytes stand in the resources.
    pub(crate) fn inline_attachments_bytes(&self) -> u64 {
        self.outputs.options().inline_attachments_bytes
    }

    pub(crate) fn base_url(&self) -> &'a str {
        &self.generator.settings.base_url
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Takes one line. Returns what is wrong with it, if it cannot be used.
    async fn line(
        &mut self,
        line: Line<'_>,
        documents: &mut PatientDocuments<'_>,
        ignore_since: bool,
    ) -> Result<Option<String>> {
        let Some(text) = line.text else {
            return Ok(Some("the line is longer than 16 MiB".to_owned()));
        };
        if let Some(selector) = self.selector {
            return self.select_line(text, selector, Some(documents), ignore_since).await;
        }
        let mut plain = Plain::default();
        let (head, facts) = match self.read(text, &mut plain) {
            Ok(read) => read,
            Err(problem) => {
                if self.choices.is_some() {
                    // It may refer to what must not go.
                    for target in mentioned(text) {
                        documents.hold_back(target);
                    }
                }
                return Ok(Some(problem.to_string()));
            }
        };
        if head.resource_type == "Binary" {
            return documents.binary(head.text, &facts, self).await;
        }
        let decision = self.choices.map_or(Decision::Keep, |choices| choices.decide(&facts));
        let linked = self.linked(head.text, head.resource_type);
        documents.note(head.resource_type, &linked, decision);
        // What must not go holds its documents back, whether or not it was chosen itself.
        let refused = match self.choices.map(|choices| choices.unless_sensitive(&facts)) {
            Some(Decision::Withhold(category)) => Some(Some(category)),
            Some(Decision::Unreadable) => Some(None),
            _ => None,
        };
        if let Some(category) = refused {
            documents.refuse(head.resource_type, head.id, &linked, category);
        }
        if decision == Decision::Unreadable {
            return Ok(Some(UNREADABLE_LABEL.to_owned()));
        }
        self.account.decided(decision);
        if decision != Decision::Keep {
            let is_left_out = matches!(decision, Decision::LeaveOut(_));
            if is_left_out && self.choices.is_some_and(|choices| is_passed_over(choices, &facts)) {
                self.collect_references(head.text, ReferredBy::LeftOut).await?;
            }
            return Ok(None);
        }
        self.collect_references(head.text, ReferredBy::Exported).await?;
        if linked.iter().all(LinkedAttachment::is_elsewhere) {
            self.outputs.write(Purpose::Output, head.resource_type, text).await?;
        } else {
            // Its URLs are known when the whole patient is.
            documents.spool(text, self).await?;
        }
        Ok(None)
    }

    /// The head, and the facts where there is somebody to look at them.
    fn read<'l>(&self, line: &'l [u8], plain: &'l mut Plain) -> Result<(Head<'l>, Facts<'l>), NotAResource> {
        if self.choices.is_some() {
            return head_and_facts(line, plain);
        }
        head(line, plain).map(|head| (head, Facts::default()))
    }

    /// Notes the references of a line, in its plain spelling, that leave the compartment.
    pub(crate) async fn collect_references(&mut self, line: &[u8], by: ReferredBy) -> Result<()> {
        self.references.add_all(line, by);
        self.references.spill().await
    }

    /// Reports a resource that was read and cannot be used.
    pub(crate) async fn unusable(&mut self, text: &str) -> Result<()> {
        self.account.unusable(&mut self.outputs, "structure", text).await
    }

    /// Writes an OperationOutcome to the error file.
    pub(crate) async fn error(&mut self, code: &str, text: &str) -> Result<()> {
        self.account.problem(&mut self.outputs, code, text).await
    }

    /// Ends all streams; what they came to.
    pub(crate) async fn finish(mut self) -> Result<ChunkResult> {
        let references = self.references.finish(self.outputs.pack()).await?;
        let (written, ledger) = self.account.finish(self.outputs).await?;
        Ok(ChunkResult {
            attempt: self.attempt,
            files: written.files,
            ledger: Some(ledger),
            references,
            attachments: written.attachments,
            bytes_read: self.bytes_read,
        })
    }
}

#[cfg(test)]
mod tests {
    use domain::error::Kind;

    use super::*;

    #[test]
    fn a_file_that_was_removed_meanwhile_is_no_reason_to_fail_the_export() {
        let kind = |error| still_there::<()>(Err(error)).map_err(|error| error.kind());
        assert_eq!(kind(Error::NotFound("there is no such file")), Err(Kind::Contended));
        assert_eq!(kind(Error::unavailable("later")), Err(Kind::Unavailable));
    }
}
