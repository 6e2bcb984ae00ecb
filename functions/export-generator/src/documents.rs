//! Exports what is not NDJSON in a patient's record: Binary resources and the files in `files/`. They are written as
//! attachments, and the resources that refer to them get absolute URLs (Bulk Data 2.0, attachments).
//!
//! A document follows the resources that refer to it ([`document_references`](crate::document_references)). Unreferenced documents are listed in
//! a DocumentReference that the export makes ([`crate::undescribed`]). So the decision on a document, and the URLs in
//! the lines that refer to it ([`linked`](crate::linked)), are known only when the whole patient is read.

use std::collections::HashMap;

use domain::decision::Decision;
use domain::error::{Error, Result};
use domain::filter::{Filter, Unreferenced, Verdict};
use domain::ids::{FileName, PatientId};
use domain::ports::records::Part;
use fhir::attachments::Target;
use fhir::media_types;

use crate::binary::Binary;
use crate::document_references::DocumentReferences;
use crate::inline::Inlined;
use crate::linked::Linker;
use crate::reader::PatientReader;
use crate::spool::Spool;
use crate::stored::{Kept, Written};
use crate::undescribed;
use crate::writer::{ChunkWriter, TOO_LONG, UNREADABLE_LABEL};

/// The documents of one patient.
pub(crate) struct PatientDocuments<'p> {
    patient: &'p PatientId,
    files: &'p [Part],
    /// Written Binaries, by id.
    binaries: HashMap<String, Written>,
    /// `meta.lastUpdated` of each Binary, in microseconds.
    changed: HashMap<String, Option<i64>>,
    pub(crate) references: DocumentReferences<'p>,
    /// Lines that are held until their URLs are known.
    spool: Spool,
}

impl<'p> PatientDocuments<'p> {
    pub(crate) fn new(patient: &'p PatientId, files: &'p [Part]) -> Self {
        Self {
            patient,
            files,
            binaries: HashMap::new(),
            changed: HashMap::new(),
            references: DocumentReferences::new(files),
            spool: Spool::default(),
        }
    }

    pub(crate) fn patient(&self) -> &PatientId {
        self.patient
    }

    /// Holds a line until its URLs are known.
    pub(crate) async fn spool(&mut self, line: &[u8], writer: &ChunkWriter<'_>) -> Result<()> {
        self.spool.push(line, || writer.spool_key("spool"), writer.files()).await
    }

    /// Writes a Binary, in its plain spelling, on which the filter has decided. Returns what is wrong with it if it
    /// cannot be used.
    pub(crate) async fn binary(
        &mut self,
        text: &[u8],
        id: Option<&str>,
        verdict: &Verdict,
        filter: &Filter<'_>,
        writer: &mut ChunkWriter<'_>,
    ) -> Result<Option<String>> {
        let decision = verdict.decision();
        if decision != Decision::Keep {
            let target = Target::Binary(id.unwrap_or_default().to_owned());
            match decision {
                Decision::Withhold(category) => self.references.withhold(target, category),
                _ => self.references.hold_back(target),
            }
            writer.decided(decision);
            return Ok((decision == Decision::Unreadable).then(|| UNREADABLE_LABEL.to_owned()));
        }
        let mut binary = match Binary::read(text) {
            Ok(binary) => binary,
            Err(problem) => return Ok(Some(problem)),
        };
        if let Some(context) = binary.context.take().filter(|_| filter.limits_access()) {
            // Access to it follows another resource, which may be withheld.
            let own = context.strip_prefix("Patient/").is_some_and(|id| id == self.patient.as_str());
            if !own {
                self.references.follow_access(Target::Binary(binary.id.clone()), context);
            }
        }
        let written = match binary.write(writer).await? {
            Ok(written) => written,
            Err(problem) => return Ok(Some(problem)),
        };
        self.changed.insert(binary.id.clone(), binary.changed);
        self.binaries.insert(binary.id, written);
        Ok(None)
    }

