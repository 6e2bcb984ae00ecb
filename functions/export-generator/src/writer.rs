//! Writes everything of one attempt at a chunk: lines to their files or to the patient's block, problems to the error
//! files, documents, references, and the counters of the ledger.

use domain::chunk::{ChunkResult, OutputFile, Purpose, attempt_prefix};
use domain::dated::DaysByType;
use domain::decision::Decision;
use domain::error::{Error, Result};
use domain::filter::ReferredBy;
use domain::ids::{Attempt, ChunkId, FileName, PatientId};
use domain::ledger::Ledger;
use domain::ports::files::Files;
use domain::ports::records::Records;
use domain::request::OutputOptions;
use domain::states::Running;
use fhir::facts::Days;
use fhir::outcome::outcome;
use jiff::Timestamp;
use serde_json::json;
use settings::Settings;

use crate::account::Account;
use crate::block::Block;
use crate::existing::ExistingKeys;
use crate::inline::Line;
use crate::outputs::Outputs;
use crate::references::{Mention, ReferenceSet};
use crate::stored::{Attachments, Writing, Written};
use crate::versions::Versions;

/// The message about a resource that is withheld because its security label cannot be read.
pub(crate) const UNREADABLE_LABEL: &str =
    "a security label of the resource cannot be read, so the resource is withheld: correct its meta.security";
/// The message about a line that exceeds the limit after the export's additions.
pub(crate) const TOO_LONG: &str = "a resource is longer than 16 MiB once it is rewritten";
/// The number of requests in a Bundle.
const BUNDLE_SIZE: usize = 100;

/// The writer of one attempt at a chunk.
pub(crate) struct ChunkWriter<'a> {
    files: &'a dyn Files,
    settings: &'a Settings,
    transaction_time: Timestamp,
    attempt: Attempt,
    prefix: String,
    outputs: Outputs<'a>,
    /// The current patient's block, if the output is organized by patient. Resources of no patient have their own
    /// files.
    block: Option<Block>,
    attachments: Attachments<'a>,
    references: ReferenceSet<'a>,
    existing: ExistingKeys<'a>,
    account: Account,
    days: DaysByType,
    bytes_read: u64,
}

impl<'a> ChunkWriter<'a> {
    pub(crate) fn new(
        files: &'a dyn Files,
        settings: &'a Settings,
        running: &'a Running,
        chunk: ChunkId,
        attempt: Attempt,
    ) -> Self {
        let (job, output) = (&running.header.id, &running.header.request.output);
        let prefix = attempt_prefix(job, chunk, &attempt);
        Self {
            files,
            settings,
            transaction_time: running.transaction_time,
            attachments: Attachments::new(files, settings, (&running.header, chunk, &attempt)),
            attempt,
            outputs: Outputs::new(files, prefix.clone(), output),
            block: None,
            references: ReferenceSet::new(files, prefix.clone()),
            existing: ExistingKeys::new(files, &prefix),
            prefix,
            account: Account::default(),
            days: DaysByType::default(),
            bytes_read: 0,
        }
    }

