//! Writes the DocumentReference that lists documents that no resource of the record describes.
//!
//! It lists all such documents of a patient. Its `lastUpdated` is that of the document that changed last, so that a
//! later export with `_since` returns either the complete list, or nothing.

use domain::error::Result;
use domain::ids::PatientId;
use fhir::attachments::{Target, document_reference};
use fhir::instant;

use crate::document_references::DocumentReferences;
use crate::inline::{Inlined, Line, put};
use crate::stored::{Kept, Written};
use crate::writer::ChunkWriter;

/// Writes one DocumentReference for the undescribed documents. For clients that read only DocumentReferences, it also
/// lists documents that resources of other types refer to.
pub(crate) async fn describe(
    patient: &PatientId,
    references: &DocumentReferences<'_>,
    kept: &Kept,
    inlined: &mut Inlined,
    writer: &mut ChunkWriter<'_>,
) -> Result<()> {
    let by_documents_only = writer.options().one_document_per_file;
    let mut documents: Vec<(&Target, &Written)> =
        kept.iter().filter(|(target, _)| !references.is_described(target, by_documents_only)).collect();
    if documents.is_empty() {
        return Ok(());
    }
    documents.sort_by(|(_, one), (_, other)| one.document.url.cmp(&other.document.url));
    let id = format!("documents-{}", &crypto::fingerprint(patient.as_str())[..16]);
    let listed: Vec<_> = documents.iter().map(|(_, written)| written.document.clone()).collect();
    let mut resource = document_reference(
        &id,
        Some(patient.as_str()),
        "Documents of the record that are not FHIR resources",
        &instant(writer.transaction_time()),
        &listed,
    );
    let mut room = Line::new(writer.options().inline_attachments_bytes, resource.to_string().len());
    for (index, (target, written)) in documents.into_iter().enumerate() {
        match writer.inline(written, &mut room).await? {
            Some(data) => {
                put(&mut resource["content"][index]["attachment"], data);
                inlined.inside(target);
            }
            None => inlined.linked(target),
        }
    }
    writer.made_document(resource.to_string().as_bytes()).await
}