    /// Decides on the documents, copies the files, and writes the held lines. Called when the whole patient is read.
    /// `ignore_since` exports documents however long ago they changed. Returns whether every exported file could be
    /// read.
    pub(crate) async fn finish(
        &mut self,
        reader: &mut PatientReader,
        filter: &Filter<'_>,
        writer: &mut ChunkWriter<'_>,
        ignore_since: bool,
    ) -> Result<bool> {
        self.references.settle(filter);
        let changed = self.last_change();
        let unreferenced = |documents| filter.judge_unreferenced(documents, changed, ignore_since);
        let mut kept = Kept::new();
        self.settle_binaries(unreferenced(Unreferenced::Binaries), &mut kept, writer).await?;
        let are_whole =
            self.settle_files(unreferenced(Unreferenced::Files), &mut kept, reader, writer).await?;
        let mut inlined = Inlined::default();
        self.write_spooled(&kept, &mut inlined, writer).await?;
        undescribed::describe(self.patient, &self.references, &kept, &mut inlined, writer).await?;
        for (target, mut written) in kept {
            match inlined.is_spare(&target) {
                true => writer.discard_attachment(written).await?,
                false => writer.keep_attachment(&mut written).await?,
            }
        }
        Ok(are_whole)
    }

    /// Returns when the unreferenced documents changed last; `None` if one of them has no date. A document without a
    /// date counts as changed.
    fn last_change(&self) -> Option<i64> {
        let binaries = self.changed.iter().map(|(id, changed)| (Target::Binary(id.clone()), *changed));
        let files = self.files.iter().map(|part| {
            let changed = part.changed.map(jiff::Timestamp::as_microsecond);
            (Target::File(part.name.clone()), changed)
        });
        let changes: Option<Vec<i64>> = binaries
            .chain(files)
            .filter(|(target, _)| !self.references.is_referred_to(target))
            .map(|(_, changed)| changed)
            .collect();
        changes.and_then(|changes| changes.into_iter().max())
    }

    async fn settle_binaries(
        &mut self,
        unreferenced: Decision,
        kept: &mut Kept,
        writer: &mut ChunkWriter<'_>,
    ) -> Result<()> {
        for (id, written) in std::mem::take(&mut self.binaries) {
            let target = Target::Binary(id);
            match self.references.decide(&target, unreferenced) {
                Decision::Keep => {
                    kept.insert(target, written);
                    writer.ledger().resources.attachments += 1;
                }
                decision => {
                    writer.decided(decision);
                    writer.discard_attachment(written).await?;
                }
            }
        }
        Ok(())
    }

    /// Returns whether every exported file could be read.
    async fn settle_files(
        &self,
        unreferenced: Decision,
        kept: &mut Kept,
        reader: &mut PatientReader,
        writer: &mut ChunkWriter<'_>,
    ) -> Result<bool> {
        let mut are_whole = true;
        for part in self.files {
            let target = Target::File(part.name.clone());
            writer.ledger().documents.found += 1;
            let mut decision = self.references.decide(&target, unreferenced);
            if decision == Decision::Keep {
                match copy(part, reader, writer).await {
                    Ok(mut written) => {
                        // The file is certainly exported, because no line will contain its bytes.
                        if writer.options().inline_attachments_bytes == 0 {
                            writer.keep_attachment(&mut written).await?;
                        }
                        kept.insert(target, written);
                    }
                    // A partly read document is not exported: the resource that refers to it says that it is missing.
                    Err(Error::Damaged(damage)) => {
                        writer.problem("structure", &damage.to_string()).await?;
                        decision = Decision::Unreadable;
                        are_whole = false;
                    }
                    Err(error) => return Err(error),
                }
            }
            writer.document(decision);
        }
        Ok(are_whole)
    }

    async fn write_spooled(
        &mut self,
        kept: &Kept,
        inlined: &mut Inlined,
        writer: &mut ChunkWriter<'_>,
    ) -> Result<()> {
        let (mut lines, spilled) = std::mem::take(&mut self.spool).replay(writer.files()).await?;
        let mut linker = Linker { patient: self.patient, references: &self.references, kept, inlined };
        while let Some(line) = lines.next().await? {
            match line.text {
                Some(text) => linker.write(text, writer).await?,
                None => writer.unusable(TOO_LONG).await?,
            }
        }
        match spilled {
            Some(key) => writer.files().remove(&key).await,
            None => Ok(()),
        }
    }
}

/// Copies a whole file of the record. Returns [`Error::Damaged`] if it cannot be read completely.
async fn copy(part: &Part, reader: &mut PatientReader, writer: &mut ChunkWriter<'_>) -> Result<Written> {
    let name = FileName::sanitize(&part.name);
    let content_type = media_types::of_extension(&name.extension());
    let mut document = reader.document(part).await?;
    let mut writing = writer.begin_attachment(name, content_type);
    writing.title(&part.name);
    loop {
        let block = document.read(Vec::new()).await?;
        if block.is_empty() {
            return writer.finish_attachment(writing).await;
        }
        writing.write(block).await?;
    }
}