    pub(crate) fn files(&self) -> &'a dyn Files {
        self.files
    }

    pub(crate) fn options(&self) -> &'a OutputOptions {
        self.outputs.options()
    }

    pub(crate) fn base_url(&self) -> &'a str {
        &self.settings.base_url
    }

    pub(crate) fn transaction_time(&self) -> Timestamp {
        self.transaction_time
    }

    /// Returns the key of a file for held lines.
    pub(crate) fn spool_key(&self, name: &str) -> String {
        format!("{}{name}.ndjson", self.prefix)
    }

    /// Returns the prefix of the files in which a chunk sorts what it reads.
    pub(crate) fn sort_prefix(&self) -> String {
        format!("{}sort/", self.prefix)
    }

    /// Returns the prefix of the files of the shards of references.
    pub(crate) fn shards_prefix(&self) -> String {
        format!("{}references/", self.prefix)
    }

    /// Returns whether so many files are full that the chunk should end before its next patient.
    pub(crate) fn is_crowded(&self) -> bool {
        self.outputs.is_crowded()
    }

    pub(crate) fn ledger(&mut self) -> &mut Ledger {
        &mut self.account.ledger
    }

    /// Adds to the stored bytes that were read.
    pub(crate) fn add_bytes_read(&mut self, bytes: u64) {
        self.bytes_read += bytes;
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Counts a resource by the decision on it.
    pub(crate) fn decided(&mut self, decision: Decision) {
        self.account.decided(decision);
    }

    /// Counts a document in `files/` by the decision on it.
    pub(crate) fn document(&mut self, decision: Decision) {
        self.account.document(decision);
    }

    /// Records the days of a resource that is exported.
    pub(crate) fn dated(&mut self, resource_type: &str, days: &Days) {
        self.days.record_days(resource_type, days);
    }

    /// Writes a resource of the export.
    pub(crate) async fn resource(&mut self, resource_type: &str, line: &[u8]) -> Result<()> {
        self.write(Purpose::Output, resource_type, line).await
    }

    /// Writes a DocumentReference that the export makes.
    pub(crate) async fn made_document(&mut self, line: &[u8]) -> Result<()> {
        self.account.ledger.resources.made += 1;
        self.write(Purpose::Documents, "DocumentReference", line).await
    }

    async fn write(&mut self, purpose: Purpose, resource_type: &str, line: &[u8]) -> Result<()> {
        match &mut self.block {
            Some(block) => block.add(resource_type, line, &self.prefix, self.files).await,
            None => self.outputs.write(purpose, resource_type, line).await,
        }
    }

    /// Writes deletions, as `Type/id`, in Bundles.
    pub(crate) async fn deleted(&mut self, keys: &[String]) -> Result<()> {
        for keys in keys.chunks(BUNDLE_SIZE) {
            let entries: Vec<_> =
                keys.iter().map(|key| json!({ "request": { "method": "DELETE", "url": key } })).collect();
            let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries });
            let bundle = bundle.to_string();
            self.outputs.write(Purpose::Deleted, "Bundle", bundle.as_bytes()).await?;
        }
        Ok(())
    }

    /// Appends a file of another chunk unchanged.
    pub(crate) async fn append(&mut self, file: &OutputFile) -> Result<()> {
        self.outputs.append(file).await
    }

    /// Writes the resources of each patient together from here on, if the client requested that.
    pub(crate) fn begin_blocks(&mut self) {
        self.block = self.options().organize_by_patient.then(Block::default);
    }

    /// Ends a patient's resources.
    pub(crate) async fn end_patient(&mut self, patient: &PatientId) -> Result<()> {
        let Some(block) = self.block.take() else { return Ok(()) };
        self.block = Some(Block::default());
        for _ in 0..block.write(patient, &mut self.outputs, self.files).await? {
            self.unusable(TOO_LONG).await?;
        }
        Ok(())
    }

    /// Records the references of a line, in its plain spelling, that may leave the record.
    pub(crate) fn collect_references(&mut self, line: &[u8], by: ReferredBy) {
        self.references.add_all(line, by);
    }

    /// Returns whether so many references are noted that they should be settled before the record ends.
    pub(crate) fn has_many_references(&self) -> bool {
        self.references.is_full()
    }

    /// Decides which of the noted references leave the record.
    pub(crate) async fn settle_references(&mut self, record: &Versions) -> Result<()> {
        self.references.settle(record);
        self.references.spill().await
    }

    /// Drops references to types that `shared/` does not have, if there are many.
    pub(crate) async fn narrow_references(&mut self, records: &dyn Records) -> Result<()> {
        self.references.narrow(records).await
    }

    /// Records a reference that another chunk collected.
    pub(crate) async fn add_reference(&mut self, reference: &str, mention: Mention) -> Result<()> {
        self.references.add_collected(reference, mention);
        self.references.spill().await
    }

    /// Records a resource (`Type/id`) that was read, and that another chunk may list as deleted.
    pub(crate) fn exists(&mut self, key: &str) {
        self.existing.add(key);
    }

    /// Writes the noted resources to the store if there are many.
    pub(crate) async fn flush_existing(&mut self) -> Result<()> {
        self.existing.flush().await
    }

    /// Reports a resource that was read and cannot be used.
    pub(crate) async fn unusable(&mut self, text: &str) -> Result<()> {
        self.account.ledger.resources.problems += 1;
        self.problem("structure", text).await
    }

    /// Reports a damaged file. Returns whether the file is undamaged. The lines before the damage were read; those
    /// after it cannot be counted.
    pub(crate) async fn unless_damaged(&mut self, read: Result<()>) -> Result<bool> {
        match read {
            Ok(()) => Ok(true),
            Err(Error::Damaged(damage)) => {
                let text = format!("{damage}; the lines before the damage are exported");
                self.problem("structure", &text).await.map(|()| false)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes an OperationOutcome to the error file, or only counts it if there are too many.
    pub(crate) async fn problem(&mut self, code: &str, text: &str) -> Result<()> {
        self.report("error", code, text).await
    }

    /// Writes a warning, like [`Self::problem`].
    pub(crate) async fn warning(&mut self, code: &str, text: &str) -> Result<()> {
        self.report("warning", code, text).await
    }

    async fn report(&mut self, severity: &str, code: &str, text: &str) -> Result<()> {
        if self.account.is_reported() { self.notice(severity, code, text).await } else { Ok(()) }
    }

    /// Writes an OperationOutcome that is not a problem of the records and is not counted.
    pub(crate) async fn notice(&mut self, severity: &str, code: &str, text: &str) -> Result<()> {
        let line = outcome(severity, code, text).to_string();
        self.outputs.write(Purpose::Error, "OperationOutcome", line.as_bytes()).await
    }

    pub(crate) fn begin_attachment(&mut self, name: FileName, content_type: &str) -> Writing<'a> {
        self.attachments.begin(name, content_type)
    }

    pub(crate) async fn finish_attachment(&mut self, writing: Writing<'a>) -> Result<Written> {
        self.attachments.finish(writing).await
    }

    /// Stores a document that is held in memory, because it is exported.
    pub(crate) async fn keep_attachment(&mut self, written: &mut Written) -> Result<()> {
        self.attachments.keep(written, self.outputs.pack()).await
    }

    /// Removes a document that is not exported.
    pub(crate) async fn discard_attachment(&mut self, written: Written) -> Result<()> {
        self.attachments.discard(written).await
    }

    /// Returns the bytes of a document as base64, if they fit into the line.
    pub(crate) async fn inline(&self, written: &Written, room: &mut Line) -> Result<Option<String>> {
        self.attachments.inline(written, room).await
    }

    /// Ends all streams. Returns the result of the chunk.
    pub(crate) async fn finish(mut self) -> Result<ChunkResult> {
        let references = self.references.finish(self.outputs.pack()).await?;
        let existing = self.existing.finish(self.outputs.pack()).await?;
        let unlisted = self.account.ledger.problems.unlisted;
        if unlisted > 0 {
            let line = outcome("error", "too-costly", &format!("{unlisted} more problems are not listed"));
            let line = line.to_string();
            self.outputs.write(Purpose::Error, "OperationOutcome", line.as_bytes()).await?;
        }
        let joined = self.outputs.joined();
        let written = self.outputs.finish().await?;
        let data = written.files.iter().filter(|file| file.purpose.is_data());
        let lines = data.map(|file| file.count).sum();
        Ok(ChunkResult {
            attempt: self.attempt,
            ledger: Some(self.account.finish(lines, joined)),
            files: written.files,
            references,
            existing,
            attachments: written.attachments,
            days: self.days,
            bytes_read: self.bytes_read,
        })
    }
}
