//! Writes lines that refer to documents of the record, with the URLs that the documents have in the export, or with
//! their bytes.
//!
//! The output has only URLs that can be fetched: URLs of the record become absolute URLs of this server, URLs of other
//! servers stay, and all others are left out and named in the `error` file.

use domain::error::Result;
use domain::ids::PatientId;
use fhir::attachments::{
    Document, EHI_EXPORT_TAG, LinkedAttachment, Replacement, linked_attachments, rewrite,
};
use fhir::head::{Plain, head, head_and_members};
use fhir::tags::tagged;

use crate::document_references::DocumentReferences;
use crate::inline::{Inlined, Line};
use crate::stored::Kept;
use crate::unserved::{shown, unserved_url};
use crate::writer::ChunkWriter;

/// Writes the held lines of a patient.
pub(crate) struct Linker<'l> {
    pub(crate) patient: &'l PatientId,
    pub(crate) references: &'l DocumentReferences<'l>,
    pub(crate) kept: &'l Kept,
    pub(crate) inlined: &'l mut Inlined,
}

/// The replacements of the URLs of a line.
#[derive(Default)]
struct Replaced {
    replacements: Vec<Replacement>,
    is_served: bool,
    /// URLs that cannot be served.
    unserved: Vec<String>,
    /// URLs of documents whose size or hash is wrong in the line.
    misstated: Vec<String>,
}

impl Linker<'_> {
    /// Writes a line with the URLs of its documents, or with their bytes.
    pub(crate) async fn write(&mut self, line: &[u8], writer: &mut ChunkWriter<'_>) -> Result<()> {
        let mut plain = Plain::default();
        let head = match head(line, &mut plain) {
            Ok(head) => head,
            Err(problem) => return writer.unusable(&problem.to_string()).await,
        };
        let linked = linked_attachments(head.text, head.resource_type, writer.base_url());
        let Replaced { replacements, is_served, unserved, misstated } =
            self.replaced(&linked, line.len(), writer).await?;
        let is_changed = replacements.iter().any(|replacement| *replacement != Replacement::Keep);
        let mut rewritten = Vec::with_capacity(line.len() + 256);
        let mut replacements = replacements.into_iter();
        let replace = |_: &LinkedAttachment| replacements.next().unwrap_or(Replacement::Keep);
        rewrite(head.text, &linked, replace, &mut rewritten);
        let id = head.id.unwrap_or_default();
        let place = format!("Patient/{}: {}/{id}", self.patient, head.resource_type);
        for url in unserved {
            writer.problem("not-found", &unserved_url(&place, &url)).await?;
        }
        for url in misstated {
            let text = format!(
                "{place} states a size or a hash of '{}' that is not that of the document; it was corrected",
                shown(&url)
            );
            writer.problem("value", &text).await?;
        }
        if !is_changed {
            return writer.resource(head.resource_type, line).await;
        }
        let is_document = head.resource_type == "DocumentReference" && writer.options().one_document_per_file;
        let mut again = Plain::default();
        if is_served
            && is_document
            && let Ok((head, members)) = head_and_members(&rewritten, &mut again)
        {
            let line = tagged(head.text, &members, EHI_EXPORT_TAG);
            return writer.resource(head.resource_type, &line).await;
        }
        writer.resource(head.resource_type, &rewritten).await
    }

    /// Returns the replacements for the URLs of a line of this length.
    async fn replaced(
        &mut self,
        linked: &[LinkedAttachment],
        length: usize,
        writer: &ChunkWriter<'_>,
    ) -> Result<Replaced> {
        let mut replaced = Replaced::default();
        let mut room = Line::new(writer.options().inline_attachments_bytes, length);
        for attachment in linked {
            let replacement = self.replacement(attachment, &mut room, writer).await?;
            match (&replacement, self.references.meant(&attachment.link)) {
                (Replacement::Url { size, hash, .. }, Some(target)) => {
                    replaced.is_served = true;
                    if attachment.misstates(*size, hash) {
                        replaced.misstated.push(attachment.url.clone());
                    }
                    self.inlined.linked(&target);
                }
                (Replacement::Data { .. }, Some(target)) => self.inlined.inside(&target),
                (Replacement::Absent("unknown"), _) => replaced.unserved.push(attachment.url.clone()),
                _ => {}
            }
            replaced.replacements.push(replacement);
        }
        Ok(replaced)
    }

    /// Returns the replacement for an attachment's URL.
    async fn replacement(
        &self,
        attachment: &LinkedAttachment,
        room: &mut Line,
        writer: &ChunkWriter<'_>,
    ) -> Result<Replacement> {
        if attachment.is_elsewhere() {
            return Ok(Replacement::Keep);
        }
        let target = self.references.meant(&attachment.link);
        let Some(written) = target.as_ref().and_then(|target| self.kept.get(target)) else {
            let is_withheld = target.is_some_and(|target| self.references.is_held_back(&target));
            return Ok(Replacement::Absent(if is_withheld { "masked" } else { "unknown" }));
        };
        let Document { url, title, content_type, size, hash } = &written.document;
        // Data that the record already has stays unchanged, because it may differ from the document.
        let data = if attachment.has_data() { None } else { writer.inline(written, room).await? };
        Ok(match data {
            Some(data) => {
                Replacement::Data { data, content_type: content_type.clone(), title: title.clone() }
            }
            None => {
                Replacement::Url { url: url.clone(), title: title.clone(), size: *size, hash: hash.clone() }
            }
        })
    }
}
